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
	same        bool
	value       []byte
	lens, texts reader
}

func (c *columnReader) open(r *reader) {
	c.value = c.value[:0]
	switch r.byte() {
	case 0:
		c.same = true
		c.value = append(c.value, r.bytes()...)
	case 1:
		c.same = false
		c.lens, c.texts = reader{b: r.bytes()}, reader{b: r.bytes()}
	default:
		r.bad = true
	}
}

func (c *columnReader) next() ([]byte, bool) {
	if c.same {
		return c.value, true
	}
	shared, own := c.lens.number(), c.lens.number()
	if c.lens.bad || shared > uint64(len(c.value)) {
		return nil, false
	}
	c.value = append(c.value[:shared], c.texts.take(own)...)
	return c.value, !c.texts.bad
}

// blockReader opens blocks, one at a time; its buffers are used again.
type blockReader struct {
	plain        []byte
	cols         [columns]columnReader
	amounts      reader
	count, first uint64
}

// open makes a stored block ready to be read from its first payment on.
func (r *blockReader) open(stored []byte) error {
	if len(stored) == 0 {
		return errBlock
	}
	in := reader{b: stored[1:]}
	if stored[0] == storedS2 {
		n, err := s2.DecodedLen(stored[1:])
		if err != nil || n > blockMax {
			return fmt.Errorf("%w: %w", errBlock, err)
		}
		r.plain = slices.Grow(r.plain[:0], n)[:n]
		if in.b, err = s2.Decode(r.plain, stored[1:]); err != nil {
			return fmt.Errorf("%w: %w", errBlock, err)
		}
	} else if stored[0] != storedPlain {
		return errBlock
	}
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

// anyOf tells whether some payment of the opened block has a value in this column that is wanted. The column is read to
// its end, so the block must be opened anew for each.
func (r *blockReader) anyOf(col int, wanted func(v []byte) bool) (bool, error) {
	c := &r.cols[col]
	for range r.count {
		v, ok := c.next()
		if !ok {
			return false, errBlock
		}
		if wanted(v) {
			return true, nil
		}
		if c.same {
			break
		}
	}
	return false, nil
}

// each calls f with every payment of a stored block until f says false. The payment is valid during the call only.
func (r *blockReader) each(stored []byte, f func(*formats.Payment) bool) error {
	if err := r.open(stored); err != nil {
		return err
	}
	var v [columns][]byte
	var p formats.Payment
	for n := range r.count {
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
		p = formats.Payment{
			Index: int64(r.first + n), EndToEndID: v[colEndToEnd], Amount: a, Currency: v[colCurrency],
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
