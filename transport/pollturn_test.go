package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealgate/sealgate/config"
)

// owing is a gateway that always has something to deliver, and never hands it over.
type owing struct{ noDepot }

func (owing) NextSend(context.Context, string, string) (time.Time, error) { return time.Now(), nil }

// lister tells when it is listed, and is counted while it is connected to.
type lister struct {
	*visited
	list  func(folder string) ([]RemoteFile, error)
	close func()
}

func (l lister) List(_ context.Context, folder string) ([]RemoteFile, error) { return l.list(folder) }
func (l lister) Close() error                                                { l.close(); return nil }

// bubble runs a poller whose servers are dialled by dial, in a bubble of time, until f returns.
func bubble(t *testing.T, cfg *config.Config, depot Depot, dial func(r *config.Remote) (Remote, error), f func(p *Poller)) {
	t.Helper()
	p := NewPoller(cfg, depot, slog.New(slog.NewTextHandler(&bytes.Buffer{}, nil)))
	p.dial = func(_ context.Context, r *config.Remote, _ *slog.Logger) (Remote, error) { return dial(r) }
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- p.Run(ctx) }()
	f(p)
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestPollerDeliversBetween: a look that only delivers, and fails, leads to no fetch outside the times of day; and it says
// nothing new of what lies there.
func TestPollerDeliversBetween(t *testing.T) {
	cfg := polled(config.Fetch{At: []string{"06:30"}})
	cfg.Accounts[0].Remotes[0].Send = &config.Send{Path: "/in"}
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var listed []string
		down, dials := error(nil), 0
		dial := func(*config.Remote) (Remote, error) {
			mu.Lock()
			defer mu.Unlock()
			dials++
			return lister{&visited{}, func(string) ([]RemoteFile, error) {
				mu.Lock()
				defer mu.Unlock()
				listed = append(listed, time.Now().In(config.Place("Europe/Stockholm")).Format("15:04:05"))
				return []RemoteFile{{Name: "a.xml", Size: 10, Time: time.Now()}}, nil
			}, func() {}}, down
		}
		set := func(err error) { mu.Lock(); down = err; mu.Unlock() }
		seen := func() ([]string, int) { mu.Lock(); defer mu.Unlock(); return listed, dials }
		bubble(t, cfg, owing{}, dial, func(p *Poller) {
			pass(time.Second)
			set(&RemoteError{Step: stepConnect, Err: errors.New("refused")})
			pass(10 * time.Minute)
			set(nil)
			if _, n := seen(); n < 4 {
				t.Errorf("%d dials, %+v", n, p.States()[0])
			}
			pass(30 * time.Minute)
			if at, _ := seen(); len(at) != 0 {
				t.Errorf("listed at %v", at)
			}
			pass(7 * time.Hour) // over 06:30, and its second look
			at, before := seen()
			if d := cmp.Diff([]string{"06:30:00", "06:30:30"}, at[:min(2, len(at))]); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
			p.Wake("acme")
			pass(5 * time.Second)
			_, after := seen()
			if s := p.States()[0]; after == before || s.Result.Listed != 1 || s.Result.Waiting != 1 {
				t.Errorf("after %d deliveries: %+v", after-before, s.Result)
			}
		})
	})
}

// several is a configuration with so many remotes, and seats.
func several(n, seats int, f config.Fetch) *config.Config {
	cfg := polled(f)
	one := cfg.Accounts[0].Remotes[0]
	for i := 1; i < n; i++ {
		other := *one
		other.Name = fmt.Sprint("bank", i)
		cfg.Accounts[0].Remotes = append(cfg.Accounts[0].Remotes, &other)
	}
	cfg.RemotesAtOnce = seats
	return cfg
}

