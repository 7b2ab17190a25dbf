package proof

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// tracer is strace on a running daemon.
type tracer struct {
	cmd *exec.Cmd
	out string // what it saw
	log *transcript
	// ended is closed when strace has gone.
	ended chan struct{}
}

// trace attaches strace to every thread of the daemon and waits until it is there. Tests skip without the right to.
func (g *gateway) trace(t testing.TB, args ...string) *tracer {
	t.Helper()
	need(t, "strace")
	x := &tracer{out: filepath.Join(t.TempDir(), "strace")}
	argv := append([]string{"-f", "-yy", "-o", x.out}, args...)
	argv = append(argv, "-p", fmt.Sprint(g.cmd.Process.Pid))
	t.Cleanup(func() { x.end() })
	for range 10 { // a thread that ends while strace attaches makes it give up
		x.log, x.ended = newTranscript(), make(chan struct{})
		x.cmd = exec.Command("strace", argv...)
		x.cmd.Stderr = x.log
		if err := x.cmd.Start(); err != nil {
			t.Fatal(err)
		}
		go func(cmd *exec.Cmd, ended chan struct{}) { cmd.Wait(); close(ended) }(x.cmd, x.ended)
		_, err := x.log.wait(0, regexp.MustCompile(`attached`), x.ended)
		if err == nil {
			return x
		}
		if said := x.log.String(); !strings.Contains(said, "No such process") && !strings.Contains(said, "Operation not permitted") {
			break // the second is also said of a process that has ended and was not waited for yet
		}
		select {
		case <-g.exited: // what is injected has met it in some work of its own
			return x
		default:
		}
	}
	missing(t, "the right to strace the daemon: "+x.log.String())
	return nil
}

// end ends strace. It hangs at times when the daemon dies while it detaches; the kernel detaches for it then.
func (x *tracer) end() {
	x.cmd.Process.Signal(os.Interrupt)
	select {
	case <-x.ended:
	case <-time.After(5 * time.Second):
		x.cmd.Process.Kill()
		<-x.ended
	}
}

// detach ends the trace and gives its lines.
func (x *tracer) detach(t testing.TB) []string {
	t.Helper()
	x.end()
	b, err := os.ReadFile(x.out)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(b), "\n")
}

// poised is an upload whose bytes are all at the server and answered; only its CLOSE is missing.
func poised(t testing.TB, s *session, name string, content []byte) func() error {
	t.Helper()
	f, err := s.Create("/inbox/" + name)
	if err != nil {
		t.Fatal(err)
	}
	for off := 0; off < len(content); off += 32 << 10 {
		if _, err := f.Write(content[off:min(off+32<<10, len(content))]); err != nil {
			t.Fatal(err)
		}
	}
	return f.Close
}

// TestOrderOfSyscalls asserts promise 1 where it is made: file synced, renamed, folder synced, transaction synced, and
// only then the reply.
func TestOrderOfSyscalls(t *testing.T) {
	g := newGateway(t, options{})
	s := g.door().sit(t)
	for _, size := range []int{8 << 10, 300 << 10} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			content := pain001(t, size)
			closing := poised(t, s, fmt.Sprintf("order-%d.xml", size), content)
			x := g.trace(t, "-e", "trace=fsync,fdatasync,sync_file_range,rename,renameat,renameat2,linkat,write,writev,sendto,pwrite64")
			if err := closing(); err != nil {
				t.Fatal(err)
			}
			lines := x.detach(t)
			order(t, lines, size > blobLimit)
		})
	}
}

var (
	syncedFile   = regexp.MustCompile(`f(data)?sync\(\d+<[^>]*/incoming/[^>]*`)
	renamedFile  = regexp.MustCompile(`rename(at|at2)?\(.*incoming/.*sealed/`)
	syncedFolder = regexp.MustCompile(`f(data)?sync\(\d+<[^>]*/sealed/\d{4}/\d\d/\d\d>`)
	syncedIndex  = regexp.MustCompile(`f(data)?sync\(\d+<[^>]*/index\.db(-wal)?>`)
	replied      = regexp.MustCompile(`(write|writev|sendto)\(\d+<(TCP|socket)[^>]*>`)
)

