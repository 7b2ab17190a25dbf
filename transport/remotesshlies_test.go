package transport

import (
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/crypto/ssh"
)

func TestRemoteListingTooLongSFTP(t *testing.T) {
	l, r := openSSHLiar(t, "long listing")
	l.set(func() { l.names = slices.Repeat([]string{"n"}, 5000) })
	files, err := r.List(t.Context(), "")
	failed(t, err, stepList, "more than 100,000 names")
	if files != nil {
		t.Errorf("%d files of a listing that failed", len(files))
	}
	l, r = openSSHLiar(t, "")
	l.set(func() { l.names = slices.Repeat([]string{"n"}, 5000) })
	for range 25 { // the bound is that of one listing
		if files, err := r.List(t.Context(), ""); err != nil || len(files) != 5000 {
			t.Fatalf("%d files, %v", len(files), err)
		}
	}
}

// TestRemoteOKForNothing: "OK" is no answer to a request that asks for something. The library takes it for one, and hands on
// a piece that is not there, a listing that has ended, or nil.
func TestRemoteOKForNothing(t *testing.T) {
	const open, read, lstat, opendir, readdir, stat = 3, 5, 7, 11, 12, 17
	nothing := func([]byte) error { return nil }
	for name, c := range map[string]struct {
		request byte
		op      func(r Remote) error
	}{
		"read":            {read, func(r Remote) error { return r.Read(t.Context(), "pain.xml", 0, nothing) }},
		"open":            {open, func(r Remote) error { return r.Read(t.Context(), "pain.xml", 0, nothing) }},
		"open to write":   {open, func(r Remote) error { return r.Store(t.Context(), "x.tmp", strings.NewReader("x")) }},
		"lstat":           {lstat, func(r Remote) error { _, err := r.Stat(t.Context(), "pain.xml"); return err }},
		"lstat to remove": {lstat, func(r Remote) error { return r.Remove(t.Context(), "pain.xml") }},
		"lstat to rename": {lstat, func(r Remote) error { return r.Rename(t.Context(), "pain.xml", "none") }},
		"opendir":         {opendir, func(r Remote) error { _, err := r.List(t.Context(), ""); return err }},
		"readdir":         {readdir, func(r Remote) error { _, err := r.List(t.Context(), ""); return err }},
		"stat":            {stat, func(r Remote) error { return r.MakeFolder(t.Context(), "a/none") }},
		"stat of stored":  {stat, func(r Remote) error { return r.Store(t.Context(), "x.tmp", strings.NewReader("x")) }},
	} {
		t.Run(name, func(t *testing.T) {
			l, r := openSSHLiar(t, "")
			l.set(func() { l.status = map[byte]uint32{c.request: 0} })
			err := c.op(r)
			var remote *RemoteError
			if !errors.As(err, &remote) || !errors.Is(err, errPacket) {
				t.Errorf("%v", err)
			}
		})
	}
	l, c := newSSHLiar(t, "")
	c.URL = strings.TrimSuffix(c.URL, "/out") // so that it asks where it is
	l.set(func() { l.status = map[byte]uint32{16: 0} })
	_, err := DialRemote(t.Context(), &c, slog.New(slog.DiscardHandler))
	failed(t, err, stepList, errPacket.Error())
}

// TestRemoteReadEndsEarly: OK in the place of a piece, in the middle of a file, loses bytes that nobody misses.
func TestRemoteReadEndsEarly(t *testing.T) {
	l, r := openSSHLiar(t, "OK mid-file")
	var got int
	err := r.Read(t.Context(), "pain.xml", 0, func(p []byte) error { got += len(p); return nil })
	failed(t, err, stepFetch, errPacket.Error())
	if got > len(l.content) {
		t.Errorf("%d bytes", got)
	}
}

// turncoat is a host key that becomes another one.
type turncoat struct{ now atomic.Pointer[ssh.Signer] }

func (k *turncoat) PublicKey() ssh.PublicKey { return (*k.now.Load()).PublicKey() }

func (k *turncoat) Sign(rand io.Reader, data []byte) (*ssh.Signature, error) {
	return (*k.now.Load()).Sign(rand, data)
}

