package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sealgate/sealgate/config"
	"github.com/sealgate/sealgate/vault"
)

// lockedBuffer is a log that one goroutine writes and another reads.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// take gives what was written since the last call.
func (l *lockedBuffer) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.b.Reset()
	return l.b.String()
}

// TestCertificateExpires: a line at the start and at a reload, and one at each threshold that is crossed while the gateway
// runs: 30, 7 and 1 days ahead, and at the end; none in between.
func TestCertificateExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		made := func(days int) *vault.Certificate {
			text, _, err := vault.NewCertificate("x", "p-256", time.Now(), time.Duration(days)*24*time.Hour)
			must(t, err)
			c, err := vault.ParseCertificate(text)
			must(t, err)
			return c
		}
		log := &lockedBuffer{}
		g := &Gateway{log: slog.New(slog.NewTextHandler(log, nil)), now: time.Now}
		g.accounts.Store(&map[string]*account{
			"long": {Account: &config.Account{ID: "long"}, certificate: made(400)},
			"soon": {Account: &config.Account{ID: "soon"}, certificate: made(40), recovery: made(400)},
			"none": {Account: &config.Account{ID: "none"}},
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- g.watchCertificates(ctx) }()
		told := map[int]string{}
		for day := range 50 {
			synctest.Wait()
			if text := log.take(); text != "" {
				told[day] = text
			}
			<-time.After(24 * time.Hour)
		}
		for day, days := range map[int]string{10: "30", 33: "7", 39: "1", 40: "0"} {
			if n := strings.Count(told[day], "\n"); n != 1 || !regexp.MustCompile(`level=WARN msg="certificate expires" account=soon days=`+days+` use=seal until=`).MatchString(told[day]) {
				t.Errorf("day %d: %q", day, told[day])
			}
			delete(told, day)
		}
		if len(told) > 0 {
			t.Errorf("told too often: %v", told)
		}
		g.tellCertificates() // a reload
		if text := log.take(); strings.Count(text, "certificate expires") != 1 {
			t.Errorf("at a reload: %q", text)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}

		// By a clock that is ahead for a while it has expired, and the thresholds after that are told all the same.
		g.accounts.Store(&map[string]*account{"soon": {Account: &config.Account{ID: "soon"}, certificate: made(40)}})
		g.tellCertificates()
		said := ""
		for _, day := range []int{0, 365, 0, 11, 11, 34} {
			now := time.Now().AddDate(0, 0, day)
			g.now = func() time.Time { return now }
			g.expiries.Lock()
			g.tellExpiries()
			g.expiries.Unlock()
			said += fmt.Sprintln(day, strings.Count(log.take(), "certificate expires"))
		}
		if want := "0 0\n365 1\n0 0\n11 1\n11 0\n34 1\n"; said != want {
			t.Errorf("a clock that was ahead:\n%s\nwant\n%s", said, want)
		}
	})
}

