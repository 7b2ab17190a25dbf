package gateway

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"github.com/sealgate/sealgate/indexer"
)

// What a crash left behind is swept at the start. Only what was certainly never accepted goes: an upload under way, a
// sealed copy whose marker says that its transaction had not ended, a copy that its own row has given up. A sealed copy
// without row and without marker was accepted once, and the index has lost it (a damaged log, an old backup): it is never
// removed, and told at every start and by verify until somebody has restored the index or taken the copy away.

// sweep sets an account's folder right before it is served.
func (a *account) sweep(ctx context.Context, log *slog.Logger) error {
	incoming, err := os.ReadDir(a.incoming())
	if err != nil {
		return err
	}
	if a.index.Locked() {
		return a.sweepLocked(ctx, incoming, log)
	}
	orphans, err := a.orphans(ctx, nil)
	if err != nil {
		return err
	}
	copies := 0
	for _, path := range orphans {
		stays, err := a.stays(ctx, path)
		if err != nil {
			return err
		}
		if stays != "" {
			log.Error("a sealed copy "+stays, "account", a.ID, "path", path)
			continue
		}
		if err := os.Remove(filepath.Join(a.dir, path)); err != nil {
			return err
		}
		copies++
	}
	uploads := 0
	for _, entry := range incoming { // markers too, now that what they were for is done
		if ext := filepath.Ext(entry.Name()); entry.IsDir() || ext != tmpSuffix && ext != placedSuffix {
			log.Warn("not ours, left alone", "account", a.ID, "path", filepath.Join("incoming", plain(entry.Name())))
			continue
		}
		if err := os.Remove(filepath.Join(a.incoming(), entry.Name())); err != nil {
			return err
		}
		uploads++
	}
	payments, err := a.index.Sweep(ctx)
	if err != nil {
		return err
	}
	outbox, err := a.index.SweepOutbox(ctx)
	if err != nil {
		return err
	}
	if uploads+payments+copies+outbox > 0 {
		log.Info("swept", "account", a.ID, "uploads", uploads, "payments", payments, "copies", copies, "outbox", outbox)
	}
	return nil
}

// stays says why an orphan must not be removed; "" if it was certainly never accepted: its marker is there, its own row
// has given it up, or it lies beside the copy that its row names, of another envelope.
func (a *account) stays(ctx context.Context, path string) (why string, err error) {
	id, _, ours := copyName(path)
	if !ours {
		return "has a name that none of ours has: take it away", nil
	}
	rows, err := a.index.Find(ctx, id)
	switch {
	case err != nil:
		return "", err
	case len(rows) > 0 && a.givenUp(path, rows[0]):
		return "", nil
	case len(rows) > 0:
		return "lies at a place that its row does not name: move it to " + rows[0].CopyPath, nil
	}
	if _, err := os.Lstat(filepath.Join(a.incoming(), id+placedSuffix)); !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return "has lost its row: restore the index from a backup", nil
}

// givenUp says whether an orphan's own row has given it up: it was released to be deleted, refused, or rewrapped.
func (a *account) givenUp(path string, f *indexer.File) bool {
	return f.Fate != indexer.Sealed || a.rewrapLeft(path, f)
}

// orphans lists the sealed copies, relative to the account's folder, that no row refers to. The disk is read before the
// rows, so that what is committed meanwhile is no orphan; busy says which paths a running upload has just placed.
func (a *account) orphans(ctx context.Context, busy func(path string) bool) ([]string, error) {
	paths, err := a.sealedCopies()
	if err != nil {
		return nil, err
	}
	if busy != nil {
		paths = slices.DeleteFunc(paths, busy)
	}
	known := map[string]bool{}
	for c, err := range a.index.Copies(ctx) {
		if err != nil {
			return nil, err
		}
		known[c.Path] = true
	}
	return slices.DeleteFunc(paths, func(path string) bool {
		_, err := os.Lstat(filepath.Join(a.dir, path))
		return known[path] || errors.Is(err, fs.ErrNotExist) // released or refused meanwhile
	}), nil
}

// sealedCopies lists what lies below sealed, relative to the account's folder.
func (a *account) sealedCopies() (paths []string, err error) {
	err = filepath.WalkDir(filepath.Join(a.dir, "sealed"), func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || entry.IsDir() {
			return err
		}
		rel, err := filepath.Rel(a.dir, path)
		paths = append(paths, rel)
		return err
	})
	return paths, err
}
