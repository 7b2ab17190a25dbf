package transport_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealgate/sealgate/config"
	"github.com/sealgate/sealgate/transport"
)

var messageID = regexp.MustCompile(`<MsgId>[^<]*([^<])</MsgId>`)

// twin is another payment file of the same length.
func twin(t testing.TB, content []byte) []byte {
	t.Helper()
	at := messageID.FindSubmatchIndex(content)
	if at == nil {
		t.Fatal("the generated file has no MsgId")
	}
	other := bytes.Clone(content)
	other[at[2]] ^= 1
	return other
}

func atOnce(*config.Remote)  {}
func looks(r *config.Remote) { r.Fetch.Ready = "looks" }
func keep(r *config.Remote)  { r.Fetch.After = "keep" }

// TestPollChanging: a file that is not the same all the time is never taken half, or mixed, and what is there at last is
// taken once.
func TestPollChanging(t *testing.T) {
	const name = "/out/a.xml"
	whole := payments(t, 250, 1)
	other := twin(t, whole)
	longer := payments(t, 300, 2)
	half := whole[:len(whole)/2]
	for _, c := range []struct {
		name  string
		set   func(*config.Remote)
		first []byte // what lies there at first
		then  []byte // what it becomes
		when  string // the operation
		nth   int    // which of them
		taken [][]byte
		told  int
	}{
		{"grows between look and read", atOnce, half, whole, "stat", 1, [][]byte{whole}, 0},
		{"shrinks between look and read", atOnce, longer, whole, "stat", 1, [][]byte{whole}, 0},
		{"is replaced between look and read", atOnce, whole, other, "stat", 1, [][]byte{other}, 0},
		{"grows between stat and open", atOnce, half, whole, "open", 1, [][]byte{whole}, 0},
		{"is replaced between stat and open", atOnce, whole, other, "open", 1, [][]byte{other}, 0},
		{"grows while it is read", atOnce, half, whole, "read", 2, [][]byte{whole}, 0},
		{"shrinks while it is read", atOnce, longer, whole, "read", 2, [][]byte{whole}, 0},
		{"is replaced while it is read", atOnce, whole, other, "read", 3, [][]byte{other}, 0},
		{"is replaced after it was read", atOnce, whole, other, "stat", 2, [][]byte{other}, 0},
		{"is replaced between read and delete", atOnce, whole, other, "stat", 3, [][]byte{whole, other}, 1},
		{"grows between read and delete", atOnce, whole, longer, "stat", 3, [][]byte{whole, longer}, 1},
		{"is replaced between read and delete, by looks", looks, whole, other, "stat", 3, [][]byte{whole, other}, 1},
		{"is replaced between look and read, by looks", looks, whole, other, "stat", 1, [][]byte{other}, 0},
		{"is replaced between look and read, and kept", keep, whole, other, "stat", 1, [][]byte{other}, 0},
		{"is replaced after it was taken, and kept", keep, whole, other, "list", 2, [][]byte{whole, other}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := newVisit(t, c.set)
			v.shop.put(name, c.first)
			v.shop.lies(func(s *shop) {
				at := name
				if c.when == "list" {
					at = "/out"
				}
				s.before = once(c.when, at, c.nth, func() error { s.put(name, c.then); return nil })
			})
			for range 5 {
				v.look(t)
			}
			v.took(t, c.taken...)
			if v.remote.Fetch.After == "delete" {
				v.holds(t, "/out", "")
			}
			v.told(t, "remote file replaced", c.told)
			v.restart(t)
			v.look(t)
			v.took(t, c.taken...)
		})
	}
}

func (s *shop) size(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.files[name]; f != nil {
		return len(f.content)
	}
	return 0
}

// TestPollBetweenLooks: what grows, shrinks or is replaced from one look to the next waits until two looks agree.
func TestPollBetweenLooks(t *testing.T) {
	v := newVisit(t, looks)
	const name = "/out/a.xml"
	whole := payments(t, 250, 1)
	for _, content := range [][]byte{whole[:1000], whole[:2000], whole[:1500], twin(t, whole), whole} {
		v.shop.put(name, content)
		if r := v.look(t); r.Waiting != 1 || r.Taken+r.Refused+r.Failed != 0 {
			t.Errorf("%d bytes: %+v", len(content), r)
		}
	}
	if n := v.shop.times("open"); n != 0 {
		t.Errorf("it was read %d times", n)
	}
	if r := v.look(t); r.Taken != 1 {
		t.Errorf("at rest: %+v", r)
	}
	v.took(t, whole)
}

