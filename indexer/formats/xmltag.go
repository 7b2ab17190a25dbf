package formats

import (
	"bytes"
	"slices"
	"unicode/utf8"
)

// markup reads what begins at d[at] with '<', after the text d[pos:at]: tags, as many as follow each other with blanks
// between them, or the beginning of a comment, an instruction or a CDATA section. It returns where it stopped; at, when
// more bytes are needed.
func (x *xmlScanner) markup(d []byte, pos, at int) int {
	if at+1 == len(d) {
		x.addText(d[:at], pos, at) // the text is taken, the '<' waits
		return at
	}
	if c := d[at+1]; c == '!' || c == '?' {
		if x.addText(d[:at], pos, at); x.halted {
			return at
		}
		return x.open(d, at)
	}
	leaf := x.cur.spec != nil && x.cur.spec.leaf
	if x.pieces {
		if x.addText(d[:at], pos, at); x.halted {
			return at
		}
	} else if x.text = d[pos:at]; leaf && len(x.text) > maxXMLText {
		return x.fail(pos, tooMuchText)
	}
	from, begin := x.cur, at
	live := leaf && d[at+1] == '/'
	learn := !x.pieces && (live || !leaf) && x.learned < maxLearned && from.seen // once is no habit
	from.seen = true
	x.recording, x.record = learn, x.record[:0]
	next := x.tag(d, at)
	if next == at && !x.halted { // it is cut: keep the text, the tag waits
		x.recording = false
		if x.text = nil; !x.pieces {
			x.addText(d[:at], pos, at)
		}
		return at
	}
	for !x.halted && x.mode == inContent {
		at = next
		for at < len(d) && blank(d[at]) {
			at++
		}
		leaf = x.cur.spec != nil && x.cur.spec.leaf
		if at+1 >= len(d) {
			learn = false
			break
		}
		if d[at] != '<' || d[at+1] == '!' || d[at+1] == '?' || leaf && at > next {
			break
		}
		after := x.tag(d, at)
		if after == at {
			if learn = false; x.halted {
				next = at
			}
			break
		}
		next = after
	}
	learn = learn && x.recording // unless what was learned has been forgotten on the way
	x.recording = false
	if learn && !x.halted && x.mode == inContent {
		x.learn(from, d[begin:next], live)
	}
	return next
}

// learn keeps a run for the next time, in place of the last one at the node if it has enough.
func (x *xmlScanner) learn(at *node, markup []byte, live bool) {
	if len(markup) > maxRun || x.runBytes+len(markup) > maxRunBytes {
		return
	}
	x.learned++
	x.runBytes += len(markup)
	run := xmlRun{string(markup), live, slices.Clone(x.record), x.cur}
	if len(at.runs) < maxRuns {
		at.runs = append(at.runs, run)
		return
	}
	last := &at.runs[maxRuns-1]
	x.runBytes -= len(last.markup)
	*last = run
}

// fire tells the sink, and the run that is being learned.
func (x *xmlScanner) fire(what int8, id int, value []byte) {
	switch what {
	case opStart:
		x.sink.start(id)
	case opAttr:
		x.sink.attr(id, value)
	default:
		x.sink.end(id, value)
	}
	if x.recording {
		op := xmlOp{what: what, id: id}
		if what == opAttr {
			op.value = bytes.Clone(value)
		}
		x.record = append(x.record, op)
	}
	x.halted = x.halted || x.file.sheet.closed
}

// tag reads the start or end tag at pos and returns where it ends; pos, when it is cut.
func (x *xmlScanner) tag(d []byte, pos int) int {
	limit := d[:min(len(d), pos+maxXMLTag)]
	var end int
	if pos+1 < len(d) && d[pos+1] == '/' {
		end = x.endTag(limit, pos)
	} else {
		end = x.startTag(limit, pos)
	}
	if end == pos && !x.halted && len(limit) == pos+maxXMLTag {
		return x.fail(pos, "it has a tag that is too long")
	}
	return end
}

