package formats

import (
	"strings"
	"unicode/utf8"
)

// How far a stream can hold pain.001, pain.008 and pacs.008 against their schemas: the elements that are read come in the
// standard's order, once where it allows one, not longer than its types allow, and those that a bank cannot do without are
// there. It is no schema validation: what is not read is not looked at. What is wrong is a finding, structure.
//
// Source: the ISO 20022 schemas pain.001.001.02 to .12, pain.008.001.01 to .11 and pacs.008.001.01 to .13. The order of what is
// read is the same in all of their versions.

// isoRule is what holds for an element.
type isoRule struct {
	rank  uint8 // its place in the order, of its GrpHdr, PmtInf or payment; 0: not looked at
	most  uint8 // characters
	again bool  // it may come more than once
}

const anyLength = 255

// Places that are asked for by name. Those of a payment begin behind rankPayment.
const (
	rankCreated  = 2
	rankBatchID  = 1
	rankDate     = 4
	rankAccount  = 6
	rankPayment  = 15
	rankName     = 22
	rankPayee    = 23
	rankPaid     = 25 // behind everything in a payment
	inPaymentBit = 1<<rankPayment - 1
)

// initiationRules are those of pain.001 and pain.008, whose owner stands in PmtInf.
var initiationRules = [idsOfInitiation]isoRule{
	idMsgID: {1, 35, false}, idCreated: {rankCreated, anyLength, false}, idGroupCount: {3, 15, false}, idGroupSum: {4, anyLength, false},
	idInitiatorName: {5, 140, false}, idInitiatorID: {6, 35, true},
	idBatchID: {rankBatchID, 35, false}, idBatchCount: {2, 15, false}, idBatchSum: {3, anyLength, false}, idDate: {rankDate, anyLength, false},
	idOwnerName: {5, 140, false}, idOwnerIBAN: {rankAccount, 34, false}, idOwnerAccount: {rankAccount, 34, false},
	idEndToEnd: {16, 35, false}, idAmount: {17, anyLength, false}, idBIC: {21, anyLength, true},
	idOtherName: {rankName, 140, false}, idOtherIBAN: {rankPayee, 34, false}, idOtherAccount: {rankPayee, 34, false},
	idUnstructured: {24, 140, true}, idReference: {24, 35, true},
}

// pacs008Rules are those of pacs.008, whose owner stands in each payment.
var pacs008Rules = func() [idsOfInitiation]isoRule {
	rules := initiationRules
	rules[idDate].rank, rules[idOwnerName].rank, rules[idOwnerIBAN].rank, rules[idOwnerAccount].rank = 18, 19, 20, 20
	return rules
}()

// order is how far the present GrpHdr, PmtInf or payment has come.
type order struct {
	at   uint8  // the last place
	seen uint32 // places that are taken, one bit each
}

// begin enters a container.
func (o *order) begin(id int) {
	switch id {
	case idGrpHdr, idPmtInf:
		*o = order{}
	case idTx:
		o.at, o.seen = rankPayment, o.seen&inPaymentBit
	}
}

// lacks tells whether neither of two places is taken.
func (o *order) lacks(one, other uint8) bool { return o.seen&(1<<one|1<<other) == 0 }

// follow takes an element with its text.
func (r *initiation) follow(id int, text []byte) {
	rule := &r.rules[id]
	if rule.rank > r.order.at && len(text) <= int(rule.most) {
		r.order.at = rule.rank
		r.order.seen |= 1 << rule.rank
	} else if rule.rank != 0 {
		r.irregular(id, text)
	}
}

// irregular enters what is wrong with an element that is too long, in bytes, or not behind the one before it.
func (r *initiation) irregular(id int, text []byte) {
	rule := &r.rules[id]
	o, bit := &r.order, uint32(1)<<rule.rank
	switch {
	case rule.rank > o.at:
		o.at = rule.rank
	case rule.rank == o.at && rule.again:
	case id == idDate && len(text) == 0: // what stands around Dt
		return
	case o.seen&bit != 0 && !rule.again:
		r.irregularity(id, rule, "the element is there more than once")
	default:
		r.irregularity(id, rule, "the element stands behind others that belong behind it")
	}
	o.seen |= bit
	if len(text) > int(rule.most) && rule.most != anyLength {
		if n := utf8.RuneCount(text); n > int(rule.most) {
			r.irregularity(id, rule, "the element has %d characters, of at most %d", n, rule.most)
		}
	}
}

