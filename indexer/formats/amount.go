package formats

import (
	"errors"
	"fmt"
	"math/bits"
)

// Amount is an exact decimal number: a 128-bit integer and the number of its decimals, at most MaxScale. The zero value
// is 0. Compare with Cmp: 1.5 and 1.50 are different values of the type, as they are written differently.
type Amount struct {
	hi    int64 // two's complement, high half
	lo    uint64
	scale uint8
}

// MaxScale is the greatest number of decimals that an Amount can have.
const MaxScale = 18

// Errors of amounts.
var (
	ErrNotAmount = errors.New("not a decimal number")
	ErrAmountBig = errors.New("too many digits for an amount")
)

// powers are 10^0 to 10^19, the largest that a uint64 holds.
var powers = [20]uint64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19}

// ParseAmount reads digits with an optional sign and an optional decimal point. It fails with ErrNotAmount or ErrAmountBig.
func ParseAmount(b []byte) (Amount, error) { return parseAmount(b, 38, MaxScale) }

// parseAmount is ParseAmount with bounds: digits counts those behind leading zeros, decimals all that are written.
func parseAmount(b []byte, maxDigits, maxScale int) (Amount, error) {
	i, negative := 0, false
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		i, negative = 1, b[0] == '-'
	}
	var hi, lo uint64
	digits, point, seen := 0, -1, false
	for ; i < len(b); i++ {
		c := b[i] - '0'
		if c > 9 {
			if b[i] != '.' || point >= 0 {
				return Amount{}, ErrNotAmount
			}
			point = i
			continue
		}
		seen = true
		if digits > 0 || c != 0 {
			digits++
		}
		if digits <= 19 { // cannot overflow: 10^19 fits
			lo = lo*10 + uint64(c)
			continue
		}
		over, low := bits.Mul64(lo, 10)
		var carry uint64
		lo, carry = bits.Add64(low, uint64(c), 0)
		if digits > maxDigits || hi > (1<<63-1)/10-1 {
			return Amount{}, ErrAmountBig
		}
		hi = hi*10 + over + carry
	}
	scale := 0
	if point >= 0 {
		scale = len(b) - point - 1
	}
	if !seen {
		return Amount{}, ErrNotAmount
	}
	if digits > maxDigits || scale > maxScale {
		return Amount{}, ErrAmountBig
	}
	a := Amount{int64(hi), lo, uint8(scale)}
	if negative {
		return a.Neg(), nil
	}
	return a, nil
}

// AmountFromMinor is an amount of minor units: AmountFromMinor(125050, 2) is 1250.50. The scale is at most MaxScale.
func AmountFromMinor(minor int64, scale uint8) Amount {
	return Amount{minor >> 63, uint64(minor), min(scale, MaxScale)}
}

// Minor is the amount as a whole number of its smallest decimals, and how many of them it has: 125050 and 2 of 1250.50.
// false: the number takes more than 64 bits.
func (a Amount) Minor() (minor int64, scale uint8, ok bool) {
	minor = int64(a.lo)
	return minor, a.scale, a.hi == minor>>63
}

// Add is the sum, with the larger number of decimals of the two. It fails with ErrAmountBig beyond 127 bits.
func (a Amount) Add(b Amount) (Amount, error) {
	if a.scale != b.scale {
		var ok bool
		if a, b, ok = align(a, b); !ok {
			return Amount{}, ErrAmountBig
		}
	}
	lo, carry := bits.Add64(a.lo, b.lo, 0)
	hi := a.hi + b.hi + int64(carry)
	if (a.hi^hi)&(b.hi^hi) < 0 || hi == -1<<63 && lo == 0 {
		return Amount{}, ErrAmountBig
	}
	return Amount{hi, lo, a.scale}, nil
}

// align gives both numbers the larger scale of the two; false if one does not fit then.
func align(a, b Amount) (Amount, Amount, bool) {
	ok := true
	switch {
	case a.scale < b.scale:
		a, ok = a.rescale(b.scale)
	case b.scale < a.scale:
		b, ok = b.rescale(a.scale)
	}
	return a, b, ok
}

// rescale writes a with more decimals.
func (a Amount) rescale(scale uint8) (Amount, bool) {
	factor := powers[scale-a.scale]
	hi, lo := a.magnitude()
	over, low := bits.Mul64(lo, factor)
	top, high := bits.Mul64(hi, factor)
	high, carry := bits.Add64(high, over, 0)
	if top != 0 || carry != 0 || high>>63 != 0 {
		return Amount{}, false
	}
	r := Amount{int64(high), low, scale}
	if a.hi < 0 {
		r = r.Neg()
	}
	return r, true
}

// magnitude is the absolute value of the integer.
func (a Amount) magnitude() (hi, lo uint64) {
	if a.hi < 0 {
		a = a.Neg()
	}
	return uint64(a.hi), a.lo
}

// Neg is -a.
func (a Amount) Neg() Amount {
	lo, borrow := bits.Sub64(0, a.lo, 0)
	return Amount{-a.hi - int64(borrow), lo, a.scale}
}

// IsZero tells whether a is 0, however many decimals it has.
func (a Amount) IsZero() bool { return a.hi == 0 && a.lo == 0 }

// Sign is -1, 0 or 1.
func (a Amount) Sign() int {
	switch {
	case a.hi < 0:
		return -1
	case a.IsZero():
		return 0
	}
	return 1
}

// Cmp is -1, 0 or 1 as a is less than, equal to or greater than b in value.
func (a Amount) Cmp(b Amount) int {
	x, y, ok := align(a, b)
	if !ok { // the one with fewer decimals is too large to be written with more, so it is the larger in magnitude
		if a.scale < b.scale {
			return a.Sign()
		}
		return -b.Sign()
	}
	switch {
	case x.hi < y.hi || x.hi == y.hi && x.lo < y.lo:
		return -1
	case x.hi == y.hi && x.lo == y.lo:
		return 0
	}
	return 1
}

// String writes a with all its decimals: "1250.50", "-3", "0.00".
func (a Amount) String() string { return string(a.append(nil)) }

// append writes a at the end of b.
func (a Amount) append(b []byte) []byte {
	var text [41]byte // 39 digits, point, sign
	hi, lo := a.magnitude()
	i, decimals := len(text), int(a.scale)
	for n := 0; n <= decimals || hi|lo != 0; n++ {
		if n == decimals && n > 0 {
			i--
			text[i] = '.'
		}
		var digit uint64
		high := hi / 10
		lo, digit = bits.Div64(hi%10, lo, 10)
		hi = high
		i--
		text[i] = byte('0' + digit)
	}
	if a.hi < 0 {
		i--
		text[i] = '-'
	}
	return append(b, text[i:]...)
}

// MarshalText is String; it never fails.
func (a Amount) MarshalText() ([]byte, error) { return a.append(nil), nil }

// UnmarshalText is ParseAmount.
func (a *Amount) UnmarshalText(text []byte) error {
	parsed, err := ParseAmount(text)
	if err != nil {
		return fmt.Errorf("amount %q: %w", text, err)
	}
	*a = parsed
	return nil
}
