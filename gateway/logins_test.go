package gateway

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/transport"
)

const good = "quiet-otter-maple-lamp-17"

var robotKey = []byte("some key")

// addUser makes a user with a password, a key and a second factor, and these methods.
func (h *house) addUser(t testing.TB, login, methods string) (UserLine, *Factor) {
	t.Helper()
	line, err := h.AddUser(t.Context(), NewUser{Account: "acme", Login: login, Password: good}, "test")
	must(t, err)
	factor, err := h.SetFactor(t.Context(), FactorChange{Account: "acme", Login: login}, "test")
	must(t, err)
	must(t, h.registry.ChangeUser(t.Context(), line.ID, func(u *indexer.User) error {
		u.PublicKeys, u.Methods = [][]byte{robotKey}, methods
		return nil
	}))
	return line, factor.NewFactor
}

// codeAt is what an authenticator app shows.
func codeAt(t testing.TB, f *Factor, at time.Time) string {
	t.Helper()
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(f.Secret)
	must(t, err)
	mac := hmac.New(sha1.New, secret)
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(at.Unix())/30))
	sum := mac.Sum(nil)
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[sum[19]&15:])&0x7fffffff%1_000_000)
}

// steps takes the steps of one login after the other, "key", "password", "wrong", "code", and says what came of the last:
// in, no, or what is asked for.
func (h *house) steps(t testing.TB, login string, f *Factor, steps ...string) string {
	t.Helper()
	var so transport.Progress
	got := ""
	for _, step := range steps {
		v := transport.LoginTry{Door: "sftp", Login: login, So: so, Addr: netip.MustParseAddr("192.0.2.1")}
		switch step {
		case "key":
			v.So, v.PublicKey, v.Proven = transport.Progress{}, robotKey, true
		case "password":
			v.Password = []byte(good)
		case "wrong":
			v.Password = []byte("wrong")
		case "code":
			v.Ask, v.Code = transport.AskCode, codeAt(t, f, h.now())
		case "bad code":
			v.Ask, v.Code = transport.AskCode, "000 000 000"
		case "new":
			v.Ask, v.NewPassword = transport.AskNewPassword, []byte("a quite new password")
		}
		guest, err := h.Admit(t.Context(), v)
		if guest.Entered != nil {
			guest.Entered()
		}
		got = outcome(guest, err)
		var more *transport.More
		if errors.As(err, &more) {
			so = more.So
		}
	}
	return got
}

func outcome(guest transport.Guest, err error) string {
	var more *transport.More
	switch {
	case errors.As(err, &more) && guest.Account == "":
		return [...]string{"ask password", "ask code", "ask new"}[more.Ask]
	case err == nil && guest.User != "":
		return "in"
	case errors.Is(err, errNo) && guest.Account == "":
		return "no"
	}
	return fmt.Sprint("?", guest, err)
}

// TestMethods is the matrix: every way a login can be, and every order of steps somebody might try.
func TestMethods(t *testing.T) {
	h := newHouse(t)
	for _, test := range []struct {
		methods string
		results map[string]string // by steps
	}{
		{"key", map[string]string{"key": "in", "password": "no", "wrong": "no", "code": "no", "new": "no", "key new": "no"}},
		{"password", map[string]string{"key": "no", "password": "in", "wrong": "no", "code": "no", "new": "no"}},
		{"key,password", map[string]string{"key": "in", "password": "in", "wrong": "no", "code": "no"}},
		{"", map[string]string{"key": "in", "password": "in", "wrong": "no", "code": "no"}},
		{"key+password", map[string]string{"key": "ask password", "key password": "in", "key wrong": "no", "key code": "no", "key new": "no",
			"password": "no", "wrong": "no", "code": "no", "password key": "ask password"}},
		{"key+totp", map[string]string{"key": "ask code", "key code": "in", "key password": "no", "key wrong": "no", "key new": "no", "password": "no", "code": "no"}},
		{"password+totp", map[string]string{"key": "no", "password": "ask code", "password code": "in", "password password": "no", "password new": "no",
			"password wrong": "no", "code": "no", "wrong": "no", "wrong code": "no", "password key": "no"}},
		{"key,password+totp", map[string]string{"key": "in", "password": "ask code", "password code": "in", "password key": "in"}},
		{"key+totp,password", map[string]string{"key": "ask code", "key code": "in", "password": "in"}},
		{"key+fingerprint", map[string]string{"key": "no", "password": "no"}}, // of a later version
	} {
		for steps, want := range test.results {
			login := strings.ReplaceAll(test.methods+"/"+steps, " ", "-")
			_, factor := h.addUser(t, login, test.methods)
			if got := h.steps(t, login, factor, strings.Fields(steps)...); got != want {
				t.Errorf("%q, %s: %s, want %s", test.methods, steps, got, want)
			}
			h.logins.init(h.now) // no pauses here
		}
	}
}

