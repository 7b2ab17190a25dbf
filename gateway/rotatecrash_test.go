package gateway

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	mrand "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
	old, next := readPair(t, args[0], args[1]), readPair(t, args[0], args[2])
	cfg, err := LoadConfig(filepath.Join(args[0], "sealgate.yaml"), false)
	must(t, err)
	unlock, err := vault.ReadUnlockKey(cfg.UnlockKeyFile)
	must(t, err)
	g, err := Open(t.Context(), cfg, unlock, slog.New(slog.DiscardHandler))
	must(t, err)
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
		c.Wait()
		if killer != nil {
			killer.Stop()
		}
		if done {
			finished++
		} else if !kill {
			t.Fatal("a rotation that nobody killed did not end")
		}
	}
	look := func(round int) map[string]int {
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
		if by["acme"]+by["next"] != len(files) || len(h.sealedFiles(t)) != large {
			t.Fatalf("kill %d: %v of %d, %d files on disk", round, by, len(files), len(h.sealedFiles(t)))
		}
		return by
	}
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
