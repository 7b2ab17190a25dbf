package formats

import "fmt"

// Handing over EDIFACT payments, and what ends with them; see edipay.go.

func (f *ediFile) where() string {
	return fmt.Sprintf("segment %d, message %d, line %d, payment %d", f.n, f.messages, f.lines, f.count)
}

// endPayment hands over the payment that SEQ began.
func (f *ediFile) endPayment() {
	if f.level != 'C' {
		return
	}
	p := &f.p
	if !f.priced() {
		return
	}
	owner, other := &f.payer, &f.payee
	p.PayerName, p.PayerAccount, p.PayeeName, p.PayeeAccount = owner.who(), owner.account, other.who(), other.account
	if f.kind == "FINSTA" && p.Amount.Sign() >= 0 {
		p.PayerName, p.PayerAccount, p.PayeeName, p.PayeeAccount = other.who(), other.account, owner.who(), owner.account
	}
	date := &f.date
	if date.rank == 0 {
		date = &f.lineDate
	}
	if p.ExecutionDate = nil; date.rank > 0 {
		p.ExecutionDate = date.date
	}
	p.EndToEndID, p.Reference = f.id, f.remitted.text
	if f.kind == "PAYMUL" && len(p.ExecutionDate) > 0 && string(p.ExecutionDate) < f.s.today && f.s.finds("date-past") {
		f.s.finding("date-past", f.where(), "the execution date %s has passed", p.ExecutionDate)
	}
	f.s.executes(p.ExecutionDate)
	f.s.payer(owner.who(), owner.account)
	f.s.payment(p)
}

// priced gives the payment its amount, and adds that to the sums; false when the file is malformed.
func (f *ediFile) priced() bool {
	p, n := &f.p, f.s.facts.Payments+1
	p.Amount, p.Currency = f.amount.amount, f.amount.currency
	if f.amount.rank == 0 {
		p.Amount, p.Currency = Amount{}, nil
		f.mixed = true
		if f.kind == "PAYMUL" {
			f.s.malformed("payment %d has no amount", n)
		} else {
			f.s.notes("no-amount", f.where(), "the payment has no amount, so it only counts")
		}
		return f.kind != "PAYMUL"
	}
	if len(p.Currency) == 0 {
		if p.Currency = f.ownCurrency; len(f.line.currency) > 0 && f.line.rank > 0 {
			p.Currency = f.line.currency
		}
	}
	switch {
	case len(p.Currency) == 0 && f.kind != "FINSTA" || len(p.Currency) > 3:
		f.s.malformed("payment %d has no currency, or none of three letters", n)
		return false
	case len(p.Currency) == 0:
		f.s.notes("no-currency", f.where(), "the payment has no currency, so it only counts")
	case !validCurrency(p.Currency) && f.s.finds("currency-shape"):
		f.s.finding("currency-shape", f.where(), "%q is not a currency code", p.Currency)
	}
	if f.kind == "FINSTA" {
		f.mixed = f.mixed || string(p.Currency) != string(f.opening.currency) || f.amount.rank == 4 // 349: not yet booked
	} else {
		f.mixed = f.mixed || string(p.Currency) != string(f.line.currency) || f.amount.rank != f.line.rank
		if p.Amount.Sign() < 0 {
			f.s.malformed("the amount of payment %d is negative", n)
			return false
		}
	}
	var err, err2 error
	f.sum, err = f.sum.Add(p.Amount)
	f.hash, err2 = f.hash.Add(p.Amount)
	if err != nil || err2 != nil {
		f.s.malformed("its sum has too many digits")
	}
	return err == nil && err2 == nil
}

// endLine ends the line that LIN began, and its last payment.
func (f *ediFile) endLine() {
	f.endPayment()
	if f.s.closed || f.level != 'B' && f.level != 'C' {
		return
	}
	empty := f.level == 'B'
	f.level, f.aside = 'Y', false // between two lines
	if f.kind == "FINSTA" {
		f.s.payer(f.payer.who(), f.payer.account)
		f.checkBalance()
		return
	}
	if empty {
		f.s.notes("line-empty", f.where(), "line %d has no payments", f.lines)
	}
	l := &f.line
	switch {
	case l.rank == 0 || l.amount.IsZero() || empty && f.kind == "DEBMUL":
		return
	case f.mixed:
		f.s.notes("currencies-mixed", f.where(), "the sum of line %d and its payments are not all in one currency or of one kind, so it proves nothing", f.lines)
		return
	case l.amount.Cmp(f.sum) == 0:
		return
	}
	detail := fmt.Sprintf("line %d of message %d says %s, but its payments make up %s", f.lines, f.messages, l.amount, f.sum)
	if f.kind == "PAYMUL" {
		f.differs("%s", detail)
	} else {
		f.s.notes("line-total", f.where(), "%s", detail)
	}
}

// checkBalance compares a statement's balances with what it holds.
func (f *ediFile) checkBalance() {
	a, b := &f.opening, &f.closing
	if a.rank == 0 || b.rank == 0 || f.mixed || string(a.currency) != string(b.currency) {
		return
	}
	if sum, err := a.amount.Add(f.sum); err != nil || sum.Cmp(b.amount) != 0 {
		f.s.notes("balance-mismatch", f.where(), "line %d opens with %s and closes with %s, but its entries make up %s", f.lines, a.amount, b.amount, f.sum)
	}
}

// control takes CNT.
func (f *ediFile) control(g *ediSegment) {
	f.endLine()
	if f.s.closed {
		return
	}
	f.level = 'Z'
	says, err := f.number(g.at(1, 2))
	qualifier := string(g.at(1, 1))
	n, scale, ok := says.Minor()
	whole := err == nil && ok && scale == 0
	d := &f.declared
	switch qualifier {
	case "39", "SEQ":
		if d.hasCount = whole; !whole || n != f.count {
			f.wrongControl(whole, says, "payment", "payments", f.count)
		}
		d.count += n
	case "2", "LIN", "LI":
		if d.hasLines = whole; !whole || n != f.lines {
			f.wrongControl(whole, says, "line", "lines", f.lines)
		}
		d.lines += n
	case "1":
		if err != nil || says.Cmp(f.hash) != 0 {
			f.s.notes("control-total", fmt.Sprintf("message %d", f.messages), "CNT+1 says %q, but the amounts make up %s", g.at(1, 2), f.hash)
		}
	}
}

func (f *ediFile) wrongControl(whole bool, says Amount, one, many string, holds int64) {
	if !whole {
		f.s.malformed("segment %d, CNT, does not hold a number", f.n)
		return
	}
	if says.Cmp(AmountFromMinor(1, 0)) == 0 {
		many = one
	}
	f.differs("message %d says %s %s, but holds %d", f.messages, says, many, holds)
}
