package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/indexer/formats"
	"github.com/sealgate/sealgate/transport"
)

// The smaller steps of an upload's story (intake.go), and its ends.

// ID is the delivery's ULID.
func (u *Upload) ID() string { return u.id }

// Prefix is how many bytes have arrived without a gap.
func (u *Upload) Prefix() int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.order.next
}

// Whole says whether the file could end here, by its content: a parked upload that nothing but its CLOSE is missing of.
func (u *Upload) Whole() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	defer u.rescue("look", new(error))
	u.catchUp()
	return u.inspector.Whole()
}

// catchUp lets the inspection see everything that has arrived in order. From then on it is ours until more is written.
func (u *Upload) catchUp() {
	if u.pass != nil {
		u.pass.drain()
	}
}

// awaitPayments waits until all payments that were found are stored.
func (u *Upload) awaitPayments() error {
	if u.pass != nil {
		return u.pass.awaitPayments()
	}
	return u.unstored
}

// Declare notes the size that the client announced. It promises bytes; it never cuts any.
func (u *Upload) Declare(size int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.declared = size
}

// Gap forgets the bytes that wait behind a gap: the connection that would have filled it is gone.
func (u *Upload) Gap() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.release(u.order.held)
	u.order.forget()
	u.declared = -1
}

// missing says what the outside of the delivery tells of a missing end.
func (u *Upload) missing() string {
	switch {
	case u.order.gap():
		return fmt.Sprintf("bytes are missing after the first %d", u.order.next)
	case u.declared > u.order.next:
		return fmt.Sprintf("%d bytes were announced, %d came", u.declared, u.order.next)
	}
	return ""
}

// checkSize holds the account's size limit.
func (u *Upload) checkSize(end int64) error {
	if end <= u.account.MaxFileSize {
		return nil
	}
	return u.addReason("too-large", "it is larger than "+sizeText(u.account.MaxFileSize))
}

// record is the delivery as the index will know it, before duplicates are judged.
func (u *Upload) record(id string, facts formats.Facts) *indexer.File {
	return &indexer.File{
		ID: id, Account: u.account.ID, Name: u.name, Door: u.door, User: u.guest.User,
		ReceivedAt: u.gateway.now().UTC(), Size: u.order.next, SHA256: u.sum(), Facts: facts,
		Verdict: u.verdict, Reasons: u.reasons,
	}
}

// sum is the SHA-256 of what has arrived in order: of a small file, or of one whose pass has ended.
func (u *Upload) sum() string {
	sum := sha256.New()
	switch {
	case u.pass == nil:
		sum.Write(u.small)
	case u.pass.ended:
		sum = u.pass.sum
	default:
		return ""
	}
	sum.Write(u.arriving) // of a file refused at a WRITE: no byte comes after it
	return hex.EncodeToString(sum.Sum(nil))
}

// reserve takes n bytes of the memory that uploads share, or gives back -n. Where there is none left, it ends the upload.
func (u *Upload) reserve(n int64) error {
	if !u.gateway.memory.take(n, u.account.ID, network(u.guest.Addr), u.gateway.cfg.Load().SFTP.Limits) {
		u.sticky = notTaken(u.name, "the gateway is busy. Nothing is lost here; send it again later", "memory", u.id)
		u.abort("memory")
		return u.sticky
	}
	u.reserved += n
	return nil
}

// release gives n bytes back, which always works.
func (u *Upload) release(n int64) { u.reserve(-n) }

// outOfOrder ends an upload that asks for what a stream cannot give.
func (u *Upload) outOfOrder(err error) error {
	u.sticky = notTaken(u.name, err.Error()+". Nothing was taken; send the whole file again, from its start to its end", "order", u.id)
	u.abort("order")
	return u.sticky
}

// fail ends an upload for a reason that is ours, not the sender's: all of it to the operator, a calm sentence out.
func (u *Upload) fail(step string, err error) error {
	u.sticky = apologise(u.name, u.id, u.deciding, err)
	u.gateway.log.Error("upload failed", "account", u.account.ID, "file", u.id, "door", u.door,
		"user", u.guest.User, "size", u.order.next, "step", step, "err", err)
	u.drop(!u.deciding)
	return u.sticky
}

// rescue ends this one upload where a fault in our own code would otherwise end the daemon, and with it everybody's.
func (u *Upload) rescue(step string, err *error) {
	if p := recover(); p != nil {
		*err = u.fail(step, panicked(p))
	}
}

// caught runs work, and makes an error of its panic: for the goroutines of a pass.
func caught(work func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = panicked(p)
		}
	}()
	return work()
}

// panicked tells what a panic says of Go's own faults, which holds no content; what ours would say is kept out of the log.
func panicked(p any) error {
	fault, ok := p.(runtime.Error)
	if !ok {
		fault = nil
	}
	return fmt.Errorf("panic: %v\n%s", fault, debug.Stack())
}

// abort ends an upload that came to nothing by itself.
func (u *Upload) abort(why string) {
	u.gateway.log.Info("aborted", "account", u.account.ID, "file", u.id, "door", u.door,
		"user", u.guest.User, "why", why, "size", u.order.next)
	u.drop(true)
}

// endCopy ends what the transaction has decided about a large sealed copy. Dying here leaves what the next start sets
// right: the row tells whether the copy is kept.
func (u *Upload) endCopy(kept bool) {
	err := error(nil)
	if kept {
		err = u.pass.copy.settled()
	} else {
		err = u.pass.copy.remove() // judged a duplicate and rejected: nothing refers to it
	}
	if err != nil {
		u.gateway.log.Warn("left behind, the next start sweeps it", "account", u.account.ID, "file", u.id, "err", err)
	}
}

// drop takes away whatever an upload has made so far. After a commit whose outcome is unknown (an I/O error), the
// sealed copy and the payments stay (sure is false): the next start looks whether the index has a row for them.
func (u *Upload) drop(sure bool) {
	if u.ended {
		return
	}
	if u.pass != nil {
		u.pass.discard()
		if u.pass.copy != nil && sure {
			if err := u.pass.copy.remove(); err != nil {
				u.gateway.log.Warn("sealed copy left behind, the next start sweeps it", "account", u.account.ID, "file", u.id, "err", err)
			}
		}
	}
	if !sure {
		u.end()
		return
	}
	if err := u.payments.Discard(); err != nil {
		u.gateway.log.Warn("payments left behind, the next start sweeps them", "account", u.account.ID, "file", u.id, "err", err)
	}
	u.end()
}

// end gives back what an upload held in memory. A rejected sender may ask again and gets the sticky answer.
func (u *Upload) end() {
	if !u.ended {
		u.account.underWay.Add(-1)
	}
	u.ended = true
	u.small = nil
	if u.pass != nil && u.pass.copy != nil {
		u.gateway.placing.Delete(u.pass.copy.path)
	}
	u.order.forget()
	u.release(u.reserved)
}

var _ transport.Incoming = (*Upload)(nil)
