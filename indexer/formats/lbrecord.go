package formats

import "fmt"

// lbState is what an LB file's records have said so far.
type lbState struct {
	sections    int64
	inSection   bool
	section     lbSection
	declared    int64  // payments that all TK29 say
	declaredSum Amount // and their sums
	slot        int    // the problem about a section's totals, see sheet.mismatch

	payee        [10]byte // receiver or payment number that name and account belong to
	payeeName    []byte   // TK26
	payeeAccount []byte   // TK40
	ref          decoded  // the text before
	currency     string
}

// lbSection is what stands between a TK11 and its TK29.
type lbSection struct {
	sender [10]byte
	report byte   // report code, 0 for a file to Bankgirot
	date   []byte // YYYY-MM-DD or empty
	past   bool   // it has passed
	count  int64
	sum    int64 // öre
}

// record takes one record: no line end, nothing behind its last character, not empty.
func (f *lbFile) record(rec []byte) {
	switch code := code(rec); code {
	case 14, 15, 16, 17, 54:
		f.payment(rec, code)
	case 26, 40:
		f.describe(rec, code)
	case 11:
		f.open(rec)
	case 29:
		f.close(rec)
	case 0, 99:
		f.sealRecord(rec, code, f.idle())
	case lbTitle:
		if f.sections > 0 && !f.inSection {
			f.outside()
		}
	case 12, 13, 20, 21, 25, 27, 49, 65:
		if !f.inSection {
			f.outside()
		}
	case 8, 28: // a section's seal
		if f.sections == 0 || f.unsealed {
			f.outside()
		}
	default:
		if !f.inSection {
			f.outside()
		} else {
			f.unknown()
		}
	}
}

func (f *lbFile) outside() {
	f.s.malformed("record %d stands outside of a section from TK11 to TK29", f.records)
}

// open begins a section with its TK11.
func (f *lbFile) open(rec []byte) {
	switch {
	case f.inSection:
		f.s.malformed("section %d has no TK29 before the next TK11, record %d", f.sections, f.records)
		return
	case f.unsealed:
		f.outside()
		return
	case len(rec) < 40:
		f.s.malformed("record %d, a TK11, is too short", f.records)
		return
	}
	f.inSection = true
	f.sections++
	f.s.facts.Batches++
	x := &f.section
	*x = lbSection{date: x.date[:0]}
	copy(x.sender[:], columns(rec, 3, 12))
	f.checkNumber(x.sender[:], "bankgiro")
	if c := columns(rec, 47, 47); len(c) > 0 && digit(c[0]) {
		x.report = c[0]
	}
	f.s.orders = x.report == 0
	x.date = f.day(x.date, columns(rec, 41, 46))
	f.s.executes(x.date)
	x.past = f.passed(x.date)
	f.setCurrency(columns(rec, 60, 62))
	f.clearPayee()
	sender := trim(x.sender[:])
	f.s.payer(nil, sender)
	f.p.PayerAccount = append(f.p.PayerAccount[:0], sender...)
	if f.sections > 1 {
		return
	}
	facts := &f.s.facts
	f.named("bg-lb", "")
	if x.report != 0 {
		f.named("bg-lb-report", "report "+string(x.report))
	} else {
		f.wantSeal()
	}
	facts.Initiator = string(sender)
	facts.CreatedAt = string(f.day(nil, columns(rec, 13, 18)))
}

func (f *lbFile) setCurrency(field []byte) {
	f.currency = f.currencyCode(field, f.currency)
	f.p.Currency = append(f.p.Currency[:0], f.currency...)
}

func (f *lbFile) clearPayee() {
	f.payee = [10]byte{}
	f.payeeName, f.payeeAccount = f.payeeName[:0], f.payeeAccount[:0]
}

// describe takes a payee's name (TK26) or account (TK40), which come before the payments to it.
func (f *lbFile) describe(rec []byte, code int) {
	if !f.inSection {
		f.outside()
		return
	}
	if to := columns(rec, 3, 12); string(to) != string(f.payee[:]) {
		f.clearPayee()
		copy(f.payee[:], "          ")
		copy(f.payee[:], to)
	}
	if code == 26 {
		f.payeeName = f.text(f.payeeName[:0], columns(rec, 13, 47))
		return
	}
	f.payeeAccount = append(f.payeeAccount[:0], trim(columns(rec, 13, 16))...)
	account := trim(columns(rec, 17, 28))
	for len(account) > 1 && account[0] == '0' {
		account = account[1:]
	}
	f.payeeAccount = append(f.payeeAccount, account...)
}

