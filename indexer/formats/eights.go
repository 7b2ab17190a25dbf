package formats

import (
	"encoding/binary"
	"math/bits"
)

// What the formats of fixed columns ask of nearly every byte, eight bytes at a time: a word holds the first byte lowest.

const (
	blanks   = 0x2020202020202020
	zeroes   = 0x3030303030303030 // eight '0'
	highBits = 0x8080808080808080
	ones     = 0x0101010101010101
)

// aboard tells what a run of bytes has on board: control characters (below a blank), and bytes beyond ASCII. It is asked once a
// record; its fields need not be asked again where it has neither.
func aboard(b []byte) (control, high bool) {
	var low, all uint64 // a byte below a blank borrows, and so shows in its highest bit, which it has not itself
	for ; len(b) >= 32; b = b[32:] {
		v, w := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
		x, y := binary.LittleEndian.Uint64(b[16:]), binary.LittleEndian.Uint64(b[24:])
		all |= v | w | x | y
		low |= (v-blanks)&^v | (w-blanks)&^w | (x-blanks)&^x | (y-blanks)&^y
	}
	for ; len(b) >= 8; b = b[8:] {
		v := binary.LittleEndian.Uint64(b)
		all |= v
		low |= (v - blanks) &^ v
	}
	for _, c := range b {
		all |= uint64(c)
		low |= uint64((c - ' ') &^ c)
	}
	return low&highBits != 0, all&highBits != 0
}

// ascii tells whether b has no byte beyond ASCII.
func ascii(b []byte) bool {
	_, high := aboard(b)
	return !high
}

// printable tells whether b is ASCII without control characters.
func printable(b []byte) bool {
	bad := uint64(0)
	for ; len(b) >= 8; b = b[8:] {
		v := binary.LittleEndian.Uint64(b)
		bad |= v | (v - blanks) // a byte below a blank borrows, and so shows in its highest bit or the next one's
	}
	for _, c := range b {
		bad |= uint64(c - ' ' | c)
	}
	return bad&highBits == 0
}

// plainRun is how many bytes b begins with that are printable ASCII.
func plainRun(b []byte) int {
	n := 0
	for ; len(b)-n >= 8; n += 8 {
		w := binary.LittleEndian.Uint64(b[n:])
		// Only the first mark counts: behind it, what a byte borrows or carries may mark others.
		if marks := (w | (w - blanks) | (w + ones)) & highBits; marks != 0 {
			return n + bits.TrailingZeros64(marks)/8
		}
	}
	for n < len(b) && b[n]-' ' < 0x7F-' ' {
		n++
	}
	return n
}

// below marks, with its highest bit, each byte of w that is below that of n, which is ASCII. Only the first mark counts:
// behind it, what a byte borrows may mark others.
func below(w, n uint64) uint64 { return (w - n) &^ w & highBits }

// equal marks so each byte of w that is c.
func equal(w uint64, c byte) uint64 { return below(w^uint64(c)*ones, ones) }

// ranged marks, with its highest bit, each byte of a word of ASCII that lies from low to high.
func ranged(w uint64, low, high byte) uint64 {
	return (w + uint64(0x80-low)*ones) ^ (w + uint64(0x7F-high)*ones)
}

// trimBlanks is bytes.Trim(b, " "), faster.
func trimBlanks(b []byte) []byte {
	if len(b) > 0 && b[0] == ' ' {
		b = trimLeft(b)
	}
	return trimRight(b)
}

// trimLeft takes blanks off the beginning.
func trimLeft(b []byte) []byte {
	for len(b) >= 8 {
		if rest := binary.LittleEndian.Uint64(b) ^ blanks; rest != 0 {
			return b[bits.TrailingZeros64(rest)/8:]
		}
		b = b[8:]
	}
	for len(b) > 0 && b[0] == ' ' {
		b = b[1:]
	}
	return b
}

// trimRight takes blanks off the end.
func trimRight(b []byte) []byte {
	for len(b) >= 8 {
		if rest := binary.LittleEndian.Uint64(b[len(b)-8:]) ^ blanks; rest != 0 {
			return b[:len(b)-bits.LeadingZeros64(rest)/8]
		}
		b = b[:len(b)-8]
	}
	for len(b) > 0 && b[len(b)-1] == ' ' {
		b = b[:len(b)-1]
	}
	return b
}

// trimLine takes off what may follow a record's last character: blanks and control characters.
func trimLine(b []byte) []byte {
	for {
		for len(b) > 0 && b[len(b)-1] < ' ' {
			b = b[:len(b)-1]
		}
		if len(b) == 0 || b[len(b)-1] > ' ' {
			return b
		}
		b = trimRight(b)
	}
}

// digits tells whether b is nothing but digits.
func digits(b []byte) bool {
	if len(b) >= 8 && len(b) <= 16 {
		high, low := sixteen(b)
		return eightAreDigits(high) && eightAreDigits(low)
	}
	for _, c := range b {
		if !digit(c) {
			return false
		}
	}
	return true
}

// number is the value of at most 18 digits; false if b is anything else.
func number(b []byte) (n int64, ok bool) {
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	for len(b) > 16 || len(b) > 0 && len(b) < 8 {
		c := b[0] - '0'
		if c > 9 {
			return 0, false
		}
		n, b = n*10+int64(c), b[1:]
	}
	if len(b) == 0 {
		return n, true
	}
	high, low := sixteen(b)
	if !eightAreDigits(high) || !eightAreDigits(low) {
		return 0, false
	}
	return n*1e16 + eightDigits(high)*1e8 + eightDigits(low), true
}

// sixteen are the 8 to 16 bytes of b, with zeros to the left.
func sixteen(b []byte) (high, low uint64) {
	fill := 8 * (16 - len(b)) // bits
	return binary.LittleEndian.Uint64(b)<<fill | zeroes>>(64-fill), binary.LittleEndian.Uint64(b[len(b)-8:])
}

func eightAreDigits(w uint64) bool {
	return (w&0xF0F0F0F0F0F0F0F0)|((w+0x0606060606060606)&0xF0F0F0F0F0F0F0F0)>>4 == 0x3333333333333333
}

// eightDigits is the value of eight digits: neighbours are put together to pairs, pairs to fours, fours to eight.
func eightDigits(w uint64) int64 {
	w = (w & 0x0F0F0F0F0F0F0F0F) * (1 + 10<<8) >> 8
	w = (w & 0x00FF00FF00FF00FF) * (1 + 100<<16) >> 16
	w = (w & 0x0000FFFF0000FFFF) * (1 + 10_000<<32) >> 32
	return int64(w)
}

// luhnEight is the sum of eight digits, every second doubled, the last one not, and of the digits of what is doubled.
func luhnEight(w uint64) int {
	w &= 0x0F0F0F0F0F0F0F0F
	w += w & 0x00FF00FF00FF00FF
	w -= ((w + 0x7676767676767676) & highBits >> 7) * 9 // those beyond 9, of which it marks the highest bits
	return int(w * ones >> 56)
}