// TestPollListing: a listing that fails, or fails half-way, is never an empty one: nothing is taken, removed or forgotten.
func TestPollListing(t *testing.T) {
	v := newVisit(t, keep)
	v.remote.Fetch.Ready = "looks"
	good, bad, later := payments(t, 20, 1), broken(t), payments(t, 30, 2)
	v.shop.put("/out/good.xml", good)
	v.shop.put("/out/refused.xml", bad)
	v.look(t)
	if r := v.look(t); r.Taken != 1 || r.Refused != 1 {
		t.Errorf("%+v", r)
	}
	v.shop.put("/out/later.xml", later)
	v.look(t)
	opened := v.shop.times("open")
	for _, lie := range []struct {
		words string
		lie   func(s *shop)
	}{
		{"permit", func(s *shop) { s.listing = func() ([]os.FileInfo, error) { return nil, denied } }},
		{"the server says", func(s *shop) {
			s.listing = func() ([]os.FileInfo, error) { return many(250), errors.New("disk on fire") }
		}},
		{"permit", func(s *shop) { s.before = once("list", "/out", 1, func() error { return denied }) }},
		{"closed", func(s *shop) { s.before = once("list", "/out", 1, func() error { return errHangUp }) }},
		{"no such", func(s *shop) { s.before = once("list", "/out", 1, func() error { return os.ErrNotExist }) }},
	} {
		v.shop.lies(lie.lie)
		v.lookFails(t, "list", lie.words)
		v.shop.honest()
	}
	if n := v.shop.times("open"); n != opened {
		t.Errorf("files were read %d times meanwhile", n-opened)
	}
	if r := v.look(t); r.Taken != 1 || r.Refused != 0 || r.Waiting != 0 {
		t.Errorf("after that, what was known is not: %+v", r)
	}
	v.took(t, good, later)
	v.told(t, "remote up", 1)
}

// many are files that a listing shows.
func many(n int) (all []os.FileInfo) {
	for i := range n {
		all = append(all, shown{name: "x" + strings.Repeat("y", i) + ".xml", size: 100, at: noon})
	}
	return all
}

// TestPollHostileNames: a name that cannot be one is left alone, told once, never shown, and not asked for.
func TestPollHostileNames(t *testing.T) {
	v := newVisit(t, func(r *config.Remote) { r.Fetch.Folders, r.Fetch.Ready = "yes", "*.done" })
	good := payments(t, 20, 1)
	v.shop.put("/out/good.xml", good)
	v.shop.put("/out/good.xml.done", nil)
	hostile := []string{"../../etc/passwd", "..", ".", "", "/etc/passwd", "a/b.xml", "\x1b[2J.xml", "x\ny.xml", "nul\x00.xml", "../out/good.xml"}
	v.shop.lies(func(s *shop) {
		s.listing = func() (all []os.FileInfo, _ error) {
			all = append(all, shown{name: "../..", at: noon, folder: true}, shown{name: "a/../../b", at: noon, folder: true})
			for _, name := range hostile {
				all = append(all, shown{name: name, size: 7, at: noon})
			}
			return append(all, shown{name: "good.xml", size: int64(len(good)), at: noon}, shown{name: "good.xml.done", at: noon}), nil
		}
	})
	if r := v.look(t); r.Taken != 1 || r.Left < 7 || r.Failed != 0 {
		t.Errorf("%+v", r)
	}
	v.look(t)
	v.took(t, good)
	v.told(t, "cannot be one", len(hostile)-2) // the library leaves out . and ..
	for _, name := range v.names() {
		if path.Dir(name) != "/out" && name != "/out" {
			t.Errorf("%q was asked for", name)
		}
	}
	for _, word := range []string{"etc", "passwd", "\x1b", "good"} {
		v.told(t, word, 0)
	}
	if rows := v.rows(t); len(rows) != 1 {
		t.Errorf("rows: %q", rows)
	}
}

// TestPollHostileListings: names that change with every listing leave nothing behind in memory.
func TestPollHostileListings(t *testing.T) {
	v := newVisit(t, nil)
	for i := range 3 {
		v.shop.lies(func(s *shop) {
			s.listing = func() ([]os.FileInfo, error) {
				return []os.FileInfo{shown{name: "\x01" + strings.Repeat("x", i), size: 1, at: noon}}, nil
			}
		})
		v.look(t)
		v.look(t)
	}
	v.shop.honest()
	v.told(t, "cannot be one", 3)
	v.look(t)
	v.shop.lies(func(s *shop) {
		s.listing = func() ([]os.FileInfo, error) { return []os.FileInfo{shown{name: "\x01", size: 1, at: noon}}, nil }
	})
	v.look(t)
	v.told(t, "cannot be one", 4) // it was forgotten, and is told anew
}

