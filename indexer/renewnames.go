package indexer

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/sealgate/sealgate/indexer/formats"
)

// renewed begins the name under which a file's new segments wait until they are whole. No file has such an id.
const renewed = "~"

// RenewNames makes the list of names and all segments anew, with a new key, from the payments, and says of how many files.
// Files may come meanwhile; those under way when it begins stay without segments. What cannot be removed, since its page is
// damaged, is left where it is and nothing refers to it any more; a file whose payments cannot be read stays without
// segments, and Verify tells. The error is ErrDamaged where no new rows can be written.
//
// Die in between, and the files that were not reached have no segments: they are answered from their blocks.
func (x *Index) RenewNames(ctx context.Context) (files int, err error) {
	release, err := x.keepUp(ctx)
	if err != nil {
		return 0, fmt.Errorf("indexer: names: %w", err)
	}
	defer release()
	if err := x.known.with(func(k *knownNames) error { // no chunks are put together meanwhile
		k.empty()
		return x.wipeNames(ctx)
	}); err != nil {
		return 0, fmt.Errorf("indexer: names: %w", err)
	}
	for after := int64(0); ; {
		ids, last, err := x.taken(ctx, after)
		if err == nil && x.nameless.Load() {
			err = fmt.Errorf("indexer: no names can be written; the account's index must be restored from a backup: %w", ErrDamaged)
		}
		if err != nil || len(ids) == 0 {
			return files, err
		}
		for _, id := range ids {
			if err := ctx.Err(); err != nil {
				return files, err
			}
			named, err := x.renewFile(ctx, id)
			if err != nil {
				return files, fmt.Errorf("indexer: names of file %s: %w", id, err)
			}
			if named {
				files++
			}
		}
		after = last
	}
}

// wipeNames removes all segments, then all names. From its first moment no names are written, and no question goes by them.
func (x *Index) wipeNames(ctx context.Context) (err error) {
	x.renewals.Add(1)
	defer func() {
		x.nameless.Store(damaged(err))
		x.renewals.Add(1)
	}()
	_ = x.alone(func() error { // behind whoever writes some just now
		x.nameless.Store(true)
		return nil
	})
	if err := x.takeSegments(ctx); err != nil {
		return err
	}
	err = x.wipe(ctx, `SELECT s FROM segments ORDER BY s LIMIT 64`, []string{`DELETE FROM segments WHERE s = ?`},
		[]string{`DELETE FROM segment_pieces WHERE p BETWEEN 32 * ?1 AND 32 * ?1 + 31`})
	if err != nil {
		return err
	}
	err = x.wipe(ctx, `SELECT n FROM names ORDER BY n LIMIT 64`,
		[]string{`UPDATE name_list SET total = total - (SELECT sum FROM names WHERE n = ?)`, `DELETE FROM names WHERE n = ?`},
		[]string{`DELETE FROM name_texts WHERE n = ?`, `DELETE FROM name_hashes WHERE n = ?`})
	if err != nil {
		return err
	}
	return x.alone(func() error {
		err := x.d.write(ctx, true, func(ctx context.Context) error {
			if _, err := x.d.w.ExecContext(ctx, `DELETE FROM uploads WHERE file >= '~' AND file < '~~'`); err != nil {
				return err
			}
			_, err := x.d.w.ExecContext(ctx, `DELETE FROM name_list; INSERT INTO name_list VALUES (randomblob(16), 0)`)
			return err
		})
		if err != nil {
			return err
		}
		return x.readList(ctx)
	})
}

// takeSegments takes all segments from their files at once: none has some of its segments only. Die, and Sweep removes them.
func (x *Index) takeSegments(ctx context.Context) error {
	return x.alone(func() error {
		return x.d.write(ctx, false, func(ctx context.Context) error {
			if _, err := x.d.w.ExecContext(ctx, `INSERT OR IGNORE INTO uploads (file) SELECT '~' || s FROM segments`); err != nil {
				return err
			}
			_, err := x.d.w.ExecContext(ctx, `UPDATE segments SET file = '~' || s`)
			return err
		})
	})
}

// wipe removes the rows that query names, some at a time, with their contents. Where a page of these is damaged they stay,
// and the rows go all the same.
func (x *Index) wipe(ctx context.Context, query string, row, contents []string) error {
	for {
		numbers, err := x.numbers(ctx, query)
		if err != nil || len(numbers) == 0 {
			return err
		}
		err = x.deleteAll(ctx, numbers, append(contents[:len(contents):len(contents)], row...)...)
		if !damaged(err) {
			if err != nil {
				return err
			}
			continue
		}
		if err := x.deleteAll(ctx, numbers, row...); err != nil {
			return err
		}
		for _, n := range numbers {
			for _, query := range contents {
				if err := x.deleteAll(ctx, []int64{n}, query); err != nil && !damaged(err) {
					return err
				}
			}
		}
	}
}

