package indexer

import (
	"bytes"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/indexer/formats"
)

const wipedPayments = 40_000 // more than one segment's

// wipedName is the name of payee i in a file: 32 letters that nothing else is like.
func wipedName(file string, i int64) Key {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", file, i))
	var name Key
	hex.Encode(name[:], sum[:16])
	return name
}

func commitWiped(t testing.TB, x *Index, file string) {
	t.Helper()
	commitPayments(t, x, file, epoch, wipedPayments, func(q *formats.Payment) {
		name := wipedName(file, q.Index)
		q.PayeeName = name[:]
	})
}

// TestAsked is no test: it is the process into whose memory TestLockWipes looks.
func TestAsked(t *testing.T) {
	args := strings.Fields(os.Getenv(memoryEnv))
	if len(args) != 3 {
		t.Skip("started by TestLockWipes only")
	}
	s := safeIn(t, args[0], args[1], args[2])
	x := s.open(t)
	s.unlock(t, x)
	if _, err := x.RenewNames(t.Context()); err != nil {
		t.Fatal(err)
	}
	for round := range 2 {
		if round == 1 {
			debug.SetGCPercent(-1) // which would forget, at its second coming, what is kept to be used again
		}
		for _, q := range []PaymentFilter{{Name: "ab"}, {Account: "SE4550000000058398257466"}, {EndToEndID: "E2E-0000007"}} {
			if rows := payments(t, x, q); len(rows) == 0 {
				t.Fatal("no payment was found")
			}
		}
		problems(t, x)
		commitWiped(t, x, "open")
		if err := x.Lock(); err != nil {
			t.Fatal(err)
		}
		commitWiped(t, x, "locked")
		if round == 0 {
			s.unlock(t, x)
		}
	}
	runtime.GC() // overwrites what is freed by now; what is kept to be used again survives it
	kept := wipedName("kept", 1)
	ready()
	runtime.KeepAlive(&kept)
}

// TestLockWipes: once an index is locked that was asked for payments, there is nothing in the memory of its process of the names that it
// holds, nor of the key of their hashes.
func TestLockWipes(t *testing.T) {
	if raced {
		t.Skip("NOT RUN: what the race detector leaves in memory is not ours; make test runs it")
	}
	s, keys := newKeptSafe(t)
	x := s.protected(t)
	commitWiped(t, x, "before")
	own := s.own(t, x)
	x.Close()
	memory := memoryOf(t, child(t, "TestAsked", s.dir+" "+hex.EncodeToString(s.key[:])+" "+keys))
	d, err := openDatabase(t.Context(), filepath.Join(s.dir, indexName), own, "account")
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	var key []byte
	if err := d.r.QueryRowContext(t.Context(), `SELECT key FROM name_list`).Scan(&key); err != nil || len(key) != 16 {
		t.Fatalf("a key of %d bytes, %v", len(key), err)
	}
	for _, b := range memory {
		for _, half := range [][]byte{key[:8], key[8:]} {
			if n := bytes.Count(b, half); n > 0 {
				t.Errorf("%d traces of the names' key", n)
			}
		}
	}
	for _, file := range []string{"before", "open", "locked"} {
		var names []Key
		for i := range int64(wipedPayments) {
			names = append(names, wipedName(file, i+1))
		}
		if n := traces(memory, names...); n > 0 {
			t.Errorf("%d traces of names in the file %q", n, file)
		}
	}
	if traces(memory, wipedName("kept", 1)) == 0 {
		t.Error("what is there was not found: nothing was looked at")
	}
}

// TestSQLiteUsedBefore: a program that has used SQLite before it opens an index can open one all the same.
func TestSQLiteUsedBefore(t *testing.T) { child(t, "TestUsesSQLiteFirst", t.TempDir()) }

// TestUsesSQLiteFirst is no test: it is that program.
func TestUsesSQLiteFirst(t *testing.T) {
	dir := os.Getenv(memoryEnv)
	if dir == "" {
		t.Skip("started by TestSQLiteUsedBefore only")
	}
	plain, err := sql.Open("sqlite3", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if err := plain.PingContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	openIndex(t, filepath.Join(dir, "index.db"), newKey(t))
	ready()
}
