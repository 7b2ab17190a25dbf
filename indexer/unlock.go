package indexer

import (
	"bytes"
	"context"
	"crypto/subtle"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// How a protected account's index is unlocked, and what waits in its log merged into it, exactly once: a record goes into the index in
// one transaction with its number, so that whoever dies goes on where that stands.

// Sealer seals a key of 32 bytes so that only the account's keys open it.
type Sealer func(key []byte) ([]byte, error)

// SealedKey is the key of a protected account's index, as Protect or Reseal has sealed it.
func (x *Index) SealedKey() ([]byte, error) {
	sealed, err := os.ReadFile(filepath.Join(filepath.Dir(x.d.path), keyName))
	if err != nil {
		return nil, fmt.Errorf("indexer: %w", err)
	}
	return sealed, nil
}

// Unlock opens the index with its key, merges what waits, and says how many deliveries that were. What comes meanwhile waits for no
// one: it goes into the log, and is merged at the end. ErrKey: it is another key. An index that is open stays open, and
// takes no other key either. The key is the caller's to zero.
func (x *Index) Unlock(ctx context.Context, key *Key) (merged int, err error) {
	if x.sealed == nil {
		return 0, errors.New("indexer: the account is not protected")
	}
	x.unlocking.Lock()
	defer x.unlocking.Unlock()
	if !x.d.locked.Load() {
		err := x.alone(func() error {
			if subtle.ConstantTimeCompare(key[:], x.d.key.secret[:]) != 1 {
				return fmt.Errorf("indexer: unlock: %w %s", ErrKey, x.d.path)
			}
			return nil
		})
		return 0, err
	}
	if merged, err = x.unlock(ctx, key); err != nil {
		return merged, fmt.Errorf("indexer: unlock: %w", err)
	}
	if err = x.restate(ctx); err == nil {
		_, err = x.Sweep(ctx)
	}
	if err != nil {
		return merged, fmt.Errorf("indexer: unlock: %w", errors.Join(err, x.lockNow()))
	}
	return merged, nil
}

// Reseal seals the open index's key anew. Die, and it is sealed as before.
func (x *Index) Reseal(seal Sealer) error {
	err := x.alone(func() error {
		if x.d.locked.Load() {
			return ErrLocked
		}
		box, err := seal(x.d.key.secret[:])
		if err != nil {
			return err
		}
		return writeKey(filepath.Dir(x.d.path), box, true)
	})
	if err != nil {
		return fmt.Errorf("indexer: reseal: %w", err)
	}
	return nil
}

func (x *Index) unlock(ctx context.Context, key *Key) (merged int, err error) {
	if _, err := os.Stat(x.d.path); err != nil { // none is made here: what is gone must not be hidden
		return 0, err
	}
	if err := x.d.unlock(ctx, key); err != nil {
		return 0, err
	}
	m := &merge{x: x, ratchets: map[int64]*ratchet{}}
	defer m.forget()
	defer func() {
		if err != nil {
			err = errors.Join(err, x.alone(x.d.lock))
		}
	}()
	if _, err := segmentKey(&m.segments, key); err != nil {
		return 0, err
	}
	// Most of it beside the writers, then what they wrote meanwhile under the lock.
	if err := m.all(ctx); err != nil {
		return m.deliveries, err
	}
	return m.deliveries, x.alone(func() error {
		x.sealed.endSegment() // its secret was opened: what comes now is sealed by another
		if err := m.all(ctx); err != nil {
			return err
		}
		if err := m.tidy(ctx); err != nil {
			return err
		}
		// Nothing is on its way into the outbox: content without its row is of one who died.
		err := x.d.transact(ctx, false, func(ctx context.Context) error {
			_, err := x.d.w.ExecContext(ctx, `DELETE FROM outbox_data WHERE id NOT IN (SELECT id FROM outbox)`)
			return err
		})
		if err != nil {
			return err
		}
		if err := x.damagedNames(x.readList(ctx)); err != nil && !damaged(err) {
			return err
		}
		x.d.show()
		return nil
	})
}

// Lock closes the index of a protected account and zeroes its key. Whoever asks at this moment is told ErrLocked. An account that is
// not protected has no lock.
func (x *Index) Lock() error {
	x.unlocking.Lock()
	defer x.unlocking.Unlock()
	return x.lockNow()
}

func (x *Index) lockNow() error {
	if x.sealed == nil || x.d.locked.Load() {
		return nil
	}
	err := x.alone(func() error {
		if x.d.locked.Load() {
			return nil
		}
		x.sealed.endSegment()
		m := &merge{x: x}
		err := x.d.readMerged(&m.after)
		if err == nil {
			err = m.tidy(x.d.base)
		}
		return errors.Join(err, x.d.lock())
	})
	x.known.forget()
	if err != nil {
		return fmt.Errorf("indexer: lock: %w", err)
	}
	return nil
}

// readMerged reads which record was merged last.
func (d *database) readMerged(n *int64) error {
	return d.w.QueryRowContext(d.base, `SELECT n FROM merged`).Scan(n)
}

// merge is one merging of the log into the index.
type merge struct {
	x          *Index
	segments   Key // private half, to which segments are sealed
	ratchets   map[int64]*ratchet
	after      int64 // the last record that is in the index
	deliveries int
	pieces     int64
}

func (m *merge) forget() {
	clear(m.segments[:])
	for _, r := range m.ratchets {
		r.forget()
	}
}

// One transaction merges so many records, and no more of them once it has merged so many pieces (some 10 MiB).
const (
	mergeRecords = 100
	mergePieces  = 64
)

// logRow is a record as it lies in the log.
type logRow struct {
	n, segment, step int64
	data             []byte
}

// all merges until nothing waits.
func (m *merge) all(ctx context.Context) error {
	if err := m.x.d.readMerged(&m.after); err != nil {
		return err
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		rows, err := m.next(ctx)
		if err != nil || len(rows) == 0 {
			return err
		}
		last, most := m.after, m.pieces+mergePieces
		err = m.x.d.transact(ctx, true, func(ctx context.Context) error {
			for i := 0; i < len(rows) && m.pieces < most; i++ {
				if err := m.one(ctx, &rows[i]); err != nil {
					return fmt.Errorf("record %d of the log: %w", rows[i].n, err)
				}
				last = rows[i].n
			}
			_, err := m.x.d.w.ExecContext(ctx, `UPDATE merged SET n = ?`, last)
			return err
		})
		if err != nil {
			return err
		}
		m.after = last
		if m.x.d.key.logEnd.Load() > logPages { // nobody else writes into the index: it is emptied on the spot
			if err := checkpoint(m.x.d.base, m.x.d.w); err != nil {
				m.x.d.doubt(err)
				return err
			}
		}
	}
}

// next reads the records after the last one.
func (m *merge) next(ctx context.Context) (list []logRow, err error) {
	d := m.x.sealed.d
	rows, err := d.r.QueryContext(ctx, `SELECT n, s, step, data FROM records WHERE n > ? ORDER BY n LIMIT ?`, m.after, mergeRecords)
	if err != nil {
		return nil, d.plain(err)
	}
	defer rows.Close()
	for rows.Next() {
		var r logRow
		if err := rows.Scan(&r.n, &r.segment, &r.step, &r.data); err != nil {
			return nil, d.plain(err)
		}
		list = append(list, r)
	}
	return list, d.plain(rows.Err())
}

// one opens a record and writes it into the index, in the transaction under way.
func (m *merge) one(ctx context.Context, row *logRow) error {
	x := m.x
	r := m.ratchets[row.segment]
	if r == nil {
		var box []byte
		if err := x.sealed.d.r.QueryRowContext(ctx, `SELECT box FROM segments WHERE s = ?`, row.segment).Scan(&box); err != nil {
			return fmt.Errorf("segment %d: %w", row.segment, err)
		}
		r = &ratchet{segment: row.segment}
		if err := openBox(&m.segments, segmentLabel, box, &r.secret); err != nil {
			return fmt.Errorf("segment %d: %w", row.segment, err)
		}
		m.ratchets[row.segment] = r
	}
	plain, err := r.open(row.step, row.data)
	if err != nil {
		return err
	}
	defer clear(plain)
	rec, err := decodeRecord(plain)
	if err != nil {
		return err
	}
	w := x.d.w
	switch rec.kind {
	case recordFile:
		m.deliveries, m.pieces = m.deliveries+1, m.pieces+rec.pieces
		return x.put(ctx, rec, func() error { return x.unfold(ctx, rec) })
	case recordNote:
		return x.putLedger(ctx, &rec.ledger)
	case recordDone: // had it been done, this record's number were among the merged ones
		_, err = w.ExecContext(ctx, `INSERT INTO restate (seq, file, kind) VALUES (?, ?, ?)`, rec.ledger.seq, rec.ledger.file, kindUndone)
	case recordRenamed:
		if _, err := w.ExecContext(ctx, `UPDATE files SET name = ? WHERE id = ?`, rec.ledger.detail, rec.ledger.file); err != nil {
			return err
		}
		_, err = w.ExecContext(ctx, `INSERT INTO restate (seq, file, kind) VALUES (?, ?, ?)`, rec.ledger.seq, rec.ledger.file, kindRestated)
	default:
		return fmt.Errorf("a record of kind %d: run a newer sealgate", rec.kind)
	}
	if err != nil {
		return err
	}
	return x.putLedger(ctx, &rec.ledger)
}

// tidy removes from the log what is in the index, durably. The caller holds the lock.
func (m *merge) tidy(ctx context.Context) error {
	l := m.x.sealed
	present := int64(-1)
	if l.ratchet != nil {
		present = l.ratchet.segment
	}
	return l.d.write(ctx, false, func(ctx context.Context) error {
		if _, err := l.d.w.ExecContext(ctx, `DELETE FROM pieces WHERE file IN (SELECT file FROM records WHERE file <> '' AND n <= ?)`, m.after); err != nil {
			return err
		}
		if _, err := l.d.w.ExecContext(ctx, `DELETE FROM records WHERE n <= ?`, m.after); err != nil {
			return err
		}
		_, err := l.d.w.ExecContext(ctx, `DELETE FROM segments WHERE s <> ? AND s NOT IN (SELECT s FROM records)`, present)
		return err
	})
}

// restate enters into the ledger what is true of files of which it says something else: a change was not done, since everything
// stopped, or a file was renamed while its row could not be read. Die here, and the next unlocking goes on.
func (x *Index) restate(ctx context.Context) error {
	for {
		var seq int64
		var file, kind string
		err := x.d.r.QueryRowContext(ctx, `SELECT seq, file, kind FROM restate ORDER BY seq LIMIT 1`).Scan(&seq, &file, &kind)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return x.d.plain(err)
		}
		detail := "row " + strconv.FormatInt(seq, 10)
		err = x.join(ctx, func(ctx context.Context, c *chain) error {
			row, err := x.rowOf(ctx, file)
			switch {
			case err == nil:
				_, err = x.seal(ctx, c, row, kind, "", detail)
			case errors.Is(err, ErrNotFound):
				err = x.enter(ctx, c, kind, file, "", detail, nil)
			}
			if err != nil {
				return err
			}
			_, err = x.d.w.ExecContext(ctx, `DELETE FROM restate WHERE seq = ?`, seq)
			return err
		})
		if err != nil {
			return err
		}
	}
}

