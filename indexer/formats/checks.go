package formats

import "encoding/binary"

// validIBAN tells whether b has an IBAN's shape and check digits (ISO 13616). Blanks are not allowed.
func validIBAN(b []byte) bool {
	if len(b) < 5 || len(b) > 34 || !upper(b[0]) || !upper(b[1]) || !digit(b[2]) || !digit(b[3]) {
		return false
	}
	mod := uint64(0)
	for rest := b[4:]; len(rest) > 0; {
		if len(rest) >= 8 {
			if w := binary.LittleEndian.Uint64(rest); eightAreDigits(w) {
				mod, rest = mod%97*1e8+uint64(eightDigits(w)), rest[8:]
				continue
			}
		}
		switch c := rest[0]; {
		case digit(c):
			mod = mod*10 + uint64(c-'0')
		case upper(c):
			mod = mod*100 + uint64(c-'A'+10)
		default:
			return false
		}
		if rest = rest[1:]; mod >= 1<<57 { // below it, two more digits do not overflow
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
	if len(b) != 10 || b[4] != '-' || b[7] != '-' {
		return false
	}
	century, year, month, day := pair(b), pair(b[2:]), pair(b[5:]), pair(b[8:])
	if century < 0 || year < 0 {
		return false
	}
	year += century * 100
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

// pair is the value of the two digits that b begins with, -1 if they are none.
func pair(b []byte) int {
	ten, one := b[0]-'0', b[1]-'0'
	if ten > 9 || one > 9 {
		return -1
	}
	return int(ten)*10 + int(one)
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
	sum, value := 0, uint64(0)
	for len(b) > 16 {
		w := binary.LittleEndian.Uint64(b[len(b)-8:])
		if !eightAreDigits(w) {
			return luhnNoNumber
		}
		sum, value, b = sum+luhnEight(w), value|w, b[:len(b)-8]
	}
	high, low := uint64(zeroes), uint64(zeroes)
	if len(b) >= 8 {
		high, low = sixteen(b)
	} else {
		for _, c := range b {
			low = low>>8 | uint64(c)<<56
		}
	}
	if !eightAreDigits(high) || !eightAreDigits(low) {
		return luhnNoNumber
	}
	switch value |= high | low; {
	case value == zeroes:
		return luhnNoNumber
	case (sum+luhnEight(high)+luhnEight(low))%10 != 0:
		return luhnWrong
	}
	return luhnRight
}

func digit(c byte) bool { return c-'0' <= 9 }
func upper(c byte) bool { return c-'A' <= 'Z'-'A' }
