package formats

import (
	"fmt"
	"strings"
)

// What pain001 wants to hear of.
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
	idPayerName
	idPayerIBAN
	idPayerAccount
	idTx
	idEndToEnd
	idAmount
	idPayeeName
	idPayeeIBAN
	idPayeeAccount
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

func amountIn(name string) element { return element{name: name, id: idAmount, leaf: true, attr: "Ccy"} }

// pain001Tree is what is read of a customer credit transfer initiation, versions .02 to .12.
var pain001Tree = element{id: idMessage, kids: []element{
	{name: "GrpHdr", id: idGrpHdr, kids: []element{
		leaf("MsgId", idMsgID), leaf("CreDtTm", idCreated), leaf("NbOfTxs", idGroupCount), leaf("CtrlSum", idGroupSum),
		within("InitgPty", leaf("Nm", idInitiatorName), within("Id",
			within("OrgId", within("Othr", leaf("Id", idInitiatorID)), leaf("AnyBIC", idInitiatorID),
				leaf("BICOrBEI", idInitiatorID), leaf("BIC", idInitiatorID), leaf("BkPtyId", idInitiatorID),
				within("PrtryId", leaf("Id", idInitiatorID))),
			within("PrvtId", within("Othr", leaf("Id", idInitiatorID))))),
	}},
	{name: "PmtInf", id: idPmtInf, kids: []element{
		leaf("NbOfTxs", idBatchCount), leaf("CtrlSum", idBatchSum),
		{name: "ReqdExctnDt", id: idDate, leaf: true, kids: []element{leaf("Dt", idDate), leaf("DtTm", idDate)}},
		within("Dbtr", leaf("Nm", idPayerName)),
		within("DbtrAcct", accountID(idPayerIBAN, idPayerAccount)),
		agent("DbtrAgt"),
		{name: "CdtTrfTxInf", id: idTx, kids: []element{
			within("PmtId", leaf("EndToEndId", idEndToEnd)),
			within("Amt", amountIn("InstdAmt"), within("EqvtAmt", amountIn("Amt"))),
			agent("CdtrAgt"),
			within("Cdtr", leaf("Nm", idPayeeName)),
			within("CdtrAcct", accountID(idPayeeIBAN, idPayeeAccount)),
			within("RmtInf", leaf("Ustrd", idUnstructured),
				within("Strd", within("CdtrRefInf", leaf("Ref", idReference), leaf("CdtrRef", idReference)))),
		}},
	}},
}}

// pain001 reads one pain.001 message. Elements that it does not know do not trouble it: it is no schema checker.
type pain001 struct {
	s            *sheet
	begun        bool
	headers      int
	batches      int64
	group, batch claim
	batchWrong   bool // one batch with wrong totals is told of, not more

	initiatorID  string
	firstAccount string
	date         []byte // of the PmtInf, "" or YYYY-MM-DD
	payerName    []byte
	payerAccount []byte

	tx        Payment // its slices are kept from payment to payment
	hasAmount bool
	remitted  bool // Reference holds unstructured text, which goes before structured references
}

// maxReference bounds what is kept of a payment's remittance information, in bytes; the rest is left out.
const maxReference = 1024

func openPain001(s *sheet) elements { return &pain001{s: s} }

func (r *pain001) start(id int) {
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
		r.date, r.payerName, r.payerAccount = r.date[:0], r.payerName[:0], r.payerAccount[:0]
	case idTx:
		p := &r.tx
		p.EndToEndID, p.Currency, p.PayeeName = p.EndToEndID[:0], p.Currency[:0], p.PayeeName[:0]
		p.PayeeAccount, p.Reference = p.PayeeAccount[:0], p.Reference[:0]
		r.hasAmount, r.remitted = false, false
	}
}

// attr takes an amount's currency.
func (r *pain001) attr(_ int, value []byte) {
	if r.hasAmount {
		return // end refuses a second amount
	}
	r.tx.Currency = append(r.tx.Currency[:0], value...)
}

