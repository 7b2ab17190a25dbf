package formats

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/testdata/gen/payfile"
)

// trueEndFixed is trueEnd for the formats of fixed columns but LB; 0 for other files.
func trueEndFixed(data []byte) int {
	if bytes.HasPrefix(data, []byte("101 ")) {
		return trueEndNACHA(data)
	}
	return 0
}

// trueEndNACHA is behind the credits of the file control, the first record of type 9.
func trueEndNACHA(data []byte) int {
	control := bytes.Index(bytes.ReplaceAll(data, []byte("\r"), []byte("\n")), []byte("\n9"))
	if control++; control == 0 {
		for control = 0; control < len(data) && data[control] != '9'; control += nachaSize {
		}
	}
	if bytes.Contains(data, []byte("ADV")) {
		return min(len(data), control+71)
	}
	return min(len(data), control+55)
}

// generatedFixed is a file of a format of fixed columns that is in no way special.
func generatedFixed(format string, opt payfile.Options) []byte {
	switch format {
	case "nacha":
		return generatedNACHA(opt)
	}
	return nil
}

// generatedNACHA has debits and credits in turn, and an addenda record for each fourth entry.
func generatedNACHA(opt payfile.Options) []byte {
	var b bytes.Buffer
	ending := "\n"
	if opt.NoBreaks {
		ending = ""
	}
	records := 0
	line := func(format string, args ...any) {
		records++
		fmt.Fprintf(&b, "%-94s%s", fmt.Sprintf(format, args...), ending)
	}
	line("101 061000052 1210428822611201502A094101%-23s%-23s", "EXAMPLE BANK", "EXEMPEL WIDGETS")
	batches, entries, debits, credits := 0, 0, 0, 0
	for from := 0; from < opt.Payments; from += opt.PerBatch {
		batches++
		line("5200%-16s%20s%-10sPPD%-10s%6s261123   112104288%07d", "EXEMPEL WIDGETS", "", "1234567890", "PAYROLL", "", batches)
		n, d, c := 0, 0, 0
		to := min(opt.Payments, from+opt.PerBatch)
		for i := from; i < to; i++ {
			code, amount, more := 22, 100+i%100_000, 0
			if c += amount; i%2 == 1 {
				code, c, d = 27, c-amount, d+amount
			}
			if i%4 == 3 {
				more = 1
			}
			n += 1 + more
			line("6%d061000052%-17d%010dID%-13dRECEIVER %-13d  %d12104288%07d", code, 1000+i, amount, i, i, more, i%10_000_000)
			if more == 1 {
				line("705INVOICE %-72d0001%07d", i, i%10_000_000)
			}
		}
		hash := (to - from) * 6100005 % 1e10
		line("8200%06d%010d%012d%012d%-10s%25s12104288%07d", n, hash, d, c, "1234567890", "", batches)
		entries, debits, credits = entries+n, debits+d, credits+c
	}
	line("9%06d%06d%08d%010d%012d%012d", batches, (records+10)/10, entries, opt.Payments*6100005%1e10, debits, credits)
	for records%10 != 0 {
		line("%s", strings.Repeat("9", 94))
	}
	return b.Bytes()
}

// TestFixedFindings wants what is softer than a problem to be a finding, and a file that is right to have none.
func TestFixedFindings(t *testing.T) {
	files := testdata(t)
	for name, want := range map[string]string{
		"nacha-typical.txt": "", "nacha-adv.txt": "", "nacha-iat.txt": "", "nacha-no-breaks.txt": "", "nacha-utf8.txt": "", "nacha-crlf.txt": "",
		"nacha-aba.txt": "aba-check-digit", "nacha-date.txt": "date-shape", "nacha-indicator.txt": "addenda-indicator", "nacha-blocks.txt": "block-count",
		"nacha-class.txt": "service-class batch-differs", "nacha-short.txt": "record-length record-length",
	} {
		got := inspect(files[name], whole(files[name]))
		var codes []string
		for _, f := range got.Facts.Findings {
			codes = append(codes, f.Code)
		}
		if s := strings.Join(codes, " "); s != want {
			t.Errorf("%s: findings %q, want %q: %v", name, s, want, got.Facts.Findings)
		}
	}
}

// TestFixedPayments wants every field of each format.
func TestFixedPayments(t *testing.T) {
	files := testdata(t)
	for _, c := range []struct{ name, facts, payments string }{
		{
			"nacha-latin1.txt", "FIM:A 2026-11-20T15:02 EXEMPEL WIDGETS [{EXEMPEL WIDGETS 121042882} {EXEMPEL AKERI 121042882}] 2026-11-23 2026-12-01 " +
				"2 batches, 6 entries and addenda, debits 25.00, credits 101.50, hash 35338020 nacha\x1f121042882\x1f2026-11-20\x1f3\x1f25.00\x1f101.50\x1f35338020",
			`1 "INV 4711" 100.50 "USD" from "EXEMPEL WIDGETS" "121042882" to "BJÖRN ÖBERG" "123456789" on "2026-11-23" for "SUPPLIER"
2 "INV 4712" -25.00 "USD" from "EXEMPEL WIDGETS" "121042882" to "MALERI OCH FARG" "987654321" on "2026-11-23" for "REFUND OF INVOICE 12"
3 "E3" 1.00 "USD" from "EXEMPEL AKERI" "121042882" to "KARIN EK" "55500" on "2026-12-01" for "RMR*IV*4713"`,
		},
		{"nacha-adv.txt", "", `1 "061000053240001" 500.00 "USD" from "EXAMPLE COMPANY" "121042882" to "ADVICE A" "111" on "2026-11-23" for "ACCOUNTING"
2 "061000053240002" -2500.75 "USD" from "EXAMPLE COMPANY" "121042882" to "ADVICE B" "222" on "2026-11-23" for "ACCOUNTING"`},
		{"nacha-iat.txt", "", `1 "121042880000001" -45.00 "USD" from "" "121042882" to "KARIN EK" "DE89370400440532013000" on "2026-11-23" for "SPARE PARTS"`},
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

// FuzzFixed begins with whole files of fixed columns that are changed: whatever is taken, chunks do not matter, and a file
// that is taken without a problem states what it holds.
func FuzzFixed(f *testing.F) {
	for _, data := range testdata(f) {
		if trueEndFixed(data) > 0 {
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

func BenchmarkNACHA(b *testing.B) {
	b.Run("lines", func(b *testing.B) { benchmark(b, "nacha", payfile.Options{Payments: 100_000, PerBatch: 1000}) })
	b.Run("no-breaks", func(b *testing.B) {
		benchmark(b, "nacha", payfile.Options{Payments: 100_000, PerBatch: 1000, NoBreaks: true})
	})
}
