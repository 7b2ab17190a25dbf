package transport

import (
	"bytes"
	"context"
	"crypto/sha256"
	"maps"
	"time"

	"github.com/sealgate/sealgate/config"
)

// What is known of a remote's files from earlier looks, and whether a file that lies there is one of them.

// row gives what is known of a file, all of it zero if nothing is. What became of one that was being taken is asked for.
func (l *look) row(ctx context.Context, name string) (Polled, error) {
	k, known := l.known[name]
	switch {
	case known && k.State == PolledTaking:
		return l.resolve(ctx, k)
	case known:
		return k, nil
	}
	k, _, err := l.poller.depot.PolledFile(ctx, l.account, l.remote.Name, name) // it may be one that was gone
	return k, err
}

// resolve finds out what became of a file of which only is known that it was about to be taken. The look that took it asks
// like one that comes after a crash.
func (l *look) resolve(ctx context.Context, k Polled) (Polled, error) {
	outcome, err := l.poller.depot.Outcome(ctx, l.account, k.File)
	if err != nil {
		return k, err
	}
	switch outcome.Fate {
	case WasTaken:
		k.State = PolledTaken
	case WasRefused:
		k.State = PolledRefused
	default:
		k.State, k.File = PolledSeen, ""
	}
	if outcome.Size == k.Size {
		k.SHA256 = outcome.SHA256
	}
	return k, l.keep(ctx, k)
}

// same tells whether what lies there is the file of a row, by what costs least: the listing, where nothing will be removed;
// size and time as exactly as the server tells them; the content. It brings the row up to date.
func (l *look) same(ctx context.Context, f RemoteFile, k *Polled) (bool, error) {
	stays := k.State == PolledRefused || k.State == PolledTaken && l.remote.Fetch.After == "keep"
	switch {
	case f.Size != k.Size:
		return false, nil
	case stays && k.is(f) && (k.Sure || f.Exact):
		return true, nil
	}
	now, err := l.session.Stat(ctx, f.Name)
	if err != nil {
		return false, err
	}
	gone, exact, equal := k.State == PolledGone, now.Exact, now.Time.Equal(k.Time)
	same := equal && (stays && k.is(f) || exact && !gone)
	switch {
	case same:
	case now.Size != k.Size || k.SHA256 == nil:
		return false, nil
	case exact && l.exact(k.Time) && !equal && !stays: // where it stays, a server may have changed its zone
		return false, nil
	default:
		if same, err = l.sameContent(ctx, now, k); err != nil || !same {
			return false, err
		}
		k.Time, k.Sure = now.Time, false
	}
	// A listing may tell the minute alone, and within that minute comes another file of the same size.
	sure := k.is(f) && !f.Time.IsZero() && l.poller.now().Sub(k.At) > 2*time.Minute
	if !stays || k.is(f) && equal && sure == k.Sure {
		return true, nil
	}
	k.Listed, k.Sure = f.Time, sure
	return true, l.keep(ctx, *k)
}

// sameContent reads a file and compares what it holds.
func (l *look) sameContent(ctx context.Context, now RemoteFile, k *Polled) (bool, error) {
	sum := sha256.New()
	now.Name = k.Path
	err := l.download(ctx, now, sum)
	return bytes.Equal(sum.Sum(nil), k.SHA256), err
}

// exact tells whether a time that was kept is a file's own and not the minute of a listing that an FTP server gave for it.
// One in sixty is taken for that though it is exact, which costs a second reading.
func (l *look) exact(t time.Time) bool {
	scheme, _, _ := l.remote.Server()
	return !t.IsZero() && (scheme == config.SchemeSFTP || t.Second() != 0)
}

func (l *look) note(ctx context.Context, f RemoteFile, state PolledState) error {
	return l.keep(ctx, Polled{Path: f.Name, Size: f.Size, Listed: f.Time, State: state})
}

func (l *look) keep(ctx context.Context, p Polled) error {
	p.At = l.poller.now()
	l.known[p.Path] = p
	return l.poller.depot.NotePolled(context.WithoutCancel(ctx), l.account, l.remote.Name, p)
}

// forget drops what is known of files that are not there any more; of those that we took, after a long while. What was told
// of them goes too.
func (l *look) forget(ctx context.Context, files []RemoteFile) error {
	there := make(map[string]bool, len(files))
	for _, f := range files {
		there[f.Name] = true
	}
	for name, k := range l.known {
		if there[name] || l.hidden(name) || k.State == PolledGone {
			continue
		}
		if err := l.bear(ctx, name, l.vanished(ctx, k)); err != nil {
			return err
		}
	}
	maps.DeleteFunc(l.told, func(name, _ string) bool {
		return !there[name] && !l.hostile[name] && l.known[name].Path == "" && !l.hidden(name)
	})
	maps.DeleteFunc(l.last, func(name string, _ bool) bool { return !there[name] })
	return l.poller.depot.SweepPolled(ctx, l.account, l.remote.Name, l.poller.now().Add(-goneKept))
}

// vanished ends what was begun with a file that is not there any more.
func (l *look) vanished(ctx context.Context, k Polled) (err error) {
	if k.State == PolledTaking { // while we died here
		if k, err = l.resolve(ctx, k); err != nil {
			return err
		}
	}
	if k.State != PolledTaken {
		delete(l.known, k.Path)
		return l.poller.depot.ForgetPolled(ctx, l.account, l.remote.Name, k.Path)
	}
	return l.gone(ctx, k)
}

// gone ends the life of a file there: its marker goes, and then nothing is left to be done.
func (l *look) gone(ctx context.Context, k Polled) error {
	if err := l.removeMarker(ctx, k.Path); err != nil {
		return err
	}
	k.State = PolledGone
	return l.keep(ctx, k)
}
