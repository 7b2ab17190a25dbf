package gateway

import (
	"bufio"
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	mrand "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/sealgate/sealgate/vault"
)

const rotateEnv = "SEALGATE_GATEWAY_ROTATE"

// TestRotateWorker is no test: it is the process that TestRotateCrash kills. It rotates the account acme of a stopped
// gateway, as the command does.
func TestRotateWorker(t *testing.T) {
	args := strings.Fields(os.Getenv(rotateEnv))
	if len(args) != 3 {
		t.Skip("started by TestRotateCrash only")
	}
	cfg, err := LoadConfig(filepath.Join(args[0], "sealgate.yaml"), false)
	must(t, err)
	unlock, err := vault.ReadUnlockKey(cfg.UnlockKeyFile)
	must(t, err)
	g, err := Open(t.Context(), cfg, unlock, slog.New(slog.DiscardHandler))
	must(t, err)
	if args[1] == "serve" { // TestRotateDaemonCrash
		must(t, g.Run(t.Context(), func(string) { fmt.Println("begun") }))
		return
	}
	old, next := readPair(t, args[0], args[1]), readPair(t, args[0], args[2])
	client := g.Client(t.Context())
	fmt.Println("begun")
	_, err = client.Rotate(context.WithoutCancel(t.Context()), RewrapQuery{Account: "acme", Certificate: string(next.cert.PEM())},
		func(header []byte) (vault.Rewrapped, error) { return old.key.Rewrap(header, next.cert) }, func(RotateResult) { fmt.Println("told") })
	must(t, err, client.Close())
	fmt.Println("done")
}

// TestRotateCrash kills rotations to and fro at random moments. After each, every copy is wholly old or wholly new, in its
// bytes and in its row, verify finds nothing, nothing is left over, and a last run finishes the rest.
func TestRotateCrash(t *testing.T) {
	kills := 36
	if testing.Short() {
		kills = 4
	}
	h := newHouse(t)
	pairs := map[string]pair{"acme": readPair(t, h.dir, "acme"), "next": h.newPair(t, "next")}
	const small, large = 250, 12
	for i := range small + large {
		payments := 1
		if i >= small {
			payments = 300
		}
		_, err := h.push(t, "acme", fmt.Sprint(i), pain001(t, fmt.Sprint("crash", i), payments))
		must(t, err)
	}
	for i := range 3 {
		_, err := h.AddUser(t.Context(), NewUser{Account: "acme", Login: fmt.Sprint("login", i)}, "test")
		must(t, err)
	}
	files := h.files(t, "acme")
	must(t, h.Close())
	r := mrand.New(mrand.NewPCG(5, uint64(os.Getpid())))
	mixed, finished := 0, 0
	run := func(old, next string, kill bool) {
		c := exec.Command(os.Args[0], "-test.run=^TestRotateWorker$", "-test.count=1")
		c.Env = append(os.Environ(), rotateEnv+"="+h.dir+" "+old+" "+next)
		c.Stderr = os.Stderr
		out, err := c.StdoutPipe()
		must(t, err, c.Start())
		// Killed a moment after it has begun, or after the nth batch: between them, inside a transaction, or around a file.
		var killer *time.Timer
		done, until := false, r.IntN(6)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			switch line := lines.Text(); line {
			case "begun", "told":
				if until--; kill && until < 0 && killer == nil {
					killer = time.AfterFunc(time.Duration(r.Int64N(int64(40*time.Millisecond))), func() { c.Process.Kill() })
				}
			case "done":
				done = true
			}
		}
		c.Wait() // killed or not
		if killer != nil {
			killer.Stop()
		}
		if done {
			finished++
		} else if !kill {
			t.Fatal("a rotation that nobody killed did not end")
		}
	}
	look := func(round int) map[string]int { return h.eitherOr(t, round, pairs, len(files), large) }
	names := [2]string{"acme", "next"}
	for i := range kills {
		run(names[i%2], names[1-i%2], true)
		if by := look(i); by["acme"] > 0 && by["next"] > 0 {
			mixed++
		}
	}
	run("acme", "next", false)
	if by := look(kills); by["next"] != len(files) {
		t.Errorf("the last run: %v", by)
	}
	h.open(t) // for the house's own Close
	if !testing.Short() && mixed < kills/6 {
		t.Errorf("of %d kills only %d hit a rotation half-way", kills, mixed)
	}
	t.Logf("%d kills, %d of them with some copies old and some new, %d rotations came to their end; %d copies all there", kills, mixed, finished-1, len(files))
}

