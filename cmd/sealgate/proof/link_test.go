package proof

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// link is a bad line between the gateway and a server: a TCP proxy with the three toxics of Shopify's toxiproxy that matter
// here (latency, slow_close, limit_data). It stands for that library, which would bring a web framework, a command-line
// framework and Prometheus into go.mod.
type link struct {
	latency time.Duration // of each piece of what the server sends
	linger  time.Duration // before a close is passed on
	cut     int64         // bytes from the server after which the connection is cut, if not 0
	cuts    atomic.Int64  // how often that was done
	passed  atomic.Int64  // bytes from the server
}

// listen passes what comes to listen on to the server until the test ends; it gives the address that it listens on.
func (k *link) listen(t testing.TB, listen, server string) string {
	t.Helper()
	l, err := net.Listen("tcp", listen)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			if far, err := net.Dial("tcp", server); err != nil {
				near.Close()
			} else {
				all.Go(func() { k.join(near.(*net.TCPConn), far.(*net.TCPConn)) })
			}
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return l.Addr().String()
}

// join carries bytes both ways until both sides have ended, or the line is cut.
func (k *link) join(near, far *net.TCPConn) {
	defer near.Close()
	defer far.Close()
	var up sync.WaitGroup
	up.Go(func() { io.Copy(far, near); far.CloseWrite() })
	piece, left := make([]byte, 16<<10), k.cut
	for {
		n, err := far.Read(piece)
		if k.cut > 0 && left < int64(n) {
			k.cuts.Add(1)
			break
		}
		left -= int64(n)
		hold(k.latency)
		if _, failed := near.Write(piece[:n]); failed != nil {
			break
		}
		if k.passed.Add(int64(n)); err != nil {
			hold(k.linger)
			near.CloseWrite()
			near.SetReadDeadline(time.Now().Add(patience))
			up.Wait()
			return
		}
	}
	near.Close()
	far.Close()
	up.Wait()
}

func hold(d time.Duration) {
	if d > 0 {
		<-time.After(d)
	}
}
