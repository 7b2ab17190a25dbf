package gateway

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// publicKey makes a key with ssh-keygen and gives its .pub line.
func publicKey(t testing.TB) string {
	t.Helper()
	keygen, err := exec.LookPath("ssh-keygen")
	if err != nil {
		t.Skip("no ssh-keygen")
	}
	file := filepath.Join(t.TempDir(), "key")
	if out, err := exec.Command(keygen, "-q", "-t", "ed25519", "-N", "", "-f", file).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	line, err := os.ReadFile(file + ".pub")
	must(t, err)
	return string(line)
}

// TestOperatorsAreToldNo: what cannot be is refused in a sentence, and changes nothing.
func TestOperatorsAreToldNo(t *testing.T) {
	h, key := newHouse(t), publicKey(t)
	says := func(what string, err error, words string) {
		t.Helper()
		var no *No
		if !errors.As(err, &no) || !strings.Contains(no.Text, words) {
			t.Errorf("%s: %v, want %q", what, err, words)
		}
	}
	for words, n := range map[string]NewUser{
		"no way to log in: fingerprint": {Methods: "fingerprint"}, "no way to log in: key,key+totp": {Methods: "key,key+totp"},
		"no way to log in: password+key": {Methods: "password+key"}, "needs a public key": {Methods: "key"},
		"takes no public key": {Methods: "password", PublicKey: key}, "takes no password": {Methods: "key", PublicKey: key, Password: good},
		"is not a network": {AllowFrom: []string{"here"}}, "inside the network": {DenyFrom: []string{"192.0.2.1/24"}},
		"the login is in": {Password: "anna-of-the-north"}, "not a line like": {PublicKey: "ssh-ed25519"},
	} {
		n.Account, n.Login = "acme", "anna"
		_, err := h.AddUser(t.Context(), n, "test")
		says("add", err, words)
	}
	_, err := h.AddUser(t.Context(), NewUser{Login: "anna"}, "test")
	says("no account", err, "name the account")
	if users, err := h.Users(t.Context(), ""); err != nil || len(users) != 0 {
		t.Fatalf("%+v, %v", users, err)
	}
	line, err := h.AddUser(t.Context(), NewUser{Account: "acme", Login: "anna", PublicKey: key}, "test")
	must(t, err)
	other, here := publicKey(t), []string{"here"}
	for words, c := range map[string]UserChange{
		"has that key already": {AddKey: key}, "has no such key": {RemoveKey: other}, "needs a public key": {RemoveKey: key},
		"takes no public key": {Methods: "password", AddKey: other}, "no second factor yet": {Methods: "key+totp"}, "is not a network": {AllowFrom: &here},
	} {
		c.Account, c.Login = "acme", "anna"
		_, err := h.ChangeUser(t.Context(), c, "test")
		says("change", err, words)
	}
	_, err = h.SetPassword(t.Context(), PasswordChange{Account: "acme", Login: "anna"}, "test")
	says("password of a key", err, "takes no password")
	_, err = h.SetPassword(t.Context(), PasswordChange{Account: "beta", Login: "anna"}, "test")
	says("another account's", err, "no such login")
	_, err = h.Unlock(t.Context(), "beta", line.ID, "test")
	says("another account's", err, "no such login")
	if users, err := h.Users(t.Context(), "acme"); err != nil || len(users) != 1 || users[0].Login != "key" || users[0].Keys != 1 || users[0].Password {
		t.Errorf("%+v, %v", users, err)
	}

	// And what can be is done: another key, a password beside it, by the login or by its id.
	changed, err := h.ChangeUser(t.Context(), UserChange{Account: "acme", Login: line.ID, AddKey: other, RemoveKey: key, Methods: "key,password"}, "test")
	if err != nil || changed.Login != "key,password" || changed.Keys != 1 || changed.NewPassword == "" {
		t.Errorf("%+v, %v", changed, err)
	}
	if got := outcome(h.Admit(t.Context(), try("anna", changed.NewPassword, "192.0.2.1"))); got != "in" {
		t.Error(got)
	}
	if set, err := h.SetPassword(t.Context(), PasswordChange{Account: "acme", Login: line.ID, Password: "839201749362"}, "test"); err != nil || set.NewPassword != "" {
		t.Errorf("%+v, %v", set, err)
	}
	if got := outcome(h.Admit(t.Context(), try("anna", "839201749362", "192.0.2.1"))); got != "in" {
		t.Error(got)
	}
	if text := h.log.String(); strings.Contains(text, "anna") || strings.Contains(text, "839201749362") {
		t.Errorf("a name or a password is in the log:\n%s", text)
	}
}

// TestAddsOfALoginAtOnce: one makes it, and the others are told that it is there, however far each had come.
func TestAddsOfALoginAtOnce(t *testing.T) {
	h := newHouse(t)
	const adds = 4
	out := make(chan error, adds)
	for range adds {
		go func() {
			_, err := h.AddUser(t.Context(), NewUser{Account: "acme", Login: "twin"}, "test")
			out <- err
		}()
	}
	made := 0
	for range adds {
		var no *No
		if err := <-out; err == nil {
			made++
		} else if !errors.As(err, &no) || no.Text != "that login exists already" {
			t.Error(err)
		}
	}
	if users, err := h.Users(t.Context(), "acme"); err != nil || made != 1 || len(users) != 1 {
		t.Errorf("%d made, %d there, %v", made, len(users), err)
	}
}
