package indexer

import (
	"context"
	"crypto/subtle"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strconv"
)

// How a protected account's index is unlocked, and what waits in its log merged into it, exactly once: each record goes into the index in
// one transaction with its row of the ledger, so that whoever dies goes on where the ledger ends. A record that does not continue it, by
// number and hash, is not merged, and nothing is removed from the log before both end in the same row.

// Unlock opens the index with its key, merges what waits, and says how many deliveries that were. What comes meanwhile waits for no
// one: it goes into the log, and is merged at the end. ErrKey: it is another key. An index that is open stays open, and
// takes no other key either. The key is the caller's to zero.
func (x *Index) Unlock(ctx context.Context, key *Key) (merged int, err error) {
	if x.sealedLog == nil {
		return 0, errors.New("indexer: the account is not protected")
	}
	x.unlocking.Lock()
	defer x.unlocking.Unlock()
	if err := x.Broken(); err != nil {
		return 0, err
	}
	if !x.d.locked.Load() {
		err := x.alone(func() error {
			if subtle.ConstantTimeCompare(key[:], x.d.key.secret[:]) != 1 {
				return fmt.Errorf("indexer: unlock: %w %s", ErrKey, x.d.path)
			}
			return nil
		})
		return 0, err
	}
	x.endNaming() // of an index that was given up
	if merged, err = x.unlock(ctx, key); err != nil {
		return merged, fmt.Errorf("indexer: unlock: %w", err)
	}
	if err = x.restate(ctx); err == nil {
		_, err = x.Sweep(ctx)
	}
	if err == nil {
		_, err = x.SweepOutbox(ctx)
	}
	if err != nil {
		return merged, fmt.Errorf("indexer: unlock: %w", errors.Join(err, x.lockNow()))
	}
	x.beginNaming()
	return merged, nil
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
	err = x.alone(func() error {
		x.sealedLog.endSegment() // its secret was opened: what comes now is sealed by another
		if err := m.all(ctx); err != nil {
			return err
		}
		if err := x.tidy(ctx); err != nil {
			return err
		}
		if err := x.damagedNames(x.readList(ctx)); err != nil && !damaged(err) {
			return err
		}
		x.d.show()
		x.sealedLog.doubtful = nil
		return nil
	})
	return m.deliveries, err
}

// Lock closes the index of a protected account and zeroes its key. Whoever asks at this moment is told ErrLocked. An account that is
// not protected has no lock.
func (x *Index) Lock() error {
	x.unlocking.Lock()
	defer x.unlocking.Unlock()
	return x.lockNow()
}

func (x *Index) lockNow() error {
	x.endNaming()
	if x.sealedLog == nil || x.d.locked.Load() {
		return nil
	}
	err := x.alone(func() error {
		if x.d.locked.Load() {
			return nil
		}
		x.sealedLog.endSegment()
		return errors.Join(x.tidy(x.d.base), x.d.lock())
	})
	x.changeList(new(nameList))
	x.known.forget()
	if err != nil {
		return fmt.Errorf("indexer: lock: %w", err)
	}
	return nil
}

