package indexer

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// TestCommitDuplicates: who is found to be earlier, inside and outside of the window, and of which verdicts.
func TestCommitDuplicates(t *testing.T) {
	x := newIndex(t)
	deliver := func(content string, at time.Time, window time.Duration, verdict Verdict) (*File, Earlier) {
		t.Helper()
		f, got := newFile(t, content, at), Earlier{Content: "not", Business: "called"}
		f.Verdict = verdict
		commit(t, x, &Delivery{File: f, Window: window, Judge: func(e Earlier) { got = e }})
		return f, got
	}
	const window = 30 * 24 * time.Hour
	rejected, e := deliver("a", epoch, window, Rejected)
	if e != (Earlier{}) {
		t.Errorf("first: %+v", e)
	}
	held, e := deliver("a", epoch.Add(time.Hour), window, Held)
	if e != (Earlier{}) {
		t.Errorf("after a rejected one (%s): %+v", rejected.ID, e)
	}
	accepted, e := deliver("a", epoch.Add(2*time.Hour), window, Accepted)
	if e != (Earlier{Content: held.ID, Business: held.ID}) {
		t.Errorf("after a held one: %+v", e)
	}
	if _, e = deliver("a", epoch.Add(3*time.Hour), window, Rejected); e != (Earlier{Content: held.ID, Business: held.ID}) {
		t.Errorf("the oldest is not named: %+v", e)
	}
	if _, e = deliver("a", epoch.Add(90*time.Minute).Add(window), window, Rejected); e != (Earlier{Content: accepted.ID, Business: accepted.ID}) {
		t.Errorf("the held one is out of the window: %+v", e)
	}
	if _, e = deliver("a", epoch.Add(3*time.Hour).Add(window), window, Rejected); e != (Earlier{}) {
		t.Errorf("both are out of the window: %+v", e)
	}
	if _, e = deliver("a", epoch, 0, Rejected); e != (Earlier{}) {
		t.Errorf("no window: %+v", e)
	}
	// The same business with other bytes, and bytes without a business key.
	f, got := newFile(t, "b", epoch.Add(3*time.Hour)), Earlier{}
	f.Facts.BusinessKey = "key of a"
	commit(t, x, &Delivery{File: f, Window: window, Judge: func(e Earlier) { got = e }})
	if got != (Earlier{Business: held.ID}) {
		t.Errorf("same business: %+v", got)
	}
	sound(t, x)
}

// TestCommitDuplicatesOverClocks: a file that came while the clock stood at 1970, or was ahead, is known when it comes again by the right one;
// one that really is older than the window is not.
func TestCommitDuplicatesOverClocks(t *testing.T) {
	for name, x := range map[string]*Index{"open": newIndex(t), "protected": newSafe(t).protected(t)} {
		t.Run(name, func(t *testing.T) { duplicatesOverClocks(t, x) })
	}
}

func duplicatesOverClocks(t *testing.T, x *Index) {
	const window = 24 * time.Hour
	deliver := func(content string, at time.Time) (f *File, e Earlier) {
		t.Helper()
		f = newFile(t, content, at)
		commit(t, x, &Delivery{File: f, Window: window, Judge: func(found Earlier) { e = found }})
		return f, e
	}
	deliver("long ago", epoch.Add(-2*window))
	deliver("of every day", epoch)
	atBoot, _ := deliver("a", time.Unix(100, 0))
	ahead, _ := deliver("b", epoch.AddDate(1, 0, 0))
	later := epoch.Add(time.Hour)
	if _, e := deliver("a", later); e != (Earlier{Content: atBoot.ID, Business: atBoot.ID}) {
		t.Errorf("of a clock at 1970: %+v", e)
	}
	if _, e := deliver("b", later); e != (Earlier{Content: ahead.ID, Business: ahead.ID}) {
		t.Errorf("of a clock that was ahead: %+v", e)
	}
	if _, e := deliver("long ago", later); e != (Earlier{}) {
		t.Errorf("out of the window: %+v", e)
	}
	deliver("now and then", later)
	if _, e := deliver("now and then", later.Add(2*window)); e != (Earlier{}) {
		t.Errorf("out of the window, behind one of a clock that was ahead: %+v", e)
	}
}

