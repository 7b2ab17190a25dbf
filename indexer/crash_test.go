package indexer

import (
	"bufio"
	"encoding/hex"
	"fmt"
	mrand "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealgate/sealgate/indexer/formats"
)

const crashEnv = "SEALGATE_INDEXER_CRASH"

// TestCrashWriter is no test: it is the process that TestCrash kills. It prints the id of each file whose Commit has
// returned, with the number of its payments.
func TestCrashWriter(t *testing.T) {
	args := strings.Fields(os.Getenv(crashEnv))
	if len(args) != 2 {
		t.Skip("started by TestCrash only")
	}
	var key Key
	hex.Decode(key[:], []byte(args[1]))
	x := openIndex(t, args[0], key)
	if _, err := x.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	var out sync.Mutex
	said := func(f *File) {
		out.Lock()
		defer out.Unlock()
		fmt.Printf("took %s %d\n", f.ID, f.Facts.Payments)
	}
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ { // small files, until killed
				f := newFile(t, fmt.Sprint("small ", w, i, newID(epoch)), epoch)
				f.Facts.Payments = 0
				f.Facts.Totals = nil
				commit(t, x, &Delivery{File: f, Copy: make([]byte, 3000), Window: time.Hour, Judge: func(Earlier) {}, Receipts: []string{"bank", "post"}, Receipt: "r"})
				said(f)
				if i%5 == 4 {
					if err := x.Rename(t.Context(), f.ID, "renamed", "u1"); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	for w := range 2 {
		wg.Go(func() {
			for i := 0; ; i++ { // uploads with blocks of their own, every second one discarded
				f := newFile(t, fmt.Sprint("large ", w, i, newID(epoch)), epoch)
				p, n := x.NewPayments(f.ID), int64(2000+13000*(i%3))
				addPayments(t, p, 1, n, func(q *formats.Payment) { q.Reference = fmt.Append(nil, newID(epoch), q.Index) })
				if i%2 == 1 {
					if err := p.Discard(); err != nil {
						t.Error(err)
					}
					continue
				}
				f.Facts.Payments, f.Facts.Totals[0].Amount = n, formats.AmountFromMinor(100*n, 2)
				commit(t, x, &Delivery{File: f, Payments: p})
				said(f)
			}
		})
	}
	wg.Wait()
}

// TestCrash kills a writer again and again: every file whose Commit had returned is there with all of its payments, the
// chain holds, no block stays without its file.
func TestCrash(t *testing.T) {
	kills := 30
	if testing.Short() {
		kills = 3
	}
	path, key := filepath.Join(t.TempDir(), "index.db"), newKey(t)
	r := mrand.New(mrand.NewPCG(7, uint64(os.Getpid())))
	acknowledged, large := map[string]string{}, 0
	for kill := range kills {
		c := exec.Command(os.Args[0], "-test.run=^TestCrashWriter$", "-test.count=1")
		c.Env = append(os.Environ(), crashEnv+"="+path+" "+hex.EncodeToString(key[:]))
		stdout, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		c.Stderr = os.Stderr
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(stdout)
		for n, until := 0, 1+r.IntN(150); lines.Scan(); {
			var id, payments string
			if k, _ := fmt.Sscanf(lines.Text(), "took %s %s", &id, &payments); k != 2 {
				continue
			}
			if acknowledged[id] = payments; payments != "0" {
				large++
			}
			if n++; n == until {
				c.Process.Kill()
			}
		}
		c.Wait()
		x := openIndex(t, path, key)
		swept, err := x.Sweep(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for id, payments := range acknowledged {
			if got := fmt.Sprint(find(t, x, id).Facts.Payments); got != payments {
				t.Errorf("kill %d: file %s has %s payments, want %s", kill, id, got, payments)
			}
		}
		if n := count(t, x, `SELECT count(*) FROM blocks b WHERE NOT EXISTS (SELECT 1 FROM files WHERE id = b.file)`); n != 0 {
			t.Errorf("kill %d: %d blocks without a file after %d uploads were swept", kill, n, swept)
		}
		// Large files have no receipts; each small one has both, however it ended.
		if n := count(t, x, `SELECT count(*) FROM files f WHERE payments = 0 AND 2 <> (SELECT count(*) FROM sends WHERE file = f.id)`); n != 0 {
			t.Errorf("kill %d: %d files are there without their receipts being queued", kill, n)
		}
		if n := count(t, x, `SELECT count(*) FROM sends WHERE file NOT IN (SELECT id FROM files)`); n != 0 {
			t.Errorf("kill %d: %d receipts are queued of files that are not there", kill, n)
		}
		if kill%10 == 9 || kill == kills-1 {
			sound(t, x)
		}
		x.Close()
	}
	t.Logf("%d kills, %d files acknowledged, %d of them large: all there", kills, len(acknowledged), large)
}
