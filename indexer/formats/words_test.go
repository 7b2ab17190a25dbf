package formats

import (
	"bytes"
	"math/rand/v2"
	"strconv"
	"testing"
	"unicode/utf8"
)

// TestByWords holds what reads eight bytes at once against what reads one after the other.
func TestByWords(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	alphabets := []string{"0123456789", "0123456789:/", "  \r\n\x1aab", " \x1f!~\x7f\x80", "7                 "}
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	alphabets = append(alphabets, string(all))
	for range 300_000 {
		alphabet := alphabets[r.IntN(len(alphabets))]
		b := make([]byte, r.IntN(30))
		for i := range b {
			b[i] = alphabet[r.IntN(len(alphabet))]
		}
		trimmed := b
		for len(trimmed) > 0 && trimmed[len(trimmed)-1] <= ' ' {
			trimmed = trimmed[:len(trimmed)-1]
		}
		if got := trimLine(b); !bytes.Equal(got, trimmed) {
			t.Fatalf("trimLine(%q) is %q", b, got)
		}
		plain, digits := true, len(b) > 0 && len(b) <= 18
		for _, c := range b {
			plain = plain && c >= ' ' && c < utf8.RuneSelf
			digits = digits && c >= '0' && c <= '9'
		}
		if got := printable(b); got != plain {
			t.Fatalf("printable(%q) is %v", b, got)
		}
		n, ok := number(b)
		want, _ := strconv.ParseInt(string(b), 10, 64)
		if ok != digits || ok && n != want {
			t.Fatalf("number(%q) is %d, %v", b, n, ok)
		}
	}
}

// slowLuhn is checkLuhn, digit by digit.
func slowLuhn(b []byte) luhn {
	sum, zeros := 0, true
	for i := range b {
		c := b[len(b)-1-i]
		if c < '0' || c > '9' {
			return luhnNoNumber
		}
		n := int(c - '0')
		zeros = zeros && n == 0
		if i%2 == 1 {
			n = n*2/10 + n*2%10
		}
		sum += n
	}
	switch {
	case zeros:
		return luhnNoNumber
	case sum%10 != 0:
		return luhnWrong
	}
	return luhnRight
}

// TestFixedByWords is TestByWords for what the formats of fixed columns ask.
func TestFixedByWords(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	alphabets := []string{"0123456789", "0000000001", "00000000000000/:", " ABCZ&-./09", " ABCZ&-./09@['+:,", "    a", " \x1f!~\x7f\x80\xff", string(all)}
	for range 300_000 {
		alphabet := alphabets[r.IntN(len(alphabets))]
		b := make([]byte, r.IntN(90))
		if r.IntN(2) == 0 {
			b = b[:len(b)/4]
		}
		for i := range b {
			b[i] = alphabet[r.IntN(len(alphabet))]
		}
		control, high, run, isBacs, isDigits := false, false, len(b), true, true
		for i, c := range b {
			control, high = control || c < ' ', high || c >= utf8.RuneSelf
			if c < ' ' || c >= 0x7F {
				run = min(run, i)
			}
			isBacs = isBacs && bytes.IndexByte([]byte("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .&/-"), c) >= 0
			isDigits = isDigits && digit(c)
		}
		if gotControl, gotHigh := aboard(b); gotControl != control || gotHigh != high {
			t.Fatalf("aboard(%q) is %v, %v", b, gotControl, gotHigh)
		}
		if got := plainRun(b); got != run {
			t.Fatalf("plainRun(%q) is %d, want %d", b, got, run)
		}
		if got := bacsText(b); got != isBacs {
			t.Fatalf("bacsText(%q) is %v", b, got)
		}
		if got := digits(b); got != isDigits {
			t.Fatalf("digits(%q) is %v", b, got)
		}
		if got, want := trimBlanks(b), bytes.Trim(b, " "); !bytes.Equal(got, want) {
			t.Fatalf("trimBlanks(%q) is %q", b, got)
		}
		if got, want := checkLuhn(b), slowLuhn(b); got != want {
			t.Fatalf("checkLuhn(%q) is %v, want %v", b, got, want)
		}
	}
}
