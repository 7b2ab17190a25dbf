package transport_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealgate/sealgate/config"
	"github.com/sealgate/sealgate/transport"
)

// poll looks once, whatever comes of it.
func (v *visit) poll(t testing.TB) transport.RemoteState {
	t.Helper()
	s, _ := v.poller.Now(t.Context(), "acme", "kund", false)
	return s
}

// putAt lays a file there with a time of its own.
func (s *shop) putAt(name string, content []byte, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[name] = &ware{content, at}
}

// TestPollOurFault: what is wrong with the gateway is no verdict on a file: it is tried again, and taken once all is well.
func TestPollOurFault(t *testing.T) {
	const little = 256<<10 + 10_000 // enough to begin, not for the file
	for _, c := range []struct {
		name        string
		spoil, mend func(v *visit)
		words       string
	}{
		{"no memory to begin", func(v *visit) { v.cfg.SFTP.Limits.Memory = 1 }, func(v *visit) { v.cfg.SFTP.Limits.Memory = 1 << 30 }, "memory"},
		{"no memory to go on", func(v *visit) { v.cfg.SFTP.Limits.Memory = little }, func(v *visit) { v.cfg.SFTP.Limits.Memory = 1 << 30 }, "memory"},
		{"the account's memory", func(v *visit) { v.cfg.SFTP.Limits.MemoryPerAccount = little }, func(v *visit) { v.cfg.SFTP.Limits.MemoryPerAccount = 1 << 30 }, "memory"},
		{"no disk", func(v *visit) { v.cfg.DiskFloor = 1 << 60 }, func(v *visit) { v.cfg.DiskFloor = 1 }, "disk"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := newVisit(t, nil)
			whole := payments(t, 200, 1)
			v.shop.put("/out/Svensson.xml", whole)
			c.spoil(v)
			for range 2 {
				if s := v.poll(t); s.Step != "gateway" || !strings.Contains(s.Trouble, c.words) || s.Result.Refused != 0 {
					t.Errorf("%s: %s, %+v", s.Step, s.Trouble, s.Result)
				}
			}
			c.mend(v)
			v.look(t)
			v.took(t, whole)
			v.holds(t, "/out", "")
			v.told(t, "Svensson", 0)
			if n := len(v.rows(t)); n != 1 {
				t.Errorf("rows: %q", v.rows(t))
			}
		})
	}
	t.Run("memory of an address", func(t *testing.T) { // which the poller has none of
		v := newVisit(t, nil)
		whole := payments(t, 200, 1)
		v.shop.put("/out/a.xml", whole)
		v.cfg.SFTP.Limits.MemoryPerAddress = 1
		v.look(t)
		v.took(t, whole)
	})
}

// unsure is the gateway with a disk that fails at the end of a commit, so that nobody knows whether it is done.
type unsure struct {
	transport.Depot
	done bool // the commit is done, before that
}

func (u unsure) Receive(ctx context.Context, guest transport.Guest, door, name string) (transport.Incoming, error) {
	in, err := u.Depot.Receive(ctx, guest, door, name)
	return unsureFile{in, u.done}, err
}

type unsureFile struct {
	transport.Incoming
	done bool
}

func (u unsureFile) Commit(ctx context.Context, name string) (transport.Receipt, error) {
	if u.done {
		u.Incoming.Commit(ctx, name)
	} else {
		u.Incoming.Discard("the disk failed")
	}
	return transport.Receipt{}, &transport.Refusal{Sentence: "not sure of " + name, Code: "internal"}
}

