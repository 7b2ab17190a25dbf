package gateway

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/transport"
)

// asOf copies what lies in data, of a gateway that is closed.
func (h *house) asOf(t testing.TB) (dir string) {
	t.Helper()
	dir = t.TempDir()
	must(t, os.CopyFS(dir, os.DirFS(filepath.Join(h.dir, "data"))))
	return dir
}

// putBack puts a part of such a copy, "." for all of it, in the place of what is there.
func (h *house) putBack(t testing.TB, dir, part string) {
	t.Helper()
	to := filepath.Join(h.dir, "data", part)
	must(t, os.RemoveAll(to), os.RemoveAll(to+"-wal"), os.RemoveAll(to+"-shm"), os.MkdirAll(filepath.Dir(to), 0o700))
	if info, err := os.Stat(filepath.Join(dir, part)); err == nil && info.IsDir() {
		must(t, os.CopyFS(to, os.DirFS(filepath.Join(dir, part))))
		return
	}
	b, err := os.ReadFile(filepath.Join(dir, part))
	must(t, err, os.WriteFile(to, b, 0o600))
}

// serveOnce lets the gateway serve, and end in order.
func (h *house) serveOnce(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	must(t, h.Run(ctx, func(string) { cancel() }), h.Close())
}

// told says what the log, status and verify say of databases of another day, and fails the test where they do not agree.
func (h *house) told(t testing.TB) string {
	t.Helper()
	s, err := h.Status(t.Context())
	must(t, err)
	var told, verified []string
	for _, p := range s.Problems {
		if strings.Contains(p, "it is older than ") {
			told = append(told, p)
		}
	}
	for l, err := range h.Verify(t.Context(), "") {
		must(t, err)
		if strings.Contains(l.Problem, "it is older than ") {
			verified = append(verified, l.problem())
		}
	}
	status, log := strings.Join(told, "\n"), h.log.String()
	if status != strings.Join(verified, "\n") {
		t.Errorf("status: %s\nverify: %s", status, verified)
	}
	if logged := strings.Contains(log, "level=ERROR"); logged != (status != "") || status != "" && !strings.Contains(log, "hint=") {
		t.Errorf("status: %s\nthe log: %s", status, log)
	}
	return status
}

// newMismatch is a house in which a good deal happens before and after a copy is taken. It is closed.
func newMismatch(t *testing.T) (h *house, then string) {
	h = newHouse(t)
	_, _ = h.addUser(t, "anna", "password")
	_, _ = h.addUser(t, "bo", "password")
	_, err := h.push(t, "acme", "before.xml", pain001(t, "before", 3))
	must(t, err)
	id := h.newID()
	must(t, h.account("acme").index.AddOutboxPieces(t.Context(), id, strings.NewReader("a list")))
	must(t, h.account("acme").index.AddOutbox(t.Context(), &indexer.OutboxFile{ID: id, Name: "list.csv", SHA256: strings.Repeat("00", 32)}, nil, []string{"bank"}))
	must(t, h.Close())
	then = h.asOf(t)
	h.open(t)
	_, err = h.RemoveUser(t.Context(), "acme", "anna", "test")
	must(t, err)
	_, err = h.SetPassword(t.Context(), PasswordChange{Account: "acme", Login: "bo", Password: "quite another one of 4"}, "test")
	must(t, err)
	must(t, h.fetch(t, "kept.xml"))
	_, err = h.push(t, "acme", "after.xml", pain001(t, "after", 3))
	must(t, err)
	for _, s := range sendsTo(t, h, "bank") {
		s.State = indexer.SendSent
		must(t, h.NoteSend(t.Context(), "acme", s))
	}
	must(t, h.Close())
	h.log.Reset()
	return h, then
}

// fetch does what a look at a remote does with a file that it does not know.
func (h *house) fetch(t testing.TB, name string) error {
	t.Helper()
	known, err := h.Polled(t.Context(), "acme", "bank")
	must(t, err)
	if _, fetched := known[name]; fetched {
		return errors.New("it is known")
	}
	in, err := h.Receive(t.Context(), transport.Guest{Account: "acme"}, "remote:bank", name)
	must(t, err)
	row := transport.Polled{Path: name, State: transport.PolledTaking, File: in.ID(), At: h.now()}
	must(t, h.NotePolled(t.Context(), "acme", "bank", row))
	_, err = in.Write(pain001(t, name, 3))
	must(t, err)
	receipt, err := in.Commit(t.Context(), name)
	must(t, err)
	row.State = transport.PolledTaken
	must(t, h.NotePolled(t.Context(), "acme", "bank", row))
	if receipt.Verdict != "accepted" {
		return errors.New(receipt.Verdict + " as a duplicate")
	}
	return nil
}

