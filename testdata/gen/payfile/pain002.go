package payfile

import "io"

// Pain002 writes a pain.002.001.10 message in UTF-8: a bank's answer to a pain.001 of the same payments, which took most
// of them and quotes them all. Its errors are the writer's.
func Pain002(w io.Writer, opt Options) error {
	return message(w, opt, "pain.002.001.10", "CstmrPmtStsRpt", func(x *markup) error {
		x.open(2, "GrpHdr")
		x.text(3, "MsgId", escape(x.MessageID))
		x.createdAt(3)
		x.ownAgent(3, "DbtrAgt")
		x.shut(2, "GrpHdr")
		x.open(2, "OrgnlGrpInfAndSts")
		x.text(3, "OrgnlMsgId", escape(x.MessageID))
		x.text(3, "OrgnlMsgNmId", "pain.001.001.09")
		x.number(3, "OrgnlNbOfTxs", "", uint64(x.payments()), 1)
		x.sums(3, "OrgnlCtrlSum", x.sum(0, x.payments()))
		x.text(3, "GrpSts", "PART")
		x.shut(2, "OrgnlGrpInfAndSts")
		if err := x.flush(); err != nil {
			return err
		}
		return x.batches(x.statuses)
	})
}

func (x *markup) statuses(batch, first, last int) error {
	x.open(2, "OrgnlPmtInfAndSts")
	x.number(3, "OrgnlPmtInfId", "BATCH-", uint64(batch+1), 6)
	for i := first; i < last; i++ {
		d := x.dice(i)
		x.open(3, "TxInfAndSts")
		x.instructed(4, i, "OrgnlInstrId", "OrgnlEndToEndId")
		if d.roll(20) == 0 {
			x.text(4, "TxSts", "RJCT")
			x.open(4, "StsRsnInf")
			x.open(5, "Rsn")
			x.text(6, "Cd", "AC01")
			x.shut(5, "Rsn")
			x.shut(4, "StsRsnInf")
		} else {
			x.text(4, "TxSts", "ACCP")
		}
		x.quoted(4, batch, i, &d)
		x.shut(3, "TxInfAndSts")
		if err := x.flush(); err != nil {
			return err
		}
	}
	x.shut(2, "OrgnlPmtInfAndSts")
	return x.flush()
}

// quoted is the payment that is answered or called back.
func (x *markup) quoted(depth, batch, i int, d *dice) {
	x.open(depth, "OrgnlTxRef")
	x.open(depth+1, "Amt")
	x.paid(depth+2, "InstdAmt", x.amount(i))
	x.shut(depth+1, "Amt")
	x.dated(depth+1, "ReqdExctnDt", 1+batch%20)
	x.remittance(depth+1, d)
	x.open(depth+1, "Dbtr")
	x.own(depth+2, "Pty")
	x.shut(depth+1, "Dbtr")
	x.agent(depth+1, "CdtrAgt", d.pick(banks))
	x.otherParty(depth+1, "Cdtr", d)
	x.otherAccount(depth+1, "CdtrAcct", d)
	x.shut(depth, "OrgnlTxRef")
}
