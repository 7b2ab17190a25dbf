package vault

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"testing"
)

// TestEveryBit flips bits, cuts and adds everywhere in small sealed files:
// never a byte comes out, and the witness notices every time.
func TestEveryBit(t *testing.T) {
	for _, c := range []struct {
		name, kind string
		access     []string
	}{{"rsa", "rsa-3072", nil}, {"p-256", "p-256", nil}, {"nested", "p-256", []string{"one", "two"}}} {
		t.Run(c.name, func(t *testing.T) {
			k := newKeys(t, c.kind, c.access...)
			file, w := sealed(t, k, pattern(100))
			refused := func(what string, at int, bad []byte) {
				t.Helper()
				if got, err := k.open(bad); err == nil || len(got) > 0 {
					t.Errorf("%s at %d of %d: opened, %d bytes, %v", what, at, len(file), len(got), err)
				}
				if err := VerifySealed(bytes.NewReader(bad), w); !errors.Is(err, ErrTampered) && !errors.Is(err, ErrTruncated) {
					t.Errorf("%s at %d of %d: verify: %v", what, at, len(file), err)
				}
			}
			for i := range file {
				for bit := range 8 {
					if c.kind == "rsa-3072" && bit != i%8 {
						continue // a private operation each: one bit a byte is enough
					}
					bad := bytes.Clone(file)
					bad[i] ^= 1 << bit
					refused("bit flipped", i, bad)
				}
				refused("cut", i, file[:i])
			}
			refused("byte added", len(file), append(bytes.Clone(file), 0))
			if err := VerifySealed(bytes.NewReader(file[:len(file)-1]), w); !errors.Is(err, ErrTruncated) {
				t.Errorf("a cut file is not called so: %v", err)
			}
			if _, err := k.open(file[:len(file)/2]); !errors.Is(err, ErrTruncated) {
				t.Errorf("a cut file is not called so: %v", err)
			}
			for i := range w {
				other := w
				other[i] ^= 1
				if err := VerifySealed(bytes.NewReader(file), other); !errors.Is(err, ErrTampered) {
					t.Errorf("with another witness: %v", err)
				}
			}
		})
	}
}

// TestEmptySegment puts `04 00` into the content: the same content in other
// bytes, which opens, but is not the file that was written.
func TestEmptySegment(t *testing.T) {
	k := newKeys(t, "p-256")
	file, w := sealed(t, k, pattern(100))
	at := len(file) - trailerSize
	other := append(append(bytes.Clone(file[:at]), 0x04, 0x00), file[at:]...)
	if got, err := k.open(other); err != nil || !bytes.Equal(got, pattern(100)) {
		t.Errorf("open: %v", err)
	}
	if err := VerifySealed(bytes.NewReader(other), w); !errors.Is(err, ErrTampered) {
		t.Errorf("verify: %v", err)
	}
}

// turncoat is a file that changes after its first reading.
type turncoat struct {
	first, second []byte
	rewound       int
}

func (f *turncoat) ReadAt(p []byte, off int64) (int, error) {
	if off == 0 {
		f.rewound++
	}
	if f.rewound > 1 {
		return bytes.NewReader(f.second).ReadAt(p, off)
	}
	return bytes.NewReader(f.first).ReadAt(p, off)
}

// TestChangedMeanwhile: what is written was checked, even if the file changes
// between the check and the writing.
func TestChangedMeanwhile(t *testing.T) {
	for _, access := range [][]string{nil, {"one"}} {
		k := newKeys(t, "p-256", access...)
		plain := pattern(3*pieceSize + 100)
		file, _ := sealed(t, k, plain)
		other, _ := sealed(t, k, pattern(100))
		flipped := bytes.Clone(file)
		flipped[pieceSize+pieceSize/2] ^= 1
		for name, second := range map[string][]byte{
			"flipped": flipped, "other": other, "cut": file[:2*pieceSize], "empty": nil,
		} {
			var a *AccessKey
			if len(k.opens) > 0 {
				a = k.opens[0]
			}
			var out bytes.Buffer
			err := OpenSealed(&out, &turncoat{first: file, second: second}, int64(len(file)), k.key, a)
			if !errors.Is(err, ErrTampered) {
				t.Errorf("%s: %v", name, err)
			}
			if !bytes.HasPrefix(plain, out.Bytes()) {
				t.Errorf("%s: bytes came out that were never sealed", name)
			}
		}
	}
}

// zeros is a file of that many bytes.
type zeros int64

func (z *zeros) Read(p []byte) (int, error) {
	if *z == 0 {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), int64(*z)))
	clear(p[:n])
	*z -= zeros(n)
	return n, nil
}

// TestMemory seals, verifies and opens 64 MiB, and counts what was allocated
// on the way, all in all.
func TestMemory(t *testing.T) {
	k := newKeys(t, "p-256", "one")
	s := newSeal(t, k)
	const size = 64 << 20
	file := bytes.NewBuffer(make([]byte, 0, size+1<<20))
	allocated := func(name string, limit uint64, run func() error) {
		t.Helper()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if err := run(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > limit {
			t.Errorf("%s allocated %d KiB", name, n>>10)
		}
	}
	x, err := s.New(file)
	if err != nil {
		t.Fatal(err)
	}
	allocated("seal", 1<<20, func() error {
		z := zeros(size)
		if _, err := io.Copy(x, &z); err != nil {
			return err
		}
		return x.Close()
	})
	allocated("verify", 1<<20, func() error { return VerifySealed(bytes.NewReader(file.Bytes()), x.Witness()) })
	allocated("open", 2<<20, func() error {
		return OpenSealed(io.Discard, bytes.NewReader(file.Bytes()), int64(file.Len()), k.key, k.opens[0])
	})
	var small bytes.Buffer
	small.Grow(8 << 10)
	if _, _, err := s.SealBytes(pattern(4096)); err != nil { // fill the pool
		t.Fatal(err)
	}
	allocated("seal 4 KiB", 64<<10, func() error {
		x, err := s.New(&small)
		if err == nil {
			_, err = x.Write(pattern(4096))
		}
		if err == nil {
			err = x.Close()
		}
		return err
	})
}
