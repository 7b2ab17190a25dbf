package indexer

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	mrand "math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealgate/sealgate/indexer/formats"
)

// stored is how many names the list has.
func namesStored(t *testing.T, x *Index) int {
	t.Helper()
	return count(t, x, `SELECT coalesce(sum(count), 0) FROM names`)
}

// bring commits a file of n payments to the payees that name gives.
func bring(t *testing.T, x *Index, at time.Duration, n int64, v Verdict, name func(i int64) []byte) *File {
	t.Helper()
	f := newFile(t, fmt.Sprint("file at ", at), epoch.Add(at))
	f.Verdict, f.Facts.Payments = v, n
	f.Facts.Totals[0].Amount = formats.AmountFromMinor(100*n, 2)
	p := x.NewPayments(f.ID)
	addPayments(t, p, 1, n, func(q *formats.Payment) { q.PayeeName = name(q.Index) })
	commit(t, x, &Delivery{File: f, Payments: p})
	return f
}

// huntsFor asks whether a question for a name goes by the list.
func huntsFor(t *testing.T, x *Index, name string) bool {
	t.Helper()
	h, err := x.hunt(t.Context(), newQuestion(PaymentFilter{Name: name}))
	if err != nil {
		t.Fatal(err)
	}
	return h != nil
}

// TestLongNamesCost: names of 4 KB make chunks of few, and no segment looks through more than a bounded number of them,
// however many there are.
func TestLongNamesCost(t *testing.T) {
	x := newIndex(t)
	const n = 12_000
	long := bytes.Repeat([]byte("Lång "), 800)
	p, most, before := x.NewPayments(newID(epoch)), 0, 0
	addPayments(t, p, 1, n, func(q *formats.Payment) {
		q.PayeeName = fmt.Appendf(long[:len(long):len(long)], "%d", q.Index)
		if x.known.k != nil {
			most, before = max(most, x.known.k.read-before), x.known.k.read
		}
	})
	chunks := count(t, x, `SELECT count(*) FROM names`)
	if chunks < 600 || most > lookedThrough/chunkCost || most < lookedThrough/chunkCost/2 {
		t.Errorf("a segment looked through %d of %d chunks, want at most %d", most, chunks, lookedThrough/chunkCost)
	}
	if err := p.Discard(); err != nil {
		t.Error(err)
	}
}

// TestNamesReadOnce: each chunk that stays is read into memory once, whatever became of files before; the chunks of held
// files are not walked over when small ones are put together.
func TestNamesReadOnce(t *testing.T) {
	x := newIndex(t)
	name := func(f int) func(i int64) []byte {
		return func(i int64) []byte { return fmt.Appendf(nil, "Payee %d of file %d", i%40, f) }
	}
	const held, accepted = 40, 100
	for i := range held {
		bring(t, x, time.Duration(i)*time.Second, 1500, Held, name(i))
	}
	before := x.known.k.read
	for i := range accepted {
		bring(t, x, time.Duration(held+i)*time.Second, 1500, Accepted, name(1000+i))
	}
	if read, merged := x.known.k.read-before, accepted/mergeAt; read > accepted+merged {
		t.Errorf("%d chunks were read, want at most %d", read, accepted+merged)
	}
	if n := count(t, x, `SELECT count(*) FROM names INDEXED BY names_small WHERE kept IS NOT NULL AND grade < 9`); n > 2*mergeAt {
		t.Errorf("%d small chunks", n)
	}
	stored := namesStored(t, x)
	bring(t, x, time.Hour, 1500, Accepted, name(1000+accepted-1))
	bring(t, x, 2*time.Hour, 1500, Accepted, name(1000))
	if n := namesStored(t, x); n != stored {
		t.Errorf("%d names were stored again", n-stored)
	}
}

