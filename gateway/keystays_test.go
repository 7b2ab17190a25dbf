package gateway

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/vault"
)

// TestKeyStaysWhileRotated: while a protected account's copies are sealed to another certificate its database's key stays sealed to the
// old one, so that a rotation that was broken off, and locked since, goes on with the old key; at its end that key follows.
func TestKeyStaysWhileRotated(t *testing.T) {
	h := newHouse(t)
	h.addAccount(t, safeAccount)
	old := h.account("safe").certificate
	if _, err := h.push(t, "safe", "a.xml", pain001(t, "a", 3)); err != nil {
		t.Fatal(err)
	}
	own := h.keyOf(t, "safe")
	next := h.newPair(t, "next")
	h.edit(t, safeAccount, strings.Replace(safeAccount, "certificate: ./acme.crt", "certificate: ./next.crt", 1))
	must(t, h.Reload(t.Context()))
	sealedTo := func(c *vault.Certificate) bool {
		t.Helper()
		sealed, err := h.SealedKeys(t.Context(), "safe")
		must(t, err)
		to, err := vault.Describe(bytes.NewReader(sealed[0]))
		must(t, err)
		return vault.SealedTo(to, c)
	}
	rotating := own
	rotating.KeyStays = true
	for range 2 { // the second time after a kill
		if _, err := h.unlockWith(t, rotating); err != nil {
			t.Fatal(err)
		}
		if !sealedTo(old) {
			t.Error("the database's key has changed before the copies have")
		}
		if rows := h.rows(t, "safe", 1); slices.ContainsFunc(rows, func(r string) bool { return strings.HasPrefix(r, "database-key") }) {
			t.Errorf("rows %q", rows)
		}
		h.reopen(t)
	}
	if !bytes.Equal(h.keyOf(t, "safe").Key, own.Key) { // opened with the old private key
		t.Error("the old key does not open it any more")
	}
	rotating.KeyStays = false
	if _, err := h.unlockWith(t, rotating); err != nil || !sealedTo(next.cert) {
		t.Errorf("at the end: %v", err)
	}
}
