package transport

import (
	"testing"

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
