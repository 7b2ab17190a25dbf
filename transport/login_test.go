package transport_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/sealgate/sealgate/config"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/transport"
)

func TestLogins(t *testing.T) {
	h := newHouse(t, nil)
	asked := 0
	for name, auth := range map[string]ssh.AuthMethod{
		"key":      ssh.PublicKeys(h.key),
		"keys":     ssh.PublicKeys(newKey(t), newKey(t), h.key),
		"password": ssh.Password("quiet-otter-maple-17"),
		"keyboard-interactive": ssh.KeyboardInteractive(func(_, _ string, questions []string, echos []bool) ([]string, error) {
			asked++
			if len(questions) != 1 || echos[0] {
				t.Errorf("asked %q %v, want one password", questions, echos)
			}
			return []string{"quiet-otter-maple-17"}, nil
		}),
	} {
		conn, err := ssh.Dial("tcp", h.addr, h.config(auth))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := string(conn.ServerVersion()); got != "SSH-2.0-Sealgate" {
			t.Errorf("version %q", got)
		}
		conn.Close()
	}
	for name, auth := range map[string]ssh.AuthMethod{
		"another key":    ssh.PublicKeys(newKey(t)),
		"wrong password": ssh.Password("quiet-otter-maple-18"),
		"no password":    ssh.Password(""),
	} {
		if conn, err := ssh.Dial("tcp", h.addr, h.config(auth)); err == nil {
			conn.Close()
			t.Errorf("%s is let in", name)
		}
	}
	if strings.Contains(h.log.String(), "anna") || strings.Contains(h.log.String(), "otter") {
		t.Errorf("the log has a login's name or a password:\n%s", h.log)
	}
}

// liar offers one key and signs with another: the key of an offered login must not carry over (CVE-2024-45337).
type liar struct {
	ssh.Signer
	offered ssh.PublicKey
}

func (l liar) PublicKey() ssh.PublicKey { return l.offered }

func TestAnOfferedKeyLetsNobodyIn(t *testing.T) {
	h := newHouse(t, nil)
	_, err := ssh.Dial("tcp", h.addr, h.config(ssh.PublicKeys(liar{newKey(t), h.key.PublicKey()})))
	if err == nil {
		t.Error("let in with a key that was only offered")
	}
}

// A lock-out is said before the login, in the same words for known and unknown names.
func TestLockOutIsSaid(t *testing.T) {
	h := newHouse(t, nil)
	var banner string
	until(t, "a lock-out", func() bool {
		cfg := h.config(ssh.RetryableAuthMethod(ssh.Password("wrong"), 3))
		cfg.User = "nobody"
		cfg.BannerCallback = func(message string) error { banner = message; return nil }
		if conn, err := ssh.Dial("tcp", h.addr, cfg); err == nil {
			conn.Close()
			t.Fatal("let in")
		}
		return banner != ""
	})
	if !strings.HasPrefix(banner, "sealgate: too many wrong logins") || !strings.HasSuffix(banner, "\r\n") {
		t.Errorf("banner %q", banner)
	}
}

func TestOnlySFTPIsServed(t *testing.T) {
	h := newHouse(t, nil)
	c := h.dial(t)
	session, err := c.conn.NewSession()
	must(t, err)
	if err := session.Setenv("LANG", "C"); err == nil {
		t.Error("env is taken")
	}
	if err := session.RequestPty("xterm", 24, 80, nil); err == nil {
		t.Error("a terminal is given")
	}
	if err := session.Run("echo ${ShellId}%ComSpec%"); err == nil {
		t.Error("exec is served")
	}
	session, err = c.conn.NewSession()
	must(t, err)
	if err := session.Shell(); err == nil {
		t.Error("a shell is given")
	}
	for _, kind := range []string{"direct-tcpip", "x11", "auth-agent@openssh.com", "direct-streamlocal@openssh.com"} {
		var refused *ssh.OpenChannelError
		if _, _, err := c.conn.OpenChannel(kind, nil); !errors.As(err, &refused) || refused.Reason != ssh.Prohibited {
			t.Errorf("channel %s: %v, want prohibited", kind, err)
		}
	}
	if ok, _, err := c.conn.SendRequest("tcpip-forward", true, ssh.Marshal(struct {
		Addr string
		Port uint32
	}{"127.0.0.1", 0})); err != nil || ok {
		t.Errorf("tcpip-forward: %v, %v", ok, err)
	}
	if ok, _, err := c.conn.SendRequest("keepalive@openssh.com", true, nil); err != nil || !ok {
		t.Errorf("keepalive: %v, %v", ok, err)
	}
	if _, err := c.ReadDir("/inbox"); err != nil { // the sftp channel goes on through all of it
		t.Error(err)
	}
	var last error
	for range 10 {
		var session *ssh.Session
		if session, last = c.conn.NewSession(); last != nil {
			break
		}
		defer session.Close()
	}
	if last == nil || !strings.Contains(last.Error(), "too many channels") {
		t.Errorf("channels without end: %v", last)
	}
}

