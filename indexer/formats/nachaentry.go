package formats

// Entries and addenda of NACHA, see nacha.go for the columns.

// entry takes an entry, which is handed over only behind its addenda: they may hold its name and reference.
func (f *nachaFile) entry(rec []byte) {
	x, p := &f.batch, &f.p
	x.sums.entries++
	debit, ok := f.direction(columns(rec, 2, 3))
	if !ok {
		return
	}
	first, account := 30, columns(rec, 13, 29)
	if x.adv {
		first, account = 28, columns(rec, 13, 27)
	}
	minor, ok := number(columns(rec, first, 39))
	if !ok || len(rec) < 39 {
		f.s.malformed("the amount of payment %d, record %d, is not %d digits", f.s.facts.Payments+1, f.recs.n, 40-first)
		return
	}
	f.checkRouting(columns(rec, 4, 12), "receiving bank")
	if routing, ok := number(columns(rec, 4, 11)); ok {
		x.sums.hash += routing
	}
	if !f.sum(minor, debit) {
		return
	}
	id, name := columns(rec, 40, 54), columns(rec, 55, 76)
	switch string(x.sec) {
	case "IAT":
		account, id, name = columns(rec, 40, 74), nil, nil
	case "ADV":
		id = nil
	case "CTX", "ATX", "ENR", "TRX":
		name = columns(rec, 59, 74)
	case "CIE", "MTE":
		id, name = name, id
	}
	if len(id) == 0 || allBlank(id) {
		id = columns(rec, 80, 94)
	}
	p.EndToEndID = f.recs.text(p.EndToEndID[:0], id)
	p.PayeeName = f.recs.text(p.PayeeName[:0], name)
	p.PayeeAccount = f.recs.text(p.PayeeAccount[:0], account)
	p.Reference = append(p.Reference[:0], x.about...)
	p.ExecutionDate = x.date
	f.pending, f.addenda = true, 0
	c := columns(rec, 79, 79)
	f.promised = len(c) > 0 && c[0] == '1'
}

// direction reads a transaction code: of account entries the second digit is 0 to 4 for a credit, of ADV it is odd.
func (f *nachaFile) direction(code []byte) (debit, ok bool) {
	if len(code) < 2 || !digit(code[1]) || (code[0] != '8') != !f.batch.adv || (code[0] < '2' || code[0] > '5') && code[0] != '8' {
		f.s.malformed("the transaction code of payment %d, record %d, is not known", f.s.facts.Payments+1, f.recs.n)
		return false, false
	}
	debit = code[1] >= '5'
	if f.batch.adv {
		debit = code[1]%2 == 0
	}
	if !nachaCode(int(code[0]-'0')*10+int(code[1]-'0')) && f.s.finds("transaction-code") {
		f.s.finding("transaction-code", f.recs.where(), "%q is not a transaction code", code)
	}
	if class := string(f.batch.class); (debit && class == "220" || !debit && class == "225") && f.s.finds("service-class") {
		f.s.finding("service-class", f.recs.where(), "the direction of payment %d is not that of its batch", f.s.facts.Payments+1)
	}
	return debit, true
}

// nachaCode tells whether the standard has the transaction code: checking, savings, general ledger, loan accounts, ADV.
func nachaCode(n int) bool {
	return n >= 20 && n <= 39 || n >= 41 && n <= 49 && n != 45 || n >= 51 && n <= 56 || n >= 81 && n <= 88
}

// sum adds an entry to its batch and gives the payment its amount.
func (f *nachaFile) sum(minor int64, debit bool) bool {
	to, amount := &f.batch.sums.credits, AmountFromMinor(minor, 2)
	f.p.Amount = amount
	if debit {
		to = &f.batch.sums.debits
		f.p.Amount = amount.Neg()
	}
	sum, err := to.Add(amount)
	if err != nil {
		f.s.malformed("its sum has too many digits")
		return false
	}
	*to = sum
	return true
}

// addendum takes a record that tells more of the entry before it.
func (f *nachaFile) addendum(rec []byte) {
	if !f.pending {
		f.s.malformed("record %d, an addenda record, follows no entry", f.recs.n)
		return
	}
	f.batch.sums.entries++
	f.addenda++
	p := &f.p
	switch kind := string(columns(rec, 2, 3)); {
	case !f.batch.iat && kind == "05" && f.addenda == 1, f.batch.iat && kind == "17":
		if text := columns(rec, 4, 83); !allBlank(text) {
			p.Reference = f.recs.text(p.Reference[:0], text)
		}
	case f.batch.iat && kind == "10":
		p.PayeeName = f.recs.text(p.PayeeName[:0], columns(rec, 47, 81))
	}
}

// flush hands over the entry that waits for its addenda.
func (f *nachaFile) flush() {
	if !f.pending {
		return
	}
	f.pending = false
	f.s.payment(&f.p)
	if f.promised != (f.addenda > 0) && f.s.finds("addenda-indicator") {
		f.s.finding("addenda-indicator", f.recs.where(), "payment %d says otherwise of its addenda, of which it has %d", f.s.facts.Payments, f.addenda)
	}
}
