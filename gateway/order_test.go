package gateway

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"
)

func TestOrderGivesBackTheStream(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		want := make([]byte, rnd.IntN(300_000))
		for i := range want {
			want[i] = byte(rnd.Uint32())
		}
		type write struct{ off, end int }
		var writes []write
		for off := 0; off < len(want); {
			end := min(len(want), off+1+rnd.IntN(40_000))
			writes = append(writes, write{off, end})
			off = end
		}
		rnd.Shuffle(len(writes), func(i, j int) { writes[i], writes[j] = writes[j], writes[i] })
		var o order
		var got bytes.Buffer
		for _, w := range writes {
			packet := bytes.Clone(want[w.off:w.end])
			err := o.take(packet, int64(w.off), func(p []byte) error { got.Write(p); return nil })
			if err != nil {
				t.Fatalf("seed %d: write at %d: %v", seed, w.off, err)
			}
			clear(packet) // the protocol library reuses the packet's memory
		}
		if o.gap() || o.held != 0 || !bytes.Equal(got.Bytes(), want) {
			t.Fatalf("seed %d: gap %v, %d held, %d of %d bytes in order", seed, o.gap(), o.held, got.Len(), len(want))
		}
	}
}

func TestOrderRefuses(t *testing.T) {
	type write struct {
		off  int64
		data string
	}
	for _, c := range []struct {
		name   string
		before []write
		last   write
		want   error
	}{
		{"rewrite", []write{{0, "abcd"}}, write{1, "x"}, errRewrite},
		{"rewrite of the first byte", []write{{0, "abcd"}}, write{0, "abcd"}, errRewrite},
		{"overlap by one, equal", []write{{0, "abcd"}}, write{3, "de"}, nil},
		{"overlap by one, other", []write{{0, "abcd"}}, write{3, "xe"}, errRewrite},
		{"same early write twice", []write{{4, "ef"}}, write{4, "ef"}, errRewrite},
		{"early write into another", []write{{4, "efgh"}}, write{6, "x"}, errRewrite},
		{"early write over the next", []write{{4, "ef"}}, write{2, "cde"}, errRewrite},
		{"in order over an early one", []write{{4, "ef"}}, write{0, "abcde"}, errRewrite},
		{"up to the window's end", nil, write{windowSize - 1, "x"}, nil},
		{"past the window", nil, write{windowSize, "x"}, errTooFar},
		{"far past", nil, write{1<<63 - 1, "x"}, errTooFar},
		{"empty write far away", nil, write{1 << 40, ""}, nil},
	} {
		var o order
		nothing := func([]byte) error { return nil }
		for _, w := range c.before {
			if err := o.take([]byte(w.data), w.off, nothing); err != nil {
				t.Fatalf("%s: before: %v", c.name, err)
			}
		}
		if err := o.take([]byte(c.last.data), c.last.off, nothing); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

func TestOrderForgetsOnlyBehindTheGap(t *testing.T) {
	var o order
	var got bytes.Buffer
	emit := func(p []byte) error { got.Write(p); return nil }
	for _, w := range []struct {
		off  int64
		data string
	}{{0, "ab"}, {4, "ef"}, {8, "ij"}} {
		if err := o.take([]byte(w.data), w.off, emit); err != nil {
			t.Fatal(err)
		}
	}
	o.forget()
	if o.gap() || o.next != 2 || o.held != 0 {
		t.Fatalf("after forget: gap %v, next %d, held %d", o.gap(), o.next, o.held)
	}
	if err := o.take([]byte("cdef"), 2, emit); err != nil || got.String() != "abcdef" {
		t.Fatalf("went on: %v, %q", err, got.String())
	}
}

// FuzzOrder writes a known stream in pieces that the fuzzer chooses: whatever it does, what comes out is a prefix of it.
func FuzzOrder(f *testing.F) {
	f.Add([]byte{0, 4, 4, 4, 8, 4})
	f.Add([]byte{8, 4, 0, 8, 7, 3})
	f.Add([]byte{250, 250, 0, 250})
	f.Fuzz(func(t *testing.T, pieces []byte) {
		stream := make([]byte, 600)
		for i := range stream {
			stream[i] = byte(i * 7)
		}
		var o order
		var got []byte
		for i := 0; i+1 < len(pieces); i += 2 {
			off, n := int(pieces[i]), int(pieces[i+1])
			err := o.take(stream[off:off+n], int64(off), func(p []byte) error { got = append(got, p...); return nil })
			if err != nil {
				break
			}
		}
		if !bytes.HasPrefix(stream, got) || int64(len(got)) > o.next {
			t.Fatalf("%d bytes out of order came out", len(got))
		}
	})
}

// TestOrderHoldsWhatItCharges: every second byte of the window is refused long before it takes real memory.
func TestOrderHoldsWhatItCharges(t *testing.T) {
	var o order
	for off := int64(1); ; off += 2 {
		err := o.take([]byte("x"), off, nil)
		if errors.Is(err, errTooFar) {
			break
		}
		if err != nil || off > 2*mostWaiting {
			t.Fatalf("at %d: %v", off, err)
		}
	}
	held := int64(0)
	for _, w := range o.waiting {
		held += int64(cap(w.buf)) + earlyCost
	}
	if o.held != held || held > 1<<20 {
		t.Errorf("%d bytes are held, %d charged", held, o.held)
	}
}
