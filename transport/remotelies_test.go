package transport

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// A listing is bounded by its names as well as by its bytes, since a short line costs much more than its length.
func TestRemoteListingTooLong(t *testing.T) {
	for name, c := range map[string]struct{ listing, words string }{
		"names": {strings.Repeat("=; x\r\n", mostListed+1), "more than 100,000 names"},
		"bytes": {strings.Repeat("type=file;size=1; "+strings.Repeat("n", 1000)+"\r\n", 17_000), "more than an answer can be"},
	} {
		t.Run(name, func(t *testing.T) {
			l, r := openLiar(t, "")
			l.set(func() { l.listing = c.listing })
			files, err := r.List(t.Context(), "")
			failed(t, err, stepList, c.words)
			if files != nil {
				t.Errorf("%d files of a listing that failed", len(files))
			}
		})
	}
	l, r := openLiar(t, "")
	l.set(func() { l.listing = strings.Repeat("=; x\r\n", mostListed) })
	if files, err := r.List(t.Context(), ""); err != nil || len(files) != mostListed {
		t.Errorf("%d files, %v", len(files), err)
	}
}

// TestRemoteListingCut: without the server's goodbye a listing may be a part of one, and looks whole.
func TestRemoteListingCut(t *testing.T) {
	const second = "type=file;size=3;modify=20261120070809; second.xml\r\n"
	first := func([]byte) []byte { return []byte(ftpLine) }
	whole := func(content []byte) []byte { return content }
	in := func(cuts ...func([]byte) []byte) func([]byte) []byte {
		return func(content []byte) []byte {
			now := cuts[0]
			cuts = append(cuts[1:], now)
			return now(content)
		}
	}
	for name, c := range map[string]struct {
		legacy bool
		cut    func([]byte) []byte
		files  int // 0: it fails
	}{
		"cut":                      {false, first, 0},
		"no goodbye":               {false, whole, 0},
		"known to say none":        {true, whole, 2},
		"known, once cut before":   {true, in(first, whole), 0},
		"known, once cut after":    {true, in(whole, first), 0},
		"known, and says it today": {true, func([]byte) []byte { return nil }, 2},
	} {
		t.Run(name, func(t *testing.T) {
			l, remote, _ := newLiar(t, "ftpes", "")
			if c.legacy {
				remote.Legacy = []string{noGoodbye}
			}
			l.set(func() { l.listing, l.cut = ftpLine+second, c.cut })
			r, err := DialRemote(t.Context(), &remote, slog.New(slog.DiscardHandler))
			fine(t, err)
			defer r.Close()
			files, err := r.List(t.Context(), "")
			if len(files) != c.files {
				t.Errorf("%+v, %v", files, err)
			}
			if c.files == 0 {
				failed(t, err, stepList, "cut off")
			}
		})
	}
}

// TestRemoteNoMDTM: when the server does not tell a file's time by itself, its listing does.
func TestRemoteNoMDTM(t *testing.T) {
	exact := time.Date(2026, 11, 20, 7, 8, 9, 0, time.UTC)
	const feat = "211-\r\n SIZE\r\n %s\r\n MLST type*;size*;\r\n211 end"
	const list = "-rw-r--r-- 1 0 0 300000 Nov 20 2019 pain.xml\r\n"
	for name, c := range map[string]struct {
		feat, mdtm, listing string
		want                time.Time
		exact               bool
	}{
		"lower case":            {strings.ToLower(fmt.Sprintf(feat, "mdtm")), "213 20261120070809", list, exact, true},
		"a fraction":            {fmt.Sprintf(feat, "MDTM"), "213 20261120070809.000", list, exact, true},
		"not among FEAT's":      {fmt.Sprintf(feat, "TVFS"), "", ftpLine, exact, true},
		"no FEAT":               {"500 what", "", list, time.Date(2019, 11, 20, 0, 0, 0, 0, time.UTC), false},
		"no to MDTM":            {fmt.Sprintf(feat, "MDTM"), "550 no", ftpLine, exact, true},
		"none in the listing":   {fmt.Sprintf(feat, "MDTM"), "550 no", "type=file;size=300000; pain.xml\r\n", time.Time{}, false},
		"none, and not listed":  {fmt.Sprintf(feat, "MDTM"), "550 no", "", time.Time{}, false},
		"a listing of another":  {fmt.Sprintf(feat, "MDTM"), "550 no", "type=file;size=3;modify=20261120070809; other\r\n", time.Time{}, false},
		"not among FEAT's, old": {fmt.Sprintf(feat, "TVFS"), "", list, time.Date(2019, 11, 20, 0, 0, 0, 0, time.UTC), false},
	} {
		t.Run(name, func(t *testing.T) {
			l, remote, _ := newLiar(t, "ftpes", "")
			l.set(func() {
				l.listing = c.listing
				l.answer = func(verb, _ string) string { return map[string]string{"FEAT": c.feat, "MDTM": c.mdtm}[verb] }
			})
			r, err := DialRemote(t.Context(), &remote, slog.New(slog.DiscardHandler))
			fine(t, err)
			defer r.Close()
			f, err := r.Stat(t.Context(), "pain.xml")
			want := RemoteFile{Name: "pain.xml", Size: 300_000, Time: c.want, Exact: c.exact}
			if err != nil || f != want {
				t.Errorf("%+v, %v; want %+v", f, err, want)
			}
		})
	}
}

