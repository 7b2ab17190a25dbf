package indexer

import (
	"crypto/sha256"

	"github.com/sealgate/sealgate/indexer/formats"
)

// Buffers are used again, and until then keep what was in them. Those of a protected account, which may be locked meanwhile, are zeroed
// first. What is freed the collector overwrites (docs/on-disk.md), and SQLite itself (zeroFreed).

// begin takes the buffers that a file's payments need.
func (p *Payments) begin() {
	p.b, _ = p.x.builders.Get().(*builder)
	if p.b == nil {
		p.b = new(builder)
	}
	p.b.reset()
	p.list = p.x.list.Load()
	if p.x.sealedLog == nil || p.late { // of others the names are not kept
		p.list.give(&p.b.names.key)
	}
	p.b.names.reset(0)
	p.sum = sha256.New()
}

func (p *Payments) wipe() {
	for _, s := range append(p.queue, p.spare...) {
		zero(s.summary, s.data)
		zero(s.filters[:]...)
	}
	if p.b != nil {
		p.b.wipe()
	}
}

func (b *builder) wipe() {
	for i := range b.cols {
		zero(b.cols[i].prev, b.cols[i].lens, b.cols[i].texts)
	}
	for i := range b.keys {
		zero(b.keys[i])
	}
	zero(b.amounts, b.folded, b.from, b.to, b.plain, b.small, b.summary)
	zero(b.filters[:]...)
	b.least, b.most = formats.Amount{}, formats.Amount{}
	b.names.wipe()
}

func (s *segment) wipe() {
	clear(s.key[:])
	zero(s.text, s.pieces, s.hashes, s.list, s.small)
	zero(s.seen)
}

func (r *blockReader) wipe() {
	zero(r.plain)
	for i := range r.cols {
		zero(r.cols[i].value)
	}
}

// zero zeroes slices with the room behind them.
func zero[T byte | uint64 | sighting](slices ...[]T) {
	for _, s := range slices {
		clear(s[:cap(s)])
	}
}
