package transport

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/textproto"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/pkg/sftp"

	"github.com/sealgate/sealgate/config"
)

// Bounds of one look at a remote.
const (
	deepestFolder = 10
	mostBelow     = 5_000               // folders listed; links shown as folders would multiply
	mostFiles     = 100_000             // listed; more is a mistake of somebody's
	goneKept      = 90 * 24 * time.Hour // how long a file that we removed is remembered: a server restored from a backup brings it back
	fetchTries    = 3                   // connections that one file may cost which bring less than a long stretch of it
	longStretch   = 1 << 20
	mostLosses    = 3                // files at which the connection may be lost
	longestTurn   = 10 * time.Minute // with a seat that others wait for
)

// look is one visit to a remote: what lies there is listed, what is ready is taken, what was taken is removed there.
//
// What is true if we die: before "taking" is noted, the file was never here and still lies there. Between that note and
// "taken" the index knows whether the file is ours. After "taken" it is ours, and the next look removes it there.
type look struct {
	poller  *Poller
	account string
	remote  *config.Remote
	log     *slog.Logger
	*memory
	session  Remote
	seated   time.Time // since when it has its seat
	known    map[string]Polled
	markers  map[string]bool // paths of files that may be markers
	hostile  map[string]bool // what the listing shows that cannot be a file
	unlisted map[string]bool // folders and files that could not be looked at: nothing that is known of them is forgotten
	losses   int             // of the connection
	result   LookResult
	asked    bool // by somebody who wants everything tried now
	anew     bool // by somebody who wants what was refused tried again
	soon     bool // a second look is all that a file waits for
	// nextSend is when something is to be delivered next; zero if nothing waits.
	nextSend time.Time
}

// memory is what outlives the looks at a remote, but not the process.
type memory struct {
	told map[string]string // by path: the last trouble told, so that each is told once
	last map[string]bool   // paths of files that ended a connection, or met a fault of our own: they go last
	own  *ownFolders       // nil if not known yet
	kept map[string]bool   // deliveries of files that stay there, which the index was found to have: no restore comes while we run
}

func newMemory() *memory {
	return &memory{told: map[string]string{}, last: map[string]bool{}, kept: map[string]bool{}}
}

// LookResult is what one look found and did.
type LookResult struct {
	Listed      int `json:"listed"`      // files that match
	Waiting     int `json:"waiting"`     // not ready: a second look, or their marker, must come
	Taken       int `json:"taken"`       // accepted or held now
	Refused     int `json:"refused"`     // rejected now; they stay there
	Stay        int `json:"stay"`        // rejected, now or before, and still there
	Left        int `json:"left"`        // not fetched, by rule
	Failed      int `json:"failed"`      // could not be read, or not be removed there; folders that could not be listed
	Delivered   int `json:"delivered"`   // by us, to them
	Undelivered int `json:"undelivered"` // could not be delivered now
}

// fetch lists the remote and does what there is to do, file by file. A file that cannot be read, or at which the connection
// is lost, holds up no others. The look ends when the URL's folder cannot be listed, when a connection cannot be had again
// or is lost too often, and at a fault of our own.
func (l *look) fetch(ctx context.Context) error {
	if err := l.findOwn(ctx); err != nil {
		return err
	}
	files, err := l.list(ctx)
	if err != nil {
		return err
	}
	if l.known, err = l.poller.depot.Polled(ctx, l.account, l.remote.Name); err != nil {
		return err
	}
	for _, f := range files {
		if err := l.yield(ctx); err != nil {
			return err
		}
		if err := l.bear(ctx, f.Name, l.file(ctx, f)); err != nil {
			return err
		}
	}
	return l.forget(ctx, files)
}

// list gives the files that are asked for, with their paths as names, the oldest first.
func (l *look) list(ctx context.Context) ([]RemoteFile, error) {
	var files []RemoteFile
	l.markers, l.hostile, l.unlisted = map[string]bool{}, map[string]bool{}, map[string]bool{}
	folders := []string{""}
	for n := 0; n < len(folders); n++ {
		folder := folders[n]
		if err := l.yield(ctx); err != nil {
			return nil, err
		}
		entries, err := l.session.List(ctx, folder)
		if err != nil && folder != "" { // removed meanwhile, or not ours to read
			l.unlisted[folder] = true
			if err := l.bear(ctx, folder, err); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		found, below, err := l.entries(ctx, folder, entries)
		if err != nil {
			return nil, err
		}
		files, folders = append(files, found...), append(folders, below...)
		if len(files) > mostFiles {
			return nil, &RemoteError{Step: stepList, Err: errors.New("more than 100,000 files match; narrow match:, or clear the folder")}
		}
		if len(folders) > mostBelow {
			return nil, &RemoteError{Step: stepList, Err: errors.New("there are more than 5,000 folders")}
		}
	}
	slices.SortFunc(files, func(a, b RemoteFile) int {
		if l.last[a.Name] != l.last[b.Name] {
			if l.last[a.Name] {
				return 1
			}
			return -1
		}
		return cmp.Or(a.Time.Compare(b.Time), strings.Compare(a.Name, b.Name))
	})
	l.result.Listed = len(files)
	return files, nil
}

// entries sorts what a listing shows of a folder: files that are asked for, folders to go into, what may be a marker.
func (l *look) entries(ctx context.Context, folder string, entries []RemoteFile) (files []RemoteFile, folders []string, err error) {
	for _, e := range entries {
		at := path.Join(folder, e.Name)
		switch {
		case e.Folder && l.goesInto(at, e):
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
					l.unlisted[at] = true
					if err := l.bear(ctx, at, err); err != nil {
						return nil, nil, err
					}
					break
				}
			}
			files = append(files, e)
		}
		l.markers[at] = true
	}
	return files, folders, nil
}

