package formats

import (
	"bytes"
	"fmt"
)

// MT942, interim transaction report (SWIFT Standards, Category 9). Its fields:
//
//	20 reference, 25 account, 28C statement number and page, 34F floor limits: currency, perhaps C or D, amount,
//	13D created YYMMDDHHMM and offset, 61 and 86 entries (mtentry.go), 90D and 90C: number, currency and sum of the debits
//	and of the credits, 86
//
// Banks differ in whether they count reversals (RC, RD) and expected entries (EC, ED): 90D and 90C hold when they are
// right with them or without. So no total covers those that are left out, nor anything where 90D and 90C are not there.
//
// A text in block 4 is whole behind its "-}". Without blocks, a report is whole behind 90C, 90D or its "-": the standard
// lets 90D and 90C be left out, but then only "-" shows that no entry is missing. What cannot be told from a whole file:
// one that is cut between two reports or, without blocks, between 90D and 90C.

// mt942 reads the messages of one MT942 file.
type mt942 struct {
	mtEntries
	sums   [2]mtSum // 90D, 90C
	report []byte   // field 28C
	key    string
	slot   int // the problem about sums, see sheet.mismatch
}

// mtSum is a field 90.
type mtSum struct {
	has      bool
	count    int64
	currency ccy
	sum      Amount
}

func openMT942(_ []byte, s *sheet) reader {
	f := newMT(s, "942")
	f.of = &mt942{mtEntries: mtEntries{s: s, file: f}}
	s.both = true
	return f
}

func (m *mt942) begin() {
	m.s.facts.Batches++
	m.reset()
	m.sums, m.report = [2]mtSum{}, m.report[:0]
}

func (m *mt942) field(tag, text []byte) {
	if m.in = mtInNothing; m.whole() && (string(tag) == "61" || string(tag) == "25" || string(tag) == "28C" || string(tag) == "34F") {
		m.s.malformed("line %d stands behind the sums of message %d", m.file.recs.n, m.file.messages)
		return
	}
	facts := &m.s.facts
	switch string(tag) {
	case "20":
		if m.file.messages == 1 {
			facts.MessageID = string(latin(nil, text))
		}
	case "25", "25P":
		m.holder(text)
	case "28", "28C":
		m.report = latin(m.report[:0], text)
	case "34F":
		if len(text) < 3 || !validCurrency(text[:3]) || len(m.currency) > 0 && string(m.currency) != string(text[:3]) {
			m.s.malformed("line %d, a floor limit, does not begin with the one currency of message %d", m.file.recs.n, m.file.messages)
			return
		}
		m.currency = append(m.currency[:0], text[:3]...)
	case "13D", "13":
		m.created(text)
	case "61":
		m.entry(text)
	case "86":
		m.describe(text)
	case "90D", "90C":
		m.flush()
		m.close(text, tag[2])
	}
}

// created takes field 13D.
func (m *mt942) created(text []byte) {
	if m.file.messages > 1 || len(text) < 10 || !digits(text[:10]) {
		return
	}
	day, ok := dayYMD(nil, text[:6])
	if !ok {
		if m.s.finds("date-shape") {
			m.s.finding("date-shape", m.file.where(), "%q is not a date", text[:6])
		}
		return
	}
	at := string(day) + "T" + string(text[6:8]) + ":" + string(text[8:10])
	if len(text) == 15 && (text[10] == '+' || text[10] == '-') && digits(text[11:]) {
		at += string(text[10:13]) + ":" + string(text[13:])
	}
	m.s.facts.CreatedAt = at
	m.key = m.s.facts.MessageID + "\x1f" + string(m.account) + "\x1f" + string(m.report) + "\x1f" + at
}

// readSum reads a number, a currency and a sum.
func mtReadSum(text []byte) (b mtSum, ok bool) {
	n := 0
	for n < len(text) && digit(text[n]) {
		n++
	}
	count, ok := number(text[:n])
	if !ok || len(text) < n+4 || !validCurrency(text[n:n+3]) {
		return b, false
	}
	sum, rest, ok := mtAmount(bytes.TrimLeft(text[n+3:], " "))
	return mtSum{true, count, ccyOf(text[n : n+3]), sum}, ok && len(trim(rest)) == 0
}

// close takes 90D or 90C, and holds it against the entries.
func (m *mt942) close(text []byte, side byte) {
	at := 0
	if side == 'C' {
		at = 1
	}
	says, ok := mtReadSum(text)
	if !ok || m.sums[at].has {
		m.s.malformed("line %d is not the one sum of its kind in message %d", m.file.recs.n, m.file.messages)
		return
	}
	m.sums[at] = says
	if m.right(at, says) || m.slot != 0 {
		return
	}
	word, holds := []string{"debits", "credits"}[at], m.tallies[at*3]
	for _, more := range m.tallies[at*3+1 : at*3+3] {
		sum, err := holds.sum.Add(more.sum)
		if err != nil {
			m.s.malformed("its sum has too many digits")
			return
		}
		holds.count, holds.sum = holds.count+more.count, sum
	}
	currency := ccyOf(m.currency)
	m.s.mismatch(&m.slot, fmt.Sprintf("message %d says %s of %s%s as %s, but holds %d, %s%s", m.file.messages, payments(says.count), says.sum,
		says.currency.words(), word, holds.count, holds.sum, currency.words()))
}

// right tells whether a sum holds for the entries of its side, be it with or without reversals and expected ones.
func (m *mt942) right(at int, says mtSum) bool {
	if len(m.currency) > 0 && ccyOf(m.currency) != says.currency {
		return false
	}
	for with := range 4 {
		holds := m.tallies[at*3]
		for i := range 2 {
			if with>>i&1 == 1 {
				more := m.tallies[at*3+1+i]
				sum, err := holds.sum.Add(more.sum)
				if err != nil {
					return false
				}
				holds.count, holds.sum = holds.count+more.count, sum
			}
		}
		if holds.count == says.count && holds.sum.Cmp(says.sum) == 0 {
			return true
		}
	}
	return false
}

// lacks is nothing, as a report may be empty. What it must have makes no difference to payments.
func (m *mt942) lacks() string { return "" }

func (m *mt942) whole() bool { return m.sums[0].has || m.sums[1].has }

// wholeWith takes the last line, which may be cut: a sum tells by its value or its decimals that it is not.
func (m *mt942) wholeWith(rest []byte) bool {
	tag, text := mtTag(rest)
	if len(tag) != 3 || tag[0] != '9' || tag[1] != '0' || tag[2] != 'C' && tag[2] != 'D' {
		return false
	}
	b, ok := mtReadSum(text)
	at := 0
	if tag[2] == 'C' {
		at = 1
	}
	return ok && !m.sums[at].has && (mtDecimals(text, b.currency) || bytes.IndexByte(text, ',') >= 0 && m.right(at, b))
}

func (m *mt942) finish() {
	m.flush()
	facts := &m.s.facts
	switch d, c := m.sums[0], m.sums[1]; {
	case m.file.messages > 1:
		facts.Declared = fmt.Sprintf("%d messages", m.file.messages)
	case d.has || c.has:
		facts.Declared = fmt.Sprintf("%s of %s, %s of %s", counted(d.count, "debit", "debits"), d.sum,
			counted(c.count, "credit", "credits"), c.sum)
	}
}

// end enters what makes two files the same business.
func (m *mt942) end() {
	if facts := &m.s.facts; m.key != "" {
		facts.BusinessKey = fmt.Sprintf("mt942\x1f%s\x1f%d\x1f%s\x1f%s", m.key, facts.Payments, m.s.totals.words(), m.s.debits.words())
	}
}
