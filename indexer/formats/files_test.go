package formats

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// wants says of each file in testdata what is expected, as testdata/wants says it, a file a format: format, version, encoding;
// payments; totals, those of debits last; and the problems, or "ok". Files that differ in form alone say the same.
func wants(t testing.TB) map[string]string {
	t.Helper()
	wants := map[string]string{}
	names, err := filepath.Glob("testdata/wants/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			file, want, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
			if !ok || wants[file] != "" {
				t.Errorf("%s: %q is no file with what is wanted of it, or is there twice", name, line)
			}
			wants[file] = want
		}
	}
	return wants
}

func summary(r read) string {
	var totals, debits, problems []string
	for _, t := range r.Facts.Totals {
		totals = append(totals, t.Currency+" "+t.Amount.String())
	}
	for _, t := range r.Facts.Debits {
		debits = append(debits, t.Currency+" "+t.Amount.String())
	}
	if len(debits) > 0 {
		totals = append(totals, "debits "+strings.Join(debits, ", "))
	}
	for _, p := range r.Problems {
		problems = append(problems, string(p.Reason)+": "+p.Detail)
	}
	if len(problems) == 0 {
		problems = []string{"ok"}
	}
	head := strings.Join(strings.Fields(r.Facts.Format+" "+r.Facts.Version+" "+r.Facts.Encoding), " ")
	return fmt.Sprintf("%s | %d | %s | %s", head, r.Facts.Payments, strings.Join(totals, ", "), strings.Join(problems, "; "))
}

func TestFiles(t *testing.T) {
	files, wants := testdata(t), wants(t)
	for name, data := range files {
		got := inspect(data, whole(data))
		if s := summary(got); s != wants[name] {
			t.Errorf("%s:\n got %s\nwant %s", name, s, wants[name])
		}
		if int64(len(got.Payments)) != got.Facts.Payments {
			t.Errorf("%s: %d payments handed over, %d counted", name, len(got.Payments), got.Facts.Payments)
		}
		for _, p := range got.Problems {
			foreign := func(r rune) bool { return r < ' ' || r > '~' }
			if p.Detail == "" || strings.HasSuffix(p.Detail, ".") || strings.ContainsFunc(p.Detail, foreign) {
				t.Errorf("%s: %q is not for a sender", name, p.Detail)
			}
		}
	}
	for name := range wants {
		if files[name] == nil {
			t.Errorf("%s is not there", name)
		}
	}
}

// TestSameFacts holds the same file in other encodings and forms against the typical one, payments and all.
func TestSameFacts(t *testing.T) {
	files := testdata(t)
	for _, c := range []struct {
		first, others string
	}{
		{"pain001-typical.xml", "crlf prefixed bank no-namespace v02 v12 apphdr sbdh bom utf16le utf16be-no-bom latin1 ascii foreign"},
		{"pain008-typical.xml", "pain008-crlf.xml pain008-latin1.xml pain008-german.xml pain008-v11.xml"},
		{"pain002-typical.xml", "pain002-crlf.xml pain002-latin1.xml pain002-v02.xml pain002-v14.xml"},
		{"camt055-typical.xml", "camt055-crlf.xml camt055-latin1.xml camt055-v12.xml"},
		{"pacs008-typical.xml", "pacs008-crlf.xml pacs008-latin1.xml pacs008-v02.xml pacs008-apphdr.xml"},
		{"camt053-typical.xml", "camt053-crlf.xml camt053-latin1.xml camt053-utf16le.xml camt053-v08.xml camt053-v01.xml"},
		{"lb-latin1.txt", "lb-lf.txt lb-cp850.txt lb-iso646.txt lb-utf8.txt lb-no-breaks.txt lb-utf8-no-breaks.txt lb-short.txt lb-long.txt " +
			"lb-title.txt lb-unterminated.txt lb-sealed.txt lb-sealed-no-breaks.txt lb-lower.txt"},
		{"nacha-typical.txt", "nacha-crlf.txt nacha-no-breaks.txt nacha-no-padding.txt nacha-breaks-cr.txt"},
		{"nets-request.txt", "nets-crlf.txt nets-no-breaks.txt nets-unterminated.txt nets-tail.txt"},
		{"coda-typical.txt", "coda-crlf.txt coda-no-breaks.txt coda-unterminated.txt coda-tail.txt"},
		{"bacs-credits.txt", "bacs-crlf.txt bacs-unterminated.txt bacs-tail.txt"},
		{"bgmax-latin1.txt", "bgmax-lf.txt bgmax-utf8.txt bgmax-cp850.txt bgmax-short.txt bgmax-no-breaks.txt bgmax-unterminated.txt"},
		{"loner-latin1.txt", "loner-lf.txt loner-utf8.txt loner-cp850.txt loner-iso646.txt loner-short.txt loner-no-breaks.txt loner-utf8-no-breaks.txt " +
			"loner-unterminated.txt loner-sealed.txt loner-sealed-no-breaks.txt"},
		{"autogiro-latin1.txt", "autogiro-lf.txt autogiro-utf8.txt autogiro-cp850.txt autogiro-short.txt autogiro-no-breaks.txt autogiro-unterminated.txt " +
			"autogiro-sealed.txt autogiro-sealed-no-breaks.txt autogiro-sealed-blank-rows.txt"},
		{"bai2-typical.txt", "bai2-crlf.txt bai2-unterminated.txt bai2-no-slashes.txt bai2-padded.txt bai2-one-line.txt bai2-tail.txt bai2-bom.txt " +
			"bai2-wrapped.txt bai2-spaces.txt"},
		{"totalin-latin1.txt", "totalin-crlf.txt totalin-utf8.txt totalin-no-breaks.txt totalin-short.txt totalin-unterminated.txt totalin-tail.txt"},
		{"tito-typical.txt", "tito-crlf.txt tito-unterminated.txt tito-short.txt tito-tail.txt tito-silent.txt"},
		{"po3-latin1.txt", "po3-lf.txt po3-utf8.txt po3-cp850.txt po3-short.txt po3-no-breaks.txt po3-unterminated.txt"},
	} {
		want := inspect(files[c.first], whole(files[c.first]))
		for _, name := range strings.Fields(c.others) {
			if !strings.Contains(name, ".") {
				name = "pain001-" + name + ".xml"
			}
			got := inspect(files[name], whole(files[name]))
			if strings.Join(got.Payments, "\n") != strings.Join(want.Payments, "\n") {
				t.Errorf("%s:\n%s\nwant\n%s", name, strings.Join(got.Payments, "\n"), strings.Join(want.Payments, "\n"))
			}
			got.Facts.Version, got.Facts.Encoding = want.Facts.Version, want.Facts.Encoding
			if a, b := fmt.Sprintf("%+v", got.Facts), fmt.Sprintf("%+v", want.Facts); a != b && !strings.Contains(name, "title") && !strings.Contains(name, "sealed") {
				t.Errorf("%s:\n%s\nwant\n%s", name, a, b)
			}
		}
	}
}

