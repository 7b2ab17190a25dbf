package indexer

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/oklog/ulid/v2"

	"github.com/sealgate/sealgate/indexer/formats"
)

var epoch = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func newIndex(t testing.TB) *Index {
	t.Helper()
	return openIndex(t, filepath.Join(t.TempDir(), "index.db"), newKey(t))
}

func openIndex(t testing.TB, path string, key Key) *Index {
	t.Helper()
	x, err := Open(t.Context(), path, key, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close() })
	return x
}

func newID(at time.Time) string { return ulid.MustNew(ulid.Timestamp(at), rand.Reader).String() }

func amount(t testing.TB, s string) formats.Amount {
	t.Helper()
	a, err := formats.ParseAmount([]byte(s))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// newFile is an accepted file of one payment; its content (and business key) is what is said to be in it.
func newFile(t testing.TB, content string, at time.Time) *File {
	t.Helper()
	sum := sha256.Sum256([]byte(content))
	return &File{
		ID: newID(at), Account: "acme", Name: content + ".xml", Door: "sftp", User: "u5F2K", ReceivedAt: at, Size: 4096,
		SHA256: hex.EncodeToString(sum[:]),
		Facts: formats.Facts{
			Format: "pain.001", Version: "pain.001.001.09", MessageID: "MSG-" + content, CreatedAt: "2026-11-20T11:59:00",
			Initiator: "Acme AB", Payers: []formats.Party{{Name: "Acme AB", Account: "SE4550000000058398257466"}}, Payments: 1,
			Totals:         []formats.Total{{Currency: "SEK", Amount: amount(t, "1250.50")}},
			FirstExecution: "2026-11-24", LastExecution: "2026-11-24", Declared: "1 payment, 1250.50", Encoding: "utf-8",
			BusinessKey: "key of " + content,
			Findings:    []formats.Finding{{Code: "iban-check-digits", Sentence: "The IBAN is wrong.", Where: "payment 1"}}, FindingsAll: 1,
		},
		Verdict: Accepted, Fate: Sealed, Certificate: "sha256:ab", Sentence: "accepted", Witness: []byte("0123456789abcdef0123456789abcdef"),
	}
}

func commit(t testing.TB, x *Index, d *Delivery) {
	t.Helper()
	if err := x.Commit(t.Context(), d); err != nil {
		t.Fatal(err)
	}
}

func find(t testing.TB, x *Index, ending string) *File {
	t.Helper()
	files, err := x.Find(t.Context(), ending)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 1 {
		t.Fatalf("%d files end in %s", len(files), ending)
	}
	return files[0]
}

// sound fails the test when Verify finds anything.
func sound(t testing.TB, x *Index) {
	t.Helper()
	if p := problems(t, x); len(p) > 0 {
		t.Errorf("verify: %s", strings.Join(p, "\n"))
	}
}

func problems(t testing.TB, x *Index) (p []string) {
	t.Helper()
	if err := x.Verify(t.Context(), func(what, problem string) { p = append(p, what+": "+problem) }); err != nil {
		t.Fatal(err)
	}
	return p
}

func count(t testing.TB, x *Index, query string, args ...any) (n int) {
	t.Helper()
	if err := x.d.r.QueryRowContext(t.Context(), query, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestCommitRoundTrip(t *testing.T) {
	path, key := filepath.Join(t.TempDir(), "index.db"), newKey(t)
	x := openIndex(t, path, key)
	want := newFile(t, "one", epoch)
	want.Reasons = []Reason{{"duplicate-content", "the same as another"}}
	d := &Delivery{File: want, Copy: []byte("sealed bytes"), Payments: x.NewPayments(want.ID)}
	if err := d.Payments.Add(&formats.Payment{Index: 1, Amount: amount(t, "1250.50"), Currency: []byte("SEK"), EndToEndID: []byte("E1")}); err != nil {
		t.Fatal(err)
	}
	commit(t, x, d)
	if want.Ledger.Seq != 1 || len(want.Ledger.Hash) != 64 || want.CopySize != 12 {
		t.Errorf("after commit: ledger %+v, copy of %d bytes", want.Ledger, want.CopySize)
	}
	sound(t, x)
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	x = openIndex(t, path, key)
	want.Facts.BusinessKey = ""
	opt := cmp.Comparer(func(a, b formats.Amount) bool { return a.String() == b.String() })
	if diff := cmp.Diff(want, find(t, x, want.ID[20:]), opt); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
	if b, err := x.CopyOf(t.Context(), want.ID); err != nil || string(b) != "sealed bytes" {
		t.Errorf("copy %q, %v", b, err)
	}
	if _, err := x.CopyOf(t.Context(), newID(epoch)); !errors.Is(err, ErrNotFound) {
		t.Errorf("copy of no file: %v", err)
	}
	if err := x.Commit(t.Context(), &Delivery{File: want}); !errors.Is(err, ErrExists) {
		t.Errorf("the same id again: %v", err)
	}
	sound(t, x)
	if n := count(t, x, `SELECT count(*) FROM files WHERE hex(business) LIKE ? OR facts LIKE '%key of%'`, hex.EncodeToString([]byte("key"))+"%"); n != 0 {
		t.Error("the business key itself is kept")
	}
}

func TestFileJSON(t *testing.T) {
	f := newFile(t, "one", epoch)
	f.Reasons = []Reason{{"unrecognised", "no known format"}}
	f.DuplicateOf = "01J"
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"id":"` + f.ID + `","account":"acme","name":"one.xml","door":"sftp","received_at":"2026-11-20T12:00:00.000Z","size":4096,` +
		`"sha256":"` + f.SHA256 + `","format":"pain.001","message_id":"MSG-one","created_at":"2026-11-20T11:59:00","payments":1,` +
		`"totals":{"SEK":"1250.50"},"first_execution":"2026-11-24","last_execution":"2026-11-24",` +
		`"payers":[{"name":"Acme AB","account":"SE4550000000058398257466"}],"verdict":"accepted",` +
		`"reasons":[{"code":"unrecognised","detail":"no known format"}],"findings":1,"fate":"sealed","certificate":"sha256:ab","duplicate_of":"01J"}`
	if string(b) != want {
		t.Errorf("got\n%s\nwant\n%s", b, want)
	}
	b, _ = json.Marshal(&File{ID: "A", Account: "acme", Name: "n", Door: "sftp", ReceivedAt: epoch, Verdict: Rejected})
	if want := `{"id":"A","account":"acme","name":"n","door":"sftp","received_at":"2026-11-20T12:00:00.000Z","size":0,"payments":0,"verdict":"rejected","findings":0}`; string(b) != want {
		t.Errorf("got\n%s\nwant\n%s", b, want)
	}
}

// TestCommitDuplicates: who is found to be earlier, inside and outside of the window, and of which verdicts.
func TestCommitDuplicates(t *testing.T) {
	x := newIndex(t)
	deliver := func(content string, at time.Time, window time.Duration, verdict Verdict) (*File, Earlier) {
		t.Helper()
		f, got := newFile(t, content, at), Earlier{"not", "called"}
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
	if e != (Earlier{held.ID, held.ID}) {
		t.Errorf("after a held one: %+v", e)
	}
	if _, e = deliver("a", epoch.Add(90*time.Minute).Add(window), window, Rejected); e != (Earlier{accepted.ID, accepted.ID}) {
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
	if got != (Earlier{"", held.ID}) {
		t.Errorf("same business: %+v", got)
	}
	sound(t, x)
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
	for _, table := range []string{"blocks", "block_data", "copies", "uploads"} {
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
		got, err := x.Decide(t.Context(), f.ID, c.verdict, c.fate, "because", "uid 1000")
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
		if _, err := x.Decide(t.Context(), f.ID, Rejected, NoFate, "again", "uid 1000"); !errors.Is(err, ErrState) {
			t.Errorf("%+v: decided twice: %v", c, err)
		}
		sound(t, x)
	}
	if _, err := x.Decide(t.Context(), newID(epoch), Rejected, NoFate, "", ""); !errors.Is(err, ErrNotFound) {
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

func TestFind(t *testing.T) {
	x := newIndex(t)
	ids := []string{"01J00000000000000000ABCDEF", "01J00000000000000000XBCDEF", "01J0000000000000000000ZZZ1"}
	for i, id := range ids {
		f := newFile(t, id, epoch.Add(time.Duration(i)*time.Minute))
		f.ID = id
		commit(t, x, &Delivery{File: f})
	}
	for _, c := range []struct {
		ending string
		want   []string
		err    error
	}{
		{"CDEF", []string{ids[1], ids[0]}, nil}, {"cdef", []string{ids[1], ids[0]}, nil}, {"abcdef", ids[:1], nil},
		{ids[0], ids[:1], nil}, {"zzzl", ids[2:], nil}, {" ZZZ1 ", ids[2:], nil}, {"oozzz1", ids[2:], nil}, {"9999", nil, nil},
		{"DEF", nil, ErrShortEnding}, {"", nil, ErrShortEnding}, {"CD%F", nil, ErrShortEnding}, {"0" + ids[0], nil, ErrShortEnding},
	} {
		files, err := x.Find(t.Context(), c.ending)
		var got []string
		for _, f := range files {
			got = append(got, f.ID)
		}
		if !slices.Equal(got, c.want) || !errors.Is(err, c.err) {
			t.Errorf("%q: %v, %v", c.ending, got, err)
		}
	}
}

func TestFiles(t *testing.T) {
	x := newIndex(t)
	const n = 450 // more than two pages
	for i := range n {
		f := newFile(t, fmt.Sprintf("File%03d", i), epoch.Add(time.Duration(i/3)*time.Minute)) // some at the same moment
		switch i % 5 {
		case 1:
			f.Verdict, f.Reasons = Held, []Reason{{"unrecognised", ""}, {"duplicate-content", ""}}
		case 2:
			f.Verdict, f.Reasons, f.Door = Rejected, []Reason{{"incomplete", ""}}, "remote:acme-ftps"
		case 3:
			f.Facts.Format = "bg-lb"
		}
		commit(t, x, &Delivery{File: f})
	}
	for _, c := range []struct {
		what string
		q    FileFilter
		want int
	}{
		{"all", FileFilter{}, n}, {"limit", FileFilter{Limit: 7}, 7}, {"verdict", FileFilter{Verdict: Rejected}, n / 5},
		{"held", FileFilter{Verdict: Held}, n / 5}, {"reason", FileFilter{Reason: "duplicate-content"}, n / 5},
		{"reason and verdict", FileFilter{Reason: "incomplete", Verdict: Held}, 0}, {"part of a reason", FileFilter{Reason: "duplicate"}, 0},
		{"format", FileFilter{Format: "bg-lb"}, n / 5}, {"door", FileFilter{Door: "remote:acme-ftps"}, n / 5},
		{"message", FileFilter{MessageID: "MSG-File007"}, 1}, {"part of a name", FileFilter{Name: "file00"}, 10},
		{"pattern", FileFilter{Name: "FILE?11.*"}, 5}, {"bad pattern", FileFilter{Name: "[z-"}, -1},
		{"since", FileFilter{Since: epoch.Add(100 * time.Minute)}, n - 300}, {"until", FileFilter{Until: epoch.Add(100 * time.Minute)}, 300},
		{"both", FileFilter{Since: epoch.Add(time.Minute), Until: epoch.Add(2 * time.Minute)}, 3},
		{"sha256", FileFilter{SHA256: newFile(t, "File123", epoch).SHA256}, 1}, {"its beginning", FileFilter{SHA256: newFile(t, "File123", epoch).SHA256[:9]}, 1},
		{"not hex", FileFilter{SHA256: "xyz"}, -1},
	} {
		got := 0
		var before time.Time
		for f, err := range x.Files(t.Context(), c.q) {
			if err != nil {
				got = -1
				break
			}
			if got > 0 && f.ReceivedAt.After(before) {
				t.Errorf("%s: not the newest first", c.what)
			}
			before = f.ReceivedAt
			got++
		}
		if got != c.want {
			t.Errorf("%s: %d files, want %d", c.what, got, c.want)
		}
	}
	seen := 0
	for c, err := range x.Copies(t.Context()) {
		if err != nil || len(c.Witness) != 32 {
			t.Fatalf("%+v, %v", c, err)
		}
		seen++
	}
	if seen != n*4/5 {
		t.Errorf("%d sealed copies", seen)
	}
}
