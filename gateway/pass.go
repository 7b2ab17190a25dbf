package gateway

import (
	"crypto/sha256"
	"hash"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/indexer/formats"
	"github.com/sealgate/sealgate/vault"
)

// chunkSize is the unit in which a large upload flows through its pass; queueLength of them may wait at each stage, and are
// how far one stage may fall behind another before the client is held back.
const (
	chunkSize   = 64 << 10
	queueLength = 16
)

// passMemory is what one running pass may hold: the chunks, which all stages share, two slabs of the sealed copy, the
// sealer's pieces, the payments on their way to the index.
const passMemory = (queueLength+3)*chunkSize + 2*copySlab + 1<<20 + storingMemory

// manyMemory is what it may hold besides from manySize bytes on: the end-to-end ids that the inspector remembers, and the
// payments' names. Before that they are few.
const (
	manySize   = 2 << 20
	manyMemory = 4<<20 + indexer.NamesMemory
)

// pass inspects, hashes and seals a large upload while it arrives, each in a goroutine of its own; the sealed copy has a
// writer of its own, too. Bounded queues hold the client back when a stage is slower than the line.
type pass struct {
	current  *chunk
	asked    *waiter // the last
	stages   []chan *chunk
	pending  sync.WaitGroup // chunks that some stage has not done
	look     func([]byte) ([]formats.Problem, error)
	problems atomic.Pointer[[]formats.Problem]
	storing  *storing // of the payments that look finds
	sum      hash.Hash
	sealer   *vault.Sealer // nil where nothing is kept
	copy     *sealedCopy
	running  sync.WaitGroup
	fault    atomic.Pointer[error] // the first of any stage, or the disk's
	ended    bool
}

// chunk is shared by all stages; the last to let go gives it back.
type chunk struct {
	buf   []byte
	seen  bool    // it has been inspected before
	asked *waiter // who waits for its inspection; nil if nobody does
	users atomic.Int32
}

var chunks = sync.Pool{New: func() any { return &chunk{buf: make([]byte, 0, chunkSize)} }}

// newPass starts a pass. copy is nil where none is kept (after_indexing: delete). look inspects bytes in order, in a
// goroutine of the pass, and tells the problems that the content has shown so far; the payments that it finds go to storing.
func newPass(seal *vault.Seal, copy *sealedCopy, payments *indexer.Payments, look func([]byte) ([]formats.Problem, error)) (*pass, error) {
	p := &pass{current: chunks.Get().(*chunk), sum: sha256.New(), copy: copy, look: look}
	if copy != nil {
		sealer, err := seal.New(copy)
		if err != nil {
			return nil, err
		}
		p.sealer = sealer
		p.stage(p.seal)
	}
	p.stage(p.hash)
	p.stage(p.inspect)
	p.storing = newStoring(payments, p.failed)
	return p, nil
}

// stage runs work on every chunk, in order. After a fault it goes on taking chunks, so that write never blocks.
func (p *pass) stage(work func(*chunk) error) {
	queue := make(chan *chunk, queueLength)
	p.stages = append(p.stages, queue)
	p.running.Go(func() {
		for c := range queue {
			p.failed(caught(func() error { return work(c) }))
			p.release(c)
		}
	})
}

// failed keeps the first fault.
func (p *pass) failed(err error) {
	if err != nil {
		p.fault.CompareAndSwap(nil, &err)
	}
}

func (p *pass) hash(c *chunk) error {
	p.sum.Write(c.buf)
	return nil
}

func (p *pass) seal(c *chunk) error {
	if p.fault.Load() != nil {
		return nil
	}
	_, err := p.sealer.Write(c.buf)
	return err
}

// inspect tells who waits for a chunk when all that it has shown is noted, a fault of ours too.
func (p *pass) inspect(c *chunk) error {
	if !c.seen && p.fault.Load() == nil {
		p.failed(caught(func() error { return p.lookAt(c.buf) }))
	}
	if c.asked != nil {
		c.asked.answer()
	}
	return nil
}

