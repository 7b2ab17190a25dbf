package transport

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/sealgate/sealgate/config"
)

// The servers of these tests are those of Debian's packages (.ci/peers), each a child of the test on a port of its own, and
// killed by its process group.

const (
	peerUser     = "acme"
	peerPassword = "Kvist-otter-17"
	peerHash     = "$6$abc$LNxrB10DKtoCNhbB.lsAFIrOVuBLOTgWf5qHfgJhH0Cz3LUzOz7WavzCzpmGcbWh2Jq2AdaiIlxMLUDdsBlvH1"
)

// peer is a running server.
type peer struct {
	dir    string // what its URL's folder is on our disk
	addr   string
	scheme string
	config config.Remote
	said   *peerLog
	// utf8Only: names in Latin-1 cannot be used there; see TestRemoteLatin1AtPyftpd.
	utf8Only bool
	// mayEnd: it does not always answer when a transfer is broken off.
	mayEnd bool
}

// peerLog is what a server writes.
type peerLog struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *peerLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *peerLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// peerBinary finds a server, or skips; in a continuous build, a missing one is a failure.
func peerBinary(t testing.TB, name string) string {
	t.Helper()
	cache := os.Getenv("SEALGATE_PEERS")
	if cache == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			t.Fatal(err)
		}
		cache = filepath.Join(home, ".cache", "sealgate-peers")
	}
	for _, path := range []string{filepath.Join(cache, "ftpd/usr/sbin", name), filepath.Join("/usr/sbin", name), filepath.Join("/usr/bin", name)} {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	notRun(t, name+" is missing; run .ci/peers")
	return ""
}

// notRun ends a test that cannot run here. A continuous build must be able to run all of them.
func notRun(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("NOT RUN, in a continuous build: %s", why)
	}
	t.Skip("NOT RUN: " + why)
}

// needRoot: these servers change their user, as they do in life.
func needRoot(t testing.TB) {
	t.Helper()
	if os.Getuid() != 0 {
		notRun(t, "this server must be started by root")
	}
}

// start runs a server until the test ends and waits for its port.
func startPeer(t testing.TB, addr string, name string, args ...string) *peerLog {
	t.Helper()
	said := &peerLog{}
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = said, said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	gone := make(chan struct{})
	go func() { cmd.Wait(); close(gone) }()
	t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-gone
		if t.Failed() {
			t.Logf("%s said:\n%.4000s", filepath.Base(name), said)
		}
	})
	tick, late := time.NewTicker(20*time.Millisecond), time.After(30*time.Second)
	defer tick.Stop()
	for {
		if conn, err := net.Dial("tcp", addr); err == nil {
			conn.Close()
			return said
		}
		select {
		case <-gone:
			t.Fatalf("%s ended: %s", name, said)
		case <-late:
			t.Fatalf("%s does not listen: %s", name, said)
		case <-tick.C:
		}
	}
}

