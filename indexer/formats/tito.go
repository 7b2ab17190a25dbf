package formats

import (
	"bytes"
	"fmt"
	"strings"
)

// TITO, the Finnish bank statement (Federation of Finnish Financial Services, "Konekielinen tiliote, palvelukuvaus"; columns held
// against a public reader): records that begin with T, a type of two digits and their own length of three, in lines. Columns:
//
//	T00 statement  7-9 version, 10-23 account, 24-26 number, 27-38 period, 39-48 created YYMMDDHHMM, 49-65 customer, 72-90 opening
//	               balance, 91-96 records, 97-99 currency, 148-182 the account's owner
//	T10 entry      13-30 archive id, 31-36 booked, 37-42 value date, 53-87 text, 88-106 amount, 109-143 payer or payee,
//	               145-158 its account, 160-179 reference, 188 level: 0 or blank, else a part of the entry before it
//	T11 more of an entry;  T40 balance of a day  7-12 day, 13-31 balance;  T50 sums of a period;  T70 notice
//
// Amounts are a sign and 18 digits in cents. Parts of an entry (T10 with a level, T80, T81) are in no balance and no payments here.
// The balances are held against the entries; nothing else in a statement is a control total: T50 is of periods that banks
// choose, and the number of records in T00 is left open by many. So a difference is a finding.
//
// The end of a statement is a balance (T40) that no entry follows, once as many records have come as T00 says, if it does. A
// file of several statements, or days, that is cut right behind a balance, cannot be told from a whole one where T00 is silent.

func lookTITO(prefix []byte) answer {
	b := bytes.TrimLeft(prefix, "\r\n")
	const head = "T00322100"
	n := min(len(b), len(head))
	switch {
	case n == 0 || string(b[:n]) != head[:n]:
		return no
	case n < len(head):
		return more
	}
	return yes
}

// titoFile reads one file of statements.
type titoFile struct {
	s          *sheet
	recs       records
	statements int64
	has, says  int64 // records of the statement, and how many T00 says
	balanced   bool  // a T40 has come behind the last entry
	balance    Amount
	moved      Amount // by entries since then
	first      string // account and number of the first statement

	name, account []byte // of the holder
	p             Payment
	pending       bool
	debit         bool
	id, date      []byte
	party, where  []byte
}

func openTITO(_ []byte, s *sheet) reader {
	f := &titoFile{s: s}
	f.recs = newRecords(s, 0, f.record)
	s.both = true
	s.facts.Format, s.facts.Encoding = "tito", "us-ascii"
	return f
}

func (f *titoFile) write(p []byte) { f.recs.write(p) }

// whole: a rest without a line end may be a last balance, sum or notice of full length.
func (f *titoFile) whole() bool {
	rest, has := f.recs.rest(), f.has
	balanced := f.balanced
	if len(rest) > 0 {
		kind, length, ok := titoHead(rest)
		if !ok || int64(len(rest)) < length || f.statements == 0 {
			return false
		}
		has++
		balanced = kind == 40 || f.balanced && kind >= 50 && kind < 80
	}
	return balanced && has >= f.says
}

func (f *titoFile) end() {
	f.recs.last()
	f.flush()
	facts := &f.s.facts
	total := func(list []Total) string {
		if len(list) == 0 {
			return ""
		}
		return list[0].Amount.String()
	}
	facts.BusinessKey = strings.Join([]string{facts.Format, f.first, facts.CreatedAt, fmt.Sprint(facts.Payments),
		total(f.s.totals.sorted()), total(f.s.debits.sorted())}, "\x1f")
}

// titoHead reads how a record begins.
func titoHead(rec []byte) (kind, length int64, ok bool) {
	if len(rec) < 6 || rec[0] != 'T' || !digits(rec[1:6]) {
		return 0, 0, false
	}
	kind, _ = number(rec[1:3])
	length, _ = number(rec[3:6])
	return kind, length, true
}

// record takes one record.
func (f *titoFile) record(rec []byte) {
	kind, length, ok := titoHead(rec)
	if !ok {
		f.s.malformed("record %d does not begin with T and five digits", f.recs.n)
		return
	}
	if length < int64(len(rec)) && f.s.finds("record-length") {
		f.s.finding("record-length", f.recs.where(), "the record has %s, not %d", counted(int64(len(rec)), "character", "characters"), length)
	}
	if kind != 0 && f.statements == 0 {
		f.s.malformed("record %d, of type T%02d, is out of place", f.recs.n, kind)
		return
	}
	f.has++
	switch kind {
	case 0:
		f.flush()
		f.open(rec)
	case 10:
		f.entry(rec)
	case 11:
		f.describe(rec)
	case 40:
		f.flush()
		f.close(rec)
	case 50, 70, 80, 81:
	default:
		if f.s.finds("unknown-record") {
			f.s.finding("unknown-record", f.recs.where(), "the record has a type that is not read here")
		}
	}
}

