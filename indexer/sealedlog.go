package indexer

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
)

// A protected account's log. Whatever enters the account's ledger is committed there first, whether the index is open or locked: one
// place decides what is durable, which row of the ledger is next, and what came before. It is a database of its own, so that a
// busy account neither waits for others' logins nor makes gateway.db grow, and so that its writers share flushes as those
// of an index do.
//
// What it holds in plain (under the unlock key's encryption) is what may be known of a locked account. The rest is in records, each
// sealed by the ratchet: this process cannot read them again. unlock.go merges them into the index.

// sealedLog is log.db. All but d.r is used under the index's lock.
type sealedLog struct {
	d       *database
	public  []byte   // to whom segments are sealed
	hashKey []byte   // of content and business
	ratchet *ratchet // of the present segment; nil before its first record

	doubtful []refusal // nil: not looked for since the index was locked
}

// OpenProtected opens a protected account's log, with its index still locked, in the account's folder. key is the log's.
func OpenProtected(ctx context.Context, dir string, key Key, log *slog.Logger) (*Index, error) {
	if err := zeroFreed(); err != nil {
		return nil, fmt.Errorf("indexer: open %s: %w", dir, err)
	}
	d, err := lockedDatabase(ctx, filepath.Join(dir, indexName), "account")
	if err != nil {
		return nil, fmt.Errorf("indexer: open %s: %w", dir, err)
	}
	x := newIndexOf(d, log)
	if !there(dir, logName) { // what is gone must not be hidden by a new one
		err = errLogGone
	} else if x.sealedLog, err = openSealedLog(ctx, dir, key); err == nil {
		err = x.sealedLog.readHead(ctx)
	}
	if err != nil {
		if x.sealedLog != nil {
			err = errors.Join(err, x.sealedLog.close())
		}
		return nil, fmt.Errorf("indexer: open %s: %w", filepath.Join(dir, logName), errors.Join(err, d.close()))
	}
	return x, nil
}

var errLogGone = fmt.Errorf("%w: it is gone, or empty; restore it from a backup, together with index.db of the same moment", ErrDamaged)

// openSealedLog opens log.db, and makes it, without keys, when it is not there.
func openSealedLog(ctx context.Context, dir string, key Key) (l *sealedLog, err error) {
	l = new(sealedLog)
	if l.d, err = openDatabase(ctx, filepath.Join(dir, logName), key, "log"); err != nil {
		return nil, err
	}
	// Nothing is on its way in: pieces without a record are of uploads that died.
	err = l.d.write(ctx, false, func(ctx context.Context) error {
		_, err := l.d.w.ExecContext(ctx, `DELETE FROM pieces WHERE file NOT IN (SELECT file FROM records WHERE file <> '')`)
		return err
	})
	if err != nil {
		return nil, errors.Join(err, l.d.close())
	}
	return l, nil
}

// readHead reads the keys.
func (l *sealedLog) readHead(ctx context.Context) error {
	if err := l.d.r.QueryRowContext(ctx, `SELECT public, hash_key FROM head`).Scan(&l.public, &l.hashKey); err != nil {
		return l.d.plain(err)
	}
	if len(l.public) == 0 || len(l.hashKey) == 0 { // it was emptied, and has just been made anew
		return errLogGone
	}
	return nil
}

func (l *sealedLog) close() error {
	l.endSegment()
	clear(l.hashKey)
	return l.d.close()
}

