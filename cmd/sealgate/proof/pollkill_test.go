package proof

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// storm is a gateway and a customer of which one dies again and again while files go to and fro.
type storm struct {
	*gateway
	c     *customer
	in    string          // the customer's folder that is delivered to; "" if nothing is
	put   map[string]bool // sha-256 of what lay there to be fetched
	sent  map[string]int  // sha-256 of what was sent
	files int
}

func newStorm(t *testing.T, after string, deliver bool) *storm {
	t.Helper()
	s := &storm{c: newCustomer(t), put: map[string]bool{}, sent: map[string]int{}}
	yaml := acme + s.c.remote("ready: renamed, after: '"+after+"'")
	if deliver {
		s.in = filepath.Join(filepath.Dir(s.c.folder), "in")
		if err := os.Mkdir(s.in, 0o755); err != nil {
			t.Fatal(err)
		}
		yaml += "        send: {path: " + s.in + "}\n"
	}
	s.gateway = newGateway(t, options{accounts: yaml})
	return s
}

// feed lays files of about such a size to be fetched, until some wait, and sends as many.
func (s *storm) feed(t *testing.T, waiting, size int) {
	t.Helper()
	for range waiting - len(strings.Fields(s.c.there(t))) {
		content := pain001(t, 1500+rand.IntN(2*size))
		s.put[sum(content)] = true
		s.c.put(t, fmt.Sprintf("%04d.xml", s.files), content)
		s.files++
	}
	if s.in == "" || s.toArrive(t) > 3*waiting {
		return
	}
	argv := []string{"send", "acme", "-c", s.config}
	for range 2 {
		content := make([]byte, 1000+rand.IntN(2*size))
		rand.NewChaCha8([32]byte{byte(len(s.sent)), byte(len(s.sent) >> 8)}).Read(content)
		s.sent[sum(content)]++
		argv = append(argv, save(t, s.dir, fmt.Sprintf("sent-%d.bin", len(s.sent)%8), content)) // few names for all of them
	}
	s.must(argv...)
}

// toArrive says how many receipts and files have not been delivered yet.
func (s *storm) toArrive(t *testing.T) int {
	t.Helper()
	if s.in == "" {
		return 0
	}
	n := s.files + len(s.sent)
	for _, name := range s.arrived(t) {
		if !strings.HasPrefix(name, ".") {
			n--
		}
	}
	return n
}

func (s *storm) quiet(t *testing.T) bool {
	t.Helper()
	return s.c.there(t) == "" && s.toArrive(t) == 0
}

// arrived are the names of what was delivered.
func (s *storm) arrived(t *testing.T) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(s.in)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// rage lets die kill something at any moment of a look, until it has done so 100 times while there was work. die says
// whether there was something to kill; revive brings it back.
func (s *storm) rage(t *testing.T, waiting, size int, die func() bool, revive func()) {
	t.Helper()
	s.feed(t, waiting, size)
	began := time.Now()
	s.poll(t)
	whole := min(time.Since(began), 400*time.Millisecond) // of a look that nobody disturbs
	kills := 0
	for round := 0; kills < 100; round++ {
		if round == 1000 {
			t.Fatalf("only %d of %d kills met somebody at work", kills, round)
		}
		s.feed(t, waiting, size)
		var asking sync.WaitGroup
		asking.Go(func() { s.command("", "poll", "kund", "-c", s.config) }) // it is cut off, or is done
		timer := time.NewTimer(whole/10 + rand.N(whole))
		<-timer.C
		// A machine whose load changes needs its moments shifted, or most of them come when all is done.
		if whole = whole * 21 / 20; die() && !s.quiet(t) {
			kills++
		} else {
			whole = whole * 3 / 4
		}
		whole = min(max(whole, 10*time.Millisecond), time.Second)
		asking.Wait()
		revive()
	}
	t.Logf("%d kills, at any moment of %v", kills, whole)
	for looks := 0; looks == 0 || !s.quiet(t); looks++ { // one at least: a peer may die when all has its name, and a temporary file has another
		if p := s.poll(t); p.Trouble != "" || looks == 100 {
			t.Errorf("after all: %+v; %d files are not fetched, %d have not arrived", p, len(strings.Fields(s.c.there(t))), s.toArrive(t))
			return // the audit says which
		}
	}
}

// audit fails the test unless each file was accepted once, and all that was to be delivered has arrived once and whole.
func (s *storm) audit(t *testing.T) {
	t.Helper()
	rows := s.accepted(t)
	if s.in != "" {
		receipts, names := 0, s.arrived(t)
		for _, name := range names {
			content, err := os.ReadFile(filepath.Join(s.in, name))
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(name, ".json") {
				if s.sent[sum(content)]--; s.sent[sum(content)] != 0 || strings.HasPrefix(name, ".") {
					t.Errorf("%s (%d bytes) was not sent so, or has arrived before", name, len(content))
				}
				continue
			}
			var receipt struct{ ID, Verdict string }
			if err := json.Unmarshal(content, &receipt); err != nil || receipt.Verdict != "accepted" || !rows[receipt.ID] {
				t.Errorf("%s: %v, or a receipt of nothing, or a second one", name, err)
			}
			delete(rows, receipt.ID)
			receipts++
		}
		if receipts != s.files || len(names)-receipts != len(s.sent) {
			t.Errorf("%d receipts of %d files, and %d of %d files have arrived", receipts, s.files, len(names)-receipts, len(s.sent))
		}
		t.Logf("%d receipts and %d files were delivered", receipts, len(names)-receipts)
	}
	s.tidy(t)
}

