package formats

import "fmt"

// pacs.008, customer credit transfers from bank to bank.
//
// Source: ISO 20022 message definitions pacs.008.001.01 to .13 (Payments Clearing and Settlement), elements by their XML
// tags. NbOfTxs of GrpHdr counts CdtTrfTxInf; CtrlSum sums up IntrBkSttlmAmt whatever their currencies, TtlIntrBkSttlmAmt those
// in its own. A payment's date is its IntrBkSttlmDt, or else that of GrpHdr.
//
// Payers are the debtors, each in its own payment; the initiator is the bank that sends, by its BIC.
var pacs008Roles = roles{message: "pacs.008", ownerAccount: "DbtrAcct", otherAccount: "CdtrAcct", date: "IntrBkSttlmDt",
	payment: "CdtTrfTxInf", amount: "IntrBkSttlmAmt", rules: &pacs008Rules}

// What only pacs008 wants to hear of.
const (
	idGroupTotal = iota + 200
	idGroupDate
)

// pacs008Tree is what is read of a pacs.008.
var pacs008Tree = element{id: idMessage, kids: []element{
	{name: "GrpHdr", id: idGrpHdr, kids: []element{
		leaf("MsgId", idMsgID), leaf("CreDtTm", idCreated), leaf("NbOfTxs", idGroupCount), leaf("CtrlSum", idGroupSum),
		{name: "TtlIntrBkSttlmAmt", id: idGroupTotal, leaf: true, attr: "Ccy"}, leaf("IntrBkSttlmDt", idGroupDate),
		within("InstgAgt", within("FinInstnId", leaf("BICFI", idInitiatorID), leaf("BIC", idInitiatorID),
			within("CmbndId", leaf("BIC", idInitiatorID)))),
	}},
	{name: "CdtTrfTxInf", id: idTx, kids: []element{
		within("PmtId", leaf("EndToEndId", idEndToEnd)),
		amountIn("IntrBkSttlmAmt"),
		leaf("IntrBkSttlmDt", idDate),
		within("Dbtr", leaf("Nm", idOwnerName)),
		within("DbtrAcct", accountID(idOwnerIBAN, idOwnerAccount)),
		agent("DbtrAgt"),
		agent("CdtrAgt"),
		within("Cdtr", leaf("Nm", idOtherName)),
		within("CdtrAcct", accountID(idOtherIBAN, idOtherAccount)),
		remittance(),
	}},
}}

// pacs008 is an initiation without PmtInf: the payer and the date stand in each payment.
type pacs008 struct {
	initiation
	groupDate []byte
	hasTotal  bool
	total     Total
}

func openPacs008(s *sheet) elements {
	return &pacs008{initiation: initiation{s: s, roles: &pacs008Roles, rules: pacs008Roles.rules}}
}

func (r *pacs008) start(id int) {
	if r.initiation.start(id); id == idTx {
		r.ownerName, r.ownerAccount, r.date = r.ownerName[:0], r.ownerAccount[:0], append(r.date[:0], r.groupDate...)
	}
}

func (r *pacs008) attr(id int, value []byte) {
	if id == idGroupTotal {
		r.total.Currency = string(value)
		return
	}
	r.initiation.attr(id, value)
}

func (r *pacs008) end(id int, text []byte) {
	switch id {
	case idGroupTotal:
		amount, err := isoDecimal(text, 5)
		if err != nil || r.hasTotal || r.total.Currency == "" {
			r.s.malformed("the TtlIntrBkSttlmAmt of its GrpHdr is not one number with a currency")
		}
		r.total.Amount, r.hasTotal = amount, true
		return
	case idInitiatorID:
		if !validBIC(text) {
			r.s.notes("bic-shape", "GrpHdr/InstgAgt", "the BIC %q does not have a BIC's shape", text)
		}
	case idGroupDate:
		r.executes(text)
		r.groupDate = append(r.groupDate[:0], r.date...)
		return
	case idTx:
		r.s.payer(r.ownerName, r.ownerAccount)
	case idMessage:
		r.group.summed = r.batch.summed
		r.initiation.end(id, text)
		r.checkTotal()
		return
	}
	r.initiation.end(id, text)
}

// checkTotal holds TtlIntrBkSttlmAmt against the payments in its currency.
func (r *pacs008) checkTotal() {
	if !r.hasTotal || r.s.closed {
		return
	}
	holds := Amount{}
	for _, t := range r.s.totals.list {
		if t.Currency == r.total.Currency {
			holds = t.Amount
		}
	}
	if holds.Cmp(r.total.Amount) != 0 {
		currency := ""
		if validCurrency([]byte(r.total.Currency)) { // else it is not for a sender's eyes
			currency = " " + r.total.Currency
		}
		r.s.mismatch(new(int), fmt.Sprintf("it says that %s%s are settled, but holds %s%s", r.total.Amount, currency, holds, currency))
	}
}
