package vault

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestGolden opens and verifies what every release has sealed.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*/*.p7m")
	if err != nil || len(files) < 12 {
		t.Fatal("the golden files are missing", files, err)
	}
	for _, path := range files {
		dir := filepath.Dir(path)
		name := strings.TrimSuffix(filepath.Base(path), ".p7m")
		plain, err := os.ReadFile(filepath.Join(dir, "plain.txt"))
		if err != nil {
			t.Fatal(err)
		}
		file, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		kind, nested := strings.CutSuffix(name, "-nested")
		key, err := ReadPrivateKey(filepath.Join(dir, kind+".key"), nil)
		if err != nil {
			t.Fatal(err)
		}
		var access *AccessKey
		if nested {
			if access, err = ReadAccessKey(filepath.Join(dir, "access.txt")); err != nil {
				t.Fatal(err)
			}
			pub, err := ReadCertificate(filepath.Join(dir, "access.crt"))
			if err != nil || pub.KeyID() != access.KeyID() {
				t.Errorf("%s: the access key is another now: %v", path, err)
			}
		}
		var out bytes.Buffer
		if err := OpenSealed(&out, bytes.NewReader(file), int64(len(file)), key, access); err != nil || !bytes.Equal(out.Bytes(), plain) {
			t.Errorf("%s: opened %d bytes, %v", path, out.Len(), err)
		}
		witness, err := os.ReadFile(strings.TrimSuffix(path, ".p7m") + ".witness")
		if err != nil {
			t.Fatal(err)
		}
		if err := VerifySealed(bytes.NewReader(file), Witness(unhex(t, strings.TrimSpace(string(witness))))); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}
