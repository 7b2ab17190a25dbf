package transport

import (
	"errors"
	"path"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/pkg/sftp"
)

func TestLocate(t *testing.T) {
	for _, test := range []struct {
		path string
		area area
		rest string
	}{
		{"/", root, ""},
		{".", root, ""},
		{"", root, ""},
		{"../..", root, ""},
		{"inbox", inbox, ""},
		{"/inbox/.", inbox, ""},
		{"/inbox//m1.xml", inbox, "m1.xml"},
		{"/inbox/a/../b.xml", inbox, "b.xml"},
		{"/inbox/../../etc/passwd", nowhere, "passwd"},
		{"/inbox/sub/x.xml", inbox, "sub/x.xml"},
		{"/inboxes/x.xml", nowhere, "x.xml"},
		{"/receipts/x.xml.7K4M2X0V.json", receipts, "x.xml.7K4M2X0V.json"},
		{"/outbox/", outbox, ""},
		{"/x.xml", nowhere, ""},
		{"/inbox/lönelista.xml", inbox, "lönelista.xml"},
		{"/inbox/ spaced name .xml", inbox, " spaced name .xml"},
	} {
		got, err := locate(test.path)
		if err != nil || got.area != test.area || got.rest != test.rest {
			t.Errorf("locate(%q) = %v %q, %v; want %v %q", test.path, got.area, got.rest, err, test.area, test.rest)
		}
	}
}

func TestEdgeRefuses(t *testing.T) {
	for _, p := range []string{
		"/inbox/a\x00b", "/inbox/a\nb", "/inbox/a\x1b[31m", "/inbox/\xff\xfe", "/inbox/a\u202eb", "/inbox/a\u2028b",
		`/inbox/..\..\x`, "/inbox/" + strings.Repeat("n", 256), strings.Repeat("/d", 17), strings.Repeat("/dddd", 500),
		"/inbox/a\u200bb", "/inbox/a\x7fb",
	} {
		clean, err := edge(p)
		if err == nil {
			t.Errorf("edge(%q) = %q, want a refusal", p, clean)
			continue
		}
		if !errors.Is(err, sftp.ErrSSHFxFailure) {
			t.Errorf("edge(%q): status is not FAILURE: %v", p, err)
		}
		checkSentence(t, err.Error())
	}
}

func TestMatches(t *testing.T) {
	patterns := []string{"*.filepart", "*.part", "*.tmp", "*.partial", ".in.*"}
	for name, want := range map[string]bool{
		"a.xml.4c21a7d9.partial": true, ".in.a.xml": true, "a.xml.filepart": true, "sub/a.tmp": true,
		"a.xml": false, "a.partial.xml": false, "in.a.xml": false, ".in.d/a.xml": false,
	} {
		if got := matches(patterns, name); got != want {
			t.Errorf("matches(%q) = %v, want %v", name, got, want)
		}
	}
	if matches([]string{"[", "*.tmp"}, "a.xml") {
		t.Error("a broken pattern matches")
	}
}

func TestToldCarriesCodeAndText(t *testing.T) {
	err := denied("refused x.xml: no")
	if !errors.Is(err, sftp.ErrSSHFxPermissionDenied) || err.Error() != "refused x.xml: no" {
		t.Errorf("denied: %v", err)
	}
	checkSentence(t, failure("refused "+printable("\x1b[2Jr\u00e4knug\n"+strings.Repeat("x", 300))+": "+strings.Repeat("y", 300)).Error())
}

// A name is written out as the gateway behind the door and the operators' tables write it.
func TestPrintable(t *testing.T) {
	for name, want := range map[string]string{
		"pay.xml": "pay.xml", "\x1b[2J\n": `\x1b[2J\x0a`, `a\b`: `a\x5cb`, "\xe5.xml": `\xe5.xml`, "\x7f": `\x7f`,
		"r\u202egpj": `r\u202egpj`, "r\u00e4knug": `r\u00e4knug`, "\u009b": `\u009b`, "\U0001f600": `\U0001f600`,
		strings.Repeat("x", 300): strings.Repeat("x", 53) + "...",
	} {
		if got := printable(name); got != want {
			t.Errorf("printable(%q) = %s, want %s", name, got, want)
		}
	}
}

// checkSentence holds what every sentence that a client reads must be: one line of ASCII, at most 200 bytes.
func checkSentence(t *testing.T, sentence string) {
	t.Helper()
	if len(sentence) == 0 || len(sentence) > 200 {
		t.Errorf("sentence of %d bytes: %q", len(sentence), sentence)
	}
	for i := 0; i < len(sentence); i++ {
		if sentence[i] < 0x20 || sentence[i] >= 0x7f {
			t.Errorf("sentence is not printable ASCII: %q", sentence)
			return
		}
	}
}

func FuzzName(f *testing.F) {
	for _, seed := range []string{"/inbox/a.xml", "..", "/inbox//./x", "\x00", "a\\b", "/inbox/../../x", "\u202e", "//", "~", strings.Repeat("a/", 40)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, p string) {
		checkSentence(t, "x"+printable(p))
		once, err := edge(p)
		if err != nil {
			checkSentence(t, err.Error())
			return
		}
		twice, err := edge(once)
		if err != nil || twice != once {
			t.Fatalf("edge(%q) = %q, edge of that = %q, %v", p, once, twice, err)
		}
		if !path.IsAbs(once) || path.Clean(once) != once || strings.Contains(once, "..") && strings.Contains("/"+once+"/", "/../") {
			t.Fatalf("edge(%q) = %q is not a clean absolute path", p, once)
		}
		if !utf8.ValidString(once) || strings.IndexFunc(once, func(r rune) bool { return !unicode.IsPrint(r) && !unicode.Is(unicode.Zs, r) }) >= 0 {
			t.Fatalf("edge(%q) = %q lets characters through", p, once)
		}
		for _, part := range strings.Split(once, "/") {
			if len(part) > longestName {
				t.Fatalf("edge(%q): a name of %d bytes", p, len(part))
			}
		}
	})
}

// TestBeside: names beside a taken one are all different, keep its ending, and are none too long.
func TestBeside(t *testing.T) {
	const id = "01M7ZWC741H59WWTVVDAXQNJYN"
	for _, c := range []struct {
		name string
		n    int
		want string
	}{
		{"a.xml", 1, "a.xml"}, {"a.xml", 2, "a-2.xml"}, {"a.xml", 99, "a-99.xml"}, {"a.xml", 100, "a-" + id + ".xml"},
		{"a.xml", 101, "a-" + id + "-2.xml"}, {"a", 2, "a-2"}, {"a.tar.gz", 2, "a.tar-2.gz"}, {".a", 2, ".a-2"},
		{"a." + strings.Repeat("x", 253), 2, "a." + strings.Repeat("x", 251) + "-2"},
		{strings.Repeat("å", 125) + ".xml", 10, strings.Repeat("å", 124) + "-10.xml"},
	} {
		if got := Beside(c.name, id, c.n); got != c.want || len(got) > longestName {
			t.Errorf("%d beside %s: %s (%d bytes), want %s", c.n, c.name, got, len(got), c.want)
		}
	}
	seen := map[string]bool{}
	for n := 1; n <= mostNames; n++ {
		seen[Beside(strings.Repeat("x", 255), id, n)] = true
	}
	if len(seen) != mostNames {
		t.Errorf("%d of %d names", len(seen), mostNames)
	}
}
