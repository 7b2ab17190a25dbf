package transport

import (
	"cmp"
	"context"
	"errors"
	"time"
)

// A remote's turn: it takes a seat, looks, gives the seat back and notes how that went.

// lookOnce takes a seat and looks; fetch: not only to deliver.
func (o *polling) lookOnce(ctx context.Context, fetch bool, who asking) error {
	l := &look{poller: o.poller, account: o.account, remote: o.remote, memory: o.memory, asked: who.heard != nil, anew: who.anew,
		log: o.poller.log.With("account", o.account, "remote", o.remote.Name)}
	if err := l.sit(ctx); err != nil {
		return err
	}
	defer l.stand()
	o.change(func(s *RemoteState) { s.Looking = true })
	err := l.run(ctx, fetch)
	o.nextSend, o.soon = l.nextSend, l.soon
	o.ended(ctx, l, fetch, err)
	return err
}

// sit waits for a seat.
func (l *look) sit(ctx context.Context) error {
	l.poller.queue.Add(1)
	defer l.poller.queue.Add(-1)
	select {
	case l.poller.seats <- struct{}{}:
		l.seated = l.poller.now()
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// stand gives the seat back, if this look has one.
func (l *look) stand() {
	if !l.seated.IsZero() {
		l.seated = time.Time{}
		<-l.poller.seats
	}
}

// overstays tells whether others wait for a seat that this look has had for long: a slow server must not keep it for ever.
func (l *look) overstays() bool {
	return l.poller.queue.Load() > 0 && l.poller.now().Sub(l.seated) > longestTurn
}

// yield lets others go first, if they have waited long enough.
func (l *look) yield(ctx context.Context) error {
	if !l.overstays() {
		return nil
	}
	return l.stepBack(ctx)
}

// stepBack gives the connection and the seat up, and goes on with others of both when it is this look's turn again.
func (l *look) stepBack(ctx context.Context) error {
	l.hangUp()
	l.stand()
	if err := l.sit(ctx); err != nil {
		return err
	}
	return l.again(ctx)
}

// run connects, fetches, delivers and goes. What waits to be delivered does not wait for a fetch that goes wrong.
func (l *look) run(ctx context.Context, fetch bool) error {
	if err := l.again(ctx); err != nil {
		return err
	}
	defer l.hangUp()
	var fetching error
	if fetch {
		fetching = l.fetch(ctx)
	}
	var remote *RemoteError
	switch {
	case l.remote.Send == nil || ctx.Err() != nil:
		return fetching
	case errors.As(fetching, &remote) && !alive(fetching) || l.session == nil:
		if err := l.again(ctx); err != nil {
			return cmp.Or(fetching, err)
		}
	}
	return cmp.Or(fetching, l.deliver(ctx))
}

// ended notes how a look went, and says aloud when that has changed: one line when a remote goes down, one when it is back.
func (o *polling) ended(ctx context.Context, l *look, fetched bool, err error) {
	now, before := o.poller.now(), o.snapshot()
	o.change(func(s *RemoteState) {
		if s.Looking, s.LastLook = false, now; fetched {
			s.Result = l.result
		} else { // what lies there is as it was
			s.Result.Delivered, s.Result.Undelivered = l.result.Delivered, l.result.Undelivered
		}
		if l.result.Taken > 0 {
			s.LastFile = now
		}
		switch {
		case err == nil:
			if !s.DownSince.IsZero() {
				l.log.Info("remote up", "down", now.Sub(s.DownSince).Round(time.Second), "failed", s.Failed)
			}
			s.LastGood, s.Failed, s.DownSince, s.Step, s.Trouble = now, 0, time.Time{}, "", ""
		case !errors.Is(err, context.Canceled): // else we stop
			l.failed(s, err)
		}
	})
	o.remember(ctx, before, o.snapshot())
}

// failed notes a look that failed.
func (l *look) failed(s *RemoteState, err error) {
	if s.Failed++; s.DownSince.IsZero() {
		s.DownSince = l.poller.now()
	}
	step, trouble := "gateway", err.Error() // not the remote's fault
	var remote *RemoteError
	if errors.As(err, &remote) {
		step, trouble = remote.Step, plainWords(remote.Err.Error())
	}
	next := nextLook(l.remote, l.poller.now(), s.Failed, false)
	switch {
	case s.Failed > 1 && s.Trouble == trouble: // told
	case remote != nil:
		l.log.Warn("remote down", "step", step, "err", trouble, "next", next)
	default:
		l.log.Error("poll failed", "err", err, "next", next)
	}
	s.Step, s.Trouble = step, trouble
}

// recall takes up how this remote was doing before the start, so that it is down since then and not since now.
func (o *polling) recall(ctx context.Context) {
	if o.recalled {
		return
	}
	m, err := o.poller.depot.Remembered(ctx, o.account, o.remote.Name)
	switch {
	case ctx.Err() != nil:
		return
	case err != nil:
		o.poller.log.Error("poll failed", "account", o.account, "remote", o.remote.Name, "err", err)
		return
	}
	o.recalled = true
	o.change(func(s *RemoteState) {
		s.LastGood, s.LastFile, s.DownSince = m.LastGood, m.LastFile, m.DownSince
		// A time of day at which nothing ran, or in the midst of whose look we died, is made up for.
		now, f := o.poller.now(), o.remote.Fetch
		if f != nil && len(f.At) > 0 && !m.LastGood.IsZero() && !nextClock(f.At, f.Zone, m.LastGood).After(now) {
			o.fetchAt = now.Add(jittered(firstLook))
		}
	})
}

// remember keeps how this remote is doing: what is new at once, that all is still well about every minute.
func (o *polling) remember(ctx context.Context, before, s RemoteState) {
	if before.DownSince.Equal(s.DownSince) && before.LastFile.Equal(s.LastFile) && s.LastGood.Sub(o.noted) < time.Minute {
		return
	}
	o.noted = s.LastGood
	m := RemoteMemory{LastGood: s.LastGood, LastFile: s.LastFile, DownSince: s.DownSince}
	if err := o.poller.depot.Remember(context.WithoutCancel(ctx), o.account, o.remote.Name, m); err != nil {
		o.poller.log.Error("poll failed", "account", o.account, "remote", o.remote.Name, "err", err)
	}
}
