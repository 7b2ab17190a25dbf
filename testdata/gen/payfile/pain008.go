package payfile

import "io"

// Pain008 writes a pain.008.001.08 message in UTF-8: direct debits, with right totals at every level. Its errors are the
// writer's.
func Pain008(w io.Writer, opt Options) error {
	return message(w, opt, "pain.008.001.08", "CstmrDrctDbtInitn", func(x *markup) error {
		if err := x.initiation(); err != nil {
			return err
		}
		return x.batches(x.debits)
	})
}

// debits writes one PmtInf: one creditor account, one date.
func (x *markup) debits(batch, first, last int) error {
	d := x.dice(-1 - batch)
	x.open(2, "PmtInf")
	x.number(3, "PmtInfId", "BATCH-", uint64(batch+1), 6)
	x.text(3, "PmtMtd", "DD")
	x.totals(3, last-first, x.sum(first, last))
	x.day(3, "ReqdColltnDt", 1+batch%20)
	x.own(3, "Cdtr")
	x.ownAccount(3, "CdtrAcct", &d)
	x.ownAgent(3, "CdtrAgt")
	for i := first; i < last; i++ {
		x.debit(i)
		if err := x.flush(); err != nil {
			return err
		}
	}
	x.shut(2, "PmtInf")
	return x.flush()
}

func (x *markup) debit(i int) {
	d := x.dice(i)
	x.open(3, "DrctDbtTxInf")
	x.open(4, "PmtId")
	x.instructed(5, i, "InstrId", "EndToEndId")
	x.shut(4, "PmtId")
	x.paid(4, "InstdAmt", x.amount(i))
	x.open(4, "DrctDbtTx")
	x.open(5, "MndtRltdInf")
	x.number(6, "MndtId", "MANDATE-", uint64(i+1), 8)
	x.shut(5, "MndtRltdInf")
	x.shut(4, "DrctDbtTx")
	x.agent(4, "DbtrAgt", d.pick(banks))
	x.other(4, "Dbtr", &d)
	x.otherAccount(4, "DbtrAcct", &d)
	x.remittance(4, &d)
	x.shut(3, "DrctDbtTxInf")
}
