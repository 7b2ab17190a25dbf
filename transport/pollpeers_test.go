package transport_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealgate/sealgate/config"
	"github.com/sealgate/sealgate/transport"
)

// lay puts a file into a peer's folder, a second younger than the one before.
func lay(t testing.TB, p *transport.Peer, name string, content []byte) {
	t.Helper()
	path := filepath.Join(p.Dir, name)
	must(t, os.WriteFile(path, content, 0o644))
	must(t, os.Chmod(path, 0o666))
	at := noon.Add(time.Duration(laid.Add(1)) * time.Second)
	must(t, os.Chtimes(path, at, at))
}

var laid atomic.Int64

// lies are the names of the files in a peer's folder.
func lies(t testing.TB, p *transport.Peer, folder string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(p.Dir, folder))
	must(t, err)
	for _, e := range entries {
		if !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names
}

// TestPollPeers: every server, through the gateway: files with odd names are taken once under names that people can read,
// one without a byte is refused, and there what `after` says is done.
func TestPollPeers(t *testing.T) {
	for _, peer := range transport.Peers {
		t.Run(peer.Name, func(t *testing.T) {
			p := peer.Open(t)
			for i, after := range []string{"delete", "rename:moved å", "keep"} {
				t.Run(after, func(t *testing.T) { fetchesFrom(t, p, after, uint64(i)) })
			}
		})
	}
}

func fetchesFrom(t *testing.T, p *transport.Peer, after string, seed uint64) {
	v := newVisitTo(t, p, func(r *config.Remote) { r.Fetch.After = after })
	names := []string{"two words.xml", "löner åäö.xml", "large;a=b.xml"}
	if !p.UTF8Only {
		names = append(names, "l\xf6ner 2.xml")
	}
	var want [][]byte
	var rows []string
	for i, name := range names {
		n := 5
		if strings.HasPrefix(name, "large") {
			n = 400
		}
		want = append(want, payments(t, n, 100*seed+uint64(i)))
		lay(t, p, name, want[i])
		if name == "l\xf6ner 2.xml" {
			name = "löner 2.xml"
		}
		rows = append(rows, "accepted "+name)
	}
	lay(t, p, "empty.xml", nil)
	defer os.Remove(filepath.Join(p.Dir, "empty.xml"))
	if r := v.look(t); r.Taken != len(names) || r.Refused != 1 || r.Failed != 0 {
		t.Errorf("%+v", r)
	}
	v.look(t)
	v.restart(t)
	if r := v.look(t); r.Taken+r.Refused+r.Failed != 0 {
		t.Errorf("later: %+v", r)
	}
	v.took(t, want...)
	got := v.rows(t)
	slices.Sort(got)
	rows = append(rows, "rejected empty.xml")
	slices.Sort(rows)
	if !slices.Equal(got, rows) {
		t.Errorf("rows: %q, want %q", got, rows)
	}
	slices.Sort(names)
	there, moved := []string{"empty.xml"}, []string(nil)
	switch {
	case after == "keep":
		there = append(there, names...)
		slices.Sort(there)
	case after != "delete":
		moved = names
		if got := lies(t, p, "moved å"); !slices.Equal(got, moved) {
			t.Errorf("moved: %q, want %q", got, moved)
		}
	}
	if got := lies(t, p, ""); !slices.Equal(got, there) {
		t.Errorf("there lie %q, want %q", got, there)
	}
}

// TestPollChangingFTPS: TestPollChanging, on servers whose listings tell times to the minute, or to the second.
func TestPollChangingFTPS(t *testing.T) {
	whole := payments(t, 250, 1)
	other := twin(t, whole)
	longer := payments(t, 300, 2)
	half := whole[:len(whole)/2]
	cases := []struct {
		name        string
		first, then []byte
		op          string
		nth         int
		taken       [][]byte
	}{
		{"grows before it is read", half, whole, "stat", 1, [][]byte{whole}},
		{"is replaced before it is read", whole, other, "stat", 1, [][]byte{other}},
		{"grows after the stat", half, whole, "open", 1, [][]byte{whole}},
		{"shrinks after the stat", longer, whole, "open", 1, [][]byte{whole}},
		{"is replaced after the stat", whole, other, "open", 1, [][]byte{other}},
		{"grows while it is read", half, whole, "read", 2, [][]byte{whole}},
		{"shrinks while it is read", longer, whole, "read", 2, [][]byte{whole}},
		{"is replaced while it is read", whole, other, "read", 2, [][]byte{other}},
		{"is replaced after it was read", whole, other, "stat", 2, [][]byte{other}},
		{"is replaced before it is removed", whole, other, "stat", 3, [][]byte{whole, other}},
		{"grows before it is removed", whole, longer, "stat", 3, [][]byte{whole, longer}},
	}
	for _, peer := range transport.Peers[:2] {
		p := peer.Open(t)
		for _, c := range cases {
			t.Run(peer.Name+": "+c.name, func(t *testing.T) {
				v := newVisitTo(t, p, nil)
				var n atomic.Int64
				hook := func(op, name string) {
					if op == c.op && name == "a.xml" && int(n.Add(1)) == c.nth {
						lay(t, p, "a.xml", c.then)
					}
				}
				v.hook.Store(&hook)
				lay(t, p, "a.xml", c.first)
				for range 4 {
					v.look(t)
				}
				v.took(t, c.taken...)
				if got := lies(t, p, ""); got != nil {
					t.Errorf("there lie %q", got)
				}
				if int(n.Load()) < c.nth {
					t.Errorf("%s was asked for %d times", c.op, n.Load())
				}
			})
		}
	}
}

