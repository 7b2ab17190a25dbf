package indexer

import (
	"bytes"
	"encoding/binary"
	"fmt"
	mrand "math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/sealgate/sealgate/indexer/formats"
)

// kept is a file's payments as they were committed, for a scan over all of them.
type kept struct {
	file     *File
	payments []*PaymentRow
}

// scan answers a question from all payments, one after the other.
func scan(files []kept, q PaymentFilter) (rows []*PaymentRow) {
	bare := func(s string) []byte { return bareName(foldName(nil, []byte(s))) }
	part := bare(q.Name)
	named := func(s string) bool { return bytes.Contains(bare(s), part) }
	slices.SortStableFunc(files, func(a, b kept) int { return b.file.ReceivedAt.Compare(a.file.ReceivedAt) })
	for _, f := range files {
		if q.FileID != "" && f.file.ID != q.FileID || q.MessageID != "" && f.file.Facts.MessageID != q.MessageID ||
			!q.Since.IsZero() && f.file.ReceivedAt.Before(q.Since) || !q.Until.IsZero() && !f.file.ReceivedAt.Before(q.Until) ||
			q.Verdict != "" && f.file.Verdict != q.Verdict {
			continue
		}
		for _, p := range f.payments {
			if q.Min != nil && p.Amount.Cmp(*q.Min) < 0 || q.Account != "" && q.Account != p.PayeeAccount || !named(p.PayerName) && !named(p.PayeeName) {
				continue
			}
			if rows = append(rows, p); len(rows) == q.Limit {
				return rows
			}
		}
	}
	return rows
}

// oddNames are names of few words, so that parts of them are found in many, with all that a name may have in it.
func oddNames(r *mrand.Rand, n int) [][]byte {
	words := strings.Fields("Anna KARIN Åke Ödön Svensson Strömqvist Åkeri Bygg AB ab Müller A\u030akerlund 株式会社 \x00 \xff\xfe 50% O'Neill Wałęsa Wałe\u0328sa 한글 \u00a0 x")
	names := [][]byte{nil, []byte("   "), []byte("\n"), bytes.Repeat([]byte("Lång "), 900)}
	for len(names) < n {
		var name []byte
		for range 1 + r.IntN(4) {
			name = append(append(name, words[r.IntN(len(words))]...), []string{" ", "  ", "-", "\n", ""}[r.IntN(5)]...)
		}
		if r.IntN(2) == 0 {
			name = fmt.Append(name, r.IntN(n))
		}
		names = append(names, name)
	}
	return names
}

// keep commits a file of n payments with some of the names and remembers them; their numbers are a gap apart.
func keep(t *testing.T, x *Index, r *mrand.Rand, at time.Time, n, gap int64, names [][]byte, verdict Verdict) kept {
	t.Helper()
	f := newFile(t, fmt.Sprint("file of ", n, " at ", at.Unix()), at)
	f.Verdict = verdict
	k, sum := kept{file: f}, amount(t, "0")
	p := x.NewPayments(f.ID)
	addPayments(t, p, 1, n, func(q *formats.Payment) {
		q.Index *= gap
		q.PayeeName, q.Amount = names[r.IntN(len(names))], formats.AmountFromMinor(r.Int64N(100_000), 2)
		if r.IntN(300) == 0 {
			q.PayerName = names[r.IntN(len(names))]
		}
		k.payments = append(k.payments, paymentRow(f.ID, q))
		sum, _ = sum.Add(q.Amount)
	})
	f.Facts.Payments, f.Facts.Totals = n, []formats.Total{{Currency: "SEK", Amount: sum}}
	commit(t, x, &Delivery{File: f, Payments: p})
	return k
}

// forget makes an index one whose files were stored before there were segments.
func forget(t *testing.T, x *Index) {
	t.Helper()
	mustExec(t, x.d.w, `DELETE FROM segments; DELETE FROM segment_pieces; DELETE FROM names; DELETE FROM name_texts; DELETE FROM name_hashes;
		UPDATE name_list SET total = 0`)
	x.known.forget()
}

