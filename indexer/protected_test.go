package indexer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mattn/go-sqlite3"

	"github.com/sealgate/sealgate/indexer/formats"
	"github.com/sealgate/sealgate/vault"
)

// safe is a protected account: its folder, and the keys that its gateway has and those that it has not.
type safe struct {
	dir    string
	key    Key // of the index before it was protected, and of the log
	sealer Sealer
	opener *vault.PrivateKey
}

func newSafe(t testing.TB) *safe {
	t.Helper()
	cert, keyPEM, err := vault.NewCertificate("acme", "p-256", time.Now().Add(-time.Hour), 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return safeOf(t, t.TempDir(), newKey(t), cert, keyPEM)
}

func safeOf(t testing.TB, dir string, key Key, certPEM, keyPEM []byte) *safe {
	t.Helper()
	cert, err := vault.ParseCertificate(certPEM)
	if err != nil {
		t.Fatal(err)
	}
	seal, err := vault.NewSeal(cert, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &safe{dir: dir, key: key}
	s.sealer = func(secret []byte) ([]byte, error) { b, _, err := seal.SealBytes(secret); return b, err }
	if s.opener, err = vault.ParsePrivateKey(keyPEM, nil); err != nil {
		t.Fatal(err)
	}
	return s
}

// protected makes an empty index and protects it.
func (s *safe) protected(t testing.TB) *Index {
	t.Helper()
	openIndex(t, filepath.Join(s.dir, indexName), s.key).Close()
	if err := Protect(t.Context(), s.dir, s.key, s.key, s.sealer); err != nil {
		t.Fatal(err)
	}
	return s.open(t)
}

func (s *safe) open(t testing.TB) *Index {
	t.Helper()
	if err := Settle(s.dir); err != nil {
		t.Fatal(err)
	}
	x, err := OpenProtected(t.Context(), s.dir, s.key, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close() })
	return x
}

// own opens the index's key, as the operator's command does.
func (s *safe) own(t testing.TB, x *Index) Key {
	t.Helper()
	list, err := x.SealedKeys()
	if err != nil {
		t.Fatal(err)
	}
	sealed := list[0]
	var key bytes.Buffer
	if err := vault.OpenSealed(&key, bytes.NewReader(sealed), int64(len(sealed)), s.opener, nil); err != nil {
		t.Fatal(err)
	}
	return Key(key.Bytes())
}

func (s *safe) unlock(t testing.TB, x *Index) int {
	t.Helper()
	n, err := x.Unlock(t.Context(), new(s.own(t, x)))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestProtectedLikePlain does the same things to a plain index and to a protected one that is locked and unlocked in between: at
// the end both hold the same files, payments and copies, in chains of the same length.
func TestProtectedLikePlain(t *testing.T) {
	plain, s := newIndex(t), newSafe(t)
	x := s.protected(t)
	if _, err := x.Head(t.Context()); !errors.Is(err, ErrLocked) || !x.Locked() {
		t.Fatalf("it is not locked: %v", err)
	}
	type pair struct{ want, got *File }
	var pairs []pair
	deliver := func(i int) {
		var p pair
		for _, side := range []struct {
			x *Index
			f **File
		}{{plain, &p.want}, {x, &p.got}} {
			f := newFile(t, fmt.Sprint("file ", i%40), epoch.Add(time.Duration(i)*time.Second))
			f.Verdict = []Verdict{Accepted, Accepted, Held, Rejected}[i%4]
			d := &Delivery{File: f, Copy: fmt.Append(nil, "copy ", i), Window: time.Hour, Payments: side.x.NewPayments(f.ID), Receipt: "r", Receipts: []string{"bank"}}
			d.Judge = func(e Earlier) {
				if e.Content != "" {
					f.DuplicateOf, f.Verdict = e.Content, Held
				}
			}
			n := int64(1 + i%3)
			if i%10 == 0 {
				n = 9000
			}
			addPayments(t, d.Payments, 1, n, nil)
			f.Facts.Payments = n
			f.Facts.Totals[0].Amount = formats.AmountFromMinor(100*n, 2)
			commit(t, side.x, d)
			*side.f = f
		}
		if (p.want.DuplicateOf == "") != (p.got.DuplicateOf == "") || p.want.Ledger.Seq != p.got.Ledger.Seq {
			t.Errorf("file %d: duplicate %q, row %d; protected %q, %d", i, p.want.DuplicateOf, p.want.Ledger.Seq, p.got.DuplicateOf, p.got.Ledger.Seq)
		}
		pairs = append(pairs, p)
	}
	for i := range 60 {
		deliver(i)
		if i == 20 || i == 45 {
			if n := s.unlock(t, x); n == 0 {
				t.Error("nothing was merged")
			}
			if w, err := x.Waiting(t.Context()); err != nil || w != (Waiting{}) {
				t.Errorf("after the merge there waits %+v, %v", w, err)
			}
			sound(t, x)
		}
		if i == 30 {
			for _, side := range []struct {
				x *Index
				f *File
			}{{plain, pairs[2].want}, {x, pairs[2].got}} {
				if _, err := side.x.Decide(t.Context(), side.f.ID, Ruling{Verdict: Rejected, Why: "no", Who: "u1"}); err != nil {
					t.Fatal(err)
				}
			}
			if err := x.Lock(); err != nil {
				t.Fatal(err)
			}
		}
	}
	w, err := x.Waiting(t.Context())
	if err != nil || w.Deliveries != 0 {
		t.Errorf("while it is open %+v waits, %v", w, err)
	}
	if err := x.Lock(); err != nil {
		t.Fatal(err)
	}
	x.Close()
	x = s.open(t)
	s.unlock(t, x)
	sound(t, x)
	opt := cmp.Comparer(func(a, b formats.Amount) bool { return a.String() == b.String() })
	for _, p := range pairs {
		want, got := find(t, plain, p.want.ID), find(t, x, p.got.ID)
		if !strings.EqualFold(got.Ledger.Hash, p.got.Ledger.Hash) && p.got.ID != pairs[2].got.ID {
			t.Errorf("%s: the receipt had row %s, the index has %s", got.ID, p.got.Ledger.Hash, got.Ledger.Hash)
		}
		if len(payments(t, x, PaymentFilter{FileID: got.ID})) != len(payments(t, plain, PaymentFilter{FileID: want.ID})) {
			t.Errorf("%s has other payments", got.ID)
		}
		a, errA := plain.CopyOf(t.Context(), want.ID)
		b, errB := x.CopyOf(t.Context(), got.ID)
		if !bytes.Equal(a, b) || (errA == nil) != (errB == nil) {
			t.Errorf("%s: copy %q, %v; want %q, %v", got.ID, b, errB, a, errA)
		}
		got.ID, got.Ledger.Hash, got.DuplicateOf = want.ID, want.Ledger.Hash, want.DuplicateOf
		if diff := cmp.Diff(want, got, opt); diff != "" {
			t.Errorf("-plain +protected:\n%s", diff)
		}
	}
	named := func() int { return len(payments(t, x, PaymentFilter{Name: "payee 7"})) }
	want := len(payments(t, plain, PaymentFilter{Name: "payee 7"}))
	if named() != want || want == 0 {
		t.Errorf("%d payments are found by a name, want %d", named(), want)
	}
	if _, err := x.RenewNames(t.Context()); err != nil || named() != want {
		t.Errorf("with a list of names %d are found, %v", named(), err)
	}
	sound(t, x)
	for _, query := range []string{`SELECT count(*) FROM sends`, `SELECT count(*) FROM blocks`, `SELECT count(*) FROM ledger`, `SELECT count(*) FROM copies`, `SELECT count(*) FROM uploads`} {
		if a, b := count(t, plain, query), count(t, x, query); a != b {
			t.Errorf("%s: %d, want %d", query, b, a)
		}
	}
}

// TestProtectedLocked: what a locked index does, what it refuses, and what is told of it.
func TestProtectedLocked(t *testing.T) {
	s := newSafe(t)
	x := s.protected(t)
	f := newFile(t, "one", epoch)
	f.Reasons = []Reason{{"duplicate-content", "secret detail"}}
	commit(t, x, &Delivery{File: f})
	if err := x.Rename(t.Context(), f.ID, "other.xml", "u1"); err != nil {
		t.Error(err)
	}
	if err := x.Rename(t.Context(), newID(epoch), "other.xml", "u1"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a file that is not there: %v", err)
	}
	if _, err := x.Note(t.Context(), "hidden", f.ID, "u1", ""); err != nil {
		t.Error(err)
	}
	for what, err := range map[string]error{
		"decide": second(x.Decide(t.Context(), f.ID, Ruling{Verdict: Accepted})), "find": second(x.Find(t.Context(), f.ID)), "outbox": second(x.Outbox(t.Context())),
		"copy": second(x.CopyOf(t.Context(), f.ID)), "queues": second(x.Queues(t.Context())), "head": second(x.Head(t.Context())),
		"pieces": x.AddOutboxPieces(t.Context(), "x", strings.NewReader("content")), "remove": x.RemoveOutbox(t.Context(), "x", "u"),
		"verify": x.Verify(t.Context(), func(what, problem string) { t.Errorf("%s: %s", what, problem) }),
	} {
		if !errors.Is(err, ErrLocked) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := x.Commit(t.Context(), &Delivery{File: f}); !errors.Is(err, ErrExists) {
		t.Errorf("the same id again: %v", err)
	}
	list, err := x.Brief(t.Context(), FileFilter{})
	if err != nil || len(list) != 1 || list[0].ID != f.ID || list[0].Size != f.Size || list[0].Ledger != f.Ledger || list[0].Reasons[0].Detail != "" || list[0].Name != "" {
		t.Errorf("known: %+v, %v", list, err)
	}
	typed := strings.NewReplacer("0", "o", "1", "l").Replace(f.ID) // as somebody reads it
	if list, err = x.BriefOf(t.Context(), typed+" "); err != nil || len(list) != 1 {
		t.Fatalf("%d files are %s, %v", len(list), typed, err)
	}
	for until, want := range map[time.Time]int{f.ReceivedAt: 0, f.ReceivedAt.Add(time.Microsecond): 1} {
		if list, err = x.Brief(t.Context(), FileFilter{Until: until}); err != nil || len(list) != want {
			t.Errorf("until %v: %+v, %v", until, list, err)
		}
	}
	if list, err = x.BriefOf(t.Context(), f.ID[18:]); err != nil || len(list) != 1 {
		t.Errorf("by its ending: %v, %v", list, err)
	}
	if w, err := x.Waiting(t.Context()); err != nil || w.Deliveries != 1 || w.Since.IsZero() {
		t.Errorf("waiting: %+v, %v", w, err)
	}
	fetched := newFile(t, "fetched", epoch) // the poller knows by the hash of such a one whether it lies there still
	fetched.Door, fetched.User = "remote:bank", ""
	commit(t, x, &Delivery{File: fetched})
	for door, want := range map[string]string{"sftp": "", "remote:bank": fetched.SHA256} {
		if list, err = x.Brief(t.Context(), FileFilter{Door: door}); err != nil || len(list) != 1 || list[0].SHA256 != want {
			t.Errorf("through %s: %+v, %v", door, list, err)
		}
	}
	if _, err := x.Unlock(t.Context(), new(newKey(t))); !errors.Is(err, ErrKey) || !x.Locked() {
		t.Errorf("a wrong key: %v", err)
	}
	s.unlock(t, x)
	if got := find(t, x, f.ID); got.Name != "other.xml" {
		t.Errorf("it is called %s", got.Name)
	}
	if rows, err := x.History(t.Context(), fetched.ID); err != nil || len(rows) != 1 || rows[0].Who != "remote:bank" {
		t.Errorf("who brought it: %+v, %v", rows, err)
	}
	sound(t, x)
	if _, err := x.Unlock(t.Context(), new(newKey(t))); !errors.Is(err, ErrKey) || x.Locked() {
		t.Errorf("a wrong key for an open one: %v", err)
	}
	if err := x.Lock(); err != nil || x.d.key.secret != (Key{}) || !x.d.key.forgotten() {
		t.Errorf("its key is not zeroed: %v", err)
	}
	if _, err := x.Find(t.Context(), f.ID); !errors.Is(err, ErrLocked) {
		t.Errorf("after the lock: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

// TestProtectedRatchet: the state of the process and the whole disk do not open what was written a record earlier. What the
// process writes next opens, so that the test could see it.
func TestProtectedRatchet(t *testing.T) {
	s := newSafe(t)
	x := s.protected(t)
	commit(t, x, &Delivery{File: newFile(t, "first", epoch), Copy: []byte("small copy of the first")})
	stolen := *x.sealedLog.ratchet // the memory of the locked process, at this moment
	commit(t, x, &Delivery{File: newFile(t, "second", epoch), Copy: []byte("small copy of the second")})
	opened := 0
	rows, err := x.sealedLog.d.r.QueryContext(t.Context(), `SELECT n, s, step, data FROM records ORDER BY n`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var r logRow
		if err := rows.Scan(&r.n, &r.segment, &r.step, &r.data); err != nil {
			t.Fatal(err)
		}
		for ahead := range int64(20) { // whatever step one takes it for
			state := stolen
			state.step = r.step - ahead
			plain, err := state.open(r.step, r.data)
			if err != nil {
				continue
			}
			if opened++; bytes.Contains(plain, []byte("first")) {
				t.Error("the first record was opened")
			}
		}
	}
	if opened != 1 {
		t.Errorf("%d records were opened, want the second one only", opened)
	}
	// Nor is what the records hold anywhere else in that state, or under the unlock key in the log.
	look := func(what string, b []byte) {
		for _, secret := range []string{"first", "second", "Acme AB", "MSG-", "1250", "SE4550000000058398257466"} {
			if bytes.Contains(b, []byte(secret)) {
				t.Errorf("%s has %q", what, secret)
			}
		}
	}
	look("the state", []byte(fmt.Sprintf("%+v %+v", *x.sealedLog, stolen)))
	clear := filepath.Join(t.TempDir(), "log.db")
	if err := x.alone(func() error { return x.sealedLog.d.copyInto(t.Context(), clear, "vfs=unix") }); err != nil {
		t.Fatal(err)
	}
	look("the log, decrypted with the unlock key", readAll(t, clear))
}

// TestProtectedSecretsAreMade: the key of a large file's payments, and what hides its new name in the ledger, can be had from no program.
func TestProtectedSecretsAreMade(t *testing.T) {
	s := newSafe(t)
	x := s.protected(t)
	f := newFile(t, "large", epoch)
	p := x.NewPayments(f.ID)
	addPayments(t, p, 1, 9000, nil)
	commit(t, x, &Delivery{File: f, Payments: p})
	if err := x.Rename(t.Context(), f.ID, "other.xml", "u1"); err != nil {
		t.Fatal(err)
	}
	var piece []byte
	if err := x.sealedLog.d.r.QueryRowContext(t.Context(), `SELECT data FROM pieces WHERE file = ? AND no = 0`, f.ID).Scan(&piece); err != nil {
		t.Fatal(err)
	}
	none, err := pieceCipher(make([]byte, len(Key{})))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := none.Open(nil, pieceNonce(0), piece, []byte(f.ID)); err == nil {
		t.Error("the payments are sealed with no key")
	}
	s.unlock(t, x)
	for _, e := range printed(t, x) {
		if e.Kind == kindRenamed && strings.Trim(e.Record, "0") == "" {
			t.Error("nothing hides the new name")
		}
	}
}

// TestProtectedPiecesSwept: what an upload that died has left in the log goes at the next start; what waits to be merged stays.
func TestProtectedPiecesSwept(t *testing.T) {
	s := newSafe(t)
	x := s.protected(t)
	pieces := func(x *Index, file string) (n int) {
		err := x.sealedLog.d.r.QueryRowContext(t.Context(), `SELECT count(*) FROM pieces WHERE file = ?`, file).Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	f, died := newFile(t, "large", epoch), newID(epoch)
	p := x.NewPayments(f.ID)
	addPayments(t, p, 1, 9000, nil)
	commit(t, x, &Delivery{File: f, Payments: p})
	addPayments(t, x.NewPayments(died), 1, 9000, nil)
	kept, left := pieces(x, f.ID), pieces(x, died)
	if kept == 0 || left == 0 {
		t.Fatalf("%d and %d pieces", kept, left)
	}
	then := s.asOf(t)
	x = then.open(t)
	if a, b := pieces(x, f.ID), pieces(x, died); a != kept || b != 0 {
		t.Errorf("%d pieces of the file, want %d; %d of what died", a, kept, b)
	}
	then.unlock(t, x)
	if n := len(payments(t, x, PaymentFilter{FileID: f.ID})); n != 9000 {
		t.Errorf("%d payments", n)
	}
}

// TestProtectedLogDamage: a changed, exchanged or missing record is found when it is merged, and the index stays locked.
func TestProtectedLogDamage(t *testing.T) {
	for what, damage := range map[string]string{
		"changed":   `UPDATE records SET data = zeroblob(length(data)) WHERE n = 2`,
		"exchanged": `UPDATE records SET data = (SELECT data FROM records WHERE n = 1) WHERE n = 2`,
		"moved":     `UPDATE records SET step = step + 7 WHERE n = 2`,
		"removed":   `DELETE FROM records WHERE n = 2`,
		"segment":   `DELETE FROM segments`,
		"piece":     `DELETE FROM pieces`,
	} {
		t.Run(what, func(t *testing.T) {
			s := newSafe(t)
			x := s.protected(t)
			for i := range 3 {
				commit(t, x, &Delivery{File: newFile(t, fmt.Sprint(i), epoch)})
			}
			commitPayments(t, x, "large", epoch, 5000, nil)
			err := x.sealedLog.d.write(t.Context(), true, func(ctx context.Context) error {
				_, err := x.sealedLog.d.w.ExecContext(ctx, damage)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := x.Unlock(t.Context(), new(s.own(t, x))); !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrApart) || !x.Locked() {
				t.Errorf("it was merged, or is not told as damage: %v", err)
			}
		})
	}
}

// TestProtectedBesideUnlock: deliveries go on while it is unlocked and locked again and again.
func TestProtectedBesideUnlock(t *testing.T) {
	s := newSafe(t)
	x := s.protected(t)
	var mu sync.Mutex
	var ids []string
	stop := make(chan struct{})
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				n := int64(1)
				if w == 0 {
					n = 5000
				}
				f := commitPayments(t, x, fmt.Sprint(w, "-", i), epoch, n, nil)
				mu.Lock()
				ids = append(ids, f.ID)
				mu.Unlock()
			}
		})
	}
	for range 6 {
		s.unlock(t, x)
		for range 20 {
			for _, err := range x.Files(t.Context(), FileFilter{Limit: 50}) {
				if err != nil {
					t.Error(err)
				}
			}
		}
		if err := x.Lock(); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	writers.Wait()
	s.unlock(t, x)
	for _, id := range ids {
		find(t, x, id)
	}
	if n := count(t, x, `SELECT count(*) FROM files`); n != len(ids) {
		t.Errorf("%d files of %d", n, len(ids))
	}
	sound(t, x)
}

// TestProtectBothWays: protecting keeps every file, payment and row of the ledger, and so does unprotecting, with what waited.
func TestProtectBothWays(t *testing.T) {
	s := newSafe(t)
	path := filepath.Join(s.dir, indexName)
	x := openIndex(t, path, s.key)
	var files []*File
	for i := range 30 {
		files = append(files, commitPayments(t, x, fmt.Sprint(i), epoch.Add(time.Duration(i)*time.Minute), int64(1+i*50), nil))
	}
	x.Close()
	if err := Protect(t.Context(), s.dir, s.key, s.key, s.sealer); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), path, s.key, slog.New(slog.DiscardHandler)); !errors.Is(err, ErrKey) {
		t.Errorf("the unlock key still opens it: %v", err)
	}
	x = s.open(t)
	f := newFile(t, "7", epoch.Add(time.Hour))
	var earlier Earlier
	commit(t, x, &Delivery{File: f, Window: 2 * time.Hour, Judge: func(e Earlier) { earlier = e }})
	if earlier.Content != files[7].ID || f.Ledger.Seq != 31 {
		t.Errorf("earlier: %+v, row %d", earlier, f.Ledger.Seq)
	}
	own := s.own(t, x)
	x.Close()
	if err := Unprotect(t.Context(), s.dir, s.key, s.key, own, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	x = openIndex(t, path, s.key)
	for _, f := range append(files, f) {
		if got := find(t, x, f.ID); got.Ledger != f.Ledger {
			t.Errorf("%s: row %+v, want %+v", f.ID, got.Ledger, f.Ledger)
		}
	}
	sound(t, x)
	left, err := os.ReadDir(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range left {
		if name := e.Name(); name != indexName && name != indexName+"-wal" && name != indexName+"-shm" {
			t.Errorf("%s is left", name)
		}
	}
}

// TestProtectedUndone: everything stops after the log has a release and before the index has it. The next unlocking tells that it was
// not done, and the file is as it was; a delivery that came to the same end is merged.
func TestProtectedUndone(t *testing.T) {
	s := newSafe(t)
	x := s.protected(t)
	held := newFile(t, "held", epoch)
	held.Verdict = Held
	commit(t, x, &Delivery{File: held, Copy: []byte("copy")})
	s.unlock(t, x)
	then := *s
	then.dir = t.TempDir()
	keep := func(names ...string) {
		for _, name := range names {
			write(t, filepath.Join(then.dir, name), readAll(t, filepath.Join(s.dir, name)))
		}
	}
	keep(indexName, indexName+"-wal", keyName)
	if _, err := x.Decide(t.Context(), held.ID, Ruling{Verdict: Rejected, Why: "no", Who: "u1"}); err != nil {
		t.Fatal(err)
	}
	later := newFile(t, "later", epoch)
	commit(t, x, &Delivery{File: later})
	keep(logName, logName+"-wal")

	x = then.open(t)
	x.remember(t, held) // nothing was forgotten yet when it stopped there
	// Whether it was refused is not certain yet: what comes again is compared with it, lest both be released.
	again := newFile(t, "held", epoch.Add(time.Second))
	again.Verdict = Held
	var e Earlier
	commit(t, x, &Delivery{File: again, Window: time.Hour, Judge: func(found Earlier) { e = found }})
	if e != (Earlier{held.ID, held.ID, true, true}) {
		t.Errorf("the same content again is taken as if it were new: %+v", e)
	}
	then.unlock(t, x)
	if got := find(t, x, held.ID); got.Verdict != Held {
		t.Errorf("it is %s", got.Verdict)
	}
	find(t, x, later.ID)
	history, err := x.History(t.Context(), held.ID)
	if err != nil || len(history) != 3 || history[1].Kind != "refused" || history[2].Kind != "undone" || history[2].Detail != "row 2" {
		t.Errorf("its history: %v", err)
		for _, e := range history {
			t.Logf("%+v", e)
		}
	}
	if list, err := x.BriefOf(t.Context(), held.ID); err != nil || list[0].Verdict != Held {
		t.Errorf("the log takes it for %s, %v", list[0].Verdict, err)
	}
	// What was refused in truth is nothing that one is a duplicate of, unlocked or locked again.
	if _, err := x.Decide(t.Context(), held.ID, Ruling{Verdict: Rejected, Why: "no", Who: "u1"}); err != nil {
		t.Fatal(err)
	}
	if _, err := x.Decide(t.Context(), again.ID, Ruling{Verdict: Rejected, Why: "no", Who: "u1"}); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		third := newFile(t, "held", epoch.Add(time.Duration(i+2)*time.Second))
		third.Verdict = Rejected
		commit(t, x, &Delivery{File: third, Window: time.Hour, Judge: func(found Earlier) { e = found }})
		if e.Content != "" {
			t.Errorf("locked: %v: a duplicate of what was refused: %+v", x.Locked(), e)
		}
		if err := x.Lock(); err != nil {
			t.Fatal(err)
		}
	}
	then.unlock(t, x)
	sound(t, x)
}

// TestRekeyKeepsDuplicates: after a change of the unlock key the files before it are still seen as duplicates.
func TestRekeyKeepsDuplicates(t *testing.T) {
	s := newSafe(t)
	x := s.protected(t)
	first := newFile(t, "same", epoch)
	commit(t, x, &Delivery{File: first})
	x.Close()
	to := newKey(t)
	if err := Rekey(t.Context(), filepath.Join(s.dir, logName), s.key, to); err != nil {
		t.Fatal(err)
	}
	s.key = to
	x = s.open(t)
	for _, when := range []string{"locked", "unlocked"} {
		var earlier Earlier
		f := newFile(t, "same", epoch.Add(time.Minute))
		commit(t, x, &Delivery{File: f, Window: time.Hour, Judge: func(e Earlier) { earlier = e }})
		if earlier != (Earlier{Content: first.ID, Business: first.ID}) {
			t.Errorf("%s: earlier are %+v, want %s", when, earlier, first.ID)
		}
		s.unlock(t, x)
	}
}

// TestLogGone: a log that is gone, or was emptied, is not made anew.
func TestLogGone(t *testing.T) {
	for what, damage := range map[string]func(path string) error{
		"removed": os.Remove,
		"emptied": func(path string) error { return os.Truncate(path, 0) },
	} {
		t.Run(what, func(t *testing.T) {
			s := newSafe(t)
			x := s.protected(t)
			commit(t, x, &Delivery{File: newFile(t, "a", epoch)})
			s.unlock(t, x)
			x.Close()
			if err := damage(filepath.Join(s.dir, logName)); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if x, err := OpenProtected(t.Context(), s.dir, s.key, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "restore it") {
					t.Errorf("it was opened: %v", err)
					if err == nil {
						x.Close()
					}
				}
			}
			for _, fd := range openFiles(t, s.dir) {
				t.Errorf("%s is still open", fd)
			}
		})
	}
}

// TestProtectedDiscardBesideLock: the account is locked between the steps in which an upload's payments are thrown away.
func TestProtectedDiscardBesideLock(t *testing.T) {
	s := newSafe(t)
	x := s.protected(t)
	s.unlock(t, x)
	p := x.NewPayments(newID(epoch))
	for i := range int64(9 * blockPayments) {
		if err := p.Add(&formats.Payment{Index: i + 1, Reference: fmt.Append(nil, i)}); err != nil {
			t.Fatal(err)
		}
	}
	// Whoever holds the token now goes on after the discarding's first step, and locks before its second.
	locked := make(chan error)
	x.lock <- struct{}{}
	go func() { locked <- x.Lock() }()
	discarded := make(chan error)
	go func() { discarded <- p.Discard() }()
	<-x.lock
	if err := errors.Join(<-locked, <-discarded); err != nil {
		t.Error(err)
	}
}

// TestProtectedOutboxBesideLock: the account is locked and unlocked while a file for the customer is being put there; it is whole. One
// of which nobody knows any more is swept.
func TestProtectedOutboxBesideLock(t *testing.T) {
	s := newSafe(t)
	x := s.protected(t)
	s.unlock(t, x)
	content := bytes.Repeat([]byte("0123456789abcdef"), 3*outboxPiece/16)
	again := func() {
		if err := x.Lock(); err != nil {
			t.Error(err)
		}
		s.unlock(t, x)
	}
	halves := io.MultiReader(bytes.NewReader(content[:2*outboxPiece]), readerFunc(func([]byte) (int, error) { again(); return 0, io.EOF }), bytes.NewReader(content[2*outboxPiece:]))
	f := &OutboxFile{ID: newID(epoch), Name: "a.txt", Size: int64(len(content)), SHA256: hexSum(content), MadeAt: epoch, Who: "uid:0"}
	if err := x.AddOutboxPieces(t.Context(), f.ID, halves); err != nil {
		t.Fatal(err)
	}
	again()
	if err := x.AddOutbox(t.Context(), f, beside(f.Name), nil); err != nil {
		t.Fatal(err)
	}
	again()
	r, err := x.OutboxReader(t.Context(), f.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	left := newID(epoch)
	if err := x.AddOutboxPieces(t.Context(), left, io.MultiReader(bytes.NewReader(content), iotest.ErrReader(io.ErrUnexpectedEOF))); err == nil {
		t.Fatal("a sender who was cut off has an end")
	}
	if err := x.Lock(); err != nil {
		t.Fatal(err)
	}
	if err := x.DropOutboxPieces(t.Context(), left); !errors.Is(err, ErrLocked) {
		t.Errorf("dropped while it is locked: %v", err)
	}
	s.unlock(t, x)
	if n := count(t, x, `SELECT count(*) FROM outbox_data WHERE id = ?`, left); n != 0 {
		t.Errorf("%d pieces of nobody's stay", n)
	}
	if n := len(x.laying); n != 0 {
		t.Errorf("%d files are still taken for under way", n)
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func hexSum(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b)) }

// TestProtectedIndexBroken: the disk fails under the index while it is open. Deliveries go on into the log, what needs the index is told
// that it is locked, and nothing of it stays open; a restart merges all.
func TestProtectedIndexBroken(t *testing.T) {
	s := newSafe(t)
	x := s.protected(t)
	s.unlock(t, x)
	held := newFile(t, "held", epoch)
	held.Verdict = Held
	commit(t, x, &Delivery{File: held})
	x.d.doubt(sqlite3.Error{Code: sqlite3.ErrIoErr, ExtendedCode: sqlite3.ErrIoErrFsync, SystemErrno: syscall.EIO})
	if err := x.Refuses(); err != nil {
		t.Errorf("it takes nothing: %v", err)
	}
	list := x.list.Load()
	if list.key == (nameKey{}) {
		t.Fatal("there is no key of the names")
	}
	later, wal := newFile(t, "later", epoch), readAll(t, x.d.path+"-wal")
	commit(t, x, &Delivery{File: later})
	if !bytes.Equal(readAll(t, x.d.path+"-wal"), wal) {
		t.Error("what may not be on the disk was taken for certain")
	}
	if _, err := x.Decide(t.Context(), held.ID, Ruling{Verdict: Accepted, Who: "u1"}); !errors.Is(err, ErrLocked) {
		t.Errorf("decide: %v", err)
	}
	if err := x.Broken(); !errors.Is(err, ErrBroken) || !x.Locked() {
		t.Errorf("status does not say so: %v", err)
	}
	if list.key != (nameKey{}) {
		t.Error("the key of the names is still in memory")
	}
	for _, fd := range openFiles(t, x.d.path) {
		t.Errorf("%s is still open", fd)
	}
	if _, err := x.Unlock(t.Context(), new(s.own(t, x))); !errors.Is(err, ErrBroken) {
		t.Errorf("unlocked without a restart: %v", err)
	}
	x.Close()
	x = s.open(t)
	if n := s.unlock(t, x); n != 1 {
		t.Errorf("%d deliveries were merged, want 1", n)
	}
	find(t, x, held.ID)
	find(t, x, later.ID)
	sound(t, x)
	x.sealedLog.d.broken.Store(true)
	if err := x.Broken(); !errors.Is(err, ErrBroken) {
		t.Errorf("the log is broken, and deliveries are asked for: %v", err)
	}
}

// openFiles lists what this process has open of a database.
func openFiles(t testing.TB, path string) (list []string) {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	for _, fd := range fds {
		if to, _ := os.Readlink(filepath.Join("/proc/self/fd", fd.Name())); strings.HasPrefix(to, path) {
			list = append(list, to)
		}
	}
	return list
}

// TestProtectedAskedAcrossLock: a question that met the lock, and asks what its error means when the account is open again, is told of
// the lock and of no damage.
func TestProtectedAskedAcrossLock(t *testing.T) {
	s := newSafe(t)
	x := s.protected(t)
	s.unlock(t, x)
	for i := range 300 {
		f := newFile(t, fmt.Sprint(i), epoch)
		f.Facts.Payments, f.Facts.Totals = 0, nil
		commit(t, x, &Delivery{File: f, Copy: make([]byte, 3000)})
	}
	rows, err := x.d.r.QueryContext(t.Context(), `SELECT data FROM copies`)
	if err != nil || !rows.Next() {
		t.Fatal(err)
	}
	defer rows.Close()
	if err := x.Lock(); err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
	}
	s.unlock(t, x)
	if err := x.d.plain(rows.Err()); !errors.Is(err, ErrLocked) || damaged(err) {
		t.Errorf("it is told: %v", err)
	}
}

// TestProtectedLockBroken: what an index may have lost when its disk failed is not removed from the log.
func TestProtectedLockBroken(t *testing.T) {
	s := newSafe(t)
	x := s.protected(t)
	s.unlock(t, x)
	commit(t, x, &Delivery{File: newFile(t, "a", epoch)})
	x.d.broken.Store(true)
	if err := x.Lock(); !errors.Is(err, ErrBroken) || !x.Locked() {
		t.Errorf("locked: %v", err)
	}
	if w, err := x.Waiting(t.Context()); err != nil || w.Deliveries != 1 {
		t.Errorf("%d deliveries are in the log, want 1, %v", w.Deliveries, err)
	}
}
