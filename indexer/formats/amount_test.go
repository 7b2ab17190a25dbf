package formats

import (
	"encoding/json"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
)

func amount(t testing.TB, s string) Amount {
	t.Helper()
	a, err := ParseAmount([]byte(s))
	if err != nil {
		t.Fatalf("ParseAmount(%q): %v", s, err)
	}
	return a
}

func TestAmountStrings(t *testing.T) {
	for in, want := range map[string]string{
		"0": "0", "-0": "0", "000": "0", "0.00": "0.00", "1250.50": "1250.50", "-1250.5": "-1250.5", "+7": "7", "5.": "5", ".5": "0.5",
		"99999999999999999999999999999999999999":   "99999999999999999999999999999999999999",
		"-99999999999999999999.999999999999999999": "-99999999999999999999.999999999999999999",
		"18446744073709551616":                     "18446744073709551616", "18446744073709551615": "18446744073709551615",
		"00000000000000000000000000000000000000000000001.10": "1.10",
	} {
		if got := amount(t, in).String(); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
	for _, bad := range []string{"", ".", "-", "+", "1,5", "1.2.3", "1e5", " 1", "1 ", "--1", "0x1", "NaN",
		"100000000000000000000000000000000000000", "0.0000000000000000001"} {
		if a, err := ParseAmount([]byte(bad)); err == nil {
			t.Errorf("%q became %s, want an error", bad, a)
		}
	}
	if got := AmountFromMinor(-125050, 2).String(); got != "-1250.50" {
		t.Errorf("AmountFromMinor gives %s", got)
	}
}

func TestAmountJSON(t *testing.T) {
	text, err := json.Marshal(amount(t, "-12.30"))
	if err != nil || string(text) != `"-12.30"` {
		t.Errorf("Marshal gives %s, %v", text, err)
	}
	var back Amount
	if err := json.Unmarshal(text, &back); err != nil || back != amount(t, "-12.30") {
		t.Errorf("Unmarshal gives %v, %v", back, err)
	}
	if err := json.Unmarshal([]byte(`"12,30"`), &back); err == nil {
		t.Error("12,30 was taken")
	}
}

// rational is the oracle's value of a.
func rational(t testing.TB, s string) *big.Rat {
	r, ok := new(big.Rat).SetString(strings.TrimSuffix(s, "."))
	if !ok {
		t.Fatalf("the oracle cannot read %q", s)
	}
	return r
}

// limit is 2^127, which no Amount's integer reaches.
func limit() *big.Int { return new(big.Int).Lsh(big.NewInt(1), 127) }

// checkPair holds Add, Cmp, Neg and Sign of two amounts against math/big.
func checkPair(t testing.TB, x, y string) {
	t.Helper()
	a, b := amount(t, x), amount(t, y)
	ra, rb := rational(t, x), rational(t, y)
	if got, want := a.Cmp(b), ra.Cmp(rb); got != want {
		t.Errorf("%s cmp %s = %d, want %d", x, y, got, want)
	}
	if rational(t, a.String()).Cmp(ra) != 0 || rational(t, a.Neg().String()).Cmp(new(big.Rat).Neg(ra)) != 0 || a.Sign() != ra.Sign() {
		t.Errorf("%s: String %s, Neg %s, Sign %d", x, a, a.Neg(), a.Sign())
	}
	want := new(big.Rat).Add(ra, rb)
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(a.scale, b.scale))), nil)
	fits := true
	for _, r := range []*big.Rat{ra, rb, want} {
		scaled := new(big.Rat).Mul(r, new(big.Rat).SetInt(scale))
		fits = fits && scaled.Num().CmpAbs(limit()) < 0
	}
	switch got, err := a.Add(b); {
	case fits && err != nil:
		t.Errorf("%s + %s: %v", x, y, err)
	case !fits && err == nil:
		t.Errorf("%s + %s = %s, want an error", x, y, got)
	case fits && (rational(t, got.String()).Cmp(want) != 0 || got.scale != max(a.scale, b.scale)):
		t.Errorf("%s + %s = %s, want %s", x, y, got, want.FloatString(18))
	}
}

func TestAmountAgainstBig(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	random := func() string {
		var b strings.Builder
		if r.IntN(2) == 0 {
			b.WriteByte('-')
		}
		digits, scale := 1+r.IntN(38), r.IntN(MaxScale+1)
		if digits <= scale {
			b.WriteByte('0')
		}
		for i := range digits {
			if i == digits-scale || i == 0 && digits <= scale {
				b.WriteByte('.')
			}
			d := r.IntN(10)
			if r.IntN(4) == 0 {
				d = 9 * r.IntN(2)
			}
			b.WriteByte(byte('0' + d))
		}
		return b.String()
	}
	for range 50_000 {
		checkPair(t, random(), random())
	}
}

func FuzzAmount(f *testing.F) {
	for _, s := range []string{"0", "12.34", "-0.5", "99999999999999999999999999999999999999", "1.000000000000000001", "5.", "+1"} {
		f.Add(s, "10.00")
	}
	f.Fuzz(func(t *testing.T, x, y string) {
		for _, s := range []string{x, y} {
			if _, err := ParseAmount([]byte(s)); err != nil {
				return
			}
		}
		checkPair(t, x, y)
	})
}

func BenchmarkAmountParseAdd(b *testing.B) {
	texts := [][]byte{[]byte("3533.12"), []byte("120.00"), []byte("99812.55"), []byte("4530.6")}
	var sum Amount
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		a, err := ParseAmount(texts[i%4])
		if err != nil {
			b.Fatal(err)
		}
		if sum, err = sum.Add(a); err != nil {
			b.Fatal(err)
		}
	}
}
