package proof

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// TestCheckRemotes: `sealgate check --remotes` logs in and lists, says a line of each remote, and changes nothing.
func TestCheckRemotes(t *testing.T) {
	c := newCustomer(t)
	c.put(t, "one.xml", pain001(t, 5000))
	c.put(t, "notes.txt", []byte("not asked for"))
	kund := c.remote("match: '*.xml', after: delete")
	dead := strings.NewReplacer("    remotes:\n", "", "name: kund", "name: dead", ":"+c.port+"/", ":"+freePort(t)+"/").Replace(kund)
	g := prepare(t, options{accounts: acme + kund})
	g.writeConfig()
	out, talk, code := g.command("", "check", "--remotes", "-c", g.config)
	if want := fmt.Sprintf("  remote   acme/kund  sftp://127.0.0.1:%s%s  ok: 2 files, 1 to fetch\n", c.port, c.folder); code != 0 || !strings.Contains(out, want) {
		t.Errorf("exit %d, want %s:\n%s%s", code, want, out, talk)
	}
	if out, _, code = g.command("", "check", "--quiet", "--remotes", "-c", g.config); code != 0 || out != "" {
		t.Errorf("exit %d: %s", code, out)
	}
	if got := c.there(t); got != "notes.txt one.xml" {
		t.Errorf("there lie %s", got)
	}

	g.opt.accounts = acme + kund + dead
	g.writeConfig()
	for _, quiet := range []string{"--quiet=false", "--quiet"} {
		out, talk, code = g.command("", "check", quiet, "--remotes", "-c", g.config)
		if code != 1 || !strings.Contains(out, "acme/dead  sftp://127.0.0.1:") || !strings.Contains(out, "  FAILED at connect: ") ||
			!strings.Contains(out, "    hint: sealgate remotes test acme/dead\n") || strings.Contains(out, "acme/kund") == (quiet == "--quiet") ||
			!strings.Contains(talk, "error: 1 remote cannot be used now") {
			t.Errorf("%s: exit %d\n%s%s", quiet, code, out, talk)
		}
	}

	if err := os.Chmod(c.folder, 0); err == nil && os.Getuid() != 0 {
		if out, _, code = g.command("", "check", "--remotes", "-c", g.config); code != 1 || !strings.Contains(out, "FAILED at list: ") {
			t.Errorf("exit %d\n%s", code, out)
		}
	}
}

// TestExpectedFile: while a file is due, `sealgate status` and `remotes` say so and why; when it has come, they do not.
func TestExpectedFile(t *testing.T) {
	c := newCustomer(t)
	now := time.Now().UTC()
	rule := fmt.Sprintf("        expect: {by: %q, since: %q, days: all, zone: UTC, warn: 1d}\n",
		now.Add(2*time.Hour).Format("15:04"), now.Add(-2*time.Hour).Format("15:04"))
	g := newGateway(t, options{accounts: acme + c.remote("match: '*.xml', after: delete") + rule})
	if p := g.poll(t); p.State != "up" {
		t.Fatalf("%+v", p)
	}
	out, _, code := g.command("", "status", "-c", g.config)
	if code != 1 || !strings.Contains(out, "account acme: file expected from remote kund by ") || !strings.Contains(out, ", nothing was sent; sealgate poll acme/kund") {
		t.Errorf("exit %d:\n%s", code, out)
	}
	if out = g.must("remotes"); !strings.Contains(out, "file expected by ") {
		t.Error(out)
	}
	var line struct {
		Late struct{ State, By, Why string }
	}
	if err := json.Unmarshal([]byte(g.must("remotes", "--json")), &line); err != nil || line.Late.State != "due" || line.Late.By == "" || line.Late.Why == "" {
		t.Errorf("%+v, %v", line, err)
	}

	c.put(t, "salaries.xml", pain001(t, 5000))
	g.poll(t)
	if p := g.poll(t); p.Result.Taken != 1 {
		t.Fatalf("%+v", p)
	}
	if out, _, code = g.command("", "status", "-c", g.config); code != 0 || strings.Contains(out, "expected") {
		t.Errorf("exit %d:\n%s", code, out)
	}
	if out = g.must("remotes"); strings.Contains(out, "expected") {
		t.Error(out)
	}
}

// TestExpectedFileTold: the daemon's log has the warning of an account's rule once, over restarts.
func TestExpectedFileTold(t *testing.T) {
	now := time.Now().UTC()
	rule := fmt.Sprintf("    expect: {by: %q, since: %q, days: all, zone: UTC, warn: 1d}\n",
		now.Add(2*time.Hour).Format("15:04"), now.Add(-2*time.Hour).Format("15:04"))
	g := newGateway(t, options{accounts: acme + rule})
	told := func() int { return strings.Count(g.log.String(), `msg="file expected" account=acme by=`) }
	eventually(t, "the warning", func() bool { return told() == 1 })
	for range 3 {
		g.stop()
		g.start()
		if out, _, code := g.command("", "status", "-c", g.config); code != 1 || !strings.Contains(out, ": nothing was sent; sealgate files --account acme") {
			t.Errorf("exit %d:\n%s", code, out)
		}
	}
	if told() != 1 {
		t.Errorf("told %d times", told())
	}
}
