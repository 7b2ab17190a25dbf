package formats

import (
	"strings"
	"testing"
)

// bgWants is wants, for Bankgirot's formats other than LB, and for PO3.
var bgWants = map[string]string{
	"bgmax-smallest.txt":                      "bgmax layout 01 P us-ascii | 1 | EUR 0.01 | ok",
	"bad-bgmax-deposits.txt":                  "bgmax layout 01 P iso-8859-1 | 4 | EUR 0.01, SEK 1450.50 | totals-mismatch: its TK70 says 3 payments, deductions 1, extra references 2, deposits 3, but it holds 3 payments, deductions 1, extra references 2, deposits 2",
	"bgmax-utf8.txt":                          "bgmax layout 01 P utf-8 | 4 | EUR 0.01, SEK 1450.50 | ok",
	"bad-bgmax-references.txt":                "bgmax layout 01 P iso-8859-1 | 4 | EUR 0.01, SEK 1450.50 | totals-mismatch: its TK70 says 3 payments, deductions 1, extra references 3, deposits 2, but it holds 3 payments, deductions 1, extra references 2, deposits 2",
	"bad-bgmax-twice.txt":                     "bgmax layout 01 P iso-8859-1 | 3 | SEK 1450.50 | malformed: record 14 stands where it does not belong",
	"bad-bgmax-after.txt":                     "bgmax layout 01 P iso-8859-1 | 4 | EUR 0.01, SEK 1450.50 | malformed: record 18 stands where it does not belong",
	"bad-bgmax-payments.txt":                  "bgmax layout 01 P iso-8859-1 | 4 | EUR 0.01, SEK 1450.50 | totals-mismatch: its TK70 says 4 payments, deductions 1, extra references 2, deposits 2, but it holds 3 payments, deductions 1, extra references 2, deposits 2",
	"bgmax-latin1.txt":                        "bgmax layout 01 P iso-8859-1 | 4 | EUR 0.01, SEK 1450.50 | ok",
	"bad-bgmax-outside.txt":                   "bgmax layout 01 P us-ascii | 0 |  | malformed: record 2 stands where it does not belong",
	"bgmax-cp850.txt":                         "bgmax layout 01 P cp850 | 4 | EUR 0.01, SEK 1450.50 | ok",
	"bgmax-lf.txt":                            "bgmax layout 01 P iso-8859-1 | 4 | EUR 0.01, SEK 1450.50 | ok",
	"bgmax-none.txt":                          "bgmax layout 01 P us-ascii | 0 |  | ok",
	"bgmax-unterminated.txt":                  "bgmax layout 01 P iso-8859-1 | 4 | EUR 0.01, SEK 1450.50 | ok",
	"bad-bgmax-short.txt":                     "bgmax layout 01 P iso-8859-1 | 3 | SEK 1450.50 | malformed: record 13, a TK15, has no sum of 18 and no count of 8 digits",
	"bad-bgmax-amount.txt":                    "bgmax layout 01 P us-ascii | 0 |  | malformed: the amount of payment 1, record 3, is not 18 digits",
	"bad-bgmax-no-15.txt":                     "bgmax layout 01 P iso-8859-1 | 2 | SEK 1449.50 | malformed: record 13 stands where it does not belong",
	"bgmax-short.txt":                         "bgmax layout 01 P iso-8859-1 | 4 | EUR 0.01, SEK 1450.50 | ok",
	"bgmax-no-breaks.txt":                     "bgmax layout 01 P iso-8859-1 | 4 | EUR 0.01, SEK 1450.50 | ok",
	"bad-bgmax-count.txt":                     "bgmax layout 01 P iso-8859-1 | 4 | EUR 0.01, SEK 1450.50 | totals-mismatch: deposit 1 says 4 payments, 1450.50 SEK, but holds 3, 1450.50 SEK",
	"bad-bgmax-deductions.txt":                "bgmax layout 01 P iso-8859-1 | 4 | EUR 0.01, SEK 1450.50 | totals-mismatch: its TK70 says 3 payments, deductions 0, extra references 2, deposits 2, but it holds 3 payments, deductions 1, extra references 2, deposits 2",
	"bad-bgmax-sum.txt":                       "bgmax layout 01 P iso-8859-1 | 4 | EUR 0.01, SEK 1450.50 | totals-mismatch: deposit 1 says 3 payments, 1450.49 SEK, but holds 3, 1450.50 SEK",
	"bad-bgmax-end.txt":                       "bgmax layout 01 P iso-8859-1 | 4 | EUR 0.01, SEK 1450.50 | malformed: record 17, a TK70, has not four counts of 8 digits",
	"bgmax-findings.txt":                      "bgmax layout 01 P iso-8859-1 | 4 | EUR 0.01, SEK 1450.50 | ok",
	"loner-cp850.txt":                         "bg-loner cp850 | 3 | SEK 45000.00 | ok",
	"loner-sealed.txt":                        "bg-sealed bg-loner iso-8859-1 | 3 | SEK 45000.00 | ok",
	"loner-smallest.txt":                      "bg-loner iso-8859-1 | 1 | SEK 25000.00 | ok",
	"loner-utf8-no-breaks.txt":                "bg-loner utf-8 | 3 | SEK 45000.00 | ok",
	"bad-loner-amount.txt":                    "bg-loner iso-8859-1 | 1 | SEK 25000.00 | malformed: the amount of payment 2, record 3, is not 12 digits",
	"loner-short.txt":                         "bg-loner iso-8859-1 | 3 | SEK 45000.00 | ok",
	"bad-loner-count.txt":                     "bg-loner iso-8859-1 | 3 | SEK 45000.00 | totals-mismatch: it says 4 payments, 45000.00 SEK, but holds 3, 45000.00 SEK",
	"bad-loner-unsealed-99.txt":               "bg-loner iso-8859-1 | 3 | SEK 45000.00 | malformed: record 6, a TK99, does not end a seal that TK00 began",
	"loner-latin1.txt":                        "bg-loner iso-8859-1 | 3 | SEK 45000.00 | ok",
	"loner-none.txt":                          "bg-loner iso-8859-1 | 0 |  | ok",
	"loner-utf8.txt":                          "bg-loner utf-8 | 3 | SEK 45000.00 | ok",
	"bad-loner-seal-after.txt":                "bg-sealed bg-loner iso-8859-1 | 3 | SEK 45000.00 | malformed: record 8 stands outside of a section from TK01 to TK09, or begins one in another",
	"cut-loner-sealed.txt":                    "bg-sealed bg-loner iso-8859-1 | 3 | SEK 45000.00 | incomplete: it ends early, after 3 payments",
	"bad-loner-seal-short.txt":                "bg-sealed bg-loner iso-8859-1 | 3 | SEK 45000.00 | malformed: record 7, a TK99, is too short",
	"loner-no-breaks.txt":                     "bg-loner iso-8859-1 | 3 | SEK 45000.00 | ok",
	"loner-sealed-no-breaks.txt":              "bg-sealed bg-loner iso-8859-1 | 3 | SEK 45000.00 | ok",
	"loner-unterminated.txt":                  "bg-loner iso-8859-1 | 3 | SEK 45000.00 | ok",
	"loner-sealed-sections.txt":               "bg-sealed bg-loner iso-8859-1 | 6 | SEK 90000.00 | ok",
	"loner-sections.txt":                      "bg-loner iso-8859-1 | 6 | SEK 90000.00 | ok",
	"bad-loner-after.txt":                     "bg-loner iso-8859-1 | 3 | SEK 45000.00 | malformed: record 6 stands outside of a section from TK01 to TK09, or begins one in another",
	"loner-iso646.txt":                        "bg-loner iso-646-se | 3 | SEK 45000.00 | ok",
	"bad-loner-head.txt":                      "bg-loner iso-8859-1 | 0 |  | malformed: record 1, a TK01, is too short",
	"bad-loner-no-09.txt":                     "bg-loner iso-8859-1 | 3 | SEK 45000.00 | malformed: record 5 stands outside of a section from TK01 to TK09, or begins one in another",
	"loner-lf.txt":                            "bg-loner iso-8859-1 | 3 | SEK 45000.00 | ok",
	"bad-loner-section.txt":                   "bg-loner iso-8859-1 | 6 | SEK 90000.00 | totals-mismatch: section 2 says 3 payments, 45000.01 SEK, but holds 3, 45000.00 SEK",
	"bad-loner-sum.txt":                       "bg-loner iso-8859-1 | 3 | SEK 45000.00 | totals-mismatch: it says 3 payments, 45000.01 SEK, but holds 3, 45000.00 SEK",
	"bad-loner-short.txt":                     "bg-loner iso-8859-1 | 3 | SEK 45000.00 | malformed: record 5, a TK09, has no sum of 12 and no count of 6 digits",
	"loner-findings.txt":                      "bg-loner iso-8859-1 | 3 | SEK 45000.00 | ok",
	"bad-autogiro-report-short.txt":           "bg-autogiro-report MAKULERING/ÄNDRING iso-8859-1 | 0 |  | malformed: record 3, a TK09, is too short or has no date",
	"autogiro-report-changes-no-breaks.txt":   "bg-autogiro-report MAKULERING/ÄNDRING iso-8859-1 | 0 |  | ok",
	"autogiro-report-rejected-old.txt":        "bg-autogiro-report FELLISTA REG.KONTRL us-ascii | 0 |  | ok",
	"cut-autogiro-sealed.txt":                 "bg-sealed bg-autogiro iso-8859-1 | 4 | SEK 10.00, drawn SEK 1001.00 | incomplete: it ends early, after 4 payments",
	"autogiro-report-medavi-new.txt":          "bg-autogiro-report AG-MEDAVI us-ascii | 0 |  | ok",
	"bad-autogiro-bgmax.txt":                  "bg-autogiro iso-8859-1 | 4 | SEK 10.00, drawn SEK 1001.00 | malformed: record 6, a TK01, is too short or not one of Autogiro",
	"autogiro-report-changes-utf8.txt":        "bg-autogiro-report MAKULERING/ÄNDRING utf-8 | 0 |  | ok",
	"autogiro-sections.txt":                   "bg-autogiro iso-8859-1 | 4 | SEK 10.00, drawn SEK 1001.00 | ok",
	"autogiro-report-emedgiv.txt":             "bg-autogiro-report AG-EMEDGIV iso-8859-1 | 0 |  | ok",
	"autogiro-report-changes-cp850.txt":       "bg-autogiro-report MAKULERING/ÄNDRING cp850 | 0 |  | ok",
	"bad-autogiro-head.txt":                   "bg-autogiro us-ascii | 0 |  | malformed: record 1, a TK01, is too short or not one of Autogiro",
	"autogiro-mandates.txt":                   "bg-autogiro us-ascii | 0 |  | ok",
	"autogiro-report-medavi.txt":              "bg-autogiro-report AG-MEDAVI us-ascii | 0 |  | ok",
	"autogiro-report-rejected.txt":            "bg-autogiro-report AVVISADE BET UPPDR iso-8859-1 | 0 |  | ok",
	"autogiro-utf8.txt":                       "bg-autogiro utf-8 | 4 | SEK 10.00, drawn SEK 1001.00 | ok",
	"cut-autogiro-head.txt":                   "bg-autogiro us-ascii | 0 |  | incomplete: it ends before its first payment is whole",
	"cut-autogiro-short.txt":                  "bg-autogiro iso-8859-1 | 3 | drawn SEK 1001.00 | incomplete: it ends early, after 3 payments",
	"autogiro-unterminated.txt":               "bg-autogiro iso-8859-1 | 4 | SEK 10.00, drawn SEK 1001.00 | ok",
	"bad-autogiro-seal-after.txt":             "bg-sealed bg-autogiro iso-8859-1 | 4 | SEK 10.00, drawn SEK 1001.00 | malformed: record 8 stands outside of a section, which begins with TK01",
	"autogiro-latin1.txt":                     "bg-autogiro iso-8859-1 | 4 | SEK 10.00, drawn SEK 1001.00 | ok",
	"cut-autogiro-report.txt":                 "bg-autogiro-report MAKULERING/ÄNDRING iso-8859-1 | 0 |  | incomplete: it ends before its first payment is whole",
	"bad-autogiro-report-after.txt":           "bg-autogiro-report AG-MEDAVI us-ascii | 0 |  | malformed: record 5 stands outside of a report, which begins with TK01 or TK51",
	"autogiro-report-several.txt":             "bg-autogiro-report AG-MEDAVI us-ascii | 0 |  | ok",
	"autogiro-sealed-sections.txt":            "bg-sealed bg-autogiro iso-8859-1 | 4 | SEK 10.00, drawn SEK 1001.00 | ok",
	"bad-autogiro-payment.txt":                "bg-autogiro us-ascii | 1 | drawn SEK 750.00 | malformed: the amount of payment 2, record 3, is not 12 digits, or no bankgiro number follows",
	"autogiro-short.txt":                      "bg-autogiro iso-8859-1 | 4 | SEK 10.00, drawn SEK 1001.00 | ok",
	"autogiro-report-specification.txt":       "bg-autogiro-report BET. SPEC & STOPP TK us-ascii | 0 |  | ok",
	"autogiro-report-medavi-unterminated.txt": "bg-autogiro-report AG-MEDAVI us-ascii | 0 |  | ok",
	"bad-autogiro-mandate.txt":                "bg-autogiro us-ascii | 0 |  | malformed: record 4 is too short",
	"bad-autogiro-seal-twice.txt":             "bg-sealed bg-autogiro iso-8859-1 | 4 | SEK 10.00, drawn SEK 1001.00 | malformed: record 8, a TK99, does not end a seal that TK00 began",
	"autogiro-cp850.txt":                      "bg-autogiro cp850 | 4 | SEK 10.00, drawn SEK 1001.00 | ok",
	"autogiro-sealed.txt":                     "bg-sealed bg-autogiro iso-8859-1 | 4 | SEK 10.00, drawn SEK 1001.00 | ok",
	"cut-autogiro-head-later.txt":             "bg-autogiro iso-8859-1 | 4 | SEK 10.00, drawn SEK 1001.00 | incomplete: it ends early, after 4 payments",
	"autogiro-no-breaks.txt":                  "bg-autogiro iso-8859-1 | 4 | SEK 10.00, drawn SEK 1001.00 | ok",
	"autogiro-report-changes.txt":             "bg-autogiro-report MAKULERING/ÄNDRING iso-8859-1 | 0 |  | ok",
	"autogiro-report-register.txt":            "bg-autogiro-report BEVAKNINGSREG us-ascii | 0 |  | ok",
	"autogiro-lf.txt":                         "bg-autogiro iso-8859-1 | 4 | SEK 10.00, drawn SEK 1001.00 | ok",
	"autogiro-report-specification-old.txt":   "bg-autogiro-report us-ascii | 0 |  | ok",
	"autogiro-sealed-no-breaks.txt":           "bg-sealed bg-autogiro iso-8859-1 | 4 | SEK 10.00, drawn SEK 1001.00 | ok",
	"bad-autogiro-report-no-09.txt":           "bg-autogiro-report AG-MEDAVI us-ascii | 0 |  | malformed: report 1 has no TK09 before the next report, record 4",
	"bad-autogiro-report-count.txt":           "bg-autogiro-report AG-MEDAVI us-ascii | 0 |  | totals-mismatch: report 1 says 3 records, but holds 2",
	"autogiro-sealed-blank-rows.txt":          "bg-sealed bg-autogiro iso-8859-1 | 4 | SEK 10.00, drawn SEK 1001.00 | ok",
	"bad-autogiro-99.txt":                     "bg-autogiro iso-8859-1 | 4 | SEK 10.00, drawn SEK 1001.00 | malformed: record 6, a TK99, does not end a seal that TK00 began",
	"bad-autogiro-report-lost.txt":            "bg-autogiro-report AG-MEDAVI us-ascii | 0 |  | totals-mismatch: report 1 says 2 records, but holds 1",
	"autogiro-findings.txt":                   "bg-autogiro iso-8859-1 | 4 | SEK 10.00, drawn SEK 1001.00 | ok",
	"autogiro-smallest.txt":                   "bg-autogiro us-ascii | 1 | drawn SEK 750.00 | ok",
	"bad-autogiro-amount.txt":                 "bg-autogiro iso-8859-1 | 1 | drawn SEK 750.00 | malformed: the amount of payment 2, record 3, is not 12 digits, or no bankgiro number follows",
	"po3-findings.txt":                        "po3 iso-8859-1 | 3 | S3K 1601.00 | ok",
	"po3-utf8.txt":                            "po3 utf-8 | 3 | SEK 1601.00 | ok",
	"po3-lf.txt":                              "po3 iso-8859-1 | 3 | SEK 1601.00 | ok",
	"bad-po3-count.txt":                       "po3 iso-8859-1 | 3 | SEK 1601.00 | totals-mismatch: section 1 says 2 payments, 1601.00 SEK, but holds 3, 1601.00 SEK",
	"po3-short.txt":                           "po3 iso-8859-1 | 3 | SEK 1601.00 | ok",
	"po3-cp850.txt":                           "po3 cp850 | 3 | SEK 1601.00 | ok",
	"po3-no-breaks.txt":                       "po3 iso-8859-1 | 3 | SEK 1601.00 | ok",
	"po3-unterminated.txt":                    "po3 iso-8859-1 | 3 | SEK 1601.00 | ok",
	"bad-po3-amount.txt":                      "po3 iso-8859-1 | 1 | SEK 1500.00 | malformed: the amount of payment 2, record 7, is not 13 digits",
	"bad-po3-head.txt":                        "po3 us-ascii | 0 |  | malformed: record 1, an MH00, is too short",
	"po3-latin1.txt":                          "po3 iso-8859-1 | 3 | SEK 1601.00 | ok",
	"bad-po3-section.txt":                     "po3 iso-8859-1 | 6 | EUR 1601.00, SEK 1601.00 | totals-mismatch: section 2 says 3 payments, 1601.01 EUR, but holds 3, 1601.00 EUR",
	"bad-po3-short.txt":                       "po3 iso-8859-1 | 3 | SEK 1601.00 | malformed: record 12, an MT00, has no count of 7 and no sum of 15 digits",
	"po3-sections.txt":                        "po3 iso-8859-1 | 6 | EUR 1601.00, SEK 1601.00 | ok",
	"bad-po3-sum.txt":                         "po3 iso-8859-1 | 3 | SEK 1601.00 | totals-mismatch: section 1 says 3 payments, 1601.01 SEK, but holds 3, 1601.00 SEK",
	"bad-po3-after.txt":                       "po3 iso-8859-1 | 3 | SEK 1601.00 | malformed: record 13 stands outside of a section from MH00 to MT00",
	"bad-po3-no-mt00.txt":                     "po3 iso-8859-1 | 6 | EUR 1601.00, SEK 1601.00 | totals-mismatch: section 1 says 3 payments, 1601.00, but holds 6, 3202.00",
	"po3-smallest.txt":                        "po3 us-ascii | 1 | SEK 1500.00 | ok",
	"po3-currencies.txt":                      "po3 iso-8859-1 | 6 | EUR 1601.00, SEK 1601.00 | ok",
	"autogiro-sealed-shape.txt":               "bg-sealed bg-autogiro iso-8859-1 | 4 | SEK 10.00, drawn SEK 1001.00 | ok",
}