// knows says by what it does what the house knows of what happened after the copy was taken.
func (h *house) knows(t testing.TB) string {
	t.Helper()
	receipt, err := h.push(t, "acme", "after.xml", pain001(t, "after", 3))
	must(t, err)
	fetched := h.fetch(t, "kept.xml")
	return fmt.Sprintf("anna %s, bo's old password %s, kept.xml: %v, after.xml again: %s, to be delivered: %d",
		h.steps(t, "anna", nil, "password"), h.steps(t, "bo", nil, "password"), fetched, receipt.Verdict, len(sendsTo(t, h, "bank")))
}

// TestMismatch: what the house takes for true after parts of data_dir were put back from a backup, and that it says so if the parts are not all. It
// says it again after a kill, and no more once it has served and ended in order.
func TestMismatch(t *testing.T) {
	const registry, index = "gateway.db: it is older than the rest: it ends in its change ", "account acme: index.db: it is older than gateway.db: "
	for _, c := range []struct {
		part, knows, told string
	}{
		{"", "anna no, bo's old password no, kept.xml: it is known, after.xml again: held, to be delivered: 0", ""},
		{"gateway.db", "anna in, bo's old password in, kept.xml: held as a duplicate, after.xml again: held, to be delivered: 0", registry},
		{"accounts/acme", "anna no, bo's old password no, kept.xml: it is known, after.xml again: accepted, to be delivered: 1", index},
		{".", "anna in, bo's old password in, kept.xml: <nil>, after.xml again: accepted, to be delivered: 1", ""},
	} {
		t.Run(c.part, func(t *testing.T) {
			h, then := newMismatch(t)
			if c.part != "" {
				h.putBack(t, then, c.part)
			}
			h.open(t)
			check := func(want string) {
				t.Helper()
				if got := h.told(t); (got == "") != (want == "") || !strings.HasPrefix(got, want) || strings.Contains(got, "\n") {
					t.Errorf("it says %q, want %q", got, want)
				}
				h.log.Reset()
			}
			check(c.told)
			if got := h.knows(t); got != c.knows {
				t.Errorf("%s\nwant %s", got, c.knows)
			}
			for i := range 2 {
				for range 20 { // however much comes meanwhile
					must(t, h.registry.Put(t.Context(), "x", nil))
					_, err := h.push(t, "acme", "x", pain001(t, fmt.Sprint("more ", i), 1))
					must(t, err)
				}
				h.reopen(t)
				check(c.told)
			}
			must(t, h.Close(), h.ask(t))
			check(c.told)
			must(t, h.Close())
			h.open(t)
			h.serveOnce(t)
			h.log.Reset()
			h.open(t)
			check("")
			for id, want := range map[string]bool{"acme": c.told != "", "beta": c.told == registry} {
				if rows := strings.Join(h.rows(t, id, 1), "\n"); strings.Contains(rows, "restored sealgate ") != want {
					t.Errorf("the ledger of %s: %s", id, rows)
				}
			}
		})
	}
}

// TestMismatchProtected: a protected account's databases tell it while they are locked.
func TestMismatchProtected(t *testing.T) {
	for _, part := range []string{"gateway.db", "accounts/safe", "."} {
		h := newHouse(t)
		h.addAccount(t, safeAccount)
		_, err := h.push(t, "safe", "before.xml", pain001(t, "before", 3))
		must(t, err, h.Close())
		then := h.asOf(t)
		h.open(t)
		_, err = h.AddUser(t.Context(), NewUser{Account: "safe", Login: "anna", Password: good}, "test")
		must(t, err, h.Close())
		h.putBack(t, then, part)
		h.log.Reset()
		h.open(t)
		want := map[string]string{"gateway.db": "gateway.db: ", "accounts/safe": "account safe: log.db: it is older", ".": ""}[part]
		if got := h.told(t); !strings.HasPrefix(got, want) || (got == "") != (want == "") {
			t.Errorf("%s: it says %q", part, got)
		}
		must(t, h.Close())
	}
}

// TestNoMismatch: an account that begins anew, and one whose waiting deliveries were given up, are older than nothing, whenever it is killed.
func TestNoMismatch(t *testing.T) {
	h := newHouse(t)
	for i := range 3 {
		_, err := h.push(t, "acme", "x", pain001(t, fmt.Sprint(i), 1))
		must(t, err)
	}
	must(t, h.Close(), os.RemoveAll(filepath.Join(h.dir, "data/accounts/acme")))
	line := "  - {id: acme, after_indexing: seal, certificate: ./acme.crt, access_keys: [./acme.access.crt], max_file_size: 8MiB, say: all}\n"
	h.edit(t, line, "")
	must(t, h.start(t), h.Close())
	h.edit(t, "accounts:\n", "accounts:\n"+line)
	h.open(t)
	killed := h.asOf(t)
	must(t, h.Close())
	h.putBack(t, killed, ".")
	h.open(t)
	if got := h.told(t); got != "" {
		t.Error(got)
	}
}
