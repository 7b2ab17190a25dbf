package indexer

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"time"
)

// The ledger is a hash chain, one row per change of state:
//
//	hash = SHA-256( "sealgate ledger 1" ‖ seq ‖ at ‖ kind ‖ file ‖ who ‖ detail ‖ record ‖ prev )
//
// Each field is its length in bytes (8 bytes, big-endian) and its bytes; numbers are 8 bytes big-endian, at in
// microseconds since 1970 (UTC). prev is the hash of the row before, 32 zero bytes in the first row; record is the
// SHA-256 of the file's row as it is after the change (row.go), empty where the row is about no file.

// Kinds of ledger rows that the index writes by itself; the gateway adds its own with Note.
const (
	kindReleased  = "released"
	kindRefused   = "refused"
	kindRenamed   = "renamed"
	kindRewrapped = "rewrapped" // its copy is sealed to another certificate, the content untouched

	kindUndone   = "undone"   // the row that its detail names tells of something that was not done
	kindRestated = "restated" // the file as it is after the row that its detail names

	kindLeftOut = "left-out" // what waited in the log is not in here, and never will be

	kindOutbox    = "outbox"    // put there for the customer
	kindFetched   = "fetched"   // taken out of it by the customer
	kindDelivered = "delivered" // to one of the customer's servers
)

// LedgerEntry is a row of the ledger. Record, Prev and Hash are hex.
type LedgerEntry struct {
	Seq    int64     `json:"seq"`
	At     time.Time `json:"at"`
	Kind   string    `json:"kind"`
	File   string    `json:"file,omitempty"`
	Who    string    `json:"who,omitempty"`
	Detail string    `json:"detail,omitempty"`
	Record string    `json:"record,omitempty"`
	Prev   string    `json:"prev"`
	Hash   string    `json:"hash"`
}

// chain is the ledger's end within a transaction.
type chain struct {
	seq  int64
	hash [32]byte

	needsIndex bool // the request under way does: it changes the index itself
}

func (c *chain) row() LedgerRow { return LedgerRow{c.seq, hex.EncodeToString(c.hash[:])} }

// ledgerHash is the hash of a row.
func ledgerHash(seq, at int64, kind, file, who, detail string, record, prev []byte) [32]byte {
	b := make([]byte, 0, 512+len(detail)) // not on the stack, as in digest
	b = encodeInt(encodeInt(encode(b, "sealgate ledger 1"), seq), at)
	b = encode(encode(encode(encode(b, kind), file), who), detail)
	return quietSum(encode(encode(b, record), prev))
}

// LedgerWalk follows a ledger from its first row on, wherever its rows come from: a database, or what was printed of one.
type LedgerWalk struct {
	seq  int64
	prev [32]byte
}

// Follow says what is wrong with the row that comes next, "" if it is the one that follows. After a wrong row there is nothing to
// say of those behind it.
func (w *LedgerWalk) Follow(e *LedgerEntry) string {
	row, whole := e.row()
	return w.follow(&row, whole && e.At.Equal(time.UnixMicro(row.at)))
}

// follow is Follow; whole is false for a row that cannot be one.
func (w *LedgerWalk) follow(r *ledgerRow, whole bool) string {
	sum := r.sum()
	switch {
	case r.seq > w.seq+1:
		return fmt.Sprintf("row %d is missing", w.seq+1)
	case r.seq <= w.seq:
		return fmt.Sprintf("row %d comes after row %d", r.seq, w.seq)
	case !bytes.Equal(r.prev, w.prev[:]):
		return fmt.Sprintf("row %d does not follow row %d", r.seq, r.seq-1)
	case !whole, !bytes.Equal(r.hash, sum[:]):
		return fmt.Sprintf("row %d was changed", r.seq)
	}
	w.seq, w.prev = r.seq, sum
	return ""
}

// Genuine says whether a row is, to the bit, the one of this hash.
func (e *LedgerEntry) Genuine(hash string) bool {
	row, whole := e.row()
	sum := row.sum()
	return whole && e.At.Equal(time.UnixMicro(row.at)) && hex.EncodeToString(sum[:]) == hash
}