func wantPayments(t *testing.T, name string, want []string) Facts {
	t.Helper()
	data := testdata(t)[name]
	got := inspect(data, always(3))
	if a, b := strings.Join(got.Payments, "\n"), strings.Join(want, "\n"); a != b {
		t.Errorf("%s: got\n%s\nwant\n%s", name, a, b)
	}
	return got.Facts
}

// wantFindings wants these codes, in this order; each once, whatever the date is today.
func wantFindings(t *testing.T, name string, codes ...string) {
	t.Helper()
	data := testdata(t)[name]
	var got []string
	for _, f := range inspect(data, whole(data)).Facts.Findings {
		got = append(got, f.Code)
	}
	if a, b := strings.Join(got, " "), strings.Join(codes, " "); a != b {
		t.Errorf("%s: findings\n%s\nwant\n%s", name, a, b)
	}
}

func TestBgMaxPayments(t *testing.T) {
	f := wantPayments(t, "bgmax-latin1.txt", []string{
		`1 "100000000001" 1500.00 "SEK" from "ÅSA BJÖRK" "0054728027" to "" "0009912346" on "" for "1234567897 BETALNING FÖR NOVEMBER"`,
		`2 "100000000002" -50.50 "SEK" from "" "0054728027" to "" "0009912346" on "" for "KREDIT 7"`,
		`3 "100000000003" 1.00 "SEK" from "" "" to "" "0009912346" on "" for "4711 4712"`,
		`4 "" 0.01 "EUR" from "" "0054728027" to "" "0000028803" on "" for "77"`,
	})
	if f.FirstExecution != "2026-11-20" || f.LastExecution != "2026-11-23" || f.Declared != "4 payments, 1450.51" || f.MessageID != "20261120173035010331" ||
		f.BusinessKey != "bgmax\x1f20261120173035010331\x1f0009912346\x1f0000028803" || f.CreatedAt != "2026-11-20T17:30:35.010331" ||
		len(f.Payers) != 2 || f.FindingsAll != 0 {
		t.Errorf("%+v", f)
	}
	wantFindings(t, "bgmax-findings.txt", "bankgiro-check-digit", "bankgiro-check-digit", "unknown-record", "bankgiro-not-numeric", "date-shape", "currency-differs")
}