func (x *xmlScanner) endTag(d []byte, pos int) int {
	name, i := x.cur.name, pos+2
	if len(d)-i <= len(name) || string(d[i:i+len(name)]) != string(name) {
		if bytes.HasPrefix(name, d[i:]) || bytes.HasPrefix(d[i:], name) {
			return pos
		}
		return x.fail(pos, "an end tag does not match its start tag")
	}
	for i += len(name); i < len(d) && blank(d[i]); i++ {
	}
	if i == len(d) {
		return pos
	}
	if d[i] != '>' {
		return x.fail(pos, "an end tag does not match its start tag")
	}
	x.close()
	return i + 1
}

// close ends the innermost element.
func (x *xmlScanner) close() {
	n := x.cur
	if x.cur = n.parent; x.cur == x.doc {
		x.mode = inMisc
	}
	if n.spec != nil && n.spec.id != 0 {
		var text []byte
		if n.spec.leaf {
			text = trim(x.gathered())
		}
		x.fire(opEnd, n.spec.id, text)
	}
	x.forgetText()
}

// gathered is the character data since the last tag.
func (x *xmlScanner) gathered() []byte {
	if x.pieces {
		return x.val
	}
	return x.text
}

func (x *xmlScanner) forgetText() { x.text, x.val, x.pieces = nil, x.val[:0], false }

// startTag reads a start tag or an empty element.
func (x *xmlScanner) startTag(d []byte, pos int) int {
	x.attrs = x.attrs[:0] // a tag that was cut may have left some, if a run stepped over it then
	end, why := name(d, pos+1)
	if why != "" {
		return x.fail(pos, why)
	}
	if end == len(d) {
		return pos
	}
	written := d[pos+1 : end]
	var n *node
	if d[end] == '>' {
		n = x.cur.kid(written)
	} else {
		if end, why = x.attributes(d, end); why != "" {
			return x.fail(pos, why)
		}
		if end < 0 {
			return pos
		}
		if !x.declares() {
			n = x.cur.kid(written)
		}
	}
	empty := d[end] == '/'
	if empty {
		end++
	}
	if n == nil {
		if n, why = x.newNode(written); why != "" {
			return x.fail(pos, why)
		}
	}
	if why := x.checkAttrs(n); why != "" {
		return x.fail(pos, why)
	}
	if s := x.cur.spec; s != nil && s.leaf && (n.spec == nil || len(trim(x.gathered())) > 0) {
		return x.fail(pos, "it has an element where only text belongs")
	}
	x.cur, x.mode, x.rooted = n, inContent, true
	x.forgetText()
	x.begin(n)
	if empty && !x.halted {
		x.close()
	}
	return end + 1
}

// begin tells the sink about the element that has just begun, with its wanted attribute.
func (x *xmlScanner) begin(n *node) {
	if n.spec == nil || n.spec.id == 0 {
		return
	}
	if !n.spec.leaf {
		x.fire(opStart, n.spec.id, nil)
	}
	if n.spec.attr == "" {
		return
	}
	for _, a := range x.attrs {
		if string(a.name) == n.spec.attr {
			x.fire(opAttr, n.spec.id, trim(unescape(a.value)))
		}
	}
}

// kid is the element of that name inside n, if it was there before; nil if not.
func (n *node) kid(name []byte) *node {
	for k := n.kids; k != nil; k = k.next {
		if string(k.name) == string(name) {
			return k
		}
	}
	return nil
}

// newNode makes the node of an element that begins inside the innermost one, with x.attrs.
func (x *xmlScanner) newNode(written []byte) (*node, string) {
	at := x.cur
	if at.depth >= maxXMLDepth {
		return nil, "its elements are nested too deep"
	}
	if x.nodes++; x.nodes > maxNodes {
		x.forget()
	}
	if len(x.slab) == 0 {
		x.slab = make([]node, 32)
	}
	n := &x.slab[0]
	x.slab = x.slab[1:]
	*n = node{parent: at, name: x.keep(written), depth: at.depth + 1}
	var prefix []byte
	prefix, n.local = splitName(n.name)
	for _, a := range x.attrs {
		if space, ok := a.declares(); ok {
			if why := space.refused(); why != "" {
				return nil, why
			}
			n.spaces = append(n.spaces, space)
		}
	}
	if _, bound := n.space(prefix); !bound {
		return nil, unboundPrefix
	}
	if len(n.spaces) == 0 { // others are not to be found again: the next one may declare other namespaces
		if at.count++; at.count > maxKids {
			at.count, at.kids = 1, nil
		}
		n.next, at.kids = at.kids, n
	}
	n.spec = x.file.place(n)
	x.halted = x.halted || x.file.sheet.closed
	return n, ""
}

