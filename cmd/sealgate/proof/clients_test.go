package proof

import (
	"strings"
	"testing"
)

// TestClients runs every client through what people do with it: put, put again, keep times, temp name and rename, and
// the three places where a file is refused. What the server took is counted on the server.
func TestClients(t *testing.T) {
	modern := newGateway(t, options{})
	var old *gateway // JSch 0.1.55 knows neither curve25519 nor ed25519
	for _, c := range clients() {
		t.Run(c.name, func(t *testing.T) {
			c.check(t)
			g := modern
			if c.name == "jsch" {
				d := newDesk(t, g.door())
				if o := c.run(d, step{op: "put", local: d.save("x.xml", pain001(t, 1000)), remote: "/inbox/jsch.xml"}); o.code == 0 {
					t.Error("JSch 0.1.55 got through the default algorithms; the documents say that it does not")
				}
				old = newGateway(t, options{sftp: "  algorithms: compat\n", hostKey: "ecdsa"})
				g = old
			}
			visit{t, g, c, newDesk(t, g.door())}.all()
		})
	}
}

// visit is one client at one gateway.
type visit struct {
	*testing.T
	g *gateway
	c client
	d *desk
}

func (v visit) all() {
	v.Run("put", func(t *testing.T) { v.in(t).put("put") })
	for _, op := range []string{"modes", "fsync", "atomic", "fastput"} {
		if v.knows(op) {
			v.Run(op, func(t *testing.T) { v.in(t).put(op) })
		}
	}
	for _, op := range []string{"rename", "rename3"} {
		if v.knows(op) {
			v.Run(op, func(t *testing.T) { v.in(t).rename(op) })
		}
	}
	v.Run("refused at WRITE", func(t *testing.T) { v.in(t).badTotals() })
	v.Run("refused at CLOSE", func(t *testing.T) { v.in(t).duplicate() })
	if v.knows("rename") || v.knows("rename3") {
		v.Run("refused at RENAME", func(t *testing.T) { v.in(t).badRename() })
	}
}

func (v visit) in(t *testing.T) visit {
	t.Helper()
	return visit{t, v.g, v.c, newDesk(t, v.d.door)}
}

func (v visit) knows(op string) bool {
	for _, o := range strings.Fields(v.c.ops) {
		if o == op {
			return true
		}
	}
	return false
}

// put sends a file, then another under the same name: two files, exit 0 both times, the right bytes.
func (v visit) put(op string) {
	name := v.c.name + "-" + op + ".xml"
	one, two := pain001(v, 100_000), pain001(v, 2_500_000)
	for i, content := range [][]byte{one, two} {
		o := v.c.run(v.d, step{op: op, local: v.d.save("local.xml", content), remote: "/inbox/" + name})
		if o.code != 0 {
			v.Errorf("put %d: exit %d\n%s", i+1, o.code, o.text)
		}
		v.settled(name, i+1)
	}
	v.g.taken(v, name, sum(one), sum(two))
	v.unrefused(name)
}

// settled waits until the server has this many accepted files of the name: sshfs sends its CLOSE after cp has returned.
func (v visit) settled(name string, n int) {
	v.Helper()
	if v.c.name == "sshfs" {
		eventually(v, "the server takes "+name, func() bool { return len(with(v.g.files(), "accepted", name)) >= n })
	}
}

// unrefused fails if the server refused a file of this name as well.
func (v visit) unrefused(name string) {
	v.Helper()
	if r := with(v.g.files(), "rejected", name); len(r) != 0 {
		v.Errorf("also refused %d of the name %s: %+v", len(r), name, r)
	}
}

// rename sends under a partial name and under a name that the gateway does not know as partial; both end as one file.
func (v visit) rename(op string) {
	for _, temp := range []string{"-a.xml.part", "-b.unknown"} {
		name := v.c.name + "-" + op + temp[:2] + ".xml"
		content := pain001(v, 70_000)
		o := v.c.run(v.d, step{op: op, local: v.d.save("local.xml", content), remote: "/inbox/" + name, temp: "/inbox/" + v.c.name + op + temp})
		if o.code != 0 {
			v.Errorf("%s of %s: exit %d\n%s", op, temp, o.code, o.text)
		}
		v.settled(name, 1)
		v.g.taken(v, name, sum(content))
		v.unrefused(name)
	}
}

// judge compares what the person saw with CLIENTS.md, and what the server took with nothing.
func (v visit) judge(name, reason string, want seen, o outcome) {
	v.Helper()
	if want.code != o.code && !(want.code < 0 && o.code != 0) {
		v.Errorf("exit %d, want %d\n%s", o.code, want.code, o.text)
	}
	if want.sentence && !o.sees(reason) {
		v.Errorf("the sentence with [%s] was not shown:\n%s", reason, o.text)
	}
	var refused []row
	eventually(v, "the server refuses "+name, func() bool {
		refused = with(v.g.files(), "rejected", name)
		return len(refused) > 0
	})
	for _, r := range refused {
		if len(r.Reasons) == 0 || r.Reasons[0].Code != reason {
			v.Errorf("refused %s for %+v, want %s", name, r.Reasons, reason)
		}
	}
	if a := with(v.g.files(), "accepted", name); len(a) != 0 {
		v.Errorf("accepted a file that must be refused: %+v", a)
	}
}

func (v visit) badTotals() {
	name := v.c.name + "-totals.xml"
	// Long enough that the closing tag comes in a WRITE of its own, after others were answered.
	o := v.c.run(v.d, step{op: "put", local: v.d.save("local.xml", wrongTotals(v, 300_000)), remote: "/inbox/" + name})
	v.judge(name, "totals-mismatch", v.c.writing, o)
}

// duplicate is a file that only its CLOSE can refuse.
func (v visit) duplicate() {
	content := pain001(v, 90_000)
	if err := v.g.door().sit(v).push(v.c.name+"-first.xml", content); err != nil {
		v.Fatal(err)
	}
	name := v.c.name + "-duplicate.xml"
	o := v.c.run(v.d, step{op: "put", local: v.d.save("local.xml", content), remote: "/inbox/" + name})
	v.judge(name, "duplicate-content", v.c.closing, o)
}

// badRename is a duplicate sent under a partial name: the rename is what is refused, and nearly nobody swallows that.
func (v visit) badRename() {
	op := "rename"
	if !v.knows(op) {
		op = "rename3"
	}
	content := pain001(v, 90_000)
	if err := v.g.door().sit(v).push(v.c.name+"-original.xml", content); err != nil {
		v.Fatal(err)
	}
	name := v.c.name + "-renamed.xml"
	o := v.c.run(v.d, step{op: op, local: v.d.save("local.xml", content), remote: "/inbox/" + name, temp: "/inbox/" + name + ".part"})
	v.judge(name, "duplicate-content", v.c.renaming, o)
}