// TestPollerSeats: no more remotes are connected to at once than there are seats, and every remote gets one.
func TestPollerSeats(t *testing.T) {
	for _, seats := range []int{1, 2, 3} {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			open, most, looks := 0, 0, map[string]int{}
			dial := func(r *config.Remote) (Remote, error) {
				mu.Lock()
				defer mu.Unlock()
				open++
				most = max(most, open)
				looks[r.Name]++
				return lister{&visited{}, func(string) ([]RemoteFile, error) { <-time.After(20 * time.Second); return nil, nil },
					func() { mu.Lock(); open--; mu.Unlock() }}, nil
			}
			bubble(t, several(5, seats, config.Fetch{Every: time.Minute}), noDepot{}, dial, func(*Poller) { pass(time.Hour) })
			if most != seats || open != 0 {
				t.Errorf("%d seats: %d at once, %d left open", seats, most, open)
			}
			for _, n := range looks {
				if least := min(44, 3*60*seats/5) * 9 / 10; n < least || len(looks) != 5 {
					t.Errorf("%d seats: looks %v, want %d each", seats, looks, least)
				}
			}
		})
	}
}

// TestPollerSlowRemote: a server that is slow without end keeps nobody from the only seat for longer than a turn, and comes
// to its end.
func TestPollerSlowRemote(t *testing.T) {
	cfg := several(2, 1, config.Fetch{Every: time.Minute, Folders: "yes"})
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var quick []time.Duration
		begun, last := time.Now(), 0
		dial := func(r *config.Remote) (Remote, error) {
			return lister{&visited{}, func(folder string) (list []RemoteFile, _ error) {
				if r.Name == "bank" {
					<-time.After(3 * time.Minute)
				}
				mu.Lock()
				defer mu.Unlock()
				switch {
				case r.Name != "bank":
					quick = append(quick, time.Since(begun))
				case folder == "":
					for i := range 50 {
						list = append(list, RemoteFile{Name: strings.Repeat("x", i+1), Folder: true})
					}
				default:
					last = max(last, len(folder))
				}
				return list, nil
			}, func() {}}, nil
		}
		bubble(t, cfg, noDepot{}, dial, func(*Poller) { pass(4 * time.Hour) })
		if last != 50 {
			t.Errorf("the slow one came to its folder %d", last)
		}
		for i := 1; i < len(quick); i++ {
			if gap := quick[i] - quick[i-1]; gap > longestTurn+4*time.Minute {
				t.Errorf("the quick one waited for %v", gap)
			}
		}
		if len(quick) < 15 {
			t.Errorf("the quick one was looked at %v", quick)
		}
	})
}

