package formats

import (
	"bytes"
	"fmt"
)

// SWIFT MT (FIN user messages; SWIFT User Handbook, "FIN System Messages", and ISO 15022 for the fields): a file holds one
// message or several,
//
//	{1:F01BANKBEBBAXXX0000000000}{2:I940BANKDEFFXXXXN}{3:{108:REF}}{4:
//	:20:REF
//	...
//	-}{5:{CHK:000000000000}}
//
// or the text of block 4 alone, which then ends with a line of "-" or with nothing. Between messages stand line ends, the
// "$" of RJE, or the 01 and 03 of DOS-PCC; acknowledgements ({1:F21...}{4:{177:...}{451:0}}) may stand in front of each. A
// field is a line ":tag:" with its further lines. In front of the first one, some banks write lines of their own: a BIC, the
// message's number ("940 00", ":940:"), or both ("0000 01INGBNL2AXXXX00001"); the last line may be "-XXX".
//
// This file cuts a file into messages and fields; what those mean is in mt101.go, mt103.go, mt940.go and mt942.go.
//
// The true end of a message with blocks is the last "}". Nothing says how many messages a file has: one that is cut
// exactly between two of them cannot be told from a whole one, nor one that is cut before block 5. Behind a bank's own lines, a
// message must follow.

// mtMessage takes the messages of one type, field by field.
type mtMessage interface {
	begin()
	field(tag, text []byte) // a field's first line, behind its tag
	more(text []byte)       // a further line of it; never empty
	lacks() string          // what the message must have and has not, so far; "" for nothing
	whole() bool            // a message without block 4 could end here, as its last field is there
	wholeWith(rest []byte) bool
	// finish takes the end of a message that lacks nothing.
	finish()
	end()
}

// mtFile reads one file of messages of one type.
type mtFile struct {
	s    *sheet
	recs records
	kind string // "940"
	of   mtMessage

	messages int64
	inText   bool
	framed   bool // the text stands in block 4
	announced,
	acked, acksLead bool // a block 1 waits for its text; an acknowledgement, for its message; and those stand in front
	depth    int    // of braces, outside of texts
	block    []byte // beginning of the outermost block
	terminal string // of block 1
	begun    bool   // the text has a field
	headed   bool   // a bank's own lines for the next message have come
	oneLiner bool   // the last field has one line only

	started bool
	breaks  mtBreaks
	turned  []byte // scratch: bytes with CR made LF
}

// mtBreaks is what ends lines.
type mtBreaks int

const (
	mtBreaksUnknown mtBreaks = iota
	mtBreaksAfterCR          // a CR has come: the next byte tells
	mtBreaksLF
	mtBreaksCR
)

// maxBlock is how much is kept of a block that is no text.
const maxBlock = 512

func newMT(s *sheet, kind string) *mtFile {
	f := &mtFile{s: s, kind: kind}
	f.recs = newRecords(s, 0, f.line)
	s.facts.Format, s.facts.Version, s.facts.Encoding = "mt"+kind, "MT"+kind, "us-ascii"
	return f
}

func (f *mtFile) write(p []byte) {
	if !f.started { // this holds the prefix that the format was told by
		f.started = true
		if text, marked := bytes.CutPrefix(p, []byte("\xef\xbb\xbf")); marked {
			p, f.s.facts.Encoding = text, "utf-8"
		}
	}
	if f.breaks != mtBreaksLF {
		if p = f.turn(p); f.s.closed {
			return
		}
	}
	f.recs.write(p)
}

// turn makes CR line ends LF, if lines end with CR alone. Until that is known it hands on what comes.
func (f *mtFile) turn(p []byte) []byte {
	if len(p) == 0 {
		return p
	}
	if f.breaks == mtBreaksUnknown {
		n := bytes.IndexAny(p, "\r\n")
		if n < 0 {
			return p
		}
		if f.breaks = mtBreaksLF; p[n] == '\n' {
			return p
		}
		f.breaks = mtBreaksAfterCR
		f.recs.write(p[:n]) // the CR is handed on as an LF or, before an LF, not at all: both end the line
		if p = p[n+1:]; len(p) == 0 {
			return p
		}
	}
	if f.breaks == mtBreaksAfterCR {
		f.breaks = mtBreaksCR
		if p[0] == '\n' {
			f.breaks = mtBreaksLF
			return p
		}
		f.recs.write([]byte{'\n'})
	}
	f.turned = append(f.turned[:0], p...)
	for i, c := range f.turned {
		if c == '\r' {
			f.turned[i] = '\n'
		}
	}
	return f.turned
}

