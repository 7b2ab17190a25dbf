package payfile

import "io"

// Pacs008 writes a pacs.008.001.08 message in UTF-8, of one bank to another, with right totals. Its errors are the
// writer's.
func Pacs008(w io.Writer, opt Options) error {
	return message(w, opt, "pacs.008.001.08", "FIToFICstmrCdtTrf", func(x *markup) error {
		x.open(2, "GrpHdr")
		x.text(3, "MsgId", escape(x.MessageID))
		x.createdAt(3)
		x.totals(3, x.payments(), x.sum(0, x.payments()))
		x.open(3, "SttlmInf")
		x.text(4, "SttlmMtd", "CLRG")
		x.shut(3, "SttlmInf")
		x.ownAgent(3, "InstgAgt")
		x.shut(2, "GrpHdr")
		return x.batches(x.settlements)
	})
}

// settlements are payments of one account; the message does not group them.
func (x *markup) settlements(batch, first, last int) error {
	for i := first; i < last; i++ {
		d, own := x.dice(i), x.dice(-1-batch)
		x.open(2, "CdtTrfTxInf")
		x.open(3, "PmtId")
		x.instructed(4, i, "InstrId", "EndToEndId")
		x.shut(3, "PmtId")
		x.paid(3, "IntrBkSttlmAmt", x.amount(i))
		x.day(3, "IntrBkSttlmDt", 1+batch%20)
		x.text(3, "ChrgBr", "SLEV")
		x.own(3, "Dbtr")
		x.ownAccount(3, "DbtrAcct", &own)
		x.ownAgent(3, "DbtrAgt")
		x.agent(3, "CdtrAgt", d.pick(banks))
		x.other(3, "Cdtr", &d)
		x.otherAccount(3, "CdtrAcct", &d)
		x.remittance(3, &d)
		x.shut(2, "CdtTrfTxInf")
		if err := x.flush(); err != nil {
			return err
		}
	}
	return nil
}
