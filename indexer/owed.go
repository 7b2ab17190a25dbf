package indexer

import (
	"context"
	"fmt"
)

// Owed is a row of an account's ledger, the other database, that a change in gateway.db owes. It is kept in the transaction of that
// change, so there is never the one without the other, and is entered after: die in between, and it is still owed.
type Owed struct {
	N                          int64 // of Owes
	Account, Kind, Who, Detail string
}

// owe keeps rows in the transaction under way.
func (g *Registry) owe(ctx context.Context, rows []*Owed) error {
	for _, o := range rows {
		if err := g.exec(ctx, nil, `INSERT INTO owed (account, kind, who, detail) VALUES (?, ?, ?, ?)`, o.Account, o.Kind, o.Who, o.Detail); err != nil {
			return err
		}
	}
	return nil
}

// Owes lists the rows that are owed, the oldest first.
func (g *Registry) Owes(ctx context.Context) (list []Owed, err error) {
	rows, err := g.d.r.QueryContext(ctx, `SELECT n, account, kind, who, detail FROM owed ORDER BY n`)
	if err != nil {
		return nil, fmt.Errorf("indexer: owed: %w", g.d.plain(err))
	}
	defer rows.Close()
	for rows.Next() {
		var o Owed
		if err := rows.Scan(&o.N, &o.Account, &o.Kind, &o.Who, &o.Detail); err != nil {
			return nil, fmt.Errorf("indexer: owed: %w", g.d.plain(err))
		}
		list = append(list, o)
	}
	return list, g.d.plain(rows.Err())
}

// Entered says that a row is in its ledger: it is owed no more. Die before, and it is entered twice. ErrNotFound.
func (g *Registry) Entered(ctx context.Context, n int64) error {
	return g.change(ctx, true, ErrNotFound, `DELETE FROM owed WHERE n = ?`, n)
}
