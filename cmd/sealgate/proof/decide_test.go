package proof

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
)

const holding = `  - id: acme
    name: Acme AB
    after_indexing: seal
    certificate: ./acme.crt
    access_keys: [./acme.access.crt]
    policy: {}
`

// TestKilledWhileDeciding kills the daemon at the syscalls of `release` and `refuse`: afterwards each held file is what
// it was or what it was made, and its copy is there or is not, accordingly.
func TestKilledWhileDeciding(t *testing.T) {
	need(t, "strace")
	g := newGateway(t, options{accounts: holding})
	died := 0
	for i, what := range []string{"release", "refuse"} {
		for _, size := range []int{300 << 10, 8 << 10} {
			for _, call := range []string{"fsync,fdatasync", "pwrite64", "unlinkat,unlink", "write"} {
				for when := 1; when <= 3; when++ {
					content := pain001(t, size)
					name := fmt.Sprintf("%d-%d-%s-%d.xml", i, size, call[:5], when)
					s := g.door().sit(t)
					if err := s.push("first-"+name, content); err != nil {
						t.Fatal(err)
					}
					if err := s.push(name, content); err != nil {
						t.Fatal(err)
					}
					s.close()
					held := with(g.files(), "held", name)
					if len(held) != 1 {
						t.Fatalf("held %d of %s", len(held), name)
					}
					x := g.trace(t, "-e", "trace="+call, "-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", call, when))
					_, _, code := g.command("", what, held[0].ID, "--reason", "proof", "-c", g.config)
					if g.alive() {
						x.end() // its last syscalls may have been the daemon's as well
					}
					if !g.alive() {
						<-g.exited
						g.start()
						died++
					}
					g.decided(t, what, name, code)
				}
			}
		}
	}
	g.tidy(t)
	t.Logf("killed %d times", died)
	if died == 0 {
		t.Error("it never died")
	}
}

// decided looks at what became of a file that was being decided.
func (g *gateway) decided(t *testing.T, what, name string, code int) {
	t.Helper()
	want := map[string]string{"release": "accepted", "refuse": "rejected"}[what]
	var verdicts []string
	for _, r := range g.files() {
		if r.Name == name {
			verdicts = append(verdicts, r.Verdict)
		}
	}
	if len(verdicts) != 1 {
		t.Fatalf("%s: %v", name, verdicts)
	}
	if v := verdicts[0]; v != want && (v != "held" || code == 0) {
		t.Errorf("%s of %s ended with exit %d and left it %s", what, name, code, v)
	}
	g.tidy(t)
}

// TestVerifyWhileBusy runs `sealgate verify` again and again while files come in: it never finds fault with a file that
// is only on its way.
func TestVerifyWhileBusy(t *testing.T) {
	g := newGateway(t, options{})
	stop := make(chan struct{})
	var senders sync.WaitGroup
	for i := range 3 {
		senders.Go(func() {
			s, err := g.door().open()
			if err != nil {
				t.Error(err)
				return
			}
			defer s.close()
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				if err := s.push(fmt.Sprintf("busy-%d-%d.xml", i, n), crashFile(t, n)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 30 {
		if o, e, code := g.command("", "verify", "-c", g.config); code != 0 {
			t.Errorf("verify while files come in: exit %d\n%s%s", code, o, e)
			break
		}
		g.files()
	}
	close(stop)
	senders.Wait()
	g.tidy(t)
}

// TestStopIsBounded: an upload that never ends does not keep the daemon from stopping, and nothing of it stays.
func TestStopIsBounded(t *testing.T) {
	g := newGateway(t, options{sftp: "  stop_within: 1s\n"})
	s := g.door().sit(t)
	f, err := s.Create("/inbox/stalled.xml")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(pain001(t, 1<<20)[:700_000]); err != nil {
		t.Fatal(err)
	}
	g.cmd.Process.Signal(syscall.SIGTERM)
	<-g.exited
	if code := g.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit %d after SIGTERM", code)
	}
	if !strings.Contains(g.log.String(), "cut") {
		t.Error("the log does not say what was cut")
	}
	g.tidy(t)
	g.start()
	g.taken(t, "stalled.xml")
}

// TestReload: SIGHUP with a good file takes effect for live sessions; with a bad one the old configuration stays.
func TestReload(t *testing.T) {
	g := newGateway(t, options{})
	s := g.door().sit(t)
	if err := s.push("before.xml", pain001(t, 200_000)); err != nil {
		t.Fatal(err)
	}
	reload := func(accounts, word string) {
		t.Helper()
		g.opt.accounts = accounts
		from := g.log.len()
		g.writeConfig()
		g.cmd.Process.Signal(syscall.SIGHUP)
		if _, err := g.log.wait(from, regexp.MustCompile(word), g.exited); err != nil {
			t.Fatal(err)
		}
	}
	reload(strings.Replace(acme, "    name:", "    max_file_size: 100KiB\n    name:", 1), "config loaded")
	if err := s.push("large.xml", pain001(t, 200_000)); err == nil || !strings.Contains(err.Error(), "too-large") {
		t.Errorf("over the new limit: %v", err)
	}
	reload(strings.Replace(acme, "seal\n", "sael\n", 1), "config refused")
	if err := s.push("after.xml", pain001(t, 50_000)); err != nil {
		t.Errorf("after a refused configuration: %v", err)
	}
	g.opt.accounts = acme
	g.writeConfig() // the commands read it too
	g.taken(t, "large.xml")
	if n := len(with(g.files(), "accepted")); n != 2 {
		t.Errorf("%d accepted, want 2", n)
	}
}
