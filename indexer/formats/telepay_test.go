package formats

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// telepayEnds are where a file is whole: behind column 108 of each BETFOR99 that has a number of records, else behind its last line.
func telepayEnds(name string, data []byte) (end int, also []int) {
	if !strings.Contains(name, "telepay") {
		return 0, nil
	}
	end = len(data)
	for at := 0; ; {
		i := bytes.Index(data[at:], []byte("BETFOR99"))
		if i < 0 {
			return end, also
		}
		start := bytes.LastIndex(data[:at+i], []byte("AH2"))
		at += i + 8
		column := telepayEnd
		if strings.Contains(name, "utf8-no-breaks") || strings.Contains(name, "testinput") { // with blanks of two bytes
			rest := data[start:]
			for n := 0; n < telepayEnd; n++ {
				if rest[0] >= 0xC0 {
					rest = rest[1:]
				}
				rest = rest[1:]
			}
			column = len(data) - start - len(rest)
		} else if breaks := bytes.IndexByte(data[start:], '\n'); breaks >= 0 && breaks < 100 {
			column = breaks + 1 + telepayEnd - telepayLine
		}
		if end = start + column; strings.Contains(name, "no-count") {
			end = len(data) // its last line
		}
		also = append(also, end)
	}
}

// TestTelepayForms wants the same of a file whatever its line breaks and encoding are.
func TestTelepayForms(t *testing.T) {
	files := testdata(t)
	want := inspect(files["telepay-typical.txt"], whole(files["telepay-typical.txt"]))
	for _, form := range strings.Fields("lf short long no-breaks utf8 utf8-no-breaks unterminated tail") {
		data := files["telepay-"+form+".txt"]
		got := inspect(data, whole(data))
		got.Facts.Encoding = want.Facts.Encoding
		same(t, form, "in another form", got, want)
	}
}