func (r *pain001) end(id int, text []byte) {
	p := &r.tx
	switch id {
	case idTx:
		r.payment()
	case idEndToEnd:
		p.EndToEndID = append(p.EndToEndID[:0], text...)
	case idAmount:
		r.amount(text)
	case idPayeeName:
		p.PayeeName = append(p.PayeeName[:0], text...)
	case idPayeeIBAN:
		p.PayeeAccount = append(p.PayeeAccount[:0], text...)
		r.checkIBAN(text, "CdtrAcct")
	case idPayeeAccount:
		p.PayeeAccount = append(p.PayeeAccount[:0], text...)
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
func (r *pain001) refer(text []byte) {
	p := &r.tx
	if len(p.Reference) > 0 && len(text) > 0 {
		p.Reference = append(p.Reference, ' ')
	}
	if len(p.Reference)+len(text) <= maxReference {
		p.Reference = append(p.Reference, text...)
	}
}

// endOutside is end for what is not inside a payment.
func (r *pain001) endOutside(id int, text []byte) {
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
	case idPayerName:
		r.payerName = append(r.payerName[:0], text...)
	case idPayerIBAN, idPayerAccount:
		r.payerAccount = append(r.payerAccount[:0], text...)
		if r.firstAccount == "" {
			r.firstAccount = string(text)
		}
		if id == idPayerIBAN {
			r.checkIBAN(text, "DbtrAcct")
		}
	}
}

// found enters a finding outside of payments.
func (r *pain001) found(code, where, sentence string, args ...any) {
	if r.s.finds() {
		r.s.finding(code, where, sentence, args...)
	}
}

// where says which payment is being read.
func (r *pain001) where(what string) string {
	return fmt.Sprintf("%s in PmtInf %d, payment %d", what, r.batches, r.s.facts.Payments+1)
}

func (r *pain001) checkIBAN(text []byte, where string) {
	if !validIBAN(text) && r.s.finds() {
		r.s.finding("iban-check-digits", r.where(where), "the IBAN %q is not valid", text)
	}
}

func (r *pain001) count(c *claim, where string, text []byte) {
	n, ok := number(text)
	if !ok || c.hasCount {
		r.s.malformed("the NbOfTxs of its %s is not one whole number", where)
	}
	c.hasCount, c.count = true, n
}

func (r *pain001) sum(c *claim, where string, text []byte) {
	sum, err := parseAmount(text, 18, 17)
	if err != nil || c.hasSum {
		r.s.malformed("the CtrlSum of its %s is not one decimal number", where)
	}
	c.hasSum, c.sum = true, sum
}

// executes takes the date of a PmtInf: text up to .07, Dt or DtTm after.
func (r *pain001) executes(text []byte) {
	if len(text) == 0 {
		return // the blanks around Dt
	}
	date := text[:min(len(text), 10)]
	if !validDate(date) {
		r.found("date-shape", fmt.Sprintf("ReqdExctnDt in PmtInf %d", r.batches), "%q is not a date", text)
		return
	}
	r.date = append(r.date[:0], date...)
	r.s.executes(date)
	if string(date) < r.s.today {
		r.found("date-past", fmt.Sprintf("ReqdExctnDt in PmtInf %d", r.batches), "the execution date %s has passed", date)
	}
}

// amount takes InstdAmt or EqvtAmt/Amt: at most 18 digits, 5 of them decimals, no sign.
func (r *pain001) amount(text []byte) {
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
func (r *pain001) payment() {
	p := &r.tx
	if !r.hasAmount {
		r.s.malformed("payment %d has no amount", r.s.facts.Payments+1)
		return
	}
	if len(p.EndToEndID) == 0 && r.s.finds() {
		r.s.finding("end-to-end-id-missing", r.where("PmtId"), "the payment has no end-to-end id")
	}
	p.PayerName, p.PayerAccount, p.ExecutionDate = r.payerName, r.payerAccount, r.date
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

func (r *pain001) endBatch() {
	r.s.payer(r.payerName, r.payerAccount)
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

func (r *pain001) endHeader() {
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

func (r *pain001) endMessage() {
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
		f.BusinessKey = strings.Join([]string{"pain.001", f.MessageID, who, strings.ReplaceAll(r.firstAccount, " ", "")}, "\x1f")
	}
}
