package gateway

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
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
)

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
	pending map[string]int // guesses that are being looked at, by the keys of tallies
	settled chan struct{}  // closed whenever one of them is not any more
	now     func() time.Time
	slots   chan struct{}
	queue   chan struct{}
	entered atomic.Int64 // how many places at the hash were given, ever
}

type tally struct {
	wrong int
	last  time.Time
	until time.Time // locked until then
}

// stale says whether what is counted is long ago.
func (t *tally) stale(now time.Time) bool { return now.Sub(t.last) > 2*longestLock }

func (l *logins) init(now func() time.Time) {
	l.tallies, l.now = map[string]*tally{}, now
	l.pending, l.settled = map[string]int{}, make(chan struct{})
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
	return l.turn(ctx)
}

// turn is enter for an operator, who waits however many are before him.
func (l *logins) turn(ctx context.Context) (leave func(), err error) {
	select {
	case l.slots <- struct{}{}:
		l.entered.Add(1)
		return func() { <-l.slots }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// pauses are until when an address and a login are paused; zero if they are not.
type pauses struct{ address, login time.Time }

// approach says that the address is paused, or lets a guess be made now: then done is to be called once it is counted, also
// if the login is paused, of which nothing may be said. Of guesses at once, it holds back those that would be too many if all before them
// are wrong (atOnce at one login), until that is known: else whoever guesses in parallel would be paused no sooner than by the
// length of the queue.
func (l *logins) approach(ctx context.Context, who, where string, atOnce int) (p pauses, done func(), err error) {
	for {
		l.mu.Lock()
		p = pauses{address: l.until(where), login: l.until(who)}
		if !p.address.IsZero() || l.room(where, triesOfAddress) && (!p.login.IsZero() || l.room(who, atOnce)) {
			break
		}
		settled := l.settled
		l.mu.Unlock()
		select {
		case <-settled:
		case <-ctx.Done():
			return p, nil, ctx.Err()
		}
	}
	defer l.mu.Unlock()
	if !p.address.IsZero() {
		return p, nil, nil
	}
	l.pending[who]++
	l.pending[where]++
	return p, func() { l.settle(who, where) }, nil
}

// room says whether one more guess may be looked at beside those that are. The caller holds mu.
func (l *logins) room(key string, most int) bool {
	wrong, pending := 0, l.pending[key]
	if t := l.tallies[key]; t != nil && !t.stale(l.now()) {
		wrong = t.wrong
	}
	return pending == 0 || wrong+pending < most
}

func (l *logins) settle(keys ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, key := range keys {
		if l.pending[key]--; l.pending[key] == 0 {
			delete(l.pending, key)
		}
	}
	close(l.settled)
	l.settled = make(chan struct{})
}

// locked gives the time until which any of the keys is locked; zero if none is.
func (l *logins) locked(keys ...string) (until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.until(keys...)
}

// until is locked for a caller who holds mu.
func (l *logins) until(keys ...string) (until time.Time) {
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
	if t == nil || t.stale(now) {
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
