package gateway

import (
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

// keep ends the sessions of accounts that have left the configuration: nobody could see or end them any more.
func (s *sessions) keep(cfg *config.Config) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, one := range s.open {
		if cfg.Account(id) == nil {
			one.until = time.Time{}
			s.open[id] = one
		}
	}
	s.wake()
}

// passing says whether a session goes with whoever has begun it.
func (s *sessions) passing(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open[id].passing
}

// over forgets the sessions whose time is up, and gives their indexes, and in how long to look again.
func (s *sessions) over(now time.Time) (list map[string]*indexer.Index, next time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list, next = map[string]*indexer.Index{}, LongestSession
	for id, session := range s.open {
		if left := session.left(now); left > 0 {
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
