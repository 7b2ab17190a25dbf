package indexer

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// The key of a protected account's index as it lies on the disk: sealed, so that only the account's keys open it. Whether anybody has the
// private key of the certificate that it comes to be sealed to, nobody can tell before he has opened it. So what was opened last stays
// beside what was sealed after it (keyBefore), until somebody has opened that: a mistake in the configuration closes no database for ever.

// Sealer seals a key of 32 bytes so that only the account's keys open it.
type Sealer func(key []byte) ([]byte, error)

// Opened is the SHA-256 of a sealed key that somebody has opened.
type Opened [sha256.Size]byte

// SealedKeys are the sealed forms of the key of a protected account's index, the newest first; the second, where there is one, was
// opened last, and the first never yet.
func (x *Index) SealedKeys() ([][]byte, error) {
	return SealedKeys(filepath.Dir(x.d.path))
}

// SealedKeys is that of the account in a folder, whether its databases can be opened or not.
func SealedKeys(dir string) ([][]byte, error) {
	sealed, err := os.ReadFile(filepath.Join(dir, keyName))
	if err != nil {
		return nil, fmt.Errorf("indexer: %w", err)
	}
	before, err := readIfThere(dir, keyBefore)
	if err != nil {
		return nil, fmt.Errorf("indexer: %w", err)
	}
	if before == nil {
		return [][]byte{sealed}, nil
	}
	return [][]byte{sealed, before}, nil
}

// LeftKeys are the sealed forms of the key that a log wants which was left out when the account was unprotected (log.db.left).
func LeftKeys(dir string) (keys [][]byte, err error) {
	for _, name := range []string{keyLeft, keyLeftBefore} {
		sealed, err := readIfThere(dir, name)
		if err != nil {
			return nil, fmt.Errorf("indexer: %w", err)
		}
		if sealed != nil {
			keys = append(keys, sealed)
		}
	}
	return keys, nil
}

// readIfThere gives nil of a file that is not there.
func readIfThere(dir, name string) ([]byte, error) {
	content, err := os.ReadFile(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return content, err
}

// Reseal seals the open index's key anew, unless fits says that it is sealed as it should be. opened is what the key was brought from: that
// is never lost before what comes after it was opened too, which untried says has not happened yet. Of a key that was brought from
// something else nothing is changed. Die at any moment, and what was opened lies there under one of its two names.
func (x *Index) Reseal(opened Opened, fits func(sealed []byte) bool, seal Sealer) (untried bool, err error) {
	err = x.alone(func() error {
		if x.d.locked.Load() {
			return ErrLocked
		}
		untried, err = reseal(filepath.Dir(x.d.path), x.d.key.secret[:], opened, fits, seal)
		return err
	})
	if err != nil {
		return untried, fmt.Errorf("indexer: reseal: %w", err)
	}
	return untried, nil
}

func reseal(dir string, key []byte, opened Opened, fits func(sealed []byte) bool, seal Sealer) (untried bool, err error) {
	keys, err := SealedKeys(dir)
	if err != nil {
		return false, err
	}
	proven, kept := sha256.Sum256(keys[0]) == opened, len(keys) > 1
	if !proven && (!kept || sha256.Sum256(keys[1]) != opened) {
		return kept, nil
	}
	if fits(keys[0]) {
		if proven && kept {
			return false, removeDurably(dir, keyBefore)
		}
		return kept, nil
	}
	box, err := seal(key)
	if err != nil {
		return kept, err
	}
	if proven { // it becomes the one before, and what was before it goes: nobody needs that any more
		if err := writeKey(dir, keyBefore, keys[0], true); err != nil {
			return kept, err
		}
	}
	return true, writeKey(dir, keyName, box, true)
}

// writeKey puts a sealed key in its place, durably. It takes the place of another one only if that is meant: whoever loses a key that
// nobody else has, loses the index.
func writeKey(dir, name string, box []byte, replace bool) error {
	path := filepath.Join(dir, name)
	made := path + ".new"
	if err := os.Remove(made); err != nil && !errors.Is(err, fs.ErrNotExist) { // not truncated: it may be the key's second name
		return err
	}
	f, err := os.OpenFile(made, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(box)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if replace {
		err = os.Rename(made, path)
	} else if err = os.Link(made, path); err == nil { // fails if there is one
		err = os.Remove(made)
	}
	if err != nil {
		return err
	}
	return syncFolder(dir)
}

// removeDurably removes a file that may be there.
func removeDurably(dir, name string) error {
	err := os.Remove(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return errors.Join(err, syncFolder(dir))
}