// TestRemoteOtherKeyLater: the server must be the same one in each key exchange of a session.
func TestRemoteOtherKeyLater(t *testing.T) {
	host := &turncoat{}
	host.now.Store(new(newSigner(t, "ed25519")))
	l, c := newSSHLiar(t, "", host)
	l.set(func() { l.server.RekeyThreshold = 50_000 })
	r, err := DialRemote(t.Context(), &c, slog.New(slog.DiscardHandler))
	fine(t, err)
	defer r.Close()
	if got := fetched(t, r, "pain.xml", 0); len(got) != len(l.content) { // with the same key it may exchange at will
		t.Errorf("%d bytes", len(got))
	}
	host.now.Store(new(newSigner(t, "ed25519")))
	for range 10 { // it is the server's to choose when
		if err = r.Read(t.Context(), "pain.xml", 0, func([]byte) error { return nil }); err != nil {
			break
		}
	}
	if !errors.Is(err, errHostKey) {
		t.Errorf("another server goes on with the session: %v", err)
	}
	failed(t, err, stepHostKey, "it shows ssh-ed25519 SHA256:")
}

func TestRemoteEchoedPasswordSFTP(t *testing.T) {
	for _, password := range []string{peerPassword, strings.Repeat("Kvist-\"otter\\", 17)} {
		for _, before := range []string{"your password is ", strings.Repeat("x", 150)} {
			l, c := newSSHLiar(t, "")
			l.set(func() {
				l.server.PasswordCallback = func(ssh.ConnMetadata, []byte) (*ssh.Permissions, error) { return nil, nil }
			})
			put(t, c.PasswordFile, []byte(password+"\n"))
			r, err := DialRemote(t.Context(), &c, slog.New(slog.DiscardHandler))
			fine(t, err)
			l.set(func() { l.words, l.status = before+password, map[byte]uint32{3: 4, 11: 4, 13: 4} })
			unsaid(t, r.Read(t.Context(), "pain.xml", 0, func([]byte) error { return nil }), "Kvist")
			unsaid(t, r.Remove(t.Context(), "pain.xml"), "Kvist")
			_, err = r.List(t.Context(), "")
			unsaid(t, err, "Kvist")
			r.Close()
		}
	}
}

// TestRemoteQuestions: the password answers a question for a password, and no other.
func TestRemoteQuestions(t *testing.T) {
	for question, asked := range map[string]bool{
		"Password: ": true, "acme@files.example's password:": true, "PASSWORD": true, "Lösenord: ": true, "Losenord:": true,
		"Kennwort:": true, "Passwort für acme: ": true, "Passord:": true, "Adgangskode:": true, "Salasana:": true, "Mot de passe :": true,
		"": true, "(current) UNIX password: ": true, "Enter passphrase:": true, "acme@code.example's password: ": true,
		"One-time code: ": false, "Verification code:": false, "PASSCODE: ": false, "Enter PASSCODE:": false, "One-time password: ": false,
		"OTP:": false, "Your OTP password:": false, "Token: ": false, "New password: ": false, "Nytt lösenord: ": false, "Engångslösenord:": false,
		"Einmalpasswort:": false, "Press enter: ": false, "PIN:": false, "one time password": false, "Neues Passwort:": false, "Retype new password:": false,
	} {
		if asksPassword(question) != asked {
			t.Errorf("%q is taken for the other kind", question)
		}
	}
}

// TestRemoteWeakBeforeLogin: what legacy allows is told before a password goes over it.
func TestRemoteWeakBeforeLogin(t *testing.T) {
	l, c := newSSHLiar(t, "", newSigner(t, "rsa-2048"))
	l.set(func() {
		l.server.KeyExchanges = []string{ssh.InsecureKeyExchangeDH14SHA1}
		l.server.MACs, l.server.Ciphers = []string{ssh.HMACSHA1}, []string{ssh.InsecureCipherAES128CBC}
		l.server.PasswordCallback = func(ssh.ConnMetadata, []byte) (*ssh.Permissions, error) { return nil, errors.New("no") }
	})
	c.Legacy = []string{"diffie-hellman-group14-sha1", "aes128-cbc", "hmac-sha1"}
	said := &peerLog{}
	_, err := DialRemote(t.Context(), &c, slog.New(slog.NewTextHandler(said, nil)))
	failed(t, err, stepLogin, "")
	if text := said.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "weak algorithms: aes128-cbc, diffie-hellman-group14-sha1, hmac-sha1") {
		t.Errorf("the log: %s", text)
	}
}

// TestRemoteWeakUnused: what legacy allows and the server does not need is not told.
func TestRemoteWeakUnused(t *testing.T) {
	_, c := newSSHLiar(t, "")
	c.Legacy = []string{"diffie-hellman-group14-sha1", "aes128-cbc", "hmac-sha1", "ssh-rsa"}
	said := &peerLog{}
	r, err := DialRemote(t.Context(), &c, slog.New(slog.NewTextHandler(said, nil)))
	fine(t, err)
	r.Close()
	if text := said.String(); text != "" {
		t.Errorf("the log: %s", text)
	}
}
