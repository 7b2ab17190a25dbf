// Package indexer keeps what the gateway knows of each file: its facts, payments, small sealed copies and the ledger,
// in one encrypted SQLite database per account, and the logins in another.
//
// Begin with Index.Commit (commit.go): what it writes in one transaction is the whole truth about a file. Then
// payments.go (blocks of payments written while the file still arrives), names.go and namelist.go (their names), find.go,
// findpayments.go and findnames.go (questions), ledger.go and verify.go (proof). A protected account's index may be locked:
// sealedlog.go is where its writes go first, unlock.go how they come into the index, latenames.go how their names do. Below them:
// database.go opens SQLite, page.go and vfs.c encrypt its pages.
package indexer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
)

// Key is the 256-bit key of one database.
type Key = [32]byte

// Index is one account's database. Its methods may be called from many goroutines at once.
type Index struct {
	d         *database
	sealedLog *sealedLog // of a protected account: all that enters the ledger goes there first; otherwise nil
	log       *slog.Logger

	list     atomic.Pointer[nameList]
	nameless atomic.Bool  // no names are written: their tables are damaged, or being made anew
	renewals atomic.Int64 // beginnings and ends of what questions must not go by names in: odd meanwhile
	known    sharedNames
	upkeep   chan struct{} // one token: of whoever checks or makes anew what is large

	lock chan struct{} // one token: whoever has put it in may write

	mu      sync.Mutex
	pending []*request      // wait for a commit
	live    map[string]bool // uploads under way whose blocks are in the database
	laying  map[string]bool // files on their way into the outbox

	builders sync.Pool // of *builder: payments' buffers are used again
	readers  sync.Pool // of *blockReader

	beside  *Registry // whose count is kept, nil before Compare
	stamped int64     // the newest of it that is kept here
	newest  atomic.Pointer[LedgerRow]

	running   sync.WaitGroup // checkpoints
	unlocking sync.Mutex

	marked     chan struct{} // one token: files may have been marked as unnamed (latenames.go)
	naming     sync.WaitGroup
	stopNaming context.CancelFunc // nil before the first unlocking
}

// Open opens an account's index.db, makes it when it is new, and brings its tables up to date. The error is ErrKey when
// the key is another one, ErrDamaged when the key fits and the file does not. Opening costs a millisecond and 0.25 MiB;
// caches may grow to 4 MiB while much is written and asked, and to 5 MiB more while files of many payments come.
func Open(ctx context.Context, path string, key Key, log *slog.Logger) (*Index, error) {
	d, err := openDatabase(ctx, path, key, "account")
	if err != nil {
		return nil, fmt.Errorf("indexer: open %s: %w", path, err)
	}
	x := newIndexOf(d, log)
	if err := x.damagedNames(x.readList(ctx)); err != nil && !damaged(err) {
		return nil, fmt.Errorf("indexer: open %s: %w", path, errors.Join(err, d.close()))
	}
	return x, nil
}

func newIndexOf(d *database, log *slog.Logger) *Index {
	x := &Index{d: d, log: log, lock: make(chan struct{}, 1), live: make(map[string]bool), laying: make(map[string]bool),
		upkeep: make(chan struct{}, 1), marked: make(chan struct{}, 1)}
	x.list.Store(new(nameList)) // until it can be read
	return x
}

// Close waits for a checkpoint under way and ends the making of names, puts the log into the database and forgets the key. No other
// method may be running. Dying instead of closing loses nothing.
func (x *Index) Close() error {
	x.endNaming()
	x.running.Wait()
	x.known.forget()
	x.alone(func() error { x.lead(x.d.base); return nil }) // what nobody waited for
	err := x.Lock()
	if x.sealedLog != nil {
		err = errors.Join(err, x.sealedLog.close())
	}
	if err = errors.Join(err, x.d.close()); err != nil {
		return fmt.Errorf("indexer: close: %w", err)
	}
	return nil
}

