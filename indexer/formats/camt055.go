package formats

import "fmt"

// camt.055, customer payment cancellation request: a customer takes back payments that it has ordered.
//
// Source: ISO 20022 message definitions camt.055.001.01 to .12 (Cash Management: Exceptions and Investigations), elements by
// their XML tags, held against the schemas of all twelve; no real file with content was found to try it on. The message id
// is Assgnmt/Id. A payment is a TxInf of an OrgnlPmtInfAndCxl; its amount is OrgnlInstdAmt, or else the one in OrgnlTxRef.
//
// CtrlData counts TxInf (NbOfTxs) and sums up their amounts (CtrlSum). A request may take back a whole PmtInf or file
// without naming its payments: then CtrlData, which may count them all the same, proves nothing and is only declared. Nor
// does CtrlSum where an amount is missing. NbOfTxs and CtrlSum of single groups are quoted from the earlier file: not checked.
var camt055Tree = element{id: idMessage, kids: []element{
	{name: "Assgnmt", id: idGrpHdr, kids: []element{
		leaf("Id", idMsgID), leaf("CreDtTm", idCreated),
		within("Assgnr", within("Pty", leaf("Nm", idInitiatorName), partyID(idInitiatorID)),
			within("Agt", within("FinInstnId", leaf("BICFI", idInitiatorID), leaf("BIC", idInitiatorID)))),
	}},
	within("CtrlData", leaf("NbOfTxs", idGroupCount), leaf("CtrlSum", idGroupSum)),
	{name: "Undrlyg", id: idUnderlying, kids: []element{
		{name: "OrgnlPmtInfAndCxl", id: idOriginalBatch, kids: []element{
			{name: "TxInf", id: idTx, kids: []element{
				leaf("OrgnlEndToEndId", idEndToEnd), amountIn("OrgnlInstdAmt"),
				originalDate("OrgnlReqdExctnDt"), originalDate("OrgnlReqdColltnDt"), originalPayment(),
			}},
		}},
	}},
}}

// camt055 is a follow-up with control totals of its own.
type camt055 struct {
	followUp
	group     claim
	underFrom int64 // payments when the innermost Undrlyg began
	batchFrom int64 // and the innermost OrgnlPmtInfAndCxl
	unnamed   bool  // one of them named no payment
	unsummed  bool  // a payment has no amount
}

func openCamt055(s *sheet) elements {
	return &camt055{followUp: followUp{s: s, message: "camt.055", header: "Assgnmt"}}
}

func (r *camt055) start(id int) {
	switch r.followUp.start(id); id {
	case idUnderlying:
		r.underFrom = r.s.facts.Payments
	case idOriginalBatch:
		r.batchFrom = r.s.facts.Payments
		r.s.facts.Batches++
	}
}

func (r *camt055) end(id int, text []byte) {
	switch id {
	case idGroupCount:
		r.group.readCount(r.s, "NbOfTxs of its CtrlData", text)
	case idGroupSum:
		r.group.readSum(r.s, "CtrlSum of its CtrlData", text)
	case idAmount: // the message moves money: what it says must be a number
		if !r.hasAmount {
			r.tx.Amount, r.hasAmount = isoAmount(r.s, text, r.tx.Currency, false), true
			if !validCurrency(r.tx.Currency) && r.s.finds("currency-shape") {
				r.s.finding("currency-shape", r.where("an amount"), "%q is not a currency code", r.tx.Currency)
			}
		}
	case idTx:
		r.unsummed = r.unsummed || !r.hasAmount
		sum, err := r.group.summed.Add(r.tx.Amount)
		if err != nil {
			r.s.malformed("its sum has too many digits")
			return
		}
		r.group.summed = sum
		r.followUp.end(id, text)
	case idOriginalBatch:
		r.unnamed = r.unnamed || r.s.facts.Payments == r.batchFrom
	case idUnderlying:
		r.unnamed = r.unnamed || r.s.facts.Payments == r.underFrom
	case idMessage:
		r.followUp.end(id, text)
		r.check()
	default:
		r.followUp.end(id, text)
	}
}

// check holds CtrlData against the payments.
func (r *camt055) check() {
	f := &r.s.facts
	f.Declared, _ = r.group.words("")
	if r.group.counted = f.Payments; r.unnamed {
		return
	}
	if r.unsummed {
		r.group.hasSum = false
	}
	if r.group.wrong() {
		says, holds := r.group.words(r.s.currency())
		r.s.mismatch(&r.group.slot, fmt.Sprintf("it says %s, but holds %s", says, holds))
	}
}
