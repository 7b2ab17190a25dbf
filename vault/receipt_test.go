package vault

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

const aReceipt = "{\n  \"id\": \"01M7YQ7RB13T9HD8QE7K4M2X0V\",\n  \"ledger\": {\n    \"sequence\": 7\n  }\n}\n"

// seedOfTests is no secret: the golden receipt below is signed by it for ever.
var seedOfTests = bytes.Repeat([]byte{7}, 32)

// goldenReceipt is what the first release signed.
var goldenReceipt = aReceipt[:len(aReceipt)-3] + ",\n  \"signature\": \"jEIHJw+FfNOkqvtofU4XemkCoJ2EsBgSeJgKsv90xSJuhcCXMkgOasT7wWBKo7wwgh4Up4xw9V0zILcx9HsGCw==\"\n}\n"

func signedReceipt(t testing.TB) (*ReceiptKey, []byte) {
	t.Helper()
	key, err := ParseReceiptKey(seedOfTests)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := key.Sign([]byte(aReceipt))
	if err != nil {
		t.Fatal(err)
	}
	return key, signed
}

// TestReceiptSignature: a receipt is signed by the same bytes each time, opens with the key's public half, and with nothing else.
func TestReceiptSignature(t *testing.T) {
	key, signed := signedReceipt(t)
	if string(signed) != goldenReceipt {
		t.Errorf("signed otherwise than in the first release:\n%s", signed)
	}
	if len(signed) != len(aReceipt)+ReceiptSignature {
		t.Errorf("longer by %d bytes, not by %d", len(signed)-len(aReceipt), ReceiptSignature)
	}
	public, err := ParseReceiptPublicKey(key.Public().PEM())
	if err != nil || public.Fingerprint() != key.Public().Fingerprint() {
		t.Fatalf("%v", err)
	}
	if body, err := public.Open(signed); err != nil || string(body) != aReceipt {
		t.Errorf("%q, %v", body, err)
	}
	if _, err := NewReceiptKey().Public().Open(signed); !errors.Is(err, ErrForged) {
		t.Errorf("of another gateway: %v", err)
	}
	if _, err := public.Open([]byte(aReceipt)); !errors.Is(err, ErrUnsigned) {
		t.Errorf("unsigned: %v", err)
	}
	if _, err := public.Open(append(signed[:len(signed):len(signed)], '\n')); !errors.Is(err, ErrForged) {
		t.Errorf("signed, and something was put behind it: %v", err)
	}
	if _, err := key.Sign([]byte("{}")); err == nil {
		t.Error("signed what is no receipt")
	}
}

// TestReceiptEveryBitCounts: no bit can change, no byte go or come, and it still opens.
func TestReceiptEveryBitCounts(t *testing.T) {
	key, signed := signedReceipt(t)
	public := key.Public()
	refused := func(what string, at int, receipt []byte) {
		t.Helper()
		if body, err := public.Open(receipt); err == nil {
			t.Errorf("%s at %d: opens as %q", what, at, body)
		}
	}
	for at := range signed {
		for bit := range 8 {
			changed := bytes.Clone(signed)
			changed[at] ^= 1 << bit
			refused("flipped", at, changed)
		}
		refused("cut", at, signed[:at])
		refused("taken out", at, append(bytes.Clone(signed[:at]), signed[at+1:]...))
		refused("put in", at, append(append(bytes.Clone(signed[:at]), ' '), signed[at:]...))
	}
	refused("lines of another system", 0, bytes.ReplaceAll(signed, []byte("\n"), []byte("\r\n")))
}

// TestReceiptWithOpenSSL: what docs/customers.md says of checking a receipt without us.
func TestReceiptWithOpenSSL(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("NOT RUN, MISSING: openssl (.ci/peers installs it)")
	}
	key, signed := signedReceipt(t)
	dir := t.TempDir()
	for name, content := range map[string][]byte{"gateway.pub": key.Public().PEM(), "receipt.json": signed} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	check := func() error {
		script := `(printf 'sealgate receipt 1\n'; head -c -110 receipt.json) > signed
tail -c 92 receipt.json | head -c 88 | ` + openssl + ` base64 -d -A > signature
` + openssl + ` pkeyutl -verify -rawin -pubin -inkey gateway.pub -in signed -sigfile signature`
		c := exec.Command("sh", "-ec", script)
		c.Dir = dir
		return c.Run()
	}
	if err := check(); err != nil {
		t.Errorf("openssl: %v", err)
	}
	signed[20] ^= 1
	if err := os.WriteFile(filepath.Join(dir, "receipt.json"), signed, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := check(); err == nil {
		t.Error("openssl takes a changed one")
	}
}

func TestReceiptPublicKeyIsRead(t *testing.T) {
	certificate, _, err := NewCertificate("acme", "p-256", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(other.Public())
	if err != nil {
		t.Fatal(err)
	}
	notEd25519 := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	misnamed := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: NewReceiptKey().Public().der()})
	for _, text := range [][]byte{nil, []byte("AAAA"), certificate, notEd25519, misnamed, []byte("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")} {
		if _, err := ParseReceiptPublicKey(text); err == nil {
			t.Errorf("%q is a key", text)
		}
	}
	if _, err := ParseReceiptKey(seedOfTests[1:]); err == nil {
		t.Error("31 bytes are a key")
	}
}

// FuzzOpenReceipt: whatever the bytes, only what the key has signed opens.
func FuzzOpenReceipt(f *testing.F) {
	key, signed := signedReceipt(f)
	public := key.Public()
	f.Add(signed)
	f.Add([]byte(aReceipt))
	f.Add(signed[ReceiptSignature:])
	f.Fuzz(func(t *testing.T, receipt []byte) {
		body, err := public.Open(receipt)
		if err == nil && (!bytes.Equal(receipt, signed) || string(body) != aReceipt) {
			t.Errorf("%q opens as %q", receipt, body)
		}
		again, err := key.Sign(receipt)
		if err != nil {
			return
		}
		if body, err := public.Open(again); err != nil || !bytes.Equal(body, receipt) {
			t.Errorf("%q signed opens as %q, %v", receipt, body, err)
		}
	})
}
