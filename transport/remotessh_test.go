package transport

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/sealgate/sealgate/config"
)

// sshLiar is an SFTP server, written out to the packet, that lies in one way.
type sshLiar struct {
	lie     string
	server  *ssh.ServerConfig
	content []byte
	names   []string
	hold    chan struct{}

	mu     sync.Mutex
	logins int
}

func newSSHLiar(t testing.TB, lie string, hosts ...ssh.Signer) (*sshLiar, config.Remote) {
	t.Helper()
	l := &sshLiar{lie: lie, content: noise(300_001), hold: make(chan struct{}), names: []string{".", "..", "pain.xml"}}
	l.server = &ssh.ServerConfig{PasswordCallback: func(_ ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
		l.mu.Lock()
		l.logins++
		l.mu.Unlock()
		if string(password) != peerPassword {
			return nil, errors.New("no")
		}
		if l.lie == "silent login" {
			<-l.hold
		}
		return nil, nil
	}}
	if len(hosts) == 0 {
		hosts = append(hosts, newSigner(t, "ed25519"))
	}
	for _, host := range hosts {
		l.server.AddHostKey(host)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	fine(t, err)
	var running sync.WaitGroup
	t.Cleanup(func() { listener.Close(); close(l.hold); running.Wait() })
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() { defer conn.Close(); l.serve(conn) })
		}
	})
	line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(hosts[len(hosts)-1].PublicKey())))
	r := remoteTo(t, "sftp", listener.Addr().String(), "/out", config.Trust{HostKey: []string{line}})
	r.Silence = 300 * time.Millisecond
	return l, r
}

func (l *sshLiar) tries() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.logins
}

func (l *sshLiar) serve(conn net.Conn) {
	switch l.lie {
	case "silent greeting":
		<-l.hold
		return
	case "silent key exchange":
		fmt.Fprint(conn, "SSH-2.0-liar\r\n")
		<-l.hold
		return
	case "chatty greeting":
		for {
			if _, err := fmt.Fprint(conn, "hello\r\n"); err != nil {
				return
			}
		}
	}
	session, channels, requests, err := ssh.NewServerConn(conn, l.server)
	if err != nil {
		return
	}
	defer session.Close()
	go ssh.DiscardRequests(requests)
	for request := range channels {
		if l.lie == "silent channel" {
			<-l.hold
			return
		}
		channel, requests, err := request.Accept()
		if err != nil {
			return
		}
		go func() {
			for r := range requests {
				r.Reply(l.lie != "no sftp", nil)
			}
		}()
		fmt.Fprint(channel.Stderr(), strings.Repeat("noise on stderr\n", 100_000/16))
		l.packets(channel, conn)
	}
}

func lengths(parts ...any) []byte {
	var b []byte
	for _, part := range parts {
		switch p := part.(type) {
		case byte:
			b = append(b, p)
		case uint32:
			b = binary.BigEndian.AppendUint32(b, p)
		case uint64:
			b = binary.BigEndian.AppendUint64(b, p)
		case string:
			b = append(binary.BigEndian.AppendUint32(b, uint32(len(p))), p...)
		case []byte:
			b = append(b, p...)
		}
	}
	return b
}

