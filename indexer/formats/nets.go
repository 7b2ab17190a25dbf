package formats

import (
	"bytes"
	"fmt"
	"strings"
)

// Nets OCR giro and AvtaleGiro (Nets, "Systemspesifikasjon OCR giro" and "Systemspesifikasjon AvtaleGiro", record
// descriptions): records of 80 characters, in lines or back to back. Columns, from 1: 1-2 "NY", 3-4 service (09 OCR giro,
// 21 AvtaleGiro, 00 the transmission), 5-6 assignment or transaction type, 7-8 record type. By record type:
//
//	10 transmission  9-16 sender, 17-23 number, 24-31 receiver
//	20 assignment    18-24 number, 25-35 account of the payee; type 24 lists agreements, 36 cancels requests
//	30 transaction   9-15 number, 16-21 day DDMMYY, 32 sign, 33-49 amount in øre, 50-74 KID
//	31 its second    OCR: 48-58 account that paid; AvtaleGiro: 16-25 the payer's name, abbreviated
//	32, 49 texts     OCR: 16-55; AvtaleGiro: 21-60
//	70 agreement     no payment, but counted as a transaction
//	88 end of assignment, 89 end of transmission   9-16 transactions, 17-24 records, their own ends included, 25-41 sum
//
// Files have one direction: payments that came in (09), or that are asked for (21); the assignment's account is the payee.
// Cancellations are no payments, though the file's own totals hold them. A minus sign makes an amount negative.
// The true end of a file is column 80 of record 89: it is filled with zeros, which nobody trims.

const netsSize = 80

func lookNets(prefix []byte) answer {
	_, a := netsLook(prefix)
	return a
}

func netsLook(b []byte) (size int, a answer) {
	b = bytes.TrimLeft(b, "\r\n")
	const head = "NY000010"
	for i, c := range b[:min(len(b), 31)] {
		if i < len(head) && c != head[i] || i >= len(head) && !digit(c) {
			return 0, no
		}
	}
	if len(b) < 31 {
		return 0, more
	}
	return back(b, netsSize, func(c byte) bool { return c == 'N' })
}

// netsSums is what an end record states.
type netsSums struct {
	transactions, records int64
	sum                   Amount
}

func (a netsSums) String() string {
	return fmt.Sprintf("%s, %s, %s NOK", counted(a.transactions, "transaction", "transactions"), counted(a.records, "record", "records"), a.sum)
}

func (a netsSums) wrong(b netsSums) bool {
	return a.transactions != b.transactions || a.records != b.records || a.sum.Cmp(b.sum) != 0
}

// netsFile reads one transmission.
type netsFile struct {
	s            *sheet
	recs         records
	begun        bool // record 10 has come
	closed       bool // and 89
	inAssignment bool
	service      string // of the assignment: "09" ...
	kind         string // of the assignment: "00", "24", "36"
	assignments  int64
	part, all    netsSums
	slot         int // the problem about totals, see sheet.mismatch
	sender       string

	p       Payment // handed over behind its records
	pending bool
	number  []byte  // of the transaction
	day     [6]byte // as written
	date    []byte
	dated   bool // the date is among the facts
	past    bool // it has passed
	text    bool // the reference is a text, not a KID
}

func openNets(prefix []byte, s *sheet) reader {
	size, _ := netsLook(prefix)
	f := &netsFile{s: s}
	f.recs = newRecords(s, size, f.record)
	f.all.sum = AmountFromMinor(0, 2)
	f.p.Currency = []byte("NOK")
	s.facts.Format, s.facts.Encoding = "nets-ocr", "us-ascii"
	return f
}

func (f *netsFile) write(p []byte) { f.recs.write(p) }

func (f *netsFile) whole() bool {
	rest := f.recs.rest()
	if len(rest) == 0 {
		return f.closed
	}
	return !f.closed && f.begun && !f.inAssignment && len(rest) >= netsSize && string(rest[6:8]) == "89"
}

func (f *netsFile) end() { f.recs.last() }

