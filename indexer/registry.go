package indexer

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Registry is gateway.db: what belongs to no single account. Its methods may be called from many goroutines at once.
type Registry struct {
	d    *database
	log  *slog.Logger
	lock chan struct{} // one token: whoever has put it in may write
}

// User is a login of an account. Its name is nowhere: Blind is a keyed hash of it.
type User struct {
	ID           string // "u5F2K...", fit for logs
	Account      string
	Blind        [32]byte
	PasswordHash string   // PHC string, "" when there is no password
	PublicKeys   [][]byte // OpenSSH wire form
	CreatedAt    time.Time
	LastLogin    time.Time // zero: never
	LastRefusal  time.Time // zero: never
}

// OpenRegistry opens gateway.db like Open does an account's index.
func OpenRegistry(ctx context.Context, path string, key Key, log *slog.Logger) (*Registry, error) {
	d, err := openDatabase(ctx, path, key, "gateway")
	if err != nil {
		return nil, fmt.Errorf("indexer: open %s: %w", path, err)
	}
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
	if err := ctx.Err(); err != nil {
		return err
	}
	g.lock <- struct{}{}
	defer func() { <-g.lock }()
	err := g.d.write(ctx, durable, func(ctx context.Context) error {
		r, err := g.d.w.ExecContext(ctx, query, args...)
		if err != nil {
			return exists(err)
		}
		if n, err := r.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, missing)
		}
		return nil
	})
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

// AddUser adds a login. ErrExists when its id or its Blind is there already.
func (g *Registry) AddUser(ctx context.Context, u *User) error {
	return g.change(ctx, true, nil, `INSERT INTO users (id, account, blind, password_hash, public_keys, created_at, last_login, last_refusal)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, u.ID, u.Account, u.Blind[:], u.PasswordHash, packKeys(u.PublicKeys), micros(u.CreatedAt), micros(u.LastLogin), micros(u.LastRefusal))
}

// UpdateUser sets a login's password hash and public keys. ErrNotFound.
func (g *Registry) UpdateUser(ctx context.Context, u *User) error {
	return g.change(ctx, true, ErrNotFound, `UPDATE users SET password_hash = ?, public_keys = ? WHERE id = ?`, u.PasswordHash, packKeys(u.PublicKeys), u.ID)
}

// RemoveUser removes a login. ErrNotFound.
func (g *Registry) RemoveUser(ctx context.Context, id string) error {
	return g.change(ctx, true, ErrNotFound, `DELETE FROM users WHERE id = ?`, id)
}

// Touch notes a login. It costs no flush of its own: a power cut may lose the last ones. ErrNotFound.
func (g *Registry) Touch(ctx context.Context, id string, login time.Time) error {
	return g.change(ctx, false, ErrNotFound, `UPDATE users SET last_login = ? WHERE id = ?`, micros(login), id)
}

// Refused notes a refused login, like Touch.
func (g *Registry) Refused(ctx context.Context, id string, at time.Time) error {
	return g.change(ctx, false, ErrNotFound, `UPDATE users SET last_refusal = ? WHERE id = ?`, micros(at), id)
}

const userColumns = `id, account, blind, password_hash, public_keys, created_at, last_login, last_refusal`

// UserByBlind finds a login by the keyed hash of its name. ErrNotFound.
func (g *Registry) UserByBlind(ctx context.Context, blind [32]byte) (*User, error) {
	u, err := scanUser(g.d.r.QueryRowContext(ctx, `SELECT `+userColumns+` FROM users WHERE blind = ?`, blind[:]).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("indexer: user: %w", g.d.plain(err))
	}
	return u, nil
}

// Users lists an account's logins, or all of them when account is "".
func (g *Registry) Users(ctx context.Context, account string) (users []*User, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("indexer: users: %w", g.d.plain(err))
		}
	}()
	rows, err := g.d.r.QueryContext(ctx, `SELECT `+userColumns+` FROM users WHERE ?1 = '' OR account = ?1 ORDER BY account, created_at, id`, account)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		u, err := scanUser(rows.Scan)
		if err != nil {
			return nil, err
		}
		users = append(users, u)
	}
	return users, rows.Err()
}

func scanUser(scan func(...any) error) (*User, error) {
	var u User
	var blind, keys []byte
	var created, login, refusal int64
	if err := scan(&u.ID, &u.Account, &blind, &u.PasswordHash, &keys, &created, &login, &refusal); err != nil {
		return nil, err
	}
	copy(u.Blind[:], blind)
	u.CreatedAt, u.LastLogin, u.LastRefusal = fromMicros(created), fromMicros(login), fromMicros(refusal)
	for len(keys) > 0 {
		if len(keys) < 4 || uint64(binary.BigEndian.Uint32(keys)) > uint64(len(keys)-4) {
			return nil, fmt.Errorf("user %s: public keys: %w", u.ID, ErrDamaged)
		}
		n := binary.BigEndian.Uint32(keys)
		u.PublicKeys, keys = append(u.PublicKeys, keys[4:4+n:4+n]), keys[4+n:]
	}
	return &u, nil
}

func packKeys(keys [][]byte) []byte {
	b := []byte{}
	for _, k := range keys {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(k))), k...)
	}
	return b
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
	return g.change(ctx, true, nil, `INSERT INTO settings (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value`, key, value)
}

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
