package formats

import (
	"bytes"
	"fmt"
)

// MT940, customer statement message (SWIFT Standards, Category 9). Its fields:
//
//	20 reference, 25 account, 28C statement number and page, 60F or 60M opening balance (M: of a page behind the first),
//	61 and 86 entries (mtentry.go), 62F or 62M closing balance (M: another page follows), 64, 65 available balances, 86
//
// A balance is C or D, a date YYMMDD, a currency and an amount. Each page's opening balance and entries make its closing
// balance. Rabobank writes the number of the type (":940:") in front, ABN AMRO and ING lines of their own (mt.go).
//
// A text in block 4 is whole behind its "-}". Without blocks, a statement is whole behind 62F or 62M, as all that may
// follow is optional; a last line without a line end must then be a balance with all its decimals, or one that is right.
// What cannot be told from a whole file: one that is cut between two statements, or behind field 62; one that ends with
// 62M, as each page may come in a file of its own (there is a finding).

// mt940 reads the messages of one MT940 file.
type mt940 struct {
	mtEntries
	opening, closing mtBalance // of the message
	last             mtBalance // closing balance of the last message
	page             bool      // the message is not the last page of its statement
	before           mtBalance // closing balance of the page before this message, if there was one ...
	beforeAccount    []byte    // ... and its account
	slot             int       // the problem about balances, see sheet.mismatch
	number           []byte    // field 28C
	key              string
}

// mtBalance is a field 60 or 62; the zero value stands for none.
type mtBalance struct {
	has      bool
	currency ccy
	amount   Amount
}

func (b mtBalance) String() string { return b.amount.String() + " " + string(b.currency[:]) }

func openMT940(_ []byte, s *sheet) reader {
	f := newMT(s, "940")
	f.of = &mt940{mtEntries: mtEntries{s: s, file: f}}
	s.both = true
	return f
}

func (m *mt940) begin() {
	if m.before = (mtBalance{}); m.page {
		m.before, m.beforeAccount = m.closing, append(m.beforeAccount[:0], m.account...)
	}
	m.reset()
	m.opening, m.closing, m.page = mtBalance{}, mtBalance{}, false
	m.number = m.number[:0]
}

func (m *mt940) field(tag, text []byte) {
	m.in = mtInNothing
	if m.closing.has {
		switch string(tag) {
		case "25", "25P", "28", "28C", "60F", "60M": // a statement without a reference of its own
			m.file.again()
		case "61", "62F", "62M":
			m.s.malformed("line %d stands behind the closing balance of message %d", m.file.recs.n, m.file.messages)
			return
		}
	}
	switch string(tag) {
	case "20":
		if m.file.messages == 1 {
			m.s.facts.MessageID = string(latin(nil, text))
		}
	case "25", "25P":
		m.holder(text)
	case "28", "28C":
		m.number = latin(m.number[:0], text)
	case "60F", "60M":
		m.open(text)
		m.follow(tag)
	case "61":
		m.entry(text)
	case "86":
		m.describe(text)
	case "62F", "62M":
		m.flush()
		m.close(text)
		m.page = tag[2] == 'M'
	}
}

// open takes a field 60.
func (m *mt940) open(text []byte) {
	b, ok := mtReadBalance(text)
	if !ok || m.opening.has {
		m.s.malformed("line %d is not the one opening balance of message %d", m.file.recs.n, m.file.messages)
		return
	}
	m.opening = b
	m.s.facts.Batches++
	m.currency = append(m.currency[:0], b.currency[:]...)
	if m.file.messages == 1 {
		m.key = m.s.facts.MessageID + "\x1f" + string(m.account) + "\x1f" + string(m.number) + "\x1f" + string(text[1:min(len(text), 7)])
	}
}

// follow holds a page's opening balance against the closing one of the page before it.
func (m *mt940) follow(tag []byte) {
	if string(tag) == "60M" && m.before.has && string(m.account) == string(m.beforeAccount) && m.opening.has &&
		m.opening.amount.Cmp(m.before.amount) != 0 && m.s.finds("pages-apart") {
		m.s.finding("pages-apart", m.file.where(), "the page opens with %s, but the one before it closes with %s", m.opening, m.before)
	}
}

