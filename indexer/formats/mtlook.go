package formats

import "bytes"

// How a file of SWIFT messages is told, and which type of message it is of: by block 2, if it has one; by a bank's own first
// line (":940:"); or else by the first field that only one type of those has at its beginning: 60F of MT940, 34F of MT942,
// 28D of MT101, 23B of MT103. An MT950 without blocks looks like an MT940, and is read as that.

func lookMT(kind string) func(prefix []byte) answer {
	return func(prefix []byte) answer {
		found, a := mtLook(prefix)
		if a == yes && found != kind {
			return no
		}
		return a
	}
}

// mtLook tells the type of the first message.
func mtLook(b []byte) (kind string, a answer) {
	const bom = "\xef\xbb\xbf"
	if len(b) < len(bom) && string(b) == bom[:len(b)] {
		return "", more
	}
	b = bytes.TrimPrefix(b, []byte(bom))
	var seen mtSeen
	for headers := 0; ; {
		for len(b) > 0 && (b[0] <= ' ' || b[0] == '$') {
			if b[0] == 0 {
				return "", no // another encoding, or no text at all
			}
			b = b[1:]
		}
		if len(b) == 0 {
			return "", more
		}
		if b[0] == '{' {
			n, kind, a := mtLookBlock(b)
			if n == 0 {
				return kind, a
			}
			b = b[n:]
			continue
		}
		n, ended := bytes.IndexAny(b, "\r\n"), true
		if n < 0 {
			n, ended = len(b), false
		}
		line := trimLine(b[:n])
		b = b[n:]
		switch {
		case b2kind(mtNumber(line)) != "":
			if !ended { // the line may go on, and be something else
				return "", more
			}
			return mtNumber(line), yes
		case line[0] == ':':
			if kind, a := seen.field(line); a != more {
				return kind, a
			}
		case !seen.any && line[0] != '-':
			if headers++; headers > 6 || !mtHeader(line, ended) {
				return "", no
			}
		}
	}
}

// b2kind is the type if it is read here, else "".
func b2kind(kind string) string {
	switch kind {
	case "101", "103", "940", "942":
		return kind
	}
	return ""
}

// mtLookBlock judges the block that b begins with; n is how much of b to go on behind, 0 for what a says.
func mtLookBlock(b []byte) (n int, kind string, a answer) {
	switch {
	case len(b) < 3:
		if len(b) == 2 && (b[1] < '1' || b[1] > '5') {
			return 0, "", no
		}
		return 0, "", more
	case b[1] < '1' || b[1] > '5' || b[2] != ':':
		return 0, "", no
	case b[1] == '2' && len(b) < 7 && bytes.IndexByte(b, '}') < 0:
		return 0, "", more
	case b[1] == '2' && b[3] != '}':
		if len(b) >= 7 && b2kind(string(b[4:7])) != "" && (b[3] == 'I' || b[3] == 'O') {
			return 0, string(b[4:7]), yes
		}
		return 0, "", no
	case b[1] == '4' && len(b) > 3 && b[3] != '{':
		return 3, "", more
	}
	depth := 0
	for i, c := range b {
		switch c {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i + 1, "", more
			}
		}
	}
	return 0, "", more
}

// mtSeen is what fields a text has begun with.
type mtSeen struct {
	any              bool
	related, settled bool // :21:, :32A:
}

// field judges a line that begins with a colon.
func (s *mtSeen) field(line []byte) (kind string, a answer) {
	tag, _ := mtTag(line)
	if tag == nil {
		if !s.any && (len(line) > 4 || !mtTagBegins(line)) {
			return "", no
		}
		return "", more
	}
	s.any = true
	switch string(tag) {
	case "60F", "60M", "62F", "62M":
		return "940", yes
	case "34F", "90C", "90D":
		return "942", yes
	case "28D":
		return "101", yes
	case "23B":
		return "103", yes
	case "21":
		s.related = true
	case "32A":
		if s.settled = true; s.related {
			return "", no // a transfer between banks
		}
	case "50A", "50K", "50F", "59", "59A", "59F":
		if s.settled {
			return "103", yes
		}
	}
	return "", more
}

// mtTagBegins tells whether a line may be the beginning of a tag: ":20", ":60F", ":940".
func mtTagBegins(line []byte) bool {
	for _, c := range line[1:] {
		if !tagByte(c) {
			return false
		}
	}
	return true
}

// mtNumber is the type in a line such as ":940:", else "".
func mtNumber(line []byte) string {
	if len(line) == 5 && line[0] == ':' && line[4] == ':' && digits(line[1:4]) {
		return string(line[1:4])
	}
	return ""
}

// mtHeader tells whether a line may be a bank's own: words of at most four digits, of a BIC perhaps with more around it, or
// of a type such as MT940. The last word of a line that has not ended may be one's beginning.
func mtHeader(line []byte, ended bool) bool {
	if len(line) > 80 {
		return false
	}
	for len(line) > 0 {
		n := bytes.IndexByte(line, ' ')
		part := n < 0 && !ended
		if n < 0 {
			n = len(line)
		}
		if !mtHeaderWord(line[:n], part) {
			return false
		}
		line = line[n:]
		for len(line) > 0 && line[0] == ' ' {
			line = line[1:]
		}
	}
	return true
}

func mtHeaderWord(word []byte, part bool) bool {
	n := 0
	for n < len(word) && digit(word[n]) {
		n++
	}
	if word = word[n:]; n > 4 || len(word) > 30 {
		return false
	}
	if len(word) >= 2 && string(word[:2]) == "MT" && len(word) <= 5 && digits(word[2:]) {
		return part || len(word) == 5
	}
	for i, c := range word {
		if !upper(c) && (i < 6 || !digit(c)) {
			return false
		}
	}
	return part || len(word) == 0 || len(word) >= 8
}
