package proof

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
)

// TestBackup copies a running gateway's data_dir by packaging/backup.sh while customers send, some times over, and puts each
// copy in the place of the data_dir: whatever had been acknowledged before the copy is there once, and `sealgate verify` is content.
func TestBackup(t *testing.T) {
	need(t, "sftp", "cp", "find")
	script, err := filepath.Abs("../../../packaging/backup.sh")
	if err != nil {
		t.Fatal(err)
	}
	g := prepare(t, options{})
	run := &outage{g: g, b: newBook()}
	run.start()
	var customers sync.WaitGroup
	for i := range 3 {
		customers.Go(func() { run.customer(t, i) })
	}
	customers.Go(func() { run.openssh(t) })

	copies := map[string]map[string]fate{} // what was known when each was begun
	for i := range 5 {
		taken := run.b.count(acknowledged)
		eventually(t, "some files are taken", func() bool { return t.Failed() || run.b.count(acknowledged) > taken+20 })
		to := filepath.Join(g.dir, fmt.Sprintf("copy-%d", i))
		run.b.mu.Lock()
		copies[to] = maps.Clone(run.b.sent)
		run.b.mu.Unlock()
		output(t, script, g.data, to, strconv.Itoa(g.cmd.Process.Pid))
	}
	taken := run.b.count(acknowledged)
	eventually(t, "files are taken after it", func() bool { return t.Failed() || run.b.count(acknowledged) > taken+20 })
	run.over.Store(true)
	customers.Wait()
	g.stop()

	for to, known := range copies {
		if err := os.RemoveAll(g.data); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(to, g.data); err != nil {
			t.Fatal(err)
		}
		g.start()
		restored(run.b, known).audit(t, g)
		run.reopen(t)
		g.stop()
	}
}

// restored is what a copy must hold: what was acknowledged before it; of what came later nobody can say.
func restored(all *book, known map[string]fate) *book {
	b := &book{sent: map[string]fate{}, name: all.name}
	for sha := range all.sent {
		b.sent[sha] = unknown
		if known[sha] == acknowledged {
			b.sent[sha] = acknowledged
		}
	}
	return b
}
