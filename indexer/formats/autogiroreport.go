package formats

import (
	"fmt"
	"strings"
)

// Bankgirot Autogiro, what Bankgirot reports to a payee. Source: Bankgirot, "Bg Autogiro, Teknisk manual", sections 8 (new
// layout) and 9 (old layout), records of 80 characters, columns from 1. A report begins in one of these ways:
//
//	new: 01, 3-10 AUTOGIRO, 25-32 date or 25-44 timestamp, 45-64 name of the report, 65-70 customer number, 71-80 bankgiro
//	old: 01, 3-10 date, 11-18 AUTOGIRO, 19-22 9900, 23-62 name (payment specifications: blank), 63-68 customer, 69-78 bankgiro
//	old: 01, 3-10 date, 11-14 9900, 15-24 bankgiro, 25-33 AG-MEDAVI
//	both: 51, 3-10 date, 11-14 9900, 15-24 bankgiro, 25-34 AG-EMEDGIV
//
// and ends with TK09, or TK59 after a TK51. What is between has other columns in each, so no payments are read: the facts
// say which report it is, of whom and of when. AG-MEDAVI and AG-EMEDGIV state how many records they have (15-21), which is
// held against them. The register of mandates has neither head nor end, and is not told from other text.
//
// The true end is the last digit of the last TK09 or TK59, see endColumn. A file of several reports that is cut exactly
// between two of them cannot be told from a whole one.

// autogiroReport reads one file of reports.
type autogiroReport struct {
	bgRecords
	reports int64
	open    bool // between the first record of a report and its last
	name    string
	last    int   // transaction code of its last record
	count   int64 // of its other records
	stated  int64 // records that all last records say, where they do
	slot    int   // the problem about that, see sheet.mismatch
}

var autogiroReportHeads = []string{
	"01AUTOGIRO              99999999",
	"0199999999AUTOGIRO9900",
	"01999999999900##########AG-MEDAVI",
	"51999999999900##########AG-EMEDGIV",
}

func lookAutogiroReport(prefix []byte) answer {
	_, a := bgLook(prefix, false, false, autogiroReportHead)
	return a
}

func autogiroReportHead(b []byte) (shape bgShape, a answer) {
	for _, pattern := range autogiroReportHeads {
		a = max(a, bgPattern(b, pattern))
	}
	if a == yes {
		shape.lines, a = bgLines(b, bgRecord)
	}
	return shape, a
}

func openAutogiroReport(prefix []byte, s *sheet) reader {
	shape, _ := bgLook(prefix, false, false, autogiroReportHead)
	f := &autogiroReport{bgRecords: newBGRecords(s, shape)}
	f.each = f.record
	f.named("bg-autogiro-report", "")
	return f
}

func (f *autogiroReport) record(rec []byte) {
	code := code(rec)
	switch {
	case !f.open && (code == 1 || code == 51):
		f.begin(rec)
	case !f.open:
		f.s.malformed("record %d stands outside of a report, which begins with TK01 or TK51", f.records)
	case code == f.last:
		f.close(rec)
	case code == 1, code == 51:
		f.s.malformed("report %d has no TK%02d before the next report, record %d", f.reports, f.last, f.records)
	case code < 0:
		f.unknown()
		f.count++
	default:
		f.count++
	}
}

// begin takes a report's first record.
func (f *autogiroReport) begin(rec []byte) {
	which := -1
	for i, pattern := range autogiroReportHeads {
		if bgPattern(rec, pattern) == yes {
			which = i
		}
	}
	var date, name, customer, bankgiro []byte
	switch which {
	case 0:
		date, name, customer, bankgiro = columns(rec, 25, 44), columns(rec, 45, 64), columns(rec, 65, 70), columns(rec, 71, 80)
	case 1:
		date, name, customer, bankgiro = columns(rec, 3, 10), columns(rec, 23, 62), columns(rec, 63, 68), columns(rec, 69, 78)
	case 2, 3:
		date, name, bankgiro = columns(rec, 3, 10), columns(rec, 25, 62), columns(rec, 15, 24)
	}
	if len(bankgiro) < 10 {
		f.s.malformed("record %d, the first of a report, is too short or not one of Autogiro", f.records)
		return
	}
	f.open, f.last, f.count = true, 9, 0
	f.reports++
	if which == 3 {
		f.last = 59
	}
	f.name = string(f.text(nil, name))
	f.checkNumber(bankgiro, "bankgiro")
	f.s.payer(nil, trim(bankgiro))
	if f.reports > 1 {
		return
	}
	facts := &f.s.facts
	facts.Version, facts.CreatedAt = f.name, f.stamp(trim(date))
	facts.Initiator = string(f.text(nil, customer))
}

// endColumn is where the last record of a report ends, but for blanks or filling zeros.
func (f *autogiroReport) endColumn() int {
	switch {
	case f.counts():
		return 21
	case strings.HasPrefix(f.name, "AVVISADE"), strings.HasPrefix(f.name, "FELLISTA"):
		return 50
	case f.name == "", strings.HasPrefix(f.name, "BET"), strings.HasPrefix(f.name, "MAK"), strings.HasPrefix(f.name, "BEVAKNING"):
		return 68
	}
	return bgRecord
}

// counts tells whether the report states how many records it has.
func (f *autogiroReport) counts() bool {
	return strings.HasPrefix(f.name, "AG-MEDAVI") || strings.HasPrefix(f.name, "AG-EMEDGIV")
}

// close takes a report's last record.
func (f *autogiroReport) close(rec []byte) {
	if end := f.endColumn(); len(rec) < end && end < bgRecord || len(rec) < 14 || !digits(rec[2:14]) {
		f.s.malformed("record %d, a TK%02d, is too short or has no date", f.records, f.last)
		return
	}
	f.open = false
	if !f.counts() {
		return
	}
	n, ok := number(columns(rec, 15, 21))
	if !ok {
		f.s.malformed("record %d, a TK%02d, has no count of 7 digits", f.records, f.last)
		return
	}
	f.stated += n
	f.s.facts.Declared = counted(f.stated, "record", "records")
	if n != f.count && f.slot == 0 {
		f.s.mismatch(&f.slot, fmt.Sprintf("report %d says %s, but holds %d", f.reports, counted(n, "record", "records"), f.count))
	}
}

// whole: what is left without a line end may be a report's whole last record.
func (f *autogiroReport) whole() bool {
	if rest := f.rest(); len(rest) > 0 {
		return f.open && code(rest) == f.last && len(rest) >= f.endColumn()
	}
	return f.reports > 0 && !f.open
}

func (f *autogiroReport) end() { f.bgRecords.last() }
