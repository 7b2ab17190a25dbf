package gateway

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sealgate/sealgate/config"
	"github.com/sealgate/sealgate/indexer"
)

// Protected accounts: their database opens only while somebody has brought the account's key. The private key itself never comes
// here: the operator's command asks for the database's key as it is sealed, opens it on its side, and brings it.

// A session is 10 minutes unless it is asked for another length, and never longer than an hour.
const (
	DefaultSession = 10 * time.Minute
	LongestSession = time.Hour
)

// sealSecret seals a key of the account's database, as its files are sealed.
func (a *account) sealSecret(secret []byte) ([]byte, error) {
	if a.seal == nil {
		return nil, errors.New("the account's database is protected, and it has no certificate to seal to")
	}
	box, _, err := a.seal.SealBytes(secret)
	return box, err
}

// FreedMemory is the setting of Go's runtime, in GODEBUG, that a process with a protected account is started with: the collector
// overwrites what it frees, and moves no stack to a smaller place, since it would leave the old one as it was; and the scheduler leaves
// no registers on a stack. The runtime reads it once, when a program starts.
const FreedMemory = "clobberfree=1,asyncpreemptoff=1,gcshrinkstackoff=1"

// tellFreed says once that this process was started without that setting, and has got a protected account since.
func (g *Gateway) tellFreed() {
	if strings.Contains(os.Getenv("GODEBUG"), FreedMemory) {
		return
	}
	accounts := *g.accounts.Load()
	for _, id := range slices.Sorted(maps.Keys(accounts)) {
		if accounts[id].index.Protected() {
			g.freed.Do(func() {
				g.log.Warn("restart advised", "account", id,
					"warn", "its database is protected, and this process began before it was: what it frees of its memory is not overwritten",
					"hint", "restart sealgate at a quiet hour; on the disk the account is protected already")
			})
			return
		}
	}
}

// openIndex opens an account's index, or, if that is protected, the log in front of it. A new account that is to be protected is so
// from its beginning.
func (g *Gateway) openIndex(ctx context.Context, a *account) (*indexer.Index, error) {
	path, key, logKey := filepath.Join(a.dir, "index.db"), g.unlock.Database("account/"+a.ID), g.unlock.Database("log/"+a.ID)
	if _, err := os.Stat(path); a.Protected() && errors.Is(err, fs.ErrNotExist) {
		if err := a.protect(ctx, g.registry, key, logKey); err != nil {
			return nil, err
		}
	}
	if !indexer.Protected(a.dir) {
		return indexer.Open(ctx, path, key, g.log)
	}
	index, err := indexer.OpenProtected(ctx, a.dir, logKey, g.log)
	if apart(err) {
		err = fmt.Errorf("%w; %s", err, a.wayOn())
	}
	return index, err
}

// Unconverted is what is doubtful where the configuration and the disk differ about an account's database, and what to do; both are ""
// where they do not.
func Unconverted(a *config.Account, protected bool) (doubt, do string) {
	switch {
	case a.Protected() && !protected:
		return "protect_database is true, but its database is not protected yet", "stop the gateway, then: sealgate protect " + a.ID
	case !a.Protected() && protected:
		return "its database is protected, but protect_database is not true", "stop the gateway, then: sealgate unprotect " + a.ID + " --key KEY.pem"
	}
	return "", ""
}

// protection is what status says of that.
func (a *account) protection() string {
	if doubt, do := Unconverted(a.Account, a.index.Protected()); doubt != "" {
		return "account " + a.ID + ": " + doubt + "; " + do
	}
	return ""
}

// locked is the answer to a question about a locked account: how much waits, and how to unlock it. nil if it is open.
func (g *Gateway) locked(ctx context.Context, a *account) *No {
	if !a.index.Locked() {
		return nil
	}
	w, err := a.index.Waiting(ctx)
	waits := WaitsText(w.Deliveries, w.Bytes, spoken(w.Since))
	if err != nil {
		waits = err.Error()
	}
	access := ""
	if len(a.AccessKeys) > 0 {
		access = " --access-key-file F"
	}
	return &No{Text: fmt.Sprintf("account %s is locked; %s", a.ID, waits), Hint: "sealgate unlock " + a.ID + " --key KEY.pem" + access}
}

