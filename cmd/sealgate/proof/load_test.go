package proof

import (
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestTenThousandIdle holds 10,000 connections that say nothing (and come again when they are thrown out) and 50 that
// say a byte a second, and lets a newcomer send a file among them.
func TestTenThousandIdle(t *testing.T) {
	const idle = 10_000
	var lim unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &lim); err != nil {
		t.Fatal(err)
	}
	if lim.Cur < idle+500 {
		want := unix.Rlimit{Cur: idle + 1000, Max: max(lim.Max, idle+1000)}
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &want); err != nil {
			missing(t, "10,500 file descriptors (ulimit -n)")
		}
		t.Cleanup(func() { unix.Setrlimit(unix.RLIMIT_NOFILE, &lim) })
	}
	g := newGateway(t, options{})
	old := g.door().sit(t) // a customer who was there before
	stop := make(chan struct{})
	var crowd sync.WaitGroup
	defer crowd.Wait()
	defer close(stop)
	var in atomic.Int64
	for i := range idle {
		crowd.Go(func() { loiter(g.door().addr(), i, &in, stop) })
	}
	eventually(t, "10,000 have connected at least once", func() bool { return in.Load() >= idle })
	for range 50 {
		crowd.Go(func() { drip(g.door().addr(), stop) })
	}
	var s *session
	asked := time.Now()
	eventually(t, "a newcomer is let in", func() bool {
		var err error
		s, err = g.door().open()
		return err == nil
	})
	defer s.close()
	t.Logf("the newcomer was in after %v", time.Since(asked))
	one, two := pain001(t, 100_000), pain001(t, 100_000)
	if err := s.push("newcomer.xml", one); err != nil {
		t.Errorf("the newcomer's file: %v", err)
	}
	if err := old.push("old.xml", two); err != nil {
		t.Errorf("the file of a session from before: %v", err)
	}
	g.taken(t, "newcomer.xml", sum(one))
	g.taken(t, "old.xml", sum(two))
	if n := strings.Count(g.log.String(), "\n"); n > 2000 {
		t.Errorf("the log has %d lines: an attacker fills the disk with it", n)
	}
}

// loiter connects from one of ten addresses and says nothing; thrown out, it comes again, until stop.
func loiter(addr string, i int, in *atomic.Int64, stop chan struct{}) {
	from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(i%10))}}
	for first := true; ; {
		c, err := from.Dial("tcp", addr)
		if err == nil {
			if first {
				in.Add(1)
				first = false
			}
			gone := make(chan struct{})
			go func() { io.Copy(io.Discard, c); close(gone) }()
			select {
			case <-gone:
			case <-stop:
			}
			c.Close()
			<-gone
		}
		select {
		case <-stop:
			return
		case <-time.After(time.Second):
		}
	}
}

// drip is a handshake at a byte a second.
func drip(addr string, stop chan struct{}) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer c.Close()
	go io.Copy(io.Discard, c)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for _, b := range []byte("SSH-2.0-drip" + strings.Repeat("x", 200)) {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		if _, err := c.Write([]byte{b}); err != nil {
			return
		}
	}
}

// TestNoDescriptors lets the daemon have 64 file descriptors and takes them all: it backs off quietly, keeps those who
// are in, and lets newcomers in again when there are some.
func TestNoDescriptors(t *testing.T) {
	need(t, "prlimit")
	g := newGateway(t, options{wrap: []string{"prlimit", "--nofile=64:64"}})
	old := g.door().sit(t)
	var conns []net.Conn
	for range 120 {
		c, err := net.Dial("tcp", g.door().addr())
		if err != nil {
			break
		}
		conns = append(conns, c)
	}
	// A session that is there may be told no now, but it lives.
	refusedNow := old.push("tight.xml", pain001(t, 200_000))
	if refusedNow != nil && !refused(refusedNow) {
		t.Errorf("without descriptors a session ended: %v", refusedNow)
	}
	before := strings.Count(g.log.String(), "\n")
	// Give an accept loop that does not back off the time to show it: as long as a second login takes to be tried.
	if s, err := g.door().open(); err == nil {
		s.close()
	}
	if n := strings.Count(g.log.String(), "\n") - before; n > 500 {
		t.Errorf("%d log lines while out of descriptors", n)
	}
	for _, c := range conns {
		c.Close()
	}
	var s *session
	eventually(t, "a newcomer is let in again", func() bool {
		var err error
		s, err = g.door().open()
		return err == nil
	})
	defer s.close()
	content := pain001(t, 200_000)
	if err := s.push("recovered.xml", content); err != nil {
		t.Errorf("after recovery: %v", err)
	}
	g.taken(t, "recovered.xml", sum(content))
	if err := old.push("old.xml", pain001(t, 200_000)); err != nil {
		t.Errorf("the old session after recovery: %v", err)
	}
	if refusedNow == nil {
		if n := len(with(g.files(), "accepted", "tight.xml")); n != 1 {
			t.Errorf("tight.xml was acknowledged and is listed %d times", n)
		}
	}
	g.tidy(t)
}