// TestPollUnsure: after a commit of which nobody knows whether it is done, the next look asks the index.
func TestPollUnsure(t *testing.T) {
	for _, done := range []bool{true, false} {
		v := newVisit(t, nil)
		whole := payments(t, 20, 1)
		v.shop.put("/out/a.xml", whole)
		v.end()
		v.faulty = func(d transport.Depot) transport.Depot { return unsure{d, done} }
		v.run(t)
		if s := v.poll(t); s.Step != "gateway" || s.Result.Refused+s.Result.Taken != 0 {
			t.Errorf("%+v", s)
		}
		if rows, err := v.Polled(t.Context(), "acme", "kund"); err != nil || rows["a.xml"].State != transport.PolledTaking {
			t.Errorf("%+v, %v", rows, err)
		}
		v.faulty = nil
		v.restart(t)
		opened := v.shop.times("open")
		v.look(t)
		v.took(t, whole)
		v.holds(t, "/out", "")
		if again := v.shop.times("open") > opened; again == done || len(v.rows(t)) != 1 {
			t.Errorf("done: %v; read again: %v; %q", done, again, v.rows(t))
		}
	}
}

// TestPollFaultOfOneFile: a file at which we stumble again and again holds up no others.
func TestPollFaultOfOneFile(t *testing.T) {
	v := newVisit(t, nil)
	large, small := payments(t, 300, 1), payments(t, 2, 2)
	v.shop.put("/out/a.xml", large)
	v.shop.put("/out/b.xml", small)
	v.cfg.SFTP.Limits.Memory = 256<<10 + 10_000
	v.poll(t)
	v.took(t)
	v.poll(t)
	v.took(t, small)
}

// TestPollPoison: a file at which the server hangs up, whatever is asked of it, holds up neither the others nor a delivery.
func TestPollPoison(t *testing.T) {
	for _, op := range []string{"stat", "open", "read", "remove"} {
		t.Run(op, func(t *testing.T) {
			v := newVisit(t, func(r *config.Remote) { r.Send = &config.Send{Path: "/in", Receipts: "no"} })
			v.send(t, "report.txt", []byte("a report"))
			bad, good := payments(t, 200, 1), payments(t, 20, 2)
			v.shop.put("/out/a.xml", bad)
			v.shop.put("/out/b.xml", good)
			v.shop.lies(func(s *shop) {
				s.before = func(o, name string, _ int64) error {
					if o == op && name == "/out/a.xml" {
						return errHangUp
					}
					return nil
				}
			})
			want := [][]byte{good}
			if op == "remove" {
				want = append(want, bad)
			}
			for range 3 {
				if r := v.look(t); r.Failed != 1 {
					t.Errorf("%+v", r)
				}
				v.took(t, want...)
				v.holds(t, "/in", "report.txt:8")
			}
			v.told(t, "remote down", 0)
			v.told(t, "remote file left", 1)
		})
	}
	t.Run("many", func(t *testing.T) {
		v := newVisit(t, func(r *config.Remote) { r.Send = &config.Send{Path: "/in", Receipts: "no"} })
		v.send(t, "report.txt", []byte("a report"))
		for i := range 8 {
			v.shop.put(fmt.Sprintf("/out/bad%d.xml", i), payments(t, 20, 1))
		}
		good := payments(t, 20, 2)
		v.shop.put("/out/good.xml", good)
		v.shop.lies(func(s *shop) {
			s.before = func(o, name string, _ int64) error {
				if o == "open" && strings.Contains(name, "bad") {
					return errHangUp
				}
				return nil
			}
		})
		for range 3 {
			if s := v.poll(t); s.Failed == 0 || s.Result.Failed != 4 {
				t.Errorf("%+v", s)
			}
		}
		v.took(t, good)
		v.holds(t, "/in", "report.txt:8")
	})
}

// TestPollDismissed: a server that ends the session with its no, or whose answer is to something else, holds up no other file.
func TestPollDismissed(t *testing.T) {
	for _, answer := range []string{"421 too long here", "226 done"} {
		removed := 0
		good := payments(t, 20, 1)
		p, _ := transport.NewLiar(t, good, func(verb, _ string) string {
			if verb == "DELE" {
				if removed++; removed == 1 {
					return answer
				}
			}
			return ""
		}, "a.xml", "b.xml", "c.xml")
		v := newVisitTo(t, p, nil)
		if r := v.look(t); r.Failed != 1 || r.Taken != 3 {
			t.Errorf("%s: %+v", answer, r)
		}
		v.took(t, good, good, good)
	}
}

