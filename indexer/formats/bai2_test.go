package formats

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

var lastBAI2 = regexp.MustCompile(`[\n/] *99,[^/\n]*[/\n]`)

// trueEndBAI2 is behind the slash of the first record 99, or its line end where it has none.
func trueEndBAI2(data []byte) int {
	if at := lastBAI2.FindIndex(data); at != nil {
		return at[1]
	}
	return len(data)
}

func TestBAI2Payments(t *testing.T) {
	files := testdata(t)
	for _, c := range []struct{ name, facts, payments string }{
		{
			"bai2-typical.txt", "17 2026-11-20T02:00 122099999 [{ 0975312468}] 2026-11-19 2026-11-19 1 group, 11 records, control total 780150 " +
				"bai2\x1f122099999\x1f17\x1f2026-11-20T02:00\x1f3\x1f780150",
			`1 "CUST1" 1000.50 "USD" from "" "" to "" "0975312468" on "2026-11-19" for "EXEMPEL PAYROLL REIMBURSEMENT OF DECEMBER"
2 "" 100.00 "USD" from "" "" to "" "0975312468" on "2026-11-19" for "LOCKBOX 17/18, DEPOSIT"
3 "CHECK 4711" -300.25 "USD" from "" "0975312468" to "" "" on "2026-11-19" for ""`,
		},
		{
			"bai2-latin1.txt", "A7 2026-11-20T24:00 SENDER1 [{ 1000001} { 1000002} { 1000003} { 1000004}] 2026-11-18 2026-11-19 2 groups, 22 records, " +
				"control total 1234567890139556 bai2\x1fSENDER1\x1fA7\x1f2026-11-20T24:00\x1f6\x1f1234567890139556",
			`1 "" 1.00 "USD" from "" "" to "" "1000001" on "2026-11-18" for "ÅKERI"
2 "C2" -0.25 "USD" from "" "1000001" to "" "" on "2026-11-18" for ""
3 "C3" 12345678901234.56 "SEK" from "" "" to "" "1000002" on "2026-11-18" for ""
4 "R4" -5000 "JPY" from "" "1000003" to "" "" on "2026-11-19" for "BETALNING FÖR MAJ"
5 "R5" 1.500 "BHD" from "" "" to "" "1000004" on "2026-11-19" for "LOAN PAYMENT"
6 "R6" -0.500 "BHD" from "" "1000004" to "" "" on "2026-11-19" for "LOAN DISBURSED"`,
		},
	} {
		got := inspect(files[c.name], always(3))
		if s := strings.Join(got.Payments, "\n"); s != c.payments {
			t.Errorf("%s: got\n%s\nwant\n%s", c.name, s, c.payments)
		}
		f := got.Facts
		if s := fmt.Sprint(f.MessageID, " ", f.CreatedAt, " ", f.Initiator, " ", f.Payers, " ", f.FirstExecution, " ", f.LastExecution, " ", f.Declared,
			" ", f.BusinessKey); s != c.facts {
			t.Errorf("%s: got\n%q\nwant\n%q", c.name, s, c.facts)
		}
	}
	continued, typical := inspect(files["bai2-continued.txt"], always(5)), inspect(files["bai2-typical.txt"], always(5))
	if a, b := strings.Join(continued.Payments, "\n"), strings.Join(typical.Payments, "\n"); a != b {
		t.Errorf("continued, it is\n%s\nwant\n%s", a, b)
	}
}

func TestBAI2Findings(t *testing.T) {
	for name, want := range map[string]string{
		"bai2-typical.txt": "", "bai2-continued.txt": "", "bai2-no-slashes.txt": "", "bai2-one-line.txt": "", "bai2-none.txt": "",
		"bai2-wrapped-slash.txt": "", "bai2-latin1.txt": "entry-type", "bai2-open.txt": "total-missing",
		"bai2-findings.txt": "group-status date-shape currency-shape slash-inside funds-type summary-mismatch summary-mismatch",
	} {
		data := testdata(t)[name]
		if got := codes(inspect(data, whole(data))); got != want {
			t.Errorf("%s: findings %q, want %q", name, got, want)
		}
	}
}