func (l *sshLiar) packets(channel ssh.Channel, conn net.Conn) {
	defer channel.Close()
	listed := false
	for {
		var size uint32
		if binary.Read(channel, binary.BigEndian, &size) != nil {
			return
		}
		packet := make([]byte, size)
		if _, err := io.ReadFull(channel, packet); err != nil {
			return
		}
		id := packet[1:5]
		attrs := func(mode uint32, n uint64) []byte {
			return lengths(uint32(1|4|8), n, mode, uint32(1), uint32(1_763_622_489))
		}
		status := func(code uint32) []byte { return lengths(byte(101), id, code, "as you say", "") }
		var reply []byte
		switch packet[0] {
		case 1: // INIT
			reply = lengths(byte(2), uint32(3))
		case 3: // OPEN
			reply = lengths(byte(102), id, "h")
		case 4: // CLOSE
			reply, listed = status(0), false
		case 5: // READ
			handle := binary.BigEndian.Uint32(packet[5:])
			at := packet[9+handle:]
			offset, n := binary.BigEndian.Uint64(at), binary.BigEndian.Uint32(at[8:])
			if reply = l.read(int(offset), int(n), id); reply == nil {
				return
			}
			if offset > 100_000 {
				switch l.lie {
				case "silent mid-file":
					<-l.hold
					return
				case "cut":
					conn.Close()
					return
				case "cut within a packet":
					channel.Write(lengths(uint32(len(reply)), reply[:20]))
					conn.Close()
					return
				case "channel closed":
					return
				case "error":
					reply = status(4)
				case "huge":
					reply = lengths(uint32(1<<31), reply)
				case "wrong id":
					reply[4]++
				case "short":
					reply = reply[:6]
				}
			}
		case 6: // WRITE
			reply = status(0)
			if l.lie == "end of file for a write" {
				reply = status(1)
			}
			if l.lie == "closes on a write" {
				return
			}
		case 7, 17: // LSTAT, STAT
			name := string(packet[9:])
			reply = lengths(byte(105), id, attrs(0o100644, uint64(len(l.content))))
			if name == "/out" {
				reply = lengths(byte(105), id, attrs(0o040755, 0))
			}
			if strings.HasSuffix(name, "none") {
				reply = status(2)
			}
		case 11: // OPENDIR
			reply = lengths(byte(102), id, "d")
		case 12: // READDIR
			reply = status(1)
			if !listed {
				reply = lengths(byte(104), id, uint32(len(l.names)))
				for _, name := range l.names {
					reply = append(reply, lengths(name, "-rw-r--r-- "+name, attrs(0o100644, 3))...)
				}
				if l.lie == "broken listing" {
					reply = reply[:len(reply)-3]
				}
			}
			listed = l.lie != "endless listing"
			if l.lie == "failed listing" && listed {
				listed, reply = true, status(4)
			}
		default:
			reply = status(8)
		}
		if _, err := channel.Write(append(lengths(uint32(len(reply))), reply...)); err != nil {
			return
		}
	}
}

func (l *sshLiar) read(offset, n int, id []byte) []byte {
	if offset >= len(l.content) {
		return lengths(byte(101), id, uint32(1), "end", "")
	}
	piece := l.content[offset:min(offset+n, len(l.content))]
	switch l.lie {
	case "short reads":
		piece = piece[:min(len(piece), 20_000)]
	case "nothing":
		piece = nil
	case "more than asked":
		if len(piece) < n {
			break // it would be as much as was asked for
		}
		piece = append(bytes.Clone(piece), noise(1000)...)
	}
	return lengths(byte(103), id, string(piece))
}

// TestRemoteLyingSFTP: as for FTPS.
func TestRemoteLyingSFTP(t *testing.T) {
	const silence = "said nothing for 300ms"
	for _, c := range []struct{ lie, step, words string }{
		{"silent greeting", stepConnect, silence},
		{"silent key exchange", stepConnect, silence},
		{"chatty greeting", stepConnect, ""},
		{"silent login", stepLogin, silence},
		{"silent channel", stepLogin, silence},
		{"no sftp", stepLogin, "does not serve sftp"},
		{"silent mid-file", stepFetch, silence},
		{"cut", stepFetch, "closed the connection"},
		{"cut within a packet", stepFetch, "closed the connection"},
		{"channel closed", stepFetch, ""},
		{"error", stepFetch, "as you say"},
		{"huge", stepFetch, ""},
		{"wrong id", stepFetch, ""},
		{"short", stepFetch, "short"},
		{"nothing", stepFetch, "more than an answer"},
	} {
		t.Run(c.lie, func(t *testing.T) {
			t.Parallel()
			l, config := newSSHLiar(t, c.lie)
			var got bytes.Buffer
			r, err := DialRemote(t.Context(), &config, slog.New(slog.DiscardHandler))
			if err == nil {
				defer r.Close()
				err = r.Read(t.Context(), "pain.xml", 0, func(p []byte) error { got.Write(p); return nil })
			}
			failed(t, err, c.step, c.words)
			if !bytes.HasPrefix(l.content, got.Bytes()) {
				t.Error("took what was not sent in the file")
			}
		})
	}
}

func openSSHLiar(t *testing.T, lie string) (*sshLiar, Remote) {
	t.Helper()
	l, c := newSSHLiar(t, lie)
	r, err := DialRemote(t.Context(), &c, slog.New(slog.DiscardHandler))
	fine(t, err)
	t.Cleanup(func() { r.Close() })
	return l, r
}

