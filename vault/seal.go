package vault

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync"
)

// A Sealer's buffer holds so much of a file, and grows when it must: a small
// file never takes a large one.
const (
	smallData  = 8 << 10
	middleData = 72 << 10 // one chunk of 64 KiB as it is received, and a bit
	classes    = 3
)

func dataSize(class int) int { return [classes]int{smallData, middleData, pieceSize}[class] }

// stockSize is how many envelopes Run makes ahead: enough for the files that
// arrive while one is being made, few enough to be made in a millisecond.
const stockSize = 8

// Seal seals files to an account's certificate and, if the account has access
// keys, to these underneath: every file then has an inner layer for the access
// keys (any one opens it) and an outer one for the certificate. It may be used
// by many goroutines at once.
type Seal struct {
	layers [][]*Certificate // the innermost first
	front  int              // bytes before the data in a buffer: all headers
	stock  chan []fresh
	pools  [classes]sync.Pool // of *[]byte, by class of dataSize
}

// fresh is one layer of one file to come: a key that nothing else will use,
// and the header that lets the recipients find it.
type fresh struct {
	gcm    *gcm
	header []byte
}

// NewSeal takes the account's certificate and its access keys' certificates,
// of which there may be none, and at most 64. With a recovery certificate, its
// key opens the outer envelope as well as the account's does.
func NewSeal(cert *Certificate, access []*Certificate, recovery ...*Certificate) (*Seal, error) {
	if cert == nil {
		return nil, errors.New("vault: there is no certificate to seal to")
	}
	if len(access) > maxRecipients {
		return nil, fmt.Errorf("vault: %d access keys; at most %d may open a file", len(access), maxRecipients)
	}
	s := &Seal{stock: make(chan []fresh, stockSize)}
	if len(access) > 0 {
		s.layers = append(s.layers, append([]*Certificate(nil), access...))
	}
	s.layers = append(s.layers, append([]*Certificate{cert}, recovery...))
	first, err := s.prepare() // proves that every certificate can be sealed to
	if err != nil {
		return nil, err
	}
	for _, l := range first {
		s.front += len(l.header) + chunkHeader + blockSize
	}
	s.stock <- first
	return s, nil
}

// Run makes envelopes ahead of need, until the context ends, so that New need
// not: key agreement is the dearest part of a small file. Without Run, New
// makes each when it is asked. What is in stock when Run ends is forgotten.
func (s *Seal) Run(ctx context.Context) error {
	for {
		layers, err := s.prepare()
		if err != nil {
			return err
		}
		select {
		case s.stock <- layers:
		case <-ctx.Done():
			return nil
		}
	}
}

// prepare makes new content keys and wraps them.
func (s *Seal) prepare() ([]fresh, error) {
	layers := make([]fresh, len(s.layers))
	for i, certs := range s.layers {
		var key [keySize]byte
		rand.Read(key[:]) // never fails: crypto/rand ends the program instead
		infos := make([][]byte, len(certs))
		for j, c := range certs {
			var err error
			if infos[j], err = wrapFor(c, &key); err != nil {
				return nil, err
			}
		}
		mark := markOuter
		if i < len(s.layers)-1 {
			mark = markInner
		}
		header, nonce := envelopeHeader(mark, infos)
		g, err := newGCM(&key, nonce)
		if err != nil {
			return nil, err
		}
		clear(key[:])
		layers[i] = fresh{gcm: g, header: header}
	}
	return layers, nil
}

// New begins a sealed file on w. A small file reaches w in one Write, a larger
// one in pieces of about 256 KiB, which is also all the memory that it takes.
// The caller must Close or Discard.
func (s *Seal) New(w io.Writer) (*Sealer, error) {
	var layers []fresh
	var err error
	select {
	case layers = <-s.stock:
	default:
		if layers, err = s.prepare(); err != nil {
			return nil, err
		}
	}
	x := &Sealer{seal: s, w: w, outside: sha256.New(), layers: make([]layer, len(layers))}
	for i, f := range layers {
		x.layers[i] = layer{gcm: f.gcm, header: f.header}
	}
	x.layers[len(layers)-1].outside = x.outside
	return x, nil
}

// SealBytes seals a small file in memory.
func (s *Seal) SealBytes(plain []byte) ([]byte, Witness, error) {
	var out bytes.Buffer
	out.Grow(len(plain) + s.front + s.back())
	x, err := s.New(&out)
	if err != nil {
		return nil, Witness{}, err
	}
	if _, err := x.Write(plain); err != nil {
		return nil, Witness{}, err
	}
	if err := x.Close(); err != nil {
		return nil, Witness{}, err
	}
	return out.Bytes(), x.Witness(), nil
}

// back is how many bytes follow the data in a buffer: all trailers, and the
// tag that the library puts behind a piece.
func (s *Seal) back() int { return len(s.layers)*trailerSize + tagSize }

// buffer returns a buffer of the class, from the pool if there is one.
func (s *Seal) buffer(class int) []byte {
	if b, ok := s.pools[class].Get().(*[]byte); ok {
		return *b
	}
	return make([]byte, s.front+dataSize(class)+s.back())
}

