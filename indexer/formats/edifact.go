package formats

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// UN/EDIFACT interchanges of payments (ISO 9735 syntax versions 1 to 4; messages of UNTDID D.96A, which later directories
// keep): this file reads the service segments, edisegment.go cuts them, edipay.go reads the messages. Of each segment, the
// elements from 1, components behind a colon:
//
//	UNA      six characters: component and element separator, decimal mark, release character, reserved, terminator
//	UNB      1 syntax: UNOA, UNOB ASCII, UNOC ISO-8859-1, UNOD -2, UNOE -5, UNOF -7, UNOG -3, UNOH -4, UNOI -6, UNOJ -8,
//	         UNOK -9; 2 sender, 4 day:time, 5 reference, 11 "1" for a test
//	UNG, UNE group: UNE 1 messages, 2 reference of UNG 5
//	UNH      1 reference, 2 type:version:release
//	UNT      1 segments, UNH and UNT among them, 2 reference of UNH
//	UNZ      1 groups, or messages if there are none, 2 reference of UNB
//
// A file is one interchange, of one type of message; messages of others are counted, but not read. Line breaks are no
// part of it, wherever they stand, unless they are the terminator. The true end of a file is the terminator of UNZ.

// ediMarks are the characters that structure an interchange.
type ediMarks struct{ component, element, decimal, release, terminator byte }

// lookEDIFACT says yes when the first message is of a type that is read here.
func lookEDIFACT(prefix []byte) answer {
	_, _, kind, a := ediHead(prefix)
	switch {
	case a != yes:
		return a
	case slices.Contains(ediKinds(), kind):
		return yes
	}
	return no
}

// ediKinds are the messages that are read.
func ediKinds() []string { return []string{"PAYMUL", "FINSTA", "DEBMUL"} }

// ediHead finds the separators, where UNB begins, and the type of the first message.
func ediHead(prefix []byte) (marks ediMarks, start int, kind string, a answer) {
	marks, start, a = ediStart(prefix)
	if a != yes {
		return marks, 0, "", a
	}
	for rest := prefix[start:]; ; {
		rest = bytes.TrimLeft(rest, " \t\r\n")
		if len(rest) >= 4 && (string(rest[:2]) != "UN" || !marks.separates(rest[3])) {
			return marks, 0, "", no
		}
		n := marks.end(rest, nil)
		switch {
		case n < 0:
			return marks, 0, "", more
		case n < 3:
			return marks, 0, "", no
		case string(rest[:3]) == "UNH":
			return marks, start, ediType(rest[:n], marks), yes
		}
		rest = rest[n+1:]
	}
}

// ediType is the message type of a UNH.
func ediType(unh []byte, marks ediMarks) string {
	var g ediSegment
	class := marks.classes()
	g.begin(squashed(nil, unh), &class)
	return string(g.at(2, 1))
}

// ediStart reads UNA, if there is one: then its characters count, else the standard ones.
func ediStart(prefix []byte) (marks ediMarks, start int, a answer) {
	marks = ediMarks{':', '+', '.', '?', '\''}
	b := bytes.TrimLeft(bytes.TrimPrefix(prefix, []byte("\xef\xbb\xbf")), " \t\r\n")
	start = len(prefix) - len(b)
	if n := min(len(b), 3); string(b[:n]) == "UNA"[:n] || string(b[:n]) == "UNB"[:n] {
		if n < 3 {
			return marks, 0, more
		}
	} else {
		return marks, 0, no
	}
	if b[2] == 'B' {
		if len(b) > 3 && b[3] == 0x1D { // level B, without graphic separators
			marks = ediMarks{0x1F, 0x1D, '.', ' ', 0x1C}
		}
		return marks, start, yes
	}
	if len(b) < 9 {
		return marks, 0, more
	}
	marks = ediMarks{b[3], b[4], b[5], b[6], b[8]}
	start += 9
	if b[7] == '\'' && (b[8] == '\r' || b[8] == '\n' || b[8] == 'U') { // written without the reserved character
		marks.terminator = '\''
		start--
	}
	if !marks.differ() {
		return marks, 0, no
	}
	return marks, start, yes
}

