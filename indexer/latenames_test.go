package indexer

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	mrand "math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/mattn/go-sqlite3"
)

// eventually asks until the answer is want.
func eventually(t *testing.T, x *Index, what, query string, want int) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	end := time.After(time.Minute)
	for count(t, x, query) != want {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("never happened: %s", what)
		}
	}
}

// TestRenewNamesOfProtected: names of a protected account's file of more than one segment are made anew, and found.
func TestRenewNamesOfProtected(t *testing.T) {
	s := newSafe(t)
	x := s.protected(t)
	names := payees(3000)
	files := []kept{keep(t, x, mrand.New(mrand.NewPCG(51, 52)), epoch, 40_000, 1, names, Accepted)}
	s.unlock(t, x)
	if _, err := x.RenewNames(t.Context()); err != nil {
		t.Fatal(err)
	}
	askNames(t, x, "made anew", files, names)
	if n := count(t, x, `SELECT count(*) FROM segments`); n != 2 {
		t.Errorf("it has %d segments, want 2", n)
	}
	var pieces int
	if err := x.sealedLog.d.r.QueryRowContext(t.Context(), `SELECT count(*) FROM pieces`).Scan(&pieces); err != nil || pieces != 0 {
		t.Errorf("the log has %d pieces, %v", pieces, err)
	}
	sound(t, x)
}

// askNames asks for parts of names.
func askNames(t *testing.T, x *Index, when string, files []kept, names [][]byte) {
	t.Helper()
	for _, name := range []string{"svensson akeri", "SVENSSON", string(names[7]), string(names[len(names)-1]), "nobody of this name"} {
		if got, want := payments(t, x, PaymentFilter{Name: name}), scan(files, PaymentFilter{Name: name}); len(got) != len(want) {
			t.Errorf("%s: %q has %d payments, want %d", when, name, len(got), len(want))
		}
	}
}

// TestNamesOfMerged: files of many payments come while the account is locked, and while it is open. With no word of an operator each
// gets its segments and its names, and a part of a name is found as among all payments.
func TestNamesOfMerged(t *testing.T) {
	s, r := newSafe(t), mrand.New(mrand.NewPCG(53, 54))
	x := s.protected(t)
	names := payees(3000)
	var files []kept
	bring := func(n, gap int64, v Verdict) {
		files = append(files, keep(t, x, r, epoch.Add(time.Duration(len(files))*time.Minute), n, gap, names, v))
	}
	bring(40_000, 1, Accepted) // two segments
	bring(2_500, 1, Held)
	bring(3, 1, Accepted)
	bring(2*segmentBlocks+7, 2, Accepted) // blocks of one payment
	s.unlock(t, x)
	askNames(t, x, "merged", files, names)
	eventually(t, x, "the merged files' names are there", `SELECT count(*) FROM uploads`, 0)
	bring(35_000, 1, Accepted)
	askNames(t, x, "open", files, names)
	eventually(t, x, "so are those of one that came while it was open", `SELECT count(DISTINCT file) FROM segments`, 4)
	askNames(t, x, "all listed", files, names)
	for _, f := range files {
		want := 1
		if len(f.payments) == 3 {
			want = 0
		}
		if n := count(t, x, `SELECT count(DISTINCT file) FROM segments WHERE file = ?`, f.file.ID); n != want {
			t.Errorf("the file of %d payments: has it segments? %d, want %d", len(f.payments), n, want)
		}
	}
	if !huntsFor(t, x, "svensson akeri") {
		t.Error("questions do not go by names")
	}
	sound(t, x)
}

// waitsUnnamed is a locked account in whose log two files of many payments wait, one of them of two segments.
func waitsUnnamed(t *testing.T) (s *safe, x *Index, files []kept, names [][]byte) {
	t.Helper()
	s, names = newSafe(t), payees(3000)
	x = s.protected(t)
	r := mrand.New(mrand.NewPCG(55, 56))
	files = append(files, keep(t, x, r, epoch, 40_000, 1, names[:2000], Accepted), keep(t, x, r, epoch.Add(time.Minute), 2_500, 1, names, Held))
	return s, x, files, names
}