func TestLonerPayments(t *testing.T) {
	f := wantPayments(t, "loner-utf8-no-breaks.txt", []string{
		`1 "0000000017" 25000.00 "SEK" from "" "0009912346" to "" "6000000334223113" on "2026-11-25" for "LÖN NOVEMBER"`,
		`2 "0000000018" 19999.50 "SEK" from "" "0009912346" to "" "3300001212121212" on "2026-11-25" for "LÖN NOVEMBER"`,
		`3 "0000000019" 0.50 "SEK" from "" "0009912346" to "" "8901003232323232" on "" for "FÖRSKOTT"`,
	})
	if f.FirstExecution != "2026-11-25" || f.LastExecution != "2026-11-25" || f.Declared != "3 payments, 45000.00" || f.Initiator != "004711" ||
		f.BusinessKey != "bg-loner\x1f004711\x1f2026-11-20\x1f3\x1fSEK\x1f45000.00" || f.CreatedAt != "2026-11-20" || f.FindingsAll != 0 {
		t.Errorf("%+v", f)
	}
	sealed := inspect(testdata(t)["loner-sealed.txt"], always(5)).Facts
	if sealed.BusinessKey != f.BusinessKey {
		t.Errorf("sealed, it is other business: %q", sealed.BusinessKey)
	}
	wantFindings(t, "loner-findings.txt", "bankgiro-check-digit", "account-not-numeric", "unknown-record", "date-shape", "date-past")
}