// TestRemoveCertificate: promise 9. Once a certificate's key is gone, exactly its files open no more.
func TestRemoveCertificate(t *testing.T) {
	h := newHouse(t)
	old, next := readPair(t, h.dir, "acme"), h.newPair(t, "next")
	for i, payments := range []int{1, 600} {
		_, err := h.push(t, "acme", fmt.Sprint("old", i), pain001(t, fmt.Sprint("old", i), payments))
		must(t, err)
	}
	removal := Removal{Certificate: string(old.cert.PEM()), Files: map[string]int{"acme": 2}, Bytes: map[string]int64{"acme": 10}, Digest: "d"}
	var no *No
	if _, err := h.RemoveCertificate(t.Context(), removal, "uid:0"); !errors.As(err, &no) || !strings.Contains(no.Text, "still seals to it") {
		t.Errorf("while it is in use: %v", err)
	}
	path := filepath.Join(h.dir, "sealgate.yaml")
	text, err := os.ReadFile(path)
	must(t, err, os.WriteFile(path, bytes.ReplaceAll(text, []byte("./acme.crt"), []byte("./next.crt")), 0o600), h.Reload(t.Context()))
	for _, account := range []string{"acme", "soft"} {
		_, err := h.push(t, account, "new", pain001(t, "new"+account, 3))
		must(t, err)
	}
	if _, err := h.RemoveCertificate(t.Context(), removal, "uid:0"); !errors.As(err, &no) || !strings.Contains(no.Text, "2 files sealed to it, and 0 were listed") {
		t.Errorf("of another list: %v", err)
	}
	removal.Sealed = map[string]int{"acme": 2}
	if _, err := h.RemoveCertificate(t.Context(), removal, "uid:0"); err != nil {
		t.Error(err)
	}
	must(t, os.Remove(filepath.Join(h.dir, "acme.key"))) // the only copy; nothing in the gateway stands in for it
	lost := 0
	for _, f := range h.files(t, "") {
		_, err := h.opens(t, f, next)
		switch sealedToOld := f.Certificate == old.cert.Fingerprint(); {
		case sealedToOld && !errors.Is(err, vault.ErrWrongKey):
			t.Errorf("%s: %v", f.Name, err)
		case sealedToOld:
			lost++
		case err != nil:
			t.Errorf("%s of %s: %v", f.Name, f.Account, err)
		}
	}
	if lost != 2 {
		t.Errorf("%d files are lost", lost)
	}
	h.sound(t)
	found := false
	for e, err := range h.account("acme").index.Ledger(t.Context(), 1) {
		must(t, err)
		found = found || e.Kind == kindCertificateRemoved && strings.HasPrefix(e.Detail, old.cert.Fingerprint()+": 2 files, 10 bytes")
	}
	if !found {
		t.Error("the ledger says nothing of it")
	}
}

// TestEveryRemovalIsRecorded: also of a certificate all of whose files another one opens, for as long as that one is there.
func TestEveryRemovalIsRecorded(t *testing.T) {
	h := newHouse(t)
	recovery := h.newPair(t, "recovery")
	_, err := h.RemoveCertificate(t.Context(), Removal{Certificate: string(recovery.cert.PEM()), Shared: map[string]int{"acme": 3}}, "uid:0")
	must(t, err)
	rows := map[string]string{}
	for _, id := range []string{"acme", "soft"} {
		for e, err := range h.account(id).index.Ledger(t.Context(), 1) {
			must(t, err)
			if e.Kind == kindCertificateRemoved {
				rows[id] = e.Detail
			}
		}
	}
	want := recovery.cert.Fingerprint() + ": 0 files, 0 bytes, 0 user names, sha-256 of their ids ; 3 more that another certificate opens"
	if len(rows) != 1 || rows["acme"] != want {
		t.Errorf("%q", rows)
	}
}

// TestAnEmptyListIsAnAnswer: where nothing is sealed, the command is told just that over the socket, and no error.
func TestAnEmptyListIsAnAnswer(t *testing.T) {
	h := newHouse(t)
	c, unused := h.Client(t.Context()), h.newPair(t, "unused")
	if list, err := c.CopyCounts(t.Context(), "acme"); err != nil || len(list) > 0 {
		t.Errorf("copies: %+v, %v", list, err)
	}
	if list, err := c.RemoveCertificate(t.Context(), Removal{Certificate: string(unused.cert.PEM())}); err != nil || len(list) > 0 {
		t.Errorf("removed: %+v, %v", list, err)
	}
	if list, err := c.Users(t.Context(), "acme"); err != nil || len(list) > 0 {
		t.Errorf("users: %+v, %v", list, err)
	}
}

