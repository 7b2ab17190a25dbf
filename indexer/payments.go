package indexer

import (
	"context"
	"errors"
	"fmt"
	"hash"

	"github.com/sealgate/sealgate/indexer/formats"
)

// groupBlocks is how many blocks one transaction writes: with fewer, the pages that every transaction changes are
// written more often than the payments themselves (measured: 1 block 15 % dearer, 16 no cheaper).
const groupBlocks = 4

// Payments takes the payments of one delivery, in order, while it arrives. Full blocks go into the database at once, in
// transactions without a flush of their own: not durable, and invisible, until Index.Commit puts the file's row there.
// Not for concurrent use; many uploads may each have their own.
type Payments struct {
	x     *Index
	file  string
	b     *builder // nil until the first payment
	queue []stored // blocks that wait for their transaction
	spare []stored // their buffers, to be used again
	next  int64    // number of the next block
	count int64
	sum   hash.Hash // of all blocks' stored bytes
	large bool      // some block does not lie in its summary's row: then the names are worth segments
	named bool      // there are segments
	late  bool      // the file is there already, with its payments: only its names are written
	list  *nameList // of which the segments are
	// nameless: the list was damaged, or is another one since then. No more segments are written.
	nameless bool
	began    bool   // some blocks are in the database
	key      []byte // of a protected account: the pieces are sealed under it
	pieces   int64
	ended    bool
	err      error
}

// stored is a finished block that waits to be written.
type stored struct {
	no            int64
	summary, data []byte
	filters       [askable][]byte
}

var errEnded = errors.New("these payments were committed or discarded already")

// NewPayments begins the payments of a file that is not committed yet. It costs nothing until the first payment.
func (x *Index) NewPayments(fileID string) *Payments { return &Payments{x: x, file: fileID} }

// Count is how many payments were added.
func (p *Payments) Count() int64 { return p.count }

// Add takes one payment; its bytes may be used again when Add returns. An error is the database's: it sticks, and the
// delivery cannot be committed any more.
func (p *Payments) Add(q *formats.Payment) error {
	if p.err != nil {
		return p.err
	}
	if p.ended {
		return errEnded
	}
	if p.b == nil {
		p.begin()
	}
	if p.b.full() || p.b.count > 0 && q.Index != p.b.first+int64(p.b.count) {
		if p.err = p.fill(); p.err != nil {
			return p.err
		}
	}
	p.b.add(q)
	p.count++
	return nil
}

// fill closes the block and writes the queue when it is long enough.
func (p *Payments) fill() error {
	p.enqueue()
	full := p.b.names.full()
	if full {
		if err := p.settle(); err != nil {
			return err
		}
	}
	if len(p.queue) < groupBlocks && !full {
		return nil
	}
	return p.flush()
}

func (p *Payments) enqueue() {
	b := p.b
	b.close()
	p.large = p.large || !b.inline()
	p.sum.Write(b.small)
	var s stored
	if n := len(p.spare); n > 0 {
		s, p.spare = p.spare[n-1], p.spare[:n-1]
	}
	s.no = p.next
	s.summary, s.data = append(s.summary[:0], b.summary...), append(s.data[:0], b.small...)
	for i, filter := range b.filters {
		s.filters[i] = append(s.filters[i][:0], filter...)
	}
	p.queue = append(p.queue, s)
	p.next++
	b.reset()
	if p.x.sealedLog != nil {
		b.names.reset(0) // a protected account's names are made later, from the blocks
	}
}

// flush writes the queue in a transaction that is not flushed to the disk: die, and Sweep removes what got there.
func (p *Payments) flush() error {
	x := p.x
	d, write := x.d, p.group
	if x.sealedLog != nil && !p.late {
		d, write = x.sealedLog.d, p.piece
	}
	x.yield(d)
	err := x.alone(write)
	if errors.Is(err, errNames) {
		err = x.alone(write)
	}
	if err != nil {
		return fmt.Errorf("indexer: payments of file %s: %w", p.file, err)
	}
	if !p.began {
		p.began = true
		x.mu.Lock()
		x.live[p.file] = true
		x.mu.Unlock()
	}
	p.spare, p.queue = append(p.spare, p.queue...), p.queue[:0]
	x.relieve()
	return nil
}