// TestNewestNamesKnown: in an account with more names than are looked through, those of the newest files are known again.
func TestNewestNamesKnown(t *testing.T) {
	x, r := newIndex(t), mrand.New(mrand.NewPCG(21, 22))
	text := compress(nil, []byte("not looked at\n"))
	hashes := make([]byte, 8*chunkNames)
	for range (lookedThrough + 2*knownMost) / chunkNames {
		for i := range hashes {
			hashes[i] = byte(r.Uint32())
		}
		err := x.d.write(t.Context(), false, func(ctx context.Context) error {
			return x.insertChunk(ctx, &chunk{grade: gradeLarge, hashes: hashes, text: text})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	name := func(i int64) []byte { return fmt.Appendf(nil, "Payee %d", i%700) }
	bring(t, x, 0, 2000, Accepted, name)
	stored := namesStored(t, x)
	bring(t, x, time.Second, 2000, Accepted, name)
	x.known.forget()
	bring(t, x, 2*time.Second, 2000, Accepted, name)
	if n := namesStored(t, x); n != stored {
		t.Errorf("%d names were stored again", n-stored)
	}
	if k := x.known.k; len(k.slots) > knownSlots || k.count > knownMost {
		t.Errorf("%d names in %d slots are in memory", k.count, len(k.slots))
	}
}

// TestNamesDamaged: whatever is damaged of the list or the segments, files are taken, questions have the same answers,
// verify tells, and all is well once the names were made anew.
func TestNamesDamaged(t *testing.T) {
	for _, c := range []struct{ damage, want string }{
		{`UPDATE name_texts SET data = x'0007' WHERE n = (SELECT min(n) FROM names)`, "names: their list cannot be relied upon"},
		{`UPDATE name_texts SET data = substr(data, 1, length(data) - 1)`, "names: their list cannot be relied upon"},
		{`DELETE FROM name_texts WHERE n = (SELECT max(n) FROM names)`, "names: their list"},
		{`DELETE FROM name_texts; DELETE FROM name_hashes; DELETE FROM names`, "names: their list"},
		{`DELETE FROM names WHERE n = (SELECT max(n) FROM names)`, "some of it is missing"},
		{`UPDATE name_hashes SET data = x'01'`, "names and their hashes differ"},
		{`UPDATE name_hashes SET data = zeroblob(length(data))`, "names and their hashes differ"},
		{`DELETE FROM name_hashes`, "names and their hashes differ"},
		{`DELETE FROM segments WHERE first > 0`, "a segment of them is missing"},
		{`DELETE FROM segments WHERE first = 0`, "a segment of them is missing"},
		{`DELETE FROM segment_pieces WHERE p % 32 = 1`, "cannot be read"},
		{`DELETE FROM segment_pieces`, "cannot be read"},
		{`UPDATE segment_pieces SET data = x'010203'`, "cannot be read"},
		{`UPDATE segment_pieces SET data = x'00000000'`, "is not in its segment"}, // an empty one: by somebody who has the key
		{`UPDATE name_list SET total = total + 1`, "some of it is missing"},
		{`DELETE FROM name_list`, "some of it is missing"},
	} {
		x, r := newIndex(t), mrand.New(mrand.NewPCG(31, 32))
		names := payees(3000)
		files := []kept{
			keep(t, x, r, epoch, 2*segmentBlocks+7, 2, names[:2000], Accepted), // three segments, since there are gaps
			keep(t, x, r, epoch.Add(time.Minute), 2500, 1, names[:2500], Accepted),
			keep(t, x, r, epoch.Add(2*time.Minute), 1500, 1, names[1000:], Held),
		}
		parted := files[0].payments
		sound(t, x)
		mustExec(t, x.d.w, c.damage)
		x.known.forget()
		if got := strings.Join(problems(t, x), "\n"); !strings.Contains(got, c.want) || !strings.Contains(got, "sealgate verify --renew-names") {
			t.Errorf("%s:\ngot  %q\nwant %q", c.damage, got, c.want)
		}
		files = append(files, keep(t, x, r, epoch.Add(time.Hour), 3000, 1, names[:2000], Accepted))
		for range mergeAt {
			files = append(files, keep(t, x, r, epoch.Add(time.Duration(len(files))*time.Hour), 1100, 1, names[r.IntN(2000):], Accepted))
		}
		ask := func(when string) {
			t.Helper()
			for _, name := range []string{"svensson akeri", "SVENSSON", parted[0].PayeeName, parted[segmentBlocks+3].PayeeName, parted[len(parted)-1].PayeeName} {
				if c.damage == `UPDATE segment_pieces SET data = x'00000000'` && when == "damaged" {
					continue // it has the right checksum: verify alone can tell
				}
				if got, want := payments(t, x, PaymentFilter{Name: name}), scan(files, PaymentFilter{Name: name}); len(got) != len(want) || len(want) == 0 {
					t.Errorf("%s, %s: %q has %d payments, want %d", c.damage, when, name, len(got), len(want))
				}
			}
		}
		ask("damaged")
		if _, err := x.RenewNames(t.Context()); err != nil {
			t.Errorf("%s: %v", c.damage, err)
		}
		sound(t, x)
		ask("made anew")
		if !huntsFor(t, x, "svensson akeri") {
			t.Errorf("%s: questions do not go by names again", c.damage)
		}
	}
}

// TestNamesDamagedPages: the same with pages that do not open: where a table begins, among them those where the next row
// would be written, and where only some rows' contents are.
func TestNamesDamagedPages(t *testing.T) {
	for _, c := range []struct {
		damaged string
		content bool
	}{
		{"names", false}, {"name_texts", false}, {"name_hashes", false}, {"segments", false}, {"segment_pieces", false},
		{"names_kept", false}, {"names_file", false}, {"segments_file", false}, {"name_list", false},
		{"name_texts", true}, {"name_hashes", true}, {"segment_pieces", true},
	} {
		t.Run(fmt.Sprint(c.damaged, c.content), func(t *testing.T) {
			path, key := filepath.Join(t.TempDir(), "index.db"), newKey(t)
			x, r := openIndex(t, path, key), mrand.New(mrand.NewPCG(33, 34))
			names := payees(3000)
			held := keep(t, x, r, epoch.Add(time.Minute), 1500, 1, names, Held)
			files := []kept{keep(t, x, r, epoch, 12_000, 1, names, Accepted), held}
			page := count(t, x, `SELECT rootpage FROM sqlite_schema WHERE name = ?`, c.damaged)
			x.Close()
			if c.content {
				page = contentPage(t, path, key, c.damaged)
			}
			flip(t, path, page)
			x = openIndex(t, path, key)
			ask := func(when string) {
				t.Helper()
				for _, name := range []string{"svensson akeri", string(names[7]), "SVENSSON"} {
					if got, want := payments(t, x, PaymentFilter{Name: name}), scan(files, PaymentFilter{Name: name}); len(got) != len(want) || len(want) == 0 {
						t.Errorf("%s: %q has %d payments, want %d", when, name, len(got), len(want))
					}
				}
			}
			ask("damaged")
			var wg sync.WaitGroup
			for i := range 3 { // together with others' files, and a decision
				f := newFile(t, fmt.Sprint(i), epoch.Add(time.Hour))
				f.Facts.Payments, f.Facts.Totals = 0, nil
				wg.Go(func() {
					commit(t, x, &Delivery{File: f, Judge: func(Earlier) { f.Reasons = append(f.Reasons, Reason{Code: "once"}) }})
				})
				defer func() {
					if len(f.Reasons) != 1 {
						t.Errorf("a file was judged %d times over", len(f.Reasons))
					}
				}()
			}
			wg.Go(func() {
				if _, err := x.Decide(t.Context(), held.file.ID, Ruling{Verdict: Accepted}); err != nil {
					t.Errorf("decide: %v", err)
				}
			})
			for i := range 2 {
				files = append(files, keep(t, x, r, epoch.Add(time.Duration(i+1)*time.Hour), 2000, 1, names, Accepted))
			}
			wg.Wait()
			gone := x.NewPayments(newID(epoch))
			addPayments(t, gone, 1, 9*blockPayments, func(q *formats.Payment) { q.PayeeName = names[q.Index%3000] })
			if err := gone.Discard(); err != nil {
				t.Errorf("discard: %v", err)
			}
			ask("with more files")
			if got := strings.Join(problems(t, x), "\n"); !strings.Contains(got, "database: ") {
				t.Errorf("verify says %q", got)
			}
			_, err := x.RenewNames(t.Context())
			if c.content && (err != nil || !huntsFor(t, x, "svensson akeri")) || err != nil && !damaged(err) {
				t.Errorf("made anew: %v", err)
			}
			ask("made anew")
			x.Close()
		})
	}
}

// flip damages a page.
func flip(t *testing.T, path string, page int) {
	t.Helper()
	b := readAll(t, path)
	b[(page-1)*pageSize+99] ^= 1
	write(t, path, b)
}

// contentPage is a page that has some row's data, and not those of the last.
func contentPage(t *testing.T, path string, key Key, table string) int {
	t.Helper()
	for page := len(readAll(t, path)) / pageSize; page > 1; page-- {
		flip(t, path, page)
		x, err := Open(t.Context(), path, key, slog.New(slog.DiscardHandler))
		if err != nil {
			flip(t, path, page)
			continue
		}
		var n int
		rows := x.d.r.QueryRowContext(t.Context(), `SELECT max(rowid) FROM `+table).Scan(&n)
		data := x.d.r.QueryRowContext(t.Context(), `SELECT sum(length(hex(data))) FROM `+table).Scan(&n)
		x.Close()
		flip(t, path, page)
		if rows == nil && data != nil {
			return page
		}
	}
	t.Fatalf("no page of %s has data", table)
	return 0
}

// TestNamesWhileRenewed: questions have all answers while names are made anew and files come, and in the end every file has
// its segments but those that were under way.
func TestNamesWhileRenewed(t *testing.T) {
	x, r := newIndex(t), mrand.New(mrand.NewPCG(41, 42))
	names := payees(3000)
	files := []kept{keep(t, x, r, epoch, 34_000, 1, names, Accepted), keep(t, x, r, epoch.Add(time.Minute), 3000, 1, names, Held)}
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(done)
		for range 8 {
			if _, err := x.RenewNames(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Go(func() {
		for i := range 40 {
			select {
			case <-done:
				return
			default:
				bring(t, x, -time.Duration(i+1)*time.Hour, 1500, Accepted, func(i int64) []byte { return fmt.Appendf(nil, "Other %d", i%50) })
			}
		}
	})
	asked := 0
	for more := true; more; asked++ {
		select {
		case <-done:
			more = false
		default:
		}
		name := string(names[asked%len(names)])
		if asked%3 == 0 {
			name = "svensson"
		}
		got, want := payments(t, x, PaymentFilter{Name: name}), scan(files, PaymentFilter{Name: name})
		if len(got) != len(want) || !slices.EqualFunc(got, want, func(a, b *PaymentRow) bool { return a.FileID == b.FileID && a.Index == b.Index }) {
			t.Fatalf("%q has %d payments, want %d", name, len(got), len(want))
		}
	}
	wg.Wait()
	sound(t, x)
	if n := count(t, x, `SELECT count(*) FROM segments WHERE file LIKE '~%'`) + count(t, x, `SELECT count(*) FROM uploads`); n != 0 {
		t.Errorf("%d rows are left over", n)
	}
	if _, err := x.RenewNames(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := count(t, x, `SELECT count(*) FROM files WHERE id NOT IN (SELECT file FROM segments)`); n != 0 {
		t.Errorf("%d files have no segments", n)
	}
	sound(t, x)
	t.Logf("%d questions", asked)
}
