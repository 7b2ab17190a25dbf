package transport_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/sealgate/sealgate/config"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/transport"
)

const secret = "quiet-otter-maple-17"

// user adds a login that comes in by these methods, by the house's key and the password above.
func (h *house) user(t testing.TB, login, methods string) *gateway.Factor {
	t.Helper()
	n := gateway.NewUser{Account: "acme", Login: login, Methods: methods}
	if strings.Contains(methods, "key") {
		n.PublicKey = string(ssh.MarshalAuthorizedKey(h.key.PublicKey()))
	}
	if strings.Contains(methods, "password") {
		n.Password = secret
	}
	line, err := h.AddUser(t.Context(), n, "test")
	must(t, err)
	return line.NewFactor
}

func codeNow(t testing.TB, f *gateway.Factor) string {
	t.Helper()
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(f.Secret)
	must(t, err)
	mac := hmac.New(sha1.New, key)
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(time.Now().Unix())/30))
	sum := mac.Sum(nil)
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[sum[19]&15:])&0x7fffffff%1_000_000)
}

// answers is a person who knows what to answer, and notes what he was asked.
func answers(asked *[]string, known map[string]string) ssh.AuthMethod {
	return ssh.RetryableAuthMethod(ssh.KeyboardInteractive(func(_, say string, questions []string, _ []bool) (list []string, err error) {
		for _, q := range questions {
			*asked = append(*asked, say+q)
			list = append(list, known[q])
		}
		return list, nil
	}), 3)
}

func (h *house) login(login string, auth ...ssh.AuthMethod) error {
	cfg := h.config(auth...)
	cfg.User = login
	conn, err := ssh.Dial("tcp", h.addr, cfg)
	if err == nil {
		conn.Close()
	}
	return err
}

// TestLoginSteps: each way to log in with the methods that clients have for it, and not with fewer.
func TestLoginSteps(t *testing.T) {
	h := newHouse(t, nil)
	key, password := ssh.PublicKeys(h.key), ssh.Password(secret)
	for _, methods := range []string{"key", "password", "key+password", "key+totp", "password+totp", "key,password+totp"} {
		factor := h.user(t, methods, methods)
		used := 0
		dialogue := func() ssh.AuthMethod {
			known := map[string]string{"Password: ": secret}
			if factor != nil { // the app's code, and then recovery codes: each is good once
				if known["Code: "] = codeNow(t, factor); used > 0 {
					known["Code: "] = factor.Codes[used]
				}
				used++
			}
			return answers(new([]string), known)
		}
		for _, test := range []struct {
			what string
			auth []ssh.AuthMethod
			in   string // the methods that this is enough for
		}{
			{"key", []ssh.AuthMethod{key}, "key key,password+totp"},
			{"another key", []ssh.AuthMethod{ssh.PublicKeys(newKey(t))}, ""},
			{"password", []ssh.AuthMethod{password}, "password"},
			{"dialogue", []ssh.AuthMethod{dialogue()}, "password password+totp key,password+totp"},
			{"key and password", []ssh.AuthMethod{key, password}, "key password key+password key,password+totp"},
			{"password and dialogue", []ssh.AuthMethod{password, dialogue()}, "password password+totp key,password+totp"},
			{"key and dialogue", []ssh.AuthMethod{key, dialogue()}, "key password key+password key+totp password+totp key,password+totp"},
			{"another key and password", []ssh.AuthMethod{ssh.PublicKeys(newKey(t)), password}, "password"},
		} {
			err := h.login(methods, test.auth...)
			if want := strings.Contains(" "+test.in+" ", " "+methods+" "); (err == nil) != want {
				t.Errorf("%s by %s: %v, want in: %v", methods, test.what, err, want)
			}
		}
	}
}

