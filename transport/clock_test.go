package transport

import (
	"net"
	"testing"
	"time"
	"unsafe"
)

// stepped is a moment as a clock tells it that was set: at another time of day, after as long a run of the machine. What lies in a time with both
// clocks is told in package time: 33 bits of seconds of the wall clock, then 30 of nanoseconds.
func stepped(t testing.TB, at time.Time, by time.Duration) time.Time {
	t.Helper()
	set := at
	*(*uint64)(unsafe.Pointer(&set)) += uint64(by/time.Second) << 30
	if set.Sub(at) != 0 || set.Round(0).Sub(at.Round(0)) != by {
		t.Fatalf("%v was to be %v by %v", set, at, by)
	}
	return set
}

// TestQuietOverASetClock: how long a client has been quiet does not depend on a clock that is set meanwhile. Else all sessions would be cut when
// it is set ahead, and none for as long as it was set back.
func TestQuietOverASetClock(t *testing.T) {
	_, server := net.Pipe()
	c := newConnection(server)
	for _, by := range []time.Duration{0, time.Hour, -time.Hour, 365 * 24 * time.Hour} {
		if got := c.quiet(stepped(t, c.began.Add(time.Minute), by)); got != time.Minute {
			t.Errorf("the clock is set by %v: quiet for %v, want a minute", by, got)
		}
	}
}
