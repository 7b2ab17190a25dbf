package indexer

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/mattn/go-sqlite3"

	"github.com/sealgate/sealgate/indexer/formats"
)

// TestTornFirstPage: power goes in the middle of a checkpoint's write of page 1. The log still has the page whole.
func TestTornFirstPage(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "index.db")
	x, err := Open(t.Context(), path, Key{1}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := x.Commit(t.Context(), &Delivery{File: &File{ID: "01ARZ3NDEKTSV4RRFFQ69G5FAV", Account: "a", Name: "n", Door: "sftp", Verdict: Accepted}}); err != nil {
		t.Fatal(err)
	}
	then := t.TempDir() // as the power cut leaves it: the log, and the first half of a new page 1
	for _, name := range []string{"index.db", "index.db-wal"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if name == "index.db" {
			copy(b[2048:4096], bytes.Repeat([]byte{0x55}, 2048))
		}
		if err := os.WriteFile(filepath.Join(then, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	y, err := Open(t.Context(), filepath.Join(then, "index.db"), Key{1}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer y.Close()
	files, err := y.Find(t.Context(), "01ARZ3NDEKTSV4RRFFQ69G5FAV")
	if err != nil || len(files) != 1 {
		t.Errorf("%d files, %v", len(files), err)
	}
	if _, err := Open(t.Context(), filepath.Join(then, "index.db"), Key{2}, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("another key opens it")
	}
}

// TestBlocksAreBoundedByTheirText: payments with long texts do not gather by the thousand in memory.
func TestBlocksAreBoundedByTheirText(t *testing.T) {
	var b builder
	long := bytes.Repeat([]byte("x"), 4000)
	n := 0
	for b.reset(); !b.full(); n++ {
		long[0] = byte(n)
		b.add(&formats.Payment{Index: int64(n + 1), PayeeName: long, PayerName: long, Reference: long, Currency: []byte("SEK")})
	}
	if n > blockText/len(long) {
		t.Errorf("%d payments of 12 kB in a block", n)
	}
}

// TestQuotaIsAFullDisk: SQLite tells a used-up quota as an I/O error; the next commit may well succeed. A failed flush is
// never that.
func TestQuotaIsAFullDisk(t *testing.T) {
	for _, c := range []struct {
		code   sqlite3.ErrNoExtended
		errno  syscall.Errno
		broken bool
	}{
		{sqlite3.ErrIoErrWrite, syscall.EDQUOT, false},
		{sqlite3.ErrIoErrWrite, syscall.EIO, true},
		{sqlite3.ErrIoErrFsync, syscall.EDQUOT, true},
	} {
		d := &database{key: &pageKey{}}
		err := error(sqlite3.Error{Code: sqlite3.ErrIoErr, ExtendedCode: c.code, SystemErrno: c.errno})
		d.doubt(err)
		if d.broken.Load() != c.broken || errors.Is(d.plain(err), ErrFull) == c.broken {
			t.Errorf("%+v: broken %v, %v", c, d.broken.Load(), d.plain(err))
		}
	}
}

// TestAFaultLeavesNobodyWaiting: a panic under the lock lets go of it.
func TestAFaultLeavesNobodyWaiting(t *testing.T) {
	x, err := Open(t.Context(), filepath.Join(t.TempDir(), "index.db"), Key{1}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	fault := func(f func()) {
		w := x.d.w
		defer func() {
			x.d.w = w
			if recover() == nil {
				t.Error("no fault")
			}
		}()
		x.d.w = nil
		f()
	}
	fault(func() {
		p := x.NewPayments("01ARZ3NDEKTSV4RRFFQ69G5FAV")
		for i := range int64(10_000) {
			p.Add(&formats.Payment{Index: i + 1, Currency: []byte("SEK")})
		}
	})
	fault(func() { x.Note(t.Context(), "a", "", "", "") })
	if _, err := x.Note(t.Context(), "b", "", "", ""); err != nil {
		t.Error(err)
	}
}

// TestAccountsWithoutTheirZeros: a bankgiro is found however many zeros are written before it.
func TestAccountsWithoutTheirZeros(t *testing.T) {
	for _, s := range []string{"9912346", "0009912346", "991-2346", " 0991 2346"} {
		if got := string(foldAccount(nil, []byte(s))); got != "9912346" {
			t.Errorf("%q: %q", s, got)
		}
	}
	if got := string(foldAccount(nil, []byte("se45 0000"))); got != "SE450000" {
		t.Error(got)
	}
}
