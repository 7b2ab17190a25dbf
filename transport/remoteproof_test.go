package transport

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/sealgate/sealgate/config"
)

// soon is a context for what must end by itself: when it does not, the context's end is the error, and not the one wanted.
func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// TestRemoteSilentFTPS: silence in the place of each answer ends the operation, at its step.
func TestRemoteSilentFTPS(t *testing.T) {
	nothing := func([]byte) error { return nil }
	rename := func(ctx context.Context, r Remote) error { return r.Rename(ctx, "a", "b") }
	read := func(ctx context.Context, r Remote) error { return r.Read(ctx, "pain.xml", 7, nothing) }
	store := func(ctx context.Context, r Remote) error { return r.Store(ctx, "x.tmp", strings.NewReader("x")) }
	stat := func(ctx context.Context, r Remote) error { _, err := r.Stat(ctx, "pain.xml"); return err }
	list := func(ctx context.Context, r Remote) error { _, err := r.List(ctx, ""); return err }
	for _, c := range []struct {
		lie, step string
		op        func(ctx context.Context, r Remote) error
	}{
		{"silent REST", stepFetch, read},
		{"silent SIZE", stepFetch, stat},
		{"silent MDTM", stepFetch, stat},
		{"silent DELE", stepRemove, func(ctx context.Context, r Remote) error { return r.Remove(ctx, "a") }},
		{"silent RNFR", stepRename, rename},
		{"silent RNTO", stepRename, rename},
		{"silent MLSD", stepList, list},
		{"silent 226", stepList, list},
		{"silent 226", stepSend, store},
		{"silent STOR", stepSend, store},
		{"silent MKD", stepSend, func(ctx context.Context, r Remote) error { return r.MakeFolder(ctx, "a/b") }},
	} {
		t.Run(c.lie+" "+c.step, func(t *testing.T) {
			t.Parallel()
			l, r := openLiar(t, c.lie)
			l.set(func() {
				l.answer = func(verb, arg string) string {
					switch {
					case verb == "SIZE" && c.step == stepRename: // the target is not there
						return "550 no"
					case verb == "CWD" && strings.HasPrefix(arg, "/out/a"):
						return "550 no"
					}
					return ""
				}
			})
			failed(t, c.op(soon(t), r), c.step, "said nothing for 300ms")
		})
	}
}

// TestRemoteSilentQUIT: Close is a courtesy, and waits for nobody.
func TestRemoteSilentQUIT(t *testing.T) {
	_, c, _ := newLiar(t, "ftpes", "silent QUIT")
	c.Silence = time.Hour
	r, err := DialRemote(t.Context(), &c, slog.New(slog.DiscardHandler))
	fine(t, err)
	closed := make(chan error)
	go func() { closed <- r.Close() }()
	select {
	case err := <-closed:
		fine(t, err)
	case <-soon(t).Done():
		t.Fatal("it waits for an answer to QUIT")
	}
}

func TestRemoteSilentSFTP(t *testing.T) {
	nothing := func([]byte) error { return nil }
	dial := func(context.Context, Remote) error { return nil }
	stat := func(ctx context.Context, r Remote) error { _, err := r.Stat(ctx, "pain.xml"); return err }
	list := func(ctx context.Context, r Remote) error { _, err := r.List(ctx, ""); return err }
	store := func(ctx context.Context, r Remote) error { return r.Store(ctx, "x.tmp", strings.NewReader("x")) }
	read := func(ctx context.Context, r Remote) error { return r.Read(ctx, "pain.xml", 7, nothing) }
	for _, c := range []struct {
		name    string
		request byte
		step    string
		op      func(ctx context.Context, r Remote) error
	}{
		{"subsystem", 0, stepLogin, dial}, {"version", 1, stepLogin, dial}, {"stat of the folder", 17, stepList, dial},
		{"open", 3, stepFetch, read}, {"read", 5, stepFetch, read}, {"lstat", 7, stepFetch, stat},
		{"opendir", 11, stepList, list}, {"readdir", 12, stepList, list},
		{"open to write", 3, stepSend, store}, {"write", 6, stepSend, store}, {"close", 4, stepSend, store},
		{"rename", 18, stepRename, func(ctx context.Context, r Remote) error { return r.Rename(ctx, "pain.xml", "none") }},
		{"remove", 13, stepRemove, func(ctx context.Context, r Remote) error { return r.Remove(ctx, "pain.xml") }},
		{"mkdir", 14, stepSend, func(ctx context.Context, r Remote) error { return r.MakeFolder(ctx, "none") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l, remote := newSSHLiar(t, "silent "+c.name)
			l.set(func() { l.silent = c.request })
			ctx := soon(t)
			r, err := DialRemote(ctx, &remote, slog.New(slog.DiscardHandler))
			if err == nil {
				defer r.Close()
				err = c.op(ctx, r)
			}
			failed(t, err, c.step, "said nothing for 300ms")
		})
	}
}

