package formats

// pain.008, customer direct debit initiation: the money that a creditor asks its bank to draw from its debtors.
//
// Source: ISO 20022 message definitions pain.008.001.01 to .11 (Payments Initiation) and the German pain.008.002.02 and
// pain.008.003.02, elements by their XML tags. NbOfTxs of GrpHdr and PmtInf count DrctDbtTxInf, CtrlSum sums up InstdAmt.
//
// The creditor is the file's owner and so stands in Facts.Payers; in each Payment it is the payee, who draws, and the
// debtor is the payer. There is one direction only, so sums are positive and in Totals.
var pain008Roles = roles{message: "pain.008", draws: true, ownerAccount: "CdtrAcct", otherAccount: "DbtrAcct", date: "ReqdColltnDt",
	payment: "DrctDbtTxInf", amount: "InstdAmt", rules: &initiationRules}

// pain008Tree is what is read of a customer direct debit initiation.
var pain008Tree = element{id: idMessage, kids: []element{
	initiationHeader(),
	{name: "PmtInf", id: idPmtInf, kids: []element{
		leaf("PmtInfId", idBatchID), leaf("NbOfTxs", idBatchCount), leaf("CtrlSum", idBatchSum), leaf("ReqdColltnDt", idDate),
		within("Cdtr", leaf("Nm", idOwnerName)),
		within("CdtrAcct", accountID(idOwnerIBAN, idOwnerAccount)),
		agent("CdtrAgt"),
		{name: "DrctDbtTxInf", id: idTx, kids: []element{
			within("PmtId", leaf("EndToEndId", idEndToEnd)),
			amountIn("InstdAmt"),
			agent("DbtrAgt"),
			within("Dbtr", leaf("Nm", idOtherName)),
			within("DbtrAcct", accountID(idOtherIBAN, idOtherAccount)),
			remittance(),
		}},
	}},
}}

func openPain008(s *sheet) elements {
	return &initiation{s: s, roles: &pain008Roles, rules: pain008Roles.rules}
}
