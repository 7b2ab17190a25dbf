package gateway

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
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

// largeCopy is the only sealed copy on disk of the account safe.
func (h *house) largeCopy(t testing.TB) string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(h.dir, "data/accounts/safe/sealed/*/*/*/*.p7m"))
	if must(t, err); len(paths) != 1 {
		t.Fatal(paths)
	}
	return paths[0]
}
