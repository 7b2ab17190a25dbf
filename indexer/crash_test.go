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
	wg.Go(func() {
		for i := 0; ; i++ { // held files, with names that go or come to stay; the list is made anew in between
			f := newFile(t, fmt.Sprint("held ", i, newID(epoch)), epoch)
			p := x.NewPayments(f.ID)
			addPayments(t, p, 1, 1500, func(q *formats.Payment) { q.PayeeName = fmt.Append(nil, "Payee ", i, " ", q.Index%9) })
			f.Facts.Payments, f.Facts.Totals[0].Amount, f.Verdict = 1500, formats.AmountFromMinor(150_000, 2), Held
			commit(t, x, &Delivery{File: f, Payments: p})
			verdict := []Verdict{Accepted, Rejected}[i%2]
			if _, err := x.Decide(t.Context(), f.ID, Ruling{Verdict: verdict}); err != nil {
				t.Error(err)
			}
			if i%8 == 7 {
				if _, err := x.RenewNames(t.Context()); err != nil {
					t.Error(err)
				}
			}
		}
	})
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
		if n := count(t, x, `SELECT count(*) FROM blocks b WHERE NOT EXISTS (SELECT 1 FROM files WHERE id = b.file AND taken = 1)`); n != 0 {
			t.Errorf("kill %d: %d blocks without a file after %d uploads were swept", kill, n, swept)
		}
		// Names and segments are of files that are there, and those that stay are no file's.
		if n := count(t, x, `SELECT count(*) FROM names n WHERE file <> '' AND NOT EXISTS (SELECT 1 FROM files WHERE id = n.file AND verdict = 'held')`) +
			count(t, x, `SELECT count(*) FROM names WHERE (kept IS NULL) = (file = '')`) +
			count(t, x, `SELECT count(*) FROM segments s WHERE NOT EXISTS (SELECT 1 FROM files WHERE id = s.file AND taken = 1)`) +
			count(t, x, `SELECT count(*) FROM segment_pieces WHERE p / 32 NOT IN (SELECT s FROM segments)`) +
			count(t, x, `SELECT count(*) FROM name_texts WHERE n NOT IN (SELECT n FROM names)`) +
			count(t, x, `SELECT count(*) FROM name_hashes WHERE n NOT IN (SELECT n FROM names)`); n != 0 {
			t.Errorf("kill %d: %d rows of names are nobody's", kill, n)
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
