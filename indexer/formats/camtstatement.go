package formats

import "fmt"

// statement is one Stmt, Rpt or Ntfctn: what it says of itself, and what it holds.
type statement struct {
	owner, account       []byte // slices are kept from one to the next
	paged                bool   // it is a page of several: nothing of it can be proven
	all, credits, debits tally
	net                  Amount
	hasNet               bool
	netSign              byte

	accountCurrency ccy
	currency        ccy  // of its entries
	entries, mixed  bool // it has some; in several currencies
	unsure          bool // an entry has a status that is not known here
	booked          Amount

	balance          balance // the one that is being read
	opening, closing balance
}

// tally is a part of TxsSummry against all entries, and against those that are booked.
type tally struct {
	claim
	bookedCount int64
	bookedSum   Amount
}

// balance is a Bal; as opening or closing one it has a number, of those that there are.
type balance struct {
	number   int
	kind     string // "OPBD", "CLBD", or "" for all that do not matter
	interim  bool
	amount   Amount
	has      bool
	sign     byte
	currency ccy
}

// ccy is a currency; the zero value stands for none and for what does not look like one.
type ccy [3]byte

func ccyOf(b []byte) (c ccy) {
	if validCurrency(b) {
		copy(c[:], b)
	}
	return c
}

func (c ccy) words() string {
	if c == (ccy{}) {
		return ""
	}
	return " " + string(c[:])
}

// signOf is 'C' for credit, 'D' for debit, '?' for anything else.
func signOf(text []byte) byte {
	switch string(text) {
	case "CRDT":
		return 'C'
	case "DBIT":
		return 'D'
	}
	return '?'
}

// statusOf is 'B' for booked, 'P' for what is not yet or never, '?' for what is not known here.
func statusOf(text []byte) byte {
	switch string(text) {
	case "BOOK":
		return 'B'
	case "PDNG", "INFO", "FUTR":
		return 'P'
	}
	return '?'
}

// end takes the leaves of balances and of TxsSummry.
func (o *statement) end(s *sheet, id int, text []byte) {
	switch id {
	case idAccountCurrency:
		o.accountCurrency = ccyOf(text)
	case idBalanceCode:
		switch string(text) {
		case "OPBD":
			o.balance.kind = "OPBD"
		case "CLBD":
			o.balance.kind = "CLBD"
		}
	case idBalanceSubType:
		o.balance.interim = true
	case idBalanceAmount:
		amount, err := isoDecimal(text, 5)
		if err != nil || amount.Sign() < 0 || o.balance.has {
			s.malformed("the amount of a balance is not one number with at most 18 digits and 5 decimals")
		}
		o.balance.amount, o.balance.has = amount, true
	case idBalanceSign:
		o.balance.sign = signOf(text)
	case idBalance:
		o.endBalance(s)
	case idAllCount:
		o.all.readCount(s, "NbOfNtries of its TtlNtries", text)
	case idAllSum:
		o.all.readSum(s, "Sum of its TtlNtries", text)
	case idCreditCount:
		o.credits.readCount(s, "NbOfNtries of its TtlCdtNtries", text)
	case idCreditSum:
		o.credits.readSum(s, "Sum of its TtlCdtNtries", text)
	case idDebitCount:
		o.debits.readCount(s, "NbOfNtries of its TtlDbtNtries", text)
	case idDebitSum:
		o.debits.readSum(s, "Sum of its TtlDbtNtries", text)
	case idNet:
		net, err := isoDecimal(text, 17)
		if err != nil {
			s.malformed("the net amount of its TtlNtries is not a decimal number")
		}
		o.net, o.hasNet = net, true
	case idNetSign:
		o.netSign = signOf(text)
	}
}