// TestRemovalForAnAccountToCome: what a stopped gateway is asked counts for accounts that begin at its next start, too.
func TestRemovalForAnAccountToCome(t *testing.T) {
	h := newHouse(t)
	fresh := h.newPair(t, "fresh")
	must(t, h.Close())
	h.edit(t, "accounts:\n", "accounts:\n  - {id: fresh, after_indexing: seal, certificate: ./fresh.crt}\n")
	must(t, h.ask(t))
	var no *No
	if _, err := h.RemoveCertificate(t.Context(), Removal{Certificate: string(fresh.cert.PEM())}, "uid:0"); !errors.As(err, &no) || !strings.Contains(no.Text, "account fresh still seals to it") {
		t.Errorf("removed: %v", err)
	}
}

// TestUploadsUnderWayKeepACertificate: one that began while a certificate was in use is sealed to it at its end, so that the
// certificate's key is not removed before.
func TestUploadsUnderWayKeepACertificate(t *testing.T) {
	h := newHouse(t)
	old := readPair(t, h.dir, "acme")
	h.newPair(t, "next")
	content := pain001(t, "under way", 600)
	in, err := h.Receive(t.Context(), guest, "sftp", "late.xml")
	must(t, err)
	_, err = in.WriteAt(content[:len(content)/2], 0)
	must(t, err)
	path := filepath.Join(h.dir, "sealgate.yaml")
	text, err := os.ReadFile(path)
	must(t, err, os.WriteFile(path, bytes.ReplaceAll(text, []byte("./acme.crt"), []byte("./next.crt")), 0o600), h.Reload(t.Context()), h.Reload(t.Context()))
	removal := Removal{Certificate: string(old.cert.PEM())}
	var no *No
	if _, err := h.RemoveCertificate(t.Context(), removal, "uid:0"); !errors.As(err, &no) || !strings.Contains(no.Text, "account acme has an upload under way") {
		t.Errorf("while an upload is under way: %v", err)
	}
	_, err = in.WriteAt(content[len(content)/2:], int64(len(content)/2))
	must(t, err)
	_, err = in.Commit(t.Context(), "late.xml")
	must(t, err)
	h.opensOnly(t, h.files(t, "acme")[0], old)
	if _, err := h.RemoveCertificate(t.Context(), removal, "uid:0"); !errors.As(err, &no) || !strings.Contains(no.Text, "1 file sealed to it, and 0 were listed") {
		t.Errorf("once it has ended: %v", err)
	}
	removal.Sealed = map[string]int{"acme": 1}
	if _, err := h.RemoveCertificate(t.Context(), removal, "uid:0"); err != nil {
		t.Error(err)
	}
}

// TestEveryEndIsTheEndOfAnUpload: however one ends, it is under way no more, and ends once.
func TestEveryEndIsTheEndOfAnUpload(t *testing.T) {
	h := newHouse(t)
	content := pain001(t, "ends", 600)
	for what, end := range map[string]func(u *Upload){
		"commit":    func(u *Upload) { u.WriteAt(content, 0); u.Commit(t.Context(), "a.xml"); u.Commit(t.Context(), "a.xml") },
		"discard":   func(u *Upload) { u.WriteAt(content[:9000], 0); u.Discard("test"); u.Discard("test") },
		"expire":    func(u *Upload) { u.WriteAt(content[:9000], 0); u.Commit(t.Context(), "b.xml"); u.Expire() },
		"too large": func(u *Upload) { u.WriteAt([]byte("x"), 9<<20); u.Discard("test") },
		"malformed": func(u *Upload) {
			u.WriteAt([]byte("<Document></x>"), 0)
			u.Commit(t.Context(), "c.xml")
			u.Discard("test")
		},
		"rewritten":  func(u *Upload) { u.WriteAt(content, 0); u.WriteAt([]byte("y"), 0); u.Discard("test") },
		"never sent": func(u *Upload) { u.Discard("test") },
	} {
		u := h.receive(t, "acme", what)
		if n := h.account("acme").underWay.Load(); n != 1 {
			t.Errorf("%s: %d begun", what, n)
		}
		if end(u); h.account("acme").underWay.Load() != 0 {
			t.Errorf("%s: %d under way", what, h.account("acme").underWay.Load())
		}
	}
}
