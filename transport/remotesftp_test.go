package transport

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

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
		{"twice", stepFetch, errPacket.Error()},
		{"nothing", stepFetch, "more than an answer"},
	} {
		t.Run(c.lie, func(t *testing.T) {
			t.Parallel()
			l, config := newSSHLiar(t, c.lie)
			var got bytes.Buffer
			r, err := DialRemote(soon(t), &config, slog.New(slog.DiscardHandler))
			if err == nil {
				defer r.Close()
				err = r.Read(soon(t), "pain.xml", 0, func(p []byte) error { got.Write(p); return nil })
			}
			failed(t, err, c.step, c.words)
			// Who answers one of several requests under the id of another sends other bytes, which only the end can tell.
			if c.lie != "wrong id" && !bytes.HasPrefix(l.content, got.Bytes()) {
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
	for _, lie := range []string{"", "short reads", "more than asked", "limits", "limits, but short", "limits, but refuses"} {
		l, r := openSSHLiar(t, lie)
		for _, offset := range []int64{0, 1, 32768, 300_000, 300_001} {
			if got := fetched(t, r, "pain.xml", offset); !bytes.Equal(got, l.content[offset:]) {
				t.Errorf("%q from %d: %d bytes", lie, offset, len(got))
			}
		}
	}
}

// TestRemoteAnotherSize: what a file's size was only says how to ask; the server says where it ends.
func TestRemoteAnotherSize(t *testing.T) {
	for _, size := range []int{0, 1, 32 << 10, 299_999, 300_002, 900_000} {
		l, r := openSSHLiar(t, "")
		if f, err := r.Stat(t.Context(), "pain.xml"); err != nil || f.Size != 300_001 {
			t.Fatalf("%+v, %v", f, err)
		}
		l.set(func() { l.content = noise(size) })
		if got := fetched(t, r, "pain.xml", 0); !bytes.Equal(got, l.content) {
			t.Errorf("%d bytes of %d", len(got), size)
		}
	}
}

// TestRemoteRemovesNoFolder: whether or not it was asked just before what it is.
func TestRemoteRemovesNoFolder(t *testing.T) {
	const rmdir = 15
	for _, asked := range []bool{false, true} {
		l, r := openSSHLiar(t, "")
		l.set(func() { l.status = map[byte]uint32{rmdir: 0} }) // or else it would fail there
		if asked {
			f, err := r.Stat(t.Context(), "/out")
			if fine(t, err); !f.Folder {
				t.Fatalf("%+v", f)
			}
		}
		failed(t, r.Remove(t.Context(), "/out"), stepRemove, "it is a folder")
	}
}

func TestRemoteHostileNamesSFTP(t *testing.T) {
	l, r := openSSHLiar(t, "")
	hostile := []string{"../../etc/passwd", "/etc/passwd", "pain.xml/", "a\nb", "/", "a/../b"}
	l.set(func() { l.names = append(l.names, hostile...) })
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
	for lie, words := range map[string]string{"broken listing": "", "failed listing": "as you say", "endless listing": "the server sends "} {
		t.Run(lie, func(t *testing.T) {
			l, r := openSSHLiar(t, lie)
			if lie == "endless listing" {
				many := strings.Split(strings.Repeat(strings.Repeat("n", 100)+"|", 500), "|")
				l.set(func() { l.names = many })
			}
			files, err := r.List(soon(t), "")
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
		failed(t, r.Store(soon(t), "x.tmp", bytes.NewReader(noise(100))), stepSend, "")
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
		{"shown", []string{"Name: "}, []bool{true}, false, "else than a password"},
		{"two", []string{"Password: ", "Code: "}, []bool{false, false}, false, "else than a password"},
		{"a code", []string{"One-time code: "}, []bool{false}, false, "else than a password"},
		{"refused", []string{"Password: "}, []bool{false}, true, "does not take the password"},
	} {
		l, r := newSSHLiar(t, "")
		server := *l.server
		server.PasswordCallback = nil
		server.KeyboardInteractiveCallback = func(_ ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
			if _, err := ask("", "", nil, nil); err != nil {
				return nil, err
			}
			answers, err := ask("", "", c.questions, c.echo)
			if err != nil || answers[0] != peerPassword {
				return nil, errors.New("no")
			}
			if c.again {
				_, err = ask("", "", []string{"Password: "}, []bool{false})
			}
			return nil, err
		}
		l.set(func() { l.server = &server })
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

// An OpenSSH without PAM offers keyboard-interactive and refuses it before it has asked anything.
func TestRemoteRefusedUnasked(t *testing.T) {
	l, c := newSSHLiar(t, "")
	put(t, c.PasswordFile, []byte("wrong\n"))
	server := *l.server
	server.KeyboardInteractiveCallback = func(ssh.ConnMetadata, ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
		return nil, errors.New("no")
	}
	l.set(func() { l.server = &server })
	_, err := DialRemote(t.Context(), &c, slog.New(slog.DiscardHandler))
	failed(t, err, stepLogin, "login: the server does not let us in")
}

func TestRemoteLegacySSH(t *testing.T) {
	host := newSigner(t, "rsa-2048")
	l, c := newSSHLiar(t, "", host)
	l.set(func() {
		l.server.KeyExchanges = []string{ssh.InsecureKeyExchangeDH14SHA1}
		l.server.MACs, l.server.Ciphers = []string{ssh.HMACSHA1}, []string{ssh.InsecureCipherAES128CBC}
	})
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
