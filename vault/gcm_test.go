package vault

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"math/rand/v2"
	"testing"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// gcmVectors are test cases 13 to 15 of McGrew and Viega's GCM specification,
// which NIST's validation suite took over.
var gcmVectors = []struct{ key, nonce, plain, sealed, tag string }{
	{"0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000", "", "",
		"530f8afbc74536b9a963b4f1c4cb738b"},
	{"0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000",
		"00000000000000000000000000000000", "cea7403d4d606b6e074ec5d3baf39d18", "d0d1c8a799996bf0265b98b5d48ab919"},
	{"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
		"d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255",
		"522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad",
		"b094dac5d93471bdec1a502270e3cc6c"},
}

// sealPieces seals plain in the pieces given; what is left is the last one.
func sealPieces(t testing.TB, g *gcm, plain []byte, pieces ...int) ([]byte, [tagSize]byte) {
	t.Helper()
	out := append(make([]byte, 0, len(plain)+tagSize), plain...)
	at := 0
	for _, n := range append(pieces, len(plain)) {
		n = min(n, len(out)-at)
		after := append([]byte(nil), out[at+n:]...) // the tag overwrites it
		if err := g.seal(out[at : at+n]); err != nil {
			t.Fatal(err)
		}
		copy(out[at+n:], after)
		at += n
	}
	return out, g.sum()
}

func TestGCMVectors(t *testing.T) {
	for i, v := range gcmVectors {
		key, nonce := [keySize]byte(unhex(t, v.key)), [nonceSize]byte(unhex(t, v.nonce))
		for _, pieces := range [][]int{nil, {16}, {16, 16}, {32, 16}} {
			g, err := newGCM(&key, nonce)
			if err != nil {
				t.Fatal(err)
			}
			out, tag := sealPieces(t, g, unhex(t, v.plain), pieces...)
			if hex.EncodeToString(out) != v.sealed || hex.EncodeToString(tag[:]) != v.tag {
				t.Errorf("case %d in pieces %v: %x %x", 13+i, pieces, out, tag)
			}
		}
	}
}

// TestGCMAgainstLibrary seals and absorbs every length around the borders of
// pieces, and compares with the library's one-shot GCM.
func TestGCMAgainstLibrary(t *testing.T) {
	key, nonce := [keySize]byte(pattern(32)), [nonceSize]byte(pattern(12))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		t.Fatal(err)
	}
	library, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for n := 0; n < 700; n++ {
		plain := pattern(n)
		want := library.Seal(nil, nonce[:], plain, nil)
		for range 8 {
			var pieces []int
			for range 4 {
				pieces = append(pieces, 16*(1+rnd.IntN(16)))
			}
			g, err := newGCM(&key, nonce)
			if err != nil {
				t.Fatal(err)
			}
			out, tag := sealPieces(t, g, plain, pieces...)
			if !bytes.Equal(append(out, tag[:]...), want) {
				t.Fatalf("%d bytes in pieces %v differ", n, pieces)
			}
			back, err := newGCM(&key, nonce)
			if err != nil {
				t.Fatal(err)
			}
			for at, rest := 0, out; len(rest) > 0; {
				m := min(pieces[at%4], len(rest))
				if _, err := back.absorb(rest[:m]); err != nil {
					t.Fatal(err)
				}
				at, rest = at+1, rest[m:]
			}
			if back.sum() != tag {
				t.Fatalf("%d bytes absorbed in pieces %v differ", n, pieces)
			}
		}
		// The witness's own GHASH comes to the same tag.
		h := newGHASH(mustGCM(t, key, nonce).h)
		h.add(want[:n])
		last := lengths(0, uint64(n)).bytes()
		h.add(last[:])
		_, mask := mustGCM(t, key, nonce).mask(0)
		if h.sum().xor(mask).bytes() != [tagSize]byte(want[n:]) {
			t.Fatalf("%d bytes: GHASH by table differs", n)
		}
	}
}

func mustGCM(t testing.TB, key [keySize]byte, nonce [nonceSize]byte) *gcm {
	t.Helper()
	g, err := newGCM(&key, nonce)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// TestGCMLimit goes to the last block that GCM allows: the counter is right
// there, and nothing goes beyond it.
func TestGCMLimit(t *testing.T) {
	key, nonce := [keySize]byte(pattern(32)), [nonceSize]byte(pattern(12))
	g := mustGCM(t, key, nonce)
	g.length, g.folded = maxContent-64, true
	piece := make([]byte, 64, 64+tagSize)
	if err := g.seal(piece); err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(key[:])
	if err != nil {
		t.Fatal(err)
	}
	want := make([]byte, 64)
	for i := range 4 {
		copy(want[16*i:], nonce[:])
		copy(want[16*i+12:], []byte{0xff, 0xff, 0xff, byte(0xfc + i)})
		block.Encrypt(want[16*i:], want[16*i:])
	}
	if !bytes.Equal(piece, want) {
		t.Errorf("the last blocks are encrypted with other counters")
	}
	if err := g.seal(make([]byte, 1, 1+tagSize)); err != ErrTooLarge {
		t.Errorf("one byte too many: %v", err)
	}
	if _, err := g.absorb(make([]byte, 1)); err != ErrTooLarge {
		t.Errorf("one byte too many absorbed: %v", err)
	}
}

func TestField(t *testing.T) {
	one := element{lo: 1}
	for i := range 200 {
		p := pattern(32 + i)[i:]
		a, b := loadElement(p), loadElement(p[16:])
		if a.mul(b) != b.mul(a) || a.mul(one) != a || a.mul(a.inverse()) != one {
			t.Fatalf("%x and %x: the field's laws do not hold", a, b)
		}
		if a.power(5) != a.mul(a).mul(a).mul(a).mul(a) || a.power(0) != one {
			t.Fatalf("%x: powers", a)
		}
		if back := a.bytes(); !bytes.Equal(back[:], p[:16]) {
			t.Fatalf("%x: bytes", a)
		}
	}
}
