package gateway

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sealgate/sealgate/config"
	"github.com/sealgate/sealgate/indexer"
)

// sessions are the protected accounts that are unlocked, and until when.
type sessions struct {
	mu      sync.Mutex
	open    map[string]session // by account
	changed chan struct{}      // one token: the next end may be another
	ending  sync.WaitGroup     // accounts that are being locked since their time is up
	held    sync.Map           // *sync.Mutex by account: locked by whoever unlocks or locks it
	left    atomic.Bool        // sessions have ended, and what was answered in them may still be in memory that is freed, or soon is
}

type session struct {
	index   *indexer.Index
	until   time.Time
	passing bool // begun to join, and nobody has unlocked the account since: it goes with whoever began it
}

func (s *sessions) init() {
	s.open, s.changed = map[string]session{}, make(chan struct{}, 1)
}

// begin notes until when an account is open. join: unless somebody has noted it already, which is told.
func (s *sessions) begin(id string, index *indexer.Index, until time.Time, join bool) (joined bool) {
	s.mu.Lock()
	_, joined = s.open[id]
	if joined = joined && join; !joined {
		s.open[id] = session{index, until, join}
	}
	s.mu.Unlock()
	s.wake()
	return joined
}

// wake has watchSessions look again.
func (s *sessions) wake() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// end forgets a session.
func (s *sessions) end(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, id)
}

// until is zero for an account that is not unlocked.
func (s *sessions) until(id string) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open[id].until
}

// passing says whether a session goes with whoever has begun it.
func (s *sessions) passing(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open[id].passing
}

// over forgets the sessions whose time is up, and those of accounts that have left the configuration, which nobody could see or end any
// more. It gives their indexes, and in how long to look again.
func (s *sessions) over(now time.Time, cfg *config.Config) (list map[string]*indexer.Index, next time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list, next = map[string]*indexer.Index{}, LongestSession
	for id, session := range s.open {
		if left := session.left(now); left > 0 && cfg.Account(id) != nil {
			next = min(next, left)
			continue
		}
		list[id] = session.index
		delete(s.open, id)
	}
	return list, next
}

// left is how long a session lasts, by the clock that says less: one of the two stands still while the machine is suspended, the other may
// be set back.
func (s *session) left(now time.Time) time.Duration {
	return min(s.until.Sub(now), s.until.Round(0).Sub(now.Round(0)))
}

// hold waits until nobody else unlocks or locks an account, and keeps all others from it until release: what either is told is how it
// left the account.
func (s *sessions) hold(id string) (release func()) {
	held, _ := s.held.LoadOrStore(id, new(sync.Mutex))
	held.(*sync.Mutex).Lock()
	return held.(*sync.Mutex).Unlock
}

// lock locks an index at the end of its session. overwrite is to be called after it.
func (s *sessions) lock(index *indexer.Index) error {
	err := index.Lock()
	s.left.Store(true)
	return err
}

// overwrite has the collector overwrite (FreedMemory) what ended sessions have left, and not only when it next comes. It comes twice: what
// libraries keep to use again, such as an answer's buffer, it lets go at the second time.
func (s *sessions) overwrite() {
	if s.left.Swap(false) {
		runtime.GC()
		runtime.GC()
	}
}

// lookAtSessions is how long watchSessions waits at most: its timer stands still while the machine is suspended.
const lookAtSessions = time.Minute

// watchSessions locks each account when its session is over, until the doors have ended: a gateway that stops may wait for uploads longer
// than a session is meant to last. What is open then, Close locks.
func (g *Gateway) watchSessions(ctx context.Context, ended <-chan struct{}) error {
	defer g.sessions.ending.Wait()
	for {
		timer := time.NewTimer(min(g.endSessions(ctx), lookAtSessions))
		select {
		case <-timer.C:
		case <-g.sessions.changed:
		case <-ended:
			timer.Stop()
			return nil
		}
		timer.Stop()
	}
}

// endSessions begins to lock each account whose session is over, and says when to look again. Each is locked for itself: one that takes long
// keeps no other open.
func (g *Gateway) endSessions(ctx context.Context) time.Duration {
	over, next := g.sessions.over(g.now(), g.cfg.Load())
	for id, index := range over {
		g.sessions.ending.Go(func() { g.endSession(context.WithoutCancel(ctx), id, index) })
	}
	return next
}

// endSession locks an account whose session is over, unless somebody has begun another meanwhile.
func (g *Gateway) endSession(ctx context.Context, id string, index *indexer.Index) {
	defer g.sessions.hold(id)()
	if !g.sessions.until(id).IsZero() {
		return
	}
	a := g.account(id)
	if a == nil && index != nil { // it has left the configuration, and its index stays
		a = &account{Account: &config.Account{ID: id}, index: index}
	}
	var err error
	if a != nil {
		err = g.lockAccount(ctx, a, "")
	}
	g.sessions.overwrite()
	if err != nil {
		g.log.Error("not locked as it should be", "account", id, "err", err)
	}
}
