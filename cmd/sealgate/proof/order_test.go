package proof

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestOutOfOrder writes a file in shuffled pieces, as pipelining clients do within a window: one accepted file with
// the right hash.
func TestOutOfOrder(t *testing.T) {
	g := newGateway(t, options{})
	s := g.door().sit(t)
	for _, c := range []struct {
		name          string
		piece, window int
	}{{"tiny", 1000, 50}, {"ssh2", 31_952, 90}, {"pairs", 32 << 10, 2}, {"4 MiB", 64 << 10, 64}} {
		content := pain001(t, 5<<20)
		f, err := s.Create("/inbox/" + c.name)
		if err != nil {
			t.Fatal(err)
		}
		var offs []int
		for off := 0; off < len(content); off += c.piece {
			offs = append(offs, off)
		}
		for i := 0; i < len(offs); i += c.window {
			part := offs[i:min(i+c.window, len(offs))]
			if i == 0 {
				part = part[1:] // offset 0 is sent last of the first window
			}
			rand.Shuffle(len(part), func(a, b int) { part[a], part[b] = part[b], part[a] })
			if i == 0 {
				part = append(part[:len(part):len(part)], 0)
			}
			for _, off := range part {
				if _, err := f.WriteAt(content[off:min(off+c.piece, len(content))], int64(off)); err != nil {
					t.Fatalf("%s: write at %d: %v", c.name, off, err)
				}
			}
		}
		if err := f.Close(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		g.taken(t, c.name, sum(content))
	}
}

// TestWhatAStreamCannotGive: rewriting earlier bytes, a gap, a write far ahead, all refused with a sentence that names
// the file, and nothing is taken.
func TestWhatAStreamCannotGive(t *testing.T) {
	g := newGateway(t, options{})
	content := pain001(t, 2<<20)
	type write struct {
		off int64
		p   []byte
	}
	changed := append([]byte(nil), content[:1000]...)
	changed[500] ^= 1
	for i, c := range []struct {
		name   string
		writes []write
	}{
		{"rewrite", []write{{0, content[:1<<20]}, {0, changed}, {1 << 20, content[1<<20:]}}},
		{"gap", []write{{0, content[:1<<20]}, {1<<20 + 100, content[1<<20+100:]}}},
		{"begin late", []write{{4096, content[4096:]}}},
		{"far ahead", []write{{0, content[:1000]}, {1 << 40, content[1000:2000]}}},
		{"negative", []write{{0, content[:1000]}, {-1 << 62, content[1000:2000]}}},
	} {
		s := g.door().sit(t)
		name := fmt.Sprintf("stream-%d.xml", i)
		f, err := s.Create("/inbox/" + name)
		if err != nil {
			t.Fatal(err)
		}
		var first error
		for _, w := range c.writes {
			if _, err := f.WriteAt(w.p, w.off); err != nil && first == nil {
				first = err
			}
		}
		if err := f.Close(); first == nil {
			first = err
		}
		if first == nil {
			t.Errorf("%s: went through", c.name)
		} else if !strings.Contains(first.Error(), name) {
			t.Errorf("%s: the sentence does not name the file: %v", c.name, first)
		}
		g.taken(t, name)
		if err := s.push("after-"+name, pain001(t, 5000)); err != nil {
			t.Errorf("%s: the session is of no more use: %v", c.name, err)
		}
	}
}

// TestSameBytesAgain: a client that sends a piece twice with equal bytes (a retry) is not refused for it, or it is
// refused; it never ends in other bytes.
func TestSameBytesAgain(t *testing.T) {
	g := newGateway(t, options{})
	s := g.door().sit(t)
	content := pain001(t, 300_000)
	f, err := s.Create("/inbox/again.xml")
	if err != nil {
		t.Fatal(err)
	}
	_, err1 := f.WriteAt(content[:200_000], 0)
	_, err2 := f.WriteAt(content[100_000:], 100_000)
	err3 := f.Close()
	if err1 == nil && err2 == nil && err3 == nil {
		g.taken(t, "again.xml", sum(content))
		return
	}
	g.taken(t, "again.xml")
}
