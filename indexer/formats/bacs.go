package formats

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
)

// Bacs Standard 18 (Pay.UK, "Bacstel-IP file structures", Standard 18 records and labels): lines; labels of 80
// characters around records of 100, or of 106 where each has its own processing day. The columns, from 1:
//
//	VOL1  5-10 submission serial number, 38-51 service user number
//	HDR1  5-21 file, 42-47 created bYYDDD;  HDR2;  UHL1  5-10 processing day bYYDDD, 21-22 currency, 00 for sterling
//	data  1-6 sort code, 7-14 account, 16-17 code, 18-23 and 24-31 the same of the originator, 36-46 pence,
//	      47-64 service user's name, 65-82 reference, 83-100 account's name, 101-106 processing day
//	EOF1, EOF2  repeat HDR1 and HDR2;  UTL1  5-17 debits, 18-30 credits, 31-37 how many debits, 38-44 how many credits
//
// Codes: debits 01, 17, 18, 19; credits 99, Z4, Z5; instructions 0N, 0C, 0S move nothing and are in no total. A record
// whose reference begins with CONTRA, or that is for the originator's own account, balances the others: UTL1 counts it,
// but it is no payment. The totals of a file leave contras out, its Declared, as UTL1, does not. A debit is a payment of a negative
// amount from the service user to the other account.
//
// The true end of a file is the last digit of UTL1. HDR1 may begin another file behind it: a submission that is cut
// exactly there cannot be told from a whole one.

func lookBACS(b []byte) answer {
	b = bytes.TrimLeft(b, "\r\n")
	if n := min(len(b), 4); string(b[:n]) != "VOL1"[:n] {
		return no
	}
	end := bytes.IndexByte(b[:min(len(b), 2*bacsLabel)], '\n')
	switch {
	case end < 0 && len(b) >= 2*bacsLabel:
		return no
	case end < 0:
		return more
	}
	b = b[end+1:]
	if n := min(len(b), 5); string(b[:n]) != "HDR1A"[:n] {
		return no
	} else if n < 5 {
		return more
	}
	return yes
}

const bacsLabel = 80

// bacsSums is what UTL1 states.
type bacsSums struct {
	debits, credits           Amount
	debitsCount, creditsCount int64
}

func noBACS() bacsSums {
	return bacsSums{debits: AmountFromMinor(0, 2), credits: AmountFromMinor(0, 2)}
}

func (a bacsSums) String() string {
	return fmt.Sprintf("%s of %s GBP, %s of %s GBP", counted(a.debitsCount, "debit", "debits"), a.debits, counted(a.creditsCount, "credit", "credits"), a.credits)
}

func (a bacsSums) wrong(b bacsSums) bool {
	return a.debitsCount != b.debitsCount || a.creditsCount != b.creditsCount || a.debits.Cmp(b.debits) != 0 || a.credits.Cmp(b.credits) != 0
}

// add counts an amount as a debit or a credit.
func (a *bacsSums) add(amount Amount, debit bool) error {
	to, n := &a.credits, &a.creditsCount
	if debit {
		to, n = &a.debits, &a.debitsCount
	}
	sum, err := to.Add(amount)
	if err == nil {
		*to = sum
		*n++
	}
	return err
}

// bacsFile reads one submission.
type bacsFile struct {
	s          *sheet
	recs       records
	label      string // the last one: VOL1, HDR1, HDR2, UHL1 (data follow), EOF1, EOF2, UTL1
	files      int64
	header     []byte // columns 5-53 of HDR1, which EOF1 repeats
	part, said bacsSums
	contra     bool
	slot       int // the problem about totals, see sheet.mismatch

	p         Payment
	day       []byte // of the file
	own       []byte // of the record
	last      []byte // the execution date before
	past      bool   // which has passed
	name, ref []byte // scratch
	payers    []byte // account and name of the payer before, as written
	serviceNo string
}

func openBACS(prefix []byte, s *sheet) reader {
	f := &bacsFile{s: s, said: noBACS()}
	f.recs = newRecords(s, 0, f.record)
	f.p.Currency = []byte("GBP")
	s.both, s.orders = true, true
	s.facts.Format, s.facts.Encoding = "bacs", "us-ascii"
	return f
}

func (f *bacsFile) write(p []byte) { f.recs.write(p) }

func (f *bacsFile) whole() bool {
	rest := f.recs.rest()
	if len(rest) == 0 {
		return f.label == "UTL1"
	}
	return len(rest) >= 44 && string(rest[:4]) == "UTL1" && strings.HasPrefix(f.label, "EOF")
}

func (f *bacsFile) end() {
	f.recs.last()
	if !f.s.closed {
		f.finish()
	}
}

// bacsBefore says which labels may stand before a label.
var bacsBefore = map[string]string{
	"VOL1": "", "HDR1": "VOL1 UTL1", "HDR2": "HDR1", "UHL1": "HDR1 HDR2", "EOF1": "UHL1", "EOF2": "EOF1", "UTL1": "EOF1 EOF2",
}

