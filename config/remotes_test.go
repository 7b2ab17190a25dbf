package config

import "testing"

// TestPuts: the folders of a remote that the gateway puts things into are known, however they are written.
func TestPuts(t *testing.T) {
	for _, c := range []struct {
		url, after, send, folder string
		want                     bool
	}{
		{"sftp://h/out", "rename:done", "", "done", true},
		{"sftp://h/out", "rename:/out/done", "", "done", true},
		{"sftp://h/out", "rename:/done", "", "done", false},
		{"sftp://h", "rename:done", "", "done", true},
		{"sftp://h", "rename:done", "", "done/2026", false},
		{"sftp://h/", "rename:/done", "", "done", true},
		{"sftp://h/out", "delete", "in", "in", true},
		{"sftp://h/out", "keep", "/in", "in", false},
		{"sftp://h/out", "keep", "", "", false},
		{"sftp://h/out", "rename:/out", "", "", true},
	} {
		r := &Remote{URL: c.url, Fetch: &Fetch{After: c.after}}
		if c.send != "" {
			r.Send = &Send{Path: c.send}
		}
		if got := r.Puts(c.folder); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
