package formats

import (
	"strings"
	"testing"
)

// TestSeverity: a wrong account is a warning, a past date a notice, and each finding of every test file is one of the two.
func TestSeverity(t *testing.T) {
	seen := map[string]string{}
	for name, data := range testdata(t) {
		for _, f := range inspect(data, whole(data)).Facts.Findings {
			if f.Severity != "warning" && f.Severity != "notice" {
				t.Errorf("%s: %+v", name, f)
			}
			seen[f.Code] = f.Severity
		}
	}
	for severity, codes := range map[string]string{
		"warning": "iban-check-digits bankgiro-check-digit aba-check-digit bic-shape amount-shape balance-mismatch",
		"notice":  "date-past date-bank-holiday record-length characters unknown-record structure original-id-missing",
	} {
		for code := range strings.FieldsSeq(codes) {
			if seen[code] != severity {
				t.Errorf("%s is %q, want %s", code, seen[code], severity)
			}
		}
	}
}