// TestRemoteShortReads: a server that answers with fewer bytes than were asked for loses none.
func TestRemoteShortReads(t *testing.T) {
	for _, lie := range []string{"", "short reads", "more than asked"} {
		l, r := openSSHLiar(t, lie)
		for _, offset := range []int64{0, 1, 32768, 300_000, 300_001} {
			if got := fetched(t, r, "pain.xml", offset); !bytes.Equal(got, l.content[offset:]) {
				t.Errorf("%q from %d: %d bytes", lie, offset, len(got))
			}
		}
	}
}

func TestRemoteHostileNamesSFTP(t *testing.T) {
	l, r := openSSHLiar(t, "")
	hostile := []string{"../../etc/passwd", "/etc/passwd", "pain.xml/", "a\nb", "/", "a/../b"}
	l.names = append(l.names, hostile...)
	files, err := r.List(t.Context(), "")
	fine(t, err)
	var good, bad []string
	for _, f := range files {
		if f.Hostile {
			bad = append(bad, f.Name)
		} else {
			good = append(good, f.Name)
		}
	}
	if strings.Join(good, "|") != "pain.xml" || strings.Join(bad, "|") != strings.Join(hostile, "|") {
		t.Errorf("good %q, hostile %q", good, bad)
	}
}

func TestRemoteListingFailsSFTP(t *testing.T) {
	for lie, words := range map[string]string{"broken listing": "", "failed listing": "as you say", "endless listing": "more than an answer"} {
		t.Run(lie, func(t *testing.T) {
			l, r := openSSHLiar(t, lie)
			if lie == "endless listing" {
				l.names = append(l.names, strings.Split(strings.Repeat(strings.Repeat("n", 100)+"|", 500), "|")...)
			}
			files, err := r.List(t.Context(), "")
			failed(t, err, stepList, words)
			if files != nil {
				t.Errorf("%d files of a listing that failed", len(files))
			}
		})
	}
}

func TestRemoteStoreSFTPFails(t *testing.T) {
	for _, lie := range []string{"end of file for a write", "closes on a write", ""} {
		_, r := openSSHLiar(t, lie)
		failed(t, r.Store(t.Context(), "x.tmp", bytes.NewReader(noise(100))), stepSend, "")
	}
}

func TestRemoteHostKeys(t *testing.T) {
	rsa, ecdsa, ed := newSigner(t, "rsa-3072"), newSigner(t, "ecdsa"), newSigner(t, "ed25519")
	for name, pinned := range map[string]ssh.Signer{"rsa": rsa, "ecdsa": ecdsa, "ed25519": ed} {
		l, c := newSSHLiar(t, "", rsa, ecdsa, ed) // it would show ed25519
		for _, trust := range []string{string(ssh.MarshalAuthorizedKey(pinned.PublicKey())), ssh.FingerprintSHA256(pinned.PublicKey())} {
			c.Trust.HostKey = []string{strings.TrimSpace(trust)}
			r, err := DialRemote(t.Context(), &c, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Errorf("%s as %.20s: %v", name, trust, err)
				continue
			}
			r.Close()
		}
		before := l.tries()
		other := newSigner(t, "ed25519").PublicKey()
		for _, trust := range []string{strings.TrimSpace(string(ssh.MarshalAuthorizedKey(other))), ssh.FingerprintSHA256(other)} {
			c.Trust.HostKey = []string{trust}
			_, err := DialRemote(t.Context(), &c, slog.New(slog.DiscardHandler))
			failed(t, err, stepHostKey, "it shows ssh-ed25519 SHA256:")
			if !errors.Is(err, errHostKey) {
				t.Errorf("%v", err)
			}
		}
		if l.tries() != before {
			t.Error("a password was sent to a stranger")
		}
		seen, err := Introduce(t.Context(), &c)
		want := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(ed.PublicKey())))
		if err != nil || seen.KeyType != "ssh-ed25519" || seen.HostKey != want || seen.Fingerprint != ssh.FingerprintSHA256(ed.PublicKey()) || l.tries() != before {
			t.Errorf("%+v, %v", seen, err)
		}
	}
}