func (o *statement) endBalance(s *sheet) {
	b := o.balance
	if !b.has || b.sign != 'C' && b.sign != 'D' {
		s.malformed("a balance has no amount, or is neither credit nor debit")
		return
	}
	if b.sign == 'D' {
		b.amount = b.amount.Neg()
	}
	at := &o.opening
	switch {
	case b.interim || b.kind == "":
		return
	case b.kind == "CLBD":
		at = &o.closing
	}
	b.number = at.number + 1
	*at = b
}

// add adds an entry; sum says that a sum has too many digits.
func (o *statement) add(p *Payment, status byte) error {
	currency := ccyOf(p.Currency)
	o.mixed = o.mixed || currency == (ccy{}) || o.entries && currency != o.currency
	o.entries, o.currency = true, currency
	o.unsure = o.unsure || status == '?'
	booked := status == 'B' || status == 0
	side, size := &o.credits, p.Amount
	if size.Sign() < 0 {
		side, size = &o.debits, size.Neg()
	}
	if err := o.all.add(size, booked); err != nil {
		return err
	}
	if err := side.add(size, booked); err != nil {
		return err
	}
	if !booked {
		return nil
	}
	sum, err := o.booked.Add(p.Amount)
	o.booked = sum
	return err
}

func (t *tally) add(size Amount, booked bool) (err error) {
	t.counted++
	if t.summed, err = t.summed.Add(size); err == nil && booked {
		t.bookedCount++
		t.bookedSum, err = t.bookedSum.Add(size)
	}
	return err
}

// wrong tells whether the claim holds neither for all entries nor for those that are booked.
func (t *tally) wrong() bool {
	booked := t.claim
	booked.counted, booked.summed = t.bookedCount, t.bookedSum
	return t.claim.wrong() && booked.wrong()
}

// entry hands over the Ntry that has just ended.
func (r *camt) entry() {
	p, n := &r.tx, r.s.facts.Payments+1
	switch {
	case !r.hasAmount:
		r.s.malformed("payment %d has no amount", n)
		return
	case r.sign != 'C' && r.sign != 'D':
		r.s.malformed("payment %d is neither credit nor debit", n)
		return
	}
	p.PayerName, p.PayerAccount, p.PayeeName, p.PayeeAccount = r.debtor.name, r.debtor.account, r.of.owner, r.of.account
	if r.sign == 'D' {
		p.Amount = p.Amount.Neg()
		p.PayerName, p.PayerAccount, p.PayeeName, p.PayeeAccount = r.of.owner, r.of.account, r.creditor.name, r.creditor.account
	}
	p.ExecutionDate = r.date()
	if p.Reference = r.remitted.text; len(p.Reference) == 0 {
		p.Reference = r.more
	}
	r.checkCurrency()
	if r.of.add(p, r.status) != nil {
		r.s.malformed("its sum has too many digits")
		return
	}
	r.s.executes(p.ExecutionDate)
	r.s.payment(p)
}

// date is the booking date, or else the value date; empty if it is none.
func (r *camt) date() []byte {
	date := r.booked
	if len(date) == 0 {
		date = r.value
	}
	if len(date) == 0 || validDate(date) {
		return date
	}
	if r.s.finds("date-shape") {
		r.s.finding("date-shape", r.where("BookgDt or ValDt"), "%q is not a date", date)
	}
	return nil
}

func (r *camt) checkCurrency() {
	currency := r.tx.Currency
	switch c := ccyOf(currency); {
	case c == (ccy{}):
		if r.s.finds("currency-shape") {
			r.s.finding("currency-shape", r.where("Amt"), "%q is not a currency code", currency)
		}
	case r.of.accountCurrency != (ccy{}) && c != r.of.accountCurrency:
		if r.s.finds("currency-differs") {
			r.s.finding("currency-differs", r.where("Amt"), "the amount is in %s, the account in %s", currency, r.of.accountCurrency[:])
		}
	}
}

