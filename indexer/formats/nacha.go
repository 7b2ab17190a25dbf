package formats

import (
	"bytes"
	"fmt"
	"strings"
)

// NACHA (Nacha Operating Rules, Appendix Three, "ACH Record Format Specifications"): records of 94 characters, in lines
// or back to back, whose blanks at the end may be lost. The columns, from 1:
//
//	1 file header     4-13 destination, 14-23 origin, 24-29 date, 30-33 time, 34 id modifier, 35-40 "094101", 64-86 origin's name
//	5 batch header    2-4 service class, 5-20 company, 41-50 company id, 51-53 SEC code, 54-63 description, 70-75 effective date, 80-87 ODFI
//	6 entry           2-3 transaction code, 4-12 RDFI with its check digit, 13-29 account, 30-39 amount, 40-54 id, 55-76 name,
//	                  79 whether addenda follow, 80-94 trace; of ADV: 13-27 account, 28-39 amount; of IAT: 40-74 account
//	7 addenda         2-3 type, 4-83 text of type 05; of IAT: 47-81 receiver's name in type 10, text in type 17
//	8 batch control   2-4, 5-10 entries and addenda, 11-20 hash, 21-32 debits, 33-44 credits (ADV: 21-40, 41-60), 80-87 ODFI
//	9 file control    2-7 batches, 8-13 blocks, 14-21 entries and addenda, 22-31 hash, 32-43 debits, 44-55 credits (ADV: 32-51, 52-71)
//
// The hash is the sum of all RDFI without check digits, mod 10^10. Lines of 9s pad the file to blocks of ten records.
// Amounts are US dollars, in cents; in IAT, too. A debit is a payment of a negative amount from the company to the
// receiver. The true end of a file is the last digit of the credits in the file control; padding may be lost.
// As the format has no account of the one who sends it, the payer's account is the immediate origin.

const nachaSize = 94

func lookNACHA(prefix []byte) answer {
	_, a := nachaLook(prefix)
	return a
}

func nachaLook(b []byte) (size int, a answer) {
	b = bytes.TrimLeft(b, "\r\n")
	const head = "101xxxxxxxxxxxxxxxxxxxxddddddttttm094101" // d: digit, t: digit or blank, m: letter or digit, x: letter, digit or blank
	for i := range min(len(b), len(head)) {
		c, want := b[i], head[i]
		alnum := digit(c) || upper(c&^0x20)
		switch {
		case want == 'x' && (alnum || c == ' '), want == 'd' && digit(c), want == 't' && (digit(c) || c == ' '), want == 'm' && (alnum || c == ' '), want == c:
		default:
			return 0, no
		}
	}
	if len(b) < len(head) {
		return 0, more
	}
	return back(b, nachaSize, func(c byte) bool { return c == '5' || c == '9' })
}

// nachaSums is what a control record states.
type nachaSums struct {
	entries, hash   int64
	debits, credits Amount
}

// noNACHA are the sums of nothing.
func noNACHA() nachaSums {
	return nachaSums{debits: AmountFromMinor(0, 2), credits: AmountFromMinor(0, 2)}
}

func (a nachaSums) wrong(b nachaSums) bool {
	return a.entries != b.entries || a.hash != b.hash || a.debits.Cmp(b.debits) != 0 || a.credits.Cmp(b.credits) != 0
}

func (a nachaSums) String() string {
	return fmt.Sprintf("%s, debits %s, credits %s, hash %d", counted(a.entries, "entry or addendum", "entries and addenda"), a.debits, a.credits, a.hash)
}

// nachaBatch is what stands between a batch header and its control.
type nachaBatch struct {
	class, sec, odfi, number, company []byte
	name, about, date                 []byte
	adv, iat                          bool
	sums                              nachaSums
}

// nachaFile reads one NACHA file.
type nachaFile struct {
	s       *sheet
	recs    records
	begun   bool // the file header has come
	closed  bool // the file control has come
	inBatch bool
	batch   nachaBatch
	batches int64
	sums    nachaSums
	slot    int // the problem about totals, see sheet.mismatch

	p        Payment // handed over behind its addenda
	pending  bool
	promised bool // the entry says that it has addenda
	addenda  int64
}

func openNACHA(prefix []byte, s *sheet) reader {
	size, _ := nachaLook(prefix)
	f := &nachaFile{s: s, sums: noNACHA()}
	f.recs = newRecords(s, size, f.record)
	f.p.Currency = []byte("USD")
	s.both, s.orders = true, true
	s.facts.Format, s.facts.Encoding = "nacha", "us-ascii"
	return f
}

func (f *nachaFile) write(p []byte) { f.recs.write(p) }

func (f *nachaFile) whole() bool {
	rest := f.recs.rest()
	if len(rest) == 0 || f.closed && allNines(rest) {
		return f.closed
	}
	return !f.closed && f.couldClose(rest)
}

func (f *nachaFile) end() { f.recs.last() }

