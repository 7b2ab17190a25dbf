package gateway

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/sealgate/sealgate/config"
	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/transport"
	"github.com/sealgate/sealgate/vault"
)

// What operators change of a login. Sessions that are open go on: they came in by what was right then.

// PasswordChange asks for a new password; an empty one is made and told once.
type PasswordChange struct {
	Account  string
	Login    string
	Password string
	OneTime  bool // it must be changed at the next login
}

// UserChange asks for other ways to log in. What is nil or empty stays as it is.
type UserChange struct {
	Account   string
	Login     string
	Methods   string
	AddKey    string // a line of authorized_keys
	RemoveKey string // likewise
	AllowFrom *[]string
	DenyFrom  *[]string
}

// FactorChange asks for a new second factor, or for none any more.
type FactorChange struct {
	Account string
	Login   string
	Remove  bool
}

// SetPassword gives a user another password.
func (g *Gateway) SetPassword(ctx context.Context, c PasswordChange, who string) (UserLine, error) {
	made := ""
	if c.Password == "" {
		made = vault.NewPassword()
		c.Password = made
	}
	a, err := g.askedOne(c.Account)
	if err != nil {
		return UserLine{}, err
	}
	found, err := g.userOf(ctx, c.Account, c.Login)
	if err != nil {
		return UserLine{}, err
	}
	name := c.Login
	if name == found.ID {
		name = "" // the login is not known here
	}
	hash, err := g.newHash(ctx, a, name, c.Password)
	if err != nil {
		return UserLine{}, err
	}
	line, err := g.changeUser(ctx, c.Account, found.ID, who, "password-set", func(u *indexer.User, _ *account) error {
		if !methodsOf(u).asks("password") {
			return &No{Text: "this login takes no password, but " + methodsOf(u).String(), Hint: "sealgate user change ACCOUNT LOGIN --login " + methodsHint}
		}
		u.PasswordHash, u.PasswordAt, u.OneTime = hash, g.now(), c.OneTime
		return nil
	})
	line.NewPassword = made
	return line, err
}

