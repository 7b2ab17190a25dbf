package gateway

import (
	"strings"
	"testing"
	"time"
)

// These tests set the clock: by hours, to a year ahead and back, to 1970.

// TestLastLoginAfterAClockSetBack: a login by a clock that was a year ahead does not keep those after it from being noted.
func TestLastLoginAfterAClockSetBack(t *testing.T) {
	h := newHouse(t)
	h.addUser(t, "robot", "key")
	right := time.Now().UTC().Truncate(time.Microsecond)
	for _, now := range []time.Time{right.AddDate(1, 0, 0), right} {
		h.now = func() time.Time { return now }
		if got := h.steps(t, "robot", nil, "key"); got != "in" {
			t.Fatal(got)
		}
	}
	users, err := h.registry.Users(t.Context(), "acme")
	must(t, err)
	if len(users) != 1 || !users[0].LastLogin.Equal(right) {
		t.Errorf("%+v", users)
	}
}

// TestFileExpectedAfterAClockSetBack: neither a file that came, nor a rule that was made, by a clock that was a year ahead keeps what is
// missing from being told for that year.
func TestFileExpectedAfterAClockSetBack(t *testing.T) {
	h := newLateHouse(t, "2027-11-18 09:00", `acme expect: {by: "16:00"}`, `beta expect: {by: "16:00"}`)
	h.came(t, "A")
	h.say(t, "2027-11-18 09:01", "")
	h.say(t, "2026-11-18 09:00", "")
	h.say(t, "2026-11-18 16:00", `WARN missing by=2026-11-18T16:00+01:00 why="nothing was sent"`+"\n"+
		`WARN missing account=beta by=2026-11-18T16:00+01:00 why="nothing was sent"`)
	if p := h.problems(t); strings.Count(p, "file missing") != 2 {
		t.Error(p)
	}
	h.came(t, "B")
	h.say(t, "2026-11-18 16:10", "INFO came")
}
