package indexer

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/indexer/formats"
	"github.com/sealgate/sealgate/vault"
)

// goldenEnv names a new folder of testdata to be made, as a release that changes what is written does.
const goldenEnv = "SEALGATE_GOLDEN"

// TestGoldenDatabases opens what every release has written, as it lay there after a kill: an account's database with its log, a
// protected account's with deliveries that wait, and the users'.
func TestGoldenDatabases(t *testing.T) {
	if dir := os.Getenv(goldenEnv); dir != "" {
		makeGolden(t, filepath.Join("testdata", dir))
	}
	folders, err := filepath.Glob("testdata/v*")
	if err != nil || len(folders) == 0 {
		t.Fatal("the golden databases are missing", err)
	}
	for _, golden := range folders {
		t.Run(filepath.Base(golden), func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(golden)); err != nil {
				t.Fatal(err)
			}
			key := goldenKey(t, dir)
			plain := openIndex(t, filepath.Join(dir, "open", indexName), key)
			sound(t, plain)
			s := safeOf(t, filepath.Join(dir, "protected"), key, readAll(t, filepath.Join(dir, "acme.crt")), readAll(t, filepath.Join(dir, "acme.key")))
			x := s.open(t)
			if w, err := x.Waiting(t.Context()); err != nil || w.Deliveries != 2 {
				t.Errorf("%d deliveries wait, %v", w.Deliveries, err)
			}
			s.unlock(t, x)
			sound(t, x)
			if got, want := told(t, plain)+told(t, x), string(readAll(t, filepath.Join(dir, "holds.txt"))); got != want {
				t.Errorf("it holds\n%s\nwant\n%s", got, want)
			}
			g := openRegistry(t, filepath.Join(dir, "gateway.db"))
			defer g.Close()
			u, err := g.UserByBlind(t.Context(), [32]byte{1})
			if err != nil || u.ID != "u1" || u.PasswordHash != "$x" || string(u.SecondFactor) != "\a\b" || u.AllowFrom[0] != "192.0.2.0/24" {
				t.Errorf("the user: %+v, %v", u, err)
			}
			for name, x := range map[string]*Index{"acme": plain, "safe": x} { // they have nothing to compare yet, and keep it from here on
				if a, err := x.Compare(t.Context(), g, name); err != nil || a != (Mismatch{}) {
					t.Errorf("%s: %+v, %v", name, a, err)
				}
				fine(t, errors.Join(g.CountChanges(t.Context(), 0), g.Put(t.Context(), "x", nil), second(x.Note(t.Context(), "test", "", "", ""))))
				if a, err := x.Compare(t.Context(), g, name); err != nil || a.Count == 0 {
					t.Errorf("%s: %+v, %v", name, a, err)
				}
			}
		})
	}
}

// told is what an index holds, as text: its files with their payments, copies and rows of the ledger, and the outbox.
func told(t *testing.T, x *Index) string {
	t.Helper()
	var b strings.Builder
	for f, err := range x.Files(t.Context(), FileFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		copy, _ := x.CopyOf(t.Context(), f.ID)
		list := payments(t, x, PaymentFilter{FileID: f.ID})
		last := list[len(list)-1]
		fmt.Fprintf(&b, "%s %s %s %s, row %d %s, %d payments, the last one %v to %s, copy %q\n", f.ID, f.Name, f.Verdict, f.SHA256, f.Ledger.Seq, f.Ledger.Hash,
			len(list), last.Amount, last.PayeeName, copy)
	}
	box, err := x.Outbox(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range box {
		fmt.Fprintf(&b, "outbox: %s, %d bytes\n", o.Name, o.Size)
	}
	return b.String()
}

func goldenKey(t *testing.T, dir string) (k Key) {
	t.Helper()
	if n, err := hex.Decode(k[:], []byte(strings.TrimSpace(string(readAll(t, filepath.Join(dir, "key.hex")))))); n != len(k) || err != nil {
		t.Fatal(err)
	}
	return k
}

// makeGolden writes databases, with a log each, and keeps a copy of them as they are while they are open.
func makeGolden(t *testing.T, golden string) {
	t.Helper()
	cert, private, err := vault.NewCertificate("acme", "p-256", time.Now().Add(-time.Hour), 100*365*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	work, key := t.TempDir(), newKey(t)
	write(t, filepath.Join(work, "key.hex"), []byte(hex.EncodeToString(key[:])+"\n"))
	write(t, filepath.Join(work, "acme.crt"), cert)
	write(t, filepath.Join(work, "acme.key"), private)
	for _, name := range []string{"open", "protected"} {
		if err := os.Mkdir(filepath.Join(work, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	fill := func(x *Index, from, to int) {
		for i := from; i < to; i++ {
			f := newFile(t, fmt.Sprint("golden ", i), epoch.Add(time.Duration(i)*time.Minute))
			p, n := x.NewPayments(f.ID), int64(1+i*40)
			addPayments(t, p, 1, n, nil)
			f.Facts.Payments, f.Facts.Totals[0].Amount = n, formats.AmountFromMinor(100*n, 2)
			f.Verdict = []Verdict{Accepted, Held}[i%2]
			commit(t, x, &Delivery{File: f, Payments: p, Copy: fmt.Append(nil, "copy ", i)})
		}
	}
	plain := openIndex(t, filepath.Join(work, "open", indexName), key)
	fill(plain, 0, 4)
	put(t, plain, "statement.csv", []byte("balance"), "bank")
	s := safeOf(t, filepath.Join(work, "protected"), key, cert, private)
	x := s.protected(t)
	s.unlock(t, x)
	fill(x, 4, 6)
	if err := x.Lock(); err != nil {
		t.Fatal(err)
	}
	fill(x, 6, 8)
	g := openRegistry(t, filepath.Join(work, "gateway.db"))
	defer g.Close()
	user := &User{ID: "u1", Account: "acme", Blind: [32]byte{1}, Methods: "password+totp", PasswordHash: "$x", SecondFactor: []byte{7, 8}, CreatedAt: epoch, AllowFrom: []string{"192.0.2.0/24"}}
	if err := g.AddUser(t.Context(), user); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(golden, os.DirFS(work)); err != nil {
		t.Fatal(err)
	}
	s.unlock(t, x)
	write(t, filepath.Join(golden, "holds.txt"), []byte(told(t, plain)+told(t, x)))
	shm, err := filepath.Glob(filepath.Join(golden, "*", "*-shm"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(shm, filepath.Join(golden, "gateway.db-shm")) {
		os.Remove(path) // it is not durable either
	}
}
