package proof

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRemotesTest: `sealgate remotes test` shows by what a server can be known, ready to paste, and what it would fetch there,
// by name, and changes nothing; what is not trusted is not logged in to.
func TestRemotesTest(t *testing.T) {
	c := newCustomer(t)
	in := filepath.Join(filepath.Dir(c.folder), "in")
	if err := os.Mkdir(in, 0o755); err != nil {
		t.Fatal(err)
	}
	g := prepare(t, options{accounts: acme + c.remote("match: '*.xml', ready: renamed, after: delete") + "        send: {path: " + in + "}\n"})
	for n := range 12 {
		c.put(t, fmt.Sprintf("pay-%02d.xml", n), []byte("x"))
	}
	c.put(t, "notes\x1b[31m.txt", []byte("x"))
	c.put(t, "räkning.pdf", []byte("x"))
	if err := os.Mkdir(filepath.Join(c.folder, "folder.xml"), 0o755); err != nil {
		t.Fatal(err)
	}
	before := c.there(t)
	out := g.must("remotes", "test", "kund", "-c", g.config)
	names := ""
	for n := range 10 {
		names += fmt.Sprintf("  fetch    pay-%02d.xml\n", n)
	}
	want := fmt.Sprintf("host key   ssh-ed25519 %s\n  trust: {host_key: %q}\nlogin      ok: %s\n"+
		"folder     ok: 14 files, 12 to fetch by match: and ignore:\n%s  fetch    and 2 more\n"+
		"  leave    notes\\x1b[31m.txt\n  leave    räkning.pdf\nsend to    ok: %s\n", c.pin, c.pin, c.login, names, in)
	if out != want {
		t.Errorf("%s\nwant\n%s", out, want)
	}
	if entries, err := os.ReadDir(in); c.there(t) != before || err != nil || len(entries) != 0 {
		t.Errorf("there lie %s; %v, %v", c.there(t), entries, err)
	}
	if out := g.must("remotes", "test", "sftp://127.0.0.1:"+c.port, "-c", g.config); !strings.Contains(out, c.pin) || strings.Contains(out, "login") {
		t.Errorf("of an address alone: %s", out)
	}

	// A folder that is not there, a key that is another one, a name that is unknown: exit 1, and nothing is listed.
	for _, no := range []struct{ old, new, name, want string }{
		{"/out\n", "/none\n", "kund", "list: there is no such file or folder"},
		{c.pin, "SHA256:" + strings.Repeat("A", 43), "kund", "hostkey: "},
		{c.pin, c.pin, "nobody", `no remote "nobody"`},
		{c.pin, c.pin, "ftp://127.0.0.1", "is not the URL of a remote"},
	} {
		g.opt.accounts = strings.Replace(g.opt.accounts, no.old, no.new, 1)
		g.writeConfig()
		out, talk, code := g.command("", "remotes", "test", no.name, "-c", g.config)
		if code == 0 || !strings.Contains(talk, no.want) || strings.Contains(out, "pay-") {
			t.Errorf("exit %d: %s%s, want %s", code, out, talk, no.want)
		}
		g.opt.accounts = strings.Replace(g.opt.accounts, no.new, no.old, 1)
	}
}
