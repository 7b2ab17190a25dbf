package gateway

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/sealgate/sealgate/testdata/gen/payfile"
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
