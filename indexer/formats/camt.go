package formats

import "strings"

// camt.053, camt.052 and camt.054: what a bank tells its customer of an account: the statement of a day, the report within
// a day, the notification of single bookings. They are one message with three names.
//
// Source: ISO 20022 message definitions camt.052/.053/.054.001.01 to .13 (Bank-to-Customer Cash Management), elements by
// their XML tags.
//   - A payment is an Ntry, whatever NtryDtls it has; a debit's amount is negative. Parties, ids and remittance information
//     are those of its TxDtls if it has a single one: of several, none speaks for the sum.
//   - TxsSummry: NbOfNtries and Sum of TtlNtries, TtlCdtNtries and TtlDbtNtries, of a Stmt, Rpt or Ntfctn. Some banks count all
//     Ntry, some those that are booked: either is right. TtlNetNtryAmt is wrong in banks' own examples: only a finding.
//   - Bal: OPBD plus all booked Ntry is CLBD.
//
// Sums are proven only where all Ntry are in one currency, as neither Sum nor Ntry is converted, and where the statement is
// not one page of several; else a difference is a finding.

// What camt wants to hear of, besides what it has in common with payments.
const (
	idPage = iota + 100
	idLastPage
	idStatement
	idStatementID
	idAccountIBAN
	idAccountOther
	idAccountCurrency
	idOwner
	idBalance
	idBalanceCode
	idBalanceSubType
	idBalanceAmount
	idBalanceSign
	idAllCount
	idAllSum
	idNet
	idNetSign
	idCreditCount
	idCreditSum
	idDebitCount
	idDebitSum
	idSign
	idStatus
	idBooked
	idValue
	idMore
	idDetails
	idDebtor
	idDebtorIBAN
	idDebtorAccount
	idCreditor
	idCreditorIBAN
	idCreditorAccount
)

// camtKind is how the three differ.
type camtKind struct{ message, root, statement, pages, noun string }

var (
	camt052 = camtKind{"camt.052", "BkToCstmrAcctRpt", "Rpt", "RptPgntn", "report"}
	camt053 = camtKind{"camt.053", "BkToCstmrStmt", "Stmt", "StmtPgntn", "statement"}
	camt054 = camtKind{"camt.054", "BkToCstmrDbtCdtNtfctn", "Ntfctn", "NtfctnPgntn", "notification"}

	camt052Tree, camt053Tree, camt054Tree = camtTree(camt052), camtTree(camt053), camtTree(camt054)
)

// of is the message of that kind. The first version's root had its number in the name.
func (k camtKind) of(tree element) message {
	return message{k.message, []string{k.root, k.root + "V01"}, tree, func(s *sheet) elements {
		s.both = true
		return &camt{s: s, kind: k}
	}}
}

func camtTree(k camtKind) element {
	entry := element{name: "Ntry", id: idTx, kids: []element{
		amountIn("Amt"), leaf("CdtDbtInd", idSign),
		{name: "Sts", id: idStatus, leaf: true, kids: []element{leaf("Cd", idStatus), leaf("Prtry", idStatus)}},
		within("BookgDt", leaf("Dt", idBooked), leaf("DtTm", idBooked)),
		within("ValDt", leaf("Dt", idValue), leaf("DtTm", idValue)),
		within("NtryDtls", camtDetails()), camtDetails(),
		leaf("AddtlNtryInf", idMore),
	}}
	return element{id: idMessage, kids: []element{
		{name: "GrpHdr", id: idGrpHdr, kids: []element{
			leaf("MsgId", idMsgID), leaf("CreDtTm", idCreated), camtPages("MsgPgntn"),
		}},
		{name: k.statement, id: idStatement, kids: []element{
			leaf("Id", idStatementID), camtPages(k.pages),
			within("Acct", accountID(idAccountIBAN, idAccountOther), leaf("Ccy", idAccountCurrency),
				within("Ownr", leaf("Nm", idOwner)), agent("Svcr")),
			{name: "Bal", id: idBalance, kids: []element{
				within("Tp", leaf("Cd", idBalanceCode), within("CdOrPrtry", leaf("Cd", idBalanceCode)),
					within("SubTp", leaf("Cd", idBalanceSubType), leaf("Prtry", idBalanceSubType))),
				{name: "Amt", id: idBalanceAmount, leaf: true, attr: "Ccy"}, leaf("CdtDbtInd", idBalanceSign),
			}},
			within("TxsSummry",
				within("TtlNtries", leaf("NbOfNtries", idAllCount), leaf("Sum", idAllSum), leaf("TtlNetNtryAmt", idNet),
					leaf("CdtDbtInd", idNetSign), within("TtlNetNtry", leaf("Amt", idNet), leaf("CdtDbtInd", idNetSign))),
				within("TtlCdtNtries", leaf("NbOfNtries", idCreditCount), leaf("Sum", idCreditSum)),
				within("TtlDbtNtries", leaf("NbOfNtries", idDebitCount), leaf("Sum", idDebitSum))),
			entry,
		}},
	}}
}

