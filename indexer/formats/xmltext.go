package formats

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// The text between tags.

// special bytes of character data: those that plain stops at.
var textStops = [256]bool{'<': true, '&': true, ']': true,
	0: true, 1: true, 2: true, 3: true, 4: true, 5: true, 6: true, 7: true, 8: true, 11: true, 12: true, 14: true, 15: true,
	16: true, 17: true, 18: true, 19: true, 20: true, 21: true, 22: true, 23: true, 24: true, 25: true, 26: true, 27: true,
	28: true, 29: true, 30: true, 31: true}

// plain is where the character data at pos stops to be plain, and whether it has bytes over 0x7F. It looks at eight bytes
// at once: texts are 5 to 35 bytes long, and byte by byte this was a tenth of the time.
func plain(d []byte, pos int) (end int, high bool) {
	i, bits8 := pos, uint64(0)
	for ; i+8 <= len(d); i += 8 {
		w := binary.LittleEndian.Uint64(d[i:])
		if stops := (below(w, blanks) | equal(w, '<') | equal(w, '&') | equal(w, ']')); stops != 0 {
			at := bits.TrailingZeros64(stops) / 8
			if !textStops[d[i+at]] {
				break // a line feed, say
			}
			return i + at, (bits8|w&(1<<(8*at)-1))&highBits != 0
		}
		bits8 |= w
	}
	high = bits8&highBits != 0
	for ; i < len(d); i++ {
		c := d[i]
		if textStops[c] {
			return i, high
		}
		high = high || c >= 0x80
	}
	return len(d), high
}

// invalidUTF8 is where b stops to be characters that XML allows, or its length. ASCII's control characters are not
// looked at. With open, b may end within a character.
func invalidUTF8(b []byte, open bool) int {
	if utf8.Valid(b) && bytes.IndexByte(b, 0xEF) < 0 {
		return len(b)
	}
	for i := 0; i < len(b); {
		if b[i] < utf8.RuneSelf {
			i++
			continue
		}
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 && (!open || utf8.FullRune(b[i:])) || r == 0xFFFE || r == 0xFFFF {
			return i
		}
		if n == 1 {
			return len(b) // cut: addText keeps it back
		}
		i += n
	}
	return len(b)
}

// addText takes d[pos:end], which is good but may end within a character; that is kept back. It returns where it stopped.
func (x *xmlScanner) addText(d []byte, pos, end int) int {
	if end == len(d) {
		end = pos + wholeRunes(d[pos:end])
	}
	if end == pos {
		return pos
	}
	x.pieces = true
	if x.cur.spec != nil && x.cur.spec.leaf {
		if x.val = append(x.val, d[pos:end]...); len(x.val) > maxXMLText {
			return x.fail(pos, tooMuchText)
		}
	}
	return end
}

// wholeRunes is the length of b without a character that is cut at its end.
func wholeRunes(b []byte) int {
	for i := 1; i <= min(3, len(b)); i++ {
		if c := b[len(b)-i]; c >= 0xC0 {
			if !utf8.FullRune(b[len(b)-i:]) {
				return len(b) - i
			}
			break
		}
	}
	return len(b)
}

// badText says that d[bad] is no character.
func (x *xmlScanner) badText(d []byte, pos, bad int) int {
	if pos = x.addText(d[:bad], pos, bad); x.halted {
		return pos
	}
	return x.fail(bad, badEncoding)
}

// special reads what is special in character data at pos: a reference, a bracket, a control character.
func (x *xmlScanner) special(d []byte, pos int) int {
	switch d[pos] {
	case '&':
		var room [utf8.UTFMax]byte
		char, end, why := reference(d, pos, room[:0])
		if why != "" {
			return x.fail(pos, why)
		}
		if end == pos {
			return pos
		}
		if x.addText(char, 0, len(char)); x.halted {
			return pos
		}
		return end
	case ']':
		if rest := d[pos:]; len(rest) < 3 && bytes.HasPrefix([]byte("]]>"), rest) {
			return pos
		} else if bytes.HasPrefix(rest, []byte("]]>")) {
			return x.fail(pos, "it has ]]> in a text")
		}
		return x.addText(d[:pos+1], pos, pos+1)
	}
	return x.fail(pos, badCharacter)
}

const badCharacter = "it has a character that XML does not allow"
