package proof

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// fetchSteps are the steps of a fetch (docs/flow.md), by what the daemon does: each begins with a call that matches, once the
// one before has begun.
var fetchSteps = []struct {
	name   string
	begins *regexp.Regexp
}{
	{"list", regexp.MustCompile(`write\(\d+<TCP`)},
	{"taking", regexp.MustCompile(`pwrite64\(\d+<[^>]*/gateway\.db-wal>`)},
	{"read", regexp.MustCompile(`write\(\d+<TCP`)},
	{"commit", regexp.MustCompile(`pwrite64\(\d+<[^>]*/index\.db-wal>`)},
	{"taken", regexp.MustCompile(`pwrite64\(\d+<[^>]*/gateway\.db-wal>`)},
	{"remove", regexp.MustCompile(`write\(\d+<TCP`)},
	{"gone", regexp.MustCompile(`pwrite64\(\d+<[^>]*/gateway\.db-wal>`)},
}

// stepAt is the last step that had begun when the daemon died.
func stepAt(trace []string) string {
	at := -1
	for _, line := range trace {
		if at+1 < len(fetchSteps) && fetchSteps[at+1].begins.MatchString(line) {
			at++
		}
	}
	if at < 0 {
		return "dial"
	}
	return fetchSteps[at].name
}

// fetching is a gateway that dies while it fetches one file, and the customer's server.
type fetching struct {
	*gateway
	c      *customer
	marker bool
	died   map[string]int // by step
	sums   []string
}

// TestPollKilledAtEveryStep kills the daemon at the entry of each syscall that a fetch is made of, over SFTP, over FTPS, and
// with a marker: each file is accepted exactly once, is there until it is, and then goes, with its marker.
func TestPollKilledAtEveryStep(t *testing.T) {
	sftp := func(fetch string) func(t *testing.T) (*customer, string) {
		return func(t *testing.T) (*customer, string) { c := newCustomer(t); return c, c.remote(fetch) }
	}
	for _, v := range []struct {
		name   string
		make   func(t *testing.T) (*customer, string)
		marker bool
	}{
		{"sftp", sftp("ready: renamed, after: delete"), false},
		{"marker", sftp("match: '*.xml', ready: '*.done', after: delete"), true},
		{"ftps", func(t *testing.T) (*customer, string) {
			s := newVsftpd(t)
			yaml := s.at("127.0.0.1:"+s.port, "ready: renamed, after: delete")
			return &s.customer, yaml[:strings.Index(yaml, "        send:")]
		}, false},
	} {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel() // each waits for its own disk and its own strace
			c, yaml := v.make(t)
			f := &fetching{gateway: newGateway(t, options{accounts: acme + yaml}), c: c, marker: v.marker, died: map[string]int{}}
			f.dieEverywhere(t)
			f.taken(t, "a.xml", f.sums...)
			f.tidy(t)
			t.Logf("%d kills: %v", f.kills(), f.died)
			for _, step := range fetchSteps {
				if os.Getenv("CI") == "true" && (f.died[step.name] == 0 || f.kills() < 100) {
					t.Errorf("%d kills, %d of them at the step %s", f.kills(), f.died[step.name], step.name)
				}
			}
		})
	}
}

func (f *fetching) kills() (n int) {
	for _, k := range f.died {
		n += k
	}
	return n
}

// dieEverywhere goes through the calls, each at its first, second, third time, until a fetch has no more of them; where no
// continuous build asks for all of them, in larger steps. strace counts the calls of each thread for itself, so that a step may
// be missed by chance: then it goes through them again.
func (f *fetching) dieEverywhere(t *testing.T) {
	t.Helper()
	stride := 4
	if os.Getenv("CI") == "true" {
		stride = 1
	}
	for round := 0; round == 0 || stride == 1 && round < 10 && (f.kills() < 100 || f.missed("remove", "gone")); round++ {
		for _, call := range []string{"fsync,fdatasync", "pwrite64", "write"} {
			for when := 1; f.dies(t, call, when, 5_000+round*100_000); when += stride {
				if t.Failed() {
					t.Fatalf("%s, the %dth", call, when)
				}
			}
		}
	}
	// Between the removal there and the note of it are few calls, and strace counts them by thread: kill when it is seen.
	for tries := 0; tries < 3 || f.missed() && tries < 30; tries++ {
		f.dies(t, removed, 0, 5_000)
	}
}

// missed says whether the daemon has not died at some step yet, those that are spared not counted.
func (f *fetching) missed(spared ...string) bool {
	for _, step := range fetchSteps {
		if f.died[step.name] == 0 && !slices.Contains(spared, step.name) {
			return true
		}
	}
	return false
}

// removed, as a call, is the moment when the file has gone there.
const removed = "removed"

// dies fetches one file with the killer armed, and says whether the daemon died. Whatever happened, the file is then ours.
func (f *fetching) dies(t *testing.T, call string, when, size int) bool {
	t.Helper()
	content := pain001(t, size)
	f.sums = append(f.sums, sum(content))
	f.c.put(t, "a.xml", content)
	if f.marker {
		f.c.put(t, "a.xml.done", nil)
	}
	argv := []string{"-e", "trace=write,pwrite64,fsync,fdatasync"}
	if call != removed {
		argv = append(argv, "-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", call, when))
	}
	x := f.trace(t, argv...)
	var watching sync.WaitGroup
	var over atomic.Bool
	if call == removed { // from now on: the daemon's first look may take the file while strace attaches, which wants it alive
		watching.Go(func() {
			for f.lies() && !over.Load() {
				runtime.Gosched()
			}
			f.cmd.Process.Kill()
		})
	}
	_, _, code := f.command("", "poll", "kund", "-c", f.config)
	over.Store(true)
	watching.Wait()
	died := code != 0 || call == removed
	if died {
		<-f.exited
		<-x.ended
	}
	trace := x.detach(t)
	if !died && !f.alive() {
		died = true // at a write behind its answer
		<-f.exited
	}
	if died {
		f.died[stepAt(trace)]++
		f.start()
	}
	if !f.lies() && len(with(f.files(), "accepted")) != len(f.sums) {
		t.Errorf("%s, the %dth: it is gone, and not here", call, when)
	}
	for looks := 0; f.c.there(t) != ""; looks++ {
		if p := f.poll(t); p.Trouble != "" || looks == 3 {
			t.Fatalf("%s, the %dth: %+v; there is %q", call, when, p, f.c.there(t))
		}
	}
	if n := len(f.files()); n != len(f.sums) {
		t.Errorf("%s, the %dth: %d rows for %d files", call, when, n, len(f.sums))
	}
	return died
}

// lies says whether the file lies there.
func (f *fetching) lies() bool {
	_, err := os.Lstat(filepath.Join(f.c.folder, "a.xml"))
	return !errors.Is(err, fs.ErrNotExist)
}
