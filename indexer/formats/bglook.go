package formats

import "bytes"

// How Bankgirot's files are told apart: by the first record, or by the one behind the seal's TK00.

// bgHead judges b, which begins where a record of the format should begin.
type bgHead func(b []byte) (bgShape, answer)

// bgLook finds the first record of a format. Empty lines may stand before it, so may a TK00 (bgseal.go), and, where the
// format has titles, a title line "LBin..." or "LBut..." as in Bankgirot's own examples.
func bgLook(b []byte, titles, seals bool, head bgHead) (shape bgShape, a answer) {
	sealed := false
	for {
		b = bytes.TrimLeft(b, " \t\r\n")
		switch n := min(len(b), 12); {
		case n == 0:
			return shape, more
		case titles && b[0] == 'L' && !sealed:
			if title := bytes.ToLower(b[:min(n, 4)]); !bytes.HasPrefix([]byte("lbin"), title) && !bytes.HasPrefix([]byte("lbut"), title) {
				return shape, no
			}
			end := bytes.IndexByte(b, '\n')
			if end < 0 {
				return shape, more
			}
			b = b[end:]
		case seals && !sealed && n == 1 && b[0] == '0':
			return shape, more
		case seals && !sealed && b[0] == '0' && b[1] == '0':
			if n < 12 && digits(b[2:min(n, 8)]) && bytes.HasPrefix([]byte("HMAC"), b[min(n, 8):n]) {
				return shape, more
			}
			if n < 12 || !digits(b[2:8]) || string(b[8:12]) != "HMAC" {
				return shape, no
			}
			sealed = true
			switch end := bytes.IndexByte(b, '\n'); {
			case end >= 0 && end < bgRecord+2:
				b = b[end:]
			case len(b) < bgRecord+2:
				return shape, more
			case digits(b[bgRecord : bgRecord+2]):
				b = b[bgRecord:]
			case end >= 0:
				b = b[end:]
			default:
				return shape, more
			}
		default:
			shape, a = head(b)
			shape.sealed = sealed
			return shape, a
		}
	}
}

// bgPattern holds the beginning of b against a pattern: 9 stands for a digit, # for a digit or a blank or an X that masks
// one, ? for anything but a line end, everything else for itself.
func bgPattern(b []byte, pattern string) answer {
	for i := range min(len(b), len(pattern)) {
		c, ok := b[i], false
		switch want := pattern[i]; want {
		case '9':
			ok = digit(c)
		case '#':
			ok = digit(c) || c == ' ' || c|0x20 == 'x'
		case '?':
			ok = c != '\r' && c != '\n'
		default:
			ok = c == want
		}
		if !ok {
			return no
		}
	}
	if len(b) < len(pattern) {
		return more
	}
	return yes
}

// bgWord matches a word at b[i:], whose \x00 stands for an Ö in some encoding, which it tells. Case does not matter.
func bgWord(b []byte, i int, word string) (end int, encoding string, a answer) {
	for _, want := range []byte(word) {
		if i >= len(b) {
			return i, encoding, more
		}
		got := b[i]
		i++
		if want != 0 {
			if got|0x20 != want|0x20 {
				return i, encoding, no
			}
			continue
		}
		switch got {
		case 0xD6, 0xF6:
			encoding = "iso-8859-1"
		case 0x99, 0x94:
			encoding = "cp850"
		case '\\', '|':
			encoding = "iso-646-se"
		case 'O', 'o': // which tells nothing
		case 0xC3:
			if i == len(b) {
				return i, encoding, more
			}
			if b[i] != 0x96 && b[i] != 0xB6 {
				return i, encoding, no
			}
			encoding = "utf-8"
			i++
		default:
			return i, encoding, no
		}
	}
	return i, encoding, yes
}

// bgLines tells whether the records are lines, once the first one, of so many bytes, is there.
func bgLines(b []byte, end int) (lines bool, a answer) {
	if line := bytes.IndexByte(b[:min(len(b), end+2)], '\n'); line >= 0 {
		return true, yes
	}
	if len(b) < end+2 {
		return false, more
	}
	return !digits(b[end : end+2]), yes // a line may be longer than a record
}
