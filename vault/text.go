package vault

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
)

// alphabet has no letter that looks like a digit.
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// secretText is how 32 secret bytes are written for people:
//
//	PREFIX-XXXX-XXXX-… (14 groups of 4)
//
// The 56 characters are, 5 bits each, most significant first, the 32 bytes
// and the first 3 bytes of SHA-256(PREFIX ‖ bytes), in the alphabet
// 0123456789ABCDEFGHJKMNPQRSTVWXYZ (no I, L, O, U). The prefix carries the
// version. A typing error slips through once in 16 million.
func secretText(prefix string, secret *[32]byte) []byte {
	sum := secretSum(prefix, secret)
	out := append(make([]byte, 0, 96), prefix...) // never moved, so that it can be zeroed
	bits, acc := 0, uint(0)
	raw := append(secret[:len(secret):len(secret)], sum[:]...)
	defer clear(raw)
	for _, b := range raw {
		acc, bits = acc<<8|uint(b), bits+8
		for ; bits >= 5; bits -= 5 {
			if n := len(out) - len(prefix); n%5 == 0 {
				out = append(out, '-')
			}
			out = append(out, alphabet[acc>>(bits-5)&31])
		}
	}
	return out
}

func secretSum(prefix string, secret *[32]byte) (sum [3]byte) {
	raw := append([]byte(prefix), secret[:]...)
	defer clear(raw)
	h := sha256.Sum256(raw)
	copy(sum[:], h[:])
	return sum
}

var errSecretText = errors.New("is mistyped or cut; compare it with the original, character by character")

// parseSecretText takes what secretText gives, in upper or lower case, with
// O for 0, I or L for 1, and hyphens and blanks wherever they are.
func parseSecretText(prefix string, text []byte) (*[32]byte, error) {
	upper := bytes.ToUpper(bytes.TrimSpace(text))
	defer clear(upper)
	s, ok := bytes.CutPrefix(upper, []byte(prefix))
	if !ok {
		return nil, fmt.Errorf("does not begin with %s-", prefix)
	}
	var raw [35]byte
	defer clear(raw[:])
	n, bits, acc := 0, 0, uint(0)
	for _, c := range s {
		var v int
		switch {
		case c == '-' || c == ' ' || c == '\n' || c == '\r' || c == '\t':
			continue
		case c == 'O':
			v = 0
		case c == 'I' || c == 'L':
			v = 1
		default:
			v = strings.IndexByte(alphabet, c)
		}
		if v < 0 || n == len(raw) {
			return nil, errSecretText
		}
		acc, bits = acc<<5|uint(v), bits+5
		if bits >= 8 {
			raw[n] = byte(acc >> (bits - 8))
			n, bits = n+1, bits-8
		}
	}
	secret := new([32]byte)
	copy(secret[:], raw[:])
	if sum := secretSum(prefix, secret); n != len(raw) || string(sum[:]) != string(raw[32:]) {
		return nil, errSecretText
	}
	return secret, nil
}

func newSecret() *[32]byte {
	var s [32]byte
	rand.Read(s[:]) // never fails: crypto/rand ends the program instead
	return &s
}
