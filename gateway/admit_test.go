package gateway

import (
	"context"
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

func try(login, password, addr string) transport.LoginTry {
	return transport.LoginTry{
		Door: "sftp", Login: login, Password: []byte(password), Addr: netip.MustParseAddr(addr), Client: "SSH-2.0-OpenSSH_9.2p1 Debian",
	}
}

func TestLogins(t *testing.T) {
	h := newHouse(t)
	line, err := h.AddUser(t.Context(), NewUser{Account: "acme", Login: "anna"}, "uid:0")
	if err != nil || line.NewPassword == "" || line.Account != "acme" {
		t.Fatalf("%+v, %v", line, err)
	}
	guest, err := h.Admit(t.Context(), try("anna", line.NewPassword, "192.0.2.1"))
	if err != nil || guest.Account != "acme" || guest.User != line.ID {
		t.Errorf("%+v, %v", guest, err)
	}
	for _, bad := range []transport.LoginTry{
		try("anna", "", "192.0.2.1"), try("anna", line.NewPassword+"x", "192.0.2.1"),
		try("Anna", line.NewPassword, "192.0.2.1"), try("", "", "192.0.2.1"), try("bert", line.NewPassword, "192.0.2.1"),
		{Door: "sftp", Login: "anna", PublicKey: []byte("not hers"), Proven: true, Addr: netip.MustParseAddr("192.0.2.1")},
		{Door: "sftp", Login: "anna", PublicKey: []byte{}, Proven: true, Addr: netip.MustParseAddr("192.0.2.1")},
	} {
		if guest, err := h.Admit(t.Context(), bad); err == nil || guest.Account != "" {
			t.Errorf("%q let in as %+v", bad.Login, guest)
		}
	}
	must(t, h.registry.AddUser(t.Context(), &indexer.User{ID: "uGONE", Account: "formerly", Blind: h.unlock.Blind("gone"), PublicKeys: [][]byte{{1}}}))
	for _, key := range []byte{1, 2} { // its account has left the configuration
		offer := transport.LoginTry{Door: "sftp", Login: "gone", PublicKey: []byte{key}, Proven: true, Addr: netip.MustParseAddr("192.0.2.1")}
		if guest, err := h.Admit(t.Context(), offer); !errors.Is(err, errNo) {
			t.Errorf("a login of no account: %+v, %v", guest, err)
		}
	}
	if _, err := h.AddUser(t.Context(), NewUser{Account: "beta", Login: "anna"}, "uid:0"); err == nil {
		t.Error("one login, two accounts")
	}
	if _, err := h.RemoveUser(t.Context(), "beta", "anna", "uid:0"); err == nil {
		t.Error("removed by another account")
	}
	if _, err := h.RemoveUser(t.Context(), "acme", "anna", "uid:0"); err != nil {
		t.Error(err)
	}
	if _, err := h.Admit(t.Context(), try("anna", line.NewPassword, "192.0.2.1")); err == nil {
		t.Error("let in after removal")
	}
	if text := h.log.String(); strings.Contains(text, "anna") || strings.Contains(text, "bert") || strings.Contains(text, line.NewPassword) {
		t.Errorf("a login's name or a password is in the log:\n%s", text)
	}
}

// TestLockout: wrong passwords lock the user, wherever they come from, for a growing time; the right one is refused then
// too, and works again when the time is over.
func TestLockout(t *testing.T) {
	h := newHouse(t)
	now := time.Now()
	var clock sync.Mutex
	h.now = func() time.Time { clock.Lock(); defer clock.Unlock(); return now }
	h.logins.now = h.now
	line, err := h.AddUser(t.Context(), NewUser{Account: "acme", Login: "anna"}, "uid:0")
	if err != nil {
		t.Fatal(err)
	}
	wrong := func(n int) {
		for i := range n {
			h.Admit(t.Context(), try("anna", "guess", fmt.Sprintf("192.0.2.%d", i)))
		}
	}
	locked := func() bool {
		_, err := h.Admit(t.Context(), try("anna", line.NewPassword, "198.51.100.1"))
		return errors.Is(err, errNo)
	}
	for range 2 {
		wrong(triesOfUser - 1)
		if locked() {
			t.Error("locked too early") // and the right password has cleared the count
		}
	}
	for _, pause := range []time.Duration{firstLock, 2 * firstLock, 4 * firstLock, 8 * firstLock, longestLock, longestLock} {
		if pause == firstLock {
			wrong(triesOfUser)
		} else {
			wrong(1)
		}
		now = now.Add(pause - time.Second)
		if !locked() {
			t.Errorf("not locked for %s", pause)
		}
		now = now.Add(2 * time.Second)
	}
	if locked() {
		t.Error("locked for ever")
	}
}

// TestStrangersCannotLockAKeyOut: wrong passwords from anywhere do not keep the holder of the right key away.
func TestStrangersCannotLockAKeyOut(t *testing.T) {
	h := newHouse(t)
	line := publicKey(t)
	_, err := h.AddUser(t.Context(), NewUser{Account: "acme", Login: "robot", PublicKey: line}, "uid:0")
	must(t, err)
	_, err = h.AddUser(t.Context(), NewUser{Account: "acme", Login: "both", PublicKey: line, Password: "swordfish-and-chips"}, "uid:0")
	must(t, err)
	wire, _, err := transport.ParsePublicKey([]byte(line))
	must(t, err)
	for i := range triesOfUser + 5 {
		for _, login := range []string{"robot", "both"} {
			h.Admit(t.Context(), try(login, "guess", fmt.Sprintf("192.0.2.%d", i)))
		}
	}
	for _, login := range []string{"robot", "both"} {
		right := transport.LoginTry{Door: "sftp", Login: login, PublicKey: wire, Proven: true, Addr: netip.MustParseAddr("198.51.100.1")}
		if _, err := h.Admit(t.Context(), right); err != nil {
			t.Errorf("%s: %v", login, err)
		}
	}
}

func TestAddressIsLockedForEverybody(t *testing.T) {
	h := newHouse(t)
	for i := range triesOfAddress {
		h.Admit(t.Context(), try(fmt.Sprint("nobody", i), "guess", fmt.Sprintf("2001:db8::%x", i))) // one /64
	}
	var r *transport.Refusal
	if _, err := h.Admit(t.Context(), try("somebody", "x", "2001:db8::ffff")); !errors.As(err, &r) || !strings.Contains(r.Sentence, "too many wrong logins from your address; try again after ") {
		t.Errorf("the /64 is not locked: %v", err)
	}
	key := []byte("some key")
	must(t, h.registry.AddUser(t.Context(), &indexer.User{ID: "uROBO", Account: "acme", Blind: h.unlock.Blind("robot"), PublicKeys: [][]byte{key}}))
	offer := transport.LoginTry{Door: "sftp", Login: "robot", PublicKey: key, Proven: true, Addr: netip.MustParseAddr("2001:db8::ffff")}
	if _, err := h.Admit(t.Context(), offer); !errors.As(err, &r) {
		t.Errorf("a key comes in from it: %v", err)
	}
	if _, err := h.Admit(t.Context(), try("somebody", "x", "2001:db8:0:1::1")); errors.As(err, &r) {
		t.Error("the next /64 is locked too")
	}
	if n := len(h.logins.pending); n != 0 {
		t.Errorf("%d guesses are being looked at for ever", n)
	}
	for mapped, want := range map[string]string{"::ffff:192.0.2.1": "192.0.2.1", "192.0.2.1": "192.0.2.1", "2001:db8::5": "2001:db8::"} {
		if got := network(netip.MustParseAddr(mapped)).String(); got != want {
			t.Errorf("%s counts as %s, want %s", mapped, got, want)
		}
	}
}

// TestGuessesAtOnceFromAnAddress: at however many logins, no more are looked at than the address has left.
func TestGuessesAtOnceFromAnAddress(t *testing.T) {
	var l logins
	l.init(time.Now)
	for i := range triesOfAddress {
		_, _, err := l.approach(t.Context(), fmt.Sprint("user:", i), "addr:x", triesOfUser)
		must(t, err)
	}
	over, end := context.WithCancel(t.Context())
	end() // so that whoever must wait is told at once
	if _, _, err := l.approach(over, "user:another", "addr:x", triesOfUser); err == nil {
		t.Error("one more is looked at")
	}
	_, _, err := l.approach(over, "user:another", "addr:y", triesOfUser)
	must(t, err)
}

func TestTalliesAreBounded(t *testing.T) {
	var l logins
	now := time.Now()
	l.init(func() time.Time { return now })
	for i := range 2 * talliesKept {
		now = now.Add(time.Millisecond)
		l.wrong(fmt.Sprint("user:", i), "addr:x")
	}
	if len(l.tallies) > talliesKept {
		t.Errorf("%d tallies", len(l.tallies))
	}
	if l.locked("addr:x").IsZero() {
		t.Error("a flood of names washed the address's count away")
	}
}

// TestHashesAreBounded: two run, some wait, the rest is refused at once.
func TestHashesAreBounded(t *testing.T) {
	var l logins
	l.init(time.Now)
	for range hashesAtOnce {
		if _, err := l.enter(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for range hashesWaiting {
		l.queue <- struct{}{}
	}
	if _, err := l.enter(t.Context()); err == nil {
		t.Error("one more was let in to wait")
	}
}

// TestKeyOffersTellNothing: however many unknown keys are offered, a login that exists and one that does not look alike.
func TestKeyOffersTellNothing(t *testing.T) {
	h := newHouse(t)
	_, err := h.AddUser(t.Context(), NewUser{Account: "acme", Login: "known"}, "uid:0")
	must(t, err)
	for range 2 * triesOfUser {
		for _, login := range []string{"known", "nobody"} {
			_, err := h.Admit(t.Context(), transport.LoginTry{
				Door: "sftp", Login: login, PublicKey: []byte("some key"), Addr: netip.MustParseAddr("192.0.2.1"),
			})
			if !errors.Is(err, errNo) {
				t.Fatalf("%s: %v", login, err)
			}
		}
	}
}

// TestKeyLoginLiftsNoLock: a customer's robot must not wash away the guesses at the same login's password.
func TestKeyLoginLiftsNoLock(t *testing.T) {
	h := newHouse(t)
	blind, key := h.unlock.Blind("robot"), []byte("some key")
	must(t, h.registry.AddUser(t.Context(), &indexer.User{ID: "uROBO", Account: "acme", Blind: blind, PublicKeys: [][]byte{key}}))
	for i := range byte(triesOfUser) {
		_, err := h.Admit(t.Context(), transport.LoginTry{
			Door: "sftp", Login: "robot", Password: []byte("guess"), Addr: netip.AddrFrom4([4]byte{192, 0, 2, i}),
		})
		if err == nil {
			t.Fatal("let in")
		}
	}
	_, err := h.Admit(t.Context(), transport.LoginTry{
		Door: "sftp", Login: "robot", PublicKey: key, Proven: true, Addr: netip.MustParseAddr("192.0.2.200"),
	})
	must(t, err)
	if h.logins.locked("user:" + string(blind[:])).IsZero() {
		t.Error("the lock is gone")
	}
}
