package indexer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"

	"github.com/klauspost/compress/s2"

	"github.com/sealgate/sealgate/indexer/formats"
)

// A block holds up to 1,024 payments of one file, column by column. All numbers are unsigned varints.
//
//	version (1), count, index of the first payment (the others follow it without a gap)
//	eight columns of text: end-to-end id, currency, payer's name and account, payee's name and account,
//	    execution date, then the reference: either
//	        0, length, text                           every payment has this text
//	        1, length, lens, length, texts            for each payment, lens has how many bytes it shares with the one
//	                                                  before and how many are its own; texts has these
//	amounts: length, then for each its decimals and its whole number of them (zigzag), or 255 and its text's length and text
//
// As it is stored, one byte comes before: 0 as it is, 1 compressed with S2. A change of the form is a new version; the
// old ones must be readable for ever.
const (
	blockPayments = 1024
	blockText     = 256 << 10 // bytes of text after which a block is full with fewer payments
	blockVersion  = 1
	blockMax      = 64 << 20 // no block is larger once expanded

	storedPlain = 0
	storedS2    = 1

	amountAsText = 255
)

// The columns of text, in the order of the block.
const (
	colEndToEnd = iota
	colCurrency
	colPayerName
	colPayerAccount
	colPayeeName
	colPayeeAccount
	colDate
	colReference
	columns
)

// column is one column of text while its block fills.
type column struct {
	prev, lens, texts []byte
	n                 int
	varied            bool
}

func (c *column) reset() {
	c.prev, c.lens, c.texts, c.n, c.varied = c.prev[:0], c.lens[:0], c.texts[:0], 0, false
}

// add appends a value and tells whether it differs from the one before.
func (c *column) add(v []byte) bool {
	c.n++
	if bytes.Equal(v, c.prev) {
		c.lens = append(binary.AppendUvarint(c.lens, uint64(len(v))), 0)
		return c.n == 1
	}
	shared, most := 0, min(len(v), len(c.prev))
	for shared < most && v[shared] == c.prev[shared] {
		shared++
	}
	c.varied = c.varied || c.n > 1
	c.lens = binary.AppendUvarint(c.lens, uint64(shared))
	c.lens = binary.AppendUvarint(c.lens, uint64(len(v)-shared))
	c.texts = append(c.texts, v[shared:]...)
	c.prev = append(c.prev[:shared], v[shared:]...)
	return true
}

func (c *column) append(b []byte) []byte {
	if !c.varied {
		return appendBytes(append(b, 0), c.prev)
	}
	return appendBytes(appendBytes(append(b, 1), c.lens), c.texts)
}

func appendBytes(b, v []byte) []byte { return append(binary.AppendUvarint(b, uint64(len(v))), v...) }

// full says whether the next payment belongs into another block.
func (b *builder) full() bool { return b.count == blockPayments || b.text >= blockText }

// builder gathers the payments of a block. It is used again and again; it allocates only while it grows.
type builder struct {
	cols         [columns]column
	amounts      []byte
	keys         [askable][]uint64
	names        segment // of this block and the ones before
	folded       []byte
	count, text  int
	first        int64
	least, most  formats.Amount
	from, to     []byte // dates
	undated      bool
	currencies   [4][3]byte // the first few; more are not told
	nCurrencies  int        // len(currencies)+1: too many, or a strange one
	plain, small []byte     // the block, and the block as it is stored
	summary      []byte
	filters      [askable][]byte // of each kind of keys for itself; in a small block, the first is of all
}

func (b *builder) reset() {
	for i := range b.cols {
		b.cols[i].reset()
	}
	for i := range b.keys {
		b.keys[i] = b.keys[i][:0]
	}
	b.amounts, b.count, b.text = b.amounts[:0], 0, 0
	b.from, b.to, b.undated, b.nCurrencies = b.from[:0], b.to[:0], false, 0
}

// add takes one payment; the caller has seen to it that it follows the one before.
func (b *builder) add(p *formats.Payment) {
	if b.count == 0 {
		b.first, b.least, b.most = p.Index, p.Amount, p.Amount
	} else if p.Amount.Cmp(b.least) < 0 {
		b.least = p.Amount
	} else if p.Amount.Cmp(b.most) > 0 {
		b.most = p.Amount
	}
	b.count++
	b.text += len(p.EndToEndID) + len(p.PayerName) + len(p.PayerAccount) + len(p.PayeeName) + len(p.PayeeAccount) + len(p.Reference)
	if b.cols[colEndToEnd].add(p.EndToEndID) {
		b.key(askID, p.EndToEndID)
	}
	if b.cols[colCurrency].add(p.Currency) {
		b.currency(p.Currency)
	}
	if b.cols[colPayerName].add(p.PayerName) {
		b.names.add(p.PayerName)
	}
	if b.cols[colPayerAccount].add(p.PayerAccount) {
		b.key(askAccount, p.PayerAccount)
	}
	if b.cols[colPayeeName].add(p.PayeeName) {
		b.names.add(p.PayeeName)
	}
	if b.cols[colPayeeAccount].add(p.PayeeAccount) {
		b.key(askAccount, p.PayeeAccount)
	}
	if b.cols[colDate].add(p.ExecutionDate) {
		b.date(p.ExecutionDate)
	}
	if b.cols[colReference].add(p.Reference) {
		b.key(askReference, p.Reference)
	}
	b.amount(p.Amount)
}