// amount reads a sign and 18 digits.
func (f *titoFile) amount(field []byte) (Amount, bool) {
	if len(field) != 19 || field[0] != '+' && field[0] != '-' && field[0] != ' ' {
		return Amount{}, false
	}
	cents, ok := number(field[1:])
	if field[0] == '-' {
		cents = -cents
	}
	return AmountFromMinor(cents, 2), ok
}

// open begins a statement.
func (f *titoFile) open(rec []byte) {
	if f.statements > 0 && (!f.balanced || f.has-1 < f.says) && f.s.finds("statement-cut") {
		f.s.finding("statement-cut", f.recs.where(), "statement %d ends without a balance, or holds fewer records than it says", f.statements)
	}
	f.statements++
	f.s.facts.Batches++
	f.has, f.balanced = 1, false
	f.says, _ = number(columns(rec, 91, 96))
	var ok bool
	if f.balance, ok = f.amount(columns(rec, 72, 90)); !ok {
		f.s.malformed("the opening balance in record %d is not a sign and 18 digits", f.recs.n)
		return
	}
	f.moved = AmountFromMinor(0, 2)
	f.account = latin(f.account[:0], columns(rec, 10, 23))
	f.name = squeeze(latin(f.name[:0], columns(rec, 148, 182)))
	f.p.Currency = latin(f.p.Currency[:0], columns(rec, 97, 99))
	if !validCurrency(f.p.Currency) && f.s.finds("currency-shape") {
		f.s.finding("currency-shape", f.recs.where(), "%q is not a currency code", f.p.Currency)
	}
	f.s.payer(f.name, f.account)
	if f.statements > 1 {
		return
	}
	f.first = string(f.account) + "\x1f" + string(columns(rec, 24, 26)) + "\x1f" + string(columns(rec, 27, 38))
	facts := &f.s.facts
	facts.Version, facts.Initiator = "version "+string(columns(rec, 7, 9)), string(f.name)
	if created := columns(rec, 39, 48); len(created) == 10 {
		day, ok := dayYMD(nil, created[:6])
		if facts.CreatedAt = string(day); ok && digits(created[6:]) {
			facts.CreatedAt += "T" + string(created[6:8]) + ":" + string(created[8:])
		}
	}
}

// entry takes T10; it is handed over behind the records that tell more of it.
func (f *titoFile) entry(rec []byte) {
	amount, ok := f.amount(columns(rec, 88, 106))
	if !ok {
		f.s.malformed("the amount in record %d is not a sign and 18 digits", f.recs.n)
		return
	}
	if level := columns(rec, 188, 188); len(level) == 1 && level[0] != '0' && level[0] != ' ' {
		return
	}
	f.flush()
	moved, err := f.moved.Add(amount)
	if err != nil {
		f.s.malformed("its sum has too many digits")
		return
	}
	f.moved, f.pending, f.balanced = moved, true, false
	p := &f.p
	p.Amount, f.debit = amount, amount.Sign() < 0
	f.id = latin(f.id[:0], columns(rec, 13, 30))
	f.date, ok = dayYMD(f.date[:0], columns(rec, 31, 36))
	if !ok && f.s.finds("date-shape") {
		f.s.finding("date-shape", f.recs.where(), "%q is not a date", columns(rec, 31, 36))
	}
	f.party = squeeze(latin(f.party[:0], columns(rec, 109, 143)))
	f.where = latin(f.where[:0], columns(rec, 145, 158))
	if p.Reference = p.Reference[:0]; !zeros(columns(rec, 160, 179)) {
		p.Reference = latin(p.Reference, bytes.TrimLeft(columns(rec, 160, 179), "0 "))
	}
}

// describe takes T11: a message, where the entry has no reference.
func (f *titoFile) describe(rec []byte) {
	if f.pending && len(f.p.Reference) == 0 && string(columns(rec, 7, 8)) == "00" {
		f.p.Reference = squeeze(latin(f.p.Reference, columns(rec, 9, 428)))
	}
}

// flush hands over the entry that waits for its records.
func (f *titoFile) flush() {
	if !f.pending {
		return
	}
	f.pending = false
	p := &f.p
	p.EndToEndID, p.ExecutionDate = f.id, f.date
	p.PayerName, p.PayerAccount, p.PayeeName, p.PayeeAccount = f.party, f.where, f.name, f.account
	if f.debit {
		p.PayerName, p.PayerAccount, p.PayeeName, p.PayeeAccount = f.name, f.account, f.party, f.where
	}
	f.s.executes(f.date)
	f.s.payment(p)
}

// close takes the balance of a day.
func (f *titoFile) close(rec []byte) {
	balance, ok := f.amount(columns(rec, 13, 31))
	if !ok {
		f.s.malformed("the balance in record %d is not a sign and 18 digits", f.recs.n)
		return
	}
	f.balanced = true
	sum, err := f.balance.Add(f.moved)
	if (err != nil || sum.Cmp(balance) != 0) && f.s.finds("balance-mismatch") {
		f.s.finding("balance-mismatch", f.recs.where(), "the balance is %s, but the one before it and the entries make %s", balance, sum)
	}
	f.balance, f.moved = balance, AmountFromMinor(0, 2)
}
