package formats

import (
	"bytes"
	"fmt"
)

// PO3: payments sent to Nordea (PlusGirot). Source: three generators in public sources, as the manual was not at hand: the
// npm package cfp ("Nordea Corporate File Payments"), a Ruby and a Python one; they agree in every column. Records of 80
// characters, columns from 1:
//
//	MH00: 13-22 organisation number, 35-44 account, 45-47 currency
//	BA01: 23-57 name of the sender; BA00: 5-22 own note; BA02, BA03: address
//	PI00: 5-6 kind (00 plusgiro, 05 bankgiro, 08 salary, 09 account), 7-11 clearing, 12-22 number, 25-32 date, 33-45 amount, 46-70 reference
//	BE01: 23-57 name of the payee; BE02, BE03: address; BM99: 5-74 message; each of the payment before it
//	MT00: 30-36 count of PI00, 37-51 sum
//
// A section goes from an MH00 to an MT00, whose totals are of all that is between: one of the generators writes several MH00
// there, one for each currency. Its true end is column 51 of the last MT00. A file of several
// sections that is cut exactly between two of them cannot be told from a whole one. Credit notes (CNKR, CNDB) exist, but
// are not described anywhere public: in a section with such a one, wrong totals are only a finding.

// po3File reads one PO3 file.
type po3File struct {
	bgRecords
	sections         int64
	inSection        bool
	pending          bool // p waits for its payee's name and message
	odd              bool // the section has a credit note
	mixed            bool // the section has payments in several currencies
	name, payer, ref []byte
	currency         string
	count, sum       int64  // of the section, öre
	declared         int64  // payments that all MT00 say
	declaredSum      Amount // and their sums
	slot             int    // the problem about a section's totals, see sheet.mismatch
}

func lookPO3(prefix []byte) answer {
	_, a := bgLook(prefix, false, false, po3Head)
	return a
}

func po3Head(b []byte) (shape bgShape, a answer) {
	if a = bgPattern(b, "MH00????????##########????????????##########"); a != yes {
		return shape, a
	}
	if bytes.IndexByte(b[:min(len(b), bgRecord+2)], '\n') >= 0 {
		shape.lines = true
		return shape, yes
	}
	if len(b) < bgRecord+4 {
		return shape, more
	}
	next := b[bgRecord : bgRecord+4]
	shape.lines = !(upper(next[0]) && upper(next[1]) && digits(next[2:]))
	return shape, yes
}

func openPO3(prefix []byte, s *sheet) reader {
	shape, _ := bgLook(prefix, false, false, po3Head)
	f := &po3File{bgRecords: newBGRecords(s, shape)}
	f.each = f.record
	f.named("po3", "")
	s.orders = true
	return f
}

func (f *po3File) record(rec []byte) {
	kind := columns(rec, 1, 4)
	if !f.inSection && string(kind) != "MH00" {
		f.s.malformed("record %d stands outside of a section from MH00 to MT00", f.records)
		return
	}
	switch string(kind) {
	case "MH00":
		f.open(rec)
	case "PI00":
		f.payment(rec)
	case "MT00":
		f.close(rec)
	case "BA01":
		if !f.pending {
			f.payer = f.text(f.payer[:0], columns(rec, 23, 57))
		}
	case "BE01":
		f.name = f.text(f.name[:0], columns(rec, 23, 57))
	case "BM99":
		if f.pending && len(f.ref) < maxBGReference && !empty(columns(rec, 5, 74)) {
			if len(f.ref) > 0 {
				f.ref = append(f.ref, ' ')
			}
			f.ref = f.text(f.ref, columns(rec, 5, 74))
		}
	case "BA00", "BA02", "BA03", "BE02", "BE03":
	case "CNKR", "CNDB":
		f.odd = true
		f.unknown()
	default:
		f.unknown()
	}
}