// TestPollShutOut: a server that hangs up in the middle of a file, and then lets nobody in, for once or for a while, costs
// that file one look, and nothing else.
func TestPollShutOut(t *testing.T) {
	for _, times := range []int64{1, 2} {
		v := newVisit(t, nil)
		first, second := payments(t, 20, 1), payments(t, 30, 2)
		v.shop.put("/out/a.xml", first)
		v.shop.put("/out/b.xml", second)
		var shut atomic.Int64
		v.shop.lies(func(s *shop) {
			s.before = func(op, name string, _ int64) error {
				if op == "read" && name == "/out/a.xml" && shut.CompareAndSwap(0, 1) {
					return errHangUp
				}
				if n := shut.Load(); op == "stat" && name == "/out" && 0 < n && n <= times {
					shut.Add(1)
					return denied
				}
				return nil
			}
		})
		s := v.poll(t)
		if s.Result.Failed != 1 || s.Failed != int(times-1) || s.Result.Taken != int(2-times) {
			t.Errorf("shut %d times: %+v", times, s)
		}
		v.look(t)
		v.took(t, first, second)
		v.holds(t, "/out", "")
	}
}

// TestPollNoTime: a server that for a moment does not tell the time of a file that was read, or tells only what its listing
// does, has not replaced it: it is not taken twice.
func TestPollNoTime(t *testing.T) {
	for _, listed := range []string{"", "450 busy"} {
		read, asked, removed := false, 0, 0
		good := payments(t, 20, 1)
		p, _ := transport.NewLiar(t, good, func(verb, _ string) string {
			switch {
			case verb == "RETR":
				read = true
			case verb == "SIZE" && read:
				asked++
			case verb == "DELE":
				removed++
			case asked == 2 && verb == "MDTM": // before the removal
				return "550 busy"
			case asked == 2 && verb == "MLSD":
				asked++
				return listed
			}
			return ""
		}, "a.xml")
		v := newVisitTo(t, p, nil)
		if r := v.look(t); r.Taken != 1 || r.Failed != 0 || removed != 0 {
			t.Errorf("%+v, removed %d times", r, removed)
		}
		if r := v.look(t); r.Taken+r.Failed != 0 || removed != 1 {
			t.Errorf("%+v, removed %d times", r, removed)
		}
		v.took(t, good)
		v.told(t, "remote file replaced", 0)
	}
}

// TestPollMinute: of a server that tells times to the minute only, a file that takes the place of one that was just read, as
// long as that and in the same minute, is not removed unread.
func TestPollMinute(t *testing.T) {
	first := payments(t, 20, 1)
	second := twin(t, first)
	var lay func([]byte)
	lies, read := first, []byte(nil)
	p, lay := transport.NewLiar(t, first, func(verb, _ string) string {
		switch {
		case verb == "FEAT":
			return "211-\r\n SIZE\r\n REST STREAM\r\n211 end"
		case verb == "RETR":
			read = lies
		case verb == "SIZE" && read != nil:
			lies = second
			lay(lies)
		case verb == "DELE" && !bytes.Equal(read, lies):
			t.Error("it was removed unread")
		}
		return ""
	}, "pay.xml")
	v := newVisitTo(t, p, nil)
	for range 3 {
		v.look(t)
	}
	v.took(t, first, second)
	v.told(t, "remote file replaced", 1)
}

// TestPollSubfolder: a folder below that cannot be listed, or has gone, is told and counted; all else is fetched, and what is
// known of what lies in it is not forgotten.
func TestPollSubfolder(t *testing.T) {
	for words, no := range map[string]error{"permit": denied, "no such": os.ErrNotExist, "closed": errHangUp} {
		v := newVisit(t, func(r *config.Remote) { r.Fetch.Folders, r.Fetch.After = "yes", "keep" })
		first, second, third := payments(t, 20, 1), payments(t, 30, 2), payments(t, 40, 3)
		v.shop.put("/out/pay.xml", first)
		v.shop.put("/out/private/kept.xml", second)
		v.shop.put("/out/private/wrong.xml", broken(t))
		v.shop.lies(func(s *shop) { s.folders = []string{"private"} })
		v.look(t)
		v.took(t, first, second)
		v.shop.put("/out/more.xml", third)
		v.shop.lies(func(s *shop) {
			s.before = func(op, name string, _ int64) error {
				if op == "list" && name == "/out/private" {
					return no
				}
				return nil
			}
		})
		for range 3 {
			if r := v.look(t); r.Failed != 1 {
				t.Errorf("%+v", r)
			}
		}
		v.took(t, first, second, third)
		v.told(t, words, 1)
		v.told(t, "private", 0)
		v.shop.honest()
		v.shop.lies(func(s *shop) { s.folders = []string{"private"} })
		if r := v.look(t); r.Taken+r.Refused != 0 {
			t.Errorf("there again: %+v", r)
		}
	}
}