// TestNamesAsByScan: a question for a part of a name, whatever else it asks, has the answers that a look at every payment
// gives, in the same order.
func TestNamesAsByScan(t *testing.T) {
	x, r := newIndex(t), mrand.New(mrand.NewPCG(11, 12))
	names := oddNames(r, 4000)
	var files []kept
	add := func(n int64, from, to int, v Verdict) {
		files = append(files, keep(t, x, r, epoch.Add(time.Duration(len(files))*time.Minute), n, 1, names[from:to], v))
	}
	add(9_000, 0, 500, Accepted)
	add(3, 0, 3000, Accepted)
	forget(t, x)
	add(40_000, 0, 3000, Accepted) // two segments
	add(5, 0, 100, Accepted)
	add(2_500, 0, 3000, Held)
	for i := range 40 { // chunks that are put together
		add(120, 20*i, 20*i+60, Accepted)
	}
	refused := keep(t, x, r, epoch.Add(time.Hour), 2_500, 1, names[3000:], Held)
	add(2_000, 3000, 4000, Accepted) // while it is held, and has the same names
	// Blocks of one payment, since there are gaps: small ones, and so many that they have segments all the same.
	files = append(files, keep(t, x, r, epoch.Add(2*time.Hour), 2*segmentBlocks+7, 2, names, Accepted))
	if _, err := x.Decide(t.Context(), refused.file.ID, Ruling{Verdict: Rejected}); err != nil {
		t.Fatal(err)
	}
	gone := x.NewPayments(newID(epoch))
	addPayments(t, gone, 1, 9*blockPayments, func(q *formats.Payment) { q.PayeeName = names[r.IntN(3000)] })
	if err := gone.Discard(); err != nil {
		t.Fatal(err)
	}
	least := amount(t, "500")
	hunted, found := 0, 0
	for i := range 440 {
		switch i {
		case 400: // and so it is with a list that was made anew,
			if _, err := x.RenewNames(t.Context()); err != nil {
				t.Fatal(err)
			}
			sound(t, x)
		case 420: // and with none
			forget(t, x)
		}
		name := names[r.IntN(len(names))]
		if len(name) > 0 && i%4 > 0 {
			from := r.IntN(len(name))
			name = name[from : from+1+r.IntN(min(len(name)-from, 12))]
		}
		q := PaymentFilter{Name: strings.ToUpper(string(name))}
		f := files[r.IntN(len(files))].file
		switch i % 11 {
		case 1:
			q.Limit = 1 + r.IntN(50)
		case 2:
			q.FileID = f.ID
		case 3:
			q.MessageID = f.Facts.MessageID
		case 4:
			q.Since = f.ReceivedAt
		case 5:
			q.Until = f.ReceivedAt
		case 6:
			q.Verdict = Held
		case 7:
			q.Min = &least
		case 8:
			q.Account = fmt.Sprintf("SE%022d", r.IntN(997))
		case 9:
			q.FileID, q.Until = f.ID, f.ReceivedAt
		}
		if h, err := x.hunt(t.Context(), newQuestion(q)); err != nil {
			t.Fatal(err)
		} else if h != nil {
			hunted++
		}
		got, want := payments(t, x, q), scan(files, q)
		found += len(want)
		if len(got) != len(want) {
			t.Fatalf("%#v: %d payments, want %d", q, len(got), len(want))
		}
		for i := range got {
			if got[i].FileID != want[i].FileID || got[i].Index != want[i].Index {
				t.Fatalf("%#v: at %d there is payment %d of %s, want %d of %s", q, i, got[i].Index, got[i].FileID, want[i].Index, want[i].FileID)
			}
		}
	}
	if hunted < 200 || found < 100_000 {
		t.Errorf("%d questions went by segments, %d payments were found: the test has lost sight of them", hunted, found)
	}
	sound(t, x)
}

