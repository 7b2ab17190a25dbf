package proof

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// needles are secrets in each of their forms, searched for in one pass however many they are.
type needles struct {
	begins [1 << 16]bool // by a needle's first two bytes
	by     map[[4]byte][]needle
}

type needle struct {
	secret, form string
	bytes        []byte
}

// seek makes needles of secrets, as they are and in capitals and small letters. Chance finds a short one in a large place: a search of
// a disk or of a memory takes secrets of ten characters or more, whose shortest form has 48 bits.
func seek(secrets ...string) *needles {
	n := &needles{by: map[[4]byte][]needle{}}
	seen := map[string]bool{}
	for _, secret := range secrets {
		for _, text := range []string{secret, strings.ToLower(secret), strings.ToUpper(secret)} {
			if seen[text] {
				continue
			}
			seen[text] = true
			for form, b := range forms(text) {
				n.add(secret, form, b)
			}
		}
	}
	return n
}

// add is a needle of four bytes or more, sought as it is.
func (n *needles) add(secret, form string, b []byte) {
	n.begins[binary.BigEndian.Uint16(b)] = true
	n.by[[4]byte(b)] = append(n.by[[4]byte(b)], needle{secret, form, b})
}

// in gives what is found in b: how often each secret is there, in whatever form.
func (n *needles) in(b []byte) map[string]int {
	found := map[string]int{}
	for i := 0; i+4 <= len(b); i++ {
		if !n.begins[binary.BigEndian.Uint16(b[i:])] {
			continue
		}
		for _, x := range n.by[[4]byte(b[i:])] {
			if bytes.HasPrefix(b[i:], x.bytes) {
				found[x.secret+" as "+x.form]++
			}
		}
	}
	return found
}

// solid reads a file, or a part of one, and leaves out its blocks of zeros but for the first of each run: the image of a file system
// is mostly such.
func solid(r io.Reader) ([]byte, error) {
	const block = 4096
	var all []byte
	piece, zeros, before := make([]byte, block), make([]byte, block), false
	for {
		n, err := io.ReadFull(r, piece)
		zero := n == block && bytes.Equal(piece, zeros)
		if !zero || !before {
			all = append(all, piece[:n]...)
		}
		if before = zero; err == io.EOF || err == io.ErrUnexpectedEOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
	}
}

// pages are the parts of a file of the data directory that must look random, each of 4096 bytes: all of a database, the pages of a
// write-ahead log, and of a sealed copy what stands behind its header. Of other files there are none.
func pages(path string, b []byte) (list [][]byte) {
	skip, gap := 0, 0
	switch {
	case strings.HasSuffix(path, ".db"):
	case strings.HasSuffix(path, ".db-wal"):
		skip, gap = 32+24, 24
	case strings.HasSuffix(path, ".p7m"), strings.HasSuffix(path, ".tmp"):
		skip = 4096
	default:
		return nil
	}
	for at := skip; at+4096 <= len(b); at += 4096 + gap {
		list = append(list, b[at:at+4096])
	}
	return list
}

// surprise is the chi-square statistic of the bytes' frequencies: about 255 for random ones, with a deviation of 23, thousands for a
// text.
func surprise(b []byte) (x float64) {
	var counts [256]float64
	for _, c := range b {
		counts[c]++
	}
	expected := float64(len(b)) / 256
	for _, n := range counts {
		x += (n - expected) * (n - expected) / expected
	}
	return x
}

// random says whether a page looks so. One of random bytes is taken for another thing less than once in 10^19.
func random(page []byte) bool { x := surprise(page); return 80 < x && x < 550 }

// allRandom fails unless every page under the folder is random, and gives how many there are by the kind of file.
func allRandom(t testing.TB, dir string, files []string) map[string]int {
	t.Helper()
	looked := map[string]int{}
	for _, path := range files {
		b, err := os.ReadFile(filepath.Join(dir, path))
		if err != nil {
			t.Fatal(err)
		}
		for i, page := range pages(path, b) {
			if looked[filepath.Ext(path)]++; !random(page) {
				t.Errorf("page %d of %s is not random: chi-square %.0f", i+1, path, surprise(page))
			}
		}
	}
	return looked
}

// TestPlainPagesAreNotRandom makes sure that the measure above tells a plain SQLite database from an encrypted one, on every page.
func TestPlainPagesAreNotRandom(t *testing.T) {
	need(t, "sqlite3")
	path := filepath.Join(t.TempDir(), "plain.db")
	output(t, "sqlite3", path, "PRAGMA page_size=4096; CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, account TEXT, amount INTEGER);"+
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)"+
		"INSERT INTO t SELECT i, 'Payee ' || i, hex(randomblob(12)), abs(random()) FROM n; CREATE INDEX a ON t (account);")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	list := pages(path, b)
	for i, page := range list {
		if random(page) {
			t.Errorf("page %d looks random: chi-square %.0f", i+1, surprise(page))
		}
	}
	if len(list) < 50 {
		t.Errorf("it has %d pages", len(list))
	}
	if found := seek("Payee 4711", "Payee 4712x").in(b); len(found) != 1 || found["Payee 4711 as plain"] == 0 {
		t.Errorf("found in it: %v", found)
	}
}
