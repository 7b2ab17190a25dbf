package transport_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealgate/sealgate/config"
	"github.com/sealgate/sealgate/transport"
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

// TestDeliverClockSetBack: what was put off by a clock that was a year ahead is delivered once it is right again.
func TestDeliverClockSetBack(t *testing.T) {
	v := newVisit(t, sends)
	v.send(t, "report.txt", []byte("a report"))
	v.ahead.Store(int64(365 * 24 * time.Hour))
	v.shop.lies(func(s *shop) { s.before = refuses("rename") })
	v.look(t)
	v.ahead.Store(0)
	v.shop.honest()
	v.look(t)
	v.holds(t, "/in", "report.txt:8")
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
	for _, want := range []int{1, 0} {
		if r := v.look(t); r.Delivered != want || r.Undelivered != 0 {
			t.Errorf("%d were found to be delivered, want %d: %+v", r.Delivered, want, r)
		}
	}
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

// TestDeliverRefused: a file whose name was refused there is not taken for delivered when its temporary file goes; it is
// stored again.
func TestDeliverRefused(t *testing.T) {
	v := newVisit(t, sends)
	v.send(t, "report.txt", []byte("a report"))
	v.shop.lies(func(s *shop) { s.before = refuses("rename") })
	v.look(t)
	v.shop.honest()
	v.shop.lies(func(s *shop) { // a job there clears temporary files away in the night
		maps.DeleteFunc(s.files, func(name string, _ *ware) bool { return strings.HasSuffix(name, ".part") })
	})
	if r := v.look(t); r.Delivered != 1 {
		t.Errorf("%+v", r)
	}
	v.holds(t, "/in", "report.txt:8")

	// It may go in the very moment of the rename, too: whoever has just stored it knows that it has no name yet.
	v.send(t, "second.txt", []byte("second"))
	v.shop.lies(func(s *shop) {
		s.before = func(op, name string, _ int64) error {
			if op == "rename" {
				v.shop.lies(func(s *shop) { delete(s.files, name) })
			}
			return nil
		}
	})
	if r := v.look(t); r.Delivered != 0 || r.Undelivered != 1 {
		t.Errorf("%+v", r)
	}
	v.shop.honest()
	v.look(t)
	v.holds(t, "/in", "report.txt:8 second.txt:6")
}

// TestDeliverNames: the name of what could not be delivered stays out of the log, also where the server says it.
func TestDeliverNames(t *testing.T) {
	v := newVisit(t, sends)
	v.send(t, "Statement-Svensson.xml", []byte("a report"))
	v.shop.lies(func(s *shop) {
		s.before = func(op, _ string, _ int64) error {
			if op == "rename" {
				return errors.New("/in/Statement-Svensson.xml: Permission denied")
			}
			return nil
		}
	})
	v.look(t)
	v.told(t, "Svensson", 0)
	v.told(t, "[name]: Permission denied", 1)
}

// TestDeliverLate: of a rename whose answer was lost, and which the server does when the next look has found the temporary
// file still there, the one after that look finds that it was done.
func TestDeliverLate(t *testing.T) {
	v := newVisit(t, sends)
	v.send(t, "report.txt", []byte("a report"))
	temp := ""
	v.shop.lies(func(s *shop) {
		s.before = func(op, name string, off int64) error {
			if op != "rename" {
				return nil
			}
			v.shop.lies(func(*shop) { temp = name })
			return errHangUp
		}
	})
	v.lookFails(t, "rename", "closed")
	v.shop.lies(func(s *shop) {
		s.before = once("rename", temp, 1, func() error {
			v.shop.lies(func(s *shop) { s.files["/in/report.txt"] = s.files[temp]; delete(s.files, temp) })
			return os.ErrNotExist
		})
	})
	v.look(t)
	v.shop.honest()
	v.look(t)
	v.holds(t, "/in", "report.txt:8")
}

// TestDeliverOddAnswer: a server that says yes to a rename in another way than the standard's has done it, so the file is not
// delivered once more; one that ends the session with a no has not, so it is.
func TestDeliverOddAnswer(t *testing.T) {
	for answer, want := range map[string]int64{"200 renamed": 1, "421 too long here": 2} {
		var stored, renamed atomic.Int64
		p, _ := transport.NewLiar(t, nil, func(verb, arg string) string {
			switch {
			case verb == "STOR":
				stored.Add(1)
			case verb == "RNTO" && renamed.Add(1) == 1:
				return answer
			case verb == "SIZE" && strings.HasSuffix(arg, ".part") && stored.Load() > renamed.Load():
				return "213 8"
			case verb == "SIZE": // renamed, or cleared away
				return "550 no such file"
			}
			return ""
		})
		v := newVisitTo(t, p, sends)
		v.send(t, "report.txt", []byte("a report"))
		for range 3 {
			v.poll(t)
		}
		if stored.Load() != want || renamed.Load() != want {
			t.Errorf("%s: stored %d times, renamed %d times, want %d", answer, stored.Load(), renamed.Load(), want)
		}
		v.told(t, "msg=delivered", 1)
	}
}

// TestDeliverWithdrawn: what the customer takes out of the outbox while it is delivered does not arrive in part, and the
// ledger does not say that it was delivered. What is sent beside it arrives.
func TestDeliverWithdrawn(t *testing.T) {
	big := strings.Repeat("0123456789", 120_000)
	for _, at := range []string{"create", "write", "stat"} { // the last of these comes when all is stored
		t.Run(at, func(t *testing.T) {
			v := newVisit(t, sends)
			line, err := v.Send(t.Context(), "acme", "report.txt", strings.NewReader(big), "test")
			must(t, err)
			v.send(t, "beside.txt", []byte("beside"))
			done := false
			v.shop.lies(func(s *shop) {
				s.before = func(op, name string, off int64) error {
					if op == at && !done && (off > 100_000 || op != "write") && strings.HasSuffix(name, ".part") {
						done = true
						return v.Fetched(t.Context(), transport.Guest{Account: "acme", User: "u"}, line.ID)
					}
					return nil
				}
			})
			if r := v.look(t); !done || r.Delivered != 1 || r.Undelivered != 0 {
				t.Errorf("%v, %+v", done, r)
			}
			v.holds(t, "/in", "beside.txt:6")
			v.told(t, "msg=delivered", 1)
			v.look(t)
			v.holds(t, "/in", "beside.txt:6")
		})
	}
}

// TestDeliverWithdrawnAfterNo: what waits again after a refused rename can be taken out of the outbox, and is then forgotten.
func TestDeliverWithdrawnAfterNo(t *testing.T) {
	v := newVisit(t, sends)
	line, err := v.Send(t.Context(), "acme", "report.txt", strings.NewReader("a report"), "test")
	must(t, err)
	v.shop.lies(func(s *shop) {
		s.before = func(op, name string, _ int64) error {
			if op == "rename" {
				must(t, v.Fetched(t.Context(), transport.Guest{Account: "acme", User: "u"}, line.ID))
				return denied
			}
			return nil
		}
	})
	v.look(t)
	v.shop.honest()
	v.look(t)
	if due, err := v.NextSend(t.Context(), "acme", "kund"); err != nil || !due.IsZero() || strings.Contains(v.shop.there("/in"), "report") {
		t.Errorf("something is still due at %v, %v; there is %s", due, err, v.shop.there("/in"))
	}
}

// TestDeliverManyOfAName: a folder in which a hundred files of a name lie takes another one.
func TestDeliverManyOfAName(t *testing.T) {
	v := newVisit(t, sends)
	v.shop.put("/in/report.txt", nil)
	for n := 2; n <= 120; n++ {
		v.shop.put(fmt.Sprintf("/in/report-%d.txt", n), nil)
	}
	line, err := v.Send(t.Context(), "acme", "report.txt", strings.NewReader("a report"), "test")
	must(t, err)
	v.shop.put("/in/report-"+line.ID+".txt", nil)
	v.look(t)
	if got := v.shop.there("/in"); !strings.Contains(got, "report-"+line.ID+"-2.txt:8 ") || strings.Contains(got, ".part") {
		t.Errorf("there is %.200s...", got)
	}
}

// TestOutboxReadWhileDelivered: a customer who reads a file of the outbox when it leaves it is told so, and never takes half
// of it for the whole.
func TestOutboxReadWhileDelivered(t *testing.T) {
	v := newVisit(t, sends)
	v.send(t, "report.txt", bytes.Repeat([]byte("0123456789"), 120_000))
	c := v.dial(t)
	f, err := c.Open("/outbox/report.txt")
	must(t, err)
	defer f.Close()
	part := make([]byte, 100_000)
	if _, err := io.ReadFull(f, part); err != nil {
		t.Fatal(err)
	}
	v.look(t)
	v.holds(t, "/in", "report.txt:1200000")
	rest, err := io.ReadAll(f)
	if err == nil || len(part)+len(rest) == 1_200_000 {
		t.Fatalf("%d further bytes, %v", len(rest), err)
	}
	if !strings.Contains(err.Error(), "refused report.txt: it is no longer in the outbox") {
		t.Error(err)
	}
}
