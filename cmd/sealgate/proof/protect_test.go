package proof

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sealgate/sealgate/testdata/gen/payfile"
)

// guarded is acme as a protected account.
const guarded = acme + "    protect_database: true\n"

// acmeKeys are what opens acme.
func (g *gateway) acmeKeys() []string {
	return []string{"--key", filepath.Join(g.dir, "keys", "acme.key"), "--access-key-file", filepath.Join(g.dir, "keys", "acme.access"), "-c", g.config}
}

// newGuarded is newGateway with acme protected.
func newGuarded(t testing.TB, opt options) *gateway {
	t.Helper()
	if opt.accounts == "" {
		opt.accounts = guarded
	}
	g := prepare(t, opt)
	g.must("protect", "acme", "-c", g.config)
	g.start()
	return g
}

func (g *gateway) unlockAcme(t testing.TB) {
	t.Helper()
	g.must(append([]string{"unlock", "acme"}, g.acmeKeys()...)...)
}

// TestStolenDisk: with every way that a delivery takes while the account is locked, unlocked and locked again, a gateway that is
// killed leaves nothing on its disk that tells a name, a payer, an account number, an amount or a marker.
func TestStolenDisk(t *testing.T) {
	tmp := t.TempDir()
	g := newGuarded(t, options{env: []string{"TMPDIR=" + tmp}})
	s := g.door().sit(t)
	name := "kund-" + marker + ".xml"
	file := func(size int) []byte { return pain001With(t, size, payfile.Options{Marker: marker}) }
	small, large := file(2_000), file(3<<20)
	amounts := regexp.MustCompile(`<CtrlSum>([0-9.]+)</CtrlSum>`)
	accounts := regexp.MustCompile(`<IBAN>([A-Z0-9]+)</IBAN>`)
	names := regexp.MustCompile(`<Nm>([^<]{6,})</Nm>`)
	secrets := []string{marker, g.pass, string(amounts.FindSubmatch(large)[1]), string(accounts.FindSubmatch(large)[1]), string(names.FindSubmatch(large)[1])}
	look := func(when string) {
		t.Helper()
		log := save(t, t.TempDir(), "log", []byte(g.log.String()))
		nowhere(t, when, secrets, g.data, tmp, filepath.Dir(log))
	}
	push := func(what string, content []byte, good bool) {
		t.Helper()
		if err := s.push(name, content); (err == nil) != good {
			t.Errorf("%s: %v", what, err)
		}
		look(what)
	}
	push("locked, small", small, true)
	push("locked, large", large, true)
	push("locked, a duplicate", small, false)
	push("locked, cut", file(200_000)[:100_000], false)
	g.kill()
	look("killed while locked")
	g.start()
	s = g.door().sit(t)
	push("locked again", file(20_000), true)
	g.unlockAcme(t)
	look("unlocked")
	push("unlocked", file(30_000), true)
	if n := len(with(g.files(), "accepted", name)); n != 4 {
		t.Errorf("%d files were taken, want 4", n)
	}
	g.kill()
	look("killed while unlocked")
	if _, talk, code := g.command("", "files", "-c", g.config); code != 1 || !strings.Contains(talk, "account acme is locked") {
		t.Errorf("after the kill it is not locked: %s", talk)
	}
	g.start()
	g.unlockAcme(t)
	g.must("lock", "acme", "-c", g.config)
	look("locked after all")
	g.stop()
	look("stopped")
	if looked := allRandom(t, g.data, g.tree()); looked[".db"] < 100 || looked[".p7m"] < 100 {
		t.Errorf("only these pages were looked at: %v", looked)
	}
}

