package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write what is printed as what is wanted")

// newHouse makes a folder with good files and bad ones for configurations to name, and goes there. Modes are set here,
// since git does not keep them.
func newHouse(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/set")); err != nil {
		t.Fatal(err)
	}
	unlock := base64.StdEncoding.EncodeToString(slices.Repeat([]byte{7}, 32)) + "\n"
	host := string(pem.EncodeToMemory(&pem.Block{Type: "OPENSSH PRIVATE KEY", Bytes: []byte("for the test's own examine")}))
	for _, f := range []struct {
		name, text string
		mode       fs.FileMode
	}{
		{"unlock.key", unlock, 0o600}, {"world.key", unlock, 0o644}, {"group.key", unlock, 0o640},
		{"writable.key", unlock, 0o622}, {"garbage.key", "not a key\n", 0o600}, {"host_ed25519", host, 0o600},
		{"host_second", host, 0o400}, {"garbage.crt", "not a certificate\n", 0o644}, {"afile", "", 0o644},
		{"acme.sealkey", "1234567890ABCDEF1234567890ABCDEF\n", 0o600}, {"world.sealkey", "1234567890ABCDEF1234567890ABCDEF\n", 0o644},
		{"garbage.sealkey", "MARKER 1234\n", 0o600},
		{"users.pub", "ssh-ed25519 AAAA ca\n", 0o644}, {"writable.pub", "ssh-ed25519 AAAA ca\n", 0o664}, {"garbage.pub", "none\n", 0o644},
		{"operators", "anna\nbo\ncarl\n", 0o644}, {"doubtful.operators", "anna\nbo\n", 0o644}, {"one.operators", "anna\n", 0o644}, {"writable.operators", "anna\nbo\ncarl\n", 0o666},
		{"acme.crt", newCertificate(t, x509.KeyUsageKeyAgreement, 365*24*time.Hour), 0o644},
		{"acme.access.crt", newCertificate(t, x509.KeyUsageKeyAgreement, 365*24*time.Hour), 0o644},
		{"soon.crt", newCertificate(t, x509.KeyUsageKeyAgreement, 10*24*time.Hour+time.Hour), 0o644},
		{"expired.crt", newCertificate(t, x509.KeyUsageKeyAgreement, -time.Hour), 0o644},
		{"signing.crt", newCertificate(t, x509.KeyUsageDigitalSignature, 365*24*time.Hour), 0o644},
		{"secret", "password\n", 0o600}, {"readable", "password\n", 0o644},
		{"full/unlock.key", unlock, 0o600}, {"adir/x.yaml", "accounts: []\n", 0o644},
	} {
		path := filepath.Join(dir, f.name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(f.text), f.mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, f.mode); err != nil { // past the umask
			t.Fatal(err)
		}
	}
	if err := os.Symlink("full/unlock.key", filepath.Join(dir, "link.key")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func newCertificate(t testing.TB, usage x509.KeyUsage, valid time.Duration) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "acme"}, KeyUsage: usage,
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(valid)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// examine is a small cousin of what the vault and the door do.
func examine() Examine {
	return Examine{
		Certificate: func(path string) (string, error) {
			text, err := os.ReadFile(path)
			if err != nil {
				return "", err
			}
			block, _ := pem.Decode(text)
			if block == nil {
				return "", fmt.Errorf("%s: no PEM block in it", path)
			}
			c, err := x509.ParseCertificate(block.Bytes)
			left := time.Until(c.NotAfter)
			switch {
			case err != nil:
				return "", err
			case left < 0:
				return "", errors.New("expired")
			case c.KeyUsage&(x509.KeyUsageKeyAgreement|x509.KeyUsageKeyEncipherment) == 0:
				return "", errors.New("not for encryption (key usage)")
			case left < 30*24*time.Hour:
				return fmt.Sprintf("expires in %d days", left/(24*time.Hour)), nil
			}
			return "", nil
		},
		UnlockKey: func(path string) error {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text))); err != nil || len(key) != 32 {
				return errors.New("not 32 bytes in base64")
			}
			return nil
		},
		SealKey: func(path string) error {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if key, err := hex.DecodeString(strings.TrimSpace(string(text))); err != nil || len(key) != 16 {
				return errors.New("not a seal key: 32 hexadecimal digits and nothing else")
			}
			return nil
		},
		UserCA: func(path string) error {
			text, err := os.ReadFile(path)
			if err == nil && !strings.HasPrefix(string(text), "ssh-") {
				err = errors.New("line 1 is not an OpenSSH public key")
			}
			return err
		},
		Operators: func(path string) (string, error) {
			text, err := os.ReadFile(path)
			switch names := strings.Count(string(text), "\n"); {
			case err == nil && names < 2:
				err = fmt.Errorf("%s: names %d, and at least 2 must be there", path, names)
			case names == 2:
				return "only 1 of the names can sign now", err
			}
			return "", err
		},
		HostKeys: func(s SFTP) error {
			text, err := os.ReadFile(s.HostKeys[len(s.HostKeys)-1])
			if err != nil {
				return err
			}
			if block, _ := pem.Decode(text); block == nil || block.Type != "OPENSSH PRIVATE KEY" {
				return errors.New("not an OpenSSH private key")
			}
			return nil
		},
	}
}

// TestGolden loads every configuration of testdata and compares all that an operator would read.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) < 60 {
		t.Fatalf("%d configurations, %v", len(files), err)
	}
	house, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	dir := newHouse(t)
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join(house, file))
			if err != nil {
				t.Fatal(err)
			}
			t.Chdir(dir)
			if err := os.WriteFile("sealgate.yaml", data, 0o640); err != nil {
				t.Fatal(err)
			}
			c, err := Load("sealgate.yaml", examine())
			got := printed(t, c, err)
			if strings.Contains(got, "MARKER") {
				t.Errorf("a secret is shown: %s", got)
			}
			if (err == nil) != strings.HasPrefix(name, "good-") {
				t.Errorf("error: %v", err)
			}
			want := filepath.Join(house, "testdata", name+".want")
			if *update {
				if err := os.WriteFile(want, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			text, err := os.ReadFile(want)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(text), got); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

func printed(t *testing.T, c *Config, err error) string {
	t.Helper()
	if err == nil {
		s := "ok\n"
		for _, w := range c.Warnings {
			s += w.Warning() + "\n"
		}
		return s
	}
	var m *Mistakes
	if !errors.As(err, &m) || c != nil {
		t.Fatalf("%T %v", err, err)
	}
	return m.Error() + "\n" + m.Summary() + "\n"
}

// load takes a configuration as text and must find it good.
func load(t *testing.T, text string) *Config {
	t.Helper()
	t.Chdir(newHouse(t))
	if err := os.WriteFile("sealgate.yaml", []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
	c, err := Load("sealgate.yaml", examine())
	if err != nil {
		t.Fatal(err)
	}
	return c
}
