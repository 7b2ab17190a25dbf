package transport

import (
	"context"
	"os"
	"path"
	"sort"
	"strings"
	"sync"
	"time"
)

// The view is what all sessions of one account see of the inbox. Nothing in it is on disk: files that were taken live on
// in the index, the view only goes on showing them for a while, because clients look after a put.
//
// Read state first, then begin (OPEN), upload.Close (CLOSE) and rename. A file's way through the states:
//
//	OPEN -> running -> CLOSE -> ghost (taken) | gone (refused) | parked (incomplete) | partial (temp name)
//	running -> connection dropped -> parked -> OPEN -> running
//	partial -> rename -> ghost | refused
type state int

const (
	running state = iota // a handle is open for writing
	parked               // broken off or incomplete: what has arrived waits in memory to be continued
	partial              // closed under a temp name: the rename will be the verdict
	ghost                // taken by the house, still shown
	refused              // a temp name whose content was refused: only there to be removed
)

// Bounds of one account's view. The eldest make room for new ones where nothing is lost by it; partials were answered with
// OK and therefore never make room.
const (
	mostParked   = 32
	mostPartials = 1000
	mostGhosts   = 20000
	mostFolders  = 1000
)

// defaultLinger is how long ghosts are shown if the account is not in the configuration any more.
const defaultLinger = 10 * time.Minute

// entry is one name in the inbox. Its fields are guarded by the view's mutex.
type entry struct {
	name  string // below /inbox, may hold slashes
	state state
	size  int64 // shown; of a running one, what the entry before it had, until that is decided
	mtime time.Time
	until time.Time // when it goes by itself; not for running ones
	busy  bool      // the house is being asked about it: nobody else may touch it

	id       string   // ghost: the file's ULID
	upload   *upload  // running
	incoming Incoming // parked, partial
	refusal  error    // what was said of it last: parked, partial, refused
}

// view is the inbox of one account. The mutex is held for map work only, never while the house works.
type view struct {
	house   House
	account string

	began time.Time // shown as the time of the fixed folders

	seeding sync.Mutex
	seeded  bool

	mu      sync.Mutex
	entries map[string]*entry
	folders map[string]time.Time // virtual folders and when they were made or used last
	count   [refused + 1]int
}

func newView(house House, account string) *view {
	return &view{
		house: house, account: account, began: time.Now(),
		entries: make(map[string]*entry), folders: make(map[string]time.Time),
	}
}

// seed shows, after a restart, the files taken not long ago: a client that comes back looks for them.
func (v *view) seed(ctx context.Context, now time.Time) error {
	v.seeding.Lock()
	defer v.seeding.Unlock()
	if v.seeded {
		return nil
	}
	linger := v.linger()
	taken, err := v.house.Shown(ctx, v.account, now.Add(-linger))
	if err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, g := range taken {
		if old := v.entries[g.Name]; old == nil || old.state == ghost && old.mtime.Before(g.TakenAt) {
			left := min(linger, linger-now.Sub(g.TakenAt)) // it may have come by a clock that was ahead
			v.put(&entry{name: g.Name, state: ghost, id: g.ID, size: g.Size, mtime: g.TakenAt, until: now.Add(left)})
		}
	}
	v.seeded = true
	return nil
}

func (v *view) linger() time.Duration {
	if account := v.house.Account(v.account); account != nil && account.Linger > 0 {
		return account.Linger
	}
	return defaultLinger
}

// isPartial says whether a name is one of those under which uploads are not yet final.
func (v *view) isPartial(name string) bool {
	account := v.house.Account(v.account)
	return account != nil && matches(account.PartialNames, name)
}

// put shows e under its name and returns what stood there.
func (v *view) put(e *entry) *entry {
	old := v.take(e.name)
	v.entries[e.name] = e
	v.count[e.state]++
	return old
}

// take takes a name off the view and returns its entry, nil if there is none.
func (v *view) take(name string) *entry {
	e := v.entries[name]
	if e != nil {
		delete(v.entries, name)
		v.count[e.state]--
	}
	return e
}

// shown says whether e stands in the view itself: a handle's entry may have been taken off meanwhile.
func (v *view) shown(e *entry) bool { return v.entries[e.name] == e }

// turn changes the state of an entry, in the view or not.
func (v *view) turn(e *entry, to state) {
	if v.shown(e) {
		v.count[e.state]--
		v.count[to]++
	}
	e.state = to
}

// find is the entry of a name. A ghost that is due is gone, even before the sweep comes by.
func (v *view) find(name string, now time.Time) *entry {
	e := v.entries[name]
	if e != nil && e.state == ghost && now.After(e.until) && !e.busy {
		v.take(name)
		return nil
	}
	return e
}

// folder says whether a name below /inbox is a folder; "" is the inbox itself.
func (v *view) folder(name string) bool {
	if name == "" {
		return true
	}
	_, ok := v.folders[name]
	return ok
}

// parent checks that the folder of a name is there, and keeps it there for another while.
func (v *view) parent(name string, now time.Time) error {
	dir := path.Dir(name)
	if dir == "." {
		return nil
	}
	if !v.folder(dir) {
		return missing("/inbox/" + dir)
	}
	v.folders[dir] = now
	return nil
}

// discard ends what an entry that is off the view holds. It calls the house, so the mutex must not be held.
func (e *entry) discard(why string) {
	if e != nil && e.incoming != nil {
		e.incoming.Discard(why)
	}
}