// TestProgressIsOnesOwn: what one has proven does not carry over to another login.
func TestProgressIsOnesOwn(t *testing.T) {
	h := newHouse(t)
	h.addUser(t, "anna", "key+password")
	h.addUser(t, "bert", "key+password")
	try := transport.LoginTry{Door: "sftp", Login: "anna", PublicKey: robotKey, Proven: true, Addr: netip.MustParseAddr("192.0.2.1")}
	_, err := h.Admit(t.Context(), try)
	var more *transport.More
	if !errors.As(err, &more) || !more.So.Key || more.So.Password {
		t.Fatalf("%v", err)
	}
	for login, want := range map[string]string{"bert": "no", "nobody": "no", "anna": "in"} {
		try := transport.LoginTry{Door: "sftp", Login: login, So: more.So, Password: []byte(good), Addr: try.Addr}
		if got := outcome(h.Admit(t.Context(), try)); got != want {
			t.Errorf("%s with anna's progress: %s, want %s", login, got, want)
		}
	}
}

// TestARevokedProofCountsNoMore: what is proven is the password, key or authority that there is; once an operator has set another
// or taken it away, the rest of the login does not help.
func TestARevokedProofCountsNoMore(t *testing.T) {
	h := newHouse(t)
	authority := []byte("an authority")
	certificate := []byte("a certificate")
	reset := func(oneTime bool) func(login, id string) {
		return func(login, id string) {
			_, err := h.SetPassword(t.Context(), PasswordChange{Account: "acme", Login: login, Password: "quite another one 77", OneTime: oneTime}, "test")
			must(t, err)
		}
	}
	change := func(f func(u *indexer.User)) func(login, id string) {
		return func(login, id string) {
			must(t, h.registry.ChangeUser(t.Context(), id, func(u *indexer.User) error { f(u); return nil }))
		}
	}
	otherKey := change(func(u *indexer.User) { u.PublicKeys = [][]byte{[]byte("another key")} })
	moreKeys := change(func(u *indexer.User) { u.PublicKeys = append(u.PublicKeys, []byte("another key")) })
	nothing := func(string, string) {}
	anotherFactor := func(remove bool) func(login, id string) {
		return func(login, id string) {
			_, err := h.SetFactor(t.Context(), FactorChange{Account: "acme", Login: login, Remove: remove}, "test")
			must(t, err)
		}
	}
	for _, test := range []struct {
		what, methods, by string
		oneTime           bool
		meanwhile         func(login, id string)
		ask               transport.Question
		want              string
	}{
		{"one-time, kept", "password", "password", true, nothing, transport.AskNewPassword, "in"},
		{"one-time, another", "password", "password", true, reset(true), transport.AskNewPassword, "no"},
		{"one-time, one for good", "password", "password", true, reset(false), transport.AskNewPassword, "no"},
		{"password, kept", "password+totp", "password", false, nothing, transport.AskCode, "in"},
		{"password, another", "password+totp", "password", false, reset(false), transport.AskCode, "no"},
		{"second factor, kept", "password+totp", "code", true, nothing, transport.AskNewPassword, "in"},
		{"second factor, another", "password+totp", "code", true, anotherFactor(false), transport.AskNewPassword, "no"},
		{"second factor, none", "password+totp", "code", true, anotherFactor(true), transport.AskNewPassword, "no"},
		{"key, kept", "key+totp", "key", false, moreKeys, transport.AskCode, "in"},
		{"key, another", "key+totp", "key", false, otherKey, transport.AskCode, "no"},
		{"key before a password, another", "key+password", "key", false, otherKey, transport.AskPassword, "no"},
		{"certificate, kept", "key+totp", "certificate", false, otherKey, transport.AskCode, "in"},
		{"certificate, authority gone", "key+totp", "certificate", false, func(string, string) { h.account("acme").userCA = nil }, transport.AskCode, "no"},
	} {
		login := strings.ReplaceAll(test.what, " ", "-")
		h.account("acme").userCA = [][]byte{authority}
		line, factor := h.addUser(t, login, test.methods)
		if test.oneTime {
			must(t, h.registry.ChangeUser(t.Context(), line.ID, func(u *indexer.User) error { u.OneTime = true; return nil }))
		}
		first := try(login, good, "192.0.2.1")
		switch test.by {
		case "key":
			first = transport.LoginTry{Door: "sftp", Login: login, PublicKey: robotKey, Proven: true, Addr: first.Addr}
		case "certificate":
			first = transport.LoginTry{Door: "sftp", Login: login, PublicKey: certificate, Authority: authority, Proven: true, Addr: first.Addr}
		}
		_, err := h.Admit(t.Context(), first)
		var more *transport.More
		if test.by == "code" && errors.As(err, &more) {
			_, err = h.Admit(t.Context(), transport.LoginTry{Door: "sftp", Login: login, So: more.So, Ask: more.Ask, Addr: first.Addr,
				Code: codeAt(t, factor, h.now())})
		}
		if !errors.As(err, &more) || more.Ask != test.ask {
			t.Fatalf("%s: %v", test.what, err)
		}
		test.meanwhile(login, line.ID)
		got := outcome(h.Admit(t.Context(), transport.LoginTry{Door: "sftp", Login: login, So: more.So, Ask: more.Ask, Addr: first.Addr,
			Password: []byte(good), Code: codeAt(t, factor, h.now()), NewPassword: []byte("a quite new password")}))
		if got != test.want {
			t.Errorf("%s: %s, want %s", test.what, got, test.want)
		}
	}
}