// payment takes TK14 (to bankgiro or account), 15 (deduction), 16 and 17 (credit note) and 54 (to plusgiro).
func (f *lbFile) payment(rec []byte, code int) {
	if !f.inSection {
		f.outside()
		return
	}
	ore, ok := number(columns(rec, 38, 49))
	if !ok || len(rec) < 49 {
		f.s.malformed("the amount of payment %d, record %d, is not 12 digits", f.s.facts.Payments+1, f.records)
		return
	}
	if code >= 15 && code <= 17 {
		ore = -ore
	}
	x, p := &f.section, &f.p
	sum, ok := addMinor(x.sum, ore)
	if !ok {
		f.s.malformed("the sum of section %d has too many digits", f.sections)
		return
	}
	x.sum = sum
	x.count++
	p.Amount = AmountFromMinor(ore, 2)
	f.receiver(rec, code)
	p.Reference = f.view(&f.ref, columns(rec, 13, 37))
	p.ExecutionDate = x.date
	if x.report == 0 {
		var own []byte
		if d := columns(rec, 50, 55); len(d) > 0 && d[0] != ' ' {
			own = f.executionDate(d)
		}
		if len(own) > 0 {
			p.ExecutionDate = own
		} else if x.past {
			f.checkPast(x.date)
		}
	}
	f.s.payment(p)
}

// receiver fills in who is paid: a bankgiro or plusgiro number, or the account of a payment number.
func (f *lbFile) receiver(rec []byte, code int) {
	p, to := &f.p, columns(rec, 3, 12)
	p.PayeeName, p.PayeeAccount = nil, trim(to)
	known := string(to) == string(f.payee[:])
	if known {
		p.PayeeName = f.payeeName
	}
	switch {
	case code == 54:
		f.checkNumber(to, "plusgiro")
	case string(to[:4]) != "0000":
		f.checkNumber(to, "bankgiro")
	case known:
		p.PayeeAccount = f.payeeAccount
	default:
		p.PayeeAccount = nil
	}
}

// totals reads a TK29; false if it is not whole.
func totals(rec []byte) (count, ore int64, ok bool) {
	count, ok = number(columns(rec, 13, 20))
	ore, ok2 := number(columns(rec, 21, 32))
	if sign := columns(rec, 33, 33); len(sign) > 0 && sign[0] == '-' {
		ore = -ore
	}
	return count, ore, ok && ok2 && len(rec) >= 32
}

// close ends a section with its TK29.
func (f *lbFile) close(rec []byte) {
	x := &f.section
	count, ore, ok := totals(rec)
	switch {
	case !f.inSection:
		f.outside()
		return
	case !ok:
		f.s.malformed("record %d, a TK29, has no count of 8 and no sum of 12 digits", f.records)
		return
	}
	f.inSection = false
	if string(columns(rec, 3, 12)) != string(x.sender[:]) && f.s.finds("sender-differs") {
		f.s.finding("sender-differs", f.where(), "the TK29 names another sender than its TK11")
	}
	f.declared += count
	sum, err := f.declaredSum.Add(AmountFromMinor(ore, 2))
	if err != nil {
		f.s.malformed("its sum has too many digits")
		return
	}
	f.declaredSum = sum
	f.s.facts.Declared = payments(f.declared) + ", " + f.declaredSum.String()
	says := claim{hasCount: true, hasSum: true, count: count, counted: x.count,
		sum: AmountFromMinor(ore, 2), summed: AmountFromMinor(x.sum, 2)}
	if !says.wrong() {
		return
	}
	words, holds := says.words(" " + f.currency)
	switch {
	case x.report > '1': // what the totals of these reports are of is not known for sure
		if f.s.finds("report-totals") {
			f.s.finding("report-totals", f.where(), "it says %s, but holds %s", words, holds)
		}
	case f.slot != 0:
	case f.sections == 1:
		f.s.mismatch(&f.slot, fmt.Sprintf("it says %s, but holds %s", words, holds))
	default:
		f.s.mismatch(&f.slot, fmt.Sprintf("section %d says %s, but holds %s", f.sections, words, holds))
	}
}

// idle tells whether the file could end after the records so far, but for its seal.
func (f *lbFile) idle() bool { return f.sections > 0 && !f.inSection }

// couldClose tells whether a last record without a line end ends the file: nothing of it is lost but blanks.
func (f *lbFile) couldClose(rec []byte) bool {
	if code(rec) == 29 {
		_, ore, ok := totals(rec)
		// A sum that needs a sign, and has none yet, may be about to get it.
		return ok && f.inSection && !f.sealed && (ore < 0 || len(rec) > 32 || f.section.sum >= 0)
	}
	return f.couldUnseal(rec, f.idle())
}
