package formats

import (
	"fmt"
	"strings"
)

// What only followUp and camt055 want to hear of.
const (
	idOriginalID = iota + 300
	idOriginalBatch
	idUnderlying
)

// originalPayment is the OrgnlTxRef of a payment of the earlier message.
func originalPayment() element {
	return within("OrgnlTxRef",
		within("Amt", amountIn("InstdAmt"), within("EqvtAmt", amountIn("Amt"))),
		originalDate("ReqdExctnDt"), originalDate("ReqdColltnDt"),
		partyName("Dbtr", idDebtor), within("DbtrAcct", accountID(idDebtorIBAN, idDebtorAccount)), agent("DbtrAgt"),
		agent("CdtrAgt"), partyName("Cdtr", idCreditor), within("CdtrAcct", accountID(idCreditorIBAN, idCreditorAccount)),
		remittance())
}

func originalDate(name string) element {
	return element{name: name, id: idDate, leaf: true, kids: []element{leaf("Dt", idDate), leaf("DtTm", idDate)}}
}

// followUp reads a message about payments of an earlier one: pain.002 says what became of them, camt.055 takes them back.
// Each payment that it names is handed over, with as much of it as is quoted; without an amount it counts, and no more.
// Elements that it does not know do not trouble it: it is no schema checker.
type followUp struct {
	s           *sheet
	message     string
	header      string // its element
	begun       bool
	headers     int
	initiatorID string
	answers     string // message id of the earlier one

	tx               Payment // its slices are kept from payment to payment
	hasAmount        bool
	debtor, creditor camtParty
	remitted         remitted
}

func (r *followUp) start(id int) {
	switch id {
	case idMessage:
		if r.begun {
			r.s.malformed("it holds more than one message")
		}
		r.begun = true
	case idGrpHdr:
		if r.headers++; r.headers > 1 {
			r.s.malformed("it has more than one %s", r.header)
		}
	case idTx:
		p := &r.tx
		p.EndToEndID, p.Currency, p.ExecutionDate = p.EndToEndID[:0], p.Currency[:0], p.ExecutionDate[:0]
		p.Amount, r.hasAmount = Amount{}, false
		r.debtor.clear()
		r.creditor.clear()
		r.remitted.clear()
	}
}

// attr takes an amount's currency: the first amount counts.
func (r *followUp) attr(_ int, value []byte) {
	if !r.hasAmount {
		r.tx.Currency = append(r.tx.Currency[:0], value...)
	}
}

func (r *followUp) end(id int, text []byte) {
	p := &r.tx
	switch id {
	case idTx:
		r.payment()
	case idEndToEnd:
		p.EndToEndID = append(p.EndToEndID[:0], text...)
	case idAmount:
		r.amount(text)
	case idDate:
		r.date(text)
	case idDebtor:
		r.debtor.name = append(r.debtor.name[:0], text...)
	case idDebtorIBAN, idDebtorAccount:
		r.debtor.account = append(r.debtor.account[:0], text...)
		r.checkIBAN(id == idDebtorIBAN, "DbtrAcct", text)
	case idCreditor:
		r.creditor.name = append(r.creditor.name[:0], text...)
	case idCreditorIBAN, idCreditorAccount:
		r.creditor.account = append(r.creditor.account[:0], text...)
		r.checkIBAN(id == idCreditorIBAN, "CdtrAcct", text)
	case idBIC:
		if !validBIC(text) && r.s.finds("bic-shape") {
			r.s.finding("bic-shape", r.where("an agent"), "the BIC %q does not have a BIC's shape", text)
		}
	case idUnstructured:
		r.remitted.free(text)
	case idReference:
		r.remitted.structured(text)
	default:
		r.endOutside(id, text)
	}
}

// endOutside is end for what is not inside a payment.
func (r *followUp) endOutside(id int, text []byte) {
	f := &r.s.facts
	switch id {
	case idMessage:
		if r.headers == 0 {
			r.s.malformed("it has no %s", r.header)
			return
		}
		if f.MessageID != "" {
			who := r.initiatorID
			if who == "" {
				who = f.Initiator
			}
			f.BusinessKey = strings.Join([]string{r.message, f.MessageID, who}, "\x1f")
		}
	case idGrpHdr:
		if f.MessageID == "" {
			r.s.notes("message-id-missing", r.header, "the file has no message id")
		}
		if f.Initiator == "" {
			f.Initiator = r.initiatorID
		}
	case idMsgID:
		f.MessageID = string(text)
	case idCreated:
		created(r.s, r.header+"/CreDtTm", text)
	case idInitiatorName:
		f.Initiator = string(text)
	case idInitiatorID:
		if r.initiatorID == "" {
			r.initiatorID = string(text)
		}
	case idOriginalID:
		if r.answers == "" {
			r.answers = string(text)
		}
	}
}

// amount takes a payment's amount. What is quoted need not be right, the earlier file may be answered for that.
func (r *followUp) amount(text []byte) {
	if r.hasAmount {
		return
	}
	amount, err := isoDecimal(text, 5)
	if err != nil || amount.Sign() < 0 || !validCurrency(r.tx.Currency) {
		if r.s.finds("amount-shape") {
			r.s.finding("amount-shape", r.where("an amount"), "%q %q is not an amount with a currency", r.tx.Currency, text)
		}
		r.tx.Currency = r.tx.Currency[:0]
		return
	}
	r.tx.Amount, r.hasAmount = amount, true
}

func (r *followUp) date(text []byte) {
	if len(text) == 0 {
		return // the blanks around Dt
	}
	if date := text[:min(len(text), 10)]; validDate(date) {
		r.tx.ExecutionDate = append(r.tx.ExecutionDate[:0], date...)
	} else if r.s.finds("date-shape") {
		r.s.finding("date-shape", r.where("a date"), "%q is not a date", text)
	}
}

func (r *followUp) checkIBAN(is bool, where string, text []byte) {
	if is && !validIBAN(text) && r.s.finds("iban-check-digits") {
		r.s.finding("iban-check-digits", r.where(where), "the IBAN %q is not valid", text)
	}
}

// where says which payment is being read.
func (r *followUp) where(what string) string {
	return fmt.Sprintf("%s in OrgnlTxRef, payment %d", what, r.s.facts.Payments+1)
}

// payment hands over the payment that has just ended.
func (r *followUp) payment() {
	p := &r.tx
	p.PayerName, p.PayerAccount, p.PayeeName, p.PayeeAccount = r.debtor.name, r.debtor.account, r.creditor.name, r.creditor.account
	p.Reference = r.remitted.text
	r.s.payer(p.PayerName, p.PayerAccount)
	r.s.executes(p.ExecutionDate)
	r.s.payment(p)
}
