package formats

import (
	"bytes"
	"fmt"
	"strings"
)

// The messages PAYMUL (multiple payment order), DEBMUL (multiple debit advice) and FINSTA (financial statement of an
// account), UNTDID D.96A. Level A is the message, level B a line, from LIN on (segment group 4), level C a payment, from
// SEQ on (group 11 of PAYMUL, 10 of DEBMUL, 6 of FINSTA). Of the segments, elements from 1, components behind a colon:
//
//	LIN, SEQ  begin a line and a payment
//	MOA  1 qualifier:amount:currency; the first of these qualifiers that a payment has is its amount, else the first other:
//	     PAYMUL 9, 57; DEBMUL 60, 9, 98, 36; FINSTA 348, 60, 323, 349, 9. On level B, the sum of the line's payments, and in
//	     FINSTA the balances: 315 opening, 343 closing
//	DTM  1 qualifier:date:format, of the payment or else of its line; PAYMUL 203, 209; DEBMUL 202, 193, 209, 203; FINSTA 202, 179, 209
//	RFF  1 qualifier:reference: the end-to-end reference is the payment's CR, else PQ, else the first; AFO is the payee's
//	FII  1 party (OR ordering: payer; BF beneficiary: payee; AS account of FINSTA), 2 account:holder:holder:currency,
//	     3 bank:code list; the holder's name goes before that of NAD
//	NAD  1 party (OY, PL, HQ, AC payer and account owner; BE, PE payee), 3 lines, 4 name
//	FTX  1 qualifier, 4 texts: PMD is the remittance, others count where there is none, those behind INP and GIS never
//	DOC  2 number of a document, a remittance where there is no text
//	CNT  1 qualifier:value, on level A: 39 or SEQ the payments, 2 or LIN the lines, 1 the sum of all amounts
//	BGM  3 function: 1 cancels, 7 is a duplicate
//
// Behind INP, GIS, PRC, DOC, AJT or DLI, MOA, DTM and RFF belong to a part of the payment. All others are passed over; PAI
// says how a payment is made, and has no text.
//
// In PAYMUL, a line's sum that is in the currency of all its payments, and not 0, must be right; in DEBMUL it may hold
// charges, so that a difference is a finding, as is one of FINSTA's balances, and of CNT+1, which banks use in several ways.
// FINSTA has both directions: an amount below 0 is drawn from the account.

// ediRanks say which qualifiers count, the first before the others.
type ediRanks struct{ amounts, dates []string }

func ediRanksOf(kind string) ediRanks {
	switch kind {
	case "DEBMUL":
		return ediRanks{[]string{"60", "9", "98", "36"}, []string{"202", "193", "209", "203"}}
	case "FINSTA":
		return ediRanks{[]string{"348", "60", "323", "349", "9"}, []string{"202", "179", "209"}}
	}
	return ediRanks{[]string{"9", "57"}, []string{"203", "209"}}
}

// rank is the place of a qualifier, from 1; one more than the last for others.
func rank(list []string, qualifier []byte) int {
	for i, q := range list {
		if q == string(qualifier) {
			return i + 1
		}
	}
	return len(list) + 1
}

// ediAmount is an MOA, or the best of several.
type ediAmount struct {
	amount   Amount
	currency []byte // kept from payment to payment
	rank     int    // 0: none yet
}

// ediDate is a DTM, or the best of several.
type ediDate struct {
	date []byte
	rank int
}

// ediParty is an account's holder, or whoever NAD names.
type ediParty struct{ account, holder, name []byte }

func (p *ediParty) clear() {
	p.account, p.holder, p.name = p.account[:0], p.holder[:0], p.name[:0]
}

func (p *ediParty) who() []byte {
	if len(p.holder) > 0 {
		return p.holder
	}
	return p.name
}

// ediDeclared is what messages say of themselves.
type ediDeclared struct {
	count, lines       int64
	hasCount, hasLines bool
}

func (d ediDeclared) String() string {
	var parts []string
	if d.hasCount {
		parts = append(parts, payments(d.count))
	}
	if d.hasLines {
		parts = append(parts, counted(d.lines, "line", "lines"))
	}
	return strings.Join(parts, ", ")
}

