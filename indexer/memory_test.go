package indexer

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/vault"
)

const memoryEnv = "SEALGATE_MEMORY"

// memoryOf is what a process may write in its memory, by mapping.
func memoryOf(t testing.TB, pid int) (memory [][]byte) {
	t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("MISSING: the right to read a child's memory: %v", err)
		}
		t.Skipf("NOT RUN, MISSING: the right to read a child's memory: %v", err)
	}
	defer f.Close()
	for line := range strings.Lines(string(readAll(t, fmt.Sprintf("/proc/%d/maps", pid)))) {
		var from, to int64
		var rights string
		if n, _ := fmt.Sscanf(line, "%x-%x %s", &from, &to, &rights); n != 3 || !strings.HasPrefix(rights, "rw") {
			continue
		}
		for ; from < to; from += 16 << 20 { // the collector's tables are gigabytes, and empty
			b := make([]byte, min(to-from, 16<<20+64))
			if n, _ := f.ReadAt(b, from); len(bytes.Trim(b[:n], "\x00")) > 0 {
				memory = append(memory, b[:n])
			}
		}
	}
	return memory
}

// traces counts secrets in memory: as they are, and as SHA-256 has them in its registers.
func traces(memory [][]byte, secrets ...Key) (n int) {
	var starts [1 << 16]bool // by their first two bytes, since most of memory is none
	forms := map[Key]bool{}
	for _, secret := range secrets {
		turned := secret
		for i := 0; i < len(turned); i += 4 {
			slices.Reverse(turned[i : i+4])
		}
		for _, form := range []Key{secret, turned} {
			forms[form], starts[binary.LittleEndian.Uint16(form[:])] = true, true
		}
	}
	for _, b := range memory {
		for i := 0; i+len(Key{}) <= len(b); i++ {
			if starts[binary.LittleEndian.Uint16(b[i:])] && forms[Key(b[i:i+len(Key{})])] {
				n++
			}
		}
	}
	return n
}

// child runs a test of this program in a process of its own, up to its line "ready". Its stdin lets it go on.
func child(t testing.TB, test, argument string) (pid int) {
	t.Helper()
	c := exec.Command(os.Args[0], "-test.run=^"+test+"$", "-test.count=1")
	c.Env = append(os.Environ(), memoryEnv+"="+argument, "GODEBUG=clobberfree=1,asyncpreemptoff=1,gcshrinkstackoff=1") // as `serve` sets it
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); c.Wait() })
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if lines.Text() == "ready" {
			return c.Process.Pid
		}
		t.Log(lines.Text())
	}
	t.Fatal("it has ended")
	return 0
}

// ready tells the parent, and waits for it.
func ready() {
	fmt.Println("ready")
	bufio.NewReader(os.Stdin).ReadString('\n')
}

const memoryRecords = 400

// TestRatchetWriter is no test: it is the process into whose memory TestRatchetForgets looks.
func TestRatchetWriter(t *testing.T) {
	dir, key, found := strings.Cut(os.Getenv(memoryEnv), " ")
	if !found {
		t.Skip("started by TestRatchetForgets only")
	}
	s := &safe{dir: dir}
	hex.Decode(s.key[:], []byte(key))
	x := s.open(t)
	for i := range memoryRecords {
		commit(t, x, &Delivery{File: newFile(t, fmt.Sprint("file ", i), epoch), Copy: make([]byte, 3000)})
	}
	ready()
}

