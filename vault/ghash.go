package vault

import (
	"encoding/binary"
	"math/bits"
)

// ghash is GHASH (NIST SP 800-38D) under a key that is known without the
// cipher's. The library's assembly wants the cipher's key, so this is a table:
// for each of the 16 bytes of a block and each of its values, that byte times
// H. A block is then 16 look-ups: 64 KiB, made in 10 µs or so.
//
// Look-ups leave traces in the cache. That is no matter here: H serves to check
// one file that anybody who could see the cache may read anyway, and it does
// not decrypt.
type ghash struct {
	table *[16][256]raw
	y     raw
}

// raw is an element as GCM writes it: two big-endian words, x^0 at the top.
type raw struct{ a, b uint64 }

func newGHASH(h element) *ghash {
	g := &ghash{table: new([16][256]raw)}
	v := raw{bits.Reverse64(h.lo), bits.Reverse64(h.hi)} // H·x^i, for i = 0, 1, …
	for i := range g.table {
		t := &g.table[i]
		for bit := 0x80; bit > 0; bit >>= 1 {
			t[bit] = v
			carry := -(v.b & 1) & (0xe1 << 56)
			v = raw{v.a>>1 ^ carry, v.b>>1 | v.a<<63}
		}
		for n := 1; n < 256; n++ {
			low := n & -n
			r, s := t[n^low], t[low]
			t[n] = raw{r.a ^ s.a, r.b ^ s.b}
		}
	}
	return g
}

// add takes in bytes; an unfinished block is filled with zeros, so only the
// last call before the lengths may end in one.
func (g *ghash) add(p []byte) {
	for ; len(p) >= blockSize; p = p[blockSize:] {
		g.block(binary.BigEndian.Uint64(p), binary.BigEndian.Uint64(p[8:]))
	}
	if len(p) > 0 {
		var b [blockSize]byte
		copy(b[:], p)
		g.block(binary.BigEndian.Uint64(b[:]), binary.BigEndian.Uint64(b[8:]))
	}
}

func (g *ghash) block(a, b uint64) {
	a, b = a^g.y.a, b^g.y.b
	t := g.table
	t0, t1, t2, t3 := &t[0][a>>56], &t[1][a>>48&0xff], &t[2][a>>40&0xff], &t[3][a>>32&0xff]
	t4, t5, t6, t7 := &t[4][a>>24&0xff], &t[5][a>>16&0xff], &t[6][a>>8&0xff], &t[7][a&0xff]
	t8, t9, tA, tB := &t[8][b>>56], &t[9][b>>48&0xff], &t[10][b>>40&0xff], &t[11][b>>32&0xff]
	tC, tD, tE, tF := &t[12][b>>24&0xff], &t[13][b>>16&0xff], &t[14][b>>8&0xff], &t[15][b&0xff]
	g.y.a = t0.a ^ t1.a ^ t2.a ^ t3.a ^ t4.a ^ t5.a ^ t6.a ^ t7.a ^ t8.a ^ t9.a ^ tA.a ^ tB.a ^ tC.a ^ tD.a ^ tE.a ^ tF.a
	g.y.b = t0.b ^ t1.b ^ t2.b ^ t3.b ^ t4.b ^ t5.b ^ t6.b ^ t7.b ^ t8.b ^ t9.b ^ tA.b ^ tB.b ^ tC.b ^ tD.b ^ tE.b ^ tF.b
}

func (g *ghash) sum() element {
	return element{bits.Reverse64(g.y.a), bits.Reverse64(g.y.b)}
}
