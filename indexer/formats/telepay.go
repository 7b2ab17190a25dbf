package formats

import (
	"bytes"
	"fmt"
	"strings"
)

// Telepay 2 (Bankenes Standardiseringskontor, "Telepayformatet", version 2.01 and 2.1): records of 320 characters, in four lines
// of 80, in one line, or back to back. The columns, from 1; amounts are in øre, or hundredths:
//
//	all  1-2 "AH", 3 "2", 4-5 return code (00 sent by a company), 14-19 number, 39-40 "04", 41-48 BETFORnn
//	00   start of batch         49-59 enterprise, 60-70 division, 95-104 version, 297-311 own reference
//	21   domestic order         60-70 payer's account, 81-86 day YYMMDD, 87-116 own reference, 118-128 payee's account, 129-158 name,
//	                            249-263 amount to an own account, 267 kind (F invoices, M mass, L wages, E own account),
//	                            268 deletion, 269-283 total
//	22   one of many payees     81-91 account, 92-121 name, 122-136 amount, 137 deletion, 138-172 own reference
//	23   invoice of an order    81-200 text, 201-227 KID, 228-257 own reference, 258-272 amount, 273 D, or K for a credit note, 274-293 number
//	01   foreign order          60-70 payer's account, 81-86 day, 87-116 own reference, 117-119 currency paid, 120-122 of the invoices
//	02   its bank               81-91 BIC
//	03   its payee              81-115 account, 116-150 name
//	04   its invoice            81-115 reference, 116-150 own reference, 151-165 amount, 166 D or K
//	99   end of batch           85-88 payments, 89-103 total, 104-108 records, its own 00 and 99 among them
//
// Held against several public writers and one file of another reader's tests, as no manual was at hand. So what is not sure is a
// finding and not a problem: the number of payments, which some count as orders and some leave out; the total where there are
// foreign orders or deletions; orders that are marked as deleted, which are counted here. The number of records is sure, and the
// total of domestic orders, with or without credit notes; a writer may leave out both with zeros or blanks.
//
// A payment is a BETFOR22, or an order with its invoices. A file has one or more batches. Its true end is column 108 of a
// BETFOR99; one without a number of records must be there with all of its 320 columns, or four lines. A file that is cut exactly
// between two batches cannot be told from a whole one.

const (
	telepaySize = 320
	telepayLine = 80
	telepayEnd  = 108 // of BETFOR99
)

func lookTelepay(prefix []byte) answer {
	_, a := telepayLook(prefix)
	return a
}

