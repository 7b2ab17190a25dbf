package transport

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"
)

const (
	sendsAtOnce  = 100         // of one look
	sendRetry    = time.Minute // after the first try of one thing that failed; each further one doubles it
	longestRetry = 6 * time.Hour
	otherNames   = 99 // tried when a name is taken there
)

// deliver brings to the remote what is due: under a temporary name first, then by a rename, so that nobody there sees half
// of it, and never over a file that is there.
//
// What is true if we die: before "placing" is noted, a temporary file may lie there, which the next try overwrites. After
// it, the temporary file is there whole, or it has its name already; the next look tells which.
func (l *look) deliver(ctx context.Context) error {
	due := l.poller.now()
	if l.asked {
		due = due.Add(longestRetry) // all that waits
	}
	list, err := l.poller.depot.Sends(ctx, l.account.ID, l.remote.Name, due, sendsAtOnce)
	if err != nil {
		return err
	}
	for _, s := range list {
		err := l.send(ctx, &s)
		if err == nil {
			l.result.Delivered++
			continue
		}
		if ctx.Err() != nil {
			return err
		}
		l.result.Undelivered++
		s.Tries++
		s.NextAt = l.poller.now().Add(min(longestRetry, sendRetry<<min(s.Tries-1, 12)))
		if err := l.poller.depot.NoteSend(context.WithoutCancel(ctx), l.account.ID, s); err != nil {
			return err
		}
		var remote *RemoteError
		if errors.As(err, &remote) && alive(err) {
			l.log.Warn("delivery failed", "file", s.File, "step", remote.Step, "err", remote.Err, "next", s.NextAt.Sub(l.poller.now()).Round(time.Second))
			continue
		}
		return err
	}
	l.nextSend, err = l.poller.depot.NextSend(ctx, l.account.ID, l.remote.Name)
	return err
}

// send delivers one thing.
func (l *look) send(ctx context.Context, s *Sending) error {
	temp := path.Join(l.remote.Send.Path, fmt.Sprintf(".sealgate-%s-%d.part", s.File, s.N))
	if s.State == sendPlacing {
		_, err := l.session.Stat(ctx, temp)
		if errors.Is(err, ErrGone) {
			if _, err = l.session.List(ctx, l.remote.Send.Path); err == nil { // else nothing can be told of what is in it
				return l.sent(ctx, s)
			}
		}
		if err != nil {
			return err
		}
	} else {
		content, err := l.poller.depot.Content(ctx, l.account.ID, *s)
		if errors.Is(err, ErrGone) {
			return l.sent(ctx, s) // taken out of the outbox meanwhile
		}
		if err != nil {
			return err
		}
		if err := l.session.Store(ctx, temp, content); err != nil {
			return err
		}
	}
	return l.place(ctx, s, temp)
}

// place gives the temporary file its name, or one like it if that is taken.
func (l *look) place(ctx context.Context, s *Sending, temp string) error {
	name := arrivalName(s.Name)
	for n := 1; n <= otherNames; n++ {
		s.State = sendPlacing
		if err := l.poller.depot.NoteSend(context.WithoutCancel(ctx), l.account.ID, *s); err != nil {
			return err
		}
		try := name
		if n > 1 {
			ext := path.Ext(name)
			try = fmt.Sprintf("%s-%d%s", strings.TrimSuffix(name, ext), n, ext)
		}
		err := l.session.Rename(ctx, temp, path.Join(l.remote.Send.Path, try))
		if !errors.Is(err, ErrExists) {
			if err != nil {
				return err
			}
			return l.sent(ctx, s)
		}
	}
	return &RemoteError{Step: stepSend, Err: ErrExists}
}

func (l *look) sent(ctx context.Context, s *Sending) error {
	s.State = sendSent
	if err := l.poller.depot.NoteSend(context.WithoutCancel(ctx), l.account.ID, *s); err != nil {
		return err
	}
	l.log.Info("delivered", "file", s.File, "why", s.Kind)
	return nil
}

// arrivalName is a name as it can stand in any folder: no slash or backslash, nothing hidden, nothing that cannot be seen.
func arrivalName(name string) string {
	name = strings.Map(func(r rune) rune {
		switch r {
		case '/', '\\', ':', '*', '?', '"', '<', '>', '|':
			return '_'
		}
		return r
	}, plainName(name))
	name = strings.TrimLeft(name, ". ")
	for len(name) > 200 {
		r := []rune(name)
		name = string(r[:len(r)-1])
	}
	if name == "" {
		return "file"
	}
	return name
}
