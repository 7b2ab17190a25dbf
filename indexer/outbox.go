package indexer

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"
)

// Kinds of what is sent to a customer's server.
const (
	SendReceipt = "receipt" // of the delivery File
	SendFile    = "file"    // the content of the outbox's File
)

// States of what is sent. The step to placing is durable before the file there is renamed to its name; so whoever finds it
// after a crash looks whether the temporary name is still there, and neither sends twice nor loses it.
const (
	SendWaiting = "waiting"
	SendPlacing = "placing"
	SendSent    = "sent"
)

// Send is one thing on its way to a customer's server.
type Send struct {
	N      int64
	Remote string
	Kind   string
	File   string
	Name   string
	State  string
	Tries  int
	NextAt time.Time
	MadeAt time.Time
}

// OutboxFile is a file that the customer may fetch.
type OutboxFile struct {
	ID     string
	Name   string
	Size   int64
	SHA256 string // 64 hex digits
	MadeAt time.Time
	Who    string
}

// outboxPiece is how much of a file one row holds.
const outboxPiece = 256 << 10

// queue puts a receipt of the file on its way to each remote, in the transaction under way.
func (x *Index) queue(ctx context.Context, f *File, name string, remotes []string) error {
	for _, remote := range remotes {
		_, err := x.d.w.ExecContext(ctx, `INSERT INTO sends (remote, kind, file, name, state, made_at) VALUES (?, 'receipt', ?, ?, 'waiting', ?)`,
			remote, f.ID, name, time.Now().UnixMicro())
		if err != nil {
			return err
		}
	}
	return nil
}

