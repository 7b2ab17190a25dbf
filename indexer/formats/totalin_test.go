package formats

import (
	"bytes"
	"fmt"
	"testing"
)

func TestTotalInPayments(t *testing.T) {
	f := wantPayments(t, "totalin-latin1.txt", []string{
		`1 "22222333334444451" 3025.50 "SEK" from "EXEMPEL ÅKERI AB" "1234567" to "" "12345678" on "2026-11-19" for "1234567897"`,
		`2 "22222333334444452" 500.50 "SEK" from "MÅLERI HB" "7654321" to "" "12345678" on "2026-11-19" for "BETALNING FÖR NOVEMBER TACK"`,
		`3 "22222333334444453" -25.50 "SEK" from "" "" to "" "12345678" on "2026-11-19" for "987654123"`,
		`4 "22222333334444454" 0.01 "EUR" from "" "" to "" "87654321" on "2026-11-20" for "77"`,
	})
	if f.FirstExecution != "2026-11-19" || f.LastExecution != "2026-11-20" || f.Declared != "4 payments, 3500.51" || f.MessageID != "TI111111" ||
		f.CreatedAt != "2026-11-20T04:13:30" || f.BusinessKey != "total-in\x1fTI111111\x1f2026-11-20T04:13:30\x1f4\x1f3500.51" || len(f.Payers) != 2 || f.FindingsAll != 0 {
		t.Errorf("%+v", f)
	}
	data := testdata(t)["totalin-findings.txt"]
	if got := codes(inspect(data, always(3))); got != "currency-shape date-shape unknown-record record-count" {
		t.Errorf("findings %s", got)
	}
}

// totalIn makes a file of so many payments, in one account.
func totalIn(payments int) []byte {
	var b bytes.Buffer
	line := func(format string, args ...any) { fmt.Fprintf(&b, "%-80s\r\n", fmt.Sprintf(format, args...)) }
	line("00TI111111    2026112004133001234501TL1TOTALIN")
	line("10%-36sSEK20261119", "12345678")
	for n := range payments {
		line("20%035d%015d%017d", n, 10_000, n)
		line("50EXEMPEL WIDGETS AB")
		line("60%036d1", n%100)
	}
	line("90%08d%017d20261119001", payments, payments*10_000)
	line("99%015d", 3*payments+4)
	return b.Bytes()
}

func BenchmarkTotalIn(b *testing.B) { measure(b, totalIn(100_000), 100_000) }

func TestNoAllocationsTotalIn(t *testing.T) { allocations(t, "total-in", totalIn) }

func TestTotalInBoundedMemory(t *testing.T) {
	stays(t, "total-in", fmt.Sprintf("00%-12s%-20s01TL1TOTALIN\n", "TI1", "20261120041330"), "10%d\n90"+"0000000000000000000000000\n")
}
