package indexer

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// asOf is the account as its disk is at this moment, as if the process had been killed.
func (s *safe) asOf(t testing.TB) *safe {
	t.Helper()
	then := *s
	then.dir = t.TempDir()
	files, err := os.ReadDir(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if filepath.Ext(f.Name()) != ".db-shm" {
			write(t, filepath.Join(then.dir, f.Name()), readAll(t, filepath.Join(s.dir, f.Name())))
		}
	}
	return &then
}

// remember makes the log as it was before the hashes of a refused file were forgotten.
func (x *Index) remember(t testing.TB, f *File) {
	t.Helper()
	row := new(fileRow)
	if err := row.putFacts(f); err != nil {
		t.Fatal(err)
	}
	err := x.sealedLog.d.write(t.Context(), true, func(ctx context.Context) error {
		_, err := x.sealedLog.d.w.ExecContext(ctx, `UPDATE files SET content = ?, business = ? WHERE id = ?`,
			x.sealedLog.keyed(row.sha256), x.sealedLog.keyed(row.business), f.ID)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// again delivers a content once more, to be refused, and tells what it is a duplicate of.
func again(t testing.TB, x *Index, content string, after time.Duration) (e Earlier) {
	t.Helper()
	f := newFile(t, content, epoch.Add(after))
	f.Verdict = Rejected
	commit(t, x, &Delivery{File: f, Window: time.Hour, Judge: func(found Earlier) { e = found }})
	return e
}

// TestRefusedIsNoDuplicate: what was refused before everything stopped is nothing that one is a duplicate of, also while the account is
// locked: its sender has been told no, and sends it again.
func TestRefusedIsNoDuplicate(t *testing.T) {
	s := newSafe(t)
	x := s.protected(t)
	s.unlock(t, x)
	held := map[string]*File{}
	for _, content := range []string{"refused", "kept", "released"} {
		f := newFile(t, content, epoch)
		f.Verdict = Held
		commit(t, x, &Delivery{File: f, Copy: []byte("copy")})
		held[content] = f
	}
	for content, verdict := range map[string]Verdict{"refused": Rejected, "released": Accepted} {
		if _, err := x.Decide(t.Context(), held[content].ID, Ruling{Verdict: verdict, Fate: Sealed, Why: "so", Who: "u1"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := x.Rename(t.Context(), held["refused"].ID, "other.xml", "u1"); err != nil { // no change brings it back to mind
		t.Fatal(err)
	}
	commit(t, x, &Delivery{File: newFile(t, "later", epoch)})

	then := s.asOf(t)
	x = then.open(t)
	for range 2 {
		for content, f := range held {
			want := Earlier{Content: f.ID, Business: f.ID}
			if content == "refused" {
				want = Earlier{}
			}
			if got := again(t, x, content, time.Second); got != want {
				t.Errorf("locked: %v: %s, sent again, is a duplicate of %+v, want %+v", x.Locked(), content, got, want)
			}
		}
		then.unlock(t, x)
	}
	if got := find(t, x, held["refused"].ID); got.Verdict != Rejected {
		t.Errorf("it is %s", got.Verdict)
	}
	sound(t, x)
}

// TestDoubtOfOnesOwn: a refusal in doubt stands back behind a file that was taken for certain, and of files without a business key none is
// a duplicate of another.
func TestDoubtOfOnesOwn(t *testing.T) {
	s := newSafe(t)
	x := s.protected(t)
	s.unlock(t, x)
	taken := newFile(t, "salaries", epoch)
	commit(t, x, &Delivery{File: taken})
	var refused []*File
	for _, content := range []string{"salaries", "unrecognised"} {
		f := newFile(t, content, epoch.Add(time.Second))
		f.Verdict = Held
		if content == "unrecognised" {
			f.Facts.BusinessKey = ""
		}
		commit(t, x, &Delivery{File: f, Copy: []byte("copy")})
		if _, err := x.Decide(t.Context(), f.ID, Ruling{Verdict: Rejected, Why: "no", Who: "u1"}); err != nil {
			t.Fatal(err)
		}
		x.remember(t, f)
		refused = append(refused, f)
	}

	x = s.asOf(t).open(t)
	if got := again(t, x, "salaries", time.Minute); got != (Earlier{Content: taken.ID, Business: taken.ID}) {
		t.Errorf("taken once and refused once, it is a duplicate of %+v", got)
	}
	for content, want := range map[string]Earlier{"unrecognised": {Content: refused[1].ID, ContentInDoubt: true}, "another": {}} {
		f, got := newFile(t, content, epoch.Add(time.Minute)), Earlier{}
		f.Facts.BusinessKey, f.Verdict = "", Rejected
		commit(t, x, &Delivery{File: f, Window: time.Hour, Judge: func(found Earlier) { got = found }})
		if got != want {
			t.Errorf("%s is a duplicate of %+v, want %+v", content, got, want)
		}
	}
	// The account was locked between a refusal and its forgetting, and somebody has looked.
	if err := x.alone(func() error { return x.sealedLog.forget(refused[1].ID) }); err != nil {
		t.Fatal(err)
	}
	if got := again(t, x, "unrecognised", 2*time.Minute); got.Content != "" {
		t.Errorf("it is certain that it was refused, and it is a duplicate of %+v", got)
	}
}

// TestForgottenAndUndone: an older index is put back beside a log that has forgotten what was refused since. The refusal is undone then, and
// what comes after that is a duplicate of it again.
func TestForgottenAndUndone(t *testing.T) {
	s := newSafe(t)
	x := s.protected(t)
	s.unlock(t, x)
	held := newFile(t, "held", epoch)
	held.Verdict = Held
	commit(t, x, &Delivery{File: held, Copy: []byte("copy")})
	then := s.asOf(t)
	if _, err := x.Decide(t.Context(), held.ID, Ruling{Verdict: Rejected, Why: "no", Who: "u1"}); err != nil {
		t.Fatal(err)
	}
	var forgotten int
	err := x.sealedLog.d.r.QueryRowContext(t.Context(), `SELECT count(*) FROM files WHERE content IS NULL AND business IS NULL`).Scan(&forgotten)
	if err != nil || forgotten != 1 {
		t.Fatalf("%d are forgotten, %v", forgotten, err)
	}
	for _, name := range []string{logName, logName + "-wal"} {
		write(t, filepath.Join(then.dir, name), readAll(t, filepath.Join(s.dir, name)))
	}
	x = then.open(t)
	then.unlock(t, x)
	if got := find(t, x, held.ID); got.Verdict != Held {
		t.Errorf("it is %s", got.Verdict)
	}
	for range 2 {
		if got := again(t, x, "held", time.Second); got != (Earlier{Content: held.ID, Business: held.ID}) {
			t.Errorf("locked: %v: sent again, it is a duplicate of %+v", x.Locked(), got)
		}
		if err := x.Lock(); err != nil {
			t.Fatal(err)
		}
	}
	then.unlock(t, x)
	sound(t, x)
}