// TestPollFolderWithoutEnd: links that look like folders do not keep a look for ever.
func TestPollFolderWithoutEnd(t *testing.T) {
	v := newVisit(t, func(r *config.Remote) { r.Fetch.Folders = "yes" })
	v.shop.lies(func(s *shop) {
		s.listing = func() (all []os.FileInfo, _ error) {
			for i := range 20 {
				all = append(all, shown{name: fmt.Sprintf("link%d", i), at: noon, folder: true})
			}
			return all, nil
		}
	})
	v.lookFails(t, "list", "5,000 folders")
	if n := v.shop.times("list"); n > 5000 {
		t.Errorf("%d folders were listed", n)
	}
}

// TestPollTwins: another file with the name, the size and the time in the listing of one that was taken, or refused, is
// another file, and is not removed unread.
func TestPollTwins(t *testing.T) {
	first := payments(t, 20, 1)
	second := twin(t, first)
	t.Run("gone, and another of the same second", func(t *testing.T) {
		v := newVisit(t, nil)
		v.shop.putAt("/out/pay.xml", first, noon)
		v.look(t)
		v.shop.putAt("/out/pay.xml", second, noon)
		v.look(t)
		v.took(t, first, second)
		v.holds(t, "/out", "")
	})
	t.Run("gone, and of a backup", func(t *testing.T) {
		v := newVisit(t, nil)
		for range 3 {
			v.shop.putAt("/out/pay.xml", first, noon)
			v.look(t)
		}
		v.took(t, first)
		v.holds(t, "/out", "")
	})
	t.Run("kept, gone for a look, and there again", func(t *testing.T) {
		v := newVisit(t, keep)
		v.shop.putAt("/out/pay.xml", first, noon)
		v.look(t)
		v.shop.lies(func(s *shop) { clear(s.files) })
		v.look(t)
		v.shop.putAt("/out/pay.xml", first, noon)
		v.look(t)
		v.look(t)
		if n := v.shop.times("open"); n != 2 || len(v.rows(t)) != 1 {
			t.Errorf("it was read %d times; %q", n, v.rows(t))
		}
		v.shop.lies(func(s *shop) { clear(s.files) })
		v.look(t)
		v.shop.putAt("/out/pay.xml", second, noon)
		v.look(t)
		v.took(t, first, second)
	})
	for _, clocks := range []bool{true, false} {
		t.Run(fmt.Sprint("vsftpd, with clocks: ", clocks), func(t *testing.T) {
			p := transport.NewVsftpd(t)
			v := newVisitTo(t, p, nil)
			path := filepath.Join(p.Dir, "pay.xml")
			lay := func(content []byte, at time.Time) {
				t.Helper()
				must(t, os.WriteFile(path, content, 0o644))
				must(t, os.Chtimes(path, at, at))
				must(t, os.Chmod(path, 0o666))
			}
			minute := time.Now().Add(-time.Hour).Truncate(time.Minute)
			at := func(second int) time.Time {
				if !clocks { // whole minutes say no more than the listing
					second = 0
				}
				return minute.Add(time.Duration(second) * time.Second)
			}
			lay(first, at(7))
			v.look(t)
			lay(second, at(9))
			v.look(t)
			v.took(t, first, second)
			bad := broken(t)
			lay(bad, at(11))
			v.look(t)
			if clocks { // the correction of a refused one, as long as that
				good := corrected(t, bad)
				lay(good, at(13))
				v.look(t)
				v.took(t, first, second, good)
			}
		})
	}
}