// TestPollReads: short answers are put together; an end too early is no end; what vanishes is nobody's fault.
func TestPollReads(t *testing.T) {
	whole := payments(t, 250, 1)
	t.Run("short reads", func(t *testing.T) {
		v := newVisit(t, nil)
		v.shop.put("/out/a.xml", whole)
		v.shop.lies(func(s *shop) { s.piece = 1009 })
		v.look(t)
		v.took(t, whole)
		v.holds(t, "/out", "")
	})
	const forOne = 8 << 20 // what was begun and given up must leave room for the next
	t.Run("an end too early", func(t *testing.T) {
		v := newVisit(t, nil)
		v.cfg.SFTP.Limits.MemoryPerAccount = forOne
		v.shop.put("/out/a.xml", whole)
		v.shop.lies(func(s *shop) { s.ends = len(whole) / 2 })
		for range 3 {
			if r := v.look(t); r.Waiting != 1 || r.Taken+r.Refused != 0 {
				t.Errorf("%+v", r)
			}
		}
		v.took(t)
		v.told(t, "it changed while it was read", 1)
		v.shop.honest()
		v.look(t)
		v.took(t, whole)
	})
	for _, c := range []struct {
		op    string
		nth   int
		taken bool
	}{{"stat", 1, false}, {"open", 1, false}, {"read", 3, false}, {"stat", 2, false}, {"stat", 3, true}, {"remove", 1, true}} {
		t.Run("vanishes at "+c.op, func(t *testing.T) {
			v := newVisit(t, nil)
			v.cfg.SFTP.Limits.MemoryPerAccount = forOne
			last := payments(t, 250, 2)
			v.shop.put("/out/a.xml", whole)
			v.shop.put("/out/b.xml", last)
			v.shop.lies(func(s *shop) {
				s.before = once(c.op, "/out/a.xml", c.nth, func() error { s.lies(func(s *shop) { delete(s.files, "/out/a.xml") }); return nil })
			})
			want := [][]byte{last}
			if c.taken {
				want = append(want, whole)
			}
			for range 2 {
				v.look(t)
				v.took(t, want...)
				v.holds(t, "/out", "")
			}
		})
	}
	t.Run("the connection is lost", func(t *testing.T) {
		v := newVisit(t, nil)
		v.shop.put("/out/a.xml", whole)
		var from atomic.Int64 // where the second download begins
		// The first read that is asked for once something has come; those before it are served in any order.
		hangUp := once("read", "/out/a.xml", transport.AskedAtOnce+1, func() error { return errHangUp })
		v.shop.lies(func(s *shop) {
			s.before = func(op, name string, off int64) error {
				if op == "read" && v.shop.times("open") == 2 {
					from.CompareAndSwap(0, off+1)
				}
				return hangUp(op, name, off)
			}
		})
		v.look(t)
		v.took(t, whole)
		if n := v.shop.times("open"); n != 2 || from.Load() == 1 {
			t.Errorf("it was opened %d times, and did not go on where it was", n)
		}
	})
}

// TestPollKeptComesBack: a file that is kept there, was away, and is there again is the one that was taken, from then on too.
func TestPollKeptComesBack(t *testing.T) {
	const name = "/out/a.xml"
	v := newVisit(t, keep)
	content, at := payments(t, 20, 1), time.Now().Add(-time.Hour).Truncate(time.Second)
	for range 2 {
		v.shop.putAt(name, content, at)
		v.look(t)
		v.took(t, content)
		v.shop.lies(func(s *shop) { delete(s.files, name) })
		v.look(t)
	}
	v.shop.putAt(name, content, at)
	v.look(t)
	for _, later := range []time.Duration{5 * time.Minute, 100 * 24 * time.Hour, time.Minute} { // what is gone for 90 days is forgotten
		v.ahead.Add(int64(later))
		v.look(t)
	}
	if v.took(t, content); len(v.rows(t)) != 1 {
		t.Errorf("rows: %q", v.rows(t))
	}
}

