package formats

import "encoding/binary"

// validIBAN tells whether b has an IBAN's shape and check digits (ISO 13616). Blanks are not allowed.
func validIBAN(b []byte) bool {
	if len(b) < 5 || len(b) > 34 || !upper(b[0]) || !upper(b[1]) || !digit(b[2]) || !digit(b[3]) {
		return false
	}
	mod := uint64(0)
	for _, c := range b[4:] { // a value below 2^57 takes two more digits without overflow
		switch {
		case digit(c):
			mod = mod*10 + uint64(c-'0')
		case upper(c):
			mod = mod*100 + uint64(c-'A'+10)
		default:
			return false
		}
		if mod >= 1<<57 {
			mod %= 97
		}
	}
	mod %= 97
	mod = mod*10000 + uint64(b[0]-'A'+10)*100 + uint64(b[1]-'A'+10)
	mod = mod%97*100 + uint64(b[2]-'0')*10 + uint64(b[3]-'0')
	return mod%97 == 1
}

// validBIC tells whether b has a BIC's shape: 4 letters or digits, 2 letters, 2 and perhaps 3 letters or digits.
func validBIC(b []byte) bool {
	if len(b) != 8 && len(b) != 11 {
		return false
	}
	for i, c := range b {
		if !upper(c) && (!digit(c) || i == 4 || i == 5) {
			return false
		}
	}
	return true
}

func validCurrency(b []byte) bool {
	return len(b) == 3 && upper(b[0]) && upper(b[1]) && upper(b[2])
}

// validDate tells whether b is a real day written YYYY-MM-DD.
func validDate(b []byte) bool {
	if len(b) != 10 || b[4] != '-' || b[7] != '-' || !digits(b[:4]) || !digits(b[5:7]) || !digits(b[8:]) {
		return false
	}
	year := int(b[0]-'0')*1000 + int(b[1]-'0')*100 + int(b[2]-'0')*10 + int(b[3]-'0')
	month, day := int(b[5]-'0')*10+int(b[6]-'0'), int(b[8]-'0')*10+int(b[9]-'0')
	last := 31
	switch month {
	case 4, 6, 9, 11:
		last = 30
	case 2:
		last = 28
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			last = 29
		}
	}
	return month >= 1 && month <= 12 && day >= 1 && day <= last
}

// luhn is what the check digit of a number says. Leading zeros change nothing.
type luhn int

const (
	luhnRight luhn = iota
	luhnWrong
	luhnNoNumber // masked, blank or text
)

// checkLuhn judges a bankgiro or plusgiro number by its last digit (mod 10); a number has 2 to 10 digits.
func checkLuhn(b []byte) luhn {
	sum, value := 0, 0
	for i := len(b) - 1; i >= 0; i-- {
		if !digit(b[i]) {
			return luhnNoNumber
		}
		n := int(b[i] - '0')
		value |= n
		if (len(b)-i)%2 == 0 {
			if n *= 2; n > 9 {
				n -= 9
			}
		}
		sum += n
	}
	switch {
	case value == 0:
		return luhnNoNumber
	case sum%10 != 0:
		return luhnWrong
	}
	return luhnRight
}

func digit(c byte) bool { return c-'0' <= 9 }
func upper(c byte) bool { return c-'A' <= 'Z'-'A' }

// digits tells whether b is nothing but digits.
func digits(b []byte) bool {
	for _, c := range b {
		if !digit(c) {
			return false
		}
	}
	return true
}

// number is the value of at most 18 digits; false if b is anything else.
func number(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	n := int64(0)
	for ; len(b) >= 8; b = b[8:] {
		eight, ok := eightDigits(binary.LittleEndian.Uint64(b))
		if !ok {
			return 0, false
		}
		n = n*1e8 + eight
	}
	for _, c := range b {
		if c -= '0'; c > 9 {
			return 0, false
		}
		n = n*10 + int64(c)
	}
	return n, true
}

// eightDigits reads eight digits at once, the first in the lowest byte: neighbours are put together to pairs, pairs to fours,
// fours to eight.
func eightDigits(w uint64) (n int64, ok bool) {
	if (w&0xF0F0F0F0F0F0F0F0)|((w+0x0606060606060606)&0xF0F0F0F0F0F0F0F0)>>4 != 0x3333333333333333 {
		return 0, false
	}
	w = (w & 0x0F0F0F0F0F0F0F0F) * (1 + 10<<8) >> 8
	w = (w & 0x00FF00FF00FF00FF) * (1 + 100<<16) >> 16
	w = (w & 0x0000FFFF0000FFFF) * (1 + 10_000<<32) >> 32
	return int64(w), true
}
