package config

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const smallest = `data_dir: ./data
unlock_key_file: ./unlock.key
sftp: {listen: "127.0.0.1:0", host_keys: [./host_ed25519]}
accounts:
  - {id: acme, after_indexing: delete}
  - {id: Beta, after_indexing: seal, certificate: ./acme.crt, policy: {empty: accept, duplicate-content: reject}}
`

func TestDefaults(t *testing.T) {
	c := load(t, smallest)
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	c.Warnings = nil // of this machine's disks
	partial := []string{"*.filepart", "*.part", "*.tmp", "*.partial", ".in.*"}
	month := Duplicates{Window: 30 * 24 * time.Hour}
	passwords := Passwords{Rule: "long", LockAfter: 50}
	want := &Config{File: "sealgate.yaml", Files: []string{"sealgate.yaml"}, DataDir: filepath.Join(dir, "data"),
		UnlockKeyFile: filepath.Join(dir, "unlock.key"), DiskFloor: 1 << 30, Log: "text",
		RemotesAtOnce: 8, FourEyes: "false",
		SFTP: SFTP{Listen: "127.0.0.1:0", HostKeys: []string{filepath.Join(dir, "host_ed25519")}, Algorithms: "default",
			StopWithin: 30 * time.Second, Park: 10 * time.Minute,
			Limits: Limits{Sessions: 1000, SessionsPerAccount: 200, SessionsPerAddress: 200, Handshakes: 200, Handles: 64,
				Memory: 512 << 20, MemoryPerAccount: 128 << 20, MemoryPerAddress: 128 << 20}},
		Accounts: []*Account{
			{ID: "acme", Name: "acme", AfterIndexing: "delete", ProtectDatabase: "false", MaxFileSize: 512 << 20, Duplicates: month,
				Linger: 10 * time.Minute, PartialNames: partial, Passwords: passwords, Say: "refusals"},
			{ID: "Beta", Name: "Beta", AfterIndexing: "seal", Certificate: filepath.Join(dir, "acme.crt"),
				ProtectDatabase: "false", MaxFileSize: 512 << 20, Duplicates: month, Linger: 10 * time.Minute, PartialNames: partial, Passwords: passwords, Say: "refusals",
				Policy: Policy{"empty": "accept", "duplicate-content": "reject"}},
		}}
	if d := cmp.Diff(want, c); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if got := c.ControlSocket(); got != filepath.Join(dir, "data", "control.sock") {
		t.Error(got)
	}
	if c.Account("Beta") != c.Accounts[1] || c.Account("beta") != nil || c.Account("") != nil {
		t.Error("Account")
	}
}