// group writes the queued blocks, not durable. The caller holds the lock.
func (p *Payments) group() error {
	return p.x.d.write(p.x.d.base, false, func(ctx context.Context) error {
		if !p.began {
			if _, err := p.x.d.w.ExecContext(ctx, `INSERT OR IGNORE INTO uploads (file) VALUES (?)`, p.file); err != nil {
				return err
			}
		}
		return p.insert(ctx)
	})
}

// inlineBlock is the largest block, in bytes, that lies in its summary's row, with one filter: that of a small file.
const inlineBlock = 1024

// insert writes the queued blocks, and the segment that ends with them, in the transaction under way.
func (p *Payments) insert(ctx context.Context) error {
	for i := range p.queue {
		if err := p.x.insertBlock(ctx, p.file, &p.queue[i]); err != nil {
			return err
		}
	}
	if p.b != nil && p.b.names.settled {
		if err := p.insertNames(ctx); err != nil {
			return p.x.damagedNames(err)
		}
	}
	return nil
}

func (x *Index) insertBlock(ctx context.Context, file string, s *stored) error {
	w := x.d.w
	if len(s.data) <= inlineBlock {
		_, err := w.ExecContext(ctx, `INSERT INTO blocks (file, no, summary, filter, data) VALUES (?, ?, ?, ?, ?)`, file, s.no, s.summary, s.filters[0], s.data)
		return err
	}
	r, err := w.ExecContext(ctx, `INSERT INTO blocks (file, no, summary) VALUES (?, ?, ?)`, file, s.no, s.summary)
	if err != nil {
		return err
	}
	b, err := r.LastInsertId()
	if err != nil {
		return err
	}
	if _, err := w.ExecContext(ctx, `INSERT INTO block_data (b, data) VALUES (?, ?)`, b, s.data); err != nil {
		return err
	}
	for ask, filter := range s.filters {
		if len(filter) == 0 {
			continue
		}
		query := `INSERT INTO filter_ids (b, data) VALUES (?, ?)`
		switch ask {
		case askAccount:
			query = `INSERT INTO filter_accounts (b, data) VALUES (?, ?)`
		case askReference:
			query = `INSERT INTO filter_references (b, data) VALUES (?, ?)`
		case askAmount:
			query = `INSERT INTO filter_amounts (b, data) VALUES (?, ?)`
		}
		if _, err := w.ExecContext(ctx, query, b, filter); err != nil {
			return err
		}
	}
	return nil
}

// finish closes the last block, before the commit.
func (p *Payments) finish(fileID string) error {
	switch {
	case p.err != nil:
		return p.err
	case p.ended:
		return errEnded
	case p.file != fileID:
		return fmt.Errorf("payments of file %s", p.file)
	}
	if p.b == nil || p.b.count == 0 {
		return nil
	}
	p.enqueue()
	if p.x.sealedLog == nil && (p.large || p.named || p.b.names.full()) {
		return p.settle()
	}
	return nil
}

// sums are the number of blocks and the hash of them all.
func (p *Payments) sums() (int64, []byte) {
	if p.next == 0 {
		return 0, nil
	}
	return p.next, p.sum.Sum(nil)
}

// last writes what is still queued, in the commit's own transaction. The names of an accepted file come to stay.
func (p *Payments) last(ctx context.Context, accepted bool) error {
	if p.began {
		if _, err := p.x.d.w.ExecContext(ctx, `DELETE FROM uploads WHERE file = ?`, p.file); err != nil {
			return err
		}
	}
	if err := p.insert(ctx); err != nil || !accepted || !p.named {
		return err
	}
	return p.x.keepNames(ctx, p.file)
}

// committed ends the payments after a commit; a rejected file's blocks go.
func (p *Payments) committed(kept bool) {
	if !kept {
		if err := p.Discard(); err != nil {
			p.x.log.Warn("payments of a rejected file stay until the next start", "file", p.file, "err", err)
		}
		return
	}
	if p.x.sealedLog != nil && (p.large || p.pieces > 0) {
		p.x.wakeNaming()
	}
	p.end()
}

