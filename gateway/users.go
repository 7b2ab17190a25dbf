package gateway

import (
	"context"
	"crypto/rand"
	"encoding/hex"
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
	PublicKey string   // a line of authorized_keys
	Methods   string   // "key,password+totp"; "" by whatever is given
	AllowFrom []string // networks; none: all that the account allows
	DenyFrom  []string
}

// UserLine is a user as operators see it: the login's name is only there for those who can open it.
type UserLine struct {
	ID           string   `json:"id"`
	Account      string   `json:"account"`
	Name         string   `json:"name,omitempty"`        // of the login, once somebody has opened SealedName
	SealedName   []byte   `json:"sealed_name,omitempty"` // see vault.OpenName
	Login        string   `json:"login"`                 // how: "key", "password+totp" ...
	Password     bool     `json:"password"`
	Keys         int      `json:"keys"`
	SecondFactor bool     `json:"second_factor,omitempty"`
	OneTime      bool     `json:"one_time,omitempty"` // the password must be changed at the next login
	AllowFrom    []string `json:"allow_from,omitempty"`
	DenyFrom     []string `json:"deny_from,omitempty"`
	CreatedAt    string   `json:"created_at"`
	LastLogin    string   `json:"last_login,omitempty"`
	LastRefusal  string   `json:"last_refusal,omitempty"`
	LockedUntil  string   `json:"locked_until,omitempty"` // a pause, which ends by itself
	LockedAt     string   `json:"locked_at,omitempty"`    // by too many wrong guesses, until `sealgate user unlock`
	NewPassword  string   `json:"new_password,omitempty"` // told once, when it was made
	NewFactor    *Factor  `json:"new_factor,omitempty"`   // told once, when it was made
}

// Factor is a second factor, for its owner's app, and his recovery codes.
type Factor struct {
	URI    string   `json:"uri"`
	Secret string   `json:"secret"`
	Codes  []string `json:"codes"`
}

// AddUser makes a login of an account.
func (g *Gateway) AddUser(ctx context.Context, n NewUser, who string) (UserLine, error) {
	a, err := g.askedOne(n.Account)
	if err != nil {
		return UserLine{}, err
	}
	if err := checkLogin(n.Login); err != nil {
		return UserLine{}, err
	}
	user := &indexer.User{Account: n.Account, Blind: g.unlock.Blind(n.Login), CreatedAt: g.now(), AllowFrom: n.AllowFrom, DenyFrom: n.DenyFrom}
	if err := checkNetworks(n.AllowFrom, n.DenyFrom); err != nil {
		return UserLine{}, err
	}
	if err := g.free(ctx, user); err != nil {
		return UserLine{}, err
	}
	made, err := n.equip(ctx, g, user, a)
	if err == nil {
		err = a.nameUser(user, n.Login)
	}
	if err != nil {
		return UserLine{}, err
	}
	var factor *Factor
	for {
		user.ID = "u" + rand.Text()[:5]
		if methodsOf(user).asks("totp") { // it is sealed to the id
			if factor, err = g.newFactor(user, a, n.Login); err != nil {
				return UserLine{}, err
			}
		}
		if err = g.registry.AddUser(ctx, user, owed(a.ID, "user-added", who, user.ID)); !errors.Is(err, indexer.ErrExists) {
			break
		}
		if err = g.free(ctx, user); err != nil { // not the id is taken: somebody else was adding the same login
			break
		}
	}
	if err != nil {
		return UserLine{}, err
	}
	g.enterOwed(ctx)
	line := g.userLine(user)
	line.NewPassword, line.NewFactor = made, factor
	return line, nil
}

// free refuses a login that somebody has, by the keyed hash of its name, and one that stays where it was.
func (g *Gateway) free(ctx context.Context, user *indexer.User) error {
	_, err := g.registry.UserByBlind(ctx, user.Blind)
	if err == nil {
		return &No{Text: "that login exists already", Hint: "logins are unique over all accounts; choose another, or remove it first"}
	}
	if !errors.Is(err, indexer.ErrNotFound) {
		return err
	}
	return g.mayMove(ctx, user)
}

// placeOf is the registry's name for the account that a login was of last.
func placeOf(user *indexer.User) string { return "login-of/" + hex.EncodeToString(user.Blind[:]) }

// keepPlace keeps of which account a login is that is about to go: where its owner has come in, he goes on sending. Die before it is gone, and
// nothing has changed.
func (g *Gateway) keepPlace(ctx context.Context, user *indexer.User) error {
	if g.rule.Load().approved == nil || user.LastLogin.IsZero() {
		return nil
	}
	return g.registry.Put(ctx, placeOf(user), []byte(user.Account))
}

