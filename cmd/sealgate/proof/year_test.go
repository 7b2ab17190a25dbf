package proof

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// year is a gateway that lives through all that a year brings, in a random order and at the same time: customers send, resend and send
// half, operators do what operators do, and the machine dies.
type year struct {
	*gateway
	b    *book
	c    *customer // bolag's own server
	in   string    // its folder that is delivered to
	now  atomic.Pointer[door]
	life atomic.Int64 // odd: the daemon is down; it grows with each end and each start
	over atomic.Bool

	mu      sync.Mutex // of what follows, and of who writes the configuration
	guarded bool       // acme's database is protected
	crt     int        // the number of bolag's certificate
	ghost   bool       // there is a fourth account
	unlocks int        // the number of the unlock key

	released map[string][2]int // by sha-256: how many more times it is accepted, at least and at most, by a release
	sent     map[string]bool   // by sha-256: what was put into the outbox; false if nobody knows whether it was
	did      map[string]int
}

// TestAYear lets everything happen to one gateway at once: what was acknowledged is there once, nothing else is, everything that was to
// be delivered has arrived once, all copies open, and `sealgate verify` is content. No single act fails while the gateway lives.
func TestAYear(t *testing.T) {
	need(t, "ssh-keygen")
	y := newYear(t)
	ends := max(8, kills()/5)
	var people sync.WaitGroup
	for i, account := range []string{"acme", "bolag", "radera", "acme", "bolag"} {
		people.Go(func() { y.sends(t, i, account) })
	}
	people.Go(func() { y.operates(t) })
	for i := range ends {
		taken := y.b.count(acknowledged)
		eventually(t, "files are taken", func() bool { return t.Failed() || y.b.count(acknowledged) > taken+5 })
		if y.dies(t); t.Failed() {
			t.Logf("stopped after %d ends of %d", i+1, ends)
			break
		}
	}
	y.over.Store(true)
	people.Wait()
	y.settles(t)
	y.audit(t)
	t.Logf("%d ends, %d files acknowledged, and these acts: %v", ends, y.b.count(acknowledged), y.did)
}

func newYear(t *testing.T) *year {
	y := &year{b: newBook(), c: newCustomer(t), released: map[string][2]int{}, sent: map[string]bool{}, did: map[string]int{}, guarded: true}
	y.in = filepath.Join(filepath.Dir(y.c.folder), "in")
	if err := os.Mkdir(y.in, 0o755); err != nil {
		t.Fatal(err)
	}
	y.gateway = prepare(t, options{}, "acme acme")
	y.newCertificate()
	y.configure()
	for _, account := range []string{"bolag", "radera"} {
		y.feed(y.pass+"\n", "user", "add", account, account, "--password-stdin", "--public-key", y.key+".pub", "-c", y.config)
	}
	y.must("protect", "acme", "-c", y.config)
	y.starts(t)
	return y
}

// configure writes the configuration as it is to be now.
func (y *year) configure() {
	protect := ""
	if y.guarded {
		protect = "    protect_database: true\n"
	}
	y.opt.accounts = acme + protect +
		"  - id: bolag\n    name: Bolag AB\n    after_indexing: seal\n    certificate: " + y.certificate(y.crt) + ".crt\n" +
		y.c.remote("match: '*.xml', ready: renamed, after: delete") + "        send: {path: " + y.in + "}\n" +
		"  - id: radera\n    name: Radera AB\n    after_indexing: delete\n"
	if y.ghost {
		y.opt.accounts += "  - id: ghost\n    name: Ghost AB\n    after_indexing: delete\n"
	}
	y.writeConfig()
}

func (y *year) certificate(n int) string {
	return filepath.Join(y.dir, fmt.Sprintf("year-%d", n), "bolag")
}

// newCertificate makes bolag's next one.
func (y *year) newCertificate() {
	y.crt++
	y.must("cert", "new", "bolag", "--kind", "p-256", "--out", filepath.Dir(y.certificate(y.crt)), "-c", y.config)
}

// starts starts the daemon. It may have to wait for a command that works on the files.
func (y *year) starts(t *testing.T) {
	var err error
	eventually(t, "it starts", func() bool { err = y.tryStart(); return err == nil || !busy(err.Error()) })
	if err != nil {
		t.Error(err)
		return
	}
	d := y.door()
	y.now.Store(&d)
	y.life.Add(1)
}

// dies ends the daemon in one of the ways in which daemons end, and begins its next life.
func (y *year) dies(t *testing.T) {
	how := rand.IntN(7)
	y.life.Add(1)
	if how < 3 {
		y.kill()
	} else {
		y.stop()
	}
	y.mu.Lock()
	y.did[[]string{"killed", "killed", "killed twice", "stopped", "unlock key changed", "protection changed", "looked at while stopped"}[how]]++
	defer y.mu.Unlock()
	switch how {
	case 2:
		y.stillborn(rand.N(40 * time.Millisecond))
	case 4:
		y.unlocks++
		next := filepath.Join(y.dir, fmt.Sprintf("unlock-%d", y.unlocks))
		y.alone(t, "rekey", next, "-c", y.config)
		if err := os.Rename(next, filepath.Join(y.dir, "unlock.key")); err != nil {
			t.Error(err)
		}
	case 5:
		if y.guarded = !y.guarded; y.guarded {
			y.configure()
			y.alone(t, "protect", "acme", "-c", y.config)
		} else {
			y.configure()
			y.alone(t, append([]string{"unprotect", "acme"}, y.acmeKeys()...)...)
		}
	case 6:
		y.alone(t, "verify", "-c", y.config)
	}
	y.starts(t)
}

// busy says whether another command has the files.
func busy(talk string) bool {
	return strings.Contains(talk, "another sealgate is running on this data_dir")
}

