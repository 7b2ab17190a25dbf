package indexer

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealgate/sealgate/vault"
)

const protectCrashEnv = "SEALGATE_PROTECT_CRASH"

// TestProtectCrashWriter is no test: it is the process that TestProtectCrash kills. Deliveries come while the index is locked,
// unlocked, merged and locked again; held ones are released, or refused, while it is open. It prints what was acknowledged.
func TestProtectCrashWriter(t *testing.T) {
	args := strings.Fields(os.Getenv(protectCrashEnv))
	if len(args) != 3 {
		t.Skip("started by TestProtectCrash only")
	}
	s := safeIn(t, args[0], args[1], args[2])
	x := s.open(t)
	var out sync.Mutex
	say := func(format string, args ...any) {
		out.Lock()
		defer out.Unlock()
		fmt.Printf(format+"\n", args...)
	}
	var held sync.Map
	for w := range 4 {
		go func() {
			for i := 0; ; i++ {
				if w == 0 {
					f := commitPayments(t, x, fmt.Sprint("large ", w, i, newID(epoch)), epoch, int64(3000+2000*(i%5)), nil)
					say("took %s %d", f.ID, f.Facts.Payments)
					continue
				}
				content := fmt.Sprintf("small-%d-%d-%s", w, i, newID(epoch))
				f := newFile(t, content, epoch)
				f.Facts.Payments, f.Facts.Totals = 0, nil
				if w == 1 {
					f.Verdict = Held
				}
				commit(t, x, &Delivery{File: f, Copy: make([]byte, 3000), Window: time.Hour, Judge: func(Earlier) {}, Receipts: []string{"bank"}, Receipt: "r"})
				say("took %s 0", f.ID)
				if w == 1 && i%10 == 0 {
					held.Store(f.ID, content)
				}
				if w == 2 && i%10 == 9 {
					if err := x.Rename(t.Context(), f.ID, "renamed", "u1"); err != nil {
						t.Error(err)
					}
					say("renamed %s", f.ID)
				}
			}
		}()
	}
	for n := 0; ; {
		s.unlock(t, x)
		say("unlocked")
		held.Range(func(id, content any) bool {
			r := Ruling{Verdict: Accepted, Fate: Sealed, Why: "yes", Who: "u1", Receipts: []string{"bank"}, Receipt: "r2"}
			if n++; n%2 == 0 {
				r.Verdict = Rejected
			}
			_, err := x.Decide(t.Context(), id.(string), r)
			if err == nil && r.Verdict == Rejected {
				say("refused %s %s", id, content)
			} else if err == nil {
				say("released %s", id)
			} else if !errors.Is(err, ErrState) && !errors.Is(err, ErrNotFound) {
				t.Error(err)
			}
			held.Delete(id)
			return true
		})
		if err := x.Lock(); err != nil {
			t.Error(err)
		}
		say("locked")
	}
}

// safeIn is the protected account of a folder, whose keys lie in two files.
func safeIn(t testing.TB, dir, key, keys string) *safe {
	t.Helper()
	var k Key
	hex.Decode(k[:], []byte(key))
	return safeOf(t, dir, k, readAll(t, keys+".crt"), readAll(t, keys+".key"))
}

// TestProtectCrash kills a protected account's process again and again, in the midst of deliveries, merges, releases: every file
// that was acknowledged is there once, with its payments, name and verdict; the chain holds, and the receipts' rows with it. Of what
// was refused nothing is a duplicate, though it is locked.
func TestProtectCrash(t *testing.T) {
	kills := 25
	if testing.Short() {
		kills = 5
	}
	cert, private, err := vault.NewCertificate("acme", "p-256", time.Now().Add(-time.Hour), 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	keys := filepath.Join(t.TempDir(), "acme")
	write(t, keys+".crt", cert)
	write(t, keys+".key", private)
	key := newKey(t)
	s := safeOf(t, t.TempDir(), key, cert, private)
	s.protected(t).Close()
	r := mrand.New(mrand.NewPCG(9, uint64(os.Getpid())))
	took, renamed, released, refused, merges := map[string]string{}, map[string]bool{}, map[string]bool{}, map[string]bool{}, 0
	for kill := range kills {
		c := exec.Command(os.Args[0], "-test.run=^TestProtectCrashWriter$", "-test.count=1")
		c.Env = append(os.Environ(), protectCrashEnv+"="+s.dir+" "+hex.EncodeToString(key[:])+" "+keys)
		stdout, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		c.Stderr = os.Stderr
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		lines, sentAgain := bufio.NewScanner(stdout), map[string]string{}
		for n, until := 0, 1+r.IntN(120); lines.Scan(); {
			word := strings.Fields(lines.Text())
			switch {
			case len(word) == 3 && word[0] == "took":
				took[word[1]] = word[2]
			case len(word) == 2 && word[0] == "renamed":
				renamed[word[1]] = true
			case len(word) == 3 && word[0] == "refused":
				refused[word[1]], sentAgain[word[1]] = true, word[2]
			case len(word) == 2 && word[0] == "released":
				released[word[1]] = true
			case len(word) == 1 && word[0] == "unlocked":
				merges++
			default:
				continue
			}
			if n++; n == until {
				c.Process.Kill()
			}
		}
		c.Wait()
		x := s.open(t)
		for id := range took {
			if list, err := x.BriefOf(t.Context(), id); err != nil || len(list) != 1 {
				t.Errorf("kill %d: %s is known %d times, %v", kill, id, len(list), err)
			}
		}
		for id, content := range sentAgain {
			if e := again(t, x, content, time.Second); e != (Earlier{}) {
				t.Errorf("kill %d: %s was refused, and what is sent again is a duplicate of %+v", kill, id, e)
			}
		}
		if kill%4 == 3 || kill == kills-1 {
			s.unlock(t, x)
			for id, payments := range took {
				f := find(t, x, id)
				if got := fmt.Sprint(f.Facts.Payments); got != payments || renamed[id] && f.Name != "renamed" || released[id] && f.Verdict != Accepted || refused[id] && f.Verdict != Rejected {
					t.Errorf("kill %d: %s has %s payments, want %s; is called %s, %s", kill, id, got, payments, f.Name, f.Verdict)
				}
			}
			if n := count(t, x, `SELECT count(*) FROM restate`); n != 0 {
				t.Errorf("kill %d: %d files are still to be restated", kill, n)
			}
			sound(t, x)
		}
		x.Close()
	}
	t.Logf("%d kills, %d files acknowledged, %d renamed, %d released, %d refused, %d unlockings", kills, len(took), len(renamed), len(released), len(refused), merges)
	if merges == 0 || len(released) == 0 || len(refused) == 0 && !testing.Short() || len(renamed) == 0 {
		t.Error("it never came to an unlocking, a release or a new name")
	}
}
