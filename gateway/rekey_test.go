package gateway

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/vault"
)

// rekeying is a stopped house with a protected account beside the others, and two unlock keys: its own, and the next one.
type rekeying struct {
	*house
	from, to *vault.UnlockKey
	text     []byte // of the next one
}

func newRekeying(t *testing.T) *rekeying {
	t.Helper()
	h := &rekeying{house: newHouse(t), text: vault.NewUnlockKey()}
	h.addAccount(t, safeAccount)
	for _, account := range []string{"acme", "soft", "safe"} {
		_, err := h.push(t, account, "one.xml", pain001(t, account, 3000))
		must(t, err)
	}
	must(t, h.Close())
	var err, err2 error
	h.from, err = vault.ReadUnlockKey(filepath.Join(h.dir, "unlock.key"))
	h.to, err2 = vault.ParseUnlockKey(h.text)
	must(t, err, err2)
	return h
}

func (h *rekeying) rekey(t *testing.T) error {
	t.Helper()
	return Rekey(t.Context(), h.cfg.Load(), h.from, h.to, slog.New(slog.DiscardHandler))
}

func (h *rekeying) account(id string) string { return filepath.Join(h.dir, "data/accounts", id) }

// under gives the databases, of gateway.db, acme's and soft's indexes and safe's log, that the key opens.
func (h *rekeying) under(t *testing.T, key *vault.UnlockKey) (list []string) {
	t.Helper()
	for _, d := range []struct{ path, name string }{
		{"gateway.db", "gateway"}, {"accounts/acme/index.db", "account/acme"}, {"accounts/soft/index.db", "account/soft"}, {"accounts/safe/log.db", "log/safe"},
	} {
		if err := indexer.Readable(t.Context(), filepath.Join(h.dir, "data", d.path), key.Database(d.name)); err == nil {
			list = append(list, filepath.Base(filepath.Dir(d.path)))
		} else if !errors.Is(err, indexer.ErrKey) && !errors.Is(err, indexer.ErrDamaged) && !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
	}
	return list
}

// damage flips a bit in the middle of a database's last page, by which the database still opens.
func (h *rekeying) damage(t *testing.T, path string) {
	t.Helper()
	content, err := os.ReadFile(path)
	must(t, err)
	content[len(content)-2000] ^= 1
	must(t, os.WriteFile(path, content, 0o600))
}

// takeOut takes an account out of the configuration.
func (h *rekeying) takeOut(t *testing.T, id string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(h.dir, "sealgate.yaml"))
	must(t, err)
	lines := slices.DeleteFunc(strings.SplitAfter(string(text), "\n"), func(line string) bool { return strings.Contains(line, "{id: "+id+",") })
	h.write(t, "sealgate.yaml", strings.Join(lines, ""))
}

// TestRekeyBesideDamage: the unlock key does not begin to change while a database cannot follow, which is named with what can be done; with
// its account's folder out of the way it changes.
func TestRekeyBesideDamage(t *testing.T) {
	for _, damaged := range []string{"soft/index.db", "safe/log.db"} {
		h := newRekeying(t)
		h.damage(t, h.account(damaged))
		before := h.under(t, h.from)
		err := h.rekey(t)
		var no *No
		if !errors.As(err, &no) || !strings.Contains(no.Text, h.account(damaged)) || !strings.Contains(no.Text, "nothing was changed") || !strings.Contains(no.Hint, "out of ") {
			t.Errorf("%s: %+v, %v", damaged, no, err)
		}
		if id, err := readUnlockID(h.cfg.Load().DataDir); err != nil || id.Key != h.from.ID() || id.Before != nil {
			t.Errorf("%s: it has begun: %+v, %v", damaged, id, err)
		}
		if now := h.under(t, h.from); len(now) != 3 || !slices.Equal(now, before) {
			t.Errorf("%s: under the old key are %v, before %v", damaged, now, before)
		}
		h.open(t)
		must(t, h.Close())

		must(t, os.Rename(filepath.Dir(h.account(damaged)), filepath.Join(h.dir, "away")))
		h.takeOut(t, filepath.Dir(damaged))
		cfg, err := LoadConfig(h.cfg.Load().File, false)
		must(t, err)
		h.cfg.Store(cfg)
		must(t, h.rekey(t))
		h.write(t, "unlock.key", string(h.text))
		h.open(t)
		if list := h.files(t, "acme"); len(list) != 1 {
			t.Errorf("%s: %d files", damaged, len(list))
		}
	}
}

// TestDamagedInMidRekey: what is damaged once the change has begun keeps it from no other database, and the change ends as soon as it is out
// of the way.
func TestDamagedInMidRekey(t *testing.T) {
	h := newRekeying(t)
	must(t, beginRekey(t.Context(), h.cfg.Load(), h.from, h.to, slog.New(slog.DiscardHandler))) // and no further
	h.damage(t, h.account("acme/index.db"))
	must(t, os.Remove(h.account("safe/index.db")))
	err := h.rekey(t)
	for _, part := range []string{h.account("acme/index.db"), h.account("safe/index.db"), "restore", "out of "} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v, want %q", err, part)
		}
	}
	if now := h.under(t, h.to); !slices.Equal(now, []string{".", "soft"}) {
		t.Errorf("under the new key are %v", now)
	}
	must(t, os.Rename(h.account("acme"), filepath.Join(h.dir, "acme")), os.Rename(h.account("safe"), filepath.Join(h.dir, "safe")))
	h.write(t, "unlock.key", string(h.text))
	h.takeOut(t, "acme")
	h.takeOut(t, "safe")
	h.open(t)
	if id, err := readUnlockID(h.cfg.Load().DataDir); err != nil || id.Key != h.to.ID() || id.Before != nil {
		t.Errorf("it has not ended: %+v, %v", id, err)
	}
	if list := h.files(t, "soft"); len(list) != 1 {
		t.Errorf("%d files", len(list))
	}
}

// TestRekeyWithoutAnAccount: an account whose folder is not there, on a disk that is not mounted, say, would stay under the old key, and nothing
// would tell: so the unlock key does not begin to change, and a change does not end.
func TestRekeyWithoutAnAccount(t *testing.T) {
	for _, id := range []string{"acme", "safe"} {
		h := newRekeying(t)
		away := filepath.Join(h.dir, "away")
		must(t, os.Rename(h.account(id), away))
		var no *No
		if err := h.rekey(t); !errors.As(err, &no) || !strings.Contains(no.Text, h.account(id)) || !strings.Contains(no.Text, "nothing was changed") {
			t.Errorf("%s: %v", id, err)
		}
		must(t, os.Rename(away, h.account(id)), beginRekey(t.Context(), h.cfg.Load(), h.from, h.to, slog.New(slog.DiscardHandler))) // and no further
		must(t, os.Rename(h.account(id), away))
		h.write(t, "unlock.key", string(h.text))
		wants(t, "a start", h.start(t), "the unlock key is not changed everywhere yet", h.account(id))
		must(t, os.Rename(away, h.account(id)))
		h.open(t)
		if h.Gateway.account(id) == nil {
			t.Errorf("%s: %v", id, h.out(id).fault)
		}
		must(t, h.Close())
	}
}