// newHash hashes a password that its account's rule allows, in its turn among the logins. It is called before a transaction,
// never in one: a login that holds the place it waits for may itself wait to write.
func (g *Gateway) newHash(ctx context.Context, a *account, login, password string) (string, error) {
	if err := vault.PasswordRule(a.Passwords.Rule).CheckNewPassword(login, []byte(password)); err != nil {
		return "", &No{Text: err.Error(), Hint: "leave it out, and one is made", Wrong: true}
	}
	leave, err := g.logins.turn(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	return vault.HashPassword([]byte(password))
}

// madePassword makes a password for a user who is about to log in by one and has none; "" for any other.
func (g *Gateway) madePassword(ctx context.Context, c UserChange) (made, hash string, err error) {
	m, err := parseMethods(c.Methods)
	if err != nil || !m.asks("password") {
		return "", "", err
	}
	a, err := g.askedOne(c.Account)
	if err != nil {
		return "", "", err
	}
	u, err := g.userOf(ctx, c.Account, c.Login)
	if err != nil || u.PasswordHash != "" {
		return "", "", err
	}
	made = vault.NewPassword()
	hash, err = g.newHash(ctx, a, "", made)
	return made, hash, err
}

// SetFactor gives a user a new second factor: the old one and its recovery codes are void. Whoever logs in by a password needs
// it from then on, and whoever logs in by nothing but a key does.
func (g *Gateway) SetFactor(ctx context.Context, c FactorChange, who string) (UserLine, error) {
	if c.Remove {
		return g.changeUser(ctx, c.Account, c.Login, who, "second-factor-removed", func(u *indexer.User, _ *account) error {
			m := methodsOf(u)
			for _, w := range []*way{&m.key, &m.password} {
				if w.then == "totp" {
					w.then = ""
				}
			}
			u.Methods, u.SecondFactor = m.String(), nil
			return nil
		})
	}
	var factor *Factor
	line, err := g.changeUser(ctx, c.Account, c.Login, who, "second-factor-set", func(u *indexer.User, a *account) (err error) {
		m := methodsOf(u)
		switch {
		case m.asks("totp"):
		case m.password.open:
			m.password.then = "totp"
		case m.key.then == "":
			m.key.then = "totp"
		default:
			return &No{Text: "this login is by " + m.String() + ", which takes no code", Hint: "sealgate user change ACCOUNT LOGIN --login key+totp, or password+totp"}
		}
		u.Methods = m.String()
		factor, err = g.newFactor(u, a, c.Login)
		return err
	})
	line.NewFactor = factor
	return line, err
}

// newFactor makes a user's second factor and tells what its owner must know.
func (g *Gateway) newFactor(u *indexer.User, a *account, login string) (*Factor, error) {
	factor, codes := vault.NewSecondFactor()
	sealed, err := g.unlock.SealFactor(u.ID, factor)
	if err != nil {
		return nil, err
	}
	u.SecondFactor = sealed
	return &Factor{URI: factor.URI("Sealgate "+a.ID, login), Secret: factor.Secret(), Codes: codes}, nil
}

// ChangeUser changes how a user logs in, and from where.
func (g *Gateway) ChangeUser(ctx context.Context, c UserChange, who string) (UserLine, error) {
	var made, hash string
	if c.Methods != "" {
		var err error
		if made, hash, err = g.madePassword(ctx, c); err != nil {
			return UserLine{}, err
		}
	}
	line, err := g.changeUser(ctx, c.Account, c.Login, who, "user-changed", func(u *indexer.User, a *account) error {
		for _, list := range []struct{ from, to *[]string }{{c.AllowFrom, &u.AllowFrom}, {c.DenyFrom, &u.DenyFrom}} {
			if list.from == nil {
				continue
			}
			if err := checkNetworks(*list.from); err != nil {
				return err
			}
			*list.to = *list.from
		}
		if err := changeKeys(u, c); err != nil {
			return err
		}
		m := methodsOf(u)
		if c.Methods != "" {
			var err error
			if m, err = parseMethods(c.Methods); err != nil {
				return err
			}
		}
		switch {
		case m.key.open && len(u.PublicKeys) == 0 && len(a.userCA) == 0:
			return &No{Text: "a login by key needs a public key", Hint: "--add-key FILE, or a user_ca for the account", Wrong: true}
		case !m.key.open && c.AddKey != "":
			return &No{Text: m.String() + " takes no public key", Hint: "--login key, or key,password", Wrong: true}
		case m.asks("totp") && len(u.SecondFactor) == 0:
			return &No{Text: "there is no second factor yet", Hint: "sealgate user totp ACCOUNT LOGIN makes one, and asks for it from then on"}
		case m.asks("password") && u.PasswordHash == "" && hash == "":
			return &No{Text: "the login was changed meanwhile", Hint: "type it again"}
		case m.asks("password") && u.PasswordHash == "":
			u.PasswordHash, u.PasswordAt = hash, g.now()
		default:
			made = ""
		}
		u.Methods = m.String()
		return nil
	})
	line.NewPassword = made
	return line, err
}

func changeKeys(u *indexer.User, c UserChange) error {
	for _, key := range []struct {
		line string
		add  bool
	}{{c.RemoveKey, false}, {c.AddKey, true}} {
		if key.line == "" {
			continue
		}
		wire, _, err := transport.ParsePublicKey([]byte(key.line))
		if err != nil {
			return &No{Text: err.Error(), Wrong: true}
		}
		there := hasKey(u.PublicKeys, wire)
		switch {
		case key.add && there:
			return &No{Text: "the login has that key already"}
		case key.add:
			u.PublicKeys = append(u.PublicKeys, wire)
		case !there:
			return &No{Text: "the login has no such key"}
		default:
			u.PublicKeys = slices.DeleteFunc(u.PublicKeys, func(k []byte) bool { return string(k) == string(wire) })
		}
	}
	return nil
}

// Unlock lifts a user's lock, and the pauses.
func (g *Gateway) Unlock(ctx context.Context, id, login, who string) (UserLine, error) {
	line, err := g.changeUser(ctx, id, login, who, "user-unlocked", func(u *indexer.User, _ *account) error {
		u.LockedAt, u.Failures = time.Time{}, 0
		for _, tally := range talliesOf(u) {
			g.logins.forget(tally)
		}
		return nil
	})
	line.LockedUntil = ""
	return line, err
}

// changeUser changes a user of an account of the present configuration and writes it into the account's ledger.
func (g *Gateway) changeUser(ctx context.Context, id, login, who, kind string, change func(*indexer.User, *account) error) (UserLine, error) {
	a, err := g.askedOne(id)
	if err != nil {
		return UserLine{}, err
	}
	found, err := g.userOf(ctx, id, login)
	if err != nil {
		return UserLine{}, err
	}
	var changed *indexer.User
	row := owed(a.ID, kind, who, found.ID)
	err = g.registry.ChangeUser(ctx, found.ID, func(u *indexer.User) error {
		changed = u
		err := change(u, a)
		if kind == "user-changed" {
			row.Detail = strings.Join([]string{u.ID, u.Methods}, " ")
		}
		return err
	}, row)
	if err != nil {
		return UserLine{}, err
	}
	g.enterOwed(ctx)
	return g.userLine(changed), nil
}

// checkNetworks refuses a list that config would refuse.
func checkNetworks(lists ...[]string) error {
	for _, list := range lists {
		for _, s := range list {
			if _, err := config.ParseNetwork(s); err != nil {
				return &No{Text: err.Error(), Wrong: true}
			}
		}
	}
	return nil
}