// ediMessage is the message that is being read.
type ediMessage struct {
	read         bool // its type is the one of the file
	ranks        ediRanks
	level        byte  // 'A', 'B', 'C'; 'Z' behind the lines
	aside        bool  // in a part of a payment, see the head of this file
	others       bool  // that part is INP or GIS, whose texts are for banks and authorities
	lines, count int64 // of the message
	hash         Amount
	mixed        bool // not all of the line's payments are in its sum's currency
	sum          Amount
	line         ediAmount
	opening      ediAmount
	closing      ediAmount
	lineDate     ediDate
	owner        []byte // who level A says the payer is
	payer        ediParty
	ownCurrency  []byte // of the payer's account
	declared     ediDeclared

	amount     ediAmount
	date       ediDate
	payee      ediParty
	id         []byte
	idRank     int
	remitted   remitted
	textRank   int
	p          Payment
	words      []byte // scratch
	digitsOnly []byte // scratch: an amount with a point
}

func (f *ediFile) beginMessage() {
	f.level, f.lines, f.count, f.hash = 'A', 0, 0, Amount{}
	f.owner = f.owner[:0]
}

// content takes a segment of a message.
func (f *ediFile) content(g *ediSegment) {
	switch string(g.raw[:3]) {
	case "MOA":
		if !f.aside {
			f.money(g)
		}
	case "DTM":
		if !f.aside {
			f.day(g)
		}
	case "RFF":
		if !f.aside && f.level == 'C' {
			f.refer(g)
		}
	case "FII":
		f.institution(g)
	case "NAD":
		f.nameAndAddress(g)
	case "FTX":
		f.freeText(g)
	case "DOC":
		f.aside, f.others = f.level == 'C', false
		if f.aside {
			f.words = f.text(f.words[:0], g.at(2, 1))
			f.remitted.structured(f.words)
		}
	case "PRC", "AJT", "DLI":
		f.aside, f.others = true, false
	case "INP", "GIS":
		f.aside, f.others = true, true
	case "SEQ":
		f.sequence(g)
	case "LIN":
		f.s.facts.Batches++
		f.openLine(g)
	case "CNT":
		f.control(g)
	case "BGM":
		switch string(g.at(3, 1)) {
		case "1", "7":
			f.s.notes("message-function", fmt.Sprintf("message %d", f.messages), "the message is marked as a cancellation (1) or a duplicate (7): %q", g.at(3, 1))
		}
	}
}

func (f *ediFile) openLine(g *ediSegment) {
	if f.level == 'Z' {
		f.misplaced(g)
		return
	}
	f.endLine()
	f.level, f.aside, f.others, f.mixed = 'B', false, false, false
	f.lines++
	f.sum = Amount{}
	f.line.rank, f.opening.rank, f.closing.rank, f.lineDate.rank = 0, 0, 0, 0
	f.payer.clear()
	f.payer.name = append(f.payer.name, f.owner...)
	f.ownCurrency = f.ownCurrency[:0]
}

func (f *ediFile) sequence(g *ediSegment) {
	if f.level != 'B' && f.level != 'C' {
		f.misplaced(g)
		return
	}
	f.endPayment()
	f.level, f.aside, f.others = 'C', false, false
	f.count++
	f.amount.rank, f.date.rank, f.idRank, f.textRank = 0, 0, 0, 0
	f.id = f.id[:0]
	f.payee.clear()
	f.remitted.clear()
}

// number makes an amount of digits with a point or a comma; both are allowed, whatever UNA says.
func (f *ediFile) number(field []byte) (Amount, error) {
	field = bytes.Trim(field, " ")
	if i := bytes.IndexByte(field, ','); i >= 0 {
		f.digitsOnly = append(f.digitsOnly[:0], field...)
		f.digitsOnly[i] = '.'
		field = f.digitsOnly
	}
	return parseAmount(field, 18, 6)
}

// money takes MOA.
func (f *ediFile) money(g *ediSegment) {
	qualifier, field := g.at(1, 1), g.at(1, 2)
	into := &f.amount
	switch {
	case f.level != 'B' && f.level != 'C' || len(bytes.Trim(field, " ")) == 0:
		return
	case f.level == 'C':
	case f.kind != "FINSTA":
		into = &f.line
	case string(qualifier) == "315" && f.opening.rank == 0:
		into = &f.opening
	case string(qualifier) == "343" && f.closing.rank == 0:
		into = &f.closing
	default:
		return
	}
	rank := rank(f.ranks.amounts, qualifier)
	if into.rank > 0 && into.rank <= rank {
		return
	}
	amount, err := f.number(field)
	if err != nil {
		f.s.malformed("the amount of segment %d, MOA, is not one number with at most 18 digits and 6 decimals", f.n)
		return
	}
	into.amount, into.rank, into.currency = amount, rank, append(into.currency[:0], bytes.Trim(g.at(1, 3), " ")...)
}