// whole: what is left without a line end may be the end of a text, or its last field.
func (f *mtFile) whole() bool {
	rest := f.recs.rest()
	switch {
	case !f.inText:
		return f.idle() && f.depth == 0 && closesBlocks(rest)
	case mtCloses(rest):
		return f.of.lacks() == "" && closesBlocks(rest[2:])
	case f.framed:
		return false
	case len(rest) == 0:
		return f.of.lacks() == "" && f.of.whole()
	case mtLast(rest):
		return f.of.lacks() == ""
	}
	return f.of.wholeWith(rest)
}

// idle tells whether no message is under way.
func (f *mtFile) idle() bool {
	return f.messages > 0 && !f.announced && !f.headed && (!f.acked || !f.acksLead)
}

// closesBlocks tells whether nothing is open or announced behind the end of a line without a line end.
func closesBlocks(rest []byte) bool {
	depth := 0
	for i, c := range rest {
		switch {
		case c == '{':
			if depth++; depth == 1 && i+1 < len(rest) && rest[i+1] >= '1' && rest[i+1] <= '4' {
				return false // a message begins
			}
		case c == '}':
			depth--
		case depth == 0 && c > ' ' && c != '$':
			return false
		}
		if depth < 0 {
			return false
		}
	}
	return depth == 0
}

func (f *mtFile) end() {
	if f.recs.last(); f.inText {
		f.finish()
	}
	if !f.s.closed {
		f.of.end()
	}
}

// line takes one line.
func (f *mtFile) line(rec []byte) {
	if !f.inText {
		f.outside(rec)
		return
	}
	if tag, text := mtTag(rec); tag != nil {
		f.field(tag, text)
		return
	}
	switch {
	case mtCloses(rec) && (f.framed || f.of.lacks() == ""):
		f.finish()
		f.outside(rec[2:])
	case f.framed || f.of.lacks() != "":
		f.of.more(rec)
	case mtLast(rec):
		f.finish()
	case rec[0] == '{' || rec[0] == 1, rec[0] == '$' && (len(rec) == 1 || rec[1] == '{'), mtNumber(rec) != "",
		f.oneLiner && mtHeader(rec, true):
		f.finish()
		f.outside(rec)
	default:
		f.of.more(rec)
	}
}

// mtCloses tells whether the line closes block 4.
func mtCloses(rec []byte) bool { return len(rec) > 1 && rec[0] == '-' && rec[1] == '}' }

// mtLast tells whether the line ends a text that is in no block.
func mtLast(rec []byte) bool {
	return len(rec) == 1 && rec[0] == '-' || string(rec) == "-XXX"
}

// field takes a field's first line; :20: begins a message.
func (f *mtFile) field(tag, text []byte) {
	if string(tag) == "20" && f.begun {
		f.again()
	}
	f.begun, f.oneLiner = true, tag[0] == '6' && tag[1] != '1'
	f.of.field(tag, text)
}

// again begins another message in the same text, as some banks write them.
func (f *mtFile) again() {
	if f.finish(); !f.s.closed {
		f.begin(f.framed)
		f.begun = true
	}
}

// begin begins a message's text.
func (f *mtFile) begin(framed bool) {
	f.inText, f.framed, f.announced, f.acked, f.headed = true, framed, false, false, false
	f.messages++
	f.begun = false
	f.of.begin()
}

// finish ends a message's text.
func (f *mtFile) finish() {
	if lacks := f.of.lacks(); lacks != "" {
		f.s.malformed("message %d ends without %s", f.messages, lacks)
		return
	}
	f.of.finish()
	f.inText = false
}

// outside takes what stands between texts: blocks, and banks' own lines.
func (f *mtFile) outside(rec []byte) {
	for len(rec) > 0 && !f.s.closed {
		switch c := rec[0]; {
		case f.depth > 0:
			rec = f.inBlock(rec)
		case c == '{' && mtOpensText(rec):
			f.begin(true)
			if rec = bytes.TrimLeft(rec[len("{4:"):], " \t"); len(rec) > 0 {
				f.line(rec)
			}
			return
		case c == '{':
			f.depth, f.block, rec = 1, f.block[:0], rec[1:]
		case c <= ' ' || c == '$':
			rec = rec[1:]
		case mtLast(rec):
			return
		case mtNumber(rec) == f.kind:
			f.headed = true
			return
		default:
			f.bare(rec)
			return
		}
	}
}

