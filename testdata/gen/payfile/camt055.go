package payfile

import "io"

// Camt055 writes a camt.055.001.08 message in UTF-8: the payments of a pain.001, called back and quoted, with right
// totals. Its errors are the writer's.
func Camt055(w io.Writer, opt Options) error {
	return message(w, opt, "camt.055.001.08", "CstmrPmtCxlReq", func(x *markup) error {
		x.open(2, "Assgnmt")
		x.text(3, "Id", escape(x.MessageID))
		x.open(3, "Assgnr")
		x.own(4, "Pty")
		x.shut(3, "Assgnr")
		x.open(3, "Assgne")
		x.ownAgent(4, "Agt")
		x.shut(3, "Assgne")
		x.createdAt(3)
		x.shut(2, "Assgnmt")
		x.open(2, "CtrlData")
		x.totals(3, x.payments(), x.sum(0, x.payments()))
		x.shut(2, "CtrlData")
		x.open(2, "Undrlyg")
		if err := x.batches(x.cancellations); err != nil {
			return err
		}
		x.shut(2, "Undrlyg")
		return nil
	})
}

func (x *markup) cancellations(batch, first, last int) error {
	x.open(3, "OrgnlPmtInfAndCxl")
	x.number(4, "OrgnlPmtInfId", "BATCH-", uint64(batch+1), 6)
	for i := first; i < last; i++ {
		d := x.dice(i)
		x.open(4, "TxInf")
		x.instructed(5, i, "OrgnlInstrId", "OrgnlEndToEndId")
		x.quoted(5, batch, i, &d)
		x.shut(4, "TxInf")
		if err := x.flush(); err != nil {
			return err
		}
	}
	x.shut(3, "OrgnlPmtInfAndCxl")
	return x.flush()
}
