package formats

import "unicode/utf8"

// Bankgirot Autogiro, what a payee sends: mandates, payments to collect or to pay out, changes of them. Source: Bankgirot,
// "Bg Autogiro, Teknisk manual", section 7, records of 80 characters, columns from 1:
//
//	01: 3-10 date written YYYYMMDD, 11-18 AUTOGIRO, 63-68 customer number, 69-78 payee's bankgiro
//	82 (collect), 32 (pay out): 3-10 date or GENAST, 11 period, 12-14 repeats, 16-31 payer number, 32-43 amount,
//	44-53 payee's bankgiro, 54-69 reference
//	03, 04, 05: mandates; 23 to 29: cancellations and changes. None of these is a payment.
//
// The format states no totals and has no end record: only a seal (bgseal.go) can say that a file is whole, by column 72 of
// its TK99. Without one, the file is taken for whole behind any record but TK01, if the record's line is ended or has all
// of its 80 columns. So a file that is not sealed and is cut exactly between two records cannot be told from a whole one.

// autogiroFile reads one Autogiro request.
type autogiroFile struct {
	bgRecords
	sections int64
	filled   bool // the section has a record
	owner    []byte
	ref      decoded // the text before
}

func lookAutogiro(prefix []byte) answer {
	_, a := bgLook(prefix, false, true, autogiroHead)
	return a
}

// autogiroHead tells requests from the older reports, which have 9900, for Bankgirot, behind AUTOGIRO.
func autogiroHead(b []byte) (shape bgShape, a answer) {
	if a = bgPattern(b, "0199999999AUTOGIRO????"); a != yes {
		return shape, a
	}
	if string(b[18:22]) == "9900" {
		return shape, no
	}
	shape.lines, a = bgLines(b, bgRecord)
	return shape, a
}

func openAutogiro(prefix []byte, s *sheet) reader {
	shape, _ := bgLook(prefix, false, true, autogiroHead)
	f := &autogiroFile{bgRecords: newBGRecords(s, shape)}
	f.each = f.record
	f.named("bg-autogiro", "")
	f.wantSeal()
	s.both, s.orders = true, true
	f.p.Currency = []byte("SEK")
	return f
}

func (f *autogiroFile) record(rec []byte) {
	code := code(rec)
	if f.sealRecord(rec, code, f.idle()) {
		return
	}
	if f.unsealed || f.sections == 0 && code != 1 {
		f.s.malformed("record %d stands outside of a section, which begins with TK01", f.records)
		return
	}
	f.filled = code != 1
	switch code {
	case 1:
		f.open(rec)
	case 82, 32:
		f.payment(rec, code)
	case 3, 4, 5, 23, 24, 25, 26, 27, 28, 29:
		if len(rec) < 12 {
			f.s.malformed("record %d is too short", f.records)
		}
	case 8: // a section's seal
	default:
		if !f.lines { // nothing but its code says where a record begins, and no total misses the payments behind one that slipped
			f.s.malformed("record %d is of no type that this format knows", f.records)
			return
		}
		f.unknown()
	}
}

// open begins a section with its TK01.
func (f *autogiroFile) open(rec []byte) {
	if len(rec) < 78 || string(columns(rec, 11, 18)) != "AUTOGIRO" {
		f.s.malformed("record %d, a TK01, is too short or not one of Autogiro", f.records)
		return
	}
	f.sections++
	f.s.facts.Batches++
	f.checkNumber(columns(rec, 69, 78), "bankgiro")
	f.owner = append(f.owner[:0], trim(columns(rec, 69, 78))...)
	f.s.payer(nil, f.owner)
	if f.sections == 1 {
		facts := &f.s.facts
		facts.CreatedAt = string(f.day(nil, columns(rec, 3, 10)))
		if facts.Initiator = string(f.text(nil, columns(rec, 63, 68))); facts.Initiator == "" {
			facts.Initiator = string(f.owner)
		}
	}
}

// payment takes TK82, which draws from the payer that the number stands for, and TK32, which pays to him.
func (f *autogiroFile) payment(rec []byte, code int) {
	ore, ok := number(columns(rec, 32, 43))
	if !ok || len(rec) < 53 {
		f.s.malformed("the amount of payment %d, record %d, is not 12 digits, or no bankgiro number follows", f.s.facts.Payments+1, f.records)
		return
	}
	p := &f.p
	other, bankgiro := bareNumber(columns(rec, 16, 31)), trim(columns(rec, 44, 53))
	if string(bankgiro) != string(f.owner) && f.s.finds("payee-differs") {
		f.s.finding("payee-differs", f.where(), "the payment names another bankgiro number than its TK01")
	}
	if code == 82 {
		p.Amount = AmountFromMinor(-ore, 2)
		p.PayerAccount, p.PayeeAccount = other, bankgiro
	} else {
		p.Amount = AmountFromMinor(ore, 2)
		p.PayerAccount, p.PayeeAccount = bankgiro, other
	}
	p.Reference = f.view(&f.ref, columns(rec, 54, 69))
	p.ExecutionDate = f.executionDate(columns(rec, 3, 10))
	f.s.payment(p)
}

// idle tells whether the file could end after the records so far, but for its seal.
func (f *autogiroFile) idle() bool { return f.sections > 0 && f.filled }

// whole: what is left without a line end is whole if it is a TK99, or where nothing is sealed and all columns are there.
func (f *autogiroFile) whole() bool {
	rest := f.rest()
	if len(rest) == 0 {
		return f.idle() && !f.sealOpen()
	}
	// A byte that is no UTF-8 counts as one character, which is what it is.
	full := utf8.RuneCount(f.carry) >= bgRecord || f.carry[len(f.carry)-1] == '\r'
	return full && !f.sealed && code(rest) != 1 || f.couldUnseal(rest, f.idle())
}

func (f *autogiroFile) end() {
	f.last()
	f.sameBusiness("bg-autogiro")
}
