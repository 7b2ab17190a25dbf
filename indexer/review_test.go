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

// TestQuotaIsAFullDisk: SQLite tells a used-up quota as an I/O error; the next commit may well succeed.
func TestQuotaIsAFullDisk(t *testing.T) {
	for errno, broken := range map[syscall.Errno]bool{syscall.EDQUOT: false, syscall.EIO: true} {
		d := &database{key: &pageKey{}}
		err := error(sqlite3.Error{Code: sqlite3.ErrIoErr, ExtendedCode: sqlite3.ErrIoErrWrite, SystemErrno: errno})
		d.doubt(err)
		if d.broken.Load() != broken || errors.Is(d.plain(err), ErrFull) == broken {
			t.Errorf("%v: broken %v, %v", errno, d.broken.Load(), d.plain(err))
		}
	}
}
