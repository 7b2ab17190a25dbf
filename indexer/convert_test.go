package indexer

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestKeyIsNotReplaced: an index's sealed key is replaced by Reseal only, however Protect comes to be called.
func TestKeyIsNotReplaced(t *testing.T) {
	s := newSafe(t)
	s.protected(t).Close()
	sealed := readAll(t, filepath.Join(s.dir, keyName))
	if err := Protect(t.Context(), s.dir, s.key, s.key, s.sealer); err == nil {
		t.Error("it was protected twice")
	}
	if err := writeKey(s.dir, keyName, []byte("another"), false); !os.IsExist(err) {
		t.Errorf("written over: %v", err)
	}
	if !bytes.Equal(readAll(t, filepath.Join(s.dir, keyName)), sealed) {
		t.Error("the key is another one")
	}
	x := s.open(t)
	s.unlock(t, x)
	if untried, err := x.Reseal(sha256.Sum256(sealed), never, s.sealer); err != nil || !untried {
		t.Errorf("untried: %v, %v", untried, err)
	}
	if bytes.Equal(readAll(t, filepath.Join(s.dir, keyName)), sealed) {
		t.Error("it was not sealed anew")
	}
	x.Close()
	s.unlock(t, s.open(t))
}

func never([]byte) bool  { return false }
func always([]byte) bool { return true }

// TestWhatWasOpenedStays: what the key was brought from last lies on the disk until what was sealed after it was opened as well, whatever
// fails or dies on the way.
func TestWhatWasOpenedStays(t *testing.T) {
	s := newSafe(t)
	x := s.protected(t)
	s.unlock(t, x)
	first := readAll(t, filepath.Join(s.dir, keyName))
	names := []string{"one", "two", "three", "four"}
	seal := func([]byte) ([]byte, error) {
		name := names[0]
		names = names[1:]
		return []byte(name), nil
	}
	reseal := func(opened []byte, fits func([]byte) bool, untried bool, want ...[]byte) {
		t.Helper()
		got, err := x.Reseal(sha256.Sum256(opened), fits, seal)
		list, _ := x.SealedKeys()
		if err != nil || got != untried || !bytes.Equal(bytes.Join(list, []byte("|")), bytes.Join(want, []byte("|"))) {
			t.Errorf("opened %.5q: untried: %v, %v; there are %.5q", opened, got, err, list)
		}
	}
	reseal([]byte("a stranger"), never, false, first)
	reseal(first, always, false, first)
	reseal(first, never, true, []byte("one"), first) // nobody has opened "one" yet
	reseal(first, never, true, []byte("two"), first) // nor "one" now, and "two" comes instead
	reseal(first, always, true, []byte("two"), first)
	reseal([]byte("one"), never, true, []byte("two"), first) // opened before it was replaced: of "two" nothing is known
	reseal([]byte("two"), never, true, []byte("three"), []byte("two"))
	if err := writeKey(s.dir, keyBefore, []byte("three"), true); err != nil { // as one leaves it who dies before its key is sealed anew
		t.Fatal(err)
	}
	reseal([]byte("three"), never, true, []byte("four"), []byte("three"))
	failing := errors.New("no")
	if _, err := x.Reseal(sha256.Sum256([]byte("four")), never, func([]byte) ([]byte, error) { return nil, failing }); !errors.Is(err, failing) {
		t.Error(err)
	}
	reseal([]byte("four"), always, false, []byte("four"))
	if there(s.dir, keyBefore) {
		t.Error("the one before stays")
	}
}
