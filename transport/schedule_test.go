package transport

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealgate/sealgate/config"
)

func parsed(t testing.TB, s string) time.Time {
	t.Helper()
	at, err := time.Parse("2006-01-02T15:04:05Z07:00", s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// TestNextClock: when a remote with times of day is looked at, over clock changes, a leap day and the turn of a year.
func TestNextClock(t *testing.T) {
	for _, c := range []struct{ clocks, zone, now, want string }{
		{"06:30 12:00", "Europe/Stockholm", "2026-11-21T05:00:00Z", "2026-11-21T06:30:00+01:00"},
		{"12:00 06:30", "Europe/Stockholm", "2026-11-21T06:30:00+01:00", "2026-11-21T12:00:00+01:00"}, // in any order; not now again
		{"06:30 12:00", "Europe/Stockholm", "2026-11-21T12:00:01+01:00", "2026-11-22T06:30:00+01:00"},
		{"06:30", "UTC", "2026-11-21T06:29:59.999Z", "2026-11-21T06:30:00Z"},
		{"00:00", "Europe/Stockholm", "2026-12-31T23:59:59+01:00", "2027-01-01T00:00:00+01:00"},
		{"23:30", "America/New_York", "2026-11-21T04:45:00Z", "2026-11-21T23:30:00-05:00"}, // yesterday there
		{"12:00", "Europe/Stockholm", "2028-02-28T13:00:00+01:00", "2028-02-29T12:00:00+01:00"},
		{"12:00", "Europe/Stockholm", "2028-02-29T13:00:00+01:00", "2028-03-01T12:00:00+01:00"},
		// The clocks go forward on 2026-03-29 at 02:00: what is skipped is at 03:00, and once.
		{"02:30", "Europe/Stockholm", "2026-03-29T01:59:59+01:00", "2026-03-29T03:00:00+02:00"},
		{"02:15 02:45", "Europe/Stockholm", "2026-03-29T03:00:00+02:00", "2026-03-30T02:15:00+02:00"},
		{"02:15 03:05", "Europe/Stockholm", "2026-03-29T03:00:00+02:00", "2026-03-29T03:05:00+02:00"},
		{"16:00", "Europe/Stockholm", "2026-03-28T16:00:00+01:00", "2026-03-29T16:00:00+02:00"}, // 23 hours
		// They go back on 2026-10-25 at 03:00: what comes twice is looked at the first time.
		{"02:30", "Europe/Stockholm", "2026-10-25T02:00:00+02:00", "2026-10-25T02:30:00+02:00"},
		{"02:30", "Europe/Stockholm", "2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"},
		{"02:30", "Europe/Stockholm", "2026-10-25T02:10:00+01:00", "2026-10-26T02:30:00+01:00"},
		{"16:00", "Europe/Stockholm", "2026-10-24T16:00:00+02:00", "2026-10-25T16:00:00+01:00"}, // 25 hours
	} {
		got := nextClock(strings.Fields(c.clocks), c.zone, parsed(t, c.now))
		if s := got.Format(time.RFC3339); s != c.want {
			t.Errorf("%s %s after %s: %s, want %s", c.clocks, c.zone, c.now, s, c.want)
		}
	}
	for now, n := parsed(t, "2026-01-01T00:00:00Z"), 0; n < 5*365*24; now, n = now.Add(59*time.Minute), n+1 {
		next := nextClock([]string{"02:30"}, "Europe/Stockholm", now)
		if wait := next.Sub(now); wait <= 0 || wait > 25*time.Hour+30*time.Minute {
			t.Fatalf("after %s: %s", now, next)
		}
	}
}

// TestNextLook: the back-off doubles to a quarter of an hour, the jitter has bounds, a second look comes soon.
func TestNextLook(t *testing.T) {
	now := parsed(t, "2026-11-21T11:59:50+01:00")
	fetch := func(f config.Fetch) *config.Remote { return &config.Remote{Fetch: &f} }
	minutely, slow := fetch(config.Fetch{Every: time.Minute, Ready: "looks"}), fetch(config.Fetch{Every: time.Hour, Ready: "looks"})
	var waits []time.Duration
	for failed := 1; failed <= 8; failed++ {
		waits = append(waits, nextLook(minutely, now, failed, true))
	}
	const m = time.Minute
	if d := cmp.Diff([]time.Duration{30 * time.Second, m, 2 * m, 4 * m, 8 * m, 15 * m, 15 * m, 15 * m}, waits); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	for _, failed := range []int{63, 64, 1000, 1 << 40} {
		if wait := nextLook(slow, now, failed, false); wait != 15*m {
			t.Errorf("%d failed: %s", failed, wait)
		}
	}
	least, most := time.Hour, time.Duration(0)
	for range 10_000 {
		wait := nextLook(minutely, now, 0, false)
		least, most = min(least, wait), max(most, wait)
	}
	if least < 54*time.Second || most > 66*time.Second || most-least < 11*time.Second {
		t.Errorf("about a minute: %s to %s", least, most)
	}
	daily := config.Fetch{At: []string{"12:00"}, Zone: "Europe/Stockholm", Ready: "looks"}
	for _, c := range []struct {
		name   string
		remote *config.Remote
		wants  time.Duration
		wait   bool
	}{
		{"a second look", slow, 30 * time.Second, true},
		{"a second look between times of day", fetch(config.Fetch{At: []string{"23:00"}, Zone: "UTC", Ready: "looks"}), 30 * time.Second, true},
		{"a time of day that is nearer", fetch(daily), 10 * time.Second, true},
		{"a time of day", fetch(daily), 10 * time.Second, false},
		{"nothing is fetched", &config.Remote{}, 0, true},
	} {
		if got := nextLook(c.remote, now, 0, c.wait); got != c.wants {
			t.Errorf("%s: %s, want %s", c.name, got, c.wants)
		}
	}
}

// visited is a customer's server whose visits are counted by the bubble's clock. It has one file at most, which is never taken.
type visited struct {
	mu     sync.Mutex
	visits []time.Time
	down   error
	file   *RemoteFile
	slow   chan struct{} // a dial waits for it
}

func (p *visited) dial(ctx context.Context, _ *config.Remote, _ *slog.Logger) (Remote, error) {
	p.mu.Lock()
	p.visits = append(p.visits, time.Now())
	slow, down := p.slow, p.down
	p.mu.Unlock()
	if slow != nil {
		select {
		case <-slow:
		case <-ctx.Done():
			<-slow // it is in the middle of something that it must end first
			return nil, ctx.Err()
		}
	}
	return p, down
}

func (p *visited) set(f func(*visited)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(p)
}

// since gives when it was visited, counted from then on, and forgets it.
func (p *visited) since(t time.Time) (list []time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, v := range p.visits {
		list = append(list, v.Sub(t))
	}
	p.visits = nil
	return list
}

func (p *visited) List(context.Context, string) ([]RemoteFile, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.file != nil {
		return []RemoteFile{*p.file}, nil
	}
	return nil, nil
}
func (p *visited) Twin(context.Context, string, string) (bool, error) { return false, nil }
func (p *visited) Real(_ context.Context, folder string) (string, error) {
	return "/real/" + folder, nil
}
func (p *visited) Stat(context.Context, string) (RemoteFile, error) { return RemoteFile{}, ErrGone }
func (p *visited) Read(context.Context, string, int64, func([]byte) error) error {
	return errors.New("read")
}
func (p *visited) Remove(context.Context, string) error           { return nil }
func (p *visited) Rename(context.Context, string, string) error   { return nil }
func (p *visited) MakeFolder(context.Context, string) error       { return nil }
func (p *visited) Store(context.Context, string, io.Reader) error { return nil }
func (p *visited) Close() error                                   { return nil }

// noDepot is a gateway that knows of no file and has nothing to send.
type noDepot struct{ Depot }

func (noDepot) Polled(context.Context, string, string) (map[string]Polled, error) {
	return map[string]Polled{}, nil
}
func (noDepot) PolledFile(context.Context, string, string, string) (Polled, bool, error) {
	return Polled{}, false, nil
}
func (noDepot) SweepPolled(context.Context, string, string, time.Time) error { return nil }
func (noDepot) Remembered(context.Context, string, string) (RemoteMemory, error) {
	return RemoteMemory{}, nil
}
func (noDepot) Remember(context.Context, string, string, RemoteMemory) error { return nil }
func (noDepot) NotePolled(context.Context, string, string, Polled) error     { return nil }
func (noDepot) ForgetPolled(context.Context, string, string, string) error   { return nil }
func (noDepot) Sends(context.Context, string, string, time.Time, int) ([]Sending, error) {
	return nil, nil
}

// polled is a configuration with one remote.
func polled(f config.Fetch) *config.Config {
	if f.Ready == "" {
		f.Ready = "looks"
	}
	f.Match, f.Zone, f.After, f.Largest = []string{"*"}, "Europe/Stockholm", "keep", 1<<20
	return &config.Config{RemotesAtOnce: 1, Accounts: []*config.Account{{ID: "acme", Remotes: []*config.Remote{{Name: "bank", Fetch: &f}}}}}
}

// clockwork runs a poller in a bubble. A bubble's clock begins on 2000-01-01.
func clockwork(t *testing.T, cfg *config.Config, f func(t *testing.T, p *Poller, there *visited, log *bytes.Buffer)) {
	synctest.Test(t, func(t *testing.T) {
		there, log := &visited{}, &bytes.Buffer{}
		p := NewPoller(cfg, noDepot{}, slog.New(slog.NewTextHandler(log, nil)))
		p.dial = there.dial
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- p.Run(ctx) }()
		f(t, p, there, log)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// pass lets time go by in the bubble.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func near(got, want time.Duration) bool { return got >= want*9/10 && got <= want*11/10 }

// TestPollerBacksOff: a remote that is down is looked at ever less often, told once, and found soon enough when it is back.
func TestPollerBacksOff(t *testing.T) {
	clockwork(t, polled(config.Fetch{Every: time.Minute}), func(t *testing.T, p *Poller, there *visited, log *bytes.Buffer) {
		begun := time.Now()
		there.set(func(s *visited) { s.down = &RemoteError{Step: stepConnect, Err: errors.New("refused")} })
		pass(75 * time.Minute)
		visits := there.since(begun)
		if len(visits) < 8 || !near(visits[0], firstLook) {
			t.Fatalf("visits at %v", visits)
		}
		wait := firstRetry
		for i := 1; i < len(visits); i++ {
			if got := visits[i] - visits[i-1]; got != wait {
				t.Errorf("visit %d after %s, want %s", i, got, wait)
			}
			wait = min(2*wait, longestWait)
		}
		s := p.States()[0]
		if s.Failed != len(visits) || !s.DownSince.Equal(begun.Add(visits[0])) || !s.LastGood.IsZero() || s.NextLook.Sub(s.LastLook) != longestWait {
			t.Errorf("%+v", s)
		}
		there.set(func(s *visited) { s.down = &RemoteError{Step: stepLogin, Err: errors.New("530 no")} })
		pass(15 * time.Minute)
		there.set(func(s *visited) { s.down = nil })
		pass(15 * time.Minute)
		there.since(begun)
		if downs, ups := strings.Count(log.String(), "remote down"), strings.Count(log.String(), "remote up"); downs != 2 || ups != 1 {
			t.Errorf("told %d and %d times:\n%s", downs, ups, log)
		}
		now := time.Now()
		pass(10 * time.Minute)
		if visits = there.since(now); len(visits) < 9 || len(visits) > 11 {
			t.Errorf("every minute again: %v", visits)
		}
	})
}

// TestPollerLooksTwice: a file that is not settled yet is looked at again soon; one that waits for its marker is not.
func TestPollerLooksTwice(t *testing.T) {
	for ready, want := range map[string]int{"looks": 10, "*.done": 1} {
		clockwork(t, polled(config.Fetch{Every: 10 * time.Minute, Ready: ready}), func(t *testing.T, p *Poller, there *visited, _ *bytes.Buffer) {
			there.set(func(s *visited) { s.file = &RemoteFile{Name: "a.xml", Size: 10, Time: time.Now()} }) // noDepot never knows it
			begun := time.Now()
			pass(5 * time.Minute)
			if visits := there.since(begun); len(visits) != want || p.States()[0].Result.Waiting != 1 {
				t.Errorf("%s: %v", ready, visits)
			}
		})
	}
}

// TestPollerAtTimes: times of day, over a whole spring with its clock change (2000-03-26), each day once at that time.
func TestPollerAtTimes(t *testing.T) {
	clockwork(t, polled(config.Fetch{At: []string{"02:30", "16:00"}}), func(t *testing.T, p *Poller, there *visited, _ *bytes.Buffer) {
		begun := time.Now()
		pass(parsed(t, "2000-11-01T00:00:00Z").Sub(begun))
		place, days := config.Place("Europe/Stockholm"), map[string]string{}
		for _, at := range there.since(begun) {
			local := begun.Add(at).In(place)
			days[local.Format(time.DateOnly)] += local.Format(" 15:04 -07")
		}
		for day := begun.UTC(); day.Before(parsed(t, "2000-10-31T12:00:00Z")); day = day.AddDate(0, 0, 1) {
			want := " 02:30 +01 16:00 +01"
			switch date := day.Format(time.DateOnly); {
			case date == "2000-03-26": // skipped: at the moment of the change
				want = " 03:00 +02 16:00 +02"
			case date == "2000-10-29": // twice: the first time
				want = " 02:30 +02 16:00 +01"
			case date > "2000-03-26" && date < "2000-10-29":
				want = " 02:30 +02 16:00 +02"
			}
			if got := days[day.Format(time.DateOnly)]; got != want {
				t.Errorf("%s:%s, want%s", day.Format(time.DateOnly), got, want)
			}
		}
	})
}

// TestPollerReload: a configuration that comes while a remote waits, and while a look runs.
func TestPollerReload(t *testing.T) {
	cfg := polled(config.Fetch{Every: 10 * time.Minute})
	clockwork(t, cfg, func(t *testing.T, p *Poller, there *visited, _ *bytes.Buffer) {
		pass(3 * time.Minute)
		begun := time.Now()
		there.since(begun)
		next := p.States()[0].NextLook
		same := polled(config.Fetch{Every: 10 * time.Minute})
		same.Accounts[0].Name = "Acme Oy" // nothing of the remote has changed
		p.Reload(same)
		pass(10 * time.Minute)
		if visits := there.since(begun); len(visits) != 1 || visits[0] != next.Sub(begun) {
			t.Errorf("the same remote: %v, want one at %s", visits, next.Sub(begun))
		}

		begun = time.Now()
		p.Reload(polled(config.Fetch{Every: time.Minute})) // more often: it begins anew, and soon
		synctest.Wait()
		if s := p.States()[0]; s.LastGood.IsZero() {
			t.Errorf("what was known is forgotten: %+v", s)
		}
		pass(5 * time.Minute)
		if visits := there.since(begun); len(visits) < 5 || !near(visits[0], firstLook) || !near(visits[1]-visits[0], time.Minute) {
			t.Errorf("the changed remote: %v", visits)
		}

		begun = time.Now()
		p.Reload(&config.Config{}) // removed
		pass(time.Hour)
		if visits := there.since(begun); len(visits) != 0 || len(p.States()) != 0 {
			t.Errorf("the removed remote: %v", visits)
		}
		if _, err := p.Now(t.Context(), "acme", "bank", false); !errors.Is(err, ErrNoRemote) {
			t.Errorf("the removed remote: %v", err)
		}

		// It comes back; then a change while a look runs: the new one waits until that has ended, and an operator who
		// asks meanwhile is answered by the new one.
		begun = time.Now()
		slow := make(chan struct{})
		there.set(func(s *visited) { s.slow = slow })
		p.Reload(cfg)
		pass(time.Minute)
		if visits := there.since(begun); len(visits) != 1 || !near(visits[0], firstLook) {
			t.Fatalf("the look that is slow: %v", visits)
		}
		asked := make(chan error, 1)
		go func() { _, err := p.Now(t.Context(), "acme", "bank", false); asked <- err }()
		pass(time.Second)
		p.Reload(polled(config.Fetch{Every: time.Minute}))
		pass(5 * time.Minute)
		if visits := there.since(begun); len(visits) != 0 {
			t.Errorf("two at once: %v", visits)
		}
		there.set(func(s *visited) { s.slow = nil })
		close(slow)
		synctest.Wait()
		if err := <-asked; err != nil {
			t.Errorf("asked before the change: %v", err)
		}
		if visits := there.since(begun); len(visits) != 1 {
			t.Errorf("after the change: %v", visits)
		}
	})
}

// TestPollerReloadAtTimes: a configuration that changes while a look at a time of day is under way, is to be tried again, or
// waits for its second one, does not put that off until the next such time; where nothing is owed, nothing comes before it.
func TestPollerReloadAtTimes(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(s *visited)
		owed  bool
	}{
		"under way":     {func(s *visited) { s.slow = make(chan struct{}) }, true},
		"failed":        {func(s *visited) { s.down = &RemoteError{Step: stepLogin, Err: errors.New("530 no")} }, true},
		"a second look": {func(s *visited) { s.file = &RemoteFile{Name: "a.xml", Size: 10} }, true},
		"well":          {func(*visited) {}, false},
	} {
		cfg := func(largest int64) *config.Config {
			cfg := polled(config.Fetch{At: []string{"06:30"}})
			cfg.Accounts[0].Remotes[0].Fetch.Largest = largest
			return cfg
		}
		clockwork(t, cfg(1000), func(t *testing.T, p *Poller, there *visited, _ *bytes.Buffer) {
			begun := time.Now()
			there.set(c.spoil)
			pass(5*time.Hour + 30*time.Minute + 10*time.Second) // an hour behind
			if visits := there.since(begun); len(visits) != 1 {
				t.Fatalf("%s: at first %v", name, visits)
			}
			begun = time.Now()
			for largest := range int64(3) {
				p.Reload(cfg(2000 + largest))
			}
			there.set(func(s *visited) {
				if s.slow != nil {
					close(s.slow)
				}
				s.slow, s.down = nil, nil
			})
			pass(20 * time.Hour)
			if visits := there.since(begun); c.owed != (len(visits) > 0) || c.owed && visits[0] > time.Minute {
				t.Errorf("%s: %v", name, visits)
			}
		})
	}
}

// stopped is a gateway whose database answers as it does when a question was given up.
type stopped struct{ noDepot }

func (stopped) Remembered(ctx context.Context, _, _ string) (RemoteMemory, error) {
	<-ctx.Done()
	return RemoteMemory{}, ctx.Err()
}

// TestPollerStopped: a stop, or a reload, before the first look is no trouble.
func TestPollerStopped(t *testing.T) {
	var log bytes.Buffer
	p := NewPoller(polled(config.Fetch{Every: time.Minute}), stopped{}, slog.New(slog.NewTextHandler(&log, nil)))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Run(ctx); err != nil || log.Len() > 0 {
		t.Errorf("%v: %s", err, log.String())
	}
}

// remembering is a gateway that knows when a remote was well before the start.
type remembering struct {
	noDepot
	lastGood time.Time
}

func (r remembering) Remembered(context.Context, string, string) (RemoteMemory, error) {
	return RemoteMemory{LastGood: r.lastGood}, nil
}

// TestPollerMissed: a look at a time of day at which nothing ran, or in whose midst we died, comes after the start.
func TestPollerMissed(t *testing.T) {
	for lastGood, missed := range map[string]bool{
		"1999-12-30T05:30:07Z": true, "1999-12-31T05:29:59Z": true, "1999-12-31T05:30:07Z": false, "0001-01-01T00:00:00Z": false,
	} {
		synctest.Test(t, func(t *testing.T) { // at 00:00Z
			there, begun := &visited{}, time.Now()
			dial := func(*config.Remote) (Remote, error) { return there.dial(t.Context(), nil, nil) }
			bubble(t, polled(config.Fetch{At: []string{"06:30"}}), remembering{lastGood: parsed(t, lastGood)}, dial, func(*Poller) {
				pass(5 * time.Hour)
				if visits := there.since(begun); missed != (len(visits) == 1) || missed && visits[0] > 2*firstLook {
					t.Errorf("%s: %v", lastGood, visits)
				}
				pass(31 * time.Minute)
				if visits := there.since(begun); len(visits) != 1 {
					t.Errorf("%s: at its time %v", lastGood, visits)
				}
			})
		})
	}
}

// TestPollNow: an operator asks while a remote waits, while a look runs, and while the gateway stops.
func TestPollNow(t *testing.T) {
	clockwork(t, polled(config.Fetch{Every: 10 * time.Minute}), func(t *testing.T, p *Poller, there *visited, _ *bytes.Buffer) {
		pass(time.Minute)
		begun := time.Now()
		there.since(begun)
		if s, err := p.Now(t.Context(), "acme", "bank", false); err != nil || !s.LastLook.Equal(begun) {
			t.Errorf("%+v, %v", s, err)
		}
		if visits := there.since(begun); len(visits) != 1 || visits[0] != 0 {
			t.Errorf("now: %v", visits)
		}
		synctest.Wait()
		if next := p.States()[0].NextLook.Sub(begun); !near(next, 10*time.Minute) {
			t.Errorf("the next one in %s", next)
		}

		slow := make(chan struct{})
		there.set(func(s *visited) { s.slow = slow })
		answers := make(chan error, 3)
		for range 2 {
			go func() { _, err := p.Now(t.Context(), "acme", "bank", false); answers <- err }()
		}
		synctest.Wait() // one of them is served
		impatient, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		go func() { _, err := p.Now(impatient, "acme", "bank", false); answers <- err }()
		pass(2 * time.Minute)
		if visits := there.since(begun); len(visits) != 1 {
			t.Errorf("looks at once: %v", visits)
		}
		if err := <-answers; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("one who does not wait: %v", err)
		}
		there.set(func(s *visited) { s.slow, s.down = nil, &RemoteError{Step: stepLogin, Err: errors.New("530 no")} })
		close(slow)
		synctest.Wait()
		first, second := <-answers, <-answers // a look each, one after the other
		var remote *RemoteError
		if (first == nil) == (second == nil) || !errors.As(errors.Join(first, second), &remote) || len(there.since(begun)) != 1 {
			t.Errorf("%v, %v", first, second)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		p := NewPoller(polled(config.Fetch{Every: time.Minute}), noDepot{}, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := p.Run(ctx); err != nil {
			t.Error(err)
		}
		if _, err := p.Now(t.Context(), "acme", "bank", false); !errors.Is(err, context.Canceled) {
			t.Errorf("after the end: %v", err)
		}
	})
}

// TestPollerNaps: a clock that is set, as after a suspended machine, makes a look due within minutes.
func TestPollerNaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		there, ahead := &visited{}, time.Duration(0)
		var mu sync.Mutex
		p := NewPoller(polled(config.Fetch{At: []string{"16:00"}}), noDepot{}, slog.New(slog.DiscardHandler))
		p.dial, p.now = there.dial, func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return time.Now().Add(ahead)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- p.Run(ctx) }()
		pass(time.Minute)
		begun := time.Now()
		mu.Lock()
		ahead = 15 * time.Hour // past 15:00 UTC, which is 16:00 there
		mu.Unlock()
		pass(longestNap)
		if visits := there.since(begun); len(visits) != 1 {
			t.Errorf("%v", visits)
		}
		cancel()
		<-ended
	})
}