// unlockUnnamed unlocks it, and keeps anybody from making names until release.
func unlockUnnamed(t *testing.T, s *safe, x *Index) (release func()) {
	t.Helper()
	release, err := x.keepUp(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.unlock(t, x)
	return release
}

// onCommit calls f before each commit into the index from now on.
func onCommit(t *testing.T, x *Index, f func()) {
	t.Helper()
	err := x.alone(func() error {
		return x.d.w.Raw(func(conn any) error {
			conn.(*sqlite3.SQLiteConn).RegisterCommitHook(func() int { f(); return 0 })
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
}

const sqlUnnamed = `SELECT count(*) FROM uploads`

// TestNamesKilledAtEveryStep looks at what is on the disk before each transaction by which names are made. Opened as after a kill, every
// payment is found at once; and in the end each name is listed once, as if nothing had happened.
func TestNamesKilledAtEveryStep(t *testing.T) {
	s, x, files, names := waitsUnnamed(t)
	release := unlockUnnamed(t, s, x)
	var steps []string
	onCommit(t, x, func() {
		steps = append(steps, t.TempDir())
		if err := os.CopyFS(steps[len(steps)-1], os.DirFS(s.dir)); err != nil {
			t.Error(err)
		}
	})
	release()
	eventually(t, x, "all names are there", sqlUnnamed, 0)
	stored, segments := namesStored(t, x), count(t, x, `SELECT count(*) FROM segments`)
	if err := x.Lock(); err != nil {
		t.Fatal(err)
	}
	if len(steps) < 3 {
		t.Errorf("there were %d steps only", len(steps))
	}
	begun := 0
	for i, dir := range steps {
		died := *s
		died.dir = dir
		x := died.open(t)
		release := unlockUnnamed(t, &died, x)
		when := fmt.Sprint("killed at ", i)
		if n := count(t, x, `SELECT count(*) FROM segments WHERE file LIKE '~%'`); n != 0 {
			t.Errorf("%s: %d segments are left of what was begun", when, n)
		}
		if count(t, x, sqlUnnamed) > 0 {
			begun++
		}
		askNames(t, x, when, files, names)
		release()
		eventually(t, x, when+": all names are there", sqlUnnamed, 0)
		askNames(t, x, when+", and named", files, names)
		if n, m := namesStored(t, x), count(t, x, `SELECT count(*) FROM segments`); n != stored || m != segments {
			t.Errorf("%s: %d names in %d segments, want %d in %d", when, n, m, stored, segments)
		}
		sound(t, x)
		x.Close()
	}
	if begun < 3 {
		t.Errorf("it was killed %d times with names to be made", begun)
	}
}

// TestNamesEndWithLock: a lock does not wait for all of a file's names, and leaves nothing half; the next unlocking makes them.
func TestNamesEndWithLock(t *testing.T) {
	s, x, files, names := waitsUnnamed(t)
	release := unlockUnnamed(t, s, x)
	began, stopped, stop := make(chan struct{}), make(chan struct{}), x.stopNaming
	x.stopNaming = sync.OnceFunc(func() { stop(); close(stopped) })
	soon := func(what string, c <-chan struct{}) {
		select {
		case <-c:
		case <-time.After(time.Minute):
			t.Error("never: " + what)
		}
	}
	begin := sync.OnceFunc(func() { close(began); soon("the lock ends it", stopped) })
	onCommit(t, x, begin)
	release()
	soon("it began", began)
	if err := x.Lock(); err != nil {
		t.Fatal(err)
	}
	release = unlockUnnamed(t, s, x)
	if n := count(t, x, sqlUnnamed); n != 2 {
		t.Errorf("%d files are marked, want both", n)
	}
	askNames(t, x, "not named", files, names)
	release()
	eventually(t, x, "all names are there", sqlUnnamed, 0)
	askNames(t, x, "unlocked again", files, names)
	sound(t, x)
}

// TestNamesRefusedMeanwhile: a held file is refused, another released, before their names are made.
func TestNamesRefusedMeanwhile(t *testing.T) {
	s, x, files, names := waitsUnnamed(t)
	released := keep(t, x, mrand.New(mrand.NewPCG(57, 58)), epoch.Add(time.Hour), 1_500, 1, names, Held)
	release := unlockUnnamed(t, s, x)
	for _, r := range []struct {
		file *File
		v    Verdict
	}{{files[1].file, Rejected}, {released.file, Accepted}} {
		if _, err := x.Decide(t.Context(), r.file.ID, Ruling{Verdict: r.v, Fate: Sealed, Why: "w", Who: "u1"}); err != nil {
			t.Fatal(err)
		}
	}
	files[1] = released
	askNames(t, x, "decided", files, names)
	release()
	eventually(t, x, "all names are there", sqlUnnamed, 0)
	askNames(t, x, "named", files, names)
	if n := count(t, x, `SELECT count(*) FROM names WHERE file <> ''`); n != 0 {
		t.Errorf("%d chunks of an accepted file may still go", n)
	}
	sound(t, x)
}

// TestNamesUnderQuestion: a question that has begun before a file had its names goes on as by its blocks, and nobody is told of damage.
func TestNamesUnderQuestion(t *testing.T) {
	s, x, files, names := waitsUnnamed(t)
	var log bytes.Buffer
	x.log = slog.New(slog.NewTextHandler(&log, nil))
	release := unlockUnnamed(t, s, x)
	want, got := scan(files, PaymentFilter{Name: string(names[7])}), 0
	for _, err := range x.FindPayments(t.Context(), PaymentFilter{Name: string(names[7])}) {
		if err != nil {
			t.Fatal(err)
		}
		if got++; got == 1 {
			release()
			eventually(t, x, "all names are there", sqlUnnamed, 0)
		}
	}
	x.endNaming()
	if got != len(want) || bytes.Contains(log.Bytes(), []byte("WARN")) {
		t.Errorf("%d payments were found, want %d; %s", got, len(want), log.Bytes())
	}
	if !bytes.Contains(log.Bytes(), []byte("names of merged payments are listed")) {
		t.Errorf("the log does not tell: %s", log.Bytes())
	}
}

// TestUnprotectedWithNames: an account that is no longer protected has the names that it still owed, whichever way it went, and what was
// begun of them is gone.
func TestUnprotectedWithNames(t *testing.T) {
	for what, unprotect := range map[string]func(ctx context.Context, s *safe, own Key) error{
		"with what waits": func(ctx context.Context, s *safe, own Key) error {
			return Unprotect(ctx, s.dir, s.key, s.key, own, slog.New(slog.DiscardHandler))
		},
		"without": func(ctx context.Context, s *safe, own Key) error {
			return UnprotectWithoutLog(ctx, s.dir, s.key, own, slog.New(slog.DiscardHandler))
		},
	} {
		t.Run(what, func(t *testing.T) {
			s, x, files, names := waitsUnnamed(t)
			release := unlockUnnamed(t, s, x)
			died := *s
			died.dir = filepath.Join(t.TempDir(), "died")
			commits := 0
			onCommit(t, x, func() {
				if commits++; commits == 2 { // the first segment is there
					if err := os.CopyFS(died.dir, os.DirFS(s.dir)); err != nil {
						t.Error(err)
					}
				}
			})
			own := s.own(t, x)
			release()
			eventually(t, x, "all names are there", sqlUnnamed, 0)
			x.Close()
			if err := unprotect(t.Context(), &died, own); err != nil {
				t.Fatal(err)
			}
			x = openIndex(t, filepath.Join(died.dir, indexName), s.key)
			if n := count(t, x, sqlUnnamed); n != 0 {
				t.Errorf("%d rows are left over", n)
			}
			if n := count(t, x, `SELECT count(DISTINCT file) FROM segments`); n != 2 {
				t.Errorf("%d files have segments, want 2", n)
			}
			askNames(t, x, "unprotected", files, names)
			sound(t, x)
		})
	}
}

// TestNamesWhenListIsDamaged: files keep their marks as long as no names can be written, and have their names once the list was made anew.
func TestNamesWhenListIsDamaged(t *testing.T) {
	s, x, files, names := waitsUnnamed(t)
	release := unlockUnnamed(t, s, x)
	x.nameless.Store(true)
	release()
	if n, err := x.nameUnnamed(t.Context()); n != 0 || err != nil {
		t.Errorf("%d files have got names, %v", n, err)
	}
	askNames(t, x, "damaged", files, names)
	if n := count(t, x, sqlUnnamed); n != 2 {
		t.Errorf("%d files are marked, want 2", n)
	}
	if n, err := x.RenewNames(t.Context()); n != 2 || err != nil {
		t.Errorf("the names of %d files were made, %v", n, err)
	}
	if n := count(t, x, sqlUnnamed); n != 0 {
		t.Errorf("%d rows are left over", n)
	}
	askNames(t, x, "made anew", files, names)
	sound(t, x)
}