// freePort is a port for a server of its own to bind. It lies below those that the system gives to connections, of which one
// could come to have it before the server does.
func freePort(t testing.TB) string {
	t.Helper()
	for range 100 {
		port := strconv.Itoa(10_000 + rand.IntN(22_000))
		if l, err := net.Listen("tcp", ":"+port); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return ""
}

// newServed is a folder that any server may write to.
func newServed(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	fine(t, os.Chmod(filepath.Dir(dir), 0o755)) // its own user goes through it
	fine(t, os.Chmod(dir, 0o777))
	return dir
}

// remoteTo is the configuration for a server.
func remoteTo(t testing.TB, scheme, addr, folder string, trust config.Trust) config.Remote {
	t.Helper()
	password := filepath.Join(t.TempDir(), "password")
	put(t, password, []byte(peerPassword+"\n"))
	return config.Remote{
		Name: "acme-" + scheme, URL: scheme + "://" + addr + folder, User: peerUser, PasswordFile: password,
		Trust: trust, Silence: 20 * time.Second,
	}
}

func newFTPPeer(t testing.TB, scheme string, trust *authority) *peer {
	t.Helper()
	p := &peer{dir: newServed(t), addr: "127.0.0.1:" + freePort(t), scheme: scheme}
	p.config = remoteTo(t, scheme, p.addr, "/", config.Trust{CA: trust.ca})
	return p
}

func (p *peer) port() string { _, port, _ := net.SplitHostPort(p.addr); return port }

// vsftpd with what it does by default: data connections must resume the control connection's TLS session.
func newVsftpd(t testing.TB, scheme string) *peer {
	binary := peerBinary(t, "vsftpd")
	needRoot(t)
	ca := newAuthority(t)
	cert, key, _ := ca.issue(t, "vsftpd")
	p := newFTPPeer(t, scheme, ca)
	p.config.User = "anonymous" // its other logins are the machine's
	root := p.dir               // which vsftpd does not want writable
	fine(t, os.Chmod(root, 0o755))
	p.dir = filepath.Join(root, "acme")
	fine(t, os.Mkdir(p.dir, 0o777))
	fine(t, os.Chmod(p.dir, 0o777))
	p.config.URL += "acme"
	implicit := "NO"
	if scheme == config.SchemeFTPS {
		implicit = "YES"
	}
	conf := filepath.Join(ca.dir, "vsftpd.conf")
	put(t, conf, []byte(strings.Join([]string{
		"listen=YES", "listen_address=127.0.0.1", "listen_port=" + p.port(), "background=NO", "seccomp_sandbox=NO",
		"anonymous_enable=YES", "local_enable=NO", "write_enable=YES", "anon_upload_enable=YES", "anon_mkdir_write_enable=YES",
		"anon_other_write_enable=YES", "anon_world_readable_only=NO", "anon_root=" + root, "anon_umask=022", "ftp_username=daemon", // nobody has no home
		"secure_chroot_dir=" + t.TempDir(), "xferlog_enable=NO", "hide_ids=YES",
		"ssl_enable=YES", "allow_anon_ssl=YES", "force_anon_logins_ssl=YES", "force_anon_data_ssl=YES", "require_ssl_reuse=YES",
		"ssl_ciphers=HIGH", "rsa_cert_file=" + cert, "rsa_private_key_file=" + key, "implicit_ssl=" + implicit, "",
	}, "\n")))
	p.said = startPeer(t, p.addr, binary, conf)
	return p
}

// newProftpd serves FTPS, or, with the scheme sftp, SFTP with passwords. As vsftpd, it wants TLS sessions to be resumed.
func newProftpd(t testing.TB, scheme string, options ...string) *peer {
	binary := peerBinary(t, "proftpd")
	needRoot(t)
	ca := newAuthority(t)
	cert, key, _ := ca.issue(t, "proftpd")
	p := newFTPPeer(t, scheme, ca)
	users := filepath.Join(ca.dir, "users")
	put(t, users, []byte(fmt.Sprintf("%s:%s:65534:65534::%s:/bin/sh\n", peerUser, peerHash, p.dir)))
	lines := []string{
		"ServerType standalone", "DefaultAddress 127.0.0.1", "Port " + p.port(), "User nobody", "Group nogroup", "UseIPv6 off",
		"ModulePath " + filepath.Join(filepath.Dir(binary), "../lib/proftpd"), "LoadModule mod_tls.c", "LoadModule mod_sftp.c",
		"AuthOrder mod_auth_file.c", "AuthUserFile " + users, "RequireValidShell off", "UseReverseDNS off", "WtmpLog off",
		"DelayEngine off", "PidFile " + filepath.Join(ca.dir, "pid"), "ScoreboardFile " + filepath.Join(ca.dir, "scoreboard"),
		"SystemLog none", "TransferLog none", "DefaultRoot ~", "AllowOverwrite on", "AllowStoreRestart on",
		"AllowRetrieveRestart on", "MaxInstances 30", "<Limit ALL>", "AllowAll", "</Limit>",
	}
	if scheme == config.SchemeSFTP {
		host := newKeyFile(t, "rsa-3072")
		lines = append(lines, "SFTPEngine on", "SFTPHostKey "+host, "SFTPAuthMethods password")
		p.config.Trust = config.Trust{HostKey: []string{keyLine(t, host)}}
	} else {
		lines = append(lines, "TLSEngine on", "TLSRequired on", "TLSProtocol TLSv1.2 TLSv1.3", "TLSLog "+filepath.Join(ca.dir, "tls.log"),
			"TLSECCertificateFile "+cert, "TLSECCertificateKeyFile "+key)
		if scheme == config.SchemeFTPS {
			lines = append(lines, "TLSOptions UseImplicitSSL")
		}
	}
	conf := filepath.Join(ca.dir, "proftpd.conf")
	lines = append(lines, options...)
	put(t, conf, []byte(strings.Join(lines, "\n")+"\n"))
	p.said = startPeer(t, p.addr, binary, "-n", "-c", conf)
	return p
}

// newPureFTPd has no implicit TLS.
func newPureFTPd(t testing.TB, scheme string) *peer {
	binary := peerBinary(t, "pure-ftpd")
	needRoot(t)
	ca := newAuthority(t)
	cert, key, _ := ca.issue(t, "pure-ftpd")
	p := newFTPPeer(t, scheme, ca)
	p.mayEnd = true
	both := filepath.Join(ca.dir, "both.pem")
	a, err := os.ReadFile(key)
	fine(t, err)
	b, err := os.ReadFile(cert)
	fine(t, err)
	put(t, both, append(a, b...))
	users := filepath.Join(ca.dir, "users")
	put(t, users, []byte(fmt.Sprintf("%s:%s:65534:65534::%s/./::::::::::::\n", peerUser, peerHash, p.dir)))
	tool := exec.Command(filepath.Join(filepath.Dir(binary), "../bin/pure-pw"), "mkdb", users+".pdb", "-f", users)
	if out, err := tool.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	p.said = startPeer(t, p.addr, binary, "-S", "127.0.0.1,"+p.port(), "-l", "puredb:"+users+".pdb", "-Y", "3", "-2", both,
		"-A", "-E", "-H", "-u", "1", "-g", filepath.Join(ca.dir, "pid"), "-L", "20000:10")
	return p
}

const pyftpd = `
import sys
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import TLS_FTPHandler
from pyftpdlib.servers import FTPServer
port, root, pem, user, password, implicit = sys.argv[1:7]
class Handler(TLS_FTPHandler):
    def handle(self):
        if implicit == "ftps":
            self.secure_connection(self.ssl_context)
        super().handle()
Handler.authorizer = DummyAuthorizer()
Handler.authorizer.add_user(user, password, root, perm="elradfmwMT")
Handler.certfile = pem
Handler.tls_control_required = Handler.tls_data_required = True
FTPServer(("127.0.0.1", int(port)), Handler).serve_forever()
`

func newPyftpd(t testing.TB, scheme string) *peer {
	binary := peerBinary(t, "python3")
	if err := exec.Command(binary, "-c", "import pyftpdlib.handlers, OpenSSL").Run(); err != nil {
		notRun(t, "python3-pyftpdlib is missing; run .ci/peers")
	}
	ca := newAuthority(t)
	cert, key, _ := ca.issue(t, "pyftpd")
	p := newFTPPeer(t, scheme, ca)
	p.utf8Only = true
	both := filepath.Join(ca.dir, "both.pem")
	a, err := os.ReadFile(key)
	fine(t, err)
	b, err := os.ReadFile(cert)
	fine(t, err)
	put(t, both, append(a, b...))
	p.said = startPeer(t, p.addr, binary, "-c", pyftpd, p.port(), p.dir, both, peerUser, peerPassword, scheme)
	return p
}

func keyLine(t testing.TB, file string) string {
	t.Helper()
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signerOf(t, file).PublicKey())))
}