// mayMove refuses to make a login that another account had: what its owner sends next would be sealed as one person says.
func (g *Gateway) mayMove(ctx context.Context, user *indexer.User) error {
	if g.rule.Load().approved == nil {
		return nil
	}
	was, err := g.registry.Get(ctx, placeOf(user))
	if errors.Is(err, indexer.ErrNotFound) {
		return nil
	}
	if id := string(was); err == nil && id != user.Account && g.cfg.Load().Account(id) != nil {
		return &No{Text: fmt.Sprintf("that login was of account %s, and four_eyes does not let one person give it to another", id),
			Hint: "choose another login, or give it to that account again"}
	}
	return err
}

// equip gives a new user the password, key and methods that were asked for, and a password of ours where one is missing.
func (n *NewUser) equip(ctx context.Context, g *Gateway, user *indexer.User, a *account) (made string, err error) {
	m := methods{key: way{open: n.PublicKey != ""}, password: way{open: n.Password != "" || n.PublicKey == ""}}
	if n.Methods != "" {
		if m, err = parseMethods(n.Methods); err != nil {
			return "", err
		}
	}
	switch {
	case m.key.open && n.PublicKey == "" && len(a.userCA) == 0:
		return "", &No{Text: "a login by key needs a public key", Hint: "--public-key FILE, or a user_ca for the account", Wrong: true}
	case !m.key.open && n.PublicKey != "":
		return "", &No{Text: m.String() + " takes no public key", Hint: "--login " + methodsHint, Wrong: true}
	case !m.asks("password") && n.Password != "":
		return "", &No{Text: m.String() + " takes no password", Hint: "--login " + methodsHint, Wrong: true}
	}
	user.Methods = m.String()
	if m.asks("password") {
		if n.Password == "" {
			made = vault.NewPassword()
			n.Password = made
		}
		if user.PasswordHash, err = g.newHash(ctx, a, n.Login, n.Password); err != nil {
			return "", err
		}
		user.PasswordAt = user.CreatedAt
	}
	if n.PublicKey != "" {
		key, _, err := transport.ParsePublicKey([]byte(n.PublicKey))
		if err != nil {
			return "", &No{Text: err.Error(), Wrong: true}
		}
		user.PublicKeys = [][]byte{key}
	}
	return made, nil
}

// askedOne is the account that a question names.
func (g *Gateway) askedOne(id string) (*account, error) {
	accounts, err := g.asked(id)
	if err == nil && (id == "" || len(accounts) != 1) {
		err = &No{Text: "name the account", Wrong: true}
	}
	if err != nil {
		return nil, err
	}
	return accounts[0], nil
}

func checkLogin(login string) error {
	bad := login == "" || len(login) > 64
	for _, r := range login {
		bad = bad || !unicode.IsPrint(r) || r == ' ' || r == unicode.ReplacementChar
	}
	if bad {
		return &No{Text: "a login is 1 to 64 printable characters without spaces", Wrong: true}
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
	if err := g.keepPlace(ctx, user); err != nil {
		return UserLine{}, err
	}
	var owes []*indexer.Owed
	if g.account(account) != nil || g.out(account) != nil {
		owes = append(owes, owed(account, "user-removed", who, user.ID))
	}
	if err := g.registry.RemoveUser(ctx, user.ID, owes...); err != nil {
		return UserLine{}, err
	}
	if door := g.door.Load(); door != nil {
		door.End(user.ID)
	}
	g.enterOwed(ctx)
	return g.userLine(user), nil
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
	line := UserLine{ID: u.ID, Account: u.Account, SealedName: u.Name.Sealed, Login: methodsOf(u).String(), Password: u.PasswordHash != "", Keys: len(u.PublicKeys),
		SecondFactor: len(u.SecondFactor) > 0, OneTime: u.OneTime, AllowFrom: u.AllowFrom, DenyFrom: u.DenyFrom, CreatedAt: utc(u.CreatedAt)}
	for _, t := range []struct {
		at   time.Time
		into *string
	}{
		{u.LastLogin, &line.LastLogin}, {u.LastRefusal, &line.LastRefusal}, {u.LockedAt, &line.LockedAt},
		{g.logins.locked(talliesOf(u)...), &line.LockedUntil},
	} {
		if !t.at.IsZero() {
			*t.into = utc(t.at)
		}
	}
	return line
}

// talliesOf are under what a user's wrong guesses are counted.
func talliesOf(u *indexer.User) []string {
	return []string{"user:" + string(u.Blind[:]), "after:" + string(u.Blind[:])}
}