// couldClose tells whether a last record without a line end is the file control, with nothing of it lost but blanks.
func (f *nachaFile) couldClose(rec []byte) bool {
	return f.begun && !f.inBatch && rec[0] == '9' && len(rec) >= f.controlEnd() && !allNines(rec)
}

// controlEnd is the last column of a file control that is not blank.
func (f *nachaFile) controlEnd() int {
	if f.batch.adv {
		return 71
	}
	return 55
}

func allNines(b []byte) bool {
	for _, c := range b {
		if c != '9' {
			return false
		}
	}
	return true
}

// checkCharacters enters a finding about a record with something other than printable ASCII, which is what the standard allows.
func (f *nachaFile) checkCharacters(rec []byte) {
	if !f.recs.plain && !printable(rec) && f.s.finds("characters") {
		f.s.finding("characters", f.recs.where(), "the record has characters that are not printable ASCII")
	}
}

// record takes one record.
func (f *nachaFile) record(rec []byte) {
	n := f.recs.n
	f.checkCharacters(rec)
	switch {
	case f.closed:
		if !allNines(rec) {
			f.s.malformed("record %d stands behind the file control", n)
		}
		return
	case !f.begun && rec[0] != '1', f.begun && rec[0] == '1':
		f.s.malformed("record %d is not where a file header belongs", n)
		return
	}
	f.recs.checkWidth(nachaSize)
	if inside := rec[0] == '6' || rec[0] == '7' || rec[0] == '8'; inside != f.inBatch && rec[0] >= '5' && rec[0] <= '9' {
		f.s.malformed("record %d, of type %c, is out of place: batches begin with a record of type 5 and end with one of type 8", n, rec[0])
		return
	}
	switch rec[0] {
	case '6':
		f.flush()
		f.entry(rec)
	case '7':
		f.addendum(rec)
	case '5':
		f.open(rec)
	case '8':
		f.flush()
		f.close(rec)
	case '1':
		f.header(rec)
	case '9':
		f.control(rec)
	default:
		f.s.malformed("record %d is of no type that this format knows", n)
	}
}

// header takes the file header.
func (f *nachaFile) header(rec []byte) {
	f.begun = true
	facts := &f.s.facts
	f.checkRouting(columns(rec, 5, 13), "immediate destination")
	f.p.PayerAccount = f.recs.text(nil, columns(rec, 14, 23))
	facts.Initiator = string(f.recs.text(nil, columns(rec, 64, 86)))
	if m := trim(columns(rec, 34, 34)); len(m) > 0 {
		facts.MessageID = "FIM:" + string(m) // the file id modifier tells apart the files of a day
	}
	day, ok := dayYMD(nil, columns(rec, 24, 29))
	if !ok && f.s.finds("date-shape") {
		f.s.finding("date-shape", f.recs.where(), "%q is not a date", columns(rec, 24, 29))
	}
	facts.CreatedAt = string(day)
	if t := columns(rec, 30, 33); ok && len(t) == 4 && digits(t) && string(t[:2]) < "24" && t[2] < '6' {
		facts.CreatedAt += "T" + string(t[:2]) + ":" + string(t[2:])
	}
}

// checkRouting enters a finding about an ABA routing number of 9 digits that cannot be right: weights 3, 7, 1.
func (f *nachaFile) checkRouting(b []byte, what string) {
	if len(b) == 9 && digits(b) {
		sum := 3*(int(b[0])+int(b[3])+int(b[6])) + 7*(int(b[1])+int(b[4])+int(b[7])) + int(b[2]) + int(b[5]) + int(b[8])
		if (sum-33*'0')%10 == 0 {
			return
		}
	}
	if f.s.finds("aba-check-digit") {
		f.s.finding("aba-check-digit", f.recs.where(), "the routing number %q of the %s is not valid", b, what)
	}
}

// open takes a batch header.
func (f *nachaFile) open(rec []byte) {
	if len(rec) < 53 {
		f.s.malformed("record %d, a batch header, is too short", f.recs.n)
		return
	}
	f.inBatch = true
	f.batches++
	f.s.facts.Batches++
	x := &f.batch
	keep := func(to []byte, first, last int) []byte { return append(to[:0], columns(rec, first, last)...) }
	x.class, x.sec, x.odfi, x.number = keep(x.class, 2, 4), keep(x.sec, 51, 53), keep(x.odfi, 80, 87), keep(x.number, 88, 94)
	x.company = keep(x.company, 41, 50)
	adv := string(x.sec) == "ADV"
	if f.batches > 1 && adv != x.adv {
		f.s.malformed("batch %d is of another kind than those before it: ADV batches stand alone", f.batches)
		return
	}
	x.adv, x.iat, x.sums = adv, string(x.sec) == "IAT", noNACHA()
	x.about = f.recs.text(x.about[:0], columns(rec, 54, 63))
	if x.name = x.name[:0]; !x.iat {
		x.name = f.recs.text(x.name, columns(rec, 5, 20))
	}
	f.p.PayerName = x.name
	f.s.payer(x.name, f.p.PayerAccount)
	var ok bool
	field := columns(rec, 70, 75)
	if x.date, ok = dayYMD(x.date[:0], field); !ok && !allBlank(field) && f.s.finds("date-shape") {
		f.s.finding("date-shape", f.recs.where(), "%q is not a date", field)
	}
	f.s.executes(x.date)
	if ok && string(x.date) < f.s.today && f.s.finds("date-past") {
		f.s.finding("date-past", f.recs.where(), "the effective date %s of batch %d has passed", x.date, f.batches)
	}
	switch string(x.class) {
	case "200", "220", "225", "280":
	default:
		if f.s.finds("service-class") {
			f.s.finding("service-class", f.recs.where(), "%q is not a service class", x.class)
		}
	}
}