// logged runs f in one transaction of the log, which is what decides, and unless the index is locked in one of the index around it.
//
// Die before the log's commit, and nothing has happened; between the two commits, and the next unlocking merges it, or, if it
// was a change of the index itself, tells that it was not done. errBehind: the index's commit has failed there.
func (x *Index) logged(ctx context.Context, f func(ctx context.Context, c *chain) error) error {
	if !x.d.locked.Load() && x.d.broken.Load() { // a checkpoint has failed
		x.giveUpIndex(ErrBroken)
	}
	l, done := x.sealedLog, false
	var c *chain
	var stamped int64
	inLog := func(ctx context.Context) (err error) {
		if c, err = l.begin(ctx); err != nil {
			return err
		}
		if err := f(ctx, c); err != nil {
			return err
		}
		if stamped, err = x.stamp(ctx, l.d); err != nil {
			return err
		}
		_, err = l.d.w.ExecContext(ctx, `UPDATE head SET seq = ?, hash = ?`, c.seq, c.hash[:])
		return err
	}
	write := func(ctx context.Context) error {
		err := l.d.write(ctx, true, inLog)
		if done = err == nil; done {
			x.reached(c, stamped)
		} else {
			l.endSegment() // its row may have gone with the transaction
		}
		return err
	}
	if x.d.locked.Load() {
		return write(ctx)
	}
	err := x.d.write(ctx, true, write)
	if err == nil || !done {
		return err
	}
	x.giveUpIndex(err) // the ledger's row is there, and waits: until it is merged nobody may look
	return errBehind
}

// giveUpIndex locks an index that cannot be written. The caller holds the lock.
func (x *Index) giveUpIndex(why error) {
	x.log.Error("the index cannot be written, and is locked; what comes waits in its log", "db", x.d.path, "err", why)
	if err := x.d.lock(); err != nil {
		x.log.Error("lock", "db", x.d.path, "err", err)
	}
	x.changeList(new(nameList))
}

// readChain gives the ledger's end.
func (l *sealedLog) readChain(ctx context.Context) (*chain, error) {
	var c chain
	var hash []byte
	if err := l.d.w.QueryRowContext(ctx, `SELECT seq, hash FROM head`).Scan(&c.seq, &hash); err != nil {
		return nil, fmt.Errorf("head: %w", err)
	}
	copy(c.hash[:], hash)
	return &c, nil
}

// begin gives the ledger's end, and begins a segment if there is none.
func (l *sealedLog) begin(ctx context.Context) (*chain, error) {
	c, err := l.readChain(ctx)
	if err != nil || l.ratchet != nil {
		return c, err
	}
	started := newRatchet()
	box, err := sealBox(l.public, segmentLabel, &started.secret)
	if err != nil {
		return nil, fmt.Errorf("segment: %w", err)
	}
	r, err := l.d.w.ExecContext(ctx, `INSERT INTO segments (box) VALUES (?)`, box)
	if err != nil {
		return nil, fmt.Errorf("segment: %w", err)
	}
	l.ratchet = started
	l.ratchet.segment, err = r.LastInsertId()
	return c, err
}

// endSegment forgets the ratchet. The next record begins another.
func (l *sealedLog) endSegment() {
	if l.ratchet != nil {
		l.ratchet.forget()
		l.ratchet = nil
	}
}

// append seals a record, in the transaction under way. Its number is that of its row of the ledger: what is undone of both is undone
// together, and whether it is in the index, the index's own ledger tells.
func (l *sealedLog) append(ctx context.Context, r *record) error {
	plain := r.encode()
	defer clear(plain)
	step, data, err := l.ratchet.seal(plain)
	if err != nil {
		return err
	}
	file := ""
	if r.kind == recordFile {
		file = r.row.id
	}
	_, err = l.d.w.ExecContext(ctx, `INSERT INTO records (n, s, step, at, file, data) VALUES (?, ?, ?, ?, ?, ?)`,
		r.ledger.seq, l.ratchet.segment, step, r.ledger.at, file, data)
	return err
}

// take keeps a delivery: its record, and what may be known of it.
func (l *sealedLog) take(ctx context.Context, r *record) error {
	if err := l.know(ctx, &r.row, r.ledger.seq, r.ledger.hash); err != nil {
		return exists(err)
	}
	return l.append(ctx, r)
}

