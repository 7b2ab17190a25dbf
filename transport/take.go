package transport

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/sealgate/sealgate/config"
)

// errChanged: the file is not the one that it was a moment ago. The next look sees it as a new one.
var errChanged = errors.New("it changed while it was read")

// take fetches one file and commits it. nil: it is decided, or the next look tries again.
func (l *look) take(ctx context.Context, f RemoteFile) error {
	before, err := l.session.Stat(ctx, f.Name)
	if err != nil {
		return err
	}
	if !l.agree(f, before) {
		l.result.Waiting++
		f.Size, f.Time = before.Size, before.Time
		return l.note(ctx, f, PolledSeen, "")
	}
	guest, name := Guest{Account: l.account.ID}, plainName(path.Base(f.Name))
	if err := l.poller.depot.Room(guest, name); err != nil {
		return fmt.Errorf("%w: %w", errNoRoom, err)
	}
	in, err := l.poller.depot.Receive(ctx, guest, "remote:"+l.remote.Name, name)
	if err == nil {
		in.Declare(before.Size)
		err = l.read(ctx, f.Name, before, in)
	}
	var refusal *Refusal
	switch {
	case err == nil:
		err = l.commit(ctx, f, before, in, name)
	case errors.As(err, &refusal): // while it arrived
		l.result.Refused++
		return l.note(ctx, f, PolledRefused, "")
	case in != nil:
		in.Discard("the remote: " + stepOf(err))
	}
	if errors.Is(err, errChanged) {
		l.tell(f.Name, errChanged.Error())
		l.result.Waiting++
		return l.note(ctx, RemoteFile{Name: f.Name, Size: -1}, PolledSeen, "") // like none: two looks must agree again
	}
	return err
}

// read brings the bytes, over several connections if need be. It proves that they are all: the server says so itself, and
// their number is the file's size before and after.
func (l *look) read(ctx context.Context, name string, before RemoteFile, in Incoming) error {
	at := int64(0)
	for tries := 0; ; {
		began := at
		err := l.session.Read(ctx, name, at, func(p []byte) error {
			if at+int64(len(p)) > before.Size {
				return &RemoteError{Step: "fetch", Err: errChanged}
			}
			n, err := in.WriteAt(p, at)
			at += int64(n)
			return err
		})
		if err == nil {
			break
		}
		if at-began < longStretch {
			tries++
		}
		var remote *RemoteError
		if !errors.As(err, &remote) || errors.Is(err, errChanged) || tries == fetchTries || ctx.Err() != nil || alive(err) && at == began {
			return err
		}
		if !alive(err) { // else it was the data connection alone that broke
			if err := l.again(ctx); err != nil {
				return err
			}
		}
		if now, err := l.session.Stat(ctx, name); err != nil {
			return err
		} else if !sameFile(now, before) {
			return &RemoteError{Step: "fetch", Err: errChanged}
		}
	}
	after, err := l.session.Stat(ctx, name)
	if err != nil {
		return err
	}
	if at != before.Size || !sameFile(after, before) {
		return &RemoteError{Step: "fetch", Err: errChanged}
	}
	return nil
}

// agree tells whether a file can still be the one that a listing showed. SFTP tells the same times in both. An FTP server's
// listing may leave out the seconds, and be in a zone that nobody tells: then they are whole quarters of an hour apart; or it
// tells the day alone.
func (l *look) agree(listed, now RemoteFile) bool {
	const zones = 15 * time.Minute
	scheme, _, _ := l.remote.Server()
	apart := now.Time.Sub(listed.Time)
	switch {
	case now.Size != listed.Size:
		return false
	case scheme == config.SchemeSFTP:
		return apart == 0
	case now.Time.IsZero() || listed.Time.IsZero() || listed.Time.Equal(listed.Time.Truncate(24*time.Hour)):
		return true
	}
	return (apart - apart.Round(zones)).Abs() <= time.Minute
}

func sameFile(a, b RemoteFile) bool { return a.Size == b.Size && a.Time.Equal(b.Time) }