// TestPollerClockSetBack: what was to come at a time of day, or to be delivered again, by a clock that was a year ahead, comes when it is
// time by the right one.
func TestPollerClockSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun, there := time.Now(), &visited{}
		var ahead atomic.Int64
		ahead.Store(int64(365 * 24 * time.Hour))
		cfg := polled(config.Fetch{At: []string{"16:00"}})
		cfg.Accounts[0].Remotes = append(cfg.Accounts[0].Remotes, &config.Remote{Name: "post", Send: &config.Send{}})
		p := NewPoller(cfg, putOff{at: begun.AddDate(1, 0, 0)}, slog.New(slog.DiscardHandler))
		p.now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		var sends visited
		p.dial = func(ctx context.Context, r *config.Remote, log *slog.Logger) (Remote, error) {
			if r.Fetch == nil {
				return sends.dial(ctx, r, log)
			}
			return there.dial(ctx, r, log)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- p.Run(ctx) }()
		pass(time.Hour)
		sends.since(begun)
		ahead.Store(0)
		pass(longestRetry + longestNap)
		if visits := sends.since(begun); len(visits) == 0 {
			t.Error("nothing is delivered again")
		}
		pass(24*time.Hour - longestRetry - longestNap - time.Hour)
		if visits := there.since(begun); len(visits) != 1 || visits[0] < 15*time.Hour || visits[0] > 15*time.Hour+longestNap {
			t.Errorf("at 16:00 of the first day: %v", visits)
		}
		cancel()
		<-ended
	})
}

