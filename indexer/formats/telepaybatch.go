package formats

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// What ends orders and batches of Telepay, and how its records are cut; see telepay.go.

func (f *telepayFile) remit(field []byte) {
	var text [64]byte
	f.order.remitted.free(latin(text[:0], field))
}

// foreignDetail takes BETFOR02, 03 and 04.
func (f *telepayFile) foreignDetail(rec []byte, kind int64) {
	switch kind {
	case 2:
		if bic := bytes.Trim(columns(rec, 81, 91), " "); len(bic) > 0 && !validBIC(bic) && f.s.finds("bic-shape") {
			f.s.finding("bic-shape", f.where(), "the BIC %q does not have a BIC's shape", bic)
		}
	case 3:
		f.account = latin(f.account[:0], columns(rec, 81, 115))
		f.name = latin(f.name[:0], columns(rec, 116, 150))
		if b := f.account; len(b) >= 15 && upper(b[0]) && upper(b[1]) && digit(b[2]) && digit(b[3]) && !validIBAN(b) && f.s.finds("iban-check-digits") {
			f.s.finding("iban-check-digits", f.where(), "the IBAN %q is not valid", b)
		}
	case 4:
		f.invoice(rec, columns(rec, 151, 165), rec[165], columns(rec, 116, 150))
	}
}

// flush hands over the order that waits for its invoices.
func (f *telepayFile) flush() {
	o, p := &f.order, &f.p
	kind := o.kind
	o.kind = 0
	if kind == 0 || o.mass || f.s.closed {
		return
	}
	if o.details == 0 {
		if p.Amount = o.own; kind == 1 || p.Amount.IsZero() {
			f.s.notes("order-empty", f.where(), "the order before this record has no invoices and no amount, so it is no payment")
			return
		}
		f.transactions++
	} else if kind == 21 && !o.total.IsZero() && o.total.Cmp(p.Amount) != 0 {
		f.s.notes("order-total", f.where(), "the order before this record says %s, but its invoices make up %s", o.total, p.Amount)
	}
	f.pay()
}

// pay hands over the payment.
func (f *telepayFile) pay() {
	p := &f.p
	p.EndToEndID, p.ExecutionDate, p.Reference = f.id, f.date, f.order.remitted.text
	p.PayerAccount, p.PayeeName, p.PayeeAccount = f.payer, f.name, f.account
	if string(p.Currency) == "NOK" {
		sum, err := f.part.sum.Add(p.Amount)
		if err != nil {
			f.s.malformed("its sum has too many digits")
			return
		}
		f.part.sum = sum
	}
	f.part.payments++
	f.s.executes(f.date)
	f.s.payer(nil, f.payer)
	f.s.payment(p)
}

// close takes BETFOR99.
func (f *telepayFile) close(rec []byte) {
	if f.flush(); f.s.closed {
		return
	}
	f.inBatch = false
	var says telepaySums
	var ok [3]bool
	says.payments, ok[0] = optionalNumber(columns(rec, 85, 88))
	ore, okSum := optionalNumber(columns(rec, 89, 103))
	says.sum, ok[1] = AmountFromMinor(ore, 2), okSum
	says.records, ok[2] = optionalNumber(columns(rec, 104, 108))
	if !ok[0] || !ok[1] || !ok[2] {
		f.s.malformed("record %d, BETFOR99, has something other than digits in its totals", f.n)
		return
	}
	f.said.payments, f.said.records = f.said.payments+says.payments, f.said.records+says.records
	f.said.sum, _ = f.said.sum.Add(says.sum) // of 15 digits each
	holds := f.part
	if says.records != 0 && says.records != holds.records%100_000 && f.slot == 0 {
		f.s.mismatch(&f.slot, fmt.Sprintf("batch %d says %s, but holds %s", f.batches, says, holds))
	}
	if says.records == 0 {
		f.s.notes("no-count", f.where(), "the batch does not say how many records it has")
	}
	if n := says.payments; n != 0 && n != holds.payments%10_000 && n != f.orders%10_000 && n != f.transactions%10_000 {
		f.s.notes("payment-count", f.where(), "the batch says %s, but holds %s with %s", payments(n), counted(f.orders, "order", "orders"), payments(holds.payments))
	}
	gross, err := holds.sum.Add(f.credited)
	if err == nil {
		gross, err = gross.Add(f.credited)
	}
	switch {
	case says.sum.IsZero() || says.sum.Cmp(holds.sum) == 0 || err == nil && says.sum.Cmp(gross) == 0:
	case f.foreign || f.deletions:
		f.s.notes("batch-total", f.where(), "the batch says %s, but its orders in NOK make up %s", says.sum, holds.sum)
	case f.slot == 0:
		f.s.mismatch(&f.slot, fmt.Sprintf("batch %d says %s, but holds %s", f.batches, says, holds))
	}
}

// optionalNumber is 0 for blanks.
func optionalNumber(field []byte) (int64, bool) {
	if allBlank(field) {
		return 0, true
	}
	return number(bytes.Trim(field, " "))
}

// telepayCutter makes records of a stream, of a byte a character.
type telepayCutter struct {
	s     *sheet
	line  int // characters of a line, 0 if records stand back to back
	take  func(rec []byte)
	carry []byte            // the beginning of a line, or of a record
	rec   [telepaySize]byte // a record in lines
	at    int               // columns of it that have come
	flat  []byte            // scratch
	n     int64             // records taken
}