func camtPages(name string) element {
	return within(name, leaf("PgNb", idPage), leaf("LastPgInd", idLastPage))
}

// camtDetails is TxDtls, which the first version has in Ntry itself.
func camtDetails() element {
	return element{name: "TxDtls", id: idDetails, kids: []element{
		within("Refs", leaf("EndToEndId", idEndToEnd)),
		within("RltdPties", partyName("Dbtr", idDebtor), within("DbtrAcct", accountID(idDebtorIBAN, idDebtorAccount)),
			partyName("Cdtr", idCreditor), within("CdtrAcct", accountID(idCreditorIBAN, idCreditorAccount))),
		within("RltdAgts", agent("DbtrAgt"), agent("CdtrAgt")),
		remittance(),
	}}
}

// camt reads one message of the three. Elements that it does not know do not trouble it: it is no schema checker.
type camt struct {
	s          *sheet
	kind       camtKind
	begun      bool
	headers    int
	statements int64
	paged      bool  // the message is a page of several
	declared   claim // by all statements together
	wrong      bool  // one statement with wrong totals is told of, not more
	firstID    string
	account    string // the first one

	of statement

	// The entry that is being read. Slices are kept from one to the next.
	tx            Payment
	hasAmount     bool
	sign, status  byte // as in signOf and statusOf
	booked, value []byte
	details       int
	debtor        camtParty
	creditor      camtParty
	remitted      remitted
	more          []byte
}

type camtParty struct{ name, account []byte }

func (p *camtParty) clear() { p.name, p.account = p.name[:0], p.account[:0] }

func (r *camt) start(id int) {
	switch id {
	case idMessage:
		if r.begun {
			r.s.malformed("it holds more than one message")
		}
		r.begun = true
	case idGrpHdr:
		if r.headers++; r.headers > 1 {
			r.s.malformed("it has more than one GrpHdr")
		}
	case idStatement:
		r.statements++
		r.s.facts.Batches++
		r.of = statement{owner: r.of.owner[:0], account: r.of.account[:0], paged: r.paged}
	case idBalance:
		r.of.balance = balance{}
	case idTx:
		r.hasAmount, r.sign, r.status, r.details = false, 0, 0, 0
		r.tx.Currency, r.booked, r.value, r.more = r.tx.Currency[:0], r.booked[:0], r.value[:0], r.more[:0]
		r.clearDetails()
	case idDetails:
		if r.details++; r.details == 2 {
			r.clearDetails()
		}
	}
}

func (r *camt) clearDetails() {
	r.tx.EndToEndID = r.tx.EndToEndID[:0]
	r.debtor.clear()
	r.creditor.clear()
	r.remitted.clear()
}

