package gateway

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/transport"
	"github.com/sealgate/sealgate/vault"
)

// rows are an account's rows of the ledger from number on: "kind who detail".
func (h *house) rows(t testing.TB, account string, from int64) (list []string) {
	t.Helper()
	h.notes.do()
	for e, err := range h.account(account).index.Ledger(t.Context(), from) {
		must(t, err)
		list = append(list, strings.TrimSpace(e.Kind+" "+e.Who+" "+e.Detail))
	}
	return list
}

// since gives the rows that f adds.
func (h *house) since(t testing.TB, account string, f func()) []string {
	t.Helper()
	before := len(h.rows(t, account, 1))
	f()
	return h.rows(t, account, int64(before)+1)
}

// TestLoginsAreRows: a login is one row, however many steps it takes; so is a wrong try at a login that there is, as long as it is
// counted; one that is paused, an unknown login, or a key that is only offered, is none. Nobody's name is in any.
func TestLoginsAreRows(t *testing.T) {
	h := newHouse(t)
	anna, factor := h.addUser(t, "anna", "key,password+totp")
	id := anna.ID
	for _, test := range []struct {
		steps []string
		want  []string
	}{
		{[]string{"key"}, []string{"login " + id + " sftp 192.0.2.1 key"}},
		{[]string{"password", "code"}, []string{"login " + id + " sftp 192.0.2.1 password+totp"}},
		{[]string{"password"}, nil}, // not in yet
		{[]string{"wrong"}, []string{"login-refused " + id + " sftp 192.0.2.1 wrong-password"}},
		{[]string{"password", "bad code"}, []string{"login-refused " + id + " sftp 192.0.2.1 wrong-code"}},
		{[]string{"wrong", "key"}, []string{"login " + id + " sftp 192.0.2.1 key", "login-refused " + id + " sftp 192.0.2.1 wrong-password"}},
	} {
		got := h.since(t, "acme", func() { h.steps(t, "anna", factor, test.steps...) })
		if !slices.Equal(got, test.want) {
			t.Errorf("%v: %q, want %q", test.steps, got, test.want)
		}
		h.logins.init(h.now)
	}
	offered := transport.LoginTry{Door: "sftp", Login: "anna", PublicKey: robotKey, Addr: guest.Addr}
	for what, f := range map[string]func(){
		"a key that is offered": func() { h.Admit(t.Context(), offered) },
		"an unknown key": func() {
			try := offered
			try.PublicKey, try.Proven = []byte("another"), true
			h.Admit(t.Context(), try)
		},
		"an unknown login": func() { h.steps(t, "nobody", nil, "wrong") },
	} {
		if got := h.since(t, "acme", f); len(got) != 0 {
			t.Errorf("%s: %q", what, got)
		}
	}
	h.logins.init(h.now)
	now := h.now()
	h.now = func() time.Time { return now }
	h.logins.init(h.now)
	got := h.since(t, "acme", func() {
		for i := range 100 {
			h.Admit(t.Context(), try("anna", "wrong", fmt.Sprintf("198.51.100.%d", i)))
		}
	})
	paused := fmt.Sprintf("login-refused %s sftp 198.51.100.9 wrong-password, paused until %s", id, utc(now.Add(firstLock)))
	if len(got) != triesOfUser || got[triesOfUser-1] != paused {
		t.Errorf("a hundred wrong tries: %d rows, the last %q", len(got), got[len(got)-1])
	}
	h.account("acme").Passwords.LockAfter = 1
	h.logins.init(h.now)
	got = h.since(t, "acme", func() { h.Admit(t.Context(), try("anna", "wrong", "192.0.2.9")) })
	if len(got) != 2 || got[1] != "user-locked sealgate "+id {
		t.Errorf("locked: %q", got)
	}
	for _, row := range h.rows(t, "acme", 1) {
		if strings.Contains(row, "anna") {
			t.Errorf("a name: %q", row)
		}
	}
	h.sound(t)
}

// TestRefusedLoginsAreWrittenAtTheEnd: what waits to be written is not lost when the gateway closes.
func TestRefusedLoginsAreWrittenAtTheEnd(t *testing.T) {
	h := newHouse(t)
	line, _ := h.addUser(t, "anna", "password")
	h.steps(t, "anna", nil, "wrong")
	h.reopen(t)
	if rows := h.rows(t, "acme", 1); rows[len(rows)-1] != "login-refused "+line.ID+" sftp 192.0.2.1 wrong-password" {
		t.Errorf("%q", rows)
	}
}

