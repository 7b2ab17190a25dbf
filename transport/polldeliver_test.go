package transport_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/config"
)

func refuses(op string) func(op, name string, off int64) error {
	return func(o, _ string, _ int64) error {
		if o == op {
			return denied
		}
		return nil
	}
}

// TestDeliverAgain: what could not be delivered is tried again when its pause is over, though nothing else ever happens to
// this remote; somebody who asks does not wait for that.
func TestDeliverAgain(t *testing.T) {
	v := newVisit(t, sends)
	v.send(t, "report.txt", []byte("a report"))
	v.shop.lies(func(s *shop) { s.before = refuses("rename") })
	for tries := 1; tries <= 3; tries++ {
		v.look(t)
		due, err := v.NextSend(t.Context(), "acme", "kund")
		must(t, err)
		until(t, "the next look is when it is due", func() bool { return v.poller.States()[0].NextLook.Equal(due) })
		if now := time.Now(); due.Before(now) {
			t.Errorf("try %d: due at %v, and it is %v", tries, due, now)
		}
	}
	v.shop.honest()
	v.look(t)
	v.holds(t, "/in", "report.txt:8")
	until(t, "nothing more is planned", func() bool { return v.poller.States()[0].NextLook.IsZero() })
}

// TestDeliverInDoubt: a file that lost its temporary name counts as arrived only if the folder is there at all.
func TestDeliverInDoubt(t *testing.T) {
	v := newVisit(t, sends)
	v.send(t, "report.txt", []byte("a report"))
	v.shop.lies(func(s *shop) { s.before = refuses("rename") })
	v.look(t)
	v.shop.lies(func(s *shop) {
		s.before = func(_, name string, _ int64) error {
			if strings.HasPrefix(name, "/in") {
				return os.ErrNotExist // not mounted
			}
			return nil
		}
	})
	if r := v.look(t); r.Delivered != 0 || r.Undelivered != 1 {
		t.Errorf("the folder is not there: %+v", r)
	}
	v.shop.honest()
	if r := v.look(t); r.Delivered != 1 {
		t.Errorf("it is there again: %+v", r)
	}
	v.holds(t, "/in", "report.txt:8")

	// Renamed, and then the connection is lost: it has arrived, and does not arrive again.
	v.send(t, "second.txt", []byte("second"))
	v.shop.lies(func(s *shop) {
		s.before = func(op, name string, _ int64) error {
			if op != "rename" {
				return nil
			}
			s.lies(func(s *shop) { s.files["/in/second.txt"] = s.files[name]; delete(s.files, name) })
			return errHangUp
		}
	})
	v.lookFails(t, "rename", "closed")
	v.shop.honest()
	v.look(t)
	v.holds(t, "/in", "report.txt:8 second.txt:6")
}

// TestDeliverThough: a folder that cannot be listed does not hold up what is to be delivered.
func TestDeliverThough(t *testing.T) {
	v := newVisit(t, func(r *config.Remote) { r.Send = &config.Send{Path: "/in", Receipts: "yes"} })
	v.shop.put("/out/a.xml", payments(t, 20, 1))
	v.shop.put("/out/b.xml", broken(t))
	v.look(t)
	if got := v.shop.there("/in"); strings.Count(got, ".json:") != 2 {
		t.Errorf("receipts: %s", got)
	}
	v.send(t, "report.txt", []byte("a report"))
	v.shop.lies(func(s *shop) { s.before = refuses("list") })
	v.lookFails(t, "list", "permit")
	if got := v.shop.there("/in"); !strings.Contains(got, "report.txt:8") {
		t.Errorf("there are %s", got)
	}
}
