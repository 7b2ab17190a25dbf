package indexer

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
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
	N       int64
	Remote  string
	Kind    string
	File    string
	Name    string
	State   string
	Tries   int    // that failed
	Trouble string // of the last of them, in plain words
	NextAt  time.Time
	MadeAt  time.Time
}

// queue puts a receipt of the file on its way to each remote, in the transaction under way.
func (x *Index) queue(ctx context.Context, id, name string, remotes []string) error {
	for _, remote := range remotes {
		_, err := x.d.w.ExecContext(ctx, `INSERT INTO sends (remote, kind, file, name, state, made_at) VALUES (?, 'receipt', ?, ?, 'waiting', ?)`,
			remote, id, name, time.Now().UnixMicro())
		if err != nil {
			return err
		}
	}
	return nil
}

// mostPutOff is longer than anything is put off: what is due later than that was put off by a clock that was ahead, and is due now.
const mostPutOff = 24 * time.Hour

// Sends gives what is due for a remote, the oldest first.
func (x *Index) Sends(ctx context.Context, remote string, now time.Time, limit int) (list []Send, err error) {
	rows, err := x.d.r.QueryContext(ctx, `SELECT n, remote, kind, file, name, state, tries, trouble, next_at, made_at FROM sends
		WHERE remote = ? AND state <> 'sent' AND (next_at <= ? OR next_at > ?) ORDER BY n LIMIT ?`, remote, now.UnixMicro(), now.Add(mostPutOff).UnixMicro(), limit)
	if err != nil {
		return nil, fmt.Errorf("indexer: sends: %w", x.d.plain(err))
	}
	defer rows.Close()
	for rows.Next() {
		var s Send
		var next, made int64
		if err := rows.Scan(&s.N, &s.Remote, &s.Kind, &s.File, &s.Name, &s.State, &s.Tries, &s.Trouble, &next, &made); err != nil {
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

// Queue is what waits to be sent to one remote.
type Queue struct {
	Remote  string
	Waiting int
	Oldest  time.Time // when the oldest of it was made
	Failed  int       // how many of it were tried
	Trouble string    // of the one that is tried again first
}

// sqlQueues goes by the index of what waits, not through what was sent.
const sqlQueues = `SELECT remote, count(*), min(made_at), sum(tries > 0),
	coalesce((SELECT t.trouble FROM sends t WHERE t.remote = s.remote AND t.state <> 'sent' AND t.tries > 0 ORDER BY t.next_at LIMIT 1), '')
	FROM sends s WHERE state <> 'sent' GROUP BY remote ORDER BY remote`

// Queues gives what waits to be sent, for each remote that anything waits for, whether there is such a remote or not.
func (x *Index) Queues(ctx context.Context) (list []Queue, err error) {
	rows, err := x.d.r.QueryContext(ctx, sqlQueues)
	if err != nil {
		return nil, fmt.Errorf("indexer: sends: %w", x.d.plain(err))
	}
	defer rows.Close()
	for rows.Next() {
		var q Queue
		var oldest int64
		if err := rows.Scan(&q.Remote, &q.Waiting, &oldest, &q.Failed, &q.Trouble); err != nil {
			return nil, fmt.Errorf("indexer: sends: %w", x.d.plain(err))
		}
		q.Oldest = fromMicros(oldest)
		list = append(list, q)
	}
	return list, x.d.plain(rows.Err())
}

// NoteSend keeps how far a thing has come; durable when it returns. One that is sent goes into the ledger too, and out of
// the outbox when it was the last remote's. ErrNotFound: its customer has taken it out of the outbox, so it must not go on.
func (x *Index) NoteSend(ctx context.Context, s *Send) error {
	withdrawn := false
	err := x.join(ctx, func(ctx context.Context, c *chain) (err error) {
		if withdrawn, err = x.withdrawn(ctx, s); withdrawn || err != nil {
			return err
		}
		r, err := x.d.w.ExecContext(ctx, `UPDATE sends SET name = ?, state = ?, tries = ?, trouble = ?, next_at = ? WHERE n = ?`,
			s.Name, s.State, s.Tries, s.Trouble, micros(s.NextAt), s.N)
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, ErrNotFound)
		}
		if s.State != SendSent {
			return nil
		}
		if err := x.enter(ctx, c, kindDelivered, s.File, "remote:"+s.Remote, s.Kind, nil); err != nil {
			return err
		}
		_, err = x.d.w.ExecContext(ctx, `DELETE FROM outbox WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM sends WHERE file = ?1 AND state <> 'sent')`, s.File)
		return err
	})
	if withdrawn {
		err = errors.Join(err, ErrNotFound)
	}
	if err != nil {
		return fmt.Errorf("indexer: sends: %w", err)
	}
	if s.State == SendSent && s.Kind == SendFile {
		x.left(ctx, s.File)
	}
	return nil
}

// withdrawn forgets what would wait again, but has lost its content: it was taken out of the outbox while it was about to
// get its name.
func (x *Index) withdrawn(ctx context.Context, s *Send) (bool, error) {
	if s.State != SendWaiting || s.Kind != SendFile {
		return false, nil
	}
	r, err := x.d.w.ExecContext(ctx, `DELETE FROM sends WHERE n = ? AND file NOT IN (SELECT id FROM outbox)`, s.N)
	if err != nil {
		return false, err
	}
	n, err := r.RowsAffected()
	return n > 0, err
}
