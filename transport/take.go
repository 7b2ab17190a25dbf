package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"github.com/sealgate/sealgate/config"
)

var (
	// errChanged: the file is not the one that it was a moment ago. The next look sees it as a new one.
	errChanged = errors.New("it changed while it was read")
	// errNoRoom ends a look: the gateway takes no files now. It is not the remote's fault.
	errNoRoom = errors.New("the gateway takes no files now")
	// errOurs ends a look: the gateway could not take this file, which lies there as before.
	errOurs = errors.New("the gateway could not take a file, which is tried again")
	// errTurn ends a stretch of a download: others wait for our seat.
	errTurn = errors.New("others wait")
)

// take fetches one file and commits it. nil: it is decided, or the next look tries again.
func (l *look) take(ctx context.Context, f RemoteFile) error {
	before, err := l.session.Stat(ctx, f.Name)
	if err != nil {
		return err
	}
	if before.Name = f.Name; !l.agree(f, before) {
		f.Size, f.Time = before.Size, before.Time
		return l.wait(ctx, f, l.known[f.Name].State == PolledAgain)
	}
	guest, name := Guest{Account: l.account}, plainName(path.Base(f.Name))
	if err := l.poller.depot.Room(guest, name); err != nil {
		return ours(errNoRoom, err)
	}
	in, err := l.poller.depot.Receive(ctx, guest, "remote:"+l.remote.Name, name)
	if err != nil {
		return ours(errOurs, err)
	}
	in.Declare(before.Size)
	// That it is about to be ours, or refused, is noted first: whatever dies from here on, the next look asks the index.
	k := Polled{Path: f.Name, Size: before.Size, Listed: f.Time, Time: before.Time, State: PolledTaking, File: in.ID()}
	if err := l.keep(ctx, k); err != nil {
		in.Discard("the poll ledger could not be written")
		return err
	}
	if err = l.download(ctx, before, in); err == nil {
		_, err = in.Commit(ctx, name)
	}
	return l.decide(ctx, f, before, in, err)
}

// decide ends a take: err is what its reading, or its commit, has given.
func (l *look) decide(ctx context.Context, f, before RemoteFile, in Incoming, err error) error {
	var refusal *Refusal
	switch no := errors.As(err, &refusal); {
	case err == nil, no && refusal.Verdict:
		k, err := l.resolve(context.WithoutCancel(ctx), l.known[f.Name])
		if err != nil {
			return err
		}
		switch k.State {
		case PolledTaken:
			l.result.Taken++
			return l.remove(ctx, before, k)
		case PolledRefused:
			l.result.Refused++
			l.result.Stay++
		}
		return nil
	case no: // our own trouble; after a commit that nobody is sure of, too
		in.Discard(refusal.Code)
		return ours(errOurs, refusal)
	case errors.Is(err, errChanged):
		in.Discard("the remote: " + stepOf(err))
		l.tell(f.Name, errChanged.Error())
		return l.wait(ctx, RemoteFile{Name: f.Name, Size: -1}, true) // like none: two looks must agree again
	}
	in.Discard("the remote: " + stepOf(err))
	return err
}

// ours says that a file was not taken for a reason that is not its own, without the sentence, which names it.
func ours(what, err error) error {
	var refusal *Refusal
	if errors.As(err, &refusal) {
		return fmt.Errorf("%w: %s", what, refusal.Code)
	}
	return err
}

// download brings the bytes of a file, over several connections if need be. It proves that they are all: the server says so
// itself, and their number is the file's size before and after.
func (l *look) download(ctx context.Context, before RemoteFile, sink io.Writer) error {
	at := int64(0)
	for tries := 0; ; {
		began := at
		err := l.session.Read(ctx, before.Name, at, func(p []byte) error {
			if at+int64(len(p)) > before.Size {
				return &RemoteError{Step: stepFetch, Err: errChanged}
			}
			n, err := sink.Write(p)
			if at += int64(n); err == nil && at < before.Size && l.overstays() {
				err = errTurn
			}
			return err
		})
		if err == nil {
			break
		}
		if at-began < longStretch && err != errTurn {
			tries++
		}
		var remote *RemoteError
		switch {
		case err == errTurn:
			err = l.stepBack(ctx)
		case !errors.As(err, &remote) || errors.Is(err, errChanged) || tries == fetchTries || ctx.Err() != nil || alive(err) && at == began:
			return err
		case alive(err): // it was the data connection alone that broke
			err = nil
		default:
			err = l.again(ctx)
		}
		if err == nil {
			err = l.still(ctx, before)
		}
		if err != nil {
			return err
		}
	}
	if at != before.Size {
		return &RemoteError{Step: stepFetch, Err: errChanged}
	}
	return l.still(ctx, before)
}

