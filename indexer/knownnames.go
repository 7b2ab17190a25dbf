package indexer

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"sync"
	"time"
)

const (
	// knownSlots bounds what is kept in memory of the account's names: 4 MiB for 458,000, the newest.
	knownSlots = 1 << 19
	knownMost  = knownSlots / 8 * 7
	// lookedThrough is how many hashes that are not in memory are looked through for the names of a segment; names that are
	// not among these are stored once more when they come again. It bounds the time that storing takes: 5 ns for each and
	// segment. A chunk costs chunkCost hashes more, since names of many bytes make chunks of few.
	lookedThrough = 1 << 20
	chunkCost     = 1 << 11
)

// knownNames are hashes of names that stay in the account's list: one of each account, for all of its uploads, one at a time.
type knownNames struct {
	since, upTo int64    // the chunks kept after since and up to upTo are in it
	slots       []uint64 // by the hash's lower bits, or behind; 0 is free
	count       int
	scratch     []sighting // of whoever settles
	read        int        // chunks so far
}

// sharedNames keeps an account's knownNames while files come, and a minute longer.
type sharedNames struct {
	mu   sync.Mutex
	k    *knownNames
	idle *time.Timer
}

// with calls f with the known names; everybody else waits.
func (s *sharedNames) with(f func(*knownNames) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.k == nil {
		s.k = new(knownNames)
	}
	if s.idle == nil {
		s.idle = time.AfterFunc(readerIdle, s.forget)
	}
	s.idle.Reset(readerIdle)
	return f(s.k)
}

// forget gives the memory back: what is known is read again when it is asked for.
func (s *sharedNames) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.k = nil
	if s.idle != nil {
		s.idle.Stop()
	}
}

// empty begins anew: what was known is not to be relied upon.
func (k *knownNames) empty() {
	k.since, k.upTo, k.count = 0, 0, 0
	clear(k.slots)
}

// room makes room for so many more: seven slots in eight may be taken.
func (k *knownNames) room(more int) {
	n := max(len(k.slots), 1<<10)
	for (k.count+more)*8 > n*7 {
		n *= 2
	}
	if n > len(k.slots) {
		old := k.slots
		k.slots, k.count = make([]uint64, n), 0
		for _, h := range old {
			k.add(h)
		}
	}
}

func (k *knownNames) add(hash uint64) {
	if i := k.slot(hash); k.slots[i] == 0 && hash != 0 {
		k.slots[i] = hash
		k.count++
	}
}

func (k *knownNames) has(hash uint64) bool {
	return len(k.slots) > 0 && hash != 0 && k.slots[k.slot(hash)] == hash
}

// slot is where the hash is, or would be.
func (k *knownNames) slot(hash uint64) int {
	mask := len(k.slots) - 1
	i := int(hash) & mask
	for k.slots[i] != 0 && k.slots[i] != hash {
		i = (i + 1) & mask
	}
	return i
}

// settle ends the segment and looks which of its names the account has already. Outside of any transaction: what is found
// is not going to go. What cannot be found out, since the list is damaged, is taken for unknown.
func (p *Payments) settle() (err error) {
	s, x := &p.b.names, p.x
	if p.nameless = p.nameless || x.nameless.Load(); p.nameless {
		s.settled = true // and will not be written
		return nil
	}
	err = x.known.with(func(k *knownNames) error {
		k.scratch = s.settle(k.scratch)
		if err := x.mergeNames(x.d.base); err != nil && !damaged(err) {
			return err
		}
		return p.recall(k)
	})
	if err != nil {
		return fmt.Errorf("indexer: names of file %s: %w", p.file, x.d.plain(err))
	}
	unknown := s.seen[:0]
	for i := range s.seen {
		if !s.seen[i].known {
			unknown = append(unknown, s.seen[i])
		}
	}
	s.seen = unknown
	return nil
}

const (
	// The chunks that stay, kept after one and up to another, the newest first.
	sqlKeptNames = `SELECT n, kept, count FROM names INDEXED BY names_kept WHERE kept IS NOT NULL AND kept > ? AND kept <= ? ORDER BY kept DESC, n DESC`
	// Those of a file that may still go, the newest first: only the file itself relies on them.
	sqlOwnNames = `SELECT n, 0, count FROM names INDEXED BY names_file WHERE file <> '' AND file = ? ORDER BY first DESC`
)

