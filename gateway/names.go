package gateway

import (
	"bytes"
	"context"
	"iter"

	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/vault"
)

// The names of logins. A login is found by a keyed hash of its name; the name itself is kept only sealed, as the account's
// files are, so that the gateway cannot read it and whoever has the account's keys can (`sealgate user list --key`). Names
// are rewrapped and lost together with the files.

// nameUser seals a login's name to the account's certificate, if it has one.
func (a *account) nameUser(u *indexer.User, login string) error {
	if a.seal == nil {
		return nil
	}
	sealed, witness, err := a.seal.SealName(login)
	if err != nil {
		return err
	}
	u.Name = indexer.SealedName{Sealed: sealed, Witness: witness[:], Certificate: a.certificate.Fingerprint()}
	return nil
}

// learnName keeps the name of one who has come in and whose name is not kept yet: of an earlier version, or from before the
// account had a certificate. If it cannot be kept now, the next login tries again.
func (g *Gateway) learnName(ctx context.Context, v *visit) {
	if v.account.seal == nil || len(v.user.Name.Sealed) > 0 {
		return
	}
	err := g.registry.ChangeUser(ctx, v.user.ID, func(u *indexer.User) error {
		a := g.account(v.account.ID) // as it is now: the certificate of when the login began may be removed since
		if a == nil || a.seal == nil {
			return nil
		}
		return a.nameUser(u, v.Login)
	})
	if err != nil {
		g.log.Error("name of a login not kept", "account", v.account.ID, "user", v.user.ID, "err", err)
	}
}

// names gives the sealed names of an account's users as Envelopes does its files, those left out that are wanted's already.
func (g *Gateway) names(ctx context.Context, a *account, wanted *vault.Certificate) iter.Seq2[EnvelopeLine, error] {
	return func(yield func(EnvelopeLine, error) bool) {
		users, err := g.registry.Users(ctx, a.ID)
		if err != nil {
			yield(EnvelopeLine{}, err)
			return
		}
		for _, u := range users {
			if len(u.Name.Sealed) == 0 {
				continue
			}
			line := EnvelopeLine{ID: u.ID, Account: a.ID, ReceivedAt: utc(u.CreatedAt), CopySize: int64(len(u.Name.Sealed)),
				Certificate: u.Name.Certificate, UserName: u.Name.Sealed}
			header, to, err := vault.Header(bytes.NewReader(u.Name.Sealed))
			if err != nil {
				line.Fault = err.Error()
			}
			line.Header = header
			if err == nil && wanted != nil && line.Certificate == wanted.Fingerprint() && vault.SealedTo(to, a.sealedTo(wanted)...) {
				continue
			}
			if !yield(line, nil) {
				return
			}
		}
	}
}

// rewrapName gives the name of a login its new envelope, durably, and writes it into the ledger.
func (g *Gateway) rewrapName(ctx context.Context, a *account, e *NewEnvelope, certificate *vault.Certificate, who string) error {
	anew, row := vault.Rewrapped{Header: e.Header}, owed(a.ID, "name-rewrapped", who, "")
	err := g.registry.ChangeUser(ctx, e.ID, func(u *indexer.User) error {
		old := u.Name
		if u.Account != a.ID || len(old.Witness) != len(vault.Witness{}) || copy(anew.Proof[:], e.Proof) != len(anew.Proof) {
			return indexer.ErrChanged
		}
		var out bytes.Buffer
		w, err := vault.Splice(&out, bytes.NewReader(old.Sealed), int64(len(old.Sealed)), vault.Witness(old.Witness), anew, a.sealedTo(certificate)...)
		u.Name = indexer.SealedName{Sealed: out.Bytes(), Witness: w[:], Certificate: certificate.Fingerprint()}
		row.Detail = e.ID + ": " + old.Certificate + " to " + certificate.Fingerprint()
		return err
	}, row)
	if err == nil {
		g.enterOwed(ctx)
	}
	return err
}

// verifyNames checks that each sealed name is, to the bit, the one that was written.
func (g *Gateway) verifyNames(ctx context.Context, a *account, report func(what, problem string)) error {
	users, err := g.registry.Users(ctx, a.ID)
	if err != nil {
		return err
	}
	for _, u := range users {
		if len(u.Name.Sealed) == 0 {
			continue
		}
		if len(u.Name.Witness) != len(vault.Witness{}) {
			report("name of user "+u.ID, "its witness is damaged in the database")
		} else if err := vault.VerifySealed(bytes.NewReader(u.Name.Sealed), vault.Witness(u.Name.Witness)); err != nil {
			report("name of user "+u.ID, err.Error())
		}
	}
	return nil
}

// namesSealedTo counts the names of each account's users that are sealed to a certificate.
func (g *Gateway) namesSealedTo(ctx context.Context, fingerprint string) (map[string]int, error) {
	users, err := g.registry.Users(ctx, "")
	if err != nil {
		return nil, err
	}
	counts := map[string]int{}
	for _, u := range users {
		if u.Name.Certificate == fingerprint {
			counts[u.Account]++
		}
	}
	return counts, nil
}