// TestPollTurn: a server that takes long in the middle of a file gives up its seat to those who wait for one, and goes on
// with the file where it was.
func TestPollTurn(t *testing.T) {
	for _, peer := range transport.Peers[:3] {
		t.Run(peer.Name, func(t *testing.T) {
			p := peer.Open(t)
			v := newVisitTo(t, p, nil)
			other := *v.remote
			other.Name = "other"
			other.Fetch = &config.Fetch{Match: []string{"none"}, At: v.remote.Fetch.At, Zone: "UTC", Folders: "no", Largest: 1, Ready: "renamed", After: "keep"}
			v.end()
			v.cfg.RemotesAtOnce, v.cfg.Accounts[0].Remotes = 1, []*config.Remote{v.remote, &other}
			v.run(t)
			whole := payments(t, 2000, 1)
			lay(t, p, "a.xml", whole)
			var reads, opens, between atomic.Int64
			looked := make(chan error, 1)
			hook := func(op, name string) {
				switch {
				case op == "open":
					opens.Add(1)
				case op == "list" && reads.Load() > 0:
					between.Store(opens.Load())
				case op == "read" && reads.Add(1) == 2:
					go func() { _, err := v.poller.Now(t.Context(), "acme", "other", false); looked <- err }()
					until(t, "the other waits", func() bool { return transport.Waiting(v.poller) == 1 })
					v.ahead.Store(int64(11 * time.Minute))
				}
			}
			v.hook.Store(&hook)
			v.look(t)
			must(t, <-looked)
			v.took(t, whole)
			if opens.Load() != 2 || between.Load() != 1 {
				t.Errorf("opened %d times, %d of them before the other looked", opens.Load(), between.Load())
			}
		})
	}
}

// TestPollThousands: ten thousand files that stay there are each taken once, and known at the next look.
func TestPollThousands(t *testing.T) {
	const many = 10_000
	if testing.Short() {
		t.Skip("NOT RUN: -short")
	}
	if _, err := os.Stat("/dev/shm"); err == nil {
		t.Setenv("TMPDIR", "/dev/shm") // twenty thousand flushes are not what this is about
	}
	v := newVisit(t, keep)
	for i := range many {
		v.shop.put(fmt.Sprintf("/out/%05d.txt", i), fmt.Appendf(nil, "a list in a format that is not known, number %d\n", i))
	}
	if r := v.look(t); r.Taken != many {
		t.Errorf("%+v", r)
	}
	v.shop.lies(func(s *shop) { s.asked = nil })
	if r := v.look(t); r.Listed != many || r.Taken+r.Refused+r.Waiting != 0 || v.shop.times("stat ") > 2 {
		t.Errorf("again: %+v, %d stats", r, v.shop.times("stat "))
	}
	if n := v.count(t, "accepted"); n != many {
		t.Errorf("%d are accepted", n)
	}
	known, err := v.Polled(t.Context(), "acme", "kund")
	if err != nil || len(known) != many {
		t.Errorf("%d are known, %v", len(known), err)
	}
	v.shop.lies(func(s *shop) { clear(s.files) })
	v.look(t)
	if known, err = v.Polled(t.Context(), "acme", "kund"); err != nil || len(known) != 0 {
		t.Errorf("they are gone, and %d are known to lie there, %v", len(known), err)
	}
}

// TestPollGigabyte: a file of 1 GiB, which needs no room on the disk there, through every step.
func TestPollGigabyte(t *testing.T) {
	if testing.Short() {
		t.Skip("NOT RUN: -short")
	}
	p := transport.NewVsftpd(t)
	v := newVisitTo(t, p, func(r *config.Remote) { r.Fetch.Largest = 2 << 30 })
	v.cfg.Accounts[0].MaxFileSize = 2 << 30
	path := filepath.Join(p.Dir, "large.xml")
	file, err := os.Create(path)
	must(t, err)
	must(t, file.Truncate(1<<30))
	must(t, file.Close())
	must(t, os.Chmod(path, 0o666))
	if r := v.look(t); r.Taken != 1 {
		t.Errorf("%+v", r)
	}
	if got := lies(t, p, ""); got != nil {
		t.Errorf("there lie %q", got)
	}
}
