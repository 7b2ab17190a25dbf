package transport

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/config"
)

// failed checks that an error is a RemoteError of a step with these words.
func failed(t *testing.T, err error, step, words string) {
	t.Helper()
	var remote *RemoteError
	if !errors.As(err, &remote) {
		t.Fatalf("%v is no RemoteError, want %s: %s", err, step, words)
	}
	if remote.Step != step || !strings.Contains(err.Error(), words) {
		t.Errorf("%v, want %s: ...%s", err, step, words)
	}
	if text := err.Error(); strings.Contains(text, peerPassword) || strings.ContainsAny(text, "\x1b\r\n") || len(text) > 320 {
		t.Errorf("unfit for a log: %q", text)
	}
}

// TestRemoteLyingFTPS: whatever a server does, each operation ends by itself, at the right step, and nothing wrong is taken.
func TestRemoteLyingFTPS(t *testing.T) {
	const silence = "said nothing for 300ms"
	for _, c := range []struct{ lie, scheme, step, words string }{
		{"silent greeting", "ftpes", stepConnect, silence},
		{"silent greeting", "ftps", stepTLS, silence},
		{"silent AUTH", "ftpes", stepTLS, silence},
		{"silent USER", "ftpes", stepLogin, silence},
		{"silent PASS", "ftps", stepLogin, silence},
		{"silent CWD", "ftpes", stepList, silence},
		{"silent EPSV", "ftpes", stepFetch, silence},
		{"silent RETR", "ftps", stepFetch, silence},
		{"silent handshake", "ftpes", stepFetch, silence},
		{"silent mid-data", "ftpes", stepFetch, silence},
		{"silent 226", "ftpes", stepFetch, silence},
		{"echoes", "ftpes", stepLogin, "no such login: [password]"},
		{"endless", "ftpes", stepLogin, "more than an answer"},
		{"PROT", "ftpes", stepLogin, "536"},
		{"refused data", "ftpes", stepFetch, "refused"},
		{"425", "ftpes", stepFetch, "425"},
		{"clear", "ftpes", stepFetch, "does not answer in TLS"},
		{"clear", "ftps", stepFetch, "does not answer in TLS"},
		{"cut", "ftpes", stepFetch, "cut off"},
		{"reset", "ftps", stepFetch, "reset"},
		{"trickle", "ftps", stepFetch, "too slowly"},
		{"426", "ftpes", stepFetch, "426"},
		{"garbled", "ftpes", stepFetch, "what?"},
		{"hangs up", "ftpes", stepFetch, "closed the connection"},
	} {
		t.Run(c.lie+" "+c.scheme, func(t *testing.T) {
			t.Parallel()
			l, config, _ := newLiar(t, c.scheme, c.lie)
			var got bytes.Buffer
			r, err := DialRemote(soon(t), &config, slog.New(slog.DiscardHandler))
			if err == nil {
				defer r.Close()
				err = r.Read(soon(t), "pain.xml", 0, func(p []byte) error { got.Write(p); return nil })
			}
			failed(t, err, c.step, c.words)
			if !bytes.HasPrefix(l.content, got.Bytes()) {
				t.Error("took what was not sent in the file")
			}
			if c.step == stepConnect || c.step == stepTLS {
				if said := l.commands(); strings.Contains(said, "PASS") || strings.Contains(said, "USER") {
					t.Errorf("a login was sent: %s", said)
				}
			}
		})
	}
}

// openLiar dials a server that is honest enough for a login.
func openLiar(t *testing.T, lie string) (*liar, Remote) {
	t.Helper()
	l, config, _ := newLiar(t, "ftpes", lie)
	r, err := DialRemote(t.Context(), &config, slog.New(slog.DiscardHandler))
	fine(t, err)
	t.Cleanup(func() { r.Close() })
	return l, r
}

