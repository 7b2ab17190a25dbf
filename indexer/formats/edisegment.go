package formats

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// Cutting an EDIFACT interchange into segments, and segments into components; see edifact.go.

// maxSegment is how long a segment may be, in bytes. Five texts of 512 characters, the largest, are far shorter.
const maxSegment = 8192

// What a character is in a segment.
const (
	ediData byte = iota
	ediComponent
	ediElement
	ediRelease
)

// classes says of each character what it is.
func (m ediMarks) classes() (class [256]byte) {
	class[m.component], class[m.element] = ediComponent, ediElement
	if m.release != ' ' {
		class[m.release] = ediRelease
	}
	return class
}

// end is where the first terminator in p stands that is not released, -1 for nowhere; before is what stands before p.
func (m ediMarks) end(p, before []byte) int {
	for from := 0; ; {
		n := bytes.IndexByte(p[from:], m.terminator)
		if n < 0 {
			return -1
		}
		n += from
		if !m.released(p[:n], before) {
			return n
		}
		from = n + 1
	}
}

// released tells whether what follows p is released: whether an odd number of release characters stands there.
func (m ediMarks) released(p, before []byte) bool {
	if len(p) > 0 && p[len(p)-1] != m.release && p[len(p)-1] > '\r' || m.release == ' ' {
		return false
	}
	odd := false
	for _, b := range [2][]byte{p, before} {
		for i := len(b) - 1; i >= 0; i-- {
			switch {
			case b[i] == m.release:
				odd = !odd
			case b[i] != '\r' && b[i] != '\n': // line breaks are not there
				return odd
			}
		}
	}
	return odd
}

func (f *ediFile) write(p []byte) {
	skipped := min(f.skip, len(p))
	p, f.skip = p[skipped:], f.skip-skipped
	for len(p) > 0 && !f.s.closed {
		if f.closed {
			if len(bytes.Trim(p, " \t\r\n\x00\x1a")) > 0 {
				f.s.malformed("something stands behind the end of the interchange")
			}
			return
		}
		n := f.marks.end(p, f.carry)
		switch {
		case n < 0:
			f.carry = append(f.carry, p[:min(len(p), maxSegment+1)]...)
			f.tooLong(f.carry)
			return
		case len(f.carry) == 0:
			f.emit(p[:n])
		default:
			f.carry = append(f.carry, p[:min(n, maxSegment+1)]...)
			f.emit(f.carry)
			f.carry = f.carry[:0]
		}
		p = p[n+1:]
	}
}

func (f *ediFile) tooLong(b []byte) bool {
	if len(b) > maxSegment {
		f.s.malformed("segment %d is longer than %d bytes", f.n+1, maxSegment)
	}
	return len(b) > maxSegment
}

