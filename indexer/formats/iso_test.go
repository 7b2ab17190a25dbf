package formats

import (
	"bytes"
	"strings"
	"testing"
)

// codes are those of a file's findings.
func codes(r read) string {
	var all []string
	for _, f := range r.Facts.Findings {
		all = append(all, f.Code)
	}
	return strings.Join(all, " ")
}

// wantList holds what was handed over against what is wanted, a line each.
func wantList(t *testing.T, got read, want ...string) {
	t.Helper()
	if a, b := strings.Join(got.Payments, "\n"), strings.Join(want, "\n"); a != b {
		t.Errorf("got\n%s\nwant\n%s", a, b)
	}
}

func TestPain008Payments(t *testing.T) {
	files := testdata(t)
	got := inspect(files["pain008-batches.xml"], always(3))
	wantList(t, got,
		`1 "E1" 100.50 "SEK" from "Björn Öberg" "SE4550000000058398257466" to "Exempel Åkeri AB" "SE4550000000058398257466" on "2026-11-23" for "Faktura 4711"`,
		`2 "E2" 149.50 "SEK" from "Måleri & Färg HB" "9912346" to "Exempel Åkeri AB" "SE4550000000058398257466" on "2026-11-23" for "1234567897"`,
		`3 "E3" 20.1 "EUR" from "Björn Öberg" "SE4550000000058398257466" to "Exempel Åkeri AB" "NO9386011117947" on "2026-12-01" for "Faktura 4711"`)
	f := got.Facts
	if f.FirstExecution != "2026-11-23" || f.LastExecution != "2026-12-01" || f.Declared != "3 payments, 270.1" || f.MessageID != "MSG-1" ||
		f.Initiator != "Exempel Åkeri AB" || f.BusinessKey != "pain.008\x1fMSG-1\x1fExempel Åkeri AB\x1fSE4550000000058398257466" ||
		f.CreatedAt != "2026-11-20T15:02:11" || len(f.Payers) != 2 || f.Payers[1].Account != "NO9386011117947" || f.FindingsAll != 0 {
		t.Errorf("%+v", f)
	}
	got = inspect(files["pain008-findings.xml"], always(1))
	want := "date-shape iban-check-digits bic-shape iban-check-digits currency-shape end-to-end-id-missing"
	if codes(got) != want {
		t.Errorf("findings %q, want %q", codes(got), want)
	}
}

func TestCamtPayments(t *testing.T) {
	files := testdata(t)
	got := inspect(files["camt053-statements.xml"], always(3))
	wantList(t, got,
		`1 "E1" 100.50 "SEK" from "Björn Öberg" "DE89370400440532013000" to "Exempel Åkeri AB" "SE4550000000058398257466" on "2026-11-19" for "Faktura 4711"`,
		`2 "E2" -50.25 "SEK" from "Exempel Åkeri AB" "SE4550000000058398257466" to "Måleri & Färg HB" "9912346" on "2026-11-19" for "1234567897"`,
		`3 "" 149.50 "SEK" from "" "" to "Exempel Åkeri AB" "SE4550000000058398257466" on "2026-11-19" for "2 INBETALNINGAR"`,
		`4 "E3" 20.1 "EUR" from "Karin Ek" "NO9386011117947" to "Exempel Åkeri AB" "NO9386011117947" on "2026-11-20" for "a b"`)
	f := got.Facts
	if f.FirstExecution != "2026-11-19" || f.LastExecution != "2026-11-20" || f.Declared != "4 payments, 320.35" || f.MessageID != "MSG-1" ||
		f.Initiator != "" || f.BusinessKey != "camt.053\x1fMSG-1\x1fS-1\x1fSE4550000000058398257466" || f.Answers != "" ||
		f.CreatedAt != "2026-11-20T05:02:11" || len(f.Payers) != 2 || f.Payers[1].Account != "NO9386011117947" || f.FindingsAll != 0 {
		t.Errorf("%+v", f)
	}
	for name, want := range map[string]string{
		"camt053-findings.xml": "date-shape message-id-missing iban-check-digits bic-shape iban-check-digits bic-shape date-shape " +
			"date-shape currency-differs iban-check-digits bic-shape date-shape currency-shape currencies-mixed",
		"camt053-no-statement.xml": "statement-missing",
		"camt053-net.xml":          "net-amount-differs",
		"camt053-mixed.xml":        "currency-differs currencies-mixed totals-differ totals-differ",
		"camt053-paged.xml":        "totals-differ totals-differ totals-differ totals-differ",
		"camt053-interim.xml":      "",
		"camt053-pending.xml":      "",
		"camt053-status.xml":       "",
	} {
		if got := codes(inspect(files[name], always(1))); got != want {
			t.Errorf("%s: findings %q, want %q", name, got, want)
		}
	}
}

