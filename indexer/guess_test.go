package indexer

import (
	"bytes"
	"path/filepath"
	"testing"
)

// TestGuesses: what a thief with the disk and the unlock key has of a locked account's log does not help to guess a new name.
// Duplicates are seen all the same.
func TestGuesses(t *testing.T) {
	s := newSafe(t)
	x := s.protected(t)
	f := newFile(t, "a", epoch)
	f.Facts.BusinessKey = "bg-autogiro\x1f50501055\x1f2026-11-20\x1f3\x1fSEK\x1f1250.50"
	commit(t, x, &Delivery{File: f})
	const name = "layoffs-2026-07.xml"
	if err := x.Rename(t.Context(), f.ID, name, "u1"); err != nil {
		t.Fatal(err)
	}
	x.Close()
	d, err := openDatabase(t.Context(), filepath.Join(s.dir, logName), s.key, "log")
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	var seq, at int64
	var head, prev []byte
	var id string
	for query, into := range map[string][]any{
		`SELECT seq, hash FROM head`:                     {&seq, &head},
		`SELECT at FROM records ORDER BY n DESC LIMIT 1`: {&at},
		`SELECT id, hash FROM files WHERE n = 1`:         {&id, &prev},
	} {
		if err := d.w.QueryRowContext(t.Context(), query).Scan(into...); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	if h := ledgerHash(seq, at, kindRenamed, id, "u1", name, nil, prev); bytes.Equal(h[:], head) {
		t.Error("the name is found by a guess")
	}

	// The index, the ledger and the duplicates are as ever.
	x = s.open(t)
	again := newFile(t, "b", epoch)
	again.Facts.BusinessKey = f.Facts.BusinessKey
	var e Earlier
	commit(t, x, &Delivery{File: again, Window: 1 << 40, Judge: func(found Earlier) { e = found }})
	if e.Business != f.ID {
		t.Errorf("of the same business is %q, want %s", e.Business, f.ID)
	}
	s.unlock(t, x)
	found, err := x.Find(t.Context(), f.ID)
	if err != nil || len(found) != 1 || found[0].Name != name {
		t.Errorf("%v, %v", found, err)
	}
	sound(t, x)
}
