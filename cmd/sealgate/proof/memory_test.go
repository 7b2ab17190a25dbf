package proof

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/testdata/gen/payfile"
)

// memory is what the daemon has in its memory: every part of it that can be read and written, the kernel's own aside.
func (g *gateway) memory(t testing.TB) (all []byte) {
	t.Helper()
	pid := g.cmd.Process.Pid
	list, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer list.Close()
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		missing(t, fmt.Sprint("root, to read the memory of the daemon: ", err))
	}
	defer mem.Close()
	for lines := bufio.NewScanner(list); lines.Scan(); {
		var from, to int64
		var may string
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x %s", &from, &to, &may); err != nil || !strings.HasPrefix(may, "rw") {
			continue
		}
		part, _ := solid(io.NewSectionReader(mem, from, to-from)) // what was given back meanwhile cannot be read
		all = append(all, part...)
	}
	return all
}

// TestLockedMemory: the memory of a locked gateway's process does not show what was in a file that it took some files earlier. What it
// shows to the sender for a while, the name that he gave the file, is there as long. A field that a register or a dead stack frame had
// when a thread was last interrupted stays until the thread is again.
func TestLockedMemory(t *testing.T) {
	g := newGuarded(t, options{})
	for _, size := range []int{3_000, 60_000, 300_000, 3 << 20} {
		mark := fmt.Sprintf("%s-%d", marker, size)
		content := pain001With(t, size, payfile.Options{Marker: mark})
		secrets := []string{mark}
		for _, kind := range []*regexp.Regexp{controlSums, ibans, references} {
			for _, m := range kind.FindAllSubmatch(content, 3) {
				if len(m[1]) >= 10 {
					secrets = append(secrets, string(m[1]))
				}
			}
		}
		sought := seek(secrets...)
		s := g.door().sit(t)
		closing := poised(t, s, "salaries.xml", content)
		if found := sought.in(g.memory(t)); found[mark+" as plain"] == 0 {
			t.Errorf("%d bytes: nothing is found in the memory while they arrive", size)
		}
		if err := closing(); err != nil {
			t.Fatal(err)
		}
		s.close()
		others := 0
		for {
			found, n := sought.in(g.memory(t)), 0
			for _, times := range found {
				n += times
			}
			if n == 0 {
				break
			}
			if others >= 300 {
				t.Fatalf("%d bytes: after %d other files the memory still has %v", size, others, found)
			}
			o := g.door().sit(t)
			for _, size := range []int{3_000, 300_000, 3 << 20} {
				if err := o.push("other.xml", pain001(t, size)); err != nil {
					t.Fatal(err)
				}
				others++
			}
			o.close()
		}
		t.Logf("%d bytes: %d secrets are gone after %d other files", size, len(secrets), others)
	}
}

