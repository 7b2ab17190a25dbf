package indexer

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
)

// Conversions of an account's index: under a key of its own, and back under the unlock key.

// The names in an account's folder.
const (
	indexName = "index.db"
	logName   = "log.db"
	keyName   = "index.dek.p7m"     // the index's own key, sealed to the account's certificate: with it, the account is protected
	keyBefore = keyName + ".before" // the same key as it was sealed before, until somebody has opened it as it is sealed now

	logLeft       = logName + ".left"   // a log that could not be merged, kept when the account was unprotected without it
	keyLeft       = keyName + ".left"   // and the key that its records want
	keyLeftBefore = keyLeft + ".before" // and that as it was sealed before

	protecting   = indexName + ".protecting"   // the index under its own key, on its way into its place
	unprotecting = indexName + ".unprotecting" // the index under the unlock key, on its way back
)

// Protected says whether the account of this folder is protected: whether its index has a key of its own.
func Protected(dir string) bool { return there(dir, keyName) }

// Protect gives an account's index a key of its own, which seal seals, and makes its log; where there is no index, it makes one that is
// protected from its beginning. key is that of the index by now, logKey that of the log. Nobody may have the index open. Die before the
// key's file appears, and the account is as it was.
func Protect(ctx context.Context, dir string, key, logKey Key, seal Sealer) error {
	if err := protect(ctx, dir, key, logKey, seal); err != nil {
		return fmt.Errorf("indexer: protect: %w", err)
	}
	return nil
}

func protect(ctx context.Context, dir string, key, logKey Key, seal Sealer) error {
	if err := errors.Join(zeroFreed(), settle(dir)); err != nil {
		return err
	}
	if Protected(dir) {
		return fmt.Errorf("%s: %w", filepath.Join(dir, keyName), fs.ErrExist)
	}
	var own Key
	defer clear(own[:])
	rand.Read(own[:]) // never fails (crypto/rand)
	d, err := protectedCopy(ctx, dir, key, &own)
	if err != nil {
		return err
	}
	if err := errors.Join(newLog(ctx, d, dir, &own, logKey), d.close(), emptied(filepath.Join(dir, protecting))); err != nil {
		return err
	}
	box, err := seal(own[:])
	if err != nil {
		return err
	}
	if err := removeDurably(dir, keyBefore); err != nil { // of another key, of a time when the account was protected
		return err
	}
	if err := writeKey(dir, keyName, box, false); err != nil {
		return err
	}
	return settle(dir)
}

// protectedCopy makes the index under its own key, still beside its place, and gives a database that holds what it holds.
func protectedCopy(ctx context.Context, dir string, key Key, own *Key) (*database, error) {
	path := filepath.Join(dir, protecting)
	if there(dir, indexName) {
		d, err := openDatabase(ctx, filepath.Join(dir, indexName), key, "account")
		if err != nil {
			return nil, err
		}
		if err := d.copyUnder(ctx, path, own); err != nil {
			return nil, errors.Join(err, d.close())
		}
		return d, nil
	}
	d, err := lockedDatabase(ctx, path, "account")
	if err != nil {
		return nil, err
	}
	if err := d.unlock(ctx, own); err != nil {
		return nil, errors.Join(err, d.close())
	}
	d.show()
	return d, nil
}

