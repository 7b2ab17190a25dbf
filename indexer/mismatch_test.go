package indexer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// asItLies copies what a database would have after a kill at this moment.
func asItLies(t *testing.T, path, to string) {
	t.Helper()
	for _, suffix := range []string{"", "-wal"} {
		if b, err := os.ReadFile(path + suffix); err == nil {
			write(t, to+suffix, b)
		}
	}
}

// TestMismatch: whatever moment everything is copied at, and so whenever it dies, nothing is said; a copy of any moment beside one of any other
// is told, as soon as the newer one has written anything of what the older one lacks.
func TestMismatch(t *testing.T) {
	for _, protected := range []bool{false, true} {
		t.Run(fmt.Sprintf("protected %v", protected), func(t *testing.T) { testMismatch(t, protected) })
	}
}

func testMismatch(t *testing.T, protected bool) {
	s, work := newSafe(t), t.TempDir()
	open := func(dir string) *Index {
		if protected {
			return (&safe{dir: dir, key: s.key}).open(t)
		}
		return openIndex(t, filepath.Join(dir, indexName), s.key)
	}
	if protected {
		s.protected(t).Close()
	}
	g := openRegistry(t, filepath.Join(work, "gateway.db"))
	x := open(s.dir)
	if a, err := x.Compare(t.Context(), g, "acme"); err != nil || a != (Mismatch{}) {
		t.Fatalf("new: %+v, %v", a, err)
	}
	fine(t, g.CountChanges(t.Context(), 0))
	type moment struct{ count, stamp, row, seen int64 }
	var now moment
	var moments []moment
	keep := func() {
		dir := filepath.Join(work, fmt.Sprint(len(moments)))
		fine(t, os.Mkdir(dir, 0o700))
		asItLies(t, filepath.Join(work, "gateway.db"), filepath.Join(dir, "gateway.db"))
		for _, name := range []string{indexName, logName, keyName} {
			asItLies(t, filepath.Join(s.dir, name), filepath.Join(dir, name))
		}
		moments = append(moments, now)
	}
	change := func() { fine(t, g.Put(t.Context(), "x", nil)); now.count++; keep() }
	note := func() {
		fine(t, second(x.Note(t.Context(), "test", "", "", "")))
		now.row++
		now.stamp = now.count
		keep()
	}
	see := func() {
		fine(t, g.KeepRows(map[string]LedgerRow{"acme": x.Newest()}))
		now.seen = now.row
		keep()
	}
	keep()
	for _, step := range []func(){note, see, change, note, note, see, change, change, see, note, change, see, note, see} {
		step()
	}
	fine(t, errors.Join(g.Close(), x.Close()))
	for i, r := range moments {
		for k, m := range moments {
			dir := t.TempDir()
			asItLies(t, filepath.Join(work, fmt.Sprint(i), "gateway.db"), filepath.Join(dir, "gateway.db"))
			for _, name := range []string{indexName, logName, keyName} {
				asItLies(t, filepath.Join(work, fmt.Sprint(k), name), filepath.Join(dir, name))
			}
			g, x := openRegistry(t, filepath.Join(dir, "gateway.db")), open(dir)
			a, err := x.Compare(t.Context(), g, "acme")
			if err != nil || (a.Registry != "") != (m.stamp > r.count) || (a.Index != "") != (r.seen > m.row) || i == k && a.Registry+a.Index != "" {
				t.Errorf("gateway.db of step %d %+v beside the index of step %d %+v: %+v, %v", i, r, k, m, a, err)
			}
			fine(t, errors.Join(x.Close(), g.Close()))
		}
	}
}

