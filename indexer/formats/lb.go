package formats

import (
	"bytes"
	"unicode/utf8"
)

// Bankgirot LB (Leverantörsbetalningar): records of 80 characters, in lines or back to back. How the records are cut
// out of the stream, and which encoding the file is in, is here; what they mean is in lbrecord.go.
//
// The true end of a file is the last digit, or the sign, of the control total in its last TK29; of a sealed file it is
// column 72 of TK99. Blanks, line ends and Ctrl-Z may follow, or be lost. A file of several sections without a seal that
// is cut exactly between two of them cannot be told from a whole one: nothing in it says how many sections there are.

const lbProduct = "LEVERANT\x00RSBETALNINGAR" // in columns 19-40 of TK11; \x00 stands for Ö in some encoding

const (
	lbRecord  = 80
	maxLBLine = 1024 // bytes
)

// lbShape is what the first records of a file say of its outer form.
type lbShape struct {
	lines    bool   // records are lines; otherwise they stand back to back
	encoding string // "iso-8859-1", "cp850" (which shares its Swedish letters with 437 and 865), "iso-646-se", "utf-8", "us-ascii"
}

func lookLB(prefix []byte) answer {
	_, a := lbLook(prefix)
	return a
}

// lbLook finds TK11: the first record, or the second after the seal's TK00. Empty lines and a title line "LBin..." or
// "LBut...", as in Bankgirot's own examples, may stand before it.
func lbLook(b []byte) (shape lbShape, a answer) {
	sealed := false
	for {
		b = bytes.TrimLeft(b, " \t\r\n")
		switch n := min(len(b), 12); {
		case n == 0:
			return shape, more
		case n == 1 && (b[0] == 'L' || b[0] == '0' || b[0] == '1'):
			return shape, more
		case n == 1:
			return shape, no
		case b[0] == 'L' && !sealed:
			if title := bytes.ToLower(b[:min(n, 4)]); !bytes.HasPrefix([]byte("lbin"), title) && !bytes.HasPrefix([]byte("lbut"), title) {
				return shape, no
			}
			end := bytes.IndexByte(b, '\n')
			if end < 0 {
				return shape, more
			}
			b = b[end:]
		case b[0] == '0' && b[1] == '0' && !sealed:
			if n < 12 && digits(b[2:min(n, 8)]) && bytes.HasPrefix([]byte("HMAC"), b[min(n, 8):n]) {
				return shape, more
			}
			if n < 12 || !digits(b[2:8]) || string(b[8:12]) != "HMAC" {
				return shape, no
			}
			sealed = true
			switch end := bytes.IndexByte(b, '\n'); {
			case end >= 0 && end < lbRecord+2:
				b = b[end:]
			case len(b) < lbRecord+2:
				return shape, more
			case digits(b[lbRecord : lbRecord+2]):
				b = b[lbRecord:]
			case end >= 0:
				b = b[end:]
			default:
				return shape, more
			}
		case b[0] == '1' && b[1] == '1':
			return lbHead(b)
		default:
			return shape, no
		}
	}
}

// lbHead judges b, which begins with "11".
func lbHead(b []byte) (shape lbShape, a answer) {
	const at = 18 // column 19
	for _, c := range b[:min(len(b), at)] {
		if !digit(c) && c != ' ' && c|0x20 != 'x' { // X masks a digit
			return shape, no
		}
	}
	i := at
	for _, want := range []byte(lbProduct) {
		if i >= len(b) {
			return shape, more
		}
		got := b[i]
		i++
		if want != 0 {
			if got|0x20 != want|0x20 {
				return shape, no
			}
			continue
		}
		switch got {
		case 0xD6, 0xF6:
			shape.encoding = "iso-8859-1"
		case 0x99, 0x94:
			shape.encoding = "cp850"
		case '\\', '|':
			shape.encoding = "iso-646-se"
		case 'O', 'o':
			shape.encoding = "us-ascii"
		case 0xC3:
			if i == len(b) {
				return shape, more
			}
			if b[i] != 0x96 && b[i] != 0xB6 {
				return shape, no
			}
			shape.encoding = "utf-8"
			i++
		default:
			return shape, no
		}
	}
	end := lbRecord + i - at - len(lbProduct) // in bytes
	if line := bytes.IndexByte(b[:min(len(b), end+2)], '\n'); line >= 0 {
		shape.lines = true
		return shape, yes
	}
	if len(b) < end+2 {
		return shape, more
	}
	shape.lines = !digits(b[end : end+2]) // a line may be longer than a record
	return shape, yes
}

// lbFile reads one LB file.
type lbFile struct {
	s       *sheet
	shape   lbShape
	carry   []byte // the beginning of a record or line
	flat    []byte // scratch: a UTF-8 record, a byte a character
	records int64
	lbState
}

func openLB(prefix []byte, s *sheet) reader {
	shape, _ := lbLook(prefix)
	s.facts.Encoding = shape.encoding
	f := &lbFile{s: s, shape: shape}
	f.section.date = make([]byte, 0, 10)
	return f
}

func (f *lbFile) write(p []byte) {
	for len(p) > 0 && !f.s.closed {
		if len(f.carry) > 0 {
			n, whole := f.cut(p)
			f.carry = append(f.carry, p[:n]...)
			if p = p[n:]; !whole {
				break
			}
			f.take(f.carry)
			f.carry = f.carry[:0]
			continue
		}
		n, whole := f.cut(p)
		if !whole {
			f.carry = append(f.carry, p[:n]...)
			break
		}
		f.take(p[:n])
		p = p[n:]
	}
	if len(f.carry) > maxLBLine {
		f.tooLong()
	}
}