func (x *Index) deleteAll(ctx context.Context, numbers []int64, queries ...string) error {
	return x.alone(func() error {
		return x.d.write(ctx, false, func(ctx context.Context) error {
			for _, n := range numbers {
				for _, query := range queries {
					if _, err := x.d.w.ExecContext(ctx, query, n); err != nil {
						return err
					}
				}
			}
			return nil
		})
	})
}

const sqlTakenFiles = `SELECT n, id FROM files WHERE n > ? AND taken = 1 AND blocks > 0 ORDER BY n LIMIT 256`

// taken are the next files that have payments, the oldest first.
func (x *Index) taken(ctx context.Context, after int64) (ids []string, last int64, err error) {
	rows, err := x.d.r.QueryContext(ctx, sqlTakenFiles, after)
	if err != nil {
		return nil, 0, x.d.plain(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		if err := rows.Scan(&last, &id); err != nil {
			return nil, 0, x.d.plain(err)
		}
		ids = append(ids, id)
	}
	return ids, last, x.d.plain(rows.Err())
}

// renewFile makes a file's segments, unless it came with new ones, and tells whether it did.
func (x *Index) renewFile(ctx context.Context, id string) (named bool, err error) {
	p := x.NewPayments(renewed + id)
	p.late = true
	p.begin()
	defer func() {
		if discard := p.Discard(); err == nil {
			err = discard
		}
	}()
	if err := p.nameBlocks(ctx, id); damaged(err) {
		return false, nil // of the payments: verify tells
	} else if err != nil {
		return false, err
	}
	if !p.large && !p.named && !p.b.names.full() {
		return false, nil
	}
	if p.b.names.blocks > 0 {
		if err := p.settle(); err != nil {
			return false, err
		}
	}
	x.renewals.Add(1) // a question under way may be in the middle of its blocks
	defer x.renewals.Add(1)
	err = x.alone(func() error {
		return x.d.write(ctx, false, func(ctx context.Context) (err error) {
			if named, err = p.lastNames(ctx, id); err != nil || p.nameless {
				return err
			}
			return x.forgetUnnamed(ctx, id)
		})
	})
	x.relieve()
	if errors.Is(err, errNames) { // whoever makes them sees it
		return false, nil
	}
	if named && err == nil {
		p.end()
	}
	return named, err
}

// nameBlocks adds the names of a file's blocks.
func (p *Payments) nameBlocks(ctx context.Context, id string) error {
	x, s := p.x, &p.b.names
	var r blockReader
	var payer, payee []byte
	for no := int64(0); ; no++ {
		var data []byte
		err := x.d.r.QueryRowContext(ctx, sqlVerifyBlock, id, no).Scan(&data)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return x.d.plain(err)
		}
		first := true
		err = r.each(data, func(q *formats.Payment) bool {
			if first || !bytes.Equal(payer, q.PayerName) {
				s.add(q.PayerName)
			}
			if first || !bytes.Equal(payee, q.PayeeName) {
				s.add(q.PayeeName)
			}
			first, payer, payee = false, append(payer[:0], q.PayerName...), append(payee[:0], q.PayeeName...)
			return true
		})
		if err != nil {
			return err
		}
		p.large = p.large || len(data) > inlineBlock
		if s.blocks++; !s.full() {
			continue
		}
		if err := p.settle(); err != nil {
			return err
		}
		if err := p.flush(); err != nil {
			return err
		}
	}
}

// lastNames writes the last segment and gives all to the file, if it is still there and has none.
func (p *Payments) lastNames(ctx context.Context, id string) (named bool, err error) {
	w := p.x.d.w
	var accepted, has bool
	err = w.QueryRowContext(ctx, `SELECT verdict = 'accepted', EXISTS (SELECT 1 FROM segments WHERE file = files.id) FROM files
		WHERE id = ? AND taken = 1 AND blocks > 0`, id).Scan(&accepted, &has)
	if errors.Is(err, sql.ErrNoRows) || err == nil && has {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := p.last(ctx, accepted); err != nil || p.nameless {
		return false, err
	}
	if _, err := w.ExecContext(ctx, `UPDATE segments SET file = ? WHERE file = ?`, id, p.file); err != nil {
		return false, p.x.damagedNames(err)
	}
	if !accepted {
		_, err = w.ExecContext(ctx, `UPDATE names SET file = ? WHERE file <> '' AND file = ?`, id, p.file)
	}
	return err == nil, p.x.damagedNames(err)
}