func TestRemoteKeyboardInteractive(t *testing.T) {
	for _, c := range []struct {
		name      string
		questions []string
		echo      []bool
		again     bool
		words     string
	}{
		{"password", []string{"Password: "}, []bool{false}, false, ""},
		{"shown", []string{"Name: "}, []bool{true}, false, "more than a password"},
		{"two", []string{"Password: ", "Code: "}, []bool{false, false}, false, "more than a password"},
		{"expired", []string{"Password: "}, []bool{false}, true, "does not take the password"},
	} {
		l, r := newSSHLiar(t, "")
		l.server.PasswordCallback = nil
		l.server.KeyboardInteractiveCallback = func(_ ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
			if _, err := ask("", "", nil, nil); err != nil {
				return nil, err
			}
			answers, err := ask("", "", c.questions, c.echo)
			if err != nil || answers[0] != peerPassword {
				return nil, errors.New("no")
			}
			if c.again {
				_, err = ask("", "", []string{"New password: "}, []bool{false})
			}
			return nil, err
		}
		session, err := DialRemote(t.Context(), &r, slog.New(slog.DiscardHandler))
		if c.words != "" {
			failed(t, err, stepLogin, c.words)
			continue
		}
		fine(t, err)
		session.Close()
	}
}

func TestRemoteWrongPassword(t *testing.T) {
	l, c := newSSHLiar(t, "")
	put(t, c.PasswordFile, []byte("wrong\r\nsecond line\n"))
	_, err := DialRemote(t.Context(), &c, slog.New(slog.DiscardHandler))
	failed(t, err, stepLogin, "")
	if l.tries() != 1 {
		t.Errorf("it was tried %d times", l.tries())
	}
	put(t, c.PasswordFile, []byte(peerPassword+"\r\nsecond line\n")) // read anew
	r, err := DialRemote(t.Context(), &c, slog.New(slog.DiscardHandler))
	fine(t, err)
	r.Close()
	put(t, c.PasswordFile, []byte("\n"+peerPassword))
	_, err = DialRemote(t.Context(), &c, slog.New(slog.DiscardHandler))
	failed(t, err, stepLogin, "first line is empty")
}

func TestRemoteLegacySSH(t *testing.T) {
	host := newSigner(t, "rsa-2048")
	l, c := newSSHLiar(t, "", host)
	l.server.KeyExchanges = []string{ssh.InsecureKeyExchangeDH14SHA1}
	l.server.MACs, l.server.Ciphers = []string{ssh.HMACSHA1}, []string{ssh.InsecureCipherAES128CBC}
	said := &peerLog{}
	log := slog.New(slog.NewTextHandler(said, nil))
	for _, missing := range []string{"diffie-hellman-group14-sha1", "aes128-cbc", "hmac-sha1"} {
		_, err := DialRemote(t.Context(), &c, log)
		failed(t, err, stepConnect, "if it has no better: "+missing)
		c.Legacy = append(c.Legacy, missing)
	}
	r, err := DialRemote(t.Context(), &c, log)
	fine(t, err)
	r.Close()
	if text := said.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "weak algorithms: aes128-cbc, diffie-hellman-group14-sha1, hmac-sha1") {
		t.Errorf("the log: %s", text)
	}
}

