package indexer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/cgo"
	"strings"
)

// Databases under other keys. A copy is made beside the database, made durable, and only then put in its place: whoever dies
// has the one or the other.

// rekeying is the name of a copy that a change of the unlock key has not put in its place yet.
const rekeying = ".rekeying"

// Rekey brings the database at path from one key under another, and does nothing where that has happened already. The
// database must not be open. Die at any point, and Rekey again finishes it.
func Rekey(ctx context.Context, path string, from, to Key) error {
	if err := removeDatabase(path + rekeying); err != nil {
		return fmt.Errorf("indexer: rekey: %w", err)
	}
	err := opens(path, &to)
	if !errors.Is(err, ErrKey) {
		if err != nil {
			err = fmt.Errorf("indexer: rekey: %w", err)
		}
		return err
	}
	d, err := openDatabase(ctx, path, from, "")
	if err != nil {
		return fmt.Errorf("indexer: rekey: %w", err)
	}
	err = d.copyUnder(ctx, path+rekeying, &to)
	if err = errors.Join(err, d.close()); err == nil {
		err = replaceDatabase(path+rekeying, path)
	}
	if err != nil {
		return fmt.Errorf("indexer: rekey: %w", err)
	}
	return nil
}

// Readable says whether the key opens the database at path, and whether all of it can be read, as Rekey will: ErrKey, ErrDamaged. Nobody may
// have it open.
func Readable(ctx context.Context, path string, key Key) error {
	err := opens(path, &key)
	if err == nil {
		var d *database
		if d, err = openDatabase(ctx, path, key, ""); err == nil {
			err = errors.Join(d.readable(ctx), d.close())
		}
	}
	if err != nil {
		return fmt.Errorf("indexer: %w", err)
	}
	return nil
}

// readable has SQLite look at every page that is in use.
func (d *database) readable(ctx context.Context) error {
	var found string
	if err := d.w.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&found); err != nil {
		return d.plain(err)
	}
	if found != "ok" {
		return fmt.Errorf("%s: %w: %s", d.path, ErrDamaged, strings.TrimPrefix(found, "*** in database main ***\n"))
	}
	return nil
}

// Opens says whether the key opens the database at path, which must be there: ErrKey, ErrDamaged. It reads little, and writes nothing.
func Opens(path string, key Key) error {
	if err := opens(path, &key); err != nil {
		return fmt.Errorf("indexer: %w", err)
	}
	return nil
}

// opens says whether the key opens the database at path, which must be there.
func opens(path string, key *Key) error {
	if _, err := os.Stat(path); err != nil {
		return err
	}
	k, err := newPageKey(key)
	if err != nil {
		return err
	}
	defer k.forget()
	return (&database{path: path, key: k}).tryKey()
}

// copyUnder writes the whole database to a new file under another key; it is on the disk when copyUnder returns nil.
func (d *database) copyUnder(ctx context.Context, path string, key *Key) error {
	k, err := newPageKey(key)
	if err != nil {
		return err
	}
	defer k.forget()
	handle := cgo.NewHandle(k)
	defer handle.Delete()
	return d.copyInto(ctx, path, fmt.Sprintf("vfs=sealgate&sealgate=%d", uint64(handle)))
}

// copyInto writes the whole database to a new file, which SQLite opens with these parameters.
func (d *database) copyInto(ctx context.Context, path, parameters string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := d.w.ExecContext(ctx, `VACUUM INTO ?`, address(path, parameters)); err != nil {
		return d.plain(err)
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// emptied is an error while a database's log is there. Closing empties and removes it, unless it cannot, and does not say so.
func emptied(path string) error {
	if _, err := os.Stat(path + "-wal"); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s-wal is still there: somebody has the database open, or the disk is full (%v)", path, err)
	}
	return nil
}

// replaceDatabase puts a copy in the place of a database that was closed, durably.
func replaceDatabase(from, to string) error {
	if err := emptied(to); err != nil { // it would be taken for the copy's
		return err
	}
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(to))
}

// removeDatabase removes a database and what SQLite puts beside it, if they are there.
func removeDatabase(path string) error {
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