func (f *lbFile) tooLong() {
	f.s.malformed("record %d is longer than %d bytes", f.records+1, maxLBLine)
}

// cut tells how much of p belongs to the record that the carry begins, and whether the record is whole with that.
func (f *lbFile) cut(p []byte) (n int, whole bool) {
	if f.shape.lines {
		if n = bytes.IndexByte(p, '\n'); n >= 0 {
			return n + 1, true
		}
		return len(p), false
	}
	if len(f.carry) == 0 && (p[0] == '\r' || p[0] == '\n') {
		return 1, true // a line end after a record does no harm
	}
	if f.shape.encoding != "utf-8" {
		n = min(len(p), lbRecord-len(f.carry))
		return n, len(f.carry)+n == lbRecord
	}
	chars := 0
	for _, c := range f.carry {
		if c&0xC0 != 0x80 {
			chars++
		}
	}
	for n < len(p) {
		if p[n]&0xC0 != 0x80 {
			if chars == lbRecord {
				return n, true // the first byte after the record's last character
			}
			chars++
		}
		n++
		if chars == lbRecord && p[n-1] < utf8.RuneSelf {
			return n, true
		}
	}
	return n, false
}

// take reads one record, with its line end.
func (f *lbFile) take(line []byte) {
	if len(line) > maxLBLine {
		f.tooLong()
		return
	}
	line = trimLine(line)
	if len(line) == 0 {
		return
	}
	f.records++
	f.record(f.flatten(line))
}

// trimLine takes off what may follow a record's last character.
func trimLine(b []byte) []byte {
	for len(b) >= 8 && string(b[len(b)-8:]) == "        " {
		b = b[:len(b)-8]
	}
	for len(b) > 0 && (b[len(b)-1] <= ' ' || b[len(b)-1] == 0x1A) {
		b = b[:len(b)-1]
	}
	return b
}

// flatten makes a UTF-8 record one of a byte a character, so that columns are offsets. Characters beyond ISO-8859-1
// become question marks; bytes that are no UTF-8 stay.
func (f *lbFile) flatten(b []byte) []byte {
	if f.shape.encoding != "utf-8" {
		return b
	}
	f.flat = f.flat[:0]
	for i := 0; i < len(b); {
		r, n := rune(b[i]), 1
		if r >= utf8.RuneSelf {
			if r, n = utf8.DecodeRune(b[i:]); n == 1 {
				r = rune(b[i])
			} else if r > 0xFF {
				r = '?'
			}
		}
		f.flat = append(f.flat, byte(r))
		i += n
	}
	return f.flat
}

// whole: what is left without a line end may be a whole TK29 or TK99.
func (f *lbFile) whole() bool {
	if rest := trimLine(f.carry); len(rest) > 0 {
		return f.couldClose(f.flatten(rest))
	}
	return f.sections > 0 && !f.inSection && (!f.sealed || f.unsealed)
}

func (f *lbFile) end() {
	if len(trimLine(f.carry)) > 0 {
		f.take(f.carry)
		f.carry = f.carry[:0]
	}
	if !f.s.closed {
		f.finish()
	}
}

// text appends a field in UTF-8, without blanks at its ends.
func (f *lbFile) text(to, field []byte) []byte {
	for len(field) > 0 && field[0] <= ' ' {
		field = field[1:]
	}
	field = trimLine(field)
	if f.shape.encoding != "iso-646-se" && printable(field) {
		return append(to, field...)
	}
	for _, c := range field {
		switch r := rune(c); {
		case c < ' ':
			to = append(to, ' ')
		case f.shape.encoding == "iso-646-se":
			to = utf8.AppendRune(to, iso646se(c))
		case c < utf8.RuneSelf:
			to = append(to, c)
		case f.shape.encoding == "cp850":
			to = utf8.AppendRune(to, cp850[c-0x80])
		default:
			to = utf8.AppendRune(to, r)
		}
	}
	return to
}

// printable tells whether b is ASCII without control characters.
func printable(b []byte) bool {
	bad := byte(0)
	for _, c := range b {
		bad |= (c - ' ') | c
	}
	return bad < utf8.RuneSelf
}

// iso646se is the Swedish variant for names (SEN 85 02 00, Annex C).
func iso646se(c byte) rune {
	switch c {
	case '[':
		return 'Ä'
	case '\\':
		return 'Ö'
	case ']':
		return 'Å'
	case '^':
		return 'Ü'
	case '@':
		return 'É'
	case '{':
		return 'ä'
	case '|':
		return 'ö'
	case '}':
		return 'å'
	case '~':
		return 'ü'
	case '`':
		return 'é'
	}
	return rune(c)
}

// cp850 are the characters from 0x80. Where code pages 437, 850 and 865 differ, there is no Swedish letter.
var cp850 = []rune("ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø×ƒáíóúñÑªº¿®¬½¼¡«»░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐└┴┬├─┼ãÃ╚╔╩╦╠═╬¤ðÐÊËÈıÍÎÏ┘┌█▄¦Ì▀ÓßÔÒõÕµþÞÚÛÙýÝ¯´\u00ad±‗¾¶§÷¸°¨·¹³²■\u00a0")
