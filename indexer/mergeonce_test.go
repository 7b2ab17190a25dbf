package indexer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/mattn/go-sqlite3"
)

// What waits in a log comes into its index exactly once, whatever went before; and where log and index do not continue one another,
// nothing is merged and nothing is removed.

// TestProtectAgain: an account is protected, unprotected and protected again; what comes then is merged as it was the first time.
func TestProtectAgain(t *testing.T) {
	s := newSafe(t)
	x := s.protected(t)
	for i := range 5 {
		commit(t, x, &Delivery{File: newFile(t, fmt.Sprint("a", i), epoch)})
	}
	own := s.own(t, x)
	x.Close()
	if err := Unprotect(t.Context(), s.dir, s.key, s.key, own, x.log); err != nil {
		t.Fatal(err)
	}
	if err := Protect(t.Context(), s.dir, s.key, s.key, s.sealer); err != nil {
		t.Fatal(err)
	}
	x = s.open(t)
	for i := range 3 {
		commit(t, x, &Delivery{File: newFile(t, fmt.Sprint("b", i), epoch)})
	}
	if n := s.unlock(t, x); n != 3 {
		t.Errorf("%d deliveries were merged, want 3", n)
	}
	if n := count(t, x, `SELECT count(*) FROM files`); n != 8 {
		t.Errorf("the index has %d files, want 8", n)
	}
	sound(t, x)
}

// TestMergedAfterFull: a delivery fails while the index is full; the next one is merged once, and what came before it as well.
func TestMergedAfterFull(t *testing.T) {
	s := newSafe(t)
	x := s.protected(t)
	s.unlock(t, x)
	commit(t, x, &Delivery{File: newFile(t, "before", epoch)})
	mustExec(t, x.d.w, `PRAGMA max_page_count = 1`)
	if err := x.Commit(t.Context(), &Delivery{File: newFile(t, "full", epoch), Copy: make([]byte, MaxCopy)}); !errors.Is(err, ErrFull) {
		t.Fatalf("there was room: %v", err)
	}
	mustExec(t, x.d.w, `PRAGMA max_page_count = 1000000`)
	commit(t, x, &Delivery{File: newFile(t, "after", epoch)})
	x.Close()
	x = s.open(t)
	s.unlock(t, x)
	if n := count(t, x, `SELECT count(*) FROM files`); n != 2 {
		t.Errorf("the index has %d files, want 2", n)
	}
	sound(t, x)
}

// TestMergedAfterOneFails: one of a group fails after its record was written; the next record, written while it is locked, is merged.
func TestMergedAfterOneFails(t *testing.T) {
	s := newSafe(t)
	x := s.protected(t)
	s.unlock(t, x)
	waiting := func() int {
		x.mu.Lock()
		defer x.mu.Unlock()
		return len(x.pending)
	}
	fault := errors.New("a fault after the record")
	var group sync.WaitGroup
	x.alone(func() error {
		for i, want := range []error{nil, fault} {
			group.Go(func() {
				err := x.join(t.Context(), func(ctx context.Context, c *chain) error {
					return errors.Join(x.enter(ctx, c, "note", "", "", "", nil), want)
				})
				if !errors.Is(err, want) {
					t.Error(err)
				}
			})
			for waiting() <= i {
				runtime.Gosched()
			}
		}
		return nil
	})
	group.Wait()
	if err := x.Lock(); err != nil {
		t.Fatal(err)
	}
	f := newFile(t, "locked", epoch)
	commit(t, x, &Delivery{File: f})
	if n := s.unlock(t, x); n != 1 {
		t.Errorf("%d deliveries were merged, want 1", n)
	}
	find(t, x, f.ID)
	sound(t, x)
}

// TestOlderCopyPutBack: one of the two databases is put back to an older copy, or to none of its own past. What waits is not merged, and
// stays where it is.
func TestOlderCopyPutBack(t *testing.T) {
	for what, c := range map[string]struct {
		name         string
		between, now int // deliveries since the copy, and after it was put back
	}{
		"log, nothing waits":       {logName, 5, 0},
		"log, less waits":          {logName, 5, 3},
		"log, as much waits":       {logName, 5, 5},
		"log, more waits":          {logName, 5, 8},
		"index":                    {indexName, 5, 0},
		"index, and more has come": {indexName, 5, 1},
	} {
		t.Run(what, func(t *testing.T) {
			s := newSafe(t)
			x := s.protected(t)
			path := filepath.Join(s.dir, c.name)
			commit(t, x, &Delivery{File: newFile(t, "first", epoch)})
			s.unlock(t, x)
			x.Close()
			old := readAll(t, path)
			x = s.open(t)
			for i := range c.between {
				commit(t, x, &Delivery{File: newFile(t, fmt.Sprint("between", i), epoch)})
			}
			s.unlock(t, x)
			x.Close()
			write(t, path, old)
			x = s.open(t)
			for i := range c.now {
				commit(t, x, &Delivery{File: newFile(t, fmt.Sprint("now", i), epoch)})
			}
			for range 2 {
				if n, err := x.Unlock(t.Context(), new(s.own(t, x))); !errors.Is(err, ErrApart) || n != 0 || !x.Locked() {
					t.Errorf("%d deliveries were merged, %v", n, err)
				}
				if w, err := x.Waiting(t.Context()); err != nil || w.Deliveries != c.now {
					t.Errorf("%d deliveries wait, want %d, %v", w.Deliveries, c.now, err)
				}
			}
			commit(t, x, &Delivery{File: newFile(t, "afterwards", epoch)})
		})
	}
}