// TestRatchetForgets: in the memory of a process that has written a log stands its ratchet's present state, and none of the states and
// keys before, from which what it has written could be read.
func TestRatchetForgets(t *testing.T) {
	if raced {
		t.Skip("NOT RUN: what the race detector leaves in memory is not ours; make test runs it")
	}
	s := newSafe(t)
	x := s.protected(t)
	own := s.own(t, x)
	x.Close()
	memory := memoryOf(t, child(t, "TestRatchetWriter", s.dir+" "+hex.EncodeToString(s.key[:])))
	d, err := openDatabase(t.Context(), filepath.Join(s.dir, logName), s.key, "log")
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	var box []byte
	if err := d.w.QueryRowContext(t.Context(), `SELECT box FROM segments`).Scan(&box); err != nil {
		t.Fatal(err)
	}
	var private, key Key
	var r ratchet
	if _, err := segmentKey(&private, &own); err != nil {
		t.Fatal(err)
	}
	if err := openBox(&private, segmentLabel, box, &r.secret); err != nil {
		t.Fatal(err)
	}
	var states, keys []Key
	for range memoryRecords {
		derive(&key, "sealgate record", 0, &r.secret)
		states, keys = append(states, r.secret), append(keys, key)
		r.skip()
	}
	if states, keys := traces(memory, states...), traces(memory, keys...); states > 0 || keys > 0 {
		t.Errorf("of %d records there are %d traces of states and %d of keys", memoryRecords, states, keys)
	}
	if traces(memory, r.secret) == 0 {
		t.Error("the present state was not found: nothing was looked at")
	}
}

// TestLocker is no test: it is the process into whose memory TestLockForgets looks.
func TestLocker(t *testing.T) {
	args := strings.Fields(os.Getenv(memoryEnv))
	if len(args) != 3 {
		t.Skip("started by TestLockForgets only")
	}
	s := safeIn(t, args[0], args[1], args[2])
	x := s.open(t)
	for round := range 10 {
		commit(t, x, &Delivery{File: newFile(t, fmt.Sprint("locked ", round), epoch), Copy: make([]byte, 3000)})
		own := s.own(t, x)
		if _, err := x.Unlock(t.Context(), &own); err != nil {
			t.Fatal(err)
		}
		commitPayments(t, x, fmt.Sprint("open ", round), epoch, 3000, nil)
		if err := x.Lock(); err != nil {
			t.Fatal(err)
		}
	}
	ready()
}

// newKeptSafe is newSafe, with its certificate and its key in files that begin so, for another process.
func newKeptSafe(t testing.TB) (s *safe, keys string) {
	t.Helper()
	cert, private, err := vault.NewCertificate("acme", "p-256", time.Now().Add(-time.Hour), 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	keys = filepath.Join(t.TempDir(), "acme")
	write(t, keys+".crt", cert)
	write(t, keys+".key", private)
	return safeOf(t, t.TempDir(), newKey(t), cert, private), keys
}

// TestLockForgets: in the memory of a process whose index is locked there is neither a key of the pages that it has written and
// read, nor the private half that opens the log's segments. (The index's own key is there, in what this test opened it with;
// that it goes as well shows the proof with the real daemon.)
func TestLockForgets(t *testing.T) {
	s, keys := newKeptSafe(t)
	x := s.protected(t)
	own := s.own(t, x)
	x.Close()
	memory := memoryOf(t, child(t, "TestLocker", s.dir+" "+hex.EncodeToString(s.key[:])+" "+keys))
	pageKeys := func(name string, key *Key) (list []Key) {
		epochs := map[uint32]bool{}
		for b := readAll(t, filepath.Join(s.dir, name)); len(b) >= pageSize; b = b[pageSize:] {
			epochs[binary.BigEndian.Uint32(b[pageSize-4:])] = true
		}
		for epoch := range epochs {
			var k Key
			derive(&k, "sealgate page", epoch, key)
			list = append(list, k)
		}
		return list
	}
	var segments, frames Key
	derive(&segments, "sealgate segments", 0, &own)
	derive(&frames, "sealgate log frame headers", 0, &own)
	pages := pageKeys(indexName, &own)
	if n := traces(memory, pages...); n > 0 || len(pages) < 5 {
		t.Errorf("%d traces of %d keys of pages", n, len(pages))
	}
	if n := traces(memory, segments, frames); n > 0 {
		t.Errorf("%d traces of the keys of segments and frames", n)
	}
	if traces(memory, pageKeys(logName, &s.key)...) == 0 {
		t.Error("no key of the log's pages was found, which is open: nothing was looked at")
	}
}