// stat is the file or folder of a name as STAT, LSTAT, FSTAT and the listing show it.
func (v *view) stat(name string) (os.FileInfo, error) {
	now := time.Now()
	v.mu.Lock()
	if v.folder(name) {
		mtime := v.folders[name]
		if name == "" {
			mtime = v.began
		}
		v.mu.Unlock()
		return folderInfo(path.Base("/inbox/"+name), mtime), nil
	}
	e := v.find(name, now)
	if e == nil {
		v.mu.Unlock()
		return nil, missing("/inbox/" + name)
	}
	info, upload := e.info()
	v.mu.Unlock()
	info.sizeOf(upload)
	return info, nil
}

// list is what a folder holds, sorted by name.
func (v *view) list(folder string) ([]os.FileInfo, error) {
	now := time.Now()
	prefix := ""
	if folder != "" {
		prefix = folder + "/"
	}
	var infos []os.FileInfo
	uploads := make(map[*fileInfo]*upload)
	v.mu.Lock()
	if !v.folder(folder) {
		v.mu.Unlock()
		return nil, missing("/inbox/" + folder)
	}
	for name := range v.folders {
		if rest, ok := strings.CutPrefix(name, prefix); ok && !strings.Contains(rest, "/") {
			infos = append(infos, folderInfo(rest, v.folders[name]))
		}
	}
	for name, e := range v.entries {
		rest, ok := strings.CutPrefix(name, prefix)
		if !ok || strings.Contains(rest, "/") || e.state == ghost && now.After(e.until) {
			continue
		}
		info, upload := e.info()
		if upload != nil {
			uploads[info] = upload
		}
		infos = append(infos, info)
	}
	v.mu.Unlock()
	for info, upload := range uploads {
		info.sizeOf(upload)
	}
	sort.Slice(infos, func(i, j int) bool { return infos[i].Name() < infos[j].Name() })
	return infos, nil
}

// info is what is shown of an entry. Of a running one the size is with the upload, to be asked for without the mutex.
func (e *entry) info() (*fileInfo, *upload) {
	info := &fileInfo{name: path.Base(e.name), size: e.size, mode: 0o644, mtime: e.mtime}
	if e.state == ghost {
		info.mode = 0o200
	}
	if e.state == running {
		return info, e.upload
	}
	return info, nil
}

// setstat keeps the time that a client gave a file; declare is the size it announced, -1 if none.
func (v *view) setstat(name string, mtime time.Time, declare int64) error {
	now := time.Now()
	v.mu.Lock()
	if v.folder(name) {
		v.mu.Unlock()
		return nil
	}
	e := v.find(name, now)
	if e == nil {
		v.mu.Unlock()
		return missing("/inbox/" + name)
	}
	if !mtime.IsZero() {
		e.mtime = mtime
	}
	state, upload, incoming, misfit := e.state, e.upload, e.incoming, e.misfit(path.Base(name), declare)
	v.mu.Unlock()
	switch {
	case declare < 0:
	case state == running:
		upload.declare(declare)
	case misfit != nil:
		return misfit
	case state == parked, state == partial:
		incoming.Declare(declare)
	}
	return nil
}

// misfit refuses an announced size, -1 if none, that what stands under a name cannot have.
func (e *entry) misfit(name string, size int64) error {
	switch {
	case size < 0:
	case e.state == ghost && size != e.size:
		return failure("refused " + printable(name) + ": it was accepted whole; its size cannot be changed.")
	case size < e.size:
		return failure("refused " + printable(name) + ": a file cannot be cut. Send it again from its start.")
	}
	return nil
}

// expire takes off what is due.
func (v *view) expire(now time.Time) {
	var due []*entry
	v.mu.Lock()
	for _, e := range v.entries {
		if e.state != running && !e.busy && now.After(e.until) {
			due = append(due, v.take(e.name))
		}
	}
	if v.count[ghost] > mostGhosts {
		v.dropEldestGhosts(v.count[ghost] - mostGhosts)
	}
	linger := v.linger()
	for folder, used := range v.folders {
		if now.Sub(used) > linger && !v.holdsAny(folder) {
			delete(v.folders, folder)
		}
	}
	v.mu.Unlock()
	for _, e := range due {
		switch {
		case e.incoming == nil:
		case e.refusal != nil: // it was recorded when its sender was told
			e.incoming.Discard("not continued in time")
		default:
			e.incoming.Expire()
		}
	}
}

// dropEldestGhosts hides n ghosts, those first that would go first.
func (v *view) dropEldestGhosts(n int) {
	ghosts := make([]*entry, 0, v.count[ghost])
	for _, e := range v.entries {
		if e.state == ghost && !e.busy {
			ghosts = append(ghosts, e)
		}
	}
	sort.Slice(ghosts, func(i, j int) bool { return ghosts[i].until.Before(ghosts[j].until) })
	for _, e := range ghosts[:min(n, len(ghosts))] {
		v.take(e.name)
	}
}

// eldestParked takes off the parked upload that would go first, if there are too many.
func (v *view) eldestParked() *entry {
	if v.count[parked] <= mostParked {
		return nil
	}
	var eldest *entry
	for _, e := range v.entries {
		if e.state == parked && !e.busy && (eldest == nil || e.until.Before(eldest.until)) {
			eldest = e
		}
	}
	if eldest != nil {
		v.take(eldest.name)
	}
	return eldest
}

// holdsAny says whether a virtual folder has anything below it.
func (v *view) holdsAny(folder string) bool {
	for name := range v.entries {
		if strings.HasPrefix(name, folder+"/") {
			return true
		}
	}
	for name := range v.folders {
		if strings.HasPrefix(name, folder+"/") {
			return true
		}
	}
	return false
}

// empty discards everything that waits in memory: the server is stopping, and memory goes with it.
func (v *view) empty(why string) {
	v.mu.Lock()
	var held []*entry
	for _, e := range v.entries {
		if e.incoming != nil {
			held = append(held, v.take(e.name))
		}
	}
	v.mu.Unlock()
	for _, e := range held {
		e.discard(why)
	}
}