// TestOneTimePassword: it lets its owner do one thing, set another.
func TestOneTimePassword(t *testing.T) {
	h := newHouse(t)
	_, err := h.AddUser(t.Context(), NewUser{Account: "acme", Login: "anna", Password: good}, "test")
	must(t, err)
	line, err := h.SetPassword(t.Context(), PasswordChange{Account: "acme", Login: "anna", OneTime: true}, "test")
	must(t, err)
	if line.NewPassword == "" || !line.OneTime {
		t.Fatalf("%+v", line)
	}
	if got := h.steps(t, "anna", nil, "password"); got != "no" {
		t.Errorf("the old password: %s", got)
	}
	first := try("anna", line.NewPassword, "192.0.2.1")
	_, err = h.Admit(t.Context(), first)
	var more *transport.More
	if !errors.As(err, &more) || more.Ask != transport.AskNewPassword || !strings.Contains(more.Say, "must be changed") {
		t.Fatalf("%v", err)
	}
	change := transport.LoginTry{Door: "sftp", Login: "anna", So: more.So, Ask: transport.AskNewPassword, Addr: first.Addr}
	for pw, want := range map[string]string{
		"short": "at least 12", line.NewPassword: "that you have", "anna-of-acme-1": "the login", "password1234": "commonest",
	} {
		change.NewPassword = []byte(pw)
		if _, err := h.Admit(t.Context(), change); !errors.As(err, &more) || more.Ask != transport.AskNewPassword || !strings.Contains(more.Say, want) {
			t.Errorf("%s: %v, want %q", pw, err, want)
		}
	}
	change.NewPassword = []byte("a quite new password")
	if guest, err := h.Admit(t.Context(), change); err != nil || guest.User != line.ID {
		t.Fatalf("%+v, %v", guest, err)
	}
	if _, err := h.Admit(t.Context(), change); !errors.Is(err, errNo) {
		t.Errorf("changed twice by one login: %v", err)
	}
	for pw, want := range map[string]string{line.NewPassword: "no", "a quite new password": "in"} {
		if got := outcome(h.Admit(t.Context(), try("anna", pw, "192.0.2.1"))); got != want {
			t.Errorf("%s: %s, want %s", pw, got, want)
		}
	}
	_, err = h.SetPassword(t.Context(), PasswordChange{Account: "acme", Login: "anna", Password: "password1234"}, "test")
	var no *No
	if !errors.As(err, &no) || !strings.Contains(no.Text, "commonest") {
		t.Errorf("an operator's bad password: %v", err)
	}
}

