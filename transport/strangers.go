package transport

import (
	"log/slog"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// What a connection that ends without a login has taken of the processor, more or less; the password hash is slow on purpose.
const (
	lookCost     = 100 * time.Microsecond // somebody looked, and went
	exchangeCost = time.Millisecond       // keys were exchanged
	guessCost    = 32 * time.Millisecond  // a password was hashed; each
)

const (
	// calmShare of the processors is what refused logins may take for long, and calmAhead is how much of a whole processor may be
	// taken in advance: sixteen wrong passwords at once, or five hundred unknown keys.
	calmShare = 0.2
	calmAhead = 500 * time.Millisecond
	// besideShare and besideAhead are the same while files come in, of which a flood must take nothing that anybody would notice.
	besideShare = 0.02
	besideAhead = 100 * time.Millisecond
	// uploadPause is how long after the last bytes of a file none is said to come in.
	uploadPause = time.Second
	// strangerAfter is how many refused logins in a row make a stranger of an address that has been let in before.
	strangerAfter = 30
	// friendsKept bounds the addresses that are remembered. The one that was let in longest ago goes first.
	friendsKept = 10_000
	// calmAfter is how long nobody must have been turned away before a flood is said to be over.
	calmAfter = time.Minute
)

// turnedAway is said to those who must go, before the protocol's first line, where some clients show it (RFC 4253, section 4.2).
const turnedAway = "sealgate: too many refused logins just now. Try again in a minute.\r\n"

// strangers keeps a flood of logins away from the uploads. What refused logins take of the processor is reckoned up, and paid off
// with time, fast while nothing else is to be done, and slowly beside uploads. While too much is owed, whoever comes from an address
// that nobody has been let in from is turned away before anything is spent on him; customers' addresses are served as ever. It remembers
// nothing over a restart.
type strangers struct {
	mu      sync.Mutex
	owed    time.Duration
	since   time.Time // when owed was right
	friends map[netip.Prefix]*friend
	away    int // turned away in this flood
	last    time.Time
	told    bool
	wrote   atomic.Int64 // when bytes of a file came last, in nanoseconds since 1970
}

// friend is an address that somebody has been let in from.
type friend struct {
	came   time.Time
	failed int // refused logins since
}

// turnAway says whether a newcomer must go.
func (s *strangers) turnAway(near netip.Prefix, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pay(now)
	if f := s.friends[near]; s.owed < s.ahead(now) || f != nil && f.failed < strangerAfter {
		return false
	}
	s.away++
	s.last = now
	return true
}

// refused reckons up what a connection took that ended without a login.
func (s *strangers) refused(near netip.Prefix, cost time.Duration, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pay(now)
	s.owed += cost
	if f := s.friends[near]; f != nil && cost > lookCost { // a probe that only connects is no refused login
		f.failed++
	}
}

// noteUpload notes that bytes of a file came.
func (s *strangers) noteUpload(now time.Time) { s.wrote.Store(now.UnixNano()) }

// beside says whether there are uploads that a flood would slow down.
func (s *strangers) beside(now time.Time) bool {
	return now.Sub(time.Unix(0, s.wrote.Load())).Abs() < uploadPause // the clock may have been set back
}

// ahead is how much may be owed before strangers must go.
func (s *strangers) ahead(now time.Time) time.Duration {
	if s.beside(now) {
		return besideAhead
	}
	return calmAhead
}

// pay pays off what is owed. The caller holds the lock.
func (s *strangers) pay(now time.Time) {
	share := calmShare
	if s.beside(now) {
		share = besideShare
	}
	paid := float64(now.Sub(s.since)) * share * float64(runtime.GOMAXPROCS(0))
	s.owed -= time.Duration(min(paid, float64(s.owed))) // never more than is owed, however long ago that was
	s.since = now
}

// letIn remembers an address.
func (s *strangers) letIn(near netip.Prefix, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.friends == nil {
		s.friends = make(map[netip.Prefix]*friend)
	}
	if s.friends[near] == nil && len(s.friends) >= friendsKept {
		oldest := near
		for candidate, f := range s.friends {
			if first := s.friends[oldest]; first == nil || f.came.Before(first.came) {
				oldest = candidate
			}
		}
		delete(s.friends, oldest)
	}
	s.friends[near] = &friend{came: now}
}

// tell says when strangers begin to be turned away, and when none has been for a while: two lines for a flood.
func (s *strangers) tell(log *slog.Logger, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.away > 0 && !s.told:
		s.told = true
		log.Warn("strangers are turned away: refused logins took too much of the processor; addresses that customers have come from are served", "door", "sftp")
	case s.told && now.Sub(s.last) > calmAfter:
		log.Warn("strangers are let in again", "door", "sftp", "turned_away", s.away)
		s.away, s.told = 0, false
	}
}
