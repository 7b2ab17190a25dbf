package formats

import "strings"

// A format is one kind of file, told apart by its first bytes. A new one is a file of this package and a line in the
// table formats(); ISO 20022 messages have a table of their own, messages() in iso20022.go.
type format struct {
	name string
	// look judges the first bytes of a file. Where it still asks for more at maxPrefix, that is a no.
	look func(prefix []byte) answer
	// open begins to read a file whose prefix look said yes to; the reader gets that prefix again with its first write.
	open func(prefix []byte, s *sheet) reader
}

// answer is what a detector says of the first bytes.
type answer int

const (
	no   answer = iota
	more        // it may become this format: more bytes will tell
	yes
)

// reader reads one file of a format into a sheet. It stops caring once the sheet is closed.
type reader interface {
	// write takes the next bytes, cut anywhere.
	write(p []byte)
	// whole tells whether the file could end here. It changes nothing: more may still come.
	whole() bool
	// end enters what only the end of a whole file proves. Nothing is written after it.
	end()
}

// formats are tried in this order.
func formats() []format {
	return []format{
		{"xml", lookXML, openXML},
		{"bg-lb", lookLB, openLB},
		{"bg-loner", lookLoner, openLoner},
		{"bg-autogiro", lookAutogiro, openAutogiro},
		{"bg-autogiro-report", lookAutogiroReport, openAutogiroReport},
		{"bgmax", lookBgMax, openBgMax},
		{"po3", lookPO3, openPO3},
		{"nacha", lookNACHA, openNACHA},
		{"nets-ocr", lookNets, openNets},
		{"coda", lookCODA, openCODA},
		{"bacs", lookBACS, openBACS},
		{"mt940", lookMT("940"), openMT940},
		{"mt942", lookMT("942"), openMT942},
		{"mt101", lookMT("101"), openMT101},
		{"mt103", lookMT("103"), openMT103},
		{"telepay", lookTelepay, openTelepay},
		{"edifact", lookEDIFACT, openEDIFACT}, // paymul, finsta, debmul
		{"bai2", lookBAI2, openBAI2},
		{"total-in", lookTotalIn, openTotalIn},
		{"tito", lookTITO, openTITO},
	}
}

// Names are all that Facts.Format can be. Files are asked for by them, and rows keep what they have: a name that is given no more
// is added here.
func Names() []string {
	var names []string
	for _, m := range messages() {
		names = append(names, m.name)
	}
	for _, f := range formats() {
		switch f.name {
		case "xml": // one of the messages
		case "edifact":
			for _, kind := range ediKinds() {
				names = append(names, strings.ToLower(kind))
			}
		default:
			names = append(names, f.name)
		}
	}
	return append(names, "bg-lb-report", "bg-sealed", string(Unrecognised))
}

// maxPrefix is how many bytes a detector may ask for.
const maxPrefix = 1024

// Inspector reads one payment file: New, then Write until the end, then Close.
type Inspector struct {
	sheet   sheet
	content content
}

// New makes an Inspector for one file. It calls found for each payment as soon as it is read; nil is allowed, and so is
// a nil clock: then no date is in the past.
func New(found func(*Payment), clock Clock) *Inspector {
	i := &Inspector{}
	i.content.sheet = &i.sheet
	i.sheet.found = found
	if clock != nil {
		i.sheet.today = clock().Format("2006-01-02")
	}
	return i
}

// Write takes the next bytes of the file, in any chunking. It keeps no reference to p.
func (i *Inspector) Write(p []byte) { i.content.write(p) }

// Format is what the file was told to be, by its content: "" until that is known, then as in Facts.Format.
func (i *Inspector) Format() string { return i.sheet.facts.Format }

// Problems are those proven so far, mostly none. Later calls may tell more, and a totals-mismatch in better words.
func (i *Inspector) Problems() []Problem { return i.sheet.problems }

// Close is the end of the file: what it says, and everything that is wrong with it. When the only trouble is Incomplete,
// nothing has changed: Write may go on where the file was cut, and Close be called again.
func (i *Inspector) Close() (Facts, []Problem) {
	switch {
	case i.sheet.closed:
	case i.content.reader != nil:
		if !i.content.reader.whole() {
			return i.sheet.report(i.sheet.incomplete())
		}
		i.content.reader.end()
	case i.content.blank():
		return i.sheet.report(Problem{Empty, "it is empty"})
	case i.content.couldBecome():
		return i.sheet.report(i.sheet.incomplete())
	default:
		i.sheet.giveUp()
	}
	return i.sheet.report()
}

// Whole tells whether the file could end here, with nothing missing. It changes nothing: Write may go on.
func (i *Inspector) Whole() bool {
	switch {
	case i.sheet.closed:
		return true
	case i.content.reader != nil:
		return i.content.reader.whole()
	}
	return !i.content.blank() && !i.content.couldBecome()
}

// SoFar is what the file has said until now. It changes nothing: Write may go on.
func (i *Inspector) SoFar() Facts {
	facts, _ := i.sheet.report()
	return facts
}