// record takes one label or data record.
func (f *bacsFile) record(rec []byte) {
	if digit(rec[0]) {
		if f.label != "UHL1" {
			f.s.malformed("record %d stands outside of the labels UHL1 and EOF1", f.recs.n)
			return
		}
		f.data(rec)
		return
	}
	label := string(columns(rec, 1, 4))
	before, ok := bacsBefore[label]
	if !ok {
		f.s.malformed("record %d is neither a label nor begins with a sort code", f.recs.n)
		return
	}
	if before == "" && f.label != "" || before != "" && (f.label == "" || !strings.Contains(before, f.label)) {
		f.s.malformed("record %d, the label %s, is out of place", f.recs.n, label)
		return
	}
	f.label = label
	f.recs.checkWidth(bacsLabel)
	switch label {
	case "VOL1":
		f.s.facts.MessageID = string(f.recs.text(nil, columns(rec, 5, 10)))
		f.serviceNo = string(f.recs.text(nil, columns(rec, 38, 51)))
		f.s.facts.Initiator = f.serviceNo
	case "HDR1":
		f.open(rec)
	case "UHL1":
		f.s.facts.Batches++
		f.begin(rec)
	case "EOF1":
		if string(columns(rec, 5, 53)) != string(f.header) && f.s.finds("label-differs") {
			f.s.finding("label-differs", f.recs.where(), "EOF1 does not repeat what HDR1 says")
		}
	case "UTL1":
		f.close(rec)
	}
}

// open takes HDR1, which begins a file.
func (f *bacsFile) open(rec []byte) {
	f.files++
	f.part, f.contra = noBACS(), false
	f.header = append(f.header[:0], columns(rec, 5, 53)...)
	if f.files > 1 {
		return
	}
	created, ok := f.julian(nil, columns(rec, 42, 47))
	if ok {
		f.s.facts.CreatedAt = string(created)
	}
}

// begin takes UHL1, behind which the data come.
func (f *bacsFile) begin(rec []byte) {
	f.day, _ = f.julian(f.day[:0], columns(rec, 5, 10))
	if currency := columns(rec, 21, 22); !allBlank(currency) && string(currency) != "00" && f.s.finds("currency-shape") {
		f.s.finding("currency-shape", f.recs.where(), "the currency %q is not sterling", currency)
	}
}

// julian appends bYYDDD as YYYY-MM-DD; what is no date is a finding.
func (f *bacsFile) julian(to, field []byte) ([]byte, bool) {
	if len(field) == 6 && field[0] == ' ' && digits(field[1:]) {
		year := int(field[1]-'0')*10 + int(field[2]-'0')
		day := int(field[3]-'0')*100 + int(field[4]-'0')*10 + int(field[5]-'0')
		for month := 1; month <= 12 && day >= 1; month++ {
			length := 31
			switch month {
			case 4, 6, 9, 11:
				length = 30
			case 2:
				if length = 28; year%4 == 0 {
					length = 29
				}
			}
			if day <= length {
				return append(to, '2', '0', field[1], field[2], '-', byte('0'+month/10), byte('0'+month%10), '-', byte('0'+day/10), byte('0'+day%10)), true
			}
			day -= length
		}
	}
	if f.s.finds("date-shape") {
		f.s.finding("date-shape", f.recs.where(), "%q is not a day of a year", field)
	}
	return to, false
}

// data takes one data record.
func (f *bacsFile) data(rec []byte) {
	if f.recs.width != 100 && f.recs.width != 106 && f.s.finds("record-length") {
		f.s.finding("record-length", f.recs.where(), "the record has %s, not 100 or 106", counted(int64(f.recs.width), "character", "characters"))
	}
	pence, ok := number(columns(rec, 36, 46))
	if !ok || len(rec) < 46 {
		f.s.malformed("the amount of record %d is not 11 digits", f.recs.n)
		return
	}
	if !digits(rec[:14]) && f.s.finds("account-shape") {
		f.s.finding("account-shape", f.recs.where(), "%q is not a sort code and an account", rec[:14])
	}
	debit := false
	switch string(rec[15:17]) {
	case "01", "17", "18", "19":
		debit = true
	case "99", "Z4", "Z5":
	case "0N", "0C", "0S":
		if pence != 0 {
			f.s.malformed("record %d is an instruction, but has an amount", f.recs.n)
		}
		return
	default:
		f.s.malformed("the code of record %d is not known", f.recs.n)
		return
	}
	amount := AmountFromMinor(pence, 2)
	if err := f.part.add(amount, debit); err != nil {
		f.s.malformed("its sum has too many digits")
		return
	}
	named, own := string(columns(rec, 65, 70)) == "CONTRA", string(rec[:14]) == string(rec[17:31])
	if named || own { // either is enough, or one wrong letter would make a payment of it
		f.contra = true
		if named != own && f.s.finds("contra-account") {
			f.s.finding("contra-account", f.recs.where(), "of a contra record, it has either the reference or the originator's own account, not both")
		}
		return
	}
	if debit {
		amount = amount.Neg()
	}
	f.payment(rec, amount)
}