// close takes a batch control.
func (f *nachaFile) close(rec []byte) {
	f.inBatch = false
	x, says := &f.batch, nachaSums{}
	ok := f.states(&says, rec, 5, 10)
	if !ok {
		f.s.malformed("record %d, a batch control, has something other than digits in its totals", f.recs.n)
		return
	}
	x.sums.hash %= 1e10
	if says.wrong(x.sums) && f.slot == 0 {
		f.s.mismatch(&f.slot, fmt.Sprintf("batch %d says %s, but holds %s", f.batches, says, x.sums))
	}
	for _, c := range []struct {
		what        string
		first, last int
		header      []byte
	}{{"service class", 2, 4, x.class}, {"company id", 45, 54, x.company}, {"ODFI", 80, 87, x.odfi}, {"batch number", 88, 94, x.number}} {
		if x.adv && c.first == 45 {
			continue
		}
		if string(trim(columns(rec, c.first, c.last))) != string(trim(c.header)) && f.s.finds("batch-differs") {
			f.s.finding("batch-differs", f.recs.where(), "the %s of batch %d differs between its header and its control", c.what, f.batches)
		}
	}
	t := &f.sums
	debits, err := t.debits.Add(x.sums.debits)
	credits, err2 := t.credits.Add(x.sums.credits)
	if err != nil || err2 != nil {
		f.s.malformed("its sum has too many digits")
		return
	}
	*t = nachaSums{t.entries + x.sums.entries, (t.hash + x.sums.hash) % 1e10, debits, credits}
}

// states reads the totals of a control record: entries in the columns given, hash and sums right behind.
func (f *nachaFile) states(to *nachaSums, rec []byte, first, last int) bool {
	wide := 12
	if f.batch.adv {
		wide = 20
	}
	hash, debits, credits := last+10, last+10+wide, last+10+2*wide
	if len(rec) < credits {
		return false
	}
	var ok, ok2, ok3, ok4 bool
	to.entries, ok = number(columns(rec, first, last))
	to.hash, ok2 = number(columns(rec, last+1, hash))
	to.debits, ok3 = cents(columns(rec, hash+1, debits))
	to.credits, ok4 = cents(columns(rec, debits+1, credits))
	return ok && ok2 && ok3 && ok4
}

// cents is an amount of digits that count hundredths.
func cents(b []byte) (Amount, bool) {
	if !digits(b) {
		return Amount{}, false
	}
	a, err := ParseAmount(b)
	a.scale = 2
	return a, err == nil
}

// control takes the file control.
func (f *nachaFile) control(rec []byte) {
	var says nachaSums
	batches, ok := number(columns(rec, 2, 7))
	blocks, ok2 := number(columns(rec, 8, 13))
	switch {
	case allNines(rec):
		f.s.malformed("record %d is padding, before the file control", f.recs.n)
		return
	case !f.states(&says, rec, 14, 21) || !ok || !ok2:
		f.s.malformed("record %d, the file control, has something other than digits in its totals", f.recs.n)
		return
	}
	f.closed = true
	facts := &f.s.facts
	facts.Declared = fmt.Sprintf("%s, %s", counted(batches, "batch", "batches"), says)
	if (says.wrong(f.sums) || batches != f.batches) && f.slot == 0 {
		f.s.mismatch(&f.slot, fmt.Sprintf("it says %s, but holds %s, %s", facts.Declared, counted(f.batches, "batch", "batches"), f.sums))
	}
	if (f.recs.n+9)/10 != blocks && f.s.finds("block-count") {
		f.s.finding("block-count", f.recs.where(), "it says %s of ten records, but has %d", counted(blocks, "block", "blocks"), (f.recs.n+9)/10)
	}
	day, _, _ := strings.Cut(facts.CreatedAt, "T")
	facts.BusinessKey = strings.Join([]string{facts.Format, string(f.p.PayerAccount), day, fmt.Sprint(facts.Payments),
		f.sums.debits.String(), f.sums.credits.String(), fmt.Sprint(f.sums.hash)}, "\x1f")
}
