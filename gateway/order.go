package gateway

import (
	"errors"
	"slices"
	"sync"
)

// windowSize bounds how far ahead of the first missing byte a client may write. OpenSSH stays within 1.8 MiB,
// ssh2-sftp-client jumps 2.9 MiB with its defaults.
const windowSize = 8 << 20

// What a stream cannot give. The sender reads these words, so they say what is wrong and nothing of our insides.
var (
	errRewrite = errors.New("bytes that had already arrived were written again")
	errTooFar  = errors.New("bytes arrived too far ahead of the first missing one (random access is not possible)")
)

// order puts the writes of one upload back in order. Clients keep many writes in flight and the protocol library hands
// them over from several goroutines, so more than half of them arrive early: they wait here, copied, until the bytes
// before them are there. It is not safe for concurrent use; the upload's lock guards it.
type order struct {
	next    int64    // bytes handed on, without a gap
	last    byte     // the byte before next: a resumed upload may repeat exactly it
	waiting []*early // by offset, none of them at next
	held    int64    // memory that waiting takes
}

// early is a write that waits for the bytes before it.
type early struct {
	off int64
	buf []byte
}

// Copies of 255 KiB, which is what OpenSSH sends here, and of 32 KiB, which is what most others send, are kept for the next
// one. Other writes get memory of their own. What is held counts as the memory that it takes, not as the bytes in it: a client
// that writes every second byte of a window shall not take 32 KiB for each.
const (
	earlySmall  = 32 << 10
	earlyLarge  = 256 << 10
	earlyCost   = 64 // besides the bytes
	mostWaiting = 4096
)

var smallWrites, largeWrites = earlyPool(earlySmall), earlyPool(earlyLarge)

func earlyPool(size int) *sync.Pool {
	return &sync.Pool{New: func() any { return &early{buf: make([]byte, 0, size)} }}
}

// earlyPoolOf is where writes of a size come from; nil if from nowhere.
func earlyPoolOf(size int) *sync.Pool {
	switch {
	case size > earlySmall/2 && size <= earlySmall:
		return smallWrites
	case size > earlyLarge/2 && size <= earlyLarge:
		return largeWrites
	}
	return nil
}

func newEarly(p []byte, off int64) *early {
	pool := earlyPoolOf(len(p))
	if pool == nil {
		return &early{off, slices.Clone(p)}
	}
	w := pool.Get().(*early)
	w.off, w.buf = off, append(w.buf[:0], p...)
	return w
}

// cost is what a waiting write holds in memory.
func (w *early) cost() int64 { return int64(cap(w.buf)) + earlyCost }

// release returns the write to its pool, without the payments in it.
func (w *early) release() {
	clear(w.buf)
	if pool := earlyPoolOf(len(w.buf)); pool != nil {
		pool.Put(w)
	}
}

// take accepts one write and calls emit for all bytes that are now in order. An error of emit is returned as it is.
func (o *order) take(p []byte, off int64, emit func([]byte) error) error {
	if off < o.next {
		// A resume after a refusal begins one byte back, since the parked file was shown one byte short.
		if off != o.next-1 || len(p) == 0 || p[0] != o.last {
			return errRewrite
		}
		p, off = p[1:], off+1
	}
	if len(p) == 0 {
		return nil
	}
	if off > o.next {
		return o.wait(p, off)
	}
	if err := o.emit(p, emit); err != nil {
		return err
	}
	for len(o.waiting) > 0 && o.waiting[0].off <= o.next {
		w := o.waiting[0]
		if w.off < o.next {
			return errRewrite
		}
		o.waiting = slices.Delete(o.waiting, 0, 1)
		o.held -= w.cost()
		err := o.emit(w.buf, emit)
		w.release()
		if err != nil {
			return err
		}
	}
	return nil
}

func (o *order) emit(p []byte, emit func([]byte) error) error {
	if len(o.waiting) > 0 && o.next+int64(len(p)) > o.waiting[0].off {
		return errRewrite
	}
	o.next += int64(len(p))
	o.last = p[len(p)-1]
	return emit(p)
}

func (o *order) wait(p []byte, off int64) error {
	end := off + int64(len(p))
	if end < off || end > o.next+windowSize || len(o.waiting) >= mostWaiting {
		return errTooFar
	}
	at, found := slices.BinarySearchFunc(o.waiting, off, func(w *early, off int64) int { return int(w.off - off) })
	if found ||
		at > 0 && o.waiting[at-1].off+int64(len(o.waiting[at-1].buf)) > off ||
		at < len(o.waiting) && o.waiting[at].off < end {
		return errRewrite
	}
	w := newEarly(p, off)
	o.waiting = slices.Insert(o.waiting, at, w)
	o.held += w.cost()
	return nil
}

// gap says whether bytes wait behind bytes that never came.
func (o *order) gap() bool { return len(o.waiting) > 0 }

// forget drops what waits behind a gap; the bytes before it stay.
func (o *order) forget() {
	for _, w := range o.waiting {
		w.release()
	}
	o.waiting, o.held = nil, 0
}
