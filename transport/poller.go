package transport

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"reflect"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sealgate/sealgate/config"
)

// Poller is the door that goes out: it looks at the customers' own servers, takes in what is ready there (look.go, take.go),
// and delivers what waits for them (deliver.go).
type Poller struct {
	depot Depot
	log   *slog.Logger
	now   func() time.Time
	seats chan struct{} // one for each remote that may be connected to at once

	mu      sync.Mutex
	remotes map[remoteKey]*polling
	changed chan struct{} // the configuration was swapped
}

type remoteKey struct{ account, remote string }

// polling is one remote of the present configuration.
type polling struct {
	poller  *Poller
	account *config.Account
	remote  *config.Remote
	asked   chan chan<- error // somebody wants a look now
	stop    context.CancelFunc
	told    map[string]string // see look

	mu    sync.Mutex
	state RemoteState
}

// RemoteState is how a remote is doing. Times are zero for never.
type RemoteState struct {
	Account, Remote, URL string
	LastLook             time.Time // that ended
	LastGood             time.Time // that ended well
	NextLook             time.Time
	LastFile             time.Time // when the last file was taken
	DownSince            time.Time // the first of the looks in a row that failed
	Failed               int       // how many these are
	Step, Trouble        string    // of the last one
	Result               LookResult
	Looking              bool
}

// NewPoller makes the poller for a configuration; Run begins.
func NewPoller(cfg *config.Config, depot Depot, log *slog.Logger) *Poller {
	p := &Poller{
		depot: depot, log: log, now: time.Now, seats: make(chan struct{}, max(1, cfg.RemotesAtOnce)),
		remotes: map[remoteKey]*polling{}, changed: make(chan struct{}, 1),
	}
	p.Reload(cfg)
	return p
}

// Reload takes over a new configuration. A look under way at a remote that has changed is given up, and begins anew;
// remotes_at_once waits for a restart.
func (p *Poller) Reload(cfg *config.Config) {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := p.remotes
	p.remotes = map[remoteKey]*polling{}
	for _, a := range cfg.Accounts {
		for _, r := range a.Remotes {
			key := remoteKey{a.ID, r.Name}
			if before := old[key]; before != nil && reflect.DeepEqual(before.account, a) { // its remote is part of it
				p.remotes[key] = before
				delete(old, key)
				continue
			}
			one := &polling{poller: p, account: a, remote: r, asked: make(chan chan<- error), told: map[string]string{}}
			one.state = RemoteState{Account: a.ID, Remote: r.Name, URL: r.URL}
			if before := old[key]; before != nil {
				one.state = before.snapshot()
				one.state.URL, one.state.Looking = r.URL, false
			}
			p.remotes[key] = one
		}
	}
	for _, before := range old {
		if before.stop != nil {
			before.stop()
		}
	}
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

// Run looks at the remotes until ctx ends; a commit under way is finished first.
func (p *Poller) Run(ctx context.Context) error {
	var group errgroup.Group
	for {
		p.mu.Lock()
		for _, one := range p.remotes {
			if one.stop == nil {
				inside, stop := context.WithCancel(ctx)
				one.stop = stop
				group.Go(func() error { one.run(inside); return nil })
			}
		}
		p.mu.Unlock()
		select {
		case <-p.changed:
		case <-ctx.Done():
			return group.Wait()
		}
	}
}

// run looks at one remote whenever it is time, or somebody asks.
func (o *polling) run(ctx context.Context) {
	state := o.snapshot()
	wait := time.Duration(0)
	if !state.NextLook.IsZero() { // it was configured before
		wait = max(0, state.NextLook.Sub(o.poller.now()))
	} else if f := o.remote.Fetch; f != nil && len(f.At) > 0 {
		wait = nextLook(o.remote, o.poller.now(), 0, false)
	} else if f != nil {
		wait = jittered(min(f.Every, firstLook))
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		o.change(func(s *RemoteState) { s.NextLook = o.poller.now().Add(wait) })
		var heard chan<- error
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case heard = <-o.asked:
		}
		err := o.lookOnce(ctx)
		if heard != nil {
			heard <- err
		}
		state := o.snapshot()
		wait = nextLook(o.remote, o.poller.now(), state.Failed, state.Result.Waiting > 0)
		timer.Reset(wait)
	}
}

