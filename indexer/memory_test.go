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
	c.Env = append(os.Environ(), memoryEnv+"="+argument)
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