// TestNamesOpenFewBlocks: of many blocks, a rare name's are opened, and none for a name that is nowhere; a common one ends
// with its limit.
func TestNamesOpenFewBlocks(t *testing.T) {
	x := newIndex(t)
	const n = 200 * blockPayments
	commitPayments(t, x, "many", epoch, n, func(q *formats.Payment) {
		q.PayeeName = fmt.Appendf(nil, "Strömqvist %d AB", q.Index*7919%9000)
		if q.Index%(50*blockPayments) == 77 {
			q.PayeeName = []byte("Ödlans  Åkeri HB")
		}
	})
	opened := func(q PaymentFilter) (n int) {
		w, at, r := newQuestion(q), place{received: 1 << 62, n: 1 << 62, no: -1}, new(blockReader)
		var err error
		if w.hunt, err = x.hunt(t.Context(), w); err != nil {
			t.Fatal(err)
		}
		for more := true; more; {
			var found []candidate
			if found, more, err = x.candidates(t.Context(), w, r, &at); err != nil {
				t.Fatal(err)
			}
			n += len(found)
		}
		return n
	}
	for name, most := range map[string]int{"ödlans åkeri": 5, "LANS AK": 5, "nobody": 0, "strömqvist 8 a": 200, "akeri  hb": 5} {
		if n := opened(PaymentFilter{Name: name}); n > most || n == 0 && most > 0 {
			t.Errorf("%q opens %d blocks, want at most %d", name, n, most)
		}
	}
	if h, err := x.hunt(t.Context(), newQuestion(PaymentFilter{Name: "Qvist 8"})); h == nil || err != nil || len(h.prints) < 1000 {
		t.Errorf("1,111 names are too many: %v", err)
	}
	if h, err := x.hunt(t.Context(), newQuestion(PaymentFilter{Name: "ab"})); h != nil || err != nil {
		t.Errorf("9,000 names are not too many: %v", err)
	}
	small := commitPayments(t, x, "small", epoch, 20*blockPayments, nil)
	if h, err := x.hunt(t.Context(), newQuestion(PaymentFilter{Name: "akeri", FileID: small.ID})); h != nil || err != nil {
		t.Errorf("all names are read for a file of 20 blocks: %v", err)
	}
	if got := len(payments(t, x, PaymentFilter{Name: "AB", Limit: 10})); got != 10 {
		t.Errorf("%d payments", got)
	}
}

// TestNamesOnce: what an accepted file has brought is not stored again, small chunks become one, and a file that goes takes
// its own with it.
func TestNamesOnce(t *testing.T) {
	x := newIndex(t)
	stored := func() int { return count(t, x, `SELECT coalesce(sum(length(data)), 0) / 8 FROM name_hashes`) }
	bring := func(i, names int64, v Verdict) *File {
		f := newFile(t, fmt.Sprint(i), epoch.Add(time.Duration(i)*time.Second))
		f.Verdict, f.Facts.Payments, f.Facts.Totals = v, 2000, nil
		p := x.NewPayments(f.ID)
		addPayments(t, p, 1, 2000, func(q *formats.Payment) { q.PayeeName = fmt.Appendf(nil, "Payee %d", q.Index%names) })
		commit(t, x, &Delivery{File: f, Payments: p})
		return f
	}
	held := bring(0, 50, Held)
	bring(1, 50, Accepted)
	bring(2, 50, Accepted)
	if n := stored(); n != 102 { // Acme AB too
		t.Errorf("%d names of a held file and two accepted ones, want 102", n)
	}
	if _, err := x.Decide(t.Context(), held.ID, Ruling{Verdict: Rejected}); err != nil {
		t.Fatal(err)
	}
	if n := stored(); n != 51 {
		t.Errorf("%d names, want 51", n)
	}
	for i := range int64(60) {
		bring(3+i, 51+i, Accepted)
	}
	if n, chunks := stored(), count(t, x, `SELECT count(*) FROM names`); n != 111 || chunks > 2*mergeAt {
		t.Errorf("%d names in %d chunks, want 111 in at most %d", n, chunks, 2*mergeAt)
	}
	if n := len(payments(t, x, PaymentFilter{Name: "PAYEE 109"})); n != 2000/110 {
		t.Errorf("%d payments, want %d", n, 2000/110)
	}
	for _, table := range []string{"name_texts", "name_hashes"} {
		if n := count(t, x, `SELECT count(*) FROM `+table+` WHERE n NOT IN (SELECT n FROM names)`); n != 0 {
			t.Errorf("%d rows of %s have no chunk", n, table)
		}
	}
}