// merge is one merging of the log into the index.
type merge struct {
	x          *Index
	segments   Key // private half, to which segments are sealed
	ratchets   map[int64]*ratchet
	end        *chain // the ledger's end in the index
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
func (m *merge) all(ctx context.Context) (err error) {
	if m.end, err = m.x.readChain(ctx); err != nil {
		return err
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		rows, err := m.next(ctx)
		if len(rows) == 0 { // an error behind some rows comes again
			return err
		}
		if err := m.some(ctx, rows); err != nil {
			return err
		}
		if m.x.d.key.logEnd.Load() > logPages { // nobody else writes into the index: it is emptied on the spot
			if err := checkpoint(m.x.d.base, m.x.d.w); err != nil {
				m.x.d.doubt(err)
				return err
			}
		}
	}
}

// some merges records in one transaction, as many as are sound: its error is about the first that is not, and those before it stay.
func (m *merge) some(ctx context.Context, rows []logRow) error {
	end, deliveries, most := *m.end, m.deliveries, m.pieces+mergePieces
	var fault error
	err := m.x.d.transact(ctx, true, func(ctx context.Context) error {
		w := m.x.d.w
		for i := 0; i < len(rows) && m.pieces < most; i++ {
			if _, err := w.ExecContext(ctx, `SAVEPOINT one`); err != nil {
				return err
			}
			before := end
			if err := m.one(ctx, &end, &rows[i]); err != nil {
				end, fault = before, fmt.Errorf("row %d of the ledger, which waits in log.db: %w", rows[i].n, m.x.d.plain(err))
				_, err = w.ExecContext(ctx, `ROLLBACK TO one; RELEASE one`)
				return err
			}
			if _, err := w.ExecContext(ctx, `RELEASE one`); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		m.deliveries = deliveries
		return errors.Join(fault, err)
	}
	m.end = &end
	return fault
}

// next reads the records that are not in the index.
func (m *merge) next(ctx context.Context) (list []logRow, err error) {
	d := m.x.sealedLog.d
	rows, err := d.r.QueryContext(ctx, `SELECT n, s, step, data FROM records WHERE n > ? ORDER BY n LIMIT ?`, m.end.seq, mergeRecords)
	if err != nil {
		return nil, d.plain(err)
	}
	defer rows.Close()
	for rows.Next() {
		var r logRow
		if err := rows.Scan(&r.n, &r.segment, &r.step, &r.data); err != nil {
			return list, d.plain(err)
		}
		list = append(list, r)
	}
	return list, d.plain(rows.Err())
}

// one opens a record, which must continue the ledger, and writes it into the index, in the transaction under way.
func (m *merge) one(ctx context.Context, c *chain, row *logRow) error {
	x := m.x
	r := m.ratchets[row.segment]
	if r == nil {
		var box []byte
		if err := x.sealedLog.d.r.QueryRowContext(ctx, `SELECT box FROM segments WHERE s = ?`, row.segment).Scan(&box); err != nil {
			return fmt.Errorf("segment %d: %w", row.segment, x.sealedLog.lost(err))
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
	if rec.ledger.seq != row.n || !c.follow(&rec.ledger) {
		return fmt.Errorf("%w: it does not continue row %d, in which index.db ends", ErrApart, c.seq)
	}
	w := x.d.w
	switch rec.kind {
	case recordFile:
		if err := x.put(ctx, rec, func() error { return x.unfold(ctx, rec) }); err != nil {
			return err
		}
		m.deliveries, m.pieces = m.deliveries+1, m.pieces+rec.pieces
		return nil
	case recordNote:
		return x.putLedger(ctx, &rec.ledger)
	case recordDone: // had it been done, its row were in the index
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

// tidy removes from the log what is in the index, durably: everything, and only if both end in the same row of the ledger. The caller
// holds the lock.
func (x *Index) tidy(ctx context.Context) error {
	l := x.sealedLog
	if x.d.broken.Load() { // what it holds is not certain
		return fmt.Errorf("%s: %w", x.d.path, ErrBroken)
	}
	if err := x.meet(ctx); err != nil {
		return err
	}
	present := int64(-1)
	if l.ratchet != nil {
		present = l.ratchet.segment
	}
	return l.d.write(ctx, false, func(ctx context.Context) error {
		for _, query := range []string{
			`DELETE FROM pieces WHERE file IN (SELECT file FROM records WHERE file <> '')`,
			`DELETE FROM records`,
		} {
			if _, err := l.d.w.ExecContext(ctx, query); err != nil {
				return err
			}
		}
		_, err := l.d.w.ExecContext(ctx, `DELETE FROM segments WHERE s <> ?`, present)
		return err
	})
}

// meet is ErrApart unless log and index end in the same row of the ledger. The caller holds the lock.
func (x *Index) meet(ctx context.Context) error {
	logged, err := x.sealedLog.readChain(ctx)
	if err != nil {
		return x.sealedLog.d.plain(err)
	}
	indexed, err := x.readChain(ctx)
	switch {
	case err != nil:
		return x.d.plain(err)
	case logged.seq != indexed.seq:
		return fmt.Errorf("%w: log.db ends in row %d of the ledger, index.db in row %d", ErrApart, logged.seq, indexed.seq)
	case logged.hash != indexed.hash:
		return fmt.Errorf("%w: they have different rows %d of the ledger", ErrApart, logged.seq)
	}
	return nil
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