func TestAutogiroPayments(t *testing.T) {
	f := wantPayments(t, "autogiro-latin1.txt", []string{
		`1 "" -750.00 "SEK" from "" "101" to "" "0009912346" on "2026-11-25" for "FAKTURA 1"`,
		`2 "" -250.50 "SEK" from "" "102" to "" "0009912346" on "2026-11-30" for "HYRA ÅÄÖ"`,
		`3 "" -0.50 "SEK" from "" "103" to "" "0009912346" on "" for "1234567897"`,
		`4 "" 10.00 "SEK" from "" "0009912346" to "" "104" on "2026-12-01" for "ÅTER 9"`,
	})
	if f.FirstExecution != "2026-11-25" || f.LastExecution != "2026-12-01" || f.Declared != "" || f.Initiator != "004711" ||
		f.BusinessKey != "bg-autogiro\x1f004711\x1f2026-11-20\x1f4\x1fSEK\x1f10.00\x1f-SEK\x1f1001.00" || f.CreatedAt != "2026-11-20" ||
		f.Payers[0].Account != "0009912346" || f.FindingsAll != 0 {
		t.Errorf("%+v", f)
	}
	if f := inspect(testdata(t)["autogiro-sections.txt"], always(7)).Facts; len(f.Payers) != 2 {
		t.Errorf("%+v", f.Payers)
	}
	wantFindings(t, "autogiro-findings.txt", "bankgiro-check-digit", "payee-differs", "date-shape", "payee-differs", "date-past",
		"payee-differs", "payee-differs", "unknown-record")
	wantFindings(t, "autogiro-sealed-shape.txt", "seal-shape")
}

