package formats

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

var edifacts = regexp.MustCompile(`paymul|finsta|debmul`)

// trueEndEDIFACT is trueEnd for interchanges: behind the terminator of UNZ.
func trueEndEDIFACT(name string, data []byte) int {
	if !edifacts.MatchString(name) {
		return 0
	}
	if unz := bytes.LastIndex(data, []byte("UNZ")); unz >= 0 {
		return unz + bytes.IndexAny(data[unz:], "'~\n") + 1
	}
	return len(data)
}

// TestEDIFACTForms wants the same of an interchange whatever its separators, line breaks and character set are.
func TestEDIFACTForms(t *testing.T) {
	files := testdata(t)
	for first, others := range map[string]string{
		"paymul-typical.txt": "crlf one-line no-una short-una tail wrapped utf8 marks lf version",
		"finsta-typical.txt": "one-line",
		"debmul-typical.txt": "one-line",
	} {
		want := inspect(files[first], whole(files[first]))
		for _, form := range strings.Fields(others) {
			name := strings.Replace(first, "typical", form, 1)
			got := inspect(files[name], whole(files[name]))
			got.Facts.Encoding = want.Facts.Encoding
			same(t, name, "in another form", got, want)
		}
	}
}

// TestEDIFACTPayments wants every field of each message.
func TestEDIFACTPayments(t *testing.T) {
	files := testdata(t)
	for _, c := range []struct{ name, facts, payments string }{
		{
			"paymul-typical.txt", "REF4711 2026-11-20T15:02 EXEMPEL [{EXEMPEL ÅKERI AB SE4550000000058398257466} {EXEMPEL ÅKERI AS NO9386011117947}] " +
				"2026-11-23 2026-12-01 3 payments, 2 lines paymul\x1fREF4711\x1fEXEMPEL\x1fSE4550000000058398257466",
			`1 "E1" 100.50 "SEK" from "EXEMPEL ÅKERI AB" "SE4550000000058398257466" to "MÅLERI + FÄRG HB" "9912346" on "2026-11-23" for "FAKTURA 4711 FÖR NOVEMBER"
2 "P2" 149.50 "SEK" from "EXEMPEL ÅKERI AB" "SE4550000000058398257466" to "BJÖRN ÖBERG" "DE89370400440532013000" on "2026-11-23" for "INV-1 INV-2"
3 "E3" 20.10 "EUR" from "EXEMPEL ÅKERI AS" "NO9386011117947" to "O'HARA LTD" "FI2112345600000785" on "2026-12-01" for "1234567897"`,
		},
		{"paymul-currencies.txt", "", `1 "" 340.00 "SEK" from "EXEMPEL AB" "58398257466" to "" "" on "2026-11-23" for ""
2 "" 50.00 "EUR" from "EXEMPEL AB" "58398257466" to "" "" on "2026-11-30" for ""
3 "" 12.345 "TND" from "EXEMPEL AB" "58398257466" to "" "" on "2026-11-23" for ""`},
		{"paymul-cyrillic.txt", "", `1 "" 5.00 "EUR" from "Пётр Ёлкин+Ко" "58398257466" to "Пётр Ёлкин+Ко" "" on "2026-11-23" for ""`},
		{"paymul-polish.txt", "", `1 "" 5.00 "PLN" from "ZAŻÓŁĆ" "58398257466" to "GĘŚLĄ JAŹŃ" "" on "2026-11-23" for ""`},
		{
			"finsta-typical.txt", "F1 2026-11-20T23:13 BANK [{EXEMPEL ÅKERI AB SE4550000000058398257466} {EXEMPEL AS NO9386011117947}] 2026-11-20 2026-11-20 " +
				"2 payments, 2 lines finsta\x1fF1\x1fBANK\x1fSE4550000000058398257466",
			`1 "98" 200.50 "SEK" from "" "" to "EXEMPEL ÅKERI AB" "SE4550000000058398257466" on "2026-11-20" for "ORDER 17"
2 "2000" -50.25 "SEK" from "EXEMPEL ÅKERI AB" "SE4550000000058398257466" to "" "" on "2026-11-20" for ""`,
		},
		{
			"debmul-typical.txt", "D1 2026-11-20T07:01 BANK [{EXEMPEL A/S 4069208401}] 2026-11-20 2026-11-24 2 payments, 1 line debmul\x1fD1\x1fBANK\x1f4069208401",
			`1 "K1" 20.00 "DKK" from "EXEMPEL A/S" "4069208401" to "BØGE ApS" "4069208428" on "2026-11-20" for "FAKTURA 1"
2 "K2" 10.00 "DKK" from "EXEMPEL A/S" "4069208401" to "" "" on "2026-11-24" for ""`,
		},
	} {
		got := inspect(files[c.name], always(3))
		if s := strings.Join(got.Payments, "\n"); s != c.payments {
			t.Errorf("%s: got\n%s\nwant\n%s", c.name, s, c.payments)
		}
		f := got.Facts
		if s := fmt.Sprint(f.MessageID, " ", f.CreatedAt, " ", f.Initiator, " ", f.Payers, " ", f.FirstExecution, " ", f.LastExecution, " ", f.Declared,
			" ", f.BusinessKey); s != c.facts && c.facts != "" {
			t.Errorf("%s: got\n%q\nwant\n%q", c.name, s, c.facts)
		}
	}
}

