package indexer

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
)

// gateway.db and the accounts' databases keep of each other how far they had come, so that one of another day shows beside the rest:
//
//	gateway.db   counts its durable changes, and keeps of each account's ledger a row that is there (settings, "ledger/ACCOUNT")
//	index.db     keeps the highest count that gateway.db had when it was written; of a protected account log.db does
//
// Each learns of the other only what is on the disk already: what this process has committed itself, since what it finds after a kill may not have
// been flushed. So whoever dies, at any moment, and whoever copies all of it at one moment,
// finds that neither knows more of the other than there is. None of this takes a flush of its own: the count goes with the change that is
// counted and with the next commit of an index, and the rows are kept a little later, where a power cut may lose them.
//
// The counts are rows of sqlite_sequence, SQLite's table of counters by name: each of these databases has it for a table of its own, and
// any program may add to it. So databases of before have them too.

const sqlCounted = `SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'gateway'`

// counted reads the count that this database has.
func (d *database) counted(ctx context.Context) (n int64, err error) {
	err = d.r.QueryRowContext(ctx, sqlCounted).Scan(&n)
	return n, d.plain(err)
}

// count keeps one, in the transaction under way.
func (d *database) count(ctx context.Context, n int64) error {
	r, err := d.w.ExecContext(ctx, `UPDATE sqlite_sequence SET seq = ? WHERE name = 'gateway'`, n)
	if err != nil {
		return err
	}
	if rows, err := r.RowsAffected(); err != nil || rows > 0 {
		return err
	}
	_, err = d.w.ExecContext(ctx, `INSERT INTO sqlite_sequence (name, seq) VALUES ('gateway', ?)`, n)
	return err
}

// CountChanges has the durable changes counted from now on, behind from and whatever was counted before, and the indexes keep the count. Before
// it nothing is, so that a gateway.db that was found to be older does not grow as if it were not.
func (g *Registry) CountChanges(ctx context.Context, from int64) error {
	n, err := g.d.counted(ctx)
	if err != nil {
		return fmt.Errorf("indexer: registry: %w", err)
	}
	g.lock <- struct{}{}
	g.counts, g.last = true, max(n, from)
	<-g.lock
	if from <= n {
		return nil
	}
	return g.transact(ctx, true, func(context.Context) error { return nil }) // a change like any other: it is counted
}

const ledgerPrefix = "ledger/"

// KeepRows keeps the newest rows of ledgers, by account, which must be on the disk. Not durable when it returns.
func (g *Registry) KeepRows(newest map[string]LedgerRow) error {
	return g.transact(g.d.base, false, func(ctx context.Context) error {
		for account, row := range newest {
			text, err := json.Marshal(row)
			if err != nil {
				return err
			}
			if err := g.exec(ctx, nil, sqlPut, ledgerPrefix+account, text); err != nil {
				return err
			}
		}
		return nil
	})
}

// keptRow gives the row that KeepRows has kept; zero if there is none.
func (g *Registry) keptRow(ctx context.Context, account string) (row LedgerRow, err error) {
	text, err := g.Get(ctx, ledgerPrefix+account)
	if errors.Is(err, ErrNotFound) {
		return row, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &row)
	}
	return row, err
}

// ForgetRow forgets it, durably: the account's ledger is about to begin anew, or to lose its newest rows by somebody's will.
func (g *Registry) ForgetRow(ctx context.Context, account string) error {
	if row, err := g.keptRow(ctx, account); err != nil || row == (LedgerRow{}) {
		return err
	}
	return g.Delete(ctx, ledgerPrefix+account)
}

// Mismatch is how two databases do not belong to one moment. Each says why; "" is not older.
type Mismatch struct {
	Registry string    // gateway.db is older than the account's
	Index    string    // the account's is older than gateway.db
	Count    int64     // that the account's has of gateway.db
	Seen     LedgerRow // that gateway.db has of the account's
}

// Compare says whether the account's database and gateway.db are of one moment, and has the index keep what Registry.CountChanges counts. To be
// called once, before anything is written.
func (x *Index) Compare(ctx context.Context, g *Registry, account string) (a Mismatch, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("indexer: %w", err)
		}
	}()
	d, query := x.d, `SELECT seq, hash FROM ledger ORDER BY seq DESC LIMIT 1`
	if x.sealedLog != nil {
		d, query = x.sealedLog.d, `SELECT seq, hash FROM head`
	}
	if a.Count, err = d.counted(ctx); err != nil {
		return a, err
	}
	has, err := g.d.counted(ctx)
	if err != nil {
		return a, err
	}
	if a.Count > has {
		a.Registry = fmt.Sprintf("it ends in its change %d, and an account's database knows its change %d", has, a.Count)
	}
	if a.Seen, err = g.keptRow(ctx, account); err != nil {
		return a, err
	}
	newest, err := d.ledgerRow(ctx, query)
	if err != nil {
		return a, err
	}
	row, there := a.Seen, newest
	if row.Seq < newest.Seq && x.sealedLog == nil { // of a protected one, no row but the newest can be read
		if there, err = d.ledgerRow(ctx, `SELECT seq, hash FROM ledger WHERE seq = ?`, row.Seq); err != nil {
			return a, err
		}
	}
	switch {
	case row.Seq > newest.Seq:
		a.Index = fmt.Sprintf("its ledger ends in row %d, and gateway.db has seen row %d", newest.Seq, row.Seq)
	case row.Seq == there.Seq && row != there:
		a.Index = fmt.Sprintf("row %d of its ledger is not the one that gateway.db has seen", row.Seq)
	}
	x.stamped, x.beside = a.Count, g
	return a, nil
}

// ledgerRow reads one row; zero if there is none.
func (d *database) ledgerRow(ctx context.Context, query string, args ...any) (row LedgerRow, err error) {
	var hash []byte
	err = d.r.QueryRowContext(ctx, query, args...).Scan(&row.Seq, &hash)
	if errors.Is(err, sql.ErrNoRows) || err == nil && row.Seq == 0 {
		return LedgerRow{}, nil
	}
	row.Hash = hex.EncodeToString(hash)
	return row, d.plain(err)
}

// Newest is the ledger's newest row that this process has written; zero before the first. It is on the disk.
func (x *Index) Newest() LedgerRow {
	if row := x.newest.Load(); row != nil {
		return *row
	}
	return LedgerRow{}
}

// stamp keeps gateway.db's count, in the transaction under way of the database that decides, where it has grown; whoever commits that
// calls reached after.
func (x *Index) stamp(ctx context.Context, d *database) (n int64, err error) {
	if x.beside == nil {
		return 0, nil
	}
	if n = x.beside.count.Load(); n <= x.stamped {
		return x.stamped, nil
	}
	return n, d.count(ctx, n)
}

// reached is what a commit has made true.
func (x *Index) reached(end *chain, stamped int64) {
	x.stamped = stamped
	x.newest.Store(new(end.row()))
}
