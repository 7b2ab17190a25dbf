package gateway

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/transport"
)

// TestHardLock: so many wrong passwords or codes lock a user over all pauses and restarts, until an operator lifts it. A
// locked user is told nothing that a wrong password is not.
func TestHardLock(t *testing.T) {
	for _, test := range []struct {
		methods string
		wrong   []string // the steps of a wrong guess
		right   []string
	}{
		{"password", []string{"wrong"}, []string{"password"}},
		{"key+password", []string{"key", "wrong"}, []string{"key", "password"}},
		{"password+totp", []string{"password", "bad code"}, []string{"password", "code"}},
		{"key+totp", []string{"key", "bad code"}, []string{"key", "code"}},
	} {
		h := newHouse(t)
		line, factor := h.addUser(t, "anna", test.methods)
		h.account("acme").Passwords.LockAfter = 3
		wrong := func(n int) {
			for range n {
				if got := h.steps(t, "anna", factor, test.wrong...); got != "no" {
					t.Fatalf("%s: %s", test.methods, got)
				}
				h.logins.init(h.now) // past the pauses
			}
		}
		wrong(2)
		if got := h.steps(t, "anna", factor, test.right...); got != "in" {
			t.Errorf("%s: locked too early: %s", test.methods, got)
		}
		later := time.Now().Add(time.Hour) // another code
		h.now = func() time.Time { return later }
		wrong(3)
		h.reopen(t)
		h.account("acme").Passwords.LockAfter = 3
		h.now = func() time.Time { return later.Add(time.Hour) }
		if got := h.steps(t, "anna", factor, test.right...); got != "no" {
			t.Errorf("%s: not locked: %s", test.methods, got)
		}
		users, err := h.Users(t.Context(), "acme")
		must(t, err)
		if len(users) != 1 || users[0].LockedAt == "" {
			t.Errorf("%s: %+v", test.methods, users)
		}
		if !strings.Contains(h.log.String(), "user locked") || !strings.Contains(h.log.String(), "why=user-locked") {
			t.Errorf("the operator is not told:\n%s", h.log)
		}
		if unlocked, err := h.Unlock(t.Context(), "acme", line.ID, "uid:0"); err != nil || unlocked.LockedAt != "" {
			t.Errorf("%+v, %v", unlocked, err)
		}
		if got := h.steps(t, "anna", factor, test.right...); got != "in" {
			t.Errorf("%s: after unlock: %s", test.methods, got)
		}
	}
}

// TestOnlyGuessesThatCouldHaveWorkedLock: strangers without the key, from elsewhere, or at a login that takes no password
// do not lock anybody out; nor is a key locked out by guesses at the password.
func TestOnlyGuessesThatCouldHaveWorkedLock(t *testing.T) {
	h := newHouse(t)
	h.account("acme").Passwords.LockAfter = 3
	from := func(u *indexer.User) error { u.AllowFrom = []string{"198.51.100.0/24"}; return nil }
	for _, methods := range []string{"key", "key+password", "key+totp", "password", "key,password"} {
		line, _ := h.addUser(t, methods, methods)
		if methods == "password" {
			must(t, h.registry.ChangeUser(t.Context(), line.ID, from))
		}
		for range 5 {
			h.steps(t, methods, nil, "wrong")
			h.logins.init(h.now)
		}
	}
	users, err := h.Users(t.Context(), "acme")
	must(t, err)
	for _, u := range users {
		if locked := u.LockedAt != ""; locked != (u.Login == "key,password") {
			t.Errorf("%s: locked %v", u.Login, locked)
		}
	}
	if got := h.steps(t, "key,password", nil, "key"); got != "in" {
		t.Errorf("the key of a locked password: %s", got)
	}
	if got := h.steps(t, "key,password", nil, "password"); got != "no" {
		t.Errorf("the password of a locked password: %s", got)
	}
}

