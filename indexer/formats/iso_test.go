package formats

import (
	"strings"
	"testing"
)

// remakes turn a generated pain.001 into another message with the same payments.
var remakes = map[string]func(pain001 []byte) []byte{
	"pain.008": replacer("CstmrCdtTrfInitn", "CstmrDrctDbtInitn", "CdtTrfTxInf", "DrctDbtTxInf", "pain.001.001.09", "pain.008.001.08",
		"Cdtr", "Dbtr", "Dbtr", "Cdtr", "ReqdExctnDt>", "ReqdColltnDt>", "<Dt>", "", "</Dt>", "", "<Amt>", "", "</Amt>", ""),
}

func replacer(pairs ...string) func([]byte) []byte {
	r := strings.NewReplacer(pairs...)
	return func(b []byte) []byte { return []byte(r.Replace(string(b))) }
}

// codes are those of a file's findings.
func codes(r read) string {
	var all []string
	for _, f := range r.Facts.Findings {
		all = append(all, f.Code)
	}
	return strings.Join(all, " ")
}

// wantPayments holds what was handed over against what is wanted, a line each.
func wantPayments(t *testing.T, got read, want ...string) {
	t.Helper()
	if a, b := strings.Join(got.Payments, "\n"), strings.Join(want, "\n"); a != b {
		t.Errorf("got\n%s\nwant\n%s", a, b)
	}
}

func TestPain008Payments(t *testing.T) {
	files := testdata(t)
	got := inspect(files["pain008-batches.xml"], always(3))
	wantPayments(t, got,
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
