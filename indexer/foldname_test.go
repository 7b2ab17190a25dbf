package indexer

import (
	"fmt"
	"testing"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/sealgate/sealgate/indexer/formats"
)

// TestFoldName: letters are folded as plainLetter says, wherever that is done, and others are what they are in lower case.
func TestFoldName(t *testing.T) {
	for r := rune(1); r < 0x2000; r++ {
		want := string(plainLetter(unicode.ToLower(r)))
		if unicode.IsSpace(r) || unicode.IsControl(r) {
			want = " "
		} else if unicode.Is(unicode.Mn, r) {
			want = ""
		}
		if got := string(foldName(nil, []byte("x"+string(r)+"y"))); got != "x"+want+"y" {
			t.Errorf("%q: %q, want %q", r, got, want)
		}
	}
	for name, want := range map[string]string{
		"": "", " \n ": "", "  ÅSA  Öberg\t": "asa oberg", "\xc3": "\ufffd", "a\xc3(": "a\ufffd(", "\xc3\x85": "a", "A\u030a \u030a b": "a b", "\xff": "\ufffd",
	} {
		if got := string(foldName([]byte("before "), []byte(name))); got != "before "+want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

// TestBareName: a letter in one character and in several, as a Mac writes it, are compared as one, whatever script it is of.
func TestBareName(t *testing.T) {
	bare := func(s string) string { return string(bareName(foldName(nil, []byte(s)))) }
	seen := 0
	for r := rune(0x80); r <= unicode.MaxRune; r++ {
		one := string(r)
		if several := norm.NFD.String(one); several != one {
			if seen++; bare(several) != bare(one) {
				t.Errorf("%q is compared as %q, %q as %q", one, bare(one), several, bare(several))
			}
		}
		if got := bare(one); got != string(bareName([]byte(got))) {
			t.Errorf("%q is compared as %q", one, got)
		}
	}
	if seen < 10_000 {
		t.Errorf("%d letters", seen)
	}
	for name, want := range map[string]string{"ĘŐĚȘȚŁ": "eoestl", "Đorđe Aydın": "dorde aydin", "Ǻ": "a", "ぎ": "き", "Привет, Йод": "привет, иод", "ß": "ß", "\xff": "\ufffd"} {
		if got := bare(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

// TestNamesInAnyForm: a payer is found by each form of its name in files of each, large ones and small ones.
func TestNamesInAnyForm(t *testing.T) {
	x := newIndex(t)
	for i, n := range []int64{3, 2 * blockPayments} {
		for k, form := range []norm.Form{norm.NFC, norm.NFD} {
			commitPayments(t, x, fmt.Sprint(i, k), epoch.Add(time.Duration(2*i+k)*time.Minute), n, func(q *formats.Payment) {
				if q.PayeeName = []byte("Nowak"); q.Index == 2 {
					q.PayeeName = form.Bytes([]byte("Gęsior Erdős"))
				}
			})
		}
	}
	for _, name := range []string{"gęsior", "GĘSIOR", "ge\u0328sior", "gesior", "sior erdo\u030bs", "r ERDŐS"} {
		if got := payments(t, x, PaymentFilter{Name: name}); len(got) != 4 {
			t.Errorf("%q: %d payments, want one of each file", name, len(got))
		}
		if h, err := x.hunt(t.Context(), newQuestion(PaymentFilter{Name: name})); h == nil || err != nil || len(h.prints) != 2 {
			t.Errorf("%q: not found by the list of names: %v, %v", name, h, err)
		}
	}
	sound(t, x)
}