// TestTelepayPayments wants every field.
func TestTelepayPayments(t *testing.T) {
	files := testdata(t)
	for _, c := range []struct{ name, facts, payments string }{
		{
			"telepay-typical.txt", "BATCH1  00987654321 [{ 86011117947}] 2026-11-23 2026-11-30 4 payments, 12365.50 NOK, 11 records " +
				"telepay\x1f00987654321\x1fBATCH1\x1f2026-11-23\x1f2026-11-30\x1f4\x1fNOK\x1f12365.50",
			`1 "ORDER1" 1400.50 "NOK" from "" "86011117947" to "BJØRN ØDEGÅRD" "99990512341" on "2026-11-23" for "1234567897 INV 4712 CREDIT 1"
2 "EMP 1" 10000.00 "NOK" from "" "86011117947" to "KARI EK" "99990512341" on "2026-11-25" for ""
3 "EMP 2" 960.00 "NOK" from "" "86011117947" to "OLA ÅS" "12345678911" on "2026-11-25" for ""
4 "OWN 9" 5.00 "NOK" from "" "86011117947" to "PETTER UTEN KONTO" "" on "2026-11-30" for "FAKTURA FOR NOVEMBER"`,
		},
		{"telepay-foreign.txt", "", `1 "ORDER9" 1300.00 "EUR" from "" "86011117947" to "MÜLLER GMBH" "DE89370400440532013000" on "2026-12-01" for "RE 1 RE 2"
2 "OWN RE 3" 7.00 "USD" from "" "86011117947" to "SMITH" "12345" on "2026-12-01" for "RE 3"
3 "ORDER1" 9.00 "NOK" from "" "86011117947" to "BJØRN ØDEGÅRD" "99990512341" on "2026-11-23" for ""`},
		{"telepay-batches.txt", "", `1 "ORDER1" 1.00 "NOK" from "" "86011117947" to "BJØRN ØDEGÅRD" "99990512341" on "2026-11-23" for ""
2 "ORDER1" 2.50 "NOK" from "" "99990512341" to "BJØRN ØDEGÅRD" "99990512341" on "2026-11-24" for ""`},
		{"telepay-own.txt", "", `1 "ORDER1" 50.00 "NOK" from "" "86011117947" to "BJØRN ØDEGÅRD" "99990512341" on "2026-11-23" for ""`},
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

// TestTelepayFindings wants what is softer than a problem to be a finding, and a file that is right to have none.
func TestTelepayFindings(t *testing.T) {
	files := testdata(t)
	for name, want := range map[string]string{
		"telepay-typical.txt": "", "telepay-utf8-no-breaks.txt": "", "telepay-smallest.txt": "", "telepay-foreign.txt": "", "telepay-batches.txt": "",
		"telepay-return.txt": "", "telepay-own.txt": "", "telepay-none.txt": "", "telepay-no-count.txt": "no-count", "telepay-wide.txt": "record-length",
		"telepay-findings.txt": "account-check-digit date-past kid-check-digit date-shape account-check-digit deletion sequence order-total order-empty " +
			"currency-shape bic-shape iban-check-digits unknown-record payment-count batch-total",
	} {
		got := inspect(files[name], whole(files[name]))
		if s := codes(got); s != want {
			t.Errorf("%s: findings %q, want %q: %v", name, s, want, got.Facts.Findings)
		}
	}
}

// TestTelepayFlips changes one byte at a time. If the file is taken without a problem, its count and sum are what they were, unless
// there is a new finding.
func TestTelepayFlips(t *testing.T) {
	files := testdata(t)
	for _, name := range []string{"telepay-typical.txt", "telepay-no-breaks.txt", "telepay-return.txt", "telepay-batches.txt"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := files[name]
			before := inspect(data, whole(data))
			sum, drawn, count := sumOf(t, before)
			taken := 0
			for at := range data {
				old := data[at]
				for k, c := range []byte{old ^ 1, old ^ 0x10, old ^ 0x80, ' ', '\n', '0', '9', '-', 'X', 'K', 'S', 0} {
					if c == old || (at+k)%4 != 0 {
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
					if (s.Cmp(sum) != 0 || d.Cmp(drawn) != 0 || n != count) && got.Facts.FindingsAll == before.Facts.FindingsAll {
						t.Errorf("byte %d from %q to %q: it holds %d payments, %s, not %d, %s", at, old, c, n, s, count, sum)
					}
				}
				data[at] = old
			}
			t.Logf("%d changes taken", taken)
		})
	}
}

// FuzzTelepay begins with whole files that are changed.
func FuzzTelepay(f *testing.F) {
	for name, data := range testdata(f) {
		if strings.Contains(name, "telepay") {
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

// telepay makes a file of so many orders, each with an invoice; lines of 80 characters, or none.
func telepay(payments int, ending string) []byte {
	var b bytes.Buffer
	records := 0
	record := func(kind int, format string, args ...any) {
		records++
		text := fmt.Sprintf("AH200TBII1120%06d%19s04BETFOR%02d00987654321", records%1_000_000, "", kind) + fmt.Sprintf(format, args...)
		for text = fmt.Sprintf("%-320s", text); text != ""; text = text[80:] {
			b.WriteString(text[:80])
			b.WriteString(ending)
		}
	}
	record(0, "%11s0001%6s1120%10sVERSJON002", "", "", "")
	for i := range payments {
		record(21, "86011117947%04d%6s261123%-30d 99990512341%-30s%60s0155%-26s%015d601F %015d", i%10_000, "", i, "PAYEE", "", "OSLO", 0, 0)
		record(23, "86011117947%04d%6s%120s%27s%-30d%015dD", i%10_000, "", "", "1234567897", i, 10_000)
	}
	record(99, "%11s0001%6s1120%04d%015d%05d", "", "", payments%10_000, payments*10_000, (payments*2+2)%100_000)
	return b.Bytes()
}

func BenchmarkTelepay(b *testing.B) {
	b.Run("lines", func(b *testing.B) { measure(b, telepay(40_000, "\r\n"), 40_000) })
	b.Run("no-breaks", func(b *testing.B) { measure(b, telepay(40_000, ""), 40_000) })
}

func TestNoAllocationsTelepay(t *testing.T) {
	allocations(t, "telepay", func(payments int) []byte { return telepay(payments, "\n") })
	allocations(t, "telepay", func(payments int) []byte { return telepay(payments, "") })
}
