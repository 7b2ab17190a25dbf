package transport_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/sealgate/sealgate/config"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/transport"
)

// visit is a real gateway with a real poller, and the shop that it looks at when the test says so, never by itself.
type visit struct {
	*house
	shop   *shop
	remote *config.Remote
	poller *transport.Poller
	end    func()
	faulty func(transport.Depot) transport.Depot // around the gateway; nil: none
	ahead  atomic.Int64                          // how far the poller's clock is ahead
	hook   atomic.Pointer[func(op, name string)]
}

// newVisit makes them. change, if not nil, alters the remote; its files are taken at once and then removed there.
func newVisit(t testing.TB, change func(*config.Remote)) *visit {
	t.Helper()
	v := &visit{shop: newShop(t)}
	key := filepath.Join(t.TempDir(), "key")
	_, private, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	block, err := ssh.MarshalPrivateKey(private, "")
	must(t, err)
	write(t, key, pem.EncodeToMemory(block))
	v.remote = &config.Remote{
		Name: "kund", URL: "sftp://" + v.shop.addr + "/out", User: "acme", KeyFile: key, Silence: 20 * time.Second,
		Trust: config.Trust{HostKey: []string{v.shop.pin}},
		Fetch: &config.Fetch{
			Match: []string{"*"}, Ignore: []string{".*"}, At: []string{time.Now().UTC().Add(12 * time.Hour).Format("15:04")}, Zone: "UTC",
			Folders: "no", Largest: 32 << 20, Ready: "renamed", After: "delete",
		},
	}
	if change != nil {
		change(v.remote)
	}
	v.house = newHouse(t, v.change)
	v.run(t)
	return v
}

// newVisitTo is newVisit to a real server.
func newVisitTo(t testing.TB, p *transport.Peer, change func(*config.Remote)) *visit {
	t.Helper()
	return newVisit(t, func(r *config.Remote) {
		fetch := r.Fetch
		*r = p.Config
		r.Name, r.Fetch = "kund", fetch
		if change != nil {
			change(r)
		}
	})
}

func (v *visit) change(cfg *config.Config) { cfg.Accounts[0].Remotes = []*config.Remote{v.remote} }

func (v *visit) run(t testing.TB) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	depot := transport.Depot(v.Gateway)
	if v.faulty != nil {
		depot = v.faulty(depot)
	}
	v.poller = transport.NewPoller(v.cfg, depot, slog.New(slog.NewTextHandler(v.log, nil)))
	transport.Hook(v.poller, func() time.Time { return time.Now().Add(time.Duration(v.ahead.Load())) }, func(op, name string) {
		if hook := v.hook.Load(); hook != nil {
			(*hook)(op, name)
		}
	})
	ended := make(chan struct{})
	go func(p *transport.Poller) { p.Run(ctx); close(ended) }(v.poller)
	v.end = func() { cancel(); <-ended }
	t.Cleanup(v.end)
}

// restart ends the gateway and begins anew.
func (v *visit) restart(t testing.TB) {
	t.Helper()
	v.end()
	v.stop()
	must(t, v.Close())
	v.open(t, v.change)
	v.run(t)
}

// look looks at the shop once. The look itself must go well.
func (v *visit) look(t testing.TB) transport.LookResult {
	t.Helper()
	s, err := v.poller.Now(t.Context(), "acme", "kund", false)
	must(t, err)
	return s.Result
}

// lookFails looks at the shop, which must fail at a step, in words.
func (v *visit) lookFails(t testing.TB, step, words string) {
	t.Helper()
	s, err := v.poller.Now(t.Context(), "acme", "kund", false)
	if err == nil || s.Step != step || !strings.Contains(s.Trouble, words) || s.DownSince.IsZero() {
		t.Errorf("the look gives %v at step %q, want %q at %q", err, s.Step, words, step)
	}
}

// took fails the test unless the gateway has accepted exactly these contents, each once.
func (v *visit) took(t testing.TB, want ...[]byte) {
	t.Helper()
	got := map[string]int{}
	for f, err := range v.Files(t.Context(), gateway.FilesQuery{Account: "acme"}) {
		must(t, err)
		if f.Verdict == "accepted" {
			got[f.SHA256]++
		}
	}
	for _, content := range want {
		sum := sha256.Sum256(content)
		got[hex.EncodeToString(sum[:])]--
	}
	for sum, n := range got {
		if n != 0 {
			t.Errorf("a file was accepted %+d times too often: %.8s (%d are wanted); rows: %v", n, sum, len(want), v.rows(t))
		}
	}
}

// told fails the test unless the log has the words so many times.
func (v *visit) told(t testing.TB, words string, times int) {
	t.Helper()
	if n := strings.Count(v.log.String(), words); n != times {
		t.Errorf("the log says %q %d times, want %d:\n%s", words, n, times, v.log)
	}
}

// holds fails the test unless a folder of the shop has exactly these names with sizes.
func (v *visit) holds(t testing.TB, folder, want string) {
	t.Helper()
	if got := v.shop.there(folder); got != want {
		t.Errorf("%s holds %q, want %q", folder, got, want)
	}
}

// once gives a hook that acts at the nth time of an operation on a name, and never again.
func once(op, name string, nth int, act func() error) func(op, name string, off int64) error {
	var n atomic.Int64
	return func(o, at string, _ int64) error {
		if o != op || at != name {
			return nil
		}
		if int(n.Add(1)) == nth {
			return act()
		}
		return nil
	}
}

// names are what was ever asked of the shop, each once.
func (v *visit) names() []string {
	v.shop.mu.Lock()
	defer v.shop.mu.Unlock()
	set := map[string]bool{}
	for _, a := range v.shop.asked {
		_, name, _ := strings.Cut(a, " ")
		set[name] = true
	}
	return slices.Sorted(maps.Keys(set))
}
