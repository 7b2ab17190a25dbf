package indexer

import (
	"bytes"
	"errors"
	"path/filepath"
	"testing"
)

// TestReadable: what Readable lets pass comes under another key, whichever page is damaged; and it lets no damage pass that Rekey meets.
func TestReadable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	from, to := newKey(t), newKey(t)
	d := newDatabase(t, path, from)
	for i := range 40 {
		mustExec(t, d.w, `INSERT INTO t VALUES (?, ?, randomblob(?))`, i, "row", 500*i) // the longer ones on overflow pages
	}
	mustExec(t, d.w, `DELETE FROM t WHERE rowid % 5 = 0`) // and some pages hold nothing any more
	if err := d.close(); err != nil {
		t.Fatal(err)
	}
	whole := readAll(t, path)
	refused, passed := 0, 0
	try := func(what string, content []byte) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "y.db")
		write(t, path, content)
		readable := Readable(t.Context(), path, from)
		rekeyed := Rekey(t.Context(), path, from, to)
		switch {
		case readable == nil && rekeyed != nil:
			t.Errorf("%s: it passes, and then: %v", what, rekeyed)
		case readable != nil && !errors.Is(readable, ErrDamaged) && !errors.Is(readable, ErrKey):
			t.Errorf("%s: %v", what, readable)
		case readable != nil:
			refused++
		default:
			passed++
		}
	}
	try("untouched", whole)
	if refused > 0 {
		t.Fatal("what is whole is refused")
	}
	for page := range len(whole) / pageSize {
		b := bytes.Clone(whole)
		b[page*pageSize+100] ^= 1
		try("flipped", b)
		if page > 0 {
			try("cut", whole[:page*pageSize])
		}
	}
	if refused < len(whole)/pageSize {
		t.Errorf("%d refused, %d passed, of %d pages", refused, passed, len(whole)/pageSize)
	}
	if err := Readable(t.Context(), path, to); !errors.Is(err, ErrKey) {
		t.Errorf("another key: %v", err)
	}
	if err := Readable(t.Context(), path+".gone", from); err == nil {
		t.Error("a database that is not there is readable")
	}
}