func (l *look) goesInto(at string, folder RemoteFile) bool {
	return l.remote.Fetch.Folders == "yes" && !folder.Hostile && !l.remote.Puts(at) && !l.own.has(at) && strings.Count(at, "/") < deepestFolder
}

// hidden tells whether a file was not to be seen in this look's listing, wherever it is.
func (l *look) hidden(name string) bool {
	for ; name != "." && name != "/"; name = path.Dir(name) {
		if l.unlisted[name] {
			return true
		}
	}
	return false
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
	k, err := l.row(ctx, f.Name)
	if err != nil {
		return err
	}
	if k.decided() {
		same, err := l.same(ctx, f, &k)
		switch {
		case err != nil:
			return err
		case same && k.State == PolledRefused && l.anew:
			return l.take(ctx, f)
		case same:
			return l.settle(ctx, f, k)
		}
		if k.State == PolledTaken && l.remote.Fetch.After != "keep" {
			l.log.Warn("remote file replaced", "file", k.File, "why", "it is not the one that was taken, so it stays and is looked at anew")
		}
		if k.Size = -1; k.State == PolledGone {
			k.State = PolledSeen // its marker went with it: one that is there now is new
		} else {
			k.State = PolledAgain
		}
	}
	if why := l.outside(f); why != "" {
		l.result.Left++
		if k.State == PolledLeft && k.is(f) {
			return nil
		}
		l.tell(f.Name, why)
		return l.note(ctx, f, PolledLeft)
	}
	stale := k.State == PolledAgain || k.State == PolledLeft
	if !l.ready(f, stale, k.State != "" && k.is(f)) {
		return l.wait(ctx, f, stale)
	}
	return l.take(ctx, f)
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

// ready tells whether a file is whole, as far as anybody can tell from outside. stale: a marker may be that of the file which
// lay there before. seenSo: the look before found the file like this.
func (l *look) ready(f RemoteFile, stale, seenSo bool) bool {
	switch ready := l.remote.Fetch.Ready; ready {
	case "renamed":
		return true
	case "looks":
		return seenSo
	default:
		return l.markers[l.marker(f.Name)] && (seenSo || !stale)
	}
}

// wait leaves a file that is not ready to the next look.
func (l *look) wait(ctx context.Context, f RemoteFile, stale bool) error {
	l.result.Waiting++
	state := PolledSeen
	if stale {
		state = PolledAgain
	}
	if l.remote.Fetch.Ready == "looks" || stale && l.markers[l.marker(f.Name)] {
		l.soon = true
	}
	if k := l.known[f.Name]; k.State == state && k.is(f) {
		return nil
	}
	return l.note(ctx, f, state)
}

// marker is the path of the file that says that another one is whole; "" if there are none here.
func (l *look) marker(name string) string {
	if !strings.Contains(l.remote.Fetch.Ready, "*") {
		return ""
	}
	return path.Join(path.Dir(name), strings.Replace(l.remote.Fetch.Ready, "*", path.Base(name), 1))
}

// isMarker tells whether a name is that of a marker, which says of another file that it is whole and is none itself.
func (l *look) isMarker(name string) bool {
	front, back, markers := strings.Cut(l.remote.Fetch.Ready, "*")
	return markers && len(name) > len(front)+len(back) && strings.HasPrefix(name, front) && strings.HasSuffix(name, back)
}

// bear tells a trouble with one file, or a folder below, and goes on with the next, over a new connection if it was lost. It gives back what
// ends the look.
func (l *look) bear(ctx context.Context, name string, err error) error {
	var remote *RemoteError
	switch {
	case err == nil:
		if k := l.known[name]; k.State != PolledSeen && k.State != PolledAgain {
			delete(l.told, name)
		}
		delete(l.last, name)
		return nil
	case errors.Is(err, ErrGone): // somebody else has removed it
		return nil
	case ctx.Err() != nil:
		return err
	case !errors.As(err, &remote):
		if !errors.Is(err, errNoRoom) {
			l.last[name] = true // it may be this file that we cannot bear
		}
		return err
	}
	err = nameless(err, name)
	l.result.Failed++
	l.tell(name, err.Error())
	if alive(err) && l.session != nil { // without one, the no was to a new connection
		return nil
	}
	l.last[name] = true
	if l.losses++; l.losses > mostLosses {
		return err
	}
	return l.again(ctx)
}

// alive tells whether the server itself has answered with a no: then the connection is as good as before.
func alive(err error) bool {
	var reply *textproto.Error
	var status *sftp.StatusError
	var cut over
	if errors.As(err, &cut) {
		return false
	}
	return errors.As(err, &reply) || errors.As(err, &status) || errors.Is(err, ErrExists) || errors.Is(err, ErrGone) ||
		errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, errChanged) || errors.Is(err, errOwnFolder)
}

// tell logs a trouble with a file once, until it is another one. The file's name is the customer's and stays out of the log.
func (l *look) tell(name, trouble string) {
	if l.told[name] != trouble {
		l.told[name] = trouble
		l.log.Warn("remote file left", "why", trouble)
	}
}
