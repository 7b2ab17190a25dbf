package formats

import (
	"bytes"
	"fmt"
)

// MT103, single customer credit transfer (SWIFT Standards, Category 1), also as STP and REMIT. Each message is a payment:
//
//	20 sender's reference, 23B, 32A value date YYMMDD, currency and amount, 33B instructed amount, 50a payer, 59a payee
//	(mtparty.go), 70 remittance text ("/ROC/" and an end-to-end id, perhaps), 71A charges, 71F, 71G, 72, 77B, 77T
//
// Totals are those of 32A, what banks settle. Nothing in a file states how many messages it has, or their sum.
//
// A message in blocks is whole behind its "-}" (mt.go). Without blocks, it is whole behind 71A, which is the last field that
// must be there, and behind a line end in those that may follow. What cannot be told from a whole file: one that is cut
// between two messages, or between two lines behind 71A.

// mt103 reads the messages of one MT103 file.
type mt103 struct {
	s            *sheet
	file         *mtFile
	p            Payment
	payer, payee mtParty
	in           byte // what a further line continues: 'O' payer, 'B' payee, 'R' remittance text
	hasAmount    bool
	charged      bool // 71A has come
	id, text     []byte
	date         []byte
}

func openMT103(_ []byte, s *sheet) reader {
	f := newMT(s, "103")
	f.of = &mt103{s: s, file: f}
	return f
}

func (m *mt103) begin() {
	m.s.facts.Batches++
	m.payer.reset()
	m.payee.reset()
	m.in, m.hasAmount, m.charged = 0, false, false
	m.id, m.text = m.id[:0], m.text[:0]
}

func (m *mt103) field(tag, text []byte) {
	m.in = 0
	switch {
	case string(tag) == "20":
		if m.id = latin(m.id[:0], text); m.file.messages == 1 {
			m.s.facts.MessageID = string(m.id)
		}
	case string(tag) == "32A":
		m.amount(text)
	case string(tag[:2]) == "50":
		m.in = 'O'
		m.payer.begin(tag, text)
		m.file.checkIBAN(m.payer.account)
	case string(tag[:2]) == "59":
		m.in = 'B'
		m.payee.begin(tag, text)
		m.file.checkIBAN(m.payee.account)
	case string(tag) == "70":
		m.in = 'R'
		m.text = append(m.text[:0], text[:min(len(text), maxParty)]...)
	case string(tag) == "71A":
		m.charged = true
	}
}

// amount takes field 32A.
func (m *mt103) amount(text []byte) {
	if m.hasAmount || len(text) < 10 || !digits(text[:6]) {
		m.s.malformed("line %d is not the one date, currency and amount of message %d", m.file.recs.n, m.file.messages)
		return
	}
	m.hasAmount = true
	var ok bool
	if m.date, ok = dayYMD(m.date[:0], text[:6]); !ok && m.s.finds("date-shape") {
		m.s.finding("date-shape", m.file.where(), "%q is not a date", text[:6])
	}
	m.p.Currency, m.p.Amount, ok = mtMoney(m.p.Currency[:0], text[6:])
	if !ok {
		m.s.malformed("line %d is not the one date, currency and amount of message %d", m.file.recs.n, m.file.messages)
	}
}

// mtMoney reads a currency and an amount, and appends the currency.
func mtMoney(to, text []byte) (currency []byte, amount Amount, ok bool) {
	if len(text) < 4 || !validCurrency(text[:3]) {
		return to, amount, false
	}
	amount, rest, ok := mtAmount(bytes.TrimLeft(text[3:], " "))
	return append(to, text[:3]...), amount, ok && len(trim(rest)) == 0
}

func (m *mt103) more(line []byte) {
	switch m.in {
	case 'O':
		m.payer.line(line)
	case 'B':
		m.payee.line(line)
	case 'R':
		m.text = mtRemittance(m.text, line)
	}
}

// mtRemittance adds a line to a field 70.
func mtRemittance(text, line []byte) []byte {
	if len(text) > maxParty {
		return text
	}
	if len(line) > 2 && string(line[:2]) == "//" {
		line = line[2:]
	}
	return append(append(text, ' '), line[:min(len(line), maxParty)]...)
}

func (m *mt103) lacks() string {
	switch {
	case !m.hasAmount:
		return "date, currency and amount"
	case len(m.payee.name)+len(m.payee.account) == 0:
		return "a payee"
	}
	return ""
}

func (m *mt103) whole() bool { return m.charged }

func (m *mt103) wholeWith(rest []byte) bool { return m.lacks() == "" && !m.charged && mtCharges(rest) }

// mtCharges tells whether a line is a whole field 71A.
func mtCharges(line []byte) bool {
	tag, text := mtTag(line)
	return string(tag) == "71A" && (string(text) == "OUR" || string(text) == "SHA" || string(text) == "BEN")
}

func (m *mt103) finish() {
	if !m.charged && m.s.finds("charges-missing") {
		m.s.finding("charges-missing", fmt.Sprintf("message %d", m.file.messages), "the message has no field 71A")
	}
	p := &m.p
	p.EndToEndID, p.Reference = m.id, mtOneLine(latin(p.Reference[:0], m.text))
	if id, ok := bytes.CutPrefix(p.Reference, []byte("/ROC/")); ok {
		if n := bytes.Index(id, []byte("//")); n >= 0 {
			id = id[:n]
		}
		if n := bytes.IndexByte(id, ' '); n >= 0 {
			id = id[:n]
		}
		p.EndToEndID = id
	}
	p.PayerName, p.PayerAccount = m.payer.name, m.payer.account
	p.PayeeName, p.PayeeAccount = m.payee.name, m.payee.account
	p.ExecutionDate = m.date
	m.s.payer(p.PayerName, p.PayerAccount)
	m.s.executes(m.date)
	m.s.payment(p)
}

// end enters what makes two files the same business.
func (m *mt103) end() {
	if facts := &m.s.facts; facts.MessageID != "" {
		facts.BusinessKey = fmt.Sprintf("mt103\x1f%s\x1f%s\x1f%s\x1f%d\x1f%s", facts.MessageID, facts.Initiator, facts.FirstExecution,
			facts.Payments, m.s.totals.words())
	}
}
