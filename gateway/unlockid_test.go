package gateway

import (
	"crypto/sha256"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/indexer"
)

// frozen puts data_dir aside as a kill leaves it, closes the gateway, and puts it back without unlock.id: rows are in the logs only.
func (h *house) frozen(t *testing.T) {
	t.Helper()
	data, aside := filepath.Join(h.dir, "data"), filepath.Join(h.dir, "aside")
	must(t, os.CopyFS(aside, os.DirFS(data)), h.Close(), os.RemoveAll(data), os.Rename(aside, data))
	h.lose(t, unlockIDName)
}

// sums are the hashes of all files below data_dir.
func (h *house) sums(t *testing.T) map[string][32]byte {
	t.Helper()
	sums := map[string][32]byte{}
	must(t, filepath.WalkDir(filepath.Join(h.dir, "data"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		sums[path] = sha256.Sum256(content)
		return err
	}))
	return sums
}

// TestLostUnlockID: where databases are and unlock.id is gone, a wrong key changes no byte, the right one opens, and the operator is told.
func TestLostUnlockID(t *testing.T) {
	h := newHouse(t)
	if strings.Contains(h.log.String(), "unlock.id") {
		t.Errorf("a first start says %s", h.log)
	}
	_, err := h.push(t, "acme", "one.xml", pain001(t, "one", 300))
	must(t, err)
	h.frozen(t)
	before := h.sums(t)
	right, err := os.ReadFile(filepath.Join(h.dir, "unlock.key"))
	must(t, err)
	other := newHouse(t)
	wrong, err := os.ReadFile(filepath.Join(other.dir, "unlock.key"))
	must(t, err)
	h.write(t, "unlock.key", string(wrong))
	if err := h.start(t); !errors.Is(err, indexer.ErrKey) {
		t.Errorf("with a wrong key: %v", err)
	}
	if after := h.sums(t); len(after) != len(before) {
		t.Errorf("with a wrong key %d files have become %d", len(before), len(after))
	} else {
		for path, sum := range before {
			if after[path] != sum {
				t.Errorf("a wrong key has changed %s", path)
			}
		}
	}
	h.write(t, "unlock.key", string(right))
	h.log.Reset()
	must(t, h.start(t))
	if !strings.Contains(h.log.String(), "level=WARN msg=\"unlock.id was gone, and is made anew\"") {
		t.Errorf("nobody is told: %s", h.log)
	}
	if list := h.files(t, "acme"); len(list) != 1 {
		t.Errorf("%d files", len(list))
	}
	h.sound(t)
	h.log.Reset()
	h.reopen(t)
	if strings.Contains(h.log.String(), "unlock.id") {
		t.Errorf("told again: %s", h.log)
	}
}

// TestLostUnlockIDInMidRekey: with unlock.id the old key was lost, under which some databases still are. Nothing is written over it, and with both
// keys the change goes on.
func TestLostUnlockIDInMidRekey(t *testing.T) {
	h := newRekeying(t)
	data := h.cfg.Load().DataDir
	must(t, beginRekey(t.Context(), h.cfg.Load(), h.from, h.to, slog.New(slog.DiscardHandler))) // and no further than gateway.db
	must(t, indexer.Rekey(t.Context(), filepath.Join(data, "gateway.db"), h.from.Database("gateway"), h.to.Database("gateway")))
	h.lose(t, unlockIDName)
	h.write(t, "unlock.key", string(h.text))
	for range 2 {
		wants(t, "start", h.start(t), "unlock.id is gone", h.account("acme"), "sealgate rekey")
		h.none(t, unlockIDName)
	}
	right := h.from
	h.from = h.to.Clone() // a third key, which opens nothing more
	if err := h.rekey(t); err == nil {
		t.Error("it goes on without the old key")
	}
	h.none(t, unlockIDName)
	h.from = right
	must(t, h.rekey(t))
	must(t, h.start(t))
	for _, account := range []string{"acme", "soft"} {
		if list := h.files(t, account); len(list) != 1 {
			t.Errorf("%s: %d files", account, len(list))
		}
	}
	if id, err := readUnlockID(data); err != nil || id.Key != h.to.ID() || id.Before != nil {
		t.Errorf("it has not ended: %+v, %v", id, err)
	}
}
