package formats

import "bytes"

// What the ISO 20022 messages have in common: pieces of their trees, and how amounts, counts and dates are read.

func leaf(name string, id int) element { return element{name: name, id: id, leaf: true} }

func within(name string, kids ...element) element { return element{name: name, kids: kids} }

// accountID is an account's Id in every version: up to .002 it had a choice of its own.
func accountID(iban, other int) element {
	return within("Id", leaf("IBAN", iban), within("Othr", leaf("Id", other)),
		leaf("BBAN", other), leaf("UPIC", other), within("PrtryAcct", leaf("Id", other)))
}

// accountScheme is accountID with the name of what kind of number Othr holds.
func accountScheme(iban, other, scheme int) element {
	id := accountID(iban, other)
	for i := range id.kids {
		if id.kids[i].name == "Othr" {
			id.kids[i].kids = append(id.kids[i].kids, within("SchmeNm", leaf("Prtry", scheme)))
		}
	}
	return id
}

func agent(name string) element {
	return within(name, within("FinInstnId", leaf("BICFI", idBIC), leaf("BIC", idBIC),
		within("CmbndId", leaf("BIC", idBIC))))
}

// initiationHeader is the GrpHdr of pain.001 and pain.008.
func initiationHeader() element {
	return element{name: "GrpHdr", id: idGrpHdr, kids: []element{
		leaf("MsgId", idMsgID), leaf("CreDtTm", idCreated), leaf("NbOfTxs", idGroupCount), leaf("CtrlSum", idGroupSum),
		within("InitgPty", leaf("Nm", idInitiatorName), partyID(idInitiatorID)),
	}}
}

// partyID is a party's Id in every version.
func partyID(id int) element {
	return within("Id",
		within("OrgId", within("Othr", leaf("Id", id)), leaf("AnyBIC", id), leaf("BICOrBEI", id), leaf("BIC", id),
			leaf("BkPtyId", id), within("PrtryId", leaf("Id", id))),
		within("PrvtId", within("Othr", leaf("Id", id))))
}

// partyName is a party's name where a later version puts the party into a Pty, for it may be an agent instead.
func partyName(party string, id int) element {
	return within(party, leaf("Nm", id), within("Pty", leaf("Nm", id)))
}

// remittance is a payment's RmtInf in every version.
func remittance() element {
	return within("RmtInf", leaf("Ustrd", idUnstructured),
		within("Strd", within("CdtrRefInf", leaf("Ref", idReference), leaf("CdtrRef", idReference))))
}

func amountIn(name string) element { return element{name: name, id: idAmount, leaf: true, attr: "Ccy"} }

// maxReference bounds what is kept of a payment's remittance information, in bytes; the rest is left out.
const maxReference = 1024

// remitted gathers a payment's remittance information: text, or else structured references.
type remitted struct {
	text   []byte // kept from payment to payment
	isFree bool
}

func (r *remitted) clear() { r.text, r.isFree = r.text[:0], false }

// free takes a piece of text, which goes before structured references.
func (r *remitted) free(text []byte) {
	if !r.isFree {
		r.text, r.isFree = r.text[:0], true
	}
	r.add(text)
}

func (r *remitted) structured(text []byte) {
	if !r.isFree {
		r.add(text)
	}
}

// add adds to the text, as far as there is room.
func (r *remitted) add(text []byte) {
	if len(r.text) > 0 && len(text) > 0 {
		r.text = append(r.text, ' ')
	}
	if len(r.text)+len(text) <= maxReference {
		r.text = append(r.text, text...)
	}
}

// created enters when the file says that it was made.
func created(s *sheet, where string, text []byte) {
	s.facts.CreatedAt = string(text)
	if len(text) < 10 || !validDate(text[:10]) || !validDateTime(text) {
		s.notes("date-shape", where, "%q is not a date and time", text)
	}
}

// notes enters a finding that is so rare that its words may cost something.
func (s *sheet) notes(code, where, sentence string, args ...any) {
	if s.finds(code) {
		s.finding(code, where, sentence, args...)
	}
}

// readCount takes the number of payments that the file claims in the named element.
func (c *claim) readCount(s *sheet, what string, text []byte) {
	n, ok := number(text)
	if !ok || c.hasCount {
		s.malformed("the %s is not one whole number", what)
	}
	c.hasCount, c.count = true, n
}

// isoDecimal reads a decimal number of at most 18 digits. Zeros that end its decimals may be beyond that, and beyond the
// decimals that are allowed: XML Schema counts the digits of the value.
func isoDecimal(text []byte, decimals int) (Amount, error) {
	amount, err := parseAmount(text, 18, decimals)
	if err == ErrAmountBig && bytes.IndexByte(text, '.') >= 0 {
		if amount, err = parseAmount(bytes.TrimRight(text, "0"), 18, decimals); err == ErrNotAmount { // ".000000"
			return Amount{}, nil
		}
	}
	return amount, err
}

// readSum takes their sum: at most 18 digits, 17 of them decimals.
func (c *claim) readSum(s *sheet, what string, text []byte) {
	sum, err := isoDecimal(text, 17)
	if err != nil || c.hasSum {
		s.malformed("the %s is not one decimal number", what)
	}
	c.hasSum, c.sum = true, sum
}

// isoAmount reads the amount of the next payment: at most 18 digits, 5 of them decimals, not below 0; has: it has one already.
func isoAmount(s *sheet, text, currency []byte, has bool) Amount {
	amount, err := isoDecimal(text, 5)
	n := s.facts.Payments + 1
	switch {
	case err != nil || amount.Sign() < 0:
		s.malformed("the amount of payment %d is not a number with at most 18 digits and 5 decimals", n)
	case has:
		s.malformed("payment %d has more than one amount", n)
	case len(currency) == 0:
		s.malformed("the amount of payment %d has no currency", n)
	case len(currency) > 16:
		s.malformed("the currency of payment %d is too long", n)
	}
	return amount
}