// TestStrangersDoNotPauseTheSecondStep: guesses at a password by people without the key, or from networks that are kept out,
// do not pause those who have it.
func TestStrangersDoNotPauseTheSecondStep(t *testing.T) {
	h := newHouse(t)
	_, factor := h.addUser(t, "anna", "key+totp")
	line, _ := h.addUser(t, "bert", "password")
	must(t, h.registry.ChangeUser(t.Context(), line.ID, func(u *indexer.User) error { u.AllowFrom = []string{"192.0.2.0/24"}; return nil }))
	for i := range byte(triesOfUser + 5) {
		for _, login := range []string{"anna", "bert"} {
			h.Admit(t.Context(), try(login, "guess", netip.AddrFrom4([4]byte{203, 0, 113, i}).String()))
		}
	}
	if got := h.steps(t, "anna", factor, "key", "code"); got != "in" {
		t.Error(got)
	}
	if got := h.steps(t, "bert", nil, "password"); got != "in" {
		t.Error(got)
	}
}

// TestNetworks: from where one may log in is looked at in every step, by us.
func TestNetworks(t *testing.T) {
	h := newHouse(t)
	line, _ := h.addUser(t, "anna", "key,password")
	for _, test := range []struct {
		account     reach
		allow, deny []string // the user's
		in, out     []string
	}{
		{in: []string{"192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"}},
		{account: newReach([]string{"192.0.2.0/24", "2001:db8::/32"}, []string{"192.0.2.66"}),
			in:  []string{"192.0.2.1", "2001:db8:1::1", "::ffff:192.0.2.1"},
			out: []string{"192.0.3.1", "192.0.2.66", "::ffff:192.0.2.66", "2001:db9::1", "127.0.0.1"}},
		{allow: []string{"192.0.2.7"}, in: []string{"192.0.2.7"}, out: []string{"192.0.2.8", "::1"}},
		{account: newReach([]string{"192.0.2.0/24"}, nil), allow: []string{"192.0.2.7", "198.51.100.1"}, deny: []string{"192.0.2.8/29"},
			in: []string{}, out: []string{"192.0.2.1", "198.51.100.1", "192.0.2.9"}},
		{deny: []string{"0.0.0.0/0"}, in: []string{"2001:db8::1"}, out: []string{"192.0.2.1", "::ffff:192.0.2.1"}},
		{allow: []string{"nonsense"}, out: []string{"192.0.2.1"}},
		{deny: []string{"nonsense"}, out: []string{"192.0.2.1"}},
	} {
		h.account("acme").reach = test.account
		must(t, h.registry.ChangeUser(t.Context(), line.ID, func(u *indexer.User) error { u.AllowFrom, u.DenyFrom = test.allow, test.deny; return nil }))
		for want, list := range map[string][]string{"in": test.in, "no": test.out} {
			for _, addr := range list {
				password := try("anna", good, addr)
				offered := transport.LoginTry{Door: "sftp", Login: "anna", PublicKey: robotKey, Addr: password.Addr}
				proven := offered
				proven.Proven = true
				for what, v := range map[string]transport.LoginTry{"password": password, "offered key": offered, "key": proven} {
					if got := outcome(h.Admit(t.Context(), v)); got != want {
						t.Errorf("%+v: %s from %s: %s, want %s", test, what, addr, got, want)
					}
				}
			}
		}
		h.logins.init(h.now)
	}
	// Who may log in says nothing of the customer's own servers.
	h.account("acme").reach = newReach(nil, []string{"0.0.0.0/0", "::/0"})
	if _, err := h.Receive(t.Context(), transport.Guest{Account: "acme"}, "remote:bank", "x.xml"); err != nil {
		t.Errorf("from a remote: %v", err)
	}
	for _, id := range []string{"acme", "beta", "gone", "soft"} {
		h.account(id).reach = newReach([]string{"192.0.2.0/24"}, nil)
	}
	if !h.Welcome(netip.MustParseAddr("::ffff:192.0.2.9")) || h.Welcome(netip.MustParseAddr("198.51.100.1")) {
		t.Error("Welcome")
	}
	h.account("gone").reach = reach{}
	if !h.Welcome(netip.MustParseAddr("198.51.100.1")) {
		t.Error("an account without lists is for everybody")
	}
}

