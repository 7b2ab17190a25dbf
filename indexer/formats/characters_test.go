package formats

import (
	"bytes"
	"strings"
	"testing"
)

// TestCharacters spoils a text or a record's length in files that are otherwise as they should be.
func TestCharacters(t *testing.T) {
	files := testdata(t)
	for _, c := range []struct{ file, old, new, want string }{
		{"lb-latin1.txt", "FAKTURA 12", "FAKTURA\t12", "characters: record 7: the text has the control character 0x09"},
		{"lb-latin1.txt", "FAKTURA 12", "FAKTURA\x9012", "characters: record 7: the text has the control character 0x90"},
		{"lb-latin1.txt", "FAKTURA 12", "FAKTURA\xa012", ""},
		{"lb-latin1.txt", "ETALNINGAR261123", "ETALNINGAR261123", ""},
		{"nacha-typical.txt", "\n6", "\n6", ""},
		{"bacs-credits.txt", "EXAMPLE WIDGETS", "Example Widgets", "characters: record 5: a text has characters other than A to Z, 0 to 9, blank, . & / and -"},
	} {
		if !bytes.Contains(files[c.file], []byte(c.old)) {
			t.Errorf("%s has no %q", c.file, c.old)
		}
		data := bytes.Replace(files[c.file], []byte(c.old), []byte(c.new), 1)
		got := inspect(data, always(13))
		if s, _, _ := strings.Cut(findings(got), "\n"); s != c.want || len(got.Problems) > 0 {
			t.Errorf("%s with %q:\n got %s\nwant %s (%v)", c.file, c.new, s, c.want, got.Problems)
		}
	}
	long := bytes.Replace(files["lb-latin1.txt"], []byte("\r\n13FAKTURA"), []byte("     NOTE\r\n13FAKTURA"), 1)
	if got := findings(inspect(long, always(13))); !strings.HasPrefix(got, "record-length: record 1: the record has ") {
		t.Errorf("%q", got)
	}
}

func TestPrintable(t *testing.T) {
	for n := range 20 {
		for at := range n {
			b := bytes.Repeat([]byte{' '}, n)
			for c := range 256 {
				if b[at] = byte(c); printable(b) != (c >= ' ' && c < 0x80) {
					t.Fatalf("%q: %v", b, printable(b))
				}
			}
		}
	}
}