// TestRemotePinOnResumedSession: a handshake that resumes a session checks no chain, so the pin must be looked at there too.
func TestRemotePinOnResumedSession(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		l, c, ca := newLiar(t, "ftps", "")
		l.set(func() { l.cert = l.cert.Clone(); l.cert.MaxVersion = version })
		first, err := tlsConfig(&c)
		fine(t, err)
		_, _, c.Trust.Pin = ca.issue(t, "another")
		second, err := tlsConfig(&c)
		fine(t, err)
		second.ClientSessionCache = first.ClientSessionCache
		address := strings.TrimSuffix(strings.TrimPrefix(c.URL, "ftps://"), "/out")
		greeted := func(config *tls.Config) error {
			conn, err := tls.Dial("tcp", address, config)
			if err == nil {
				defer conn.Close()
				_, err = conn.Read(make([]byte, 1)) // the ticket comes with it
			}
			return err
		}
		fine(t, greeted(first))
		resumed, verify := false, second.VerifyConnection
		second.VerifyConnection = func(state tls.ConnectionState) error { resumed = state.DidResume; return verify(state) }
		if err := greeted(second); !errors.Is(err, errPin) || !resumed {
			t.Errorf("%s: %v, resumed %t", tls.VersionName(version), err, resumed)
		}
	}
}

// TestRemoteNoREST: where a download cannot go on, the server's no is told, and it can begin again.
func TestRemoteNoREST(t *testing.T) {
	l, r := openLiar(t, "")
	l.set(func() { l.answer = func(verb, _ string) string { return map[string]string{"REST": "502 what"}[verb] } })
	for range 2 {
		err := r.Read(t.Context(), "pain.xml", 7, func([]byte) error { t.Error("took bytes of another place"); return nil })
		failed(t, err, stepFetch, "502")
		if !alive(err) {
			t.Errorf("a plain no is taken for a lost session: %v", err)
		}
		if got := fetched(t, r, "pain.xml", 0); !bytes.Equal(got, l.content) {
			t.Errorf("%d bytes", len(got))
		}
	}
}

// TestRemoteGibibyte reads a file of 1 GiB, with something in it here and there.
func TestRemoteGibibyte(t *testing.T) {
	if testing.Short() {
		t.Skip("it reads two GiB")
	}
	const size = 1 << 30
	for name, open := range map[string]func(t testing.TB) *peer{
		"vsftpd":  func(t testing.TB) *peer { return newVsftpd(t, config.SchemeFTPES) },
		"openssh": func(t testing.TB) *peer { return newOpenSSH(t) },
	} {
		t.Run(name, func(t *testing.T) {
			p := open(t)
			file, err := os.Create(filepath.Join(p.dir, "large.xml"))
			fine(t, err)
			defer file.Close()
			fine(t, file.Truncate(size))
			fine(t, file.Chmod(0o644))
			for at := int64(0); at < size; at += 37 << 20 {
				_, err := file.WriteAt(noise(int(at>>20)+100), at)
				fine(t, err)
			}
			want, got := sha256.New(), sha256.New()
			_, err = io.Copy(want, file)
			fine(t, err)
			n := int64(0)
			fine(t, p.dial(t, 0).Read(t.Context(), "large.xml", 0, func(b []byte) error { n += int64(len(b)); got.Write(b); return nil }))
			if n != size || !bytes.Equal(got.Sum(nil), want.Sum(nil)) {
				t.Errorf("%d bytes, and not those of the file", n)
			}
		})
	}
}

// TestRemoteLatin1AtPyftpd: pyftpdlib lists a name that is not UTF-8 as another name, under which it has no file. So it can be
// listed and not fetched, and nothing happens to it.
func TestRemoteLatin1AtPyftpd(t *testing.T) {
	p := newPyftpd(t, config.SchemeFTPES)
	const name = "l\xf6ner.xml"
	p.seed(t, name, []byte("pay"), time.Now())
	r := p.dial(t, 0)
	files, err := r.List(t.Context(), "")
	fine(t, err)
	if len(files) != 1 || files[0].Name == name {
		t.Fatalf("%+v: it can be told, so try it with the other servers' names", files)
	}
	for _, name := range []string{name, files[0].Name} {
		if err := r.Read(t.Context(), name, 0, func([]byte) error { return nil }); err == nil {
			t.Errorf("%q was read", name)
		}
		if err := r.Remove(t.Context(), name); err == nil {
			t.Errorf("%q was removed", name)
		}
	}
	if _, err := os.Stat(filepath.Join(p.dir, name)); err != nil {
		t.Error(err)
	}
}