// record takes one record.
func (f *netsFile) record(rec []byte) {
	n := f.recs.n
	switch {
	case f.closed:
		f.s.malformed("record %d stands behind the end of the transmission", n)
		return
	case len(rec) < 8 || rec[0] != 'N' || rec[1] != 'Y' || !digits(rec[2:8]):
		f.s.malformed("record %d does not begin with NY and six digits", n)
		return
	}
	f.recs.checkWidth(netsSize)
	f.all.records++
	f.part.records++
	kind := int(rec[6]-'0')*10 + int(rec[7]-'0')
	switch inside := kind != 10 && kind != 20 && kind != 89; {
	case inside != f.inAssignment || (kind == 10) != !f.begun:
		f.s.malformed("record %d, of type %d, is out of place", n, kind)
		return
	case inside && string(rec[2:4]) != f.service && f.s.finds("service-differs"):
		f.s.finding("service-differs", f.recs.where(), "the record is of another service than its assignment")
	}
	switch kind {
	case 30:
		f.flush()
		f.transaction(rec)
	case 31, 32, 49:
		f.describe(rec, kind)
	case 70:
		f.part.transactions++
	case 10:
		f.begun = true
		f.sender = string(columns(rec, 9, 16))
		f.s.facts.Initiator, f.s.facts.MessageID = f.sender, string(columns(rec, 17, 23))
	case 20:
		f.open(rec)
	case 88:
		f.flush()
		f.close(rec)
	case 89:
		f.finish(rec)
	default:
		if f.s.finds("unknown-record") {
			f.s.finding("unknown-record", f.recs.where(), "the record has a type that this format does not know")
		}
	}
}

// open begins an assignment.
func (f *netsFile) open(rec []byte) {
	f.inAssignment = true
	f.s.facts.Batches++
	f.assignments++
	f.part = netsSums{records: 1, sum: AmountFromMinor(0, 2)}
	f.service, f.kind = string(rec[2:4]), string(rec[4:6])
	if f.s.facts.Version == "" {
		f.s.facts.Version = "service " + f.service
	}
	f.p.PayeeAccount = f.account(f.p.PayeeAccount[:0], columns(rec, 25, 35), "payee")
	if f.kind == "36" && f.s.finds("cancellation") {
		f.s.finding("cancellation", f.recs.where(), "assignment %d cancels requests: they are not counted as payments", f.assignments)
	}
}

// account appends an account of 11 digits, if it is one; the last is a check digit mod 11.
func (f *netsFile) account(to, b []byte, whose string) []byte {
	if n, ok := number(b); !ok || n == 0 {
		return to
	}
	if (len(b) != 11 || !mod11(b)) && f.s.finds("account-check-digit") {
		f.s.finding("account-check-digit", f.recs.where(), "the account %q of the %s is not valid", b, whose)
	}
	return append(to, b...)
}

// mod11 tells whether the last character is the check digit of those before it: weights 2 to 7 from the right, - for 10.
func mod11(b []byte) bool {
	sum := 0
	for i, weight := len(b)-2, 2; i >= 0; i-- {
		if !digit(b[i]) {
			return false
		}
		sum += int(b[i]-'0') * weight
		if weight++; weight > 7 {
			weight = 2
		}
	}
	want := (11 - sum%11) % 11
	if want == 10 {
		return b[len(b)-1] == '-'
	}
	return int(b[len(b)-1])-'0' == want
}

// transaction takes record 30; it is handed over only behind the records that tell more of it.
func (f *netsFile) transaction(rec []byte) {
	f.part.transactions++
	ore, ok := number(columns(rec, 33, 49))
	if !ok || len(rec) < 49 {
		f.s.malformed("the amount of transaction %d of assignment %d, record %d, is not 17 digits", f.part.transactions, f.assignments, f.recs.n)
		return
	}
	switch sign := rec[31]; {
	case sign == '-':
		ore = -ore
	case sign != ' ' && sign != '0' && f.s.finds("sign"):
		f.s.finding("sign", f.recs.where(), "the amount's sign is neither a minus nor nothing")
	}
	p := &f.p
	p.Amount = AmountFromMinor(ore, 2)
	sum, err := f.part.sum.Add(p.Amount)
	if err != nil {
		f.s.malformed("its sum has too many digits")
		return
	}
	f.part.sum, f.pending = sum, true
	f.number = append(f.number[:0], columns(rec, 9, 15)...)
	p.EndToEndID = f.number
	if field := columns(rec, 16, 21); len(f.date) == 0 || string(field) != string(f.day[:]) { // mostly it is the one before
		copy(f.day[:], field)
		if f.date, ok = dayDMY(f.date[:0], field); !ok && string(field) != "000000" && f.s.finds("date-shape") {
			f.s.finding("date-shape", f.recs.where(), "%q is not a date", field)
		}
		f.dated, f.past = false, len(f.date) > 0 && string(f.date) < f.s.today
	}
	p.ExecutionDate = f.date
	f.s.orders = f.service == "21"
	if f.s.orders && f.past && f.s.finds("date-past") {
		f.s.finding("date-past", f.recs.where(), "the due date %s has passed", f.date)
	}
	p.PayerName, p.PayerAccount = p.PayerName[:0], p.PayerAccount[:0]
	p.Reference = f.recs.text(p.Reference[:0], columns(rec, 50, 74))
	f.text = len(p.Reference) == 0
	if kid := p.Reference; !f.text && checkLuhn(kid) != luhnRight && !mod11(kid) && f.s.finds("kid-check-digit") {
		f.s.finding("kid-check-digit", f.recs.where(), "the KID %q is not valid", kid)
	}
}