// TestPasswordIsChangedInTheDialogue: whoever has one for one login sets another, by whichever method he began.
func TestPasswordIsChangedInTheDialogue(t *testing.T) {
	h := newHouse(t, nil)
	for _, test := range []struct {
		what  string
		first []ssh.AuthMethod // before the dialogue
		asked []string
	}{
		{"dialogue", nil, []string{"Password: ", "your password was made for one login and must be changed.New password: ", "your password was made for one login and must be changed.New password again: "}},
		{"password", []ssh.AuthMethod{ssh.Password(secret)}, []string{"your password was made for one login and must be changed.New password: ", "your password was made for one login and must be changed.New password again: "}},
	} {
		h.user(t, test.what, "password")
		_, err := h.SetPassword(t.Context(), gateway.PasswordChange{Account: "acme", Login: test.what, Password: secret, OneTime: true}, "test")
		must(t, err)
		if len(test.first) > 0 {
			if err := h.login(test.what, test.first...); err == nil {
				t.Errorf("%s: let in without a new password", test.what)
			}
		}
		var asked []string
		person := answers(&asked, map[string]string{"Password: ": secret, "New password: ": "one sentence that is new", "New password again: ": "one sentence that is new"})
		if err := h.login(test.what, append(test.first, person)...); err != nil {
			t.Errorf("%s: %v; asked %q\n%s", test.what, err, asked, h.log)
		}
		if fmt.Sprint(asked) != fmt.Sprint(test.asked) {
			t.Errorf("%s: asked %q", test.what, asked)
		}
		must(t, h.login(test.what, ssh.Password("one sentence that is new")))
		if err := h.login(test.what, ssh.Password(secret)); err == nil {
			t.Errorf("%s: the old password is good", test.what)
		}
	}
	// What is wrong with a new one is said, and asked again; not for ever.
	h.user(t, "stubborn", "password")
	_, err := h.SetPassword(t.Context(), gateway.PasswordChange{Account: "acme", Login: "stubborn", Password: secret, OneTime: true}, "test")
	must(t, err)
	var asked []string
	if err := h.login("stubborn", answers(&asked, map[string]string{"Password: ": secret, "New password: ": "short", "New password again: ": "short"})); err == nil {
		t.Error("let in with a short password")
	}
	if n := len(asked); n > 3*12 || !strings.Contains(asked[3], "at least 12 characters") {
		t.Errorf("%d questions: %q", n, asked)
	}
	asked = nil
	if err := h.login("stubborn", answers(&asked, map[string]string{"Password: ": secret, "New password: ": "one sentence here", "New password again: ": "another"})); err == nil {
		t.Error("let in with two different passwords")
	}
}

// TestWhoWaitsAtThePromptIsOvertaken: a one-time password that an operator replaces while its thief is asked for a new one sets none.
func TestWhoWaitsAtThePromptIsOvertaken(t *testing.T) {
	h := newHouse(t, nil)
	h.user(t, "thora", "password")
	oneTime := func() string {
		line, err := h.SetPassword(t.Context(), gateway.PasswordChange{Account: "acme", Login: "thora", OneTime: true}, "test")
		must(t, err)
		return line.NewPassword
	}
	stolen, fresh := oneTime(), ""
	err := h.login("thora", ssh.KeyboardInteractive(func(_, _ string, questions []string, _ []bool) (list []string, err error) {
		for _, q := range questions {
			if q == "Password: " {
				list = append(list, stolen)
				continue
			}
			if fresh == "" {
				fresh = oneTime()
			}
			list = append(list, "the thief's own words")
		}
		return list, nil
	}))
	if err == nil || fresh == "" {
		t.Errorf("the thief came in; asked for a new one: %v", fresh != "")
	}
	if err := h.login("thora", ssh.Password("the thief's own words")); err == nil {
		t.Error("the thief's password is good")
	}
	person := answers(new([]string), map[string]string{"Password: ": fresh, "New password: ": "one sentence that is new", "New password again: ": "one sentence that is new"})
	if err := h.login("thora", person); err != nil {
		t.Errorf("the owner: %v", err)
	}
}

// TestNoLoginsNameInTheLog: nor does the library's error bring one there, which names both where a client changes its mind.
func TestNoLoginsNameInTheLog(t *testing.T) {
	h := newHouse(t, nil)
	h.user(t, "zwei", "key+password")
	for _, login := range []string{"zwei", "swordfish"} {
		if err := h.login(login, ssh.PublicKeys(h.key), ssh.Password("wrong")); err == nil {
			t.Error("let in")
		}
	}
	until(t, "the log", func() bool { return strings.Count(h.log.String(), "not logged in") == 2 })
	if text := h.log.String(); strings.Count(text, "why=login") != 2 || strings.Contains(text, "swordfish") {
		t.Error(text)
	}
}

// meta is what a callback is told of its connection.
type meta struct {
	ssh.ConnMetadata
	user string
}

func (m meta) User() string          { return m.user }
func (m meta) ClientVersion() []byte { return []byte("SSH-2.0-test") }