// TestPollerGoesByTheWallClock: the time of day after a look is not told by how long the machine runs, which a clock that is set does not
// change, and which stands still while it is suspended. (A bubble has the one clock only.)
func TestPollerGoesByTheWallClock(t *testing.T) {
	p := NewPoller(polled(config.Fetch{At: []string{"16:00"}}), noDepot{}, slog.New(slog.DiscardHandler))
	p.dial = (&visited{}).dial
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- p.Run(ctx) }()
	for range 2 { // at the second, what follows the first is noted
		if _, err := p.Now(ctx, "acme", "bank", false); err != nil {
			t.Fatal(err)
		}
	}
	if next := p.States()[0].NextLook; next != next.Round(0) {
		t.Errorf("the next look: %v", next)
	}
	cancel()
	<-ended
}

// TestRetryOverASetClock: a look that is to come again soon does, whatever the clock is set to meanwhile; one at a time of day goes by it.
func TestRetryOverASetClock(t *testing.T) {
	begun := time.Now()
	now := begun
	later := begun.Add(12 * time.Hour).UTC().Format("15:04")
	o := &polling{poller: &Poller{now: func() time.Time { return now }}, remote: &config.Remote{Fetch: &config.Fetch{At: []string{later}, Zone: "UTC"}}}
	o.state.Failed = 1
	fetchAt, _ := o.after(true, time.Time{})
	for _, by := range []time.Duration{0, time.Hour, -time.Hour, 365 * 24 * time.Hour, -365 * 24 * time.Hour} {
		now = stepped(t, begun.Add(firstRetry/3), by)
		if at, _ := o.byClock(fetchAt, time.Time{}); at.Sub(now) != firstRetry*2/3 {
			t.Errorf("the clock is set by %v: again in %v", by, at.Sub(now))
		}
	}
	now, o.state.Failed = begun, 0
	if at, _ := o.byClock(o.after(true, fetchAt)); at != at.Round(0) {
		t.Errorf("the next time of day: %v", at)
	}
}