// TestSegment: every block of a name is told, and hardly another.
func TestSegment(t *testing.T) {
	r := mrand.New(mrand.NewPCG(13, 14))
	for _, n := range []int{0, 1, 700, 1024, 1500, segmentNames} {
		s := &segment{key: nameKey{r.Uint64(), r.Uint64()}}
		s.reset(0)
		want := map[uint64]uint32{}
		for i := range n {
			s.blocks = i * segmentBlocks / n
			name := fmt.Append(nil, "name ", r.IntN(n))
			s.add(name)
			want[hashName(&s.key, name)] |= 1 << s.blocks
		}
		s.settle(nil)
		if len(s.seen) != len(want) {
			t.Errorf("%d names: %d different ones, want %d", n, len(s.seen), len(want))
		}
		blocks := func(hash uint64) uint32 {
			print := uint32(hash >> (64 - printBits))
			h, number := &hunt{prints: []uint32{print}}, int(print>>(printBits-pieceBits+s.shift))
			blocks, err := h.blocks(s.piece(number), number, s.shift)
			if err != nil {
				t.Fatal(err)
			}
			return blocks
		}
		wrong := 0
		for hash, in := range want {
			got := blocks(hash)
			if got&in != in {
				t.Fatalf("%d names: one is in blocks %b, not in %b", n, in, got)
			}
			if got != in || blocks(r.Uint64()) != 0 {
				wrong++
			}
		}
		if wrong > n/40 {
			t.Errorf("%d names: %d times a block for nothing", n, wrong)
		}
		if n == segmentNames {
			t.Logf("%d bytes for %d names in blocks, %d times a block for nothing", len(s.pieces), n, wrong)
		}
	}
}

// TestNamesMemory: a segment holds no more than is reserved for it, be it of many names, or of long ones that become longer
// still when they are folded.
func TestNamesMemory(t *testing.T) {
	for _, c := range []struct {
		what string
		n    int64
		name func(i int64) []byte
	}{
		{"many", 40 * blockPayments, func(i int64) []byte { return fmt.Appendf(nil, "%025d", i) }},
		{"long", 1000, func(i int64) []byte { return fmt.Append(bytes.Repeat([]byte{0xff}, 4000), i) }},
		{"tiny", 40 * blockPayments, func(i int64) []byte { return fmt.Append(nil, i%7919) }},
	} {
		x := newIndex(t)
		p, most := x.NewPayments(newID(epoch)), 0
		addPayments(t, p, 1, c.n, func(q *formats.Payment) {
			q.PayeeName, q.PayerName = c.name(q.Index), c.name(q.Index+1e6)
			s := new(segment)
			if p.b != nil {
				s = &p.b.names
			}
			most = max(most, int(unsafe.Sizeof(*s))+cap(s.text)+cap(s.seen)*int(unsafe.Sizeof(sighting{}))+cap(s.pieces)+cap(s.hashes)+cap(s.list)+cap(s.small))
		})
		if most > NamesMemory || most < NamesMemory/8 {
			t.Errorf("%s: %d bytes, want at most %d", c.what, most, NamesMemory)
		}
		t.Logf("%s: %d bytes", c.what, most)
		if k := x.known.k; len(k.slots)*8+cap(k.scratch)*int(unsafe.Sizeof(sighting{})) > 5<<20 {
			t.Errorf("%d slots and room for %d names", len(k.slots), cap(k.scratch))
		}
		if err := p.Discard(); err != nil {
			t.Error(err)
		}
	}
}

// FuzzNames: whatever is stored as a piece or a chunk, reading it ends.
func FuzzNames(f *testing.F) {
	f.Add([]byte{1, 2, 0x80, 1}, []byte("anna\nanna karin\n"), []byte("ann"), 3)
	f.Fuzz(func(t *testing.T, piece, text, part []byte, shift int) {
		if len(part) == 0 || shift < 0 || shift > pieceBits {
			return
		}
		h := &hunt{prints: appendPrints(nil, text, part, &nameKey{5})}
		slices.Sort(h.prints)
		for number := range 1 << pieceBits >> shift {
			h.blocks(piece, number, shift)
			h.blocks(binary.LittleEndian.AppendUint32(piece, checksum(piece)), number, shift)
		}
		new(segment).know(binary.LittleEndian.AppendUint64(nil, 5))
	})
}