func signerOf(t testing.TB, file string) ssh.Signer {
	t.Helper()
	text, err := os.ReadFile(file)
	fine(t, err)
	signer, err := ssh.ParsePrivateKey(text)
	fine(t, err)
	return signer
}

// newSSHPeer is the part that sshd and dropbear share: log in with a key as the user who runs the test, in a folder of the
// whole machine.
func newSSHPeer(t testing.TB, host string) (p *peer, key string) {
	t.Helper()
	p = &peer{dir: newServed(t), addr: "127.0.0.1:" + freePort(t), scheme: config.SchemeSFTP}
	p.config = remoteTo(t, config.SchemeSFTP, p.addr, p.dir, config.Trust{HostKey: []string{keyLine(t, host)}})
	key = newKeyFile(t, "ed25519")
	p.config.KeyFile, p.config.PasswordFile = key, ""
	return p, key
}

func newOpenSSH(t testing.TB, options ...string) *peer {
	binary := peerBinary(t, "sshd")
	host := newKeyFile(t, "ed25519")
	p, key := newSSHPeer(t, host)
	p.config.User = os.Getenv("USER")
	if os.Getuid() == 0 {
		p.config.User = "root"
		fine(t, os.MkdirAll("/run/sshd", 0o755))
	}
	dir := t.TempDir()
	put(t, filepath.Join(dir, "keys"), []byte(keyLine(t, key)+"\n"))
	conf := filepath.Join(dir, "conf")
	put(t, conf, []byte(strings.Join(append(options, "ListenAddress "+p.addr, "HostKey "+host, "AuthorizedKeysFile "+filepath.Join(dir, "keys"),
		"StrictModes no", "UsePAM no", "PidFile none", "PermitRootLogin yes", "PasswordAuthentication no", "Subsystem sftp internal-sftp", ""), "\n")))
	p.said = startPeer(t, p.addr, binary, "-D", "-e", "-f", conf)
	return p
}

