package proof

import (
	"io"
	"net"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
)

// cutter is a TCP proxy that breaks the first connection after so many bytes from the client, and lets later ones be.
type cutter struct {
	door
	cuts atomic.Int64
}

// newCutter listens before d. The cut is a reset on both sides, as a lost line looks to a server.
func newCutter(t testing.TB, d door, after int64) *cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	c := &cutter{door: d}
	c.host, c.port, _ = net.SplitHostPort(l.Addr().String())
	go func() {
		var whole atomic.Bool
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go c.carry(in.(*net.TCPConn), d.addr(), after, &whole)
		}
	}()
	return c
}

// carry passes one connection on. Only one that carried `after` bytes is cut, and only the first such: clients that
// connect once to look at the host key do not count.
func (c *cutter) carry(in *net.TCPConn, to string, after int64, whole *atomic.Bool) {
	defer in.Close()
	conn, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	out := conn.(*net.TCPConn)
	defer out.Close()
	go func() { io.Copy(in, out); in.CloseWrite() }()
	if whole.Load() {
		io.Copy(out, in)
		return
	}
	if n, _ := io.CopyN(out, in, after); n == after && whole.CompareAndSwap(false, true) {
		in.SetLinger(0)
		out.SetLinger(0)
		c.cuts.Add(1)
		return
	}
	io.Copy(out, in)
}

// TestResume cuts the connection a third of the way through a 3 MiB upload and lets each client go on in its own way:
// one accepted file with the right bytes.
func TestResume(t *testing.T) {
	modern := newGateway(t, options{})
	for _, c := range clients() {
		if !strings.Contains(c.ops, "resume") {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			c.check(t)
			g := modern
			if c.name == "jsch" {
				g = newGateway(t, options{sftp: "  algorithms: compat\n", hostKey: "ecdsa"})
			}
			resume(t, g, c, "put")
			if c.name == "ssh2" {
				// fastPut writes far out of order: what is parked must be the part without gaps.
				resume(t, g, c, "fastput")
			}
		})
	}
}

func resume(t *testing.T, g *gateway, c client, op string) {
	t.Helper()
	name := "resume-" + c.name + "-" + op + ".xml"
	content := pain001(t, 3<<20)
	d := newDesk(t, g.door())
	local := d.save("local.xml", content)
	began := g.cutOff(t, c, op, local, name)
	for tries := 1; !began && op == "fastput" && tries < mostCuts; tries++ {
		began = g.cutOff(t, c, op, local, name)
	}
	if c.name == "lftp" { // it connects again by itself and goes on
		g.taken(t, name, sum(content))
		return
	}
	if !began {
		t.Fatal("nothing was parked")
	}
	parked := g.parked(t, name)
	if parked <= 0 || parked >= int64(len(content)) {
		t.Fatalf("parked %d of %d bytes", parked, len(content))
	}
	o := c.run(d, step{op: "resume", local: local, remote: "/inbox/" + name})
	if o.code != 0 {
		t.Errorf("resume at %d: exit %d\n%s", parked, o.code, o.text)
	}
	g.taken(t, name, sum(content))
}

// mostCuts is how often fastPut is cut off: it reads its file in four threads, and where the one with the first piece is held up, the
// beginning is still with the client when the line breaks, and there is nothing to go on from.
const mostCuts = 10

var cutOff = regexp.MustCompile(`msg=(parked|aborted) .* why="the connection dropped"`)

// cutOff lets a client upload over a line that breaks, and says whether the gateway parked what came.
func (g *gateway) cutOff(t *testing.T, c client, op, local, name string) bool {
	t.Helper()
	cut, from := newCutter(t, g.door(), 1_000_000), g.log.len()
	first := c.run(newDesk(t, cut.door), step{op: op, local: local, remote: "/inbox/" + name})
	if cut.cuts.Load() != 1 {
		t.Fatalf("the connection was not cut: exit %d\n%s", first.code, first.text)
	}
	if recovers := c.name == "lftp"; (first.code == 0) != recovers {
		t.Errorf("exit %d after a cut connection\n%s", first.code, first.text)
	}
	line, err := g.log.wait(from, cutOff, g.exited)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(line, "msg=parked")
}

// parked waits until the gateway has parked an upload of the name and gives the size that it shows.
func (g *gateway) parked(t testing.TB, name string) int64 {
	t.Helper()
	s := g.door().sit(t)
	var size, before int64 = -1, -2
	eventually(t, name+" is parked", func() bool {
		before = size
		st, err := s.Stat("/inbox/" + name)
		if err != nil {
			return false
		}
		size = st.Size()
		return size > 0 && size == before
	})
	return size
}
