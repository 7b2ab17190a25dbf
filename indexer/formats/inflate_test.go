package formats

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/sealgate/sealgate/testdata/gen/payfile"
)

// inflated is what our inflater makes of data in chunks, at most limit bytes, and what is left behind the end.
func inflated(data []byte, next func() int, limit int) (out, rest []byte, d *inflater) {
	d = newInflater(func(b []byte) { out = append(out, b...) }, func() bool { return len(out) > limit })
	for len(data) > 0 && d.fault == "" && !d.done {
		n := min(max(next(), 1), len(data))
		rest = d.push(data[:n])
		data = data[n:]
	}
	return out, append(bytes.Clone(rest), data...), d
}

// checkInflater holds ours against the standard library's.
func checkInflater(t *testing.T, data []byte, seed uint64) {
	t.Helper()
	const limit = 4 << 20
	reader := bytes.NewReader(data)
	want, err := io.ReadAll(io.LimitReader(flate.NewReader(reader), limit))
	if len(want) == limit {
		return
	}
	got, rest, d := inflated(data, whole(data), limit)
	if !bytes.Equal(got, want) && err == nil {
		t.Fatalf("%d bytes, not %d as they should be", len(got), len(want))
	}
	var corrupt flate.CorruptInputError
	switch {
	case err == nil:
		if !d.done || d.fault != "" || len(rest) != reader.Len() {
			t.Fatalf("done %v, %q, %d bytes left, not %d", d.done, d.fault, len(rest), reader.Len())
		}
	case errors.As(err, &corrupt):
		if d.done || d.fault == "" && len(data)-int(corrupt) > 8 { // near the end it waits for more
			t.Fatalf("%v at %d of %d: done %v, %q", err, corrupt, len(data), d.done, d.fault)
		}
	default:
		if d.done || d.fault != "" {
			t.Fatalf("%v: done %v, %q", err, d.done, d.fault)
		}
	}
	if n := min(len(got), len(want)); !bytes.Equal(got[:n], want[:n]) {
		t.Fatal("it begins with other bytes")
	}
	pieces, left, e := inflated(data, randomly(seed, 1+int(seed%40)), limit)
	if !bytes.Equal(pieces, got) || d.done != e.done || d.fault != e.fault || d.done && !bytes.Equal(left, rest) || d.consumed() != e.consumed() {
		t.Fatalf("in chunks: %d bytes, done %v, %q, %d left, %d used; in one: %d, %v, %q, %d, %d",
			len(pieces), e.done, e.fault, len(left), e.consumed(), len(got), d.done, d.fault, len(rest), d.consumed())
	}
}

// deflated packs data at a level of the standard library's.
func deflated(t testing.TB, data []byte, level int) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, level)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(data[:len(data)/2])
	w.Flush() // an empty stored block
	w.Write(data[len(data)/2:])
	w.Close()
	return b.Bytes()
}

var levels = []int{flate.NoCompression, flate.BestSpeed, flate.DefaultCompression, flate.BestCompression, flate.HuffmanOnly}

func TestInflater(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 70_000)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	for name, data := range map[string][]byte{
		"none": {}, "one": {'x'}, "noise": noise, "zeros": make([]byte, 100_000), "text": generated(t, "bg-loner", payfile.Options{Payments: 700}), "far": append(bytes.Clone(noise[:32768]), noise[:32768]...),
	} {
		for _, level := range levels {
			packed := deflated(t, data, level)
			for seed := range uint64(6) {
				checkInflater(t, append(bytes.Clone(packed), "behind"...), seed*7)
			}
			for range 60 { // broken anywhere
				broken := bytes.Clone(packed[:r.IntN(len(packed)+1)])
				if len(broken) > 0 && r.IntN(4) > 0 {
					broken[r.IntN(len(broken))] ^= 1 << r.IntN(8)
				}
				checkInflater(t, broken, r.Uint64())
			}
			if out, _, d := inflated(packed, whole(packed), 1<<30); !d.done || !bytes.Equal(out, data) {
				t.Errorf("%s, level %d: not the same", name, level)
			}
		}
	}
}

// FuzzInflater holds ours against the standard library's, on streams and on blocks that begin with any bits.
func FuzzInflater(f *testing.F) {
	for _, data := range [][]byte{{}, []byte("x"), generated(f, "bg-loner", payfile.Options{Payments: 20}), make([]byte, 3000)} {
		for _, level := range levels {
			f.Add(deflated(f, data, level), uint64(3))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) { checkInflater(t, data, seed) })
}

func BenchmarkInflater(b *testing.B) {
	data := generated(b, "bg-loner", payfile.Options{Payments: 50_000})
	packed := deflated(b, data, flate.DefaultCompression)
	b.Run("ours", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			d := newInflater(func([]byte) {}, func() bool { return false })
			for p := packed; len(p) > 0; p = p[min(len(p), 64<<10):] {
				d.push(p[:min(len(p), 64<<10)])
			}
			if !d.done {
				b.Fatal(d.fault)
			}
		}
	})
	b.Run("theirs", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			io.Copy(io.Discard, flate.NewReader(bytes.NewReader(packed)))
		}
	})
}
