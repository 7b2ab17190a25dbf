package indexer

import (
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/indexer/formats"
)

// addPayments adds payments from..to of 1 SEK each, or as change says.
func addPayments(t testing.TB, p *Payments, from, to int64, change func(*formats.Payment)) {
	t.Helper()
	for i := from; i <= to; i++ {
		q := &formats.Payment{
			Index: i, EndToEndID: fmt.Appendf(nil, "E2E-%07d", i), Amount: formats.AmountFromMinor(100, 2), Currency: []byte("SEK"),
			PayerName: []byte("Acme AB"), PayerAccount: []byte("SE4550000000058398257466"), PayeeName: fmt.Appendf(nil, "Payee %d AB", i%97),
			PayeeAccount: fmt.Appendf(nil, "SE%022d", i%997), ExecutionDate: []byte("2026-11-24"), Reference: fmt.Appendf(nil, "Invoice %d", i*7),
		}
		if change != nil {
			change(q)
		}
		if err := p.Add(q); err != nil {
			t.Fatal(err)
		}
	}
}

func payments(t testing.TB, x *Index, q PaymentFilter) (rows []*PaymentRow) {
	t.Helper()
	for r, err := range x.FindPayments(t.Context(), q) {
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, r)
	}
	return rows
}

// commitPayments commits a file of n payments.
func commitPayments(t testing.TB, x *Index, content string, at time.Time, n int64, change func(*formats.Payment)) *File {
	t.Helper()
	f := newFile(t, content, at)
	sum, last := amount(t, "0"), ""
	p := x.NewPayments(f.ID)
	addPayments(t, p, 1, n, func(q *formats.Payment) {
		if change != nil {
			change(q)
		}
		sum, _ = sum.Add(q.Amount)
		if d := string(q.ExecutionDate); d > last {
			last = d
		}
	})
	f.Facts.Payments, f.Facts.Totals, f.Facts.LastExecution = n, []formats.Total{{Currency: "SEK", Amount: sum}}, last
	commit(t, x, &Delivery{File: f, Payments: p})
	return f
}

func lowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] += 'a' - 'A'
		}
	}
	return string(b)
}

