package payfile

import "io"

// Pain001 writes a pain.001.001.09 message in UTF-8 with right totals at every level. A payment takes about 750 bytes
// indented. Its errors are the writer's.
func Pain001(w io.Writer, opt Options) error {
	return message(w, opt, "pain.001.001.09", "CstmrCdtTrfInitn", func(x *markup) error {
		if err := x.initiation(); err != nil {
			return err
		}
		return x.batches(x.credits)
	})
}

// credits writes one PmtInf: one debtor account, one date.
func (x *markup) credits(batch, first, last int) error {
	d := x.dice(-1 - batch)
	x.open(2, "PmtInf")
	x.number(3, "PmtInfId", "BATCH-", uint64(batch+1), 6)
	x.text(3, "PmtMtd", "TRF")
	x.totals(3, last-first, x.sum(first, last))
	x.dated(3, "ReqdExctnDt", 1+batch%20)
	x.own(3, "Dbtr")
	x.ownAccount(3, "DbtrAcct", &d)
	x.ownAgent(3, "DbtrAgt")
	for i := first; i < last; i++ {
		x.credit(i)
		if err := x.flush(); err != nil {
			return err
		}
	}
	x.shut(2, "PmtInf")
	return x.flush()
}

func (x *markup) credit(i int) {
	d := x.dice(i)
	x.open(3, "CdtTrfTxInf")
	x.open(4, "PmtId")
	x.instructed(5, i, "InstrId", "EndToEndId")
	x.shut(4, "PmtId")
	x.open(4, "Amt")
	x.paid(5, "InstdAmt", x.amount(i))
	x.shut(4, "Amt")
	x.agent(4, "CdtrAgt", d.pick(banks))
	x.other(4, "Cdtr", &d)
	x.otherAccount(4, "CdtrAcct", &d)
	x.remittance(4, &d)
	x.shut(3, "CdtTrfTxInf")
}
