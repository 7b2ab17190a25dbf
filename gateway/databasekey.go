package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"strings"

	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/vault"
)

// The key of a protected account's database follows the configuration: unlocked, it is sealed to whom the account's files are sealed to. If
// the configuration names a certificate whose private key nobody has, it must not be lost: indexer.Reseal keeps what was opened.

// sealedName is the registry's name for whom the key of an account's database was sealed to last.
func sealedName(account string) string { return "database-key/" + account }

// recipients is a digest of a sealed key and of all whom the configuration says that it is to be sealed to. To which access keys it is
// sealed nobody sees who has no key, so it is kept.
func (a *account) recipients(sealed []byte) ([]byte, error) {
	text, err := json.Marshal([]any{fingerprints(a.certificate), fingerprints(a.recovery), fingerprints(a.access...), sha256.Sum256(sealed)})
	sum := sha256.Sum256(text)
	return sum[:], err
}

// protect protects the account's database, and keeps to whom its key was sealed. Die before that is kept, and the first unlocking seals it
// once more.
func (a *account) protect(ctx context.Context, registry *indexer.Registry, key, logKey indexer.Key) error {
	if err := indexer.Protect(ctx, a.dir, key, logKey, a.sealSecret); err != nil {
		return err
	}
	sealed, err := indexer.SealedKeys(a.dir)
	if err != nil {
		return err
	}
	is, err := a.recipients(sealed[0])
	if err != nil {
		return err
	}
	return registry.Put(ctx, sealedName(a.ID), is)
}

// reseal seals the database's key as the account's files are sealed now, if it is not: a new certificate opens it from then on, and of the
// access keys those that the configuration names. opened is what it was brought from. Die before the registry has it, and it is sealed
// once more.
func (g *Gateway) reseal(ctx context.Context, a *account, opened indexer.Opened, who string) error {
	known, err := g.registry.Get(ctx, sealedName(a.ID))
	if err != nil && !errors.Is(err, indexer.ErrNotFound) {
		return err
	}
	to := "" // of what is there
	fits := func(sealed []byte) bool {
		if list, err := vault.Describe(bytes.NewReader(sealed)); err == nil && a.certificate != nil && !vault.SealedTo(list, a.sealedTo(a.certificate)...) {
			to = a.certificate.Fingerprint()
		}
		is, err := a.recipients(sealed)
		return a.certificate == nil || err == nil && bytes.Equal(is, known) // without one there is nobody else to seal it to
	}
	var made []byte
	_, err = a.index.Reseal(opened, fits, func(key []byte) (box []byte, err error) {
		made, err = a.sealSecret(key)
		return made, err
	})
	if err != nil || made == nil {
		return err
	}
	if to != "" {
		if _, err := a.index.Note(ctx, "database-key", "", who, to); err != nil {
			return err
		}
	}
	is, err := a.recipients(made)
	if err != nil {
		return err
	}
	return g.registry.Put(ctx, sealedName(a.ID), is)
}

// untriedKey says to whom the key of the account's database is sealed now, if nobody has opened that yet; "" if somebody has.
func (a *account) untriedKey() (string, error) {
	keys, err := a.index.SealedKeys()
	if err != nil || len(keys) == 1 {
		return "", err
	}
	list, err := vault.Describe(bytes.NewReader(keys[0]))
	if err != nil {
		return "", err
	}
	var to []string
	for _, r := range list {
		to = append(to, r.String())
	}
	return strings.Join(to, " or "), nil
}

// The forms of a database's key.
const (
	FormNow    = "database"
	FormBefore = "before"      // as it was sealed before, until it was opened as it is sealed now
	FormLeft   = "log.db.left" // of what was left out when the account was unprotected
)

// databaseKeys gives the sealed keys of the account's database as Envelopes gives files, and those that a log wants which was left out.
func (a *account) databaseKeys() (lines []EnvelopeLine, err error) {
	add := func(form string, sealed []byte) {
		line := EnvelopeLine{ID: form + " of " + a.ID, Account: a.ID, CopySize: int64(len(sealed)), DatabaseKey: sealed, Form: form}
		var fault error
		if line.Header, _, fault = vault.Header(bytes.NewReader(sealed)); fault != nil {
			line.Fault = fault.Error()
		}
		lines = append(lines, line)
	}
	if a.index.Protected() {
		keys, err := a.index.SealedKeys()
		if err != nil {
			return nil, err
		}
		for i, sealed := range keys {
			add([]string{FormNow, FormBefore}[i], sealed)
		}
	}
	left, err := indexer.LeftKeys(a.dir)
	if err != nil {
		return nil, err
	}
	for _, sealed := range left {
		add(FormLeft, sealed)
	}
	return lines, nil
}
