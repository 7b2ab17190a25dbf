package indexer

import (
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/indexer/formats"
)

// TestVerify changes the database by force, as somebody with the unlock key could, and looks what Verify says.
func TestVerify(t *testing.T) {
	const off = `DROP TRIGGER ledger_stays; DROP TRIGGER ledger_keeps; `
	for _, c := range []struct{ change, want string }{
		{`UPDATE files SET name = 'other.xml' WHERE n = 1`, "file 01J00000000000000000000001: its row is not the one of ledger row 1"},
		{`UPDATE files SET verdict = 'rejected' WHERE n = 2`, "file 01J00000000000000000000002: its row is not"},
		{`UPDATE files SET facts = replace(facts, 'Acme', 'Evil') WHERE n = 1`, "file 01J00000000000000000000001: its row is not"},
		{`UPDATE files SET received_at = received_at + 1 WHERE n = 3`, "file 01J00000000000000000000003: its row is not"},
		{`UPDATE findings SET data = '[]' WHERE n = 1`, "file 01J00000000000000000000001: its row is not"},
		{`DELETE FROM copies WHERE n = 2; DELETE FROM findings WHERE n = 2; DELETE FROM files WHERE n = 2`, "file 01J00000000000000000000002: the ledger knows it"},
		{`DELETE FROM copies WHERE n = 2`, "file 01J00000000000000000000002: its sealed copy is gone"},
		{`UPDATE copies SET data = x'00' WHERE n = 2`, "file 01J00000000000000000000002: its sealed copy has 1 bytes"},
		{`INSERT INTO copies (n, data) VALUES (3, x'00')`, "file 01J00000000000000000000003: it has a sealed copy that should not be there"},
		{`INSERT INTO files (id, reversed, account, name, door, user, received_at, size, format, message_id, payments, first_execution,
			last_execution, verdict, codes, reasons, sentence, fate, certificate, duplicate_of, copy_size, copy_path, blocks, facts)
			VALUES ('X', 'X', '', '', '', '', 0, 0, '', '', 0, '', '', 'accepted', '', '[]', '', '', '', '', 0, '', 0, '{}')`, "file X: it is in the index, and not in the ledger"},
		{off + `UPDATE ledger SET detail = 'nothing' WHERE seq = 3`, "ledger: row 3 was changed"},
		{off + `UPDATE ledger SET hash = zeroblob(32) WHERE seq = 3`, "ledger: row 3 was changed"},
		{off + `DELETE FROM ledger WHERE seq = 4`, "ledger: row 4 is missing"},
		{off + `DELETE FROM ledger WHERE seq = 1`, "ledger: row 1 is missing"},
		{off + `UPDATE ledger SET seq = seq + 100 WHERE seq = 5; UPDATE ledger SET seq = 5 WHERE seq = 4; UPDATE ledger SET seq = 4 WHERE seq = 105`, "ledger: row 4 does not follow row 3"},
		{`DELETE FROM blocks WHERE file = '01J00000000000000000000003' AND no = 1`, "payments 01J00000000000000000000003: block 2 of 3 is gone"},
		{`UPDATE block_data SET data = (SELECT data FROM block_data ORDER BY b LIMIT 1)`, "payments 01J00000000000000000000003: they are not those"},
		{`UPDATE block_data SET data = x'0102' WHERE b = (SELECT max(b) FROM block_data)`, "payments 01J00000000000000000000003: block 2 of 3: a block of payments cannot be read"},
	} {
		x := newIndex(t)
		for i, id := range []string{"01J00000000000000000000001", "01J00000000000000000000002", "01J00000000000000000000003"} {
			f := newFile(t, id, epoch.Add(time.Duration(i)*time.Second))
			f.ID, f.Facts.Payments, f.Facts.Totals = id, 0, nil
			d := &Delivery{File: f}
			switch i {
			case 1:
				d.Copy = []byte("sealed")
			case 2:
				f.Facts.Payments, f.Facts.Totals = 2500, newFile(t, "", epoch).Facts.Totals
				f.Facts.Totals[0].Amount = amount(t, "2500")
				f.Fate = Deleted
				d.Payments = x.NewPayments(id)
				addPayments(t, d.Payments, 1, 2500, nil)
			}
			commit(t, x, d)
		}
		for range 3 {
			if _, err := x.Note(t.Context(), "verify ok", "", "uid 0", ""); err != nil {
				t.Fatal(err)
			}
		}
		sound(t, x)
		mustExec(t, x.d.w, c.change)
		if got := strings.Join(problems(t, x), "\n"); !strings.Contains(got, c.want) {
			t.Errorf("%s:\ngot  %q\nwant %q", c.change, got, c.want)
		}
	}
}

