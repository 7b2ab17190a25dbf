package indexer

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
)

// User is a login of an account. Its name is nowhere in clear: Blind is a keyed hash of it.
type User struct {
	ID           string // "u5F2K...", fit for logs
	Account      string
	Blind        [32]byte
	Name         SealedName
	Methods      string   // how it comes in, "key,password+totp"; "" by whatever it has
	PasswordHash string   // PHC string, "" when there is no password
	PublicKeys   [][]byte // OpenSSH wire form
	SecondFactor []byte   // sealed; empty when there is none
	CreatedAt    time.Time
	PasswordAt   time.Time // when the password was set
	OneTime      bool      // the password must be changed at the next login
	LastLogin    time.Time // zero: never
	LastRefusal  time.Time // zero: never
	Failures     int       // wrong guesses since the last login
	LockedAt     time.Time // zero: not locked
	AllowFrom    []string  // networks, as operators wrote them; none: from anywhere
	DenyFrom     []string
}

// SealedName is the name of a login, sealed to the account's certificate. It is empty where the account has none.
type SealedName struct {
	Sealed      []byte
	Witness     []byte
	Certificate string // fingerprint
}

const userColumns = `id, account, blind, methods, password_hash, public_keys, second_factor, created_at, password_at, one_time,
	last_login, last_refusal, failures, locked_at, allow_from, deny_from, sealed_name, name_witness, name_certificate`

// AddUser adds a login, and with it the rows that it owes. ErrExists when its id or its Blind is there already.
func (g *Registry) AddUser(ctx context.Context, u *User, owes ...*Owed) error {
	return g.transact(ctx, true, func(ctx context.Context) error {
		err := g.exec(ctx, nil, `INSERT INTO users (`+userColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			u.ID, u.Account, u.Blind[:], u.Methods, u.PasswordHash, packKeys(u.PublicKeys), notNil(u.SecondFactor), micros(u.CreatedAt),
			micros(u.PasswordAt), u.OneTime, micros(u.LastLogin), micros(u.LastRefusal), u.Failures, micros(u.LockedAt),
			strings.Join(u.AllowFrom, ","), strings.Join(u.DenyFrom, ","), notNil(u.Name.Sealed), notNil(u.Name.Witness), u.Name.Certificate)
		if err != nil {
			return err
		}
		return g.owe(ctx, owes)
	})
}

// ChangeUser reads a login, lets f change it, and writes it back with the rows that this owes, all in one transaction: what two do at
// once, the second one sees. If f gives an error, nothing changes and the error comes back; it may still write in the rows what it
// did. The login's id, account and Blind stay. ErrNotFound.
func (g *Registry) ChangeUser(ctx context.Context, id string, f func(u *User) error, owes ...*Owed) error {
	return g.transact(ctx, true, func(ctx context.Context) error {
		u, err := scanUser(g.d.w.QueryRowContext(ctx, `SELECT `+userColumns+` FROM users WHERE id = ?`, id).Scan)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrNotFound
		}
		if err != nil {
			return err
		}
		if err := f(u); err != nil {
			return err
		}
		err = g.exec(ctx, ErrNotFound, `UPDATE users SET methods = ?, password_hash = ?, public_keys = ?, second_factor = ?, password_at = ?,
			one_time = ?, failures = ?, locked_at = ?, allow_from = ?, deny_from = ?,
			sealed_name = ?, name_witness = ?, name_certificate = ? WHERE id = ?`,
			u.Methods, u.PasswordHash, packKeys(u.PublicKeys), notNil(u.SecondFactor), micros(u.PasswordAt), u.OneTime, u.Failures,
			micros(u.LockedAt), strings.Join(u.AllowFrom, ","), strings.Join(u.DenyFrom, ","),
			notNil(u.Name.Sealed), notNil(u.Name.Witness), u.Name.Certificate, id)
		if err != nil {
			return err
		}
		return g.owe(ctx, owes)
	})
}

