package gateway

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/transport"
)

// breakFolder puts a file in the place of an account's folder, or of what lies in it, and gives what puts it back.
func (h *house) breakFolder(t *testing.T, path string) (mend func()) {
	t.Helper()
	path = filepath.Join(h.dir, "data/accounts", path)
	must(t, os.Rename(path, path+".away"))
	if filepath.Ext(path) == ".db" { // no file can be opened there
		must(t, os.Mkdir(path, 0o700))
	} else {
		must(t, os.WriteFile(path, []byte("no folder"), 0o600))
	}
	return func() {
		t.Helper()
		must(t, os.Remove(path), os.Rename(path+".away", path))
	}
}

// TestOutOfService: an account whose folder cannot be used stops nobody else. Nothing is taken for it, nothing of it goes from a remote, its
// people are told after they have proven who they are, and once its folder was set right it comes back whole, by itself or at a load.
func TestOutOfService(t *testing.T) {
	for _, broken := range []string{"acme", "acme/index.db", "acme/incoming", "acme/sealed"} {
		for _, back := range []string{"at a load", "by itself"} {
			t.Run(broken+" "+back, func(t *testing.T) { outOfService(t, broken, back) })
		}
	}
}

func outOfService(t *testing.T, broken, back string) {
	h := newHouse(t)
	_, err := h.push(t, "acme", "small.xml", pain001(t, "small", 3))
	must(t, err)
	_, factor := h.addUser(t, "anna", "key,password+totp")
	_, _ = h.addUser(t, "bo", "password")
	must(t, h.NotePolled(t.Context(), "acme", "theirs", transport.Polled{Path: "x.xml", State: transport.PolledTaken, File: "1"}))
	must(t, h.Close())
	mend := h.breakFolder(t, broken)
	h.log.Reset()
	h.startWithout(t, "acme")
	if log := h.log.String(); !strings.Contains(log, `level=ERROR msg="account out of service" account=acme err=`) || !strings.Contains(log, "SIGHUP") {
		t.Errorf("the log: %s", log)
	}
	must(t, h.ask(t), h.Close(), h.start(t))

	_, err = h.push(t, "beta", "others.xml", pain001(t, "others", 3))
	must(t, err)
	if _, err := h.Receive(t.Context(), guest, "sftp", "more.xml"); err == nil {
		t.Error("it takes files")
	}
	if known, err := h.Polled(t.Context(), "acme", "theirs"); err == nil {
		t.Errorf("what was taken may be removed at a remote: %v", known)
	}
	for steps, want := range map[string]string{"key": "told", "password": "ask code", "password code": "told", "wrong": "no", "code": "no"} {
		got := h.steps(t, "anna", factor, strings.Fields(steps)...)
		if told := strings.Contains(got, errOutOfService.Sentence); told != (want == "told") || !told && got != want {
			t.Errorf("%s: %s, want %s", steps, got, want)
		}
	}
	if got := h.steps(t, "nobody", factor, "password"); got != "no" {
		t.Errorf("a stranger: %s", got)
	}
	var no *No
	for what, err := range map[string]error{
		"files":  second(first(h.Files(t.Context(), FilesQuery{Account: "acme"}))),
		"add":    second(h.AddUser(t.Context(), NewUser{Account: "acme", Login: "carl", Password: good}, "test")),
		"send":   second(h.Send(t.Context(), "acme", "x", strings.NewReader("x"), "test")),
		"rewrap": second(h.Rewrap(t.Context(), RewrapQuery{Account: "acme"}, "test")),
	} {
		if !errors.As(err, &no) || !strings.Contains(no.Text, "account acme is out of service: ") || !strings.Contains(no.Hint, "SIGHUP") {
			t.Errorf("%s: %v", what, err)
		}
	}
	bo, err := h.RemoveUser(t.Context(), "acme", "bo", "test") // one who must go, goes
	must(t, err)
	if err := h.Reload(t.Context()); err != nil || h.account("acme") != nil {
		t.Errorf("a load with it still broken: %v", err)
	}

	h.log.Reset()
	h.findLost(t.Context())
	if log := h.log.String(); log != "" || h.account("acme") != nil || h.out("acme") == nil {
		t.Errorf("tried again with it still broken: %s", log)
	}

	mend()
	if back == "by itself" {
		h.findLost(t.Context())
	} else {
		must(t, h.Reload(t.Context()))
	}
	if list := h.files(t, "acme"); len(list) != 1 {
		t.Errorf("%d files", len(list))
	}
	if got := h.steps(t, "anna", factor, "key"); got != "in" {
		t.Errorf("anna: %s", got)
	}
	if known, err := h.Polled(t.Context(), "acme", "theirs"); err != nil || len(known) != 1 {
		t.Errorf("%v, %v", known, err)
	}
	if rows := h.rows(t, "acme", 1); !slices.Contains(rows, "user-removed test "+bo.ID) || strings.Contains(strings.Join(rows, "\n"), "has left the configuration") {
		t.Errorf("its ledger: %q", rows)
	}
	if s, err := h.Status(t.Context()); err != nil || len(s.Problems)+len(s.OutOfService) > 0 {
		t.Errorf("status: %v, %v", s.Problems, err)
	}
	_, err = h.push(t, "acme", "more.xml", pain001(t, "more", 3))
	must(t, err)
	h.sound(t)
}

