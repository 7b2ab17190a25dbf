package gateway

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"
	"unicode"

	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/transport"
	"github.com/sealgate/sealgate/vault"
)

// NewUser asks for a login. Without a password and a key, a password is made and told once.
type NewUser struct {
	Account   string
	Login     string
	Password  string
	PublicKey string // a line of authorized_keys
}

// UserLine is a user as operators see it: the login's name is kept nowhere.
type UserLine struct {
	ID          string `json:"id"`
	Account     string `json:"account"`
	Password    bool   `json:"password"`
	Keys        int    `json:"keys"`
	CreatedAt   string `json:"created_at"`
	LastLogin   string `json:"last_login,omitempty"`
	LastRefusal string `json:"last_refusal,omitempty"`
	LockedUntil string `json:"locked_until,omitempty"`
	NewPassword string `json:"new_password,omitempty"` // told once, when it was made
}

// AddUser makes a login of an account.
func (g *Gateway) AddUser(ctx context.Context, n NewUser, who string) (UserLine, error) {
	accounts, err := g.asked(n.Account)
	if err != nil {
		return UserLine{}, err
	}
	if err := checkLogin(n.Login); err != nil {
		return UserLine{}, err
	}
	user := &indexer.User{Account: n.Account, Blind: g.unlock.Blind(n.Login), CreatedAt: g.now()}
	made := ""
	if n.Password == "" && n.PublicKey == "" {
		made = vault.NewPassword()
		n.Password = made
	}
	if n.Password != "" {
		if user.PasswordHash, err = vault.HashPassword([]byte(n.Password)); err != nil {
			return UserLine{}, err
		}
	}
	if n.PublicKey != "" {
		key, _, err := transport.ParsePublicKey([]byte(n.PublicKey))
		if err != nil {
			return UserLine{}, &No{Text: err.Error()}
		}
		user.PublicKeys = [][]byte{key}
	}
	if _, err := g.registry.UserByBlind(ctx, user.Blind); err == nil {
		return UserLine{}, &No{Text: "that login exists already", Hint: "logins are unique over all accounts; choose another, or remove it first"}
	}
	for {
		user.ID = "u" + rand.Text()[:5]
		if err = g.registry.AddUser(ctx, user); !errors.Is(err, indexer.ErrExists) {
			break
		}
	}
	if err != nil {
		return UserLine{}, err
	}
	if _, err := accounts[0].index.Note(ctx, "user-added", "", who, user.ID); err != nil {
		return UserLine{}, errors.Join(err, g.registry.RemoveUser(ctx, user.ID))
	}
	line := g.userLine(user)
	line.NewPassword = made
	return line, nil
}

func checkLogin(login string) error {
	bad := login == "" || len(login) > 64
	for _, r := range login {
		bad = bad || !unicode.IsPrint(r) || r == ' ' || r == unicode.ReplacementChar
	}
	if bad {
		return &No{Text: "a login is 1 to 64 printable characters without spaces"}
	}
	return nil
}

// RemoveUser takes a login away, named as its owner types it or by its id, and cuts its sessions. The account may have left
// the configuration.
func (g *Gateway) RemoveUser(ctx context.Context, account, login, who string) (UserLine, error) {
	user, err := g.userOf(ctx, account, login)
	if err != nil {
		return UserLine{}, err
	}
	if err := g.registry.RemoveUser(ctx, user.ID); err != nil {
		return UserLine{}, err
	}
	if door := g.door.Load(); door != nil {
		door.End(user.ID)
	}
	if a := g.account(account); a != nil {
		_, err = a.index.Note(ctx, "user-removed", "", who, user.ID)
	}
	return g.userLine(user), err
}

// userOf finds an account's user by login or by id.
func (g *Gateway) userOf(ctx context.Context, account, login string) (*indexer.User, error) {
	user, err := g.registry.UserByBlind(ctx, g.unlock.Blind(login))
	if err == nil && user.Account == account {
		return user, nil
	}
	if err != nil && !errors.Is(err, indexer.ErrNotFound) {
		return nil, err
	}
	users, err := g.registry.Users(ctx, account)
	if err != nil {
		return nil, err
	}
	for _, user := range users {
		if user.ID == login {
			return user, nil
		}
	}
	return nil, &No{Text: fmt.Sprintf("account %s has no such login", plain(account)), Hint: "sealgate user list"}
}

// Users lists the users of one account, or of all.
func (g *Gateway) Users(ctx context.Context, account string) ([]UserLine, error) {
	if _, err := g.asked(account); err != nil {
		return nil, err
	}
	users, err := g.registry.Users(ctx, account)
	if err != nil {
		return nil, err
	}
	lines := make([]UserLine, len(users))
	for i, u := range users {
		lines[i] = g.userLine(u)
	}
	return lines, nil
}

func (g *Gateway) userLine(u *indexer.User) UserLine {
	line := UserLine{ID: u.ID, Account: u.Account, Password: u.PasswordHash != "", Keys: len(u.PublicKeys), CreatedAt: utc(u.CreatedAt)}
	for _, t := range []struct {
		at   time.Time
		into *string
	}{{u.LastLogin, &line.LastLogin}, {u.LastRefusal, &line.LastRefusal}, {g.logins.locked("user:" + string(u.Blind[:])), &line.LockedUntil}} {
		if !t.at.IsZero() {
			*t.into = utc(t.at)
		}
	}
	return line
}