// TestCommitDuplicatesInAQuietAccount: it is known, too, where no other file is in the window that could tell what its place means. A file that was
// committed a moment behind a later one is no sign of a wrong clock.
func TestCommitDuplicatesInAQuietAccount(t *testing.T) {
	const window = 24 * time.Hour
	old, boot, built := epoch.Add(-60*window), time.Unix(100, 0), epoch.AddDate(-1, 0, 0)
	type arrival struct {
		content string
		at      time.Time
	}
	for name, c := range map[string]struct {
		before []arrival
		known  bool
	}{
		"the first of all":            {[]arrival{{"a", boot}}, true},
		"the second":                  {[]arrival{{"b", boot}, {"a", boot.Add(time.Hour)}, {"c", boot.Add(2 * time.Hour)}}, true},
		"behind an old one":           {[]arrival{{"b", old}, {"a", boot}}, true},
		"not so far behind":           {[]arrival{{"b", old}, {"a", built}, {"c", built.Add(time.Hour)}}, true},
		"between an old and a new":    {[]arrival{{"b", old}, {"a", built}, {"c", epoch}}, true},
		"behind one in the window":    {[]arrival{{"b", epoch}, {"a", old}}, true},
		"really old":                  {[]arrival{{"a", old}, {"b", boot}, {"c", epoch}}, false},
		"committed behind a later":    {[]arrival{{"b", old.Add(time.Minute)}, {"a", old}}, false},
		"old, and behind a wrong one": {[]arrival{{"b", built}, {"a", old}, {"c", old}}, false},
	} {
		for kind, x := range map[string]*Index{"open": newIndex(t), "protected": newSafe(t).protected(t)} {
			var first *File
			for _, file := range c.before {
				f := newFile(t, file.content, file.at)
				if commit(t, x, &Delivery{File: f}); file.content == "a" {
					first = f
				}
			}
			want, got := Earlier{}, Earlier{}
			if c.known {
				want = Earlier{Content: first.ID, Business: first.ID}
			}
			commit(t, x, &Delivery{File: newFile(t, "a", epoch.Add(time.Hour)), Window: window, Judge: func(e Earlier) { got = e }})
			if got != want {
				t.Errorf("%s, %s: %+v, want %+v", name, kind, got, want)
			}
		}
	}
}

// TestCommitTogether: fifty commit at the same moment, twenty-five pairs of the same content: exactly one of each is
// the first, all are there after a reopening, and the chain holds.
func TestCommitTogether(t *testing.T) {
	path, key := filepath.Join(t.TempDir(), "index.db"), newKey(t)
	x := openIndex(t, path, key)
	const n, rounds = 50, 4
	var mu sync.Mutex
	first, second := map[string]string{}, map[string]string{}
	for round := range rounds {
		start := make(chan struct{})
		var wg sync.WaitGroup
		for i := range n {
			content := fmt.Sprint("file ", round, "-", i/2)
			f := newFile(t, content, epoch)
			d := &Delivery{File: f, Copy: make([]byte, 4096), Window: time.Hour}
			d.Judge = func(e Earlier) {
				if e.Content != "" {
					f.Verdict, f.DuplicateOf = Held, e.Content
					f.Reasons = []Reason{{"duplicate-content", "seen before"}}
				}
			}
			wg.Go(func() {
				<-start
				if err := x.Commit(t.Context(), d); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				if f.DuplicateOf == "" {
					if first[content] != "" {
						t.Errorf("%s was the first twice", content)
					}
					first[content] = f.ID
				} else {
					second[content] = f.DuplicateOf
				}
			})
		}
		close(start)
		wg.Wait()
	}
	for content, id := range first {
		if second[content] != id {
			t.Errorf("%s: the second one was told of %q, the first is %s", content, second[content], id)
		}
	}
	if len(first) != n*rounds/2 || len(second) != n*rounds/2 {
		t.Errorf("%d firsts, %d seconds", len(first), len(second))
	}
	sound(t, x)
	x.Close()
	x = openIndex(t, path, key)
	sound(t, x)
	if got := count(t, x, `SELECT count(*) FROM files`); got != n*rounds {
		t.Errorf("%d files after reopening", got)
	}
}