func TestRemoteHonestFTPS(t *testing.T) {
	for _, lie := range []string{"", "elsewhere", "no goodbye"} { // the latter two are odd, but nothing is wrong
		l, r := openLiar(t, lie)
		for _, offset := range []int64{0, 7} {
			if got := fetched(t, r, "pain.xml", offset); !bytes.Equal(got, l.content[offset:]) {
				t.Errorf("%q: %d bytes from %d", lie, len(got), offset)
			}
		}
		files, err := r.List(t.Context(), "")
		want := RemoteFile{Name: "pain.xml", Size: 300_000, Time: time.Date(2026, 11, 20, 7, 8, 9, 0, time.UTC), Exact: true}
		if lie == "no goodbye" {
			continue // see TestRemoteListingCut
		}
		if err != nil || len(files) != 1 || files[0] != want {
			t.Errorf("%q: %+v, %v", lie, files, err)
		}
	}
}

// TestRemoteInjected: what was said in clear before the handshake is no answer to anything after it.
func TestRemoteInjected(t *testing.T) {
	l, c, _ := newLiar(t, "ftpes", "injected")
	r, err := DialRemote(t.Context(), &c, slog.New(slog.DiscardHandler))
	if err != nil { // it came in a packet of its own
		failed(t, err, stepTLS, "")
		return
	}
	defer r.Close()
	if got := fetched(t, r, "pain.xml", 0); !bytes.Equal(got, l.content) {
		t.Errorf("%d bytes", len(got))
	}
}

func TestRemoteNoGoodbyeAndAnotherSize(t *testing.T) {
	l, r := openLiar(t, "no goodbye")
	l.set(func() { l.size++ })
	err := r.Read(t.Context(), "pain.xml", 0, func([]byte) error { return nil })
	failed(t, err, stepFetch, "cut off")
}

func TestRemoteHostileListing(t *testing.T) {
	l, r := openLiar(t, "")
	listing := ftpLine
	var want []string
	for _, name := range []string{"../../etc/passwd", "/etc/passwd", "a/b", "", "a\x1b[2J", "\x00", "tab\there", "\u0085", "l\xffx"} {
		listing += "type=file;size=1; " + name + "\r\n"
		want = append(want, name)
	}
	l.set(func() {
		l.listing = listing + "type=cdir;size=1; .\r\ntype=pdir; ..\r\ntype=dir; .\r\ntype=dir; ..\r\nwhat is this\r\ntype=file;size=-1; minus\r\ntype=OS.unix=slink:/x;size=1; link\r\n"
	})
	want = append(want, "what is this", "minus")
	files, err := r.List(t.Context(), "")
	fine(t, err)
	var got []string
	for _, f := range files {
		if f.Hostile {
			got = append(got, f.Name)
		} else if f.Name != "pain.xml" && !f.Special {
			t.Errorf("taken for good: %+v", f)
		}
	}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("hostile: %q, want %q", got, want)
	}
	l.set(func() { l.listing = "what is this\r\nand this\r\n" })
	files, err = r.List(t.Context(), "")
	failed(t, err, stepList, "no form that is known")
	if files != nil {
		t.Error("files of a listing that failed")
	}
	for _, name := range []string{"l\xffx", "../x", "a\r\nDELE b"} {
		if err := r.Remove(t.Context(), name); !errors.Is(err, errPath) {
			t.Errorf("Remove(%q): %v", name, err)
		}
	}
	if strings.Contains(l.commands(), "DELE") {
		t.Error("a hostile name reached the server")
	}
}

func TestRemoteListingFails(t *testing.T) {
	for lie, words := range map[string]string{"425": "425", "clear": "does not answer in TLS", "426": "426", "silent mid-data": "said nothing", "refused data": "refused", "trickle": "too slowly"} {
		t.Run(lie, func(t *testing.T) {
			t.Parallel()
			l, r := openLiar(t, lie)
			l.set(func() { l.listing = strings.Repeat(ftpLine, 1000) })
			files, err := r.List(soon(t), "")
			failed(t, err, stepList, words)
			if files != nil {
				t.Error("files of a listing that failed")
			}
		})
	}
}