// TestKeyGoesWithTheLock: of the key of an account's database nothing is left in the daemon's memory once it is locked, in any form in
// which it may have come or been used, however often it was unlocked, and whatever was done.
func TestKeyGoesWithTheLock(t *testing.T) {
	g := newGuarded(t, options{})
	box := filepath.Join(g.dir, "key")
	g.must(append([]string{"open", filepath.Join(g.data, "accounts/acme/index.dek.p7m"), "-o", box}, slices.DeleteFunc(g.acmeKeys(), func(s string) bool {
		return s == "-c" || s == g.config
	})...)...)
	key, err := os.ReadFile(box)
	if err != nil || len(key) != 32 {
		t.Fatalf("%d bytes of key, %v", len(key), err)
	}
	turned := slices.Clone(key) // as SHA-256 takes it into its registers
	for i := 0; i < len(turned); i += 4 {
		slices.Reverse(turned[i : i+4])
	}
	shapes := map[string][]byte{
		"bytes": key, "words": turned, "half of it": key[:16], "the other half": key[16:],
		"hex": []byte(hex.EncodeToString(key)), "HEX": []byte(strings.ToUpper(hex.EncodeToString(key))),
		"base64": []byte(base64.StdEncoding.EncodeToString(key)[:42]), "base64 for addresses": []byte(base64.URLEncoding.EncodeToString(key)[:42]),
	}
	look := func() (found []string) {
		memory := g.memory(t)
		for shape, b := range shapes {
			if n := bytes.Count(memory, b); n > 0 {
				found = append(found, fmt.Sprintf("%d times as %s", n, shape))
			}
		}
		return found
	}
	s := g.door().sit(t)
	push := func(name string, size int) {
		t.Helper()
		if err := s.push(name, pain001(t, size)); err != nil {
			t.Error(err)
		}
	}
	for round := range 4 {
		for i := range 5 {
			push(fmt.Sprintf("locked-%d-%d.xml", round, i), 3000)
		}
		g.unlockAcme(t)
		g.unlockAcme(t)
		push(fmt.Sprintf("open-%d.xml", round), 300_000)
		g.must("payments", "--account", "acme", "-c", g.config)
		g.must("verify", "-c", g.config)
		if len(look()) == 0 {
			t.Error("it is not even found while it is used: nothing was looked at")
		}
		g.must("lock", "acme", "-c", g.config)
		if found := look(); len(found) > 0 {
			t.Errorf("round %d, locked: the key is there %s", round, strings.Join(found, ", "))
		}
	}
	for i := range 12 {
		push(fmt.Sprintf("after-%d.xml", i), 3000)
	}
	if found := look(); len(found) > 0 {
		t.Errorf("after further deliveries: the key is there %s", strings.Join(found, ", "))
	}
}

// TestSessionGoesWithTheLock: what a session has shown of an account, and what came while it was open, is gone from the daemon's memory
// once the account is locked, without any other file.
func TestSessionGoesWithTheLock(t *testing.T) {
	g := newGuarded(t, options{})
	var secrets []string
	push := func(s *session, mark string, size int) {
		t.Helper()
		content := pain001With(t, size, payfile.Options{Marker: mark})
		if err := s.push("lön.xml", content); err != nil {
			t.Fatal(err)
		}
		secrets = append(secrets, mark)
		for _, kind := range []*regexp.Regexp{controlSums, ibans, references} {
			for _, m := range kind.FindAllSubmatch(content, 40) {
				if len(m[1]) >= 10 {
					secrets = append(secrets, string(m[1]))
				}
			}
		}
	}
	for round := range 3 {
		s := g.door().sit(t)
		push(s, fmt.Sprintf("%s-%d-locked", marker, round), 300_000)
		g.unlockAcme(t)
		push(s, fmt.Sprintf("%s-%d-small", marker, round), 3_000)
		push(s, fmt.Sprintf("%s-%d-large", marker, round), 3<<20)
		sought := seek(secrets...)
		for _, args := range [][]string{
			{"payments", "--name", "a", "--account", "acme"}, {"payments", "--json", "--account", "acme"}, {"files", "--json", "--account", "acme"},
			{"report", "--by", "day,currency"}, {"ledger", "acme"}, {"verify", "--renew-names"}, {"verify"}, {"status"},
		} {
			g.must(append(args, "-c", g.config)...)
		}
		if len(sought.in(g.memory(t))) == 0 {
			t.Error("nothing is found while it is open: nothing was looked at")
		}
		s.close()
		g.must("lock", "acme", "-c", g.config)
		looks := 1
		for found := sought.in(g.memory(t)); len(found) > 0; found = sought.in(g.memory(t)) {
			if looks++; looks > 20 {
				t.Fatalf("round %d: the memory still has %v", round, found)
			}
			g.must("status", "-c", g.config) // meanwhile the connection of lock has ended, and threads have moved on
		}
		t.Logf("round %d: %d secrets are gone at look %d", round, len(secrets), looks)
	}
}