// TestSameWork: whatever is wrong with a login by password, its client gets the same answer for the same work. What is
// compared is work, not time; the times are printed.
func TestSameWork(t *testing.T) {
	h := newHouse(t)
	h.addUser(t, "known", "password")
	h.addUser(t, "robot", "key")
	h.addUser(t, "both", "key+password")
	locked, _ := h.addUser(t, "locked", "password")
	must(t, h.registry.ChangeUser(t.Context(), locked.ID, func(u *indexer.User) error { u.LockedAt = h.now(); return nil }))
	outside, _ := h.addUser(t, "outside", "password")
	must(t, h.registry.ChangeUser(t.Context(), outside.ID, func(u *indexer.User) error { u.DenyFrom = []string{"0.0.0.0/0"}; return nil }))
	for _, test := range []struct{ login, password string }{
		{"nobody", good}, {"known", "wrong"}, {"robot", "wrong"}, {"robot", good}, {"both", "wrong"}, {"both", good},
		{"locked", "wrong"}, {"locked", good}, {"outside", "wrong"}, {"outside", good}, {"", good},
	} {
		var took time.Duration
		const times = 5
		for i := range times {
			before, began := h.logins.entered.Load(), time.Now()
			_, err := h.Admit(t.Context(), try(test.login, test.password, fmt.Sprintf("192.0.2.%d", i)))
			took += time.Since(began)
			if n := h.logins.entered.Load() - before; n != 1 {
				t.Errorf("%s, %s: %d hashes", test.login, test.password, n)
			}
			if !errors.Is(err, errNo) {
				t.Errorf("%s, %s: %v", test.login, test.password, err)
			}
			h.logins.init(h.now)
		}
		t.Logf("%-8s %-26s %s", test.login, test.password, took/times)
	}
	// And after so many tries none gets in, not even by the right password, for the same answer and the same work.
	for _, login := range []string{"nobody", "known", "locked", "both", "robot", "outside"} {
		h.logins.init(h.now)
		for i := range triesOfUser + 2 {
			password := "wrong"
			if i >= triesOfUser {
				password = good
			}
			before := h.logins.entered.Load()
			_, err := h.Admit(t.Context(), try(login, password, fmt.Sprintf("192.0.2.%d", i)))
			if n := h.logins.entered.Load() - before; !errors.Is(err, errNo) || n != 1 {
				t.Errorf("%s: try %d: %v, %d hashes", login, i+1, err, n)
			}
		}
	}
}

// TestListsTellNothing: a stranger with addresses on either side of a login's list of networks gets the same answers as for a
// login that there is not, until an address of his is paused, which says nothing of any login.
func TestListsTellNothing(t *testing.T) {
	h := newHouse(t)
	line, _ := h.addUser(t, "anna", "password")
	must(t, h.registry.ChangeUser(t.Context(), line.ID, func(u *indexer.User) error { u.DenyFrom = []string{"203.0.113.0/24"}; return nil }))
	said := map[string]string{}
	for _, login := range []string{"anna", "nobody"} {
		h.logins.init(h.now)
		for i := range triesOfUser {
			h.Admit(t.Context(), try(login, "wrong", fmt.Sprintf("203.0.113.%d", i)))
		}
		for range triesOfAddress + 1 {
			before := h.logins.entered.Load()
			_, err := h.Admit(t.Context(), try(login, "wrong", "198.51.100.1"))
			said[login] += fmt.Sprintf("%T %d, ", err, h.logins.entered.Load()-before)
		}
	}
	if said["anna"] != said["nobody"] || !strings.HasSuffix(said["anna"], "1, *transport.Refusal 0, ") {
		t.Errorf("%q", said)
	}
}

// TestOperatorsHashInTurn: a password that an operator sets is hashed in one of the same two places as those of logins, so that
// never more than two hashes are made at once; however many logins wait, he is not turned away; and where none is set, none is hashed.
func TestOperatorsHashInTurn(t *testing.T) {
	h := newHouse(t)
	for range hashesWaiting {
		h.logins.queue <- struct{}{}
	}
	hashes := func(what string, want int64, f func() error) {
		t.Helper()
		before := h.logins.entered.Load()
		must(t, f())
		if n := h.logins.entered.Load() - before; n != want {
			t.Errorf("%s: %d places at the hash", what, n)
		}
	}
	hashes("add", 1, func() error {
		_, err := h.AddUser(t.Context(), NewUser{Account: "acme", Login: "anna"}, "test")
		return err
	})
	hashes("set", 1, func() error {
		_, err := h.SetPassword(t.Context(), PasswordChange{Account: "acme", Login: "anna"}, "test")
		return err
	})
	key := "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEcqQ0hFzxS5zmQ0hVdYbUCkPmKsNmsuVCXkRbvWJq9a x"
	hashes("add a key", 0, func() error {
		_, err := h.AddUser(t.Context(), NewUser{Account: "acme", Login: "robot", PublicKey: key}, "test")
		return err
	})
	hashes("change to key+password", 1, func() error {
		line, err := h.ChangeUser(t.Context(), UserChange{Account: "acme", Login: "robot", Methods: "key+password"}, "test")
		if err == nil && line.NewPassword == "" {
			t.Error("no password was made")
		}
		return err
	})
	hashes("change networks", 0, func() error {
		line, err := h.ChangeUser(t.Context(), UserChange{Account: "acme", Login: "robot", AllowFrom: &[]string{"192.0.2.0/24"}}, "test")
		if err == nil && line.NewPassword != "" {
			t.Error("a password was made")
		}
		return err
	})
	var no *No
	if _, err := h.SetPassword(t.Context(), PasswordChange{Account: "acme", Login: "nobody"}, "test"); !errors.As(err, &no) {
		t.Error(err)
	}
}