// TestRemoteOtherDataCertificate: neither a stranger's nor another one of the same authority's will do.
func TestRemoteOtherDataCertificate(t *testing.T) {
	for _, same := range []bool{false, true} {
		l, c, ca := newLiar(t, "ftpes", "")
		if !same {
			ca = newAuthority(t)
		}
		cert, key, _ := ca.issue(t, "other")
		pair, err := tls.LoadX509KeyPair(cert, key)
		fine(t, err)
		l.set(func() { l.data = &tls.Config{Certificates: []tls.Certificate{pair}, SessionTicketsDisabled: true} })
		r, err := DialRemote(t.Context(), &c, slog.New(slog.DiscardHandler))
		fine(t, err)
		err = r.Read(t.Context(), "pain.xml", 0, func([]byte) error { t.Error("took something"); return nil })
		failed(t, err, stepFetch, "certificate")
		if _, err := r.List(t.Context(), ""); err == nil {
			t.Error("listed")
		}
		r.Close()
	}
}

func TestRemoteTrustFTPS(t *testing.T) {
	for _, scheme := range []string{"ftps", "ftpes"} {
		l, c, ca := newLiar(t, scheme, "")
		_, _, other := ca.issue(t, "another")
		seen, err := Introduce(t.Context(), &c)
		fine(t, err)
		if len(seen.Certificates) != 1 || seen.Certificates[0].Subject != "CN=liar" || seen.Certificates[0].Issuer != "CN=sealgate test ca" ||
			strings.Join(seen.Certificates[0].Names, " ") != "localhost 127.0.0.1" || seen.Version != "TLS 1.3" {
			t.Errorf("%+v", seen)
		}
		if said := l.commands(); strings.Contains(said, "USER") || strings.Contains(said, "PASS") {
			t.Errorf("introduced with a login: %s", said)
		}
		stranger := newAuthority(t).ca
		for name, try := range map[string]struct {
			trust config.Trust
			words string
		}{
			"ca":              {config.Trust{CA: ca.ca}, ""},
			"pin":             {config.Trust{Pin: seen.Pin}, ""},
			"ca and pin":      {config.Trust{CA: ca.ca, Pin: seen.Pin}, ""},
			"another ca":      {config.Trust{CA: stranger}, "unknown authority"},
			"system":          {config.Trust{CA: "system"}, "unknown authority"},
			"another pin":     {config.Trust{Pin: other}, "trust.pin"},
			"ca, another pin": {config.Trust{CA: ca.ca, Pin: other}, "trust.pin"},
			"pin, another ca": {config.Trust{CA: stranger, Pin: seen.Pin}, "unknown authority"},
			"nothing":         {config.Trust{}, "nothing is trusted"},
		} {
			c.Trust = try.trust
			before := len(l.commands())
			r, err := DialRemote(t.Context(), &c, slog.New(slog.DiscardHandler))
			if try.words == "" {
				fine(t, err)
				if got := fetched(t, r, "pain.xml", 0); !bytes.Equal(got, l.content) {
					t.Errorf("%s: %d bytes", name, len(got))
				}
				r.Close()
				continue
			}
			failed(t, err, stepTLS, try.words)
			if said := l.commands()[before:]; strings.Contains(said, "USER") {
				t.Errorf("%s %s: a login was sent: %s", scheme, name, said)
			}
		}
	}
}

func TestRemoteWrongHostName(t *testing.T) {
	_, c, _ := newLiar(t, "ftps", "")
	config, err := tlsConfig(&c)
	fine(t, err)
	config.ServerName = "other.example"
	f := newFTPS(&c, config, slog.New(slog.DiscardHandler))
	defer f.leash.close()
	failed(t, f.connect(t.Context()), stepTLS, "other.example")
}

func TestRemoteClientCertificate(t *testing.T) {
	for _, scheme := range []string{"ftps", "ftpes"} {
		l, c, ca := newLiar(t, scheme, "")
		wants := l.cert.Clone()
		wants.ClientAuth = tls.RequireAnyClientCert
		l.set(func() { l.cert, l.data = wants, wants })
		_, err := DialRemote(t.Context(), &c, slog.New(slog.DiscardHandler))
		failed(t, err, stepTLS, "") // its words may be lost in the reset
		c.ClientCertificate, c.KeyFile, _ = ca.issue(t, "client")
		r, err := DialRemote(t.Context(), &c, slog.New(slog.DiscardHandler))
		fine(t, err)
		if got := fetched(t, r, "pain.xml", 0); !bytes.Equal(got, l.content) {
			t.Errorf("%d bytes", len(got))
		}
		r.Close()
	}
}

