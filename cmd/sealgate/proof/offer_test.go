package proof

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestOfferedKey: over the wire, with asyncssh: whoever offers a key that is good, and then signs with one that is not, is not let in; with
// two keys of his own he is (CVE-2024-45337).
func TestOfferedKey(t *testing.T) {
	need(t, python)
	if err := exec.Command(python, "-c", "import asyncssh").Run(); err != nil {
		missing(t, "python3-asyncssh")
	}
	g := newGateway(t, options{})
	for _, name := range []string{"second", "erp", "stranger"} {
		output(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(g.dir, name))
	}
	g.must("user", "change", "acme", "kund", "--add-key", filepath.Join(g.dir, "second.pub"), "-c", g.config)
	g.must("user", "add", "acme", "erp", "--login", "key", "--public-key", filepath.Join(g.dir, "erp.pub"), "-c", g.config)
	key := func(name string) string { return filepath.Join(g.dir, name) }
	for _, try := range []struct{ user, offer, sign, want string }{
		{"kund", "client", "client", "in offer taken"},
		{"kund", "client", "second", "in offer taken"},
		{"kund", "client", "stranger", "denied offer taken"},
		{"kund", "client", "erp", "denied offer taken"},
		{"erp", "erp", "client", "denied offer taken"},
		{"erp", "client", "erp", "denied offer refused"},
	} {
		d := newDesk(t, g.door().as(try.user))
		d.key = key(try.sign)
		out := d.sh("", "env", "SG_OFFER="+key(try.offer), python, testdata("offer.py"))
		if got := strings.TrimSpace(out.text); got != try.want {
			t.Errorf("%s offers the key %s and signs with %s: %s, want %s", try.user, try.offer, try.sign, got, try.want)
		}
	}
}
