package gateway

import (
	"bytes"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/transport"
	"github.com/sealgate/sealgate/vault"
)

// named opens the names of an account's users, "" for those that the keys do not open.
func (h *house) named(t testing.TB, account string, p pair) (names []string) {
	t.Helper()
	access, err := vault.ReadAccessKey(filepath.Join(h.dir, "acme.access"))
	must(t, err)
	users, err := h.Users(t.Context(), account)
	must(t, err)
	for _, u := range users {
		name, err := vault.OpenName(u.SealedName, p.key, access)
		if (err == nil) != (name != "") {
			t.Errorf("%q, %v", name, err)
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// TestNamesAreForTheKeysAlone: names of logins open with what the account's files open with, come along in a rotation, are
// lost with the certificate, and stand in clear nowhere.
func TestNamesAreForTheKeysAlone(t *testing.T) {
	h := newHouse(t)
	old, next := readPair(t, h.dir, "acme"), h.newPair(t, "next")
	for account, logins := range map[string][]string{"acme": {"anna-of-acme", "bert-of-acme"}, "soft": {"carl-of-soft"}, "gone": {"dora-of-gone"}} {
		for _, login := range logins {
			_, err := h.AddUser(t.Context(), NewUser{Account: account, Login: login}, "test")
			must(t, err)
		}
	}
	if got := h.named(t, "acme", old); !slices.Equal(got, []string{"anna-of-acme", "bert-of-acme"}) {
		t.Errorf("%q", got)
	}
	if got := h.named(t, "gone", old); got[0] != "" {
		t.Errorf("of an account without a certificate: %q", got)
	}
	users, err := h.registry.Users(t.Context(), "")
	must(t, err)
	for _, u := range users {
		if bytes.Contains(u.Name.Sealed, []byte("-of-")) {
			t.Errorf("%s: a name in clear", u.ID)
		}
	}
	if strings.Contains(h.log.String(), "-of-") {
		t.Errorf("a name in the log:\n%s", h.log)
	}

	if r := h.rotate(t, "acme", old, next.cert); r.Names != 2 || r.Done != 0 || r.Faults != 0 {
		t.Errorf("%+v", r)
	}
	if r := h.rotate(t, "acme", old, next.cert); r.Touched != 0 {
		t.Errorf("again: %+v", r)
	}
	if r := h.rotate(t, "soft", next, next.cert); r.Closed != 1 || r.Names != 0 {
		t.Errorf("with a key that does not open: %+v", r)
	}
	h.sound(t)
	h.reopen(t)
	if got := h.named(t, "acme", next); !slices.Equal(got, []string{"anna-of-acme", "bert-of-acme"}) {
		t.Errorf("%q", got)
	}
	if got := h.named(t, "acme", old); !slices.Equal(got, []string{"", ""}) {
		t.Errorf("the old key opens %q", got)
	}
	noted := 0
	for e, err := range h.account("acme").index.Ledger(t.Context(), 1) {
		must(t, err)
		if e.Kind == "name-rewrapped" && strings.HasSuffix(e.Detail, old.cert.Fingerprint()+" to "+next.cert.Fingerprint()) {
			noted++
		}
	}
	if noted != 2 {
		t.Errorf("%d rows in the ledger", noted)
	}

	path := filepath.Join(h.dir, "sealgate.yaml")
	text, err := os.ReadFile(path)
	must(t, err, os.WriteFile(path, bytes.ReplaceAll(text, []byte("./acme.crt"), []byte("./next.crt")), 0o600), h.Reload(t.Context()))
	var no *No
	removal := Removal{Certificate: string(old.cert.PEM()), Names: map[string]int{"soft": 1}}
	if _, err := h.RemoveCertificate(t.Context(), removal, "uid:0"); !errors.As(err, &no) || !strings.Contains(no.Text, "1 user name sealed to it, and 0 were listed") {
		t.Errorf("%v", err)
	}
	removal.SealedNames = removal.Names
	if _, err := h.RemoveCertificate(t.Context(), removal, "uid:0"); err != nil {
		t.Error(err)
	}
	found := false
	for e, err := range h.account("soft").index.Ledger(t.Context(), 1) {
		must(t, err)
		found = found || e.Kind == kindCertificateRemoved && strings.Contains(e.Detail, "0 files, 0 bytes, 1 user name,")
	}
	if !found {
		t.Error("the ledger says nothing of the name that is lost")
	}

	// An account that has left the configuration may hold something that is sealed to it: then nobody knows what would be lost.
	text, err = os.ReadFile(path)
	must(t, err)
	without := bytes.Join(slices.DeleteFunc(bytes.SplitAfter(text, []byte("\n")), func(l []byte) bool { return bytes.Contains(l, []byte("id: soft")) }), nil)
	must(t, os.WriteFile(path, without, 0o600), h.Reload(t.Context()))
	unknown := 0
	for line, err := range h.Envelopes(t.Context(), EnvelopesQuery{}) {
		must(t, err)
		if line.Account == "soft" && strings.Contains(line.Fault, "not in the configuration") {
			unknown++
		}
	}
	if unknown != 1 {
		t.Errorf("%d lines of the account that is not in the configuration", unknown)
	}
	must(t, os.WriteFile(path, text, 0o600), h.Reload(t.Context()))

	must(t, h.registry.ChangeUser(t.Context(), users[0].ID, func(u *indexer.User) error {
		u.Name.Sealed[len(u.Name.Sealed)/2] ^= 1
		return nil
	}))
	problems := 0
	for line, err := range h.Verify(t.Context(), "") {
		must(t, err)
		if problems++; line.What != "name of user "+users[0].ID {
			t.Errorf("%+v", line)
		}
	}
	if problems != 1 {
		t.Errorf("%d problems", problems)
	}
}

// TestNameIsLearntAtLogin: of a user from before names were kept, or before the account had a certificate; of nobody who
// is refused.
func TestNameIsLearntAtLogin(t *testing.T) {
	h := newHouse(t)
	old := readPair(t, h.dir, "acme")
	line, factor := h.addUser(t, "anna", "key+totp")
	must(t, h.registry.ChangeUser(t.Context(), line.ID, func(u *indexer.User) error { u.Name = indexer.SealedName{}; return nil }))
	h.steps(t, "anna", factor, "wrong")
	h.steps(t, "anna", factor, "key", "bad code")
	offered := transport.LoginTry{Door: "sftp", Login: "anna", PublicKey: robotKey, Addr: netip.MustParseAddr("192.0.2.1")}
	h.Admit(t.Context(), offered)
	if got := h.named(t, "acme", old); got[0] != "" {
		t.Errorf("a name was kept: %q", got)
	}
	if got := h.steps(t, "anna", factor, "key", "code"); got != "in" {
		t.Fatal(got)
	}
	if got := h.named(t, "acme", old); got[0] != "anna" {
		t.Errorf("%q", got)
	}
	h.sound(t)
}