// TestVerifyBothDirections: in a file of credits and debits, each side is held against its own total.
func TestVerifyBothDirections(t *testing.T) {
	for _, c := range []struct{ credits, debits, want string }{
		{"500", "300", ""},
		{"501", "300", "they make up 500 SEK, the file 501"},
		{"500", "299", "they make up drawn 300 SEK, the file 299"},
		{"200", "", "they make up 500 SEK, the file 200"}, // the difference is right, the sides are not
	} {
		x := newIndex(t)
		f := newFile(t, "statement", epoch)
		f.Facts.Payments, f.Facts.Totals = 8, []formats.Total{{Currency: "SEK", Amount: amount(t, c.credits)}}
		f.Facts.Debits = []formats.Total{{Currency: "EUR", Amount: amount(t, "0")}}
		if c.debits != "" {
			f.Facts.Debits = append(f.Facts.Debits, formats.Total{Currency: "SEK", Amount: amount(t, c.debits)})
		}
		p := x.NewPayments(f.ID)
		addPayments(t, p, 1, 8, func(q *formats.Payment) {
			if q.Amount = amount(t, "100"); q.Index > 5 {
				q.Amount = q.Amount.Neg()
			}
		})
		commit(t, x, &Delivery{File: f, Payments: p})
		got := strings.Join(problems(t, x), "\n")
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

// TestLedgerAppendOnly: the database itself refuses to change or remove a row, or to put one elsewhere than at the end.
func TestLedgerAppendOnly(t *testing.T) {
	x := newIndex(t)
	for range 3 {
		if _, err := x.Note(t.Context(), "note", "", "me", "x"); err != nil {
			t.Fatal(err)
		}
	}
	for _, query := range []string{
		`UPDATE ledger SET detail = 'y' WHERE seq = 2`, `DELETE FROM ledger WHERE seq = 3`,
		`INSERT INTO ledger VALUES (9, 0, '', '', '', '', NULL, x'', x'')`, `INSERT OR REPLACE INTO ledger VALUES (2, 0, '', '', '', '', NULL, x'', x'')`,
		`REPLACE INTO ledger VALUES (3, 0, '', '', '', '', NULL, x'', x'')`,
	} {
		if _, err := x.d.w.ExecContext(t.Context(), query); err == nil || !strings.Contains(err.Error(), "append-only") {
			t.Errorf("%s: %v", query, err)
		}
	}
	sound(t, x)
	var seqs []int64
	for e, err := range x.Ledger(t.Context(), 2) {
		if err != nil {
			t.Fatal(err)
		}
		seqs = append(seqs, e.Seq)
	}
	if len(seqs) != 2 || seqs[0] != 2 {
		t.Errorf("from 2: %v", seqs)
	}
}

// TestVerifyDamage: a page that does not open is a problem reported, not an end to the checking.
func TestVerifyDamage(t *testing.T) {
	path, key := filepath.Join(t.TempDir(), "index.db"), newKey(t)
	x := openIndex(t, path, key)
	f := commitPayments(t, x, "big", epoch, 40*blockPayments, nil)
	x.Close()
	b := readAll(t, path)
	for at := len(b) / 2 / pageSize * pageSize; at < len(b); at += 7 * pageSize { // some of each table
		b[at+9] ^= 4
	}
	write(t, path, b)
	x = openIndex(t, path, key)
	if got := strings.Join(problems(t, x), "\n"); !strings.Contains(got, "database: ") {
		t.Errorf("got %q", got)
	}
	var last error
	for _, err := range x.FindPayments(t.Context(), PaymentFilter{FileID: f.ID}) {
		last = err
	}
	if !errors.Is(last, ErrDamaged) {
		t.Errorf("find: %v", last)
	}
}

func TestRegistry(t *testing.T) {
	path, key := filepath.Join(t.TempDir(), "gateway.db"), newKey(t)
	open := func() *Registry {
		g, err := OpenRegistry(t.Context(), path, key, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { g.Close() })
		return g
	}
	g, ctx := open(), t.Context()
	want := &User{ID: "u1", Account: "acme", Blind: [32]byte{1}, PasswordHash: "$argon2id$x", PublicKeys: [][]byte{{1, 2, 3}, {}, {4}}, CreatedAt: epoch}
	check := func(err, want error) {
		t.Helper()
		if !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	check(g.AddUser(ctx, want), nil)
	check(g.AddUser(ctx, &User{ID: "u1", Account: "acme", Blind: [32]byte{2}}), ErrExists)
	check(g.AddUser(ctx, &User{ID: "u2", Account: "acme", Blind: [32]byte{1}}), ErrExists)
	check(g.AddUser(ctx, &User{ID: "u3", Account: "beta", Blind: [32]byte{3}, CreatedAt: epoch}), nil)
	check(g.Touch(ctx, "u1", epoch.Add(time.Hour), false), nil)
	_, err := g.Refused(ctx, "u1", epoch.Add(time.Minute), false, 0)
	check(err, nil)
	check(g.Touch(ctx, "u9", epoch, true), ErrNotFound)
	g.Close()
	g = open()
	u, err := g.UserByBlind(ctx, [32]byte{1})
	if check(err, nil); len(u.PublicKeys) != 3 || string(u.PublicKeys[0]) != "\x01\x02\x03" || u.PasswordHash != want.PasswordHash ||
		!u.CreatedAt.Equal(epoch) || !u.LastLogin.Equal(epoch.Add(time.Hour)) || !u.LastRefusal.Equal(epoch.Add(time.Minute)) {
		t.Errorf("user %+v", u)
	}
	check(g.ChangeUser(ctx, "u1", func(u *User) error { u.PublicKeys, u.PasswordHash = nil, ""; return nil }), nil)
	if u, _ = g.UserByBlind(ctx, [32]byte{1}); u == nil || u.PublicKeys != nil || u.PasswordHash != "" {
		t.Errorf("user %+v", u)
	}
	_, err = g.UserByBlind(ctx, [32]byte{9})
	check(err, ErrNotFound)
	for account, n := range map[string]int{"": 2, "acme": 1, "beta": 1, "gamma": 0} {
		users, err := g.Users(ctx, account)
		if check(err, nil); len(users) != n {
			t.Errorf("%q has %d users", account, len(users))
		}
	}
	check(g.RemoveUser(ctx, "u1"), nil)
	check(g.RemoveUser(ctx, "u1"), ErrNotFound)
	check(g.Put(ctx, "claim/a", []byte("1")), nil)
	check(g.Put(ctx, "claim/a", nil), nil)
	check(g.Put(ctx, "claim/b", []byte("2")), nil)
	check(g.Put(ctx, "other", []byte("3")), nil)
	v, err := g.Get(ctx, "claim/b")
	if check(err, nil); string(v) != "2" {
		t.Errorf("value %q", v)
	}
	keys, err := g.Keys(ctx, "claim/")
	if check(err, nil); strings.Join(keys, " ") != "claim/a claim/b" {
		t.Errorf("keys %v", keys)
	}
	check(g.Delete(ctx, "claim/a"), nil)
	check(g.Delete(ctx, "claim/a"), ErrNotFound)
	_, err = g.Get(ctx, "claim/a")
	check(err, ErrNotFound)
}
