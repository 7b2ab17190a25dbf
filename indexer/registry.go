package indexer

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"
)

// Registry is gateway.db: what belongs to no single account. Its methods may be called from many goroutines at once.
type Registry struct {
	d    *database
	log  *slog.Logger
	lock chan struct{} // one token: whoever has put it in may write

	counts bool         // durable changes are counted (mismatch.go)
	last   int64        // count
	count  atomic.Int64 // the same once it is certainly on the disk; 0 before
}

// OpenRegistry opens gateway.db like Open does an account's index.
func OpenRegistry(ctx context.Context, path string, key Key, log *slog.Logger) (*Registry, error) {
	d, err := openDatabase(ctx, path, key, "gateway")
	if err != nil {
		return nil, fmt.Errorf("indexer: open %s: %w", path, err)
	}
	d.r.SetMaxIdleConns(readers) // logins come together, and there is one registry
	return &Registry{d: d, log: log, lock: make(chan struct{}, 1)}, nil
}

// Close closes the database and forgets its key. No other method may be running.
func (g *Registry) Close() error {
	if err := g.d.close(); err != nil {
		return fmt.Errorf("indexer: close: %w", err)
	}
	return nil
}

// change runs one statement in a transaction; missing is the error when it changes nothing.
func (g *Registry) change(ctx context.Context, durable bool, missing error, query string, args ...any) error {
	return g.transact(ctx, durable, func(ctx context.Context) error { return g.exec(ctx, missing, query, args...) })
}

// exec runs one statement within a transaction.
func (g *Registry) exec(ctx context.Context, missing error, query string, args ...any) error {
	r, err := g.d.w.ExecContext(ctx, query, args...)
	if err != nil {
		return exists(err)
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, missing)
	}
	return nil
}

// transact runs f in a transaction that no other change comes between.
func (g *Registry) transact(ctx context.Context, durable bool, f func(ctx context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	g.lock <- struct{}{}
	defer func() { <-g.lock }()
	count := g.last + 1
	counted := durable && g.counts
	err := g.d.write(ctx, durable, func(ctx context.Context) error {
		err := f(ctx)
		if err == nil && counted {
			err = g.d.count(ctx, count)
		}
		return err
	})
	if err == nil && counted {
		g.last = count
		g.count.Store(count)
	}
	if err == nil && g.d.key.logEnd.Load() > logPages/16 {
		// Small and seldom: the log is emptied on the spot.
		if err := checkpoint(g.d.base, g.d.w); err != nil {
			g.d.doubt(err)
			g.log.Warn("checkpoint", "err", err)
		}
	}
	if err != nil {
		return fmt.Errorf("indexer: registry: %w", err)
	}
	return nil
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(v int64) time.Time {
	if v == 0 {
		return time.Time{}
	}
	return time.UnixMicro(v).UTC()
}

// Get gives a value that the gateway keeps under a name of its own. ErrNotFound.
func (g *Registry) Get(ctx context.Context, key string) ([]byte, error) {
	var v []byte
	err := g.d.r.QueryRowContext(ctx, `SELECT value FROM settings WHERE key = ?`, key).Scan(&v)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("indexer: setting: %w", g.d.plain(err))
	}
	return v, nil
}

// Put keeps a value; durable when it returns.
func (g *Registry) Put(ctx context.Context, key string, value []byte) error {
	if value == nil {
		value = []byte{}
	}
	return g.change(ctx, true, nil, sqlPut, key, value)
}

const sqlPut = `INSERT INTO settings (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value`

// Delete removes a value. ErrNotFound.
func (g *Registry) Delete(ctx context.Context, key string) error {
	return g.change(ctx, true, ErrNotFound, `DELETE FROM settings WHERE key = ?`, key)
}

// Keys lists the names that begin with prefix, in order.
func (g *Registry) Keys(ctx context.Context, prefix string) (keys []string, err error) {
	rows, err := g.d.r.QueryContext(ctx, `SELECT key FROM settings WHERE key >= ?1 AND substr(key, 1, length(?1)) = ?1 ORDER BY key`, prefix)
	if err != nil {
		return nil, fmt.Errorf("indexer: settings: %w", g.d.plain(err))
	}
	defer rows.Close()
	for rows.Next() {
		var k string
		if err := rows.Scan(&k); err != nil {
			return nil, fmt.Errorf("indexer: settings: %w", g.d.plain(err))
		}
		keys = append(keys, k)
	}
	return keys, g.d.plain(rows.Err())
}