// lookOnce takes a seat and looks.
func (o *polling) lookOnce(ctx context.Context) error {
	select {
	case o.poller.seats <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-o.poller.seats }()
	o.change(func(s *RemoteState) { s.Looking = true })
	l := &look{poller: o.poller, account: o.account, remote: o.remote, told: o.told,
		log: o.poller.log.With("account", o.account.ID, "remote", o.remote.Name)}
	err := l.run(ctx)
	o.ended(l, err)
	return err
}

// run connects, fetches, delivers and goes.
func (l *look) run(ctx context.Context) (err error) {
	if l.session, err = DialRemote(ctx, l.remote, l.log); err != nil {
		return err
	}
	defer func() {
		if l.session != nil {
			l.session.Close() // its farewell does not matter
		}
	}()
	if l.remote.Fetch == nil {
		return nil
	}
	return l.fetch(ctx)
}

// ended notes how a look went, and says aloud when that has changed: one line when a remote goes down, one when it is back.
func (o *polling) ended(l *look, err error) {
	now := o.poller.now()
	var remote *RemoteError
	o.change(func(s *RemoteState) {
		s.Looking, s.LastLook, s.Result = false, now, l.result
		if l.result.Taken > 0 {
			s.LastFile = now
		}
		switch {
		case err == nil:
			if s.Failed > 0 {
				l.log.Info("remote up", "down", now.Sub(s.DownSince).Round(time.Second), "failed", s.Failed)
			}
			s.LastGood, s.Failed, s.DownSince, s.Step, s.Trouble = now, 0, time.Time{}, "", ""
		case errors.Is(err, context.Canceled): // we stop
		case errors.As(err, &remote):
			if s.Failed++; s.Failed == 1 {
				s.DownSince = now
			}
			if s.Failed == 1 || s.Trouble != remote.Err.Error() {
				l.log.Warn("remote down", "step", remote.Step, "err", remote.Err, "next", nextLook(o.remote, now, s.Failed, false))
			}
			s.Step, s.Trouble = remote.Step, remote.Err.Error()
		default: // not the remote's fault
			if s.Failed++; s.Failed == 1 {
				s.DownSince = now
			}
			if s.Failed == 1 || s.Trouble != err.Error() {
				l.log.Error("poll failed", "err", err, "next", nextLook(o.remote, now, s.Failed, false))
			}
			s.Step, s.Trouble = "gateway", err.Error()
		}
	})
}

func (o *polling) change(f func(*RemoteState)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f(&o.state)
}

func (o *polling) snapshot() RemoteState {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.state
}

// Now looks at a remote at once and gives how that went. ErrNoRemote if the configuration has none of this name.
func (p *Poller) Now(ctx context.Context, account, remote string) (RemoteState, error) {
	p.mu.Lock()
	one := p.remotes[remoteKey{account, remote}]
	p.mu.Unlock()
	if one == nil {
		return RemoteState{}, ErrNoRemote
	}
	heard := make(chan error, 1)
	select {
	case one.asked <- heard:
	case <-ctx.Done():
		return one.snapshot(), ctx.Err()
	}
	select {
	case err := <-heard:
		return one.snapshot(), err
	case <-ctx.Done():
		return one.snapshot(), ctx.Err()
	}
}

// ErrNoRemote means that the configuration has no such remote.
var ErrNoRemote = errors.New("no such remote")

// States gives how the remotes are doing, in the order of their names.
func (p *Poller) States() []RemoteState {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]RemoteState, 0, len(p.remotes))
	for _, one := range p.remotes {
		list = append(list, one.snapshot())
	}
	slices.SortFunc(list, func(a, b RemoteState) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Remote, b.Remote))
	})
	return list
}
