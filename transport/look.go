package transport

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"maps"
	"net/textproto"
	"path"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/pkg/sftp"

	"github.com/sealgate/sealgate/config"
)

// Bounds of one look at a remote.
const (
	deepestFolder = 10
	mostFiles     = 100_000             // listed; more is a mistake of somebody's
	goneKept      = 90 * 24 * time.Hour // how long a file that we removed is remembered: a server restored from a backup brings it back
	fetchTries    = 3                   // connections that one file may cost which bring less than a long stretch of it
	longStretch   = 1 << 20
)

// look is one visit to a remote: what lies there is listed, what is ready is taken, what was taken is removed there.
//
// What is true if we die: before "taking" is noted, the file was never here and still lies there. Between that note and
// "taken" the index knows whether the file is ours. After "taken" it is ours, and the next look removes it there.
type look struct {
	poller  *Poller
	account *config.Account
	remote  *config.Remote
	log     *slog.Logger
	session Remote
	known   map[string]Polled
	markers map[string]bool   // paths of files that may be markers
	hostile map[string]bool   // what the listing shows that cannot be a file
	told    map[string]string // by path: the last trouble told, so that each is told once; the remote's, over all looks
	result  LookResult
	asked   bool // by somebody who wants everything tried now
	// nextSend is when something is to be delivered next; zero if nothing waits.
	nextSend time.Time
}

// LookResult is what one look found and did.
type LookResult struct {
	Listed      int `json:"listed"`      // files that match
	Waiting     int `json:"waiting"`     // not ready: a second look, or their marker, must come
	Taken       int `json:"taken"`       // accepted or held now
	Refused     int `json:"refused"`     // rejected now; they stay there
	Left        int `json:"left"`        // not fetched, by rule
	Failed      int `json:"failed"`      // could not be read, or not be removed there
	Delivered   int `json:"delivered"`   // by us, to them
	Undelivered int `json:"undelivered"` // could not be delivered now
}

// errNoRoom ends a look: the gateway takes no files now. It is not the remote's fault.
var errNoRoom = errors.New("the gateway takes no files now")

// fetch lists the remote and does what there is to do, file by file. One bad file never holds up the others; only a
// connection that is lost and cannot be had again ends the look.
func (l *look) fetch(ctx context.Context) error {
	files, err := l.list(ctx)
	if err != nil {
		return err
	}
	if l.known, err = l.poller.depot.Polled(ctx, l.account.ID, l.remote.Name); err != nil {
		return err
	}
	for _, f := range files {
		if err := l.file(ctx, f); err != nil {
			return err
		}
	}
	return l.forget(ctx, files)
}

// list gives the files that are asked for, with their paths as names, the oldest first.
func (l *look) list(ctx context.Context) ([]RemoteFile, error) {
	var files []RemoteFile
	l.markers, l.hostile = map[string]bool{}, map[string]bool{}
	folders := []string{""}
	for len(folders) > 0 {
		folder := folders[0]
		folders = folders[1:]
		entries, err := l.session.List(ctx, folder)
		if errors.Is(err, ErrGone) && folder != "" {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			at := path.Join(folder, e.Name)
			switch {
			case e.Folder && l.remote.Fetch.Folders == "yes" && !e.Hostile && !l.remote.Puts(at) && strings.Count(at, "/") < deepestFolder:
				folders = append(folders, at)
			case e.Folder || e.Special:
			case e.Hostile:
				at = folder + "//" + e.Name
				l.hostile[at] = true
				l.tell(at, "a file has a name that cannot be one; it is left there")
				l.result.Left++
				continue
			case l.remote.Fetch.Takes(e.Name) && !l.isMarker(e.Name):
				if e.Name = at; e.Size < 0 { // not told by this server's listing
					if e, err = l.measured(ctx, e); err != nil {
						return nil, err
					}
				}
				files = append(files, e)
			}
			l.markers[at] = true
		}
		if len(files) > mostFiles {
			return nil, &RemoteError{Step: "list", Err: errors.New("more than 100,000 files match; narrow match:, or clear the folder")}
		}
	}
	slices.SortFunc(files, func(a, b RemoteFile) int {
		return cmp.Or(a.Time.Compare(b.Time), strings.Compare(a.Name, b.Name))
	})
	l.result.Listed = len(files)
	return files, nil
}

// measured asks for the size of a file of which the listing does not tell it.
func (l *look) measured(ctx context.Context, f RemoteFile) (RemoteFile, error) {
	now, err := l.session.Stat(ctx, f.Name)
	if errors.Is(err, ErrGone) {
		return f, nil // the take will find that out
	}
	f.Size, f.Time = now.Size, now.Time
	return f, err
}

// file does what there is to do with one file: nothing, note it, take it, or remove it there.
func (l *look) file(ctx context.Context, f RemoteFile) error {
	k, known := l.known[f.Name]
	if known && k.State == PolledTaking {
		var err error
		if k, err = l.resolve(ctx, k); err != nil {
			return err
		}
	}
	if known && k.is(f) {
		switch k.State {
		case PolledTaken, PolledGone: // gone, and there again: of a backup, or our removal did not last
			return l.tolerate(ctx, f.Name, l.settle(ctx, f, k))
		case PolledRefused:
			return nil
		case PolledLeft:
			l.result.Left++
			return nil
		}
	}
	if why := l.outside(f); why != "" {
		l.result.Left++
		l.tell(f.Name, why)
		return l.note(ctx, f, PolledLeft, "")
	}
	if !l.ready(f, known && k.State == PolledSeen && k.is(f)) {
		l.result.Waiting++
		if known && k.State == PolledSeen && k.is(f) {
			return nil
		}
		return l.note(ctx, f, PolledSeen, "")
	}
	return l.tolerate(ctx, f.Name, l.take(ctx, f))
}