// TestEveryKey makes sure that no key can be added without a configuration that sets it to something of its own.
func TestEveryKey(t *testing.T) {
	text, err := os.ReadFile("testdata/good-every-key.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var c, plain *Config // each in a house of its own
	t.Run("every key", func(t *testing.T) { c = load(t, string(text)) })
	t.Run("smallest", func(t *testing.T) { plain = load(t, smallest) })
	if got := len(c.Accounts); got != 4 || c.Accounts[2].ID != "gamma" || c.Accounts[3].ID != "delta" {
		t.Errorf("%d accounts", got)
	}
	if want := []string{"sealgate.yaml", "accounts.d/one.yaml", "accounts.d/two.yaml"}; !slices.Equal(c.Files, want) {
		t.Error(c.Files)
	}
	differs(t, "", reflect.ValueOf(*c), reflect.ValueOf(*plain))
	differs(t, "accounts.", reflect.ValueOf(*c.Accounts[0]), reflect.ValueOf(*plain.Accounts[0]))
	if len(c.Accounts[0].Policy) != len(Reasons()) {
		t.Error("not every reason")
	}
	if got, want := c.Accounts[0].Duplicates.Window, 36*time.Hour; got != want {
		t.Error(got)
	}
	if got, want := c.SFTP.Limits, (Limits{10, 9, 8, 7, 6, 64e6, 32e6, 32e6}); got != want {
		t.Error(got)
	}
	if c.DiskFloor != 2<<30 || c.SFTP.StopWithin != 90*time.Second || c.SFTP.Park != 0 || c.Accounts[0].ID != "0123" ||
		c.Accounts[0].PartialNames == nil || len(c.Accounts[0].PartialNames) != 0 {
		t.Errorf("%+v", c.Accounts[0])
	}
}

// differs fails for each field in which two structs are equal, but for what cannot differ here.
func differs(t *testing.T, at string, a, b reflect.Value) {
	t.Helper()
	for f := range a.Type().Fields() {
		key := f.Tag.Get("yaml")
		x, y := a.FieldByIndex(f.Index), b.FieldByIndex(f.Index)
		switch {
		case key == "-", key == "data_dir", key == "unlock_key_file": // another temp dir, or the same
		case f.Type.Kind() == reflect.Struct:
			differs(t, at+key+".", x, y)
		case reflect.DeepEqual(x.Interface(), y.Interface()):
			t.Errorf("%s%s is not set in good-every-key.yaml", at, key)
		}
	}
}

func TestPolicyFor(t *testing.T) {
	sealing := &Account{Certificate: "/x", Policy: Policy{"empty": "hold", "malformed": "accept"}}
	bare := &Account{Policy: Policy{"empty": "hold", "unrecognised": "accept"}}
	for _, test := range []struct{ reason, sealing, bare string }{
		{"incomplete", "reject", "reject"}, {"malformed", "accept", "reject"}, {"totals-mismatch", "reject", "reject"},
		{"duplicate-content", "hold", "reject"}, {"duplicate-business-key", "hold", "reject"},
		{"unrecognised", "hold", "accept"}, {"too-large", "reject", "reject"}, {"empty", "hold", "reject"},
		{"expired-certificate", "reject", "reject"}, {"seal-mismatch", "reject", "reject"}, {"of a later version", "reject", "reject"},
	} {
		if got := sealing.PolicyFor(test.reason); got != test.sealing {
			t.Errorf("sealing, %s: %s", test.reason, got)
		}
		if got := bare.PolicyFor(test.reason); got != test.bare {
			t.Errorf("bare, %s: %s", test.reason, got)
		}
	}
}

func TestIsPartial(t *testing.T) {
	a := load(t, smallest).Accounts[0]
	for name, want := range map[string]bool{"a.xml": false, "a.xml.filepart": true, "a.part": true, "a.xml.4c21a7d9.partial": true,
		".in.a.xml": true, "a(1234).tmp": true, "in.a": false, "tmp": false, "x/a.tmp": false, "": false, "a.TMP": false} {
		if got := a.IsPartial(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}

// TestFrom loads by another path: messages keep it as given, what is relative to the file is found.
func TestFrom(t *testing.T) {
	dir := newHouse(t)
	path := filepath.Join(dir, "sealgate.yaml")
	text := smallest + "include: [accounts.d/*.yaml]\n"
	if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
	c, err := Load(path, examine())
	if err != nil {
		t.Fatal(err)
	}
	if c.DataDir != filepath.Join(dir, "data") || c.Account("gamma").Certificate != filepath.Join(dir, "acme.crt") {
		t.Error(c.DataDir, c.Account("gamma").Certificate)
	}
	if err := os.Remove(filepath.Join(dir, "acme.crt")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "unlock.key"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = Load(path, examine())
	want := strings.ReplaceAll(`DIR/sealgate.yaml:2: unlock_key_file: ./unlock.key: world-readable: chmod 600 DIR/unlock.key
DIR/sealgate.yaml:6: accounts[Beta].certificate: ./acme.crt: no such file
DIR/accounts.d/one.yaml:4: accounts[gamma].certificate: ../acme.crt: no such file`, "DIR", dir)
	if d := cmp.Diff(want, printedError(err)); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func printedError(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestFileNotRead(t *testing.T) {
	dir := newHouse(t)
	_, err := Load(filepath.Join(dir, "none.yaml"), Examine{})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if _, err := Load(dir, Examine{}); err == nil || !strings.Contains(err.Error(), "a directory") {
		t.Error(err)
	}
	if _, err := Load(os.DevNull, Examine{}); !errors.Is(err, errNotAFile) {
		t.Error(err)
	}
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(pipe, Examine{}); !errors.Is(err, errNotAFile) { // and does not wait for a writer
		t.Error(err)
	}
}

func TestBounds(t *testing.T) {
	t.Chdir(newHouse(t))
	comment := "# " + strings.Repeat("x", 60) + "\n"
	fill := strings.Repeat(comment, (maxFile-len(smallest))/len(comment))
	list := "[" + strings.Repeat("*a,", 5_000) + "]"
	many := smallest
	for i := range 150 {
		many += "x" + strings.Repeat("y", 70) + string(rune('a'+i%26)) + strings.Repeat("z", i) + ": 1\n"
	}
	for _, test := range []struct{ name, text, want string }{
		{"as long as it may be", smallest + fill, ""},
		{"longer", smallest + fill + comment + comment, "sealgate.yaml:1: the file is longer than 4 MiB"},
		// 5,000 accounts of 5,000 names: 25 million values in 50 KiB, were they walked
		{"alias bomb", strings.Replace(smallest, "accounts:", "log: &a x\ninclude: &b "+list+"\naccounts:\n  - &c {id: a, after_indexing: delete, partial_names: *b}\n"+
			strings.Repeat("  - *c\n", 5_000), 1), "too many values, or aliases that multiply them"},
		{"alias of itself", strings.Replace(smallest, "policy: {empty: accept", "policy: &p {empty: *p", 1), "keys with values, but a single value is wanted"},
		{"many mistakes", many, "\nand 50 more"},
	} {
		if err := os.WriteFile("sealgate.yaml", []byte(test.text), 0o640); err != nil {
			t.Fatal(err)
		}
		_, err := Load("sealgate.yaml", examine())
		if m, ok := err.(*Mistakes); ok && test.name == "alias bomb" {
			i := slices.IndexFunc(m.List, func(m Mistake) bool { return strings.Contains(m.Text, test.want) })
			if i < 0 || len(m.List) > maxVisits+1 {
				t.Errorf("%s: %d mistakes", test.name, len(m.List))
			}
			continue
		}
		if got := printedError(err); !strings.Contains(got, test.want) || (got == "") != (test.want == "") {
			t.Errorf("%s: %.500s", test.name, got)
		}
	}
}

func TestCredential(t *testing.T) {
	dir := newHouse(t)
	t.Chdir(dir)
	text := strings.Replace(smallest, "./unlock.key", "credential:group.key", 1)
	if err := os.WriteFile("sealgate.yaml", []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	c, err := Load("sealgate.yaml", examine()) // group-readable by its mode, as systemd's ACL shows
	if err != nil || c.UnlockKeyFile != filepath.Join(dir, "group.key") {
		t.Fatal(c, err)
	}
	if err := os.Chmod("group.key", 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Load("sealgate.yaml", examine()); err == nil || !strings.Contains(err.Error(), "world-readable") {
		t.Error(err)
	}
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	if c, err := Load("sealgate.yaml", Examine{}); err != nil || len(c.Warnings) != 0 {
		t.Error(c, err)
	}
}

// TestOtherDisk: a key on tmpfs is what the warning asks for, and is not warned of.
func TestOtherDisk(t *testing.T) {
	t.Chdir(newHouse(t))
	key, err := os.ReadFile("unlock.key")
	if err != nil {
		t.Fatal(err)
	}
	shm, err := os.MkdirTemp("/dev/shm", "config")
	if err != nil {
		t.Skip("no /dev/shm: ", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(shm) })
	path := filepath.Join(shm, "unlock.key")
	if err := os.WriteFile(path, key, 0o600); err != nil {
		t.Fatal(err)
	}
	if here, _ := device("."); here == func() uint64 { d, _ := device(path); return d }() {
		t.Skip("the temp dir is on tmpfs too")
	}
	text := strings.Replace(smallest, "./unlock.key", path, 1)
	if err := os.WriteFile("sealgate.yaml", []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
	c, err := Load("sealgate.yaml", examine())
	if err != nil || len(c.Warnings) != 0 {
		t.Error(c, err)
	}
}

func TestPermissionDenied(t *testing.T) {
	dir := newHouse(t)
	t.Chdir(dir)
	info, err := os.Stat("unlock.key")
	if err != nil {
		t.Fatal(err)
	}
	if got := ownership(info); !strings.HasPrefix(got, " (0600 ") || !strings.Contains(got, "; sealgate runs as uid ") {
		t.Error(got)
	}
	if os.Getuid() == 0 {
		t.Skip("root may read everything")
	}
	if err := os.Chmod("unlock.key", 0); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("sealgate.yaml", []byte(smallest), 0o640); err != nil {
		t.Fatal(err)
	}
	_, err = Load("sealgate.yaml", examine())
	if err == nil || !strings.Contains(err.Error(), "sealgate.yaml:2: unlock_key_file: ./unlock.key: permission denied (0000 ") {
		t.Error(err)
	}
	if _, err := Load("sealgate.yaml", Examine{}); err != nil { // for commands that only ask the daemon
		t.Error(err)
	}
}

func TestFind(t *testing.T) {
	t.Chdir(t.TempDir())
	_, err := os.Stat("/etc/sealgate/sealgate.yaml")
	if got := Find(); got != "sealgate.yaml" && err != nil {
		t.Error(got)
	}
	if err := os.WriteFile("sealgate.yaml", nil, 0o640); err != nil {
		t.Fatal(err)
	}
	if got := Find(); got != "sealgate.yaml" {
		t.Error(got)
	}
	if err := os.Symlink("loop", "loop"); err != nil { // as good as a folder that only others may look into
		t.Fatal(err)
	}
	if got := find("none", "loop"); got != "loop" {
		t.Errorf("%s is named, and nobody is told that another cannot be looked at", got)
	}
	if got := find("loop", "sealgate.yaml"); got != "loop" {
		t.Errorf("%s is asked in the place of one that is here", got)
	}
	if got := find("loop/sealgate.yaml", "sealgate.yaml"); got != "sealgate.yaml" { // sudo -u sealgate, in root's own folder
		t.Errorf("%s is named: where nobody may look, nothing is meant", got)
	}
}

func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	dir := newHouse(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		// The files that it names are this machine's: keep to the house.
		if bytes.Contains(text, []byte("..")) || bytes.Contains(text, []byte(": /")) {
			t.Skip()
		}
		path := filepath.Join(dir, "sealgate.yaml")
		if err := os.WriteFile(path, text, 0o640); err != nil {
			t.Fatal(err)
		}
		c, err := Load(path, examine())
		var m *Mistakes
		if err != nil && (!errors.As(err, &m) || c != nil || len(m.List) == 0) {
			t.Fatalf("%T %v", err, err) // above all: the walk and the struct never differ
		}
		if err == nil && (c.SFTP.Listen == "" || len(c.SFTP.HostKeys) == 0 || !filepath.IsAbs(c.DataDir)) {
			t.Fatalf("%+v", c)
		}
		if m != nil {
			for _, one := range m.List {
				if one.Line < 1 || one.File == "" || one.Text == "" || strings.ContainsFunc(one.Text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
					t.Fatalf("%+v", one)
				}
			}
		}
	})
}

func TestTooManyIncluded(t *testing.T) {
	l := &loading{files: []string{"sealgate.yaml"}, places: map[string]place{}}
	names := make([]string, maxIncluded)
	if got := l.notYet(names, place{}); got != nil || len(l.list) != 1 {
		t.Errorf("%d files, %v", len(got), l.list)
	}
	if got := l.notYet(names[1:], place{}); len(got) != maxIncluded-1 || len(l.list) != 1 {
		t.Errorf("%d files, %v", len(got), l.list)
	}
}
