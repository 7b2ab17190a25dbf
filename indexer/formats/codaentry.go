package formats

// Movements of CODA, see coda.go for the columns.

// movement takes 21, 22 and 23.
func (f *codaFile) movement(rec []byte) {
	switch kind := columns(rec, 2, 2); {
	case len(kind) == 0 || kind[0] < '1' || kind[0] > '3':
		f.s.malformed("record %d is of no type that this format knows", f.recs.n)
	case kind[0] == '1':
		f.entry(rec)
	case !f.pending:
		f.s.malformed("record %d follows no movement", f.recs.n)
	case f.detail:
	case kind[0] == '2':
		f.describe(columns(rec, 11, 63))
		if id := columns(rec, 64, 98); !allBlank(id) {
			f.id = f.recs.text(f.id[:0], id)
		}
	default:
		f.where = f.recs.text(f.where[:0], columns(rec, 11, 44))
		f.party = f.recs.text(f.party[:0], columns(rec, 48, 82))
		f.checkIBAN(f.where)
		f.describe(columns(rec, 83, 125))
	}
}

// entry takes 21: a new entry, or a detail of the one before it.
func (f *codaFile) entry(rec []byte) {
	amount, ok := f.amount(rec, 32)
	if !ok {
		f.s.malformed("the amount of record %d is not 15 digits with a sign", f.recs.n)
		return
	}
	detail := columns(rec, 7, 10)
	if f.detail = string(detail) != "0000"; f.detail {
		if !f.pending || !digits(detail) {
			f.s.malformed("record %d is a detail of no movement", f.recs.n)
		}
		return
	}
	f.flush()
	f.debit = rec[31] == '1'
	to, magnitude := &f.part.credits, amount
	if f.debit {
		to, magnitude = &f.part.debits, amount.Neg()
	}
	sum, err := to.Add(magnitude)
	balance, err2 := f.balance.Add(amount)
	if err != nil || err2 != nil {
		f.s.malformed("its sum has too many digits")
		return
	}
	*to, f.balance, f.pending, f.p.Amount = sum, balance, true, amount
	f.id = f.recs.text(f.id[:0], columns(rec, 11, 31))
	f.party, f.where = f.party[:0], f.where[:0]
	f.day(rec)
	f.text = append(f.text[:0], columns(rec, 63, 115)...)
	kind := columns(rec, 62, 62)
	if f.structured = len(kind) > 0 && kind[0] == '1'; f.structured {
		f.structure()
	}
}

// day is the value date of a movement, or else the entry date.
func (f *codaFile) day(rec []byte) {
	var ok bool
	field := columns(rec, 48, 53)
	if string(field) == "000000" {
		field = columns(rec, 116, 121)
	}
	if f.date, ok = dayDMY(f.date[:0], field); !ok {
		f.noDate(field)
	}
}

// structure reduces a structured text to its number, if it is one of the Belgian kind: 10 digits and their rest mod 97.
func (f *codaFile) structure() {
	if len(f.text) < 15 || string(f.text[:3]) != "101" && string(f.text[:3]) != "102" {
		return
	}
	f.text = append(f.text[:0], f.text[3:15]...)
	n, ok := number(f.text[:10])
	rest, ok2 := number(f.text[10:])
	if n %= 97; n == 0 {
		n = 97
	}
	if (!ok || !ok2 || n != rest) && f.s.finds("communication-check-digits") {
		f.s.finding("communication-check-digits", f.recs.where(), "the structured communication %q is not valid", f.text)
	}
}

// describe adds to the text of a movement; a structured one is whole already.
func (f *codaFile) describe(text []byte) {
	if !f.structured && !allBlank(text) && len(f.text) < 2*codaSize {
		f.text = append(f.text, text...)
	}
}

// flush hands over the entry that waits for its records.
func (f *codaFile) flush() {
	if !f.pending {
		return
	}
	f.pending = false
	p := &f.p
	p.EndToEndID, p.ExecutionDate = f.id, f.date
	p.Reference = squeeze(latin(p.Reference[:0], f.text))
	p.PayerName, p.PayerAccount, p.PayeeName, p.PayeeAccount = f.party, f.where, f.name, f.account
	if f.debit {
		p.PayerName, p.PayerAccount, p.PayeeName, p.PayeeAccount = f.name, f.account, f.party, f.where
	}
	f.s.executes(f.date)
	f.s.payment(p)
}
