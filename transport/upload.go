package transport

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// holdBack is how much one handle holds back while it is open whether it begins a file or continues one. The protocol
// library hands writes over from eight goroutines, so the first one to come need not be the lowest.
const holdBack = 2 << 20

// holdBackAll is how much all handles together hold back; over it, they decide with what they have.
const holdBackAll = 64 << 20

// upload is a handle open for writing. Begun with a parked upload or a ghost under its name and without TRUNC, it is
// undecided at first: a lowest offset of 0 makes it a new file, one where the parked upload ends continues that.
//
// The lock orders the decision only; decided writes go to the Incoming in parallel.
type upload struct {
	session *session
	entry   *entry
	prior   *entry // what the name was before, owned by this handle until it is decided; nil when decided
	appends bool   // opened with APPEND

	mu       sync.Mutex
	incoming Incoming // nil while undecided
	held     []piece  // writes held back
	heldSize int64
	declared int64 // the announced size, -1 if none
	failed   error // the first error, which all later calls repeat
	warned   bool  // it was said on the channel's stderr
	dropped  bool  // the connection went before the CLOSE
}

// pieceCost is what a piece takes besides its bytes: many small writes are not cheaper than a few large ones.
const pieceCost = 64

// piece is a write held back; its bytes are our own copy.
type piece struct {
	off int64
	buf []byte
}

// WriteAt takes bytes of the file, in any order. Its error is for the sender to read.
func (u *upload) WriteAt(p []byte, off int64) (int, error) {
	u.session.door.strangers.noteUpload(time.Now())
	u.mu.Lock()
	if u.failed != nil {
		defer u.mu.Unlock()
		return 0, u.failed
	}
	if len(p) == 0 {
		u.mu.Unlock()
		return 0, nil
	}
	if incoming := u.incoming; incoming != nil {
		u.mu.Unlock()
		n, err := incoming.WriteAt(p, off)
		if err == nil {
			return n, nil
		}
		u.mu.Lock()
		err = u.fail(u.session.readable(u.entry, err))
		u.mu.Unlock()
		return 0, u.tell(err)
	}
	err := u.hold(p, off)
	if err != nil {
		err = u.fail(err)
	}
	u.mu.Unlock()
	if err != nil {
		return 0, u.tell(err)
	}
	return len(p), nil
}

// tell says an error on the channel's stderr, once a handle, and gives it back. Some clients give up at a refused write
// without a CLOSE, so it is said at the first occasion.
func (u *upload) tell(err error) error {
	u.mu.Lock()
	first := !u.warned
	u.warned = true
	u.mu.Unlock()
	if first {
		u.session.say(err)
	}
	return err
}

// ReadAt refuses: nothing in the inbox is read back, not even through a handle opened for both.
func (u *upload) ReadAt([]byte, int64) (int, error) {
	return 0, denied("refused: files in /inbox cannot be read back.")
}

// hold keeps a write back, or decides with it. The lock is held.
func (u *upload) hold(p []byte, off int64) error {
	u.held = append(u.held, piece{off, slices.Clone(p)})
	size := int64(len(p)) + pieceCost
	u.heldSize += size
	if u.session.door.holding.Add(size) > holdBackAll || u.heldSize >= holdBack || off == 0 {
		return u.decide()
	}
	return nil
}

// decide says, by the lowest offset of what was held back, whether this is a new file or the parked one continued, and
// hands the held writes on. The lock is held.
func (u *upload) decide() error {
	slices.SortFunc(u.held, func(a, b piece) int { return int(min(max(a.off-b.off, -1), 1)) })
	prior, name := u.prior, printable(u.session.view.baseOf(u.entry))
	switch first := u.held[0].off; {
	case first == 0 && u.appends && prior.state != ghost:
		// asyncssh's 'ab' does it: the rest of a file, written from byte 0. Taken for a new file, it would be a tail alone.
		return failure(fmt.Sprintf("refused %s: opened to append, but written from byte 0. Go on at byte %d, or send it anew.", name, prior.size))
	case first == 0:
		incoming, err := u.session.receive(u.entry)
		if err != nil {
			return err
		}
		u.incoming, u.prior = incoming, nil
		prior.discard("a new upload took its name")
	case prior.state == ghost:
		return denied("refused " + name + ": it was accepted whole; it cannot be continued. Send it under another name.")
	default:
		// The prefix itself, or one byte before it: what was refused as incomplete is shown one byte short.
		if have := prior.incoming.Prefix(); first != have && first != have-1 {
			return failure(fmt.Sprintf("refused %s: %d bytes of it are here. Go on at byte %d, or send it from its start.", name, have, prior.size))
		}
		u.incoming, u.prior = prior.incoming, nil
		if prior.state == partial {
			u.incoming.Gap() // it still has what came behind a gap, which now comes again; of a parked one the size may have been announced since
		}
	}
	if u.declared >= 0 {
		u.incoming.Declare(u.declared)
	}
	held := u.held
	u.release()
	for _, w := range held {
		if _, err := u.incoming.WriteAt(w.buf, w.off); err != nil {
			return u.session.readable(u.entry, err)
		}
	}
	return nil
}

