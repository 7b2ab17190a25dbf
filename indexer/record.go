package indexer

import (
	"encoding/binary"
	"fmt"
)

// Kinds of records in a protected account's log.
const (
	recordFile    = 1 // a delivery: all that its commit writes into the index
	recordNote    = 2 // a row of the ledger and nothing else
	recordDone    = 3 // a row of the ledger, of a change that the index itself commits right after it
	recordRenamed = 4 // a row of the ledger, and the new name that it tells
)

// record is what one step writes: into the index at once, or first into the log of a protected account.
type record struct {
	kind     int64
	ledger   ledgerRow
	row      fileRow // from here on: recordFile
	copy     []byte
	blocks   []stored // the last ones; those before are pieces
	pieces   int64
	key      []byte // of the pieces
	receipt  string
	receipts []string
}

// recordVersion is the first byte of an encoded record.
const recordVersion = 1

func (r *record) encode() []byte {
	c := &coder{b: append(make([]byte, 0, 4096+len(r.copy)), recordVersion)}
	c.record(r)
	return c.b
}

func decodeRecord(b []byte) (*record, error) {
	if len(b) == 0 || b[0] != recordVersion {
		return nil, fmt.Errorf("a record of a version that this program does not know: run a newer sealgate")
	}
	c, r := &coder{b: b[1:], reading: true}, new(record)
	c.record(r)
	if c.bad || len(c.b) > 0 {
		return nil, fmt.Errorf("record: %w", ErrDamaged)
	}
	return r, nil
}

// coder goes over the fields of a record once, whether it writes or reads them. A number is a varint; bytes are their length and one
// more, as a varint, and themselves: nil has the length 0.
type coder struct {
	b       []byte // written so far, or still to be read
	reading bool
	bad     bool // what was read is no record
}

func (c *coder) record(r *record) {
	c.num(&r.kind)
	l := &r.ledger
	c.num(&l.seq, &l.at)
	c.text(&l.kind, &l.file, &l.who, &l.detail)
	c.bytes(&l.record, &l.prev, &l.hash)
	if r.kind != recordFile || c.bad {
		return
	}
	c.row(&r.row)
	c.bytes(&r.copy)
	blocks := list(c, &r.blocks)
	for i := range blocks {
		c.num(&blocks[i].no)
		c.bytes(&blocks[i].summary, &blocks[i].data)
		for k := range blocks[i].filters {
			c.bytes(&blocks[i].filters[k])
		}
	}
	c.num(&r.pieces)
	c.bytes(&r.key)
	c.text(&r.receipt)
	c.text(pointers(list(c, &r.receipts))...)
}

func (c *coder) row(r *fileRow) {
	c.text(&r.id, &r.account, &r.name, &r.door, &r.user)
	c.num(&r.receivedAt, &r.size)
	c.bytes(&r.sha256, &r.business)
	c.text(&r.format, &r.messageID)
	c.num(&r.payments)
	c.text(&r.first, &r.last, &r.verdict, &r.codes, &r.reasons, &r.sentence, &r.fate, &r.certificate, &r.duplicateOf)
	c.num(&r.copySize)
	c.text(&r.copyPath)
	c.bytes(&r.witness)
	c.num(&r.blocks)
	c.bytes(&r.blocksSum)
	c.text(&r.facts, &r.findings)
	r.findingsJSON = r.findings != ""
}

// list makes room for what is read.
func list[T any](c *coder, items *[]T) []T {
	n := int64(len(*items))
	c.num(&n)
	if c.reading {
		if n < 0 || n > int64(len(c.b)) { // each takes a byte at least
			c.bad, n = true, 0
		}
		*items = make([]T, n)
	}
	return *items
}

func pointers(items []string) []*string {
	p := make([]*string, len(items))
	for i := range items {
		p[i] = &items[i]
	}
	return p
}

func (c *coder) num(fields ...*int64) {
	for _, p := range fields {
		if !c.reading {
			c.b = binary.AppendVarint(c.b, *p)
			continue
		}
		v, n := binary.Varint(c.b)
		if n <= 0 {
			c.bad = true
			return
		}
		*p, c.b = v, c.b[n:]
	}
}

func (c *coder) text(fields ...*string) {
	for _, p := range fields {
		b := []byte(*p)
		c.bytes(&b)
		*p = string(b)
	}
}

func (c *coder) bytes(fields ...*[]byte) {
	for _, p := range fields {
		n := int64(0)
		if *p != nil {
			n = int64(len(*p)) + 1
		}
		c.num(&n)
		switch {
		case !c.reading:
			c.b = append(c.b, *p...)
		case c.bad || n < 0 || n-1 > int64(len(c.b)):
			c.bad = true
			return
		case n == 0:
			*p = nil
		default:
			*p, c.b = c.b[:n-1:n-1], c.b[n-1:]
		}
	}
}