// corrected is a good file as long as a broken one.
func corrected(t testing.TB, bad []byte) []byte {
	t.Helper()
	good := []byte(strings.Replace(string(bad), "</GrpHdx>", "</GrpHdr>", 1))
	if len(good) != len(bad) {
		t.Fatal("lengths")
	}
	return good
}

// TestPollKeepListings: what stays there is fetched once, however its server writes its time from one look to the next.
func TestPollKeepListings(t *testing.T) {
	p := transport.NewVsftpd(t)
	v := newVisitTo(t, p, keep)
	path := filepath.Join(p.Dir, "pay.xml")
	first := payments(t, 20, 1)
	lay := func(content []byte, at time.Time) {
		t.Helper()
		must(t, os.WriteFile(path, content, 0o644))
		must(t, os.Chtimes(path, at, at))
	}
	// LIST tells the time of a file of the last six months, and the year of an older one.
	lay(first, time.Now().AddDate(0, -2, 0))
	v.look(t)
	lay(first, time.Now().AddDate(0, -9, 0))
	v.look(t)
	v.look(t)
	v.took(t, first)
	second := twin(t, first)
	lay(second, time.Now().AddDate(0, -9, 1))
	v.look(t)
	v.took(t, first, second)
	v.restart(t)
	v.look(t)
	v.took(t, first, second)
	if n := len(v.rows(t)); n != 2 {
		t.Errorf("rows: %q", v.rows(t))
	}
}

// TestPollKeepZones: a server whose listing is in another zone from one day to the next has no new files for that; nor has one
// whose clock for everything has changed, if they hold what they held.
func TestPollKeepZones(t *testing.T) {
	v := newVisit(t, keep)
	first := payments(t, 20, 1)
	v.shop.putAt("/out/pay.xml", first, noon)
	v.look(t)
	shift := func(d time.Duration) func() ([]os.FileInfo, error) {
		return func() ([]os.FileInfo, error) {
			return []os.FileInfo{shown{name: "pay.xml", size: int64(len(first)), at: noon.Add(d)}}, nil
		}
	}
	for range 2 {
		v.shop.lies(func(s *shop) { s.listing = shift(time.Hour) })
		v.look(t)
	}
	if n := v.shop.times("open"); n != 1 {
		t.Errorf("the exact time is the same, and it was read %d times", n)
	}
	v.shop.honest()
	v.shop.putAt("/out/pay.xml", first, noon.Add(2*time.Hour))
	v.look(t)
	v.look(t)
	if n := v.shop.times("open"); n != 2 {
		t.Errorf("every time has changed, and it was read %d times", n)
	}
	if len(v.rows(t)) != 1 {
		t.Errorf("rows: %q", v.rows(t))
	}
	v.shop.putAt("/out/pay.xml", twin(t, first), noon.Add(3*time.Hour))
	v.look(t)
	v.took(t, first, twin(t, first))
}

// TestPollTimes: times that cannot be kept as they come are the same at the next look.
func TestPollTimes(t *testing.T) {
	for _, at := range []time.Time{time.Unix(0, 0), {}, time.Unix(1, 0)} {
		for _, change := range []func(*config.Remote){keep, looks} {
			v := newVisit(t, change)
			first := payments(t, 20, 1)
			v.shop.putAt("/out/pay.xml", first, at)
			for range 4 {
				v.look(t)
			}
			v.took(t, first)
			want := 1
			if v.remote.Fetch.After == "delete" && at.Unix() == 0 { // there is no time to know it by
				want = 2
			}
			if n := v.shop.times("open"); n != want {
				t.Errorf("%v: it was read %d times, want %d", at, n, want)
			}
		}
	}
}