// row is an entry as it is stored; whole: it can be one.
func (e *LedgerEntry) row() (r ledgerRow, whole bool) {
	r = ledgerRow{seq: e.Seq, at: e.At.UnixMicro(), kind: e.Kind, file: e.File, who: e.Who, detail: e.Detail}
	whole = true
	for _, text := range []struct {
		hex  string
		into *[]byte
	}{{e.Record, &r.record}, {e.Prev, &r.prev}, {e.Hash, &r.hash}} {
		b, err := hex.DecodeString(text.hex)
		*text.into, whole = b, whole && err == nil
	}
	return r, whole
}

func (x *Index) readChain(ctx context.Context) (*chain, error) {
	var c chain
	var hash []byte
	err := x.d.w.QueryRowContext(ctx, `SELECT seq, hash FROM ledger ORDER BY seq DESC LIMIT 1`).Scan(&c.seq, &hash)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	copy(c.hash[:], hash)
	return &c, nil
}

// next makes the chain's next row, and moves its end to it.
func (c *chain) next(kind, file, who, detail string, record []byte) ledgerRow {
	r := ledgerRow{seq: c.seq + 1, at: time.Now().UnixMicro(), kind: kind, file: file, who: who, detail: detail, record: record, prev: bytes.Clone(c.hash[:])}
	c.seq, c.hash = r.seq, ledgerHash(r.seq, r.at, kind, file, who, detail, record, r.prev)
	r.hash = bytes.Clone(c.hash[:])
	return r
}

// follow moves the chain's end to a row that continues it, and says whether it does.
func (c *chain) follow(r *ledgerRow) bool {
	if r.seq != c.seq+1 || !bytes.Equal(r.prev, c.hash[:]) || len(r.hash) != len(c.hash) {
		return false
	}
	c.seq, c.hash = r.seq, [32]byte(r.hash)
	return true
}

// enter appends a row and moves the chain's end to it.
func (x *Index) enter(ctx context.Context, c *chain, kind, file, who, detail string, record []byte) error {
	row := c.next(kind, file, who, detail, record)
	if x.sealedLog != nil {
		if err := x.sealedLog.enter(ctx, c, &row); err != nil || x.d.locked.Load() {
			return err
		}
	}
	return x.putLedger(ctx, &row)
}

