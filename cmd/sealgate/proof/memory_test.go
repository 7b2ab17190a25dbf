package proof

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"regexp"
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
// shows to the sender for a while, the name that he gave the file, is there as long.
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
		for found := sought.in(g.memory(t)); len(found) > 0; found = sought.in(g.memory(t)) {
			if others == 60 {
				t.Fatalf("%d bytes: after %d other files the memory still has %v", size, others, found)
			}
			o := g.door().sit(t)
			if err := o.push("other.xml", pain001(t, []int{3_000, 3 << 20, 300_000}[others%3])); err != nil {
				t.Fatal(err)
			}
			o.close()
			others++
		}
		t.Logf("%d bytes: %d secrets are gone after %d other files", size, len(secrets), others)
	}
}