func TestAutogiroReportFacts(t *testing.T) {
	for name, want := range map[string]string{
		"specification":     "BET. SPEC & STOPP TK|2026-11-20T11:29:31.972673|004711|",
		"specification-old": "|2026-11-20|004711|",
		"changes-cp850":     "MAKULERING/ÄNDRING|2026-11-20|004711|",
		"register":          "BEVAKNINGSREG|2026-11-20|004711|",
		"medavi":            "AG-MEDAVI|2026-11-20||2 records",
		"medavi-new":        "AG-MEDAVI|2026-11-20|004711|2 records",
		"emedgiv":           "AG-EMEDGIV|2026-11-20||3 records",
	} {
		f := inspect(testdata(t)["autogiro-report-"+name+".txt"], always(9)).Facts
		got := strings.Join([]string{f.Version, f.CreatedAt, f.Initiator, f.Declared}, "|")
		if got != want || len(f.Payers) != 1 || f.Payers[0].Account != "0009912346" || f.FindingsAll != 0 {
			t.Errorf("%s: %s, want %s: %+v", name, got, want, f)
		}
	}
}

func TestPO3Payments(t *testing.T) {
	f := wantPayments(t, "po3-utf8.txt", []string{
		`1 "" 1500.00 "SEK" from "EXEMPEL ÅKERI AB" "0000028803" to "MÅLERI & FÄRG HB" "54728027" on "2026-11-25" for "1234567897"`,
		`2 "" 100.50 "SEK" from "EXEMPEL ÅKERI AB" "0000028803" to "" "9900002" on "2026-11-30" for "FAKTURA 1 FÖR NOVEMBER"`,
		`3 "" 0.50 "SEK" from "EXEMPEL ÅKERI AB" "0000028803" to "ÅSA BJÖRK" "6000334223113" on "" for ""`,
	})
	if f.FirstExecution != "2026-11-25" || f.LastExecution != "2026-11-30" || f.Declared != "3 payments, 1601.00" || f.Initiator != "5560000000" ||
		f.BusinessKey != "po3\x1f5560000000\x1f2026-11-252026-11-30\x1f3\x1fSEK\x1f1601.00" || f.CreatedAt != "" || f.FindingsAll != 0 ||
		len(f.Payers) != 1 || f.Payers[0] != (Party{Name: "EXEMPEL ÅKERI AB", Account: "0000028803"}) {
		t.Errorf("%+v", f)
	}
	wantFindings(t, "po3-findings.txt", "currency-shape", "bankgiro-check-digit", "plusgiro-not-numeric", "date-shape", "date-past", "unknown-record", "section-totals")
}
