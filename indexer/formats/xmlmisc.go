package formats

import "bytes"

// Tokens that are stepped over, and what is outside of the root.

const badEncoding = "it is not in the encoding that it declares"

// misc reads what may stand before and after the root: blanks, comments, instructions, before it a DOCTYPE, and the
// root's start tag itself.
func (x *xmlScanner) misc(d []byte, pos int) int {
	for pos < len(d) && blank(d[pos]) {
		pos++
	}
	if pos+1 >= len(d) {
		if pos < len(d) && d[pos] != '<' {
			return x.fail(pos, outsideRoot)
		}
		return pos
	}
	switch {
	case d[pos] != '<':
		return x.fail(pos, outsideRoot)
	case d[pos+1] == '!' || d[pos+1] == '?':
		return x.open(d, pos)
	case x.rooted:
		return x.fail(pos, outsideRoot)
	case d[pos+1] == '/':
		return x.fail(pos, badTag)
	}
	return x.tag(d, pos)
}

const outsideRoot = "it has something outside of its outermost element"

// open reads the beginning of a comment, a CDATA section, an instruction or a DOCTYPE at pos.
func (x *xmlScanner) open(d []byte, pos int) int {
	rest := d[pos:]
	if rest[1] == '?' {
		return x.openPI(d, pos)
	}
	for _, o := range []struct {
		text  string
		mode  xmlMode
		right bool // it may stand here
	}{
		{"<!--", inComment, true},
		{"<![CDATA[", inCDATA, x.cur != x.doc},
		{"<!DOCTYPE", inDoctype, !x.rooted},
	} {
		n := min(len(rest), len(o.text))
		if string(rest[:n]) != o.text[:n] || !o.right {
			continue
		}
		if n < len(o.text) {
			return pos
		}
		x.mode = o.mode
		if o.mode == inCDATA {
			x.pieces = true
		}
		return pos + n
	}
	return x.fail(pos, badTag)
}

func (x *xmlScanner) openPI(d []byte, pos int) int {
	end, why := name(d, pos+2)
	if why != "" {
		return x.fail(pos, why)
	}
	if end == len(d) || d[end] == '?' && end+1 == len(d) {
		return pos
	}
	target := d[pos+2 : end]
	if !blank(d[end]) && (d[end] != '?' || d[end+1] != '>') || bytes.IndexByte(target, ':') >= 0 {
		return x.fail(pos, badTag)
	}
	if bytes.EqualFold(target, []byte("xml")) {
		return x.fail(pos, "it has an XML declaration that is not at its very beginning")
	}
	x.mode = inPI
	return end
}

// aside reads on in a comment, an instruction or a CDATA section, to its end.
func (x *xmlScanner) aside(d []byte, pos int) int {
	closing := "--"
	switch x.mode {
	case inPI:
		closing = "?>"
	case inCDATA:
		closing = "]]>"
	}
	rest := d[pos:]
	n := bytes.Index(rest, []byte(closing))
	open := n < 0
	if open { // keep back what may be the beginning of the end
		n = len(rest)
		for k := min(len(closing)-1, n); k > 0; k-- {
			if bytes.HasSuffix(rest, []byte(closing[:k])) {
				n -= k
				break
			}
		}
		if n == len(rest) {
			n = wholeRunes(rest)
		}
	}
	if bad := badChar(rest[:n]); bad >= 0 {
		why := badCharacter
		if rest[bad] >= 0x80 {
			why = badEncoding
		}
		return x.fail(pos+bad, why)
	}
	if x.mode == inCDATA && n > 0 {
		if x.addText(d[:pos+n], pos, pos+n); x.halted {
			return pos
		}
	}
	if open {
		return pos + n
	}
	end := pos + n + len(closing)
	if x.mode == inComment {
		if end == len(d) {
			return pos + n
		}
		if d[end] != '>' {
			return x.fail(pos+n, "it has -- in a comment")
		}
		end++
	}
	if x.mode = inContent; x.cur == x.doc {
		x.mode = inMisc
	}
	return end
}

// badChar is where b has something that is no character of XML; -1 for nowhere. b ends with a whole character.
func badChar(b []byte) int {
	for i, c := range b {
		if c < ' ' && !blank(c) {
			if bad := invalidUTF8(b[:i], false); bad < i {
				return bad
			}
			return i
		}
	}
	if bad := invalidUTF8(b, false); bad < len(b) {
		return bad
	}
	return -1
}