// bare takes a line outside of blocks: a field, or a bank's own line.
func (f *mtFile) bare(rec []byte) {
	if tag, text := mtTag(rec); tag != nil {
		if f.announced {
			f.s.malformed("message %d has no block 4", f.messages+1)
			return
		}
		f.begin(false)
		f.field(tag, text)
	} else if f.headed = true; !mtHeader(rec, true) {
		f.s.malformed("line %d belongs to no message", f.recs.n)
	}
}

// mtOpensText tells whether a block 4 begins that is not one of blocks.
func mtOpensText(b []byte) bool {
	return len(b) >= 3 && b[1] == '4' && b[2] == ':' && (len(b) == 3 || b[3] != '{' && b[3] != '}')
}

// inBlock takes what belongs to a block that is no text, up to the next brace, and returns the rest.
func (f *mtFile) inBlock(rec []byte) []byte {
	n := 0
	for n < len(rec) && rec[n] != '{' && rec[n] != '}' {
		n++
	}
	if n < len(rec) {
		n++
	}
	if len(f.block) < maxBlock {
		f.block = append(f.block, rec[:min(n, maxBlock)]...)
	}
	switch rec[n-1] {
	case '{':
		f.depth++
	case '}':
		if f.depth--; f.depth == 0 {
			f.endBlock(f.block)
		}
	}
	return rec[n:]
}

// endBlock takes the beginning of a block.
func (f *mtFile) endBlock(b []byte) {
	switch {
	case len(b) < 2 || b[1] != ':':
	case b[0] == '1' && f.announced:
		f.s.malformed("message %d has no block 4", f.messages+1)
	case b[0] == '1' && len(b) > 4 && string(b[3:5]) == "21":
		f.acked = true
		f.acksLead = f.acksLead || f.messages == 0
	case b[0] == '1':
		if f.announced = true; len(b) >= 17 && f.messages == 0 {
			f.terminal = string(b[5:17])
		}
	case b[0] == '2' && len(b) >= 6:
		if kind := b[3:6]; string(kind) != f.kind {
			f.s.malformed("message %d is of another type than MT%s, as block 2 says", f.messages+1, f.kind)
		} else if f.messages == 0 {
			f.header(b)
		}
	case b[0] == '4' && bytes.Contains(b, []byte("{451:1")) && f.s.finds("not-acknowledged"):
		f.s.finding("not-acknowledged", fmt.Sprintf("message %d", f.messages+1), "SWIFT did not accept the message, as its acknowledgement says")
	}
}

// header takes block 2 of the first message: 2:I940RECEIVER... or 2:O940HHMMYYMMDDSENDER....
func (f *mtFile) header(b []byte) {
	facts := &f.s.facts
	if b[2] == 'I' {
		facts.Initiator = mtBIC(f.terminal)
		return
	}
	if len(b) < 28 || !digits(b[6:16]) {
		return
	}
	if day, ok := dayYMD(nil, b[10:16]); ok {
		facts.CreatedAt = string(day) + "T" + string(b[6:8]) + ":" + string(b[8:10])
	}
	facts.Initiator = mtBIC(string(b[16:28]))
}

// mtBIC is the BIC of a logical terminal: without its ninth character, and without a branch of XXX.
func mtBIC(terminal string) string {
	if len(terminal) != 12 || !validBIC([]byte(terminal[:8]+terminal[9:])) {
		return ""
	}
	if terminal[9:] == "XXX" {
		return terminal[:8]
	}
	return terminal[:8] + terminal[9:]
}

// mtTag cuts a line into its tag, such as 20, 60F or NS, and its text; nil: it begins no field.
func mtTag(rec []byte) (tag, text []byte) {
	if len(rec) < 4 || rec[0] != ':' || !tagByte(rec[1]) || !tagByte(rec[2]) {
		return nil, nil
	}
	if rec[3] == ':' {
		return rec[1:3], rec[4:]
	}
	if len(rec) >= 5 && upper(rec[3]) && rec[4] == ':' {
		return rec[1:4], rec[5:]
	}
	return nil, nil
}

func tagByte(c byte) bool { return digit(c) || upper(c) }

func (f *mtFile) where() string { return fmt.Sprintf("line %d", f.recs.n) }
