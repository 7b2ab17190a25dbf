package indexer

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Polled is what is known of one file of a remote. Path is the server's bytes.
type Polled struct {
	Path   string
	Size   int64
	Listed time.Time // its time in a listing
	Time   time.Time // its time when it was read, as exactly as the server tells it
	Sure   bool      // no other file can have that time in a listing any more
	SHA256 []byte    // nil unless it was read whole
	State  string    // transport.PolledState
	File   string    // ULID of its delivery, "" before there is one
	At     time.Time
}

// What a look asks. The planner would go through all rows of the remote, most of which are gone, if it were not told.
const (
	polledColumns = `path, size, listed, time, sure, sha256, state, file, at`
	polledThere   = `SELECT ` + polledColumns + ` FROM polled INDEXED BY polled_there WHERE account = ? AND remote = ? AND state <> 'gone'`
	polledSweep   = `DELETE FROM polled WHERE account = ? AND remote = ? AND state = 'gone' AND at < ?`
	polledFile    = `SELECT ` + polledColumns + ` FROM polled WHERE account = ? AND remote = ? AND path = ?`
)

func scanPolled(scan func(...any) error) (p Polled, err error) {
	var path []byte
	var listed, stamp, at int64
	if err := scan(&path, &p.Size, &listed, &stamp, &p.Sure, &p.SHA256, &p.State, &p.File, &at); err != nil {
		return p, err
	}
	p.Path, p.Listed, p.Time, p.At = string(path), fromMicros(listed), fromMicros(stamp), fromMicros(at)
	return p, nil
}

// Polled gives what is known of the files that lie at a remote, by path: all but those that are gone.
func (g *Registry) Polled(ctx context.Context, account, remote string) (known map[string]Polled, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("indexer: polled: %w", g.d.plain(err))
		}
	}()
	rows, err := g.d.r.QueryContext(ctx, polledThere, account, remote)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	known = map[string]Polled{}
	for rows.Next() {
		p, err := scanPolled(rows.Scan)
		if err != nil {
			return nil, err
		}
		known[p.Path] = p
	}
	return known, rows.Err()
}

// PolledFile gives what is known of one file of a remote, also of one that is gone. ErrNotFound.
func (g *Registry) PolledFile(ctx context.Context, account, remote, path string) (Polled, error) {
	p, err := scanPolled(g.d.r.QueryRowContext(ctx, polledFile, account, remote, []byte(path)).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return p, fmt.Errorf("indexer: polled: %w", g.d.plain(err))
	}
	return p, nil
}

// NotePolled keeps what is known of a remote's file. Where it is not to be durable when it returns, a power cut may lose it.
func (g *Registry) NotePolled(ctx context.Context, account, remote string, p Polled, durable bool) error {
	return g.change(ctx, durable, nil, `INSERT OR REPLACE INTO polled (account, remote, path, size, listed, time, sure, sha256, state, file, at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, account, remote, []byte(p.Path), p.Size, micros(p.Listed), micros(p.Time), p.Sure, p.SHA256,
		p.State, p.File, micros(p.At))
}

// ForgetPolled drops what is known of a remote's file.
func (g *Registry) ForgetPolled(ctx context.Context, account, remote, path string) error {
	return g.change(ctx, false, nil, `DELETE FROM polled WHERE account = ? AND remote = ? AND path = ?`, account, remote, []byte(path))
}

// SweepPolled drops what is known of a remote's files that were gone before a time.
func (g *Registry) SweepPolled(ctx context.Context, account, remote string, before time.Time) error {
	return g.change(ctx, false, nil, polledSweep, account, remote, micros(before))
}

// RemoteMemory is how a remote has been doing. Times are zero for never.
type RemoteMemory struct {
	LastGood  time.Time // the last look that ended well
	LastFile  time.Time // when the last file was taken
	DownSince time.Time // the first of the looks in a row that failed
}

// Remembered gives how a remote has been doing: nothing, if it was never noted.
func (g *Registry) Remembered(ctx context.Context, account, remote string) (m RemoteMemory, err error) {
	var good, file, down int64
	err = g.d.r.QueryRowContext(ctx, `SELECT last_good, last_file, down FROM remotes WHERE account = ? AND remote = ?`, account, remote).Scan(&good, &file, &down)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return m, fmt.Errorf("indexer: remote: %w", g.d.plain(err))
	}
	return RemoteMemory{fromMicros(good), fromMicros(file), fromMicros(down)}, nil
}

// Remember keeps how a remote has been doing. A power cut may lose the last notes.
func (g *Registry) Remember(ctx context.Context, account, remote string, m RemoteMemory) error {
	return g.change(ctx, false, nil, `INSERT OR REPLACE INTO remotes (account, remote, last_good, last_file, down) VALUES (?, ?, ?, ?, ?)`,
		account, remote, micros(m.LastGood), micros(m.LastFile), micros(m.DownSince))
}
