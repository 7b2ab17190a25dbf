package formats

import (
	"bytes"
	"fmt"
	"strings"
)

// Total IN (Nordea/PlusGirot, "Total IN, postbeskrivningar"; columns and sums held against a public reader's tests): records of 80
// characters, in lines or back to back. The columns, from 1:
//
//	00 start     3-14 id, 15-34 time, 37-39 TL1, 40-49 TOTALIN
//	10 account   3-38 account, 39-41 currency, 42-49 posting date
//	20 payment   3-37 reference, 38-52 amount in öre, 53-69 serial number, 70-77 bankgiro
//	25 deduction as 20, its amount is drawn off
//	30 references, 40 messages, 50 the payer's names: 3-37, 38-72;  51, 52 its address
//	60 the payer's account: 3-38, 40-59 its organisation;  61 names of the account: 3-37, 38-72;  62, 63 address, 70 from abroad
//	90 account ends  3-10 payments and deductions, 11-27 their sum;  99 file ends  3-17 records
//
// The true end of a file is column 17 of record 99.

const totalInSize = 80

func lookTotalIn(prefix []byte) answer {
	_, a := totalInLook(prefix)
	return a
}

func totalInLook(b []byte) (size int, a answer) {
	b = bytes.TrimLeft(b, "\r\n")
	if n := min(len(b), 2); n == 0 || string(b[:n]) != "00"[:n] {
		return 0, no
	}
	const at, mark = 36, "TL1TOTALIN"
	for _, c := range b[:min(len(b), at)] {
		if c < ' ' {
			return 0, no
		}
	}
	if len(b) > 14 && !digits(b[14:min(len(b), 28)]) {
		return 0, no
	}
	if len(b) > at && !strings.HasPrefix(mark, string(b[at:min(len(b), at+len(mark))])) {
		return 0, no
	}
	if len(b) < at+len(mark) {
		return 0, more
	}
	return back(b, totalInSize, func(c byte) bool { return c == '1' || c == '9' })
}

// totalInFile reads one file.
type totalInFile struct {
	s         *sheet
	recs      records
	begun     bool // record 00 has come
	inAccount bool
	closed    bool // record 99 has come
	accounts  int64
	part      claim
	declared  claim // all accounts together
	slot      int   // the problem about totals, see sheet.mismatch

	p       Payment // handed over behind its records
	pending bool
	serial  []byte
	date    []byte
}

func openTotalIn(prefix []byte, s *sheet) reader {
	size, _ := totalInLook(prefix)
	f := &totalInFile{s: s}
	f.recs = newRecords(s, size, f.record)
	s.facts.Format, s.facts.Encoding = "total-in", "us-ascii"
	return f
}

func (f *totalInFile) write(p []byte) { f.recs.write(p) }

func (f *totalInFile) whole() bool {
	rest := f.recs.rest()
	if len(rest) == 0 {
		return f.closed
	}
	return !f.closed && f.begun && !f.inAccount && len(rest) >= 17 && string(rest[:2]) == "99"
}

func (f *totalInFile) end() { f.recs.last() }

// record takes one record.
func (f *totalInFile) record(rec []byte) {
	n := f.recs.n
	if f.closed {
		f.s.malformed("record %d stands behind the end of the file", n)
		return
	}
	kind, ok := number(columns(rec, 1, 2))
	if !ok || len(rec) < 2 {
		f.s.malformed("record %d does not begin with two digits", n)
		return
	}
	switch kind {
	case 0:
		ok = n == 1
	case 10, 99:
		ok = f.begun && !f.inAccount
	default:
		ok = f.inAccount
	}
	if !ok {
		f.s.malformed("record %d, of type %02d, is out of place", n, kind)
		return
	}
	switch kind {
	case 0:
		f.start(rec)
	case 10:
		f.s.facts.Batches++
		f.open(rec)
	case 20, 25:
		f.flush()
		f.transaction(rec, kind == 25)
	case 90:
		f.flush()
		f.close(rec)
	case 99:
		f.finish(rec)
	default:
		f.describe(rec, kind)
	}
}

func (f *totalInFile) start(rec []byte) {
	f.begun = true
	facts := &f.s.facts
	facts.MessageID = string(f.recs.text(nil, columns(rec, 3, 14)))
	if t := columns(rec, 15, 34); len(t) >= 14 {
		day, ok := dayLong(nil, t[:8])
		if facts.CreatedAt = string(day); ok && digits(t[8:14]) {
			facts.CreatedAt += fmt.Sprintf("T%s:%s:%s", t[8:10], t[10:12], t[12:14])
		}
	}
}

// dayLong appends YYYYMMDD as YYYY-MM-DD; false, and nothing, if it is no date.
func dayLong(to, field []byte) ([]byte, bool) {
	if len(field) != 8 {
		return to, false
	}
	from := len(to)
	to = append(append(append(append(append(to, field[:4]...), '-'), field[4:6]...), '-'), field[6:]...)
	if !validDate(to[from:]) {
		return to[:from], false
	}
	return to, true
}