// end gives the buffers back.
func (p *Payments) end() {
	if p.ended {
		return
	}
	p.ended = true
	if p.x.sealedLog != nil {
		p.wipe()
	}
	if p.b != nil {
		p.x.builders.Put(p.b)
	}
	if p.began {
		p.x.mu.Lock()
		delete(p.x.live, p.file)
		p.x.mu.Unlock()
	}
	clear(p.key)
	p.b, p.queue, p.spare = nil, nil, nil
}

// Discard removes all blocks written so far. After a Commit that succeeded it does nothing, so it may be deferred.
func (p *Payments) Discard() error {
	if p.ended {
		return nil
	}
	p.end()
	if !p.began {
		return nil
	}
	return p.x.drop(p.file)
}

// dropBlocks is how many blocks one transaction removes; others may write in between.
const dropBlocks = 128

// drop removes the blocks of a file, the last ones first, and then its row in uploads: die in between, and Sweep goes on.
func (x *Index) drop(file string) error {
	if x.sealedLog != nil {
		if err := x.alone(func() error { return x.sealedLog.dropPieces(file) }); err != nil {
			return err
		}
	}
	for more := true; more; {
		err := x.alone(func() (err error) {
			if more = !x.d.locked.Load(); more { // otherwise, also in between: the next unlocking sweeps
				more, err = x.dropSome(file)
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("indexer: payments of file %s: %w", file, err)
		}
		x.relieve()
	}
	return nil
}

// dropSome removes the last blocks of a file with their names, and with the last of all its row in uploads. The caller
// holds the lock. Names that are damaged stay, and are found no more: nothing else says which file brought them.
func (x *Index) dropSome(file string) (more bool, err error) {
	var lowest int64
	err = x.d.w.QueryRowContext(x.d.base, `SELECT coalesce(max(no), -1) - ? FROM blocks WHERE file = ?`, dropBlocks, file).Scan(&lowest)
	if err != nil {
		return false, x.d.plain(err)
	}
	if err := x.dropNames(file, lowest); err != nil && !damaged(x.damagedNames(err)) {
		return false, err
	}
	err = x.d.write(x.d.base, false, func(ctx context.Context) error {
		for _, query := range []string{
			`DELETE FROM block_data WHERE b IN (SELECT b FROM blocks WHERE file = ? AND no > ?)`,
			`DELETE FROM filter_ids WHERE b IN (SELECT b FROM blocks WHERE file = ? AND no > ?)`,
			`DELETE FROM filter_accounts WHERE b IN (SELECT b FROM blocks WHERE file = ? AND no > ?)`,
			`DELETE FROM filter_references WHERE b IN (SELECT b FROM blocks WHERE file = ? AND no > ?)`,
			`DELETE FROM filter_amounts WHERE b IN (SELECT b FROM blocks WHERE file = ? AND no > ?)`,
		} {
			if _, err := x.d.w.ExecContext(ctx, query, file, lowest); err != nil {
				return err
			}
		}
		if _, err := x.d.w.ExecContext(ctx, `DELETE FROM blocks WHERE file = ? AND no > ?`, file, lowest); err != nil {
			return err
		}
		if more = lowest >= 0; more {
			return nil
		}
		_, err = x.d.w.ExecContext(ctx, `DELETE FROM uploads WHERE file = ?`, file)
		return err
	})
	return more, err
}

// Sweep removes the payments of uploads that a crash ended, and says of how many; uploads under way and marks are left alone. It
// is called at start.
func (x *Index) Sweep(ctx context.Context) (int, error) {
	rows, err := x.d.r.QueryContext(ctx, `SELECT file FROM uploads WHERE file NOT GLOB '+*'`)
	if err != nil {
		return 0, fmt.Errorf("indexer: sweep: %w", x.d.plain(err))
	}
	defer rows.Close()
	var files []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return 0, fmt.Errorf("indexer: sweep: %w", x.d.plain(err))
		}
		x.mu.Lock()
		if !x.live[id] {
			files = append(files, id)
		}
		x.mu.Unlock()
	}
	if err := rows.Err(); err != nil {
		return 0, fmt.Errorf("indexer: sweep: %w", x.d.plain(err))
	}
	rows.Close()
	for n, id := range files {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		if err := x.drop(id); err != nil {
			return n, err
		}
	}
	return len(files), nil
}
