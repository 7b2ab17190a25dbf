package indexer

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPageFlips flips a bit in every region of the database and of its log, and cuts both: an error, or the rows as
// they were at some commit, never others.
func TestPageFlips(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.db")
	key := newKey(t)
	d := newDatabase(t, path, key)
	states := map[string]bool{}
	remember := func() {
		s, err := dump(t.Context(), d.w)
		if err != nil {
			t.Fatal(err)
		}
		states[s] = true
	}
	remember()
	for i := range 40 {
		mustExec(t, d.w, `INSERT INTO t VALUES (?, ?, randomblob(2000))`, i, "first")
	}
	remember()
	mustExec(t, d.w, `PRAGMA wal_checkpoint(TRUNCATE)`)
	base := readAll(t, path)
	for i := range 30 {
		mustExec(t, d.w, `INSERT INTO t VALUES (?, ?, randomblob(1000))`, 100+i, "second")
		remember()
	}
	wal := readAll(t, path+"-wal")
	if !bytes.Equal(base, readAll(t, path)) {
		t.Fatal("the log was emptied too early for this test")
	}
	d.close()
	try := func(what string, base, wal []byte) (failed bool) {
		t.Helper()
		p := filepath.Join(t.TempDir(), "y.db")
		write(t, p, base)
		if wal != nil {
			write(t, p+"-wal", wal)
		}
		d, err := openDatabase(t.Context(), p, key, "account")
		if err != nil {
			if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrKey) {
				t.Errorf("%s: neither damaged nor the key: %v", what, err)
			}
			return true
		}
		defer d.close()
		got, err := dump(t.Context(), d.r)
		if err != nil {
			if !errors.Is(d.plain(err), ErrDamaged) && !strings.Contains(err.Error(), "no such table") {
				t.Errorf("%s: not told as damage: %v", what, err)
			}
			return true
		}
		if !states[got] {
			t.Errorf("%s: rows that were never there", what)
		}
		return false
	}
	if try("untouched", base, wal) {
		t.Fatal("the untouched copy does not open")
	}
	for page := 0; page < len(base)/pageSize; page++ {
		for _, at := range []int{0, 50, 2000, 4063, 4064, 4080, 4091, 4092, 4095} {
			b := bytes.Clone(base)
			b[page*pageSize+at] ^= 1 << (page % 8)
			try(fmt.Sprintf("page %d byte %d", page+1, at), b, nil)
		}
	}
	for n := 0; n < len(base); n += pageSize * 3 {
		try(fmt.Sprint("cut at page ", n/pageSize), base[:n], nil)
		if !try(fmt.Sprint("cut inside page ", n/pageSize), base[:n+1000], nil) {
			t.Errorf("cut inside page %d went unseen", n/pageSize)
		}
	}
	const frame = 24 + pageSize
	for at := 0; at < len(wal); at += 97 {
		b := bytes.Clone(wal)
		b[at] ^= 0x10
		try(fmt.Sprint("log byte ", at), base, b)
	}
	for f := 0; f*frame+32 < len(wal); f += 5 {
		for at := range 24 {
			b := bytes.Clone(wal)
			b[32+f*frame+at] ^= 1
			try(fmt.Sprintf("log frame %d header byte %d", f, at), base, b)
		}
		try(fmt.Sprint("log cut at frame ", f), base, wal[:32+f*frame])
		try(fmt.Sprint("log cut inside frame ", f), base, wal[:32+f*frame+2000])
	}
	if !try("the database gone, its log there", nil, wal) {
		t.Error("a database cut to nothing was taken for a new one")
	}
	// Two pages, or two frames, put in each other's place.
	b := bytes.Clone(base)
	copy(b[5*pageSize:], base[6*pageSize:7*pageSize])
	copy(b[6*pageSize:], base[5*pageSize:6*pageSize])
	try("pages 6 and 7 swapped", b, nil)
	b = bytes.Clone(wal)
	copy(b[32:], wal[32+frame:32+2*frame])
	copy(b[32+frame:], wal[32:32+frame])
	try("frames swapped", base, b)
}

// TestPageFlipLive: damage under an open database is an error for whoever reads that page next.
func TestPageFlipLive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	d := newDatabase(t, path, newKey(t))
	mustExec(t, d.w, `INSERT INTO t VALUES (1, 'x', randomblob(400000))`)
	for _, name := range []string{path + "-wal", path} {
		b := readAll(t, name)
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		at := int64(len(b)) - 30*4120 + 2000
		f.WriteAt([]byte{b[at] ^ 1}, at)
		_, err = dump(t.Context(), d.r)
		if !errors.Is(d.plain(err), ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
		f.WriteAt(b[at:at+1], at)
		f.Close()
		if _, err = dump(t.Context(), d.r); err != nil {
			t.Errorf("%s put right again: %v", name, err)
		}
		mustExec(t, d.w, `PRAGMA wal_checkpoint(TRUNCATE)`)
	}
}