// midway is a house where something happens after a login, before its session is open.
type midway struct {
	*gateway.Gateway
	happens func()
}

func (m midway) Shown(ctx context.Context, account string, since time.Time) ([]transport.Ghost, error) {
	m.happens()
	return m.Gateway.Shown(ctx, account, since)
}

// A login that is removed while its owner is on his way in lets him in no more.
func TestRemovedOnTheWayIn(t *testing.T) {
	h := newHouse(t, nil)
	h.stop()
	var err error
	h.door, err = transport.NewSFTP(h.cfg, midway{h.Gateway, func() {
		anna, err := h.RemoveUser(t.Context(), "acme", "anna", "test")
		if h.door.End(anna.ID); err != nil {
			t.Error(err)
		}
	}}, slog.New(slog.DiscardHandler))
	must(t, err)
	must(t, h.door.Listen(t.Context()))
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := h.door.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	conn, err := ssh.Dial("tcp", h.door.Addr().String(), h.config())
	must(t, err)
	if _, err := conn.NewSession(); err == nil {
		t.Error("she is in")
	}
	conn.Close()
	stop()
	running.Wait()
}

// One over a cap is told which, where its client shows it, and the place is free again when a session ends.
func TestSessionCaps(t *testing.T) {
	h := newHouse(t, func(cfg *config.Config) { cfg.SFTP.Limits.SessionsPerAccount = 2 })
	a, b := h.dial(t), h.dial(t)
	conn, err := ssh.Dial("tcp", h.addr, h.config())
	must(t, err)
	defer conn.Close()
	_, err = conn.NewSession()
	var refused *ssh.OpenChannelError
	if !errors.As(err, &refused) || refused.Reason != ssh.ResourceShortage || !strings.Contains(refused.Message, "every session of this account is in use (2)") {
		t.Errorf("one over the cap: %v", err)
	}
	a.wants(t, "/inbox/none", -1)
	b.conn.Close()
	until(t, "a place is free", func() bool {
		conn, err := ssh.Dial("tcp", h.addr, h.config())
		must(t, err)
		defer conn.Close()
		_, err = conn.NewSession()
		return err == nil
	})

	live := *h.cfg // a cap may change while the door is open
	live.SFTP.Limits.SessionsPerAccount = 1
	h.door.Reload(&live)
	until(t, "the lower cap holds", func() bool {
		conn, err := ssh.Dial("tcp", h.addr, h.config())
		must(t, err)
		defer conn.Close()
		_, err = conn.NewSession()
		return err != nil
	})
}