// release forgets the writes held back. The lock is held.
func (u *upload) release() {
	u.session.door.holding.Add(-u.heldSize)
	u.held, u.heldSize = nil, 0
}

// fail keeps the first error. The name answers "no such file" from now on: some clients look at nothing but the size. The
// lock is held.
func (u *upload) fail(err error) error {
	if u.failed != nil {
		return u.failed
	}
	u.failed = err
	u.release()
	if prior := u.prior; prior != nil && prior.state != ghost {
		u.session.view.restore(u.entry, prior) // what was parked may still be continued at the right place
	} else {
		u.session.view.refuse(u.entry, err)
	}
	return err
}

// start gives a handle the delivery that it begins, and a size that was announced before there was one.
func (u *upload) start(incoming Incoming) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.incoming = incoming
	if u.declared >= 0 {
		incoming.Declare(u.declared)
	}
}

// declare notes the size that the client announced, perhaps before the bytes came.
func (u *upload) declare(size int64) {
	u.mu.Lock()
	u.declared = size
	incoming := u.incoming
	u.mu.Unlock()
	if incoming != nil {
		incoming.Declare(size)
	}
}

// arrived is how much of the file is here; false while it is undecided.
func (u *upload) arrived() (int64, bool) {
	u.mu.Lock()
	incoming := u.incoming
	u.mu.Unlock()
	if incoming == nil {
		return 0, false
	}
	return incoming.Prefix(), true
}

// TransferError tells that the connection went while the handle was open; Close follows.
func (u *upload) TransferError(error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.dropped = true
}

// Close is the client's CLOSE, or the end of its connection. After it returns nil to a client, the file is durable, or it
// waits under a temp name for its rename.
func (u *upload) Close() error {
	defer u.session.left(u)
	u.mu.Lock()
	if u.dropped {
		u.mu.Unlock()
		u.park()
		return nil
	}
	err := u.closing()
	u.mu.Unlock()
	switch {
	case err == nil:
		err = u.session.commit(u)
	case u.incoming != nil:
		u.incoming.Discard("refused")
	}
	if err != nil {
		return u.tell(err)
	}
	return nil
}

// closing decides what is undecided at the CLOSE. The lock is held.
func (u *upload) closing() error {
	if u.failed != nil {
		return u.failed
	}
	if u.incoming != nil {
		return nil
	}
	if len(u.held) == 0 && u.declared == 0 {
		u.held = []piece{{}} // scp sends an empty file without a WRITE, and says its size: it is one from byte 0
	}
	if len(u.held) > 0 {
		if err := u.decide(); err != nil {
			return u.fail(err)
		}
		return nil
	}
	if err := u.prior.misfit(u.session.view.baseOf(u.entry), u.declared); err != nil { // it is another file
		return u.fail(err)
	}
	if u.prior.state != ghost { // nothing was missing but the CLOSE
		u.incoming, u.prior = u.prior.incoming, nil
		if u.declared >= 0 {
			u.incoming.Declare(u.declared)
		}
	}
	return nil
}

// park keeps what arrived in order of an upload whose connection dropped. What is undecided leaves everything as it was.
func (u *upload) park() {
	u.mu.Lock()
	failed, incoming, prior, declared := u.failed, u.incoming, u.prior, u.declared
	u.release()
	u.mu.Unlock()
	v := u.session.view
	keep := u.session.door.config().SFTP.Park
	switch {
	case failed != nil:
		if incoming != nil {
			incoming.Discard("refused")
		}
	case incoming == nil:
		v.restore(u.entry, prior)
	case incoming.Prefix() == 0 || keep <= 0:
		v.forget(u.entry)
		incoming.Discard("the connection dropped")
	default:
		incoming.Gap()
		size := incoming.Prefix()
		if size == declared || incoming.Whole() {
			size-- // nothing may be missing but the CLOSE: shown whole, it would pass for taken
		}
		v.park(u.entry, incoming, size, time.Now().Add(keep), nil)
		u.session.log.Info("parked", "file", incoming.ID(), "why", "the connection dropped", "size", size)
	}
}