// newDropbear runs in a mount namespace in which /etc/passwd gives the user a home of the test's own, since Dropbear reads
// authorised keys from nowhere else.
func newDropbear(t testing.TB) *peer {
	binary := peerBinary(t, "dropbear")
	needRoot(t)
	host := newKeyFile(t, "ecdsa")
	p, key := newSSHPeer(t, host)
	p.config.User = "root"
	home, err := os.MkdirTemp("/root", ".sealgate-test-") // Dropbear wants no folder above the keys to be anybody's
	fine(t, err)
	t.Cleanup(func() { os.RemoveAll(home) })
	fine(t, os.Mkdir(filepath.Join(home, ".ssh"), 0o700))
	put(t, filepath.Join(home, ".ssh", "authorized_keys"), []byte(keyLine(t, key)+"\n"))
	put(t, filepath.Join(home, "passwd"), []byte("root:x:0:0:root:"+home+":/bin/sh\n"))
	converted := filepath.Join(home, "host")
	convert := exec.Command(peerBinary(t, "dropbearconvert"), "openssh", "dropbear", host, converted)
	if out, err := convert.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	needNamespaces(t)
	p.said = startPeer(t, p.addr, "unshare", "--mount", "sh", "-c",
		`mount --bind "$1/passwd" /etc/passwd && exec "$2" -F -E -s -p "$3" -r "$1/host" -P "$1/pid"`, "sh", home, binary, p.addr)
	return p
}

// needNamespaces: these servers read files at fixed places, where others are mounted for them alone.
func needNamespaces(t testing.TB) {
	t.Helper()
	if err := exec.Command("unshare", "--mount", "true").Run(); err != nil {
		notRun(t, "no mount namespaces here")
	}
}

// dial opens a session, at TLS 1.2 at most if so wanted.
func (p *peer) dial(t testing.TB, most uint16) Remote {
	t.Helper()
	r, err := dialUpTo(t, &p.config, most)
	if err != nil {
		t.Fatalf("%s: %v", p.config.URL, err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func dialUpTo(t testing.TB, r *config.Remote, most uint16) (Remote, error) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	if most == 0 {
		return DialRemote(t.Context(), r, log)
	}
	c, err := tlsConfig(r)
	fine(t, err)
	c.MaxVersion = most
	f := newFTPS(r, c, log)
	if err := f.connect(t.Context()); err != nil {
		return nil, err
	}
	if err := f.login(t.Context(), r); err != nil {
		return nil, err
	}
	if f.state.Version != most {
		t.Errorf("it is %s", tls.VersionName(f.state.Version))
	}
	return f, nil
}
