package gateway

import (
	"crypto/sha256"
	"hash"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/sealgate/sealgate/vault"
)

// chunkSize is the unit in which a large upload flows through its pass; queueLength of them may wait at each side.
const (
	chunkSize   = 64 << 10
	queueLength = 8
)

// passMemory is what one running pass may hold: chunks in both queues, two slabs of the sealed copy, the sealer's pieces, the
// end-to-end ids that the inspector remembers.
const passMemory = 2*queueLength*chunkSize + 2*copySlab + 1<<20 + 4<<20

// pass hashes and seals a large upload while it arrives, beside the inspection: one goroutine hashes, one seals into
// the copy, which has a writer of its own. Bounded queues hold the client back when the disk is slower than the line.
type pass struct {
	current *chunk
	toHash  chan *chunk
	toSeal  chan *chunk // nil where nothing is kept
	sum     hash.Hash
	sealer  *vault.Sealer
	copy    *sealedCopy
	group   errgroup.Group
	fault   atomic.Pointer[error] // the first of sealing or the disk
	ended   bool
}

// chunk is shared by the hash and the seal; the last to let go gives it back.
type chunk struct {
	buf   []byte
	users atomic.Int32
}

var chunks = sync.Pool{New: func() any { return &chunk{buf: make([]byte, 0, chunkSize)} }}

func (c *chunk) release() {
	if c.users.Add(-1) == 0 {
		c.buf = c.buf[:0]
		chunks.Put(c)
	}
}

// newPass starts a pass. copy is nil where none is kept (after_indexing: delete).
func newPass(seal *vault.Seal, copy *sealedCopy) (*pass, error) {
	p := &pass{current: chunks.Get().(*chunk), toHash: make(chan *chunk, queueLength), sum: sha256.New(), copy: copy}
	if copy != nil {
		sealer, err := seal.New(copy)
		if err != nil {
			return nil, err
		}
		p.sealer, p.toSeal = sealer, make(chan *chunk, queueLength)
		p.group.Go(p.seal)
	}
	p.group.Go(p.hash)
	return p, nil
}

func (p *pass) hash() error {
	for c := range p.toHash {
		p.sum.Write(c.buf)
		c.release()
	}
	return nil
}

func (p *pass) seal() error {
	for c := range p.toSeal { // to the end even after a fault, so that write never blocks
		if p.fault.Load() == nil {
			if _, err := p.sealer.Write(c.buf); err != nil {
				p.fault.Store(&err)
			}
		}
		c.release()
	}
	if fault := p.fault.Load(); fault != nil {
		return *fault
	}
	return nil
}

// write takes bytes in order. A fault of sealing or the disk is told by a later write or by finish.
func (p *pass) write(b []byte) error {
	if fault := p.fault.Load(); fault != nil {
		return *fault
	}
	for len(b) > 0 {
		n := min(len(b), chunkSize-len(p.current.buf))
		p.current.buf, b = append(p.current.buf, b[:n]...), b[n:]
		if len(p.current.buf) == chunkSize {
			p.flush()
			p.current = chunks.Get().(*chunk)
		}
	}
	return nil
}

func (p *pass) flush() {
	c := p.current
	p.current = nil
	c.users.Store(1)
	if p.toSeal != nil {
		c.users.Store(2)
		p.toSeal <- c
	}
	p.toHash <- c
}

// end hands on the last bytes and waits for both goroutines.
func (p *pass) end() error {
	if !p.ended {
		p.ended = true
		p.flush()
		close(p.toHash)
		if p.toSeal != nil {
			close(p.toSeal)
		}
	}
	return p.group.Wait()
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
