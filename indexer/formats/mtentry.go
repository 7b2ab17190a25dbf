package formats

import "bytes"

// Entries of MT940 and MT942: field 61, in this order
//
//	value date YYMMDD, perhaps an entry date MMDD (or four blanks), C, D, RC, RD (reversals of a credit and of a debit), or
//	EC, ED (expected), perhaps the funds code, which is the currency's last letter, the amount with a comma, a type of N, F
//	or S and three more, the customer's reference, perhaps "//" and the bank's; on a second line supplementary details
//
// and field 86 behind it, see mtdetails.go. An RC is a debit, of negative amount, and an RD a credit. A credit is paid by
// the counterparty, a debit by the account's holder.

// mtEntries reads the entries of one message.
type mtEntries struct {
	s        *sheet
	file     *mtFile
	account  []byte
	currency []byte
	tallies  [6]mtTally // of the message: debits, then credits, each plain, reversed, expected

	p       Payment
	pending bool
	in      mtIn // what a further line continues
	debit   bool
	date    []byte
	id      []byte
	extra   []byte // supplementary details
	text    []byte // field 86
	short   bool   // its last line was not full
	details mtDetails
}

type mtTally struct {
	count int64
	sum   Amount
}

// mtIn is a field that has further lines.
type mtIn int

const (
	mtInNothing mtIn = iota
	mtInEntry
	mtInDetails
)

// maxDetails is how much is kept of a field 86; the standard has six lines of 65 characters.
const maxDetails = 2048

// reset begins a message.
func (e *mtEntries) reset() {
	e.tallies, e.in = [6]mtTally{}, mtInNothing
	e.account, e.currency = e.account[:0], e.currency[:0]
}

// holder takes field 25.
func (e *mtEntries) holder(text []byte) {
	e.account = latin(e.account[:0], text)
	if a := e.account; len(a) > 18 && validCurrency(a[len(a)-3:]) { // an IBAN with its currency
		e.file.checkIBAN(trim(a[:len(a)-3]))
	} else {
		e.file.checkIBAN(a)
	}
	e.s.payer(nil, e.account)
}

// checkIBAN enters a finding about what looks like an IBAN and cannot be one.
func (f *mtFile) checkIBAN(account []byte) {
	if len(account) >= 15 && upper(account[0]) && upper(account[1]) && digits(account[2:4]) && !validIBAN(account) && f.s.finds("iban-check-digits") {
		f.s.finding("iban-check-digits", f.where(), "the IBAN %q is not valid", account)
	}
}

// entry takes field 61.
func (e *mtEntries) entry(b []byte) {
	e.flush()
	n := e.s.facts.Payments + 1
	if len(e.currency) == 0 {
		e.s.malformed("payment %d has no currency, as no balance stands before it", n)
		return
	}
	if len(b) < 6 || !digits(b[:6]) {
		e.s.malformed("the value date of payment %d, line %d, is not six digits", n, e.file.recs.n)
		return
	}
	e.day(b[:6])
	b = b[6:]
	if len(b) >= 4 && (digits(b[:4]) || allBlank(b[:4])) {
		b = b[4:]
	}
	b = bytes.TrimLeft(b, " ")
	kind := 0
	if len(b) > 1 && (b[0] == 'R' || b[0] == 'E') {
		if kind = 1; b[0] == 'E' {
			kind = 2
		}
		b = b[1:]
	}
	if len(b) == 0 || b[0] != 'C' && b[0] != 'D' {
		e.s.malformed("payment %d, line %d, is neither credit nor debit", n, e.file.recs.n)
		return
	}
	e.debit = (b[0] == 'D') != (kind == 1)
	if b = b[1:]; len(b) > 0 && upper(b[0]) { // funds code
		b = b[1:]
	}
	amount, rest, ok := mtAmount(bytes.TrimLeft(b, " "))
	if !ok {
		e.s.malformed("the amount of payment %d, line %d, is not a number of at most 18 digits with a comma", n, e.file.recs.n)
		return
	}
	if !e.count(kind, amount) {
		return
	}
	if e.debit {
		amount = amount.Neg()
	}
	e.p.Amount, e.pending, e.in = amount, true, mtInEntry
	e.extra, e.text = e.extra[:0], e.text[:0]
	e.references(rest)
}

// references takes what stands behind an entry's amount.
func (e *mtEntries) references(rest []byte) {
	e.id = e.id[:0]
	if len(rest) <= 4 {
		return
	}
	id := rest[4:]
	for i := 1; i < len(id); i++ {
		if id[i] == '/' && id[i-1] == '/' {
			id = id[:i-1]
			break
		}
	}
	if e.id = latin(e.id, id); mtNoID(e.id) {
		e.id = e.id[:0]
	}
}

