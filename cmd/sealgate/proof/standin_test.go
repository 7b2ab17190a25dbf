package proof

import (
	"os"
	"strings"
	"testing"
)

func TestStandin(t *testing.T) {
	if os.Getenv("STANDIN") == "" {
		t.Skip("x")
	}
	d0 := door{"127.0.0.1", "2299", "kund", "quiet-otter-17", "/tmp/standin/key"}
	for _, c := range clients() {
		t.Run(c.name, func(t *testing.T) {
			c.check(t)
			d := newDesk(t, d0)
			b := pain001(t, 100000)
			local := d.save("l.xml", b)
			for _, op := range strings.Fields(c.ops) {
				name := c.name + "-" + op + ".xml"
				os.Remove("/srv/standin/inbox/" + name)
				if op == "resume" {
					os.WriteFile("/srv/standin/inbox/"+name, b[:50000], 0o666)
					os.Chmod("/srv/standin/inbox/"+name, 0o666)
				}
				o := c.run(d, step{op, local, "/inbox/" + name, "/inbox/" + name + ".tmp"})
				got, err := os.ReadFile("/srv/standin/inbox/" + name)
				if err != nil || string(got) != string(b) || o.code != 0 {
					t.Errorf("%s: code %d err %v len %d/%d\n%s", op, o.code, err, len(got), len(b), o.text)
				}
			}
		})
	}
}
