package proof

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestPeerKilledInRename: OpenSSH renames by a second name for the file, and then takes the first away. If it dies between the
// two, the file has both; it is delivered, or moved, once all the same.
func TestPeerKilledInRename(t *testing.T) {
	need(t, "strace", "/usr/lib/openssh/sftp-server")
	for _, c := range []struct {
		name string
		work func(t *testing.T, g *gateway, c *customer, in string)
	}{
		{"delivered", func(t *testing.T, g *gateway, c *customer, in string) {
			g.must("send", "acme", save(t, g.dir, "report.txt", []byte("a report")), "-c", g.config)
		}},
		{"moved", func(t *testing.T, g *gateway, c *customer, in string) {
			c.put(t, "report.txt", pain001(t, 5000))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			dies, in := filepath.Join(dir, "dies"), filepath.Join(dir, "in")
			save(t, dir, "dies", nil)
			server := filepath.Join(dir, "server")
			script := fmt.Sprintf(`#!/bin/sh
if test -e %s; then
	exec strace -f -o /dev/null -e trace=unlink,unlinkat -e inject=unlink,unlinkat:signal=KILL /usr/lib/openssh/sftp-server
fi
exec /usr/lib/openssh/sftp-server
`, dies)
			if err := os.WriteFile(server, []byte(script), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(in, 0o755); err != nil {
				t.Fatal(err)
			}
			customer := newCustomer(t, server)
			g := newGateway(t, options{accounts: acme +
				customer.remote("ready: renamed, after: 'rename:"+in+"'") + "        send: {path: " + in + ", receipts: no}\n"})
			c.work(t, g, customer, in)
			g.poll(t)
			var half unix.Stat_t
			if err := unix.Stat(filepath.Join(in, "report.txt"), &half); err != nil || half.Nlink != 2 {
				t.Fatalf("the server did not die between the two: %v, %d names", err, half.Nlink)
			}
			if err := os.Remove(dies); err != nil {
				t.Fatal(err)
			}
			if p := g.poll(t); p.Trouble != "" {
				t.Errorf("%+v", p)
			}
			if names := output(t, "ls", "-A", in); names != "report.txt\n" {
				t.Errorf("there are %q", names)
			}
			if got := customer.there(t); got != "" {
				t.Errorf("there lie %q", got)
			}
		})
	}
}