// accepted gives the ids of the accepted files, having compared them with what lay there.
func (s *storm) accepted(t *testing.T) map[string]bool {
	t.Helper()
	ids, got := map[string]bool{}, map[string]int{}
	for _, r := range s.gateway.files() {
		if got[r.SHA256]++; r.Verdict != "accepted" || got[r.SHA256] != 1 || !s.put[r.SHA256] {
			t.Errorf("%s: %s, %d times", r.Name, r.Verdict, got[r.SHA256])
		}
		ids[r.ID] = true
	}
	if len(ids) != s.files {
		t.Errorf("%d files are accepted, of %d", len(ids), s.files)
	}
	t.Logf("%d files were fetched", len(ids))
	return ids
}

// TestPollKilled: the gateway dies at any moment of a look, a hundred times; each file is accepted exactly once, and lies
// there until it is, or is moved, once.
func TestPollKilled(t *testing.T) {
	t.Run("delete", func(t *testing.T) {
		s := newStorm(t, "delete", false)
		s.rage(t, 6, 20_000, func() bool { s.kill(); return true }, s.start)
		s.audit(t)
	})
	t.Run("rename", func(t *testing.T) {
		fetched := filepath.Join(t.TempDir(), "fetched")
		s := newStorm(t, "rename:"+fetched, false)
		s.rage(t, 6, 20_000, func() bool { s.kill(); return true }, s.start)
		s.audit(t)
		moved, err := os.ReadDir(fetched)
		if err != nil || len(moved) != s.files {
			t.Errorf("%d files were moved, of %d: %v", len(moved), s.files, err)
		}
		for _, e := range moved {
			content, err := os.ReadFile(filepath.Join(fetched, e.Name()))
			if err != nil || !s.put[sum(content)] || len(e.Name()) != len("0000.xml") {
				t.Errorf("%s: %v, or it is none of those that lay there", e.Name(), err)
			}
		}
	})
}

// TestDeliverKilled: the gateway dies at any moment of a delivery, a hundred times; each receipt and each file that was sent
// arrives once, whole, and under one name, and no temporary file stays.
func TestDeliverKilled(t *testing.T) {
	s := newStorm(t, "delete", true)
	s.rage(t, 4, 20_000, func() bool { s.kill(); return true }, s.start)
	s.audit(t)
}

// TestPeerKilled: the customer's server dies at any moment of a look, a hundred times; the same holds.
func TestPeerKilled(t *testing.T) {
	s := newStorm(t, "delete", true)
	s.rage(t, 6, 500_000, func() bool { return killChildren(s.c.pid) }, func() {})
	s.audit(t)
}

// TestPeerKilledInTransfer: the customer's server dies when a part of a file has come, a hundred times; each file comes
// whole, once.
func TestPeerKilledInTransfer(t *testing.T) {
	kills := 100
	if testing.Short() || os.Getenv("CI") != "true" {
		kills = 10
	}
	t.Run("sshd", func(t *testing.T) {
		t.Parallel()
		c, k := newCustomer(t), &link{latency: time.Millisecond}
		pid := c.pid
		_, c.port, _ = net.SplitHostPort(k.listen(t, "127.0.0.1:0", "127.0.0.1:"+c.port))
		g := newGateway(t, options{accounts: acme + c.remote("ready: renamed, after: delete")})
		killInTransfer(t, g, k, c, pid, kills)
	})
	t.Run("vsftpd", func(t *testing.T) {
		t.Parallel()
		s, k := newVsftpd(t), &link{latency: time.Millisecond}
		address := k.listen(t, "127.0.0.2:0", "127.0.0.1:"+s.port)
		for _, port := range s.passive {
			k.listen(t, "127.0.0.2:"+port, "127.0.0.1:"+port)
		}
		g := newGateway(t, options{accounts: acme + s.at(address, "ready: renamed, after: delete")})
		killInTransfer(t, g, k, &s.customer, s.pid, kills)
	})
}

// killInTransfer kills the server's children while a file passes the line, so many times.
func killInTransfer(t *testing.T, g *gateway, k *link, c *customer, pid, kills int) {
	const size = 1_200_000
	var sums []string
	for met := 0; met < kills; {
		if len(sums) > 3*kills {
			t.Fatalf("%d kills of %d met a transfer", met, len(sums))
		}
		content := pain001(t, size)
		sums = append(sums, sum(content))
		c.put(t, "a.xml", content)
		from := k.passed.Load()
		var asking sync.WaitGroup
		asking.Go(func() { g.command("", "poll", "kund", "-c", g.config) })
		point := 20_000 + rand.Int64N(size-200_000) // more than the dialogue before it, less than the file
		eventually(t, "a part of it has come", func() bool { return k.passed.Load()-from > point })
		died := killChildren(pid)
		if died && k.passed.Load()-from < int64(len(content)) {
			met++
		}
		asking.Wait()
		for looks := 0; c.there(t) != ""; looks++ { // if it died when all had come, and before it said so
			if p := g.poll(t); looks == 3 {
				t.Fatalf("%+v", p)
			}
		}
	}
	g.taken(t, "a.xml", sums...)
	if got := c.there(t); got != "" {
		t.Errorf("there lie %q", got)
	}
	t.Logf("%d kills, %d files", kills, len(sums))
	g.tidy(t)
}

// killChildren kills the processes below one, and says whether there were any.
func killChildren(pid int) (any bool) {
	list, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return false
	}
	for _, field := range strings.Fields(string(list)) {
		if child, err := strconv.Atoi(field); err == nil {
			killChildren(child)
			any = syscall.Kill(child, syscall.SIGKILL) == nil || any
		}
	}
	return any
}