// check judges an IBAN or BIC of any party.
func (r *camt) check(id int, text []byte) {
	switch {
	case id == idBIC:
		if !validBIC(text) && r.s.finds("bic-shape") {
			r.s.finding("bic-shape", r.where("an agent"), "the BIC %q does not have a BIC's shape", text)
		}
	case !validIBAN(text) && r.s.finds("iban-check-digits"):
		where := "DbtrAcct"
		if id == idCreditorIBAN {
			where = "CdtrAcct"
		}
		r.s.finding("iban-check-digits", r.where(where), "the IBAN %q is not valid", text)
	}
}

// where says which payment is being read.
func (r *camt) where(what string) string {
	return fmt.Sprintf("%s in %s %d, payment %d", what, r.kind.statement, r.statements, r.s.facts.Payments+1)
}

// endStatement holds what the statement says of itself against what it holds.
func (r *camt) endStatement() {
	o := &r.of
	r.s.payer(o.owner, o.account)
	r.declare(&o.all.claim)
	currency, first := o.currency.words(), !r.wrong
	if o.mixed {
		currency = ""
		r.s.notes("currencies-mixed", fmt.Sprintf("%s %d", r.kind.statement, r.statements),
			"the amounts are not all in one currency, so sums prove nothing")
	}
	for _, part := range []struct {
		*tally
		word string
	}{{&o.all, ""}, {&o.credits, " credited"}, {&o.debits, " debited"}} {
		if part.wrong() {
			says, holds := part.words(currency)
			counts := part.claim
			counts.hasSum = false
			provable := !o.mixed || counts.wrong()
			r.differs(first, provable, fmt.Sprintf("%s %d says %s%s, but holds %s", r.kind.noun, r.statements, says, part.word, holds))
		}
	}
	r.checkBalance(first)
	r.checkNet()
}

// differs enters that a total is wrong: as a problem if that is proven and this is the first statement with one.
func (r *camt) differs(first, proven bool, detail string) {
	if !proven || r.of.paged {
		r.s.notes("totals-differ", fmt.Sprintf("%s %d", r.kind.statement, r.statements), "%s", detail)
		return
	}
	if r.wrong = true; first {
		r.s.mismatch(new(int), detail)
	}
}

func (r *camt) checkBalance(first bool) {
	o := &r.of
	if o.opening.number != 1 || o.closing.number != 1 || o.opening.currency != o.closing.currency || o.opening.currency == (ccy{}) ||
		o.mixed || o.unsure || o.entries && o.currency != o.opening.currency {
		return
	}
	sum, err := o.opening.amount.Add(o.booked)
	if err != nil || sum.Cmp(o.closing.amount) != 0 {
		c := o.opening.currency.words()
		r.differs(first, true, fmt.Sprintf("%s %d opens with %s%s and closes with %s%s, but its booked payments make up %s%s",
			r.kind.noun, r.statements, o.opening.amount, c, o.closing.amount, c, o.booked, c))
	}
}

// checkNet compares the net amount, with its sign apart or in it, with all entries and with the booked ones.
func (r *camt) checkNet() {
	o := &r.of
	if !o.hasNet || o.mixed {
		return
	}
	net := o.net
	if o.netSign == 'D' && net.Sign() > 0 {
		net = net.Neg()
	}
	all, err := o.credits.summed.Add(o.debits.summed.Neg())
	if err == nil && net.Cmp(all) != 0 && net.Cmp(o.booked) != 0 {
		r.s.notes("net-amount-differs", fmt.Sprintf("TtlNtries in %s %d", r.kind.statement, r.statements),
			"the net amount is given as %s, but the payments make up %s", net, all)
	}
}

// declare adds what the statement says to what all of them say.
func (r *camt) declare(c *claim) {
	d := &r.declared
	sum, err := d.sum.Add(c.sum)
	first := r.statements == 1
	d.hasCount, d.hasSum = c.hasCount && (first || d.hasCount), c.hasSum && (first || d.hasSum) && err == nil
	if d.count, d.sum = d.count+c.count, sum; d.count < 0 {
		d.hasCount = false
	}
}
