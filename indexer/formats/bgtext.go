package formats

import "unicode/utf8"

// text appends a field in UTF-8, without blanks at its ends.
func (f *bgRecords) text(to, field []byte) []byte {
	field, plain := f.bare(field)
	if plain {
		return append(to, field...)
	}
	return f.decode(to, field)
}

// decoded is a text, and the field that it was decoded from.
type decoded struct{ field, text []byte }

// view is text for what is only read, and not behind the present record: it takes the record's own bytes where it can, and
// decodes the others into last. A payment that is handed over at once need not copy its fields, and a text that all payments
// have, as the wages of a month, is decoded once: that makes files of Löner a quarter faster.
func (f *bgRecords) view(last *decoded, field []byte) []byte {
	if !f.plain && len(field) > 0 && string(field) == string(last.field) {
		return last.text
	}
	text, plain := f.bare(field)
	if plain {
		return text
	}
	findings := f.s.facts.FindingsAll
	last.text = f.decode(last.text[:0], text)
	if last.field = last.field[:0]; findings == f.s.facts.FindingsAll { // or the next one would have none
		last.field = append(last.field, field...)
	}
	return last.text
}

// bare is a field without blanks at its ends, and whether it is UTF-8 as it stands.
func (f *bgRecords) bare(field []byte) (b []byte, plain bool) {
	if f.plain {
		return trimBlanks(field), true
	}
	for len(field) > 0 && field[0] <= ' ' {
		field = field[1:]
	}
	field = trimLine(field)
	return field, !f.swedish && printable(field)
}

// decode appends a text in UTF-8.
func (f *bgRecords) decode(to, field []byte) []byte {
	if f.swedish {
		f.checkCharacters(field)
		for _, c := range field {
			to = utf8.AppendRune(to, iso646se(max(c, ' ')))
		}
		return to
	}
	strange := false
	for rest := field; ; {
		n := plainRun(rest)
		if to = append(to, rest[:n]...); n == len(rest) {
			break
		}
		c := rest[n]
		rest = rest[n+1:]
		strange = strange || c < 0xA0
		switch {
		case c < utf8.RuneSelf:
			to = append(to, max(c, ' '))
		case f.encoding == "cp850":
			to = utf8.AppendRune(to, cp850[c-0x80])
		default:
			to = append(to, 0xC0|c>>6, 0x80|c&0x3F)
		}
	}
	if strange {
		f.checkCharacters(field)
	}
	return to
}

// checkCharacters enters a finding about a text with a character that none of Bankgirot's alphabets has: a control character.
func (f *bgRecords) checkCharacters(field []byte) {
	for _, c := range field {
		if c >= ' ' && c < 0x7F || c >= 0xA0 || c > 0x7F && f.encoding != "iso-8859-1" {
			continue
		}
		if f.s.finds("characters") {
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
