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
	idBatchID
	idOwnerScheme
	idOtherScheme
	idsOfInitiation
)

// roles is how the messages differ that initiation reads.
type roles struct {
	message                    string
	draws                      bool   // the owner is the payee: a direct debit
	ownerAccount, otherAccount string // elements, to say where a finding is
	date                       string
	payment, amount            string // elements, too
	rules                      *[idsOfInitiation]isoRule
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
	remitted  remitted
	ids       idSet
	order     order
	rules     *[idsOfInitiation]isoRule
}

func (r *initiation) start(id int) {
	r.order.begin(id)
	switch id {
	case idMessage:
		if r.begun {
			r.s.malformed("it holds more than one message")
		}
		r.begun, r.s.orders = true, true
	case idGrpHdr:
		if r.headers++; r.headers > 1 {
			r.s.malformed("it has more than one GrpHdr")
		}
	case idPmtInf:
		r.batches++
		r.s.facts.Batches++
		r.batch = claim{}
		r.date, r.ownerName, r.ownerAccount = r.date[:0], r.ownerName[:0], r.ownerAccount[:0]
	case idTx:
		p := &r.tx
		p.EndToEndID, p.Currency = p.EndToEndID[:0], p.Currency[:0]
		r.otherName, r.otherAccount = r.otherName[:0], r.otherAccount[:0]
		r.hasAmount = false
		r.remitted.clear()
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
	r.follow(id, text)
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
		if !validBIC(text) && r.s.finds("bic-shape") {
			r.s.finding("bic-shape", r.where("an agent"), "the BIC %q does not have a BIC's shape", text)
		}
	case idUnstructured:
		r.remitted.free(text)
	case idReference:
		r.remitted.structured(text)
	case idOtherScheme:
		r.checkScheme(text, r.otherAccount, r.roles.otherAccount)
	default:
		r.endOutside(id, text)
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
		created(r.s, "GrpHdr/CreDtTm", text)
	case idGroupCount:
		r.group.readCount(r.s, "NbOfTxs of its GrpHdr", text)
	case idGroupSum:
		r.group.readSum(r.s, "CtrlSum of its GrpHdr", text)
	case idInitiatorName:
		f.Initiator = string(text)
	case idInitiatorID:
		if r.initiatorID == "" {
			r.initiatorID = string(text)
		}
	case idPmtInf:
		r.endBatch()
	case idBatchCount:
		r.batch.readCount(r.s, "NbOfTxs of its PmtInf", text)
	case idBatchSum:
		r.batch.readSum(r.s, "CtrlSum of its PmtInf", text)
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
	case idOwnerScheme:
		r.checkScheme(text, r.ownerAccount, r.roles.ownerAccount)
	}
}

// where says which payment is being read.
func (r *initiation) where(what string) string {
	return fmt.Sprintf("%s, payment %d", r.inBatch(what), r.s.facts.Payments+1)
}

// inBatch says which PmtInf it is in, where the message has such.
func (r *initiation) inBatch(what string) string {
	if r.batches == 0 {
		return what
	}
	return fmt.Sprintf("%s in PmtInf %d", what, r.batches)
}

func (r *initiation) checkIBAN(text []byte, where string) {
	if !validIBAN(text) && r.s.finds("iban-check-digits") {
		r.s.finding("iban-check-digits", r.where(where), "the IBAN %q is not valid", text)
	}
}

// checkScheme looks at an account that is named to be a bankgiro number, as Swedish banks have it.
func (r *initiation) checkScheme(scheme, account []byte, where string) {
	if string(scheme) == "BGNR" && checkLuhn(account) == luhnWrong && r.s.finds("bankgiro-check-digit") {
		r.s.finding("bankgiro-check-digit", r.where(where), "the bankgiro number %q is not valid", account)
	}
}

// executes takes the date of a PmtInf: text up to .07, Dt or DtTm after.
func (r *initiation) executes(text []byte) {
	if len(text) == 0 {
		return // the blanks around Dt
	}
	date := text[:min(len(text), 10)]
	if !validDate(date) {
		r.s.notes("date-shape", r.inBatch(r.roles.date), "%q is not a date", text)
		return
	}
	r.date = append(r.date[:0], date...)
	r.s.executes(date)
	if string(date) < r.s.today && r.s.finds("date-past") {
		r.s.finding("date-past", r.inBatch(r.roles.date), "the execution date %s has passed", date)
	}
}

// amount takes a payment's amount, whose currency has come before.
func (r *initiation) amount(text []byte) {
	r.tx.Amount, r.hasAmount = isoAmount(r.s, text, r.tx.Currency, r.hasAmount), true
	if !validCurrency(r.tx.Currency) && r.s.finds("currency-shape") {
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
	if r.ids.again(p.EndToEndID) && r.s.finds("end-to-end-id-duplicate") {
		r.s.finding("end-to-end-id-duplicate", r.where("PmtId"), "the end-to-end id %q is that of an earlier payment", p.EndToEndID)
	}
	if len(p.EndToEndID) == 0 && r.s.finds("end-to-end-id-missing") {
		r.s.finding("end-to-end-id-missing", r.where("PmtId"), "the payment has no end-to-end id")
	}
	r.checkPayment()
	p.PayerName, p.PayerAccount, p.PayeeName, p.PayeeAccount = r.ownerName, r.ownerAccount, r.otherName, r.otherAccount
	if r.roles.draws {
		p.PayerName, p.PayerAccount, p.PayeeName, p.PayeeAccount = p.PayeeName, p.PayeeAccount, p.PayerName, p.PayerAccount
	}
	p.ExecutionDate, p.Reference = r.date, r.remitted.text
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
	r.checkBatch()
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
		r.s.notes("message-id-missing", "GrpHdr/MsgId", "the file has no message id")
	}
	r.checkHeader()
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
