package proof

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestQueueTold: what cannot be delivered is told by poll, remotes and status, with its reason; so is what waits for a remote
// that has left the configuration. When it is back, all arrives, and nobody says anything any more.
func TestQueueTold(t *testing.T) {
	c := newCustomer(t)
	remote := c.remote("ready: renamed, after: delete")
	bad := acme + remote + "        send: {path: " + c.folder + "/none, receipts: no}\n"
	g := newGateway(t, options{accounts: bad})
	g.must("send", "acme", save(t, g.dir, "list.csv", []byte("a list")), "-c", g.config)
	g.poll(t)
	if out := g.must("poll", "kund", "-c", g.config); out != "0 files there, 1 could not be delivered\n" {
		t.Error(out)
	}
	told := func(code int, state, trouble, problem string) {
		t.Helper()
		out := g.must("remotes", "-c", g.config)
		if !regexp.MustCompile(`(?m)^acme +kund +`+state+` .* 1 +- +`+trouble+`$`).MatchString(out) || !strings.Contains(out, "TO DELIVER  LAG  TROUBLE") {
			t.Errorf("remotes:\n%s", out)
		}
		var line struct {
			Lag   int64
			Queue struct {
				Waiting int
				Oldest  string
			}
		}
		if err := json.NewDecoder(strings.NewReader(g.must("remotes", "--json", "-c", g.config))).Decode(&line); err != nil || line.Queue.Waiting != 1 || line.Queue.Oldest == "" {
			t.Errorf("%+v, %v", line, err)
		}
		out, talk, got := g.command("", "status", "-c", g.config)
		if got != code || !strings.Contains(out, "queue    acme/kund: 1 to be delivered, the oldest made 2") || !strings.Contains(out, problem) {
			t.Errorf("status: exit %d\n%s%s", got, out, talk)
		}
	}
	told(1, "up", "1 not delivered, the oldest made [-0-9: ]+: send: there is no such file or folder", "account acme: 1 of 1 not delivered to remote kund, the oldest made 2")

	g.stop()
	g.opt.accounts = acme + strings.Replace(remote, "name: kund", "name: other", 1)
	g.writeConfig()
	g.start()
	told(1, "not configured", "1 waiting since [-0-9: ]+ for a remote without send: in the configuration", "account acme: 1 to be delivered to remote kund since 2")

	g.stop()
	in := filepath.Dir(c.folder)
	g.opt.accounts = acme + remote + "        send: {path: " + in + ", receipts: no}\n"
	g.writeConfig()
	g.start()
	if out := g.must("poll", "kund", "-c", g.config); out != "0 files there, 1 delivered\n" {
		t.Error(out)
	}
	if out := g.must("status", "-c", g.config); strings.Contains(out, "queue") {
		t.Error(out)
	}
}
