package gateway

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/sealgate/sealgate/config"
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

// TestWatchedFolders: a folder that the gateway's user may not read keeps nothing else from being watched: neither that of a file which a
// refused configuration names, nor that of where a link leads.
func TestWatchedFolders(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be another user")
	}
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	must(t, os.Chmod(filepath.Dir(dir), 0o711), os.Chmod(dir, 0o755), os.Mkdir(in("closed"), 0o711), os.Chmod(in("closed"), 0o711), os.WriteFile(in("closed/key"), nil, 0o600))
	must(t, os.WriteFile(in("key"), nil, 0o600), os.Symlink("closed/key", in("there")), os.Symlink("key", in("link")))
	g := new(Gateway)
	g.cfg.Store(&config.Config{})
	refused := []string{in("key"), in("link"), in("later/key"), in("closed/key"), in("there")}
	g.misread.Store(&refused)
	must(t, syscall.Setresuid(65534, 65534, 0))
	defer syscall.Setresuid(0, 0, 0)
	if got, want := g.watched(), refused[:3]; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
