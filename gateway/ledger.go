package gateway

import (
	"context"
	"errors"
	"iter"
	"strings"
	"sync"
	"time"

	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/transport"
)

// What enters the ledgers beside the files' own rows, which the index writes. People are in them by their ids: the user's, or the
// operator's uid. Those noted here and in desk.go:
//
//	login           a user came in: door, address, and by what
//	login-refused   a wrong try at a login that there is, as many as are counted towards a pause or a lock, and why it was wrong
//	user-locked     too many of them
//	handed-out      a sealed copy, or the whole database, is about to leave the gateway
//
// The other kinds stand where they are noted: users.go, userchange.go, secrets.go (users and their secrets), protect.go (a protected
// database opened and closed), configured.go (configuration and certificates), certificates.go, names.go, verify.go.

const (
	kindLogin        = "login"
	kindLoginRefused = "login-refused"
	kindUserLocked   = "user-locked"
	kindHandedOut    = "handed-out"
)

// Ledger gives the rows of an account's ledger, the oldest first.
func (g *Gateway) Ledger(ctx context.Context, account string) iter.Seq2[*indexer.LedgerEntry, error] {
	return func(yield func(*indexer.LedgerEntry, error) bool) {
		a, err := g.askedOne(account)
		if err != nil {
			yield(nil, err)
			return
		}
		if no := g.locked(ctx, a); no != nil {
			yield(nil, no)
			return
		}
		a.index.Ledger(ctx, 1)(yield)
	}
}

// NoteDump enters that somebody is about to take a plain copy of the account's database. The ledger of a locked account has the row once
// it is unlocked; the copy has it not.
func (g *Gateway) NoteDump(ctx context.Context, account, who string) error {
	a, err := g.askedOne(account)
	if err != nil {
		return err
	}
	_, err = a.index.Note(ctx, kindHandedOut, "", who, "the database, to dump")
	return err
}

// enteredAfter is how late a login is written of somebody who asks for nothing.
const enteredAfter = 100 * time.Millisecond

// noteLogin enters a login, durably, before its owner can do anything: before entered returns. Logins at once are one commit, and so
// are those of robots that only look whether somebody is there. If it cannot be written, the disk being full, say, he comes in all the
// same: his files are refused by their own rows.
func (g *Gateway) noteLogin(ctx context.Context, v *visit, so transport.Progress) (entered func()) {
	var by []string
	for _, step := range []struct {
		taken bool
		name  string
	}{{so.Key, "key"}, {so.Password, "password"}, {so.Code, "totp"}} {
		if step.taken {
			by = append(by, step.name)
		}
	}
	n := note{context.WithoutCancel(ctx), g, v.account, kindLogin, v.user.ID, v.Door + " " + v.Addr.String() + " " + strings.Join(by, "+")}
	settle := n.account.index.NoteSoon(n.ctx, n.kind, "", n.who, n.detail)
	entered = sync.OnceFunc(func() { n.failed(settle()) })
	if !g.entering.add(entered) {
		entered()
	}
	return entered
}

// noteRefusal has a counted wrong try entered, if it was at a login of an account.
func (g *Gateway) noteRefusal(ctx context.Context, v *visit, why string, until time.Time) {
	if v.user == nil || v.account == nil {
		return
	}
	detail := v.Door + " " + v.Addr.String() + " " + why
	if !until.IsZero() {
		detail += ", paused until " + utc(until)
	}
	g.noteLater(ctx, v.account, kindLoginRefused, v.user.ID, detail)
}

const (
	// notesAfter is how much later than a refused login its row is written: not before the next tries are answered, so that nobody can
	// tell by them whether there is such a login. What a crash takes with it stands in the log.
	notesAfter = time.Second
	// laterKept bounds what waits. Pauses and locks let fewer refused logins come.
	laterKept = 1000
)

// later is what is done together a little later, in its order, and at the end.
type later struct {
	after time.Duration
	mu    sync.Mutex
	queue []func()
	timer *time.Timer
	doer  sync.Mutex // held by the one who does it
}

// add waits for nothing; false: too much waits.
func (l *later) add(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) >= laterKept {
		return false
	}
	if l.queue = append(l.queue, f); len(l.queue) == 1 {
		l.timer = time.AfterFunc(l.after, l.do)
	}
	return true
}

// do does what waits.
func (l *later) do() {
	l.doer.Lock()
	defer l.doer.Unlock()
	l.mu.Lock()
	queue := l.queue
	l.queue = nil
	l.mu.Unlock()
	for _, f := range queue {
		f()
	}
}

// close does what waits, at once. Nothing may come any more.
func (l *later) close() {
	l.mu.Lock()
	if l.timer != nil {
		l.timer.Stop()
	}
	l.mu.Unlock()
	l.do()
}

// note is a row to be.
type note struct {
	ctx       context.Context // of the login, never cancelled
	g         *Gateway
	account   *account
	kind, who string
	detail    string
}

// noteLater has a row written a little later.
func (g *Gateway) noteLater(ctx context.Context, a *account, kind, who, detail string) {
	n := note{context.WithoutCancel(ctx), g, a, kind, who, detail}
	if a.fault != nil {
		n.failed(errors.New("the account is out of service"))
		return
	}
	if !g.notes.add(n.write) {
		g.log.Error("not in the ledger: too many rows wait", "account", a.ID, "user", who, "kind", kind)
	}
}

func (n *note) write() {
	_, err := n.account.index.Note(n.ctx, n.kind, "", n.who, n.detail)
	n.failed(err)
}

func (n *note) failed(err error) {
	if err != nil {
		n.g.log.Error("not in the ledger", "account", n.account.ID, "user", n.who, "kind", n.kind, "err", err)
	}
}