// verifyLog checks a protected account's log, and while the index is open that both end in the same row of the ledger.
func (x *Index) verifyLog(ctx context.Context, report func(what, problem string)) error {
	if x.sealed == nil {
		return nil
	}
	d := x.sealed.d
	var word string
	if err := d.r.QueryRowContext(ctx, `PRAGMA integrity_check`).Scan(&word); err != nil || word != "ok" {
		report("log", errors.Join(d.plain(err), errors.New(word)).Error())
		return nil
	}
	var logged, indexed int64
	var logHash, indexHash []byte
	err := x.alone(func() error { // no commit is between the two
		err := d.w.QueryRowContext(ctx, `SELECT seq, hash FROM head`).Scan(&logged, &logHash)
		if err != nil || x.d.locked.Load() {
			return errors.Join(err, ErrLocked)
		}
		err = x.d.w.QueryRowContext(ctx, `SELECT seq, hash FROM ledger ORDER BY seq DESC LIMIT 1`).Scan(&indexed, &indexHash)
		if errors.Is(err, sql.ErrNoRows) {
			err, indexHash = nil, make([]byte, 32)
		}
		return err
	})
	if err != nil {
		return err
	}
	if logged != indexed || !bytes.Equal(logHash, indexHash) {
		report("log", fmt.Sprintf("it ends in row %d of the ledger, the index in row %d", logged, indexed))
	}
	return nil
}