// TestProtectedKilled kills a gateway with a protected account again and again, while customers send and an operator unlocks, looks and
// locks: what was acknowledged is there exactly once at the next unlocking.
func TestProtectedKilled(t *testing.T) {
	g := newGuarded(t, options{})
	var mu sync.Mutex
	acknowledged := map[string]string{} // name by content
	rounds := 12
	if testing.Short() {
		rounds = 3
	}
	for round := range rounds {
		var over atomic.Bool
		var at atomic.Pointer[door]
		d := g.door()
		at.Store(&d)
		var customers sync.WaitGroup
		for c := range 3 {
			customers.Go(func() {
				s, err := at.Load().open()
				if err != nil {
					return // killed already
				}
				defer s.close()
				for n := 0; !over.Load(); n++ {
					content := pain001(t, []int{2_000, 40_000, 600_000}[(c+n)%3])
					name := fmt.Sprintf("c%d-%d-%d.xml", round, c, n)
					if s.push(name, content) == nil {
						mu.Lock()
						acknowledged[sum(content)] = name
						mu.Unlock()
					}
				}
			})
		}
		customers.Go(func() {
			for !over.Load() {
				_, _, code := g.command("", append([]string{"unlock", "acme"}, g.acmeKeys()...)...)
				if code == 0 {
					g.command("", "files", "-c", g.config)
					g.command("", "lock", "acme", "-c", g.config)
				}
			}
		})
		want := len(acknowledged) + 3 + rand.IntN(25)
		eventually(t, "customers are served", func() bool { mu.Lock(); defer mu.Unlock(); return len(acknowledged) >= want })
		g.kill()
		over.Store(true)
		customers.Wait()
		g.start()
	}
	g.unlockAcme(t)
	taken := map[string]int{}
	for _, r := range with(g.files(), "accepted") {
		taken[r.SHA256]++
	}
	for content, name := range acknowledged {
		if taken[content] != 1 {
			t.Errorf("%s is there %d times", name, taken[content])
		}
	}
	if out, talk, code := g.command("", "verify", "-c", g.config); code != 0 {
		t.Errorf("verify: %s%s", out, talk)
	}
	t.Logf("%d kills, %d files acknowledged, all there once", rounds, len(acknowledged))
}

// TestMergeKilledAtEveryStep kills the daemon at each system call by which an unlocking merges what waits, and lists its names right after,
// and unlocks again: every delivery is there once, with its payments, which are found by name.
func TestMergeKilledAtEveryStep(t *testing.T) {
	need(t, "strace")
	g := newGuarded(t, options{})
	want := map[string]int64{}
	s := g.door().sit(t)
	named := 0
	for n, size := range []int{2_000, 300_000, 3_000, 40_000, 2_000} {
		content := pain001(t, size)
		named += bytes.Count(content, []byte(" Aktiebolag</Nm>"))
		if err := s.push(fmt.Sprint("waits-", n, ".xml"), content); err != nil {
			t.Fatal(err)
		}
		want[sum(content)] = int64(bytes.Count(content, []byte("<CdtTrfTxInf>")))
	}
	g.stop()
	before := filepath.Join(g.dir, "before")
	output(t, "cp", "-a", g.data, before)
	died := map[string]int{}
	for _, call := range []string{"pwrite64", "fdatasync,fsync", "ftruncate", "openat", "unlinkat,unlink", "renameat,rename"} {
		for when := 1; ; when += 1 + when/3 {
			what := fmt.Sprintf("killed at %s number %d", call, when)
			os.RemoveAll(g.data)
			output(t, "cp", "-a", before, g.data)
			g.start()
			x := g.trace(t, "-e", "trace="+call, "-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", call, when))
			from := g.log.len()
			g.command("", append([]string{"unlock", "acme"}, g.acmeKeys()...)...)
			_, listed := g.log.wait(from, regexp.MustCompile("names of merged payments are listed"), g.exited)
			x.end() // no call kills it any more
			survived := listed == nil && g.alive()
			if !survived {
				died[call]++
				<-g.exited
				g.start()
				g.unlockAcme(t)
			}
			rows := with(g.files(), "accepted")
			for _, r := range rows {
				if want[r.SHA256] != r.Payments {
					t.Errorf("%s: %s has %d payments, want %d", what, r.Name, r.Payments, want[r.SHA256])
				}
			}
			if len(rows) != len(want) {
				t.Errorf("%s: %d files, want %d", what, len(rows), len(want))
			}
			if n := strings.Count(g.must("payments", "--name", "aktiebolag", "--json", "-c", g.config), "\n"); n != named {
				t.Errorf("%s: %d payments are found by a part of a name, want %d", what, n, named)
			}
			if out, talk, code := g.command("", "verify", "-c", g.config); code != 0 {
				t.Errorf("%s: verify: %s%s", what, out, talk)
			}
			g.kill()
			if survived {
				break // there are no more of these
			}
		}
	}
	t.Logf("killed: %v", died)
	if died["pwrite64"] < 5 || died["fdatasync,fsync"] < 2 || named == 0 {
		t.Errorf("it was hardly killed, or had %d names to find: %v", named, died)
	}
}