// TestPollRules: what was left by a rule is fetched when the rule allows it, and what was refused, when somebody asks for it.
func TestPollRules(t *testing.T) {
	first := payments(t, 20, 1)
	for name, rule := range map[string]func(f *config.Fetch){
		"largest": func(f *config.Fetch) { f.Largest = 1000 },
		"oldest":  func(f *config.Fetch) { f.Oldest = time.Minute },
	} {
		v := newVisit(t, func(r *config.Remote) { rule(r.Fetch) })
		v.shop.putAt("/out/pay.xml", first, noon)
		for range 2 {
			if r := v.look(t); r.Left != 1 || r.Taken != 0 {
				t.Errorf("%s: %+v", name, r)
			}
		}
		v.told(t, name, 1)
		v.remote.Fetch.Largest, v.remote.Fetch.Oldest = 32<<20, 0
		v.restart(t)
		v.look(t)
		v.took(t, first)
	}
	t.Run("oldest counts from the file's time", func(t *testing.T) {
		v := newVisit(t, func(r *config.Remote) { r.Fetch.Oldest = 24 * time.Hour })
		v.shop.putAt("/out/young.xml", first, time.Now().Add(-23*time.Hour))
		v.shop.putAt("/out/old.xml", twin(t, first), time.Now().Add(-25*time.Hour))
		v.shop.putAt("/out/timeless.xml", payments(t, 3, 4), time.Unix(0, 0))
		if r := v.look(t); r.Taken != 2 || r.Left != 1 {
			t.Errorf("%+v", r)
		}
	})
	t.Run("match and ignore", func(t *testing.T) {
		v := newVisit(t, func(r *config.Remote) { r.Fetch.Match, r.Fetch.Ignore = []string{"*.xml"}, []string{"draft*"} })
		for name, seed := range map[string]uint64{"pay.xml": 1, "pay.txt": 2, "draft.xml": 3} {
			v.shop.put("/out/"+name, payments(t, 20, seed))
		}
		if r := v.look(t); r.Listed != 1 || r.Taken != 1 {
			t.Errorf("%+v", r)
		}
		v.took(t, first)
	})
	t.Run("a marker of what is kept is kept", func(t *testing.T) {
		v := newVisit(t, func(r *config.Remote) { r.Fetch.After, r.Fetch.Ready = "keep", "*.ok" })
		v.shop.put("/out/a.xml", first)
		v.shop.put("/out/a.xml.ok", nil)
		v.look(t)
		v.took(t, first)
		v.shop.lies(func(s *shop) { delete(s.files, "/out/a.xml") })
		v.look(t)
		v.holds(t, "/out", "a.xml.ok:0")
	})
	t.Run("refused", func(t *testing.T) {
		v := newVisit(t, nil)
		v.shop.put("/out/a.xml", broken(t))
		if r := v.look(t); r.Refused != 1 || r.Stay != 1 {
			t.Errorf("%+v", r)
		}
		if r := v.look(t); r.Refused != 0 || r.Stay != 1 || v.shop.times("open") != 1 {
			t.Errorf("%+v", r)
		}
		s, err := v.poller.Now(t.Context(), "acme", "kund", true)
		if err != nil || s.Result.Refused != 1 || s.Result.Stay != 1 || v.shop.times("open") != 2 {
			t.Errorf("asked for: %+v, %v", s.Result, err)
		}
	})
}