// recall marks the settled segment's names that the list has: by what is in memory, then by the file's own chunks, then by
// older ones, until all are found or enough was looked through.
func (p *Payments) recall(k *knownNames) error {
	s, ctx := &p.b.names, p.x.d.base
	if err := p.x.catchUp(ctx, k); err != nil && !damaged(err) {
		return err
	}
	for i := range s.seen {
		if k.has(s.seen[i].hash) {
			s.seen[i].known = true
			s.unknown--
		}
	}
	left := lookedThrough
	if err := p.lookThrough(ctx, k, &left, sqlOwnNames, p.file); err != nil {
		return err
	}
	if k.since == 0 {
		return nil
	}
	return p.lookThrough(ctx, k, &left, sqlKeptNames, 0, k.since)
}

// lookThrough marks the segment's names that are in the chunks of a query, and takes what it read from left.
func (p *Payments) lookThrough(ctx context.Context, k *knownNames, left *int, query string, args ...any) error {
	s := &p.b.names
	if s.unknown == 0 {
		return nil
	}
	chunks, _, err := p.x.chunks(ctx, *left, chunkCost, query, args...)
	for _, c := range chunks {
		if err != nil || s.unknown == 0 {
			break
		}
		err = p.x.withHashes(ctx, k, c, s.know)
		*left -= c.count + chunkCost
	}
	if damaged(err) {
		return nil
	}
	return err
}

// catchUp reads into k what has come to stay. When there is no room for it, k begins anew with the newest, and leaves room
// for a quarter, so that this is rare.
func (x *Index) catchUp(ctx context.Context, k *knownNames) error {
	chunks, over, err := x.chunks(ctx, knownMost-k.count, 0, sqlKeptNames, k.upTo, math.MaxInt64)
	if err == nil && over {
		k.empty()
		chunks, over, err = x.chunks(ctx, knownMost/4*3, 0, sqlKeptNames, 0, math.MaxInt64)
	}
	if err != nil || len(chunks) == 0 {
		return err
	}
	for _, c := range chunks {
		err := x.withHashes(ctx, k, c, func(hashes []byte) {
			k.room(c.count)
			eachHash(hashes, k.add)
		})
		if err != nil {
			k.empty()
			return err
		}
	}
	if k.upTo = chunks[0].kept; over {
		k.since = chunks[len(chunks)-1].kept
	}
	return nil
}

// keptChunk is where hashes are to be read.
type keptChunk struct {
	n, kept int64
	count   int
}

// chunks are the first ones of a query, so many that their names, and each for a cost of its own, are at most most; over
// tells that there are more.
func (x *Index) chunks(ctx context.Context, most, cost int, query string, args ...any) (chunks []keptChunk, over bool, err error) {
	rows, err := x.d.r.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, false, x.d.plain(err)
	}
	defer rows.Close()
	for rows.Next() {
		var c keptChunk
		if err := rows.Scan(&c.n, &c.kept, &c.count); err != nil {
			return nil, false, x.d.plain(err)
		}
		if most -= c.count + cost; most < 0 {
			return chunks, true, nil
		}
		chunks = append(chunks, c)
	}
	return chunks, false, x.d.plain(rows.Err())
}

// withHashes calls f with a chunk's hashes, valid during the call only; not if they cannot be read, or are gone.
func (x *Index) withHashes(ctx context.Context, k *knownNames, c keptChunk, f func(hashes []byte)) error {
	k.read++
	rows, err := x.d.r.QueryContext(ctx, `SELECT data FROM name_hashes WHERE n = ?`, c.n)
	if err == nil {
		defer rows.Close()
		var hashes sql.RawBytes
		if rows.Next() && rows.Scan(&hashes) == nil && len(hashes) == 8*c.count {
			f(hashes)
		}
		err = rows.Err()
	}
	if err = x.d.plain(err); damaged(err) {
		return nil
	}
	return err
}
