package formats

// pain.002, customer payment status report: a bank's answer to a pain.001 or pain.008.
//
// Source: ISO 20022 message definitions pain.002.001.02 to .14 (Payments Initiation), elements by their XML tags. A payment
// is a TxInfAndSts; many reports have none, as they answer for a whole file or PmtInf. OrgnlNbOfTxs and OrgnlCtrlSum are
// the earlier file's: they prove nothing here, so nothing is declared and nothing can mismatch. Sums are of what is quoted.
var pain002Tree = element{id: idMessage, kids: []element{
	{name: "GrpHdr", id: idGrpHdr, kids: []element{
		leaf("MsgId", idMsgID), leaf("CreDtTm", idCreated),
		within("InitgPty", leaf("Nm", idInitiatorName), partyID(idInitiatorID)),
	}},
	within("OrgnlGrpInfAndSts", leaf("OrgnlMsgId", idOriginalID)),
	within("OrgnlPmtInfAndSts", originalStatus()),
	originalStatus(), // in .02
}}

func originalStatus() element {
	return element{name: "TxInfAndSts", id: idTx, kids: []element{leaf("OrgnlEndToEndId", idEndToEnd), originalPayment()}}
}

// pain002 is a follow-up that says which file it answers.
type pain002 struct{ followUp }

func openPain002(s *sheet) elements {
	return &pain002{followUp{s: s, message: "pain.002", header: "GrpHdr"}}
}

func (r *pain002) end(id int, text []byte) {
	r.followUp.end(id, text)
	switch {
	case id == idOriginalID:
		r.s.facts.Answers = r.answers
	case id == idMessage && r.answers == "":
		r.s.notes("original-id-missing", "OrgnlGrpInfAndSts/OrgnlMsgId", "the report does not say which file it answers")
	}
}
