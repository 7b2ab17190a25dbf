package transport

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
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
	dial  func(ctx context.Context, r *config.Remote, log *slog.Logger) (Remote, error) // DialRemote
	seats chan struct{}                                                                 // one for each remote that may be connected to at once
	queue atomic.Int64                                                                  // who waits for one

	mu      sync.Mutex
	remotes map[remoteKey]*polling
	running map[remoteKey]chan struct{} // of the last that was started: closed when it has ended
	changed chan struct{}               // the configuration was swapped
}

type remoteKey struct{ account, remote string }

// polling is one remote of the present configuration.
type polling struct {
	poller  *Poller
	account string
	remote  *config.Remote
	asked   chan asking   // somebody wants a look now
	woken   chan struct{} // something is to be delivered
	stop    context.CancelFunc
	gone    chan struct{} // closed when it does nothing any more
	*memory
	recalled bool      // state is that of an earlier configuration, or of the time before the start
	noted    time.Time // when state was kept last

	nextSend time.Time // when something is to be delivered next; zero if nothing waits
	soon     bool      // a second look is all that a file waits for

	mu      sync.Mutex
	state   RemoteState
	fetchAt time.Time // when it fetches next, or should have; zero if never
}

// asking is somebody who wants a look now: who hears how it went, and whether what was refused is tried again.
type asking struct {
	heard chan<- error
	anew  bool
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
		depot: depot, log: log, now: time.Now, dial: DialRemote, seats: make(chan struct{}, max(1, cfg.RemotesAtOnce)),
		remotes: map[remoteKey]*polling{}, running: map[remoteKey]chan struct{}{}, changed: make(chan struct{}, 1),
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
			if before := old[key]; before != nil && reflect.DeepEqual(before.remote, r) { // the account may be another: no look asks for it
				p.remotes[key] = before
				delete(old, key)
				continue
			}
			one := &polling{poller: p, account: a.ID, remote: r, asked: make(chan asking), woken: make(chan struct{}, 1),
				gone: make(chan struct{}), memory: newMemory()}
			one.state = RemoteState{Account: a.ID, Remote: r.Name, URL: r.URL}
			if before := old[key]; before != nil {
				one.state, one.fetchAt = before.snapshot(), before.owes()
				one.state.URL, one.state.Looking, one.recalled = r.URL, false, before.recalled
			}
			p.remotes[key] = one
		}
	}
	for _, before := range old {
		if before.stop != nil {
			before.stop()
		} else {
			close(before.gone) // it never began
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
		for key, one := range p.remotes {
			if one.stop == nil {
				inside, stop := context.WithCancel(ctx)
				before := p.running[key]
				one.stop, p.running[key] = stop, one.gone
				group.Go(func() error {
					defer close(one.gone)
					if before != nil {
						<-before // it may be committing a file, which a second look must not find half-way
					}
					one.run(inside)
					return nil
				})
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

// run looks at one remote whenever it is time, or somebody asks, or something is to be delivered.
func (o *polling) run(ctx context.Context) {
	o.recall(ctx)
	fetchAt, sendAt := o.first() // zero: never
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		fetchAt, sendAt = o.byClock(fetchAt, sendAt)
		next := earlier(fetchAt, sendAt)
		o.change(func(s *RemoteState) { s.NextLook, o.fetchAt = next, fetchAt })
		if timer.Stop(); !next.IsZero() {
			timer.Reset(min(longestNap, max(0, next.Sub(o.poller.now()))))
		}
		var who asking
		select {
		case <-ctx.Done():
			return
		case <-o.woken:
			// What made us wake may have gone with the look that has just ended.
			due, err := o.poller.depot.NextSend(ctx, o.account, o.remote.Name)
			if o.snapshot().Failed == 0 && (err != nil || !due.IsZero()) {
				sendAt = earlier(sendAt, o.poller.now().Add(wakeDelay))
			}
			continue
		case <-timer.C:
			if next.After(o.poller.now()) { // it only woke to see what the clock says
				continue
			}
		case who = <-o.asked:
		}
		fetch := o.remote.Fetch != nil && (who.heard != nil || !fetchAt.IsZero() && !fetchAt.After(o.poller.now()))
		err := o.lookOnce(ctx, fetch, who)
		if who.heard != nil {
			who.heard <- err
		}
		fetchAt, sendAt = o.after(fetch, fetchAt)
	}
}

// byClock puts right when to look by the clock as it is now, which may have been set: a time of day is one by the wall clock, what is to come
// again comes after as long a time as was meant, and nothing is put off for longer than it could be now.
func (o *polling) byClock(fetchAt, sendAt time.Time) (_, _ time.Time) {
	now, f := o.poller.now(), o.remote.Fetch
	if f != nil && len(f.At) > 0 {
		if next := nextClock(f.At, f.Zone, now); fetchAt.IsZero() || next.Sub(now) < fetchAt.Sub(now) {
			fetchAt = next
		}
	}
	if !sendAt.IsZero() {
		sendAt = earlier(sendAt, now.Add(longestRetry))
	}
	return fetchAt, sendAt
}

// first says when to begin.
func (o *polling) first() (fetchAt, sendAt time.Time) {
	now, f := o.poller.now(), o.remote.Fetch
	if o.remote.Send != nil {
		sendAt = now.Add(jittered(firstLook))
	}
	switch {
	case f != nil && len(f.At) > 0:
		fetchAt = earlier(nextClock(f.At, f.Zone, now), o.fetchAt)
	case f != nil:
		fetchAt = now.Add(jittered(min(f.Every, firstLook)))
	}
	return fetchAt, sendAt
}

// owes says when a look is to come that the times of day do not tell, since one is under way or is to come again; zero if none.
func (o *polling) owes() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	f := o.remote.Fetch
	if f == nil || len(f.At) == 0 || !o.fetchAt.Before(nextClock(f.At, f.Zone, o.poller.now())) {
		return time.Time{}
	}
	return o.fetchAt
}

// after says when to look again, after a look that has ended now. Only a look that fetched is made up for by one that does:
// there may be times of day for that.
func (o *polling) after(fetched bool, fetchAt time.Time) (_, sendAt time.Time) {
	now, s := o.poller.now(), o.snapshot()
	wait := nextLook(o.remote, now, s.Failed, o.soon)
	switch {
	case s.Failed > 0 && fetched:
		return now.Add(wait), time.Time{}
	case s.Failed > 0:
		return fetchAt, now.Add(wait)
	}
	if sendAt = o.nextSend; !sendAt.IsZero() && sendAt.Before(now.Add(wakeDelay)) {
		sendAt = now.Add(wakeDelay)
	}
	switch {
	case fetched && len(o.remote.Fetch.At) > 0 && !o.soon:
		fetchAt = now.Add(wait).Round(0) // a time of day
	case fetched:
		fetchAt = now.Add(wait)
	}
	return fetchAt, sendAt
}

// earlier is the earlier of two times, of which zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// Wake says that there is something to be delivered to an account's remotes.
func (p *Poller) Wake(account string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, one := range p.remotes {
		if key.account == account && one.remote.Send != nil {
			select {
			case one.woken <- struct{}{}:
			default: // it will look anyway
			}
		}
	}
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

// Now looks at a remote at once, or as soon as a look under way has ended, and gives how that went; anew: what was refused
// there is tried again. ErrNoRemote if the configuration has none of this name; context.Canceled if the gateway stops.
func (p *Poller) Now(ctx context.Context, account, remote string, anew bool) (RemoteState, error) {
	heard := make(chan error, 1)
	var last *polling
	for {
		p.mu.Lock()
		one := p.remotes[remoteKey{account, remote}]
		p.mu.Unlock()
		switch {
		case one == nil:
			return RemoteState{}, ErrNoRemote
		case one == last: // it looks no more and there is no other: we stop
			return one.snapshot(), context.Canceled
		}
		select {
		case one.asked <- asking{heard, anew}:
		case <-one.gone:
			last = one
			continue
		case <-ctx.Done():
			return one.snapshot(), ctx.Err()
		}
		select {
		case err := <-heard:
			if errors.Is(err, context.Canceled) && ctx.Err() == nil { // the configuration has changed: ask the new one
				last = one
				continue
			}
			return one.snapshot(), err
		case <-ctx.Done():
			return one.snapshot(), ctx.Err()
		}
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
