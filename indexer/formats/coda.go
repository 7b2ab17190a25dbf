package formats

import (
	"bytes"
	"fmt"
	"strings"
)

// CODA (Febelfin, "Coded statement of account (CODA)", version 2): records of 128 characters, in lines or back to back.
// The columns, from 1:
//
//	0  header        6-11 created DDMMYY, 15-16 "05", 35-60 addressee, 128 version
//	1  old balance   2 account's structure, 3-5 statement, 6-42 account and currency, 43 sign, 44-58 balance, 65-90 holder
//	21 movement      3-6 number, 7-10 detail, 11-31 bank's reference, 32 sign, 33-47 amount, 48-53 value date, 62 kind of text,
//	                 63-115 text, 116-121 entry date
//	22, 23           11-63 text, 64-98 customer's reference; 11-44 counterparty's account, 48-82 its name, 83-125 text
//	31, 32, 33       more information on a movement
//	8  new balance   5-41 account and currency, 42 sign, 43-57 balance;  4 free message
//	9  trailer       17-22 records but 0, 4 and 9, 23-37 debits, 38-52 credits, 128 "1" if another statement follows
//
// Amounts have three decimals; sign 1 is a debit. Only movements with detail 0000 are entries, and in the sums of the
// trailer: the other details divide them. A credit is paid by the counterparty, a debit, of negative amount, by the holder.
//
// The true end of a file is column 128 of a trailer. Banks write "1" there in files of one statement, too: so a file that
// is cut exactly between two statements cannot be told from a whole one.

const codaSize = 128

func lookCODA(prefix []byte) answer {
	_, a := codaLook(prefix)
	return a
}

func codaLook(b []byte) (size int, a answer) {
	b = bytes.TrimLeft(b, "\r\n")
	const head = "00000ddddddddd05x       " // d: digit, x: D for a duplicate, or a blank
	for i := range min(len(b), len(head)) {
		c, want := b[i], head[i]
		if c != want && (want != 'd' || !digit(c)) && (want != 'x' || c != 'D' && c != ' ') {
			return 0, no
		}
	}
	if len(b) < len(head) {
		return 0, more
	}
	return back(b, codaSize, func(c byte) bool { return c == '1' })
}

// codaSums is what a trailer states.
type codaSums struct {
	records         int64
	debits, credits Amount
}

func noCODA() codaSums {
	return codaSums{debits: AmountFromMinor(0, 3), credits: AmountFromMinor(0, 3)}
}

func (a codaSums) String() string {
	return fmt.Sprintf("%s, debits %s, credits %s", counted(a.records, "record", "records"), a.debits, a.credits)
}

// codaPlace is what came last of those records that have a fixed order.
type codaPlace int

const (
	codaNothing codaPlace = iota
	codaHeader
	codaOldBalance // and movements
	codaNewBalance // and free messages
	codaTrailer
)

// codaFile reads one CODA file.
type codaFile struct {
	s          *sheet
	recs       records
	place      codaPlace
	statements int64
	part, said codaSums // the statement's own, and all that trailers have said
	messages   int64    // free messages of the statement
	follows    bool     // the last trailer says that there is another statement
	slot       int      // the problem about totals, see sheet.mismatch

	name, account []byte // of the holder
	balance       Amount // the old one, and the movements since
	first         string // account and number of the first statement

	p            Payment // handed over behind its records
	pending      bool
	detail       bool // the last movement is a detail of the entry before it
	debit        bool
	structured   bool
	text         []byte
	id           []byte
	party, where []byte // counterparty's name and account
	date         []byte
}

func openCODA(prefix []byte, s *sheet) reader {
	size, _ := codaLook(prefix)
	f := &codaFile{s: s, said: noCODA()}
	f.recs = newRecords(s, size, f.record)
	s.both = true
	s.facts.Format, s.facts.Encoding = "coda", "us-ascii"
	return f
}

func (f *codaFile) write(p []byte) { f.recs.write(p) }

func (f *codaFile) whole() bool {
	rest := f.recs.rest()
	if len(rest) == 0 {
		return f.place == codaTrailer
	}
	return len(rest) >= codaSize && rest[0] == '9' && f.place == codaNewBalance
}

func (f *codaFile) end() {
	f.recs.last()
	if !f.s.closed {
		f.finish()
	}
}

// record takes one record.
func (f *codaFile) record(rec []byte) {
	f.recs.checkWidth(codaSize)
	kind := rec[0]
	var ok bool
	switch kind {
	case '0':
		ok = f.place == codaNothing || f.place == codaTrailer
	case '1':
		ok = f.place == codaHeader || f.place == codaNewBalance
	case '2', '3', '8':
		ok = f.place == codaOldBalance
	case '4', '9':
		ok = f.place == codaNewBalance
	}
	if !ok {
		f.s.malformed("record %d, which begins with %+q, is out of place", f.recs.n, kind)
		return
	}
	f.part.records++
	switch kind {
	case '0':
		f.header(rec)
	case '1':
		f.open(rec)
	case '2':
		f.movement(rec)
	case '3':
		if !f.pending && f.s.finds("information-alone") {
			f.s.finding("information-alone", f.recs.where(), "the record tells more of a movement, but there is none")
		}
	case '8':
		f.flush()
		f.close(rec)
	case '4':
		f.messages++
	case '9':
		f.trailer(rec)
	}
}

