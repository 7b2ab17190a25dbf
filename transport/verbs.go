package transport

import (
	"context"
	"path"
	"time"

	"github.com/pkg/sftp"
)

// The verbs of the view: what OPEN, CLOSE, REMOVE, RENAME, MKDIR and RMDIR do to it.

// begin puts a running entry of u under a name, with what stood there before. It decides everything that an OPEN can be
// refused for and that the house need not be asked about.
func (v *view) begin(name string, flags sftp.FileOpenFlags, u *upload) (e, prior *entry, err error) {
	now := time.Now()
	shown := printable(path.Base(name))
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.folder(name) {
		return nil, nil, failure("refused " + shown + ": it is a folder.")
	}
	if err := v.parent(name, now); err != nil {
		return nil, nil, err
	}
	prior = v.find(name, now)
	switch {
	case prior == nil && !flags.Creat:
		return nil, nil, missing("/inbox/" + name)
	case prior == nil:
	case prior.state == running || prior.busy:
		return nil, nil, failure("refused " + shown + ": another upload of this name is running. Try again when it has ended.")
	case flags.Creat && flags.Excl:
		return nil, nil, failure("refused " + shown + ": it exists already. Use another name.")
	case prior.state == ghost && (flags.Append || !flags.Creat && !flags.Trunc):
		return nil, nil, denied("refused " + shown + ": it was accepted whole; it cannot be continued. Send it under another name.")
	}
	if v.count[partial] >= mostPartials && v.isPartial(name) {
		return nil, nil, failure("refused " + shown + ": too many files wait for their rename. Rename or remove them first.")
	}
	e = &entry{name: name, state: running, mtime: now, upload: u}
	u.entry = e // before anybody can see the entry
	if prior != nil && !flags.Trunc {
		e.size = prior.size
	}
	v.put(e)
	return e, prior, nil
}

// forget takes e off the view, if it stands there.
func (v *view) forget(e *entry) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.shown(e) {
		v.take(e.name)
	}
}

// restore puts back what was there before e: nothing happened.
func (v *view) restore(e, prior *entry) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.shown(e) {
		return
	}
	v.take(e.name)
	if prior != nil {
		prior.name = e.name
		v.put(prior)
	}
}

// refuse makes a name answer "no such file" after a refusal. A temp name stays, to be removed, and so that its rename
// gives the sentence again.
func (v *view) refuse(e *entry, why error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.shown(e) {
		return
	}
	if !v.isPartial(e.name) {
		v.take(e.name)
		return
	}
	e.refusal, e.upload, e.incoming, e.size, e.busy = why, nil, nil, 0, false
	e.until = time.Now().Add(v.linger())
	v.turn(e, refused)
}

// park keeps an upload in memory to be continued; why is what the client was told, nil if it was not there to be told.
func (v *view) park(e *entry, incoming Incoming, size int64, until time.Time, why error) {
	v.mu.Lock()
	if !v.shown(e) {
		v.mu.Unlock()
		incoming.Discard("its name was taken")
		return
	}
	e.incoming, e.upload, e.size, e.until, e.refusal, e.busy = incoming, nil, size, until, why, false
	v.turn(e, parked)
	out := v.eldestParked()
	v.mu.Unlock()
	out.discard("too many uploads wait to be continued")
}

// wait keeps an upload that was closed under a temp name: its rename will be the verdict.
func (v *view) wait(e *entry, incoming Incoming, until time.Time) {
	size := incoming.Prefix()
	v.mu.Lock()
	if !v.shown(e) {
		v.mu.Unlock()
		incoming.Discard("its name was taken")
		return
	}
	e.incoming, e.upload, e.size, e.until, e.refusal, e.busy = incoming, nil, size, until, nil, false
	v.turn(e, partial)
	v.mu.Unlock()
}

// claim keeps everybody else off an entry while the house is asked about it. It returns the name, which stays from now.
func (v *view) claim(e *entry) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	e.busy = true
	return e.name
}

// baseOf is the plain name of an entry; another session may rename it at any time.
func (v *view) baseOf(e *entry) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return path.Base(e.name)
}

// taken turns an entry into a ghost under the given name.
func (v *view) taken(e *entry, name string, receipt Receipt, linger time.Duration) {
	v.mu.Lock()
	e.busy, e.upload, e.incoming, e.refusal = false, nil, nil, nil
	e.id, e.size, e.until = receipt.ID, receipt.Size, time.Now().Add(linger)
	var out *entry
	if v.shown(e) {
		v.turn(e, ghost)
		out = v.move(e, name)
	}
	v.mu.Unlock()
	out.discard("a new upload took its name")
}

// move shows e under another name and returns what it put aside. If an upload runs there meanwhile, or a folder was made, that
// one is shown.
func (v *view) move(e *entry, name string) *entry {
	if e.name == name {
		return nil
	}
	v.take(e.name)
	e.name = name
	if there := v.entries[name]; v.folder(name) || there != nil && (there.state == running || there.busy) {
		return e
	}
	return v.put(e)
}

// remove takes a name off the view. A file that was taken stays taken; what waits in memory is discarded.
func (v *view) remove(ctx context.Context, guest Guest, name string) error {
	now := time.Now()
	shown := printable(path.Base(name))
	v.mu.Lock()
	if v.folder(name) {
		v.mu.Unlock()
		return quietly("not removed " + shown + ": it is a folder.")
	}
	e := v.find(name, now)
	switch {
	case e == nil:
		v.mu.Unlock()
		return missing("/inbox/" + name)
	case e.state == running || e.busy:
		v.mu.Unlock()
		return failure("not removed " + shown + ": its upload is running.")
	}
	v.take(name)
	v.mu.Unlock()
	if e.state == ghost {
		if err := v.house.Hidden(ctx, guest, e.id); err != nil {
			v.mu.Lock()
			if v.entries[name] == nil && !v.folder(name) { // else an upload, or a folder, took the name meanwhile
				v.put(e)
			}
			v.mu.Unlock()
			return failure("not removed " + shown + ": the server could not note it. Try again later.")
		}
		return nil
	}
	e.discard("removed by the client")
	return nil
}

