package indexer

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func openRegistry(t testing.TB, path string) *Registry {
	t.Helper()
	g, err := OpenRegistry(t.Context(), path, Key{1}, slog.New(slog.DiscardHandler))
	fine(t, err)
	return g
}

func newRegistry(t testing.TB) *Registry {
	t.Helper()
	g := openRegistry(t, filepath.Join(t.TempDir(), "gateway.db"))
	t.Cleanup(func() { fine(t, g.Close()) })
	return g
}

func fine(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestPolled: what is kept of a remote's file comes back as it was, bytes that are no text and the lack of a time included.
func TestPolled(t *testing.T) {
	g := newRegistry(t)
	at := time.Date(2026, 11, 20, 12, 0, 7, 123_456_000, time.UTC)
	rows := map[string]Polled{
		"l\xf6ner.xml": {Path: "l\xf6ner.xml", Size: 7, Listed: at.Truncate(time.Minute), Time: at, Sure: true, SHA256: bytes.Repeat([]byte{7}, 32), State: "taken", File: "01M7ZVEJHN90FN19XPNJS005PA", At: at},
		"a/b":          {Path: "a/b", Size: -1, State: "again", At: at},
	}
	for _, p := range rows {
		fine(t, g.NotePolled(t.Context(), "acme", "bank", p, p.Sure))
	}
	gone := Polled{Path: "gone", State: "gone", File: "x", At: at}
	fine(t, g.NotePolled(t.Context(), "acme", "bank", gone, false))
	got, err := g.Polled(t.Context(), "acme", "bank")
	fine(t, err)
	if d := cmp.Diff(rows, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if p, err := g.PolledFile(t.Context(), "acme", "bank", "gone"); err != nil || cmp.Diff(gone, p) != "" {
		t.Errorf("one that is gone: %+v, %v", p, err)
	}
	fine(t, g.SweepPolled(t.Context(), "acme", "bank", at))
	if _, err := g.PolledFile(t.Context(), "acme", "bank", "gone"); err != nil {
		t.Errorf("swept too early: %v", err)
	}
	fine(t, g.SweepPolled(t.Context(), "acme", "other", at.Add(1e6)))
	fine(t, g.SweepPolled(t.Context(), "acme", "bank", at.Add(1e6)))
	if _, err := g.PolledFile(t.Context(), "acme", "bank", "gone"); !errors.Is(err, ErrNotFound) {
		t.Errorf("not swept: %v", err)
	}
	for range 2 {
		fine(t, g.ForgetPolled(t.Context(), "acme", "bank", "a/b"))
	}
	if got, err = g.Polled(t.Context(), "acme", "bank"); err != nil || len(got) != 1 {
		t.Errorf("%d rows, %v", len(got), err)
	}
	if err := g.NotePolled(t.Context(), "acme", "bank", Polled{Path: "x", SHA256: []byte("short"), State: "taken"}, false); err == nil {
		t.Error("a hash of five bytes is kept")
	}
}

// TestPolledPlans: a look's questions use an index, so that what is gone costs nothing.
func TestPolledPlans(t *testing.T) {
	g := newRegistry(t)
	for query, index := range map[string]string{
		polledThere: "polled_there", polledSweep: "polled_gone", polledFile: "PRIMARY KEY (account=? AND remote=? AND path=?)",
	} {
		rows, err := g.d.r.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, []any{"acme", "bank", 7}[:strings.Count(query, "?")]...)
		fine(t, err)
		var plan []string
		for rows.Next() {
			var id, parent, unused int
			var step string
			fine(t, rows.Scan(&id, &parent, &unused, &step))
			plan = append(plan, step)
		}
		fine(t, rows.Close())
		if text := strings.Join(plan, "; "); !strings.Contains(text, index) || strings.Contains(text, "SCAN") {
			t.Errorf("%s\n%s, want %s", query, text, index)
		}
	}
}

// TestRemembered: how a remote was doing survives a restart.
func TestRemembered(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gateway.db")
	g := openRegistry(t, path)
	if m, err := g.Remembered(t.Context(), "acme", "bank"); err != nil || m != (RemoteMemory{}) {
		t.Errorf("%+v, %v", m, err)
	}
	var want RemoteMemory
	for i := range 3 {
		want = RemoteMemory{LastGood: time.Unix(int64(i), 0).UTC(), DownSince: time.Unix(99, 0).UTC()}
		fine(t, g.Remember(t.Context(), "acme", "bank", want))
	}
	fine(t, g.Remember(t.Context(), "acme", "other", RemoteMemory{}))
	fine(t, g.Close())
	g = openRegistry(t, path)
	if m, err := g.Remembered(t.Context(), "acme", "bank"); err != nil || m != want {
		t.Errorf("%+v, want %+v, %v", m, want, err)
	}
	fine(t, g.Close())
}

// BenchmarkPolled is what a look asks of the ledger when 20,000 files of the remote are gone.
func BenchmarkPolled(b *testing.B) {
	g := newRegistry(b)
	now := time.Now()
	for i := range 20_000 {
		fine(b, g.NotePolled(b.Context(), "acme", "bank", Polled{Path: fmt.Sprintf("payments-20261121-%08d.xml", i), Size: 1, State: "gone", At: now}, false))
	}
	b.ResetTimer()
	for b.Loop() {
		if known, err := g.Polled(b.Context(), "acme", "bank"); err != nil || len(known) != 0 {
			b.Fatal(len(known), err)
		}
		fine(b, g.SweepPolled(b.Context(), "acme", "bank", now.Add(-time.Hour)))
	}
}
