package indexer

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
)

// The account's list of names lies in chunks. A file's chunks are written with its segments, while it arrives; they stay
// once it is accepted, and go with it otherwise. Die in between, and Sweep removes them with its blocks.
//
// Nothing is lost with the list: it can be made again from the blocks. So damage in it never keeps a file from being taken.
const (
	chunkNames = 4096
	chunkText  = 64 << 10
	chunkSmall = 1024 // a chunk of fewer names, and of less text, is put together with others
	gradeLarge = 9
	mergeAt    = 16 // so many small chunks of one grade become one of the next
)

// nameList is what is kept in memory of an account's list; another one takes its place when the list is made anew, or the index is locked.
type nameList struct {
	mu  sync.Mutex
	key nameKey
}

func (l *nameList) give(k *nameKey) {
	l.mu.Lock()
	defer l.mu.Unlock()
	*k = l.key
}

// takeKey puts the key of the list's hashes into k, which its owner zeroes. It does not if the list changes at this moment, or is locked.
func (x *Index) takeKey(k *nameKey) bool {
	list := x.list.Load()
	list.give(k)
	return !x.d.locked.Load() && x.list.Load() == list
}

// changeList puts another list in the place of the one that was, and zeroes that one's key.
func (x *Index) changeList(to *nameList) {
	was := x.list.Swap(to)
	was.mu.Lock()
	defer was.mu.Unlock()
	clear(was.key[:])
}

// readList reads the key. Without it no names are written, and none are found by the list.
func (x *Index) readList(ctx context.Context) error {
	var b []byte
	err := x.d.w.QueryRowContext(ctx, `SELECT coalesce((SELECT key FROM name_list), '')`).Scan(&b)
	list := new(nameList)
	ok := readNameKey(b, &list.key)
	x.changeList(list)
	if err == nil && !ok {
		return fmt.Errorf("the names' key has %d bytes: %w", len(b), ErrDamaged)
	}
	return x.d.plain(err)
}

// errNames says that names could not be written since their tables are damaged. From then on none are, until they are made
// anew: what was to be written is to be written again, without names.
var errNames = errors.New("the list of names is damaged")

// damagedNames makes errNames of an error about a damaged page, and remembers it.
func (x *Index) damagedNames(err error) error {
	if err == nil {
		return nil
	}
	if err = x.d.plain(err); !errors.Is(err, ErrDamaged) {
		return err
	}
	if x.nameless.CompareAndSwap(false, true) {
		x.log.Error("names of payments are not stored any more: files are taken, questions for names are slow",
			"do", "sealgate verify --renew-names", "err", err)
	}
	return fmt.Errorf("%w: %w", errNames, err)
}

// insertNames writes the settled segment, in the transaction under way, and begins the next.
func (p *Payments) insertNames(ctx context.Context) error {
	s, w := &p.b.names, p.x.d.w
	if p.nameless = p.nameless || p.x.nameless.Load() || p.list != p.x.list.Load(); p.nameless {
		s.reset(s.first + int64(s.blocks))
		return nil
	}
	r, err := w.ExecContext(ctx, `INSERT INTO segments (file, first, blocks, shift) VALUES (?, ?, ?, ?)`, p.file, s.first, s.blocks, s.shift)
	if err != nil {
		return err
	}
	id, err := r.LastInsertId()
	if err != nil {
		return err
	}
	for i := range 1 << pieceBits >> s.shift {
		if _, err := w.ExecContext(ctx, `INSERT INTO segment_pieces (p, data) VALUES (?, ?)`, id<<pieceBits+int64(i), s.piece(i)); err != nil {
			return err
		}
	}
	if err := p.insertChunks(ctx); err != nil {
		return err
	}
	p.named = true
	s.reset(s.first + int64(s.blocks))
	return nil
}

