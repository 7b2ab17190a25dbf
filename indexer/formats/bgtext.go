package formats

import (
	"encoding/binary"
	"unicode/utf8"
)

// text appends a field in UTF-8, without blanks at its ends.
func (f *bgRecords) text(to, field []byte) []byte {
	for len(field) > 0 && field[0] <= ' ' {
		field = field[1:]
	}
	field = trimLine(field)
	if f.encoding != "iso-646-se" && printable(field) {
		return append(to, field...)
	}
	for _, c := range field {
		switch r := rune(c); {
		case c < ' ':
			to = append(to, ' ')
		case f.encoding == "iso-646-se":
			to = utf8.AppendRune(to, iso646se(c))
		case c < utf8.RuneSelf:
			to = append(to, c)
		case f.encoding == "cp850":
			to = utf8.AppendRune(to, cp850[c-0x80])
		default:
			to = utf8.AppendRune(to, r)
		}
	}
	return to
}

// printable tells whether b is ASCII without control characters.
func printable(b []byte) bool {
	const high, blanks = 0x8080808080808080, 0x2020202020202020
	bad := uint64(0)
	for ; len(b) >= 8; b = b[8:] {
		w := binary.LittleEndian.Uint64(b)
		bad |= w | ^(w | high - blanks) // a byte below a blank borrows its high bit
	}
	for _, c := range b {
		bad |= uint64((c - ' ') | c)
	}
	return bad&high == 0
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
