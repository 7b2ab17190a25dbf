package vault

import (
	"bytes"
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestVectorsOfRFC6238: appendix B, SHA-1, eight digits.
func TestVectorsOfRFC6238(t *testing.T) {
	secret := []byte("12345678901234567890")
	for at, want := range map[uint64]string{
		59: "94287082", 1111111109: "07081804", 1111111111: "14050471", 1234567890: "89005924", 2000000000: "69279037", 20000000000: "65353130",
	} {
		if got := totp(secret, at/codeStep, 8); got != want {
			t.Errorf("%d: %s, want %s", at, got, want)
		}
		if got := totp(secret, at/codeStep, codeDigits); got != want[2:] {
			t.Errorf("%d: %s, want %s", at, got, want[2:])
		}
	}
}

func TestCodesAreGoodOnce(t *testing.T) {
	f, codes := NewSecondFactor()
	if g, others := NewSecondFactor(); g.secret == f.secret || others[0] == codes[0] {
		t.Error("two users have the same second factor")
	}
	now := time.Unix(1_800_000_000, 0)
	code := func(steps int) string {
		return totp(f.secret[:], uint64(now.Unix()/codeStep+int64(steps)), codeDigits)
	}
	for _, off := range []int{-2, 2, 20} {
		if f.Use(code(off), now) {
			t.Errorf("the code of %d steps off is taken", off)
		}
	}
	if !f.Use(code(-1), now) || f.Use(code(-1), now) {
		t.Error("the last step's code: once")
	}
	if c := code(0); !f.Use(c[:3]+" "+c[3:], now) || f.Use(c, now) {
		t.Error("this step's code: once, with a space as apps show it")
	}
	if !f.Use(code(1), now) || f.Use(code(0), now) || f.Use(code(-1), now) {
		t.Error("after the next step's code the older ones are void")
	}
	for _, bad := range []string{"", "000000000", "abcdef", strings.Repeat("1", 1<<16)} {
		if f.Use(bad, now) {
			t.Errorf("%.10q is taken", bad)
		}
	}
	if len(codes) != 10 || f.Left() != 10 {
		t.Fatalf("%d recovery codes, %d left", len(codes), f.Left())
	}
	seen := map[string]bool{}
	for i, c := range codes {
		if seen[c] || len(c) != 14 {
			t.Errorf("recovery code %q", c)
		}
		seen[c] = true
		if typed := strings.ToUpper(strings.ReplaceAll(c, "-", "")); !f.Use(typed, now) || f.Use(c, now) || f.Left() != 9-i {
			t.Errorf("recovery code %d: once", i)
		}
	}
}

// TestFactorIsSealed: it opens for its user under its unlock key and for nobody else, and remembers what was used.
func TestFactorIsSealed(t *testing.T) {
	key, other := newUnlock(t), newUnlock(t)
	f, codes := NewSecondFactor()
	now := time.Unix(1_800_000_000, 0)
	if !f.Use(codes[3], now) || !f.Use(totp(f.secret[:], uint64(now.Unix()/codeStep), codeDigits), now) {
		t.Fatal("not taken")
	}
	sealed, err := key.SealFactor("uANNA", f)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, f.secret[:]) {
		t.Error("the secret is there to read")
	}
	g, err := key.OpenFactor("uANNA", sealed)
	if err != nil {
		t.Fatal(err)
	}
	if g.secret != f.secret || g.last != f.last || g.Left() != 9 || g.Use(codes[3], now) || !g.Use(codes[4], now) {
		t.Errorf("%+v, want %+v", g, f)
	}
	if _, err := key.OpenFactor("uBERT", sealed); err == nil {
		t.Error("opens for another user")
	}
	if _, err := other.OpenFactor("uANNA", sealed); err == nil {
		t.Error("opens under another unlock key")
	}
	for _, bad := range [][]byte{nil, sealed[:11], sealed[:len(sealed)-1], append(sealed[:len(sealed):len(sealed)], 0)} {
		if _, err := key.OpenFactor("uANNA", bad); err == nil {
			t.Errorf("%d bytes open", len(bad))
		}
	}
	aead, err := key.factorCipher()
	if err != nil {
		t.Fatal(err)
	}
	whole := append([]byte{factorVersion}, make([]byte, secretSize+8+recoverySize)...)
	for what, c := range map[string]struct {
		plain []byte
		opens bool
	}{
		"whole":           {whole, true},
		"no codes left":   {whole[:1+secretSize+8], true},
		"cut":             {whole[:secretSize+8], false},
		"cut by a code":   {whole[:1+secretSize+8-recoverySize], false},
		"half a code":     {whole[:len(whole)-1], false},
		"another version": {append([]byte{factorVersion + 1}, whole[1:]...), false},
	} {
		if _, err := key.OpenFactor("uANNA", aead.Seal(nil, nil, c.plain, []byte("uANNA"))); (err == nil) != c.opens {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func newUnlock(t *testing.T) *UnlockKey {
	t.Helper()
	k, err := ParseUnlockKey(NewUnlockKey())
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// FuzzOtpauth: whatever a login is called, the URI is one, and an app reads the same back.
func FuzzOtpauth(f *testing.F) {
	for _, login := range []string{"anna", "a b", "å@ä.se", "x?y=z&q", "a:b", "%41", "#"} {
		f.Add(login)
	}
	factor, _ := NewSecondFactor()
	f.Fuzz(func(t *testing.T, login string) {
		text := factor.URI("Sealgate acme", login)
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "otpauth" || u.Host != "totp" || u.Path != "/Sealgate acme:"+login || u.Fragment != "" {
			t.Fatalf("%s: %+v, %v", text, u, err)
		}
		if q := u.Query(); q.Get("secret") != factor.Secret() || q.Get("issuer") != "Sealgate acme" || q.Get("period") != "30" || len(q) != 5 {
			t.Fatalf("%s: %v", text, q)
		}
	})
}
