package indexer

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
)

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
			f.Facts.Format, f.Facts.Answers = "bg-lb", fmt.Sprint("ORIGINAL-", i%2)
		case 4:
			f.Facts.FindingCodes = append(f.Facts.FindingCodes, "date-past")
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
		{"answers", FileFilter{Answers: "ORIGINAL-1"}, n / 10}, {"answers nobody", FileFilter{Answers: "ORIGINAL"}, 0},
		{"finding", FileFilter{Finding: "date-past"}, n / 5}, {"common finding", FileFilter{Finding: "iban-check-digits"}, n},
		{"part of a finding", FileFilter{Finding: "date"}, 0}, {"finding and format", FileFilter{Finding: "date-past", Format: "bg-lb"}, 0},
		{"message", FileFilter{MessageID: "MSG-File007"}, 1}, {"part of a name", FileFilter{Name: "file00"}, 10},
		{"pattern", FileFilter{Name: "FILE?11.*"}, 5}, {"a bracket", FileFilter{Name: "[z-"}, 0},
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

// TestFilesByName: whoever asks for a name types it as he sees it, and sees neither how a Mac writes its letters nor that [ could mean more.
func TestFilesByName(t *testing.T) {
	x := newIndex(t)
	for i, name := range []string{"Lo\u0308ner", "LÖNER", "löner[1]", `back\slash*`, "Gęsior", "Ge\u0328sior", "L\xf6ner"} {
		commit(t, x, &Delivery{File: newFile(t, name, epoch.Add(time.Duration(i)*time.Minute))})
	}
	for name, want := range map[string]int{
		"löner": 3, "lo\u0308ner.xml": 2, "LONER": 3, "löner[1].xml": 1, "*[1]*": 1, "l?ner.xml": 3, "[1": 1, "[l]*": 0, `k\s*`: 0, `*k\s*`: 1, "*": 7, "gęsior": 2, "ge\u0328s?or.*": 2, "l\ufffdner.xml": 1,
	} {
		got := 0
		for _, err := range x.Files(t.Context(), FileFilter{Name: name}) {
			if got++; err != nil {
				t.Fatal(err)
			}
		}
		if got != want {
			t.Errorf("%s: %d files, want %d", name, got, want)
		}
	}
}
