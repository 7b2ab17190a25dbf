package proof

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// knock tries once to come in from an address of its own, in one of the ways that strangers have, and says whether it was let in.
func knock(ctx context.Context, addr string, n int64, stranger ssh.Signer) bool {
	from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 1, byte(n>>8), byte(n))}, Timeout: patience}
	conn, err := from.DialContext(ctx, "tcp", addr)
	if err != nil {
		return false
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	config := &ssh.ClientConfig{User: []string{"kund", "root", "admin"}[n%3], HostKeyCallback: ssh.InsecureIgnoreHostKey()}
	switch {
	case n%2 == 0: // looks at the greeting and goes
		conn.Read(make([]byte, 64))
		return false
	case n%16 == 1: // few, since each takes the gateway a password hash
		config.Auth = []ssh.AuthMethod{ssh.Password(fmt.Sprint("guess", n))}
	default:
		config.Auth = []ssh.AuthMethod{ssh.PublicKeys(stranger)}
	}
	c, _, _, err := ssh.NewClientConn(conn, addr, config)
	if err == nil {
		c.Close()
	}
	return err == nil
}

// TestLoginFlood: beside a thousand attempts to log in, from as many addresses as a /16 has, an upload that has begun arrives whole and
// a customer with a key is let in; none of the strangers is.
func TestLoginFlood(t *testing.T) {
	g := newGateway(t, options{})
	d := g.door()
	output(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", g.dir+"/stranger")
	pem, err := os.ReadFile(g.dir + "/stranger")
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := ssh.ParsePrivateKey(pem)
	if err != nil {
		t.Fatal(err)
	}
	s := d.sit(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var knocks, in atomic.Int64
	var flood sync.WaitGroup
	for range 64 {
		flood.Go(func() {
			for ctx.Err() == nil {
				if knock(ctx, d.addr(), knocks.Add(1), stranger) {
					in.Add(1)
				}
			}
		})
	}
	content := pain001(t, 5<<20)
	f, err := s.Create("/inbox/beside.xml")
	if err != nil {
		t.Fatal(err)
	}
	const parts = 10
	for part := range int64(parts) { // each part has its hundred of attempts beside it
		eventually(t, "the flood goes on", func() bool { return knocks.Load() >= 100*(part+1) })
		from, to := int64(len(content))*part/parts, int64(len(content))*(part+1)/parts
		for ; from < to; from += 32 << 10 {
			if _, err := f.Write(content[from:min(from+32<<10, to)]); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := f.Close(); err != nil {
		t.Errorf("the upload: %v", err)
	}
	if o, err := d.open(); err != nil {
		t.Errorf("a customer, while they knock: %v", err)
	} else {
		o.close()
	}
	cancel()
	flood.Wait()
	g.taken(t, "beside.xml", sum(content))
	if in.Load() > 0 {
		t.Errorf("%d strangers were let in", in.Load())
	}
	t.Logf("%d attempts beside it", knocks.Load())
}
