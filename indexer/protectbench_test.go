package indexer

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealgate/sealgate/indexer/formats"
)

// rounds is how often each side of a comparison has its turn.
const rounds = 15

// compare lets two sides take turns, and reports the second's time as a multiple of the first's: by the clock and by the processor.
// The median of the rounds' ratios counts, since machines are fast and slow by turns.
func compare(b *testing.B, first, second func(round int)) {
	b.Helper()
	var clock, processor []float64
	measure := func(run func(int), round int) (wall, used float64) {
		start, before := time.Now(), cpu()
		run(round)
		return time.Since(start).Seconds(), cpu() - before
	}
	for round := range rounds {
		wall, used := measure(first, round)
		wall2, used2 := measure(second, round)
		clock, processor = append(clock, wall2/wall), append(processor, used2/used)
	}
	median := func(x []float64) float64 { slices.Sort(x); return x[len(x)/2] }
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(clock), "x-clock")
	b.ReportMetric(median(processor), "x-cpu")
}

// plainWriter is a connection to a plain database, with the pragmas of an encrypted one.
func plainWriter(b *testing.B) *sql.Conn {
	b.Helper()
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(b.TempDir(), "plain.db")+
		"?_journal_mode=WAL&_synchronous=FULL&_cache_size="+writerCache+"&_stmt_cache_size=64")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	w, err := db.Conn(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	mustExec(b, w, `PRAGMA wal_autocheckpoint = 0; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON`)
	mustExec(b, w, `CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT NOT NULL, b BLOB)`)
	return w
}

// BenchmarkEncrypted compares the encrypted database with a plain one: 30,000 rows in one transaction, scans that no cache holds,
// and 100 durable commits.
func BenchmarkEncrypted(b *testing.B) {
	plain := plainWriter(b)
	sealed := newDatabase(b, filepath.Join(b.TempDir(), "sealed.db"), newKey(b)).w
	blob := []byte(strings.Repeat("sealed copy ", 8))
	id := 0
	insert := func(w *sql.Conn) func(int) {
		return func(int) {
			mustExec(b, w, `BEGIN IMMEDIATE`)
			for range 30_000 {
				id++
				mustExec(b, w, `INSERT INTO t VALUES (?, ?, ?)`, id, "a payment of a hundred bytes or so", blob)
			}
			mustExec(b, w, `COMMIT`)
			mustExec(b, w, `PRAGMA wal_checkpoint(TRUNCATE)`)
		}
	}
	scan := func(w *sql.Conn) func(int) {
		return func(int) {
			for range 10 {
				var n int64
				if err := w.QueryRowContext(b.Context(), `SELECT sum(length(v) + length(b)) FROM t`).Scan(&n); err != nil || n == 0 {
					b.Fatal(err)
				}
			}
		}
	}
	commit := func(w *sql.Conn) func(int) {
		return func(int) {
			for range 100 {
				id++
				mustExec(b, w, `INSERT INTO t VALUES (?, 'one', ?)`, id, blob)
			}
		}
	}
	b.Run("inserts", func(b *testing.B) { compare(b, insert(plain), insert(sealed)) })
	b.Run("scans", func(b *testing.B) { compare(b, scan(plain), scan(sealed)) })
	b.Run("commits", func(b *testing.B) { compare(b, commit(plain), commit(sealed)) })
}

// BenchmarkLockedIngest compares deliveries into a locked account's log with those into an index that is not protected: small ones by
// one and by fifty writers, and one of 200,000 payments.
func BenchmarkLockedIngest(b *testing.B) {
	open, locked := newIndex(b), newSafe(b).protected(b)
	var next atomic.Int64
	small := func(x *Index, writers, each int) func(int) {
		return func(int) {
			var wg sync.WaitGroup
			for range writers {
				wg.Go(func() {
					for range each {
						i := next.Add(1)
						f := newFile(b, fmt.Sprint(i), epoch.Add(time.Duration(i)*time.Millisecond))
						p := x.NewPayments(f.ID)
						p.Add(&formats.Payment{Index: 1, EndToEndID: []byte(f.ID), Amount: f.Facts.Totals[0].Amount, Currency: []byte("SEK")})
						if err := x.Commit(context.WithoutCancel(b.Context()), &Delivery{File: f, Copy: make([]byte, 4096), Payments: p, Window: time.Hour, Judge: func(Earlier) {}}); err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
		}
	}
	large := func(x *Index) func(int) {
		return func(int) {
			f, m := newFile(b, fmt.Sprint(next.Add(1)), epoch), newPayroll()
			p := x.NewPayments(f.ID)
			for i := range int64(200_000) {
				if err := p.Add(m.next(i + 1)); err != nil {
					b.Fatal(err)
				}
			}
			commit(b, x, &Delivery{File: f, Payments: p})
		}
	}
	b.Run("writers=1", func(b *testing.B) { compare(b, small(open, 1, 200), small(locked, 1, 200)) })
	b.Run("writers=50", func(b *testing.B) { compare(b, small(open, 50, 20), small(locked, 50, 20)) })
	b.Run("large", func(b *testing.B) { compare(b, large(open), large(locked)) })
}