// claimForRename checks a rename. Where the house must be asked, it claims the entry: a ghost whose name is to be noted, or a
// partial whose end this is. Any other is renamed at once, so that no CLOSE comes in between; out is what stood there.
//
// sshfs renames before its CLOSE has come. Who renames what another session writes means the file that was there before.
func (v *view) claimForRename(s *session, from, to string) (e, out *entry, err error) {
	now := time.Now()
	shown := printable(path.Base(from))
	tempTo := v.isPartial(to)
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.folder(from) {
		return nil, nil, failure("not renamed " + shown + ": folders keep their names.")
	}
	e = v.find(from, now)
	if e == nil {
		return nil, nil, missing("/inbox/" + from)
	}
	if v.folder(to) {
		return nil, nil, failure("not renamed " + shown + ": " + printable(path.Base(to)) + " is a folder.")
	}
	if err := v.parent(to, now); err != nil {
		return nil, nil, err
	}
	there := v.find(to, now)
	switch {
	case e.busy || there != nil && there != e && (there.state == running || there.busy),
		e.state == running && e.upload.session != s:
		return nil, nil, failure("not renamed " + shown + ": an upload of the name is running. Try again when it has ended.")
	case e.state == refused, e.state == partial && e.refusal != nil && !tempTo:
		return nil, nil, e.refusal
	case e.state == parked && !tempTo: // we know that it was cut, even where its content cannot show it
		if e.refusal != nil {
			return nil, nil, e.refusal
		}
		return nil, nil, failure("not renamed " + shown + ": it is not complete. Go on with its upload, or send it again.")
	}
	if e.state == ghost && path.Base(from) != path.Base(to) || e.state == partial && !tempTo {
		e.busy = true
		return e, nil, nil
	}
	return nil, v.move(e, to), nil
}

// renamed ends a claim with the new name; what stood there is put aside.
func (v *view) renamed(e *entry, to string) {
	v.mu.Lock()
	e.busy = false
	var out *entry
	if v.shown(e) {
		out = v.move(e, to)
	}
	v.mu.Unlock()
	out.discard("another upload took its name")
}

// unclaim ends a claim that came to nothing.
func (v *view) unclaim(e *entry) {
	v.mu.Lock()
	e.busy = false
	v.mu.Unlock()
}

// rename gives an entry another name. For an upload under a temp name that goes to a final one, this is the CLOSE: the
// sentence of a refusal is the rename's error, the temp name stays to be removed, and the final name answers "no such file".
func (v *view) rename(ctx context.Context, s *session, from, to string) error {
	e, out, err := v.claimForRename(s, from, to)
	if e == nil {
		out.discard("another upload took its name")
		return err
	}
	if e.state == ghost {
		if err := v.house.Renamed(ctx, s.guest, e.id, path.Base(to)); err != nil {
			v.unclaim(e)
			return failure("not renamed " + printable(path.Base(from)) + ": the server could not note it. Try again later.")
		}
		v.renamed(e, to)
		return nil
	}
	incoming := e.incoming
	s.connection.uploads.Add(1) // a stop waits for it
	receipt, err := incoming.Commit(ctx, path.Base(to))
	s.connection.uploads.Add(-1)
	if err == nil {
		v.taken(e, to, receipt, v.linger())
		s.screen.say(receipt.Sentence)
		return nil
	}
	told := s.readableName(path.Base(to), err)
	next, size, keep := refused, int64(0), time.Now().Add(v.linger())
	if resumable(err) {
		incoming.Gap()
		next, size, keep = partial, max(incoming.Prefix()-1, 0), time.Now().Add(s.door.config().SFTP.Park)
	} else {
		incoming = nil
	}
	v.mu.Lock()
	e.busy, e.refusal, e.incoming, e.size, e.until = false, told, incoming, size, keep
	v.turn(e, next)
	out = v.hide(to, e)
	v.mu.Unlock()
	out.discard("a refused upload had its name")
	return told
}

// hide makes a name answer "no such file", unless an upload runs under it, and returns what it put aside.
func (v *view) hide(name string, but *entry) *entry {
	e := v.entries[name]
	if e == nil || e == but || e.state == running || e.busy {
		return nil
	}
	return v.take(name)
}

// mkdir makes a virtual folder, for clients that send whole trees. It is gone when nothing used it for a while.
func (v *view) mkdir(name string) error {
	now := time.Now()
	shown := printable(path.Base("/inbox/" + name))
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.folder(name) || v.find(name, now) != nil {
		return quietly("not made " + shown + ": it exists already.")
	}
	if err := v.parent(name, now); err != nil {
		return err
	}
	if len(v.folders) >= mostFolders {
		return failure("not made " + shown + ": too many folders.")
	}
	v.folders[name] = now
	return nil
}

// rmdir takes an empty virtual folder away. It must fail for a file: rclone tries it after a refused REMOVE.
func (v *view) rmdir(name string) error {
	shown := printable(path.Base("/inbox/" + name))
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case name == "":
		return quietly("not removed " + shown + ": the inbox stays.")
	case v.folder(name) && v.holdsAny(name):
		return quietly("not removed " + shown + ": it is not empty.")
	case v.folder(name):
		delete(v.folders, name)
		return nil
	case v.find(name, time.Now()) != nil:
		return quietly("not removed " + shown + ": it is not a folder.")
	}
	return missing("/inbox/" + name)
}