// TestProtectionKilled: whenever a conversion is killed, in either direction, the account is protected or it is not, and holds
// all that it held; the conversion can be made again.
func TestProtectionKilled(t *testing.T) {
	g := prepare(t, options{})
	g.start()
	s := g.door().sit(t)
	s.push("one.xml", pain001(t, 3000))
	s.push("two.xml", pain001(t, 300_000))
	g.stop()
	configure := func(accounts string) {
		g.opt.accounts = accounts
		g.writeConfig()
	}
	whole := func(what string, want int, args ...string) {
		t.Helper()
		out := filepath.Join(t.TempDir(), "dump.db")
		g.must(append([]string{"dump", "acme", out}, args...)...)
		if n := output(t, "sqlite3", out, "SELECT count(*) FROM files; PRAGMA integrity_check"); strings.Fields(n)[0] != fmt.Sprint(want) || strings.Fields(n)[1] != "ok" {
			t.Errorf("%s: the copy holds %s, want %d files", what, n, want)
		}
	}
	need(t, "sqlite3")
	keyFile := filepath.Join(g.data, "accounts", "acme", "index.dek.p7m")
	configure(guarded)
	g.killedAtEveryCall(t, []string{"protect", "acme", "-c", g.config}, func(what string) {
		t.Helper()
		_, talk, code := g.command("", "protect", "acme", "-c", g.config)
		if _, err := os.Stat(keyFile); err != nil || code != 0 && !strings.Contains(talk, "protected already") {
			t.Fatalf("%s: it cannot be finished: %v, %s", what, err, talk)
		}
		whole(what, 2, g.acmeKeys()...)
		if g.holdsLeftovers() {
			t.Errorf("%s: left are %v", what, g.tree())
		}
	})
	// With a delivery that waits.
	g.start()
	g.door().sit(t).push("three.xml", pain001(t, 5000))
	g.stop()
	configure(strings.Replace(guarded, "protect_database: true", "protect_database: false", 1))
	g.killedAtEveryCall(t, append([]string{"unprotect", "acme"}, g.acmeKeys()...), func(what string) {
		t.Helper()
		_, talk, code := g.command("", append([]string{"unprotect", "acme"}, g.acmeKeys()...)...)
		if _, err := os.Stat(keyFile); err == nil || code != 0 && !strings.Contains(talk, "is not protected") {
			t.Fatalf("%s: it cannot be finished: %v, %s", what, err, talk)
		}
		whole(what, 3, "-c", g.config)
		if out, talk, code := g.command("", "verify", "-c", g.config); code != 0 {
			t.Errorf("%s: verify: %s%s", what, out, talk)
		}
		if g.holdsLeftovers() {
			t.Errorf("%s: left are %v", what, g.tree())
		}
	})
}

// TestWithoutWaitingKilled: whenever a conversion is killed that gives up what waits, the account is protected as it was, with all that waits,
// or it is not, and the log and its key are kept to the byte; the conversion can be made again, and is in the ledger once.
func TestWithoutWaitingKilled(t *testing.T) {
	g := prepare(t, options{})
	g.start()
	s := g.door().sit(t)
	s.push("one.xml", pain001(t, 3000))
	s.push("two.xml", pain001(t, 300_000))
	g.stop()
	g.opt.accounts = guarded
	g.writeConfig()
	g.must("protect", "acme", "-c", g.config)
	g.start()
	g.door().sit(t).push("waits.xml", pain001(t, 5000))
	g.kill() // so that it waits in log.db-wal
	g.opt.accounts = strings.Replace(guarded, "protect_database: true", "protect_database: false", 1)
	g.writeConfig()
	unprotect := append([]string{"unprotect", "acme", "--without-waiting"}, g.acmeKeys()...)
	folder := filepath.Join(g.data, "accounts", "acme")
	names := []string{"index.dek.p7m", "log.db", "log.db-wal"}
	want := map[string][]byte{}
	for _, name := range names {
		content, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil || len(content) == 0 {
			t.Fatalf("%s: %d bytes, %v", name, len(content), err)
		}
		want[name] = content
	}
	// kept fails unless what waits is there whole, under names with this ending for each, and under no others.
	kept := func(what string, ending func(name string) string) {
		t.Helper()
		for _, name := range names {
			for _, other := range []string{name, left(name)} {
				content, err := os.ReadFile(filepath.Join(folder, other))
				if should := other == ending(name); should != (err == nil) || should && !bytes.Equal(content, want[name]) {
					t.Errorf("%s: %s: %v, %d bytes of %d; of %v", what, other, err, len(content), len(want[name]), g.tree())
				}
			}
		}
	}
	before, after := 0, 0
	g.killedAtEveryCall(t, unprotect, func(what string) {
		t.Helper()
		if _, err := os.Stat(filepath.Join(folder, names[0])); err == nil {
			before++
			kept(what, func(name string) string { return name })
		} else {
			after++
		}
		if _, talk, code := g.command("", unprotect...); code != 0 && !strings.Contains(talk, "is not protected") {
			t.Fatalf("%s: it cannot be finished: %s", what, talk)
		}
		kept(what+", finished", left)
		if rows := with(g.files(), "accepted"); len(rows) != 2 {
			t.Errorf("%s: %d files are left of 2", what, len(rows))
		}
		if ledger := g.must("ledger", "acme", "--json", "-c", g.config); strings.Count(ledger, `"kind":"left-out"`) != 1 {
			t.Errorf("%s: the ledger: %s", what, ledger)
		}
		if out, talk, code := g.command("", "verify", "-c", g.config); code != 0 {
			t.Errorf("%s: verify: %s%s", what, out, talk)
		}
		if g.holdsLeftovers() {
			t.Errorf("%s: left are %v", what, g.tree())
		}
	})
	if before < 10 || after < 5 {
		t.Errorf("it was protected still after %d kills, and no longer after %d", before, after)
	}
}

