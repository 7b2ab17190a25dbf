package gateway

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// TestApprovalThatFails: an approval whose configuration cannot be run by has not happened, neither here nor in gateway.db; the first
// signature still counts, and the second comes again.
func TestApprovalThatFails(t *testing.T) {
	h := newTwoPersons(t)
	ca := ssh.MarshalAuthorizedKey(newSigner(t).PublicKey())
	h.write(t, "ca.pub", string(ca))
	h.edit(t, "{id: gone, after_indexing: delete}", "{id: gone, after_indexing: delete, user_ca: ./ca.pub}")
	h.edit(t, "{id: acme, after_indexing: seal,", "{id: acme, after_indexing: delete,")
	must(t, h.Reload(t.Context()))
	h.approveBy(t, h.bo)
	c := h.wait(t, "account acme: after_indexing: ")

	must(t, os.Remove(filepath.Join(h.dir, "ca.pub")))
	if done, err := h.Approve(t.Context(), Approval{signed(t, h.anna, c.Text)}, "test"); err == nil {
		t.Fatalf("%+v, without a file that the configuration names", done)
	}
	h.write(t, "ca.pub", string(ca))
	stands := func(when string) {
		t.Helper()
		if now := h.wait(t, "account acme: after_indexing: "); now.Text != c.Text || len(now.SignedBy) != 1 || h.account("acme").AfterIndexing != "seal" {
			t.Errorf("%s: acme %s, signed by %q", when, h.account("acme").AfterIndexing, now.SignedBy)
		}
	}
	stands("before a restart")
	h.reopen(t)
	stands("after a restart")
	h.approveBy(t, h.anna)
	h.wait(t)
	if got := h.account("acme").AfterIndexing; got != "delete" {
		t.Errorf("two have signed, and acme: %s", got)
	}
}

// approvedFiles are the files below approved, and those of them that the configuration in force names; both relative to it, sorted.
func (h *twoPersons) approvedFiles(t *testing.T) (there, named []string) {
	t.Helper()
	dir := filepath.Join(h.dir, "data", approvedDir)
	must(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			there = append(there, strings.TrimPrefix(path, dir+"/"))
		}
		return err
	}))
	names := map[string]bool{}
	for _, a := range h.cfg.Load().Accounts {
		paths := append([]string{a.Certificate, a.RecoveryCertificate}, a.AccessKeys...)
		for _, r := range a.Remotes {
			paths = append(paths, r.Trust.CA, r.ClientCertificate)
		}
		for _, path := range paths {
			if name, below := strings.CutPrefix(path, dir+"/"); below {
				names[name] = true
			}
		}
	}
	slices.Sort(there)
	return there, slices.Sorted(maps.Keys(names))
}

// TestApprovedSwept: a start removes the files of what is approved no longer, and keeps each that the configuration in force needs, also of
// an account that the file does not name any more, and while another certificate waits.
func TestApprovedSwept(t *testing.T) {
	h := newTwoPersons(t)
	h.write(t, "password", "secret\n")
	for _, name := range []string{"old", "new", "ca", "later"} {
		h.newPair(t, name)
	}
	bank := "remotes: [{name: bank, url: 'ftps://127.0.0.1:990/out', user: u, password_file: ./password, trust: {ca: ./ca.crt}, client_certificate: ./old.crt, key_file: ./old.key, send: {path: /in}}]"
	turn := func(from, to string) {
		t.Helper()
		h.edit(t, from, to)
		must(t, h.Reload(t.Context()))
	}
	turn("  - {id: gone, after_indexing: delete}\n", fmt.Sprintf("  - {id: gone, after_indexing: seal, certificate: ./old.crt, recovery_certificate: ./new.crt, %s}\n", bank))
	h.approve(t)
	turn("{id: acme, after_indexing: seal, certificate: ./acme.crt,", "{id: acme, after_indexing: seal, certificate: ./new.crt,")
	h.approve(t)
	must(t, os.WriteFile(filepath.Join(h.dir, "data", approvedDir, "notes"), nil, 0o600)) // not ours
	same := func(when string, unneeded ...string) {
		t.Helper()
		there, named := h.approvedFiles(t)
		there = slices.DeleteFunc(there, func(name string) bool { return slices.Contains(unneeded, filepath.Base(name)) })
		if !slices.Equal(there, named) {
			t.Errorf("%s: there are %q, needed are %q", when, there, named)
		}
	}
	h.reopen(t)
	same("all are needed", "notes")

	// acme's certificate is another, gone is no longer named, beta's and soft's wait.
	turn("certificate: ./new.crt, access_keys: [./acme.access.crt]", "certificate: ./later.crt")
	h.approve(t)
	there, _ := h.approvedFiles(t)
	if access := func(name string) bool { return filepath.Base(name) == "acme.access.crt" }; !slices.ContainsFunc(there, access) {
		t.Fatalf("there are only %q", there)
	}
	text, err := os.ReadFile(filepath.Join(h.dir, "sealgate.yaml"))
	must(t, err)
	lines := slices.DeleteFunc(strings.SplitAfter(string(text), "\n"), func(line string) bool { return strings.Contains(line, "id: gone") })
	h.write(t, "sealgate.yaml", strings.ReplaceAll(strings.Join(lines, ""), "./acme.crt", "./new.crt"))
	h.reopen(t)
	same("after a start", "notes")
	if there, _ := h.approvedFiles(t); len(there) != 6 { // later, acme of beta and soft, old twice but as one file, new, ca; and notes
		t.Errorf("there are %q", there)
	}
	if _, err := h.push(t, "acme", "a.xml", pain001(t, "a", 3000)); err != nil {
		t.Error(err)
	}

	turn("four_eyes: true", "four_eyes: false")
	h.approve(t)
	h.reopen(t)
	if there, _ := h.approvedFiles(t); !slices.Equal(there, []string{"notes"}) {
		t.Errorf("the rule has ended, and there are %q", there)
	}
}