// mtReadBalance reads C or D, a date, a currency and an amount.
func mtReadBalance(text []byte) (b mtBalance, ok bool) {
	if len(text) < 11 || text[0] != 'C' && text[0] != 'D' || !digits(text[1:7]) || !validCurrency(text[7:10]) {
		return b, false
	}
	amount, rest, ok := mtAmount(bytes.TrimLeft(text[10:], " "))
	if !ok || len(trim(rest)) > 0 {
		return b, false
	}
	b = mtBalance{has: true, currency: ccyOf(text[7:10]), amount: amount}
	if text[0] == 'D' {
		b.amount = amount.Neg()
	}
	return b, true
}

// close takes a field 62, and holds it against the opening balance and the entries.
func (m *mt940) close(text []byte) {
	b, ok := mtReadBalance(text)
	if !ok {
		m.s.malformed("line %d is not the closing balance of message %d", m.file.recs.n, m.file.messages)
		return
	}
	m.closing, m.last = b, b
	if m.right(b) || m.slot != 0 {
		return
	}
	net, _ := m.net()
	who := "it opens"
	if m.file.messages > 1 {
		who = fmt.Sprintf("message %d opens", m.file.messages)
	}
	m.s.mismatch(&m.slot, fmt.Sprintf("%s with %s and closes with %s, but its payments make up %s", who, m.opening, b, net))
}

// right tells whether a closing balance is what the opening one and the entries make; without an opening one, it is.
func (m *mt940) right(b mtBalance) bool {
	if !m.opening.has {
		return true
	}
	net, ok := m.net()
	sum, err := m.opening.amount.Add(net)
	return ok && err == nil && b.currency == m.opening.currency && sum.Cmp(b.amount) == 0
}

func (m *mt940) lacks() string {
	if !m.closing.has {
		return "a closing balance"
	}
	return ""
}

func (m *mt940) whole() bool { return true }

// wholeWith takes the last line, which may be cut: a balance tells by its value or its decimals that it is not.
func (m *mt940) wholeWith(rest []byte) bool {
	tag, text := mtTag(rest)
	if len(tag) < 2 || tag[0] != '6' {
		return false
	}
	b, ok := mtReadBalance(text)
	if !ok {
		return false
	}
	switch {
	case !m.closing.has && (string(tag) == "62F" || string(tag) == "62M"):
		return mtDecimals(text, b.currency) || m.opening.has && m.right(b) && bytes.IndexByte(text, ',') >= 0
	case m.closing.has && (string(tag) == "64" || string(tag) == "65"):
		return mtDecimals(text, b.currency)
	}
	return false
}

// mtDecimals tells whether an amount has all the decimals that its currency has.
func mtDecimals(text []byte, currency ccy) bool {
	text = trimLine(text)
	point := bytes.LastIndexAny(text, ",.")
	want := 2
	switch string(currency[:]) {
	case "BHD", "IQD", "JOD", "KWD", "LYD", "OMN", "OMR", "TND":
		want = 3
	case "JPY", "KRW", "VND", "CLP", "ISK", "XAF", "XOF", "XPF":
		want = 0
	}
	return point >= 0 && len(text)-point-1 >= want
}

func (m *mt940) finish() {
	m.flush()
	facts := &m.s.facts
	switch {
	case m.file.messages > 1:
		facts.Declared = fmt.Sprintf("%d messages, the last closes with %s", m.file.messages, m.last)
	case m.opening.has:
		facts.Declared = fmt.Sprintf("opens with %s, closes with %s", m.opening, m.closing)
	default:
		facts.Declared = fmt.Sprintf("closes with %s", m.closing)
	}
}

// end enters what makes two files the same business, and what only the end proves.
func (m *mt940) end() {
	if m.page && m.s.finds("page-missing") {
		m.s.finding("page-missing", m.file.where(), "the last message closes with an intermediate balance, but no page follows")
	}
	facts := &m.s.facts
	if m.key != "" {
		credits, debits := m.s.totals.words(), m.s.debits.words()
		facts.BusinessKey = fmt.Sprintf("mt940\x1f%s\x1f%d\x1f%s\x1f%s\x1f%s", m.key, facts.Payments, credits, debits, m.last)
	}
}

// words are the sums, such as "10.00 EUR", in order of appearance.
func (s *sums) words() (words string) {
	for _, t := range s.list {
		words += t.Amount.String() + " " + t.Currency + " "
	}
	return words
}
