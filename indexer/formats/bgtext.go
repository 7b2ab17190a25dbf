package formats

import "unicode/utf8"

// text appends a field in UTF-8, without blanks at its ends.
func (f *bgRecords) text(to, field []byte) []byte {
	if f.plain {
		return append(to, trimBlanks(field)...)
	}
	for len(field) > 0 && field[0] <= ' ' {
		field = field[1:]
	}
	field = trimLine(field)
	if f.encoding != "iso-646-se" && printable(field) {
		return append(to, field...)
	}
	f.checkCharacters(field)
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

// view is text, but takes it from the record itself where that is plain, and else makes it in the room that is given: it is
// valid until the next record, and read only. For a payment that is handed over at once it saves copying each field.
func (f *bgRecords) view(room *[]byte, field []byte) []byte {
	if f.plain {
		return trimBlanks(field)
	}
	*room = f.text((*room)[:0], field)
	return *room
}

// checkCharacters enters a finding about a text with a character that none of Bankgirot's alphabets has: a control character.
func (f *bgRecords) checkCharacters(field []byte) {
	for _, c := range field {
		if (c < ' ' || c == 0x7F || f.encoding == "iso-8859-1" && c >= 0x80 && c < 0xA0) && f.s.finds("characters") {
			f.s.finding("characters", f.where(), "the text has the control character 0x%02X", c)
			return
		}
	}
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