// insertChunks writes the segment's names that the account has not yet.
func (p *Payments) insertChunks(ctx context.Context) error {
	s := &p.b.names
	s.hashes, s.list = s.hashes[:0], s.list[:0]
	for i := range s.seen {
		s.hashes = binary.LittleEndian.AppendUint64(s.hashes, s.seen[i].hash)
		s.list = append(append(s.list, s.name(s.seen[i].at)...), '\n')
		if i+1 < len(s.seen) && len(s.hashes) < 8*chunkNames && len(s.list) < chunkText {
			continue
		}
		s.small = compress(s.small, s.list)
		c := chunk{file: p.file, first: s.first, grade: gradeOf(0, s.hashes, s.list), hashes: s.hashes, text: s.small}
		if err := p.x.insertChunk(ctx, &c); err != nil {
			return err
		}
		s.hashes, s.list = s.hashes[:0], s.list[:0]
	}
	return nil
}

// chunk is a part of the list.
type chunk struct {
	n            int64
	file         string // "": it stays
	first        int64
	grade        int
	hashes, text []byte // the text as it is stored
}

// gradeOf is the grade of a chunk that would have this one if it is small.
func gradeOf(small int, hashes, text []byte) int {
	if len(hashes) >= 8*chunkSmall || len(text) >= chunkText {
		return gradeLarge
	}
	return min(small, gradeLarge)
}

// insertChunk writes one chunk; one that stays gets a place behind all that stay.
func (x *Index) insertChunk(ctx context.Context, c *chunk) error {
	sum := int64(checksum(c.text))
	r, err := x.d.w.ExecContext(ctx, `INSERT INTO names (file, first, kept, grade, count, sum)
		VALUES (?1, ?2, CASE WHEN ?1 = '' THEN (SELECT coalesce(max(kept), 0) + 1 FROM names WHERE kept IS NOT NULL) END, ?3, ?4, ?5)`,
		c.file, c.first, c.grade, len(c.hashes)/8, sum)
	if err != nil {
		return err
	}
	n, err := r.LastInsertId()
	if err != nil {
		return err
	}
	if _, err := x.d.w.ExecContext(ctx, `INSERT INTO name_hashes (n, data) VALUES (?, ?)`, n, c.hashes); err != nil {
		return err
	}
	if _, err := x.d.w.ExecContext(ctx, `INSERT INTO name_texts (n, data) VALUES (?, ?)`, n, c.text); err != nil {
		return err
	}
	_, err = x.d.w.ExecContext(ctx, `UPDATE name_list SET total = total + ?`, sum)
	return err
}

const sqlKeepNames = `UPDATE names SET file = '', kept = (SELECT coalesce(max(kept), 0) + 1 FROM names WHERE kept IS NOT NULL)
	WHERE file <> '' AND file = ?`

// keepNames makes the chunks of a file stay, in the transaction that accepts it.
func (x *Index) keepNames(ctx context.Context, file string) error {
	if x.nameless.Load() {
		return nil // they are found all the same, and not relied upon by others
	}
	if _, err := x.d.w.ExecContext(ctx, sqlKeepNames, file); err != nil {
		return x.damagedNames(err)
	}
	return nil
}

const sqlSmallNames = `SELECT n FROM names INDEXED BY names_small WHERE kept IS NOT NULL AND grade < 9 AND grade = ? ORDER BY n LIMIT ?`

// mergeNames puts small chunks together: an account with many files that bring a few names each would have a chunk of each
// to search. It is called outside of any transaction, by one at a time. Every name is put into a larger chunk nine times at
// most. A chunk that cannot be read is left where it is.
func (x *Index) mergeNames(ctx context.Context) error {
	for grade := range gradeLarge {
		small, err := x.numbers(ctx, sqlSmallNames, grade, mergeAt)
		if err != nil || len(small) < mergeAt {
			return err
		}
		merged, gone := chunk{}, make([]*chunk, 0, mergeAt)
		var text []byte
		for _, n := range small {
			c, plain, err := x.readChunk(ctx, n)
			if damaged(err) {
				if err := x.passOver(n); err != nil {
					return err
				}
				continue
			}
			if err != nil {
				return err
			}
			merged.hashes, text, gone = append(merged.hashes, c.hashes...), append(text, plain...), append(gone, c)
		}
		if len(gone) == 0 {
			continue
		}
		merged.grade, merged.text = gradeOf(grade+1, merged.hashes, text), compress(nil, text)
		if err := x.exchange(gone, &merged); err != nil {
			return err
		}
	}
	return nil
}