// TestPollRefusedStays: what was refused, at once or by the operators after it was held, is not removed there, and is told at each look.
func TestPollRefusedStays(t *testing.T) {
	v := newVisit(t, keep)
	v.shop.put("/out/a.xml", broken(t))
	for i := range 3 {
		if r := v.look(t); r.Stay != 1 || (r.Refused == 1) != (i == 0) {
			t.Errorf("refused at once: %+v", r)
		}
	}

	v = newVisit(t, nil)
	v.shop.put("/out/a.xml", payments(t, 20, 1))
	v.shop.lies(func(s *shop) { s.before = refuses("remove") })
	v.look(t)
	v.shop.honest()
	v.end()
	v.faulty = func(d transport.Depot) transport.Depot { return refusedSince{d} }
	v.run(t)
	for range 2 {
		if r := v.look(t); r.Stay != 1 {
			t.Errorf("refused since: %+v", r)
		}
		if rows, err := v.Polled(t.Context(), "acme", "kund"); err != nil || rows["a.xml"].State != transport.PolledRefused {
			t.Errorf("%+v, %v", rows, err)
		}
	}
	if v.shop.size("/out/a.xml") == 0 {
		t.Error("it was removed")
	}
}

// refusedSince is the gateway after an operator has refused what was held.
type refusedSince struct{ transport.Depot }

func (r refusedSince) Outcome(ctx context.Context, account, id string) (transport.Outcome, error) {
	o, err := r.Depot.Outcome(ctx, account, id)
	o.Fate = transport.WasRefused
	return o, err
}

// TestPollSettledLater: what is to be removed by a later look than the one that took it is removed only if it is the same.
func TestPollSettledLater(t *testing.T) {
	const name = "/out/a.xml"
	v := newVisit(t, nil)
	first := payments(t, 20, 1)
	second := twin(t, first)
	v.shop.put(name, first)
	v.shop.lies(func(s *shop) { s.before = once("remove", name, 1, func() error { return denied }) })
	v.look(t)
	v.took(t, first)
	v.shop.lies(func(s *shop) { s.before = once("stat", name, 1, func() error { s.put(name, second); return nil }) })
	v.look(t)
	v.told(t, "remote file replaced", 1)
	v.look(t)
	v.took(t, first, second)
	v.holds(t, "/out", "")

	// The last question before it is removed is the third of the look that takes it.
	const other = "/out/b.xml"
	third, fourth := payments(t, 30, 3), payments(t, 40, 4)
	v.shop.put(other, third)
	v.shop.lies(func(s *shop) { s.before = once("stat", other, 3, func() error { s.put(other, fourth); return nil }) })
	if r := v.look(t); r.Taken != 1 || r.Failed != 0 {
		t.Errorf("replaced just before it is removed: %+v", r)
	}
	v.look(t)
	v.told(t, "remote file replaced", 2)
	v.look(t)
	v.took(t, first, second, third, fourth)
	v.holds(t, "/out", "")
}

// TestPollRefused: what the server does not permit stays where it is and as it is, is told once, and holds up nothing.
func TestPollRefused(t *testing.T) {
	first, second := payments(t, 20, 1), payments(t, 30, 2)
	for _, c := range []struct {
		op     string
		change func(r *config.Remote)
		taken  bool // though the operation is refused
	}{
		{"stat", nil, false}, {"open", nil, false}, {"read", nil, false}, {"remove", nil, true},
		{"rename", func(r *config.Remote) { r.Fetch.After = "rename:/done" }, true},
	} {
		t.Run(c.op, func(t *testing.T) {
			v := newVisit(t, c.change)
			v.shop.put("/out/a.xml", first)
			v.shop.put("/out/b.xml", second)
			v.shop.lies(func(s *shop) {
				s.before = func(op, name string, _ int64) error {
					if op == c.op && name == "/out/a.xml" {
						return denied
					}
					return nil
				}
			})
			want := [][]byte{second}
			if c.taken {
				want = append(want, first)
			}
			for range 3 {
				if r := v.look(t); r.Failed != 1 {
					t.Errorf("%+v", r)
				}
				v.took(t, want...)
			}
			v.told(t, "remote file left", 1)
			v.told(t, "does not permit", 1)
			if got := v.shop.there("/out"); !strings.HasPrefix(got, "a.xml:") || strings.Contains(got, "b.xml") {
				t.Errorf("there lie %s", got)
			}
			v.shop.honest()
			v.look(t)
			v.took(t, first, second)
			v.holds(t, "/out", "")
		})
	}
	t.Run("the target of a rename is there", func(t *testing.T) {
		v := newVisit(t, func(r *config.Remote) { r.Fetch.After = "rename:/done" })
		v.shop.put("/out/a.xml", first)
		v.shop.put("/done/a.xml", []byte("of last year"))
		v.look(t)
		v.took(t, first)
		if v.shop.size("/done/a.xml") != 12 || strings.Count(v.shop.there("/done"), "a.xml") != 2 {
			t.Errorf("there lie %s", v.shop.there("/done"))
		}
	})
}
