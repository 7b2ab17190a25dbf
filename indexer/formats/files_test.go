package formats

import (
	"bytes"
	"fmt"
	"maps"
	"strings"
	"testing"
)

// wants says of each file in testdata what is expected: format, version, encoding; payments; totals; and the problems, or
// "ok". Files that differ in form alone say the same.
var wants = map[string]string{
	"pain001-smallest.xml":       "pain.001 utf-8 | 1 | SEK 1 | ok",
	"pain001-typical.xml":        "pain.001 pain.001.001.03 utf-8 | 2 | SEK 250.00 | ok",
	"pain001-crlf.xml":           "pain.001 pain.001.001.03 utf-8 | 2 | SEK 250.00 | ok",
	"pain001-batches.xml":        "pain.001 pain.001.001.09 utf-8 | 3 | SEK 1350.25 | ok",
	"pain001-currencies.xml":     "pain.001 pain.001.001.03 utf-8 | 3 | EUR 20.1, SEK 40.00 | ok",
	"pain001-prefixed.xml":       "pain.001 pain.001.001.03 utf-8 | 2 | SEK 250.00 | ok",
	"pain001-bank.xml":           "pain.001 pain.001.001.03 utf-8 | 2 | SEK 250.00 | ok",
	"pain001-no-namespace.xml":   "pain.001 utf-8 | 2 | SEK 250.00 | ok",
	"pain001-v02.xml":            "pain.001 pain.001.001.02 utf-8 | 2 | SEK 250.00 | ok",
	"pain001-v12.xml":            "pain.001 pain.001.001.12 utf-8 | 2 | SEK 250.00 | ok",
	"pain001-apphdr.xml":         "pain.001 pain.001.001.03 utf-8 | 2 | SEK 250.00 | ok",
	"pain001-sbdh.xml":           "pain.001 pain.001.001.03 utf-8 | 2 | SEK 250.00 | ok",
	"pain001-bom.xml":            "pain.001 pain.001.001.03 utf-8 | 2 | SEK 250.00 | ok",
	"pain001-utf16le.xml":        "pain.001 pain.001.001.03 utf-16le | 2 | SEK 250.00 | ok",
	"pain001-utf16be-no-bom.xml": "pain.001 pain.001.001.03 utf-16be | 2 | SEK 250.00 | ok",
	"pain001-latin1.xml":         "pain.001 pain.001.001.03 iso-8859-1 | 2 | SEK 250.00 | ok",
	"pain001-latin9.xml":         "pain.001 pain.001.001.03 iso-8859-15 | 2 | SEK 250.00 | ok",
	"pain001-windows1252.xml":    "pain.001 pain.001.001.03 windows-1252 | 2 | SEK 250.00 | ok",
	"pain001-ascii.xml":          "pain.001 pain.001.001.03 us-ascii | 2 | SEK 250.00 | ok",
	"pain001-cdata.xml":          "pain.001 pain.001.001.03 utf-8 | 2 | SEK 250.00 | ok",
	"pain001-foreign.xml":        "pain.001 pain.001.001.03 utf-8 | 2 | SEK 250.00 | ok",
	"bad-count.xml":              "pain.001 pain.001.001.03 utf-8 | 2 | SEK 250.00 | totals-mismatch: it says 3 payments, 250.00 SEK, but holds 2, 250.00 SEK",
	"bad-count-over.xml":         "pain.001 pain.001.001.03 utf-8 | 2 | SEK 250.00 | totals-mismatch: it says 1 payment, 250.00 SEK, but holds 2, 250.00 SEK",
	"bad-sum.xml":                "pain.001 pain.001.001.03 utf-8 | 2 | SEK 250.00 | totals-mismatch: it says 2 payments, 250.01 SEK, but holds 2, 250.00 SEK",
	"bad-batch.xml":              "pain.001 pain.001.001.03 utf-8 | 2 | SEK 250.00 | totals-mismatch: PmtInf 1 says 2 payments, 249.00 SEK, but holds 2, 250.00 SEK",
	"bad-comma.xml":              "pain.001 pain.001.001.03 utf-8 | 0 |  | malformed: the amount of payment 1 is not a number with at most 18 digits and 5 decimals",
	"bad-negative.xml":           "pain.001 pain.001.001.03 utf-8 | 0 |  | malformed: the amount of payment 1 is not a number with at most 18 digits and 5 decimals",
	"bad-decimals.xml":           "pain.001 pain.001.001.03 utf-8 | 0 |  | malformed: the amount of payment 1 is not a number with at most 18 digits and 5 decimals",
	"bad-no-currency.xml":        "pain.001 pain.001.001.03 utf-8 | 0 |  | malformed: the amount of payment 1 has no currency",
	"bad-no-amount.xml":          "pain.001 pain.001.001.03 utf-8 | 0 |  | malformed: payment 1 has no amount",
	"bad-no-count.xml":           "pain.001 pain.001.001.03 utf-8 | 0 |  | malformed: its GrpHdr has no NbOfTxs",
	"bad-latin1-as-utf8.xml":     "pain.001 pain.001.001.03 utf-8 | 0 |  | malformed: it is not in the encoding that it declares (line 10)",
	"bad-end-tag.xml":            "pain.001 pain.001.001.03 utf-8 | 0 |  | malformed: an end tag does not match its start tag (line 36)",
	"bad-attribute-twice.xml":    "pain.001 pain.001.001.03 utf-8 | 0 |  | malformed: it has an attribute twice in one tag (line 32)",
	"bad-prefix.xml":             "pain.001 pain.001.001.03 utf-8 | 0 |  | malformed: it uses a namespace prefix that it does not declare (line 10)",
	"bad-trailing.xml":           "pain.001 pain.001.001.03 utf-8 | 2 | SEK 250.00 | malformed: it has something outside of its outermost element (line 68)",
	"bad-two-messages.xml":       "pain.001 pain.001.001.03 utf-8 | 2 | SEK 250.00 | malformed: it holds more than one message",
	"bad-control.xml":            "pain.001 pain.001.001.03 utf-8 | 0 |  | malformed: it has a character that XML does not allow (line 43)",
	"bad-bracket.xml":            "pain.001 pain.001.001.03 utf-8 | 0 |  | malformed: it has ]]> in a text (line 43)",
	"bad-entity.xml":             "pain.001 pain.001.001.03 utf-8 | 0 |  | malformed: it has a reference to something other than a character (line 43)",
	"bad-comment.xml":            "pain.001 pain.001.001.03 utf-8 | 0 |  | malformed: it has -- in a comment (line 43)",
	"bad-doctype.xml":            "pain.001 utf-8 | 0 |  | malformed: it has a DOCTYPE, which is not allowed in a payment file",
	"bad-entity-bomb.xml":        "pain.001 utf-8 | 0 |  | malformed: it has a DOCTYPE, which is not allowed in a payment file",
	"bad-deep.xml":               "pain.001 pain.001.001.03 utf-8 | 0 |  | malformed: its elements are nested too deep (line 43)",
	"bad-long-name.xml":          "pain.001 pain.001.001.03 utf-8 | 0 |  | malformed: an element holds too much text",
	"bad-space-first.xml":        "pain.001 pain.001.001.03 utf-8 | 0 |  | malformed: it has white space before its XML declaration",
	"bad-encoding.xml":           "pain.001 pain.001.001.03 iso-8859-1 | 0 |  | malformed: it declares an encoding that is not known here",
	"other-message.xml":          "unrecognised utf-8 | 0 |  | unrecognised: it is in no format that is known here",
	"other-page.html":            "unrecognised utf-8 | 0 |  | unrecognised: it is in no format that is known here",
	"other-broken.xml":           "unrecognised utf-8 | 0 |  | unrecognised: it is in no format that is known here",
	"other-plain.txt":            "unrecognised | 0 |  | unrecognised: it is in no format that is known here",
	"lb-latin1.txt":              "bg-lb iso-8859-1 | 4 | SEK 2600.00 | ok",
	"lb-lf.txt":                  "bg-lb iso-8859-1 | 4 | SEK 2600.00 | ok",
	"lb-cp850.txt":               "bg-lb cp850 | 4 | SEK 2600.00 | ok",
	"lb-iso646.txt":              "bg-lb iso-646-se | 4 | SEK 2600.00 | ok",
	"lb-ascii.txt":               "bg-lb us-ascii | 4 | SEK 2600.00 | ok",
	"lb-lower.txt":               "bg-lb iso-8859-1 | 4 | SEK 2600.00 | ok",
	"lb-utf8.txt":                "bg-lb utf-8 | 4 | SEK 2600.00 | ok",
	"lb-no-breaks.txt":           "bg-lb iso-8859-1 | 4 | SEK 2600.00 | ok",
	"lb-utf8-no-breaks.txt":      "bg-lb utf-8 | 4 | SEK 2600.00 | ok",
	"lb-short.txt":               "bg-lb iso-8859-1 | 4 | SEK 2600.00 | ok",
	"lb-long.txt":                "bg-lb iso-8859-1 | 4 | SEK 2600.00 | ok",
	"lb-title.txt":               "bg-lb iso-8859-1 | 4 | SEK 2600.00 | ok",
	"lb-unterminated.txt":        "bg-lb iso-8859-1 | 4 | SEK 2600.00 | ok",
	"lb-sealed.txt":              "bg-sealed bg-lb iso-8859-1 | 4 | SEK 2600.00 | ok",
	"lb-sealed-no-breaks.txt":    "bg-sealed bg-lb iso-8859-1 | 4 | SEK 2600.00 | ok",
	"lb-sections.txt":            "bg-lb iso-8859-1 | 8 | EUR 2600.00, SEK 2600.00 | ok",
	"lb-report.txt":              "bg-lb-report report 1 iso-8859-1 | 4 | SEK 2600.00 | ok",
	"lb-negative.txt":            "bg-lb iso-8859-1 | 2 | SEK -0.40 | ok",
	"lb-none.txt":                "bg-lb iso-8859-1 | 0 |  | ok",
	"lb-masked.txt":              "bg-lb iso-8859-1 | 4 | SEK 2600.00 | ok",
	"bad-lb-count.txt":           "bg-lb iso-8859-1 | 4 | SEK 2600.00 | totals-mismatch: it says 5 payments, 2600.00 SEK, but holds 4, 2600.00 SEK",
	"bad-lb-sum.txt":             "bg-lb iso-8859-1 | 4 | SEK 2600.00 | totals-mismatch: it says 4 payments, 2600.01 SEK, but holds 4, 2600.00 SEK",
	"bad-lb-after.txt":           "bg-lb iso-8859-1 | 4 | SEK 2600.00 | malformed: record 11 stands outside of a section from TK11 to TK29",
	"bad-lb-no-tk29.txt":         "bg-lb iso-8859-1 | 4 | SEK 2600.00 | malformed: section 1 has no TK29 before the next TK11, record 10",
	"bad-lb-amount.txt":          "bg-lb iso-8859-1 | 1 | SEK 1500.00 | malformed: the amount of payment 2, record 7, is not 12 digits",
	"bad-lb-sections.txt":        "bg-lb iso-8859-1 | 8 | EUR 2600.00, SEK 2600.00 | totals-mismatch: section 2 says 4 payments, 2600.01 EUR, but holds 4, 2600.00 EUR",
	"cut-lb-sealed.txt":          "bg-sealed bg-lb iso-8859-1 | 4 | SEK 2600.00 | incomplete: it ends early, after 4 payments",
}