// TestTriedEachMinute: an account whose folder comes late needs nobody to bring it back.
func TestTriedEachMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		must(t, h.Close())
		mend := h.breakFolder(t, "acme")
		must(t, h.start(t))
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- h.watchLost(ctx) }()
		<-time.After(90 * time.Second)
		synctest.Wait()
		if h.account("acme") != nil {
			t.Error("it is in service with a broken folder")
		}
		mend()
		<-time.After(time.Minute)
		synctest.Wait()
		if h.account("acme") == nil || h.out("acme") != nil {
			t.Error("it is not back")
		}
		cancel()
		must(t, <-ended, h.Close())
	})
}

// TestNobodyServed: with all folders wrong, or a full disk, there is nothing to start for; and a load that names a new account whose folder is
// wrong is refused, while the others go on.
func TestNobodyServed(t *testing.T) {
	h := newHouse(t)
	must(t, os.WriteFile(filepath.Join(h.dir, "data/accounts/fresh"), nil, 0o600))
	before := h.account("beta")
	h.edit(t, "accounts:\n", "accounts:\n  - {id: fresh, after_indexing: delete}\n")
	wants(t, "a load", h.Reload(t.Context()), "account fresh")
	if h.account("beta") != before || h.out("fresh") != nil {
		t.Error("it was taken over")
	}
	must(t, h.Close())
	for _, id := range []string{"acme", "beta", "gone", "soft"} {
		h.breakFolder(t, id)
	}
	wants(t, "a start", h.start(t), "account acme", "account beta", "account fresh", "account gone", "account soft")
	starting := new(Gateway)
	starting.cfg.Store(h.cfg.Load())
	for err, own := range map[error]bool{
		indexer.ErrFull: false, &os.PathError{Op: "open", Path: "probe", Err: unix.ENOSPC}: false, unix.EMFILE: false, indexer.ErrDamaged: true,
	} {
		if starting.mayLose(t.Context(), "acme", err) != own {
			t.Errorf("%v is one account's: want %v", err, own)
		}
	}
}

// TestUnlockKeyChangedMeanwhile: the ledger of an account that is out of service tells of another unlock key once it is back, and no ledger twice.
func TestUnlockKeyChangedMeanwhile(t *testing.T) {
	h := newRekeying(t)
	must(t, h.rekey(t))
	h.write(t, "unlock.key", string(h.text))
	mend := h.breakFolder(t, "acme")
	h.startWithout(t, "acme")
	h.startWithout(t, "acme")
	mend()
	h.open(t)
	h.reopen(t)
	row := "unlock-key-changed sealgate " + h.from.ID() + " to " + h.to.ID()
	for _, id := range []string{"acme", "beta"} {
		told := slices.DeleteFunc(h.rows(t, id, 1), func(r string) bool { return r != row })
		if len(told) != 1 {
			t.Errorf("%s: %d rows", id, len(told))
		}
	}
}

// TestSignedMeanwhile: what two persons sign while an account is out of service is all in its ledger once it is back.
func TestSignedMeanwhile(t *testing.T) {
	h := newTwoPersons(t)
	before := h.kinds(t, "acme")
	must(t, h.Close())
	mend := h.breakFolder(t, "acme")
	must(t, h.start(t))
	must(t, h.begin(t.Context()))
	h.edit(t, "{id: acme, after_indexing: seal,", "{id: acme, after_indexing: delete,")
	must(t, h.Reload(t.Context()))
	h.approve(t)
	mend()
	h.findLost(t.Context())
	want := append(before, kindProposed, kindSigned, kindSigned, kindInForce)
	if got := h.kinds(t, "acme"); !slices.Equal(got, want) {
		t.Errorf("its ledger tells %q, want %q", got, want)
	}
}

// TestOpenedByARefusedLoad: an index that a load has opened before it was refused is not opened a second time beside itself.
func TestOpenedByARefusedLoad(t *testing.T) {
	h := newHouse(t)
	must(t, h.Close())
	mend := h.breakFolder(t, "acme")
	must(t, h.start(t))
	mend()
	h.write(t, "data/accounts/fresh", "no folder")
	h.edit(t, "  - {id: soft", "  - {id: fresh, after_indexing: delete}\n  - {id: soft")
	wants(t, "a load", h.Reload(t.Context()), "account fresh")
	opened := h.indexes["acme"]
	if opened == nil || h.out("acme") == nil {
		t.Fatal("nothing to be tried")
	}
	h.findLost(t.Context())
	if h.account("acme") == nil || h.account("acme").index != opened {
		t.Error("its index is open twice, or not at all")
	}
}

// TestNoLinkBringsItBack: where two persons must sign, an account does not come back by a symbolic link, as it would not start by one.
func TestNoLinkBringsItBack(t *testing.T) {
	h := newTwoPersons(t)
	must(t, h.Close())
	mend := h.breakFolder(t, "acme")
	must(t, h.start(t))
	mend()
	folder, away := filepath.Join(h.dir, "data/accounts/acme"), filepath.Join(h.dir, "away")
	must(t, os.Rename(folder, away), os.Symlink(away, folder))
	h.findLost(t.Context())
	if h.account("acme") != nil {
		t.Error("it is back by a link")
	}
	must(t, os.Remove(folder), os.Rename(away, folder))
	h.findLost(t.Context())
	if h.account("acme") == nil {
		t.Error("it is not back")
	}
}
