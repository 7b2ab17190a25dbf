package gateway

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/transport"
	"github.com/sealgate/sealgate/vault"
)

// What a login's secrets are checked against, and how they change.

// checkPassword hashes once whoever it is. An error means that too many wait already.
func (g *Gateway) checkPassword(ctx context.Context, user *indexer.User, password []byte) (bool, error) {
	leave, err := g.logins.enter(ctx)
	if err != nil {
		return false, err
	}
	defer leave()
	hash := vault.DummyHash
	known := user != nil && user.PasswordHash != ""
	if known {
		hash = user.PasswordHash
	}
	ok, err := vault.CheckPassword(hash, password)
	if ok && known && vault.PasswordOutdated(hash) {
		g.rehash(ctx, user, password)
	}
	return ok && known, err
}

// rehash keeps a right password's hash as we make them today. If it cannot be kept, the old one is as good as it was.
func (g *Gateway) rehash(ctx context.Context, user *indexer.User, password []byte) {
	hash, err := vault.HashPassword(password)
	if err == nil {
		err = g.registry.ChangeUser(ctx, user.ID, func(u *indexer.User) error {
			if u.PasswordHash == user.PasswordHash {
				u.PasswordHash = hash
			}
			return nil
		})
	}
	if err != nil {
		g.log.Error("password not hashed anew", "user", user.ID, "err", err)
	}
}

// useCode takes a code of the second factor and keeps that it was used, before anybody is let in by it: of two who bring
// the same one at once, one is refused. It says of which factor the code was (factorOf). An error is a fault of ours.
func (g *Gateway) useCode(ctx context.Context, user *indexer.User, code string) (good bool, which [32]byte, err error) {
	if len(user.SecondFactor) == 0 {
		return false, which, nil
	}
	err = g.registry.ChangeUser(ctx, user.ID, func(u *indexer.User) error {
		factor, err := g.unlock.OpenFactor(u.ID, u.SecondFactor)
		if err != nil {
			return err
		}
		if !factor.Use(code, g.now()) {
			return errNo
		}
		which = factorHash(factor)
		u.SecondFactor, err = g.unlock.SealFactor(u.ID, factor)
		return err
	})
	if errors.Is(err, errNo) {
		return false, which, nil
	}
	if err != nil {
		g.log.Error("second factor", "user", user.ID, "err", err)
	}
	return err == nil, which, err
}

// factorOf says which second factor a user has; zeros where there is none.
func (g *Gateway) factorOf(u *indexer.User) (which [32]byte, err error) {
	if len(u.SecondFactor) == 0 {
		return which, nil
	}
	factor, err := g.unlock.OpenFactor(u.ID, u.SecondFactor)
	if err != nil {
		return which, err
	}
	return factorHash(factor), nil
}

// factorHash tells one second factor from another. Uses of its codes do not change it.
func factorHash(f *vault.SecondFactor) [32]byte { return sha256.Sum256([]byte(f.Secret())) }

// stale says whether a right password must be changed before it lets its owner in.
func (g *Gateway) stale(v *visit) bool {
	expire := v.account.Passwords.Expire
	return v.user.OneTime || expire > 0 && g.now().Sub(v.user.PasswordAt) > expire
}

// admitNewPassword is the last step of a login with a password that must be changed. What is wrong with the new one is
// said, and asked for again.
func (g *Gateway) admitNewPassword(ctx context.Context, v *visit) (transport.Guest, error) {
	why := v.barred()
	switch {
	case why != "":
	case !v.expects(transport.AskNewPassword) || !g.stale(v):
		why = "not-this-way"
	case !v.user.LockedAt.IsZero():
		why = "user-locked"
	}
	if why != "" {
		g.wrong(ctx, v, why, false)
		return transport.Guest{}, errNo
	}
	again := func(say string) (transport.Guest, error) {
		return transport.Guest{}, &transport.More{Ask: transport.AskNewPassword, So: v.So, Say: say}
	}
	rule := vault.PasswordRule(v.account.Passwords.Rule)
	if err := rule.CheckNewPassword(v.Login, v.NewPassword); err != nil {
		return again(err.Error() + ".")
	}
	leave, err := g.logins.enter(ctx)
	if err != nil {
		g.refused(v, "busy", 0, time.Time{})
		return transport.Guest{}, errNo
	}
	defer leave()
	if same, err := vault.CheckPassword(v.user.PasswordHash, v.NewPassword); err != nil || same {
		return again("that is the password that you have; take another.")
	}
	hash, err := vault.HashPassword(v.NewPassword)
	if err != nil {
		return again("that cannot be a password.")
	}
	err = g.registry.ChangeUser(ctx, v.user.ID, func(u *indexer.User) error {
		if u.PasswordHash != v.user.PasswordHash {
			return errNo // an operator has set another meanwhile
		}
		if which, err := g.factorOf(u); err != nil || v.So.Code && which != v.So.Factor {
			return errors.Join(err, errNo) // ... or has voided the second factor
		}
		u.PasswordHash, u.PasswordAt, u.OneTime = hash, g.now(), false
		return nil
	}, owed(v.account.ID, "password-changed", v.user.ID, v.user.ID))
	if err != nil {
		g.log.Error("password not changed", "account", v.user.Account, "user", v.user.ID, "err", err)
		return transport.Guest{}, errNo
	}
	g.enterOwed(ctx)
	g.log.Info("password changed", "account", v.user.Account, "user", v.user.ID)
	return g.letIn(ctx, v, v.So)
}
