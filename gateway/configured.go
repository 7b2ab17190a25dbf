package gateway

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/vault"
)

// What the configuration says of an account is kept as a digest for each key, so that its ledger can tell what has changed, over
// restarts too: by the key's name, never by a value. Certificates are told by their fingerprints, which are public. Who has changed
// the file, only the machine knows.

const (
	kindConfigured = "configuration-changed"
	kindUnlockKey  = "unlock-key-changed"

	// configuredName is the registry's name for those digests.
	configuredName = "configuration"
)

// configured is what was known last: digests by account and key, and which unlock key it was.
type configured struct {
	Unlock   string                       `json:"unlock"`
	Behind   map[string]string            `json:"behind,omitempty"` // accounts whose ledgers know only of an earlier unlock key
	Accounts map[string]map[string]string `json:"accounts"`
}

// tellConfiguration is noteConfiguration at a start or a reload, which goes on without: the next one enters what this one could not.
func (g *Gateway) tellConfiguration(ctx context.Context) {
	g.enterOwed(ctx) // older than what is told now
	if err := g.noteConfiguration(context.WithoutCancel(ctx)); err != nil {
		g.log.Error("the ledgers lack what has changed of the configuration; it is tried again at the next reload or start", "err", err)
	}
}

// noteConfiguration enters what has changed of each account since this was called last, and by which unlock key the databases open.
// The rows come first: die before the digests are kept, and they come again. So do those of an account whose ledger fails.
func (g *Gateway) noteConfiguration(ctx context.Context) error {
	was, kept, err := g.wasConfigured(ctx)
	if err != nil {
		return err
	}
	first := kept == nil
	is := configured{Unlock: g.unlock.ID(), Behind: map[string]string{}, Accounts: map[string]map[string]string{}}
	var faults []error
	note := func(index *indexer.Index, kind, detail string) bool {
		_, err := index.Note(ctx, kind, "", "sealgate", detail)
		faults = append(faults, err)
		return err == nil
	}
	for id, a := range *g.accounts.Load() {
		digests, err := a.digests()
		if err != nil {
			return err
		}
		before, known := was.Accounts[id]
		if is.Accounts[id] = digests; known && !maps.Equal(before, digests) && !note(a.index, kindConfigured, a.changed(before, digests)) {
			is.Accounts[id] = before
		}
		if key := cmp.Or(was.Behind[id], was.Unlock); !first && key != is.Unlock && !note(a.index, kindUnlockKey, key+" to "+is.Unlock) {
			is.Behind[id] = key
		}
	}
	for id, before := range was.Accounts {
		if is.Accounts[id] != nil {
			continue
		}
		if g.out(id) != nil { // it is in the configuration, and its index must not be forgotten
			is.Accounts[id] = before
			if key := cmp.Or(was.Behind[id], was.Unlock); key != is.Unlock {
				is.Behind[id] = key
			}
			continue
		}
		is.Accounts[id] = map[string]string{} // should it come back, all its keys are told
		if index := g.indexes[id]; index != nil && len(before) > 0 && !note(index, kindConfigured, "the account has left the configuration") {
			is.Accounts[id] = before
		}
	}
	text, err := json.Marshal(is) // maps in the order of their keys
	if err == nil && string(text) != string(kept) {
		err = g.registry.Put(ctx, configuredName, text)
	}
	return errors.Join(append(faults, err)...)
}

// digests are those of an account's keys: of what each file of keys holds, where that is public, and not of its path.
func (a *account) digests() (map[string]string, error) {
	digests := map[string]string{}
	fields := reflect.ValueOf(*a.Account)
	for i := range fields.NumField() {
		key := fields.Type().Field(i).Tag.Get("yaml")
		value := fields.Field(i).Interface()
		switch key {
		case "certificate":
			value = fingerprints(a.certificate)
		case "recovery_certificate":
			value = fingerprints(a.recovery)
		case "access_keys":
			value = fingerprints(a.access...)
		case "user_ca":
			value = a.userCA
		case "bgc_seal_key_file":
			value = a.sealKey
		}
		text, err := json.Marshal(value)
		if err != nil {
			return nil, fmt.Errorf("account %s: %s: %w", a.ID, key, err)
		}
		sum := sha256.Sum256(text)
		digests[key] = hex.EncodeToString(sum[:16])
	}
	return digests, nil
}

func fingerprints(certificates ...*vault.Certificate) (list []string) {
	for _, c := range certificates {
		if c != nil {
			list = append(list, c.Fingerprint())
		}
	}
	return list
}

// changed names the keys that have changed, and the certificates that there are now.
func (a *account) changed(before, now map[string]string) string {
	certificates := map[string][]string{
		"certificate": fingerprints(a.certificate), "recovery_certificate": fingerprints(a.recovery), "access_keys": fingerprints(a.access...),
	}
	back := ""
	if len(before) == 0 {
		back = "the account is in the configuration again: "
	}
	var keys []string
	for _, key := range slices.Sorted(maps.Keys(now)) {
		if before[key] == now[key] {
			continue
		}
		if list, ok := certificates[key]; ok {
			key += " (now " + strings.Join(append(list, "none")[:max(1, len(list))], " ") + ")"
		}
		keys = append(keys, key)
	}
	return back + strings.Join(keys, ", ")
}