// TestIndexFailsBehindLog: the log commits and the index behind it cannot. What was a change of the index itself is told to have failed,
// since the ledger will say that it was not done; a delivery or a note of the same group was taken.
func TestIndexFailsBehindLog(t *testing.T) {
	s := newSafe(t)
	x := s.protected(t)
	s.unlock(t, x)
	held := newFile(t, "held", epoch)
	held.Verdict = Held
	commit(t, x, &Delivery{File: held})
	out := put(t, x, "out.txt", []byte("content"), "bank")
	laid := laid(t, x, "later.txt", []byte("content"))
	send := sends(t, x, "bank")[0]
	send.State = SendSent
	later := newFile(t, "later", epoch)
	for what, c := range map[string]struct {
		do   func() error
		want error
	}{
		"decide": {func() error {
			return second(x.Decide(t.Context(), held.ID, Ruling{Verdict: Rejected, Why: "no", Who: "u1"}))
		}, ErrUnsure},
		"rename":        {func() error { return x.Rename(t.Context(), held.ID, "other.xml", "u1") }, ErrUnsure},
		"add outbox":    {func() error { return x.AddOutbox(t.Context(), laid, beside(laid.Name), nil) }, ErrUnsure},
		"remove outbox": {func() error { return x.RemoveOutbox(t.Context(), out.ID, "u1") }, ErrUnsure},
		"sent":          {func() error { return x.NoteSend(t.Context(), &send) }, ErrUnsure},
		"note":          {func() error { return second(x.Note(t.Context(), "login", "", "u1", "")) }, nil},
		"delivery":      {func() error { return x.Commit(t.Context(), &Delivery{File: later}) }, nil},
	} {
		t.Run(what, func(t *testing.T) {
			s.unlock(t, x)
			err := x.d.w.Raw(func(conn any) error { // which goes with the lock
				conn.(*sqlite3.SQLiteConn).RegisterCommitHook(func() int { return 1 })
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := c.do(); !errors.Is(err, c.want) || !x.Locked() {
				t.Errorf("it was told %v, want %v; locked is %v", err, c.want, x.Locked())
			}
		})
	}
	s.unlock(t, x)
	if f := find(t, x, held.ID); f.Verdict != Held || f.Name != held.Name {
		t.Errorf("it is %s, and called %s", f.Verdict, f.Name)
	}
	if list, err := x.Outbox(t.Context()); err != nil || len(list) != 1 || list[0].ID != out.ID {
		t.Errorf("the outbox: %+v, %v", list, err)
	}
	find(t, x, later.ID)
	sound(t, x)
}

// TestMergedUpToDamage: a record is damaged. What came before it is merged, nothing is removed, and without what waits the index can be
// taken out of its protection; the log is kept.
func TestMergedUpToDamage(t *testing.T) {
	s := newSafe(t)
	x := s.protected(t)
	var files []*File
	for i := range 6 {
		f := newFile(t, fmt.Sprint(i), epoch)
		files = append(files, f)
		commit(t, x, &Delivery{File: f})
	}
	mustExec(t, x.sealedLog.d.w, `UPDATE records SET data = zeroblob(length(data)) WHERE n = 4`)
	for i, want := range []int{3, 0} {
		n, err := x.Unlock(t.Context(), new(s.own(t, x)))
		if !errors.Is(err, ErrDamaged) || n != want || !x.Locked() || !strings.Contains(err.Error(), "row 4 of the ledger") {
			t.Errorf("try %d: %d deliveries were merged, want %d, %v", i, n, want, err)
		}
	}
	if w, err := x.Waiting(t.Context()); err != nil || w.Deliveries != 6 {
		t.Errorf("the log has %d deliveries, want 6, %v", w.Deliveries, err)
	}
	own := s.own(t, x)
	x.Close()
	if err := Unprotect(t.Context(), s.dir, s.key, s.key, own, x.log); !errors.Is(err, ErrDamaged) || !Protected(s.dir) {
		t.Fatalf("unprotected without saying so: %v", err)
	}
	if err := UnprotectWithoutLog(t.Context(), s.dir, s.key, newKey(t), x.log); !errors.Is(err, ErrKey) || !Protected(s.dir) {
		t.Fatalf("a wrong key: %v", err)
	}
	log, key := readAll(t, filepath.Join(s.dir, logName)), readAll(t, filepath.Join(s.dir, keyName))
	if err := UnprotectWithoutLog(t.Context(), s.dir, s.key, own, x.log); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(readAll(t, filepath.Join(s.dir, logLeft)), log) || !bytes.Equal(readAll(t, filepath.Join(s.dir, keyLeft)), key) {
		t.Error("what was left out is not kept as it was")
	}
	x = openIndex(t, filepath.Join(s.dir, indexName), s.key)
	for i, f := range files {
		if list, err := x.Find(t.Context(), f.ID); err != nil || (len(list) == 1) != (i < 3) {
			t.Errorf("file %d: %v, %v", i, list, err)
		}
	}
	for e, err := range x.Ledger(t.Context(), 4) {
		if err != nil || e.Kind != "left-out" || e.Detail != "what waited in log.db" {
			t.Errorf("the ledger goes on with %+v, %v", e, err)
		}
	}
	sound(t, x)
	x.Close()

	// It is protected again, and goes on; what was left out stays.
	if err := Protect(t.Context(), s.dir, s.key, s.key, s.sealer); err != nil {
		t.Fatal(err)
	}
	x = s.open(t)
	commit(t, x, &Delivery{File: newFile(t, "again", epoch)})
	if n := s.unlock(t, x); n != 1 {
		t.Errorf("%d deliveries were merged, want 1", n)
	}
	sound(t, x)
	own = s.own(t, x)
	x.Close()
	if err := UnprotectWithoutLog(t.Context(), s.dir, s.key, own, x.log); err == nil || !strings.Contains(err.Error(), logLeft) || !Protected(s.dir) {
		t.Errorf("what was left out before is overwritten: %v", err)
	}
	if err := Unprotect(t.Context(), s.dir, s.key, s.key, own, x.log); err != nil || there(s.dir, logName) || !there(s.dir, logLeft) {
		t.Errorf("unprotected: %v", err)
	}
}

// TestUnprotectWithoutLogGone: no log is there at all.
func TestUnprotectWithoutLogGone(t *testing.T) {
	s := newSafe(t)
	x := s.protected(t)
	f := newFile(t, "a", epoch)
	commit(t, x, &Delivery{File: f})
	s.unlock(t, x)
	own := s.own(t, x)
	x.Close()
	if err := os.Remove(filepath.Join(s.dir, logName)); err != nil {
		t.Fatal(err)
	}
	if err := UnprotectWithoutLog(t.Context(), s.dir, s.key, own, x.log); err != nil || there(s.dir, keyLeft) {
		t.Fatal(err)
	}
	x = openIndex(t, filepath.Join(s.dir, indexName), s.key)
	find(t, x, f.ID)
	sound(t, x)
}

// TestUnprotectedCopyIsWhole: a copy whose own log could not be emptied into it, the disk being full, say, does not come into the index's place.
func TestUnprotectedCopyIsWhole(t *testing.T) {
	s := newSafe(t)
	x := s.protected(t)
	own, path := s.own(t, x), filepath.Join(s.dir, unprotecting)
	x.Close()
	d, err := openDatabase(t.Context(), filepath.Join(s.dir, indexName), own, "account")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(d.copyUnder(t.Context(), path, &s.key), d.close()); err != nil {
		t.Fatal(err)
	}
	reader, err := openDatabase(t.Context(), path, s.key, "") // for as long as somebody reads, nobody empties it at the end
	if err != nil {
		t.Fatal(err)
	}
	defer reader.close()
	if err := reader.readable(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := leaveOut(t.Context(), path, s.key, x.log); err == nil || !strings.Contains(err.Error(), path+"-wal is still there") {
		t.Errorf("it is taken for whole: %v", err)
	}
}

// TestUnprotectWithoutLogDies: whoever dies at the one moment that counts has the log kept by the next start.
func TestUnprotectWithoutLogDies(t *testing.T) {
	s := newSafe(t)
	x := s.protected(t)
	commit(t, x, &Delivery{File: newFile(t, "a", epoch)})
	own := s.own(t, x)
	x.Close()
	log := readAll(t, filepath.Join(s.dir, logName))
	d, err := openDatabase(t.Context(), filepath.Join(s.dir, indexName), own, "account")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(d.copyUnder(t.Context(), filepath.Join(s.dir, unprotecting), &s.key), d.close()); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(s.dir, keyName), filepath.Join(s.dir, keyLeft)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := Settle(s.dir); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(readAll(t, filepath.Join(s.dir, logLeft)), log) {
			t.Error("the log is not kept")
		}
	}
	openIndex(t, filepath.Join(s.dir, indexName), s.key)
}