// differ tells whether every mark means one thing. A blank says that there is no release character.
func (m ediMarks) differ() bool {
	all := []byte{m.component, m.element, m.release, m.terminator}
	for i, c := range all {
		if digit(c) || upper(c) || c >= 0x80 || bytes.IndexByte(all[i+1:], c) >= 0 || c == ' ' && i != 2 {
			return false
		}
	}
	return true
}

func (m ediMarks) separates(c byte) bool {
	return c == m.element || c == m.component || c == m.terminator || c == '\r' || c == '\n'
}

// ediFile reads one interchange.
type ediFile struct {
	s       *sheet
	marks   ediMarks
	class   [256]byte
	skip    int    // bytes before UNB
	carry   []byte // the beginning of a segment
	flat    []byte // scratch: a segment without line breaks
	segment ediSegment
	charset ediCharset
	n       int64 // segments taken

	begun, closed      bool // UNB has come, and UNZ
	inGroup, inMessage bool
	kind               string // of the first message
	reference          []byte // of the interchange
	groupReference     []byte
	messageReference   []byte
	groups, messages   int64
	groupMessages      int64
	segments           int64 // of the message
	slot               int   // the problem about totals, see sheet.mismatch

	ediMessage
}

func openEDIFACT(prefix []byte, s *sheet) reader {
	marks, start, kind, _ := ediHead(prefix)
	s.facts.Format, s.facts.Encoding = strings.ToLower(kind), "us-ascii"
	s.both, s.orders = kind == "FINSTA", kind == "PAYMUL"
	return &ediFile{s: s, marks: marks, skip: start, class: marks.classes(), kind: kind, ediMessage: ediMessage{ranks: ediRanksOf(kind)}}
}

func (f *ediFile) whole() bool { return f.closed }

func (f *ediFile) end() {}

// service takes a service segment, or hands over one of a message.
func (f *ediFile) service(g *ediSegment) {
	if (string(g.raw[:3]) == "UNB") != !f.begun {
		f.misplaced(g)
		return
	}
	if f.inMessage {
		f.segments++
	}
	switch string(g.raw[:3]) {
	case "UNB":
		f.begun = true
		f.interchange(g)
	case "UNG":
		if f.inGroup || f.inMessage {
			f.misplaced(g)
			return
		}
		f.inGroup, f.groupMessages = true, 0
		f.groups++
		f.groupReference = append(f.groupReference[:0], g.at(5, 1)...)
	case "UNH":
		f.openMessage(g)
	case "UNT":
		f.closeMessage(g)
	case "UNE":
		if !f.inGroup || f.inMessage {
			f.misplaced(g)
			return
		}
		f.inGroup = false
		f.trailer(g, fmt.Sprintf("group %d", f.groups), f.groupReference, f.groupMessages, "message", "messages")
	case "UNZ":
		f.finish(g)
	default:
		if !f.inMessage {
			f.misplaced(g)
			return
		}
		if f.read {
			f.content(g)
		}
	}
}

func (f *ediFile) misplaced(g *ediSegment) {
	f.s.malformed("segment %d, %s, is out of place", f.n, g.tag())
}

// interchange takes UNB.
func (f *ediFile) interchange(g *ediSegment) {
	facts := &f.s.facts
	f.charset = ediCharsetOf(string(g.at(1, 1)))
	f.reference = append(f.reference[:0], g.at(5, 1)...)
	facts.MessageID = string(f.text(nil, g.at(5, 1)))
	for component := uint8(1); component <= 4 && facts.Initiator == ""; component++ {
		if component != 2 || len(g.at(2, 3)) == 0 { // 2 says only what kind of code 1 is
			facts.Initiator = string(f.text(nil, g.at(2, component)))
		}
	}
	day, clock := g.at(4, 1), g.at(4, 2)
	if date, ok := ediDay(nil, day); ok {
		facts.CreatedAt = string(date)
		if len(clock) >= 4 && digits(clock[:4]) && string(clock[:2]) < "24" && string(clock[2:4]) < "60" {
			facts.CreatedAt += fmt.Sprintf("T%s:%s", clock[:2], clock[2:4])
		}
	} else {
		f.s.notes("date-shape", "UNB", "%q is not a date", day)
	}
	if string(g.at(11, 1)) == "1" {
		f.s.notes("test-indicator", "UNB", "the interchange is marked as a test")
	}
}

