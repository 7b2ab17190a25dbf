package config

import "testing"

// TestBothTake: of two remotes on one server, as one user, it is known whether a file would be taken by either.
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
		if got := bothTake(a, b); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
		if got := bothTake(b, a); (got == "") != (c.want == "") {
			t.Errorf("%+v, the other way round: %q", c, got)
		}
	}
}