// TestPollStaleMarker: the marker of a file that was refused, or that stays, says nothing of the one that takes its place,
// until two looks agree on that.
func TestPollStaleMarker(t *testing.T) {
	half := []byte("the first half of a list in a format that is not known")
	for name, first := range map[string][]byte{"refused": broken(t), "kept": payments(t, 20, 1), "too large": payments(t, 40_000, 1)} {
		t.Run(name, func(t *testing.T) {
			v := newVisit(t, func(r *config.Remote) { r.Fetch.Ready, r.Fetch.After = "*.done", "keep" })
			v.shop.put("/out/a.xml", first)
			v.shop.put("/out/a.xml.done", nil)
			v.look(t)
			before := len(v.rows(t))
			for n := range 3 { // it is being written
				v.shop.put("/out/a.xml", half[:20+n])
				if r := v.look(t); r.Taken+r.Refused != 0 || r.Waiting != 1 {
					t.Errorf("%+v", r)
				}
			}
			if r := v.look(t); r.Taken != 1 || len(v.rows(t)) != before+1 {
				t.Errorf("at rest: %+v, %q", r, v.rows(t))
			}
		})
	}
	t.Run("one that was removed is new", func(t *testing.T) {
		v := newVisit(t, func(r *config.Remote) { r.Fetch.Ready = "*.done" })
		for i := range 3 {
			v.shop.put("/out/a.xml", payments(t, 20, uint64(i+1)))
			v.shop.put("/out/a.xml.done", nil)
			if r := v.look(t); r.Taken != 1 {
				t.Errorf("%+v", r)
			}
		}
	})
	t.Run("one that outlived its file is removed", func(t *testing.T) {
		v := newVisit(t, func(r *config.Remote) { r.Fetch.Ready = "*.done" })
		v.shop.put("/out/a.xml", payments(t, 20, 1))
		v.shop.put("/out/a.xml.done", nil)
		v.shop.lies(func(s *shop) { s.before = once("remove", "/out/a.xml.done", 1, func() error { return denied }) })
		v.look(t)
		v.holds(t, "/out", "a.xml.done:0")
		v.look(t)
		v.holds(t, "/out", "")
	})
}

// TestPollNames: what the server says of a file names it, and the log does not.
func TestPollNames(t *testing.T) {
	for _, name := range []string{"Loner-Anna-Svensson.xml", "Löner Anna Svensson.xml", strings.Repeat("Svensson-", 25) + ".xml"} {
		v := newVisit(t, nil)
		v.shop.put("/out/"+name, payments(t, 20, 1))
		v.shop.lies(func(s *shop) {
			s.before = func(op, at string, _ int64) error {
				if op == "open" {
					return errors.New("cannot open " + strings.Repeat("x", 40) + " " + at + ": busy, " + name)
				}
				return nil
			}
		})
		v.look(t)
		v.told(t, "Svensson", 0)
		v.told(t, "cannot open", 1)
		v.told(t, "busy, [name]", 1)
	}
	for _, peer := range transport.Peers {
		t.Run(peer.Name, func(t *testing.T) {
			p := peer.Open(t)
			v := newVisitTo(t, p, func(r *config.Remote) { r.Fetch.After = "rename:/none/there" })
			path := filepath.Join(p.Dir, "Loner-Svensson.xml")
			must(t, os.WriteFile(path, payments(t, 20, 1), 0o644))
			must(t, os.Chmod(path, 0o000))
			v.poll(t)
			v.told(t, "Svensson", 0)
		})
	}
}

// TestPollLostIndex: what the index has lost, since it was restored from an older backup, is not removed there, but taken; also what
// stays there anyway.
func TestPollLostIndex(t *testing.T) {
	for after, left := range map[string]string{"delete": "", "keep": "a.xml:%d"} {
		v := newVisit(t, func(r *config.Remote) { r.Fetch.After = after })
		first := payments(t, 20, 1)
		v.shop.put("/out/a.xml", first)
		v.restart(t)
		old, err := os.ReadFile(filepath.Join(v.dir, "data", "accounts", "acme", "index.db"))
		must(t, err)
		v.shop.lies(func(s *shop) { s.before = once("remove", "/out/a.xml", 1, func() error { return denied }) })
		v.look(t)
		v.took(t, first)
		v.end()
		v.stop()
		must(t, v.Close())
		for _, name := range []string{"index.db-wal", "index.db-shm"} {
			os.Remove(filepath.Join(v.dir, "data", "accounts", "acme", name))
		}
		write(t, filepath.Join(v.dir, "data", "accounts", "acme", "index.db"), old)
		v.open(t, v.change)
		v.run(t)
		v.took(t)
		v.look(t)
		v.took(t, first)
		if after == "keep" {
			left = fmt.Sprintf(left, len(first))
		}
		v.holds(t, "/out", left)
		v.look(t)
		v.took(t, first)
	}
}