// Sealer seals one file. It is an io.Writer for the content, for one goroutine.
type Sealer struct {
	seal    *Seal
	w       io.Writer
	layers  []layer // the innermost first
	buf     []byte  // front, data, back; nil until the first byte
	class   int     // the buffer's, see Seal.buffer
	end     int     // of the data in buf
	outside hash.Hash
	witness Witness
	err     error // what ended it
	done    bool
}

// layer is one envelope that is being written.
type layer struct {
	gcm     *gcm
	header  []byte // nil once it is written
	carry   [blockSize]byte
	carried int       // bytes in carry: of the content, not yet a whole block
	outside hash.Hash // of the bytes that are not content; nil for an inner layer
}

var (
	errClosed    = errors.New("vault: write to a sealed file that is finished")
	errDiscarded = errors.New("vault: the sealed file was discarded")
)

// Write seals the next bytes of the file.
func (x *Sealer) Write(p []byte) (int, error) {
	if x.err != nil {
		return 0, x.err
	}
	if x.done {
		return 0, errClosed
	}
	written := 0
	for len(p) > 0 {
		if x.end == len(x.buf)-x.seal.back() || x.buf == nil {
			if err := x.makeRoom(len(p)); err != nil {
				x.err = err
				return written, err
			}
		}
		n := copy(x.buf[x.end:len(x.buf)-x.seal.back()], p)
		x.end, written, p = x.end+n, written+n, p[n:]
	}
	return written, nil
}

// makeRoom gets a buffer, or a larger one, or empties the largest.
func (x *Sealer) makeRoom(coming int) error {
	if x.buf == nil {
		x.end = x.seal.front
	} else if x.class == classes-1 {
		return x.flush(false)
	}
	class := x.class
	for class < classes-1 && x.end-x.seal.front+coming > dataSize(class) {
		class++
	}
	larger := x.seal.buffer(class)
	if x.buf != nil {
		copy(larger[x.seal.front:], x.buf[x.seal.front:x.end])
		x.giveBack()
	}
	x.buf, x.class = larger, class
	return nil
}

// giveBack returns the buffer to its pool, without the payments in it.
func (x *Sealer) giveBack() {
	if x.buf == nil {
		return
	}
	clear(x.buf[x.seal.front:max(x.end, x.seal.front)])
	buf := x.buf
	x.seal.pools[x.class].Put(&buf)
	x.buf = nil
}

// flush seals what is in the buffer, in place and layer by layer, and writes
// it. Each layer's output is the next one's content: it stays where it is, and
// grows at both ends.
func (x *Sealer) flush(last bool) error {
	start, end := x.seal.front, x.end
	for i := range x.layers {
		l := &x.layers[i]
		start -= l.carried
		copy(x.buf[start:], l.carry[:l.carried])
		if !last {
			l.carried = copy(l.carry[:], x.buf[end-(end-start)%blockSize:end])
			end -= l.carried
		}
		if err := l.gcm.seal(x.buf[start:end]); err != nil {
			return err
		}
		start = l.begin(x.buf, start, end)
		if last {
			l.finish(x.buf[end : end+trailerSize])
			end += trailerSize
		}
	}
	x.end = x.seal.front
	if _, err := x.w.Write(x.buf[start:end]); err != nil {
		return fmt.Errorf("vault: write sealed file: %w", err)
	}
	return nil
}

// begin puts what belongs there before the content in buf[start:end], and
// returns where that starts.
func (l *layer) begin(buf []byte, start, end int) int {
	content := start
	if end > start {
		start = putHeader(buf, start, 0x04, end-start)
	}
	start -= len(l.header)
	copy(buf[start:], l.header)
	l.header = nil
	if l.outside != nil {
		l.outside.Write(buf[start:content])
	}
	return start
}

// finish writes the trailer behind the content.
func (l *layer) finish(trailer []byte) {
	putTrailer(trailer, l.gcm.sum())
	if l.outside != nil {
		l.outside.Write(trailer)
	}
}

// Close writes the last piece and the tags. Until it has returned nil the file
// is not one. It does not close the writer. Closing again returns the same.
func (x *Sealer) Close() error {
	if x.done || x.err != nil {
		x.Discard()
		return x.err
	}
	if x.buf == nil { // an empty file
		x.buf, x.class, x.end = x.seal.buffer(0), 0, x.seal.front
	}
	if x.err = x.flush(true); x.err == nil {
		x.done = true
		x.witness = newWitness(x.layers[len(x.layers)-1].gcm, x.outside)
	}
	x.Discard()
	return x.err
}

// Discard gives the memory back; what was written is no sealed file unless
// Close has returned nil. Discarding again, or after Close, does nothing.
func (x *Sealer) Discard() {
	if !x.done && x.err == nil {
		x.err = errDiscarded
	}
	x.done = true
	x.giveBack()
}

// Witness is valid once Close has returned nil.
func (x *Sealer) Witness() Witness { return x.witness }
