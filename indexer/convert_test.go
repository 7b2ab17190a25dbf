package indexer

import (
	"bytes"
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
	if err := writeKey(s.dir, []byte("another"), false); !os.IsExist(err) {
		t.Errorf("written over: %v", err)
	}
	if !bytes.Equal(readAll(t, filepath.Join(s.dir, keyName)), sealed) {
		t.Error("the key is another one")
	}
	x := s.open(t)
	s.unlock(t, x)
	if err := x.Reseal(s.sealer); err != nil {
		t.Error(err)
	}
	if bytes.Equal(readAll(t, filepath.Join(s.dir, keyName)), sealed) {
		t.Error("it was not sealed anew")
	}
	x.Close()
	s.unlock(t, s.open(t))
}