// open begins a section with its MH00, or goes on in it with another account or currency.
func (f *po3File) open(rec []byte) {
	f.settle()
	if len(rec) < 47 {
		f.s.malformed("record %d, an MH00, is too short", f.records)
		return
	}
	if !f.inSection {
		f.inSection, f.odd, f.mixed = true, false, false
		f.sections++
		f.s.facts.Batches++
		f.count, f.sum = 0, 0
	}
	f.payer = f.payer[:0]
	f.p.PayerAccount = f.text(f.p.PayerAccount[:0], columns(rec, 35, 44))
	before := f.currency
	f.currency = f.currencyCode(columns(rec, 45, 47), before)
	f.mixed = f.mixed || f.count > 0 && f.currency != before
	f.p.Currency = append(f.p.Currency[:0], f.currency...)
	if f.sections == 1 {
		f.s.facts.Initiator = string(f.text(nil, columns(rec, 13, 22)))
	}
}

// payment takes a PI00. What is said of it follows, so it is handed over by handOver.
func (f *po3File) payment(rec []byte) {
	f.handOver()
	ore, ok := number(columns(rec, 33, 45))
	if !ok || len(rec) < 45 {
		f.s.malformed("the amount of payment %d, record %d, is not 13 digits", f.s.facts.Payments+1, f.records)
		return
	}
	if f.sum, ok = addMinor(f.sum, ore); !ok {
		f.tooBig()
		return
	}
	f.count++
	f.pending = true
	p, to := &f.p, trim(columns(rec, 12, 22))
	p.Amount = AmountFromMinor(ore, 2)
	p.PayeeAccount = p.PayeeAccount[:0]
	switch string(columns(rec, 5, 6)) {
	case "00":
		f.checkNumber(to, "plusgiro")
	case "05":
		f.checkNumber(to, "bankgiro")
	default:
		p.PayeeAccount = f.text(p.PayeeAccount, columns(rec, 7, 11))
	}
	p.PayeeAccount = f.text(p.PayeeAccount, to)
	p.ExecutionDate = f.executionDate(columns(rec, 25, 32))
	f.name = f.name[:0]
	f.ref = f.text(f.ref[:0], columns(rec, 46, 70))
}

func (f *po3File) handOver() {
	if f.pending {
		f.pending = false
		f.p.PayerName, f.p.PayeeName, f.p.Reference = f.payer, f.name, f.ref
		f.s.payment(&f.p)
	}
}

// settle enters what the records under an MH00 have left open.
func (f *po3File) settle() {
	f.handOver()
	if f.inSection {
		f.s.payer(f.payer, f.p.PayerAccount)
	}
}

// po3Totals reads an MT00; false if it is not whole.
func po3Totals(rec []byte) (count, ore int64, ok bool) {
	count, ok = number(columns(rec, 30, 36))
	ore, ok2 := number(columns(rec, 37, 51))
	return count, ore, ok && ok2 && len(rec) >= 51
}

// close ends a section with its MT00.
func (f *po3File) close(rec []byte) {
	f.settle()
	if f.s.closed {
		return
	}
	count, ore, ok := po3Totals(rec)
	if !ok {
		f.s.malformed("record %d, an MT00, has no count of 7 and no sum of 15 digits", f.records)
		return
	}
	f.inSection = false
	says := claim{hasCount: true, hasSum: true, count: count, counted: f.count,
		sum: AmountFromMinor(ore, 2), summed: AmountFromMinor(f.sum, 2)}
	sum, err := f.declaredSum.Add(says.sum)
	if err != nil {
		f.tooBig()
		return
	}
	f.declared, f.declaredSum = f.declared+count, sum
	f.s.facts.Declared = payments(f.declared) + ", " + sum.String()
	if !says.wrong() {
		return
	}
	unit := " " + f.currency
	if f.mixed {
		unit = ""
	}
	words, holds := says.words(unit)
	switch {
	case f.odd:
		if f.s.finds("section-totals") {
			f.s.finding("section-totals", f.where(), "section %d says %s, but the records that are known here hold %s", f.sections, words, holds)
		}
	case f.slot == 0:
		f.s.mismatch(&f.slot, fmt.Sprintf("section %d says %s, but holds %s", f.sections, words, holds))
	}
}

// whole: what is left without a line end may be a whole MT00.
func (f *po3File) whole() bool {
	rest := f.rest()
	if len(rest) == 0 {
		return f.sections > 0 && !f.inSection
	}
	_, _, totals := po3Totals(rest)
	return totals && f.inSection && string(rest[:4]) == "MT00"
}

func (f *po3File) end() {
	f.last()
	f.sameBusiness("po3")
}
