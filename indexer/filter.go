package indexer

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/sealgate/sealgate/indexer/formats"
)

// A block's filter says of an end-to-end id, account, reference or exact amount that it is surely not in the block, or may be. It is
// a Bloom filter of 32-byte buckets: a key's hash chooses a bucket and one bit in each of its eight words. At 15 bits a
// key about one block in 600 is opened in vain, and two filters of full blocks fit into a page: with 16 none would have less
// than a page for itself.
const (
	bucketSize = 32
	bitsPerKey = 15
)

// The kinds of keys; an id that looks like an account is not taken for one.
const (
	keyEndToEnd  = 0x9e3779b97f4a7c15
	keyAccount   = 0xd1b54a32d192ed03
	keyReference = 0x8cb92ba72f3d8dd7
	keyAmount    = 0xaaaaaaaa55555557
)

// What a filter is asked for, in the order of the tables of filters.
const (
	askID = iota
	askAccount
	askReference
	askAmount
	askable
)

// keyKind is the kind of keys that is asked for.
func keyKind(ask int) uint64 {
	return [askable]uint64{keyEndToEnd, keyAccount, keyReference, keyAmount}[ask]
}

// fold appends s as it is compared: ASCII letters in upper case, without blanks and hyphens ("SE45 5000" and
// "se455000" are one account, "5555-1234" and "55551234" one bankgiro).
func fold(dst, s []byte) []byte {
	for _, c := range s {
		if c <= ' ' || c == '-' {
			continue
		}
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

// foldAccount is fold for accounts: a number of digits alone, such as a bankgiro, is the same with zeros before it.
func foldAccount(dst, s []byte) []byte {
	start := len(dst)
	dst = fold(dst, s)
	number := dst[start:]
	for _, c := range number {
		if c < '0' || c > '9' {
			return dst
		}
	}
	return append(dst[:start], bytes.TrimLeft(number, "0")...)
}

// latin is what becomes of the letters À to ÿ; ? if they are not among those of plainLetter.
const latin = "aaaaaaaceeeeiiiidnooooo?ouuuuy??aaaaaaaceeeeiiiidnooooo?ouuuuy?y"

// foldName appends a name as it is compared: in lower case, its blanks made one, letters without what is above, below or
// through them: "ÅKERI" is found by "akeri", since many files are written by systems that have no Swedish letters. Control
// characters are blanks. It appends no more bytes than s has, but for letters that are longer in lower case, and bytes that
// are no UTF-8. The list of names holds what it gives: whoever changes it empties that list in a migration. What it leaves of letters' marks
// is left out when names are compared (bareName), which may change.
func foldName(dst, s []byte) []byte {
	start := len(dst)
	dst = slices.Grow(dst, len(s))
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c > ' ' && c < 0x7f:
			dst = append(dst, c|byte((int(c-'A')-26)>>8)&('a'-'A')) // that is, in lower case, without a branch
			i++
		case c == 0xc3 && i+1 < len(s) && s[i+1]>>6 == 2 && latin[s[i+1]&63] != '?':
			dst = append(dst, latin[s[i+1]&63])
			i += 2
		case c == ' ':
			if len(dst) > start && dst[len(dst)-1] != ' ' {
				dst = append(dst, ' ')
			}
			i++
		default:
			r, n := utf8.DecodeRune(s[i:])
			if unicode.IsSpace(r) || unicode.IsControl(r) {
				if len(dst) > start && dst[len(dst)-1] != ' ' {
					dst = append(dst, ' ')
				}
			} else if !unicode.Is(unicode.Mn, r) { // a letter's mark that stands by itself
				dst = utf8.AppendRune(dst, plainLetter(unicode.ToLower(r)))
			}
			i += n
		}
	}
	if len(dst) > start && dst[len(dst)-1] == ' ' {
		dst = dst[:len(dst)-1]
	}
	return dst
}

// plainLetter is a small letter of our neighbourhood without its mark.
func plainLetter(c rune) rune {
	switch c {
	case 'å', 'ä', 'á', 'à', 'â', 'ã', 'æ':
		return 'a'
	case 'ö', 'ø', 'ó', 'ò', 'ô', 'õ':
		return 'o'
	case 'é', 'è', 'ê', 'ë':
		return 'e'
	case 'ü', 'ú', 'ù', 'û':
		return 'u'
	case 'í', 'ì', 'î', 'ï':
		return 'i'
	case 'ý', 'ÿ':
		return 'y'
	case 'ç', 'č', 'ć':
		return 'c'
	case 'ñ', 'ń':
		return 'n'
	case 'š', 'ś':
		return 's'
	case 'ž', 'ź', 'ż':
		return 'z'
	case 'ł':
		return 'l'
	case 'ð':
		return 'd'
	}
	return c
}

