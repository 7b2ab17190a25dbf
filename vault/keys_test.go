package vault

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// custom makes a certificate that our own functions would not make.
func custom(t *testing.T, key any, usage x509.KeyUsage, ca bool) []byte {
	t.Helper()
	var public any
	switch k := key.(type) {
	case *rsa.PrivateKey:
		public = k.Public()
	case *ecdsa.PrivateKey:
		public = k.Public()
	case ed25519.PrivateKey:
		public = k.Public()
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Acme"}, NotBefore: time.Now(),
		NotAfter: time.Now().Add(time.Hour), KeyUsage: usage, IsCA: ca, BasicConstraintsValid: ca}
	made, err := x509.CreateCertificate(rand.Reader, template, template, public, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: made})
}

func TestCertificateRefusals(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p521, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := NewCertificate("Acme", "p-256", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for want, text := range map[string][]byte{
		"use one of 2048 to 4096":    custom(t, small, 0, false),
		"use P-256 or P-384":         custom(t, p521, 0, false),
		"cannot be sealed to":        custom(t, ed, 0, false),
		"keyUsage = keyAgreement":    custom(t, ec, x509.KeyUsageDigitalSignature, false),
		"this is a CA's certificate": custom(t, ec, x509.KeyUsageCertSign|x509.KeyUsageCRLSign, true),
		"leave only the certificate": append(bytes.Clone(cert), key...),
		"2 certificates":             append(bytes.Clone(cert), cert...),
		"no PEM certificate":         []byte("hello"),
		"not a certificate":          pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte{1}}),
		"damaged":                    pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{1}}),
	} {
		if _, err := ParseCertificate(text); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v", want, err)
		}
	}
	// openssl req -x509 makes CA certificates without a key usage: these will do.
	if _, err := ParseCertificate(custom(t, ec, 0, true)); err != nil {
		t.Error(err)
	}
	if _, err := ReadCertificate(t.TempDir() + "/none.crt"); err == nil || !strings.Contains(err.Error(), "none.crt") {
		t.Errorf("no file: %v", err)
	}
	if _, err := ReadCertificate("/dev/zero"); err == nil {
		t.Error("an endless file was read as a certificate")
	}
}