func TestPacs008Payments(t *testing.T) {
	files := testdata(t)
	wantList(t, inspect(files["pacs008-currencies.xml"], always(3)),
		`1 "E1" 100.50 "EUR" from "Exempel Åkeri AB" "SE4550000000058398257466" to "Björn Öberg" "DE89370400440532013000" on "2026-11-24" for "Faktura 4711"`,
		`2 "E2" 20.1 "NOK" from "Exempel Åkeri AB" "SE4550000000058398257466" to "Björn Öberg" "DE89370400440532013000" on "2026-12-01" for "Faktura 4711"`,
		`3 "E3" 5 "EUR" from "Exempel Åkeri AB" "SE4550000000058398257466" to "Björn Öberg" "DE89370400440532013000" on "2026-11-23" for "Faktura 4711"`)
	got := inspect(files["pacs008-typical.xml"], always(3))
	wantList(t, got,
		`1 "E1" 100.50 "EUR" from "Exempel Åkeri AB" "SE4550000000058398257466" to "Björn Öberg" "DE89370400440532013000" on "2026-11-23" for "Faktura 4711"`,
		`2 "E2" 149.50 "EUR" from "Karin Ek" "NO9386011117947" to "Måleri & Färg HB" "9912346" on "2026-11-23" for "1234567897"`)
	f := got.Facts
	if f.FirstExecution != "2026-11-23" || f.LastExecution != "2026-11-23" || f.Declared != "2 payments, 250.00" || f.MessageID != "MSG-1" ||
		f.Initiator != "SWEDSESS" || f.BusinessKey != "pacs.008\x1fMSG-1\x1fSWEDSESS\x1fSE4550000000058398257466" ||
		f.CreatedAt != "2026-11-20T15:02:11" || len(f.Payers) != 2 || f.Payers[1].Name != "Karin Ek" || f.FindingsAll != 0 {
		t.Errorf("%+v", f)
	}
	got = inspect(files["pacs008-findings.xml"], always(1))
	want := "date-past bic-shape iban-check-digits bic-shape iban-check-digits bic-shape end-to-end-id-missing"
	if codes(got) != want {
		t.Errorf("findings %q, want %q", codes(got), want)
	}
}

func TestPain002Payments(t *testing.T) {
	files := testdata(t)
	got := inspect(files["pain002-typical.xml"], always(3))
	wantList(t, got,
		`1 "E1" 100.50 "SEK" from "Exempel Åkeri AB" "SE4550000000058398257466" to "Björn Öberg" "DE89370400440532013000" on "2026-11-23" for "Faktura 4711"`,
		`2 "E2" 149.50 "SEK" from "Exempel Åkeri AB" "SE4550000000058398257466" to "Måleri & Färg HB" "9912346" on "2026-11-23" for "1234567897"`,
		`3 "E3" 0 "" from "" "" to "" "" on "" for ""`)
	f := got.Facts
	if f.FirstExecution != "2026-11-23" || f.LastExecution != "2026-11-23" || f.Declared != "" || f.MessageID != "ANSWER-1" ||
		f.Initiator != "SWEDSESS" || f.BusinessKey != "pain.002\x1fANSWER-1\x1fSWEDSESS" || f.Answers != "MSG-1" ||
		f.CreatedAt != "2026-11-20T16:00:00" || len(f.Payers) != 1 || f.FindingsAll != 0 {
		t.Errorf("%+v", f)
	}
	got = inspect(files["pain002-findings.xml"], always(1))
	want := "amount-shape amount-shape date-shape iban-check-digits bic-shape iban-check-digits original-id-missing"
	if codes(got) != want {
		t.Errorf("findings %q, want %q", codes(got), want)
	}
}