// TestPasswordExpires, where the account says so.
func TestPasswordExpires(t *testing.T) {
	h := newHouse(t)
	h.addUser(t, "anna", "password")
	h.addUser(t, "robot", "key")
	h.account("acme").Passwords.Expire = 90 * 24 * time.Hour
	if got := h.steps(t, "anna", nil, "password"); got != "in" {
		t.Error(got)
	}
	later := time.Now().Add(91 * 24 * time.Hour)
	h.now = func() time.Time { return later }
	if got := h.steps(t, "anna", nil, "password"); got != "ask new" {
		t.Error(got)
	}
	if got := h.steps(t, "robot", nil, "key"); got != "in" {
		t.Error(got)
	}
	if got := h.steps(t, "anna", nil, "password", "new"); got != "in" {
		t.Error(got)
	}
	h.account("acme").Passwords.Expire = 0
	if got := outcome(h.Admit(t.Context(), try("anna", "a quite new password", "192.0.2.1"))); got != "in" {
		t.Error(got)
	}
}

// TestHashIsUpgraded: a password hashed with less effort is hashed anew when it is given, and not when a wrong one is.
func TestHashIsUpgraded(t *testing.T) {
	h := newHouse(t)
	b64 := base64.RawStdEncoding.EncodeToString
	salt := []byte("0123456789abcdef")
	weak := "$argon2id$v=19$m=8192,t=1,p=1$" + b64(salt) + "$" + b64(argon2.IDKey([]byte(good), salt, 1, 8192, 1, 32))
	blind := h.unlock.Blind("anna")
	must(t, h.registry.AddUser(t.Context(), &indexer.User{ID: "uANNA", Account: "acme", Blind: blind, PasswordHash: weak}))
	for _, step := range []string{"wrong", "password", "password"} {
		h.steps(t, "anna", nil, step)
		u, err := h.registry.UserByBlind(t.Context(), blind)
		must(t, err)
		if upgraded := !strings.Contains(u.PasswordHash, "m=8192"); upgraded != (step == "password") {
			t.Errorf("after %s: %s", step, u.PasswordHash)
		}
	}
	if got := h.steps(t, "anna", nil, "password"); got != "in" {
		t.Error(got)
	}
}

// TestCodeIsGoodOnce, of however many that bring it at the same time; a recovery code too.
func TestCodeIsGoodOnce(t *testing.T) {
	h := newHouse(t)
	line, factor := h.addUser(t, "anna", "key+totp")
	codes := []string{codeAt(t, factor, h.now()), factor.Codes[7]}
	for _, code := range codes {
		var in atomic.Int64
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				_, err := h.Admit(t.Context(), transport.LoginTry{Door: "sftp", Login: "anna", Ask: transport.AskCode, Code: code,
					So: transport.Progress{User: line.ID, Key: true, With: robotKey}, Addr: netip.MustParseAddr("192.0.2.1")})
				if err == nil {
					in.Add(1)
				}
			})
		}
		all.Wait()
		if in.Load() != 1 {
			t.Errorf("%d came in by one code", in.Load())
		}
		h.logins.init(h.now)
	}
	h.reopen(t)
	for _, used := range codes {
		again := transport.LoginTry{Door: "sftp", Login: "anna", Ask: transport.AskCode, Code: used, So: transport.Progress{User: line.ID, Key: true, With: robotKey},
			Addr: netip.MustParseAddr("192.0.2.1")}
		if got := outcome(h.Admit(t.Context(), again)); got != "no" {
			t.Errorf("a used code after a restart: %s", got)
		}
	}
	if got := h.steps(t, "anna", factor, "key"); got != "ask code" {
		t.Error(got)
	}
	again, err := h.SetFactor(t.Context(), FactorChange{Account: "acme", Login: "anna"}, "test")
	must(t, err)
	if again.NewFactor.Secret == factor.Secret || len(again.NewFactor.Codes) != 10 || !strings.HasPrefix(again.NewFactor.URI, "otpauth://totp/Sealgate%20acme:anna?") {
		t.Errorf("%+v", again.NewFactor)
	}
}