func (f *codaFile) header(rec []byte) {
	f.place, f.part, f.messages = codaHeader, noCODA(), 0
	f.statements++
	f.s.facts.Batches++
	if f.statements > 1 {
		return
	}
	facts := &f.s.facts
	created, ok := dayDMY(nil, columns(rec, 6, 11))
	if !ok {
		f.noDate(columns(rec, 6, 11))
	}
	facts.CreatedAt = string(created)
	facts.Initiator = string(f.recs.text(nil, columns(rec, 35, 60)))
	if v := columns(rec, 128, 128); len(v) > 0 {
		facts.Version = "version " + string(f.recs.text(nil, v))
	}
}

func (f *codaFile) noDate(field []byte) {
	if f.s.finds("date-shape") {
		f.s.finding("date-shape", f.recs.where(), "%q is not a date", field)
	}
}

// open takes an old balance, which begins a statement.
func (f *codaFile) open(rec []byte) {
	balance, ok := f.amount(rec, 43)
	if !ok {
		f.s.malformed("the balance of record %d is not 15 digits with a sign", f.recs.n)
		return
	}
	f.place, f.balance = codaOldBalance, balance
	account, currency := columns(rec, 6, 39), columns(rec, 40, 42)
	if string(rec[1:2]) == "0" {
		account, currency = columns(rec, 6, 17), columns(rec, 19, 21)
	}
	f.account = f.recs.text(f.account[:0], account)
	f.name = f.recs.text(f.name[:0], columns(rec, 65, 90))
	f.checkIBAN(f.account)
	f.p.Currency = f.recs.text(f.p.Currency[:0], currency)
	if !validCurrency(f.p.Currency) && f.s.finds("currency-shape") {
		f.s.finding("currency-shape", f.recs.where(), "%q is not a currency code", currency)
	}
	if f.first == "" {
		f.first = string(f.account) + "\x1f" + string(columns(rec, 3, 5))
	}
	f.s.payer(f.name, f.account)
}

// checkIBAN enters a finding about what looks like an IBAN and cannot be one.
func (f *codaFile) checkIBAN(account []byte) {
	if len(account) > 4 && upper(account[0]) && upper(account[1]) && digits(account[2:4]) && !validIBAN(account) && f.s.finds("iban-check-digits") {
		f.s.finding("iban-check-digits", f.recs.where(), "the IBAN %q is not valid", account)
	}
}

// amount reads a sign and the 15 digits behind it, three of them decimals.
func (f *codaFile) amount(rec []byte, sign int) (Amount, bool) {
	if len(rec) < sign+15 || rec[sign-1] != '0' && rec[sign-1] != '1' {
		return Amount{}, false
	}
	minor, ok := number(rec[sign : sign+15])
	if rec[sign-1] == '1' {
		minor = -minor
	}
	return AmountFromMinor(minor, 3), ok
}

// close takes a new balance, which ends a statement's movements.
func (f *codaFile) close(rec []byte) {
	f.place = codaNewBalance
	balance, ok := f.amount(rec, 42)
	if !ok {
		f.s.malformed("the balance of record %d is not 15 digits with a sign", f.recs.n)
		return
	}
	if balance.Cmp(f.balance) != 0 && f.s.finds("balance-mismatch") {
		f.s.finding("balance-mismatch", f.recs.where(), "the new balance is %s, but old balance and movements make %s", balance, f.balance)
	}
}

// trailer ends a file of one statement; another may follow.
func (f *codaFile) trailer(rec []byte) {
	var says codaSums
	var ok bool
	says.records, ok = number(columns(rec, 17, 22))
	debits, ok2 := number(columns(rec, 23, 37))
	credits, ok3 := number(columns(rec, 38, 52))
	if !ok || !ok2 || !ok3 || len(rec) < 52 {
		f.s.malformed("record %d, a trailer, has something other than digits in its totals", f.recs.n)
		return
	}
	f.place = codaTrailer
	code := columns(rec, 128, 128)
	f.follows = len(code) > 0 && code[0] == '1'
	says.debits, says.credits = AmountFromMinor(debits, 3), AmountFromMinor(credits, 3)
	holds := f.part
	holds.records -= 1 + f.messages // the header began the count, the trailer is in it
	if f.messages > 0 && says.records == holds.records+f.messages {
		holds.records = says.records // some banks count free messages; the standard does not
		if f.s.finds("record-count") {
			f.s.finding("record-count", f.recs.where(), "the trailer counts free messages, too")
		}
	}
	if (says.records != holds.records || says.debits.Cmp(holds.debits) != 0 || says.credits.Cmp(holds.credits) != 0) && f.slot == 0 {
		who := "it"
		if f.statements > 1 {
			who = fmt.Sprintf("statement %d", f.statements)
		}
		f.s.mismatch(&f.slot, fmt.Sprintf("%s says %s, but holds %s", who, says, holds))
	}
	all, err := f.said.debits.Add(says.debits)
	all2, err2 := f.said.credits.Add(says.credits)
	if err != nil || err2 != nil {
		f.s.malformed("its sum has too many digits")
		return
	}
	f.said = codaSums{f.said.records + says.records, all, all2}
	f.s.facts.Declared = f.said.String()
}

// finish enters what makes two files the same business, and what only the end proves.
func (f *codaFile) finish() {
	facts := &f.s.facts
	if f.follows && f.s.finds("statement-missing") {
		f.s.finding("statement-missing", f.recs.where(), "the last trailer says that another statement follows")
	}
	f.follows = false
	facts.BusinessKey = strings.Join([]string{facts.Format, f.first, facts.CreatedAt, fmt.Sprint(facts.Payments),
		f.said.debits.String(), f.said.credits.String()}, "\x1f")
}