// exchange puts one chunk in the place of some.
func (x *Index) exchange(gone []*chunk, one *chunk) error {
	return x.alone(func() error {
		return x.d.write(x.d.base, false, func(ctx context.Context) error {
			if err := x.insertChunk(ctx, one); err != nil {
				return err
			}
			for _, c := range gone {
				for _, query := range []string{`DELETE FROM names WHERE n = ?`, `DELETE FROM name_hashes WHERE n = ?`, `DELETE FROM name_texts WHERE n = ?`} {
					if _, err := x.d.w.ExecContext(ctx, query, c.n); err != nil {
						return err
					}
				}
				if _, err := x.d.w.ExecContext(ctx, `UPDATE name_list SET total = total - ?`, int64(checksum(c.text))); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// passOver takes a damaged chunk for a large one, so that it is not tried again.
func (x *Index) passOver(n int64) error {
	x.log.Warn("some names of payments cannot be read", "do", "sealgate verify --renew-names")
	return x.alone(func() error {
		return x.d.write(x.d.base, false, func(ctx context.Context) error {
			_, err := x.d.w.ExecContext(ctx, `UPDATE names SET grade = 9 WHERE n = ?`, n)
			return err
		})
	})
}

// readChunk reads a chunk, and its names each with an end of line. Its error is errBlock or ErrDamaged when it is damaged.
func (x *Index) readChunk(ctx context.Context, n int64) (*chunk, []byte, error) {
	c := chunk{n: n}
	var count int
	var sum int64
	err := x.d.r.QueryRowContext(ctx, `SELECT n.count, n.sum, coalesce(h.data, ''), coalesce(t.data, '') FROM names n
		LEFT JOIN name_hashes h ON h.n = n.n LEFT JOIN name_texts t ON t.n = n.n WHERE n.n = ?`, n).Scan(&count, &sum, &c.hashes, &c.text)
	if err != nil {
		return nil, nil, x.d.plain(err)
	}
	if len(c.hashes) != 8*count || int64(checksum(c.text)) != sum {
		return nil, nil, errBlock
	}
	plain, err := expand(nil, c.text)
	return &c, plain, err
}

// damaged tells whether an error is about something stored that cannot be read.
func damaged(err error) bool {
	return errors.Is(err, ErrDamaged) || errors.Is(err, errBlock) || errors.Is(err, errNames)
}

// numbers are the rows' only column.
func (x *Index) numbers(ctx context.Context, query string, args ...any) (numbers []int64, err error) {
	rows, err := x.d.r.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, x.d.plain(err)
	}
	defer rows.Close()
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			return nil, x.d.plain(err)
		}
		numbers = append(numbers, n)
	}
	return numbers, x.d.plain(rows.Err())
}

// dropNames removes the segments of a file that begin behind a block, and the names that came with them.
func (x *Index) dropNames(file string, behind int64) error {
	return x.d.write(x.d.base, false, func(ctx context.Context) error {
		for _, query := range droppingNames() {
			if _, err := x.d.w.ExecContext(ctx, query, file, behind); err != nil {
				return err
			}
		}
		return nil
	})
}

func droppingNames() []string {
	return []string{
		`UPDATE name_list SET total = total - (SELECT coalesce(sum(sum), 0) FROM names WHERE file <> '' AND file = ? AND first > ?)`,
		`DELETE FROM name_texts WHERE n IN (SELECT n FROM names WHERE file <> '' AND file = ? AND first > ?)`,
		`DELETE FROM name_hashes WHERE n IN (SELECT n FROM names WHERE file <> '' AND file = ? AND first > ?)`,
		`DELETE FROM names WHERE file <> '' AND file = ? AND first > ?`,
		`DELETE FROM segment_pieces WHERE p IN (SELECT 32 * s.s + i.value FROM segments s CROSS JOIN
			json_each('[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31]') i
			WHERE s.file = ? AND s.first > ?)`,
		`DELETE FROM segments WHERE file = ? AND first > ?`,
	}
}
