package proof

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// book is what the customers know of the files they sent.
type book struct {
	mu   sync.Mutex
	sent map[string]fate // by sha-256
	name map[string]string
}

type fate string

const (
	acknowledged fate = "acknowledged" // OK came
	told         fate = "told no"      // a refusal came
	unknown      fate = "unknown"      // the connection went before an answer
)

func newBook() *book { return &book{sent: map[string]fate{}, name: map[string]string{}} }

// note keeps what was heard of a file. What was acknowledged once stays so.
func (b *book) note(name, sha string, f fate) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sent[sha] != acknowledged {
		b.sent[sha] = f
	}
	b.name[sha] = name
}

func (b *book) count(f fate) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, g := range b.sent {
		if g == f {
			n++
		}
	}
	return n
}

// audit compares the server's list with what the customers know: every acknowledged file listed exactly once, none
// listed that nobody sent, none that was refused; then the disk with the list.
func (b *book) audit(t testing.TB, g *gateway) {
	t.Helper()
	listed := map[string]int{}
	for _, r := range with(g.files(), "accepted") {
		listed[r.SHA256]++
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for sha, f := range b.sent {
		switch n := listed[sha]; {
		case n > 1:
			t.Errorf("%s (%s) is listed %d times as accepted", b.name[sha], f, n)
		case n == 0 && f == acknowledged:
			t.Errorf("%s was acknowledged and is not listed", b.name[sha])
		case n == 1 && f == told:
			t.Errorf("%s was refused and is listed as accepted", b.name[sha])
		}
		delete(listed, sha)
	}
	for sha := range listed {
		t.Errorf("a file is listed as accepted that nobody sent whole: %s", sha)
	}
	g.tidy(t)
}

// blobLimit is the size up to which a sealed copy lives in the database.
const blobLimit = 64 << 10

// tidy fails if the disk holds more, or less, than the list says: nothing under incoming/, a sealed copy for each
// large accepted or held file, no other, and `sealgate verify` content. Files near the limit may lie either way.
func (g *gateway) tidy(t testing.TB) {
	t.Helper()
	kept := map[string]row{}
	for _, r := range g.files() {
		if r.Fate == "sealed" {
			kept[r.ID] = r
		}
	}
	for _, f := range g.tree() {
		if strings.Contains(f, "/incoming/") {
			t.Errorf("left under incoming: %s", f)
		}
		if strings.Contains(f, "/sealed/") {
			id, _, _ := strings.Cut(filepath.Base(f), ".") // behind it stands how often it was rewrapped
			if _, ok := kept[id]; !ok {
				t.Errorf("an orphan: %s", f)
			}
			delete(kept, id)
		}
	}
	for id, r := range kept {
		if r.Size > blobLimit {
			t.Errorf("%s (%d bytes) has no sealed copy on disk", id, r.Size)
		}
	}
	if o, e, code := g.command("", "verify", "-c", g.config); code != 0 {
		t.Errorf("sealgate verify: exit %d\n%s%s", code, o, e)
	}
}

// kills is how often the daemon dies at random; PROOF_KILLS sets another number.
func kills() int {
	if n, err := strconv.Atoi(os.Getenv("PROOF_KILLS")); err == nil {
		return n
	}
	if testing.Short() || os.Getenv("CI") != "true" {
		return 40
	}
	return 300
}

// TestKilledAtRandom lets customers send in parallel while the daemon is killed again and again.
func TestKilledAtRandom(t *testing.T) {
	need(t, "sftp")
	g := prepare(t, options{})
	b := newBook()
	run := &outage{g: g, b: b, die: g.kill}
	run.lives(t, kills())
	g.stop()
	g.start()
	b.audit(t, g)
	run.reopen(t)
	t.Logf("%d kills; acknowledged %d, unknown %d", kills(), b.count(acknowledged), b.count(unknown))
	if b.count(acknowledged) < kills() {
		t.Errorf("only %d files were acknowledged over %d kills", b.count(acknowledged), kills())
	}
}

// outage is a daemon that dies and comes back, with the door that is open at present.
type outage struct {
	g    *gateway
	b    *book
	die  func()
	over atomic.Bool
	now  atomic.Pointer[door]
}

func (o *outage) start() {
	o.g.start()
	d := o.g.door()
	o.now.Store(&d)
}

// lives runs the customers while the daemon dies so many times: each life takes at least one file, then ends at a
// random moment of the next ones.
func (o *outage) lives(t *testing.T, n int) {
	t.Helper()
	o.start()
	var customers sync.WaitGroup
	for i := range 3 {
		customers.Go(func() { o.customer(t, i) })
	}
	customers.Go(func() { o.openssh(t) })
	for i := range n {
		taken := o.b.count(acknowledged)
		eventually(t, "a file is taken", func() bool { return t.Failed() || o.b.count(acknowledged) > taken })
		<-time.After(time.Duration(rand.IntN(60_000)) * time.Microsecond)
		o.bounce()
		if t.Failed() {
			t.Logf("stopped after %d deaths", i+1)
			break
		}
	}
	o.over.Store(true)
	customers.Wait()
}

func (o *outage) bounce() {
	o.die()
	if rand.IntN(4) == 0 { // a start may die as well, while it sweeps and recovers
		o.g.stillborn(time.Duration(rand.IntN(40_000)) * time.Microsecond)
	}
	left := map[string]bool{}
	for _, f := range o.g.tree() {
		left[f] = strings.Contains(f, "/incoming/")
	}
	o.start()
	for _, f := range o.g.tree() {
		if left[f] { // customers may have begun new ones, under names of their own
			o.g.t.Errorf("a restart left %s", f)
		}
	}
}

// stillborn starts the daemon and kills it some moments later, ready or not.
func (g *gateway) stillborn(after time.Duration) {
	g.t.Helper()
	cmd := exec.Command(g.bin, "serve", "-c", g.config)
	if err := cmd.Start(); err != nil {
		g.t.Fatal(err)
	}
	<-time.After(after)
	cmd.Process.Kill()
	cmd.Wait()
}

// customer sends files of 1 KiB to 3 MiB from this process, one after the other. Half of those whose answer was lost
// are sent again, as a customer would; the answer is then OK or a refusal as a duplicate.
func (o *outage) customer(t *testing.T, who int) {
	var s *session
	for n := 0; !o.over.Load() && !t.Failed(); n++ {
		content := crashFile(t, n)
		name := fmt.Sprintf("crash-%d-%d.xml", who, n)
		for try := 0; !o.over.Load(); try++ {
			if s == nil {
				var err error
				if s, err = o.now.Load().open(); err != nil {
					s = nil
					pause()
					continue
				}
			}
			err := s.push(name, content)
			switch {
			case err == nil:
				o.b.note(name, sum(content), acknowledged)
			case refused(err) && try > 0 && strings.Contains(err.Error(), "duplicate"):
				// The first try had been taken: the daemon died between its commit and its OK.
				o.b.note(name, sum(content), acknowledged)
			case refused(err):
				o.b.note(name, sum(content), told)
				t.Errorf("%s, try %d: %v", name, try, err)
			default:
				o.b.note(name, sum(content), unknown)
				s.close()
				s = nil
				if rand.IntN(2) == 0 {
					continue
				}
			}
			break
		}
	}
	if s != nil {
		s.close()
	}
}

// pause lets a moment pass before a customer tries again to connect.
func pause() { <-time.After(10 * time.Millisecond) }

func crashFile(t testing.TB, n int) []byte {
	sizes := []int{1 << 10, 4 << 10, 30 << 10, 70 << 10, 200 << 10, 1 << 20, 3 << 20}
	if n%5 == 4 {
		return bgLB(t, 1+rand.IntN(2000))
	}
	return pain001(t, sizes[rand.IntN(len(sizes))])
}

// openssh sends one file a run with the real client, whose exit status is the acknowledgement.
func (o *outage) openssh(t *testing.T) {
	d := newDesk(t, *o.now.Load())
	for n := 0; !o.over.Load() && !t.Failed(); n++ {
		content := crashFile(t, n)
		name := fmt.Sprintf("openssh-%d.xml", n)
		d.save("c.xml", content)
		d.door = *o.now.Load()
		out := d.sftpBatch(step{op: "put", local: "c.xml", remote: "/inbox/" + name})
		switch {
		case out.code == 0:
			o.b.note(name, sum(content), acknowledged)
		case strings.Contains(out.text, "sealgate: "):
			o.b.note(name, sum(content), told)
			t.Errorf("%s: %s", name, out.text)
		default:
			o.b.note(name, sum(content), unknown)
		}
	}
}

// reopen opens ten of the accepted files with the customer's keys: the sealed bytes are what was sent.
func (o *outage) reopen(t *testing.T) {
	t.Helper()
	rows := with(o.g.files(), "accepted")
	rand.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	for _, r := range rows[:min(10, len(rows))] {
		if got := o.g.openSealed(t, r.ID); sum(got) != r.SHA256 {
			t.Errorf("%s opens to other bytes than were listed", r.ID)
		}
	}
}

// openSealed is `sealgate open` with acme's keys.
func (g *gateway) openSealed(t testing.TB, id string) []byte {
	t.Helper()
	out := filepath.Join(g.dir, "opened-"+id)
	defer os.Remove(out)
	g.must("open", id, "--key", filepath.Join(g.dir, "keys", "acme.key"), "--access-key-file", filepath.Join(g.dir, "keys", "acme.access"),
		"-o", out, "-c", g.config)
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// empty says whether a folder holds no files at any depth.
func empty(dir string) bool {
	found := errors.New("found")
	return filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			return found
		}
		return nil
	}) == nil
}
