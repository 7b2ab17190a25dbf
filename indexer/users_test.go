package indexer

import (
	"errors"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestEveryFieldOfAUser: what is written is read back, added and changed.
func TestEveryFieldOfAUser(t *testing.T) {
	g, ctx := newRegistry(t), t.Context()
	want := &User{ID: "u1", Account: "acme", Blind: [32]byte{1}, Methods: "key+totp", PasswordHash: "$x", PublicKeys: [][]byte{{1}},
		SecondFactor: []byte{7, 8}, CreatedAt: epoch, PasswordAt: epoch.Add(1e9), OneTime: true, LastLogin: epoch.Add(2e9),
		LastRefusal: epoch.Add(3e9), Failures: 4, LockedAt: epoch.Add(5e9), AllowFrom: []string{"192.0.2.0/24", "2001:db8::/32"},
		DenyFrom: []string{"192.0.2.1/32"}, Name: SealedName{Sealed: []byte{9}, Witness: []byte{8, 7}, Certificate: "sha256:6"}}
	if err := g.AddUser(ctx, want); err != nil {
		t.Fatal(err)
	}
	read := func() *User {
		t.Helper()
		u, err := g.UserByBlind(ctx, want.Blind)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	if d := cmp.Diff(want, read()); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	err := g.ChangeUser(ctx, "u1", func(u *User) error {
		u.Methods, u.PasswordHash, u.PublicKeys, u.SecondFactor, u.PasswordAt = "password", "$y", nil, nil, epoch
		u.OneTime, u.Failures, u.LockedAt, u.AllowFrom, u.DenyFrom = false, 0, time.Time{}, nil, []string{"::/0"}
		u.Name = SealedName{Sealed: []byte{5}, Witness: []byte{4}, Certificate: "sha256:3"}
		u.Account, u.LastLogin = "beta", time.Time{} // not its to change
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	changed := &User{ID: "u1", Account: "acme", Blind: want.Blind, Methods: "password", PasswordHash: "$y", SecondFactor: []byte{}, CreatedAt: epoch,
		PasswordAt: epoch, LastLogin: want.LastLogin, LastRefusal: want.LastRefusal, DenyFrom: []string{"::/0"},
		Name: SealedName{Sealed: []byte{5}, Witness: []byte{4}, Certificate: "sha256:3"}}
	if d := cmp.Diff(changed, read()); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	no := errors.New("no")
	if err := g.ChangeUser(ctx, "u1", func(u *User) error { u.Methods = "x"; return no }); !errors.Is(err, no) || read().Methods != "password" {
		t.Errorf("%v; %+v", err, read())
	}
	if err := g.ChangeUser(ctx, "u9", func(*User) error { return nil }); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}

// TestWrongGuessesLock: the last one of so many locks, once; others do not count; a login ends the count.
func TestWrongGuessesLock(t *testing.T) {
	g, ctx := newRegistry(t), t.Context()
	if err := g.AddUser(ctx, &User{ID: "u1", Account: "acme", CreatedAt: epoch}); err != nil {
		t.Fatal(err)
	}
	refused := func(guess bool, after int, want bool) {
		t.Helper()
		locked, err := g.Refused(ctx, "u1", epoch, guess, after)
		if err != nil || locked != want {
			t.Errorf("locked %v, %v; want %v", locked, err, want)
		}
	}
	refused(true, 3, false)
	refused(true, 3, false)
	if err := g.Touch(ctx, "u1", epoch, true); err != nil {
		t.Fatal(err)
	}
	refused(true, 3, false)
	refused(true, 3, false)
	if err := g.Touch(ctx, "u1", epoch, false); err != nil { // by a key: the guesses at the password stay counted
		t.Fatal(err)
	}
	refused(false, 3, false)
	refused(true, 0, false)
	refused(true, 3, true)
	refused(true, 3, false) // it is already
	if u, err := g.UserByBlind(ctx, [32]byte{}); err != nil || !u.LockedAt.Equal(epoch) || u.Failures != 5 {
		t.Errorf("%+v, %v", u, err)
	}
	if locked, err := g.Refused(ctx, "", epoch, true, 3); locked || !errors.Is(err, ErrNotFound) {
		t.Error(locked, err)
	}
}

// TestChangesDoNotCross: what is used up by one of two at once is gone for the other.
func TestChangesDoNotCross(t *testing.T) {
	g, ctx := newRegistry(t), t.Context()
	if err := g.AddUser(ctx, &User{ID: "u1", Account: "acme", SecondFactor: make([]byte, 16)}); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			if err := g.ChangeUser(ctx, "u1", func(u *User) error { u.SecondFactor = u.SecondFactor[1:]; return nil }); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if u, err := g.UserByBlind(ctx, [32]byte{}); err != nil || len(u.SecondFactor) != 0 || len(u.Name.Sealed) != 0 {
		t.Errorf("%+v, %v", u, err)
	}
}

// TestUsersOfEarlierVersions come in as they did, from whichever version the database is: their rows are brought up to date,
// their passwords have the age that they have, and what is known of remotes' files stays.
func TestUsersOfEarlierVersions(t *testing.T) {
	for version := 1; version <= 2; version++ {
		t.Run(strconv.Itoa(version), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "gateway.db")
			earlierRegistry(t, path, version)
			g := openRegistry(t, path)
			defer g.Close()
			for i, set := range []time.Time{epoch, {}} {
				u, err := g.UserByBlind(t.Context(), [32]byte{byte(i)})
				fine(t, err)
				if !u.PasswordAt.Equal(set) || u.Methods != "" || u.OneTime || u.Failures != 0 || !u.LockedAt.IsZero() || u.AllowFrom != nil || len(u.SecondFactor) != 0 {
					t.Errorf("%+v", u)
				}
			}
			rows, err := g.Polled(t.Context(), "acme", "acme-ftps")
			fine(t, err)
			if len(rows) != version-1 {
				t.Errorf("%d rows of remotes' files", len(rows))
			}
			fine(t, g.Remember(t.Context(), "acme", "acme-ftps", RemoteMemory{LastGood: epoch}))
		})
	}
}

// earlierRegistry makes a database as it was in a version, with two users and, where there was a table for them, a remote's file.
func earlierRegistry(t *testing.T, path string, version int) {
	t.Helper()
	d, err := openDatabase(t.Context(), path, Key{1}, "gateway")
	fine(t, err)
	defer d.close()
	exec := func(query string, args ...any) {
		t.Helper()
		_, err := d.w.ExecContext(t.Context(), query, args...)
		fine(t, err)
	}
	for _, table := range []string{"users", "settings", "polled", "remotes", "approved", "owed"} {
		exec(`DROP TABLE ` + table)
	}
	names, err := migrations.ReadDir("migrations/gateway")
	fine(t, err)
	for _, n := range names[:version] {
		script, err := migrations.ReadFile("migrations/gateway/" + n.Name())
		fine(t, err)
		exec(string(script))
	}
	for i, hash := range []string{"$x", ""} {
		blind := [32]byte{byte(i)}
		exec(`INSERT INTO users (id, account, blind, password_hash, public_keys, created_at, last_login, last_refusal)
			VALUES (?, 'acme', ?, ?, x'', ?, 0, 0)`, string(rune('a'+i)), blind[:], hash, epoch.UnixMicro())
	}
	if version >= 2 {
		exec(`INSERT INTO polled (account, remote, path, size, listed, time, sure, state, file, at)
			VALUES ('acme', 'acme-ftps', x'61', 1, 0, 0, 1, 'taken', 'F', 1)`)
	}
}

// TestARefusalOfNobodyIsAsMuchWork: as many pages are written for a login that there is not, or the time would tell.
func TestARefusalOfNobodyIsAsMuchWork(t *testing.T) {
	g, ctx := newRegistry(t), t.Context()
	fine(t, g.AddUser(ctx, &User{ID: "u1", Account: "acme", Blind: [32]byte{1}}))
	written := func(id string) int64 {
		t.Helper()
		before := g.d.key.logEnd.Load()
		_, err := g.Refused(ctx, id, epoch, true, 0)
		if (id == "u1") != (err == nil) || err != nil && !errors.Is(err, ErrNotFound) {
			t.Fatal(err)
		}
		return g.d.key.logEnd.Load() - before
	}
	written("") // the first makes the row
	for range 3 {
		if known, unknown := written("u1"), written(""); known != unknown || known == 0 {
			t.Errorf("%d pages for a login, %d for none", known, unknown)
		}
	}
}

// TestAChangeAndWhatItOwes are there both or neither, over a restart too.
func TestAChangeAndWhatItOwes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gateway.db")
	g, ctx, no := openRegistry(t, path), t.Context(), errors.New("no")
	row := func(kind string) *Owed { return &Owed{Account: "acme", Kind: kind, Who: "uid:7"} }
	fine(t, g.AddUser(ctx, &User{ID: "u1", Account: "acme"}, row("added")))
	changed := row("changed")
	fine(t, g.ChangeUser(ctx, "u1", func(u *User) error { changed.Detail, u.Methods = "by key", "key"; return nil }, changed))
	for want, err := range map[error]error{
		ErrExists:   g.AddUser(ctx, &User{ID: "u1", Account: "acme", Blind: [32]byte{1}}, row("added twice")),
		no:          g.ChangeUser(ctx, "u1", func(*User) error { return no }, row("not changed")),
		ErrNotFound: g.RemoveUser(ctx, "u9", row("not removed")),
	} {
		if !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	fine(t, g.RemoveUser(ctx, "u1", row("removed")))
	fine(t, g.Close())
	g = openRegistry(t, path)
	defer g.Close()
	owes, err := g.Owes(ctx)
	fine(t, err)
	var got []string
	for _, o := range owes {
		got = append(got, strings.Join([]string{o.Account, o.Kind, o.Who, o.Detail}, " "))
		fine(t, g.Entered(ctx, o.N))
	}
	if want := "acme added uid:7 ,acme changed uid:7 by key,acme removed uid:7 "; strings.Join(got, ",") != want {
		t.Errorf("%q, want %q", got, want)
	}
	if owes, err := g.Owes(ctx); err != nil || len(owes) != 0 {
		t.Errorf("%+v, %v", owes, err)
	}
	if err := g.Entered(ctx, owes[0].N); !errors.Is(err, ErrNotFound) {
		t.Errorf("entered twice: %v", err)
	}
}
