package gateway

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/vault"
)

// start is what `sealgate serve` does first, and ask what a question does while no gateway runs.
func (h *house) start(t testing.TB) error { t.Helper(); return h.openBy(t, false) }
func (h *house) ask(t testing.TB) error   { t.Helper(); return h.openBy(t, true) }

func (h *house) openBy(t testing.TB, ask bool) error {
	t.Helper()
	cfg, err := LoadConfig(filepath.Join(h.dir, "sealgate.yaml"), false)
	must(t, err)
	unlock, err := vault.ReadUnlockKey(cfg.UnlockKeyFile)
	must(t, err)
	open := Open
	if ask {
		open = openToAsk
	}
	g, err := open(t.Context(), cfg, unlock, slog.New(slog.NewTextHandler(h.log, nil)))
	if err == nil {
		h.Gateway = g
	}
	return err
}

// lose removes a database.
func (h *house) lose(t testing.TB, path string) {
	t.Helper()
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(filepath.Join(h.dir, "data", path+suffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
}

// startWithout starts the gateway with that account alone out of service, and stops it.
func (h *house) startWithout(t testing.TB, id string, words ...string) {
	t.Helper()
	must(t, h.start(t))
	for _, c := range h.cfg.Load().Accounts {
		if out := h.account(c.ID) == nil; out != (c.ID == id) {
			t.Errorf("%s out of service: %v", c.ID, out)
		}
	}
	s, err := h.Status(t.Context())
	must(t, err)
	wants(t, "status", errors.New(strings.Join(s.Problems, "\n")), append(words, "account "+id+": out of service, nothing is taken for it: ")...)
	if len(s.OutOfService) != 1 || s.OutOfService[0].Account != id {
		t.Errorf("status: out of service are %v", s.OutOfService)
	}
	must(t, h.Close())
}

func wants(t testing.TB, what string, err error, words ...string) {
	t.Helper()
	for _, word := range words {
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: %v, which does not say %q", what, err, word)
		}
	}
}

func (h *house) none(t testing.TB, path string) {
	t.Helper()
	if _, err := os.Lstat(filepath.Join(h.dir, "data", path)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is there: %v", path, err)
	}
}

// TestLostIndex: an account's index that is gone is not made anew, unless the account is taken out and named again.
func TestLostIndex(t *testing.T) {
	h := newHouse(t)
	if _, err := h.push(t, "acme", "small.xml", pain001(t, "small", 1)); err != nil {
		t.Fatal(err)
	}
	must(t, h.Close())
	h.lose(t, "accounts/acme/index.db")
	for range 2 {
		h.startWithout(t, "acme", "index.db is gone", "restore it from a backup", "take acme out of")
		h.none(t, "accounts/acme/index.db")
	}
	// A question is answered for the others, and does not let it be forgotten.
	for range 2 {
		must(t, h.ask(t))
		problems := map[string]string{}
		for line, err := range h.Verify(t.Context(), "") {
			must(t, err)
			problems[line.Account] = line.Problem
		}
		if len(problems) != 1 || !strings.Contains(problems["acme"], "index.db is gone") {
			t.Errorf("verify: %v", problems)
		}
		if s, err := h.Status(t.Context()); err != nil || len(s.Problems) != 1 || !strings.Contains(s.Problems[0], ": index.db is gone") {
			t.Errorf("status: %v, %v", s.Problems, err)
		}
		wants(t, "files", second(first(h.Files(t.Context(), FilesQuery{Account: "acme"}))), "index.db is gone")
		must(t, h.Close())
		h.none(t, "accounts/acme/index.db")
	}
	// An empty file is no index.
	must(t, os.WriteFile(filepath.Join(h.dir, "data/accounts/acme/index.db"), nil, 0o600))
	h.startWithout(t, "acme", "index.db is gone")
	must(t, os.Remove(filepath.Join(h.dir, "data/accounts/acme/index.db")))

	line := "  - {id: acme, after_indexing: seal, certificate: ./acme.crt, access_keys: [./acme.access.crt], max_file_size: 8MiB, say: all}\n"
	h.edit(t, line, "")
	must(t, h.start(t))
	must(t, h.Close())
	h.edit(t, "accounts:\n", "accounts:\n"+line)
	must(t, h.ask(t))
	h.none(t, "accounts/acme/index.db")
	must(t, h.Close())
	must(t, h.start(t))
	rows := h.rows(t, "acme", 0)
	if len(rows) == 0 || !strings.Contains(rows[0], "the account is in the configuration again: ") {
		t.Errorf("the ledger begins with %q", rows)
	}
	h.sound(t)
	// While it runs, verify sees it too.
	h.lose(t, "accounts/beta/index.db")
	found := ""
	for line, err := range h.Verify(t.Context(), "beta") {
		must(t, err)
		found = line.Problem
	}
	if !strings.Contains(found, "index.db is gone from the disk") {
		t.Errorf("verify while it runs: %q", found)
	}
}

// TestLostIndexBesideCopies: nor is it where the account was taken out, and its sealed copies are still there.
func TestLostIndexBesideCopies(t *testing.T) {
	h := newHouse(t)
	_, err := h.push(t, "acme", "large.xml", pain001(t, "large", 600))
	must(t, err, h.Close())
	line := "  - {id: acme, after_indexing: seal, certificate: ./acme.crt, access_keys: [./acme.access.crt], max_file_size: 8MiB, say: all}\n"
	h.edit(t, line, "")
	must(t, h.start(t))
	must(t, h.Close())
	h.lose(t, "accounts/acme/index.db")
	h.edit(t, "accounts:\n", "accounts:\n"+line)
	h.startWithout(t, "acme", "index.db is gone, but 1 sealed copies are there")
	h.none(t, "accounts/acme/index.db")
}

// TestLostRegistry: gateway.db is not made anew where anything says that there was one.
func TestLostRegistry(t *testing.T) {
	h := newHouse(t)
	must(t, h.Close())
	h.lose(t, "gateway.db")
	for _, left := range []string{"unlock.id", "accounts/acme/index.db", "accounts/beta/index.db"} {
		wants(t, "start", h.start(t), "gateway.db is gone, but ", left+" is there", "restore gateway.db from a backup")
		wants(t, "question", h.ask(t), "gateway.db is gone, but ")
		cfg, err := LoadConfig(filepath.Join(h.dir, "sealgate.yaml"), false)
		must(t, err)
		unlock, err := vault.ReadUnlockKey(cfg.UnlockKeyFile)
		must(t, err)
		wants(t, "protect", Protect(t.Context(), cfg, unlock, "acme", slog.New(slog.DiscardHandler)), "gateway.db is gone")
		h.none(t, "gateway.db")
		h.lose(t, left)
	}
	must(t, os.WriteFile(filepath.Join(h.dir, "data/gateway.db"), nil, 0o600))
	wants(t, "start on an empty one", h.start(t), "gateway.db is gone, but ", "accounts/gone/index.db is there")
}

// TestQuestionMakesNothing: neither of a new data_dir nor of a new account.
func TestQuestionMakesNothing(t *testing.T) {
	h := newHouse(t)
	must(t, h.Close())
	must(t, os.RemoveAll(filepath.Join(h.dir, "data")))
	wants(t, "question", h.ask(t), "no gateway has run on ")
	h.none(t, "")
	must(t, h.start(t))
	must(t, h.Close())
	h.edit(t, "accounts:\n", "accounts:\n  - {id: fresh, after_indexing: delete}\n")
	must(t, h.ask(t))
	wants(t, "verify", second(first(h.Verify(t.Context(), "fresh"))), "account fresh has no database yet")
	must(t, h.Close())
	h.none(t, "accounts/fresh/index.db")
	must(t, h.start(t))
	h.sound(t)
}

// TestFirstStartDies: whatever a first start, or the first start with another account, has left behind when it was killed, the next one works.
func TestFirstStartDies(t *testing.T) {
	whole := newHouse(t)
	must(t, whole.Close())
	data := filepath.Join(whole.dir, "data")
	registry, err := os.ReadFile(filepath.Join(data, "gateway.db"))
	must(t, err)
	fresh := &house{dir: t.TempDir(), log: whole.log}
	for _, name := range []string{"acme.crt", "acme.access.crt", "unlock.key", "host", "sealgate.yaml"} {
		text, err := os.ReadFile(filepath.Join(whole.dir, name))
		must(t, err)
		fresh.write(t, name, string(text))
	}
	for _, left := range []map[string][]byte{
		{},
		{"lock": {}, "gateway.db": {}},
		{"lock": {}, "gateway.db": {}, "gateway.db-wal": {}},
		{"lock": {}, "gateway.db": registry},
		{"lock": {}, "gateway.db": registry, "unlock.id.new": {}},
		{"lock": {}, "gateway.db": registry, "accounts/fresh/incoming/probe.tmp": {}},
		{"lock": {}, "gateway.db": registry, "accounts/fresh/index.db": {}},
	} {
		must(t, os.RemoveAll(filepath.Join(fresh.dir, "data")))
		if len(left["gateway.db"]) > 0 { // by then it knew the other accounts
			must(t, os.CopyFS(filepath.Join(fresh.dir, "data"), os.DirFS(data)))
		}
		for name, content := range left {
			must(t, os.MkdirAll(filepath.Dir(filepath.Join(fresh.dir, "data", name)), 0o700))
			must(t, os.WriteFile(filepath.Join(fresh.dir, "data", name), content, 0o600))
		}
		yaml, err := os.ReadFile(filepath.Join(whole.dir, "sealgate.yaml"))
		must(t, err)
		fresh.write(t, "sealgate.yaml", strings.Replace(string(yaml), "accounts:\n", "accounts:\n  - {id: fresh, after_indexing: delete}\n", 1))
		if err := fresh.start(t); err != nil {
			t.Errorf("%v: %v", left, err)
			continue
		}
		fresh.sound(t)
		must(t, fresh.Close())
	}
}

// TestFirstStartDiesAfterRegistry: gateway.db is there, and nothing that is written after it.
func TestFirstStartDiesAfterRegistry(t *testing.T) {
	h := newHouse(t)
	must(t, h.Close())
	must(t, os.RemoveAll(filepath.Join(h.dir, "data")))
	must(t, os.Mkdir(filepath.Join(h.dir, "data"), 0o700))
	unlock, err := vault.ReadUnlockKey(filepath.Join(h.dir, "unlock.key"))
	must(t, err)
	registry, err := indexer.OpenRegistry(t.Context(), filepath.Join(h.dir, "data/gateway.db"), unlock.Database("gateway"), slog.New(slog.DiscardHandler))
	must(t, err)
	must(t, registry.Close())
	must(t, h.start(t))
	h.sound(t)
}

// TestLostIndexOfTwoPersons: to begin anew is to remove an account and to add it again, which two persons sign.
func TestLostIndexOfTwoPersons(t *testing.T) {
	h := newTwoPersons(t)
	must(t, h.Close())
	h.lose(t, "accounts/gone/index.db")
	h.startWithout(t, "gone", "index.db is gone")
	line := "  - {id: gone, after_indexing: delete}\n"
	h.edit(t, line, "")
	h.startWithout(t, "gone", "index.db is gone") // taken out by one alone
	must(t, h.ask(t))
	h.approve(t)
	must(t, h.Close())
	must(t, h.start(t))
	must(t, h.begin(t.Context()))
	must(t, h.Close())
	h.edit(t, "accounts:\n", "accounts:\n"+line)
	must(t, h.start(t))
	must(t, h.begin(t.Context()))
	if h.account("gone") != nil {
		t.Error("it is there again by the word of one")
	}
	h.none(t, "accounts/gone/index.db")
	h.approve(t)
	if h.account("gone") == nil {
		t.Error("two have signed, and it is not there")
	}
	h.sound(t)
}
