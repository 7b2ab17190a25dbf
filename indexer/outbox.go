package indexer

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"
)

// OutboxFile is a file that the customer may fetch.
type OutboxFile struct {
	ID     string
	Name   string // under which it is shown; no two have the same
	Size   int64
	SHA256 string // 64 hex digits
	MadeAt time.Time
	Who    string
}

// outboxPiece is how much of a file one row holds.
const outboxPiece = 256 << 10

// AddOutboxPieces stores the content of a file for the customer. It is invisible until AddOutbox; die before that, and the
// next SweepOutbox removes it. Whoever does not come to AddOutbox calls DropOutboxPieces.
func (x *Index) AddOutboxPieces(ctx context.Context, id string, r io.Reader) error {
	x.mu.Lock()
	x.laying[id] = true
	x.mu.Unlock()
	piece := make([]byte, outboxPiece)
	for no := 0; ; no++ {
		n, err := fill(r, piece)
		if n > 0 && (err == nil || err == io.EOF) {
			if err := x.outboxPiece(ctx, id, no, piece[:n]); err != nil {
				return fmt.Errorf("indexer: outbox: %w", err)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// fill reads until p is full or r ends. Unlike io.ReadFull's, its end is io.EOF and nothing else: a sender who is cut off
// gives io.ErrUnexpectedEOF, which is no end.
func fill(r io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = r.Read(p[n:])
		n += m
	}
	return n, err
}

// AddOutbox shows the customer a file whose pieces are there, and puts it on its way to the remotes, under its name. Where
// that is taken in the outbox, the next free one of beside(2), beside(3)... becomes f.Name: a name that was shown means
// one and the same file as long as it is shown. beside must be quick, and never end.
func (x *Index) AddOutbox(ctx context.Context, f *OutboxFile, beside func(n int) string, remotes []string) error {
	sum, err := hex.DecodeString(f.SHA256)
	if err != nil {
		return fmt.Errorf("indexer: outbox: %w", err)
	}
	name := f.Name
	err = x.join(ctx, func(ctx context.Context, c *chain) error {
		f.Name = name
		for n := 2; ; n++ {
			var taken bool
			err := x.d.w.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM outbox WHERE name = ?)`, f.Name).Scan(&taken)
			if err != nil {
				return err
			}
			if !taken {
				break
			}
			f.Name = beside(n)
		}
		_, err := x.d.w.ExecContext(ctx, `INSERT INTO outbox (id, name, size, sha256, made_at, who) VALUES (?, ?, ?, ?, ?, ?)`,
			f.ID, f.Name, f.Size, sum, f.MadeAt.UnixMicro(), f.Who)
		if err != nil {
			return exists(err)
		}
		for _, remote := range remotes {
			_, err := x.d.w.ExecContext(ctx, `INSERT INTO sends (remote, kind, file, name, state, made_at) VALUES (?, 'file', ?, ?, 'waiting', ?)`,
				remote, f.ID, name, f.MadeAt.UnixMicro())
			if err != nil {
				return err
			}
		}
		return x.enter(ctx, c, kindOutbox, f.ID, f.Who, f.SHA256, nil)
	})
	if err != nil {
		return fmt.Errorf("indexer: outbox: %w", err)
	}
	x.laid(f.ID)
	return nil
}

// laid says that a file is no longer on its way into the outbox.
func (x *Index) laid(id string) {
	x.mu.Lock()
	delete(x.laying, id)
	x.mu.Unlock()
}

func (x *Index) outboxPiece(ctx context.Context, id string, no int, data []byte) error {
	x.yield(x.d)
	err := x.alone(func() error {
		return x.d.write(ctx, false, func(ctx context.Context) error {
			_, err := x.d.w.ExecContext(ctx, `INSERT INTO outbox_data (id, no, data) VALUES (?, ?, ?)`, id, no, data)
			return err
		})
	})
	x.relieve()
	return err
}

// SweepOutbox removes pieces that belong to no file: whoever was adding or removing it died, or found the index locked. Files on
// their way are left alone. Called at the start; it says of how many files they were.
func (x *Index) SweepOutbox(ctx context.Context) (int, error) {
	var ids []string
	rows, err := x.d.r.QueryContext(ctx, `SELECT DISTINCT id FROM outbox_data WHERE id NOT IN (SELECT id FROM outbox)`)
	if err != nil {
		return 0, fmt.Errorf("indexer: outbox: %w", x.d.plain(err))
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return 0, fmt.Errorf("indexer: outbox: %w", x.d.plain(err))
		}
		x.mu.Lock()
		if !x.laying[id] {
			ids = append(ids, id)
		}
		x.mu.Unlock()
	}
	if err := rows.Err(); err != nil {
		return 0, fmt.Errorf("indexer: outbox: %w", x.d.plain(err))
	}
	rows.Close()
	for n, id := range ids {
		if err := x.DropOutboxPieces(ctx, id); err != nil {
			return n, err
		}
	}
	return len(ids), nil
}

// DropOutboxPieces removes the content of a file that is not in the outbox, or not yet: a little at a time, so that nobody who
// commits a file meanwhile waits for a long one to go. What a power cut brings back is swept.
func (x *Index) DropOutboxPieces(ctx context.Context, id string) error {
	x.laid(id)
	for {
		var n int64
		err := x.alone(func() error {
			return x.d.write(ctx, false, func(ctx context.Context) error {
				r, err := x.d.w.ExecContext(ctx, `DELETE FROM outbox_data WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM outbox WHERE id = ?1)
					AND no IN (SELECT no FROM outbox_data WHERE id = ?1 LIMIT 8)`, id)
				if err != nil {
					return err
				}
				n, err = r.RowsAffected()
				return err
			})
		})
		x.relieve()
		if err != nil {
			return fmt.Errorf("indexer: outbox: %w", err)
		}
		if n == 0 {
			return nil
		}
	}
}

// left removes the content of a file that has just left the outbox.
func (x *Index) left(ctx context.Context, id string) {
	if err := x.DropOutboxPieces(ctx, id); err != nil {
		x.log.Warn("content that has left the outbox stays until the next start", "file", id, "err", err)
	}
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

// ReadOutbox gives the bytes of an outbox file from an offset on, into p, like io.ReaderAt. io.EOF is its end and nothing
// else: ErrNotFound once it has left the outbox, in mid-file too, and ErrDamaged where a piece of it is missing.
func (x *Index) ReadOutbox(ctx context.Context, id string, p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, errors.New("indexer: outbox: negative offset")
	}
	for n < len(p) {
		var size int64
		var data []byte
		at := off + int64(n)
		err := x.d.r.QueryRowContext(ctx, `SELECT o.size, d.data FROM outbox o LEFT JOIN outbox_data d ON d.id = o.id AND d.no = ?
			WHERE o.id = ?`, at/outboxPiece, id).Scan(&size, &data)
		if errors.Is(err, sql.ErrNoRows) {
			err = ErrNotFound
		} else if err == nil && at >= size {
			return n, io.EOF
		} else if err == nil && at%outboxPiece >= int64(len(data)) {
			err = ErrDamaged
		}
		if err != nil {
			return n, fmt.Errorf("indexer: outbox: %w", x.d.plain(err))
		}
		n += copy(p[n:], data[at%outboxPiece:])
	}
	return n, nil
}

// OutboxReader reads an outbox file from its beginning. Its end is only reached by the bytes that were put there:
// otherwise it is ErrDamaged, or ErrNotFound if it leaves the outbox meanwhile.
func (x *Index) OutboxReader(ctx context.Context, id string) (io.Reader, error) {
	var sum []byte
	err := x.d.r.QueryRowContext(ctx, `SELECT sha256 FROM outbox WHERE id = ?`, id).Scan(&sum)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("indexer: outbox: %w", x.d.plain(err))
	}
	read := func(p []byte, off int64) (int, error) { return x.ReadOutbox(ctx, id, p, off) }
	return bufio.NewReaderSize(&outboxReader{read: read, hash: sha256.New(), want: sum}, outboxPiece), nil
}

// outboxReader compares what it has read with what it should be before it says that this was all.
type outboxReader struct {
	read func(p []byte, off int64) (int, error)
	off  int64
	hash hash.Hash
	want []byte
}

func (r *outboxReader) Read(p []byte) (int, error) {
	n, err := r.read(p, r.off)
	r.off += int64(n)
	r.hash.Write(p[:n])
	if err == io.EOF && !bytes.Equal(r.hash.Sum(nil), r.want) {
		err = fmt.Errorf("indexer: outbox: other bytes than were put there: %w", ErrDamaged)
	}
	return n, err
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
		if _, err := x.d.w.ExecContext(ctx, `DELETE FROM sends WHERE file = ? AND kind = 'file' AND state = 'waiting'`, id); err != nil {
			return err
		}
		return x.enter(ctx, c, kindFetched, id, who, "", nil)
	})
	if err != nil {
		return fmt.Errorf("indexer: outbox: %w", err)
	}
	x.left(ctx, id)
	return nil
}
