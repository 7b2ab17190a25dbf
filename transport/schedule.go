package transport

import (
	"math/rand/v2"
	"time"

	"github.com/sealgate/sealgate/config"
)

// When a remote is looked at again.
const (
	secondLook  = 30 * time.Second // at the latest, after a look that found a file which is not settled yet
	firstLook   = 10 * time.Second // after the start, at the latest
	firstRetry  = 30 * time.Second // after the first look that failed; each further one doubles it
	longestWait = 15 * time.Minute // between looks that fail
	longestNap  = 10 * time.Minute // before the clock is read again: it may be set, or the machine be suspended
	wakeDelay   = 2 * time.Second  // before something is delivered, so that its like goes with it
)

// nextLook says how long to wait after a look: that ended now, failed so many times in a row, and left files for which a second
// look is all that they wait for.
func nextLook(r *config.Remote, now time.Time, failed int, soon bool) time.Duration {
	if failed > 0 {
		return min(longestWait, firstRetry<<min(failed-1, 10))
	}
	f := r.Fetch
	if f == nil {
		return 0
	}
	wait := time.Duration(0)
	if len(f.At) > 0 {
		wait = nextClock(f.At, f.Zone, now).Sub(now)
	} else {
		wait = jittered(f.Every)
	}
	if soon {
		wait = min(wait, secondLook)
	}
	return wait
}

// jittered is about d: up to a tenth more or less, so that many remotes do not all go at once.
func jittered(d time.Duration) time.Duration {
	return d - d/10 + rand.N(d/5+1)
}

// nextClock is the first of the times of day after now, in a zone.
func nextClock(clocks []string, zone string, now time.Time) time.Time {
	place := config.Place(zone)
	local := now.In(place)
	var next time.Time
	for day := range 3 {
		date := time.Date(local.Year(), local.Month(), local.Day()+day, 0, 0, 0, 0, time.UTC)
		for _, clock := range clocks {
			t := config.Clock(date, clock, place)
			if t.After(now) && (next.IsZero() || t.Before(next)) {
				next = t
			}
		}
		if !next.IsZero() {
			break
		}
	}
	return next
}
