package formats

import (
	"fmt"
	"strings"
)

// What initiation wants to hear of. The owner is the party of a whole PmtInf: who pays in pain.001, who draws in
// pain.008. The other is the party of one payment.
const (
	idMessage = iota + 1
	idGrpHdr
	idMsgID
	idCreated
	idGroupCount
	idGroupSum
	idInitiatorName
	idInitiatorID
	idPmtInf
	idBatchCount
	idBatchSum
	idDate
	idOwnerName
	idOwnerIBAN
	idOwnerAccount
	idTx
	idEndToEnd
	idAmount
	idOtherName
	idOtherIBAN
	idOtherAccount
	idBIC
	idUnstructured
	idReference
)

func leaf(name string, id int) element { return element{name: name, id: id, leaf: true} }

func within(name string, kids ...element) element { return element{name: name, kids: kids} }

// accountID is an account's Id in every version: up to .002 it had a choice of its own.
func accountID(iban, other int) element {
	return within("Id", leaf("IBAN", iban), within("Othr", leaf("Id", other)),
		leaf("BBAN", other), leaf("UPIC", other), within("PrtryAcct", leaf("Id", other)))
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

// remittance is a payment's RmtInf in every version.
func remittance() element {
	return within("RmtInf", leaf("Ustrd", idUnstructured),
		within("Strd", within("CdtrRefInf", leaf("Ref", idReference), leaf("CdtrRef", idReference))))
}

func amountIn(name string) element { return element{name: name, id: idAmount, leaf: true, attr: "Ccy"} }

// roles is how the messages differ that initiation reads.
type roles struct {
	message                    string
	draws                      bool   // the owner is the payee: a direct debit
	ownerAccount, otherAccount string // elements, to say where a finding is
	date                       string
}

// initiation reads one message of payments with a GrpHdr that counts and sums them up: pain.001 and pain.008, and all
// that pacs.008 has in common with them. Elements that it does not know do not trouble it: it is no schema checker.
type initiation struct {
	s            *sheet
	roles        *roles
	begun        bool
	headers      int
	batches      int64
	group, batch claim
	batchWrong   bool // one batch with wrong totals is told of, not more

	initiatorID  string
	firstAccount string
	date         []byte // of the PmtInf, "" or YYYY-MM-DD
	ownerName    []byte
	ownerAccount []byte
	otherName    []byte // of the payment
	otherAccount []byte

	tx        Payment // its slices are kept from payment to payment
	hasAmount bool
	remitted  bool // Reference holds unstructured text, which goes before structured references
}

// maxReference bounds what is kept of a payment's remittance information, in bytes; the rest is left out.
const maxReference = 1024

func (r *initiation) start(id int) {
	switch id {
	case idMessage:
		if r.begun {
			r.s.malformed("it holds more than one message")
		}
		r.begun = true
	case idGrpHdr:
		if r.headers++; r.headers > 1 {
			r.s.malformed("it has more than one GrpHdr")
		}
	case idPmtInf:
		r.batches++
		r.batch = claim{}
		r.date, r.ownerName, r.ownerAccount = r.date[:0], r.ownerName[:0], r.ownerAccount[:0]
	case idTx:
		p := &r.tx
		p.EndToEndID, p.Currency, p.Reference = p.EndToEndID[:0], p.Currency[:0], p.Reference[:0]
		r.otherName, r.otherAccount = r.otherName[:0], r.otherAccount[:0]
		r.hasAmount, r.remitted = false, false
	}
}

// attr takes an amount's currency.
func (r *initiation) attr(_ int, value []byte) {
	if r.hasAmount {
		return // end refuses a second amount
	}
	r.tx.Currency = append(r.tx.Currency[:0], value...)
}

func (r *initiation) end(id int, text []byte) {
	p := &r.tx
	switch id {
	case idTx:
		r.payment()
	case idEndToEnd:
		p.EndToEndID = append(p.EndToEndID[:0], text...)
	case idAmount:
		r.amount(text)
	case idOtherName:
		r.otherName = append(r.otherName[:0], text...)
	case idOtherIBAN:
		r.otherAccount = append(r.otherAccount[:0], text...)
		r.checkIBAN(text, r.roles.otherAccount)
	case idOtherAccount:
		r.otherAccount = append(r.otherAccount[:0], text...)
	case idBIC:
		if !validBIC(text) && r.s.finds() {
			r.s.finding("bic-shape", r.where("an agent"), "the BIC %q does not have a BIC's shape", text)
		}
	case idUnstructured:
		if !r.remitted {
			p.Reference, r.remitted = p.Reference[:0], true
		}
		r.refer(text)
	case idReference:
		if !r.remitted {
			r.refer(text)
		}
	default:
		r.endOutside(id, text)
	}
}

// refer adds to the reference, as far as there is room.
func (r *initiation) refer(text []byte) {
	p := &r.tx
	if len(p.Reference) > 0 && len(text) > 0 {
		p.Reference = append(p.Reference, ' ')
	}
	if len(p.Reference)+len(text) <= maxReference {
		p.Reference = append(p.Reference, text...)
	}
}

// endOutside is end for what is not inside a payment.
func (r *initiation) endOutside(id int, text []byte) {
	f := &r.s.facts
	switch id {
	case idMessage:
		r.endMessage()
	case idGrpHdr:
		r.endHeader()
	case idMsgID:
		f.MessageID = string(text)
	case idCreated:
		f.CreatedAt = string(text)
		if len(text) < 10 || !validDate(text[:10]) {
			r.found("date-shape", "GrpHdr/CreDtTm", "%q is not a date and time", text)
		}
	case idGroupCount:
		r.count(&r.group, "GrpHdr", text)
	case idGroupSum:
		r.sum(&r.group, "GrpHdr", text)
	case idInitiatorName:
		f.Initiator = string(text)
	case idInitiatorID:
		if r.initiatorID == "" {
			r.initiatorID = string(text)
		}
	case idPmtInf:
		r.endBatch()
	case idBatchCount:
		r.count(&r.batch, "PmtInf", text)
	case idBatchSum:
		r.sum(&r.batch, "PmtInf", text)
	case idDate:
		r.executes(text)
	case idOwnerName:
		r.ownerName = append(r.ownerName[:0], text...)
	case idOwnerIBAN, idOwnerAccount:
		r.ownerAccount = append(r.ownerAccount[:0], text...)
		if r.firstAccount == "" {
			r.firstAccount = string(text)
		}
		if id == idOwnerIBAN {
			r.checkIBAN(text, r.roles.ownerAccount)
		}
	}
}

// found enters a finding outside of payments.
func (r *initiation) found(code, where, sentence string, args ...any) {
	if r.s.finds() {
		r.s.finding(code, where, sentence, args...)
	}
}

// where says which payment is being read.
func (r *initiation) where(what string) string {
	return fmt.Sprintf("%s in PmtInf %d, payment %d", what, r.batches, r.s.facts.Payments+1)
}

func (r *initiation) checkIBAN(text []byte, where string) {
	if !validIBAN(text) && r.s.finds() {
		r.s.finding("iban-check-digits", r.where(where), "the IBAN %q is not valid", text)
	}
}

func (r *initiation) count(c *claim, where string, text []byte) {
	n, ok := number(text)
	if !ok || c.hasCount {
		r.s.malformed("the NbOfTxs of its %s is not one whole number", where)
	}
	c.hasCount, c.count = true, n
}

func (r *initiation) sum(c *claim, where string, text []byte) {
	sum, err := parseAmount(text, 18, 17)
	if err != nil || c.hasSum {
		r.s.malformed("the CtrlSum of its %s is not one decimal number", where)
	}
	c.hasSum, c.sum = true, sum
}

// executes takes the date of a PmtInf: text up to .07, Dt or DtTm after.
func (r *initiation) executes(text []byte) {
	if len(text) == 0 {
		return // the blanks around Dt
	}
	date := text[:min(len(text), 10)]
	if !validDate(date) {
		r.found("date-shape", fmt.Sprintf("%s in PmtInf %d", r.roles.date, r.batches), "%q is not a date", text)
		return
	}
	r.date = append(r.date[:0], date...)
	r.s.executes(date)
	if string(date) < r.s.today {
		r.found("date-past", fmt.Sprintf("%s in PmtInf %d", r.roles.date, r.batches), "the execution date %s has passed", date)
	}
}

// amount takes InstdAmt or EqvtAmt/Amt: at most 18 digits, 5 of them decimals, no sign.
func (r *initiation) amount(text []byte) {
	amount, err := parseAmount(text, 18, 5)
	n := r.s.facts.Payments + 1
	switch {
	case err != nil || text[0] == '-':
		r.s.malformed("the amount of payment %d is not a number with at most 18 digits and 5 decimals", n)
	case r.hasAmount:
		r.s.malformed("payment %d has more than one amount", n)
	case len(r.tx.Currency) == 0:
		r.s.malformed("the amount of payment %d has no currency", n)
	case len(r.tx.Currency) > 16:
		r.s.malformed("the currency of payment %d is too long", n)
	}
	r.tx.Amount, r.hasAmount = amount, true
	if !validCurrency(r.tx.Currency) && r.s.finds() {
		r.s.finding("currency-shape", r.where("Amt"), "%q is not a currency code", r.tx.Currency)
	}
}

// payment hands over the payment that has just ended.
func (r *initiation) payment() {
	p := &r.tx
	if !r.hasAmount {
		r.s.malformed("payment %d has no amount", r.s.facts.Payments+1)
		return
	}
	if len(p.EndToEndID) == 0 && r.s.finds() {
		r.s.finding("end-to-end-id-missing", r.where("PmtId"), "the payment has no end-to-end id")
	}
	p.PayerName, p.PayerAccount, p.PayeeName, p.PayeeAccount = r.ownerName, r.ownerAccount, r.otherName, r.otherAccount
	if r.roles.draws {
		p.PayerName, p.PayerAccount, p.PayeeName, p.PayeeAccount = p.PayeeName, p.PayeeAccount, p.PayerName, p.PayerAccount
	}
	p.ExecutionDate = r.date
	sum, err := r.batch.summed.Add(p.Amount)
	if err != nil {
		r.s.malformed("its sum has too many digits")
		return
	}
	r.batch.counted++
	r.batch.summed = sum
	if r.s.payment(p); r.s.closed {
		return
	}
	if r.group.hasCount && r.group.slot == 0 && r.s.facts.Payments > r.group.count {
		r.s.mismatch(&r.group.slot, fmt.Sprintf("it says %s, but holds at least %d", payments(r.group.count), r.s.facts.Payments))
	}
}

func (r *initiation) endBatch() {
	r.s.payer(r.ownerName, r.ownerAccount)
	sum, err := r.group.summed.Add(r.batch.summed)
	if err != nil {
		r.s.malformed("its sum has too many digits")
		return
	}
	r.group.summed = sum
	if !r.batchWrong && r.batch.wrong() {
		r.batchWrong = true
		says, holds := r.batch.words(r.s.currency())
		r.s.mismatch(new(int), fmt.Sprintf("PmtInf %d says %s, but holds %s", r.batches, says, holds))
	}
}

func (r *initiation) endHeader() {
	if !r.group.hasCount {
		r.s.malformed("its GrpHdr has no NbOfTxs")
	}
	f := &r.s.facts
	if f.MessageID == "" {
		r.found("message-id-missing", "GrpHdr/MsgId", "the file has no message id")
	}
	if f.Initiator == "" {
		f.Initiator = r.initiatorID
	}
	f.Declared, _ = r.group.words("")
	if r.group.counted = f.Payments; r.group.hasCount && r.group.counted > r.group.count && r.group.slot == 0 {
		r.s.mismatch(&r.group.slot, fmt.Sprintf("it says %s, but holds at least %d", payments(r.group.count), f.Payments))
	}
}

func (r *initiation) endMessage() {
	if r.headers == 0 {
		r.s.malformed("it has no GrpHdr")
		return
	}
	f := &r.s.facts
	r.group.counted = f.Payments
	if r.group.wrong() {
		says, holds := r.group.words(r.s.currency())
		r.s.mismatch(&r.group.slot, fmt.Sprintf("it says %s, but holds %s", says, holds))
	}
	if f.MessageID != "" {
		who := r.initiatorID
		if who == "" {
			who = f.Initiator
		}
		f.BusinessKey = strings.Join([]string{r.roles.message, f.MessageID, who, strings.ReplaceAll(r.firstAccount, " ", "")}, "\x1f")
	}
}
