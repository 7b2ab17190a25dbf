package indexer

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/sealgate/sealgate/indexer/formats"
)

// TestPragmas: they are right on every connection, also on one that the pool opened later.
func TestPragmas(t *testing.T) {
	x := newIndex(t)
	for range readers {
		c, err := x.d.r.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		check(t, c, "1", "-512")
	}
	check(t, x.d.w, "0", "-2048")
}

func check(t *testing.T, q queryer, only, cache string) {
	t.Helper()
	for query, want := range map[string]string{
		`PRAGMA journal_mode`: "wal", `PRAGMA synchronous`: "2", `PRAGMA foreign_keys`: "1", `PRAGMA temp_store`: "2", `PRAGMA page_size`: "4096",
		`PRAGMA busy_timeout`: "10000", `PRAGMA trusted_schema`: "0", `PRAGMA query_only`: only, `PRAGMA cache_size`: cache, `PRAGMA mmap_size = 1000000`: "0",
	} {
		rows, err := q.QueryContext(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		var got string
		if !rows.Next() || rows.Scan(&got) != nil || got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
		rows.Close()
	}
}

// TestReadBesideWriters: questions and commits do not get into each other's way, and a slow reader does not keep the log
// from being emptied.
func TestReadBesideWriters(t *testing.T) {
	x := newIndex(t)
	commitPayments(t, x, "first", epoch.Add(time.Hour), 3000, nil)
	slow := 0
	for _, err := range x.FindPayments(t.Context(), PaymentFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		if slow++; slow > 1 {
			continue
		}
		// In the middle of the answer: much is written, and read.
		var wg sync.WaitGroup
		for w := range 4 {
			wg.Go(func() {
				for i := range 20 {
					commitPayments(t, x, fmt.Sprint(w, " ", i), epoch, 1500, nil)
				}
			})
			wg.Go(func() {
				for range 20 {
					for _, err := range x.Files(t.Context(), FileFilter{}) {
						if err != nil {
							t.Error(err)
						}
					}
					if len(payments(t, x, PaymentFilter{EndToEndID: "E2E-0000007"})) == 0 {
						t.Error("a payment is not found")
					}
				}
			})
		}
		wg.Wait()
		x.running.Wait()
		var busy, log, copied int
		if err := x.d.w.QueryRowContext(t.Context(), `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &log, &copied); err != nil || busy != 0 {
			t.Errorf("the log cannot be emptied: busy %d, %v", busy, err)
		}
	}
	if slow < 3000 {
		t.Errorf("%d payments", slow)
	}
	sound(t, x)
}

// TestCommitFull: a full disk (here: a database that may not grow) is an error, takes nothing, and passes.
func TestCommitFull(t *testing.T) {
	x := newIndex(t)
	commit(t, x, &Delivery{File: newFile(t, "before", epoch)})
	mustExec(t, x.d.w, `PRAGMA max_page_count = 1`) // that is, of as many as there are
	p := x.NewPayments(newID(epoch))
	var err error
	for i := int64(1); err == nil && i < 100*blockPayments; i++ {
		err = p.Add(&formats.Payment{Index: i, Reference: fmt.Append(nil, newID(epoch))})
	}
	if !errors.Is(err, ErrFull) || p.Add(&formats.Payment{}) != err {
		t.Errorf("payments: %v", err)
	}
	f := newFile(t, "full", epoch)
	if err := x.Commit(t.Context(), &Delivery{File: f, Copy: make([]byte, MaxCopy)}); !errors.Is(err, ErrFull) || f.Ledger.Seq != 0 {
		t.Errorf("commit: %v", err)
	}
	mustExec(t, x.d.w, `PRAGMA max_page_count = 1000000`)
	if err := p.Discard(); err != nil {
		t.Error(err)
	}
	commit(t, x, &Delivery{File: f, Copy: make([]byte, MaxCopy)})
	if err := x.Commit(t.Context(), &Delivery{File: newFile(t, "x", epoch), Copy: make([]byte, MaxCopy+1)}); err == nil {
		t.Error("a copy that is too large was taken")
	}
	if f.Ledger.Seq != 2 {
		t.Errorf("ledger row %d", f.Ledger.Seq)
	}
	sound(t, x)
}