// TestRemoteNoSIZE: a server that cannot tell one file's size is listed instead; a listing answers one question about a
// file, so that what decides a removal is asked afresh.
func TestRemoteNoSIZE(t *testing.T) {
	l, r := openLiar(t, "")
	l.set(func() {
		l.answer = func(verb, _ string) string { return map[string]string{"SIZE": "502 what", "MDTM": "502 what"}[verb] }
	})
	listings := func() int { return strings.Count(l.commands(), "MLSD") }
	_, err := r.List(t.Context(), "")
	fine(t, err)
	const changed = "type=file;size=4;modify=20261120070809; pain.xml\r\n"
	l.set(func() { l.listing = changed })
	for i, want := range []struct {
		size     int64
		listings int
	}{{300_000, 1}, {4, 2}, {4, 3}} {
		f, err := r.Stat(t.Context(), "pain.xml")
		if err != nil || f.Size != want.size || !f.Exact || listings() != want.listings {
			t.Errorf("Stat %d: %+v, %v, after %d listings", i, f, err, listings())
		}
	}
	for name, change := range map[string]func() error{
		"Remove": func() error { return r.Remove(t.Context(), "pain.xml") },
		"Rename": func() error { return r.Rename(t.Context(), "pain.xml", "other") },
		"Store":  func() error { return r.Store(t.Context(), "pain.xml", strings.NewReader("four")) },
	} {
		_, err := r.List(t.Context(), "")
		fine(t, err)
		fine(t, change())
		before := listings()
		_, err = r.Stat(t.Context(), "pain.xml")
		fine(t, err)
		if listings() != before+1 {
			t.Errorf("after %s, an old listing was believed", name)
		}
	}
}

// TestRemoteRenameDoubt: every no to SIZE is looked into, since the file may be there all the same.
func TestRemoteRenameDoubt(t *testing.T) {
	for _, no := range []string{"550 SIZE not allowed in ASCII mode", "502 what", "451 later", "213 -1"} {
		l, r := openLiar(t, "")
		l.set(func() { l.answer = func(verb, _ string) string { return map[string]string{"SIZE": no}[verb] } })
		if err := r.Rename(t.Context(), "new.xml", "pain.xml"); !errors.Is(err, ErrExists) {
			t.Errorf("%s: %v", no, err)
		}
		if said := l.commands(); strings.Contains(said, "RNTO") {
			t.Errorf("%s: renamed", no)
		}
		fine(t, r.Rename(t.Context(), "pain.xml", "new.xml"))
		l.set(func() { l.lie = "426" }) // now it cannot be seen
		failed(t, r.Rename(t.Context(), "pain.xml", "newer.xml"), stepRename, "426")
	}
}

// TestRemoteOneAnswerBehind: a server that answers twice after a failed transfer must not have its old answers taken for
// those to new commands.
func TestRemoteOneAnswerBehind(t *testing.T) {
	for name, transfer := range map[string]func(r Remote) error{
		"read":  func(r Remote) error { return r.Read(t.Context(), "pain.xml", 0, func([]byte) error { return nil }) },
		"list":  func(r Remote) error { _, err := r.List(t.Context(), ""); return err },
		"store": func(r Remote) error { return r.Store(t.Context(), "x.tmp", bytes.NewReader(noise(10))) },
	} {
		t.Run(name, func(t *testing.T) {
			l, r := openLiar(t, "426 and 250")
			if err := transfer(r); err == nil {
				t.Error("it went well")
			}
			for range 3 {
				if err := r.Remove(t.Context(), "pain.xml"); err == nil {
					t.Error("removed by another command's answer")
				}
				if _, err := r.Stat(t.Context(), "pain.xml"); err == nil {
					t.Error("Stat goes well")
				}
			}
			if said := l.commands(); strings.Contains(said, "DELE") {
				t.Error("the session went on")
			}
		})
	}
}