// TestRemoteTwoSessions: each session must resume its own TLS session on its data connections, or proftpd refuses them.
func TestRemoteTwoSessions(t *testing.T) {
	p := newProftpd(t, config.SchemeFTPES)
	content := noise(100_000)
	p.seed(t, "pain.xml", content, time.Now())
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		sessions := []Remote{p.dial(t, version), p.dial(t, version)}
		for range 3 {
			for _, r := range sessions {
				if got := fetched(t, r, "pain.xml", 0); !bytes.Equal(got, content) {
					t.Errorf("%d bytes", len(got))
				}
				files, err := r.List(t.Context(), "")
				if err != nil || len(files) != 1 {
					t.Errorf("%+v, %v", files, err)
				}
			}
		}
	}
}

// TestRemoteSystemCA: the system's certificates are read once in a process, so a child with others logs in.
func TestRemoteSystemCA(t *testing.T) {
	if address := os.Getenv("SEALGATE_TEST_SYSTEM_CA"); address != "" {
		c := remoteTo(t, "ftpes", address, "/out", config.Trust{CA: "system"})
		r, err := DialRemote(t.Context(), &c, slog.New(slog.DiscardHandler))
		fine(t, err)
		fine(t, r.Close())
		return
	}
	l, c, ca := newLiar(t, "ftpes", "")
	_, address, _ := c.Server()
	for file, trusted := range map[string]bool{ca.ca: true, newAuthority(t).ca: false} {
		child := exec.CommandContext(soon(t), os.Args[0], "-test.run", "^TestRemoteSystemCA$", "-test.v")
		child.Env = append(os.Environ(), "SEALGATE_TEST_SYSTEM_CA="+address, "SSL_CERT_FILE="+file, "SSL_CERT_DIR="+t.TempDir())
		if out, err := child.CombinedOutput(); (err == nil) != trusted || !strings.Contains(string(out), "=== RUN") {
			t.Errorf("%v: %s", err, out)
		}
	}
	if n := strings.Count(l.commands(), "PASS"); n != 1 {
		t.Errorf("the password came %d times", n)
	}
}

// TestRemoteClientCertificateAtProftpd: the certificate that it trusts is shown to it, with a key that has a passphrase.
func TestRemoteClientCertificateAtProftpd(t *testing.T) {
	ours, strangers := newAuthority(t), newAuthority(t)
	for _, scheme := range []string{config.SchemeFTPES, config.SchemeFTPS} {
		p := newProftpd(t, scheme, "TLSVerifyClient on", "TLSCACertificateFile "+ours.ca)
		p.seed(t, "pain.xml", []byte("pay"), time.Now())
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			p.config.ClientCertificate, p.config.KeyFile, p.config.PassphraseFile = "", "", ""
			_, err := dialUpTo(t, &p.config, version)
			failed(t, err, stepTLS, "")
			p.config.ClientCertificate, p.config.KeyFile, _ = strangers.issue(t, "stranger")
			_, err = dialUpTo(t, &p.config, version)
			failed(t, err, stepTLS, "")
			p.config.ClientCertificate, p.config.KeyFile, _ = ours.issue(t, "sealgate")
			lock(t, &p.config)
			r := p.dial(t, version)
			if got := fetched(t, r, "pain.xml", 0); string(got) != "pay" {
				t.Errorf("%q", got)
			}
		}
	}
}

// lock puts a passphrase on a remote's key.
func lock(t *testing.T, r *config.Remote) {
	t.Helper()
	text, err := os.ReadFile(r.KeyFile)
	fine(t, err)
	key, err := ssh.ParseRawPrivateKey(text)
	fine(t, err)
	block, err := ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte("otter in the reeds"))
	fine(t, err)
	dir := t.TempDir()
	r.KeyFile, r.PassphraseFile = filepath.Join(dir, "locked"), filepath.Join(dir, "passphrase")
	putPEM(t, r.KeyFile, block.Type, block.Bytes)
	put(t, r.PassphraseFile, []byte("otter in the reeds\n"))
}

func TestRemoteKeyWithPassphrase(t *testing.T) {
	p := newOpenSSH(t)
	lock(t, &p.config)
	p.seed(t, "pain.xml", []byte("pay"), time.Now())
	if got := fetched(t, p.dial(t, 0), "pain.xml", 0); string(got) != "pay" {
		t.Errorf("%q", got)
	}
}

