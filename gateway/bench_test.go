package gateway

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/sealgate/sealgate/testdata/gen/payfile"
	"github.com/sealgate/sealgate/vault"
)

// BenchmarkOnePass receives a pain.001 of about 150 MB in writes of 32 KiB: order, inspection, payments stored, hashed,
// sealed twice, durable. No SSH.
func BenchmarkOnePass(b *testing.B) {
	h := newHouse(b)
	h.account("acme").MaxFileSize = 1 << 40
	var content bytes.Buffer
	if err := payfile.Pain001(&content, payfile.Options{Payments: 200_000, MessageID: "BENCH-000000000"}); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(content.Len()))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		file := bytes.Replace(content.Bytes(), []byte("BENCH-000000000"), fmt.Appendf(nil, "BENCH-%09d", i), 1)
		if _, err := h.push(b, "acme", "bench.xml", file); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSmallFile receives files of 3 payments, one after the other.
func BenchmarkSmallFile(b *testing.B) {
	h := newHouse(b)
	for i := 0; b.Loop(); i++ {
		if _, err := h.push(b, "acme", "bench.xml", pain001(b, fmt.Sprint("SMALL", i), 3)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRotate rewraps small sealed copies through the desk, as the command does with no daemon running; an operation
// is one copy, durable: go test ./gateway -run '^$' -bench Rotate -benchtime 10000x
func BenchmarkRotate(b *testing.B) {
	for _, kind := range []string{"rsa-3072", "p-256"} {
		b.Run(kind, func(b *testing.B) {
			h := newHouse(b)
			cert, key, err := vault.NewCertificate("acme", kind, time.Now(), time.Hour*1000)
			must(b, err, os.WriteFile(filepath.Join(h.dir, "acme.crt"), cert, 0o600), os.WriteFile(filepath.Join(h.dir, "acme.key"), key, 0o600))
			must(b, h.Reload(b.Context()))
			old := readPair(b, h.dir, "acme")
			cert, key, err = vault.NewCertificate("next", kind, time.Now(), time.Hour*1000)
			must(b, err, os.WriteFile(filepath.Join(h.dir, "next.crt"), cert, 0o600), os.WriteFile(filepath.Join(h.dir, "next.key"), key, 0o600))
			next := readPair(b, h.dir, "next")
			var group errgroup.Group
			group.SetLimit(32)
			for i := range b.N {
				group.Go(func() error {
					_, err := h.push(b, "acme", fmt.Sprint(i), pain001(b, fmt.Sprint("rotate", i), 2))
					return err
				})
			}
			must(b, group.Wait())
			b.ResetTimer()
			began, used := time.Now(), processorTime(b)
			if r := h.rotate(b, "acme", old, next.cert); r.Done != b.N {
				b.Fatalf("%+v", r)
			}
			b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "copies/s")
			b.ReportMetric((processorTime(b)-used).Seconds()*1e3/float64(b.N), "cpu-ms/op") // whatever else the machine does
		})
	}
}

// processorTime is what this process has used so far, of all cores.
func processorTime(b *testing.B) time.Duration {
	var r unix.Rusage
	must(b, unix.Getrusage(unix.RUSAGE_SELF, &r))
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// BenchmarkLogin is a login by key as the door asks for it, four at a time: what its row in the ledger costs of the processor is in it.
func BenchmarkLogin(b *testing.B) {
	h := newHouse(b)
	h.addUser(b, "robot", "key")
	before := processorTime(b)
	b.SetParallelism(2)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if got := h.steps(b, "robot", nil, "key"); got != "in" {
				b.Error(got)
			}
		}
	})
	b.ReportMetric(float64((processorTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
}