// TestPlainHead: a head whose word is spelt with an O says nothing of the letters further down.
func TestPlainHead(t *testing.T) {
	files := testdata(t)
	for _, name := range strings.Fields("lb-latin1.txt lb-cp850.txt lb-utf8.txt loner-latin1.txt loner-cp850.txt loner-utf8.txt") {
		data := files[name]
		plain := bytes.Clone(data)
		for _, letter := range []string{"\xd6", "\x99", "Ö"} {
			plain = bytes.Replace(plain, []byte("T"+letter+"R"), []byte("TOR"), 1)
			plain = bytes.Replace(plain, []byte("  L"+letter+"N "), []byte("  LON "), 1)
		}
		if bytes.Equal(plain, data) {
			t.Fatalf("%s: no such head", name)
		}
		same(t, name, "with an O in its head", inspect(plain, whole(plain)), inspect(data, whole(data)))
	}
}

// TestBackToBackLetters: where records stand back to back and the head does not say how letters are written, the first record that has some
// ends where it ends, however many bytes they have, and however the file comes.
func TestBackToBackLetters(t *testing.T) {
	files := testdata(t)
	for _, name := range strings.Fields("autogiro autogiro-sealed autogiro-report-changes bgmax lb lb-sealed loner loner-sealed po3") {
		data := bytes.Clone(files[name+"-no-breaks.txt"])
		if name == "autogiro" {
			data[2*bgRecord+76] = 0xD6 // its third letter before: what would be the record, did each have one byte, ends inside of this one
		}
		want := inspect(data, whole(data))
		want.Facts.Encoding = "utf-8"
		var wide []byte
		for _, c := range data {
			wide = append(wide, string(rune(c))...)
		}
		wide = bytes.Replace(bytes.Replace(wide, []byte("TÖR"), []byte("TOR"), 1), []byte("  LÖN "), []byte("  LON "), 1)
		if len(want.Problems) > 0 || ascii(wide) {
			t.Fatalf("%s: %v", name, want.Problems)
		}
		for _, n := range []int{1, 7, 80, 81, len(wide)} {
			same(t, name, fmt.Sprint("in UTF-8, by ", n), inspect(wide, always(n)), want)
		}
		for cut := range wide {
			if !same(t, name, "byte by byte", inspect(wide[:cut], always(1)), inspect(wide[:cut], whole(wide))) {
				t.Fatalf("cut at %d", cut)
			}
		}
	}
	data := bytes.Clone(files["autogiro-no-breaks.txt"])
	want := inspect(data, whole(data))
	data[2*bgRecord-1] = 0xD6 // which could begin a letter of two bytes
	same(t, "autogiro", "with a letter in its last column", inspect(data, whole(data)), want)
}