// request is something to be done in the next transaction.
type request struct {
	do   func(ctx context.Context, c *chain) error
	any  bool // the log of a locked index will do; once it was done: did
	err  error
	done chan struct{} // closed when it is durable, or failed with err
}

// join has f done in a durable transaction together with everybody else's who wait at this moment: whoever gets the
// lock commits everything pending. There is no timer and no writer goroutine: one alone waits for nobody.
//
// One that meets damage in the list of names takes the whole transaction with it, and everybody comes again, without names.
// f may read and write the index: ErrLocked where that is locked.
func (x *Index) join(ctx context.Context, f func(ctx context.Context, c *chain) error) error {
	return x.joinAs(ctx, false, f)
}

// joinAny is join for an f that does not need the index: it builds records, which a locked one keeps in its log.
func (x *Index) joinAny(ctx context.Context, f func(ctx context.Context, c *chain) error) error {
	return x.joinAs(ctx, true, f)
}

func (x *Index) joinAs(ctx context.Context, any bool, f func(ctx context.Context, c *chain) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return x.see(ctx, any, x.enlist(any, f))
}

// enlist has f done in the next transaction, whoever leads it.
func (x *Index) enlist(any bool, f func(ctx context.Context, c *chain) error) *request {
	r := &request{do: f, any: any, done: make(chan struct{})}
	x.mu.Lock()
	x.pending = append(x.pending, r)
	x.mu.Unlock()
	return r
}

// see waits until what was enlisted is durable or failed, and leads if nobody does.
func (x *Index) see(ctx context.Context, any bool, r *request) error {
	err := x.await(ctx, r)
	if errors.Is(err, errNames) {
		err = x.await(ctx, x.enlist(any, r.do))
	}
	return err
}

func (x *Index) await(ctx context.Context, r *request) error {
	select {
	case <-r.done:
	case x.lock <- struct{}{}:
		x.leading(ctx)
		<-r.done // by this lead, or by one before
	}
	return r.err
}

// leading leads and lets go of the lock, whatever happens.
func (x *Index) leading(ctx context.Context) {
	defer func() { <-x.lock }()
	x.lead(ctx)
}

// alone runs f under the lock, and lets go of it whatever happens.
func (x *Index) alone(f func() error) error {
	x.lock <- struct{}{}
	defer func() { <-x.lock }()
	return f()
}

// lead commits everything pending. The caller holds the lock.
func (x *Index) lead(ctx context.Context) {
	x.mu.Lock()
	group := x.pending
	x.pending = nil
	x.mu.Unlock()
	if len(group) == 0 {
		return
	}
	err := fmt.Errorf("%w: a panic broke it off", ErrUnsure) // unless it comes to its end
	defer func() {
		for _, r := range group { // a panic too must leave nobody waiting
			switch {
			case r.err != nil:
				r.err = x.d.plain(r.err)
			case err != errBehind || !r.any:
				r.err = err
			}
			close(r.done)
		}
	}()
	err = x.durably(ctx, func(ctx context.Context, c *chain) error {
		if len(group) == 1 {
			return x.try(ctx, group[0], c)
		}
		for _, r := range group {
			// One that fails must not take the others with it.
			if err := x.everywhere(ctx, `SAVEPOINT one`); err != nil {
				return err
			}
			before := *c
			if r.err = x.try(ctx, r, c); r.err != nil {
				*c = before
				if err := x.everywhere(ctx, `ROLLBACK TO one`); err != nil {
					return errors.Join(r.err, err) // SQLite has rolled all back: the disk is full, or worse
				}
			}
			if err := x.everywhere(ctx, `RELEASE one`); err != nil {
				return err
			}
		}
		return nil
	})
	x.relieve()
}

// durably runs f in one durable transaction: of the index, or of its log and, unless that is locked, of the index behind it.
func (x *Index) durably(ctx context.Context, f func(ctx context.Context, c *chain) error) error {
	if x.sealedLog != nil {
		return x.logged(ctx, f)
	}
	var c *chain
	var stamped int64
	err := x.d.write(ctx, true, func(ctx context.Context) (err error) {
		if c, err = x.readChain(ctx); err != nil {
			return err
		}
		if err := f(ctx, c); err != nil {
			return err
		}
		stamped, err = x.stamp(ctx, x.d)
		return err
	})
	if err == nil {
		x.reached(c, stamped)
	}
	return err
}

