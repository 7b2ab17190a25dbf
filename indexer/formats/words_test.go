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