func TestCamt055Payments(t *testing.T) {
	files := testdata(t)
	for _, name := range []string{"camt055-typical.xml", "camt055-quoted.xml"} {
		got := inspect(files[name], always(3))
		wantList(t, got,
			`1 "E1" 100.50 "SEK" from "Exempel Åkeri AB" "SE4550000000058398257466" to "Björn Öberg" "DE89370400440532013000" on "2026-11-23" for "Faktura 4711"`,
			`2 "E2" 149.50 "SEK" from "Exempel Åkeri AB" "SE4550000000058398257466" to "Måleri & Färg HB" "9912346" on "2026-11-23" for "1234567897"`)
		f := got.Facts
		if f.FirstExecution != "2026-11-23" || f.LastExecution != "2026-11-23" || f.Declared != "2 payments, 250.00" || f.MessageID != "CANCEL-1" ||
			f.Initiator != "Exempel Åkeri AB" || f.BusinessKey != "camt.055\x1fCANCEL-1\x1fExempel Åkeri AB" || f.Answers != "MSG-1" ||
			f.CreatedAt != "2026-11-20T16:00:00" || len(f.Payers) != 1 || f.FindingsAll != 0 {
			t.Errorf("%s: %+v", name, f)
		}
	}
	if f := inspect(files["camt055-whole.xml"], always(1)).Facts; f.Declared != "9 payments, 999.00" || f.FindingsAll != 0 {
		t.Errorf("%+v", f)
	}
	got := inspect(files["camt055-findings.xml"], always(1))
	want := "date-shape iban-check-digits bic-shape iban-check-digits currency-shape"
	if codes(got) != want {
		t.Errorf("findings %q, want %q", codes(got), want)
	}
}

// TestPain002Flips changes one byte at a time of a report, which has no totals of its own: the count stays, and sums may
// only change with a byte of an amount that is quoted.
func TestPain002Flips(t *testing.T) {
	data := testdata(t)["pain002-typical.xml"]
	before := inspect(data, whole(data))
	sum, _, count := sumOf(t, before)
	for at := range data {
		old := data[at]
		tag := bytes.LastIndex(data[:at+1], []byte("<InstdAmt"))
		quoted := tag >= 0 && at < tag+bytes.Index(data[tag:], []byte("</InstdAmt>"))
		for k, c := range []byte{old ^ 1, old ^ 2, old ^ 0x80, '<', '>', '&', '/', ' ', '0', '9', '-', 0} {
			if c == old || (at+k)%3 != 0 {
				continue
			}
			data[at] = c
			got := inspect(data, whole(data))
			if k%5 == 0 && !same(t, "report", "flipped, in chunks of 11", inspect(data, always(11)), got) {
				t.Fatalf("byte %d became %q", at, c)
			}
			s, _, n := sumOf(t, got)
			if len(got.Problems) == 0 && (n != count || !quoted && s.Cmp(sum) != 0) {
				t.Errorf("byte %d from %q to %q, and it holds %d payments, %s, not %d, %s", at, old, c, n, s, count, sum)
			}
		}
		data[at] = old
	}
}

// TestEndingZeros: XML Schema counts the digits of a number's value, so zeros may end its decimals beyond what counts.
func TestEndingZeros(t *testing.T) {
	for _, c := range []struct{ written, want string }{
		{"100.000000", "100"},
		{"1234567890123.500000000000", "1234567890123.5"},
		{"1.50000", "1.50000"},
		{"1.500001", ""},
		{"1000000000000000000", ""},
		{"0.00000000", "0"},
		{".000000", "0"},
		{"+.0000000", "0"},
		{"-0.00", "0.00"},
		{"-0.000000", "0"},
		{"-0.01", ""},
		{".", ""},
		{"100.000000x", ""},
	} {
		text := []byte(strings.ReplaceAll(strings.ReplaceAll(orderly, `SEK">1<`, `SEK">`+c.written+"<"), "Sum>1<", "Sum>"+c.written+"<"))
		got := inspect(text, whole(text))
		switch {
		case c.want == "":
			if !has(got.Problems, Malformed) {
				t.Errorf("%s: %v", c.written, got.Problems)
			}
		case len(got.Problems) > 0 || got.Facts.Totals[0].Amount.String() != c.want:
			t.Errorf("%s: %v %v", c.written, got.Facts.Totals, got.Problems)
		}
	}
}