// TestPlainName: what the index calls a file whose name is any bytes.
func TestPlainName(t *testing.T) {
	for name, want := range map[string]string{
		"pay.xml": "pay.xml", "löner.xml": "löner.xml", "l\xf6ner.xml": "löner.xml", "給与": "給与", "\xe5\xe4\xf6": "åäö", "a b": "a b",
		"a\x00b": "", "a\nb": "", "\x1b[2J": "", "a\u202eb": "", "\x80\x9f": "", "\xa0": "\u00a0", "": "",
	} {
		if got := plainName(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

// TestArrivalName: a name as it can stand in any folder of any server.
func TestArrivalName(t *testing.T) {
	for name, want := range map[string]string{
		"statement.xml": "statement.xml", "../../etc/passwd": "_.._etc_passwd", `a\b:c*d?e"f<g>h|i`: "a_b_c_d_e_f_g_h_i", ".hidden": "hidden", "...": "file", "": "file",
		" . x": "x", "a\nb": "file", "l\xf6ner": "löner", strings.Repeat("ö", 150): strings.Repeat("ö", 100), strings.Repeat("x", 300): strings.Repeat("x", 200),
	} {
		if got := arrivalName(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

// TestNameless: a file's name is taken out of what a server says, and nothing else is.
func TestNameless(t *testing.T) {
	for _, c := range []struct{ text, name, want string }{
		{"550 /out/pay.xml: Permission denied", "pay.xml", "550 /out/[name]: Permission denied"},
		{"550 Can't open \"a/pay.xml\": no", "a/pay.xml", "550 Can't open \"[name]\": no"},
		{"550 pay.xml is not in a", "a/pay.xml", "550 [name] is not in [name]"},
		{"550 a file is a file", "a", "550 [name] file is [name] file"},
		{"550 paypal.xmls are no pay.xml", "pay.xml", "550 paypal.xmls are no [name]"},
		{"550 l\xf6n: no", "l\xf6n", "550 [name]: no"},
		{"550 lön: no", "l\xf6n", "550 [name]: no"},
		{"550 no", "pay.xml", "550 no"},
	} {
		if got := hide(c.text, c.name); got != c.want {
			t.Errorf("%q without %q: %q, want %q", c.text, c.name, got, c.want)
		}
	}
}

// unmeasured is a server whose listings tell no sizes, and that does not tell that of one file either.
type unmeasured struct{ tree }

func (*unmeasured) Stat(_ context.Context, name string) (RemoteFile, error) {
	if name == "secret.xml" {
		return RemoteFile{}, &RemoteError{Step: stepFetch, Err: &textproto.Error{Code: 550, Msg: "secret.xml: Permission denied"}}
	}
	return RemoteFile{Name: name, Size: 7}, nil
}

// TestPollUnmeasured: a file whose size cannot be had is told once and counted, and is no reason to fetch nothing.
func TestPollUnmeasured(t *testing.T) {
	there := &unmeasured{tree: tree{folders: map[string][]RemoteFile{"": {{Name: "secret.xml", Size: -1}, {Name: "pay.xml", Size: -1}}}}}
	var log bytes.Buffer
	l := &look{poller: &Poller{}, memory: newMemory(), session: there, log: slog.New(slog.NewTextHandler(&log, nil)),
		remote: &config.Remote{URL: "ftpes://h/out", Fetch: &config.Fetch{Match: []string{"*"}, Ready: "looks"}}}
	for range 2 {
		l.result = LookResult{}
		files, err := l.list(t.Context())
		if err != nil || len(files) != 1 || files[0].Name != "pay.xml" || files[0].Size != 7 || l.result.Failed != 1 || !l.hidden("secret.xml") {
			t.Errorf("%+v, %+v, %v", files, l.result, err)
		}
	}
	if text := log.String(); strings.Count(text, "remote file left") != 1 || strings.Contains(text, "secret") {
		t.Error(text)
	}
}

// TestAgree: what a listing and the server's own word may differ by.
func TestAgree(t *testing.T) {
	noon := time.Date(2026, 11, 20, 12, 0, 30, 0, time.UTC)
	day := noon.Truncate(24 * time.Hour)
	for _, c := range []struct {
		url         string
		listed, now time.Time
		want        bool
	}{
		{"sftp://127.0.0.1/out", noon, noon, true},
		{"sftp://127.0.0.1/out", noon, noon.Add(time.Second), false},
		{"ftps://127.0.0.1/out", noon, noon.Add(30 * time.Second), true},              // seconds left out
		{"ftps://127.0.0.1/out", noon, noon.Add(2*time.Minute + time.Second), false},  // another file
		{"ftps://127.0.0.1/out", noon, noon.Add(5*time.Hour + 45*time.Minute), true},  // Kathmandu
		{"ftps://127.0.0.1/out", noon, noon.Add(-8*time.Hour - 30*time.Second), true}, // west of us, seconds left out
		{"ftps://127.0.0.1/out", noon, noon.Add(5*time.Hour + 7*time.Minute), false},  // nowhere
		{"ftps://127.0.0.1/out", time.Time{}, noon.Add(7 * time.Minute), true},        // a listing without times
		{"ftps://127.0.0.1/out", noon, time.Time{}, true},                             // a server that tells none
		{"ftps://127.0.0.1/out", day, day.Add(11*time.Hour + 7*time.Minute), true},    // the day alone
	} {
		l := look{remote: &config.Remote{URL: c.url}}
		if got := l.agree(RemoteFile{Size: 1, Time: c.listed}, RemoteFile{Size: 1, Time: c.now}); got != c.want {
			t.Errorf("%s: %s listed, %s now: %v", c.url, c.listed, c.now, got)
		}
		if l.agree(RemoteFile{Size: 1, Time: c.listed}, RemoteFile{Size: 2, Time: c.now}) {
			t.Errorf("%s: another size", c.url)
		}
	}
}
