package proof

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestHearsSignalsBeforeReady: who reads "ready" may send SIGHUP at once. Run with SIGHUP ignored, as nohup does, since otherwise Go's runtime
// has a handler of its own from the start, and a trace shows nothing of ours. Handlers are slow to come here: what does not wait for them is first.
func TestHearsSignalsBeforeReady(t *testing.T) {
	need(t, "strace")
	trace := filepath.Join(t.TempDir(), "strace")
	g := newGateway(t, options{wrap: []string{"sh", "-c", `trap "" HUP; exec "$@"`, "sh",
		"strace", "-D", "-f", "-s", "200", "-o", trace, "-e", "trace=rt_sigaction,write", "-e", "inject=rt_sigaction:delay_enter=20ms"}})
	g.stop()
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	ready := slices.IndexFunc(lines, regexp.MustCompile(`write\(2, .* msg=ready `).MatchString)
	heard := slices.IndexFunc(lines, regexp.MustCompile(`rt_sigaction\(SIGHUP, \{sa_handler=0x`).MatchString)
	if ready < 0 || heard < 0 || heard > ready {
		t.Errorf("SIGHUP is heard from line %d on, ready stands in line %d, of:\n%s", heard, ready, text)
	}
}
