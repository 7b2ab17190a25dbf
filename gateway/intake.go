package gateway

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"time"

	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/indexer/formats"
	"github.com/sealgate/sealgate/transport"
)

// This is the story of one file, top to bottom.
//
//	Receive   an account and a name; nothing is on disk
//	WriteAt   bytes arrive -> in order -> inspected -> up to about 60 KiB they wait in memory;
//	          above it they are hashed and sealed as they arrive, and only sealed bytes are written
//	Commit    whole? totals right? -> the sealed copy is made durable and put in its place
//	          a duplicate? -> one transaction: file, payments, ledger row, small sealed copy -> only now OK
//
// Whatever dies before that transaction leaves nothing that counts: the next start sweeps it (sweep.go).

// Upload is one delivery on its way in.
type Upload struct {
	gateway *Gateway
	account *account
	guest   transport.Guest
	door    string
	ctx     context.Context // the delivery's, never cancelled: a lost connection must not cut a commit in half

	mu        sync.Mutex
	id        string
	name      string
	order     order
	inspector *formats.Inspector
	payments  *indexer.Payments
	small     []byte // the file so far, until it outgrows account.small
	pass      *pass  // from then on
	arriving  []byte // the bytes that are being looked at, before they go to either
	declared  int64  // the size that the client announced, -1 if none
	reserved  int64  // of the memory that all uploads share
	verdict   indexer.Verdict
	reasons   []indexer.Reason // why the verdict is not a plain accepted
	unstored  error            // why the payments of a small file could not be stored
	sticky    error            // the first error; every later call gives it again
	deciding  bool             // the transaction may have taken the file
	ended     bool
}

// Receive begins one delivery.
func (g *Gateway) Receive(ctx context.Context, guest transport.Guest, door, name string) (transport.Incoming, error) {
	account := g.begun(guest.Account)
	if account == nil {
		return nil, notTaken(name, "this account takes no files now. Ask your contact", "account", "")
	}
	u := &Upload{
		gateway: g, account: account, guest: guest, door: door, ctx: context.WithoutCancel(ctx),
		id: g.newID(), name: name, declared: -1, verdict: indexer.Accepted,
	}
	u.payments = account.index.NewPayments(u.id)
	if err := u.reserve(uploadMemory); err != nil {
		return nil, err
	}
	u.inspector = formats.New(u.found, g.now)
	if account.sealKey != nil {
		u.inspector.CheckSeal(*account.sealKey)
	}
	if account.expired(g.now()) {
		if err := u.addReason("expired-certificate", "the certificate that seals this account's files has expired"); err != nil {
			return nil, err
		}
	}
	return u, nil
}

