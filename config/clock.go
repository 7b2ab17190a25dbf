package config

import "time"

// Clock is the moment of a time of day, like 16:00, on the day of t (its year, month and day as they stand there), in a zone.
// A time that a clock change skips is the moment of the change; one that comes twice is the first of the two: whoever waits
// for it is never late. (time.Date promises neither.)
func Clock(t time.Time, clock string, zone *time.Location) time.Time {
	c, _ := time.Parse("15:04", clock) // Load refused others
	wanted := time.Date(t.Year(), t.Month(), t.Day(), c.Hour(), c.Minute(), 0, 0, time.UTC)
	found := time.Date(t.Year(), t.Month(), t.Day(), c.Hour(), c.Minute(), 0, 0, zone)
	begins, ends := found.ZoneBounds()
	shown := onWall(found)
	switch {
	case shown.After(wanted): // skipped, and Date counted on from the change
		return begins
	case shown.Before(wanted): // skipped, and Date counted back from it
		return ends
	case begins.IsZero():
		return found
	}
	_, now := found.Zone()
	_, before := begins.Add(-time.Nanosecond).Zone()
	if first := found.Add(time.Duration(now-before) * time.Second); first.Before(begins) && before > now {
		return first
	}
	return found
}

// onWall is what a clock on the wall shows, as a time of UTC.
func onWall(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// Place is the time zone of a name that Load has checked.
func Place(zone string) *time.Location {
	place, err := time.LoadLocation(zone)
	if err != nil {
		return time.UTC
	}
	return place
}
