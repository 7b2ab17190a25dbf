package vault

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// bouncyCastle is Debian's, on a class path. It is run from source, which takes a JDK.
const bouncyCastle = "/usr/share/java/bcpkix.jar:/usr/share/java/bcprov.jar:/usr/share/java/bcutil.jar"

// TestBouncyCastleOpens: a library of other people, in another language, opens what we seal, what was rewrapped, and what every release
// has sealed: RSA and EC, alone and nested, of every length that differs in its form.
func TestBouncyCastleOpens(t *testing.T) {
	needs := append(strings.Split(bouncyCastle, ":"), "javac")
	for _, path := range needs {
		if _, err := exec.LookPath(path); err != nil {
			if _, err = os.Stat(path); err != nil {
				if os.Getenv("CI") == "true" {
					t.Fatalf("MISSING: %s (.ci/peers installs it)", path)
				}
				t.Skipf("NOT RUN, MISSING: %s (.ci/peers installs it)", path)
			}
		}
	}
	dir := t.TempDir()
	var args []string
	want := map[string][]byte{}
	add := func(what string, file, plain []byte, keys ...string) {
		t.Helper()
		out := filepath.Join(dir, fmt.Sprint(len(want)))
		if len(args) > 0 {
			args = append(args, "--")
		}
		args = append(append(args, write(t, "sealed.p7m", file), out), keys...)
		want[out+" "+what] = plain
	}
	access := func(a *AccessKey) string {
		t.Helper()
		pem, err := a.PEM()
		if err != nil {
			t.Fatal(err)
		}
		return write(t, "access.pem", pem)
	}
	for _, kind := range []string{"rsa-3072", "p-256", "p-384"} {
		for _, names := range [][]string{nil, {"one", "two"}} {
			k := newKeys(t, kind, names...)
			keys := []string{write(t, "key.pem", k.pem)}
			if len(names) > 0 {
				keys = append(keys, access(k.opens[1]))
			}
			for _, n := range []int{0, 1, 4096, 2*pieceSize + 7} {
				file, _ := sealed(t, k, pattern(n))
				add(fmt.Sprintf("%s, %d access keys, %d bytes", kind, len(names), n), file, pattern(n), keys...)
			}
		}
	}
	golden, err := filepath.Glob("testdata/*/*.p7m")
	if err != nil || len(golden) < 12 {
		t.Fatal("the golden files are missing", golden, err)
	}
	for _, path := range golden {
		folder := filepath.Dir(path)
		kind, nested := strings.CutSuffix(strings.TrimSuffix(filepath.Base(path), ".p7m"), "-nested")
		keys := []string{filepath.Join(folder, kind+".key")}
		if nested {
			a, err := ReadAccessKey(filepath.Join(folder, "access.txt"))
			if err != nil {
				t.Fatal(err)
			}
			keys = append(keys, access(a))
		}
		add(path, read(t, path), read(t, filepath.Join(folder, "plain.txt")), keys...)
	}
	argv := append([]string{"-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", bouncyCastle, "testdata/Open.java"}, args...)
	if out, err := exec.CommandContext(t.Context(), "java", argv...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for out, plain := range want {
		path, what, _ := strings.Cut(out, " ")
		if got := read(t, path); !bytes.Equal(got, plain) {
			t.Errorf("%s: it opened %d bytes, want %d", what, len(got), len(plain))
		}
	}
	// It verifies: with a bit of the content changed it opens nothing.
	k := newKeys(t, "p-256")
	file, _ := sealed(t, k, pattern(4096))
	file[len(file)-2000] ^= 1
	out, err := exec.CommandContext(t.Context(), "java", append(argv[:5:5], write(t, "changed.p7m", file), filepath.Join(dir, "x"), write(t, "key.pem", k.pem))...).CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte("mac check in GCM failed")) {
		t.Errorf("changed: %v: %s", err, out)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
