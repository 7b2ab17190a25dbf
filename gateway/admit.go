package gateway

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/transport"
	"github.com/sealgate/sealgate/vault"
)

// Bounds of logins. A password hash takes 19 MiB and 30 ms on purpose, so few run at once and few wait: a flood of
// logins must not starve uploads.
const (
	hashesAtOnce   = 2
	hashesWaiting  = 64
	triesOfUser    = 10 // wrong ones before a user is locked
	triesOfAddress = 30 // ... before an address is
	firstLock      = time.Minute
	longestLock    = 15 * time.Minute
	talliesKept    = 10_000
	touchEvery     = time.Minute // how exact "last login" is
)

// errNo is all that a client learns of a refused login.
var errNo = errors.New("login refused")

// Admit turns a login into a guest. An unknown login costs as much as a wrong password, and is told the same.
func (g *Gateway) Admit(ctx context.Context, try transport.LoginTry) (transport.Guest, error) {
	blind := g.unlock.Blind(try.Login)
	who, where := "user:"+string(blind[:]), "addr:"+network(try.Addr).String()
	if try.PublicKey != nil {
		who = "" // a signature cannot be guessed: a lock on it would only let strangers keep a customer out
	}
	if until := g.logins.locked(who, where); !until.IsZero() {
		g.refused(try, nil, "locked", 0, until)
		return transport.Guest{}, &transport.Refusal{Sentence: fmt.Sprintf(
			"too many wrong logins; try again after %s UTC, or ask your contact.", until.UTC().Format("15:04"))}
	}
	user, err := g.registry.UserByBlind(ctx, blind)
	if err != nil && !errors.Is(err, indexer.ErrNotFound) {
		g.log.Error("login refused", "door", try.Door, "why", "registry", "err", err)
		return transport.Guest{}, errNo
	}
	good, why := false, "wrong-password"
	if try.PublicKey != nil {
		good = user != nil && hasKey(user, try.PublicKey)
	} else {
		if good, err = g.checkPassword(ctx, user, try.Password); err != nil {
			g.refused(try, user, "busy", 0, time.Time{})
			return transport.Guest{}, errNo
		}
	}
	switch {
	case good && g.account(user.Account) == nil:
		g.refused(try, user, "no-account", 0, time.Time{})
		return transport.Guest{}, errNo
	case good && try.PublicKey != nil && !try.Proven:
		return transport.Guest{Account: user.Account, User: user.ID, Addr: try.Addr}, nil
	case good:
		g.logins.forget(who) // nobody's with a key: a robot must not wash away the guesses at its owner's password
		g.touch(ctx, user)
		g.log.Debug("login", "account", user.Account, "door", try.Door, "user", user.ID, "addr", try.Addr)
		return transport.Guest{Account: user.Account, User: user.ID, Addr: try.Addr}, nil
	case try.PublicKey != nil:
		// Clients offer every key they have before the right one: a key that is not known is no guess, and says nothing
		// about whether there is such a login.
		return transport.Guest{}, errNo
	}
	id := "" // also for an unknown login the registry is asked, so that it takes as long
	if user == nil {
		why = "unknown-user"
	} else {
		id = user.ID
	}
	if err := g.registry.Refused(ctx, id, g.now()); err != nil && user != nil {
		g.log.Error("refused login not noted", "user", id, "err", err)
	}
	tries, until := g.logins.wrong(who, where)
	g.refused(try, user, why, tries, until)
	return transport.Guest{}, errNo
}

// checkPassword hashes once whoever it is. An error means that too many wait already.
func (g *Gateway) checkPassword(ctx context.Context, user *indexer.User, password []byte) (bool, error) {
	leave, err := g.logins.enter(ctx)
	if err != nil {
		return false, err
	}
	defer leave()
	hash := vault.DummyHash
	known := user != nil && user.PasswordHash != ""
	if known {
		hash = user.PasswordHash
	}
	ok, err := vault.CheckPassword(hash, password)
	return ok && known, err
}

func hasKey(user *indexer.User, offered []byte) bool {
	found := 0
	for _, key := range user.PublicKeys {
		found |= subtle.ConstantTimeCompare(key, offered)
	}
	return found == 1 && len(offered) > 0
}