// describe takes a record that tells more of the transaction before it.
func (f *netsFile) describe(rec []byte, kind int) {
	if !f.pending {
		f.s.malformed("record %d, of type %d, follows no transaction", f.recs.n, kind)
		return
	}
	p := &f.p
	if string(columns(rec, 9, 15)) != string(f.number) && f.s.finds("transaction-differs") {
		f.s.finding("transaction-differs", f.recs.where(), "the record is of another transaction than the one before it")
	}
	switch {
	case kind == 31 && f.service == "09":
		p.PayerAccount = f.account(p.PayerAccount[:0], columns(rec, 48, 58), "payer")
	case kind == 31:
		p.PayerName = f.recs.text(p.PayerName[:0], columns(rec, 16, 25))
	case f.text && len(p.Reference) == 0 && kind == 32:
		p.Reference = f.recs.text(p.Reference, columns(rec, 16, 55))
	case f.text && len(p.Reference) == 0:
		p.Reference = f.recs.text(p.Reference, columns(rec, 21, 60))
	}
}

// flush hands over the transaction that waits for its records.
func (f *netsFile) flush() {
	if !f.pending {
		return
	}
	f.pending = false
	if f.kind == "36" {
		return
	}
	if !f.dated {
		f.s.executes(f.date)
		f.dated = true
	}
	f.s.payer(f.p.PayerName, f.p.PayerAccount)
	f.s.payment(&f.p)
}

// states reads an end record.
func (f *netsFile) states(rec []byte) (says netsSums, ok bool) {
	says.transactions, ok = number(columns(rec, 9, 16))
	var ok2, ok3 bool
	says.records, ok2 = number(columns(rec, 17, 24))
	ore, ok3 := number(columns(rec, 25, 41))
	says.sum = AmountFromMinor(ore, 2)
	if ok = ok && ok2 && ok3 && len(rec) >= 41; !ok {
		f.s.malformed("record %d, an end record, has something other than digits in its totals", f.recs.n)
	}
	return says, ok
}

// close ends an assignment.
func (f *netsFile) close(rec []byte) {
	f.inAssignment = false
	says, ok := f.states(rec)
	if !ok {
		return
	}
	if string(rec[2:6]) != f.service+f.kind { // or one wrong digit would make payments of cancellations
		f.s.malformed("assignment %d begins as service and type %s, but ends as %s", f.assignments, f.service+f.kind, rec[2:6])
		return
	}
	if says.wrong(f.part) && f.slot == 0 {
		f.s.mismatch(&f.slot, fmt.Sprintf("assignment %d says %s, but holds %s", f.assignments, says, f.part))
	}
	f.all.transactions += f.part.transactions
	var err error
	if f.all.sum, err = f.all.sum.Add(f.part.sum); err != nil {
		f.s.malformed("its sum has too many digits")
	}
}

// finish ends the transmission.
func (f *netsFile) finish(rec []byte) {
	says, ok := f.states(rec)
	if !ok {
		return
	}
	f.closed = true
	facts := &f.s.facts
	facts.Declared = says.String()
	if says.wrong(f.all) && f.slot == 0 {
		f.s.mismatch(&f.slot, fmt.Sprintf("it says %s, but holds %s", says, f.all))
	}
	facts.BusinessKey = strings.Join([]string{facts.Format, f.sender, facts.MessageID, facts.FirstExecution, fmt.Sprint(facts.Payments), f.all.sum.String()}, "\x1f")
}