// telepayLook tells how long the lines of a file are: 80 or 320 characters, or 0 if there are none.
func telepayLook(b []byte) (line int, a answer) {
	b = bytes.TrimLeft(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")), "\r\n")
	const head = "AH2dd                                 ddBETFOR00" // d: digit; blanks are anything
	if n := min(len(b), 3); string(b[:n]) != head[:n] {
		return 0, no
	}
	b = bytes.ReplaceAll(b, []byte("\xc2\xa0"), []byte(" "))
	for i := range min(len(b), len(head)) {
		if c, want := b[i], head[i]; want == 'd' && !digit(c) || want != 'd' && want != ' ' && c != want {
			return 0, no
		}
	}
	const far = telepaySize + telepayLine // where the first line has ended, if there are lines
	switch end := bytes.IndexByte(b[:min(len(b), far)], '\n'); {
	case len(b) < len(head):
		return 0, more
	case end >= 0 && end < telepayLine+8:
		return telepayLine, yes
	case end >= 0:
		return telepaySize, yes
	case len(b) < far:
		return 0, more
	}
	return 0, yes
}

// telepaySums is what a BETFOR99 states, and what the batch holds.
type telepaySums struct {
	payments, records int64
	sum               Amount
}

func (a telepaySums) String() string {
	return fmt.Sprintf("%s, %s NOK, %s", payments(a.payments), a.sum, counted(a.records, "record", "records"))
}

// telepayOrder is a BETFOR21 or 01, until its last record.
type telepayOrder struct {
	kind     int // 0: none, 1 foreign, 21 domestic
	details  int64
	mass     bool // it has BETFOR22
	total    Amount
	own      Amount // amount to an own account
	remitted remitted
}

// telepayFile reads one file.
type telepayFile struct {
	telepayCutter
	s       *sheet
	inBatch bool
	batches int64
	returns bool // it comes from the bank

	orders, transactions int64 // of the batch
	foreign, deletions   bool
	part                 telepaySums
	credited             Amount // credit notes of the batch
	said                 telepaySums
	slot                 int // the problem about totals, see sheet.mismatch
	number               int64

	order   telepayOrder
	p       Payment
	id      []byte
	name    []byte
	account []byte // of the payee
	payer   []byte
	date    []byte
}

func openTelepay(prefix []byte, s *sheet) reader {
	line, _ := telepayLook(prefix)
	f := &telepayFile{s: s}
	f.telepayCutter = telepayCutter{s: s, line: line, take: f.record}
	f.said.sum = AmountFromMinor(0, 2)
	s.orders = true
	s.facts.Format, s.facts.Encoding = "telepay", "us-ascii"
	return f
}

func (f *telepayFile) whole() bool {
	rest := f.rest()
	if len(rest) == 0 {
		return f.batches > 0 && !f.inBatch
	}
	return f.inBatch && len(rest) >= telepayEnd && string(rest[40:48]) == "BETFOR99" && digits(rest[103:108])
}

func (f *telepayFile) end() {
	f.last()
	facts := &f.s.facts
	facts.Declared = f.said.String()
	key := []string{facts.Format, facts.Initiator, facts.MessageID, facts.FirstExecution, facts.LastExecution, fmt.Sprint(facts.Payments)}
	for _, t := range f.s.totals.sorted() {
		key = append(key, t.Currency, t.Amount.String())
	}
	facts.BusinessKey = strings.Join(key, "\x1f")
}

func (f *telepayFile) where() string { return fmt.Sprintf("record %d", f.n) }

// record takes one record, of 320 characters.
func (f *telepayFile) record(rec []byte) {
	kind, ok := number(columns(rec, 47, 48))
	if string(rec[:2]) != "AH" || string(columns(rec, 41, 46)) != "BETFOR" || !ok {
		f.s.malformed("record %d does not begin with AH, and BETFOR in column 41", f.n)
		return
	}
	if (kind == 0) == f.inBatch {
		f.s.malformed("record %d, BETFOR%02d, is out of place", f.n, kind)
		return
	}
	f.part.records++
	if n, ok := number(columns(rec, 14, 19)); ok {
		if f.part.records > 1 && n != (f.number+1)%1_000_000 && f.s.finds("sequence") {
			f.s.finding("sequence", f.where(), "the record has number %d behind number %d", n, f.number)
		}
		f.number = n
	}
	switch kind {
	case 0:
		f.open(rec)
	case 1, 21:
		f.begin(rec, int(kind))
	case 22, 23:
		if f.order.kind != 21 {
			f.s.malformed("record %d, BETFOR%d, follows no BETFOR21", f.n, kind)
		} else if kind == 22 {
			f.mass(rec)
		} else {
			f.invoice(rec, columns(rec, 258, 272), rec[272], columns(rec, 228, 257))
		}
	case 2, 3, 4:
		if f.order.kind != 1 {
			f.s.malformed("record %d, BETFOR%02d, follows no BETFOR01", f.n, kind)
		} else {
			f.foreignDetail(rec, kind)
		}
	case 99:
		f.close(rec)
	default:
		f.s.notes("unknown-record", f.where(), "BETFOR%02d is no record that this format knows", kind)
	}
}

// open takes BETFOR00.
func (f *telepayFile) open(rec []byte) {
	f.inBatch = true
	f.batches++
	f.s.facts.Batches++
	f.orders, f.transactions, f.foreign, f.deletions = 0, 0, false, false
	f.part = telepaySums{records: 1, sum: AmountFromMinor(0, 2)}
	f.credited = AmountFromMinor(0, 2)
	f.returns = string(rec[3:5]) != "00"
	if facts := &f.s.facts; f.batches == 1 {
		facts.Initiator = string(latin(nil, columns(rec, 49, 59)))
		facts.MessageID = string(latin(nil, columns(rec, 297, 311)))
		facts.Version = string(latin(nil, columns(rec, 95, 104)))
		if f.returns {
			facts.Version = strings.TrimSpace(facts.Version + " return " + string(latin(nil, rec[3:5])))
		}
	}
}

// begin takes BETFOR21 or BETFOR01.
func (f *telepayFile) begin(rec []byte, kind int) {
	f.flush()
	f.orders++
	o, p := &f.order, &f.p
	o.kind, o.details, o.mass = kind, 0, false
	o.remitted.clear()
	f.payer = f.checked(f.payer[:0], columns(rec, 60, 70), "payer")
	f.name, f.account = f.name[:0], f.account[:0]
	f.id = latin(f.id[:0], columns(rec, 87, 116))
	p.Amount, p.Currency = AmountFromMinor(0, 2), append(p.Currency[:0], "NOK"...)
	day, ok := columns(rec, 81, 86), false
	if f.date, ok = dayYMD(f.date[:0], day); !ok && !allBlank(day) && string(day) != "000000" {
		f.s.notes("date-shape", f.where(), "%q is not a date", day)
	}
	if len(f.date) > 0 && !f.returns && string(f.date) < f.s.today && f.s.finds("date-past") {
		f.s.finding("date-past", f.where(), "the payment date %s has passed", f.date)
	}
	if kind == 1 {
		f.foreign = true
		for _, currency := range [][]byte{columns(rec, 117, 119), columns(rec, 120, 122)} {
			if !allBlank(currency) {
				p.Currency = append(p.Currency[:0], currency...)
			}
		}
		if !validCurrency(p.Currency) && f.s.finds("currency-shape") {
			f.s.finding("currency-shape", f.where(), "%q is not a currency code", p.Currency)
		}
		return
	}
	f.account = f.checked(f.account, columns(rec, 118, 128), "payee")
	f.name = latin(f.name, columns(rec, 129, 158))
	f.deleted(rec[267])
	o.own, ok = f.amount(columns(rec, 249, 263), true)
	if total, ok2 := f.amount(columns(rec, 269, 283), true); ok && ok2 {
		o.total = total
	}
}

// deleted notes that a record asks for a deletion.
func (f *telepayFile) deleted(code byte) {
	if code != ' ' && code != '0' {
		f.deletions = true
		f.s.notes("deletion", f.where(), "the record is marked with %q as deleted, but counted", code)
	}
}

// amount reads 15 digits; what may be missing is 0 then.
func (f *telepayFile) amount(field []byte, optional bool) (Amount, bool) {
	if optional && allBlank(field) {
		return AmountFromMinor(0, 2), true
	}
	ore, ok := number(bytes.Trim(field, " "))
	if !ok {
		f.s.malformed("an amount of record %d is not 15 digits", f.n)
	}
	return AmountFromMinor(ore, 2), ok
}

// checked appends a Norwegian account, whose last digit is a check digit; 19 stands for a payee without one.
func (f *telepayFile) checked(to, field []byte, whose string) []byte {
	if n, ok := number(field); ok && (n == 0 || n == 19) {
		return to
	}
	from := len(to)
	to = latin(to, field)
	if b := to[from:]; len(b) > 0 && (len(b) != 11 || !mod11(b)) && f.s.finds("account-check-digit") {
		f.s.finding("account-check-digit", f.where(), "the account %q of the %s is not valid", b, whose)
	}
	return to
}

// mass takes BETFOR22, a payment of its own.
func (f *telepayFile) mass(rec []byte) {
	amount, ok := f.amount(columns(rec, 122, 136), false)
	if !ok {
		return
	}
	f.order.mass = true
	f.order.details++
	f.transactions++
	f.deleted(rec[136])
	p := &f.p
	p.Amount = amount
	f.account = f.checked(f.account[:0], columns(rec, 81, 91), "payee")
	f.name = latin(f.name[:0], columns(rec, 92, 121))
	f.id = latin(f.id[:0], columns(rec, 138, 172))
	f.pay()
}

// invoice takes BETFOR23 or 04.
func (f *telepayFile) invoice(rec, field []byte, sign byte, ref []byte) {
	amount, ok := f.amount(field, false)
	if !ok {
		return
	}
	f.order.details++
	f.transactions++
	switch sign {
	case 'K':
		if f.order.kind == 21 {
			f.credited, _ = f.credited.Add(amount) // the sum of the orders has room for less than this
		}
		amount = amount.Neg()
	case 'D', ' ':
	default:
		f.s.malformed("record %d has an invoice that is neither D nor K", f.n)
		return
	}
	sum, err := f.p.Amount.Add(amount)
	if err != nil {
		f.s.malformed("its sum has too many digits")
		return
	}
	f.p.Amount = sum
	if len(f.id) == 0 {
		f.id = latin(f.id, ref)
	}
	if f.order.kind == 1 {
		f.remit(columns(rec, 81, 115))
		return
	}
	switch kid := columns(rec, 201, 227); {
	case !allBlank(kid):
		f.remit(kid)
		if kid = bytes.Trim(kid, " "); checkLuhn(kid) != luhnRight && !mod11(kid) && f.s.finds("kid-check-digit") {
			f.s.finding("kid-check-digit", f.where(), "the KID %q is not valid", kid)
		}
	case !allBlank(columns(rec, 274, 293)):
		f.remit(columns(rec, 274, 293))
	default:
		for from := 81; from < 200; from += 40 {
			f.remit(columns(rec, from, from+39))
		}
	}
}
