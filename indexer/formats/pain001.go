package formats

// pain.001, customer credit transfer initiation: the payments that a customer asks its bank to make.
//
// Source: ISO 20022 message definitions pain.001.001.02 to .12 (Payments Initiation), elements by their XML tags. NbOfTxs
// of GrpHdr and PmtInf count CdtTrfTxInf, CtrlSum sums up InstdAmt and EqvtAmt/Amt, whatever their currencies.
var pain001Roles = roles{message: "pain.001", ownerAccount: "DbtrAcct", otherAccount: "CdtrAcct", date: "ReqdExctnDt",
	payment: "CdtTrfTxInf", amount: "Amt", rules: &initiationRules}

// pain001Tree is what is read of a customer credit transfer initiation, versions .02 to .12.
var pain001Tree = element{id: idMessage, kids: []element{
	initiationHeader(),
	{name: "PmtInf", id: idPmtInf, kids: []element{
		leaf("PmtInfId", idBatchID), leaf("NbOfTxs", idBatchCount), leaf("CtrlSum", idBatchSum),
		{name: "ReqdExctnDt", id: idDate, leaf: true, kids: []element{leaf("Dt", idDate), leaf("DtTm", idDate)}},
		within("Dbtr", leaf("Nm", idOwnerName)),
		within("DbtrAcct", accountScheme(idOwnerIBAN, idOwnerAccount, idOwnerScheme)),
		agent("DbtrAgt"),
		{name: "CdtTrfTxInf", id: idTx, kids: []element{
			within("PmtId", leaf("EndToEndId", idEndToEnd)),
			within("Amt", amountIn("InstdAmt"), within("EqvtAmt", amountIn("Amt"))),
			agent("CdtrAgt"),
			within("Cdtr", leaf("Nm", idOtherName)),
			within("CdtrAcct", accountScheme(idOtherIBAN, idOtherAccount, idOtherScheme)),
			remittance(),
		}},
	}},
}}

func openPain001(s *sheet) elements {
	return &initiation{s: s, roles: &pain001Roles, rules: pain001Roles.rules}
}
