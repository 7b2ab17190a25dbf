package proof

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// memory is what the daemon may write in its memory, by mapping. Only root may look: the daemon keeps others out.
func (g *gateway) memory(t testing.TB) (memory [][]byte) {
	t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/mem", g.cmd.Process.Pid))
	if err != nil {
		missing(t, "the right to read the daemon's memory: "+err.Error())
	}
	defer f.Close()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", g.cmd.Process.Pid))
	if err != nil {
		missing(t, "the right to read the daemon's memory: "+err.Error())
	}
	for line := range strings.Lines(string(maps)) {
		var from, to int64
		var rights string
		if n, _ := fmt.Sscanf(line, "%x-%x %s", &from, &to, &rights); n != 3 || !strings.HasPrefix(rights, "rw") {
			continue
		}
		for ; from < to; from += 16 << 20 { // the collector's tables are gigabytes, and empty
			b := make([]byte, min(to-from, 16<<20+256))
			if n, _ := f.ReadAt(b, from); n > 0 {
				memory = append(memory, b[:n])
			}
		}
	}
	return memory
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
			n := 0
			for _, part := range memory {
				n += bytes.Count(part, b)
			}
			if n > 0 {
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
