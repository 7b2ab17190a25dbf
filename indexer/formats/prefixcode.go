package formats

import "math/bits"

// prefixCode is a code by its lengths (3.2.2).
type prefixCode struct {
	fast   [1 << fastBits]uint16 // by the next bits: symbol and length of the code, 0 where it is longer or none
	count  [16]uint16            // codes of each length
	symbol [288]uint16           // in the order of their codes
}

const fastBits = 10

// make builds the code; false if the lengths do not make one: all codes are used, or there is one of one bit, or none.
func (c *prefixCode) make(lengths []uint8) bool {
	clear(c.count[:])
	for _, n := range lengths {
		c.count[n]++
	}
	c.count[0] = 0
	var next, at [16]int // the next code of each length, and where its symbol goes
	free, longestCode := 1, 0
	for n := 1; n < 16; n++ {
		free = 2*free - int(c.count[n])
		if free < 0 {
			return false
		}
		if c.count[n] > 0 {
			longestCode = n
		}
		next[n] = (next[n-1] + int(c.count[n-1])) << 1
		at[n] = at[n-1] + int(c.count[n-1])
	}
	if free > 0 && longestCode > 0 && (longestCode > 1 || c.count[1] != 1) {
		return false
	}
	clear(c.fast[:])
	for s, n := range lengths {
		if n == 0 {
			continue
		}
		c.symbol[at[n]] = uint16(s)
		at[n]++
		code := next[n]
		next[n]++
		if n > fastBits {
			continue
		}
		for i := int(bits.Reverse16(uint16(code)) >> (16 - n)); i < len(c.fast); i += 1 << n {
			c.fast[i] = uint16(s)<<4 | uint16(n)
		}
	}
	return true
}

// decode is the symbol that the next bits, have of them, begin with, and how many it takes. 0: they are too few, or, with a
// symbol of -1, no code.
func (c *prefixCode) decode(next uint64, have uint) (symbol int, n uint) {
	if entry := c.fast[next&(1<<fastBits-1)]; entry != 0 {
		if n = uint(entry & 15); n > have {
			return 0, 0
		}
		return int(entry >> 4), n
	}
	code, first, index := 0, 0, 0
	for n = 1; n < 16; n++ {
		if n > have {
			return 0, 0
		}
		code |= int(next & 1)
		next >>= 1
		count := int(c.count[n])
		if code < first+count {
			return int(c.symbol[index+code-first]), n
		}
		index += count
		first = (first + count) << 1
		code <<= 1
	}
	return -1, 0
}

// fixedCodes are those of 3.2.6.
func fixedCodes() (lit, dist *prefixCode) {
	var lengths [288]uint8
	for i := range lengths {
		switch {
		case i < 144, i >= 280:
			lengths[i] = 8
		case i < 256:
			lengths[i] = 9
		default:
			lengths[i] = 7
		}
	}
	lit, dist = new(prefixCode), new(prefixCode)
	lit.make(lengths[:])
	for i := range 32 {
		lengths[i] = 5
	}
	dist.make(lengths[:32])
	return lit, dist
}
