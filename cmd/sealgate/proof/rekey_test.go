package proof

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// fileCalls are the system calls by which a command changes what lies on the disk.
var fileCalls = []string{"openat", "pwrite64", "fsync", "fdatasync", "renameat", "unlinkat", "ftruncate"}

// killedAtEveryCall runs a command on a fresh copy of the stopped gateway's data again and again, kills it at the entry of each of its
// system calls that change the disk (strace counts them for each thread, so that some are met twice and a few not), and asks
// after each what is there.
func (g *gateway) killedAtEveryCall(t *testing.T, args []string, look func(what string)) {
	t.Helper()
	need(t, "strace")
	before := filepath.Join(g.dir, "before")
	os.RemoveAll(before)
	output(t, "cp", "-a", g.data, before)
	kills := 0
	for _, call := range fileCalls {
		for when := 1; ; when += 1 + when/8 {
			os.RemoveAll(g.data)
			output(t, "cp", "-a", before, g.data)
			cmd := exec.Command("strace", append([]string{"-f", "-qq", "-o", os.DevNull, "-e", "trace=" + call,
				"-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", call, when), g.bin}, args...)...)
			cmd.Dir = g.dir
			cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
			out, _ := cmd.CombinedOutput()
			if strings.Contains(string(out), "Operation not permitted") {
				missing(t, "the right to strace: "+string(out))
			}
			look(fmt.Sprintf("%s killed at %s number %d", args[0], call, when))
			if code := cmd.ProcessState.ExitCode(); code == 0 {
				break // it has no more such calls
			} else if code > 0 { // -1: killed
				t.Fatalf("%s: exit %d: %s", args[0], code, out)
			}
			kills++
		}
	}
	if kills < 20 {
		t.Errorf("it was killed only %d times", kills)
	}
	t.Logf("%s: killed %d times", args[0], kills)
}

// TestRekeyKilled: whenever a change of the unlock key is killed, exactly one of the two keys opens the gateway, which says so to
// the other; nothing is lost, and the change goes on where it was.
func TestRekeyKilled(t *testing.T) {
	g := prepare(t, options{})
	g.start()
	g.door().sit(t).push("one.xml", pain001(t, 3000))
	g.door().sit(t).push("two.xml", pain001(t, 200_000))
	g.stop()
	old := filepath.Join(g.dir, "unlock.key")
	next := filepath.Join(g.dir, "next.key")
	g.must("rekey", next, "-c", g.config) // makes the key, and shows that a second change works as well
	g.must("rekey", old, "-c", g.config, "--unlock-key-file", next)
	ask := func(what, key string) bool {
		t.Helper()
		out, talk, code := g.command("", "files", "--json", "-c", g.config, "--unlock-key-file", key)
		if code != 0 {
			if !strings.Contains(talk, "they want unlock key ") {
				t.Errorf("%s: refused, but not for the key: %s", what, talk)
			}
			return false
		}
		if n := strings.Count(out, `"verdict":"accepted"`); n != 2 {
			t.Errorf("%s: %d files are left of 2", what, n)
		}
		return true
	}
	g.killedAtEveryCall(t, []string{"rekey", next, "-c", g.config, "--unlock-key-file", old}, func(what string) {
		t.Helper()
		byOld := ask(what, old)
		byNew := ask(what, next)
		if byOld == byNew {
			t.Fatalf("%s: the old key opens: %v, the new one: %v", what, byOld, byNew)
		}
		key := old
		if byNew {
			key = next
		}
		if out, talk, code := g.command("", "verify", "-c", g.config, "--unlock-key-file", key); code != 0 {
			t.Errorf("%s: verify: %s%s", what, out, talk)
		}
		if b, err := os.ReadFile(filepath.Join(g.data, "unlock.id")); err != nil || byNew && strings.Contains(string(b), "before") {
			t.Errorf("%s: the old key still lies in unlock.id: %s, %v", what, b, err)
		}
	})
}

// TestUnlockKeyFromStdin: the key comes over a pipe, and is neither in the arguments nor in the environment of the daemon.
func TestUnlockKeyFromStdin(t *testing.T) {
	g := prepare(t, options{})
	key, err := os.ReadFile(filepath.Join(g.dir, "unlock.key"))
	if err != nil {
		t.Fatal(err)
	}
	os.Remove(filepath.Join(g.dir, "unlock.key"))
	g.serveArgs, g.stdin = []string{"--unlock-key-stdin"}, string(key)
	g.start()
	for _, name := range []string{"cmdline", "environ"} {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", g.cmd.Process.Pid, name))
		if err != nil && !os.IsPermission(err) {
			t.Fatal(err)
		}
		if strings.Contains(string(b), "SGU1") {
			t.Errorf("the key is in /proc/PID/%s", name)
		}
	}
	leavesNoCore(t, g.cmd.Process.Pid)
	g.door().sit(t).push("one.xml", pain001(t, 3000))
	if n := len(with(g.files(), "accepted", "one.xml")); n != 1 {
		t.Errorf("%d files", n)
	}
	if strings.Contains(g.log.String(), "SGU1") {
		t.Error("the key is in the log")
	}
}

// TestKeysLeaveNoCore: a command that reads a customer's private key has core dumps off before.
func TestKeysLeaveNoCore(t *testing.T) {
	g := prepare(t, options{})
	key := filepath.Join(g.dir, "key")
	if err := syscall.Mkfifo(key, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(g.bin, "open", save(t, g.dir, "copy.p7m", []byte("sealed")), "--key", key)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(key, os.O_WRONLY, 0) // when it is open at both ends
	if err != nil {
		t.Fatal(err)
	}
	leavesNoCore(t, cmd.Process.Pid)
	f.Close()
	cmd.Wait()
}

func leavesNoCore(t *testing.T, pid int) {
	t.Helper()
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
	if err != nil || !strings.Contains(strings.Join(strings.Fields(string(limits)), " "), "Max core file size 0 0 bytes") {
		t.Errorf("core dumps are not off: %v\n%s", err, limits)
	}
}
