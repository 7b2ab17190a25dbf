package indexer

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// printed is a ledger as it is printed and read again.
func printed(t testing.TB, x *Index) (rows []*LedgerEntry) {
	t.Helper()
	for e, err := range x.Ledger(t.Context(), 1) {
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		var again LedgerEntry
		if err := json.Unmarshal(text, &again); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, &again)
	}
	return rows
}

// followed gives the first wrong row of a printed ledger.
func followed(rows []*LedgerEntry) string {
	var walk LedgerWalk
	for _, e := range rows {
		if wrong := walk.Follow(e); wrong != "" {
			return wrong
		}
	}
	return ""
}

func noted(t testing.TB, n int) *Index {
	t.Helper()
	x := newIndex(t)
	commit(t, x, &Delivery{File: newFile(t, "01J00000000000000000000001", epoch)})
	for range n - 1 {
		if _, err := x.Note(t.Context(), "note", "", "uid:7", "Åke's\x00 \"reason\" <&>\u2028"); err != nil {
			t.Fatal(err)
		}
	}
	return x
}

// TestLedgerWalk: whatever is done to one row of a printed ledger, or to their order, the first wrong one is named.
func TestLedgerWalk(t *testing.T) {
	x := noted(t, 6)
	if wrong := followed(printed(t, x)); wrong != "" {
		t.Fatal(wrong)
	}
	for name, c := range map[string]struct {
		change func(rows []*LedgerEntry) []*LedgerEntry
		want   string
	}{
		"kind":      {func(r []*LedgerEntry) []*LedgerEntry { r[2].Kind = "login"; return r }, "row 3 was changed"},
		"who":       {func(r []*LedgerEntry) []*LedgerEntry { r[2].Who = "uid:8"; return r }, "row 3 was changed"},
		"detail":    {func(r []*LedgerEntry) []*LedgerEntry { r[2].Detail += "."; return r }, "row 3 was changed"},
		"file":      {func(r []*LedgerEntry) []*LedgerEntry { r[0].File = "X"; return r }, "row 1 was changed"},
		"time":      {func(r []*LedgerEntry) []*LedgerEntry { r[2].At = r[2].At.Add(time.Microsecond); return r }, "row 3 was changed"},
		"less time": {func(r []*LedgerEntry) []*LedgerEntry { r[2].At = r[2].At.Add(time.Nanosecond); return r }, "row 3 was changed"},
		"far time": {func(r []*LedgerEntry) []*LedgerEntry {
			r[2].At = time.Date(999999, 1, 1, 0, 0, 0, 0, time.UTC)
			return r
		}, "row 3 was changed"},
		"record":    {func(r []*LedgerEntry) []*LedgerEntry { r[0].Record = r[0].Hash; return r }, "row 1 was changed"},
		"no record": {func(r []*LedgerEntry) []*LedgerEntry { r[0].Record = ""; return r }, "row 1 was changed"},
		"no hex":    {func(r []*LedgerEntry) []*LedgerEntry { r[0].Record += "x"; return r }, "row 1 was changed"},
		"hash":      {func(r []*LedgerEntry) []*LedgerEntry { r[2].Hash = r[3].Hash; return r }, "row 3 was changed"},
		"prev":      {func(r []*LedgerEntry) []*LedgerEntry { r[2].Prev = r[3].Prev; return r }, "row 3 does not follow row 2"},
		"removed":   {func(r []*LedgerEntry) []*LedgerEntry { return slices.Delete(r, 2, 3) }, "row 3 is missing"},
		"beginning": {func(r []*LedgerEntry) []*LedgerEntry { return r[1:] }, "row 1 is missing"},
		"twice":     {func(r []*LedgerEntry) []*LedgerEntry { return slices.Insert(r, 3, r[2]) }, "row 3 comes after row 3"},
		"reordered": {func(r []*LedgerEntry) []*LedgerEntry { r[2], r[3] = r[3], r[2]; return r }, "row 3 is missing"},
		"numbers":   {func(r []*LedgerEntry) []*LedgerEntry { r[2], r[3] = r[3], r[2]; r[2].Seq, r[3].Seq = 3, 4; return r }, "row 3 does not follow row 2"},
		"number":    {func(r []*LedgerEntry) []*LedgerEntry { r[5].Seq = -6; return r }, "row -6 comes after row 5"},
	} {
		rows := c.change(printed(t, x))
		if wrong := followed(rows); wrong != c.want {
			t.Errorf("%s: %q, want %q", name, wrong, c.want)
		}
	}
	rows := printed(t, x)
	if !rows[2].Genuine(rows[2].Hash) || rows[2].Genuine(rows[3].Hash) {
		t.Error("a row is known by its hash")
	}
	if rows[2].Detail += "."; rows[2].Genuine(rows[2].Hash) {
		t.Error("a changed row is genuine")
	}
	if rows[3].Prev += "x"; rows[3].Genuine(rows[3].Hash) {
		t.Error("a row with something behind a hash is genuine")
	}
}

