package formats

// Amounts and entries of BAI2, see bai2.go for their fields.

// decimalsOf is how many decimals amounts of a currency have (ISO 4217).
func decimalsOf(currency []byte) uint8 {
	switch string(currency) {
	case "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF":
		return 0
	case "BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND":
		return 3
	case "CLF", "UYW":
		return 4
	}
	return 2
}

// amounts takes a field of an entry, or of an account's list of amounts.
func (f *baiFile) amounts(field []byte) {
	switch f.step {
	case baiType:
		code, ok := number(field)
		if f.step = baiAmount; ok && len(field) <= 3 || len(field) == 0 && f.kind == 3 {
			f.code = code
			return
		}
		f.s.malformed("a type code in record %d is not of three digits", f.n)
	case baiAmount:
		f.amount(field)
		if f.step = baiItems; f.kind == 16 {
			f.step = baiFunds
		}
	case baiItems:
		f.step = baiFunds
	case baiFunds:
		f.funds(field)
	case baiDays:
		n, ok := number(field)
		if f.step = baiExtra; !ok && len(field) > 0 || n > 99 {
			f.s.malformed("the number of days of a funds type in record %d is not of two digits", f.n)
			return
		}
		if f.extra = 2 * int(n); f.extra == 0 {
			f.funded()
		}
	case baiExtra:
		if f.extra--; f.extra == 0 {
			f.funded()
		}
	case baiBank:
		f.bank, f.step = latin(f.bank[:0], field), baiCustomer
	case baiCustomer:
		f.customer, f.step = latin(f.customer[:0], field), baiReference
	}
}

// funds takes a funds type, and expects the fields that come with it.
func (f *baiFile) funds(field []byte) {
	kind := byte('Z')
	if len(field) == 1 {
		kind = field[0]
	}
	switch kind {
	case 'V', 'v':
		f.step, f.extra = baiExtra, 2
		return
	case 'S', 's':
		f.step, f.extra = baiExtra, 3
		return
	case 'D', 'd':
		f.step = baiDays
		return
	}
	f.funded()
	switch {
	case len(field) == 0 || len(field) == 1 && (kind >= '0' && kind <= '2' || kind == 'Z' || kind == 'z'):
	case f.kind == 3 && f.began == 88 && (len(field) == 2 || len(field) == 3) && digits(field):
		f.amounts(field) // a funds type without its comma was left out at the end of the record before
	case f.s.finds("funds-type"):
		f.s.finding("funds-type", f.where(), "%+q is not a funds type", field)
	}
}

// funded is behind a funds type and its fields.
func (f *baiFile) funded() {
	if f.step = baiType; f.kind == 16 {
		f.step = baiBank
	}
}

// baiDirection is 0 for the type codes of credits, 1 for those of debits, -1 for others: status, loans' balances, texts.
func baiDirection(code int64) int {
	switch {
	case code >= 100 && code < 400, code >= 720 && code < 760, code >= 920 && code < 960:
		return 0
	case code >= 400 && code < 700, code >= 760 && code < 800, code >= 960:
		return 1
	}
	return -1
}

// amount takes an amount: of an entry, or of a list.
func (f *baiFile) amount(field []byte) {
	bare, negative := field, false
	if len(bare) > 0 && (bare[0] == '-' || bare[0] == '+') {
		bare, negative = bare[1:], bare[0] == '-'
	}
	minor, ok := number(bare)
	if !ok && len(field) > 0 {
		f.s.malformed("an amount in record %d is not at most 18 digits", f.n)
		return
	}
	if negative {
		minor = -minor
	}
	var err error
	if f.account.sum, err = f.account.sum.Add(AmountFromMinor(minor, 0)); err != nil {
		f.s.malformed("its sum has too many digits")
		return
	}
	if f.kind == 3 {
		if d := baiDirection(f.code); (f.code == 100 || f.code == 400) && len(field) > 0 {
			f.summary[d].has, f.summary[d].sum = true, AmountFromMinor(minor, 0)
		}
		return
	}
	f.entry(minor)
}

// entry begins the payment of an entry that has one.
func (f *baiFile) entry(minor int64) {
	f.bank, f.customer, f.text = f.bank[:0], f.customer[:0], f.text[:0]
	p, d := &f.p, baiDirection(f.code)
	if d < 0 {
		if f.code != 890 && f.s.finds("entry-type") { // 890 is a text alone
			f.s.finding("entry-type", f.where(), "the type code %03d is of no credit and no debit, so it is not counted as a payment", f.code)
		}
		return
	}
	f.pending = true
	sum := &f.detail[d]
	sum.count++
	sum.sum, _ = sum.sum.Add(AmountFromMinor(minor, 0)) // the account's sum has room for it
	p.Amount = AmountFromMinor(minor, f.decimals)
	p.PayerAccount, p.PayeeAccount = nil, f.number
	if d == 1 {
		p.Amount = p.Amount.Neg()
		p.PayerAccount, p.PayeeAccount = f.number, nil
	}
}

// more takes a part of a text; fresh: it stands on a line of its own.
func (f *baiFile) more(b []byte, fresh bool) {
	if !allBlank(b) {
		f.texty = true
	}
	if len(f.text) < baiText {
		if fresh && len(f.text) > 0 {
			f.text = append(f.text, ' ')
		}
		f.text = append(f.text, b[:min(len(b), baiText)]...)
	}
}

// flush hands over the entry that waits for its continuations.
func (f *baiFile) flush() {
	if !f.pending {
		return
	}
	f.pending = false
	p := &f.p
	if p.EndToEndID = f.customer; len(f.customer) == 0 {
		p.EndToEndID = f.bank
	}
	p.ExecutionDate = f.date
	p.Reference = squeeze(latin(p.Reference[:0], f.text))
	f.s.executes(f.date)
	f.s.payment(p)
}
