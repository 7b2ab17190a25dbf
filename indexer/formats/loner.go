package formats

import "fmt"

// Bankgirot Löner: salaries, sent to Bankgirot. Source: Bankgirot, "Löner, Teknisk manual", section 8, records of 80
// characters, columns from 1:
//
//	01: 3-8 date written YYMMDD, 11-13 LÖN, 60-62 currency, 63-68 customer number, 69-78 sender's bankgiro
//	35: 3-8 payment date, 13-28 clearing and account number, 29-40 amount, 59-68 employee, 69-80 text
//	09: 3-8 date, 29-40 sum, 41-46 count of TK35, 47-80 zeros
//
// A file has a section from TK01 to TK09 for each sender, and may be sealed (bgseal.go). Its true end is column 46 of the
// last TK09, or column 72 of TK99; zeros and blanks behind that may be lost. A file of several sections without a seal that
// is cut exactly between two of them cannot be told from a whole one: nothing in it says how many sections there are.

// lonerFile reads one file of Löner.
type lonerFile struct {
	bgRecords
	sections    int64
	inSection   bool
	sender      []byte
	currency    string
	count, sum  int64  // of the section, öre
	declared    int64  // payments that all TK09 say
	declaredSum Amount // and their sums
	slot        int    // the problem about a section's totals, see sheet.mismatch

	account, id, ref decoded // the texts before
}

func lookLoner(prefix []byte) answer {
	_, a := bgLook(prefix, false, true, lonerHead)
	return a
}

func lonerHead(b []byte) (shape bgShape, a answer) {
	const at = 10 // column 11
	if a = bgPattern(b, "01999999??"); a != yes {
		return shape, a
	}
	i, encoding, a := bgWord(b, at, "L\x00N")
	if a != yes {
		return shape, a
	}
	shape.encoding = encoding
	shape.lines, a = bgLines(b, bgRecord+i-at-len("L\x00N"))
	return shape, a
}

func openLoner(prefix []byte, s *sheet) reader {
	shape, _ := bgLook(prefix, false, true, lonerHead)
	f := &lonerFile{bgRecords: newBGRecords(s, shape)}
	f.each = f.record
	f.named("bg-loner", "")
	f.wantSeal()
	s.orders = true
	return f
}

func (f *lonerFile) record(rec []byte) {
	code := code(rec)
	switch {
	case code == 35 && f.inSection: // nearly all are
		f.payment(rec)
	case f.sealRecord(rec, code, f.idle()):
	case code == 8 && f.sections > 0 && !f.unsealed: // a section's seal
	case f.inSection == (code == 1), f.unsealed:
		f.s.malformed("record %d stands outside of a section from TK01 to TK09, or begins one in another", f.records)
	case code == 1:
		f.open(rec)
	case code == 9:
		f.close(rec)
	default:
		f.unknown()
	}
}

// open begins a section with its TK01.
func (f *lonerFile) open(rec []byte) {
	if len(rec) < 78 {
		f.s.malformed("record %d, a TK01, is too short", f.records)
		return
	}
	f.inSection = true
	f.sections++
	f.s.facts.Batches++
	f.count, f.sum = 0, 0
	f.checkNumber(columns(rec, 69, 78), "bankgiro")
	f.sender = append(f.sender[:0], trim(columns(rec, 69, 78))...)
	f.s.payer(nil, f.sender)
	f.currency = f.currencyCode(columns(rec, 60, 62), f.currency)
	f.p.PayerAccount = f.sender
	f.p.Currency = append(f.p.Currency[:0], f.currency...)
	if f.sections > 1 {
		return
	}
	facts := &f.s.facts
	facts.CreatedAt = string(f.day(nil, columns(rec, 3, 8)))
	if facts.Initiator = string(f.text(nil, columns(rec, 63, 68))); facts.Initiator == "" {
		facts.Initiator = string(f.sender)
	}
}

func (f *lonerFile) payment(rec []byte) {
	ore, ok := number(columns(rec, 29, 40))
	if !ok || len(rec) < 40 {
		f.s.malformed("the amount of payment %d, record %d, is not 12 digits", f.s.facts.Payments+1, f.records)
		return
	}
	if f.sum, ok = addMinor(f.sum, ore); !ok {
		f.tooBig()
		return
	}
	f.count++
	p := &f.p
	p.Amount = AmountFromMinor(ore, 2)
	p.PayeeAccount = trim(columns(rec, 13, 28))
	if account := bareNumber(p.PayeeAccount); len(account) == 0 || !digits(account) {
		p.PayeeAccount = f.view(&f.account, account)
		if f.s.finds("account-not-numeric") {
			f.s.finding("account-not-numeric", f.where(), "the account number %q is not a number", account)
		}
	}
	p.EndToEndID = f.view(&f.id, columns(rec, 59, 68))
	p.Reference = f.view(&f.ref, columns(rec, 69, 80))
	p.ExecutionDate = f.executionDate(columns(rec, 3, 8))
	f.s.payment(p)
}

// lonerTotals reads a TK09; false if it is not whole.
func lonerTotals(rec []byte) (count, ore int64, ok bool) {
	ore, ok = number(columns(rec, 29, 40))
	count, ok2 := number(columns(rec, 41, 46))
	return count, ore, ok && ok2 && len(rec) >= 46
}

// close ends a section with its TK09.
func (f *lonerFile) close(rec []byte) {
	count, ore, ok := lonerTotals(rec)
	if !ok {
		f.s.malformed("record %d, a TK09, has no sum of 12 and no count of 6 digits", f.records)
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
	if !says.wrong() || f.slot != 0 {
		return
	}
	words, holds := says.words(" " + f.currency)
	if f.sections > 1 {
		words = fmt.Sprintf("section %d says %s", f.sections, words)
	} else {
		words = "it says " + words
	}
	f.s.mismatch(&f.slot, words+", but holds "+holds)
}

// idle tells whether the file could end after the records so far, but for its seal.
func (f *lonerFile) idle() bool { return f.sections > 0 && !f.inSection }

// whole: what is left without a line end may be a whole TK09 or TK99.
func (f *lonerFile) whole() bool {
	rest := f.rest()
	if len(rest) == 0 {
		return f.idle() && !f.sealOpen()
	}
	_, _, totals := lonerTotals(rest)
	return totals && code(rest) == 9 && f.inSection && !f.sealed || f.couldUnseal(rest, f.idle())
}

func (f *lonerFile) end() {
	f.last()
	f.sameBusiness("bg-loner")
}