// attr takes a currency.
func (r *camt) attr(id int, value []byte) {
	switch {
	case id == idBalanceAmount:
		r.of.balance.currency = ccyOf(value)
	case !r.hasAmount: // end refuses a second amount
		r.tx.Currency = append(r.tx.Currency[:0], value...)
	}
}

func (r *camt) end(id int, text []byte) {
	switch id {
	case idTx:
		r.entry()
	case idAmount:
		r.tx.Amount, r.hasAmount = isoAmount(r.s, text, r.tx.Currency, r.hasAmount), true
	case idSign:
		if r.sign != 0 {
			r.s.malformed("payment %d has more than one CdtDbtInd", r.s.facts.Payments+1)
		}
		r.sign = signOf(text)
	case idStatus:
		if len(text) > 0 { // else the blanks around Cd
			r.status = statusOf(text)
		}
	case idBooked:
		r.booked = append(r.booked[:0], text[:min(len(text), 10)]...)
	case idValue:
		r.value = append(r.value[:0], text[:min(len(text), 10)]...)
	case idMore:
		r.more = append(r.more[:0], text...)
	case idDebtorIBAN, idCreditorIBAN, idBIC:
		r.check(id, text)
	}
	if r.details == 1 {
		r.endDetail(id, text)
	}
	if id < idSign && id != idTx {
		r.endOutside(id, text)
	}
}

// endDetail is end for what is in an entry's single TxDtls.
func (r *camt) endDetail(id int, text []byte) {
	switch id {
	case idEndToEnd:
		r.tx.EndToEndID = append(r.tx.EndToEndID[:0], text...)
	case idDebtor:
		r.debtor.name = append(r.debtor.name[:0], text...)
	case idDebtorIBAN, idDebtorAccount:
		r.debtor.account = append(r.debtor.account[:0], text...)
	case idCreditor:
		r.creditor.name = append(r.creditor.name[:0], text...)
	case idCreditorIBAN, idCreditorAccount:
		r.creditor.account = append(r.creditor.account[:0], text...)
	case idUnstructured:
		r.remitted.free(text)
	case idReference:
		r.remitted.structured(text)
	}
}

// endOutside is end for what is not inside an entry.
func (r *camt) endOutside(id int, text []byte) {
	f := &r.s.facts
	switch id {
	case idMessage:
		r.endMessage()
	case idGrpHdr:
		if f.MessageID == "" {
			r.s.notes("message-id-missing", "GrpHdr/MsgId", "the file has no message id")
		}
	case idMsgID:
		f.MessageID = string(text)
	case idCreated:
		created(r.s, "GrpHdr/CreDtTm", text)
	case idPage, idLastPage:
		if part := id == idPage && string(text) != "1" || id == idLastPage && string(text) != "true" && string(text) != "1"; part {
			r.of.paged = true
			r.paged = r.paged || r.statements == 0
		}
	case idStatementID:
		if r.firstID == "" {
			r.firstID = string(text)
		}
	case idAccountIBAN, idAccountOther:
		r.of.account = append(r.of.account[:0], text...)
		if r.account == "" {
			r.account = string(text)
		}
		if id == idAccountIBAN && !validIBAN(text) && r.s.finds("iban-check-digits") {
			r.s.finding("iban-check-digits", r.where("Acct"), "the IBAN %q is not valid", text)
		}
	case idOwner:
		r.of.owner = append(r.of.owner[:0], text...)
	case idStatement:
		r.endStatement()
	default:
		r.of.end(r.s, id, text)
	}
}

func (r *camt) endMessage() {
	f := &r.s.facts
	if r.headers == 0 {
		r.s.malformed("it has no GrpHdr")
		return
	}
	if r.statements == 0 {
		r.s.notes("statement-missing", r.kind.root, "the message has no %s", r.kind.noun)
	}
	f.Declared, _ = r.declared.words("")
	if f.MessageID != "" {
		f.BusinessKey = strings.Join([]string{r.kind.message, f.MessageID, r.firstID, strings.ReplaceAll(r.account, " ", "")}, "\x1f")
	}
}
