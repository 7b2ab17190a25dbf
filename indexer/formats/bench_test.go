package formats

import (
	"testing"

	"github.com/sealgate/sealgate/testdata/gen/payfile"
)

// benchmark feeds a generated file in chunks of 64 KiB. The last figure is allocations per payment.
func benchmark(b *testing.B, format string, opt payfile.Options) {
	data := generated(b, format, opt)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		var seen int64
		i := New(func(p *Payment) { seen++ }, today)
		for p := data; len(p) > 0; p = p[min(len(p), 64<<10):] {
			i.Write(p[:min(len(p), 64<<10)])
		}
		if _, problems := i.Close(); len(problems) > 0 || seen != int64(opt.Payments) {
			b.Fatal(problems, seen)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(opt.Payments), "ns/payment")
}

func BenchmarkPain001(b *testing.B) {
	b.Run("indented", func(b *testing.B) { benchmark(b, "pain.001", payfile.Options{Payments: 50_000}) })
	b.Run("minified", func(b *testing.B) { benchmark(b, "pain.001", payfile.Options{Payments: 50_000, Minified: true}) })
	b.Run("one-a-batch", func(b *testing.B) { benchmark(b, "pain.001", payfile.Options{Payments: 20_000, PerBatch: 1}) })
	b.Run("small", func(b *testing.B) { benchmark(b, "pain.001", payfile.Options{Payments: 4}) })
}

func BenchmarkLB(b *testing.B) {
	b.Run("lines", func(b *testing.B) { benchmark(b, "bg-lb", payfile.Options{Payments: 100_000}) })
	b.Run("no-breaks", func(b *testing.B) { benchmark(b, "bg-lb", payfile.Options{Payments: 100_000, NoBreaks: true}) })
}