// TestRemoteKeyboardInteractiveAtOpenSSH: with PAM, as most servers ask for passwords. Its user is in a namespace's own files.
func TestRemoteKeyboardInteractiveAtOpenSSH(t *testing.T) {
	p := newPAMPeer(t)
	p.seed(t, "pain.xml", []byte("pay"), time.Now())
	if got := fetched(t, p.dial(t, 0), "pain.xml", 0); string(got) != "pay" {
		t.Errorf("%q", got)
	}
	put(t, p.config.PasswordFile, []byte("another\n"))
	_, err := DialRemote(t.Context(), &p.config, slog.New(slog.DiscardHandler))
	failed(t, err, stepLogin, "")
}

// newPAMPeer is an OpenSSH server that asks by keyboard-interactive and nothing else.
func newPAMPeer(t *testing.T) *peer {
	needRoot(t)
	needNamespaces(t)
	host := newKeyFile(t, "ed25519")
	p := &peer{dir: newServed(t), addr: "127.0.0.1:" + freePort(t), scheme: config.SchemeSFTP}
	p.config = remoteTo(t, config.SchemeSFTP, p.addr, p.dir, config.Trust{HostKey: []string{keyLine(t, host)}})
	p.config.User = "root"
	fine(t, os.MkdirAll("/run/sshd", 0o755))
	dir := t.TempDir()
	put(t, filepath.Join(dir, "shadow"), []byte("root:"+peerHash+":20000:0:99999:7:::\n"))
	put(t, filepath.Join(dir, "pam"), []byte("auth required pam_unix.so\naccount required pam_permit.so\nsession required pam_permit.so\n"))
	conf := filepath.Join(dir, "conf")
	put(t, conf, []byte(strings.Join([]string{"ListenAddress " + p.addr, "HostKey " + host, "StrictModes no", "UsePAM yes", "PidFile none",
		"PermitRootLogin yes", "PasswordAuthentication no", "PubkeyAuthentication no", "KbdInteractiveAuthentication yes",
		"AuthenticationMethods keyboard-interactive", "Subsystem sftp internal-sftp", ""}, "\n")))
	p.said = startPeer(t, p.addr, "unshare", "--mount", "sh", "-c",
		`mount --bind "$1/shadow" /etc/shadow && mount --bind "$1/pam" /etc/pam.d/sshd && exec "$2" -D -e -f "$1/conf"`,
		"sh", dir, peerBinary(t, "sshd"))
	return p
}

// TestRemoteSHA1AtOpenSSH: an old server's ssh-rsa needs the word for it, and is told.
func TestRemoteSHA1AtOpenSSH(t *testing.T) {
	host := newKeyFile(t, "rsa-3072")
	p := newOpenSSH(t, "HostKeyAlgorithms ssh-rsa", "HostKey "+host)
	p.config.Trust.HostKey = []string{keyLine(t, host)}
	onlyWithSHA1(t, &p.config, stepConnect)
}

// TestRemoteSHA1Signature: the same of our own key. OpenSSH cannot be made to say that it takes nothing else.
func TestRemoteSHA1Signature(t *testing.T) {
	l, c := newSSHLiar(t, "")
	l.set(func() {
		l.server.PasswordCallback, l.server.PublicKeyAuthAlgorithms = nil, []string{ssh.KeyAlgoRSA}
		l.server.PublicKeyCallback = func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) { return nil, nil }
	})
	c.PasswordFile, c.KeyFile = "", newKeyFile(t, "rsa-3072")
	onlyWithSHA1(t, &c, stepLogin)
}

func onlyWithSHA1(t *testing.T, c *config.Remote, step string) {
	t.Helper()
	said := &peerLog{}
	log := slog.New(slog.NewTextHandler(said, nil))
	_, err := DialRemote(t.Context(), c, log)
	failed(t, err, step, "")
	if text := said.String(); text != "" {
		t.Errorf("the log: %s", text)
	}
	c.Legacy = []string{"ssh-rsa"}
	r, err := DialRemote(t.Context(), c, log)
	fine(t, err)
	fine(t, r.Close())
	if text := said.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, `msg="weak algorithms: ssh-rsa" remote=acme-sftp`) {
		t.Errorf("the log: %s", text)
	}
}

// TestRemoteTimesUntold: a server that tells no times has none, and not the year 1970.
func TestRemoteTimesUntold(t *testing.T) {
	l, r := openSSHLiar(t, "no times")
	f, err := r.Stat(t.Context(), "pain.xml")
	if want := (RemoteFile{Name: "pain.xml", Size: int64(len(l.content))}); err != nil || f != want {
		t.Errorf("%+v, %v", f, err)
	}
	_, r = openSSHLiar(t, "")
	if f, err = r.Stat(t.Context(), "pain.xml"); err != nil || !f.Exact || f.Time.IsZero() {
		t.Errorf("%+v, %v", f, err)
	}
}
