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