// TestMismatchAnother: a ledger that went on otherwise is no newer one, though it is longer; and what was forgotten is not missed.
func TestMismatchAnother(t *testing.T) {
	g, x, another := newRegistry(t), newIndex(t), newIndex(t)
	fine(t, second(x.Note(t.Context(), "test", "", "", "this")))
	fine(t, second(another.Note(t.Context(), "test", "", "", "that")))
	fine(t, second(another.Note(t.Context(), "test", "", "", "more")))
	fine(t, g.KeepRows(map[string]LedgerRow{"acme": x.Newest()}))
	if a, err := another.Compare(t.Context(), g, "acme"); err != nil || a.Index != "row 1 of its ledger is not the one that gateway.db has seen" {
		t.Errorf("%+v, %v", a, err)
	}
	fine(t, errors.Join(g.ForgetRow(t.Context(), "acme"), g.ForgetRow(t.Context(), "acme")))
	if a, err := another.Compare(t.Context(), g, "acme"); err != nil || a != (Mismatch{}) {
		t.Errorf("%+v, %v", a, err)
	}
}

// TestMismatchOlder: one that was found older is so until it is counted on from where the other is, however much is written meanwhile.
func TestMismatchOlder(t *testing.T) {
	g, older, x := newRegistry(t), newRegistry(t), newIndex(t)
	fine(t, second(x.Compare(t.Context(), g, "acme")))
	fine(t, errors.Join(g.CountChanges(t.Context(), 0), g.Put(t.Context(), "x", nil), g.Put(t.Context(), "x", nil)))
	fine(t, second(x.Note(t.Context(), "test", "", "", "")))
	for range 3 {
		fine(t, older.Put(t.Context(), "x", nil))
		if a, err := x.Compare(t.Context(), older, "acme"); err != nil || a.Registry != "it ends in its change 0, and an account's database knows its change 2" || a.Count != 2 {
			t.Errorf("%+v, %v", a, err)
		}
	}
	fine(t, older.CountChanges(t.Context(), 2))
	if a, err := x.Compare(t.Context(), older, "acme"); err != nil || a.Registry != "" {
		t.Errorf("%+v, %v", a, err)
	}
}

// TestMismatchRekeyed: a database under another key is as old as it was.
func TestMismatchRekeyed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gateway.db")
	g, x := openRegistry(t, path), newIndex(t)
	fine(t, second(x.Compare(t.Context(), g, "acme")))
	fine(t, errors.Join(g.CountChanges(t.Context(), 0), g.Put(t.Context(), "x", nil), second(x.Note(t.Context(), "test", "", "", "")), g.Close()))
	fine(t, errors.Join(Rekey(t.Context(), path, Key{1}, Key{2}), Rekey(t.Context(), path, Key{2}, Key{1})))
	g = openRegistry(t, path)
	if a, err := x.Compare(t.Context(), g, "acme"); err != nil || a != (Mismatch{Count: 1}) {
		t.Errorf("%+v, %v", a, err)
	}
	fine(t, g.Close())
}

// TestMismatchUnflushed: what was found at the start may not be on the disk, so the other database does not learn of it before something was
// committed behind it.
func TestMismatchUnflushed(t *testing.T) {
	path, indexPath, key := filepath.Join(t.TempDir(), "gateway.db"), filepath.Join(t.TempDir(), indexName), newKey(t)
	g, x := openRegistry(t, path), openIndex(t, indexPath, key)
	fine(t, errors.Join(g.CountChanges(t.Context(), 0), g.Put(t.Context(), "x", nil), second(x.Note(t.Context(), "test", "", "", "")), g.Close(), x.Close()))
	g, x = openRegistry(t, path), openIndex(t, indexPath, key)
	fine(t, errors.Join(second(x.Compare(t.Context(), g, "acme")), g.CountChanges(t.Context(), 0)))
	if row := x.Newest(); row != (LedgerRow{}) {
		t.Errorf("gateway.db may learn of row %d", row.Seq)
	}
	for want := range int64(2) {
		fine(t, second(x.Note(t.Context(), "test", "", "", "")))
		if n, err := x.d.counted(t.Context()); err != nil || n != 2*want || x.Newest().Seq != 2+want {
			t.Errorf("the index has count %d, %v; want %d", n, err, 2*want)
		}
		fine(t, g.Put(t.Context(), "x", nil))
	}
	fine(t, g.Close())
}