// putOff is a gateway of which something is to be delivered, at that time.
type putOff struct {
	noDepot
	at time.Time
}

func (p putOff) NextSend(context.Context, string, string) (time.Time, error) { return p.at, nil }

// tree is a server with folders.
type tree struct {
	visited
	folders map[string][]RemoteFile
}

func (s *tree) List(_ context.Context, folder string) ([]RemoteFile, error) {
	return s.folders[folder], nil
}

// TestOwnFolders: what we have moved away, or delivered, in a folder of theirs that is looked at, is not fetched.
func TestOwnFolders(t *testing.T) {
	fetch := config.Fetch{Match: []string{"*"}, Folders: "yes", After: "rename:done"}
	folder := func(name string) RemoteFile { return RemoteFile{Name: name, Folder: true} }
	there := &tree{folders: map[string][]RemoteFile{
		"": {folder("done"), folder("in"), folder("more"), {Name: "a"}}, "more": {folder("done"), {Name: "b"}}, "more/done": {{Name: "c"}},
		"done": {{Name: "old"}}, "in": {{Name: "receipt"}},
	}}
	l := &look{poller: &Poller{}, memory: newMemory(), remote: &config.Remote{URL: "sftp://h/out", Fetch: &fetch, Send: &config.Send{Path: "/out/in"}}, session: there}
	files, err := l.list(t.Context())
	var names []string
	for _, f := range files {
		names = append(names, f.Name)
	}
	if d := cmp.Diff([]string{"a", "more/b", "more/done/c"}, names); err != nil || d != "" {
		t.Errorf("%v\n%s", err, d)
	}
}

