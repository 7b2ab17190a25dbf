package formats

import (
	"bytes"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxHead is how far into a file its XML declaration may reach.
const maxHead = 1024

const badDeclaration = "its XML declaration is not well-formed"

// begin reads the byte order mark and the XML declaration, as far as they have come. When it has all of them, it makes
// the decoder and hands the rest of the head to the scanner.
func (f *isoFile) begin() {
	if len(f.head) < 4 {
		return
	}
	d := &decoder{}
	bom := 0
	switch h := f.head; {
	case h[0] == 0xFF && h[1] == 0xFE:
		d.name, bom = "utf-16le", 2
	case h[0] == 0xFE && h[1] == 0xFF:
		d.name, bom = "utf-16be", 2
	case h[0] != 0 && h[1] == 0:
		d.name = "utf-16le"
	case h[0] == 0 && h[1] != 0:
		d.name = "utf-16be"
	case bytes.HasPrefix(h, []byte("\xef\xbb\xbf")):
		d.name, bom = "utf-8", 3
	}
	text := f.head[bom:] // in UTF-8, as far as a declaration goes
	if look := *d; d.width() == 2 {
		text = nil
		look.write(f.head[bom:], func(b []byte) { text = append(text, b...) })
	}
	body := bytes.TrimLeft(text, " \t\r\n")
	if len(body) < len("<?xml ") && bytes.HasPrefix([]byte("<?xml "), body) {
		return
	}
	declared := ""
	if len(body) > 5 && bytes.HasPrefix(body, []byte("<?xml")) && blank(body[5]) {
		end := bytes.Index(body, []byte("?>"))
		if end < 0 {
			return
		}
		var ok bool
		if declared, ok = declaration(body[5:end]); !ok || !ascii(body[:end]) {
			f.pending, declared = badDeclaration, ""
		} else if len(body) < len(text) {
			f.pending = "it has white space before its XML declaration"
		}
		f.xml.lines = bytes.Count(text[:len(text)-len(body)+end], []byte{'\n'})
		bom += d.length(text[:len(text)-len(body)+end+2])
	}
	f.choose(d, declared)
	f.sheet.facts.Encoding = d.name
	f.decoder = d
	d.write(f.head[bom:], f.take)
}

// choose settles the encoding: what the first bytes show counts more than what the declaration says, but the two must
// not contradict each other in the width of a character.
func (f *isoFile) choose(d *decoder, declared string) {
	known := ""
	switch strings.ToLower(declared) {
	case "", "utf-8", "utf8":
		known = "utf-8"
	case "iso-8859-1", "iso8859-1", "iso_8859-1", "latin1", "latin-1":
		known = "iso-8859-1"
	case "iso-8859-15", "iso8859-15", "iso_8859-15", "latin9", "latin-9":
		known = "iso-8859-15"
	case "windows-1252", "cp1252":
		known = "windows-1252"
	case "us-ascii", "ascii":
		known = "us-ascii"
	case "utf-16", "utf-16le", "utf-16be":
		known = "utf-16"
	}
	wide := d.width() == 2
	switch {
	case known == "" && f.pending == "":
		f.pending = "it declares an encoding that is not known here"
	case declared != "" && wide != (known == "utf-16") && f.pending == "":
		f.pending = badEncoding
	case d.name == "":
		d.name = known
	}
	if d.name == "" || d.name == "utf-16" {
		d.name = "iso-8859-1" // it is refused anyway, once it is told to be a payment file
	}
}

// declaration reads what stands between "<?xml" and "?>" and returns the encoding, "" for none.
func declaration(b []byte) (encoding string, ok bool) {
	order := []string{"version", "encoding", "standalone"}
	b = append(bytes.Clone(b), ' ') // so that no name or value ends at the end
	seen := 0
	for {
		rest := bytes.TrimLeft(b, " \t\r\n")
		if len(rest) == 0 {
			return encoding, seen > 0
		}
		a, end, why := attribute(rest, 0)
		if why != "" || end < 0 || len(rest) == len(b) {
			return "", false
		}
		for seen < len(order) && order[seen] != string(a.name) {
			if seen == 0 {
				return "", false // the version is a must
			}
			seen++
		}
		if seen == len(order) {
			return "", false
		}
		switch order[seen] {
		case "version":
			if len(a.value) < 3 || string(a.value[:2]) != "1." || !digits(a.value[2:]) {
				return "", false
			}
		case "encoding":
			if encoding = string(a.value); encoding == "" {
				return "", false
			}
		case "standalone":
			if v := string(a.value); v != "yes" && v != "no" {
				return "", false
			}
		}
		seen++
		b = rest[end:]
	}
}

// decoder turns a file's bytes into UTF-8. What is no character of the encoding becomes a byte that is no UTF-8, which
// the scanner then refuses where it stands.
type decoder struct {
	name string
	half []byte // of UTF-16: a cut unit or the first half of a pair
	out  []byte
}

const noCharacter = 0xFF

// length is how many bytes a decoded text had.
func (d *decoder) length(text []byte) int {
	if d.width() == 1 {
		return len(text)
	}
	units := 0
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		units += max(1, utf16.RuneLen(r)) // noCharacter stands for one
		text = text[n:]
	}
	return 2 * units
}