// TestRemoteAnswerOfAnother: an answer that is a yes, but to something else, ends the session.
func TestRemoteAnswerOfAnother(t *testing.T) {
	l, r := openLiar(t, "")
	l.set(func() {
		l.answer = func(verb, _ string) string { return map[string]string{"DELE": "213 300000"}[verb] }
	})
	failed(t, r.Remove(t.Context(), "pain.xml"), stepRemove, "213")
	l.set(func() { l.answer = nil })
	if _, err := r.Stat(t.Context(), "pain.xml"); err == nil {
		t.Error("the session went on")
	}
}

// TestRemoteStillInStep: a plain no to a transfer costs the session nothing.
func TestRemoteStillInStep(t *testing.T) {
	l, r := openLiar(t, "426")
	for range 2 {
		failed(t, r.Read(t.Context(), "pain.xml", 0, func([]byte) error { return nil }), stepFetch, "426")
	}
	l.set(func() { l.lie = "" })
	if got := fetched(t, r, "pain.xml", 0); !bytes.Equal(got, l.content) {
		t.Errorf("%d bytes", len(got))
	}
}

// TestRemoteEchoedPassword: whenever a server says the password, the log does not.
func TestRemoteEchoedPassword(t *testing.T) {
	for _, password := range []string{peerPassword, "Kvist\x07\xf6\"otter", strings.Repeat("Kvist-otter", 17)} {
		for _, before := range []string{"your password is ", strings.Repeat("x", 150)} {
			l, c, _ := newLiar(t, "ftpes", "")
			put(t, c.PasswordFile, []byte(password+"\n"))
			r, err := DialRemote(t.Context(), &c, slog.New(slog.DiscardHandler))
			fine(t, err)
			for _, code := range []string{"426", "421"} { // the latter ends the session, and is told again later
				l.set(func() {
					l.answer = func(verb, _ string) string {
						return map[string]string{"DELE": code + " " + before + password}[verb]
					}
				})
				for range 2 {
					unsaid(t, r.Remove(t.Context(), "pain.xml"), "Kvist")
				}
			}
			r.Close()
		}
	}
}

// TestRemoteGoodbye: a server that ends TLS as it should, in the place of an answer, is told in plain words too.
func TestRemoteGoodbye(t *testing.T) {
	for _, verb := range []string{"DELE", "NOOP", "SIZE", "RETR"} {
		l, r := openLiar(t, "")
		l.set(func() {
			l.answer = func(v, _ string) string { return map[string]string{verb: "goodbye"}[v] }
		})
		var err error
		step := stepFetch
		switch verb {
		case "DELE":
			step, err = stepRemove, r.Remove(t.Context(), "pain.xml")
		case "SIZE":
			_, err = r.Stat(t.Context(), "pain.xml")
		case "NOOP": // after a transfer that was broken off
			l.set(func() { l.lie = "426" })
			fallthrough
		case "RETR":
			err = r.Read(t.Context(), "pain.xml", 0, func([]byte) error { return nil })
		}
		failed(t, err, step, errHungUp.Error())
		if strings.Contains(err.Error(), "EOF") {
			t.Errorf("%s: %v", verb, err)
		}
	}
}

// unsaid checks that an error's text has no part of a secret.
func unsaid(t *testing.T, err error, secret string) {
	t.Helper()
	if err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("it says %v", err)
	}
}

// TestRemoteWeakSuite: TLS 1.2 can be weak too, and is told before the login.
func TestRemoteWeakSuite(t *testing.T) {
	for _, scheme := range []string{"ftps", "ftpes"} {
		l, c, ca := newLiar(t, scheme, "")
		weak := &tls.Config{
			Certificates: []tls.Certificate{ca.issueRSA(t, "old")}, MaxVersion: tls.VersionTLS12,
			CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA},
		}
		l.set(func() {
			l.cert, l.data = weak, weak
			l.answer = func(verb, _ string) string { return map[string]string{"PASS": "530 no"}[verb] }
		})
		c.Legacy = []string{"tls1.1"}
		said := &peerLog{}
		_, err := DialRemote(t.Context(), &c, slog.New(slog.NewTextHandler(said, nil)))
		failed(t, err, stepLogin, "530")
		if text := said.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "weak algorithms: TLS 1.2 TLS_RSA_WITH_AES_128_CBC_SHA") {
			t.Errorf("the log: %s", text)
		}
	}
}