// TestEDIFACTFindings wants what is softer than a problem to be a finding, and an interchange that is right to have none.
func TestEDIFACTFindings(t *testing.T) {
	files := testdata(t)
	for name, want := range map[string]string{
		"paymul-typical.txt": "", "paymul-utf8.txt": "", "paymul-cyrillic.txt": "", "paymul-smallest.txt": "", "paymul-groups.txt": "", "paymul-currencies.txt": "currencies-mixed",
		"finsta-typical.txt": "", "finsta-none.txt": "", "debmul-typical.txt": "",
		"paymul-messages.txt": "other-message", "finsta-findings.txt": "balance-mismatch no-amount", "finsta-no-currency.txt": "no-currency",
		"debmul-findings.txt": "line-total",
		"paymul-findings.txt": "date-shape test-indicator message-function encoding-differs iban-check-digits bic-shape iban-check-digits date-shape " +
			"currency-shape line-empty control-total reference-missing",
		"paymul-past.txt": "date-past",
	} {
		got := inspect(files[name], whole(files[name]))
		if s := codes(got); s != want {
			t.Errorf("%s: findings %q, want %q: %v", name, s, want, got.Facts.Findings)
		}
	}
}

// TestEDIFACTFlips changes one byte at a time. If the interchange is taken without a problem, its count and sum are what they
// were, unless there is a new finding. The files that are changed here state all that they can; where a line of PAYMUL or
// DEBMUL states no sum, or an account of FINSTA no balances, nothing covers the digits of its amounts.
func TestEDIFACTFlips(t *testing.T) {
	files := testdata(t)
	for _, name := range []string{"paymul-typical.txt", "paymul-one-line.txt", "paymul-marks.txt", "paymul-groups.txt", "finsta-typical.txt", "debmul-typical.txt"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := files[name]
			before := inspect(data, whole(data))
			sum, drawn, count := sumOf(t, before)
			taken, found := 0, 0
			for at := range data {
				old := data[at]
				for k, c := range []byte{old ^ 1, old ^ 2, old ^ 0x10, old ^ 0x20, old ^ 0x80, '+', ':', '\'', '?', ' ', '\n', '0', '9', '-', 'X', ',', 0} {
					if c == old || (at+k)%3 != 0 {
						continue
					}
					data[at] = c
					got := inspect(data, whole(data))
					if k%5 == 0 && !same(t, name, "flipped, in chunks of 11", inspect(data, always(11)), got) {
						t.Fatalf("byte %d became %q", at, c)
					}
					if len(got.Problems) > 0 {
						continue
					}
					taken++
					s, d, n := sumOf(t, got)
					if s.Cmp(sum) == 0 && d.Cmp(drawn) == 0 && n == count {
						continue
					}
					if found++; got.Facts.FindingsAll == before.Facts.FindingsAll {
						t.Errorf("byte %d from %q to %q, in %q: it holds %d payments, %s, %s drawn, not %d, %s, %s", at, old, c,
							data[max(0, at-12):min(len(data), at+12)], n, s, d, count, sum, drawn)
					}
				}
				data[at] = old
			}
			t.Logf("%d changes taken, %d of them with other sums and a finding", taken, found)
		})
	}
}