// unlocked gives those of the accounts that can be asked, and the answer for those that cannot: for all of them, or beside what the
// open ones answer. Where all were asked (id is ""), those out of service belong to it.
func (g *Gateway) unlocked(ctx context.Context, id string, accounts []*account) (open []*account, locked error) {
	var closed, texts []string
	hint := ""
	for _, a := range accounts {
		no := g.locked(ctx, a)
		if no == nil {
			open = append(open, a)
			continue
		}
		closed, texts = append(closed, a.ID), append(texts, no.Text)
		if hint == "" {
			hint = no.Hint
		}
	}
	var out []string
	if id == "" {
		for _, a := range g.outs() {
			out, texts, hint = append(out, a.ID), append(texts, fmt.Sprintf("account %s is out of service: %s", a.ID, a.why())), "sealgate status"
		}
	}
	switch {
	case len(closed)+len(out) == 0:
		return open, nil
	case len(open) == 0:
		return open, &No{Text: strings.Join(texts, "\n"), Hint: hint}
	}
	return open, &No{Text: strings.TrimPrefix(notInThis("locked", closed)+notInThis("out of service", out), "; "), Hint: hint, Partly: true}
}

// notInThis says which accounts an answer leaves out, to be added to a sentence; "" for none.
func notInThis(why string, ids []string) string {
	switch len(ids) {
	case 0:
		return ""
	case 1:
		return "; 1 account is " + why + " and not in this: " + ids[0]
	}
	return fmt.Sprintf("; %d accounts are %s and not in this: %s", len(ids), why, strings.Join(ids, ", "))
}

// findIn finds files in one account. Of a locked one it can tell that it has such a file, and no more.
func (g *Gateway) findIn(ctx context.Context, a *account, id string) ([]*indexer.File, error) {
	find := a.index.Find
	if a.index.Locked() {
		find = a.index.BriefOf
	}
	list, err := find(ctx, id)
	if errors.Is(err, indexer.ErrShortEnding) {
		return nil, &No{Text: fmt.Sprintf("%q is no id: type it whole, or at least its last 4 characters", id), Hint: "sealgate files", Wrong: true}
	}
	if err != nil {
		return nil, &No{Text: err.Error()}
	}
	if no := g.locked(ctx, a); no != nil && len(list) > 0 {
		no.Text = fmt.Sprintf("%s is of account %s, which is locked", list[0].ID, a.ID)
		return nil, no
	}
	return list, nil
}

// SealedKeys are the sealed forms of the key of an account's database (indexer.SealedKeys).
func (g *Gateway) SealedKeys(_ context.Context, id string) ([][]byte, error) {
	a, err := g.protected(id)
	if err != nil {
		return nil, err
	}
	return a.index.SealedKeys()
}

// protected gives an account that is protected.
func (g *Gateway) protected(id string) (*account, error) {
	list, err := g.asked(id)
	if err != nil {
		return nil, err
	}
	if id == "" || !list[0].index.Protected() {
		return nil, &No{Text: fmt.Sprintf("account %s is not protected: its database is open while the gateway runs", plain(id))}
	}
	return list[0], nil
}

// AccountKey brings the key of an account's database.
type AccountKey struct {
	Account string
	For     time.Duration
	Key     []byte         // 32 bytes
	Opened  indexer.Opened // which of the sealed keys it was opened from
	Join    bool           // a session that is open already stays as long as it is

	// KeyStays leaves the key sealed as it is, for a rotation that has yet to seal the copies to the configured certificate: broken off,
	// it must open with the old one again. At its end it brings the key without this.
	KeyStays bool
}

// databaseKey takes a key as bytes.
func databaseKey(brought []byte, key *indexer.Key) error {
	if len(brought) != len(key) {
		return &No{Text: fmt.Sprintf("a database's key has %d bytes, not %d", len(key), len(brought))}
	}
	copy(key[:], brought)
	return nil
}

// UnlockAccount opens a protected account's database for a while, and merges what waits. Unlocked again, its time begins anew.
func (g *Gateway) UnlockAccount(ctx context.Context, q SealedAccountKey, who string) (AccountStatus, error) {
	defer g.sessions.hold(q.Account)()
	var key indexer.Key
	defer clear(key[:])
	if err := g.brought(&q, &key); err != nil {
		return AccountStatus{}, err
	}
	a, err := g.protected(q.Account)
	if err != nil {
		return AccountStatus{}, err
	}
	if q.For <= 0 || q.For > LongestSession {
		return AccountStatus{}, &No{Text: fmt.Sprintf("an account is unlocked for at most %d minutes", LongestSession/time.Minute), Wrong: true}
	}
	locked := a.index.Locked()
	merged, err := a.index.Unlock(context.WithoutCancel(ctx), &key)
	if errors.Is(err, indexer.ErrKey) {
		return AccountStatus{}, &No{Text: fmt.Sprintf("that key does not open the database of account %s", a.ID)}
	}
	if apart(err) {
		g.log.Error("account not unlocked", "account", a.ID, "user", who, "merged", merged, "err", err)
		return AccountStatus{}, &No{Text: fmt.Sprintf("account %s stays locked, and %d of what waited is merged: %v", a.ID, merged, err), Hint: a.wayOn()}
	}
	if err != nil {
		return AccountStatus{}, err
	}
	if locked { // in the midst of a session too, given up since it could not be written
		g.sessions.end(a.ID)
	}
	line, err := g.beginSession(ctx, a, &q, who, merged)
	if apart(err) {
		g.log.Error("account unlocked beside damage", "account", a.ID, "user", who, "merged", merged, "err", err)
		return AccountStatus{}, &No{Text: fmt.Sprintf("account %s is unlocked, and not all of it can be written or read: %v", a.ID, err), Hint: a.wayOn()}
	}
	return line, err
}