func (c *telepayCutter) write(p []byte) {
	for len(p) > 0 && !c.s.closed {
		if c.line == 0 {
			p = c.back(p)
			continue
		}
		n := bytes.IndexByte(p, '\n')
		if n < 0 {
			c.carry = append(c.carry, p[:min(len(p), maxRecord+1)]...)
			c.tooLong(c.carry)
			return
		}
		if len(c.carry) == 0 {
			c.addLine(p[:n])
		} else {
			c.carry = append(c.carry, p[:min(n, maxRecord+1)]...)
			c.addLine(c.carry)
			c.carry = c.carry[:0]
		}
		p = p[n+1:]
	}
}

func (c *telepayCutter) tooLong(b []byte) bool {
	if len(b) > maxRecord {
		c.s.malformed("a line of record %d is longer than %d bytes", c.n+1, maxRecord)
	}
	return len(b) > maxRecord
}

// addLine takes a line. Blank ones count inside of a record.
func (c *telepayCutter) addLine(b []byte) {
	if c.tooLong(b) {
		return
	}
	b = c.flatten(b)
	if len(b) == c.line+1 && b[c.line] == '\r' {
		b = b[:c.line]
	}
	if len(b) != c.line || b[0] <= ' ' {
		b = trimLine(b)
	}
	switch {
	case c.at == 0 && len(b) == 0:
		return
	case c.at > 0 && len(b) >= 46 && string(b[:2]) == "AH" && string(b[40:46]) == "BETFOR": // blank lines were lost: which?
		c.s.malformed("record %d has %d lines, not 4", c.n+1, c.at/c.line)
		return
	}
	if len(b) > c.line {
		c.s.notes("record-length", fmt.Sprintf("record %d", c.n+1), "a line has %s, not %d", counted(int64(len(b)), "character", "characters"), c.line)
		b = b[:c.line]
	}
	c.fill(b)
	if c.at += c.line; c.at == telepaySize {
		c.emit()
	}
}

// fill puts b where the record goes on, and blanks behind it.
func (c *telepayCutter) fill(b []byte) {
	const blanks = "                                                                                "
	for i := c.at + copy(c.rec[c.at:], b); i < telepaySize; {
		i += copy(c.rec[i:], blanks)
	}
}

// emit hands over the record that is filled.
func (c *telepayCutter) emit() {
	c.at = 0
	c.n++
	c.take(c.rec[:])
}

// back takes what it can of records that stand back to back, and gives the rest.
func (c *telepayCutter) back(p []byte) []byte {
	if len(c.carry) == 0 {
		if p[0] == '\r' || p[0] == '\n' || p[0] == 0x1A || p[0] == 0 {
			return p[1:]
		}
		if len(p) >= telepaySize && ascii(p[:telepaySize]) {
			c.n++
			c.take(p[:telepaySize])
			return p[telepaySize:]
		}
	}
	n := min(len(p), max(1, telepaySize-c.count(c.carry)))
	c.carry = append(c.carry, p[:n]...)
	for c.count(c.carry) >= telepaySize && !c.s.closed {
		size := len(c.carry)
		if !utf8.Valid(c.carry) {
			size = telepaySize
		}
		c.fill(c.flatten(c.carry[:size]))
		c.emit()
		c.carry = c.carry[:copy(c.carry, c.carry[size:])]
	}
	return p[n:]
}

// count is how many characters b has: of UTF-8, unless it has a byte that does not fit there. A character that is not whole
// does not count.
func (c *telepayCutter) count(b []byte) int {
	if ascii(b) || c.s.facts.Encoding == "iso-8859-1" {
		return len(b)
	}
	n := 0
	for rest := b; len(rest) > 0; n++ {
		if !utf8.FullRune(rest) {
			return n
		}
		r, size := utf8.DecodeRune(rest)
		if r == utf8.RuneError && size == 1 {
			return len(b)
		}
		rest = rest[size:]
	}
	return n
}

// flatten makes UTF-8 a byte a character, others beyond ISO-8859-1 question marks, and blanks of those that do not break.
func (c *telepayCutter) flatten(b []byte) []byte {
	if ascii(b) {
		return b
	}
	facts := &c.s.facts
	if facts.Encoding == "us-ascii" {
		if facts.Encoding = "iso-8859-1"; utf8.Valid(b) {
			facts.Encoding = "utf-8"
		}
	}
	wide := facts.Encoding == "utf-8" && utf8.Valid(b)
	c.flat = c.flat[:0]
	for i := 0; i < len(b); {
		r, n := rune(b[i]), 1
		if wide {
			r, n = utf8.DecodeRune(b[i:])
		}
		switch i += n; {
		case r == 0xA0:
			r = ' '
		case r > 0xFF:
			r = '?'
		}
		c.flat = append(c.flat, byte(r))
	}
	return c.flat
}

// rest is what has come of the next record; empty if that is nothing but blanks.
func (c *telepayCutter) rest() []byte {
	encoding := c.s.facts.Encoding
	defer func() { c.s.facts.Encoding = encoding }()
	b := c.flatten(c.begun())
	if len(trimLine(b)) == 0 && c.at == 0 {
		return nil
	}
	return append(c.rec[:c.at:c.at], b...)
}

// begun is the carry without a last character that is not whole.
func (c *telepayCutter) begun() []byte {
	b := c.carry
	if ascii(b) || utf8.Valid(b) || c.s.facts.Encoding == "iso-8859-1" {
		return b
	}
	for n := 1; n < min(len(b), utf8.UTFMax); n++ {
		if cut := len(b) - n; utf8.RuneStart(b[cut]) && !utf8.FullRune(b[cut:]) && utf8.Valid(b[:cut]) {
			return b[:cut]
		}
	}
	return b
}

// last hands over the rest as a record: the file ends with it.
func (c *telepayCutter) last() {
	if len(c.rest()) == 0 {
		return
	}
	b := trimLine(c.flatten(c.begun()))
	c.carry = nil
	c.fill(b)
	c.emit()
}