// keep copies a name to where many fit.
func (x *xmlScanner) keep(name []byte) []byte {
	if cap(x.names)-len(x.names) < len(name) {
		x.names = make([]byte, 0, max(512, len(name)))
	}
	from := len(x.names)
	x.names = append(x.names, name...)
	return x.names[from:len(x.names):len(x.names)]
}

const unboundPrefix = "it uses a namespace prefix that it does not declare"

// forget drops all nodes but those of open elements, and all runs.
func (x *xmlScanner) forget() {
	x.nodes, x.runBytes, x.recording = x.cur.depth, 0, false
	x.learned = maxLearned // a document that takes so many is not worth learning
	for n := x.cur; n != nil; n = n.parent {
		n.kids, n.count, n.runs = nil, 0, nil
	}
}

// space is the namespace that a prefix means at the element; false if it means none.
func (n *node) space(prefix []byte) (string, bool) {
	if string(prefix) == "xml" {
		return xmlNamespace, true
	}
	for ; n != nil; n = n.parent {
		for _, s := range n.spaces {
			if s.prefix == string(prefix) {
				return s.uri, true
			}
		}
	}
	return "", len(prefix) == 0
}

// splitName parts a checked name at its colon.
func splitName(name []byte) (prefix, local []byte) {
	if i := bytes.IndexByte(name, ':'); i >= 0 {
		return name[:i], name[i+1:]
	}
	return nil, name
}

// name is where the name at pos ends, which is len(d) if it may go on.
func name(d []byte, pos int) (end int, why string) {
	const bad = "it has a name that XML does not allow"
	colon := -1
	i := pos
	for i < len(d) {
		if i-pos > maxXMLName {
			return 0, "it has a name that is too long"
		}
		c := d[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRune(d[i:])
			if r == utf8.RuneError && n == 1 && !utf8.FullRune(d[i:]) {
				return len(d), ""
			}
			if r == utf8.RuneError && n == 1 || !nameRune(r, i == pos || i == colon+1) {
				return 0, bad
			}
			i += n
			continue
		}
		k := nameBytes[c]
		if k == 0 {
			break
		}
		if c == ':' {
			if colon >= 0 || i == pos {
				return 0, bad
			}
			colon = i
		} else if k == 2 && (i == pos || i == colon+1) {
			return 0, bad
		}
		i++
	}
	switch {
	case i == len(d):
		return i, ""
	case i == pos || i == colon+1:
		return 0, bad
	}
	return i, ""
}

// nameBytes are ASCII's name characters: 1 may begin a name, 2 may not.
var nameBytes = func() (t [utf8.RuneSelf]byte) {
	for c := range t {
		switch c := byte(c); {
		case c|0x20 >= 'a' && c|0x20 <= 'z', c == '_', c == ':':
			t[c] = 1
		case digit(c), c == '-', c == '.':
			t[c] = 2
		}
	}
	return t
}()

// nameRune tells whether a name may hold r, or begin with it (XML 1.0, fifth edition, productions 4 and 4a).
func nameRune(r rune, first bool) bool {
	switch {
	case r == 0xB7, r >= 0x300 && r <= 0x36F, r == 0x203F, r == 0x2040:
		return !first
	case r >= 0xC0 && r <= 0x2FF, r >= 0x370 && r <= 0x1FFF, r == 0x200C, r == 0x200D, r >= 0x2070 && r <= 0x218F,
		r >= 0x2C00 && r <= 0x2FEF, r >= 0x3001 && r <= 0xD7FF, r >= 0xF900 && r <= 0xFDCF, r >= 0xFDF0 && r <= 0xFFFD,
		r >= 0x10000 && r <= 0xEFFFF:
		return r != 0xD7 && r != 0xF7 && r != 0x37E
	}
	return false
}