// TestCommitOneFails: in a group, one that cannot be committed does not take the others with it.
func TestCommitOneFails(t *testing.T) {
	x := newIndex(t)
	taken := newFile(t, "taken", epoch)
	commit(t, x, &Delivery{File: taken})
	good, again, panics := newFile(t, "good", epoch), newFile(t, "again", epoch), newFile(t, "panics", epoch)
	again.ID = taken.ID
	x.lock <- struct{}{} // so that all of them wait together
	errs := map[*File]error{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, f := range []*File{again, good, panics} {
		d := &Delivery{File: f, Judge: func(Earlier) {
			if f == panics {
				panic("judge")
			}
		}}
		wg.Go(func() {
			err := x.Commit(t.Context(), d)
			mu.Lock()
			errs[f] = err
			mu.Unlock()
		})
	}
	for waiting := 0; waiting < 3; {
		x.mu.Lock()
		waiting = len(x.pending)
		x.mu.Unlock()
	}
	<-x.lock
	wg.Wait()
	if errs[good] != nil || !errors.Is(errs[again], ErrExists) || errs[panics] == nil {
		t.Errorf("good: %v; again: %v; panics: %v", errs[good], errs[again], errs[panics])
	}
	if good.Ledger.Seq != 2 {
		t.Errorf("ledger row %d", good.Ledger.Seq)
	}
	if f := find(t, x, good.ID); f.Name != "good.xml" {
		t.Errorf("found %s", f.Name)
	}
	sound(t, x)
}

func TestCommitRejected(t *testing.T) {
	x := newIndex(t)
	f := newFile(t, "bad", epoch)
	p := x.NewPayments(f.ID)
	addPayments(t, p, 1, 6*blockPayments, nil)
	d := &Delivery{File: f, Copy: []byte("sealed"), Payments: p, Judge: func(Earlier) {
		f.Verdict, f.Reasons = Rejected, []Reason{{"incomplete", "the closing tag is missing"}}
	}}
	if count(t, x, `SELECT count(*) FROM blocks`) == 0 {
		t.Fatal("no block was written ahead")
	}
	commit(t, x, d)
	for _, table := range []string{"blocks", "block_data", "copies", "uploads", "segments", "segment_pieces", "names", "name_texts", "name_hashes"} {
		if n := count(t, x, "SELECT count(*) FROM "+table); n != 0 {
			t.Errorf("%d rows stay in %s", n, table)
		}
	}
	got := find(t, x, f.ID)
	if got.Fate != NoFate || got.CopySize != 0 || got.Witness != nil || got.Verdict != Rejected {
		t.Errorf("found %+v", got)
	}
	sound(t, x)
}

func TestDecide(t *testing.T) {
	x := newIndex(t)
	newHeld := func(content string) *File {
		f := newFile(t, content, epoch)
		f.Verdict = Held
		f.Facts.Payments = 5 * blockPayments
		f.Facts.Totals[0].Amount = amount(t, fmt.Sprint(5*blockPayments))
		p := x.NewPayments(f.ID)
		addPayments(t, p, 1, 5*blockPayments, nil)
		commit(t, x, &Delivery{File: f, Copy: []byte("sealed"), Payments: p})
		return f
	}
	for _, c := range []struct {
		verdict          Verdict
		fate             Fate
		copies, payments bool
	}{{Accepted, Sealed, true, true}, {Accepted, Deleted, false, true}, {Rejected, Sealed, false, false}} {
		f := newHeld(fmt.Sprint(c))
		got, err := x.Decide(t.Context(), f.ID, Ruling{Verdict: c.verdict, Fate: c.fate, Why: "because", Who: "uid 1000"})
		if err != nil {
			t.Fatal(err)
		}
		if got.Verdict != c.verdict || got.Ledger.Seq <= f.Ledger.Seq {
			t.Errorf("%+v: %s, ledger row %d", c, got.Verdict, got.Ledger.Seq)
		}
		if _, err := x.CopyOf(t.Context(), f.ID); (err == nil) != c.copies {
			t.Errorf("%+v: copy: %v", c, err)
		}
		if n := len(payments(t, x, PaymentFilter{FileID: f.ID})); (n > 0) != c.payments {
			t.Errorf("%+v: %d payments", c, n)
		}
		if _, err := x.Decide(t.Context(), f.ID, Ruling{Verdict: Rejected, Why: "again", Who: "uid 1000"}); !errors.Is(err, ErrState) {
			t.Errorf("%+v: decided twice: %v", c, err)
		}
		sound(t, x)
	}
	if _, err := x.Decide(t.Context(), newID(epoch), Ruling{Verdict: Rejected}); !errors.Is(err, ErrNotFound) {
		t.Errorf("no file: %v", err)
	}
	var kinds []string
	for e, err := range x.Ledger(t.Context(), 1) {
		if err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, e.Kind)
	}
	if want := []string{"held", "released", "held", "released", "held", "refused"}; !slices.Equal(kinds, want) {
		t.Errorf("ledger %v", kinds)
	}
}

func TestRenameAndNote(t *testing.T) {
	x := newIndex(t)
	f := newFile(t, "one", epoch)
	commit(t, x, &Delivery{File: f})
	if err := x.Rename(t.Context(), f.ID, "two.xml", "u5F2K"); err != nil {
		t.Fatal(err)
	}
	if err := x.Rename(t.Context(), newID(epoch), "x", "y"); !errors.Is(err, ErrNotFound) {
		t.Errorf("no file: %v", err)
	}
	row, err := x.Note(t.Context(), "verify ok", "", "uid 0", "")
	if err != nil || row.Seq != 3 {
		t.Errorf("note: %+v, %v", row, err)
	}
	if head, err := x.Head(t.Context()); err != nil || head != row {
		t.Errorf("head %+v, want %+v, %v", head, row, err)
	}
	if got := find(t, x, f.ID); got.Name != "two.xml" || got.Ledger.Seq != 2 {
		t.Errorf("found %s, ledger row %d", got.Name, got.Ledger.Seq)
	}
	sound(t, x)
}