func (l *sealedLog) know(ctx context.Context, row *fileRow, seq int64, hash []byte) error {
	var fetched []byte // the poller compares by it what lies at a remote
	if row.user == "" {
		fetched = row.sha256
	}
	_, err := l.d.w.ExecContext(ctx, `INSERT INTO files (id, reversed, received_at, door, size, verdict, codes, fate, duplicate_of, content, business, sha256, seq, hash)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, row.id, backwards(row.id), row.receivedAt, row.door, row.size, row.verdict, row.codes, row.fate,
		row.duplicateOf, l.keyed(row.sha256), l.keyed(row.business), fetched, seq, hash)
	return err
}

// revise keeps what a change of a file's row has changed of that. Of a file that is not refused, or not any more, the hashes are there
// again (forget).
func (l *sealedLog) revise(ctx context.Context, row *fileRow) error {
	_, err := l.d.w.ExecContext(ctx, `UPDATE files SET verdict = ?1, codes = ?2, fate = ?3, seq = ?4, hash = ?5,
		content = CASE ?1 WHEN 'rejected' THEN content ELSE ?6 END, business = CASE ?1 WHEN 'rejected' THEN business ELSE ?7 END WHERE id = ?8`,
		row.verdict, row.codes, row.fate, row.ledgerSeq, row.ledgerHash, l.keyed(row.sha256), l.keyed(row.business), row.id)
	return err
}

// enter keeps a row of the ledger.
func (l *sealedLog) enter(ctx context.Context, c *chain, row *ledgerRow) error {
	kind := int64(recordNote)
	if c.needsIndex {
		kind = recordDone
	}
	return l.append(ctx, &record{kind: kind, ledger: *row})
}

// rename keeps the new name of a file of the locked index. Its row's digest is entered when it can be read.
func (l *sealedLog) rename(ctx context.Context, c *chain, id, name, who string) error {
	var n int64
	err := l.d.w.QueryRowContext(ctx, `SELECT n FROM files WHERE id = ?`, id).Scan(&n)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return err
	}
	salt := make([]byte, sha256.Size) // where the digest will be: without it the name could be guessed by the row's hash
	rand.Read(salt)
	return l.append(ctx, &record{kind: recordRenamed, ledger: c.next(kindRenamed, id, who, name, salt)})
}

// keyed is a hash that only the holder of the unlock key can compute; nil of nil.
func (l *sealedLog) keyed(sum []byte) []byte {
	if sum == nil {
		return nil
	}
	h := hmac.New(sha256.New, l.hashKey)
	h.Write(sum)
	return h.Sum(nil)
}

const (
	sqlLogOfContent   = `SELECT * FROM (SELECT id FROM files WHERE content = ?1 AND verdict <> 'rejected'`
	sqlLogOfBusiness  = `SELECT * FROM (SELECT id FROM files WHERE business = ?1 AND business IS NOT NULL AND verdict <> 'rejected'`
	sqlLoggedContent  = sqlLogOfContent + sqlByTime + ` UNION ALL ` + sqlLogOfContent + sqlByPlace + ` LIMIT 1`
	sqlLoggedBusiness = sqlLogOfBusiness + sqlByTime + ` UNION ALL ` + sqlLogOfBusiness + sqlByPlace + ` LIMIT 1`
)

// earlier looks for files of the same content or business that were not rejected; while the index is locked, also among refusals in doubt.
func (l *sealedLog) earlier(ctx context.Context, row *fileRow, since int64, locked bool) (e Earlier, err error) {
	content, business := l.keyed(row.sha256), l.keyed(row.business)
	look := func(query string, hash []byte, id *string) {
		if hash == nil || err != nil {
			return
		}
		if err = l.d.w.QueryRowContext(ctx, query, hash, since, row.receivedAt).Scan(id); errors.Is(err, sql.ErrNoRows) {
			err = nil
		}
	}
	look(sqlLoggedContent, content, &e.Content)
	look(sqlLoggedBusiness, business, &e.Business)
	if err != nil || !locked {
		return e, err
	}
	if l.doubtful == nil {
		err = l.doubt(ctx)
	}
	for _, f := range l.doubtful {
		if f.receivedAt < since {
			continue
		}
		if e.Content == "" && content != nil && bytes.Equal(f.content, content) {
			e.Content, e.ContentInDoubt = f.id, true
		}
		if e.Business == "" && business != nil && bytes.Equal(f.business, business) {
			e.Business, e.BusinessInDoubt = f.id, true
		}
	}
	return e, err
}

// piece writes the queued blocks of a large file into the log, not durable. The caller holds the lock.
func (p *Payments) piece() error {
	l := p.x.sealedLog
	if p.key == nil {
		p.key = make([]byte, len(Key{}))
		rand.Read(p.key) // never fails (crypto/rand)
	}
	aead, err := pieceCipher(p.key)
	if err != nil {
		return err
	}
	defer wipe(aead)
	r := &record{kind: recordFile, blocks: p.queue}
	plain := r.encode()
	defer clear(plain)
	data := aead.Seal(nil, pieceNonce(p.pieces), plain, []byte(p.file))
	err = l.d.write(l.d.base, false, func(ctx context.Context) error {
		_, err := l.d.w.ExecContext(ctx, `INSERT INTO pieces (file, no, data) VALUES (?, ?, ?)`, p.file, p.pieces, data)
		return err
	})
	if err == nil {
		p.pieces++
	}
	return err
}

// fold puts what is left of the payments into the record, with the key of their pieces.
func (p *Payments) fold(r *record) { r.blocks, r.pieces, r.key = p.queue, p.pieces, p.key }

// unfold writes the payments of a record into the index, the pieces first.
func (x *Index) unfold(ctx context.Context, r *record) error {
	if r.pieces > 0 {
		aead, err := pieceCipher(r.key)
		if err != nil {
			return err
		}
		defer wipe(aead)
		for no := range r.pieces {
			var data []byte
			if err := x.sealedLog.d.r.QueryRowContext(ctx, `SELECT data FROM pieces WHERE file = ? AND no = ?`, r.row.id, no).Scan(&data); err != nil {
				return fmt.Errorf("payments of file %s, piece %d: %w", r.row.id, no, x.sealedLog.lost(err))
			}
			plain, err := aead.Open(nil, pieceNonce(no), data, []byte(r.row.id))
			if err != nil {
				return fmt.Errorf("payments of file %s, piece %d: %w", r.row.id, no, ErrDamaged)
			}
			piece, err := decodeRecord(plain)
			if err == nil {
				err = x.insertBlocks(ctx, r.row.id, piece.blocks)
			}
			clear(plain)
			if err != nil {
				return err
			}
		}
	}
	if err := x.insertBlocks(ctx, r.row.id, r.blocks); err != nil {
		return err
	}
	return x.markUnnamed(ctx, r)
}

// lost is the error of a row of the log that could not be read, and that another row names: if it is not there, that is damage.
func (l *sealedLog) lost(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("%s: %w: it is gone", l.d.path, ErrDamaged)
	}
	return l.d.plain(err)
}

func (x *Index) insertBlocks(ctx context.Context, file string, blocks []stored) error {
	for i := range blocks {
		if err := x.insertBlock(ctx, file, &blocks[i]); err != nil {
			return err
		}
	}
	return nil
}

// dropPieces removes the pieces of a file that was not taken. The caller holds the lock.
func (l *sealedLog) dropPieces(file string) error {
	return l.d.write(l.d.base, false, func(ctx context.Context) error {
		_, err := l.d.w.ExecContext(ctx, `DELETE FROM pieces WHERE file = ?1 AND NOT EXISTS (SELECT 1 FROM records WHERE file = ?1)`, file)
		return err
	})
}

// Protected says whether the index may be locked.
func (x *Index) Protected() bool { return x.sealedLog != nil }

// Locked says whether it is.
func (x *Index) Locked() bool { return x.d.locked.Load() }
