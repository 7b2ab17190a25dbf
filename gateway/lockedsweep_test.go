package gateway

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/vault"
)

// TestRotationLeftoversOfALockedAccount: a rotation of a protected account that was killed keeps nothing from starting, and nothing of what
// it has left is removed before the rows can be read; then what does not count goes, whichever of the two copies that is.
func TestRotationLeftoversOfALockedAccount(t *testing.T) {
	h := newHouse(t)
	h.addAccount(t, safeAccount)
	receipt, err := h.push(t, "safe", "large.xml", pain001(t, "large", 600))
	must(t, err)
	old, next := readPair(t, h.dir, "acme"), h.newPair(t, "next")
	first := h.largeCopy(t)
	content, err := os.ReadFile(first)
	must(t, err)
	second := strings.TrimSuffix(first, ".p7m") + ".1.p7m"
	incoming := filepath.Join(h.dir, "data/accounts/safe/incoming")
	marker := filepath.Join(incoming, receipt.ID+".1"+placedSuffix)
	restart := func(both ...string) {
		t.Helper()
		must(t, os.WriteFile(filepath.Join(incoming, "notes"+placedSuffix), nil, 0o600))
		h.reopen(t)
		for _, path := range both {
			if _, err := os.Stat(path); err != nil {
				t.Error("removed while nobody could know whether it counts: ", err)
			}
		}
		if _, err := os.Stat(marker); err == nil {
			t.Error("the marker stays")
		}
		if _, err := h.push(t, "acme", "other.xml", pain001(t, "other", 2)); err != nil {
			t.Error("another account: ", err)
		}
		h.unlockFor(t, time.Minute)
	}
	must(t, os.WriteFile(second, []byte("another envelope"), 0o600), os.WriteFile(marker, nil, 0o600))
	restart(first, second)
	if got := h.largeCopy(t); got != first {
		t.Error("died before the row: ", got)
	}
	h.rotate(t, "safe", old, next.cert)
	must(t, os.WriteFile(first, content, 0o600), os.WriteFile(marker, nil, 0o600))
	for p, err := range h.Verify(t.Context(), "safe") {
		if must(t, err); p.What != "orphan" || !strings.Contains(p.Problem, "left from a rotation") || !strings.Contains(p.Problem, "next unlocking") {
			t.Errorf("verify: %+v", p)
		}
	}
	restart(first, second)
	if got := h.largeCopy(t); got != second {
		t.Error("died after the row: ", got)
	}
	must(t, os.Remove(filepath.Join(incoming, "notes"+placedSuffix))) // not ours, and left alone
	h.sound(t)
	h.opensOnly(t, h.files(t, "safe")[0], next, old)
}

// TestRefusedCopyOfALockedAccount: what a refusal could not remove goes with the next unlocking, also if it was rewrapped before.
func TestRefusedCopyOfALockedAccount(t *testing.T) {
	h := newHouse(t)
	h.addAccount(t, safeAccount)
	receipt, err := h.push(t, "safe", "large.txt", []byte(strings.Repeat("large and unrecognised\n", 20_000)))
	must(t, err)
	h.unlockFor(t, time.Minute)
	h.rotate(t, "safe", readPair(t, h.dir, "acme"), h.newPair(t, "next").cert)
	path := h.largeCopy(t)
	content, err := os.ReadFile(path)
	must(t, err)
	_, err = h.Gateway.Decide(t.Context(), Decision{ID: receipt.ID, Reason: "no"}, "uid:7")
	must(t, err, os.WriteFile(path, content, 0o600)) // as if it had not been removed
	for p, err := range h.Verify(t.Context(), "safe") {
		if must(t, err); p.What != "orphan" || !strings.Contains(p.Problem, "left from a release or a refusal: the next unlocking") {
			t.Errorf("verify: %+v", p)
		}
	}
	h.reopen(t)
	h.unlockFor(t, time.Minute)
	if _, err := os.Stat(path); err == nil {
		t.Error("the copy of a refused file stays")
	}
	h.sound(t)
}

// TestLeftOutCopyStays: the copy of a delivery that was accepted and then left out stays, also where the marker of its placing is still there,
// and verify tells of it; so does the list of what a key opens, of the key that the log wants.
func TestLeftOutCopyStays(t *testing.T) {
	h := newHouse(t)
	h.addAccount(t, safeAccount)
	receipt, err := h.push(t, "safe", "large.xml", pain001(t, "large", 600))
	must(t, err)
	path := h.largeCopy(t)
	marker := filepath.Join(h.dir, "data/accounts/safe/incoming", receipt.ID+placedSuffix)
	own := h.keyOf(t, "safe")
	must(t, h.Close(), os.Link(path, marker))
	h.edit(t, "protect_database: true", "protect_database: false")
	cfg, err := LoadConfig(filepath.Join(h.dir, "sealgate.yaml"), false)
	must(t, err)
	unlock, err := vault.ReadUnlockKey(cfg.UnlockKeyFile)
	must(t, err)
	must(t, Unprotect(t.Context(), cfg, unlock, "safe", func([][]byte) ([]byte, error) { return own.Key, nil }, true, h.Gateway.log))
	h.open(t)
	if list := h.mismatched(""); len(list) > 0 { // its ledger has lost rows, and somebody wanted that
		t.Errorf("older: %+v", list)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatal("the copy of an accepted file: ", err)
	}
	told := false
	for p, err := range h.Verify(t.Context(), "safe") {
		must(t, err)
		told = told || p.What == "orphan" && strings.Contains(p.Problem, "has lost its row")
	}
	if !told {
		t.Error("nobody is told")
	}
	listed := false
	for line, err := range h.Envelopes(t.Context(), EnvelopesQuery{}) {
		must(t, err)
		listed = listed || line.Form == FormLeft && line.Account == "safe" && len(line.Header) > 0
	}
	if !listed {
		t.Error("the key that log.db.left wants is not listed")
	}
	must(t, os.Remove(path)) // somebody has taken it away
}

// largeCopy is the only sealed copy on disk of the account safe.
func (h *house) largeCopy(t testing.TB) string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(h.dir, "data/accounts/safe/sealed/*/*/*/*.p7m"))
	if must(t, err); len(paths) != 1 {
		t.Fatal(paths)
	}
	return paths[0]
}