// order finds each step's end in the trace (the line where an unfinished call resumes) and compares their places.
func order(t *testing.T, lines []string, large bool) {
	t.Helper()
	steps := []struct {
		name string
		is   *regexp.Regexp
		last bool // the last such call counts: a commit may sync more than once
	}{
		{"fsync of the sealed copy", syncedFile, false}, {"its rename", renamedFile, false},
		{"fsync of its folder", syncedFolder, false}, {"fsync of the index", syncedIndex, false}, {"the reply", replied, false},
	}
	if !large {
		steps = steps[3:]
	}
	before, where := "", -1
	for _, s := range steps {
		begin, end := -1, -1
		for i, l := range lines {
			if s.is.MatchString(l) {
				begin, end = i, finished(lines, i)
				break
			}
		}
		if begin < 0 {
			t.Errorf("never seen: %s\n%s", s.name, strings.Join(lines, "\n"))
			return
		}
		if begin <= where {
			t.Errorf("%s began before %s had ended\n%s", s.name, before, strings.Join(lines, "\n"))
		}
		before, where = s.name, end
	}
}

var unfinished = regexp.MustCompile(`^(\d+) .*?([a-z0-9_]+)\(.*<unfinished`)

// finished is the line where the call of line i ends.
func finished(lines []string, i int) int {
	m := unfinished.FindStringSubmatch(lines[i])
	if m == nil {
		return i
	}
	for j := i + 1; j < len(lines); j++ {
		if strings.HasPrefix(lines[j], m[1]+" ") && strings.Contains(lines[j], "<... "+m[2]+" resumed>") {
			return j
		}
	}
	return len(lines)
}

// TestKilledAtEveryStep kills the daemon at the entry of each syscall that a commit is made of, then looks at what the
// customer was told and at what is there after the restart. The product has no hooks for it: strace kills.
func TestKilledAtEveryStep(t *testing.T) {
	g := newGateway(t, options{})
	b := newBook()
	calls := []string{"mkdirat,mkdir", "fsync", "fdatasync", "renameat,rename,renameat2", "pwrite64", "write", "openat", "ftruncate", "close",
		"unlinkat,unlink", "fallocate", "sync_file_range", "newfstatat,fstat", "futex", "epoll_pwait,epoll_pwait2"}
	died := map[string]int{}
	for _, size := range []int{300 << 10, 8 << 10} {
		for _, call := range calls {
			for when := 1; when <= 6; when++ {
				hit := killedAt(t, g, b, call, when, size, fmt.Sprintf("step-%d-%s-%d.xml", size, strings.Split(call, ",")[0], when))
				if t.Failed() {
					t.Fatalf("%s, the %dth, %d bytes", call, when, size)
				}
				if !hit {
					break // the commit has no more of these
				}
				died[call]++
			}
		}
	}
	b.audit(t, g)
	t.Logf("killed at: %v; acknowledged %d, unknown %d", died, b.count(acknowledged), b.count(unknown))
	for _, must := range []string{"fsync", "renameat,rename,renameat2", "pwrite64", "write"} {
		if died[must] == 0 && !(must == "fsync" && died["fdatasync"] > 0) {
			t.Errorf("no commit was killed at %s", must)
		}
	}
}

// killedAt pushes one file up to its CLOSE, arms the killer, closes, and restarts the daemon if it died. It audits.
func killedAt(t *testing.T, g *gateway, b *book, call string, when, size int, name string) bool {
	t.Helper()
	s, err := g.door().open()
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	content := pain001(t, size)
	closing := poised(t, s, name, content)
	x := g.trace(t, "-e", "trace="+call, "-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", call, when))
	err = closing()
	switch {
	case err == nil:
		b.note(name, sum(content), acknowledged)
	case refused(err):
		t.Fatalf("refused: %v", err)
	default:
		b.note(name, sum(content), unknown)
	}
	if err == nil {
		x.end()
		if g.alive() { // it may have died right after its reply
			return false
		}
	}
	<-g.exited
	g.start()
	if !empty(filepath.Join(g.data, "accounts", "acme", "incoming")) {
		t.Error("the restart left something under incoming/")
	}
	b.auditOne(t, g, name, sum(content))
	return true
}

// alive says whether the daemon lets somebody in.
func (g *gateway) alive() bool {
	s, err := g.door().open()
	if err == nil {
		s.close()
	}
	return err == nil
}

// auditOne is audit for the file just sent; the whole list is compared at the end.
func (b *book) auditOne(t testing.TB, g *gateway, name, sha string) {
	t.Helper()
	n := len(with(g.files(), "accepted", name))
	b.mu.Lock()
	defer b.mu.Unlock()
	if n > 1 || (n == 0 && b.sent[sha] == acknowledged) {
		t.Errorf("%s was %s and is listed %d times", name, b.sent[sha], n)
	}
}