// bareName is a folded name, or several with ends of lines, without the marks that foldName leaves: of the letters that have one it knows those
// of our neighbourhood, but takes a mark off any letter that it stands beside. So "ę" as one character is found by "ę" as two, and both by "e".
func bareName(folded []byte) []byte {
	if isASCII(folded) {
		return folded
	}
	bare := make([]byte, 0, len(folded))
	for i := 0; i < len(folded); {
		from := i
		for i < len(folded) && folded[i] < utf8.RuneSelf {
			i++
		}
		if bare = append(bare, folded[from:i]...); i == len(folded) {
			break
		}
		r, n := utf8.DecodeRune(folded[i:])
		parts := norm.NFD.Properties(folded[i:]).Decomposition()
		i += n
		switch s := r - 0xac00; {
		case s >= 0 && s < 19*21*28: // a syllable of Hangul, which no table has
			bare = utf8.AppendRune(utf8.AppendRune(bare, 0x1100+s/(21*28)), 0x1161+s/28%21)
			if s%28 > 0 {
				bare = utf8.AppendRune(bare, 0x11a7+s%28)
			}
		case parts == nil:
			bare = utf8.AppendRune(bare, bareLetter(r))
		}
		for _, r := range string(parts) {
			if !unicode.Is(unicode.Mn, r) {
				bare = utf8.AppendRune(bare, bareLetter(r))
			}
		}
	}
	return bare
}

// bareLetter is plainLetter, and of letters whose marks are a part of them.
func bareLetter(r rune) rune {
	switch r {
	case 'đ':
		return 'd'
	case 'ħ':
		return 'h'
	case 'ı':
		return 'i'
	case 'ŧ':
		return 't'
	}
	return plainLetter(r)
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// folding is how a kind of key is compared.
func folding(kind uint64) func(dst, s []byte) []byte {
	if kind == keyAccount {
		return foldAccount
	}
	return fold
}

// hashKey is the 64-bit hash of a folded key. It is stored in filters: it must never change.
func hashKey(kind uint64, folded []byte) uint64 {
	h := kind ^ uint64(len(folded))
	for len(folded) >= 8 {
		h = mix(h ^ binary.LittleEndian.Uint64(folded))
		folded = folded[8:]
	}
	var tail uint64
	for i, c := range folded {
		tail |= uint64(c) << (8 * i)
	}
	return mix(mix(h ^ tail))
}

// amountKey is the hash of an amount's value: 1.5 and 1.50 have the same.
func amountKey(a formats.Amount) uint64 {
	minor, scale, ok := a.Minor()
	if !ok {
		text := a.String()
		if strings.Contains(text, ".") {
			text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
		}
		if short, err := formats.ParseAmount([]byte(text)); err == nil {
			minor, scale, ok = short.Minor()
		}
		if !ok {
			return hashKey(keyAmount, []byte(text))
		}
	}
	return minorKey(minor, scale)
}

func minorKey(minor int64, scale uint8) uint64 {
	for scale > 0 && minor%10 == 0 {
		minor, scale = minor/10, scale-1
	}
	return mix(mix(keyAmount^uint64(minor)) ^ uint64(scale))
}

func mix(h uint64) uint64 {
	hi, lo := bits.Mul64(h^0xa0761d6478bd642f, 0xe7037ed1a0b428db)
	return hi ^ lo
}

// spread are odd numbers, drawn once at random, that choose a bit in each of a bucket's words by a hash's lower half.
func spread() [8]uint32 {
	return [8]uint32{0xf0480ff9, 0x86dc283d, 0x2cb6916d, 0x47eaa099, 0x593942a5, 0xca118783, 0x9bf13331, 0x1509bb0b}
}

// appendFilter appends a filter of the keys to dst.
func appendFilter(dst []byte, keys []uint64) []byte {
	if len(keys) == 0 {
		return dst
	}
	buckets := (len(keys)*bitsPerKey + 8*bucketSize - 1) / (8 * bucketSize)
	n, size := len(dst), buckets*bucketSize
	dst = slices.Grow(dst, size)[:n+size]
	f := dst[n:]
	clear(f)
	words := spread()
	for _, h := range keys {
		b := f[bucketOf(h, buckets):][:bucketSize]
		for i, m := range words {
			w := b[4*i : 4*i+4]
			binary.LittleEndian.PutUint32(w, binary.LittleEndian.Uint32(w)|1<<(uint32(h)*m>>27))
		}
	}
	return dst
}

// mayHold tells whether a key may have been put into the filter.
func mayHold(f []byte, h uint64) bool {
	if len(f) < bucketSize {
		return false
	}
	b := f[bucketOf(h, len(f)/bucketSize):][:bucketSize]
	for i, m := range spread() {
		if binary.LittleEndian.Uint32(b[4*i:])&(1<<(uint32(h)*m>>27)) == 0 {
			return false
		}
	}
	return true
}

// bucketOf is where in the filter the bucket of a hash begins.
func bucketOf(h uint64, buckets int) int { return int((h>>32)*uint64(buckets)>>32) * bucketSize }