func TestCertificateTimes(t *testing.T) {
	from := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	text, _, err := NewCertificate("Acme AB", "p-384", from, 365*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	c, err := ParseCertificate(text)
	if err != nil {
		t.Fatal(err)
	}
	until := time.Date(2027, 11, 21, 10, 0, 0, 0, time.UTC)
	if !c.NotAfter().Equal(until) || c.Expired(until) || !c.Expired(until.Add(time.Second)) || c.Kind() != "P-384" {
		t.Errorf("%s until %v", c.Kind(), c.NotAfter())
	}
	if _, _, err := NewCertificate("Acme", "rsa-1024", from, time.Hour); err == nil {
		t.Error("made a key of a kind that we do not make")
	}
}

// TestAccessKeyForEver: the derivation is promised, so these never change. They
// were computed a second time by a program in another language.
func TestAccessKeyForEver(t *testing.T) {
	secret := [32]byte(pattern(32))
	const text = "SGA1-CDXA-0ZQ1-XBS3-VHSS-DM6T-CY0P-G02H-4EN7-9VF9-YY4W-E1HG-02Z6-S0JK-RAFK"
	const id = "236638f38129d2667b6accb7dfef7c04"
	if got := string(secretText(accessPrefix, &secret)); got != text {
		t.Errorf("written as %s", got)
	}
	for _, typed := range []string{text, strings.ToLower(text), " " + text + "\r\n", strings.ReplaceAll(text, "-", ""),
		strings.NewReplacer("0", "O", "1", "l").Replace(text[5:])} {
		if !strings.HasPrefix(strings.ToUpper(strings.TrimSpace(typed)), "SGA1") {
			typed = "SGA1-" + typed
		}
		k, err := ParseAccessKey([]byte(typed))
		if err != nil {
			t.Fatalf("%q: %v", typed, err)
		}
		if k.KeyID() != id {
			t.Errorf("%q: derived %s", typed, k.KeyID())
		}
	}
	for i := range text {
		for _, c := range []byte("07XZ") {
			if c == text[i] || text[i] == '-' {
				continue
			}
			if _, err := ParseAccessKey([]byte(text[:i] + string(c) + text[i+1:])); err == nil {
				t.Errorf("mistyped at %d and not noticed", i)
			}
		}
		if _, err := ParseAccessKey([]byte(text[:i])); err == nil {
			t.Errorf("cut at %d and not noticed", i)
		}
	}
	k, err := ParseAccessKey([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	again, err := k.Certificate("acme demo", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ParseCertificate(again)
	if err != nil || cert.KeyID() != id || cert.Subject() != "acme demo" || cert.Expired(time.Now().AddDate(500, 0, 0)) {
		t.Errorf("its certificate: %v", err)
	}
}

func TestUnlockKey(t *testing.T) {
	text := NewUnlockKey()
	k, err := ParseUnlockKey(text)
	if err != nil {
		t.Fatal(err)
	}
	same, err := ParseUnlockKey(bytes.TrimSpace(text))
	if err != nil || *same != *k {
		t.Errorf("without its newline: %v", err)
	}
	if k.Database("gateway") == k.Database("account/acme") || k.Blind("demo") == k.Blind("Demo") || k.Database("gateway") != same.Database("gateway") {
		t.Error("derived keys are not what they should be")
	}
	for _, bad := range []string{"", "\n", string(text) + "\n", " " + string(text), strings.ToLower(string(text)), "SGA1" + string(text[4:]),
		strings.Replace(string(text), "-", "", 1), string(text[:30])} {
		if _, err := ParseUnlockKey([]byte(bad)); err == nil || strings.Contains(err.Error(), bad) && len(bad) > 1 {
			t.Errorf("%d bytes that are no unlock key: %v", len(bad), err)
		}
	}
	path := t.TempDir() + "/unlock.key"
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if same, err := ReadUnlockKey(path); err != nil || *same != *k {
		t.Error(err)
	}
}

// TestUnlockKeyForEver: databases live longer than releases.
func TestUnlockKeyForEver(t *testing.T) {
	secret := [32]byte(pattern(32))
	k, err := ParseUnlockKey(secretText(unlockPrefix, &secret))
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string][32]byte{
		"5ab724654bf0ddabce5aeb1c6e6ad2dd8b2f741e2b2b2f011120f515cef0b1a1": k.Database("account/acme"), "a581ec20b65daed8545c756955ea460de4fe478f81688717f19ac5e26949afb9": k.Blind("demo"),
	} {
		if [32]byte(unhex(t, name)) != got {
			t.Errorf("derived %x", got)
		}
	}
}

func TestPassword(t *testing.T) {
	hash, err := HashPassword([]byte("quiet-otter-maple-lamp-17"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Error(hash)
	}
	if ok, err := CheckPassword(hash, []byte("quiet-otter-maple-lamp-17")); !ok || err != nil {
		t.Error("the right one:", ok, err)
	}
	for _, pw := range []string{"", "quiet-otter-maple-lamp-18", strings.Repeat("x", 2000)} {
		for _, h := range []string{hash, DummyHash} {
			if ok, err := CheckPassword(h, []byte(pw)); ok || err != nil {
				t.Errorf("a wrong one: %v, %v", ok, err)
			}
		}
	}
	if again, err := HashPassword([]byte("quiet-otter-maple-lamp-17")); err != nil || again == hash {
		t.Errorf("two hashes of a password are the same: %v", err)
	}
	longest := bytes.Repeat([]byte("x"), maxPassword)
	if h, err := HashPassword(longest); err != nil {
		t.Error(err)
	} else if ok, err := CheckPassword(h, longest); !ok || err != nil {
		t.Error("the longest one:", ok, err)
	}
	if _, err := HashPassword(append(longest, 'x')); err == nil {
		t.Error("one that is too long was hashed, and would never be right")
	}
	for _, c := range []struct {
		memory     uint32
		lanes      uint8
		salt, hash int
		taken      bool
	}{{16, 2, 8, 16, true}, {16, 2, 64, 64, true}, {15, 2, 8, 16, false}, {16, 2, 7, 16, false}, {16, 2, 65, 16, false}, {16, 2, 8, 15, false}, {16, 2, 8, 65, false}} {
		p := phc{memory: c.memory, time: 1, lanes: c.lanes, salt: make([]byte, c.salt), hash: make([]byte, c.hash)}
		if _, err := parsePHC(p.String()); (err == nil) != c.taken {
			t.Errorf("%+v: %v", c, err)
		}
	}
	for _, parts := range []string{hash + "$", hash[:strings.LastIndexByte(hash, '$')], ""} {
		if _, err := CheckPassword(parts, []byte("x")); err == nil {
			t.Errorf("%q was taken", parts)
		}
	}
	dummy, err := parsePHC(DummyHash)
	if err != nil {
		t.Fatal(err)
	}
	if real, err := parsePHC(hash); err != nil || real.memory != dummy.memory || real.time != dummy.time || real.lanes != dummy.lanes {
		t.Error("a name that nobody has is refused at another cost")
	}
	for _, change := range [][2]string{{"m=19456", "m=65537"}, {"m=19456", "m=4294967296"}, {"m=19456", "m=7"}, {"t=2", "t=11"}, {"t=2", "t=0"},
		{"p=1", "p=5"}, {"t=2", "t=02"}, {"t=2", "t=+2"}, {"argon2id", "argon2i"}, {"v=19", "v=16"}, {"$argon2id", "argon2id"}, {"p=1$", "p=1$\n"}} {
		if _, err := CheckPassword(strings.Replace(hash, change[0], change[1], 1), []byte("x")); err == nil {
			t.Errorf("%s was taken", change[1])
		}
	}
}

func TestNewPassword(t *testing.T) {
	list := strings.Fields(words)
	seen := map[string]bool{}
	for _, w := range list {
		if seen[w] || len(w) < 3 || len(w) > 8 {
			t.Errorf("the word %q", w)
		}
		seen[w] = true
	}
	if len(list) != 512 {
		t.Errorf("%d words", len(list))
	}
	shape := regexp.MustCompile(`^([a-z]+-){4}[1-9][0-9]$`)
	for range 100 {
		if pw := NewPassword(); !shape.MatchString(pw) {
			t.Error(pw)
		}
	}
}