// A session that says nothing for a while gives its protocol server up; the next packet finds another one.
func TestQuietSessionGoesOn(t *testing.T) {
	h := newHouse(t, nil)
	c := h.dial(t)
	file := payments(t, 100, 1)
	must(t, c.put(t, "/inbox/a.xml", file, wct))
	f, err := c.OpenFile("/inbox/b.xml", wct) // an open handle keeps the server
	must(t, err)
	must(t, fill(f, file[:1000], 0))
	<-time.After(1500 * time.Millisecond)
	must(t, fill(f, file[1000:], 1000))
	must(t, f.Close())
	for i := range 3 {
		<-time.After(1200 * time.Millisecond)
		c.wants(t, "/inbox/a.xml", int64(len(file)))
		must(t, c.put(t, fmt.Sprintf("/inbox/%d.xml", i), file, wct))
		folder, err := c.ReadDir("/inbox")
		must(t, err)
		if len(folder) != 3+i {
			t.Errorf("%d files listed, want %d", len(folder), 3+i)
		}
	}
	if n := h.count(t, "accepted"); n != 5 {
		t.Errorf("%d accepted, want 5", n)
	}
}

// A hostile packet ends its own channel and nothing else.
func TestMalformedPackets(t *testing.T) {
	h := newHouse(t, nil)
	c := h.dial(t)
	for name, packet := range map[string]string{
		"too long":     "\xff\xff\xff\xff\x01",
		"empty":        "\x00\x00\x00\x00",
		"unknown kind": "\x00\x00\x00\x05\xee\x00\x00\x00\x01",
		"cut":          "\x00\x00\x00\x05\x03\x00\x00\x00\x01",
		"half":         "\x00\x00\x00\x40\x03\x00",
	} {
		session, err := c.conn.NewSession()
		must(t, err)
		in, err := session.StdinPipe()
		must(t, err)
		out, err := session.StdoutPipe()
		must(t, err)
		must(t, session.RequestSubsystem("sftp"))
		_, err = io.WriteString(in, "\x00\x00\x00\x05\x01\x00\x00\x00\x03"+packet)
		must(t, err)
		in.Close()
		if _, err := io.ReadAll(out); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		session.Close()
	}
	must(t, c.put(t, "/inbox/a.xml", payments(t, 3, 1), wct))
}

// Stopping lets a running upload end, tells it OK, and takes no new one.
func TestStopLetsUploadsEnd(t *testing.T) {
	h := newHouse(t, nil)
	c, idle := h.dial(t), h.dial(t)
	file := payments(t, 100, 1)
	f, err := c.OpenFile("/inbox/a.xml", wct)
	must(t, err)
	must(t, fill(f, file[:20000], 0))
	stopped := make(chan struct{})
	go func() { h.stop(); close(stopped) }()
	until(t, "the port is closed", func() bool {
		conn, err := net.Dial("tcp", h.addr)
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	until(t, "an OPEN is refused", func() bool {
		f, err := c.OpenFile("/inbox/b.xml", wct)
		if err == nil {
			c.Remove("/inbox/b.xml")
			f.Close()
		}
		return err != nil && strings.Contains(err.Error(), "stopping")
	})
	must(t, fill(f, file[20000:], 20000))
	must(t, f.Close())
	c.wants(t, "/inbox/a.xml", int64(len(file))) // a look after the put is answered still
	<-stopped
	if _, err := idle.ReadDir("/"); err == nil {
		t.Error("the idle session is still there")
	}
	if strings.Contains(h.log.String(), "msg=cut") {
		t.Errorf("something was cut:\n%s", h.log)
	}
	if rows := h.rows(t); rows[len(rows)-1] != "accepted a.xml" && rows[0] != "accepted a.xml" {
		t.Errorf("rows: %v", rows)
	}
}

// An upload that does not end within stop_within is cut, and the log says so.
func TestStopCuts(t *testing.T) {
	h := newHouse(t, func(cfg *config.Config) { cfg.SFTP.StopWithin = 100 * time.Millisecond })
	c := h.dial(t)
	f, err := c.OpenFile("/inbox/a.xml", wct)
	must(t, err)
	must(t, fill(f, payments(t, 100, 1)[:20000], 0))
	h.stop()
	if log := h.log.String(); strings.Count(log, "msg=cut account=acme door=sftp user=") != 1 || !strings.Contains(log, "uploads=1") {
		t.Errorf("what was cut is not said once:\n%s", log)
	}
	if rows := h.rows(t); len(rows) != 0 {
		t.Errorf("rows: %v", rows)
	}
}
