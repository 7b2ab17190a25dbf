package indexer

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
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
			FindingCodes: []string{"iban-check-digits"},
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
