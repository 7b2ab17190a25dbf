package payfile

import "io"

// Camt053 writes a camt.053.001.08 message in UTF-8: a statement for each batch, every third entry a debit, with right
// balances and summaries. Its errors are the writer's.
func Camt053(w io.Writer, opt Options) error {
	return message(w, opt, "camt.053.001.08", "BkToCstmrStmt", func(x *markup) error {
		x.open(2, "GrpHdr")
		x.text(3, "MsgId", escape(x.MessageID))
		x.createdAt(3)
		x.shut(2, "GrpHdr")
		return x.batches(x.statement)
	})
}

// drawn tells which entries of a statement, and of the other formats with both directions, are debits.
func drawn(i int) bool { return i%3 == 2 }

// sides are counts and sums of the credits and debits among payments first to last-1.
func (o Options) sides(first, last int) (count, sum [2]uint64) {
	for i := first; i < last; i++ {
		side := 0
		if drawn(i) {
			side = 1
		}
		count[side]++
		sum[side] += o.amount(i)
	}
	return count, sum
}

func (x *markup) statement(batch, first, last int) error {
	d := x.dice(-1 - batch)
	count, sum := x.sides(first, last)
	opening := int64(d.roll(100_000_000))
	x.open(2, "Stmt")
	x.number(3, "Id", "STMT-", uint64(batch+1), 6)
	x.createdAt(3)
	x.ownAccount(3, "Acct", &d)
	x.balance("OPBD", opening)
	x.balance("CLBD", opening+int64(sum[0])-int64(sum[1]))
	x.open(3, "TxsSummry")
	x.summary("TtlNtries", count[0]+count[1], sum[0]+sum[1])
	x.summary("TtlCdtNtries", count[0], sum[0])
	x.summary("TtlDbtNtries", count[1], sum[1])
	x.shut(3, "TxsSummry")
	for i := first; i < last; i++ {
		x.entry(i)
		if err := x.flush(); err != nil {
			return err
		}
	}
	x.shut(2, "Stmt")
	return x.flush()
}

func (x *markup) balance(code string, ore int64) {
	sign := "CRDT"
	if ore < 0 {
		sign, ore = "DBIT", -ore
	}
	x.open(3, "Bal")
	x.open(4, "Tp")
	x.open(5, "CdOrPrtry")
	x.text(6, "Cd", code)
	x.shut(5, "CdOrPrtry")
	x.shut(4, "Tp")
	x.paid(4, "Amt", uint64(ore))
	x.text(4, "CdtDbtInd", sign)
	x.dated(4, "Dt", 0)
	x.shut(3, "Bal")
}

func (x *markup) summary(tag string, count, sum uint64) {
	x.open(4, tag)
	x.number(5, "NbOfNtries", "", count, 1)
	x.sums(5, "Sum", sum)
	x.shut(4, tag)
}

func (x *markup) entry(i int) {
	d := x.dice(i)
	sign, family, role, account := "CRDT", "RCDT", "Dbtr", "DbtrAcct"
	if drawn(i) {
		sign, family, role, account = "DBIT", "ICDT", "Cdtr", "CdtrAcct"
	}
	x.open(3, "Ntry")
	x.number(4, "NtryRef", "", uint64(i+1), 1)
	x.paid(4, "Amt", x.amount(i))
	x.text(4, "CdtDbtInd", sign)
	x.open(4, "Sts")
	x.text(5, "Cd", "BOOK")
	x.shut(4, "Sts")
	x.dated(4, "BookgDt", 0)
	x.dated(4, "ValDt", d.roll(2))
	x.number(4, "AcctSvcrRef", "REF-", uint64(i+1), 9)
	x.open(4, "BkTxCd")
	x.open(5, "Domn")
	x.text(6, "Cd", "PMNT")
	x.open(6, "Fmly")
	x.text(7, "Cd", family)
	x.text(7, "SubFmlyCd", "ESCT")
	x.shut(6, "Fmly")
	x.shut(5, "Domn")
	x.shut(4, "BkTxCd")
	x.open(4, "NtryDtls")
	x.open(5, "TxDtls")
	x.open(6, "Refs")
	x.instructed(7, i, "InstrId", "EndToEndId")
	x.shut(6, "Refs")
	x.open(6, "RltdPties")
	x.otherParty(7, role, &d)
	x.otherAccount(7, account, &d)
	x.shut(6, "RltdPties")
	x.remittance(6, &d)
	x.shut(5, "TxDtls")
	x.shut(4, "NtryDtls")
	x.shut(3, "Ntry")
}