// resolve finds out what became of a file of which only is known that it was about to be taken.
func (l *look) resolve(ctx context.Context, k Polled) (Polled, error) {
	outcome, err := l.poller.depot.Outcome(ctx, l.account.ID, k.File)
	if err != nil {
		return k, err
	}
	switch outcome {
	case WasTaken:
		k.State = PolledTaken
	case WasRefused:
		k.State = PolledRefused
	default:
		k.State, k.File = PolledSeen, ""
	}
	return k, l.keep(ctx, k)
}

// outside says why a file is not one to fetch, "" if it is.
func (l *look) outside(f RemoteFile) string {
	switch fetch := l.remote.Fetch; {
	case f.Size > fetch.Largest:
		return "a file is longer than largest: allows; it is left there"
	case fetch.Oldest > 0 && !f.Time.IsZero() && l.poller.now().Sub(f.Time) > fetch.Oldest:
		return "a file is older than oldest: allows; it is left there"
	}
	return ""
}

// ready tells whether a file is whole, as far as anybody can tell from outside. seenSo: the look before found it like this.
func (l *look) ready(f RemoteFile, seenSo bool) bool {
	switch ready := l.remote.Fetch.Ready; ready {
	case "renamed":
		return true
	case "looks":
		return seenSo
	default:
		return l.markers[l.marker(f.Name)]
	}
}

// marker is the path of the file that says that another one is whole.
func (l *look) marker(name string) string {
	return path.Join(path.Dir(name), strings.Replace(l.remote.Fetch.Ready, "*", path.Base(name), 1))
}

// isMarker tells whether a name is that of a marker, which says of another file that it is whole and is none itself.
func (l *look) isMarker(name string) bool {
	front, back, markers := strings.Cut(l.remote.Fetch.Ready, "*")
	return markers && len(name) > len(front)+len(back) && strings.HasPrefix(name, front) && strings.HasSuffix(name, back)
}

// tolerate tells a trouble with one file and goes on with the next, unless the connection is gone for good or it is us.
func (l *look) tolerate(ctx context.Context, name string, err error) error {
	var remote *RemoteError
	switch {
	case err == nil:
		if l.known[name].State != PolledSeen { // decided
			delete(l.told, name)
		}
		return nil
	case errors.Is(err, ErrGone): // somebody else has removed it
		return nil
	case ctx.Err() != nil || !errors.As(err, &remote) || !alive(err):
		return err
	}
	l.result.Failed++
	l.tell(name, remote.Error())
	return nil
}

// alive tells whether the server itself has answered with a no: then the connection is as good as before.
func alive(err error) bool {
	var reply *textproto.Error
	var status *sftp.StatusError
	return errors.As(err, &reply) || errors.As(err, &status) || errors.Is(err, ErrExists) || errors.Is(err, ErrGone) ||
		errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, errChanged)
}

// tell logs a trouble with a file once, until it is another one. The file's name is the customer's and stays out of the log.
func (l *look) tell(name, trouble string) {
	if l.told[name] != trouble {
		l.told[name] = trouble
		l.log.Warn("remote file left", "why", trouble)
	}
}

func (l *look) note(ctx context.Context, f RemoteFile, state PolledState, id string) error {
	return l.keep(ctx, Polled{Path: f.Name, Size: f.Size, Time: f.Time, State: state, File: id})
}

func (l *look) keep(ctx context.Context, p Polled) error {
	p.At = l.poller.now()
	l.known[p.Path] = p
	return l.poller.depot.NotePolled(context.WithoutCancel(ctx), l.account.ID, l.remote.Name, p)
}

// forget drops what is known of files that are not there any more; of those that we took, after a long while. What was told
// of them goes too.
func (l *look) forget(ctx context.Context, files []RemoteFile) error {
	there := make(map[string]bool, len(files))
	for _, f := range files {
		there[f.Name] = true
	}
	for name, k := range l.known {
		took := k.State == PolledTaken || k.State == PolledGone
		switch {
		case there[name] || took && l.poller.now().Sub(k.At) < goneKept:
			continue
		case k.State == PolledTaking: // it vanished there while we died here
			k, err := l.resolve(ctx, k)
			if err != nil {
				return err
			}
			if k.State == PolledTaken {
				continue
			}
		}
		if err := l.poller.depot.ForgetPolled(ctx, l.account.ID, l.remote.Name, name); err != nil {
			return err
		}
	}
	maps.DeleteFunc(l.told, func(name, _ string) bool { return !there[name] && !l.hostile[name] })
	return nil
}

// plainName is a remote's name as the index keeps it: valid UTF-8. What is not is taken for ISO-8859-1, as old servers
// write it. "" if it holds what no name should.
func plainName(name string) string {
	if !utf8.ValidString(name) {
		var b strings.Builder
		for i := range len(name) {
			b.WriteRune(rune(name[i]))
		}
		name = b.String()
	}
	for _, r := range name {
		if !unicode.IsGraphic(r) {
			return ""
		}
	}
	return name
}
