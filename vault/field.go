package vault

import (
	"encoding/binary"
	"math/bits"
)

// element is a member of GCM's field GF(2^128): the coefficient of x^i is bit
// i of lo, or bit i-64 of hi. GCM writes its bits the other way round, so the
// two conversions reverse them. All of the arithmetic takes the same time
// whatever the values, because H, its powers and the piece tags are secrets.
type element struct{ lo, hi uint64 }

func loadElement(b []byte) element {
	return element{
		lo: bits.Reverse64(binary.BigEndian.Uint64(b[:8])),
		hi: bits.Reverse64(binary.BigEndian.Uint64(b[8:16])),
	}
}

func (e element) bytes() (b [16]byte) {
	binary.BigEndian.PutUint64(b[:8], bits.Reverse64(e.lo))
	binary.BigEndian.PutUint64(b[8:], bits.Reverse64(e.hi))
	return b
}

func (e element) xor(f element) element { return element{e.lo ^ f.lo, e.hi ^ f.hi} }

// mul multiplies modulo x^128 + x^7 + x^2 + x + 1.
func (e element) mul(f element) element {
	l0, l1 := carryless(e.lo, f.lo)
	h0, h1 := carryless(e.hi, f.hi)
	m0, m1 := carryless(e.lo^e.hi, f.lo^f.hi) // Karatsuba: the middle, plus both ends
	m0, m1 = m0^l0^h0, m1^l1^h1
	p0, p1, p2, p3 := l0, l1^m0, h0^m1, h1

	p1 ^= p3 ^ p3<<1 ^ p3<<2 ^ p3<<7
	p2 ^= p3>>63 ^ p3>>62 ^ p3>>57
	p0 ^= p2 ^ p2<<1 ^ p2<<2 ^ p2<<7
	p1 ^= p2>>63 ^ p2>>62 ^ p2>>57
	return element{p0, p1}
}

// power returns e to the n-th.
func (e element) power(n uint64) element {
	r := element{lo: 1}
	for i := bits.Len64(n) - 1; i >= 0; i-- {
		r = r.mul(r)
		if n>>i&1 == 1 {
			r = r.mul(e)
		}
	}
	return r
}

// inverse returns 1/e, which is e to the 2^128-2. (A content key for which H
// is zero has a chance of 2^-128; its "inverse" is zero and sealing goes wrong
// no further than GCM itself does with such a key.)
func (e element) inverse() element {
	r := element{lo: 1}
	for range 127 {
		e = e.mul(e)
		r = r.mul(e)
	}
	return r
}

// carryless multiplies two polynomials of degree 63 into one of degree 126.
func carryless(x, y uint64) (lo, hi uint64) {
	return carrylessLow(x, y), bits.Reverse64(carrylessLow(bits.Reverse64(x), bits.Reverse64(y))) >> 1
}

// carrylessLow gives the low 64 coefficients of a product. Each factor is
// taken apart into four, with three empty bits between any two bits, so that
// the carries of the ordinary multiplications have somewhere to go and are
// then masked away (16 terms could meet only in the top slot, whose carry
// falls off the end).
func carrylessLow(x, y uint64) uint64 {
	const m0, m1, m2, m3 = 0x1111111111111111, 0x2222222222222222, 0x4444444444444444, 0x8888888888888888
	x0, x1, x2, x3 := x&m0, x&m1, x&m2, x&m3
	y0, y1, y2, y3 := y&m0, y&m1, y&m2, y&m3
	z0 := x0*y0 ^ x1*y3 ^ x2*y2 ^ x3*y1
	z1 := x0*y1 ^ x1*y0 ^ x2*y3 ^ x3*y2
	z2 := x0*y2 ^ x1*y1 ^ x2*y0 ^ x3*y3
	z3 := x0*y3 ^ x1*y2 ^ x2*y1 ^ x3*y0
	return z0&m0 | z1&m1 | z2&m2 | z3&m3
}
