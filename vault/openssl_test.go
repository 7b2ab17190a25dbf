package vault

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// openssl runs the stock tool; where it is missing the test is skipped, but
// not in CI.
func openssl(t *testing.T, stdin []byte, args ...string) ([]byte, error) {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("openssl is not installed, and CI must have it")
		}
		t.Skip("SKIPPED: openssl is not installed, so nothing proves that it opens our files")
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Stdin = bytes.NewReader(stdin)
	var out, talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &talk
	if err := cmd.Run(); err != nil {
		return out.Bytes(), fmt.Errorf("openssl %v: %w\n%s", args, err, talk.Bytes())
	}
	return out.Bytes(), nil
}

func write(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestOpenSSLOpens: the stock tool opens what we seal, with as many commands
// as there are layers.
func TestOpenSSLOpens(t *testing.T) {
	for _, kind := range []string{"rsa-3072", "p-256", "p-384"} {
		for _, access := range [][]string{nil, {"one", "two"}} {
			k := newKeys(t, kind, access...)
			key := write(t, "key.pem", k.pem)
			for _, n := range []int{0, 1, 4096, 2*pieceSize + 7} {
				plain := pattern(n)
				file, _ := sealed(t, k, plain)
				got, err := openssl(t, file, "cms", "-decrypt", "-inform", "DER", "-binary", "-inkey", key)
				if err != nil {
					t.Fatalf("%s, %d bytes: %v", kind, n, err)
				}
				if len(access) > 0 {
					pem, err := k.opens[1].PEM()
					if err != nil {
						t.Fatal(err)
					}
					if got, err = openssl(t, got, "cms", "-decrypt", "-inform", "DER", "-binary", "-inkey", write(t, "access.pem", pem)); err != nil {
						t.Fatalf("%s, %d bytes, inner layer: %v", kind, n, err)
					}
				}
				if !bytes.Equal(got, plain) {
					t.Errorf("%s, %d access keys: openssl opened %d bytes as %d others", kind, len(access), n, len(got))
				}
			}
		}
	}
}

// TestOpenOpenSSL: we open what the stock tool seals, streamed or not, with
// our hashes or its own, and named either way.
func TestOpenOpenSSL(t *testing.T) {
	for _, c := range []struct {
		kind string
		args []string
	}{
		{"rsa-3072", []string{"-keyopt", "rsa_padding_mode:oaep"}},
		{"rsa-3072", []string{"-keyopt", "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_md:sha256"}},
		{"rsa-3072", []string{"-keyopt", "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_md:sha512", "-keyopt", "rsa_mgf1_md:sha256"}},
		{"p-256", nil},
		{"p-256", []string{"-keyopt", "ecdh_kdf_md:sha256"}},
		{"p-384", []string{"-keyopt", "ecdh_kdf_md:sha384"}},
	} {
		certPEM, keyPEM, err := NewCertificate("Acme AB", c.kind, time.Now(), time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		key, err := ParsePrivateKey(keyPEM, nil)
		if err != nil {
			t.Fatal(err)
		}
		cert := write(t, "cert.pem", certPEM)
		for _, extra := range [][]string{nil, {"-stream"}, {"-keyid"}} {
			for _, n := range []int{0, 4096, pieceSize + 100} {
				if n == 0 && len(extra) > 0 && extra[0] == "-stream" {
					continue // OpenSSL 3.0 cannot stream nothing
				}
				plain := pattern(n)
				args := append([]string{"cms", "-encrypt", "-aes-256-gcm", "-binary", "-outform", "DER"}, extra...)
				args = append(append(args, "-recip", cert), c.args...)
				file, err := openssl(t, plain, args...)
				if err != nil {
					t.Fatal(err)
				}
				k := &keys{key: key}
				if got, err := k.open(file); err != nil || !bytes.Equal(got, plain) {
					t.Errorf("%v, %d bytes: opened %d, %v", args[6:], n, len(got), err)
				}
			}
		}
	}
}

// TestOpenSSLKeys: certificates and keys of the stock tool are understood.
func TestOpenSSLKeys(t *testing.T) {
	for _, c := range []struct {
		name        string
		make, force []string
	}{
		{"RSA 2048", []string{"-newkey", "rsa:2048"}, []string{"rsa", "-traditional"}},
		{"P-256", []string{"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"}, []string{"ec"}},
	} {
		dir := t.TempDir()
		key, crt := filepath.Join(dir, "key.pem"), filepath.Join(dir, "crt.pem")
		if _, err := openssl(t, nil, append([]string{"req", "-x509", "-nodes", "-subj", "/O=Acme/CN=Acme AB", "-keyout", key, "-out", crt}, c.make...)...); err != nil {
			t.Fatal(err)
		}
		cert, err := ReadCertificate(crt)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if cert.Kind() != c.name || cert.Subject() != "Acme AB" {
			t.Errorf("%s: read as %s of %q", c.name, cert.Kind(), cert.Subject())
		}
		old, err := openssl(t, nil, append(c.force, "-in", key)...)
		if err != nil {
			t.Fatal(err)
		}
		files := map[string]string{"PKCS#8": key, "traditional": write(t, "old.pem", old)}
		for name, args := range map[string][]string{
			"scrypt": {"-scrypt"}, "PBKDF2": {"-v2", "aes-256-cbc"}, "PBKDF2 SHA-1": {"-v2", "aes-128-cbc", "-v2prf", "hmacWithSHA1"},
			"PBKDF2 SHA-512": {"-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA512"},
		} {
			files[name] = filepath.Join(dir, name)
			if _, err := openssl(t, nil, append([]string{"pkcs8", "-topk8", "-in", key, "-out", files[name], "-passout", "pass:quiet-otter"}, args...)...); err != nil {
				t.Fatal(err)
			}
		}
		for name, path := range files {
			k, err := ReadPrivateKey(path, func() ([]byte, error) { return []byte("quiet-otter"), nil })
			if err != nil || !k.Fits(cert) {
				t.Errorf("%s %s: %v", c.name, name, err)
			}
		}
		if _, err := ReadPrivateKey(files["scrypt"], func() ([]byte, error) { return []byte("loud-otter"), nil }); err == nil {
			t.Errorf("%s: opened with a wrong passphrase", c.name)
		}
		fingerprint, err := openssl(t, nil, "x509", "-in", crt, "-noout", "-fingerprint", "-sha256")
		if err != nil {
			t.Fatal(err)
		}
		_, hex, _ := bytes.Cut(bytes.ToLower(bytes.ReplaceAll(bytes.TrimSpace(fingerprint), []byte(":"), nil)), []byte("="))
		if "sha256:"+string(hex) != cert.Fingerprint() {
			t.Errorf("%s: fingerprint %s instead of %s", c.name, cert.Fingerprint(), hex)
		}
	}
}