// touch notes the time of a login, at most once in touchEvery: each note is a flush to disk.
func (g *Gateway) touch(ctx context.Context, user *indexer.User) {
	now := g.now()
	if now.Sub(user.LastLogin) < touchEvery {
		return
	}
	if err := g.registry.Touch(ctx, user.ID, now); err != nil {
		g.log.Error("last login not noted", "user", user.ID, "err", err)
	}
}

// refused writes the operator's line. The name that was typed is never in it: people type passwords there.
func (g *Gateway) refused(try transport.LoginTry, user *indexer.User, why string, tries int, until time.Time) {
	var args []any
	if user != nil {
		args = append(args, "account", user.Account)
	}
	if user != nil {
		args = append(args, "user", user.ID)
	}
	args = append(args, "door", try.Door, "addr", try.Addr, "why", why)
	if tries > 0 {
		args = append(args, "tries", tries)
	}
	if !until.IsZero() {
		args = append(args, "locked", until.Sub(g.now()).Round(time.Second))
	}
	client, _, _ := strings.Cut(strings.TrimPrefix(plain(try.Client), "SSH-2.0-"), " ")
	args = append(args, slog.String("client", client[:min(len(client), 60)]))
	g.log.Warn("login refused", args...)
}

// network is what one sender is taken to own: an IPv4 address, an IPv6 /64.
func network(addr netip.Addr) netip.Addr {
	addr = addr.Unmap()
	if addr.Is6() {
		if prefix, err := addr.Prefix(64); err == nil {
			return prefix.Addr()
		}
	}
	return addr
}

// logins counts wrong logins by user and by address, and bounds the password hashes.
type logins struct {
	mu      sync.Mutex
	tallies map[string]*tally
	now     func() time.Time
	slots   chan struct{}
	queue   chan struct{}
}

type tally struct {
	wrong int
	last  time.Time
	until time.Time // locked until then
}

func (l *logins) init(now func() time.Time) {
	l.tallies, l.now = map[string]*tally{}, now
	l.slots, l.queue = make(chan struct{}, hashesAtOnce), make(chan struct{}, hashesWaiting)
}

// enter waits for one of the few places at the hash. The caller must call leave.
func (l *logins) enter(ctx context.Context) (leave func(), err error) {
	select {
	case l.queue <- struct{}{}:
	default:
		return nil, errNo
	}
	defer func() { <-l.queue }()
	select {
	case l.slots <- struct{}{}:
		return func() { <-l.slots }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// locked gives the time until which any of the keys is locked; zero if none is.
func (l *logins) locked(keys ...string) (until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	for _, key := range keys {
		if t := l.tallies[key]; t != nil && t.until.After(now) && t.until.After(until) {
			until = t.until
		}
	}
	return until
}

// wrong counts a wrong login of a user (who may be empty) from an address, and says how many tries that makes and until when it locks.
func (l *logins) wrong(who, where string) (tries int, until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	tries, until = l.count(where, triesOfAddress)
	if who != "" {
		ofUser, also := l.count(who, triesOfUser)
		if tries = ofUser; also.After(until) {
			until = also
		}
	}
	return tries, until
}

func (l *logins) count(key string, most int) (int, time.Time) {
	now := l.now()
	t := l.tallies[key]
	if t == nil || now.Sub(t.last) > 2*longestLock {
		l.makeRoom()
		t = &tally{}
		l.tallies[key] = t
	}
	t.wrong++
	t.last = now
	if over := t.wrong - most; over >= 0 {
		t.until = now.Add(min(longestLock, firstLock<<min(over, 4)))
	}
	return t.wrong, t.until
}

// makeRoom keeps the table bounded: whoever floods it with names pushes out the oldest, never the newest.
func (l *logins) makeRoom() {
	if len(l.tallies) < talliesKept {
		return
	}
	cut := l.now().Add(-longestLock)
	oldest, at := "", time.Time{}
	for key, t := range l.tallies {
		if t.last.Before(cut) {
			delete(l.tallies, key)
		} else if oldest == "" || t.last.Before(at) {
			oldest, at = key, t.last
		}
	}
	if len(l.tallies) >= talliesKept {
		delete(l.tallies, oldest)
	}
}

// forget clears a user's wrong logins after a right one. The address keeps its count: one right login must not wash
// away the guesses at others.
func (l *logins) forget(who string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.tallies, who)
}