// open begins an account.
func (f *totalInFile) open(rec []byte) {
	f.inAccount, f.part = true, claim{hasCount: true, hasSum: true, summed: AmountFromMinor(0, 2)}
	f.accounts++
	p := &f.p
	p.PayeeAccount = f.recs.text(p.PayeeAccount[:0], columns(rec, 3, 38))
	p.Currency = f.recs.text(p.Currency[:0], columns(rec, 39, 41))
	if !validCurrency(p.Currency) && f.s.finds("currency-shape") {
		f.s.finding("currency-shape", f.recs.where(), "%q is not a currency code", p.Currency)
	}
	if len(p.Currency) == 0 {
		p.Currency = append(p.Currency, "SEK"...)
	}
	var ok bool
	if f.date, ok = dayLong(f.date[:0], columns(rec, 42, 49)); !ok && f.s.finds("date-shape") {
		f.s.finding("date-shape", f.recs.where(), "%q is not a date", columns(rec, 42, 49))
	}
}

// transaction takes 20 and 25; it is handed over behind the records that tell more of it.
func (f *totalInFile) transaction(rec []byte, drawn bool) {
	ore, ok := number(columns(rec, 38, 52))
	if !ok || len(rec) < 52 {
		f.s.malformed("the amount in record %d is not 15 digits", f.recs.n)
		return
	}
	if drawn {
		ore = -ore
	}
	p := &f.p
	p.Amount = AmountFromMinor(ore, 2)
	sum, err := f.part.summed.Add(p.Amount)
	if err != nil {
		f.s.malformed("its sum has too many digits")
		return
	}
	f.part.summed, f.pending = sum, true
	f.part.counted++
	f.serial = f.recs.text(f.serial[:0], columns(rec, 53, 69))
	p.EndToEndID, p.ExecutionDate = f.serial, f.date
	p.PayerName, p.PayerAccount = p.PayerName[:0], p.PayerAccount[:0]
	if p.Reference = p.Reference[:0]; !zeros(columns(rec, 3, 37)) {
		p.Reference = f.recs.text(p.Reference, bytes.TrimLeft(columns(rec, 3, 37), "0 ")) // it is filled up with zeros
	}
}

// zeros tells whether b is nothing but zeros and blanks.
func zeros(b []byte) bool {
	for _, c := range b {
		if c != '0' && c != ' ' {
			return false
		}
	}
	return true
}

// describe takes a record that tells more of the payment before it.
func (f *totalInFile) describe(rec []byte, kind int64) {
	if !f.pending {
		f.s.malformed("record %d, of type %02d, follows no payment", f.recs.n, kind)
		return
	}
	p := &f.p
	switch kind {
	case 30, 40:
		if len(p.Reference) == 0 {
			p.Reference = squeeze(f.recs.text(p.Reference, columns(rec, 3, 72)))
		}
	case 50:
		p.PayerName = squeeze(f.recs.text(p.PayerName[:0], columns(rec, 3, 72)))
	case 60:
		p.PayerAccount = f.recs.text(p.PayerAccount[:0], columns(rec, 3, 38))
	case 61:
		if len(p.PayerName) == 0 {
			p.PayerName = squeeze(f.recs.text(p.PayerName, columns(rec, 3, 72)))
		}
	case 51, 52, 62, 63, 70:
	default:
		if f.s.finds("unknown-record") {
			f.s.finding("unknown-record", f.recs.where(), "the record has a type that this format does not know")
		}
	}
}

// flush hands over the payment that waits for its records.
func (f *totalInFile) flush() {
	if f.pending {
		f.pending = false
		f.s.payer(f.p.PayerName, f.p.PayerAccount)
		f.s.executes(f.date)
		f.s.payment(&f.p)
	}
}

// close ends an account.
func (f *totalInFile) close(rec []byte) {
	f.inAccount = false
	count, ok := number(columns(rec, 3, 10))
	ore, ok2 := number(columns(rec, 11, 27))
	if !ok || !ok2 || len(rec) < 27 {
		f.s.malformed("record %d, the end of an account, has something other than digits in its totals", f.recs.n)
		return
	}
	c := &f.part
	c.count, c.sum = count, AmountFromMinor(ore, 2)
	if c.summed.Sign() < 0 && c.sum.Cmp(c.summed.Neg()) == 0 {
		c.sum = c.summed // nothing says how a negative sum is written
	}
	if c.wrong() && f.slot == 0 {
		says, holds := c.words(" " + string(f.p.Currency))
		f.s.mismatch(&f.slot, fmt.Sprintf("account %d says %s, but holds %s", f.accounts, says, holds))
	}
	d := &f.declared
	var err error
	if d.sum, err = d.sum.Add(c.sum); err != nil {
		f.s.malformed("its sum has too many digits")
	}
	d.count, d.hasCount, d.hasSum = d.count+count, true, true
}

// finish ends the file.
func (f *totalInFile) finish(rec []byte) {
	says, ok := number(columns(rec, 3, 17))
	if !ok || len(rec) < 17 {
		f.s.malformed("record %d, the end of the file, has something other than digits in its total", f.recs.n)
		return
	}
	f.closed = true
	switch n := f.recs.n; {
	case says == n:
	case says == n-1 || says == n-2: // no manual at hand says whether the first and the last record are in it
		if f.s.finds("record-count") {
			f.s.finding("record-count", f.recs.where(), "the file says %s, but holds %d", counted(says, "record", "records"), n)
		}
	case f.slot == 0:
		f.s.mismatch(&f.slot, fmt.Sprintf("it says %s, but holds %d", counted(says, "record", "records"), n))
	}
	facts := &f.s.facts
	facts.Declared, _ = f.declared.words("")
	facts.BusinessKey = strings.Join([]string{facts.Format, facts.MessageID, facts.CreatedAt, fmt.Sprint(facts.Payments), f.declared.sum.String()}, "\x1f")
}