// TestPollDownSince: a restart forgets neither since when a remote is down nor when it was last well.
func TestPollDownSince(t *testing.T) {
	v := newVisit(t, nil)
	v.shop.put("/out/a.xml", payments(t, 20, 1))
	v.look(t)
	well := v.poller.States()[0]
	v.shop.lies(func(s *shop) { s.before = refuses("list") })
	down := v.poll(t)
	v.restart(t)
	s := v.poll(t)
	if !s.DownSince.Equal(down.DownSince.Truncate(time.Microsecond)) || s.LastGood.IsZero() || !s.LastFile.Equal(well.LastFile.Truncate(time.Microsecond)) {
		t.Errorf("down since %v, well at %v, want %v, %v", s.DownSince, s.LastGood, down.DownSince, well.LastGood)
	}
	v.shop.honest()
	v.look(t)
	v.told(t, "remote up", 1)
	v.restart(t)
	v.look(t)
	v.told(t, "remote up", 1)
}

// TestPollHome: a folder that is both fetched from and delivered to is found out though their names differ.
func TestPollHome(t *testing.T) {
	for _, c := range []struct {
		name, url, send, after string
		wrong                  bool
	}{
		{"the login's home", "", "/", "delete", true},
		{"another", "", "/in", "delete", false},
		{"moved to where it lies", "", "/in", "rename:/", true},
	} {
		v := newVisit(t, func(r *config.Remote) {
			r.URL = strings.TrimSuffix(r.URL, "/out") + c.url
			r.Send, r.Fetch.After = &config.Send{Path: c.send, Receipts: "yes"}, c.after
		})
		v.shop.put("/pay.xml", payments(t, 20, 1))
		s := v.poll(t)
		if c.wrong != (s.Failed > 0) || c.wrong != strings.Contains(s.Trouble, "would be fetched") {
			t.Errorf("%s: %+v", c.name, s)
		}
		if c.wrong == (v.shop.times("open") > 0) {
			t.Errorf("%s: opened %d", c.name, v.shop.times("open"))
		}
	}
}

// TestPollLinkedFolder: ... or if a link leads from one to the other.
func TestPollLinkedFolder(t *testing.T) {
	for _, peer := range transport.Peers {
		if peer.Name != "vsftpd" && peer.Name != "openssh" { // other FTP servers only say what they were told
			continue
		}
		t.Run(peer.Name, func(t *testing.T) {
			p := peer.Open(t)
			must(t, os.Symlink(".", filepath.Join(p.Dir, "in")))
			v := newVisitTo(t, p, func(r *config.Remote) { r.Send = &config.Send{Path: "in", Receipts: "yes"} })
			lay(t, p, "pay.xml", payments(t, 20, 1))
			s := v.poll(t)
			if wrong := strings.Contains(s.Trouble, "would be fetched"); !wrong || s.Result.Taken != 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// TestPollIncomplete: a file without its end is refused once, under the id that the ledger knows.
func TestPollIncomplete(t *testing.T) {
	v := newVisit(t, nil)
	v.shop.put("/out/a.xml", payments(t, 20, 1)[:5000])
	for range 2 {
		v.look(t)
	}
	rows, err := v.Polled(t.Context(), "acme", "kund")
	must(t, err)
	if len(v.rows(t)) != 1 {
		t.Errorf("rows: %q", v.rows(t))
	}
	k := rows["a.xml"]
	outcome, err := v.Outcome(t.Context(), "acme", k.File)
	must(t, err)
	sum := sha256.Sum256(payments(t, 20, 1)[:5000])
	if k.State != transport.PolledRefused || outcome.Fate != transport.WasRefused || string(k.SHA256) != string(sum[:]) {
		t.Errorf("%+v: %+v", k, outcome)
	}
	// We died after the refusal, and before that was noted.
	k.State, k.SHA256 = transport.PolledTaking, nil
	must(t, v.NotePolled(t.Context(), "acme", "kund", k))
	v.restart(t)
	v.look(t)
	if len(v.rows(t)) != 1 || v.shop.times("open") != 1 {
		t.Errorf("rows: %q, opened %d times", v.rows(t), v.shop.times("open"))
	}
}