// TestPaymentsRoundTrip puts strange payments in and takes the very same out.
func TestPaymentsRoundTrip(t *testing.T) {
	x := newIndex(t)
	r := mrand.New(mrand.NewPCG(3, 4))
	var want []PaymentRow
	text := func() []byte {
		switch r.IntN(5) {
		case 0:
			return nil
		case 1:
			return []byte("same for many")
		case 2:
			return []byte(strings.Repeat("å\x00\"", r.IntN(300)))
		case 3:
			b := make([]byte, r.IntN(20))
			for i := range b {
				b[i] = byte(r.Uint32())
			}
			return b
		}
		return fmt.Appendf(nil, "ID-%d", r.IntN(1000000))
	}
	amounts := []string{"0", "-0.01", "1250.50", "9223372036854775807", "-9223372036854775808", "99999999999999999999999999999999.99", "0.000000000000000001", "-123456789012345678901234567890"}
	f := newFile(t, "strange", epoch)
	f.Facts.LastExecution = ""
	p := x.NewPayments(f.ID)
	index := int64(0)
	for range 3*blockPayments + 77 {
		index++
		if r.IntN(500) == 0 {
			index += 5 // a gap ends a block
		}
		a := formats.AmountFromMinor(int64(r.Uint64()), uint8(r.IntN(6)))
		if r.IntN(4) == 0 {
			a = amount(t, amounts[r.IntN(len(amounts))])
		}
		q := &formats.Payment{
			Index: index, EndToEndID: text(), Amount: a, Currency: []byte([]string{"SEK", "EUR", "USD", "XX", "JPY", "NOK"}[r.IntN(6)]),
			PayerName: text(), PayerAccount: text(), PayeeName: text(), PayeeAccount: text(), ExecutionDate: text(), Reference: text(),
		}
		if err := p.Add(q); err != nil {
			t.Fatal(err)
		}
		want = append(want, *paymentRow(f.ID, q))
	}
	if p.Count() != int64(len(want)) {
		t.Errorf("count %d", p.Count())
	}
	commit(t, x, &Delivery{File: f, Payments: p})
	got := payments(t, x, PaymentFilter{FileID: f.ID})
	if len(got) != len(want) {
		t.Fatalf("%d payments, want %d", len(got), len(want))
	}
	for i, g := range got {
		w := want[i]
		if g.Amount.String() != w.Amount.String() {
			t.Fatalf("payment %d: amount %s, want %s", i, g.Amount, w.Amount)
		}
		g.Amount, w.Amount = formats.Amount{}, formats.Amount{}
		if *g != w {
			t.Fatalf("payment %d: %+v\nwant %+v", i, *g, w)
		}
	}
	// Every one is found again by each of its keys.
	for range 60 {
		w := want[r.IntN(len(want))]
		for what, q := range map[string]PaymentFilter{
			"id": {EndToEndID: lowerASCII(w.EndToEndID)}, "payer": {Account: w.PayerAccount}, "payee": {Account: " " + w.PayeeAccount + " "},
			"reference": {Reference: w.Remittance}, "amount": {Min: &w.Amount, Max: &w.Amount},
		} {
			if what == "id" && w.EndToEndID == "" || what == "payer" && w.PayerAccount == "" || what == "payee" && w.PayeeAccount == "" || what == "reference" && w.Remittance == "" {
				continue
			}
			if !slices.ContainsFunc(payments(t, x, q), func(r *PaymentRow) bool { return r.Index == w.Index }) {
				t.Errorf("payment %d is not found by its %s", w.Index, what)
			}
		}
	}
}