// eitherOr opens a gateway whose rotation was killed, and fails the test unless each of so many copies is wholly old or
// wholly new and nothing else lies about. It counts them.
func (h *house) eitherOr(t *testing.T, round int, pairs map[string]pair, files, large int) map[string]int {
	t.Helper()
	h.open(t)
	defer h.Close()
	h.sound(t)
	by := map[string]int{}
	for _, f := range h.files(t, "acme") {
		for name, p := range pairs {
			if p.cert.Fingerprint() == f.Certificate {
				by[name]++
				h.opensOnly(t, f, p, pairs[map[string]string{"acme": "next", "next": "acme"}[name]])
			}
		}
	}
	var names []string
	for _, p := range pairs {
		names = append(names, h.named(t, "acme", p)...)
	}
	if slices.Sort(names); len(names) > 0 && strings.Join(names, ",") != ",,,login0,login1,login2" {
		t.Errorf("kill %d: names %q", round, names)
	}
	if by["acme"]+by["next"] != files || len(h.sealedFiles(t)) != large {
		t.Fatalf("kill %d: %v of %d, %d files on disk", round, by, files, len(h.sealedFiles(t)))
	}
	return by
}

// TestRotateDaemonCrash rotates over the control socket of a daemon, which is killed at random; and the private key is never in
// the daemon's memory, although it is in ours.
func TestRotateDaemonCrash(t *testing.T) {
	kills := 12
	if testing.Short() {
		kills = 2
	}
	h := newHouse(t)
	pairs := map[string]pair{"acme": readPair(t, h.dir, "acme"), "next": h.newPair(t, "next")}
	const small, large = 150, 6
	for i := range small + large {
		_, err := h.push(t, "acme", fmt.Sprint(i), pain001(t, fmt.Sprint("daemon", i), 1+i/small*300))
		must(t, err)
	}
	must(t, h.Close())
	cfg, err := LoadConfig(filepath.Join(h.dir, "sealgate.yaml"), false)
	must(t, err)
	text, err := os.ReadFile(filepath.Join(h.dir, "acme.key"))
	must(t, err)
	block, _ := pem.Decode(text)
	secret := block.Bytes[36:68] // of a PKCS#8 P-256 key: the number itself
	if !remembers(t, os.Getpid(), secret) {
		t.Fatal("the key is not found where it is, so this test can prove nothing")
	}
	r := mrand.New(mrand.NewPCG(9, uint64(os.Getpid())))
	names, broken, scanned := [2]string{"acme", "next"}, 0, 0
	for i := range kills + 2 {
		c := exec.Command(os.Args[0], "-test.run=^TestRotateWorker$", "-test.count=1")
		c.Env = append(os.Environ(), rotateEnv+"="+h.dir+" serve -")
		c.Stderr = os.Stderr
		out, err := c.StdoutPipe()
		must(t, err, c.Start())
		lines := bufio.NewScanner(out)
		for lines.Scan() && lines.Text() != "begun" {
		}
		client, err := Connect(t.Context(), cfg, func() (*vault.UnlockKey, error) { return nil, errors.New("no daemon") }, slog.New(slog.DiscardHandler))
		must(t, err)
		until := r.IntN(2)
		old, next := pairs[names[i%2]], pairs[names[1-i%2]]
		result, err := client.Rotate(t.Context(), RewrapQuery{Account: "acme", Certificate: string(next.cert.PEM())},
			func(header []byte) (vault.Rewrapped, error) { return old.key.Rewrap(header, next.cert) },
			func(now RotateResult) {
				if now.Done > 0 && scanned <= i && i%4 == 0 {
					scanned = i + 1
					if remembers(t, c.Process.Pid, secret) {
						t.Error("the daemon has the private key in its memory")
					}
				}
				if until--; i < kills && until < 0 {
					c.Process.Kill()
				}
			})
		if err != nil && i >= kills {
			t.Error(err)
		} else if err != nil {
			broken++
		} else if i == kills+1 && (result.Faults > 0 || len(result.Others) > 0) {
			t.Errorf("%+v", result)
		}
		c.Process.Kill()
		c.Wait()
		client.Close()
		by := h.eitherOr(t, i, pairs, small+large, large)
		if i >= kills && by[names[1-i%2]] < small {
			t.Errorf("after a rotation that nobody killed: %v", by)
		}
	}
	h.open(t) // for the house's own Close
	t.Logf("%d kills, %d of them broke a rotation off", kills, broken)
}

// remembers says whether bytes are in a process's memory.
func remembers(t *testing.T, pid int, want []byte) bool {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	must(t, err)
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	must(t, err)
	defer mem.Close()
	for line := range strings.Lines(string(maps)) {
		var from, to uint64
		var mode string
		if n, _ := fmt.Sscanf(line, "%x-%x %s", &from, &to, &mode); n != 3 || !strings.HasPrefix(mode, "rw") {
			continue
		}
		buf := make([]byte, 1<<20+len(want))
		for at := from; at < to; at += 1 << 20 {
			n, _ := mem.ReadAt(buf[:min(uint64(len(buf)), to-at)], int64(at))
			if i := bytes.Index(buf[:n], want); i >= 0 && pid != os.Getpid() || i >= 0 && at+uint64(i) != uint64(uintptr(unsafe.Pointer(&want[0]))) {
				return true
			}
			clear(buf)
		}
	}
	return false
}
