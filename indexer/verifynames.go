package indexer

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"hash/maphash"
	"slices"

	"github.com/sealgate/sealgate/indexer/formats"
)

// nameCheck holds payments against the list of names and their file's segments: a name of theirs that is missing in either
// would not be found. Names are compared by a hash of this check's own, so that two whose stored hashes are the same by
// chance are seen too. It takes 8 bytes of memory for each name.
type nameCheck struct {
	x      *Index
	key    nameKey
	seed   maphash.Seed
	whole  bool     // the list can be read
	listed []uint64 // in order
	newest int64    // the last file whose names are surely listed

	// Of the file under way:
	segments []heldSegment // nil: it has none
	entries  []uint32      // of the segment at the block under way, in order
	block    uint32        // the one under way, in its segment
	wrong    string        // the first thing
	folded   []byte
	payer    []byte // the block's last one
}

// heldSegment is a segment that is there.
type heldSegment struct {
	id, first, blocks int64
	shift             int
}

const sqlVerifyNames = `SELECT l.total, n.count, n.sum, t.data, h.data FROM name_list l
	LEFT JOIN names n LEFT JOIN name_texts t ON t.n = n.n LEFT JOIN name_hashes h ON h.n = n.n`

// checkNames reads the list and reports what is wrong with it; then its files' names are not held against it.
func (x *Index) checkNames(ctx context.Context, report func(what, problem string)) (*nameCheck, error) {
	c := &nameCheck{x: x, seed: maphash.MakeSeed()}
	if !x.takeKey(&c.key) {
		return nil, ErrLocked
	}
	if err := x.d.r.QueryRowContext(ctx, `SELECT coalesce(max(n), 0) FROM files`).Scan(&c.newest); err != nil {
		return nil, err
	}
	err := c.read(ctx)
	if err = x.d.plain(err); damaged(err) {
		report("names", "their list cannot be relied upon, so questions for names are slow: "+err.Error()+renew)
	} else if err != nil {
		return nil, err
	}
	c.whole = err == nil
	slices.Sort(c.listed)
	return c, nil
}

// renew says what to do.
const renew = "; payments are not touched by this: sealgate verify --renew-names"

func (c *nameCheck) read(ctx context.Context) error {
	rows, err := c.x.d.r.QueryContext(ctx, sqlVerifyNames)
	if err != nil {
		return err
	}
	defer rows.Close()
	var total, all int64
	var text, hashes sql.RawBytes
	var names []byte
	listed := false
	for ; rows.Next(); listed = true {
		var count, sum sql.NullInt64
		if err := rows.Scan(&total, &count, &sum, &text, &hashes); err != nil {
			return err
		}
		if !sum.Valid {
			continue
		}
		all += sum.Int64
		if int64(checksum(text)) != sum.Int64 {
			return errBlock
		}
		if names, err = expand(names, text); err != nil {
			return err
		}
		if !c.take(names, hashes) {
			return fmt.Errorf("names and their hashes differ: %w", errNames)
		}
	}
	if err := rows.Err(); err != nil || total == all && listed {
		return err
	}
	return errMissing
}

// take notes a chunk's names, and tells whether the hashes are theirs.
func (c *nameCheck) take(names, hashes []byte) (same bool) {
	same = true
	for len(names) > 0 && same {
		end := bytes.IndexByte(names, '\n')
		if end < 0 || len(hashes) < 8 {
			return false
		}
		eachHash(hashes[:8], func(h uint64) { same = h == hashName(&c.key, names[:end]) })
		c.listed = append(c.listed, maphash.Bytes(c.seed, names[:end]))
		names, hashes = names[end+1:], hashes[8:]
	}
	return same && len(hashes) == 0
}

// begin begins with a file.
func (c *nameCheck) begin(ctx context.Context, row *fileRow) error {
	c.segments, c.entries, c.wrong = nil, c.entries[:0], ""
	if row.n > c.newest {
		return nil
	}
	rows, err := c.x.d.r.QueryContext(ctx, `SELECT s, first, blocks, shift FROM segments WHERE file = ? ORDER BY first`, row.id)
	if err != nil {
		return err
	}
	defer rows.Close()
	next := int64(0)
	for rows.Next() {
		var s heldSegment
		if err := rows.Scan(&s.id, &s.first, &s.blocks, &s.shift); err != nil {
			return err
		}
		if s.first != next || s.blocks < 1 || s.blocks > segmentBlocks {
			c.wrong = "a segment of them is missing"
			return nil
		}
		next = s.first + s.blocks
		c.segments = append(c.segments, s)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if len(c.segments) > 0 && next != row.blocks {
		c.wrong = "a segment of them is missing"
	}
	return nil
}

// at goes to the file's next block.
func (c *nameCheck) at(ctx context.Context, no int64) error {
	if len(c.segments) == 0 || c.wrong != "" {
		return nil
	}
	if s := &c.segments[0]; no == s.first+s.blocks {
		c.segments = c.segments[1:]
	}
	s := &c.segments[0]
	c.block, c.payer = uint32(no-s.first), c.payer[:0]
	if no > s.first {
		return nil
	}
	c.entries = c.entries[:0]
	for i := range 1 << pieceBits >> s.shift {
		var piece []byte
		err := c.x.d.r.QueryRowContext(ctx, `SELECT coalesce((SELECT data FROM segment_pieces WHERE p = ?), '')`, s.id<<pieceBits+int64(i)).Scan(&piece)
		if err != nil {
			return err
		}
		err = eachEntry(piece, i, s.shift, func(entry uint32) bool {
			c.entries = append(c.entries, entry)
			return true
		})
		if err != nil {
			c.wrong = err.Error()
		}
	}
	return nil
}

// see holds a payment's names against the list and the segment.
func (c *nameCheck) see(p *formats.Payment) {
	if len(c.segments) == 0 || c.wrong != "" {
		return
	}
	c.name(p.PayeeName)
	if !bytes.Equal(c.payer, p.PayerName) {
		c.name(p.PayerName)
		c.payer = append(c.payer[:0], p.PayerName...)
	}
}

func (c *nameCheck) name(v []byte) {
	if c.folded = foldName(c.folded[:0], v); len(c.folded) == 0 {
		return
	}
	if c.whole {
		if _, ok := slices.BinarySearch(c.listed, maphash.Bytes(c.seed, c.folded)); !ok {
			c.wrong = "one of them is not in the account's list"
			return
		}
	}
	entry := printOf(hashName(&c.key, c.folded))<<blockBits | c.block
	if _, ok := slices.BinarySearch(c.entries, entry); !ok {
		c.wrong = "one of them is not in its segment"
	}
}

// end reports what was wrong with the file's names.
func (c *nameCheck) end(row *fileRow, report func(what, problem string)) {
	if c.wrong != "" {
		report("names "+row.id, c.wrong+", so some payments may not be found by name"+renew)
	}
}