func TestRemoteLegacyTLS(t *testing.T) {
	l, c, _ := newLiar(t, "ftpes", "")
	modern, old := l.cert, l.cert.Clone()
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS10
	l.set(func() { l.cert = old })
	said := &peerLog{}
	log := slog.New(slog.NewTextHandler(said, nil))
	_, err := DialRemote(t.Context(), &c, log)
	failed(t, err, stepTLS, "protocol version")
	c.Legacy = []string{"tls1.1"}
	_, err = DialRemote(t.Context(), &c, log)
	failed(t, err, stepTLS, "protocol version")
	c.Legacy = []string{"tls1.0"}
	r, err := DialRemote(t.Context(), &c, log)
	fine(t, err)
	r.Close()
	if text := said.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "weak algorithms: TLS 1.0 TLS_ECDHE") || !strings.Contains(text, "remote=acme-ftpes") {
		t.Errorf("the log: %s", text)
	}
	l.set(func() { l.cert = modern })
	r, err = DialRemote(t.Context(), &c, log)
	fine(t, err)
	r.Close()
	if text := said.String(); strings.Count(text, "\n") != 1 {
		t.Errorf("a login without a weak one was told: %s", text)
	}
}

func TestRemoteStoreRefused(t *testing.T) {
	l, r := openLiar(t, "full")
	failed(t, r.Store(soon(t), "x.tmp", bytes.NewReader(noise(10))), stepSend, "452")
	l.set(func() { l.lie = "" })
	failed(t, r.Store(soon(t), "x.tmp", bytes.NewReader(noise(10))), stepSend, "10 bytes were sent, but the server has 300000")
	l.set(func() { l.lie = "takes nothing" })
	failed(t, r.Store(soon(t), "x.tmp", bytes.NewReader(noise(50<<20))), stepSend, "said nothing")
	failed(t, r.Store(soon(t), "x.tmp", bytes.NewReader(nil)), stepSend, "")
}

// TestRemoteNothingInClear: a server whose data connection is without TLS gets no byte of a payment.
func TestRemoteNothingInClear(t *testing.T) {
	l, r := openLiar(t, "clear")
	marker := strings.Repeat("a payment, in clear ", 1000)
	failed(t, r.Store(t.Context(), "x.tmp", strings.NewReader(marker)), stepSend, "does not answer in TLS")
	if said := l.commands(); strings.Contains(said, "a payment") || !strings.Contains(said, "STOR") {
		t.Errorf("it got %q", said)
	}
}

// TestRemoteCancelled: the caller's context ends everything at once, and the session with it.
func TestRemoteCancelled(t *testing.T) {
	for _, lie := range []string{"silent greeting", "silent AUTH", "silent PASS", "silent RETR", "silent mid-data", "silent 226"} {
		t.Run(lie, func(t *testing.T) {
			t.Parallel()
			_, c, _ := newLiar(t, "ftpes", lie)
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
			if r != nil {
				if _, err := r.Stat(t.Context(), "pain.xml"); !errors.Is(err, stop) {
					t.Errorf("the session goes on: %v", err)
				}
			}
		})
	}
}

func TestRemoteNotThere(t *testing.T) {
	for _, scheme := range []string{"sftp", "ftps", "ftpes"} {
		_, c, _ := newLiar(t, "ftps", "")
		c.URL = scheme + "://127.0.0.1:" + freePort(t)
		c.Trust.HostKey = []string{keyLine(t, newKeyFile(t, "ed25519"))}
		_, err := DialRemote(t.Context(), &c, slog.New(slog.DiscardHandler))
		failed(t, err, stepConnect, "refused")
		_, err = Introduce(t.Context(), &c)
		failed(t, err, stepConnect, "refused")
	}
}