// WriteAt takes bytes at an offset, out of order within a bounded window. Its error is for the sender to read.
//
// Some clients hear of a refusal at a write or never. So a write is answered when its bytes are inspected, or when a later
// one has come: of those that wait, the last one, which may be the file's last, waits for the inspection of all.
func (u *Upload) WriteAt(p []byte, off int64) (int, error) {
	waiting, err := u.take(p, off)
	if err != nil {
		return 0, err
	}
	if waiting != nil {
		<-waiting.due
		if err := u.checkPass(); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// Write takes the next bytes, of a source that has them in order. It does not wait for their inspection: what is wrong with
// them is told by a later call, at the latest by Commit.
func (u *Upload) Write(p []byte) (n int, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	defer u.rescue("write", &err)
	if err := u.put(p, u.order.next); err != nil {
		return 0, err
	}
	return len(p), nil
}

// take puts bytes in order. What it gives, if anything, is to be waited for.
func (u *Upload) take(p []byte, off int64) (_ *waiter, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	defer u.rescue("write", &err)
	if err := u.put(p, off); err != nil || u.pass == nil {
		return nil, err
	}
	return u.pass.ask(), nil
}

// put puts bytes in order, and those that are in order on their way.
func (u *Upload) put(p []byte, off int64) error {
	if u.sticky != nil {
		return u.sticky
	}
	end := off + int64(len(p))
	if off < 0 || end < off {
		return u.outOfOrder(errTooFar)
	}
	if err := u.checkSize(end); err != nil {
		return err
	}
	waiting := u.order.held
	err := u.order.take(p, off, u.arrive)
	if errors.Is(err, errRewrite) || errors.Is(err, errTooFar) {
		return u.outOfOrder(err)
	}
	if err != nil {
		return err
	}
	return u.reserve(u.order.held - waiting)
}

// checkPass weighs what the pass has shown by now.
func (u *Upload) checkPass() (err error) {
	if u.pass.sound() {
		return nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	defer u.rescue("write", &err)
	if u.sticky != nil {
		return u.sticky
	}
	return u.weighPass()
}

// weighPass is checkPass for one who holds the lock.
func (u *Upload) weighPass() error {
	if fault := u.pass.fault.Load(); fault != nil {
		return u.fail("write", *fault)
	}
	return u.weigh(u.pass.shown())
}

// arrive is the one pass: each byte of the file comes through here once, in order.
func (u *Upload) arrive(p []byte) error {
	u.arriving = p
	defer func() { u.arriving = nil }()
	if u.pass != nil {
		if err := u.weighPass(); err != nil {
			return err
		}
		return u.pour(p, false)
	}
	problems, err := u.inspect(p)
	if err != nil {
		return u.fail("write", err)
	}
	if err := u.weigh(problems); err != nil {
		return err
	}
	if len(u.small)+len(p) <= u.account.small {
		u.small = append(u.small, p...)
		return u.reserve(int64(len(p)))
	}
	if err := u.outgrow(); err != nil {
		return err
	}
	return u.pour(p, true)
}

// pour gives the bytes that have just come in order to the pass; seen says that they have been inspected.
func (u *Upload) pour(p []byte, seen bool) error {
	if at := u.order.next; at > manySize && at-int64(len(p)) <= manySize {
		if err := u.reserve(manyMemory); err != nil {
			return err
		}
	}
	u.pass.write(p, seen)
	return nil
}

// inspect looks at the next bytes of the file: here while it is small, from then on in its pass, whose goroutine it is.
func (u *Upload) inspect(p []byte) ([]formats.Problem, error) {
	u.inspector.Write(p)
	return u.inspector.Problems(), u.unstored
}

// found takes each payment as the inspector meets it.
func (u *Upload) found(p *formats.Payment) {
	if u.pass != nil {
		u.pass.storing.add(p)
	} else if u.unstored == nil {
		u.unstored = u.payments.Add(p)
	}
}

// outgrow moves a file that is larger than account.small from memory into the streaming pass.
func (u *Upload) outgrow() error {
	if err := u.reserve(passMemory - int64(len(u.small))); err != nil {
		return err
	}
	var copy *sealedCopy
	if u.sealsOnTheWay() {
		var err error
		if copy, err = newSealedCopy(filepath.Join(u.account.incoming(), u.id+tmpSuffix)); err != nil {
			return u.fail("begin the sealed copy", err)
		}
	}
	var err error
	if u.pass, err = newPass(u.account.seal, copy, u.payments, u.inspect); err != nil {
		if copy != nil {
			copy.remove() // what is left of it is swept at the next start
		}
		return u.fail("begin the sealed copy", err)
	}
	u.pass.write(u.small, true)
	u.small = nil
	return nil
}

// sealsOnTheWay says whether a large file is sealed while it arrives. With after_indexing: delete nothing at all goes
// to disk, unless it is certain by now that the file will be held. Where that shows only at its end (a duplicate), the
// bytes are gone and judge rejects it instead: its sender still has it.
func (u *Upload) sealsOnTheWay() bool {
	return u.account.seal != nil && (u.account.AfterIndexing == "seal" || u.verdict == indexer.Held)
}

// Commit ends the delivery under its final name. Without an error it is hashed, inspected, indexed and durable.
func (u *Upload) Commit(_ context.Context, name string) (_ transport.Receipt, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	defer u.rescue("commit", &err)
	if u.sticky != nil {
		return transport.Receipt{}, u.sticky
	}
	u.name = name
	closed := u.gateway.now()

	// 1. Whole, and what it says it is? A refusal ends here. An incomplete file stays in memory for a resume.
	facts, err := u.conclude()
	if err != nil {
		return transport.Receipt{}, err
	}
	delivery := &indexer.Delivery{
		File: u.record(u.id, facts), Payments: u.payments, Window: u.account.Duplicates.Window, Receipts: u.account.receiptRemotes(),
	}
	delivery.Receipt = receiptName(delivery.File)

	// 2. The sealed copy, whole and durable, and a large one in its place. If we die here no row knows it: swept.
	if err := u.sealCopy(delivery); err != nil {
		return transport.Receipt{}, u.fail("seal", err)
	}

	// 3. One transaction. Duplicates are looked for inside it, so that of two equal files exactly one is the first.
	// Before it returns the file was never here; after it, the file is ours for good, and only the answer is missing:
	// a client that did not hear it sends again, and is told that the first one is safe.
	delivery.Judge = func(earlier indexer.Earlier) { u.judge(delivery, earlier) }
	u.deciding = true // until it is answered, whatever goes wrong in our own code leaves open whether the file is taken
	if err := u.account.index.Commit(u.ctx, delivery); err != nil {
		u.deciding = errors.Is(err, indexer.ErrUnsure)
		return transport.Receipt{}, u.fail("commit", err)
	}

	// 4. OK, or the no that only the transaction could know.
	return u.answer(delivery.File, closed)
}

// conclude asks all that can be known before the transaction.
func (u *Upload) conclude() (formats.Facts, error) {
	u.catchUp()
	if u.pass != nil {
		if err := u.weighPass(); err != nil { // before all else: after a fault of ours the inspection has not seen the whole file
			return formats.Facts{}, err
		}
	}
	if missing := u.missing(); missing != "" {
		if err := u.addReason("incomplete", missing); err != nil {
			return formats.Facts{}, err
		}
		u.order.forget() // an account whose policy takes incomplete files takes what came in order
	}
	facts, problems := u.inspector.Close()
	if err := u.weigh(problems); err != nil {
		return formats.Facts{}, err
	}
	if err := u.awaitPayments(); err != nil {
		return formats.Facts{}, u.fail("store payments", err)
	}
	return facts, nil
}

// sealCopy finishes hash and sealed copy. A small file is sealed into memory even where it will be deleted: whether it
// is a duplicate and held is known only inside the transaction.
func (u *Upload) sealCopy(d *indexer.Delivery) error {
	d.File.Recovery = u.account.recoveryFingerprint()
	if u.pass == nil {
		return u.sealSmall(d)
	}
	if err := u.pass.finish(); err != nil {
		return err
	}
	file := d.File
	file.SHA256 = u.sum()
	if u.pass.copy == nil {
		return nil
	}
	witness := u.pass.sealer.Witness()
	file.CopySize, file.Witness = u.pass.copy.size, witness[:]
	file.CopyPath = filepath.Join("sealed", file.ReceivedAt.Format("2006/01/02"), u.id+".p7m")
	u.gateway.placing.Store(filepath.Join(u.account.dir, file.CopyPath), true)
	return u.pass.copy.place(u.account.dir, file.CopyPath)
}

func (u *Upload) sealSmall(d *indexer.Delivery) error {
	if u.account.seal == nil {
		return nil
	}
	copy, witness, err := u.account.seal.SealBytes(u.small)
	if err != nil {
		return err
	}
	d.Copy, d.File.CopySize, d.File.Witness = copy, int64(len(copy)), witness[:]
	return nil
}

// answer tells the sender, and the log, how it ended.
func (u *Upload) answer(file *indexer.File, closed time.Time) (transport.Receipt, error) {
	if u.pass != nil && u.pass.copy != nil {
		u.endCopy(file.Fate == indexer.Sealed)
	}
	u.end()
	u.gateway.logVerdict(file, u.gateway.now().Sub(closed))
	u.gateway.wake(u.account)
	if file.Verdict == indexer.Rejected {
		u.sticky = &transport.Refusal{Sentence: file.Sentence, Verdict: true, Code: file.Reasons[len(file.Reasons)-1].Code}
		return transport.Receipt{}, u.sticky
	}
	receipt := transport.Receipt{ID: file.ID, Verdict: string(file.Verdict), Size: file.Size}
	if file.Verdict == indexer.Held || u.account.Say == "all" {
		receipt.Sentence = file.Sentence
	}
	return receipt, nil
}

// Expire ends a delivery that was not continued, or not renamed to its final name, in time.
func (u *Upload) Expire() {
	u.mu.Lock()
	defer u.mu.Unlock()
	defer u.rescue("expire", new(error))
	if !u.ended {
		u.refuse(indexer.Reason{Code: string(formats.Incomplete), Detail: "it was not ended in time"})
		u.abort("expired")
	}
}

// Discard ends the delivery and leaves nothing behind.
func (u *Upload) Discard(why string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	defer u.rescue("discard", new(error))
	if !u.ended {
		u.sticky = notTaken(u.name, "it was given up", "aborted", u.id)
		u.abort(why)
	}
}
