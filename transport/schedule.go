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
	wakeDelay   = 2 * time.Second  // before something is delivered, so that its like goes with it
)

// nextLook says how long to wait after a look: that ended now, failed so many times in a row, and left files that wait for
// a second look.
func nextLook(r *config.Remote, now time.Time, failed int, waiting bool) time.Duration {
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
	if waiting {
		wait = min(wait, secondLook)
	}
	return wait
}

// jittered is about d: up to a tenth more or less, so that many remotes do not all go at once.
func jittered(d time.Duration) time.Duration {
	return d - d/10 + rand.N(d/5+1)
}

// nextClock is the first of the times of day after now, in a zone. A time that a clock change skips is the moment of the
// change; one that comes twice is the first of the two.
func nextClock(clocks []string, zone string, now time.Time) time.Time {
	place, err := time.LoadLocation(zone)
	if err != nil {
		place = time.UTC // Load refused such a zone
	}
	local := now.In(place)
	var next time.Time
	for day := range 3 {
		for _, clock := range clocks {
			t := onDay(local.AddDate(0, 0, day), clock, place)
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

// onDay is a time of day on the day of t.
func onDay(t time.Time, clock string, place *time.Location) time.Time {
	at, _ := time.Parse("15:04", clock) // Load refused others
	return time.Date(t.Year(), t.Month(), t.Day(), at.Hour(), at.Minute(), 0, 0, place)
}