// openMessage takes UNH.
func (f *ediFile) openMessage(g *ediSegment) {
	if f.inMessage || f.groups > 0 && !f.inGroup {
		f.misplaced(g)
		return
	}
	f.inMessage, f.segments = true, 1
	f.messages++
	f.groupMessages++
	f.messageReference = append(f.messageReference[:0], g.at(1, 1)...)
	kind := g.at(2, 1)
	f.read = string(kind) == f.kind
	if !f.read {
		f.s.notes("other-message", fmt.Sprintf("message %d", f.messages), "the message is a %q, so nothing of it is counted as a payment", kind)
		return
	}
	if facts := &f.s.facts; facts.Version == "" {
		facts.Version = string(f.text(f.text(nil, g.at(2, 2)), g.at(2, 3)))
		if v := g.at(2, 2); len(v) > 0 && len(facts.Version) > len(v) {
			facts.Version = string(v) + "." + facts.Version[len(v):]
		}
	}
	f.beginMessage()
}

// closeMessage takes UNT.
func (f *ediFile) closeMessage(g *ediSegment) {
	if !f.inMessage {
		f.misplaced(g)
		return
	}
	if f.read {
		if f.endLine(); f.s.closed {
			return
		}
	}
	f.inMessage = false
	f.trailer(g, fmt.Sprintf("message %d", f.messages), f.messageReference, f.segments, "segment", "segments")
}

// trailer holds the count and the reference of UNT, UNE or UNZ against what came.
func (f *ediFile) trailer(g *ediSegment, who string, reference []byte, holds int64, one, many string) {
	says, ok := number(bytes.Trim(g.at(1, 1), " "))
	if !ok {
		f.s.malformed("segment %d, %s, has no count", f.n, g.tag())
		return
	}
	switch got, want := trimZeros(g.at(2, 1)), trimZeros(reference); {
	case string(got) == string(want):
	case len(got) == 0:
		f.s.notes("reference-missing", g.tag(), "the end of %s has no reference", who)
	default:
		f.s.malformed("segment %d, %s, has another reference than the beginning of %s", f.n, g.tag(), who)
		return
	}
	if says != holds {
		f.differs("%s says %s, but holds %d", who, counted(says, one, many), holds)
	}
}

// trimZeros leaves a reference without blanks and leading zeros, which some writers put at one end only.
func trimZeros(b []byte) []byte { return bytes.TrimLeft(bytes.Trim(b, " "), "0") }

// differs enters the first totals-mismatch of the file.
func (f *ediFile) differs(format string, args ...any) {
	if f.slot == 0 {
		f.s.mismatch(&f.slot, fmt.Sprintf(format, args...))
	}
}

// finish takes UNZ.
func (f *ediFile) finish(g *ediSegment) {
	if f.inMessage || f.inGroup || f.messages == 0 {
		f.misplaced(g)
		return
	}
	holds, one, many := f.messages, "message", "messages"
	if f.groups > 0 {
		holds, one, many = f.groups, "group", "groups"
	}
	if f.trailer(g, "it", f.reference, holds, one, many); f.s.closed {
		return
	}
	f.closed = true
	facts := &f.s.facts
	facts.Declared = f.declared.String()
	account := ""
	if len(facts.Payers) > 0 {
		account = facts.Payers[0].Account
	}
	facts.BusinessKey = strings.Join([]string{facts.Format, facts.MessageID, facts.Initiator, account}, "\x1f")
}