// TestBAI2Flips changes one byte at a time. A file that is still taken without a problem holds the same payments and sums,
// but for entries whose type code has turned credits into debits: that is a finding, by the account's own totals of both.
func TestBAI2Flips(t *testing.T) {
	data := testdata(t)["bai2-typical.txt"]
	before := inspect(data, whole(data))
	sum, drawn, count := sumOf(t, before)
	taken, turned := 0, 0
	for at := range data {
		old := data[at]
		for _, c := range []byte{old ^ 1, old ^ 2, old ^ 4, old ^ 0x10, old ^ 0x20, old ^ 0x80, ',', '/', ' ', '\n', '0', '9', '-', '+', 'S', 'D', 'V', 0} {
			if c == old {
				continue
			}
			data[at] = c
			got := inspect(data, whole(data))
			if !same(t, "bai2", "flipped, in chunks of 11", inspect(data, always(11)), got) {
				t.Fatalf("byte %d became %q", at, c)
			}
			if len(got.Problems) > 0 {
				continue
			}
			taken++
			if s, d, n := sumOf(t, got); s.Cmp(sum) != 0 || d.Cmp(drawn) != 0 || n != count {
				if turned++; got.Facts.FindingsAll == 0 {
					t.Errorf("byte %d from %q to %q, and it holds %d payments, %s, %s drawn, not %d, %s, %s", at, old, c, n, s, d, count, sum, drawn)
				}
			}
		}
		data[at] = old
	}
	t.Logf("%d changes taken, %d of them other sums with a finding", taken, turned)
}

// TestBAI2Look wants no other file to be taken for one.
func TestBAI2Look(t *testing.T) {
	for head, want := range map[string]answer{
		"": no, "0": more, "01": more, "01,": more, "01,A,B,261120": more, "01,A,B,26112X,": no, "01,A,B,261120,0200,": more, "01,A,B,261120,02:00,": no,
		"01,A,B,261120,0200,1/": yes, "01,A,B,261120,0200,1,,,2\n": yes, "01,A,B,261120,0200/": no, "01;A;B": no, "01,A\n": no, "02,A,B,261120,0200,1/": no,
		"\xef\xbb\xbf01,A,B,261120,,1,,,2/": yes, "01, A, B, 261120, 0200, 1,,,2 /": yes,
	} {
		if got := lookBAI2([]byte(head)); got != want {
			t.Errorf("%q: %d, want %d", head, got, want)
		}
	}
}

// bai2 makes a file of so many entries, in one account.
func bai2(payments int) []byte {
	var b bytes.Buffer
	b.WriteString("01,122099999,123456789,261120,0200,17,80,,2/\n02,031001234,122099999,1,261119,2359,USD,2/\n03,0975312468,,010,500000,,/\n")
	sum := 500000
	for n := range payments {
		amount := 100 + n%100_000
		sum += amount
		fmt.Fprintf(&b, "16,%d,%d,Z,BANKREF%d,CUSTREF%d,EXEMPEL PAYROLL NOVEMBER/\n88,INVOICE %d OF EXEMPEL WIDGETS AND FRIENDS/\n", 165+310*(n%2), amount, n, n, n)
	}
	fmt.Fprintf(&b, "49,%d,%d/\n98,%d,1,%d/\n99,%d,1,%d/\n", sum, 2*payments+2, sum, 2*payments+4, sum, 2*payments+6)
	return b.Bytes()
}

func BenchmarkBAI2(b *testing.B) { measure(b, bai2(100_000), 100_000) }

func TestNoAllocationsBAI2(t *testing.T) { allocations(t, "bai2", bai2) }

// TestBAI2BoundedMemory: entries, accounts, groups and texts without an end.
func TestBAI2BoundedMemory(t *testing.T) {
	head := "01,A,B,261120,0200,1/\n02,,B,1,261119/\n"
	stays(t, "entries", head+"03,1/\n", "16,165,1,Z,%d,%d,TEXT/\n88,%d\n%d\n")
	stays(t, "accounts", head, "03,%d,,010,1/\n49,2,2/\n")
	stays(t, "text", head+"03,1/\n16,165,1,Z,,,T", "/%d")
}