func summary(r read) string {
	var totals, problems []string
	for _, t := range r.Facts.Totals {
		totals = append(totals, t.Currency+" "+t.Amount.String())
	}
	for _, t := range r.Facts.Debits {
		totals = append(totals, "drawn "+t.Currency+" "+t.Amount.String())
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
	files, wants := testdata(t), maps.Clone(wants)
	maps.Copy(wants, bgWants)
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
		{"lb-latin1.txt", "lb-lf.txt lb-cp850.txt lb-iso646.txt lb-utf8.txt lb-no-breaks.txt lb-utf8-no-breaks.txt lb-short.txt lb-long.txt " +
			"lb-title.txt lb-unterminated.txt lb-sealed.txt lb-sealed-no-breaks.txt lb-lower.txt"},
		{"bgmax-latin1.txt", "bgmax-lf.txt bgmax-utf8.txt bgmax-cp850.txt bgmax-short.txt bgmax-no-breaks.txt bgmax-unterminated.txt"},
		{"loner-latin1.txt", "loner-lf.txt loner-utf8.txt loner-cp850.txt loner-iso646.txt loner-short.txt loner-no-breaks.txt loner-utf8-no-breaks.txt " +
			"loner-unterminated.txt loner-sealed.txt loner-sealed-no-breaks.txt"},
		{"autogiro-latin1.txt", "autogiro-lf.txt autogiro-utf8.txt autogiro-cp850.txt autogiro-short.txt autogiro-no-breaks.txt autogiro-unterminated.txt " +
			"autogiro-sealed.txt autogiro-sealed-no-breaks.txt autogiro-sealed-blank-rows.txt"},
		{"po3-latin1.txt", "po3-lf.txt po3-utf8.txt po3-cp850.txt po3-short.txt po3-no-breaks.txt po3-unterminated.txt"},
	} {
		want := inspect(files[c.first], whole(files[c.first]))
		for _, name := range strings.Fields(c.others) {
			if !strings.HasSuffix(name, ".txt") {
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
