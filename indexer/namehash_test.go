package indexer

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/indexer/formats"
)

// TestHashName: the hash is SipHash-2-4, by the example in its authors' paper and the first of their test vectors.
func TestHashName(t *testing.T) {
	var k nameKey
	readNameKey([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, &k)
	for n, want := range map[int]uint64{0: 0x726fdb47dd0e0e31, 15: 0xa129ca6149be45e5} {
		name := make([]byte, n)
		for i := range name {
			name[i] = byte(i)
		}
		if got := hashName(&k, name); got != want {
			t.Errorf("%d bytes: %x, want %x", n, got, want)
		}
	}
}

// TestNamesDoNotHide: names that differ in bytes of nought, or were made to have the same hash whatever its key (a first
// word that makes up for the length), are found, one behind the other.
func TestNamesDoNotHide(t *testing.T) {
	x := newIndex(t)
	other := []byte("Ahlstedts Akeri AB")
	other[0] ^= byte(len("Ahlstedts Akeri AB") ^ len("Ahlstedts Akeri AB xx"))
	names := [][]byte{
		[]byte("Bergs Bygg"), []byte("Bergs Bygg\x00"), []byte("Bergs Bygg\x00\x00\x00"), []byte("Bergs\x1bBygg\x7f"), []byte("Nolla\x00s"),
		[]byte("Ahlstedts Akeri AB xx"), append(other, 0, 0, 0), bytes.Repeat([]byte("\x01"), 9),
	}
	commitPayments(t, x, "a", epoch, 3000, func(q *formats.Payment) { q.PayeeName = names[q.Index%int64(len(names))] })
	for part, want := range map[string]int{"bergs bygg": 4 * 375, "nolla s": 375, strings.ToLower(string(other)): 375, "akeri ab xx": 375} {
		q := PaymentFilter{Name: part}
		if h, err := x.hunt(t.Context(), newQuestion(q)); h == nil || err != nil {
			t.Fatalf("%q does not go by names: %v", part, err)
		}
		if got := len(payments(t, x, q)); got != want {
			t.Errorf("%q: %d payments, want %d", part, got, want)
		}
	}
	key := x.list.Load().key
	for _, c := range [][2]string{{"a", "a\x00"}, {"a", "a\x00\x00\x00\x00\x00\x00\x00\x00"}, {"", "\x00"}} {
		if hashName(&key, []byte(c[0])) == hashName(&key, []byte(c[1])) {
			t.Errorf("%q and %q have the same hash", c[0], c[1])
		}
	}
	if fmt.Sprintf("%q", foldName(nil, []byte("A\x00\x1b b\x7f"))) != `"a b"` {
		t.Error("control characters are no blanks")
	}
}