func (r *initiation) irregularity(id int, rule *isoRule, sentence string, args ...any) {
	if !r.s.finds("structure") {
		return
	}
	where := r.roles.path(id)
	switch {
	case rule.rank > rankPayment && r.order.at > rankPayment && r.order.at < rankPaid:
		where = r.where(where)
	case strings.HasPrefix(where, "PmtInf/"):
		where = r.inBatch(where)
	}
	r.s.finding("structure", where, sentence, args...)
}

// absent enters a required element that is not there.
func (r *initiation) absent(where string) {
	if r.s.finds("structure") {
		r.s.finding("structure", where, "the element is missing")
	}
}

// checkHeader, checkBatch and checkPayment look for what has to be there when its container ends. An absent message id, end-to-end
// id, count or amount is told of elsewhere.
func (r *initiation) checkHeader() {
	if r.order.lacks(rankCreated, rankCreated) {
		r.absent("GrpHdr/CreDtTm")
	}
}

func (r *initiation) checkBatch() {
	if v := r.s.facts.Version; r.order.lacks(rankBatchID, rankBatchID) && v != "pain.001.001.02" && v != "pain.008.001.01" {
		r.absent(r.inBatch(r.roles.path(idBatchID)))
	}
	if r.order.lacks(rankDate, rankDate) {
		r.absent(r.inBatch(r.roles.path(idDate)))
	}
	if r.order.lacks(rankAccount, rankAccount) {
		r.absent(r.inBatch("PmtInf/" + r.roles.ownerAccount))
	}
}

func (r *initiation) checkPayment() {
	if r.order.lacks(rankName, rankPayee) && r.s.finds("structure") {
		r.s.finding("structure", r.where(r.roles.inPayment()+r.roles.otherAccount), "the payment has neither the account nor the name of whom it is with")
	}
	r.order.at = rankPaid
}

// inPayment begins the path of an element of a payment.
func (r *roles) inPayment() string {
	if r.message == "pacs.008" {
		return r.payment + "/"
	}
	return "PmtInf/" + r.payment + "/"
}

// path is where an element stands in the message.
func (r *roles) path(id int) string {
	owner, other, payment := strings.TrimSuffix(r.ownerAccount, "Acct"), strings.TrimSuffix(r.otherAccount, "Acct"), r.inPayment()
	around := "PmtInf/"
	if r.message == "pacs.008" {
		around = payment
	}
	switch id {
	case idMsgID:
		return "GrpHdr/MsgId"
	case idCreated:
		return "GrpHdr/CreDtTm"
	case idGroupCount:
		return "GrpHdr/NbOfTxs"
	case idGroupSum:
		return "GrpHdr/CtrlSum"
	case idInitiatorName:
		return "GrpHdr/InitgPty/Nm"
	case idInitiatorID:
		if r.message == "pacs.008" {
			return "GrpHdr/InstgAgt"
		}
		return "GrpHdr/InitgPty/Id"
	case idBatchID:
		return "PmtInf/PmtInfId"
	case idBatchCount:
		return "PmtInf/NbOfTxs"
	case idBatchSum:
		return "PmtInf/CtrlSum"
	case idDate:
		return around + r.date
	case idOwnerName:
		return around + owner + "/Nm"
	case idOwnerIBAN, idOwnerAccount:
		return around + r.ownerAccount + "/Id"
	case idEndToEnd:
		return payment + "PmtId/EndToEndId"
	case idAmount:
		return payment + r.amount
	case idBIC:
		return payment + other + "Agt"
	case idOtherName:
		return payment + other + "/Nm"
	case idOtherIBAN, idOtherAccount:
		return payment + r.otherAccount + "/Id"
	}
	return payment + "RmtInf"
}

// validDateTime tells whether b, which begins with a date, is an ISODateTime: seconds, perhaps fractions of one, perhaps a zone.
func validDateTime(b []byte) bool {
	if len(b) < 19 || b[10] != 'T' || !validClock(b[11:19]) {
		return false
	}
	b = b[19:]
	if len(b) > 1 && b[0] == '.' && digit(b[1]) {
		for b = b[2:]; len(b) > 0 && digit(b[0]); b = b[1:] {
		}
	}
	switch {
	case len(b) == 0, string(b) == "Z":
		return true
	case len(b) != 6 || b[0] != '+' && b[0] != '-' || b[3] != ':':
		return false
	}
	hour, ok := number(b[1:3])
	minute, ok2 := number(b[4:6])
	return ok && ok2 && hour <= 14 && minute < 60
}

// validClock judges hh:mm:ss.
func validClock(b []byte) bool {
	hour, ok := number(b[:2])
	minute, ok2 := number(b[3:5])
	second, ok3 := number(b[6:8])
	return ok && ok2 && ok3 && b[2] == ':' && b[5] == ':' && minute < 60 && second < 60 && (hour < 24 || hour == 24 && minute+second == 0)
}