// RemoveUser removes a login, and keeps the rows that this owes. ErrNotFound.
func (g *Registry) RemoveUser(ctx context.Context, id string, owes ...*Owed) error {
	return g.transact(ctx, true, func(ctx context.Context) error {
		if err := g.exec(ctx, ErrNotFound, `DELETE FROM users WHERE id = ?`, id); err != nil {
			return err
		}
		return g.owe(ctx, owes)
	})
}

// Touch notes a login; guessed: one that ends the count of wrong guesses, since what is guessed at was right. It costs no
// flush of its own: a power cut may lose the last ones. ErrNotFound.
func (g *Registry) Touch(ctx context.Context, id string, login time.Time, guessed bool) error {
	return g.change(ctx, false, ErrNotFound, `UPDATE users SET last_login = ?, failures = failures * ? WHERE id = ?`, micros(login), !guessed, id)
}

// Refused notes a refused login, like Touch. A wrong guess is counted, and the one that makes lockAfter of them locks the
// user, durably; 0 locks nobody. ErrNotFound, after as much work: a row that means nothing is written instead.
func (g *Registry) Refused(ctx context.Context, id string, at time.Time, guess bool, lockAfter int) (locked bool, err error) {
	failures, lockedAt, missing := 0, int64(0), false
	err = g.transact(ctx, false, func(ctx context.Context) error {
		err := g.d.w.QueryRowContext(ctx, `UPDATE users SET last_refusal = ?1, failures = failures + ?2 WHERE id = ?3 RETURNING failures, locked_at`,
			micros(at), guess, id).Scan(&failures, &lockedAt)
		if missing = errors.Is(err, sql.ErrNoRows); missing {
			_, err = g.d.w.ExecContext(ctx, `INSERT OR REPLACE INTO settings (key, value) VALUES ('refused nobody', randomblob(8))`)
		}
		return err
	})
	if err == nil && missing {
		err = ErrNotFound
	}
	if err != nil || !guess || lockedAt != 0 || lockAfter <= 0 || failures < lockAfter {
		return false, err
	}
	err = g.change(ctx, true, ErrNotFound, `UPDATE users SET locked_at = ? WHERE id = ? AND locked_at = 0`, micros(at), id)
	if errors.Is(err, ErrNotFound) { // another one was quicker
		return false, nil
	}
	return err == nil, err
}

// UserByBlind finds a login by the keyed hash of its name. ErrNotFound.
func (g *Registry) UserByBlind(ctx context.Context, blind [32]byte) (*User, error) {
	ctx = context.WithoutCancel(ctx) // it is done before anybody could interrupt it, and to watch for that takes a third of the time
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
	var created, set, login, refusal, locked int64
	var allow, deny string
	err := scan(&u.ID, &u.Account, &blind, &u.Methods, &u.PasswordHash, &keys, &u.SecondFactor, &created, &set, &u.OneTime, &login, &refusal,
		&u.Failures, &locked, &allow, &deny, &u.Name.Sealed, &u.Name.Witness, &u.Name.Certificate)
	if err != nil {
		return nil, err
	}
	copy(u.Blind[:], blind)
	u.CreatedAt, u.PasswordAt, u.LastLogin = fromMicros(created), fromMicros(set), fromMicros(login)
	u.LastRefusal, u.LockedAt = fromMicros(refusal), fromMicros(locked)
	u.AllowFrom, u.DenyFrom = listed(allow), listed(deny)
	for len(keys) > 0 {
		if len(keys) < 4 || uint64(binary.BigEndian.Uint32(keys)) > uint64(len(keys)-4) {
			return nil, fmt.Errorf("user %s: public keys: %w", u.ID, ErrDamaged)
		}
		n := binary.BigEndian.Uint32(keys)
		u.PublicKeys, keys = append(u.PublicKeys, keys[4:4+n:4+n]), keys[4+n:]
	}
	return &u, nil
}

// listed takes a list with commas apart; none of "".
func listed(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

func packKeys(keys [][]byte) []byte {
	b := []byte{}
	for _, k := range keys {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(k))), k...)
	}
	return b
}

// notNil gives SQLite an empty value where nil would be NULL.
func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
