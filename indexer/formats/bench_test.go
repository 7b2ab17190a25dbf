package formats

import (
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/testdata/gen/payfile"
)

// benchmark feeds a generated file in chunks of 64 KiB. The last figure is allocations per payment.
func benchmark(b *testing.B, format string, opt payfile.Options) {
	measure(b, generated(b, format, opt), opt.Payments)
}

func measure(b *testing.B, data []byte, payments int) {
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		var seen int64
		i := New(func(p *Payment) { seen++ }, today)
		for p := data; len(p) > 0; p = p[min(len(p), 64<<10):] {
			i.Write(p[:min(len(p), 64<<10)])
		}
		if _, problems := i.Close(); len(problems) > 0 || seen != int64(payments) {
			b.Fatal(problems, seen)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(payments), "ns/payment")
}

func BenchmarkPain001(b *testing.B) {
	b.Run("indented", func(b *testing.B) { benchmark(b, "pain.001", payfile.Options{Payments: 50_000}) })
	b.Run("minified", func(b *testing.B) { benchmark(b, "pain.001", payfile.Options{Payments: 50_000, Minified: true}) })
	b.Run("one-a-batch", func(b *testing.B) { benchmark(b, "pain.001", payfile.Options{Payments: 20_000, PerBatch: 1}) })
	b.Run("small", func(b *testing.B) { benchmark(b, "pain.001", payfile.Options{Payments: 4}) })
}

func BenchmarkPain008(b *testing.B) { benchmark(b, "pain.008", payfile.Options{Payments: 50_000}) }

func BenchmarkPacs008(b *testing.B) { benchmark(b, "pacs.008", payfile.Options{Payments: 50_000}) }

func BenchmarkPain002(b *testing.B) { benchmark(b, "pain.002", payfile.Options{Payments: 50_000}) }
func BenchmarkCamt055(b *testing.B) { benchmark(b, "camt.055", payfile.Options{Payments: 50_000}) }

func BenchmarkCamt053(b *testing.B) {
	b.Run("indented", func(b *testing.B) { benchmark(b, "camt.053", payfile.Options{Payments: 50_000}) })
	b.Run("minified", func(b *testing.B) { benchmark(b, "camt.053", payfile.Options{Payments: 50_000, Minified: true}) })
}

func BenchmarkLB(b *testing.B) {
	b.Run("lines", func(b *testing.B) { benchmark(b, "bg-lb", payfile.Options{Payments: 100_000}) })
	b.Run("no-breaks", func(b *testing.B) { benchmark(b, "bg-lb", payfile.Options{Payments: 100_000, NoBreaks: true}) })
}

// BenchmarkFixed are the other formats of fixed columns.
func BenchmarkFixed(b *testing.B) {
	b.Run("nacha-no-breaks", func(b *testing.B) { benchmark(b, "nacha", payfile.Options{Payments: 100_000, NoBreaks: true}) })
	for _, format := range []string{"nacha", "nets-ocr", "coda", "bacs", "bgmax", "bg-loner", "bg-autogiro", "po3"} {
		b.Run(format, func(b *testing.B) { benchmark(b, format, payfile.Options{Payments: 100_000}) })
	}
}

// TestNoAllocations wants no allocation for each further payment, whatever the format: more payments, same allocations,
// but for the few runs of markup that are still learned where chunks happen to end.
func TestNoAllocations(t *testing.T) {
	for _, c := range []struct {
		format string
		opt    payfile.Options
	}{
		{"pain.001", payfile.Options{PerBatch: 1 << 30}},
		{"pain.001", payfile.Options{PerBatch: 1 << 30, Minified: true}},
		{"pain.008", payfile.Options{PerBatch: 1 << 30}},
		{"pacs.008", payfile.Options{PerBatch: 1 << 30}},
		{"pain.002", payfile.Options{PerBatch: 1 << 30}},
		{"camt.055", payfile.Options{PerBatch: 1 << 30}},
		{"camt.053", payfile.Options{PerBatch: 1 << 30}},
		{"camt.053", payfile.Options{PerBatch: 1 << 30, Minified: true}},
		{"bg-lb", payfile.Options{PerBatch: 1 << 30}},
		{"bg-lb", payfile.Options{PerBatch: 1 << 30, NoBreaks: true}},
		{"nacha", payfile.Options{PerBatch: 1 << 30}},
		{"nets-ocr", payfile.Options{PerBatch: 1 << 30}},
		{"coda", payfile.Options{PerBatch: 1 << 30}},
		{"bacs", payfile.Options{PerBatch: 1 << 30}},
		{"bgmax", payfile.Options{PerBatch: 1 << 30}},
		{"bg-loner", payfile.Options{PerBatch: 1 << 30}},
		{"bg-autogiro", payfile.Options{PerBatch: 1 << 30}},
		{"po3", payfile.Options{PerBatch: 1 << 30}},
	} {
		allocations(t, c.format, func(payments int) []byte {
			c.opt.Payments = payments
			return generated(t, c.format, c.opt)
		})
	}
}