func TestPain001Payments(t *testing.T) {
	files := testdata(t)
	got := inspect(files["pain001-batches.xml"], always(3))
	want := []string{
		`1 "E1" 100.50 "SEK" from "Exempel Åkeri AB" "SE4550000000058398257466" to "Björn Öberg" "SE4550000000058398257466" on "2026-11-25" for "Faktura 4711"`,
		`2 "E2" 149.50 "SEK" from "Exempel Åkeri AB" "SE4550000000058398257466" to "Måleri & Färg HB" "9912346" on "2026-11-25" for "1234567897"`,
		`3 "E3" 1100.25 "SEK" from "Exempel Åkeri AB" "NO9386011117947" to "Karin Ek" "DE89370400440532013000" on "2026-11-24" for "a b"`,
	}
	if a, b := strings.Join(got.Payments, "\n"), strings.Join(want, "\n"); a != b {
		t.Errorf("got\n%s\nwant\n%s", a, b)
	}
	f := got.Facts
	if f.FirstExecution != "2026-11-24" || f.LastExecution != "2026-11-25" || f.Declared != "3 payments, 1350.25" || f.MessageID != "MSG-1" ||
		f.Initiator != "Exempel Åkeri AB" || f.BusinessKey != "pain.001\x1fMSG-1\x1fExempel Åkeri AB\x1fSE4550000000058398257466" ||
		f.CreatedAt != "2026-11-20T15:02:11" || len(f.Payers) != 2 || f.FindingsAll != 0 {
		t.Errorf("%+v", f)
	}
	cdata := inspect(files["pain001-cdata.xml"], always(1))
	if !strings.Contains(cdata.Payments[0], `"E]]>1"`) || !strings.Contains(cdata.Payments[0], `"Faktura <4711"`) {
		t.Error(cdata.Payments[0])
	}
	for name, id := range map[string]string{"latin9": "€1", "windows1252": "“€”"} {
		if got := inspect(files["pain001-"+name+".xml"], always(1)).Facts.MessageID; got != id {
			t.Errorf("%s: message id %q, want %q", name, got, id)
		}
	}
}

func TestLBPayments(t *testing.T) {
	files := testdata(t)
	got := inspect(files["lb-utf8-no-breaks.txt"], always(3))
	want := []string{
		`1 "" 1500.00 "SEK" from "" "0009912346" to "ÅSA BJÖRK" "6000334223113" on "2026-11-23" for "LÖN NOVEMBER"`,
		`2 "" 1000.50 "SEK" from "" "0009912346" to "" "0054728027" on "2026-11-23" for "FAKTURA 12"`,
		`3 "" -0.50 "SEK" from "" "0009912346" to "" "0054728027" on "2026-12-01" for "1234567897"`,
		`4 "" 100.00 "SEK" from "" "0009912346" to "" "0009900002" on "2026-11-23" for "1234567897"`,
	}
	if a, b := strings.Join(got.Payments, "\n"), strings.Join(want, "\n"); a != b {
		t.Errorf("got\n%s\nwant\n%s", a, b)
	}
	f := got.Facts
	if f.FirstExecution != "2026-11-23" || f.LastExecution != "2026-12-01" || f.Declared != "4 payments, 2600.00" || f.Initiator != "0009912346" ||
		f.BusinessKey != "bg-lb\x1f0009912346\x1f2026-11-20\x1f4\x1fSEK\x1f2600.00" || f.CreatedAt != "2026-11-20" || f.FindingsAll != 0 {
		t.Errorf("%+v", f)
	}
	if masked := inspect(files["lb-masked.txt"], always(9)).Facts; masked.FindingsAll != 2 || masked.Findings[0].Code != "bankgiro-not-numeric" {
		t.Errorf("%+v", masked.Findings)
	}
}

// TestEarly wants problems as soon as they are proven, and no sooner.
func TestEarly(t *testing.T) {
	for name, at := range map[string]string{
		"bad-count-over.xml": "\x01</CdtTrfTxInf>", "bad-batch.xml": "</PmtInf>", "bad-sum.xml": "</CstmrCdtTrfInitn>", "bad-comma.xml": "</InstdAmt>",
	} {
		data := testdata(t)[name]
		tag, last := strings.CutPrefix(at, "\x01")
		end := bytes.Index(data, []byte(tag)) + len(tag)
		if last {
			end = bytes.LastIndex(data, []byte(tag)) + len(tag)
		}
		i := newInspector()
		if i.Write(data[:end-1]); len(i.Problems()) > 0 {
			t.Errorf("%s: %v too early", name, i.Problems())
		}
		if i.Write(data[end-1 : end]); len(i.Problems()) != 1 {
			t.Errorf("%s: %v", name, i.Problems())
		}
	}
}

func TestEmpty(t *testing.T) {
	for _, s := range []string{"", " ", "\r\n\r\n", "\xef\xbb\xbf"} {
		if got := inspect([]byte(s), always(1)); !has(got.Problems, Empty) {
			t.Errorf("%q: %v", s, got.Problems)
		}
	}
}