// payment hands over a record that is no contra.
func (f *bacsFile) payment(rec []byte, amount Amount) {
	p := &f.p
	p.Amount = amount
	p.PayeeAccount = rec[:14]
	p.PayeeName = f.recs.view(&f.name, columns(rec, 83, 100))
	p.Reference = f.recs.view(&f.ref, columns(rec, 65, 82))
	if !bacsText(p.PayeeName) || !bacsText(p.Reference) {
		f.strange()
	}
	f.payer(rec)
	p.ExecutionDate = f.day
	if own := columns(rec, 101, 106); len(own) > 0 {
		if f.own, _ = f.julian(f.own[:0], own); len(f.own) > 0 {
			p.ExecutionDate = f.own
		}
	}
	if string(p.ExecutionDate) != string(f.last) {
		f.last = append(f.last[:0], p.ExecutionDate...)
		f.s.executes(f.last)
		f.past = len(f.last) > 0 && string(f.last) < f.s.today
	}
	if f.past && f.s.finds("date-past") {
		f.s.finding("date-past", f.recs.where(), "the processing day %s has passed", p.ExecutionDate)
	}
	f.s.payment(p)
}

// payer is who pays, mostly the same as in the record before.
func (f *bacsFile) payer(rec []byte) {
	account, name := rec[17:31], columns(rec, 47, 64)
	if len(f.payers) > 0 && string(account) == string(f.payers[:14]) && string(name) == string(f.payers[14:]) {
		return
	}
	f.payers = append(append(f.payers[:0], account...), name...)
	f.p.PayerAccount = f.recs.text(f.p.PayerAccount[:0], account)
	f.p.PayerName = f.recs.text(f.p.PayerName[:0], name)
	f.s.payer(f.p.PayerName, f.p.PayerAccount)
	if !bacsText(f.p.PayerName) {
		f.strange()
	}
}

func (f *bacsFile) strange() {
	if f.s.finds("characters") {
		f.s.finding("characters", f.recs.where(), "a text has characters other than A to Z, 0 to 9, blank, . & / and -")
	}
}

// bacsText tells whether b is of the characters that Bacs takes.
func bacsText(b []byte) bool {
	for i := 0; i < len(b) && len(b) >= 8; i += 8 {
		w := binary.LittleEndian.Uint64(b[min(i, len(b)-8):])
		if w&highBits != 0 || (ranged(w, 'A', 'Z')|ranged(w, '-', '9')|ranged(w, ' ', ' ')|ranged(w, '&', '&'))&highBits != highBits {
			return false
		}
	}
	if len(b) >= 8 {
		return true
	}
	for _, c := range b {
		if !upper(c) && !digit(c) && c != ' ' && (c < '-' || c > '/') && c != '&' {
			return false
		}
	}
	return true
}

// close takes UTL1, which ends a file.
func (f *bacsFile) close(rec []byte) {
	var says bacsSums
	debits, ok := number(columns(rec, 5, 17))
	credits, ok2 := number(columns(rec, 18, 30))
	var ok3, ok4 bool
	says.debitsCount, ok3 = number(columns(rec, 31, 37))
	says.creditsCount, ok4 = number(columns(rec, 38, 44))
	if !ok || !ok2 || !ok3 || !ok4 || len(rec) < 44 {
		f.s.malformed("record %d, a UTL1, has something other than digits in its totals", f.recs.n)
		return
	}
	says.debits, says.credits = AmountFromMinor(debits, 2), AmountFromMinor(credits, 2)
	if says.wrong(f.part) && f.slot == 0 {
		who := "it"
		if f.files > 1 {
			who = fmt.Sprintf("file %d of the submission", f.files)
		}
		f.s.mismatch(&f.slot, fmt.Sprintf("%s says %s, but holds %s", who, says, f.part))
	}
	if f.contra && f.part.debits.Cmp(f.part.credits) != 0 && f.s.finds("contra-mismatch") {
		f.s.finding("contra-mismatch", f.recs.where(), "its contra records do not balance the others: debits %s, credits %s", f.part.debits, f.part.credits)
	}
	all, err := f.said.debits.Add(says.debits)
	all2, err2 := f.said.credits.Add(says.credits)
	if err != nil || err2 != nil {
		f.s.malformed("its sum has too many digits")
		return
	}
	f.said = bacsSums{all, all2, f.said.debitsCount + says.debitsCount, f.said.creditsCount + says.creditsCount}
	f.s.facts.Declared = f.said.String()
}

// finish enters what makes two files the same business.
func (f *bacsFile) finish() {
	facts := &f.s.facts
	facts.BusinessKey = strings.Join([]string{facts.Format, f.serviceNo, facts.MessageID, facts.CreatedAt, fmt.Sprint(facts.Payments),
		f.said.debits.String(), f.said.credits.String()}, "\x1f")
}
