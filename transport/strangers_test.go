package transport

import (
	"log/slog"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"
)

func prefix(i int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)}), 32)
}

// TestStrangersPay: what refused logins took is paid off with time, and as long as too much is owed strangers must go and customers
// not; sooner beside uploads.
func TestStrangersPay(t *testing.T) {
	for _, c := range []struct {
		name   string
		beside bool
		ahead  time.Duration
		share  float64
	}{{"calm", false, calmAhead, calmShare}, {"beside an upload", true, besideAhead, besideShare}} {
		t.Run(c.name, func(t *testing.T) {
			var s strangers
			now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
			later := func(d time.Duration) {
				if now = now.Add(d); c.beside {
					s.noteUpload(now)
				}
			}
			later(0)
			customer, stranger := prefix(1), prefix(2)
			s.letIn(customer, now)
			for range int(c.ahead / exchangeCost) {
				if s.turnAway(stranger, now) {
					t.Fatal("a stranger is turned away who owes too little")
				}
				s.refused(stranger, exchangeCost, now)
			}
			if !s.turnAway(stranger, now) || !s.turnAway(prefix(3), now) || s.turnAway(customer, now) {
				t.Error("too much is owed: strangers must go, customers must not")
			}
			paid := func(d time.Duration) time.Duration {
				return time.Duration(float64(d) / c.share / float64(runtime.GOMAXPROCS(0)))
			}
			if later(paid(guessCost) - time.Millisecond); s.turnAway(stranger, now) {
				t.Error("a stranger is turned away when something is paid off")
			}
			s.refused(stranger, guessCost, now)
			if !s.turnAway(stranger, now) {
				t.Error("a guess takes what was paid off")
			}
			if later(paid(time.Hour)); s.turnAway(stranger, now) {
				t.Error("a stranger is turned away when all is paid off")
			}
			s.refused(stranger, c.ahead-1, now)
			if s.turnAway(stranger, now) {
				t.Error("more than all was paid off")
			}
		})
	}
}

// TestAnUploadBegins: who was let in while nothing came may have to go when something does, and the other way round.
func TestAnUploadBegins(t *testing.T) {
	var s strangers
	now := time.Now()
	s.refused(prefix(1), (calmAhead+besideAhead)/2, now)
	if s.turnAway(prefix(1), now) {
		t.Error("turned away, though there is no upload")
	}
	s.noteUpload(now)
	if !s.turnAway(prefix(1), now) {
		t.Error("let in beside an upload")
	}
	if s.turnAway(prefix(1), now.Add(uploadPause)) {
		t.Error("turned away after the upload")
	}
	if s.beside(stepped(t, now.Add(uploadPause), -365*24*time.Hour)) {
		t.Error("beside an upload for a year, since the clock was set back")
	}
}

// TestFriendsBecomeStrangers: an address with too many refused logins in a row is a stranger's until somebody is let in from there.
func TestFriendsBecomeStrangers(t *testing.T) {
	var s strangers
	now := time.Now()
	s.letIn(prefix(1), now)
	s.refused(prefix(2), time.Hour, now)
	for i := range strangerAfter {
		if s.turnAway(prefix(1), now) {
			t.Fatalf("turned away after %d refused logins", i)
		}
		s.refused(prefix(1), lookCost, now) // a probe
		s.refused(prefix(1), exchangeCost, now)
	}
	if !s.turnAway(prefix(1), now) {
		t.Error("still a friend")
	}
	if s.letIn(prefix(1), now); s.turnAway(prefix(1), now) {
		t.Error("let in again, and still a stranger")
	}
}

// TestFriendsAreBounded: the addresses that are remembered are those that were let in last.
func TestFriendsAreBounded(t *testing.T) {
	var s strangers
	now := time.Now()
	for i := range friendsKept + 2 {
		s.letIn(prefix(i), now.Add(time.Duration(i)))
	}
	s.letIn(prefix(5), now.Add(time.Hour)) // one who is there pushes nobody out
	s.refused(prefix(1), time.Hour, now)
	for i, friend := range map[int]bool{0: false, 1: false, 2: true, 5: true, friendsKept + 1: true} {
		if s.turnAway(prefix(i), now) == friend {
			t.Errorf("address %d is a friend's: %v", i, !friend)
		}
	}
	if len(s.friends) != friendsKept {
		t.Errorf("%d are remembered", len(s.friends))
	}
}

// TestAFloodIsTwoLines, however many were turned away and however often one looks.
func TestAFloodIsTwoLines(t *testing.T) {
	var s strangers
	var out strings.Builder
	log := slog.New(slog.NewTextHandler(&out, nil))
	now := time.Now()
	s.tell(log, now)
	s.refused(prefix(1), time.Hour, now)
	for range 500 {
		s.turnAway(prefix(1), now)
		s.tell(log, now)
	}
	s.tell(log, now.Add(calmAfter))
	if lines := strings.Count(out.String(), "\n"); lines != 1 {
		t.Errorf("%d lines in the flood:\n%s", lines, &out)
	}
	s.tell(log, now.Add(calmAfter+1))
	s.tell(log, now.Add(2*calmAfter))
	if lines := strings.Count(out.String(), "\n"); lines != 2 || !strings.Contains(out.String(), "turned_away=500") {
		t.Errorf("after it:\n%s", &out)
	}
}
