package formats

import (
	"bytes"
	"fmt"
)

// xmlScanner checks that a stream of UTF-8 is a well-formed XML 1.0 document with namespaces, and tells a sink about
// the elements that the sink's tree names. It holds an open tag at most, whatever comes and however it is cut.
//
// Its speed comes from two habits. Elements that were seen before at the same place are known as nodes, so that a name
// is compared, not looked up. And at each node it keeps the runs of markup that came after the node's text before:
// `</Nm></Cdtr><CdtrAcct><Id><IBAN>`, blanks between tags included. What a run does depends on nothing but the node it
// begins at (which stands for all open elements and their namespaces) and its bytes, so that the same bytes at the same
// node can be stepped over after one comparison. Nodes and runs are learned anew for each file and bounded.
type xmlScanner struct {
	file *isoFile // where it belongs
	sink elements // nil until the file is told to be a message
	doc  *node    // stands above the root
	cur  *node    // innermost open element, or doc

	mode   xmlMode
	rooted bool   // the root has begun
	why    string // the document is not well-formed; then nothing more is read
	halted bool   // nothing more is to be read
	carry  []byte // what could not be read before more comes: part of one token
	lines  int    // line feeds read

	text   []byte // the character data since the last tag, when it lies in one piece in the input
	pieces bool   // it does not: what there is of it is in val
	val    []byte

	slab      []node // room for new ones
	names     []byte // and for their names
	nodes     int    // made since the last forget
	runBytes  int    // kept in runs
	learned   int    // runs kept in all, so that learning ends
	recording bool
	record    []xmlOp
	attrs     []xmlAttr // scratch of one tag
}

// elements is told of the elements in its tree, by their id.
type elements interface {
	start(id int)              // a container begins
	attr(id int, value []byte) // the wanted attribute of an element that has begun
	end(id int, text []byte)   // a leaf ends, with its text, trimmed; or a container (nil)
}

// xmlMode is what the scan is inside of.
type xmlMode int8

const (
	inMisc    xmlMode = iota // before or after the root
	inContent                // inside the root, between tags
	inComment
	inPI
	inCDATA
	inDoctype
)

// element is a node of the tree of names that a sink wants to hear of.
type element struct {
	name string
	id   int    // what the sink calls it; 0: it wants to hear of elements inside only
	leaf bool   // its text is wanted, and nothing but kids may be in it
	attr string // an attribute that is wanted
	kids []element
}

// node is an element at its place in this document: under the same elements, with the same namespaces.
type node struct {
	parent *node
	name   []byte // as written, with its prefix
	local  []byte // without it
	spec   *element
	depth  int
	seen   bool       // markup has come after its text before
	spaces []xmlSpace // declared here
	kids   *node      // the last one inside, without those that declare namespaces
	next   *node      // the one before among its parent's kids
	count  int        // of kids
	runs   []xmlRun
}

type xmlSpace struct{ prefix, uri string }

// xmlRun is markup that came after a node's text before.
type xmlRun struct {
	markup string
	live   bool // the first op is the end of the node itself, and so takes its text
	ops    []xmlOp
	to     *node // innermost open element after it
}

type xmlOp struct {
	what  int8 // opStart, opAttr, opEnd
	id    int
	value []byte
}

const (
	opStart int8 = iota
	opAttr
	opEnd
)

// Bounds of a document, and of what is learned of it. A document beyond the first five is refused.
const (
	maxXMLDepth = 64
	maxXMLTag   = 8 << 10 // bytes of one tag
	maxXMLName  = 256
	maxXMLAttrs = 64      // of one tag
	maxXMLText  = 4 << 10 // bytes of a leaf's text

	maxNodes    = 1024
	maxKids     = 64 // of one node
	maxRuns     = 6  // at one node
	maxRun      = 512
	maxRunBytes = 64 << 10
	maxLearned  = 4096
	carryStep   = 512
)

func newXMLScanner(file *isoFile) *xmlScanner {
	x := &xmlScanner{file: file, doc: &node{spec: &file.outside}}
	x.cur = x.doc
	return x
}