// everywhere runs a statement in each transaction under way.
func (x *Index) everywhere(ctx context.Context, query string) error {
	for _, d := range x.databases() {
		if _, err := d.w.ExecContext(ctx, query); err != nil {
			return err
		}
	}
	return nil
}

// databases are those that are open. The caller holds the lock.
func (x *Index) databases() (open []*database) {
	if x.sealedLog != nil {
		open = append(open, x.sealedLog.d)
	}
	if !x.d.locked.Load() {
		open = append(open, x.d)
	}
	return open
}

// try runs a request; a panic in a caller's Judge must not leave the others waiting for ever.
func (x *Index) try(ctx context.Context, r *request, c *chain) (err error) {
	if c.needsIndex = !r.any; c.needsIndex && x.d.locked.Load() {
		return ErrLocked
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic while committing: %v", p)
		}
	}()
	err = r.do(ctx, c)
	r.any = !c.needsIndex
	return err
}

// Refuses is ErrBroken once the disk has failed under what takes deliveries: none is taken until it is opened anew. A protected account's
// are taken by its log.
func (x *Index) Refuses() error {
	if x.sealedLog != nil && !x.sealedLog.d.broken.Load() {
		return nil
	}
	return x.Broken()
}

// Broken is ErrBroken once the disk has failed under the database or its log: what failed is not written until it is opened anew.
func (x *Index) Broken() error {
	if x.d.broken.Load() {
		return fmt.Errorf("indexer: %s: %w", x.d.path, ErrBroken)
	}
	if x.sealedLog != nil && x.sealedLog.d.broken.Load() {
		return fmt.Errorf("indexer: %s: %w", x.sealedLog.d.path, ErrBroken)
	}
	return nil
}

// relieve starts emptying the log into the database when it has grown by logPages. Not in the caller's time: the caller
// may be about to answer a customer. One goroutine at a time, and Close waits for it.
func (x *Index) relieve() {
	x.empty(x.d)
	if x.sealedLog != nil {
		x.empty(x.sealedLog.d)
	}
}

func (x *Index) empty(d *database) {
	if d.broken.Load() || d.locked.Load() { // broken: what the log holds is not certain any more
		return
	}
	end := d.key.logEnd.Load()
	if last := d.emptied.Load(); end < last { // begun anew meanwhile
		d.emptied.CompareAndSwap(last, 0)
	}
	if end-d.emptied.Load() < logPages {
		return
	}
	select {
	case d.emptying <- struct{}{}:
	default:
		return
	}
	x.running.Go(func() {
		defer func() { <-d.emptying }()
		// Most of it beside the writers, then what they wrote meanwhile under the lock (little), so that the next
		// writer finds the log done with and begins it anew: otherwise it would grow as long as somebody writes.
		for range 3 {
			before := d.key.logEnd.Load()
			if err := checkpoint(d.base, d.r); err != nil && !d.locked.Load() {
				d.doubt(err)
				x.log.Warn("checkpoint", "step", "beside writers", "err", err)
			}
			if d.key.logEnd.Load()-before < logPages/16 {
				break
			}
		}
		x.lock <- struct{}{}
		defer func() { <-x.lock }()
		if d.locked.Load() { // meanwhile, which has emptied it too
			return
		}
		if err := checkpoint(d.base, d.w); err != nil {
			d.doubt(err)
			x.log.Warn("checkpoint", "step", "alone", "err", err)
		}
		d.emptied.Store(d.key.logEnd.Load())
	})
}

// yield makes whoever writes much into a database wait while its log is four times too long. Commits never wait here.
func (x *Index) yield(d *database) {
	if d.key.logEnd.Load()-d.emptied.Load() < 4*logPages {
		return
	}
	d.emptying <- struct{}{}
	<-d.emptying
}