// TestRemoteCancelledSFTP: as for FTPS.
func TestRemoteCancelledSFTP(t *testing.T) {
	for _, lie := range []string{"silent greeting", "silent key exchange", "silent login", "silent channel", "silent mid-file"} {
		t.Run(lie, func(t *testing.T) {
			t.Parallel()
			_, c := newSSHLiar(t, lie)
			c.Silence = time.Hour
			ctx, cancel := context.WithCancelCause(t.Context())
			stop := errors.New("we are stopping")
			timer := time.AfterFunc(200*time.Millisecond, func() { cancel(stop) })
			defer timer.Stop()
			r, err := DialRemote(ctx, &c, slog.New(slog.DiscardHandler))
			if err == nil {
				defer r.Close()
				err = r.Read(ctx, "pain.xml", 0, func([]byte) error { return nil })
			}
			if !errors.Is(err, stop) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestCheckRemote(t *testing.T) {
	ca := newAuthority(t)
	cert, key, pin := ca.issue(t, "one")
	_, otherKey, _ := ca.issue(t, "two")
	dir := t.TempDir()
	file := func(name, text string) string {
		put(t, filepath.Join(dir, name), []byte(text))
		return filepath.Join(dir, name)
	}
	host := keyLine(t, newKeyFile(t, "ed25519"))
	lockedBlock, err := ssh.MarshalPrivateKeyWithPassphrase(mustECDSA(t), "", []byte("secret"))
	fine(t, err)
	locked := filepath.Join(dir, "locked")
	putPEM(t, locked, lockedBlock.Type, lockedBlock.Bytes)
	pass, wrong := file("pass", "secret\n"), file("wrong", "guess\n")
	sftp := func(change func(*config.Remote)) *config.Remote {
		r := &config.Remote{URL: "sftp://127.0.0.1/x", User: "u", PasswordFile: file("password", "p\n"), Trust: config.Trust{HostKey: []string{host}}}
		change(r)
		return r
	}
	ftps := func(change func(*config.Remote)) *config.Remote {
		r := sftp(func(r *config.Remote) { r.URL, r.Trust = "ftps://127.0.0.1/x", config.Trust{CA: ca.ca} })
		change(r)
		return r
	}
	for name, c := range map[string]struct {
		remote        *config.Remote
		warning, fail string
	}{
		"sftp":              {sftp(func(r *config.Remote) {}), "", ""},
		"ftps":              {ftps(func(r *config.Remote) {}), "", ""},
		"no password":       {sftp(func(r *config.Remote) { r.PasswordFile = file("none", "\n") }), "", "first line is empty"},
		"host key":          {sftp(func(r *config.Remote) { r.Trust.HostKey = []string{"ssh-ed25519 AAAA"} }), "", "trust.host_key"},
		"key":               {sftp(func(r *config.Remote) { r.KeyFile = newKeyFile(t, "ed25519") }), "", ""},
		"not a key":         {sftp(func(r *config.Remote) { r.KeyFile = pass }), "", "is not a private key"},
		"short key":         {sftp(func(r *config.Remote) { r.KeyFile = newKeyFile(t, "rsa-1024") }), "1024 bits is too short", ""},
		"locked":            {sftp(func(r *config.Remote) { r.KeyFile = locked }), "", "protected by a passphrase"},
		"unlocked":          {sftp(func(r *config.Remote) { r.KeyFile, r.PassphraseFile = locked, pass }), "", ""},
		"wrong passphrase":  {sftp(func(r *config.Remote) { r.KeyFile, r.PassphraseFile = locked, wrong }), "", "does not open"},
		"legacy":            {sftp(func(r *config.Remote) { r.Legacy = []string{"ssh-rsa", "hmac-sha1"} }), "ssh-rsa, hmac-sha1", ""},
		"unknown legacy":    {sftp(func(r *config.Remote) { r.Legacy = []string{"tls1.0"} }), "", "tls1.0 is not a weak algorithm"},
		"unknown tls":       {ftps(func(r *config.Remote) { r.Legacy = []string{"ssh-rsa"} }), "", "ssh-rsa is not known for ftps"},
		"tls":               {ftps(func(r *config.Remote) { r.Legacy = []string{"tls1.0"} }), "tls1.0", ""},
		"no ca":             {ftps(func(r *config.Remote) { r.Trust.CA = pass }), "", "no certificate"},
		"pin":               {ftps(func(r *config.Remote) { r.Trust = config.Trust{Pin: pin} }), "", ""},
		"bad pin":           {ftps(func(r *config.Remote) { r.Trust.Pin = "sha256:00" }), "", "64 hex digits"},
		"certificate":       {ftps(func(r *config.Remote) { r.ClientCertificate, r.KeyFile = cert, key }), "", ""},
		"another's key":     {ftps(func(r *config.Remote) { r.ClientCertificate, r.KeyFile = cert, otherKey }), "", "does not match"},
		"locked, unfitting": {ftps(func(r *config.Remote) { r.ClientCertificate, r.KeyFile, r.PassphraseFile = cert, locked, pass }), "", "does not match"},
		"pkcs8": {ftps(func(r *config.Remote) {
			r.ClientCertificate, r.PassphraseFile = cert, pass
			r.KeyFile = file("pkcs8", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")
		}), "", "openssl pkey"},
	} {
		warning, err := CheckRemote(c.remote)
		text := ""
		if err != nil {
			text = err.Error()
		}
		if !strings.Contains(warning, c.warning) || (warning == "") != (c.warning == "") || !strings.Contains(text, c.fail) || (text == "") != (c.fail == "") {
			t.Errorf("%s: warning %q, error %q", name, warning, text)
		}
	}
	if _, err := os.Stat(locked); err != nil {
		t.Error(err)
	}
}
