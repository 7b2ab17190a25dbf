package proof

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/sealgate/sealgate/testdata/gen/payfile"
)

var highWater = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// peak is the most memory that the daemon has had so far, in MiB.
func (g *gateway) peak(t testing.TB) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	m := highWater.FindSubmatch(b)
	if m == nil {
		t.Fatalf("no VmHWM in:\n%s", b)
	}
	kib, _ := strconv.Atoi(string(m[1]))
	return kib / 1024
}

// TestLargeFileSmallMemory sends 350,000 payments (about 256 MiB) in one stream; memory stays below 64 MiB above that
// of the idle daemon, whatever the size.
func TestLargeFileSmallMemory(t *testing.T) {
	g := newGateway(t, options{})
	s := g.door().sit(t)
	if err := s.push("warm.xml", pain001(t, 1_000_000)); err != nil {
		t.Fatal(err)
	}
	idle := g.peak(t)
	f, err := s.Create("/inbox/large.xml")
	if err != nil {
		t.Fatal(err)
	}
	r, w := io.Pipe()
	go func() {
		w.CloseWithError(payfile.Pain001(w, payfile.Options{Payments: 350_000, Seed: serial.Add(1), MessageID: "PROOF-LARGE"}))
	}()
	size, err := f.ReadFrom(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	rows := with(g.files(), "accepted", "large.xml")
	if len(rows) != 1 || rows[0].Size != size || rows[0].Payments != 350_000 {
		t.Fatalf("listed: %+v", rows)
	}
	peak := g.peak(t)
	t.Logf("%d MiB in one stream: peak %d MiB, before it %d MiB", size>>20, peak, idle)
	if peak-idle > 64 {
		t.Errorf("peak memory is %d MiB over the %d MiB before, more than 64", peak-idle, idle)
	}
	g.tidy(t)
}

// TestHoldersOfMemory: sessions that open many files and fill the windows without ever giving byte 0 are bounded by
// limits.memory; others are served meanwhile, and the memory comes back.
func TestHoldersOfMemory(t *testing.T) {
	g := newGateway(t, options{sftp: "  limits: {memory: 64MiB}\n"})
	hoarder := g.door().sit(t)
	block := make([]byte, 32<<10)
	refusals := 0
	for i := range 60 {
		f, err := hoarder.Create(fmt.Sprintf("/inbox/hoard-%d.xml", i))
		if err != nil {
			if !refused(err) {
				t.Fatalf("open %d: %v", i, err)
			}
			refusals++
			continue
		}
		for off := int64(len(block)); off < 8<<20; off += int64(len(block)) {
			if _, err := f.WriteAt(block, off); err != nil {
				if !refused(err) {
					t.Fatalf("file %d at %d: %v", i, off, err)
				}
				refusals++
				break
			}
		}
	}
	if refusals == 0 {
		t.Error("480 MiB were taken into windows of 64 MiB in total")
	}
	if peak := g.peak(t); peak > 250 {
		t.Errorf("peak memory is %d MiB", peak)
	}
	hoarder.close()
	honest := g.door().sit(t)
	content := pain001(t, 2<<20)
	eventually(t, "an honest customer is served", func() bool { return honest.push("honest.xml", content) == nil })
	g.taken(t, "honest.xml", sum(content))
}

// TestTwinsAtOnce sends the same content from twelve sessions at the same moment: exactly one is accepted, the others
// are told that it is a duplicate.
func TestTwinsAtOnce(t *testing.T) {
	g := newGateway(t, options{})
	for round, size := range []int{2_000, 300_000} {
		content := pain001(t, size)
		var closing []func() error
		for i := range 12 {
			closing = append(closing, poised(t, g.door().sit(t), fmt.Sprintf("twin-%d-%d.xml", round, i), content))
		}
		var ok, dup int
		var mu sync.Mutex
		var all sync.WaitGroup
		for _, c := range closing {
			all.Go(func() {
				err := c()
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					ok++
				case strings.Contains(err.Error(), "duplicate-content"):
					dup++
				default:
					t.Error(err)
				}
			})
		}
		all.Wait()
		if ok != 1 || dup != 11 {
			t.Errorf("%d bytes: %d accepted and %d duplicates, want 1 and 11", size, ok, dup)
		}
	}
	g.tidy(t)
}

// TestRekeyAndBlocks: OpenSSH with new keys every 256 KiB, with its largest and its smallest blocks, with many and with
// single requests in flight.
func TestRekeyAndBlocks(t *testing.T) {
	need(t, "sftp")
	g := newGateway(t, options{})
	d := newDesk(t, g.door())
	for i, more := range [][]string{{"-o", "RekeyLimit=256K"}, {"-B", "255000", "-R", "256"}, {"-B", "512", "-R", "512"}, {"-R", "1"}, {"-C"}} {
		content := pain001(t, 3<<20)
		name := fmt.Sprintf("blocks-%d.xml", i)
		argv := append(append([]string{"sftp", "-q", "-b", "-", "-P", d.port}, more...), d.sshOptions()...)
		if o := d.sh("put "+d.save(name, content)+" /inbox/"+name+"\n", append(argv, d.user+"@"+d.host)...); o.code != 0 {
			t.Errorf("%v: exit %d\n%s", more, o.code, o.text)
		}
		g.taken(t, name, sum(content))
	}
}

// TestTwoWritersOneName: while an upload runs, another session's OPEN of the same name is refused, and the first one
// is none the worse for it.
func TestTwoWritersOneName(t *testing.T) {
	g := newGateway(t, options{})
	a, b := g.door().sit(t), g.door().sit(t)
	content := pain001(t, 200_000)
	closing := poised(t, a, "one.xml", content)
	if err := b.push("one.xml", pain001(t, 100_000)); err == nil || !refused(err) {
		t.Errorf("the second writer of a running name: %v", err)
	}
	if err := closing(); err != nil {
		t.Error(err)
	}
	g.taken(t, "one.xml", sum(content))
}