// AddOutboxPieces stores the content of a file for the customer. It is invisible until AddOutbox; die before that, and the
// next SweepOutbox removes it.
func (x *Index) AddOutboxPieces(ctx context.Context, id string, r io.Reader) error {
	piece := make([]byte, outboxPiece)
	for no := 0; ; no++ {
		n, err := io.ReadFull(r, piece)
		if n > 0 {
			if err := x.outboxPiece(ctx, id, no, piece[:n]); err != nil {
				return fmt.Errorf("indexer: outbox: %w", err)
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// AddOutbox shows the customer a file whose pieces are there, and puts it on its way to the remotes.
func (x *Index) AddOutbox(ctx context.Context, f *OutboxFile, remotes []string) error {
	sum, err := hex.DecodeString(f.SHA256)
	if err != nil {
		return fmt.Errorf("indexer: outbox: %w", err)
	}
	err = x.join(ctx, func(ctx context.Context, c *chain) error {
		_, err := x.d.w.ExecContext(ctx, `INSERT INTO outbox (id, name, size, sha256, made_at, who) VALUES (?, ?, ?, ?, ?, ?)`,
			f.ID, f.Name, f.Size, sum, f.MadeAt.UnixMicro(), f.Who)
		if err != nil {
			return exists(err)
		}
		for _, remote := range remotes {
			_, err := x.d.w.ExecContext(ctx, `INSERT INTO sends (remote, kind, file, name, state, made_at) VALUES (?, 'file', ?, ?, 'waiting', ?)`,
				remote, f.ID, f.Name, f.MadeAt.UnixMicro())
			if err != nil {
				return err
			}
		}
		return x.enter(ctx, c, kindOutbox, f.ID, f.Who, f.SHA256, nil)
	})
	if err != nil {
		return fmt.Errorf("indexer: outbox: %w", err)
	}
	return nil
}

func (x *Index) outboxPiece(ctx context.Context, id string, no int, data []byte) error {
	x.yield()
	err := x.alone(func() error {
		return x.d.write(ctx, false, func(ctx context.Context) error {
			_, err := x.d.w.ExecContext(ctx, `INSERT INTO outbox_data (id, no, data) VALUES (?, ?, ?)`, id, no, data)
			return err
		})
	})
	x.relieve()
	return err
}

// SweepOutbox removes pieces that belong to no file: whoever was adding it died. Called at the start.
func (x *Index) SweepOutbox(ctx context.Context) error {
	err := x.alone(func() error {
		return x.d.write(ctx, false, func(ctx context.Context) error {
			_, err := x.d.w.ExecContext(ctx, `DELETE FROM outbox_data WHERE id NOT IN (SELECT id FROM outbox)`)
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("indexer: outbox: %w", err)
	}
	return nil
}

const outboxColumns = `id, name, size, sha256, made_at, who`

// Outbox lists what the customer may fetch, the oldest first.
func (x *Index) Outbox(ctx context.Context) (list []OutboxFile, err error) {
	rows, err := x.d.r.QueryContext(ctx, `SELECT `+outboxColumns+` FROM outbox ORDER BY n`)
	if err != nil {
		return nil, fmt.Errorf("indexer: outbox: %w", x.d.plain(err))
	}
	defer rows.Close()
	for rows.Next() {
		var f OutboxFile
		var sum []byte
		var made int64
		if err := rows.Scan(&f.ID, &f.Name, &f.Size, &sum, &made, &f.Who); err != nil {
			return nil, fmt.Errorf("indexer: outbox: %w", x.d.plain(err))
		}
		f.SHA256, f.MadeAt = hex.EncodeToString(sum), fromMicros(made)
		list = append(list, f)
	}
	return list, x.d.plain(rows.Err())
}

// ReadOutbox gives the bytes of an outbox file from an offset on, into p, like io.ReaderAt. ErrNotFound.
func (x *Index) ReadOutbox(ctx context.Context, id string, p []byte, off int64) (n int, err error) {
	for n < len(p) {
		var data []byte
		err := x.d.r.QueryRowContext(ctx, `SELECT data FROM outbox_data WHERE id = ? AND no = ?`, id, (off+int64(n))/outboxPiece).Scan(&data)
		if errors.Is(err, sql.ErrNoRows) {
			return n, io.EOF
		}
		if err != nil {
			return n, fmt.Errorf("indexer: outbox: %w", x.d.plain(err))
		}
		from := (off + int64(n)) % outboxPiece
		if from >= int64(len(data)) {
			return n, io.EOF
		}
		n += copy(p[n:], data[from:])
	}
	return n, nil
}

// HasOutbox tells whether a file is still in the outbox.
func (x *Index) HasOutbox(ctx context.Context, id string) (bool, error) {
	var n int
	if err := x.d.r.QueryRowContext(ctx, `SELECT count(*) FROM outbox WHERE id = ?`, id).Scan(&n); err != nil {
		return false, fmt.Errorf("indexer: outbox: %w", x.d.plain(err))
	}
	return n > 0, nil
}

// RemoveOutbox takes a file out of the outbox, and off its way to remotes. ErrNotFound.
func (x *Index) RemoveOutbox(ctx context.Context, id, who string) error {
	err := x.join(ctx, func(ctx context.Context, c *chain) error {
		r, err := x.d.w.ExecContext(ctx, `DELETE FROM outbox WHERE id = ?`, id)
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, ErrNotFound)
		}
		for _, query := range []string{`DELETE FROM outbox_data WHERE id = ?`, `DELETE FROM sends WHERE file = ? AND kind = 'file' AND state = 'waiting'`} {
			if _, err := x.d.w.ExecContext(ctx, query, id); err != nil {
				return err
			}
		}
		return x.enter(ctx, c, kindFetched, id, who, "", nil)
	})
	if err != nil {
		return fmt.Errorf("indexer: outbox: %w", err)
	}
	return nil
}

// Sends gives what is due for a remote, the oldest first.
func (x *Index) Sends(ctx context.Context, remote string, now time.Time, limit int) (list []Send, err error) {
	rows, err := x.d.r.QueryContext(ctx, `SELECT n, remote, kind, file, name, state, tries, next_at, made_at FROM sends
		WHERE remote = ? AND state <> 'sent' AND next_at <= ? ORDER BY n LIMIT ?`, remote, now.UnixMicro(), limit)
	if err != nil {
		return nil, fmt.Errorf("indexer: sends: %w", x.d.plain(err))
	}
	defer rows.Close()
	for rows.Next() {
		var s Send
		var next, made int64
		if err := rows.Scan(&s.N, &s.Remote, &s.Kind, &s.File, &s.Name, &s.State, &s.Tries, &next, &made); err != nil {
			return nil, fmt.Errorf("indexer: sends: %w", x.d.plain(err))
		}
		s.NextAt, s.MadeAt = fromMicros(next), fromMicros(made)
		list = append(list, s)
	}
	return list, x.d.plain(rows.Err())
}

// NextSend is when something is due for a remote next; the zero time if nothing waits.
func (x *Index) NextSend(ctx context.Context, remote string) (time.Time, error) {
	var next sql.NullInt64
	err := x.d.r.QueryRowContext(ctx, `SELECT min(next_at) FROM sends WHERE remote = ? AND state <> 'sent'`, remote).Scan(&next)
	if err != nil {
		return time.Time{}, fmt.Errorf("indexer: sends: %w", x.d.plain(err))
	}
	if !next.Valid {
		return time.Time{}, nil
	}
	return time.UnixMicro(next.Int64).UTC(), nil // what was not tried yet is due since 1970, which is not never
}

// Waiting counts what is not sent yet, by remote.
func (x *Index) Waiting(ctx context.Context, remote string) (n int, err error) {
	err = x.d.r.QueryRowContext(ctx, `SELECT count(*) FROM sends WHERE remote = ? AND state <> 'sent'`, remote).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("indexer: sends: %w", x.d.plain(err))
	}
	return n, nil
}

// NoteSend keeps how far a thing has come; durable when it returns. One that is sent goes into the ledger too, and out of
// the outbox when it was the last remote's.
func (x *Index) NoteSend(ctx context.Context, s *Send) error {
	err := x.join(ctx, func(ctx context.Context, c *chain) error {
		_, err := x.d.w.ExecContext(ctx, `UPDATE sends SET name = ?, state = ?, tries = ?, next_at = ? WHERE n = ?`,
			s.Name, s.State, s.Tries, micros(s.NextAt), s.N)
		if err != nil || s.State != SendSent {
			return err
		}
		if err := x.enter(ctx, c, kindDelivered, s.File, "remote:"+s.Remote, s.Kind, nil); err != nil {
			return err
		}
		for _, query := range []string{
			`DELETE FROM outbox_data WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM sends WHERE file = ?1 AND state <> 'sent')`,
			`DELETE FROM outbox WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM sends WHERE file = ?1 AND state <> 'sent')`,
		} {
			if _, err := x.d.w.ExecContext(ctx, query, s.File); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("indexer: sends: %w", err)
	}
	return nil
}

// OutboxReader reads an outbox file from its beginning.
func (x *Index) OutboxReader(ctx context.Context, id string) io.Reader {
	return io.NewSectionReader(readerAt(func(p []byte, off int64) (int, error) { return x.ReadOutbox(ctx, id, p, off) }), 0, 1<<62)
}

type readerAt func(p []byte, off int64) (int, error)

func (r readerAt) ReadAt(p []byte, off int64) (int, error) { return r(p, off) }
