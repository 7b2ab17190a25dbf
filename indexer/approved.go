package indexer

import (
	"context"
	"fmt"
)

// Approved gives what two operators have approved: by account, and under "" what belongs to the gateway itself. It is empty where the
// two-person rule is not in force.
func (g *Registry) Approved(ctx context.Context) (map[string][]byte, error) {
	rows, err := g.d.r.QueryContext(ctx, `SELECT name, value FROM approved`)
	if err != nil {
		return nil, fmt.Errorf("indexer: approved: %w", g.d.plain(err))
	}
	defer rows.Close()
	all := map[string][]byte{}
	for rows.Next() {
		var name string
		var value []byte
		if err := rows.Scan(&name, &value); err != nil {
			return nil, fmt.Errorf("indexer: approved: %w", g.d.plain(err))
		}
		all[name] = value
	}
	return all, g.d.plain(rows.Err())
}

// Approve changes what is approved, all at once; a nil value removes its name. Durable when it returns.
func (g *Registry) Approve(ctx context.Context, changes map[string][]byte) error {
	return g.transact(ctx, true, func(ctx context.Context) error {
		for name, value := range changes {
			query, args := `INSERT INTO approved (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, []any{name, value}
			if value == nil {
				query, args = `DELETE FROM approved WHERE name = ?`, []any{name}
			}
			if err := g.exec(ctx, nil, query, args...); err != nil {
				return err
			}
		}
		return nil
	})
}
