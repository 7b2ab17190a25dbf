package indexer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"testing"
	"testing/iotest"
	"time"
)

// put adds a file to the outbox, for the remotes.
func put(t testing.TB, x *Index, name string, content []byte, remotes ...string) *OutboxFile {
	t.Helper()
	f := laid(t, x, name, content)
	if err := x.AddOutbox(t.Context(), f, beside(name), remotes); err != nil {
		t.Fatal(err)
	}
	return f
}

// laid adds only the content.
func laid(t testing.TB, x *Index, name string, content []byte) *OutboxFile {
	t.Helper()
	sum := sha256.Sum256(content)
	f := &OutboxFile{ID: newID(epoch), Name: name, Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:]), MadeAt: epoch, Who: "uid:0"}
	if err := x.AddOutboxPieces(t.Context(), f.ID, bytes.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	return f
}

func beside(name string) func(int) string {
	return func(n int) string { return fmt.Sprint(name, "-", n) }
}

// sends are those of a remote, due or not.
func sends(t testing.TB, x *Index, remote string) []Send {
	t.Helper()
	list, err := x.Sends(t.Context(), remote, time.Now().Add(24*time.Hour), 100)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// change changes the tables behind the index's back.
func change(t testing.TB, x *Index, query string, args ...any) {
	t.Helper()
	err := x.alone(func() error {
		return x.d.write(t.Context(), true, func(ctx context.Context) error {
			_, err := x.d.w.ExecContext(ctx, query, args...)
			return err
		})
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestOutboxRead: a file of the outbox ends where it ends, and nowhere else.
func TestOutboxRead(t *testing.T) {
	x := newIndex(t)
	content := bytes.Repeat([]byte("0123456789"), 3*outboxPiece/10)
	for _, size := range []int{0, 1, outboxPiece - 1, outboxPiece, outboxPiece + 1, len(content)} {
		f := put(t, x, fmt.Sprint(size), content[:size])
		r, err := x.OutboxReader(t.Context(), f.ID)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, content[:size]) {
			t.Errorf("%d bytes: %d, %v", size, len(got), err)
		}
		for _, off := range []int{0, 1, outboxPiece - 1, outboxPiece, 2*outboxPiece + 5, len(content)} {
			p := make([]byte, outboxPiece+7)
			n, err := x.ReadOutbox(t.Context(), f.ID, p, int64(off))
			want := content[min(off, size):min(off+len(p), size)]
			if !bytes.Equal(p[:n], want) || err != nil && err != io.EOF || (err == nil) != (n == len(p)) {
				t.Errorf("%d bytes from %d on: %d, %v, want %d", size, off, n, err, len(want))
			}
		}
		if n, err := x.ReadOutbox(t.Context(), f.ID, make([]byte, 1), -1); n != 0 || err == nil || errors.Is(err, io.EOF) {
			t.Errorf("before the beginning: %d, %v", n, err)
		}
	}
}

// TestOutboxShort: a file that leaves the outbox while it is read, lacks a piece or has another byte in it does not end as
// if it were whole.
func TestOutboxShort(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789"), 3*outboxPiece/10)
	for _, c := range []struct {
		name string
		do   func(t *testing.T, x *Index, id string)
		want error
	}{
		{"removed", func(t *testing.T, x *Index, id string) {
			if err := x.RemoveOutbox(t.Context(), id, "u1"); err != nil {
				t.Fatal(err)
			}
		}, ErrNotFound},
		{"lost", func(t *testing.T, x *Index, id string) {
			change(t, x, `DELETE FROM outbox_data WHERE id = ? AND no = 2`, id)
		}, ErrDamaged},
		{"cut", func(t *testing.T, x *Index, id string) {
			change(t, x, `UPDATE outbox_data SET data = substr(data, 1, 1000) WHERE id = ? AND no = 2`, id)
		}, ErrDamaged},
		{"changed", func(t *testing.T, x *Index, id string) {
			change(t, x, `UPDATE outbox_data SET data = cast(replace(cast(data AS TEXT), '56', '65') AS BLOB) WHERE id = ? AND no = 2`, id)
		}, ErrDamaged},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := newIndex(t)
			f := put(t, x, "a", content)
			r, err := x.OutboxReader(t.Context(), f.ID)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(r, make([]byte, 1000)); err != nil {
				t.Fatal(err)
			}
			c.do(t, x, f.ID)
			if n, err := io.Copy(io.Discard, r); !errors.Is(err, c.want) {
				t.Errorf("%d of %d bytes, and then %v", n+1000, len(content), err)
			}
			// Who reads it at any place knows nothing of the bytes before, but much of the end.
			if n, err := x.ReadOutbox(t.Context(), f.ID, make([]byte, 10), 2*outboxPiece+1500); (n == 0 || c.name != "changed") && !errors.Is(err, c.want) {
				t.Errorf("in the third piece: %d bytes, %v", n, err)
			}
		})
	}
}

// TestOutboxCut: what its sender could not send whole is never put there.
func TestOutboxCut(t *testing.T) {
	x := newIndex(t)
	for _, end := range []error{io.ErrUnexpectedEOF, errors.New("cut"), context.Canceled} {
		for _, n := range []int{0, 1, outboxPiece, outboxPiece + 1} {
			r := io.MultiReader(bytes.NewReader(make([]byte, n)), iotest.ErrReader(end))
			if err := x.AddOutboxPieces(t.Context(), newID(epoch), r); !errors.Is(err, end) {
				t.Errorf("cut after %d bytes by %v: %v", n, end, err)
			}
		}
	}
}

// TestOutboxNames: two files of a name are shown under two, which stay theirs whatever is removed; they are delivered under
// their own.
func TestOutboxNames(t *testing.T) {
	x := newIndex(t)
	names := func() (all string) {
		list, err := x.Outbox(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range list {
			all += f.Name + " "
		}
		return all
	}
	first := put(t, x, "a", nil, "bank")
	put(t, x, "a-3", nil, "bank")
	put(t, x, "a", nil, "bank")
	if f := put(t, x, "a", nil, "bank"); f.Name != "a-4" || names() != "a a-3 a-2 a-4 " {
		t.Errorf("%s: %s", f.Name, names())
	}
	if list := sends(t, x, "bank"); len(list) != 4 || list[3].Name != "a" {
		t.Errorf("%+v", list)
	}
	if err := x.RemoveOutbox(t.Context(), first.ID, "u1"); err != nil {
		t.Fatal(err)
	}
	if names() != "a-3 a-2 a-4 " {
		t.Error(names())
	}
	sound(t, x)
}

// TestSweepOutbox: content without a file goes, and no other.
func TestSweepOutbox(t *testing.T) {
	path, key := filepath.Join(t.TempDir(), "index.db"), newKey(t)
	x := openIndex(t, path, key)
	content := make([]byte, 20*outboxPiece)
	kept := put(t, x, "a", content)
	laid(t, x, "b", content)
	laid(t, x, "c", content)
	if n, err := x.SweepOutbox(t.Context()); n != 0 || err != nil {
		t.Errorf("on their way: %d, %v", n, err)
	}
	x.Close()
	x = openIndex(t, path, key)
	if n, err := x.SweepOutbox(t.Context()); n != 2 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if err := x.DropOutboxPieces(t.Context(), kept.ID); err != nil {
		t.Error(err)
	}
	if n := count(t, x, `SELECT count(*) FROM outbox_data`); n != 20 {
		t.Errorf("%d pieces are left", n)
	}
	if err := x.RemoveOutbox(t.Context(), kept.ID, "u1"); err != nil || count(t, x, `SELECT count(*) FROM outbox_data`) != 0 {
		t.Errorf("%v, or its content is still there", err)
	}
}

// TestNoteSend: a delivery goes from state to state, is queued until it is sent, and in the ledger once.
func TestNoteSend(t *testing.T) {
	x := newIndex(t)
	f := put(t, x, "a", []byte("content"), "bank", "post")
	late := put(t, x, "b", nil, "bank")
	s := sends(t, x, "bank")[0]
	s.Tries, s.Trouble, s.NextAt = 2, "the server does not permit it", epoch.Add(time.Hour)
	if err := x.NoteSend(t.Context(), &s); err != nil {
		t.Fatal(err)
	}
	queues := func() string {
		list, err := x.Queues(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(list)
	}
	if got, want := queues(), fmt.Sprintf("[{bank 2 %v 1 the server does not permit it} {post 1 %[1]v 0 }]", epoch); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if got := sends(t, x, "bank")[0]; got != s {
		t.Errorf("%+v, want %+v", got, s)
	}
	for _, remote := range []string{"bank", "post"} {
		s := sends(t, x, remote)[0]
		for _, s.State = range []string{SendPlacing, SendWaiting, SendPlacing, SendSent} {
			if err := x.NoteSend(t.Context(), &s); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got, want := queues(), fmt.Sprintf("[{bank 1 %v 0 }]", epoch); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if _, err := x.OutboxReader(t.Context(), f.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("it is still in the outbox: %v", err)
	}
	// Taken out while it waits: gone. While it is about to get its name: gone if it was refused that, else delivered.
	s = sends(t, x, "bank")[0]
	s.State = SendPlacing
	if err := errors.Join(x.NoteSend(t.Context(), &s), x.RemoveOutbox(t.Context(), late.ID, "u1"), x.NoteSend(t.Context(), &s)); err != nil {
		t.Fatal(err)
	}
	s.State = SendWaiting
	if err := x.NoteSend(t.Context(), &s); !errors.Is(err, ErrNotFound) || len(sends(t, x, "bank")) != 0 {
		t.Errorf("%v, and %+v", err, sends(t, x, "bank"))
	}
	for _, s.State = range []string{SendPlacing, SendSent} {
		if err := x.NoteSend(t.Context(), &s); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %v", s.State, err)
		}
	}
	if n := count(t, x, `SELECT count(*) FROM ledger WHERE kind = 'delivered'`); n != 2 {
		t.Errorf("%d deliveries in the ledger", n)
	}
	sound(t, x)
}

// TestQueuedWithIt: what is to be sent is queued in the transaction that makes it: if it cannot be queued, it was not made.
func TestQueuedWithIt(t *testing.T) {
	x := newIndex(t)
	held := newFile(t, "held", epoch)
	held.Verdict, held.Fate = Held, Sealed
	commit(t, x, &Delivery{File: held, Copy: []byte("copy"), Receipts: []string{"bank"}, Receipt: "held.json"})
	change(t, x, `CREATE TRIGGER fault BEFORE INSERT ON sends WHEN new.remote = 'post' BEGIN SELECT raise(ABORT, 'fault'); END`)
	both := []string{"bank", "post"} // the first goes well
	before := count(t, x, `SELECT count(*) FROM ledger`)
	for what, do := range map[string]func() error{
		"commit": func() error {
			return x.Commit(t.Context(), &Delivery{File: newFile(t, "a", epoch), Receipts: both, Receipt: "a.json"})
		},
		"decide": func() error {
			_, err := x.Decide(t.Context(), held.ID, Ruling{Verdict: Accepted, Fate: Deleted, Who: "u1", Receipts: both, Receipt: "b.json"})
			return err
		},
		"outbox": func() error {
			f := laid(t, x, "c", []byte("content"))
			return x.AddOutbox(t.Context(), f, beside("c"), both)
		},
	} {
		if err := do(); err == nil {
			t.Errorf("%s goes well", what)
		}
	}
	if f := find(t, x, held.ID); f.Verdict != Held || count(t, x, `SELECT count(*) FROM files`) != 1 {
		t.Errorf("a file is there, or is %s", f.Verdict)
	}
	if n := count(t, x, `SELECT count(*) FROM outbox`); n != 0 {
		t.Errorf("%d files are in the outbox", n)
	}
	if list := sends(t, x, "bank"); len(list) != 1 || list[0].File != held.ID || count(t, x, `SELECT count(*) FROM ledger`) != before {
		t.Errorf("queued: %+v; or the ledger has grown", list)
	}
	change(t, x, `DROP TRIGGER fault`)
	sound(t, x)
}

// TestOutboxMigration: a database from before there was an outbox gets one.
func TestOutboxMigration(t *testing.T) {
	path, key := filepath.Join(t.TempDir(), "index.db"), newKey(t)
	x := openIndex(t, path, key)
	f := newFile(t, "a", epoch)
	commit(t, x, &Delivery{File: f})
	for _, table := range []string{"outbox", "outbox_data", "sends", "restate", "names", "name_texts", "name_hashes", "name_list", "segments", "segment_pieces"} {
		change(t, x, `DROP TABLE `+table)
	}
	change(t, x, `PRAGMA user_version = 1`)
	x.Close()
	x = openIndex(t, path, key)
	put(t, x, "a", []byte("content"), "bank")
	find(t, x, f.ID)
	sound(t, x)
}