// mtNoID tells whether a reference says that there is none, or that it stands in field 86.
func mtNoID(id []byte) bool {
	switch string(id) {
	case "NONREF", "NOREF", "EREF", "PREF", "MARF", "KREF+", "NOTPROVIDED", "NOT PROVIDED":
		return true
	}
	return false
}

func (e *mtEntries) day(field []byte) {
	var ok bool
	if e.date, ok = dayYMD(e.date[:0], field); !ok && e.s.finds("date-shape") {
		e.s.finding("date-shape", e.file.where(), "%q is not a date", field)
	}
	if ok && field[0] >= '8' {
		copy(e.date, "19")
	}
}

// count adds an entry to what the message holds.
func (e *mtEntries) count(kind int, amount Amount) bool {
	if !e.debit {
		kind += 3
	}
	t := &e.tallies[kind]
	sum, err := t.sum.Add(amount)
	if err != nil {
		e.s.malformed("its sum has too many digits")
		return false
	}
	t.count, t.sum = t.count+1, sum
	return true
}

// describe takes field 86: of an entry, or of the whole message, which is of no interest.
func (e *mtEntries) describe(text []byte) {
	if e.in = mtInNothing; e.pending {
		e.in, e.short = mtInDetails, len(e.text) > 0 // some banks write several
		e.append(text, len(":86:"))
	}
}

// more takes a further line of 61 or 86.
func (e *mtEntries) more(line []byte) {
	switch e.in {
	case mtInEntry:
		if len(e.extra) < maxDetails {
			e.extra = latin(e.extra, line[:min(len(line), maxDetails)])
		}
	case mtInDetails:
		e.append(line, 0)
	}
}

// fullLine is from how many characters on a line of 86 is taken for one that goes on in the middle of a word. They are cut
// at 65; some banks count the tag in.
const fullLine = 60

// append takes a line of 86, behind so many characters of a tag. A full one goes on in the next without a blank, and so
// does one in front of a subfield.
func (e *mtEntries) append(line []byte, tag int) {
	if len(e.text)+len(line) > maxDetails {
		return
	}
	if len(e.text) > 0 && e.short && len(line) > 0 && line[0] != '?' && line[0] != '/' {
		e.text = append(e.text, ' ')
	}
	e.text = append(e.text, line...)
	width := e.file.recs.width - tag
	e.short = width < fullLine || len(line) < width // the latter ended with blanks
}

// flush hands over the entry that waits for its details.
func (e *mtEntries) flush() {
	if !e.pending {
		return
	}
	e.pending, e.in = false, mtInNothing
	p, d := &e.p, &e.details
	d.read(e.text)
	if len(d.account) == 0 && validIBAN(e.extra) {
		d.account, e.extra = append(d.account, e.extra...), e.extra[:0]
	}
	e.file.checkIBAN(d.account)
	if p.EndToEndID = e.id; len(d.id) > 0 {
		p.EndToEndID = d.id
	}
	if p.Reference = d.reference; len(p.Reference) == 0 {
		p.Reference = e.extra
	}
	p.Currency, p.ExecutionDate = e.currency, e.date
	p.PayerName, p.PayerAccount, p.PayeeName, p.PayeeAccount = d.name, d.account, nil, e.account
	if e.debit {
		p.PayerName, p.PayerAccount, p.PayeeName, p.PayeeAccount = nil, e.account, d.name, d.account
	}
	e.s.executes(e.date)
	e.s.payment(p)
}

// net is what the entries change the balance by; expected ones do not.
func (e *mtEntries) net() (Amount, bool) {
	var net Amount
	for i, kind := range e.tallies {
		if i%3 == 2 {
			continue
		}
		sum := kind.sum
		if i < 3 {
			sum = sum.Neg()
		}
		var err error
		if net, err = net.Add(sum); err != nil {
			return net, false
		}
	}
	return net, true
}

// mtAmount reads digits with a comma; a point is taken for one, and so is its lack at the end. The rest is what follows.
func mtAmount(b []byte) (a Amount, rest []byte, ok bool) {
	minor, seen, scale, i := int64(0), false, -1, 0
	for ; i < len(b); i++ {
		c := b[i] - '0'
		if c <= 9 {
			if minor >= 1e17 {
				return a, nil, false
			}
			minor, seen = minor*10+int64(c), true
			if scale >= 0 {
				scale++
			}
			continue
		}
		if b[i] != ',' && b[i] != '.' || scale >= 0 {
			break
		}
		scale = 0
	}
	if !seen || scale > 9 || i > 40 {
		return a, nil, false
	}
	return AmountFromMinor(minor, uint8(max(scale, 0))), b[i:], true
}
