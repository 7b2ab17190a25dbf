package indexer

import (
	"fmt"
	mrand "math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealgate/sealgate/indexer/formats"
)

// cpu is the processor time of this process, both sides, in seconds.
func cpu() float64 {
	var u unix.Rusage
	unix.Getrusage(unix.RUSAGE_SELF, &u)
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// BenchmarkCommitSmall commits files of one payment with a sealed copy of 4 KiB, durable each, looking for duplicates.
func BenchmarkCommitSmall(b *testing.B) {
	for _, writers := range []int{1, 50} {
		b.Run(fmt.Sprint("writers=", writers), func(b *testing.B) {
			x := newIndex(b)
			copy4k := make([]byte, 4096)
			var next atomic.Int64
			b.ReportAllocs()
			var wg sync.WaitGroup
			files := make([]*File, b.N)
			for i := range files {
				files[i] = newFile(b, fmt.Sprint(i), epoch.Add(time.Duration(i)*time.Millisecond))
				files[i].Facts.Findings = nil
			}
			b.ResetTimer()
			start := cpu()
			for range writers {
				wg.Go(func() {
					for i := next.Add(1) - 1; i < int64(b.N); i = next.Add(1) - 1 {
						p := x.NewPayments(files[i].ID)
						p.Add(&formats.Payment{Index: 1, EndToEndID: []byte(files[i].ID), Amount: files[i].Facts.Totals[0].Amount, Currency: []byte("SEK")})
						d := &Delivery{File: files[i], Copy: copy4k, Payments: p, Window: time.Hour, Judge: func(Earlier) {}}
						if err := x.Commit(b.Context(), d); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "files/s")
			b.ReportMetric((cpu()-start)*1e6/float64(b.N), "cpu-µs/file")
		})
	}
}

// payroll is a maker of payments like those of a large pain.001: one payer, ids and references that count or are
// random, amounts of all sizes, 200,000 payees in no order.
type payroll struct {
	r      *mrand.Rand
	p      formats.Payment
	payees [][]byte
}

// payees are n names in no order, half of them persons' and half companies'. One in 400 is a Svensson, or Svensson's company.
func payees(n int) [][]byte {
	first := strings.Fields("Anna Erik Lars Karin Åsa Göran Maria Johan Märta Örjan Eva Per Ali Ingrid Nils Fatima Sven Kerstin Olle Zoë")
	begin := strings.Fields("Sven Lind Berg Ström Åker Sjö Öst Hag Ny Ek Björk Gran Alm Ceder Dahl Eng Fors Gyllen Holm Wester")
	end := strings.Fields("sson berg qvist ström gren lund mark dal sten man stedt ander ell én holm bäck blad feldt hammar vall")
	trade := strings.Fields("Åkeri Bygg Måleri El Rör Konsult Städ Plåt Skog Fastigheter")
	town := strings.Fields("Växjö Göteborg Malmö Umeå Örebro Luleå Gävle Borås Kalmar Lund Ystad Motala Skövde Åmål Visby Falun Mora Kiruna Halmstad Eslöv Nora Trosa Sala Arboga Piteå")
	names := make([][]byte, n)
	for at, i := range mrand.New(mrand.NewPCG(7, 8)).Perm(n) {
		k := i / 2
		last := begin[k%20] + end[k/20%20]
		if k /= 400; i%2 == 0 {
			names[at] = fmt.Appendf(nil, "%s %s %s", first[k%20], first[k/20%20], last)
		} else {
			names[at] = fmt.Appendf(nil, "%s %s i %s AB", last, trade[k%10], town[k/10%25])
		}
	}
	return names
}

func newPayroll() *payroll {
	m := &payroll{r: mrand.New(mrand.NewPCG(5, 6)), payees: payees(200_000)}
	m.p.Currency, m.p.PayerName, m.p.PayerAccount = []byte("SEK"), []byte("Acme Aktiebolag"), []byte("SE4550000000058398257466")
	m.p.ExecutionDate = []byte("2026-11-24")
	return m
}

func (m *payroll) next(i int64) *formats.Payment {
	p := &m.p
	p.Index = i
	p.Amount = formats.AmountFromMinor(m.r.Int64N(5_000_000), 2)
	p.EndToEndID = fmt.Appendf(p.EndToEndID[:0], "E2E-20261124-%08d", i)
	p.PayeeName = append(p.PayeeName[:0], m.payees[m.r.IntN(len(m.payees))]...)
	p.PayeeAccount = fmt.Appendf(p.PayeeAccount[:0], "SE%02d5000000005%09d", m.r.IntN(98), m.r.IntN(1e9))
	p.Reference = fmt.Appendf(p.Reference[:0], "Invoice %d", 100_000_000+m.r.IntN(1e9))
	return p
}

// BenchmarkPayments stores a million payments and commits them. The payments are made ahead, so that only storing them is
// measured. There are 200,000 different payees, since an account's list of names costs as much as it has names.
func BenchmarkPayments(b *testing.B) {
	const million, kept = 1_000_000, 1 << 14
	m := newPayroll()
	made := make([]formats.Payment, kept)
	for i := range made {
		p := *m.next(int64(i))
		for _, f := range []*[]byte{&p.EndToEndID, &p.PayeeName, &p.PayeeAccount, &p.Reference} {
			*f = append([]byte(nil), *f...)
		}
		made[i] = p
	}
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		dir := b.TempDir()
		x := openIndex(b, filepath.Join(dir, "index.db"), newKey(b))
		f := newFile(b, "million", epoch)
		b.StartTimer()
		start, most := cpu(), int64(0)
		p := x.NewPayments(f.ID)
		for i := range int64(million) {
			q := &made[i%kept]
			q.Index, q.PayeeName = i+1, m.payees[i%int64(len(m.payees))]
			if err := p.Add(q); err != nil {
				b.Fatal(err)
			}
			if i%50_000 == 0 {
				most = max(most, size(dir, "-wal"))
			}
		}
		before := time.Now()
		if err := x.Commit(b.Context(), &Delivery{File: f, Payments: p}); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(time.Since(before).Microseconds())/1000, "commit-ms")
		x.running.Wait()
		b.ReportMetric(cpu()-start, "cpu-s")
		b.StopTimer()
		x.Close()
		b.ReportMetric(float64(max(most, size(dir, "-wal")))/(1<<20), "log-MiB")
		b.ReportMetric(float64(size(dir, ".db"))/million, "B/payment")
		b.StartTimer()
	}
}

// size is that of the file in dir whose name ends so.
func size(dir, ending string) int64 {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if fi, err := e.Info(); err == nil && strings.HasSuffix(e.Name(), ending) {
			return fi.Size()
		}
	}
	return 0
}

// BenchmarkDiscard discards an upload of a million payments.
func BenchmarkDiscard(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		x := newIndex(b)
		p, m := x.NewPayments(newID(epoch)), newPayroll()
		for i := range int64(1_000_000) {
			if err := p.Add(m.next(i + 1)); err != nil {
				b.Fatal(err)
			}
		}
		b.StartTimer()
		if err := p.Discard(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFindPayment asks for single payments among ten million, in ten files, and for parts of names: a full one, which 50
// payments have; the middle of some; one that nobody has; one that half of the payees have, and one that 500 have, as they
// are asked for by people, who want to see some.
func BenchmarkFindPayment(b *testing.B) {
	x, m := newIndex(b), newPayroll()
	var id, account, reference string
	var a formats.Amount
	for file := range 10 {
		f := newFile(b, fmt.Sprint("million ", file), epoch.Add(time.Duration(file)*time.Minute))
		p := x.NewPayments(f.ID)
		for i := range int64(1_000_000) {
			q := m.next(i + 1)
			q.EndToEndID = fmt.Appendf(q.EndToEndID, "-%d", file)
			if file == 3 && i == 700_000 {
				id, account, reference, a = string(q.EndToEndID), string(q.PayeeAccount), string(q.Reference), q.Amount
			}
			if err := p.Add(q); err != nil {
				b.Fatal(err)
			}
		}
		f.Facts.Payments = 1_000_000
		commit(b, x, &Delivery{File: f, Payments: p})
	}
	for what, q := range map[string]PaymentFilter{
		"id": {EndToEndID: id}, "account": {Account: account}, "reference": {Reference: reference},
		"amount": {Min: &a, Max: &a, Limit: 1}, "nothing": {EndToEndID: "nobody has this"},
		"name": {Name: "Svensson Akeri i Växjö AB"}, "name-part": {Name: "qvist bygg i Gö", Limit: 100}, "name-nothing": {Name: "svenssen"},
		"name-common": {Name: "ab", Limit: 100}, "name-frequent": {Name: "SVENSSON", Limit: 100},
	} {
		b.Run(what, func(b *testing.B) {
			b.ReportAllocs()
			start, n := cpu(), 0
			for b.Loop() {
				if n = len(payments(b, x, q)); n == 0 && !strings.HasSuffix(what, "nothing") {
					b.Fatal("not found")
				}
			}
			b.ReportMetric(float64(n), "payments")
			b.ReportMetric((cpu()-start)*1000/float64(b.N), "cpu-ms")
		})
	}
}

// BenchmarkOpen opens and closes an account's index.
func BenchmarkOpen(b *testing.B) {
	path, key := filepath.Join(b.TempDir(), "index.db"), newKey(b)
	openIndex(b, path, key).Close()
	for b.Loop() {
		openIndex(b, path, key).Close()
	}
}
