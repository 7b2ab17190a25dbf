package transport_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/config"
)

// TestFaultsOfAchgateway: the five faults that another gateway's poller has, each as a case that this one does well.
func TestFaultsOfAchgateway(t *testing.T) {
	t.Run("errors that become success", errorsThatBecomeSuccess)
	t.Run("a poison file holds up all", poisonFile)
	t.Run("delete by name, unseen", deleteByName)
	t.Run("KeepRemoteFiles emits again", keepEmitsAgain)
	t.Run("half-written files", halfWritten)
}

// errorsThatBecomeSuccess: there, any error but a timeout counted as done: a list that failed was empty, an upload that was
// refused was "1 of 1 files".
func errorsThatBecomeSuccess(t *testing.T) {
	refuse := func(op, name string) func(string, string, int64) error {
		return func(o, at string, _ int64) error {
			if o == op && strings.Contains(at, name) {
				return denied
			}
			return nil
		}
	}
	for _, op := range []string{"stat", "open", "read", "remove"} {
		v := newVisit(t, nil)
		content := payments(t, 20, 1)
		v.shop.put("/out/a.xml", content)
		v.shop.lies(func(s *shop) { s.before = refuse(op, "a.xml") })
		if r := v.look(t); r.Failed != 1 {
			t.Errorf("%s is refused: %+v", op, r)
		}
		if v.shop.size("/out/a.xml") != len(content) {
			t.Errorf("%s is refused, and the file is gone", op)
		}
		v.shop.honest()
		v.look(t)
		v.took(t, content)
	}
	for _, op := range []string{"create", "write", "rename"} {
		v := newVisit(t, sends)
		v.send(t, "report.txt", []byte("a report"))
		v.shop.lies(func(s *shop) { s.before = refuse(op, "") })
		if r := v.look(t); r.Delivered != 0 || r.Undelivered != 1 {
			t.Errorf("%s is refused: %+v", op, r)
		}
		v.told(t, "msg=delivered", 0)
		v.told(t, "delivery failed", 1)
		v.shop.honest()
		if r := v.look(t); r.Delivered != 1 || v.shop.there("/in") != "report.txt:8" {
			t.Errorf("after that: %+v, %s", r, v.shop.there("/in"))
		}
	}
	v := newVisit(t, nil)
	v.shop.lies(func(s *shop) { s.listing = func() ([]os.FileInfo, error) { return nil, denied } })
	v.lookFails(t, "list", "permit")
}

// poisonFile: there, a file that could not be parsed ended the look before anything was removed, so that all files came again.
func poisonFile(t *testing.T) {
	v := newVisit(t, nil)
	v.shop.put("/out/0-poison.xml", broken(t))
	v.shop.put("/out/1-unreadable.xml", payments(t, 10, 1))
	v.shop.put("/out/2-endless.xml", make([]byte, 33<<20))
	var good [][]byte
	for i := range 5 {
		good = append(good, payments(t, 20+i, uint64(i+2)))
		v.shop.put(fmt.Sprintf("/out/%d.xml", i+3), good[i])
	}
	v.shop.lies(func(s *shop) {
		s.before = func(op, name string, _ int64) error {
			if op == "open" && strings.Contains(name, "unreadable") {
				return denied
			}
			return nil
		}
	})
	for look := range 3 {
		r := v.look(t)
		if want := 5; look == 0 && (r.Taken != want || r.Refused != 1) || look > 0 && r.Taken+r.Refused != 0 || r.Failed != 1 || r.Left != 1 {
			t.Errorf("look %d: %+v", look+1, r)
		}
		v.took(t, good...)
	}
	if got := v.shop.there("/out"); strings.Count(got, ":") != 3 {
		t.Errorf("there lie %s", got)
	}
	if n := v.count(t, "rejected"); n != 1 {
		t.Errorf("%d are refused", n)
	}
}

// deleteByName: there, what was fetched was removed by its name, whatever lay there by then.
func deleteByName(t *testing.T) {
	v := newVisit(t, nil)
	first := payments(t, 20, 1)
	second := twin(t, first)
	v.shop.put("/out/pay.xml", first)
	v.shop.lies(func(s *shop) {
		s.before = once("stat", "/out/pay.xml", 3, func() error { s.put("/out/pay.xml", second); return nil })
	})
	v.look(t)
	v.took(t, first)
	v.holds(t, "/out", fmt.Sprintf("pay.xml:%d", len(second)))
	v.look(t)
	v.took(t, first, second)
	v.holds(t, "/out", "")
}

// keepEmitsAgain: there, files that stay on the server were sent on at every tick.
func keepEmitsAgain(t *testing.T) {
	v := newVisit(t, keep)
	first, second := payments(t, 20, 1), payments(t, 30, 2)
	v.shop.put("/out/a.xml", first)
	for range 3 {
		v.look(t)
	}
	v.restart(t)
	for range 3 {
		v.look(t)
	}
	v.took(t, first)
	v.shop.put("/out/a.xml", second) // it has changed
	for range 3 {
		v.look(t)
	}
	v.took(t, first, second)
	if n := v.shop.times("open"); n != 2 {
		t.Errorf("it was read %d times", n)
	}
}

// halfWritten: there, a file was fetched while its owner still wrote it.
func halfWritten(t *testing.T) {
	v := newVisit(t, looks)
	whole := payments(t, 100, 1)
	for at := 1000; at < len(whole); at += len(whole) / 5 {
		v.shop.put("/out/a.xml", whole[:at])
		v.look(t)
	}
	v.shop.put("/out/a.xml", whole)
	v.look(t)
	if rows := v.rows(t); len(rows) != 0 || v.shop.times("open") != 0 {
		t.Errorf("while it was written: %q", rows)
	}
	v.look(t)
	v.took(t, whole)
}

func sends(r *config.Remote) {
	r.Fetch, r.Send = nil, &config.Send{Path: "/in", Receipts: "no"}
}

// send puts a file into the account's outbox.
func (v *visit) send(t testing.TB, name string, content []byte) {
	t.Helper()
	_, err := v.Send(t.Context(), "acme", name, strings.NewReader(string(content)), "test")
	must(t, err)
}