// again connects anew after the connection was lost.
func (l *look) again(ctx context.Context) error {
	l.session.Close() // it is lost anyway
	session, err := l.poller.dial(ctx, l.remote, l.log)
	if err != nil {
		l.session = nil
		return err
	}
	l.session = session
	return nil
}

// commit makes the file ours. That it is about to be is noted first: whatever dies in between, the next look asks the index.
func (l *look) commit(ctx context.Context, f, before RemoteFile, in Incoming, name string) error {
	id := in.ID()
	if err := l.note(ctx, f, PolledTaking, id); err != nil {
		in.Discard("the poll ledger could not be written")
		return err
	}
	_, err := in.Commit(ctx, name)
	var refusal *Refusal
	switch {
	case errors.As(err, &refusal):
		if refusal.Resumable {
			in.Discard("it was read whole, and is incomplete")
		}
		l.result.Refused++
		return l.note(ctx, f, PolledRefused, id)
	case err != nil:
		return err // not sure: resolved at the next look
	}
	l.result.Taken++
	if err := l.note(ctx, f, PolledTaken, id); err != nil {
		return err
	}
	return l.settleRead(ctx, f, before, l.known[f.Name])
}

// settle does there what `after` says, with a file that was taken by an earlier look.
func (l *look) settle(ctx context.Context, f RemoteFile, k Polled) error {
	if l.remote.Fetch.After == "keep" {
		return nil
	}
	now, err := l.session.Stat(ctx, f.Name)
	if err != nil {
		return err
	}
	if !l.agree(f, now) {
		l.log.Warn("remote file replaced", "file", k.File, "why", "it is not the one that was taken, so it stays and is looked at anew")
		return l.note(ctx, RemoteFile{Name: f.Name, Size: -1}, PolledSeen, "") // replaced meanwhile: a new file
	}
	return l.settleRead(ctx, f, now, k)
}

// settleRead removes or moves the file there, if it is still the one that was read (before, as exactly as the server tells).
func (l *look) settleRead(ctx context.Context, f, before RemoteFile, k Polled) error {
	folder, move := strings.CutPrefix(l.remote.Fetch.After, "rename:")
	if l.remote.Fetch.After == "keep" {
		return nil
	}
	now, err := l.session.Stat(ctx, f.Name)
	if err != nil {
		return err
	}
	if !sameFile(now, before) {
		l.log.Warn("remote file replaced", "file", k.File, "why", "it is not the one that was read, so it stays and is looked at anew")
		return l.note(ctx, RemoteFile{Name: f.Name, Size: -1}, PolledSeen, "")
	}
	if move {
		err = l.move(ctx, f.Name, folder, k.File)
	} else {
		err = l.session.Remove(ctx, f.Name)
	}
	if err != nil {
		return err
	}
	k.State = PolledGone
	if err := l.keep(ctx, k); err != nil {
		return err
	}
	return l.removeMarker(ctx, f.Name)
}

// move renames the file into a folder there; a name that is taken gets the end of the delivery's id.
func (l *look) move(ctx context.Context, name, folder, id string) error {
	if err := l.session.MakeFolder(ctx, folder); err != nil {
		return err
	}
	target := path.Join(folder, path.Base(name))
	err := l.session.Rename(ctx, name, target)
	if errors.Is(err, ErrExists) && len(id) > 8 {
		err = l.session.Rename(ctx, name, target+"."+id[len(id)-8:])
	}
	return err
}

// removeMarker takes away the file that said that another one is whole.
func (l *look) removeMarker(ctx context.Context, name string) error {
	if r := l.remote.Fetch.Ready; r == "looks" || r == "renamed" || !l.markers[l.marker(name)] {
		return nil
	}
	err := l.session.Remove(ctx, l.marker(name))
	if errors.Is(err, ErrGone) {
		return nil
	}
	return err
}

// stepOf names the step at which a remote failed, for the log.
func stepOf(err error) string {
	var remote *RemoteError
	if errors.As(err, &remote) {
		return remote.Step
	}
	return err.Error()
}