// newLog makes the log of an index that is to be protected: the ledger's end, what is known of each delivery, and to whom segments are
// sealed. own is the key that the index will have, key that of the log.
func newLog(ctx context.Context, d *database, dir string, own *Key, key Key) error {
	var segments Key
	defer clear(segments[:])
	public, err := segmentKey(&segments, own)
	if err != nil {
		return err
	}
	l, err := openSealedLog(ctx, dir, key)
	if err != nil {
		return err
	}
	l.hashKey = make([]byte, 32)
	rand.Read(l.hashKey) // never fails (crypto/rand)
	x := newIndexOf(d, nil)
	err = l.d.write(ctx, true, func(ctx context.Context) error {
		c, err := x.readChain(ctx)
		if err != nil {
			return err
		}
		if _, err := l.d.w.ExecContext(ctx, `UPDATE head SET seq = ?, hash = ?, public = ?, hash_key = ?`, c.seq, c.hash[:], public, l.hashKey); err != nil {
			return err
		}
		rows, err := d.r.QueryContext(ctx, `SELECT `+fileColumns+`, (SELECT hash FROM ledger WHERE seq = (SELECT max(seq) FROM ledger WHERE file = f.id AND file <> ''))
			FROM files f ORDER BY f.n`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var row fileRow
			if err := row.scan(rows.Scan, &row.ledgerHash); err != nil {
				return err
			}
			if err := l.know(ctx, &row, row.ledgerSeq, row.ledgerHash); err != nil {
				return err
			}
		}
		return rows.Err()
	})
	return errors.Join(d.plain(err), l.close())
}

// Unprotect brings an account's index back under key, with all that waits in its log. own is the key that it has. Nobody may have
// the index open. Die before the sealed key's file is gone, and the account is as it was.
func Unprotect(ctx context.Context, dir string, key, logKey, own Key, log *slog.Logger) error {
	if err := unprotect(ctx, dir, key, logKey, own, log); err != nil {
		return fmt.Errorf("indexer: unprotect: %w", err)
	}
	return nil
}

func unprotect(ctx context.Context, dir string, key, logKey, own Key, log *slog.Logger) error {
	if err := settle(dir); err != nil {
		return err
	}
	x, err := OpenProtected(ctx, dir, logKey, log)
	if err != nil {
		return err
	}
	_, err = x.Unlock(ctx, &own)
	if err == nil { // without protection nobody would
		_, err = x.nameUnnamed(ctx)
	}
	if err == nil {
		err = x.alone(func() error { return x.d.copyUnder(ctx, filepath.Join(dir, unprotecting), &key) })
	}
	if err = errors.Join(err, x.Close()); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(dir, keyName)); err != nil {
		return err
	}
	if err := syncFolder(dir); err != nil {
		return err
	}
	return settle(dir)
}

// UnprotectWithoutLog brings an account's index back under key, without what waits in its log, which cannot be merged, is damaged or
// gone. The log and the sealed key are kept under other names, and the ledger says that something was left out. Nobody may have the
// index open. Die before the sealed key's file has its other name, and the account is as it was.
func UnprotectWithoutLog(ctx context.Context, dir string, key, own Key, log *slog.Logger) error {
	if err := unprotectWithoutLog(ctx, dir, key, own, log); err != nil {
		return fmt.Errorf("indexer: unprotect: %w", err)
	}
	return nil
}

func unprotectWithoutLog(ctx context.Context, dir string, key, own Key, log *slog.Logger) error {
	if err := settle(dir); err != nil {
		return err
	}
	if left := Left(dir); len(left) > 0 {
		return fmt.Errorf("%s is there from an earlier time: put it in a safe place first", filepath.Join(dir, left[0]))
	}
	if err := opens(filepath.Join(dir, indexName), &own); err != nil {
		return err
	}
	d, err := openDatabase(ctx, filepath.Join(dir, indexName), own, "account")
	if err != nil {
		return err
	}
	if err := errors.Join(d.copyUnder(ctx, filepath.Join(dir, unprotecting), &key), d.close()); err != nil {
		return err
	}
	if err := leaveOut(ctx, filepath.Join(dir, unprotecting), key, log); err != nil {
		return err
	}
	if there(dir, logName) || there(dir, logName+"-wal") {
		err = os.Rename(filepath.Join(dir, keyName), filepath.Join(dir, keyLeft))
	} else {
		err = os.Remove(filepath.Join(dir, keyName))
	}
	if err != nil {
		return err
	}
	if err := syncFolder(dir); err != nil {
		return err
	}
	return settle(dir)
}

// Left names what UnprotectWithoutLog has kept in an account's folder: the log, what a killed gateway left beside it, and the sealed key.
func Left(dir string) (names []string) {
	for _, name := range []string{logLeft, logLeft + "-wal", keyLeft, keyLeftBefore} {
		if there(dir, name) {
			names = append(names, name)
		}
	}
	return names
}