// TestMarkers: a marker is no file to fetch, not even one whose file is gone.
func TestMarkers(t *testing.T) {
	for ready, want := range map[string]string{"*.done": "a.xml done .done", "ok_*": "a.xml a.xml.done b.done done .done", "looks": "a.xml a.xml.done b.done done ok_a.xml .done"} {
		there := &tree{folders: map[string][]RemoteFile{"": {{Name: "a.xml"}, {Name: "a.xml.done"}, {Name: "b.done"}, {Name: "done"}, {Name: "ok_a.xml"}, {Name: ".done"}}}}
		l := &look{poller: &Poller{}, memory: newMemory(), remote: &config.Remote{Fetch: &config.Fetch{Match: []string{"*"}, Ready: ready}}, session: there}
		files, err := l.list(t.Context())
		got := map[string]bool{}
		for _, f := range files {
			got[f.Name] = true
		}
		if ready == "*.done" {
			want += " ok_a.xml"
		}
		for _, name := range strings.Fields(want) {
			if !got[name] {
				t.Errorf("%s: %s is missing", ready, name)
			}
		}
		if err != nil || len(got) != len(strings.Fields(want)) || ready != "looks" && !l.markers[l.marker("a.xml")] {
			t.Errorf("%s: %v, %v", ready, got, err)
		}
	}
}
