package indexer

import (
	"bytes"
	"errors"
	"testing"
	"time"
)

// TestRewrap: new copies take the places of old ones, each with its row of the ledger; what was changed meanwhile stays.
func TestRewrap(t *testing.T) {
	x := newIndex(t)
	var ids []string
	for i := range 3 {
		f := newFile(t, string(rune('a'+i)), epoch)
		f.Facts.Payments, f.Facts.Totals = 0, nil
		f.Fate, f.Certificate, f.Witness = Sealed, "sha256:old", []byte{byte(i)}
		d := &Delivery{File: f, Copy: []byte("old copy"), Window: time.Hour}
		if i == 2 {
			d.Copy, f.CopyPath, f.CopySize = nil, "sealed/x.p7m", 100_000
		}
		commit(t, x, d)
		ids = append(ids, f.ID)
	}
	anew := []Rewrapped{
		{ID: ids[0], Was: []byte{0}, Certificate: "sha256:new", Recovery: "sha256:rec", Witness: []byte{9}, Size: 8, Copy: []byte("new copy")},
		{ID: ids[1], Was: []byte{7}, Certificate: "sha256:new", Witness: []byte{9}, Size: 8, Copy: []byte("new copy")},
		{ID: ids[2], Was: []byte{2}, Certificate: "sha256:new", Witness: []byte{9}, Size: 100_001, Path: "sealed/x.1.p7m"},
		{ID: "01ZZZZZZZZZZZZZZZZZZZZZZZZ", Was: []byte{2}, Certificate: "sha256:new", Witness: []byte{9}, Size: 8, Copy: []byte("new copy")},
	}
	faults, err := x.Rewrap(t.Context(), anew, "uid:1")
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []error{nil, ErrChanged, nil, ErrChanged} {
		if !errors.Is(faults[i], want) || faults[i] == nil != (want == nil) {
			t.Errorf("%d: %v", i, faults[i])
		}
	}
	for i, want := range []struct{ certificate, recovery, path, copy string }{
		{"sha256:new", "sha256:rec", "", "new copy"}, {"sha256:old", "", "", "old copy"}, {"sha256:new", "", "sealed/x.1.p7m", ""},
	} {
		f := find(t, x, ids[i])
		if f.Certificate != want.certificate || f.Recovery != want.recovery || f.CopyPath != want.path {
			t.Errorf("%d: %s %s %s", i, f.Certificate, f.Recovery, f.CopyPath)
		}
		if b, err := x.CopyOf(t.Context(), ids[i]); want.copy != "" && (err != nil || !bytes.Equal(b, []byte(want.copy))) {
			t.Errorf("%d: %q, %v", i, b, err)
		}
	}
	history, err := x.History(t.Context(), ids[0])
	if err != nil || len(history) != 2 || history[1].Kind != "rewrapped" || history[1].Who != "uid:1" || history[1].Detail != "sha256:old to sha256:new" {
		t.Errorf("%v, %v", history, err)
	}
	sound(t, x)
}
