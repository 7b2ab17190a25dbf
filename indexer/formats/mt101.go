package formats

import "fmt"

// MT101, request for transfer (SWIFT Standards, Category 1). A message has one sequence A and sequences B, each a payment:
//
//	A  20 sender's reference, 21R customer's reference, 28D message's number and how many, 50C or 50L instructing party,
//	   50F, 50G or 50H payer, 52a, 51A, 30 execution date YYMMDD, 25
//	B  21 reference, 21F, 23E, 32B currency and amount, 50C, 50L, 50F, 50G or 50H (where A has none), 52a, 56a, 57a,
//	   59a payee, 70 remittance text, 77B, 33B, 71A charges, 25A, 36
//
// (mtparty.go has the parties.) Nothing in a message states its count or sum.
//
// A message in blocks is whole behind its "-}" (mt.go). Without blocks, it is whole behind the 71A of a sequence B, which
// must be there, and a line end behind that. What cannot be told from a whole file: one that is cut between two messages or,
// without blocks, between two sequences B, or between two lines behind 71A; and one that has fewer messages than 28D says,
// as each may come in a file of its own (there is a finding).

// mt101 reads the messages of one MT101 file.
type mt101 struct {
	s            *sheet
	file         *mtFile
	p            Payment
	payer, own   mtParty // of sequence A, and of this B
	payee        mtParty
	initiator    mtParty
	in           byte // what a further line continues: 'I' instructing party, 'O' payer, 'B' payee, 'R' remittance text
	inB, settled bool // a sequence B has begun; its amount has come
	charged      bool // 71A has come
	text, id     []byte
	date         []byte
	index, total int64 // field 28D
	account      string
}

func openMT101(_ []byte, s *sheet) reader {
	f := newMT(s, "101")
	f.of = &mt101{s: s, file: f}
	return f
}

func (m *mt101) begin() {
	m.s.facts.Batches++
	m.payer.reset()
	m.initiator.reset()
	m.in, m.inB, m.settled, m.charged = 0, false, false, false
	m.date, m.index, m.total = m.date[:0], 0, 0
}

// beginB begins a sequence B, and hands over the one before it.
func (m *mt101) beginB(text []byte) {
	if m.inB {
		if lacks := m.lacks(); lacks != "" {
			m.s.malformed("message %d has a transaction, before line %d, without %s", m.file.messages, m.file.recs.n, lacks)
			return
		}
		m.flush()
	}
	m.own.reset()
	m.payee.reset()
	m.inB, m.settled, m.charged = true, false, false
	m.text, m.id = m.text[:0], latin(m.id[:0], text)
}

func (m *mt101) field(tag, text []byte) {
	m.in = 0
	switch {
	case string(tag) == "20":
		if m.file.messages == 1 {
			m.s.facts.MessageID = string(latin(nil, text))
		}
	case string(tag) == "28D":
		m.place(text)
	case string(tag) == "30":
		m.day(text)
	case string(tag) == "21":
		m.beginB(text)
	case string(tag) == "50C", string(tag) == "50L":
		m.in = 'I'
		m.initiator.begin(tag, text)
	case string(tag[:2]) == "50":
		m.in = 'O'
		payer := &m.payer
		if m.inB {
			payer = &m.own
		}
		payer.begin(tag, text)
		m.file.checkIBAN(payer.account)
	case string(tag) == "32B":
		m.amount(text)
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

// place takes field 28D: this message's number, and how many there are.
func (m *mt101) place(text []byte) {
	for i, c := range text {
		if c == '/' {
			m.index, _ = number(text[:i])
			m.total, _ = number(text[i+1:])
			return
		}
	}
}

// day takes field 30.
func (m *mt101) day(text []byte) {
	var ok bool
	if m.date, ok = dayYMD(m.date[:0], text); !ok && m.s.finds("date-shape") {
		m.s.finding("date-shape", m.file.where(), "%q is not a date", text[:min(len(text), 20)])
	}
}

// amount takes field 32B.
func (m *mt101) amount(text []byte) {
	var ok bool
	if m.p.Currency, m.p.Amount, ok = mtMoney(m.p.Currency[:0], text); !ok || !m.inB || m.settled {
		m.s.malformed("line %d is not the one currency and amount of a transaction of message %d", m.file.recs.n, m.file.messages)
		return
	}
	m.settled = true
}

func (m *mt101) more(line []byte) {
	switch m.in {
	case 'I':
		m.initiator.line(line)
	case 'O':
		if m.inB {
			m.own.line(line)
		} else {
			m.payer.line(line)
		}
	case 'B':
		m.payee.line(line)
	case 'R':
		m.text = mtRemittance(m.text, line)
	}
}

func (m *mt101) lacks() string {
	switch {
	case !m.inB:
		return "a transaction"
	case !m.settled:
		return "currency and amount"
	case len(m.payee.name)+len(m.payee.account) == 0:
		return "a payee"
	}
	return ""
}

func (m *mt101) whole() bool { return m.charged }

func (m *mt101) wholeWith(rest []byte) bool { return m.lacks() == "" && !m.charged && mtCharges(rest) }

// flush hands over the payment of the sequence B that ends.
func (m *mt101) flush() {
	if !m.charged && m.s.finds("charges-missing") {
		where := fmt.Sprintf("message %d, payment %d", m.file.messages, m.s.facts.Payments+1)
		m.s.finding("charges-missing", where, "the payment has no field 71A")
	}
	p, payer := &m.p, &m.payer
	if len(m.own.name)+len(m.own.account) > 0 {
		payer = &m.own
	}
	p.EndToEndID, p.Reference = m.id, mtOneLine(latin(p.Reference[:0], m.text))
	p.PayerName, p.PayerAccount, p.PayeeName, p.PayeeAccount = payer.name, payer.account, m.payee.name, m.payee.account
	p.ExecutionDate = m.date
	m.s.payer(p.PayerName, p.PayerAccount)
	m.s.executes(p.ExecutionDate)
	m.s.payment(p)
}

func (m *mt101) finish() {
	m.flush()
	facts := &m.s.facts
	if m.file.messages == 1 {
		if len(m.initiator.name) > 0 {
			facts.Initiator = string(m.initiator.name)
		}
		if m.account = string(m.payer.account); m.account == "" {
			m.account = string(m.own.account)
		}
	}
	if m.total > 1 {
		facts.Declared = fmt.Sprintf("message %d of %d", m.index, m.total)
	}
}

// end enters what makes two files the same business, and what only the end proves.
func (m *mt101) end() {
	if m.index < m.total && m.s.finds("message-missing") {
		m.s.finding("message-missing", fmt.Sprintf("message %d", m.file.messages), "the last message is number %d of %d", m.index, m.total)
	}
	facts := &m.s.facts
	if facts.MessageID != "" {
		facts.BusinessKey = fmt.Sprintf("mt101\x1f%s\x1f%s\x1f%s\x1f%d\x1f%s", facts.MessageID, m.account, facts.FirstExecution,
			facts.Payments, m.s.totals.words())
	}
}