// beginSession is the rest of an unlocking that has opened the database and merged what waited.
func (g *Gateway) beginSession(ctx context.Context, a *account, q *SealedAccountKey, who string, merged int) (AccountStatus, error) {
	joined := g.sessions.begin(a.ID, a.index, g.now().Add(q.For), q.Join)
	if !joined { // whoever joins a session finds the account unlocked
		if _, err := a.index.Note(ctx, "unlocked", "", who, brief(q.For)); err != nil {
			return AccountStatus{}, err
		}
	}
	if q.KeyStays {
		// at the end of the rotation
	} else if err := g.reseal(ctx, a, q.Opened, who); err != nil {
		g.log.Error("the database's key stays as it was sealed", "account", a.ID, "err", err)
	}
	if err := a.sweepGivenUp(ctx, g); err != nil {
		g.log.Warn("not swept", "account", a.ID, "err", err)
	}
	g.log.Info("account unlocked", "account", a.ID, "user", who, "for", q.For, "merged", merged)
	g.wake(a)
	line, err := g.accountStatus(ctx, a)
	line.Waiting, line.Joined = merged, joined
	return line, err
}

// apart says whether an account cannot be unlocked because its two databases do not fit, or one is damaged.
func apart(err error) bool {
	return errors.Is(err, indexer.ErrApart) || errors.Is(err, indexer.ErrDamaged)
}

// wayOn is what can be done then.
func (a *account) wayOn() string {
	return fmt.Sprintf("put index.db and log.db back from one backup; or give up what waits in log.db: stop the gateway, then sealgate unprotect %s --key KEY.pem --without-waiting", a.ID)
}

// LockAccount closes a protected account's database before its time is up. If somebody is just unlocking it, it waits for the merge.
func (g *Gateway) LockAccount(ctx context.Context, id, who string) (AccountStatus, error) {
	return g.lockOrLeave(ctx, id, who, false)
}

// LeaveAccount locks an account that AccountKey.Join has unlocked, unless somebody else has unlocked it meanwhile.
func (g *Gateway) LeaveAccount(ctx context.Context, id, who string) (AccountStatus, error) {
	return g.lockOrLeave(ctx, id, who, true)
}

func (g *Gateway) lockOrLeave(ctx context.Context, id, who string, leave bool) (AccountStatus, error) {
	a, err := g.protected(id)
	if err != nil {
		return AccountStatus{}, err
	}
	defer g.sessions.hold(id)()
	if !leave || g.sessions.passing(id) {
		if err := g.lockAccount(ctx, a, who); err != nil {
			return AccountStatus{}, err
		}
	}
	return g.accountStatus(ctx, a)
}

// lockAccount notes the end of a session, and ends it. The caller holds it.
func (g *Gateway) lockAccount(ctx context.Context, a *account, who string) error {
	g.sessions.end(a.ID)
	if a.index.Locked() { // given up since it could not be written, perhaps, with a session's traces
		return g.sessions.lock(a.index)
	}
	_, noted := a.index.Note(ctx, "locked", "", who, "")
	if err := g.sessions.lock(a.index); err != nil { // its key is gone all the same
		return errors.Join(noted, err)
	}
	g.log.Info("account locked", "account", a.ID, "user", who)
	return noted
}

// protectedStatus fills in what is known of a protected account, locked or not.
func (g *Gateway) protectedStatus(ctx context.Context, a *account, line *AccountStatus) error {
	line.Protected = true
	if until := g.sessions.until(a.ID); !until.IsZero() && !a.index.Locked() {
		line.UnlockedUntil = utc(until)
	}
	w, err := a.index.Waiting(ctx)
	if err != nil {
		return err
	}
	if line.Waiting, line.WaitingBytes = w.Deliveries, w.Bytes; !w.Since.IsZero() {
		line.WaitingSince = utc(w.Since)
	}
	newest, err := a.index.Brief(ctx, indexer.FileFilter{Limit: 1})
	if err != nil {
		return err
	}
	if len(newest) > 0 {
		line.LastFile = utc(newest[0].ReceivedAt)
	}
	held, err := a.index.Brief(ctx, indexer.FileFilter{Verdict: indexer.Held})
	if err != nil {
		return err
	}
	line.Held = len(held)
	line.KeyUntried, err = a.untriedKey()
	return err
}
