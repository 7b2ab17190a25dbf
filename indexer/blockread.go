package indexer

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/klauspost/compress/s2"

	"github.com/sealgate/sealgate/indexer/formats"
)

// reader takes a block apart; bad is set, and everything empty, once something does not fit.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.bad = true
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *reader) number() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) take(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return nil
	}
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) bytes() []byte { return r.take(r.number()) }

// columnReader gives a column's values one after the other.
type columnReader struct {
	same        bool   // every payment has the value
	again       bool   // the value is the one before
	value       []byte // with room behind it
	n           int    // length of the value
	lens, texts []byte
	at, text    int // where the next one's are in them
}

func (c *columnReader) open(r *reader) {
	c.n, c.at, c.text = 0, 0, 0
	switch r.byte() {
	case 0:
		c.same = true
		v := r.bytes()
		c.put(0, v)
	case 1:
		c.same = false
		c.lens, c.texts = r.bytes(), r.bytes()
	default:
		r.bad = true
	}
}

// put makes the value its own first bytes and some more.
func (c *columnReader) put(shared int, own []byte) {
	n := shared + len(own)
	if n > len(c.value) {
		c.value = append(c.value[:shared], make([]byte, max(64, n))...)
	}
	copy(c.value[shared:], own)
	c.n = n
}

func (c *columnReader) length() (uint64, bool) {
	if c.at < len(c.lens) && c.lens[c.at] < 0x80 { // nearly all are
		c.at++
		return uint64(c.lens[c.at-1]), true
	}
	v, n := binary.Uvarint(c.lens[c.at:])
	c.at += max(n, 0)
	return v, n > 0
}

// next is the next payment's value, valid until the one after it.
func (c *columnReader) next() ([]byte, bool) {
	if c.same {
		c.again = true
		return c.value[:c.n], true
	}
	shared, ok := c.length()
	own, ok2 := c.length()
	if !ok || !ok2 || shared > uint64(c.n) || own > uint64(len(c.texts)-c.text) {
		return nil, false
	}
	if c.again = own == 0 && shared == uint64(c.n); !c.again {
		c.put(int(shared), c.texts[c.text:c.text+int(own)])
		c.text += int(own)
	}
	return c.value[:c.n], true
}

// blockReader opens blocks, one at a time; its buffers are used again.
type blockReader struct {
	plain        []byte // the opened block
	cols         [columns]columnReader
	amounts      reader
	count, first uint64
	marks, hits  [blockPayments]bool
}

// open makes a stored block ready to be read, with all of its payments marked.
func (r *blockReader) open(stored []byte) (err error) {
	if r.plain, err = expand(r.plain, stored); err != nil {
		return err
	}
	if err := r.rewind(); err != nil {
		return err
	}
	for i := range r.marks {
		r.marks[i] = true
	}
	return nil
}

// rewind begins with the opened block's first payment again.
func (r *blockReader) rewind() error {
	in := reader{b: r.plain}
	if in.byte() != blockVersion {
		return errBlock
	}
	r.count, r.first = in.number(), in.number()
	for i := range r.cols {
		r.cols[i].open(&in)
	}
	r.amounts = reader{b: in.bytes()}
	if in.bad || r.count > blockPayments {
		return errBlock
	}
	return nil
}

// expand puts what compress was given into dst.
func expand(dst, stored []byte) ([]byte, error) {
	if len(stored) == 0 || stored[0] != storedPlain && stored[0] != storedS2 {
		return nil, errBlock
	}
	if stored[0] == storedPlain {
		return append(dst[:0], stored[1:]...), nil
	}
	n, err := s2.DecodedLen(stored[1:])
	if err != nil || n > blockMax {
		return nil, fmt.Errorf("%w: %w", errBlock, err)
	}
	if dst, err = s2.Decode(slices.Grow(dst[:0], n)[:n], stored[1:]); err != nil {
		return nil, fmt.Errorf("%w: %w", errBlock, err)
	}
	return dst, nil
}

// keep takes the mark from the payments that have no value that is wanted in any of these columns, and tells how many
// payments there are up to the last marked one.
func (r *blockReader) keep(wanted func(v []byte) bool, cols ...int) (end int, err error) {
	if err := r.rewind(); err != nil {
		return 0, err
	}
	hits := r.hits[:r.count]
	clear(hits)
	for _, col := range cols {
		c := &r.cols[col]
		hit := false
		for i := range hits {
			v, ok := c.next()
			if !ok {
				return 0, errBlock
			}
			if i == 0 || !c.again {
				hit = wanted(v)
			}
			hits[i] = hits[i] || hit
		}
	}
	for i, hit := range hits {
		if r.marks[i] = r.marks[i] && hit; r.marks[i] {
			end = i + 1
		}
	}
	return end, nil
}

// each calls f with every payment of a stored block until f says false. The payment is valid during the call only.
func (r *blockReader) each(stored []byte, f func(*formats.Payment) bool) error {
	if err := r.open(stored); err != nil {
		return err
	}
	return r.marked(int(r.count), f)
}

// marked calls f with the marked ones among the opened block's first payments, until f says false. The payment is valid
// during the call only.
func (r *blockReader) marked(end int, f func(*formats.Payment) bool) error {
	if err := r.rewind(); err != nil {
		return err
	}
	var v [columns][]byte
	var p formats.Payment
	for n := range end {
		for i := range r.cols {
			ok := false
			if v[i], ok = r.cols[i].next(); !ok {
				return errBlock
			}
		}
		a, ok := r.amount()
		if !ok {
			return errBlock
		}
		if !r.marks[n] {
			continue
		}
		p = formats.Payment{
			Index: int64(r.first) + int64(n), EndToEndID: v[colEndToEnd], Amount: a, Currency: v[colCurrency],
			PayerName: v[colPayerName], PayerAccount: v[colPayerAccount], PayeeName: v[colPayeeName],
			PayeeAccount: v[colPayeeAccount], ExecutionDate: v[colDate], Reference: v[colReference],
		}
		if !f(&p) {
			return nil
		}
	}
	return nil
}

func (r *blockReader) amount() (formats.Amount, bool) {
	scale := r.amounts.byte()
	if scale == amountAsText {
		a, err := formats.ParseAmount(r.amounts.bytes())
		return a, err == nil && !r.amounts.bad
	}
	z := r.amounts.number()
	return formats.AmountFromMinor(int64(z>>1)^-int64(z&1), scale), !r.amounts.bad
}
