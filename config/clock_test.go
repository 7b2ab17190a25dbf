package config

import (
	"testing"
	"time"
)

// TestClock: days on which clocks change, forwards and backwards, at night and at midnight, and a leap day.
func TestClock(t *testing.T) {
	for _, c := range []struct{ zone, day, clock, want string }{
		{"Europe/Stockholm", "2026-01-15", "16:00", "2026-01-15T16:00:00+01:00"},
		{"Europe/Stockholm", "2026-07-15", "16:00", "2026-07-15T16:00:00+02:00"},
		{"Europe/Stockholm", "2028-02-29", "00:00", "2028-02-29T00:00:00+01:00"},
		{"Europe/Stockholm", "2026-03-29", "01:59", "2026-03-29T01:59:00+01:00"},
		{"Europe/Stockholm", "2026-03-29", "02:00", "2026-03-29T03:00:00+02:00"}, // skipped: the moment of the change
		{"Europe/Stockholm", "2026-03-29", "02:30", "2026-03-29T03:00:00+02:00"},
		{"Europe/Stockholm", "2026-03-29", "03:00", "2026-03-29T03:00:00+02:00"},
		{"Europe/Stockholm", "2026-03-29", "16:00", "2026-03-29T16:00:00+02:00"},
		{"Europe/Stockholm", "2026-10-25", "01:59", "2026-10-25T01:59:00+02:00"},
		{"Europe/Stockholm", "2026-10-25", "02:00", "2026-10-25T02:00:00+02:00"}, // twice: the first
		{"Europe/Stockholm", "2026-10-25", "02:59", "2026-10-25T02:59:00+02:00"},
		{"Europe/Stockholm", "2026-10-25", "03:00", "2026-10-25T03:00:00+01:00"},
		{"America/New_York", "2026-03-08", "02:30", "2026-03-08T03:00:00-04:00"}, // west of Greenwich Date errs the other way
		{"America/New_York", "2026-11-01", "01:30", "2026-11-01T01:30:00-04:00"},
		{"Africa/Cairo", "2026-04-24", "00:30", "2026-04-24T01:00:00+03:00"}, // a day without its midnight
		{"Australia/Lord_Howe", "2026-04-05", "01:45", "2026-04-05T01:45:00+11:00"},
		{"UTC", "2026-03-29", "02:30", "2026-03-29T02:30:00Z"},
		{"Mars/Base", "2026-03-29", "02:30", "2026-03-29T02:30:00Z"},
	} {
		day, err := time.Parse(time.DateOnly, c.day)
		if err != nil {
			t.Fatal(err)
		}
		if got := Clock(day, c.clock, Place(c.zone)).Format(time.RFC3339); got != c.want {
			t.Errorf("%s %s %s: %s, want %s", c.zone, c.day, c.clock, got, c.want)
		}
	}
}
