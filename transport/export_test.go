package transport

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/sealgate/sealgate/config"
)

// Peer is a real server, for the tests that have the gateway behind the poller.
type Peer struct {
	Dir      string // what its URL's folder is on our disk
	Config   config.Remote
	UTF8Only bool
}

// Peers are all the real servers.
var Peers = []struct {
	Name string
	Open func(testing.TB) *Peer
}{
	{"vsftpd", exported(func(t testing.TB) *peer { return newVsftpd(t, config.SchemeFTPES) })},
	{"proftpd", exported(func(t testing.TB) *peer { return newProftpd(t, config.SchemeFTPS) })},
	{"proftpd-sftp", exported(func(t testing.TB) *peer { return newProftpd(t, config.SchemeSFTP) })},
	{"pure-ftpd", exported(func(t testing.TB) *peer { return newPureFTPd(t, config.SchemeFTPES) })},
	{"pyftpdlib", exported(func(t testing.TB) *peer { return newPyftpd(t, config.SchemeFTPES) })},
	{"openssh", exported(func(t testing.TB) *peer { return newOpenSSH(t) })},
	{"dropbear", exported(func(t testing.TB) *peer { return newDropbear(t) })},
}

func exported(open func(testing.TB) *peer) func(testing.TB) *Peer {
	return func(t testing.TB) *Peer {
		t.Helper()
		p := open(t)
		return &Peer{Dir: p.dir, Config: p.config, UTF8Only: p.utf8Only}
	}
}

// NewVsftpd lists times to the minute.
var NewVsftpd = exported(func(t testing.TB) *peer { return newVsftpd(t, config.SchemeFTPES) })

// NewLiar is a server whose listing has these names, each of the content that was laid last. answer, if it gives something,
// is its reply to a command.
func NewLiar(t testing.TB, content []byte, answer func(verb, arg string) string, names ...string) (p *Peer, lay func([]byte)) {
	t.Helper()
	l, c, _ := newLiar(t, config.SchemeFTPES, "")
	l.set(func() {
		l.content, l.size, l.listing, l.answer = content, len(content), "", answer
		for _, name := range names {
			l.listing += fmt.Sprintf("-rw-r--r-- 1 0 0 %d Nov 20 07:08 %s\r\n", len(content), name)
		}
	})
	return &Peer{Config: c}, func(content []byte) { l.set(func() { l.content = content }) }
}

// Hook has the poller ask the time of now, and call before ahead of each operation on a server: list, stat, read (each piece
// of it), remove, rename. It must not run yet.
func Hook(p *Poller, now func() time.Time, before func(op, name string)) {
	p.now = now
	p.dial = func(ctx context.Context, r *config.Remote, log *slog.Logger) (Remote, error) {
		session, err := DialRemote(ctx, r, log)
		if err != nil {
			return nil, err
		}
		return hooked{session, before}, nil
	}
}

type hooked struct {
	Remote
	before func(op, name string)
}

func (h hooked) List(ctx context.Context, folder string) ([]RemoteFile, error) {
	h.before("list", folder)
	return h.Remote.List(ctx, folder)
}

func (h hooked) Stat(ctx context.Context, name string) (RemoteFile, error) {
	h.before("stat", name)
	return h.Remote.Stat(ctx, name)
}

func (h hooked) Read(ctx context.Context, name string, at int64, take func([]byte) error) error {
	h.before("open", name)
	return h.Remote.Read(ctx, name, at, func(p []byte) error {
		h.before("read", name)
		return take(p)
	})
}

func (h hooked) Remove(ctx context.Context, name string) error {
	h.before("remove", name)
	return h.Remote.Remove(ctx, name)
}

// Waiting says how many remotes wait for a seat.
func Waiting(p *Poller) int64 { return p.queue.Load() }

// LoginCallbacks are those of a connection from an address, for tests that call them in an order that no client library does.
func LoginCallbacks(ctx context.Context, s *SFTP, addr netip.Addr) *ssh.ServerConfig {
	return s.serverConfig(ctx, &connection{addr: addr})
}

// GuestOf is who was let in.
func GuestOf(p *ssh.Permissions) (Guest, bool) {
	if p == nil {
		return Guest{}, false
	}
	guest, ok := p.ExtraData[guestKey{}].(Guest)
	return guest, ok
}

// AskedAtOnce is how many pieces a download asks for before any has come.
const AskedAtOnce = firstAhead / pieceSize