func (p *pass) lookAt(b []byte) error {
	problems, err := p.look(b)
	if len(problems) > 0 {
		problems = slices.Clone(problems) // the inspector may find better words for them
		p.problems.Store(&problems)
	}
	return err
}

// sound says that no stage has a fault and the content has shown no problem.
func (p *pass) sound() bool { return p.fault.Load() == nil && p.problems.Load() == nil }

// shown is what the content has shown so far of problems: that of the bytes that have been inspected.
func (p *pass) shown() []formats.Problem {
	if problems := p.problems.Load(); problems != nil {
		return *problems
	}
	return nil
}

func (p *pass) release(c *chunk) {
	if c.users.Add(-1) > 0 {
		return
	}
	c.giveBack()
	p.pending.Done()
}

// giveBack returns the chunk to its pool, without the payments in it.
func (c *chunk) giveBack() {
	clear(c.buf)
	c.buf, c.seen, c.asked = c.buf[:0], false, nil
	chunks.Put(c)
}

// write takes bytes in order; seen says that they have been inspected before.
func (p *pass) write(b []byte, seen bool) {
	if p.current.seen != seen {
		p.flush()
	}
	for len(b) > 0 {
		if len(p.current.buf) == chunkSize {
			p.flush()
		}
		p.current.seen = seen
		n := min(len(b), chunkSize-len(p.current.buf))
		p.current.buf, b = append(p.current.buf, b[:n]...), b[n:]
	}
}

// ask hands on what was written. The answer is due when it is inspected, or when more has been asked; nil if there is nothing
// to wait for.
func (p *pass) ask() *waiter {
	if p.ended || len(p.current.buf) == 0 {
		return nil
	}
	if p.asked != nil {
		p.asked.answer()
	}
	p.asked = &waiter{due: make(chan struct{})}
	p.current.asked = p.asked
	p.flush()
	return p.asked
}

// waiter is a write that waits for its answer.
type waiter struct {
	due  chan struct{} // closed when it is
	once sync.Once
}

func (w *waiter) answer() { w.once.Do(func() { close(w.due) }) }

// flush hands the current chunk on and begins the next.
func (p *pass) flush() {
	c := p.current
	if len(c.buf) == 0 {
		return
	}
	p.current = chunks.Get().(*chunk)
	p.pending.Add(1)
	c.users.Store(int32(len(p.stages)))
	for _, queue := range p.stages {
		queue <- c
	}
}

// awaitPayments waits until all payments that were found are stored. Nothing may be written meanwhile.
func (p *pass) awaitPayments() error {
	if !p.ended {
		p.storing.drain()
	}
	if fault := p.fault.Load(); fault != nil {
		return *fault
	}
	return nil
}

// drain waits until all stages have done what was written so far.
func (p *pass) drain() {
	if !p.ended {
		p.flush()
		p.pending.Wait()
	}
}

// end hands on the last bytes and waits for all stages.
func (p *pass) end() error {
	if !p.ended {
		p.drain()
		p.ended = true
		for _, queue := range p.stages {
			close(queue)
		}
		p.running.Wait()
		p.storing.end()
		p.current.giveBack()
		p.current = nil
	}
	if fault := p.fault.Load(); fault != nil {
		return *fault
	}
	return nil
}

// finish ends the pass: the sealed copy is complete and durable under its incoming name.
func (p *pass) finish() error {
	if err := p.end(); err != nil {
		return err
	}
	if p.sealer == nil {
		return nil
	}
	if err := p.sealer.Close(); err != nil {
		return err
	}
	return p.copy.finish()
}

// discard ends the pass without a sealed copy; what the copy has on disk is its owner's to remove. The hash of what came
// stays readable.
func (p *pass) discard() {
	p.end() // its fault no longer matters
	if p.sealer != nil {
		p.sealer.Discard()
	}
}