// TestALoginIsWrittenInAnyCase: of somebody who asks for nothing, by the clock, by whatever is committed next, and by the end.
func TestALoginIsWrittenInAnyCase(t *testing.T) {
	h := newHouse(t)
	line, _ := h.addUser(t, "robot", "key")
	want := "login " + line.ID + " sftp 127.0.0.1 key"
	for what, then := range map[string]func(before int){
		"by the clock": func(before int) {
			for len(h.rows(t, "acme", 1)) == before {
				runtime.Gosched()
			}
		},
		"by a commit": func(int) {
			_, err := h.push(t, "acme", "next.txt", []byte("not a payment"))
			must(t, err)
		},
		"by the end": func(int) { h.reopen(t) },
	} {
		before := len(h.rows(t, "acme", 1))
		try := transport.LoginTry{Door: "sftp", Login: "robot", PublicKey: robotKey, Proven: true, Addr: guest.Addr}
		_, err := h.Admit(t.Context(), try)
		must(t, err)
		then(before)
		if got := h.rows(t, "acme", int64(before)+1); len(got) == 0 || got[0] != want {
			t.Errorf("%s: %q", what, got)
		}
	}
}

// TestAFullQueueIsTold: more refused logins than may wait block nobody, and the operator is told of those that are left out.
func TestAFullQueueIsTold(t *testing.T) {
	h := newHouse(t)
	a := h.account("acme")
	h.notes.doer.Lock() // the disk is slow
	for range laterKept + 1 {
		h.noteLater(t.Context(), a, kindLoginRefused, "uTEST", "sftp")
	}
	h.notes.doer.Unlock()
	if n := strings.Count(h.log.String(), "not in the ledger: too many rows wait"); n != 1 {
		t.Errorf("told %d times:\n%s", n, h.log)
	}
	if rows := h.rows(t, "acme", 1); len(rows) != laterKept {
		t.Errorf("%d rows", len(rows))
	}
}

// TestALedgerThatFailsKeepsNobodyOut: the login is let in, and the operator is told aloud.
func TestALedgerThatFailsKeepsNobodyOut(t *testing.T) {
	h := newHouse(t)
	h.addUser(t, "anna", "key")
	closed, err := indexer.Open(t.Context(), filepath.Join(t.TempDir(), "index.db"), indexer.Key{}, slog.New(slog.DiscardHandler))
	must(t, err, closed.Close())
	a := h.account("acme")
	a.index, closed = closed, a.index
	defer func() { a.index = closed }()
	if got := h.steps(t, "anna", nil, "key"); got != "in" {
		t.Error(got)
	}
	if !strings.Contains(h.log.String(), `level=ERROR msg="not in the ledger" account=acme`) {
		t.Errorf("not told:\n%s", h.log)
	}
}

// TestEveryChangeIsARow: what operators do to users, copies, databases and the configuration, through the gateway as it is.
func TestEveryChangeIsARow(t *testing.T) {
	h := newHouse(t)
	const who = "uid:7"
	ctx := t.Context()
	var user UserLine
	key := UserChange{Account: "acme", Login: "anna", Methods: "password", AllowFrom: &[]string{"192.0.2.0/24"}}
	receipt, err := h.push(t, "acme", "held.txt", []byte("not a payment"))
	must(t, err)
	step := func(name, want string, f func() error) {
		t.Helper()
		rows := h.since(t, "acme", func() { must(t, f()) })
		if len(rows) != 1 || !strings.HasPrefix(rows[0], want) {
			t.Errorf("%s: %q, want %q", name, rows, want)
		}
	}
	step("add", "user-added uid:7 u", func() (err error) {
		user, err = h.AddUser(ctx, NewUser{Account: "acme", Login: "anna", Password: good}, who)
		return err
	})
	step("password", "password-set uid:7 "+user.ID, func() error {
		return second(h.SetPassword(ctx, PasswordChange{Account: "acme", Login: "anna"}, who))
	})
	step("factor", "second-factor-set uid:7 "+user.ID, func() error {
		return second(h.SetFactor(ctx, FactorChange{Account: "acme", Login: "anna"}, who))
	})
	step("no factor", "second-factor-removed uid:7 "+user.ID, func() error {
		return second(h.SetFactor(ctx, FactorChange{Account: "acme", Login: "anna", Remove: true}, who))
	})
	step("change", "user-changed uid:7 "+user.ID, func() error { return second(h.ChangeUser(ctx, key, who)) })
	step("unlock", "user-unlocked uid:7 "+user.ID, func() error { return second(h.Unlock(ctx, "acme", "anna", who)) })
	step("remove", "user-removed uid:7 "+user.ID, func() error { return second(h.RemoveUser(ctx, "acme", "anna", who)) })
	step("upload", "accepted uTEST", func() error { return second(h.push(t, "acme", "a.xml", pain001(t, "a", 1))) })
	step("bad upload", "rejected uTEST empty", func() error { h.push(t, "acme", "empty.xml", nil); return nil })
	step("open", "handed-out uid:7 to open", func() error {
		_, copy, err := h.HandOut(ctx, CopyQuery{ID: receipt.ID, For: "to open"}, who)
		if err == nil {
			copy.Close()
		}
		return err
	})
	step("release", "released uid:7 it is right", func() error {
		return second(h.Gateway.Decide(ctx, Decision{ID: receipt.ID, Release: true, Reason: "it is right"}, who))
	})
	if _, _, err := h.HandOut(ctx, CopyQuery{ID: "ZZZZZZZZ"}, who); err == nil {
		t.Error("there is no such file")
	}
	h.sound(t)
}