// FuzzEDIFACT begins with whole interchanges that are changed.
func FuzzEDIFACT(f *testing.F) {
	for name, data := range testdata(f) {
		if edifacts.MatchString(name) {
			f.Add(data, uint64(1))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		got := checkInspector(t, data, seed)
		if len(got.Problems) == 0 && int64(len(got.Payments)) != got.Facts.Payments {
			t.Errorf("%d payments handed over, %d counted", len(got.Payments), got.Facts.Payments)
		}
	})
}

// paymul makes an interchange of so many payments, a thousand a line.
func paymul(payments int) []byte {
	var b bytes.Buffer
	segments := 0
	segment := func(format string, args ...any) {
		segments++
		fmt.Fprintf(&b, format+"'\n", args...)
	}
	segment("UNB+UNOC:3+EXEMPEL:ZZ+BANKSESS:ZZ+261120:1502+REF4711++PAYMUL")
	segments = 0
	segment("UNH+1+PAYMUL:D:96A:UN:FUN01G")
	segment("BGM+452+ORDER1+9")
	segment("DTM+137:202611201502:203")
	lines := 0
	for from := 0; from < payments; from += 1000 {
		lines++
		n := min(1000, payments-from)
		segment("LIN+%d", lines)
		segment("DTM+203:20261123:102")
		segment("MOA+9:%d.00:SEK", n*100)
		segment("FII+OR+SE4550000000058398257466:EXEMPEL AKERI AB::SEK+ESSESESS:25:5+SE")
		for i := range n {
			segment("SEQ++%d", i+1)
			segment("MOA+9:100.00:SEK")
			segment("RFF+CR:E%d", from+i)
			segment("PAI+::52")
			segment("FCA+13")
			segment("FII+BF+DE89370400440532013000:::SEK+COBADEFF:25:5+DE")
			segment("NAD+BE+++PAYEE NUMBER %d+HAUPTSTRASSE 17+BERLIN++10115+DE", i)
			segment("PRC+11")
			segment("FTX+PMD+++INVOICE %d:FOR NOVEMBER", from+i)
		}
	}
	segment("CNT+2:%d", lines)
	segment("CNT+39:%d", payments)
	segment("UNT+%d+1", segments+1)
	segment("UNZ+1+REF4711")
	return b.Bytes()
}

// finsta makes one statement.
func finsta(payments int) []byte {
	var b bytes.Buffer
	b.WriteString("UNA:+,? 'UNB+UNOC:2+BANK+EXEMPEL+261120:2313+F1'UNH+1+FINSTA:D:96A:UN'BGM+54+4711+9'LIN+1'FII+AS+SE4550000000058398257466:A::SEK'")
	for i := range payments {
		fmt.Fprintf(&b, "SEQ+13+%d'RFF+PQ:%d'DTM+209:20261120:102'BUS++DO+1+ZZZ'MOA+348:%d,50:SEK::4'FTX+ADS+++INVOICE %d'", i+1, i, i%2000-1000, i)
	}
	fmt.Fprintf(&b, "CNT+LIN:1'CNT+SEQ:%d'UNT+%d+1'UNZ+1+F1'", payments, payments*6+7)
	return b.Bytes()
}

func BenchmarkEDIFACT(b *testing.B) {
	b.Run("paymul", func(b *testing.B) { measure(b, paymul(50_000), 50_000) })
	b.Run("finsta", func(b *testing.B) { measure(b, finsta(50_000), 50_000) })
}

func TestNoAllocationsEDIFACT(t *testing.T) {
	allocations(t, "paymul", paymul)
	allocations(t, "finsta", finsta)
}