// day takes DTM.
func (f *ediFile) day(g *ediSegment) {
	into := &f.date
	if f.level == 'B' && f.kind != "FINSTA" {
		into = &f.lineDate
	} else if f.level != 'C' {
		return
	}
	rank := rank(f.ranks.dates, g.at(1, 1))
	if rank > len(f.ranks.dates) || into.rank > 0 && into.rank <= rank {
		return
	}
	field, ok := g.at(1, 2), false
	if len(field) == 0 {
		return
	}
	if into.date, ok = ediDay(into.date[:0], field); !ok {
		f.s.notes("date-shape", f.where(), "%q is not a date", field)
	}
	into.rank = rank
}

// refer takes RFF of a payment.
func (f *ediFile) refer(g *ediSegment) {
	rank, value := 3, g.at(1, 2)
	switch string(g.at(1, 1)) {
	case "CR":
		rank = 1
	case "PQ":
		rank = 2
	case "AFO":
		f.words = f.text(f.words[:0], value)
		f.remitted.structured(f.words)
		return
	}
	if f.idRank == 0 || rank < f.idRank {
		f.id, f.idRank = f.text(f.id[:0], value), rank
	}
}

// institution takes FII.
func (f *ediFile) institution(g *ediSegment) {
	var into *ediParty
	switch string(g.at(1, 1)) {
	case "OR", "AS":
		if into = &f.payer; f.level != 'B' {
			return // a payment is drawn from the account of its line
		}
		f.ownCurrency = append(f.ownCurrency[:0], g.at(2, 4)...)
	case "BF":
		if into = &f.payee; f.level != 'C' {
			return
		}
	default:
		return
	}
	into.account = f.text(into.account[:0], g.at(2, 1))
	into.holder = f.text(into.holder[:0], g.at(2, 2))
	f.checkAccount(into.account)
	if bank := g.at(3, 1); string(g.at(3, 2)) == "25" && len(bank) > 0 && !validBIC(bank) && f.s.finds("bic-shape") {
		f.s.finding("bic-shape", f.where(), "the BIC %q does not have a BIC's shape", bank)
	}
}

// checkAccount judges what looks like an IBAN.
func (f *ediFile) checkAccount(b []byte) {
	if len(b) >= 15 && upper(b[0]) && upper(b[1]) && digit(b[2]) && digit(b[3]) && !validIBAN(b) && f.s.finds("iban-check-digits") {
		f.s.finding("iban-check-digits", f.where(), "the IBAN %q is not valid", b)
	}
}

// nameAndAddress takes NAD.
func (f *ediFile) nameAndAddress(g *ediSegment) {
	var into *ediParty
	switch string(g.at(1, 1)) {
	case "OY", "PL", "HQ", "AC":
		into = &f.payer
	case "BE", "PE":
		if into = &f.payee; f.level != 'C' {
			return
		}
	default:
		return
	}
	if f.aside || len(into.name) > 0 && f.level == 'C' && into == &f.payer {
		return
	}
	name := g.at(4, 1)
	if len(name) == 0 {
		name = g.at(3, 1)
	}
	if f.level == 'A' {
		f.owner = f.text(f.owner[:0], name)
		return
	}
	into.name = f.text(into.name[:0], name)
}

// freeText takes FTX.
func (f *ediFile) freeText(g *ediSegment) {
	if f.level != 'C' || f.others {
		return
	}
	rank := 2
	if string(g.at(1, 1)) == "PMD" {
		rank = 1
	}
	switch {
	case f.textRank > 0 && rank > f.textRank:
		return
	case rank < f.textRank:
		f.remitted.clear()
	}
	f.textRank = rank
	for i := uint8(1); i <= 5; i++ {
		if part := g.at(4, i); len(part) > 0 {
			f.words = f.text(f.words[:0], part)
			f.remitted.free(f.words)
		}
	}
}