// still gives errChanged if the file is not as it was.
func (l *look) still(ctx context.Context, before RemoteFile) error {
	now, err := l.session.Stat(ctx, before.Name)
	if err == nil && (now.Size != before.Size || !now.Time.Equal(before.Time)) {
		err = &RemoteError{Step: stepFetch, Err: errChanged}
	}
	return err
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

// again connects anew after the connection was lost.
func (l *look) again(ctx context.Context) (err error) {
	l.hangUp()
	session, err := l.poller.dial(ctx, l.remote, l.log)
	if err == nil {
		l.session = session
	}
	return err
}

func (l *look) hangUp() {
	if l.session != nil {
		l.session.Close() // its farewell does not matter
		l.session = nil
	}
}

// settle does what there is still to do with a file that an earlier look has read.
func (l *look) settle(ctx context.Context, f RemoteFile, k Polled) error {
	if k.State == PolledRefused {
		l.result.Stay++
		return nil
	}
	keep := l.remote.Fetch.After == "keep"
	if !keep || !l.kept[k.File] {
		// The word of this ledger is not enough: the index may have been restored from an older backup.
		outcome, err := l.poller.depot.Outcome(ctx, l.account, k.File)
		if err != nil {
			return err
		}
		switch outcome.Fate {
		case NeverTaken:
			l.log.Warn("remote file anew", "file", k.File, "why", "the index has lost it")
			return l.take(ctx, f)
		case WasRefused: // by the operators, who had held it
			k.State = PolledRefused
			l.result.Stay++
			return l.keep(ctx, k)
		}
	}
	if !keep {
		return l.remove(ctx, RemoteFile{Name: f.Name, Size: k.Size, Time: k.Time, Exact: true}, k) // or its content was compared
	}
	l.kept[k.File] = true
	if k.State == PolledTaken {
		return nil
	}
	k.State, k.Listed, k.Sure = PolledTaken, f.Time, false // it was gone, and is there again
	return l.keep(ctx, k)
}

// remove removes or moves a file there, as `after` says, if it is still the one that was read: before, by its exact time, or
// else by its content.
func (l *look) remove(ctx context.Context, before RemoteFile, k Polled) error {
	folder, move := strings.CutPrefix(l.remote.Fetch.After, "rename:")
	if l.remote.Fetch.After == "keep" {
		return nil
	}
	same, err := true, error(nil)
	if before.Exact {
		err = l.still(ctx, before)
	} else {
		same, err = l.sameContent(ctx, before, &k)
	}
	if !same && err == nil || errors.Is(err, errChanged) {
		l.soon = true
		return nil // the next look finds out whether it is another one, or its server did not know for a moment
	}
	if err != nil {
		return err
	}
	if move {
		err = l.move(ctx, k.Path, folder, k.File)
	} else {
		err = l.session.Remove(ctx, k.Path)
	}
	if err != nil {
		return err
	}
	return l.gone(ctx, k)
}

// move renames the file into a folder there; a name that is taken gets the end of the delivery's id.
func (l *look) move(ctx context.Context, name, folder, id string) error {
	if err := l.session.MakeFolder(ctx, folder); err != nil {
		return err
	}
	target := path.Join(folder, path.Base(name))
	err := l.moveTo(ctx, name, target)
	if errors.Is(err, ErrExists) && len(id) > 8 {
		err = l.moveTo(ctx, name, target+"."+id[len(id)-8:])
	}
	return err
}

func (l *look) moveTo(ctx context.Context, name, target string) error {
	err := l.session.Rename(ctx, name, target)
	if errors.Is(err, ErrExists) {
		err = l.endRename(ctx, name, target)
	}
	return err
}

// removeMarker takes away the file that said that another one is whole.
func (l *look) removeMarker(ctx context.Context, name string) error {
	marker := l.marker(name)
	if l.remote.Fetch.After == "keep" || !l.markers[marker] {
		return nil
	}
	if err := l.session.Remove(ctx, marker); err != nil && !errors.Is(err, ErrGone) {
		return nameless(err, marker)
	}
	return nil
}

// stepOf names the step at which a remote failed, for the log.
func stepOf(err error) string {
	var remote *RemoteError
	if errors.As(err, &remote) {
		return remote.Step
	}
	return err.Error()
}