// putLedger writes a row of the chain.
func (x *Index) putLedger(ctx context.Context, r *ledgerRow) error {
	_, err := x.d.w.ExecContext(ctx,
		`INSERT INTO ledger (seq, at, kind, file, who, detail, record, prev, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		r.seq, r.at, r.kind, r.file, r.who, r.detail, r.record, r.prev, r.hash)
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	return nil
}

// Note appends a row of the caller's own to the ledger; fileID may be "". Durable when it returns.
func (x *Index) Note(ctx context.Context, kind, fileID, who, detail string) (LedgerRow, error) {
	var row LedgerRow
	if err := x.joinAny(ctx, x.noting(&row, kind, fileID, who, detail)); err != nil {
		return LedgerRow{}, fmt.Errorf("indexer: note: %w", err)
	}
	return row, nil
}

// NoteSoon is Note for a row that need not be on the disk yet: it goes with the next commit, before whatever that one is of, or
// with Close. settle waits for it, and commits it if nobody else does; its error is Note's. Whoever never settles learns of no error.
func (x *Index) NoteSoon(ctx context.Context, kind, fileID, who, detail string) (settle func() error) {
	r := x.enlist(true, x.noting(new(LedgerRow), kind, fileID, who, detail))
	return func() error {
		if err := x.see(ctx, true, r); err != nil {
			return fmt.Errorf("indexer: note: %w", err)
		}
		return nil
	}
}

// noting enters a row, and says which it became.
func (x *Index) noting(row *LedgerRow, kind, fileID, who, detail string) func(context.Context, *chain) error {
	return func(ctx context.Context, c *chain) error {
		if err := x.enter(ctx, c, kind, fileID, who, detail, nil); err != nil {
			return err
		}
		*row = c.row()
		return nil
	}
}

// Head is the newest row of the ledger; zero when there is none.
func (x *Index) Head(ctx context.Context) (LedgerRow, error) {
	var row LedgerRow
	var hash []byte
	err := x.d.r.QueryRowContext(ctx, `SELECT seq, hash FROM ledger ORDER BY seq DESC LIMIT 1`).Scan(&row.Seq, &hash)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return row, fmt.Errorf("indexer: ledger: %w", x.d.plain(err))
	}
	row.Hash = hex.EncodeToString(hash)
	return row, nil
}

// History gives a file's own rows, oldest first: who decided what, when and why.
func (x *Index) History(ctx context.Context, fileID string) ([]*LedgerEntry, error) {
	rows, err := x.ledgerRows(ctx, `SELECT seq, at, kind, file, who, detail, record, prev, hash FROM ledger WHERE file = ? AND file <> '' ORDER BY seq`, fileID)
	if err != nil {
		return nil, fmt.Errorf("indexer: ledger: %w", x.d.plain(err))
	}
	entries := make([]*LedgerEntry, len(rows))
	for i := range rows {
		entries[i] = rows[i].entry()
	}
	return entries, nil
}

// Noted gives the files that have a row of this kind and were received at or after since.
func (x *Index) Noted(ctx context.Context, kind string, since time.Time) (map[string]bool, error) {
	rows, err := x.d.r.QueryContext(ctx, `SELECT f.id FROM files f WHERE f.received_at >= ? AND EXISTS (
		SELECT 1 FROM ledger l WHERE l.file = f.id AND l.file <> '' AND l.kind = ?)`, since.UnixMicro(), kind)
	if err != nil {
		return nil, fmt.Errorf("indexer: ledger: %w", x.d.plain(err))
	}
	defer rows.Close()
	noted := map[string]bool{}
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, fmt.Errorf("indexer: ledger: %w", x.d.plain(err))
		}
		noted[id] = true
	}
	return noted, x.d.plain(rows.Err())
}

// ledgerPage is how many rows are read at once, so that no reader holds the log for long.
const ledgerPage = 1000

// Ledger gives the rows from number from on, oldest first.
func (x *Index) Ledger(ctx context.Context, from int64) iter.Seq2[*LedgerEntry, error] {
	return func(yield func(*LedgerEntry, error) bool) {
		for {
			page, err := x.ledgerPage(ctx, from)
			if err != nil {
				yield(nil, fmt.Errorf("indexer: ledger: %w", x.d.plain(err)))
				return
			}
			for _, r := range page {
				if !yield(r.entry(), nil) {
					return
				}
				from = r.seq + 1
			}
			if len(page) < ledgerPage {
				return
			}
		}
	}
}

// ledgerRow is a row as it is stored.
type ledgerRow struct {
	seq, at                 int64
	kind, file, who, detail string
	record, prev, hash      []byte
}

// sum is the hash that the row must have.
func (r *ledgerRow) sum() [32]byte {
	return ledgerHash(r.seq, r.at, r.kind, r.file, r.who, r.detail, r.record, r.prev)
}

func (r *ledgerRow) entry() *LedgerEntry {
	return &LedgerEntry{
		Seq: r.seq, At: time.UnixMicro(r.at).UTC(), Kind: r.kind, File: r.file, Who: r.who, Detail: r.detail,
		Record: hex.EncodeToString(r.record), Prev: hex.EncodeToString(r.prev), Hash: hex.EncodeToString(r.hash),
	}
}

func (x *Index) ledgerPage(ctx context.Context, from int64) ([]ledgerRow, error) {
	return x.ledgerRows(ctx, `SELECT seq, at, kind, file, who, detail, record, prev, hash FROM ledger WHERE seq >= ? ORDER BY seq LIMIT ?`, from, ledgerPage)
}

func (x *Index) ledgerRows(ctx context.Context, query string, args ...any) ([]ledgerRow, error) {
	rows, err := x.d.r.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var page []ledgerRow
	for rows.Next() {
		var r ledgerRow
		if err := rows.Scan(&r.seq, &r.at, &r.kind, &r.file, &r.who, &r.detail, &r.record, &r.prev, &r.hash); err != nil {
			return nil, err
		}
		page = append(page, r)
	}
	return page, rows.Err()
}
