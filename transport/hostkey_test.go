package transport

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// newKeyFile writes a private key of a kind ("ed25519", "rsa-2048", "ecdsa") and returns its path.
func newKeyFile(t testing.TB, kind string) string {
	t.Helper()
	var text []byte
	var key crypto.PrivateKey
	var err error
	switch kind {
	case "ed25519":
		text, _, err = NewHostKey()
	case "rsa-1024":
		key, err = rsa.GenerateKey(rand.Reader, 1024)
	case "rsa-2048":
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	case "rsa-3072":
		key, err = rsa.GenerateKey(rand.Reader, 3072)
	case "ecdsa":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	if key != nil {
		block, err := ssh.MarshalPrivateKey(key, "")
		if err != nil {
			t.Fatal(err)
		}
		text = pem.EncodeToMemory(block)
	}
	path := filepath.Join(t.TempDir(), kind)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// newSigner is a client's key.
func newSigner(t testing.TB, kind string) ssh.Signer {
	t.Helper()
	text, err := os.ReadFile(newKeyFile(t, kind))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.ParsePrivateKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func TestNewHostKey(t *testing.T) {
	text, fingerprint, err := NewHostKey()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(text), "-----BEGIN OPENSSH PRIVATE KEY-----") {
		t.Errorf("not in OpenSSH form: %.40s", text)
	}
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := HostKeyFingerprint(path)
	if err != nil || got != "ed25519 "+fingerprint {
		t.Errorf("HostKeyFingerprint = %q, %v; want %q", got, err, "ed25519 "+fingerprint)
	}
}

func TestHostKeyFingerprintRefuses(t *testing.T) {
	folder := t.TempDir()
	locked, err := ssh.MarshalPrivateKeyWithPassphrase(mustECDSA(t), "", []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string]struct{ text, want string }{
		"empty":  {"", "is not a private key"},
		"noise":  {"hello\n", "is not a private key"},
		"public": {"ssh-ed25519 AAAA x\n", "is not a private key"},
		"locked": {string(pem.EncodeToMemory(locked)), "passphrase"},
	} {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(file.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := HostKeyFingerprint(path); err == nil || !strings.Contains(err.Error(), file.want) {
			t.Errorf("%s: %v, want %q", name, err, file.want)
		}
	}
	if _, err := HostKeyFingerprint(newKeyFile(t, "rsa-1024")); err == nil || !strings.Contains(err.Error(), "too short") {
		t.Errorf("RSA 1024: %v", err)
	}
	if _, err := HostKeyFingerprint(filepath.Join(folder, "none")); err == nil {
		t.Error("a missing file is taken")
	}
	if got, err := HostKeyFingerprint(newKeyFile(t, "ecdsa")); err != nil || !strings.HasPrefix(got, "ecdsa SHA256:") {
		t.Errorf("ECDSA: %q, %v", got, err)
	}
}

func mustECDSA(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestParsePublicKey(t *testing.T) {
	for _, kind := range []string{"ed25519", "rsa-3072", "ecdsa"} {
		key := newSigner(t, kind).PublicKey()
		line := append([]byte(strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))), " anna@acme\n"...)
		wire, fingerprint, err := ParsePublicKey(line)
		if err != nil || string(wire) != string(key.Marshal()) || fingerprint != ssh.FingerprintSHA256(key) {
			t.Errorf("%s: %q, %v", kind, fingerprint, err)
		}
	}
	good := string(ssh.MarshalAuthorizedKey(newSigner(t, "ed25519").PublicKey()))
	short := string(ssh.MarshalAuthorizedKey(newSigner(t, "rsa-2048").PublicKey()))
	private, err := os.ReadFile(newKeyFile(t, "ed25519"))
	if err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"":                  "not a line like",
		"hello":             "not a line like",
		string(private):     "private key",
		short:               "at least 3072",
		good + good:         "more than one",
		`no-pty ` + good:    "options",
		"ssh-dss AAAAB3Nza": "not a line like",
	} {
		if _, _, err := ParsePublicKey([]byte(line)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParsePublicKey(%.30q) = %v, want %q", line, err, want)
		}
	}
}
