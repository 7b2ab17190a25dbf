package transport

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	sendsAtOnce  = 100         // of one look
	sendRetry    = time.Minute // after the first try of one thing that failed; each further one doubles it
	longestRetry = 6 * time.Hour
	otherNames   = 99 // made by a number alone when a name is taken; after them the file's id makes one
	mostNames    = otherNames + 10
)

// ErrWithdrawn says that the customer has taken a file out of the outbox: it is not to be delivered any more.
var ErrWithdrawn = errors.New("it is no longer in the outbox")

// ErrLocked says that the account's database is locked, and with it what is in the outbox.
var ErrLocked = errors.New("the account is locked")

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
	list, err := l.poller.depot.Sends(ctx, l.account, l.remote.Name, due, sendsAtOnce)
	if err != nil {
		return err
	}
	for _, s := range list {
		switch err := l.send(ctx, &s); {
		case err == nil:
			l.result.Delivered++
		case errors.Is(err, ErrWithdrawn):
		case ctx.Err() != nil:
			return err
		default:
			if err := l.postpone(ctx, &s, err); err != nil {
				return err
			}
		}
	}
	l.nextSend, err = l.poller.depot.NextSend(ctx, l.account, l.remote.Name)
	return err
}

// postpone notes that a thing could not be delivered, and why. Its error ends the look: the connection is gone, or nothing
// can be noted.
func (l *look) postpone(ctx context.Context, s *Sending, why error) error {
	l.result.Undelivered++
	wait := min(longestRetry, sendRetry<<min(s.Tries, 12))
	s.Tries++
	s.NextAt, s.Trouble = l.poller.now().Add(wait), plainWords(why.Error())
	if err := l.noteSend(ctx, s); err != nil && !errors.Is(err, ErrWithdrawn) {
		return err
	}
	switch remote := (*RemoteError)(nil); {
	case !errors.As(why, &remote): // its content cannot be read, which says nothing of the others
		l.log.Error("delivery failed", "file", s.File, "err", why, "next", wait)
	case alive(why):
		l.log.Warn("delivery failed", "file", s.File, "step", remote.Step, "err", remote.Err, "next", wait)
	default:
		return why
	}
	return nil
}

// send delivers one thing.
func (l *look) send(ctx context.Context, s *Sending) error {
	temp := path.Join(l.remote.Send.Path, fmt.Sprintf(".sealgate-%s-%d.part", s.File, s.N))
	doubt := s.State == sendPlacing
	var err error
	if doubt {
		_, err = l.session.Stat(ctx, temp)
		if errors.Is(err, ErrGone) {
			if _, err = l.session.List(ctx, l.remote.Send.Path); err == nil { // else nothing can be told of what is in it
				return l.sent(ctx, s)
			}
		}
	} else {
		err = l.store(ctx, s, temp)
	}
	if err == nil {
		err = l.place(ctx, s, temp, doubt)
	}
	if errors.Is(err, ErrWithdrawn) {
		l.session.Remove(ctx, temp) // if it cannot, it is one more temporary file, and no name that anybody knows
	}
	return err
}

// store writes the content under the temporary name.
func (l *look) store(ctx context.Context, s *Sending, temp string) error {
	content, err := l.poller.depot.Content(ctx, l.account, *s)
	if err != nil {
		return err
	}
	return l.session.Store(ctx, temp, content)
}

// place gives the temporary file its name, or one like it if that is taken. doubt: an earlier look may have done that, and
// the server may be doing it still.
func (l *look) place(ctx context.Context, s *Sending, temp string, doubt bool) error {
	if !doubt {
		s.State = sendPlacing
		if err := l.noteSend(ctx, s); err != nil {
			return err
		}
	}
	err := ErrExists
	for n := 1; n <= mostNames && errors.Is(err, ErrExists); n++ {
		target := path.Join(l.remote.Send.Path, Beside(arrivalName(s.Name), s.File, n))
		err = l.session.Rename(ctx, temp, target)
		if doubt && errors.Is(err, ErrExists) {
			err = l.endRename(ctx, temp, target)
		}
		err = nameless(err, target)
	}
	switch {
	case err == nil:
		return l.sent(ctx, s)
	case doubt && errors.Is(err, ErrGone): // it was there, so it has its name now; the next look finds that
	case alive(err) || replyCode(err) >= 400:
		// The server has said no, so the file has no name. It must be stored again: if it lost its temporary name until
		// then, that would look as if it had arrived.
		s.State = sendWaiting
	}
	return err
}

// endRename takes away the old name of a file if the new one, which is there, is the same file's: the server died while it
// renamed it. Otherwise the name is taken by another: ErrExists. The two are never one name in one folder: see findOwn.
func (l *look) endRename(ctx context.Context, from, to string) error {
	twin, err := l.session.Twin(ctx, from, to)
	switch {
	case err != nil:
		return err
	case !twin:
		return ErrExists
	}
	return l.session.Remove(ctx, from)
}

func (l *look) sent(ctx context.Context, s *Sending) error {
	s.State = sendSent
	if err := l.noteSend(ctx, s); err != nil {
		return err
	}
	l.log.Info("delivered", "file", s.File, "why", s.Kind)
	return nil
}

// noteSend keeps how far a thing has come, even if we are to stop now.
func (l *look) noteSend(ctx context.Context, s *Sending) error {
	return l.poller.depot.NoteSend(context.WithoutCancel(ctx), l.account, *s)
}

// Beside is the nth name for a file: its own, then with a number, at last with the file's id, which no other has. None is
// longer than a file's name may be.
func Beside(name, id string, n int) string {
	mark := ""
	switch {
	case n <= 1:
		return name
	case n <= otherNames:
		mark = fmt.Sprintf("-%d", n)
	case n == otherNames+1:
		mark = "-" + id
	default:
		mark = fmt.Sprintf("-%s-%d", id, n-otherNames)
	}
	ext := path.Ext(name)
	if len(ext) > 20 || ext == name {
		ext = ""
	}
	stem := strings.TrimSuffix(name, ext)
	for len(stem)+len(mark)+len(ext) > longestName {
		_, size := utf8.DecodeLastRuneInString(stem)
		stem = stem[:len(stem)-size]
	}
	return stem + mark + ext
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