func allocations(t *testing.T, format string, generate func(payments int) []byte) {
	t.Helper()
	count := func(payments int) float64 {
		data := generate(payments)
		return testing.AllocsPerRun(3, func() {
			i := New(func(*Payment) {}, today)
			for p := data; len(p) > 0; p = p[min(len(p), 32<<10):] {
				i.Write(p[:min(len(p), 32<<10)])
			}
			i.Close()
		})
	}
	few, many := count(5_000), count(25_000)
	t.Logf("%s: %.0f allocations for 5,000 payments, %.0f for 25,000", format, few, many)
	if many > few+200 {
		t.Errorf("%s: %.4f allocations a payment", format, (many-few)/20_000)
	}
}

// TestBoundedMemory feeds what tries to make an Inspector grow: nothing that it keeps may.
func TestBoundedMemory(t *testing.T) {
	for name, c := range map[string]struct{ head, again string }{
		"names":      {"<Document><CstmrCdtTrfInitn>", "<n%d a%d='x'><m%d/></n%d>"},
		"namespaces": {"<Document><CstmrCdtTrfInitn>", "<a xmlns:p%d='u%d'><p%d:b/></a>"},
		"runs":       {"<Document><CstmrCdtTrfInitn>", "<a>x</a><b%d/>"},
		"comment":    {"<Document><CstmrCdtTrfInitn><!--", "text %d"},
		"text":       {"<Document><CstmrCdtTrfInitn><Any>", "text %d &amp; "},
		"payers": {"<Document><CstmrCdtTrfInitn>", "<PmtInf><Dbtr><Nm>%d</Nm></Dbtr><DbtrAcct><Id><IBAN>%d</IBAN></Id></DbtrAcct>" +
			"<CdtTrfTxInf><Amt><InstdAmt Ccy='SEK'>1</InstdAmt></Amt></CdtTrfTxInf></PmtInf>"},
		"statements": {"<Document><BkToCstmrStmt>", "<Stmt><Id>%d</Id><Acct><Id><IBAN>%d</IBAN></Id></Acct><Bal><Amt Ccy='%d'>1</Amt>" +
			"<CdtDbtInd>CRDT</CdtDbtInd></Bal><TxsSummry><TtlNtries><NbOfNtries>%d</NbOfNtries></TtlNtries></TxsSummry></Stmt>"},
		"bacs":  {"VOL1000417\nHDR1A\nUHL1\n", "405060" + "87654321" + "099" + "203040" + "12345678" + "0000" + "00000000100" + "N%d\n"},
		"nacha": {"101 061000052 1210428822611201502A094101\n", "5200N%d                                             PPD\n6220610000521                 0000000001\n8200" + strings.Repeat("0", 40) + "\n"},
		"loner": {"01261120  L\xD6N                                              SEK0047110009912346\n", "35%d\n37%d\n"},
		"autogiro": {"0120261120AUTOGIRO                                            0047110009912346\n",
			"8220261125%d    \n03%d      \n0120261120AUTOGIRO                                            00471100%d  \n"},
		"report": {"012026112099000009912346AG-MEDAVI\n", "73%d\n09202611209900%d\n012026112099000009912346AG-MEDAVI%d\n"},
		"bgmax":  {"01BGMAX               0120261120173035010331P\n", "05%d\n200054728027%d\n25%d\n"},
		"mt940":  {":20:X\n:25:X\n:28C:1/1\n:60F:C261119EUR0,\n", ":61:261120C1,NTRF%d\nX%d\n:86:/EREF/%d\n%d\n:25:%d\n"},
		"mt101":  {":20:X\n:28D:1/1\n", ":21:%d\n:50H:/%d\n%d\n:32B:EUR1,\n:59:/%d\n:70:%d\n%d\n"},
		"lb":     {"110009912346261120LEVERANT\xd6RSBETALNINGAR\n", "1100%d\n26%d\n"},
		"paymul": {"UNB+UNOA:1+A+B+261120:0900+1'UNH+1+PAYMUL:D:96A'", "LIN+%d'MOA+9:0:SEK'FII+OR+%d:N%d'SEQ++1'MOA+9:1:SEK'NAD+BE+++N%d'FTX+PMD+++%d'UNT+9+1'UNH+1+PAYMUL:D:96A'"},
		"telepay": {"AH200TBII1120000001                   04BETFOR00\n\n\n\n", "AH200TBII1120000002                   04BETFOR2100987654321%d\n261123%d\n\n\n" +
			"AH200TBII1120000003                   04BETFOR22\n99990512341NAME%d                     000000000000100\n\n\n"},
	} {
		stays(t, name, c.head, c.again)
	}
}

// stays writes head, and then again and again, with the round for %d.
func stays(t *testing.T, name, head, again string) {
	t.Helper()
	i := New(nil, today)
	i.Write([]byte(head))
	size := func(from, to int) int {
		for n := from; n < to; n++ {
			i.Write([]byte(strings.ReplaceAll(again, "%d", strconv.Itoa(n))))
		}
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	before := size(0, 20_000)
	after := size(20_000, 100_000)
	if after-before > 512<<10 {
		t.Errorf("%s: %d KiB more after 80,000 rounds", name, (after-before)>>10)
	}
	runtime.KeepAlive(i)
}
