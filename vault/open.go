package vault

import (
	"crypto/cipher"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
)

// Describe reads a sealed file's header and says to which certificate it was
// sealed. Nothing is proven: only OpenSealed and VerifySealed prove.
func Describe(src io.Reader) ([]Recipient, error) {
	e, err := newBERReader(src).readEnvelope()
	if err != nil {
		return nil, damaged(err, ErrNotSealed)
	}
	return e.describe(), nil
}

// damaged gives a structure that is wrong its name.
func damaged(err, name error) error {
	if errors.Is(err, errBER) {
		return fmt.Errorf("%w: %w", name, err)
	}
	return err
}

// OpenSealed opens a sealed file of that many bytes with its certificate's
// key and, if it was sealed to access keys too, one of these (else nil may be
// given). It reads the file twice: first every tag in every layer is checked,
// and only then is the first byte written. What is written is checked against
// the first reading again, piece by piece, so a file that changes meanwhile
// does no harm. It takes about a mebibyte, and 64 bytes for each of content.
//
// Errors: ErrNotSealed, ErrTruncated, ErrTampered, a KeyError, or what reading
// or writing failed with. Except for the last, nothing was written.
func OpenSealed(dst io.Writer, src io.ReaderAt, size int64, key *PrivateKey, access *AccessKey) error {
	o := &opening{key: key, access: access}
	if err := o.check(io.NewSectionReader(src, 0, size)); err != nil {
		return err
	}
	return o.release(dst, io.NewSectionReader(src, 0, size))
}

// opening is what the first reading has found out for the second.
type opening struct {
	key    *PrivateKey
	access *AccessKey

	outer, inner *gcm      // inner: nil if there is one layer
	pieces       []element // GHASH times H of each piece of the innermost content
}

// ciphertext reads a layer's content in pieces, and takes each into the tag.
type ciphertext struct {
	content io.Reader
	gcm     *gcm
	buf     []byte // of pieceSize, and room for a tag
	pieces  []element
	err     error // what ended it; io.EOF is the good end
}

func newCiphertext(b *berReader, g *gcm) *ciphertext {
	return &ciphertext{content: b, gcm: g, buf: make([]byte, pieceSize+tagSize)}
}

// next returns the next piece; its memory is lent until the call after.
func (c *ciphertext) next() ([]byte, error) {
	if c.err != nil {
		return nil, c.err
	}
	piece, err := readPiece(c.content, c.buf)
	if err == nil {
		var yh element
		if yh, err = c.gcm.absorb(piece); err == nil {
			c.pieces = append(c.pieces, yh)
			return piece, nil
		}
	}
	c.err = err
	return nil, err
}

// readPiece reads a whole piece, or what is left; io.EOF if nothing is.
func readPiece(r io.Reader, buf []byte) ([]byte, error) {
	n, err := io.ReadFull(r, buf[:pieceSize])
	if err == io.ErrUnexpectedEOF {
		err = nil
	}
	return buf[:n], err
}

// drain takes in all the content that is left.
func (c *ciphertext) drain() error {
	for {
		if _, err := c.next(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// stream is a layer's plaintext as a reader, not proven.
type stream struct {
	next   func() ([]byte, error)
	cipher cipher.Stream
	left   []byte
}

// Read implements io.Reader.
func (s *stream) Read(p []byte) (int, error) {
	if len(s.left) == 0 {
		piece, err := s.next()
		if err != nil {
			return 0, err
		}
		s.cipher.XORKeyStream(piece, piece)
		s.left = piece
	}
	n := copy(p, s.left)
	s.left = s.left[n:]
	return n, nil
}

// check is the first reading.
func (o *opening) check(src io.Reader) error {
	outer := newBERReader(src)
	e, err := outer.readEnvelope()
	if err != nil {
		return damaged(err, ErrNotSealed)
	}
	secret, ok := e.unwrap(o.key)
	if !ok {
		return &KeyError{Err: ErrWrongKey, SealedTo: e.describe()}
	}
	if !e.proven(secret) {
		return ErrTampered
	}
	if o.outer, err = newGCM(secret, e.nonce); err != nil {
		return err
	}
	c := newCiphertext(outer, o.outer)
	// What the inner layer says about itself counts only once the outer tag is
	// proven, so its verdict waits.
	verdict := o.checkInner(c)
	if err := c.drain(); err != nil {
		return damaged(err, ErrTampered)
	}
	tag, err := outer.readTrailer()
	if err != nil {
		return damaged(err, ErrTampered)
	}
	if sum := o.outer.sum(); subtle.ConstantTimeCompare(tag[:], sum[:]) != 1 {
		return ErrTampered
	}
	if o.inner == nil {
		o.pieces = c.pieces
	}
	return verdict
}

// checkInner looks for an inner layer in the content of the outer one, and
// checks it.
func (o *opening) checkInner(c *ciphertext) error {
	inner := newBERReader(&stream{next: c.next, cipher: o.outer.counter()})
	e, err := inner.readEnvelope()
	if err != nil || !e.marked(markInner) {
		return nil // the content is the payment file itself
	}
	if o.access == nil {
		return &KeyError{Err: ErrNeedsAccessKey, SealedTo: e.describe()}
	}
	secret, ok := e.unwrap(o.access.key)
	if !ok {
		return &KeyError{Err: ErrWrongAccessKey, SealedTo: e.describe()}
	}
	if o.inner, err = newGCM(secret, e.nonce); err != nil {
		return err
	}
	ci := newCiphertext(inner, o.inner)
	if err := ci.drain(); err != nil {
		return fmt.Errorf("%w: inner layer: %w", ErrTampered, err)
	}
	tag, err := inner.readTrailer()
	if err != nil {
		return fmt.Errorf("%w: inner layer: %w", ErrTampered, err)
	}
	if sum := o.inner.sum(); subtle.ConstantTimeCompare(tag[:], sum[:]) != 1 {
		return fmt.Errorf("%w: inner layer", ErrTampered)
	}
	o.pieces = ci.pieces
	return nil
}

// release is the second reading. Headers are skipped, not believed.
func (o *opening) release(dst io.Writer, src io.Reader) error {
	content, g := newBERReader(src), o.outer
	if _, err := content.readEnvelope(); err != nil {
		return changed(err)
	}
	if o.inner != nil {
		buf, from := make([]byte, pieceSize), content
		content, g = newBERReader(&stream{
			next: func() ([]byte, error) { return readPiece(from, buf) }, cipher: g.counter(),
		}), o.inner
		if _, err := content.readEnvelope(); err != nil {
			return changed(err)
		}
	}
	buf := make([]byte, pieceSize+tagSize)
	for i, yh := range o.pieces {
		piece, err := readPiece(content, buf)
		if err != nil {
			return changed(err)
		}
		if err := g.openPiece(piece, uint64(i)*(pieceSize/blockSize), yh); err != nil {
			return changed(err)
		}
		if _, err := dst.Write(piece); err != nil {
			return fmt.Errorf("vault: write opened file: %w", err)
		}
	}
	if _, err := readPiece(content, buf); err != io.EOF {
		return changed(err)
	}
	return nil
}

// changed says that the second reading found something else than the first.
func changed(err error) error {
	return fmt.Errorf("%w while it was being opened (%v)", ErrTampered, err)
}