// TestConfigurationChangesAreRows: at a reload and at a start, by the keys' names; only in the account that it is of, and once.
func TestConfigurationChangesAreRows(t *testing.T) {
	h := newHouse(t)
	path := filepath.Join(h.dir, "sealgate.yaml")
	original, err := os.ReadFile(path)
	must(t, err)
	change := func(old, now string) {
		t.Helper()
		text, err := os.ReadFile(path)
		must(t, err)
		if !bytes.Contains(text, []byte(old)) {
			t.Fatalf("no %q", old)
		}
		must(t, os.WriteFile(path, bytes.Replace(text, []byte(old), []byte(now), 1), 0o600))
	}
	reload := func() { must(t, h.Reload(t.Context())) }
	is := func(name string, got []string, want ...string) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	is("at the first start", h.rows(t, "acme", 1))
	is("nothing changed", h.since(t, "acme", func() { reload(); h.reopen(t); reload() }))
	is("at a reload", h.since(t, "acme", func() { change("say: all", "linger: 20m"); reload(); reload() }), "configuration-changed sealgate linger, say")
	is("of another account", h.rows(t, "beta", 1))
	is("at a start", h.since(t, "acme", func() { change("linger: 20m", "linger: 30m"); h.reopen(t); h.reopen(t) }), "configuration-changed sealgate linger")

	certificate, _, err := vault.NewCertificate("acme", "p-256", h.now(), 90*24*time.Hour)
	must(t, err, os.WriteFile(filepath.Join(h.dir, "acme.crt"), certificate, 0o600))
	parsed, err := vault.ParseCertificate(certificate)
	must(t, err)
	is("another certificate in the same file", h.since(t, "acme", func() { reload() }), "configuration-changed sealgate certificate (now "+parsed.Fingerprint()+")")
	is("no access keys", h.since(t, "acme", func() { change(", access_keys: [./acme.access.crt]", ""); reload() }), "configuration-changed sealgate access_keys (now none)")
	must(t, os.WriteFile(filepath.Join(h.dir, "moved.crt"), certificate, 0o600))
	is("the same certificate elsewhere", h.since(t, "acme", func() { change("./acme.crt", "./moved.crt"); reload() }))

	soft := h.account("soft")
	is("it leaves", h.since(t, "acme", func() { change("  - {id: gone,", "  - {id: went,"); reload() }))
	is("it comes back", h.since(t, "acme", func() { must(t, os.WriteFile(path, original, 0o600)); reload() }),
		"configuration-changed sealgate access_keys (now "+fingerprints(h.account("acme").access...)[0]+"), linger, say")
	rows := h.rows(t, "gone", 1)
	if len(rows) != 2 || rows[0] != "configuration-changed sealgate the account has left the configuration" || !strings.Contains(rows[1], "after_indexing, allow_from, ") {
		t.Errorf("it left and came back: %q", rows)
	}

	// A ledger that cannot be written is told aloud, and gets its row later.
	closed, err := indexer.Open(t.Context(), filepath.Join(t.TempDir(), "index.db"), indexer.Key{}, slog.New(slog.DiscardHandler))
	must(t, err, closed.Close())
	index := soft.index
	h.indexes["soft"] = closed
	change("malformed: accept", "malformed: hold")
	reload()
	if !strings.Contains(h.log.String(), "the ledgers lack what has changed of the configuration") {
		t.Errorf("not told:\n%s", h.log)
	}
	h.indexes["soft"] = index
	is("later", h.since(t, "beta", reload))
	if rows := h.rows(t, "soft", 1); rows[len(rows)-1] != "configuration-changed sealgate policy" {
		t.Errorf("%q", rows)
	}
	h.sound(t)
}

// TestUnlockKeyChangeIsARow, and the gateway's own key outlasts it.
func TestUnlockKeyChangeIsARow(t *testing.T) {
	h := newHouse(t)
	before := h.ReceiptKey()
	must(t, h.Close())
	from, err := vault.ReadUnlockKey(filepath.Join(h.dir, "unlock.key"))
	must(t, err)
	text := vault.NewUnlockKey()
	to, err := vault.ParseUnlockKey(bytes.Clone(text))
	must(t, err, os.WriteFile(filepath.Join(h.dir, "unlock.key"), text, 0o600))
	must(t, Rekey(t.Context(), h.cfg.Load(), from, to, slog.New(slog.DiscardHandler)))
	h.open(t)
	if h.ReceiptKey() != before {
		t.Error("another receipt key")
	}
	for _, account := range []string{"acme", "gone"} {
		if rows := h.rows(t, account, 1); len(rows) != 1 || !strings.HasPrefix(rows[0], "unlock-key-changed sealgate ") || !strings.HasSuffix(rows[0], " to "+to.ID()) {
			t.Errorf("%s: %q", account, rows)
		}
	}
	h.reopen(t)
	if rows := h.rows(t, "acme", 1); len(rows) != 1 {
		t.Errorf("%q", rows)
	}
}