// TestTheGuestIsWhoeverProvedHisKey: offer key B, authenticate with A (CVE-2024-45337), in every order, with one step and with
// two: nothing but the key that was proven decides who comes in.
func TestTheGuestIsWhoeverProvedHisKey(t *testing.T) {
	h := newHouse(t, nil)
	keys, ids := map[string]ssh.Signer{}, map[string]string{}
	for login, methods := range map[string]string{"alice": "key", "bert": "key", "careful": "key+password"} {
		keys[login] = newKey(t)
		n := gateway.NewUser{Account: "acme", Login: login, Methods: methods, PublicKey: string(ssh.MarshalAuthorizedKey(keys[login].PublicKey()))}
		if login == "careful" {
			n.Password = secret
		}
		line, err := h.AddUser(t.Context(), n, "test")
		must(t, err)
		ids[login] = line.ID
	}
	addr := netip.MustParseAddr("192.0.2.1")
	for _, offered := range []string{"alice", "bert", "careful"} {
		for _, proven := range []string{"alice", "bert", "careful"} {
			server := transport.LoginCallbacks(t.Context(), h.door, addr)
			_, err := server.PublicKeyCallback(meta{user: proven}, keys[proven].PublicKey())
			must(t, err)
			_, err = server.PublicKeyCallback(meta{user: offered}, keys[offered].PublicKey()) // offered last, as the attack does
			must(t, err)
			permissions, err := server.VerifiedPublicKeyCallback(meta{user: proven}, keys[proven].PublicKey(), nil, "")
			var partial *ssh.PartialSuccessError
			if proven == "careful" {
				if !errors.As(err, &partial) || permissions != nil {
					t.Fatalf("one step is enough: %v, %v", permissions, err)
				}
				server.PublicKeyCallback(meta{user: offered}, keys[offered].PublicKey())
				permissions, err = partial.Next.PasswordCallback(meta{user: proven}, []byte(secret))
			}
			if guest, ok := transport.GuestOf(permissions); err != nil || !ok || guest.User != ids[proven] {
				t.Errorf("offered %s, proven %s: %+v, %v", offered, proven, guest, err)
			}
			if partial != nil { // the second step of one does not end the login of another
				if permissions, err := partial.Next.PasswordCallback(meta{user: "anna"}, []byte(secret)); err == nil {
					t.Errorf("careful's key and anna's password: %+v", permissions)
				}
			}
			if offered != proven {
				permissions, err := server.VerifiedPublicKeyCallback(meta{user: proven}, keys[offered].PublicKey(), nil, "")
				if err == nil || errors.As(err, new(*ssh.PartialSuccessError)) {
					t.Errorf("%s by the key of %s: %+v", proven, offered, permissions)
				}
			}
		}
	}
}

// TestNobodyFromThereIsGreeted: where no account lets anybody in, the door says nothing at all.
func TestNobodyFromThereIsGreeted(t *testing.T) {
	for network, greeted := range map[string]bool{"127.0.0.0/8": true, "192.0.2.0/24": false} {
		h := newHouse(t, func(cfg *config.Config) { cfg.Accounts[0].AllowFrom = []string{network} })
		conn, err := net.Dial("tcp", h.addr)
		must(t, err)
		must(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
		n, _ := conn.Read(make([]byte, 10))
		conn.Close()
		if (n > 0) != greeted {
			t.Errorf("%s: %d bytes", network, n)
		}
	}
}

// from dials from another address of this machine.
func (h *house) from(addr string, cfg *ssh.ClientConfig) (said string, err error) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(addr)}, Timeout: 20 * time.Second}
	conn, err := dialer.Dial("tcp", h.addr)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	heard := &listener{Conn: conn}
	c, _, _, err := ssh.NewClientConn(heard, h.addr, cfg)
	if err == nil {
		c.Close()
	}
	return heard.all.String(), err
}

// listener notes what comes.
type listener struct {
	net.Conn
	all text
}

func (l *listener) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	l.all.Write(p[:n])
	return n, err
}

// TestFloodFromManyAddresses: strangers, each from an address of his own, are turned away when they have taken too much, before anything
// is spent on them, and soon beside an upload; a customer who has come in before is served all the while.
func TestFloodFromManyAddresses(t *testing.T) {
	h := newHouse(t, nil)
	customer, stranger := h.config(ssh.PublicKeys(h.key)), h.config(ssh.Password("a wrong guess"))
	stranger.User = "nobody"
	_, err := h.from("127.0.0.7", customer)
	must(t, err)
	upload, err := h.dial(t).OpenFile("/inbox/large.csv", wct)
	must(t, err)
	turned := ""
	for i := 0; turned == ""; i++ {
		_, err := upload.WriteAt([]byte("x"), int64(i))
		must(t, err)
		said, err := h.from(fmt.Sprintf("127.0.%d.%d", 1+i/200, 1+i%200), stranger)
		switch {
		case err == nil:
			t.Fatal("a stranger was let in")
		case strings.HasPrefix(said, "sealgate: "):
			turned = said
		case i > 1000:
			t.Fatal("a thousand wrong guesses, and nobody is turned away")
		}
	}
	if want := "sealgate: too many refused logins just now. Try again in a minute.\r\n"; turned != want {
		t.Errorf("told %q", turned)
	}
	if _, err := h.from("127.0.0.7", customer); err != nil {
		t.Errorf("a customer, meanwhile: %v", err)
	}
}
