package gateway

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/config"
	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/transport"
	"github.com/sealgate/sealgate/vault"
)

// addAccount writes a further account into the configuration, and loads it.
func (h *house) addAccount(t testing.TB, yaml string) {
	t.Helper()
	path := filepath.Join(h.dir, "sealgate.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(text, yaml+"\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := h.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
}

const safeAccount = `  - {id: safe, after_indexing: seal, certificate: ./acme.crt, access_keys: [./acme.access.crt], protect_database: true, expect: {by: "16:00"}}`

// keyOf opens the key of an account's database, as the operators' command does, with acme's key.
func (h *house) keyOf(t testing.TB, account string) AccountKey {
	t.Helper()
	q, err := h.keyBy(t, account, readPair(t, h.dir, "acme"))
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// keyBy opens it with another key.
func (h *house) keyBy(t testing.TB, account string, p pair) (AccountKey, error) {
	t.Helper()
	list, err := h.SealedKeys(t.Context(), account)
	if err != nil {
		t.Fatal(err)
	}
	access, err := vault.ReadAccessKey(filepath.Join(h.dir, "acme.access"))
	if err != nil {
		t.Fatal(err)
	}
	for _, sealed := range list {
		var opened bytes.Buffer
		if err = vault.OpenSealed(&opened, bytes.NewReader(sealed), int64(len(sealed)), p.key, access); err == nil {
			return AccountKey{Account: account, For: time.Minute, Key: opened.Bytes(), Opened: sha256.Sum256(sealed)}, nil
		}
	}
	return AccountKey{}, err
}

// unlockWith brings a key as the operators' command does.
func (h *house) unlockWith(t testing.TB, q AccountKey) (AccountStatus, error) {
	t.Helper()
	public, err := h.Handover(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := SealAccountKey(public, q)
	if err != nil {
		t.Fatal(err)
	}
	line, err := h.UnlockAccount(t.Context(), sealed, "uid:7")
	if _, again := h.UnlockAccount(t.Context(), sealed, "uid:7"); again == nil || !strings.Contains(again.Error(), "not brought as this gateway wants it") {
		t.Errorf("it was taken twice: %v", again)
	}
	return line, err
}

func (h *house) unlockFor(t testing.TB, length time.Duration) AccountStatus {
	t.Helper()
	q := h.keyOf(t, "safe")
	q.For = length
	line, err := h.unlockWith(t, q)
	if err != nil {
		t.Fatal(err)
	}
	return line
}

// TestProtectedAccount: a new account is protected from its beginning; locked, it takes deliveries, makes logins and tells what may be
// known; unlocked, it is open for as long as was asked for, and no longer.
func TestProtectedAccount(t *testing.T) {
	h := newHouse(t)
	h.addAccount(t, safeAccount)
	now := time.Now()
	h.now = func() time.Time { return now }
	small, large := []byte("small and unrecognised"), bytes.Repeat([]byte("large and unrecognised\n"), 20_000)
	for name, content := range map[string][]byte{"small.txt": small, "large.txt": large} {
		if r, err := h.push(t, "safe", name, content); err != nil || r.Verdict != "held" {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	if r, err := h.push(t, "safe", "again.txt", small); err != nil || !strings.Contains(r.Sentence, "duplicate-content") {
		t.Errorf("a duplicate: %+v, %v", r, err)
	}
	if _, err := h.AddUser(t.Context(), NewUser{Account: "safe", Login: "guarded"}, "uid:7"); err != nil {
		t.Errorf("a login: %v", err)
	}
	var no *No
	for _, err := range h.Files(t.Context(), FilesQuery{}) { // the other accounts are open, and answer
		if err != nil && (!errors.As(err, &no) || !no.Partly || no.Text != "1 account is locked and not in this: safe" || !strings.Contains(no.Hint, "unlock safe")) {
			t.Errorf("files of all: %v", err)
		}
	}
	if no == nil {
		t.Error("files of all: nothing tells that one is locked")
	}
	for _, err := range h.Files(t.Context(), FilesQuery{Account: "safe"}) {
		if !errors.As(err, &no) || !strings.Contains(no.Text, "account safe is locked; 3 deliveries wait") || no.Hint != "sealgate unlock safe --key KEY.pem --access-key-file F" {
			t.Errorf("files: %v", err)
		}
	}
	brief, err := h.account("safe").index.Brief(t.Context(), indexer.FileFilter{})
	if err != nil || len(brief) != 3 {
		t.Fatalf("known are %d files, %v", len(brief), err)
	}
	for what, err := range map[string]error{
		"show": second(h.Show(t.Context(), brief[0].ID)), "decide": second(h.Gateway.Decide(t.Context(), Decision{ID: brief[0].ID}, "uid:7")),
		"payments": second(first(h.Payments(t.Context(), PaymentsQuery{File: brief[0].ID}))), "send": second(h.Send(t.Context(), "safe", "x", bytes.NewReader(small), "uid:7")),
	} {
		if no = nil; !errors.As(err, &no) || !strings.Contains(no.Text, "locked") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := h.Outbox(t.Context(), "safe"); !errors.Is(err, transport.ErrLocked) {
		t.Errorf("outbox: %v", err)
	}
	if outcome, err := h.Outcome(t.Context(), "safe", brief[0].ID); err != nil || outcome.Fate != transport.WasTaken {
		t.Errorf("outcome: %+v, %v", outcome, err)
	}
	x := &expected{account: h.account("safe"), rule: &config.Expect{}}
	if came, err := h.newest(t.Context(), x, indexer.Held, now.Add(-time.Hour)); err != nil || came.IsZero() {
		t.Errorf("nothing has come: %v, %v", came, err)
	}
	h.reopen(t) // an upload's traces are swept, the copies stay
	h.now = func() time.Time { return now }
	if got := h.sealedFiles(t); len(got) != 2 || !strings.HasSuffix(got[0], "index.dek.p7m") { // the database's key, and the large copy
		t.Errorf("sealed are %v", got)
	}

	if _, err := h.unlockWith(t, AccountKey{Account: "safe", For: LongestSession + 1, Key: h.keyOf(t, "safe").Key}); err == nil {
		t.Error("it was unlocked for more than an hour")
	}
	if _, err := h.unlockWith(t, AccountKey{Account: "safe", For: time.Minute, Key: make([]byte, 32)}); !errors.As(err, &no) || !strings.Contains(no.Text, "does not open") {
		t.Errorf("a wrong key: %v", err)
	}
	if line := h.unlockFor(t, 20*time.Minute); line.Waiting != 3 || line.UnlockedUntil != utc(now.Add(20*time.Minute)) {
		t.Errorf("unlocked: %+v", line)
	}
	if _, err := h.unlockWith(t, AccountKey{Account: "safe", For: time.Hour, Key: make([]byte, 32)}); err == nil {
		t.Error("a wrong key has lengthened a session")
	}
	if list := h.files(t, "safe"); len(list) != 3 {
		t.Errorf("%d files", len(list))
	}
	h.sound(t)
	if _, err := h.Gateway.Decide(t.Context(), Decision{ID: brief[1].ID, Release: true, Reason: "yes"}, "uid:7"); err != nil {
		t.Error(err)
	}
	if left := h.endSessions(t.Context()); left != 20*time.Minute || h.account("safe").index.Locked() {
		t.Errorf("it is looked at again in %v", left)
	}
	now = now.Add(20 * time.Minute)
	h.endSessions(t.Context())
	if h.sessions.ending.Wait(); !h.account("safe").index.Locked() {
		t.Error("its time is up, and it is not locked")
	}
	h.unlockFor(t, time.Minute)
	history, err := h.account("safe").index.Head(t.Context())
	if err != nil || history.Seq != 8 { // three deliveries, a login, unlocked, released, locked, unlocked
		t.Errorf("the ledger's end: %+v, %v", history, err)
	}
	h.sound(t)

	// It leaves the configuration while it is unlocked, and is locked all the same.
	index := h.account("safe").index
	path := filepath.Join(h.dir, "sealgate.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, bytes.Replace(text, []byte(safeAccount+"\n"), nil, 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := h.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Hour)
	h.endSessions(t.Context())
	if h.sessions.ending.Wait(); !index.Locked() {
		t.Error("its time is up, and it is not locked")
	}
}

// TestProtectedIndexGone: without its index a protected account is not opened, by a start or by a stopped command, and the key that is
// there is not written over: when the index is put back, everything is there.
func TestProtectedIndexGone(t *testing.T) {
	h := newHouse(t)
	h.addAccount(t, safeAccount)
	if _, err := h.push(t, "safe", "one.txt", []byte("one")); err != nil {
		t.Fatal(err)
	}
	h.unlockFor(t, time.Minute)
	must(t, h.Close())
	dir := filepath.Join(h.dir, "data/accounts/safe")
	index, key := filepath.Join(dir, "index.db"), filepath.Join(dir, "index.dek.p7m")
	sealed, err := os.ReadFile(key)
	must(t, err, os.Rename(index, index+".away"))
	cfg, err := LoadConfig(filepath.Join(h.dir, "sealgate.yaml"), false)
	must(t, err)
	unlock, err := vault.ReadUnlockKey(cfg.UnlockKeyFile)
	must(t, err)
	next, err := vault.ParseUnlockKey(vault.NewUnlockKey())
	must(t, err)
	log := slog.New(slog.DiscardHandler)
	refused := func(when string, gone string) {
		t.Helper()
		h.startWithout(t, "safe", gone, "restore")
		for what, err := range map[string]error{
			"protect":   Protect(t.Context(), cfg, unlock, "safe", log),
			"unprotect": Unprotect(t.Context(), cfg, unlock, "safe", nil, false, log),
			"rekey":     Rekey(t.Context(), cfg, unlock, next, log),
		} {
			if err == nil || !strings.Contains(err.Error(), gone) || !strings.Contains(err.Error(), "restore") {
				t.Errorf("%s, %s: %v", when, what, err)
			}
		}
		if _, err := os.Stat(index); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: there is an index: %v", when, err)
		}
	}
	refused("index gone", "index.db is gone")
	must(t, os.Rename(key, key+".away"))
	refused("index and key gone", "index.dek.p7m is gone")
	must(t, os.Rename(key+".away", key))
	if now, err := os.ReadFile(key); err != nil || !bytes.Equal(now, sealed) {
		t.Errorf("the key is another one: %v", err)
	}
	must(t, os.Rename(index+".away", index))
	h.open(t)
	h.unlockFor(t, time.Minute)
	if list := h.files(t, "safe"); len(list) != 1 {
		t.Errorf("%d files", len(list))
	}
	h.sound(t)
}

// TestVerifyWhileItIsLocked: an account that is locked while it is verified is not said to be sound.
func TestVerifyWhileItIsLocked(t *testing.T) {
	h := newHouse(t)
	h.addAccount(t, safeAccount)
	if _, err := h.push(t, "safe", "many.xml", pain001(t, "many", 3000)); err != nil {
		t.Fatal(err)
	}
	h.unlockFor(t, time.Minute)
	h.reopen(t)
	path := filepath.Join(h.dir, "data/accounts/safe/index.db")
	content, err := os.ReadFile(path)
	must(t, err)
	content[len(content)-2000] ^= 1 // of the last page, so that something is reported early
	must(t, os.WriteFile(path, content, 0o600))
	h.unlockFor(t, time.Minute)
	reports := 0
	var fault error
	for line, err := range h.Verify(t.Context(), "safe") {
		if fault = err; err == nil {
			t.Log(line)
		}
	}
	if fault != nil {
		t.Fatalf("undisturbed: %v", fault)
	}
	a := h.account("safe")
	err = h.verifyAccount(t.Context(), a, func(what, problem string) {
		reports++
		if _, err := h.LockAccount(t.Context(), "safe", "uid:7"); err != nil {
			t.Error(err)
		}
	}, func(string) {})
	if reports == 0 || !errors.Is(err, indexer.ErrLocked) {
		t.Errorf("%d reports, %v", reports, err)
	}
	lines := 0
	for line, err := range h.Verify(t.Context(), "safe") {
		if lines++; err != nil || line.NotChecked == "" || line.What+line.Problem != "" {
			t.Errorf("locked from the beginning: %+v, %v", line, err)
		}
	}
	if lines != 1 {
		t.Errorf("locked from the beginning: %d lines", lines)
	}
}

// TestSessionEndedMeanwhile: a session whose account has left the configuration, and which somebody else has just ended, is no matter.
func TestSessionEndedMeanwhile(t *testing.T) {
	h := newHouse(t)
	h.sessions.begin("nobody", nil, h.now(), false)
	h.endSessions(t.Context())
	h.sessions.ending.Wait()
	if !h.sessions.until("nobody").IsZero() {
		t.Error("it goes on")
	}
}

// TestRekeyAgain: a change of the unlock key that was interrupted goes on also where the new key is configured already.
func TestRekeyAgain(t *testing.T) {
	h := newHouse(t)
	must(t, h.Close())
	cfg, err := LoadConfig(filepath.Join(h.dir, "sealgate.yaml"), false)
	must(t, err)
	from, err := vault.ReadUnlockKey(cfg.UnlockKeyFile)
	must(t, err)
	text := vault.NewUnlockKey()
	to, err := vault.ParseUnlockKey(text)
	must(t, err)
	log := slog.New(slog.DiscardHandler)
	must(t, beginRekey(t.Context(), cfg, from, to, log)) // and no further
	must(t, os.WriteFile(cfg.UnlockKeyFile, text, 0o600))
	if err := Rekey(t.Context(), cfg, to, to, log); err != nil {
		t.Errorf("interrupted: %v", err)
	}
	if id, err := readUnlockID(cfg.DataDir); err != nil || id.Key != to.ID() || id.Before != nil {
		t.Errorf("%+v, %v", id, err)
	}
	var no *No
	if err := Rekey(t.Context(), cfg, to, to, log); !errors.As(err, &no) {
		t.Errorf("finished: %v", err)
	}
	h.open(t)
}

// TestJoinedSession: whoever needs an account open for a moment leaves the session alone that somebody else has begun.
func TestJoinedSession(t *testing.T) {
	h := newHouse(t)
	h.addAccount(t, safeAccount)
	now := time.Now()
	h.now = func() time.Time { return now }
	join := AccountKey{Account: "safe", For: time.Minute, Key: h.keyOf(t, "safe").Key, Join: true}
	if line, err := h.unlockWith(t, join); err != nil || line.Joined || line.UnlockedUntil != utc(now.Add(time.Minute)) {
		t.Errorf("alone: %+v, %v", line, err)
	}
	h.unlockFor(t, 30*time.Minute)
	if line, err := h.unlockWith(t, join); err != nil || !line.Joined || line.UnlockedUntil != utc(now.Add(30*time.Minute)) {
		t.Errorf("joined: %+v, %v", line, err)
	}
}

// TestWayOnFromDamage: whichever page of a protected account's log is damaged, the operator is told how to go on, at the start or when he
// unlocks it; or it was a page that nobody needs.
func TestWayOnFromDamage(t *testing.T) {
	h := newHouse(t)
	h.addAccount(t, safeAccount)
	for name, size := range map[string]int{"small.xml": 3000, "middle.xml": 40_000, "large.xml": 400_000} {
		_, err := h.push(t, "safe", name, pain001(t, name, size))
		must(t, err)
	}
	must(t, h.Close())
	unlock, err := vault.ReadUnlockKey(filepath.Join(h.dir, "unlock.key"))
	must(t, err)
	data, before := filepath.Join(h.dir, "data"), filepath.Join(h.dir, "before")
	must(t, os.Rename(data, before))
	whole, err := os.ReadFile(filepath.Join(before, "accounts/safe/log.db"))
	must(t, err)
	const page, way = 4096, "sealgate unprotect safe --key KEY.pem --without-waiting"
	told := map[string]int{}
	for at := 2000; at < len(whole); at += page * (1 + at/page/15*30) { // all of the first, which have most of the kinds, then some
		content := bytes.Clone(whole)
		content[at] ^= 1
		must(t, os.RemoveAll(data), os.CopyFS(data, os.DirFS(before)), os.WriteFile(filepath.Join(data, "accounts/safe/log.db"), content, 0o600))
		g, err := Open(t.Context(), h.cfg.Load(), unlock, slog.New(slog.DiscardHandler))
		must(t, err)
		if out := g.out("safe"); out != nil {
			told["start"]++
			if !strings.Contains(out.why(), way) {
				t.Errorf("page %d: it is out of service: %v", at/page+1, out.fault)
			}
			must(t, g.Close())
			continue
		}
		h.Gateway = g
		var no *No
		if _, err := h.unlockWith(t, AccountKey{Account: "safe", For: time.Minute, Key: h.keyOf(t, "safe").Key}); err == nil {
			told["nobody"]++
		} else if told["unlock"]++; !errors.As(err, &no) || !strings.Contains(no.Hint, way) {
			t.Errorf("page %d: it is not unlocked: %v", at/page+1, err)
		}
		must(t, h.Close())
	}
	if told["start"] == 0 || told["unlock"] == 0 {
		t.Errorf("of %d pages: %v", len(whole)/page, told)
	}
	t.Log(told)
}

func second[T any](_ T, err error) error { return err }

// TestLockDuringAnUnlocking: `lock` is answered once the account is locked and stays so, also by one who has begun to unlock it before.
func TestLockDuringAnUnlocking(t *testing.T) {
	h := newHouse(t)
	h.addAccount(t, safeAccount)
	for i := range 40 { // so that there is something to merge
		if _, err := h.push(t, "safe", fmt.Sprint(i), fmt.Appendf(nil, "unrecognised %d", i)); err != nil {
			t.Fatal(err)
		}
	}
	public, err := h.Handover(t.Context())
	must(t, err)
	q, err := SealAccountKey(public, AccountKey{Account: "safe", For: time.Minute, Key: h.keyOf(t, "safe").Key})
	must(t, err)
	unlocked := make(chan AccountStatus, 1)
	go func() {
		line, err := h.UnlockAccount(t.Context(), q, "uid:7")
		if err != nil {
			t.Error(err)
		}
		unlocked <- line
	}()
	for begun := false; !begun; runtime.Gosched() {
		h.handovers.mu.Lock()
		begun = len(h.handovers.list) == 0
		h.handovers.mu.Unlock()
	}
	if _, err := h.LockAccount(t.Context(), "safe", "uid:8"); err != nil {
		t.Error(err)
	}
	if line := <-unlocked; line.UnlockedUntil == "" || line.Waiting != 40 {
		t.Errorf("unlock says %+v", line)
	}
	if !h.account("safe").index.Locked() || !h.sessions.until("safe").IsZero() {
		t.Error("it is open after lock was answered")
	}
}

// TestSessionBegunAnewAtItsEnd: whoever is told that he has unlocked an account has it open, however late its last session is ended.
func TestSessionBegunAnewAtItsEnd(t *testing.T) {
	h := newHouse(t)
	h.addAccount(t, safeAccount)
	now := time.Now()
	h.now = func() time.Time { return now }
	h.unlockFor(t, time.Minute)
	now = now.Add(time.Minute)
	release := h.sessions.hold("safe") // somebody is about to unlock it again
	h.endSessions(t.Context())
	if joined := h.sessions.begin("safe", h.account("safe").index, now.Add(time.Minute), true); joined {
		t.Error("he has joined a session whose time is up")
	}
	release()
	h.sessions.ending.Wait()
	if h.account("safe").index.Locked() || h.sessions.until("safe").IsZero() {
		t.Error("it is locked, and he was told that it is open")
	}
}

// TestLeftWhileUnlocking: an account that leaves the configuration while its unlocking merges what waits is locked at once after it.
func TestLeftWhileUnlocking(t *testing.T) {
	h := newHouse(t)
	h.addAccount(t, safeAccount)
	a, q := h.account("safe"), h.keyOf(t, "safe")
	_, err := a.index.Unlock(t.Context(), (*indexer.Key)(q.Key))
	must(t, err)
	h.edit(t, safeAccount+"\n", "")
	must(t, h.Reload(t.Context()))
	_, err = h.beginSession(t.Context(), a, &SealedAccountKey{Account: "safe", For: time.Hour, KeyStays: true}, "uid:7", 0)
	must(t, err)
	h.endSessions(t.Context())
	h.sessions.ending.Wait()
	if !a.index.Locked() || !h.sessions.until("safe").IsZero() {
		t.Error("it is open, and nobody could lock it")
	}
}

// TestUnlockedIsOneRow: the ledger has a row of each unlocking, also of an index that was given up in the midst of a session, and none of
// those who join it.
func TestUnlockedIsOneRow(t *testing.T) {
	h := newHouse(t)
	h.addAccount(t, safeAccount)
	q := h.keyOf(t, "safe")
	q.For = time.Minute
	for i, step := range []struct {
		join, giveUp, joined bool
		rows                 int
	}{{true, false, false, 1}, {true, false, true, 1}, {false, false, false, 2}, {true, true, false, 3}, {true, false, true, 3}} {
		if step.giveUp {
			must(t, h.account("safe").index.Lock())
		}
		q.Join = step.join
		line, err := h.unlockWith(t, q)
		must(t, err)
		rows := 0
		for row, err := range h.account("safe").index.Ledger(t.Context(), 1) {
			if must(t, err); row.Kind == "unlocked" {
				rows++
			}
		}
		if rows != step.rows || line.Joined != step.joined {
			t.Errorf("step %d: %d rows, joined %v, want %+v", i, rows, line.Joined, step)
		}
	}
}

// TestWrongCertificateWhileUnlocked: a certificate that is in the configuration by mistake, while somebody unlocks, closes nothing for
// ever: what opened the database goes on opening it until somebody has opened it with what comes after it.
func TestWrongCertificateWhileUnlocked(t *testing.T) {
	h := newHouse(t)
	h.addAccount(t, safeAccount)
	old, oops, next := readPair(t, h.dir, "acme"), h.newPair(t, "oops"), h.newPair(t, "next")
	unlock := func(with pair, untried string) {
		t.Helper()
		q, err := h.keyBy(t, "safe", with)
		must(t, err)
		line, err := h.unlockWith(t, q)
		if must(t, err); !strings.Contains(line.KeyUntried, untried) || untried == "" && line.KeyUntried != "" {
			t.Errorf("nobody has opened it as sealed to %q, want %q", line.KeyUntried, untried)
		}
		_, err = h.LockAccount(t.Context(), "safe", "uid:7")
		must(t, err)
	}
	closed := func(to pair) {
		t.Helper()
		if _, err := h.keyBy(t, "safe", to); !errors.Is(err, vault.ErrWrongKey) {
			t.Errorf("it opens with the key of %s: %v", to.cert.Subject(), err)
		}
	}
	unlock(old, "")
	h.edit(t, safeAccount, strings.Replace(safeAccount, "acme.crt", "oops.crt", 1))
	must(t, h.Reload(t.Context()))
	unlock(old, "oops")
	unlock(old, "oops")
	h.edit(t, strings.Replace(safeAccount, "acme.crt", "oops.crt", 1), safeAccount)
	must(t, h.Reload(t.Context()))
	unlock(old, "acme")
	closed(oops)
	h.reopen(t)
	unlock(old, "")
	h.edit(t, safeAccount, strings.Replace(safeAccount, "acme.crt", "next.crt", 1))
	must(t, h.Reload(t.Context()))
	unlock(old, "next")
	unlock(next, "")
	closed(old)

	// A wrong access key is no better.
	must(t, os.WriteFile(filepath.Join(h.dir, "lost.access.crt"), oops.cert.PEM(), 0o600))
	safe := strings.Replace(safeAccount, "acme.crt", "next.crt", 1)
	h.edit(t, safe, strings.Replace(safe, "acme.access.crt", "lost.access.crt", 1))
	must(t, h.Reload(t.Context()))
	unlock(next, "next")
	unlock(next, "next")
	unlock(next, "next")
}
