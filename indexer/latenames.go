package indexer

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
)

// A protected account's payments come into its index through its log, which has no names apart: a locked account's list cannot be read. So
// whatever brings a file of many payments into the index marks it as unnamed, in the same transaction; and as long as the index is open,
// one goroutine makes the names of marked files from their blocks, one file after the other, as RenewNames does. Nobody waits for it, and
// until then the file is answered from its blocks.
//
// Die, or lock, before a file has its names, and it still has its mark: the next unlocking sweeps what was begun of them, and begins anew.

// unnamed begins the mark of a file, a row of uploads. No file has such an id.
const unnamed = "+"

// markUnnamed marks a file that has come out of the log, if its names are worth segments, in the transaction under way.
func (x *Index) markUnnamed(ctx context.Context, r *record) error {
	if r.pieces == 0 && !slices.ContainsFunc(r.blocks, func(s stored) bool { return len(s.data) > inlineBlock }) {
		return nil
	}
	_, err := x.d.w.ExecContext(ctx, `INSERT OR IGNORE INTO uploads (file) VALUES ('+' || ?)`, r.row.id)
	return err
}

// forgetUnnamed takes the mark from a file, in the transaction under way.
func (x *Index) forgetUnnamed(ctx context.Context, id string) error {
	_, err := x.d.w.ExecContext(ctx, `DELETE FROM uploads WHERE file = '+' || ?`, id)
	return err
}

// beginNaming begins to make names beside everybody else, until endNaming. The caller holds unlocking.
func (x *Index) beginNaming() {
	ctx, stop := context.WithCancel(x.d.base)
	x.stopNaming = stop
	x.naming.Go(func() {
		files, err := x.nameUnnamed(ctx)
		if files > 0 {
			x.log.Info("names of merged payments are listed", "db", x.d.path, "files", files)
		}
		for {
			if err != nil && ctx.Err() == nil && !errors.Is(err, ErrLocked) {
				x.log.Warn("names of payments are not listed yet, and questions for them are slow", "db", x.d.path, "err", err)
			}
			select {
			case <-x.marked:
			case <-ctx.Done():
				return
			}
			_, err = x.nameUnnamed(ctx)
		}
	})
}

// endNaming waits until nobody makes names any more: no longer than a part of one file's take. The caller holds unlocking, or is alone.
func (x *Index) endNaming() {
	if x.stopNaming != nil {
		x.stopNaming()
	}
	x.naming.Wait()
}

// wakeNaming says that a file was marked.
func (x *Index) wakeNaming() {
	select {
	case x.marked <- struct{}{}:
	default:
	}
}

// nameUnnamed takes the marks from all files, and says how many got names. Where the list is damaged they stay, for RenewNames.
func (x *Index) nameUnnamed(ctx context.Context) (files int, err error) {
	for more := true; more; {
		var named bool
		if named, more, err = x.nameNext(ctx); err != nil {
			return files, fmt.Errorf("indexer: names: %w", x.d.plain(err))
		}
		if named {
			files++
		}
	}
	return files, nil
}

// nameNext makes the names of the first marked file; more tells that there may be others.
func (x *Index) nameNext(ctx context.Context) (named, more bool, err error) {
	release, err := x.keepUp(ctx)
	if err != nil {
		return false, false, err
	}
	defer release()
	if x.nameless.Load() {
		return false, false, nil
	}
	var mark string
	err = x.d.r.QueryRowContext(ctx, `SELECT file FROM uploads WHERE file >= '+' AND file < ',' ORDER BY file LIMIT 1`).Scan(&mark)
	if errors.Is(err, sql.ErrNoRows) {
		return false, false, nil
	}
	if err != nil {
		return false, false, err
	}
	id := mark[len(unnamed):]
	if named, err = x.renewFile(ctx, id); named || err != nil || x.nameless.Load() {
		return named, named, err
	}
	return false, true, x.alone(func() error { // it is not worth segments, or its payments cannot be read, which verify tells
		return x.d.write(ctx, false, func(ctx context.Context) error { return x.forgetUnnamed(ctx, id) })
	})
}

// keepUp waits until nobody else checks or makes anew what is large, and keeps all others from it until release.
func (x *Index) keepUp(ctx context.Context) (release func(), err error) {
	select {
	case x.upkeep <- struct{}{}:
		return func() { <-x.upkeep }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
