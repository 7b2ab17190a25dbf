package indexer

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Polled is what is known of one file of a remote. Path is the server's bytes.
type Polled struct {
	Path  string
	Size  int64
	Time  time.Time // as the server tells it
	State string    // transport.PolledState
	File  string    // ULID of its delivery, "" before there is one
	At    time.Time
}

// Polled gives what is known of a remote's files, by path.
func (g *Registry) Polled(ctx context.Context, account, remote string) (known map[string]Polled, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("indexer: polled: %w", g.d.plain(err))
		}
	}()
	rows, err := g.d.r.QueryContext(ctx, `SELECT path, size, time, state, file, at FROM polled WHERE account = ? AND remote = ?`, account, remote)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	known = map[string]Polled{}
	for rows.Next() {
		var p Polled
		var path []byte
		var stamp, at int64
		if err := rows.Scan(&path, &p.Size, &stamp, &p.State, &p.File, &at); err != nil {
			return nil, err
		}
		p.Path, p.Time, p.At = string(path), fromMicros(stamp), fromMicros(at)
		known[p.Path] = p
	}
	return known, rows.Err()
}

// NotePolled keeps what is known of a remote's file. Where it is not to be durable when it returns, a power cut may lose it.
func (g *Registry) NotePolled(ctx context.Context, account, remote string, p Polled, durable bool) error {
	return g.change(ctx, durable, nil, `INSERT OR REPLACE INTO polled (account, remote, path, size, time, state, file, at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, account, remote, []byte(p.Path), p.Size, micros(p.Time), p.State, p.File, micros(p.At))
}

// ForgetPolled drops what is known of a remote's file.
func (g *Registry) ForgetPolled(ctx context.Context, account, remote, path string) error {
	err := g.change(ctx, false, ErrNotFound, `DELETE FROM polled WHERE account = ? AND remote = ? AND path = ?`, account, remote, []byte(path))
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}
