package transport

import (
	"errors"
	"testing"
	"time"
)

// TestRemotePace: a transfer has its patience, and beyond that must come at a rate: a file of 1 MiB ends within minutes,
// not hours, however steadily it trickles.
func TestRemotePace(t *testing.T) {
	const silence = 30 * time.Second
	steps := func(n int, each time.Duration) (total time.Duration, err error) {
		var p pace
		for total < 24*time.Hour {
			if err := p.step(n, time.Now().Add(-each), silence); err != nil {
				return total, err
			}
			total += each
		}
		return total, nil
	}
	for _, c := range []struct {
		bytes int
		each  time.Duration
		end   time.Duration // 0: it may go on
	}{
		{0, time.Second, 300 * time.Second},
		{2 << 10, time.Second, 600 * time.Second}, // half the rate doubles the patience
		{8 << 10, time.Second, 0},
		{32 << 10, 10 * time.Second, 1500 * time.Second},
	} {
		total, err := steps(c.bytes, c.each)
		if c.end == 0 && err != nil || c.end != 0 && (!errors.Is(err, errTooSlow) || (total-c.end).Abs() > 2*c.each) {
			t.Errorf("%d bytes each %v: %v after %v", c.bytes, c.each, err, total)
		}
	}
}
