package gateway

import (
	"sync"
	"time"

	"github.com/sealgate/sealgate/indexer"
)

// sessions are the protected accounts that are unlocked, and until when.
type sessions struct {
	mu      sync.Mutex
	open    map[string]session // by account
	changed chan struct{}      // one token: the next end may be another
}

type session struct {
	index *indexer.Index
	until time.Time
}

func (s *sessions) init() {
	s.open, s.changed = map[string]session{}, make(chan struct{}, 1)
}

// begin notes until when an account is open. join: unless somebody has noted it already, which is told.
func (s *sessions) begin(id string, index *indexer.Index, until time.Time, join bool) (joined bool) {
	s.mu.Lock()
	_, joined = s.open[id]
	if joined = joined && join; !joined {
		s.open[id] = session{index, until}
	}
	s.mu.Unlock()
	select {
	case s.changed <- struct{}{}:
	default:
	}
	return joined
}

// end forgets a session, and gives its index; nil if there was none.
func (s *sessions) end(id string) *indexer.Index {
	s.mu.Lock()
	defer s.mu.Unlock()
	index := s.open[id].index
	delete(s.open, id)
	return index
}

// until is zero for an account that is not unlocked.
func (s *sessions) until(id string) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open[id].until
}

// next gives the account whose time is up first; "" if none is unlocked.
func (s *sessions) next() (id string, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for candidate, session := range s.open {
		if id == "" || session.until.Before(until) {
			id, until = candidate, session.until
		}
	}
	return id, until
}
