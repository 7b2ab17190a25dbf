package gateway

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestChangedDuringTheStart: a configuration that is saved while the gateway opens its databases is in force when it is ready.
func TestChangedDuringTheStart(t *testing.T) {
	h := newHouse(t)
	file := filepath.Join(h.dir, "sealgate.yaml")
	text, err := os.ReadFile(file)
	must(t, err)
	for _, c := range []struct{ old, new, want string }{
		{"say: all", "say: all", ""},
		{"say: all", "say: refusals", "loaded"},
		{"say: refusals", "say: nothing", "refused"},
	} {
		text = []byte(strings.Replace(string(text), c.old, c.new, 1))
		must(t, os.WriteFile(file, text, 0o600))
		ctx, cancel := context.WithCancel(t.Context())
		must(t, h.Run(ctx, func(string) { cancel() }))
		for _, word := range []string{"loaded", "refused"} {
			if told := strings.Contains(h.log.String(), "config "+word); told != (word == c.want) {
				t.Errorf("%s: config %s: %v: %s", c.new, word, told, h.log)
			}
		}
		h.log.Reset()
	}
	if got := h.Account("acme").Say; got != "refusals" {
		t.Errorf("acme is told %q", got)
	}
}

// TestRefusedLoadIsTold: a configuration without a mistake that could not be taken over stays a problem of status until one is.
func TestRefusedLoadIsTold(t *testing.T) {
	h := newHouse(t)
	file, folder := filepath.Join(h.dir, "sealgate.yaml"), filepath.Join(h.dir, "data/accounts/new")
	text, err := os.ReadFile(file)
	must(t, err)
	must(t, os.WriteFile(file, append(text, "  - {id: new, after_indexing: delete}\n"...), 0o600))
	must(t, os.WriteFile(folder, []byte("no folder"), 0o600))
	if err := h.Reload(t.Context()); err == nil {
		t.Fatal("it is loaded")
	}
	if s, err := h.Status(t.Context()); err != nil || !strings.Contains(strings.Join(s.Problems, "\n"), "configuration: not in force: account new: ") {
		t.Errorf("%q, %v", s.Problems, err)
	}
	must(t, os.Remove(folder))
	must(t, h.Reload(t.Context()))
	if s, err := h.Status(t.Context()); err != nil || len(s.Problems) > 0 {
		t.Errorf("after it was mended: %q, %v", s.Problems, err)
	}
}