// alone runs a command that wants the files for itself, when whoever has them is done.
func (y *year) alone(t *testing.T, args ...string) {
	t.Helper()
	var out, talk string
	var code int
	eventually(t, args[0]+" has the files", func() bool {
		out, talk, code = y.command("", args...)
		return code == 0 || !busy(talk)
	})
	if code != 0 {
		t.Errorf("%s: exit %d\n%s%s", args[0], code, out, talk)
	}
}

// sends is a customer who sends good files, some of them again, and some cut.
func (y *year) sends(t *testing.T, who int, account string) {
	var s *session
	var before []byte
	for n := 0; !y.over.Load() && !t.Failed(); n++ {
		content, name := crashFile(t, n), fmt.Sprintf("%s-%d-%d.xml", account, who, n)
		kind := rand.IntN(8)
		switch {
		case kind == 0 && before != nil:
			content = before
		case kind == 1:
			whole := bytes.TrimRight(content, " \r\n") // blanks that end an LB file may be missing
			content = content[:1+rand.IntN(len(whole)-2)]
		}
		for !y.over.Load() {
			if s == nil {
				var err error
				if s, err = y.now.Load().as(account).open(); err != nil {
					s = nil
					pause()
					continue
				}
			}
			err := s.push(name, content)
			y.heard(t, name, account, content, kind, err)
			if err == nil || refused(err) && !stopping(err) {
				break
			}
			s.close()
			s = nil
		}
		if kind > 1 {
			before = content
		}
	}
	if s != nil {
		s.close()
	}
}

// stopping says whether a customer was told to come again later.
func stopping(err error) bool {
	return strings.Contains(err.Error(), "the server is stopping") || strings.Contains(err.Error(), "[closing")
}

// heard notes what a customer heard of a file.
func (y *year) heard(t *testing.T, name, account string, content []byte, kind int, err error) {
	switch {
	case kind == 1:
		y.b.note(name, sum(content), told)
		if err == nil {
			t.Errorf("%s of %s was cut, and taken", name, account)
		}
	case err == nil, refused(err) && strings.Contains(err.Error(), "duplicate"):
		y.b.note(name, sum(content), acknowledged)
	case refused(err) && !stopping(err):
		y.b.note(name, sum(content), told)
		t.Errorf("%s: %v", name, err)
	default:
		y.b.note(name, sum(content), unknown)
	}
}

// settles lets what is under way come to its end.
func (y *year) settles(t *testing.T) {
	y.stop()
	y.life.Add(1)
	y.starts(t)
	if y.guarded {
		y.unlockAcme(t)
	}
	for n := 1; n < y.crt; n++ { // some rotations were cut short
		y.must("cert", "rotate", "bolag", y.certificate(y.crt)+".crt", "--key", y.certificate(n)+".key", "-c", y.config)
	}
	for try := 0; y.c.there(t) != "" && try < 20; try++ {
		y.poll(t)
	}
	eventually(t, "all is delivered", func() bool { // one look delivers so many, and no more
		r := y.poll(t).Result
		return r.Delivered+r.Undelivered == 0 && y.empty(t)
	})
}

// empty says whether nothing waits in bolag's outbox.
func (y *year) empty(t *testing.T) bool {
	s := y.door().as("bolag").sit(t)
	defer s.close()
	list, err := s.ReadDir("/outbox")
	return err == nil && len(list) == 0
}

// audit compares what there is with what everybody knows.
func (y *year) audit(t *testing.T) {
	listed := map[string]int{}
	var bolag []row
	rows := with(y.files(), "accepted")
	for _, r := range rows {
		if listed[r.SHA256]++; r.Account == "bolag" {
			bolag = append(bolag, r)
		}
	}
	for sha, heard := range y.b.sent {
		n, more := listed[sha], y.released[sha]
		if n < more[0] || n > 1+more[1] || heard == acknowledged && n < 1+more[0] || heard == told && n > 0 {
			t.Errorf("%s: %s, and listed %d times; released %v times", y.b.name[sha], heard, n, more)
		}
		delete(listed, sha)
	}
	for sha := range listed {
		t.Errorf("a file is listed as accepted that nobody sent whole: %s", sha)
	}
	for _, r := range bolag[:min(len(bolag), 30)] {
		out := filepath.Join(y.dir, "opened-"+r.ID)
		y.must("open", r.ID, "--key", y.certificate(y.crt)+".key", "-o", out, "-c", y.config)
		if b, err := os.ReadFile(out); err != nil || sum(b) != r.SHA256 {
			t.Errorf("%s opens to other bytes: %v", r.ID, err)
		}
		os.Remove(out)
	}
	y.arrived(t, bolag)
	y.tidy(t)
}

// arrived compares what came to the customer with what was to come: what was sent, and a receipt of each of bolag's files.
func (y *year) arrived(t *testing.T, rows []row) {
	entries, err := os.ReadDir(y.in)
	if err != nil {
		t.Fatal(err)
	}
	got, receipts := map[string]int{}, map[string]bool{}
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(y.in, e.Name()))
		var receipt struct{ ID string }
		switch {
		case err != nil || strings.HasPrefix(e.Name(), "."):
			t.Errorf("%s: %v", e.Name(), err)
		case json.Unmarshal(content, &receipt) == nil:
			receipts[receipt.ID] = true
		default:
			got[sum(content)]++
		}
	}
	for _, r := range rows {
		if !receipts[r.ID] {
			t.Errorf("no receipt of %s has arrived", r.ID)
		}
	}
	for sha, sure := range y.sent {
		if n := got[sha]; n > 1 || sure && n == 0 {
			t.Errorf("what was sent (%v) has arrived %d times", sure, n)
		}
	}
}