// width is the number of bytes of an ASCII character.
func (d *decoder) width() int {
	if strings.HasPrefix(d.name, "utf-16") {
		return 2
	}
	return 1
}

// whole tells whether no character is cut.
func (d *decoder) whole() bool { return len(d.half) == 0 }

// write hands the UTF-8 of p to take, in pieces.
func (d *decoder) write(p []byte, take func([]byte)) {
	if d.name == "utf-8" || d.name == "" {
		if len(p) > 0 {
			take(p)
		}
		return
	}
	const step = 8 << 10
	for len(p) > 0 {
		n := min(len(p), step)
		d.out = d.out[:0]
		if d.width() == 2 {
			d.wide(p[:n])
		} else {
			d.narrow(p[:n])
		}
		if len(d.out) > 0 {
			take(d.out)
		}
		p = p[n:]
	}
}

func (d *decoder) narrow(p []byte) {
	for _, c := range p {
		switch {
		case c < utf8.RuneSelf:
			d.out = append(d.out, c)
		case d.name == "us-ascii":
			d.out = append(d.out, noCharacter)
		case d.name == "windows-1252" && c < 0xA0:
			if r := windows1252[c-0x80]; r != 0 {
				d.out = utf8.AppendRune(d.out, r)
			} else {
				d.out = append(d.out, noCharacter)
			}
		case d.name == "iso-8859-15":
			d.out = utf8.AppendRune(d.out, latin9(c))
		default:
			d.out = utf8.AppendRune(d.out, rune(c))
		}
	}
}

func (d *decoder) wide(p []byte) {
	unit := func(b []byte) rune {
		if d.name == "utf-16le" {
			return rune(b[0]) | rune(b[1])<<8
		}
		return rune(b[1]) | rune(b[0])<<8
	}
	for _, c := range p {
		if d.half = append(d.half, c); len(d.half)%2 != 0 {
			continue
		}
		first := unit(d.half)
		switch {
		case !utf16.IsSurrogate(first):
			d.out = utf8.AppendRune(d.out, first)
		case first >= 0xDC00:
			d.out = append(d.out, noCharacter)
		case len(d.half) == 2:
			continue // wait for the other half
		default:
			if r := utf16.DecodeRune(first, unit(d.half[2:])); r != utf8.RuneError {
				d.out = utf8.AppendRune(d.out, r)
			} else {
				d.out = append(d.out, noCharacter)
			}
		}
		d.half = d.half[:0]
	}
}

// windows1252 holds the characters 0x80 to 0x9F; 0: none.
var windows1252 = [32]rune{'€', 0, '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', 0, 'Ž', 0,
	0, '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', 0, 'ž', 'Ÿ'}

// latin9 is where ISO-8859-15 differs from ISO-8859-1.
func latin9(c byte) rune {
	switch c {
	case 0xA4:
		return '€'
	case 0xA6:
		return 'Š'
	case 0xA8:
		return 'š'
	case 0xB4:
		return 'Ž'
	case 0xB8:
		return 'ž'
	case 0xBC:
		return 'Œ'
	case 0xBD:
		return 'œ'
	case 0xBE:
		return 'Ÿ'
	}
	return rune(c)
}