// TestGuessesAtOnceAreCountedBefore: however many guess at the same instant, over whatever addresses, no more are looked at than
// one after the other would be; and whoever is right comes in, however many do so at once.
func TestGuessesAtOnceAreCountedBefore(t *testing.T) {
	for _, test := range []struct {
		password       string
		in, no, looked int
	}{
		{"a wrong guess", 0, 30, triesOfUser},
		{good, 30, 0, 0},
	} {
		h := newHouse(t)
		_, err := h.AddUser(t.Context(), NewUser{Account: "acme", Login: "anna", Password: good}, "test")
		must(t, err)
		var mu sync.Mutex
		in, no := 0, 0
		var all sync.WaitGroup
		for i := range 30 {
			all.Go(func() {
				_, err := h.Admit(t.Context(), try("anna", test.password, fmt.Sprintf("192.0.2.%d", i)))
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					in++
				case errors.Is(err, errNo):
					no++
				}
			})
		}
		all.Wait()
		looked := strings.Count(h.log.String(), "why=wrong-password")
		if in != test.in || no != test.no || looked != test.looked {
			t.Errorf("%q: %d came in, %d did not, %d were looked at", test.password, in, no, looked)
		}
		if len(h.logins.pending) > 0 {
			t.Errorf("left: %v", h.logins.pending)
		}
	}
}

// TestALockCountsForThoseWhoWait: a user who is locked while a right guess waits for the ones before it stays out.
func TestALockCountsForThoseWhoWait(t *testing.T) {
	h := newHouse(t)
	line, _ := h.addUser(t, "anna", "password")
	blind := h.unlock.Blind("anna")
	for range triesOfUser - 1 {
		h.logins.wrong("user:"+string(blind[:]), "addr:198.51.100.1")
	}
	_, done, err := h.logins.approach(t.Context(), "user:"+string(blind[:]), "addr:198.51.100.1", triesOfUser) // the last one before the pause
	must(t, err)
	got := make(chan string)
	go func() { got <- outcome(h.Admit(t.Context(), try("anna", good, "192.0.2.1"))) }()
	must(t, h.registry.ChangeUser(t.Context(), line.ID, func(u *indexer.User) error { u.LockedAt = h.now(); return nil }))
	done()
	if got := <-got; got != "no" {
		t.Error(got)
	}
}

// TestGuessesAtOnceAreLockedOut: of guesses that are made at once no more are looked at than lock_after, also when some were counted before a
// restart.
func TestGuessesAtOnceAreLockedOut(t *testing.T) {
	h := newHouse(t)
	line, _ := h.addUser(t, "anna", "password")
	h.account("acme").Passwords.LockAfter = 4
	must(t, h.registry.ChangeUser(t.Context(), line.ID, func(u *indexer.User) error { u.Failures = 2; return nil }))
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() { h.Admit(t.Context(), try("anna", fmt.Sprint("wrong", i), fmt.Sprint("192.0.2.", i))) })
	}
	all.Wait()
	user, err := h.registry.UserByBlind(t.Context(), h.unlock.Blind("anna"))
	must(t, err)
	if user.LockedAt.IsZero() || user.Failures != 4 {
		t.Errorf("%d guesses were looked at, locked at %v", user.Failures, user.LockedAt)
	}
}
