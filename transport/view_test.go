package transport

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sealgate/sealgate/config"
)

// earlierHouse has taken one file before it was started.
type earlierHouse struct {
	House
	ghost Ghost
}

func (earlierHouse) Account(string) *config.Account { return nil }
func (h earlierHouse) Shown(_ context.Context, _ string, since time.Time) ([]Ghost, error) {
	if h.ghost.TakenAt.Before(since) {
		return nil, nil
	}
	return []Ghost{h.ghost}, nil
}

// TestShownAfterAClockSetBack: after a restart a file is shown for what is left of its while; one that came by a clock that was a year
// ahead, for no longer than any.
func TestShownAfterAClockSetBack(t *testing.T) {
	for ahead, shown := range map[time.Duration]time.Duration{
		-4 * time.Minute: 6 * time.Minute, -defaultLinger - 1: 0, 0: defaultLinger, 365 * 24 * time.Hour: defaultLinger,
	} {
		synctest.Test(t, func(t *testing.T) {
			begun := time.Now()
			v := newView(earlierHouse{ghost: Ghost{ID: "1", Name: "a.xml", Size: 3, TakenAt: begun.Add(ahead).Round(0)}}, "acme")
			if err := v.seed(t.Context(), begun); err != nil {
				t.Fatal(err)
			}
			if e := v.find("a.xml", begun.Add(shown)); (e != nil) != (shown > 0) {
				t.Errorf("taken %v from now, %v later: %+v", ahead, shown, e)
			}
			if e := v.find("a.xml", begun.Add(shown+1)); e != nil {
				t.Errorf("taken %v from now, it is shown until %v", ahead, e.until)
			}
		})
	}
}
