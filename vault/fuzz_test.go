package vault

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func seeds(f *testing.F) {
	f.Helper()
	files, err := filepath.Glob("testdata/*/*.p7m")
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, path := range files {
		file, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(file)
	}
}

// FuzzOpenSealed: whatever the bytes, opening and verifying end, and only the
// true content ever comes out. The keys are the golden files'.
func FuzzOpenSealed(f *testing.F) {
	seeds(f)
	key, err := ReadPrivateKey("testdata/v1/p-256.key", nil)
	if err != nil {
		f.Fatal(err)
	}
	access, err := ReadAccessKey("testdata/v1/access.txt")
	if err != nil {
		f.Fatal(err)
	}
	plain, err := os.ReadFile("testdata/v1/plain.txt")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		var out bytes.Buffer
		if err := OpenSealed(&out, bytes.NewReader(file), int64(len(file)), key, access); err == nil {
			if !bytes.Equal(out.Bytes(), plain) {
				t.Errorf("opened as %q", out.Bytes())
			}
		} else if out.Len() > 0 {
			t.Errorf("%d bytes, and then %v", out.Len(), err)
		}
		if VerifySealed(bytes.NewReader(file), Witness{}) == nil {
			t.Error("verified by no witness")
		}
	})
}

// FuzzParse: the reader never panics and keeps to its bounds, and its
// normalised elements read the same again.
func FuzzParse(f *testing.F) {
	seeds(f)
	f.Add([]byte("\x30\x80\x24\x80\x04\x01a\x04\x01b\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if e, err := newBERReader(bytes.NewReader(data)).readEnvelope(); err == nil {
			for _, r := range e.describe() {
				_ = r.String()
			}
		}
		b := newBERReader(bytes.NewReader(data))
		once, err := b.element()
		if err != nil {
			return
		}
		if len(b.header) > maxHeader || len(once) > 8*len(data) {
			t.Errorf("%d bytes became %d", len(data), len(once))
		}
		twice, err := newBERReader(bytes.NewReader(once)).element()
		if err != nil || !bytes.Equal(once, twice) {
			t.Errorf("%x reads as %x: %v", once, twice, err)
		}
	})
}

// FuzzRoundTrip: any content in any pieces comes back, sealed once or twice.
func FuzzRoundTrip(f *testing.F) {
	once, twice := newKeys(f, "p-256"), newKeys(f, "p-256", "one")
	one, two := newSeal(f, once), newSeal(f, twice)
	f.Add([]byte("salaries"), uint16(3), uint32(1000))
	f.Add([]byte{}, uint16(0), uint32(0))
	f.Add([]byte("x"), uint16(999), uint32(2*pieceSize+3))
	f.Fuzz(func(t *testing.T, seed []byte, chunk uint16, size uint32) {
		plain := bytes.Repeat(append(seed, 0), int(size%(3*pieceSize))/(len(seed)+1)+1)
		for _, c := range []struct {
			seal *Seal
			keys *keys
		}{{one, once}, {two, twice}} {
			var file bytes.Buffer
			x, err := c.seal.New(&file)
			if err != nil {
				t.Fatal(err)
			}
			in := struct{ io.Reader }{bytes.NewReader(plain)} // no WriterTo: chunks
			if _, err := io.CopyBuffer(struct{ io.Writer }{x}, in, make([]byte, int(chunk)+1)); err != nil {
				t.Fatal(err)
			}
			if err := x.Close(); err != nil {
				t.Fatal(err)
			}
			if got, err := c.keys.open(file.Bytes()); err != nil || !bytes.Equal(got, plain) {
				t.Fatalf("%d bytes in chunks of %d: %v", len(plain), int(chunk)+1, err)
			}
			if err := VerifySealed(&file, x.Witness()); err != nil {
				t.Fatalf("%d bytes in chunks of %d: verify: %v", len(plain), int(chunk)+1, err)
			}
		}
	})
}

// FuzzAccessKey: texts are refused or are written back as the same key.
func FuzzAccessKey(f *testing.F) {
	secret := [32]byte(pattern(32))
	f.Add(secretText(accessPrefix, &secret))
	f.Add([]byte("sga1 cdxa"))
	f.Fuzz(func(t *testing.T, text []byte) {
		secret, err := parseSecretText(accessPrefix, text)
		if err != nil {
			return
		}
		again, err := parseSecretText(accessPrefix, secretText(accessPrefix, secret))
		if err != nil || *again != *secret {
			t.Errorf("%q is read as another key when written again: %v", text, err)
		}
	})
}

// FuzzPHC: what is parsed is within bounds and written back as it was.
func FuzzPHC(f *testing.F) {
	f.Add(DummyHash)
	f.Add("$argon2id$v=19$m=65536,t=10,p=4$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := parsePHC(s)
		if err != nil {
			return
		}
		if p.memory > 64<<10 || p.time > 10 || p.lanes > 4 || p.lanes < 1 || p.time < 1 || p.String() != s {
			t.Errorf("%q became %q", s, p.String())
		}
	})
}

// FuzzKeyFiles: whatever lies in a file that should hold a private key (also one under a passphrase), a certificate or an unlock key, it
// is read or refused; the golden key opens its golden file in whatever form it was read.
func FuzzKeyFiles(f *testing.F) {
	for _, pattern := range []string{"testdata/keys/*.key", "testdata/v1/*.key", "testdata/v1/*.crt"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) < 3 {
			f.Fatal("no seeds", pattern, err)
		}
		for _, path := range files {
			text, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
	f.Add(NewUnlockKey())
	golden, err := ReadPrivateKey("testdata/v1/p-256.key", nil)
	if err != nil {
		f.Fatal(err)
	}
	file, err := os.ReadFile("testdata/v1/p-256.p7m")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		k, err := ParsePrivateKey(text, func() ([]byte, error) { return []byte("tulip"), nil })
		if (k == nil) != (err != nil) {
			t.Fatalf("a key %v and %v", k != nil, err)
		}
		if k != nil {
			if err := OpenSealed(io.Discard, bytes.NewReader(file), int64(len(file)), k, nil); (err == nil) != (k.KeyID() == golden.KeyID()) {
				t.Errorf("key %s: %v", k.KeyID(), err)
			}
		}
		if c, err := ParseCertificate(text); (c == nil) != (err != nil) || c != nil && !strings.HasPrefix(c.Fingerprint(), "sha256:") {
			t.Errorf("a certificate %v and %v", c != nil, err)
		}
		if u, err := ParseUnlockKey(text); (u == nil) != (err != nil) {
			t.Errorf("an unlock key %v and %v", u != nil, err)
		}
	})
}
