package indexer

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// tryKey looks whether the key opens the file, before SQLite sees it. A file that is not there is made, empty, so
// that it and all that SQLite puts beside it are for its owner only.
func (d *database) tryKey() error {
	f, err := os.OpenFile(d.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	var page, out [pageSize]byte
	for no := uint64(1); no <= keyPages; no++ {
		n, err := io.ReadFull(f, page[:])
		if no == 1 && n == pageSize && !d.key.open(mainFile, no, page[:], out[:]) && d.logOpens() {
			return nil // torn by a power cut in a checkpoint: the log still has the page, and SQLite takes it from there
		}
		switch {
		case no == 1 && n == 0 && err == io.EOF:
			// SQLite would throw the log of an empty database away. It writes the database's first page before any log.
			if fi, err := os.Stat(d.path + "-wal"); err == nil && fi.Size() > 0 {
				return fmt.Errorf("%s is empty, its log is not: %w", d.path, ErrDamaged)
			}
			return syncFolder(filepath.Dir(d.path))
		case no == 1 && strings.HasPrefix(string(page[:n]), "SQLite format 3\x00"):
			return fmt.Errorf("%s is a plain SQLite database, not an encrypted one: %w", d.path, ErrKey)
		case err == io.EOF || err == io.ErrUnexpectedEOF:
			if no == 1 {
				return fmt.Errorf("%s: cut to %d bytes: %w", d.path, n, ErrDamaged)
			}
			return fmt.Errorf("%w %s", ErrKey, d.path)
		case err != nil:
			return err
		}
		if d.key.open(mainFile, no, page[:], out[:]) {
			if no > 1 {
				return fmt.Errorf("%s: page 1 does not open, page %d does: %w", d.path, no, ErrDamaged)
			}
			return nil
		}
	}
	return fmt.Errorf("%w %s", ErrKey, d.path)
}

// logOpens says whether the key opens a page of the database's log.
func (d *database) logOpens() bool {
	f, err := os.Open(d.path + "-wal")
	if err != nil {
		return false
	}
	defer f.Close()
	var page, out [pageSize]byte
	for no := uint64(1); no <= keyPages; no++ {
		at := walHeader + int64(no-1)*(frameHeader+pageSize) + frameHeader
		if _, err := f.ReadAt(page[:], at); err != nil {
			return false
		}
		if d.key.open(logFile, no, page[:], out[:]) {
			return true
		}
	}
	return false
}
