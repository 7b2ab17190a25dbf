package indexer

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/mattn/go-sqlite3"
)

// TestPageAttach: two databases with a key each are read and written in one transaction, and neither in clear; a plain file is attached to
// neither, and makes none.
func TestPageAttach(t *testing.T) {
	dir := t.TempDir()
	a, b := newDatabase(t, filepath.Join(dir, "a.db"), newKey(t)), newDatabase(t, filepath.Join(dir, "b.db"), newKey(t))
	for i := range 300 {
		mustExec(t, a.w, `INSERT INTO t VALUES (?, ?, randomblob(900))`, i, fmt.Sprint("row ", i))
	}
	attach := func(path, parameters string) error {
		_, err := a.w.ExecContext(t.Context(), `ATTACH ? AS other`, address(path, parameters))
		return err
	}
	with := func(handle any) string { return fmt.Sprintf("vfs=sealgate&sealgate=%d", handle) }
	if err := attach(b.path, with(uint64(a.handle))); err == nil {
		mustExec(t, a.w, `DETACH other`)
		t.Error("b is attached with the key of a")
	}
	if err := attach(b.path, with(uint64(b.handle))); err != nil {
		t.Fatal(err)
	}
	for _, end := range []string{`ROLLBACK`, `COMMIT`} {
		mustExec(t, a.w, `BEGIN IMMEDIATE`)
		mustExec(t, a.w, `INSERT INTO other.t SELECT id, v, b FROM main.t`)
		mustExec(t, a.w, `DELETE FROM main.t WHERE id % 2 = 0`)
		mustExec(t, a.w, end)
		var n, m int
		if err := a.w.QueryRowContext(t.Context(), `SELECT (SELECT count(*) FROM main.t), (SELECT count(*) FROM other.t)`).Scan(&n, &m); err != nil {
			t.Fatal(err)
		}
		if want := map[string][2]int{`ROLLBACK`: {300, 0}, `COMMIT`: {150, 300}}[end]; want != [2]int{n, m} {
			t.Errorf("after %s: %d and %d rows, want %v", end, n, m, want)
		}
	}
	mustExec(t, a.w, `DETACH other`)
	if s, err := dump(t.Context(), b.r); err != nil || len(s) < 300*1800 {
		t.Errorf("b has %d bytes of rows, %v", len(s), err)
	}
	clear := filepath.Join(dir, "clear.db")
	if _, err := a.w.ExecContext(t.Context(), `ATTACH ? AS other; CREATE TABLE other.t AS SELECT * FROM main.t`, clear); err == nil {
		t.Error("a file without a key is attached")
	}
	if b, err := os.ReadFile(clear); err == nil && len(b) > 0 {
		t.Errorf("%d bytes were written in clear", len(b))
	}
}

// TestPageBackup: SQLite's own backup, page by page while rows are written, gives the same rows under another key.
func TestPageBackup(t *testing.T) {
	dir := t.TempDir()
	from, to := newDatabase(t, filepath.Join(dir, "from.db"), newKey(t)), newDatabase(t, filepath.Join(dir, "to.db"), newKey(t))
	for i := range 500 {
		mustExec(t, from.w, `INSERT INTO t VALUES (?, ?, randomblob(900))`, i, fmt.Sprint("row ", i))
	}
	reader, err := from.r.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	err = to.w.Raw(func(dst any) error {
		return reader.Raw(func(src any) error {
			backup, err := dst.(*sqlite3.SQLiteConn).Backup("main", src.(*sqlite3.SQLiteConn), "main")
			if err != nil {
				return err
			}
			for step, done := 0, false; !done; step++ {
				if done, err = backup.Step(7); err != nil {
					return errors.Join(err, backup.Close())
				}
				if step < 5 { // it begins again after each of these
					mustExec(t, from.w, `UPDATE t SET v = v || '.' WHERE id % 9 = ?`, step)
				}
			}
			return backup.Close()
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	want, err := dump(t.Context(), from.w)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := dump(t.Context(), to.w); err != nil || got != want {
		t.Errorf("the copy has other rows, %v", err)
	}
	var ok string
	if err := to.w.QueryRowContext(t.Context(), `PRAGMA integrity_check`).Scan(&ok); err != nil || ok != "ok" {
		t.Errorf("integrity_check: %q, %v", ok, err)
	}
	if err := to.close(); err != nil {
		t.Fatal(err)
	}
	if db, err := sql.Open("sqlite3", "file:"+filepath.Join(dir, "to.db")); err == nil {
		if _, err := dump(t.Context(), db); err == nil {
			t.Error("the copy is in clear")
		}
		db.Close()
	}
}