// leaveOut enters into a copy's ledger that it is without what waited, after what an unlocking that did not come to its end would have.
func leaveOut(ctx context.Context, path string, key Key, log *slog.Logger) error {
	x, err := Open(ctx, path, key, log)
	if err != nil {
		return err
	}
	if err = x.restate(ctx); err == nil {
		_, err = x.Sweep(ctx)
	}
	if err == nil { // without protection nobody would
		_, err = x.nameUnnamed(ctx)
	}
	if err == nil {
		_, err = x.Note(ctx, kindLeftOut, "", "", "what waited in "+logName)
	}
	return errors.Join(err, x.Close(), emptied(path))
}

// Dump writes the index in an account's folder, which key opens, to a new file as a plain SQLite database. Others may have it open.
func Dump(ctx context.Context, dir string, key Key, path string) error {
	d, err := openDatabase(ctx, filepath.Join(dir, indexName), key, "")
	if err != nil {
		return fmt.Errorf("indexer: dump: %w", err)
	}
	if err := errors.Join(d.copyInto(ctx, path, "vfs=unix"), d.close()); err != nil {
		return fmt.Errorf("indexer: dump: %w", err)
	}
	return nil
}

// there says whether a file is there. One that cannot be looked at counts as there: nothing is removed for its absence.
func there(dir, name string) bool {
	_, err := os.Stat(filepath.Join(dir, name))
	return !errors.Is(err, fs.ErrNotExist)
}

// UnderUnlockKey names the databases in an account's folder whose keys come from the unlock key, and the beginning of their keys' names,
// to which the account's id belongs.
func UnderUnlockKey(dir string) map[string]string {
	name, prefix := indexName, "account/"
	if Protected(dir) {
		name, prefix = logName, "log/"
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err != nil {
		return nil
	}
	return map[string]string{path: prefix}
}

// Settle finishes, or forgets, a conversion of the account's folder that died half-way. Nobody may have the databases open.
func Settle(dir string) error {
	if err := settle(dir); err != nil {
		return fmt.Errorf("indexer: settle: %w", err)
	}
	return nil
}

// endLog removes the log of an account that is protected no longer, or keeps it beside its key under another name. Die, and it is
// done again.
func endLog(dir string) error {
	path, left := filepath.Join(dir, logName), filepath.Join(dir, logLeft)
	if !there(dir, keyLeft) || there(dir, logLeft) {
		return errors.Join(removeDurably(dir, keyBefore), removeDatabase(path))
	}
	if err := os.Rename(filepath.Join(dir, keyBefore), filepath.Join(dir, keyLeftBefore)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, suffix := range []string{"-wal", ""} { // the database last: it says that all is there
		if err := os.Rename(path+suffix, left+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return errors.Join(removeDatabase(path), syncFolder(dir))
}

func settle(dir string) error {
	made, left := protecting, unprotecting
	if !Protected(dir) {
		made, left = unprotecting, protecting
		if there(dir, made) || there(dir, left) { // otherwise a log without a key is no leftover, but has lost its key
			if err := endLog(dir); err != nil {
				return err
			}
		}
		if there(dir, logName) {
			return gone(dir, keyName, logName)
		}
	}
	if err := removeDatabase(filepath.Join(dir, left)); err != nil {
		return err
	}
	if !there(dir, made) {
		if Protected(dir) && !there(dir, indexName) { // a new one would take a new key, and the old one be good for nothing
			return gone(dir, indexName, keyName)
		}
		return nil
	}
	// What was the database until the key appeared, or disappeared, is none any more, with what lies beside it.
	if err := removeDatabase(filepath.Join(dir, indexName)); err != nil {
		return err
	}
	return replaceDatabase(filepath.Join(dir, made), filepath.Join(dir, indexName))
}

// gone tells that half of what belongs together is missing.
func gone(dir, what, beside string) error {
	return fmt.Errorf("%s is gone, but %s is there: restore it from a backup", filepath.Join(dir, what), beside)
}