func (b *builder) key(ask int, v []byte) {
	if len(v) > 0 {
		kind := keyKind(ask)
		b.folded = folding(kind)(b.folded[:0], v)
		b.keys[ask] = append(b.keys[ask], hashKey(kind, b.folded))
	}
}

func (b *builder) currency(v []byte) {
	if b.nCurrencies > len(b.currencies) {
		return
	}
	if len(v) != 3 {
		b.nCurrencies = len(b.currencies) + 1
		return
	}
	c := [3]byte(v)
	if slices.Contains(b.currencies[:b.nCurrencies], c) {
		return
	}
	if b.nCurrencies < len(b.currencies) {
		b.currencies[b.nCurrencies] = c
	}
	b.nCurrencies++
}

func (b *builder) date(v []byte) {
	switch {
	case len(v) == 0:
		b.undated = true
		return
	case len(b.from) == 0:
		b.from, b.to = append(b.from, v...), append(b.to, v...)
		return
	}
	if bytes.Compare(v, b.from) < 0 {
		b.from = append(b.from[:0], v...)
	}
	if bytes.Compare(v, b.to) > 0 {
		b.to = append(b.to[:0], v...)
	}
}

func (b *builder) amount(a formats.Amount) {
	minor, scale, ok := a.Minor()
	if !ok {
		b.amounts = appendBytes(append(b.amounts, amountAsText), []byte(a.String()))
		b.keys[askAmount] = append(b.keys[askAmount], amountKey(a))
		return
	}
	b.amounts = append(b.amounts, scale)
	b.amounts = binary.AppendUvarint(b.amounts, uint64(minor<<1)^uint64(minor>>63))
	b.keys[askAmount] = append(b.keys[askAmount], minorKey(minor, scale))
}

// close finishes the block: afterwards small, summary and filters are what is stored, valid until the next close.
func (b *builder) close() {
	p := append(b.plain[:0], blockVersion)
	p = binary.AppendUvarint(p, uint64(b.count))
	p = binary.AppendUvarint(p, uint64(b.first))
	for i := range b.cols {
		p = b.cols[i].append(p)
	}
	b.plain = appendBytes(p, b.amounts)
	b.small = compress(b.small, b.plain)
	if b.inline() {
		for _, keys := range b.keys[1:] {
			b.keys[0] = append(b.keys[0], keys...)
		}
		b.filters[0] = appendFilter(b.filters[0][:0], b.keys[0])
	} else {
		for i, keys := range b.keys {
			b.filters[i] = appendFilter(b.filters[i][:0], keys)
		}
	}
	b.summary = b.appendSummary(b.summary[:0])
	b.names.blocks++
}

// inline tells whether the closed block is small enough to lie in its summary's row.
func (b *builder) inline() bool { return len(b.small) <= inlineBlock }

// compress puts the stored form of a block into dst. Measured with BenchmarkPayments: S2 costs no time, since there is
// less to encrypt and to write (0.68 s of processor time a million either way), and saves 27 % of the disk (44 bytes a
// payment, not 61). S2's better mode: 0.82 s, 40 bytes. A block of less than 256 bytes gains nothing.
func compress(dst, plain []byte) []byte {
	if len(plain) >= 256 {
		dst = slices.Grow(dst[:0], 1+s2.MaxEncodedLen(len(plain)))
		dst = append(dst, storedS2)
		if c := s2.Encode(dst[1:cap(dst)], plain); len(c) < len(plain)-len(plain)/16 {
			return dst[:1+len(c)]
		}
	}
	return append(append(dst[:0], storedPlain), plain...)
}

// summary is what a question is held against before a block is opened.
type summary struct {
	least, most formats.Amount
	from, to    string // of the dated payments, "" when there is none
	currencies  string // separated by blanks; "" when there are many
}

func (b *builder) appendSummary(dst []byte) []byte {
	dst = append(dst, blockVersion)
	dst = appendBytes(dst, []byte(b.least.String()))
	dst = appendBytes(dst, []byte(b.most.String()))
	dst = appendBytes(appendBytes(dst, b.from), b.to)
	var names []byte
	if b.nCurrencies <= len(b.currencies) {
		for i := range b.nCurrencies {
			names = append(append(names, b.currencies[i][:]...), ' ')
		}
	}
	return appendBytes(dst, names)
}

var errBlock = errors.New("a block of payments cannot be read")

func readSummary(b []byte) (s summary, err error) {
	r := reader{b: b}
	if r.byte() != blockVersion {
		return s, errBlock
	}
	var e1, e2 error
	s.least, e1 = formats.ParseAmount(r.bytes())
	s.most, e2 = formats.ParseAmount(r.bytes())
	s.from, s.to, s.currencies = string(r.bytes()), string(r.bytes()), strings.TrimSpace(string(r.bytes()))
	if r.bad || e1 != nil || e2 != nil {
		return s, errBlock
	}
	return s, nil
}