func TestFindPayments(t *testing.T) {
	x := newIndex(t)
	old := commitPayments(t, x, "old", epoch, 3000, func(q *formats.Payment) {
		q.Amount = formats.AmountFromMinor(q.Index*100, 2)
		q.ExecutionDate = fmt.Appendf(nil, "2026-12-%02d", 1+q.Index/200)
	})
	small := commitPayments(t, x, "small", epoch.Add(time.Hour), 3, func(q *formats.Payment) {
		q.EndToEndID, q.PayeeName, q.PayeeAccount = fmt.Appendf(nil, "SMALL %d", q.Index), []byte("BERGS  Åkeri AB"), []byte("5555-1234")
		q.ExecutionDate = nil
	})
	refused := newFile(t, "refused", epoch.Add(2*time.Hour))
	refused.Verdict = Rejected
	p := x.NewPayments(refused.ID)
	addPayments(t, p, 1, 10, nil)
	commit(t, x, &Delivery{File: refused, Payments: p})
	running := x.NewPayments(newID(epoch.Add(3 * time.Hour)))
	addPayments(t, running, 1, 10*blockPayments, nil)

	a := func(s string) *formats.Amount { v := amount(t, s); return &v }
	for _, c := range []struct {
		what string
		q    PaymentFilter
		want int
	}{
		{"all", PaymentFilter{}, 3003}, {"limit", PaymentFilter{Limit: 2000}, 2000}, {"of a file", PaymentFilter{FileID: small.ID}, 3},
		{"of no file", PaymentFilter{FileID: newID(epoch)}, 0}, {"of a refused one", PaymentFilter{FileID: refused.ID}, 0},
		{"amount", PaymentFilter{Min: a("1234"), Max: a("1234.00")}, 1}, {"at least", PaymentFilter{Min: a("2990.01")}, 10},
		{"at most", PaymentFilter{Max: a("10")}, 13}, {"currency", PaymentFilter{Currency: "sek"}, 3003}, {"no such currency", PaymentFilter{Currency: "EUR"}, 0},
		{"id", PaymentFilter{EndToEndID: "e2e-0001500"}, 1}, {"id of the small one", PaymentFilter{EndToEndID: "small2"}, 1},
		{"payee's account", PaymentFilter{Account: "55551234"}, 3}, {"payer's account", PaymentFilter{Account: "SE45 5000 0000 0583 9825 7466"}, 3003},
		{"name", PaymentFilter{Name: "bergs  ÅKERI"}, 3}, {"payer's name", PaymentFilter{Name: "ACME"}, 3003}, {"reference", PaymentFilter{Reference: "invoice 7000"}, 1},
		{"dates", PaymentFilter{From: "2026-12-05", To: "2026-12-06"}, 400}, {"from", PaymentFilter{From: "2026-12-16"}, 1}, {"to", PaymentFilter{To: "2026-12-01"}, 199},
		{"since", PaymentFilter{Since: epoch.Add(time.Minute)}, 3}, {"until", PaymentFilter{Until: epoch.Add(time.Minute)}, 3000},
		{"until, of a file", PaymentFilter{FileID: small.ID, Until: epoch.Add(time.Minute)}, 0},
		{"two at once", PaymentFilter{EndToEndID: "E2E-0000010", Reference: "Invoice 70"}, 1}, {"two that exclude each other", PaymentFilter{EndToEndID: "E2E-0000010", Reference: "Invoice 77"}, 0},
	} {
		got := payments(t, x, c.q)
		if len(got) != c.want {
			t.Errorf("%s: %d payments, want %d", c.what, len(got), c.want)
		}
		for i := 1; i < len(got); i++ {
			if got[i].FileID == got[i-1].FileID && got[i].Index <= got[i-1].Index || got[i].FileID == small.ID && got[i-1].FileID == old.ID {
				t.Errorf("%s: out of order at %d", c.what, i)
			}
		}
	}
	got := *payments(t, x, PaymentFilter{EndToEndID: "SMALL1"})[0]
	want := PaymentRow{
		FileID: small.ID, Index: 1, EndToEndID: "SMALL 1", Amount: *a("1.00"), Currency: "SEK", PayerName: "Acme AB", PayerAccount: "SE4550000000058398257466",
		PayeeName: "BERGS  Åkeri AB", PayeeAccount: "5555-1234", Remittance: "Invoice 7",
	}
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	sound(t, x)
}

// TestPaymentsMany: more blocks than one look at the summaries takes.
func TestPaymentsMany(t *testing.T) {
	x := newIndex(t)
	f := newFile(t, "many", epoch)
	p := x.NewPayments(f.ID)
	const n = blockPage*2 + 10
	for i := range int64(n) { // every payment a block of its own, since each leaves a gap
		addPayments(t, p, 2*i+1, 2*i+1, nil)
	}
	commit(t, x, &Delivery{File: f, Payments: p})
	commitPayments(t, x, "older", epoch.Add(-time.Hour), 1, nil)
	for _, q := range []PaymentFilter{{}, {FileID: f.ID}} {
		rows := payments(t, x, q)
		if want := n + map[bool]int{true: 1}[q.FileID == ""]; len(rows) != want {
			t.Fatalf("%d payments, want %d", len(rows), want)
		}
		for i := range n {
			if rows[i].Index != int64(2*i+1) {
				t.Fatalf("at %d: payment %d", i, rows[i].Index)
			}
		}
	}
}

