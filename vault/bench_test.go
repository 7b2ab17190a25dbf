package vault

import (
	"bytes"
	"io"
	"testing"
	"time"
)

const benchSize = 1 << 30

// BenchmarkSeal streams 1 GiB in chunks of 64 KiB, as uploads arrive.
func BenchmarkSeal(b *testing.B) {
	for _, c := range []struct {
		name   string
		access []string
	}{{"single", nil}, {"nested", []string{"one"}}} {
		b.Run(c.name, func(b *testing.B) {
			s := newSeal(b, newKeys(b, "p-256", c.access...))
			chunk := pattern(64 << 10)
			b.SetBytes(benchSize)
			for b.Loop() {
				x, err := s.New(io.Discard)
				if err != nil {
					b.Fatal(err)
				}
				for range benchSize / len(chunk) {
					if _, err := x.Write(chunk); err != nil {
						b.Fatal(err)
					}
				}
				if err := x.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkSealSmall seals 4 KiB. The metric ready-ns/op is what it takes when
// Run has made the envelope ahead.
func BenchmarkSealSmall(b *testing.B) {
	for _, c := range []struct {
		name, kind string
		access     []string
	}{{"p-256", "p-256", nil}, {"p-256-nested", "p-256", []string{"one"}}, {"rsa-3072-nested", "rsa-3072", []string{"one"}}} {
		b.Run(c.name, func(b *testing.B) {
			s := newSeal(b, newKeys(b, c.kind, c.access...))
			plain := pattern(4096)
			seal := func() {
				x, err := s.New(io.Discard)
				if err == nil {
					_, err = x.Write(plain)
				}
				if err == nil {
					err = x.Close()
				}
				if err != nil {
					b.Fatal(err)
				}
			}
			const rounds = 1000
			s.stock = make(chan []fresh, rounds)
			for range rounds {
				layers, err := s.prepare()
				if err != nil {
					b.Fatal(err)
				}
				s.stock <- layers
			}
			start := time.Now()
			for range rounds {
				seal()
			}
			ready := time.Since(start)
			b.ReportAllocs()
			for b.Loop() {
				seal()
			}
			b.ReportMetric(float64(ready.Nanoseconds())/rounds, "ready-ns/op")
		})
	}
}

// eachSealed runs a benchmark on 256 MiB sealed once and sealed twice.
func eachSealed(b *testing.B, run func(k *keys, access *AccessKey, file []byte, w Witness) error) {
	for _, c := range []struct {
		name   string
		access []string
	}{{"single", nil}, {"nested", []string{"one"}}} {
		b.Run(c.name, func(b *testing.B) {
			k := newKeys(b, "p-256", c.access...)
			file, w := sealed(b, k, make([]byte, 256<<20))
			var access *AccessKey
			if len(k.opens) > 0 {
				access = k.opens[0]
			}
			b.SetBytes(256 << 20)
			for b.Loop() {
				if err := run(k, access, file, w); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	eachSealed(b, func(k *keys, access *AccessKey, file []byte, _ Witness) error {
		return OpenSealed(io.Discard, bytes.NewReader(file), int64(len(file)), k.key, access)
	})
}

func BenchmarkVerify(b *testing.B) {
	eachSealed(b, func(_ *keys, _ *AccessKey, file []byte, w Witness) error {
		return VerifySealed(bytes.NewReader(file), w)
	})
}

func BenchmarkPassword(b *testing.B) {
	for b.Loop() {
		if ok, err := CheckPassword(DummyHash, []byte("quiet-otter")); ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}

func BenchmarkFieldInverse(b *testing.B) {
	e := element{0x0123456789abcdef, 0xfedcba9876543210}
	for b.Loop() {
		e = e.inverse()
	}
}