// left is the name under which a log that was given up is kept, and what belongs to it.
func left(name string) string {
	if name == "log.db-wal" {
		return "log.db.left-wal"
	}
	return name + ".left"
}

// TestNewProtectedKilled: whenever the making of an account is killed that is to be protected from its beginning, the next start makes it so.
func TestNewProtectedKilled(t *testing.T) {
	g := prepare(t, options{})
	g.opt.accounts = acme + strings.Replace(guarded, "id: acme", "id: fresh", 1)
	g.writeConfig()
	output(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", g.dir+"/robot")
	add := func(login string) []string { // what adds something makes the account; a question does not
		return []string{"user", "add", "fresh", login, "--public-key", g.dir + "/robot.pub", "-c", g.config}
	}
	g.killedAtEveryCall(t, add("first"), func(what string) {
		t.Helper()
		g.must(add("second")...)
		if out, talk, _ := g.command("", "status", "-c", g.config); !strings.Contains(out, "account  fresh") || strings.Contains(out+talk, "not protected yet") {
			t.Errorf("%s: %s%s", what, out, talk)
		}
		if _, err := os.Stat(filepath.Join(g.data, "accounts/fresh/index.dek.p7m")); err != nil || g.holdsLeftovers() {
			t.Errorf("%s: %v, of %v", what, err, g.tree())
		}
	})
}

// holdsLeftovers says whether a conversion has left something in the account's folder.
func (g *gateway) holdsLeftovers() bool {
	return slices.ContainsFunc(g.tree(), func(path string) bool { return strings.Contains(path, "protecting") })
}

// TestProtectedPolled: a locked account's files are fetched once, also over a kill, and its receipts are delivered when it is unlocked.
func TestProtectedPolled(t *testing.T) {
	c := newCustomer(t)
	in := filepath.Join(filepath.Dir(c.folder), "in")
	if err := os.Mkdir(in, 0o755); err != nil {
		t.Fatal(err)
	}
	yaml := strings.Replace(guarded, "    policy:", c.remote("ready: renamed, after: delete")+fmt.Sprintf("        send: {path: %s}\n    policy:", in), 1)
	g := newGuarded(t, options{accounts: yaml})
	content := map[string][]byte{"a.xml": pain001(t, 3000), "b.xml": pain001(t, 300_000)}
	poll := func() {
		t.Helper()
		g.command("", "poll", "kund", "-c", g.config)
	}
	c.put(t, "a.xml", content["a.xml"])
	poll()
	g.kill()
	g.start()
	c.put(t, "b.xml", content["b.xml"])
	poll()
	poll()
	if _, err := os.Stat(filepath.Join(c.folder, "a.xml")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a.xml is still there: %v", err)
	}
	if sent, _ := os.ReadDir(in); len(sent) != 0 {
		t.Errorf("%d receipts were delivered of a locked account", len(sent))
	}
	g.unlockAcme(t)
	for name, b := range content {
		g.taken(t, name, sum(b))
	}
	receipts := func(of string) []string { sent, _ := filepath.Glob(filepath.Join(in, of+".*.json")); return sent } // and no temporary file
	eventually(t, "the receipts are delivered", func() bool { return len(receipts("*.xml")) == 2 })
	sent := receipts("a.xml")
	if len(sent) != 1 {
		t.Fatalf("receipts of a.xml: %v", sent)
	}
	if b, err := os.ReadFile(sent[0]); err != nil || !bytes.Contains(b, []byte(sum(content["a.xml"]))) {
		t.Errorf("its receipt: %s, %v", b, err)
	}
}