func TestPaymentsDiscardAndSweep(t *testing.T) {
	path, key := filepath.Join(t.TempDir(), "index.db"), newKey(t)
	x := openIndex(t, path, key)
	p := x.NewPayments(newID(epoch))
	addPayments(t, p, 1, 300*blockPayments, nil)
	if n := count(t, x, `SELECT count(*) FROM blocks`); n < 290 {
		t.Fatalf("%d blocks", n)
	}
	for range 2 {
		if err := p.Discard(); err != nil {
			t.Fatal(err)
		}
	}
	empty := func(when string) {
		t.Helper()
		if n := count(t, x, `SELECT (SELECT count(*) FROM blocks) + (SELECT count(*) FROM block_data) + (SELECT count(*) FROM uploads) +
			(SELECT count(*) FROM names) + (SELECT count(*) FROM name_texts) + (SELECT count(*) FROM name_hashes) +
			(SELECT count(*) FROM segments) + (SELECT count(*) FROM segment_pieces)`); n != 0 {
			t.Errorf("%s: %d rows stay", when, n)
		}
	}
	empty("discarded")
	if err := p.Add(&formats.Payment{Index: 1}); !errors.Is(err, errEnded) {
		t.Errorf("add after discard: %v", err)
	}
	f := newFile(t, "x", epoch)
	if err := x.Commit(t.Context(), &Delivery{File: f, Payments: p}); err == nil {
		t.Error("committed discarded payments")
	}
	p = x.NewPayments(f.ID)
	addPayments(t, p, 1, 9*blockPayments, nil)
	if n, err := x.Sweep(t.Context()); n != 0 || err != nil {
		t.Errorf("swept %d uploads under way, %v", n, err)
	}
	// Forgotten, as by a crash.
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	x = openIndex(t, path, key)
	if n := count(t, x, `SELECT count(*) FROM blocks`); n == 0 {
		t.Fatal("nothing to sweep")
	}
	if n, err := x.Sweep(t.Context()); n != 1 || err != nil {
		t.Errorf("swept %d, %v", n, err)
	}
	empty("swept")
	sound(t, x)
}

// TestFilterHash: filters are stored, so their hash must stay what it is.
func TestFilterHash(t *testing.T) {
	for s, want := range map[string]uint64{"": 0xdcb5c623eeb7a35f, "E2E-1": 0xbf03322a5cc1bd49, "SE4550000000058398257466": 0xe7f6fbf1248bfb5d} {
		if got := hashKey(keyAccount, fold(nil, []byte(s))); got != want {
			t.Errorf("%q: %#x", s, got)
		}
	}
	keys := make([]uint64, 3000)
	for i := range keys {
		keys[i] = hashKey(keyEndToEnd, fmt.Append(nil, "id", i))
	}
	for a, b := range map[string]string{"1.5": "1.500", "-3": "-3.00", "9223372036854775807": "9223372036854775807.0", "99999999999999999999999.10": "99999999999999999999999.1"} {
		if amountKey(amount(t, a)) != amountKey(amount(t, b)) {
			t.Errorf("%s and %s have different keys", a, b)
		}
	}
	f := appendFilter(nil, keys)
	for _, h := range keys {
		if !mayHold(f, h) {
			t.Fatal("a key is not found")
		}
	}
	wrong := 0
	for i := range 100000 {
		if mayHold(f, hashKey(keyEndToEnd, fmt.Append(nil, "other", i))) {
			wrong++
		}
	}
	if wrong > 1000 {
		t.Errorf("%d of 100,000 are found in vain", wrong)
	}
	t.Logf("%d bytes for %d keys, %d of 100,000 in vain", len(f), len(keys), wrong)
}

// FuzzBlock: whatever is stored as a block, reading it ends, with payments or an error.
func FuzzBlock(f *testing.F) {
	b := new(builder)
	b.reset()
	for i := range int64(50) {
		b.add(&formats.Payment{Index: i + 1, EndToEndID: fmt.Append(nil, "E", i), Amount: formats.AmountFromMinor(i, 2), Currency: []byte("SEK")})
	}
	b.close()
	f.Add(slices.Clone(b.small), slices.Clone(b.summary))
	f.Add(append([]byte{storedPlain}, b.plain...), []byte{})
	f.Fuzz(func(t *testing.T, block, sum []byte) {
		var r blockReader
		n := 0
		r.each(block, func(*formats.Payment) bool { n++; return true })
		if n > blockPayments {
			t.Errorf("%d payments", n)
		}
		readSummary(sum)
	})
}
