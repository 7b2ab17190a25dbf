package indexer

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"
)

func newKey(t testing.TB) (k Key) {
	t.Helper()
	rand.Read(k[:])
	return k
}

// newDatabase opens an encrypted database with a table t(id, v, b) besides the usual ones.
func newDatabase(t testing.TB, path string, key Key) *database {
	t.Helper()
	d, err := openDatabase(t.Context(), path, key, "account")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.close() })
	mustExec(t, d.w, `CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, v TEXT NOT NULL, b BLOB)`)
	return d
}

type execer interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
}

func mustExec(t testing.TB, x execer, query string, args ...any) {
	t.Helper()
	if _, err := x.ExecContext(t.Context(), query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

type queryer interface {
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
}

// dump is all of table t, as text.
func dump(ctx context.Context, q queryer) (string, error) {
	rows, err := q.QueryContext(ctx, `SELECT id, v, b FROM t ORDER BY id`)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	var b strings.Builder
	for rows.Next() {
		var id int64
		var v string
		var x []byte
		if err := rows.Scan(&id, &v, &x); err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "%d %s %x\n", id, v, x)
	}
	return b.String(), rows.Err()
}

// TestPageRandom does the same random things to an encrypted and to a plain database, and compares.
func TestPageRandom(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	key := newKey(t)
	plain, err := sql.Open("sqlite3", "file:"+filepath.Join(t.TempDir(), "plain.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	plain.SetMaxOpenConns(1)
	mustExec(t, plain, `CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT NOT NULL, b BLOB)`)
	d := newDatabase(t, path, key)
	r := mrand.New(mrand.NewPCG(1, 2))
	both := func(query string, args ...any) {
		t.Helper()
		mustExec(t, plain, query, args...)
		mustExec(t, d.w, query, args...)
	}
	same := func(step int) {
		t.Helper()
		want, err := dump(t.Context(), plain)
		if err != nil {
			t.Fatal(err)
		}
		for what, q := range map[string]queryer{"writer": d.w, "reader": d.r} {
			got, err := dump(t.Context(), q)
			if err != nil {
				t.Fatalf("step %d: %s: %v", step, what, err)
			}
			if got != want {
				t.Fatalf("step %d: %s sees other rows than the plain database", step, what)
			}
		}
	}
	for step := range 600 {
		switch n := r.IntN(100); {
		case n < 55:
			b := make([]byte, r.IntN([]int{10, 3000, 60000}[r.IntN(3)]))
			for i := range b {
				b[i] = byte(r.Uint32())
			}
			both(`INSERT OR REPLACE INTO t VALUES (?, ?, ?)`, r.IntN(300), fmt.Sprint("v", r.Uint64()), b)
		case n < 70:
			both(`UPDATE t SET v = v || ? WHERE id % 7 = ?`, fmt.Sprint(step), r.IntN(7))
		case n < 85:
			both(`DELETE FROM t WHERE id % 11 = ?`, r.IntN(11))
		case n < 88:
			both(`BEGIN IMMEDIATE`)
			both(`UPDATE t SET b = zeroblob(9000)`)
			both(`SAVEPOINT s`)
			both(`DELETE FROM t WHERE id % 2 = 0`)
			both(`ROLLBACK TO s`)
			both([]string{`COMMIT`, `ROLLBACK`}[r.IntN(2)])
		case n < 92:
			mustExec(t, d.w, `PRAGMA wal_checkpoint(TRUNCATE)`)
		case n < 94:
			mustExec(t, d.w, `VACUUM`)
		case n < 96:
			if err := d.close(); err != nil {
				t.Fatal(err)
			}
			d = newDatabase(t, path, key)
		default:
			same(step)
		}
	}
	same(-1)
	var ok string
	if err := d.w.QueryRowContext(t.Context(), `PRAGMA integrity_check`).Scan(&ok); err != nil || ok != "ok" {
		t.Fatalf("integrity_check: %q, %v", ok, err)
	}
}

func TestPageWrongKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	key := newKey(t)
	d := newDatabase(t, path, key)
	mustExec(t, d.w, `INSERT INTO t VALUES (1, 'one', NULL)`)
	if err := d.close(); err != nil {
		t.Fatal(err)
	}
	_, err := openDatabase(t.Context(), path, newKey(t), "account")
	if !errors.Is(err, ErrKey) || errors.Is(err, ErrDamaged) {
		t.Errorf("wrong key: %v", err)
	}
	if want := "the unlock key does not open " + path; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	// Without our VFS, and with a handle that is none.
	for _, dsn := range []string{"file:" + path, "file:" + path + "?vfs=sealgate", "file:" + path + "?vfs=sealgate&sealgate=77777"} {
		db, err := sql.Open("sqlite3", dsn)
		if err != nil {
			t.Fatal(err)
		}
		if s, err := dump(t.Context(), db); err == nil {
			t.Errorf("%s reads %q", dsn, s)
		}
		db.Close()
	}
	plain := filepath.Join(t.TempDir(), "plain.db")
	if err := os.WriteFile(plain, append([]byte("SQLite format 3\x00"), make([]byte, 8176)...), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openDatabase(t.Context(), plain, key, "account"); !errors.Is(err, ErrKey) {
		t.Errorf("plain database: %v", err)
	}
	if d = newDatabase(t, path, key); d == nil {
		t.Fatal("the right key does not open it any more")
	}
}

// TestPageClosed: after close a connection that somebody kept cannot read another page.
func TestPageClosed(t *testing.T) {
	d := newDatabase(t, filepath.Join(t.TempDir(), "x.db"), newKey(t))
	d.key.forget()
	if _, err := dump(t.Context(), d.r); err == nil {
		t.Error("a page was opened with a forgotten key")
	}
	if d.key.secret != [32]byte{} {
		t.Error("the secret is not zeroed")
	}
}

// TestPageMarker looks for a row's text in all files, while the log is full, after it was emptied, and in a copy.
func TestPageMarker(t *testing.T) {
	const marker = "Marker-7f3a91-Payee"
	dir := t.TempDir()
	path := filepath.Join(dir, "x.db")
	d := newDatabase(t, path, newKey(t))
	u := utf16.Encode([]rune(marker))
	var le, be []byte
	for _, c := range u {
		le, be = append(le, byte(c), byte(c>>8)), append(be, byte(c>>8), byte(c))
	}
	needles := [][]byte{[]byte(marker), le, be, []byte(hex.EncodeToString([]byte(marker))), []byte("SQLite format 3"), []byte("CREATE TABLE")}
	for i := range 3 {
		needles = append(needles, []byte(base64.StdEncoding.EncodeToString([]byte("xx"[:i] + marker)))[4:20])
	}
	look := func(when string, want ...string) {
		t.Helper()
		seen := map[string]bool{}
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			seen[e.Name()] = true
			b := readAll(t, filepath.Join(dir, e.Name()))
			for _, n := range needles {
				if bytes.Contains(b, n) {
					t.Errorf("%s: %q in %s", when, n, e.Name())
				}
			}
			if fi, _ := e.Info(); fi.Mode().Perm() != 0o600 {
				t.Errorf("%s: %s has mode %v", when, e.Name(), fi.Mode())
			}
		}
		for _, w := range want {
			if !seen[w] {
				t.Errorf("%s: no file %s was looked at", when, w)
			}
		}
	}
	for i := range 200 {
		mustExec(t, d.w, `INSERT INTO t VALUES (?, ?, ?)`, i, marker+fmt.Sprint(i), []byte(marker))
	}
	look("in the log", "x.db", "x.db-wal", "x.db-shm")
	mustExec(t, d.w, `PRAGMA cache_size = 10`)
	mustExec(t, d.w, `BEGIN IMMEDIATE`)
	mustExec(t, d.w, `UPDATE t SET v = v || v || v || v`)
	look("in the middle of a large transaction", "x.db-wal")
	mustExec(t, d.w, `COMMIT`)
	rows, err := d.w.QueryContext(t.Context(), `SELECT a.v FROM t a, t b ORDER BY a.v || b.id DESC LIMIT 1000`)
	if err != nil {
		t.Fatal(err)
	}
	rows.Next()
	look("while a large sort runs")
	rows.Close()
	mustExec(t, d.w, `PRAGMA wal_checkpoint(TRUNCATE)`)
	look("after the checkpoint", "x.db")
	mustExec(t, d.w, `VACUUM`)
	look("after VACUUM", "x.db")

	// A copy goes through the same VFS only if its address says so; to any other, nothing is written in clear.
	if _, err := d.w.ExecContext(t.Context(), `VACUUM INTO ?`, filepath.Join(dir, "clear.db")); err == nil {
		t.Error("VACUUM INTO made a copy without a key")
	}
	os.Remove(filepath.Join(dir, "clear.db"))
	copyPath := filepath.Join(dir, "copy.db")
	write(t, copyPath, nil)
	mustExec(t, d.w, `VACUUM INTO ?`, fmt.Sprintf("file:%s?vfs=sealgate&sealgate=%d", copyPath, uint64(d.handle)))
	look("after VACUUM INTO", "x.db", "copy.db")
	want, err := dump(t.Context(), d.w)
	if err != nil {
		t.Fatal(err)
	}
	d.handleCopy(t, copyPath, want)

	// A rollback journal, should SQLite ever write one.
	mustExec(t, d.w, `PRAGMA wal_checkpoint(TRUNCATE)`)
	d.r.Close()
	mustExec(t, d.w, `PRAGMA journal_mode = DELETE`)
	mustExec(t, d.w, `BEGIN IMMEDIATE`)
	mustExec(t, d.w, `UPDATE t SET v = v || v`)
	look("with a rollback journal", "x.db", "x.db-journal")
	mustExec(t, d.w, `ROLLBACK`)
	if got, err := dump(t.Context(), d.w); err != nil || got != want {
		t.Errorf("rolled back from a journal: other rows, %v", err)
	}
	look("after the rollback", "x.db")
}

// handleCopy opens a copy that was made under the same key and compares.
func (d *database) handleCopy(t *testing.T, path, want string) {
	t.Helper()
	c := &database{path: path, key: d.key, handle: d.handle}
	db := sql.OpenDB(&connector{d: c, cache: readerCache, hook: setUpReader})
	defer db.Close()
	got, err := dump(t.Context(), db)
	if err != nil || got != want {
		t.Errorf("the copy has other rows (%v)", err)
	}
}

func readAll(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t testing.TB, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestPageSpill: a transaction larger than the cache writes pages into the log, writes them again over themselves, and
// corrects the checksums in the frames' headers alone. A copy of the files as they then are (a crash) recovers it.
func TestPageSpill(t *testing.T) {
	dir, key := t.TempDir(), newKey(t)
	path := filepath.Join(dir, "x.db")
	d := newDatabase(t, path, key)
	mustExec(t, d.w, `PRAGMA cache_size = 10`)
	for range 3 {
		mustExec(t, d.w, `BEGIN IMMEDIATE`)
		for i := range 200 {
			mustExec(t, d.w, `INSERT OR REPLACE INTO t VALUES (?, ?, randomblob(900))`, i, "a")
		}
		mustExec(t, d.w, `UPDATE t SET v = v || 'b'`)
		mustExec(t, d.w, `SAVEPOINT s`)
		mustExec(t, d.w, `UPDATE t SET v = 'never'`)
		mustExec(t, d.w, `ROLLBACK TO s`)
		mustExec(t, d.w, `UPDATE t SET v = v || id, b = randomblob(700)`)
		mustExec(t, d.w, `COMMIT`)
		want, err := dump(t.Context(), d.w)
		if err != nil {
			t.Fatal(err)
		}
		p := filepath.Join(t.TempDir(), "y.db")
		write(t, p, readAll(t, path))
		write(t, p+"-wal", readAll(t, path+"-wal"))
		c := newDatabase(t, p, key)
		if got, err := dump(t.Context(), c.r); err != nil || got != want {
			t.Errorf("recovered other rows (%v)", err)
		}
	}
}

// TestPageAhead: pages that were read ahead of a scan are never taken for those of a later transaction, after whatever came in between:
// a checkpoint by another connection or by its own, a VACUUM, a shorter file.
func TestPageAhead(t *testing.T) {
	d := newDatabase(t, filepath.Join(t.TempDir(), "index.db"), newKey(t))
	d.r.SetMaxOpenConns(1) // one file, and what it has read ahead; hardly anything is kept besides
	mustExec(t, d.r, `PRAGMA cache_size = 1`)
	blob := make([]byte, 3000)
	for i := range 64 { // each a page; what is behind it is read with it
		mustExec(t, d.w, `INSERT INTO t (id, v, b) VALUES (?, 'first', ?)`, i, blob)
	}
	checkpointed := func(x execer) { mustExec(t, x, `PRAGMA wal_checkpoint(TRUNCATE)`) }
	seen := func(want string, rows int) {
		t.Helper()
		for _, to := range []int{rows, 9, 7, 5} { // where the last ends, the first pages are left of what was read ahead
			var n, as int
			err := d.r.QueryRowContext(t.Context(), `SELECT count(*), count(*) FILTER (WHERE v = ? AND length(b) = 3000) FROM t WHERE id < ?`, want, to).Scan(&n, &as)
			if err != nil || n != min(to, rows) || as != n {
				t.Errorf("%q: of %d rows %d are there and %d as they should be: %v", want, to, n, as, err)
			}
		}
	}
	checkpointed(d.w)
	seen("first", 64)
	mustExec(t, d.w, `UPDATE t SET v = 'other'`)
	seen("other", 64) // from the log
	checkpointed(d.w)
	seen("other", 64)
	mustExec(t, d.w, `UPDATE t SET v = 'third'`)
	checkpointed(d.r)
	seen("third", 64)
	mustExec(t, d.w, `DELETE FROM t WHERE id >= 20`)
	mustExec(t, d.w, `VACUUM`)
	checkpointed(d.w)
	seen("third", 20)
}
