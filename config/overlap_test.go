package config

import (
	"fmt"
	"strings"
	"testing"
)

// TestBothTake: of two remotes on one server, as one user, it is known whether a file would be taken by either, whichever comes first.
func TestBothTake(t *testing.T) {
	for _, c := range []struct {
		url, match, ignore, folders string
		otherURL, otherMatch        string
		want                        string
	}{
		{"sftp://h/out", "*", ".*", "no", "sftp://h:22/out/", "*", "x"},
		{"sftp://h/out", "*.xml", ".*", "no", "sftp://h/out", "*", "x.xml"},
		{"sftp://h/out", "*.xml", ".*", "no", "sftp://h/out", "*.txt", ""},
		{"sftp://h/out", "*", "*.xml", "no", "sftp://h/out", "*.xml", ""},
		{"sftp://h/out", "PAY*", ".*", "no", "sftp://h/out", "*.xml", "PAYx.xml"},
		{"sftp://h/out", "PAY*.xml", ".*", "no", "sftp://h/out", "PAY_SE*", "PAY_SEPAYx.xml"},
		{"sftp://h/out", "[A-C]?\\*1.*", ".*", "no", "sftp://h/out", "Ax\\*1.txt", "Ax*1.txt"},
		{"sftp://h/out", "A*", ".*", "no", "sftp://h/out", "B*", ""},
		{"sftp://h/out", "*", ".*", "no", "sftp://h/out/a", "*", ""},
		{"sftp://h/out", "*", ".*", "yes", "sftp://h/out/a", "*", "x"},
		{"sftp://h/out", "*", ".*", "yes", "sftp://h/outside", "*", ""},
		{"sftp://h", "*", ".*", "yes", "sftp://h/out", "*", ""},
		{"sftp://h/", "*", ".*", "yes", "sftp://h/out", "*", "x"},
	} {
		a := &Remote{URL: c.url, Fetch: &Fetch{Match: []string{c.match}, Ignore: []string{c.ignore}, Folders: c.folders}}
		b := &Remote{URL: c.otherURL, Fetch: &Fetch{Match: []string{c.otherMatch}, Ignore: []string{".*"}}}
		if got := overlapping(a, b); len(got) > 0 != (c.want != "") || len(got) == 1 && !strings.Contains(got[0].Text, fmt.Sprintf("files like %q ", c.want)) {
			t.Errorf("%+v: %v", c, got)
		}
		if got := overlapping(b, a); len(got) > 0 != (c.want != "") || len(got) > 1 {
			t.Errorf("%+v, the other way round: %v", c, got)
		}
	}
}

// overlapping gives the warnings of remotes that are of an account each.
func overlapping(remotes ...*Remote) []Mistake {
	c, l := &Config{}, &loading{places: map[string]place{}}
	for i, r := range remotes {
		c.Accounts = append(c.Accounts, &Account{ID: fmt.Sprint(i), Remotes: []*Remote{r}})
	}
	l.overlaps(c)
	return l.warnings
}

// TestOverlapMeant: two accounts that leave what they fetch in its place have it both, and what a remote has moved away it does not fetch.
func TestOverlapMeant(t *testing.T) {
	remote := func(folder, folders, after string) *Remote {
		return &Remote{URL: "sftp://h" + folder, Fetch: &Fetch{Match: []string{"*"}, Folders: folders, After: after}}
	}
	for _, c := range []struct {
		name string
		a, b *Remote
		want int
	}{
		{"both keep", remote("/out", "no", "keep"), remote("/out", "no", "keep"), 0},
		{"one keeps", remote("/out", "no", "keep"), remote("/out", "no", "delete"), 1},
		{"moved away", remote("/out", "yes", "rename:done"), remote("/out/done", "no", "keep"), 0},
		{"beside it", remote("/out", "yes", "rename:done"), remote("/out/don", "no", "keep"), 1},
	} {
		if got := overlapping(c.a, c.b); len(got) != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
		if got := overlapping(c.b, c.a); len(got) != c.want {
			t.Errorf("%s, the other way round: %v", c.name, got)
		}
	}
	c := &Config{Accounts: []*Account{{Remotes: []*Remote{remote("/out", "no", "keep"), remote("/out", "no", "keep")}}}}
	l := &loading{places: map[string]place{}}
	if l.overlaps(c); len(l.warnings) != 1 { // the second would be a duplicate
		t.Errorf("one account: %v", l.warnings)
	}
}

// TestOverlapsOfMany: where a hub has a folder, or a beginning of names, for each of its customers, they are not held against each other
// one by one: the configuration is read by every command.
func TestOverlapsOfMany(t *testing.T) {
	const many = 300
	for name, remote := range map[string]func(i int) *Remote{
		"folders": func(i int) *Remote {
			return &Remote{URL: fmt.Sprintf("sftp://h/%d/out", i), Fetch: &Fetch{Match: []string{"*"}}}
		},
		"beginnings": func(i int) *Remote {
			return &Remote{URL: "sftp://h/out", Fetch: &Fetch{Match: []string{fmt.Sprintf("C%03d*", i)}}}
		},
		"endings": func(i int) *Remote {
			return &Remote{URL: "sftp://h/out", Fetch: &Fetch{Match: []string{fmt.Sprintf("*.%03d", i)}}}
		},
	} {
		var remotes []*Remote
		for i := range many {
			remotes = append(remotes, remote(i))
		}
		if got := overlapping(remotes...); len(got) > 0 {
			t.Errorf("%s: %v", name, got)
		}
		if n := testing.AllocsPerRun(1, func() { overlapping(remotes...) }); n > 50*many {
			t.Errorf("%s: %.0f allocations", name, n)
		}
	}
}