// emit takes one segment, without its terminator.
func (f *ediFile) emit(b []byte) {
	if f.tooLong(b) {
		return
	}
	for len(b) > 0 && (b[0] == '\r' || b[0] == '\n' || b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	if len(b) == 0 {
		return // two terminators
	}
	g := &f.segment
	g.utf8 = false
	if !graphic(b) {
		f.flat = squashed(f.flat[:0], b)
		if b = f.flat; !ascii(b) {
			f.seen(b)
			g.utf8 = f.s.facts.Encoding == "utf-8" && utf8.Valid(b)
		}
	}
	f.n++
	if len(b) < 3 || !tagged(b[:3]) || len(b) > 3 && f.class[b[3]] != ediElement && f.class[b[3]] != ediComponent {
		f.s.malformed("segment %d does not begin with a tag of three letters", f.n)
		return
	}
	g.begin(b, &f.class)
	f.service(g)
}

// graphic tells whether b has neither control characters, line breaks among them, nor letters beyond ASCII.
func graphic(b []byte) bool {
	const ones = 0x0101010101010101
	var bad uint64
	for ; len(b) >= 8; b = b[8:] {
		x := binary.LittleEndian.Uint64(b)
		bad |= x | (x - ' '*ones) // the high bit of a byte is set when it is one of them, or stands next to one
	}
	for _, c := range b {
		bad |= uint64(c) | (uint64(c) - ' ')
	}
	return bad&(0x80*ones) == 0
}

// tagged tells whether b is letters and digits, as tags are.
func tagged(b []byte) bool {
	for _, c := range b {
		if !upper(c) && !digit(c) {
			return false
		}
	}
	return true
}

// squashed appends b without its line breaks.
func squashed(to, b []byte) []byte {
	for _, c := range b {
		if c != '\r' && c != '\n' {
			to = append(to, c)
		}
	}
	return to
}

// seen notes in what encoding the interchange shows itself to be.
func (f *ediFile) seen(b []byte) {
	facts := &f.s.facts
	if facts.Encoding != "us-ascii" {
		return
	}
	if facts.Encoding = f.charset.name; utf8.Valid(b) {
		facts.Encoding = "utf-8"
	}
	if f.begun && facts.Encoding != f.charset.said {
		f.s.notes("encoding-differs", f.where(), "the interchange has letters that are not of the character set that it names")
	}
}

// ediCharset is what the syntax identifier of UNB says of the bytes from 0x80 on.
type ediCharset struct {
	said  string // the encoding that is said, "us-ascii" for none of them
	name  string // how they are read
	table *charmap.Charmap
}

func ediCharsetOf(syntax string) ediCharset {
	of := func(name string, table *charmap.Charmap) ediCharset { return ediCharset{name, name, table} }
	switch syntax {
	case "UNOC":
		return of("iso-8859-1", charmap.ISO8859_1)
	case "UNOD":
		return of("iso-8859-2", charmap.ISO8859_2)
	case "UNOE":
		return of("iso-8859-5", charmap.ISO8859_5)
	case "UNOF":
		return of("iso-8859-7", charmap.ISO8859_7)
	case "UNOG":
		return of("iso-8859-3", charmap.ISO8859_3)
	case "UNOH":
		return of("iso-8859-4", charmap.ISO8859_4)
	case "UNOI":
		return of("iso-8859-6", charmap.ISO8859_6)
	case "UNOJ":
		return of("iso-8859-8", charmap.ISO8859_8)
	case "UNOK":
		return of("iso-8859-9", charmap.ISO8859_9)
	case "UNOW", "UNOY":
		return ediCharset{"utf-8", "iso-8859-1", charmap.ISO8859_1}
	}
	return ediCharset{"us-ascii", "iso-8859-1", charmap.ISO8859_1}
}

// ediSegment is one segment, cut into components as far as they have been asked for.
type ediSegment struct {
	raw      []byte
	class    *[256]byte
	parts    [maxParts]ediPart
	n        int     // parts that are cut
	last     ediPart // the next, as far as it is known
	done     bool
	released bool // it has release characters, as far as it is cut
	utf8     bool
}

// maxParts is how many components of a segment are kept: NAD, the largest that is read, has 30.
const maxParts = 48

// ediPart is where a component stands, in which element; both count from 1, and the tag is element 0.
type ediPart struct {
	element, component uint8
	from, to           uint16
}

func (g *ediSegment) begin(raw []byte, class *[256]byte) {
	g.raw, g.class, g.n, g.released, g.done = raw, class, 0, false, false
	g.last = ediPart{component: 1}
}

func (g *ediSegment) tag() string { return string(g.raw[:3]) }

// at is a component as written, with release characters; empty if it is not there.
func (g *ediSegment) at(element, component uint8) []byte {
	for i := range g.parts[:g.n] {
		if p := &g.parts[i]; p.element == element && p.component == component {
			return g.raw[p.from:p.to]
		} else if p.element > element {
			return nil
		}
	}
	if g.done {
		return nil
	}
	return g.cut(element, component)
}

// cut cuts as far as the component, and gives it; empty if it is not there.
func (g *ediSegment) cut(element, component uint8) []byte {
	raw, class, p := g.raw, g.class, g.last
	for i := int(p.from); g.n < maxParts; i++ {
		for i < len(raw) && class[raw[i]] == ediData {
			i++
		}
		if i < len(raw) && class[raw[i]] == ediRelease {
			g.released = true
			i++ // and what it releases
			continue
		}
		p.to = uint16(min(i, len(raw)))
		g.parts[g.n] = p
		g.n++
		this := p
		if i >= len(raw) {
			g.done = true
		} else if p.from = uint16(i + 1); class[raw[i]] == ediElement {
			p.element, p.component = p.element+1, 1
		} else {
			p.component++
		}
		if this.element == element && this.component == component {
			g.last = p
			return raw[this.from:this.to]
		}
		if g.done || this.element > element {
			break
		}
	}
	g.last = p
	return nil
}

// text appends a component of the segment in UTF-8, without release characters and blanks at its ends.
func (f *ediFile) text(to, field []byte) []byte {
	for len(field) > 0 && field[0] <= ' ' {
		field = field[1:]
	}
	field = trimLine(field)
	g := &f.segment
	if !g.released && (g.utf8 || printable(field)) {
		return append(to, field...)
	}
	for i := 0; i < len(field); i++ {
		c := field[i]
		if c == f.marks.release && f.marks.release != ' ' && i+1 < len(field) {
			i++
			c = field[i]
		}
		switch {
		case c < ' ':
			to = append(to, ' ')
		case c < utf8.RuneSelf || g.utf8:
			to = append(to, c)
		default:
			to = utf8.AppendRune(to, f.charset.table.DecodeByte(c))
		}
	}
	return to
}

// ediDay appends a date as YYYY-MM-DD that is written YYMMDD, or CCYYMMDD with a time behind it.
func ediDay(to, field []byte) ([]byte, bool) {
	switch len(field) {
	case 6, 10: // 10: with hours and minutes
		return dayYMD(to, field[:6])
	}
	if len(field) < 8 || !digits(field) {
		return to, false
	}
	from := len(to)
	to = append(to, field[:4]...)
	to = append(to, '-', field[4], field[5], '-', field[6], field[7])
	if !validDate(to[from:]) {
		return to[:from], false
	}
	return to, true
}
