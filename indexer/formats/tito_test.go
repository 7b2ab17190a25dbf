package formats

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// titoEnds are where a TITO file may end: of a statement that says its records, behind the last of them; of another, behind
// each balance, and what follows one.
func titoEnds(data []byte) (end int, also []int) {
	has, says, balanced := 0, 0, false
	for start := 0; start < len(data); {
		n := bytes.IndexByte(data[start:], '\n') + 1
		if n == 0 {
			n = len(data) - start
		}
		line := data[start : start+n]
		length := 0
		if len(line) > 6 {
			length, _ = strconv.Atoi(string(line[3:6]))
			has++
			switch kind := string(line[:3]); {
			case kind == "T00":
				has, balanced = 1, false
				says, _ = strconv.Atoi(string(line[90:96]))
			case kind == "T10":
				balanced = balanced && line[187] == '1'
			case kind == "T40":
				balanced = true
			}
		}
		if balanced && has >= says && length > 0 {
			end = start + min(length, n)
			also = append(also, end)
		}
		start += n
	}
	if end == 0 {
		end = len(data)
	}
	return end, also
}

func TestTITOPayments(t *testing.T) {
	f := wantPayments(t, "tito-typical.txt", []string{
		`1 "26111900000000001A" 1000.50 "EUR" from "ESIMERKKI OY" "50000120000123" to "OMISTAJA OY" "12345600000785" on "2026-11-19" for "1234561"`,
		`2 "26111900000000002B" -250.25 "EUR" from "OMISTAJA OY" "12345600000785" to "TOIMITTAJA AB" "" on "2026-11-19" for "LASKU 4711 KIITOS"`,
		`3 "26112000000000003C" 49.75 "EUR" from "KOONTI" "" to "OMISTAJA OY" "12345600000785" on "2026-11-20" for ""`,
	})
	if f.FirstExecution != "2026-11-19" || f.LastExecution != "2026-11-20" || f.CreatedAt != "2026-11-21T03:15" || f.Version != "version 100" ||
		f.Initiator != "OMISTAJA OY" || len(f.Payers) != 1 || f.FindingsAll != 0 ||
		f.BusinessKey != "tito\x1f12345600000785\x1f231\x1f261119261120\x1f2026-11-21T03:15\x1f3\x1f1050.25\x1f250.25" {
		t.Errorf("%+v", f)
	}
	for name, want := range map[string]string{
		"tito-balance.txt": "balance-mismatch", "tito-findings.txt": "currency-shape date-shape unknown-record record-length", "tito-silent.txt": "", "tito-two.txt": "",
	} {
		data := testdata(t)[name]
		if got := codes(inspect(data, always(3))); got != want {
			t.Errorf("%s: findings %q, want %q", name, got, want)
		}
	}
}

// TestTITOFlips changes one byte at a time: never other totals without a problem or a finding.
func TestTITOFlips(t *testing.T) {
	data := testdata(t)["tito-typical.txt"]
	sum, drawn, count := sumOf(t, inspect(data, whole(data)))
	turned := 0
	for at := range data {
		old := data[at]
		for _, c := range []byte{old ^ 1, old ^ 2, old ^ 0x10, old ^ 0x80, ' ', '\n', '0', '1', '9', '-', '+', 'T', 0} {
			if c == old {
				continue
			}
			data[at] = c
			got := inspect(data, whole(data))
			if len(got.Problems) > 0 {
				continue
			}
			if s, d, n := sumOf(t, got); s.Cmp(sum) != 0 || d.Cmp(drawn) != 0 || n != count {
				if turned++; got.Facts.FindingsAll == 0 {
					t.Errorf("byte %d from %q to %q, and it holds %d payments, %s, %s drawn, not %d, %s, %s", at, old, c, n, s, d, count, sum, drawn)
				}
			}
		}
		data[at] = old
	}
	t.Logf("%d changes taken with other sums, and a finding", turned)
}

// tito makes a statement of so many entries.
func tito(payments int) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%-322s\r\n", "T0032210012345600000785231261119261119261120031512345678901234567261118+00000000000000000"+"0000000EUR"+strings.Repeat(" ", 48)+"OMISTAJA OY")
	for n := range payments {
		fmt.Fprintf(&b, "T10188%06d%018d261119261119261119%-39s+%018d  %-35s %14d %020d%9s\r\n", n%1_000_000, n, "1710VIITESIIRTO", 10_000, "ESIMERKKI OY", 50000120000123, n, "0")
	}
	fmt.Fprintf(&b, "T40050261119+%018d+%018d\r\n", payments*10_000, payments*10_000)
	return b.Bytes()
}

func BenchmarkTITO(b *testing.B) { measure(b, tito(100_000), 100_000) }

func TestNoAllocationsTITO(t *testing.T) { allocations(t, "tito", tito) }