// TestLedgerPages: a ledger of several pages is given whole, once, from any row on, and no further than it is asked for.
func TestLedgerPages(t *testing.T) {
	x := newIndex(t)
	const all = 2*ledgerPage + 1
	for range all - 1 {
		x.NoteSoon(t.Context(), "login", "", "u1", "")
	}
	if _, err := x.Note(t.Context(), "login", "", "u1", ""); err != nil {
		t.Fatal(err)
	}
	for _, from := range []int64{1, ledgerPage + 1, all} {
		next := from
		for e, err := range x.Ledger(t.Context(), from) {
			if err != nil || e.Seq != next {
				t.Fatalf("from %d: row %d, want %d, %v", from, e.Seq, next, err)
			}
			next++
		}
		if next != all+1 {
			t.Errorf("from %d: it ends before row %d of %d", from, next, all)
		}
	}
	for e := range x.Ledger(t.Context(), 1) {
		if e.Seq == 2 {
			break
		}
	}
}

// TestLedgerMadeAnew is what Verify cannot see: rows cut off at the end, and a chain that somebody with the unlock key has computed
// anew. Both differ from what was said of them before.
func TestLedgerMadeAnew(t *testing.T) {
	const off = `DROP TRIGGER ledger_stays; DROP TRIGGER ledger_keeps; `
	x := noted(t, 6)
	before := printed(t, x)
	mustExec(t, x.d.w, off+`DELETE FROM ledger WHERE seq > 4; UPDATE ledger SET detail = 'another' WHERE seq = 3`)
	if got := problems(t, x); len(got) != 1 || !strings.Contains(got[0], "row 3 was changed") {
		t.Errorf("changed and cut: %q", got)
	}
	prev := make([]byte, 32)
	for _, e := range printed(t, x) {
		row, _ := e.row()
		row.prev = prev
		sum := row.sum()
		if _, err := x.d.w.ExecContext(t.Context(), `UPDATE ledger SET prev = ?, hash = ? WHERE seq = ?`, row.prev, sum[:], row.seq); err != nil {
			t.Fatal(err)
		}
		prev = sum[:]
	}
	sound(t, x)
	after := printed(t, x)
	if wrong := followed(after); wrong != "" || len(after) != 4 {
		t.Fatalf("%d rows, %s", len(after), wrong)
	}
	for i, e := range after {
		if same := e.Genuine(before[i].Hash); same != (i < 2) {
			t.Errorf("row %d is the one of before: %v", i+1, same)
		}
	}
}

// TestNoteSoon: rows that nobody waits for stand before what is committed after them, in their order, once; Close leaves none behind.
func TestNoteSoon(t *testing.T) {
	path, key := filepath.Join(t.TempDir(), "index.db"), newKey(t)
	x := openIndex(t, path, key)
	first := x.NoteSoon(t.Context(), "login", "", "u1", "")
	second := x.NoteSoon(t.Context(), "login", "", "u2", "")
	if rows := printed(t, x); len(rows) != 0 {
		t.Fatalf("%d rows before anybody waits", len(rows))
	}
	commit(t, x, &Delivery{File: newFile(t, "01J00000000000000000000001", epoch)})
	if err := errors.Join(second(), first(), first()); err != nil {
		t.Fatal(err)
	}
	x.NoteSoon(t.Context(), "login", "", "u3", "")
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	x = openIndex(t, path, key)
	var got []string
	for _, e := range printed(t, x) {
		got = append(got, e.Who)
	}
	if want := []string{"u1", "u2", "u5F2K", "u3"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if settle := x.NoteSoon(t.Context(), "login", "", "u4", ""); settle() != nil || len(printed(t, x)) != 5 {
		t.Error("one alone is not written when it is waited for")
	}
}