// whole tells whether the document could end here.
func (x *xmlScanner) whole() bool {
	return x.rooted && x.mode == inMisc && x.cur == x.doc && len(x.carry) == 0
}

// write takes the next bytes.
func (x *xmlScanner) write(p []byte) {
	for len(x.carry) > 0 && len(p) > 0 && !x.halted {
		kept, n := len(x.carry), min(len(p), carryStep)
		x.carry = append(x.carry, p[:n]...)
		used := x.scan(x.carry)
		if used >= kept {
			p = p[used-kept:]
			x.carry = x.carry[:0]
			break
		}
		p = p[n:]
		x.carry = x.carry[:copy(x.carry, x.carry[used:])]
	}
	if len(p) > 0 && !x.halted {
		used := x.scan(p)
		x.carry = append(x.carry[:0], p[used:]...)
	}
}

// scan reads what can be read of d and tells how much that was: all but the beginning of a token.
func (x *xmlScanner) scan(d []byte) int {
	pos := 0
	for pos < len(d) && !x.halted {
		next := pos
		switch x.mode {
		case inMisc:
			next = x.misc(d, pos)
		case inContent:
			next = x.content(d, pos)
		case inDoctype:
			next += x.file.hunt(d[pos:])
			x.halted = x.file.sheet.closed
		default:
			next = x.aside(d, pos)
		}
		if next == pos {
			break
		}
		pos = next
	}
	x.lines += bytes.Count(d[:pos], []byte{'\n'})
	if x.why != "" {
		if x.why != tooMuchText { // where that is found depends on how the file is cut
			x.why = fmt.Sprintf("%s (line %d)", x.why, x.lines+1)
		}
		x.file.fault(x.why)
	}
	return pos
}

// fail says that the document is not well-formed, because of what stands at pos, where the scan also stops.
func (x *xmlScanner) fail(pos int, why string) int {
	x.why, x.halted = why, true
	return pos
}

// content reads text and markup inside the root.
func (x *xmlScanner) content(d []byte, pos int) int {
next:
	for pos < len(d) && !x.halted {
		end, high := pos, false
		if d[pos] != '<' {
			end, high = plain(d, pos)
			if high {
				if bad := invalidUTF8(d[pos:end], end == len(d)); bad < end-pos {
					return x.badText(d, pos, pos+bad)
				}
			}
			if end == len(d) {
				return x.addText(d, pos, end)
			}
			if d[end] != '<' {
				if pos = x.addText(d, pos, end); x.halted {
					return pos
				}
				if pos = x.special(d, end); pos == end && !x.halted {
					return end
				}
				continue
			}
		}
		// Here stands markup, after the text d[pos:end].
		if !x.pieces {
			text := d[pos:end]
			runs := x.cur.runs
			for i := range runs {
				r := &runs[i]
				if len(d)-end >= len(r.markup) && string(d[end:end+len(r.markup)]) == r.markup {
					if len(text) > maxXMLText && r.live {
						return x.fail(pos, tooMuchText)
					}
					if i > 0 { // let those that come often move to the front
						runs[i-1], runs[i] = runs[i], runs[i-1]
						r = &runs[i-1]
					}
					x.cur = r.to
					pos = end + len(r.markup)
					x.replay(r, text)
					continue next
				}
			}
		}
		next := x.markup(d, pos, end)
		if next == end || x.mode != inContent {
			return next
		}
		pos = next
	}
	return pos
}

const tooMuchText = "an element holds too much text"

// replay tells the sink what a run means.
func (x *xmlScanner) replay(r *xmlRun, text []byte) {
	if !r.live {
		text = nil
	} else {
		text = trim(text)
	}
	for i := range r.ops {
		switch op := &r.ops[i]; op.what {
		case opStart:
			x.sink.start(op.id)
		case opAttr:
			x.sink.attr(op.id, op.value)
		default:
			x.sink.end(op.id, text)
		}
		text = nil
	}
	x.halted = x.file.sheet.closed
}

// trim takes XML's white space off both ends.
func trim(b []byte) []byte {
	for len(b) > 0 && blank(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && blank(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

func blank(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }
