package vault

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// A sealed file is rewrapped for another certificate by making its outer
// envelope anew around the same content key: nonce, content and tag stay as
// they are, to the bit. Whoever has the old private key does it from the header
// alone (PrivateKey.Rewrap), and whoever keeps the file puts the new header
// before the old content (Splice), and needs no key for that.
//
// The nonce then no longer proves the header, since it was made from the first
// one. So the last entry among the recipients of a rewrapped envelope is none:
// an OtherRecipientInfo (RFC 5652, 6.2.5) of type oidReseal with an OCTET
// STRING of 32 bytes,
//
//	HMAC-SHA-256( HKDF-SHA-256(content key, no salt, "sealgate v1 rewrapped envelope", 32 bytes), header )
//
// over the layer's bytes up to the end of the content's algorithm, with these
// 32 as zeros. Other programs pass it over, as they must.
const (
	oidReseal   = "\x69\x81\x97\xea\xa3\xd6\x88\xb5\x82\x81\xe7\x8a\x84\xd4\x98\xa7\xf3\xe5\x91\x19" // 2.25.100908544192758514743099806269501425817
	resealLabel = "sealgate v1 rewrapped envelope"
)

// ErrNotProven means that a new envelope was brought by somebody who has not
// opened the old one, or that it is not for those whom it should be for.
var ErrNotProven = errors.New("vault: the new envelope is not what it should be")

// reseal is what proves a rewrapped envelope.
type reseal struct {
	sum    [sha256.Size]byte
	header []byte // of the layer up to the content's algorithm, the sum as zeros
}

// parseReseal reads the body of an OtherRecipientInfo.
func parseReseal(s cryptobyte.String) (sum [sha256.Size]byte, ours bool) {
	var oid, value cryptobyte.String
	if !s.ReadASN1(&oid, asn1.OBJECT_IDENTIFIER) || string(oid) != oidReseal ||
		!s.ReadASN1(&value, asn1.OCTET_STRING) || !s.Empty() || len(value) != len(sum) {
		return sum, false
	}
	return [sha256.Size]byte(value), true
}

// keep notes the header, whose recipients end at set.
func (r *reseal) keep(header []byte, set int) {
	r.header = bytes.Clone(header)
	clear(r.header[max(0, set-len(r.sum)):set])
}

// proven says whether the header of a rewrapped envelope is as it was written.
// Any other header is proven by the nonce.
func (e *envelope) proven(key *[keySize]byte) bool {
	if e.seal == nil {
		return true
	}
	sum, err := resealSum(key, e.seal.header)
	return err == nil && subtle.ConstantTimeCompare(sum, e.seal.sum[:]) == 1
}

func resealSum(key *[keySize]byte, header []byte) ([]byte, error) {
	k, err := hkdf.Key(sha256.New, key[:], nil, resealLabel, sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("vault: rewrap: %w", err)
	}
	mac := hmac.New(sha256.New, k)
	mac.Write(header)
	return mac.Sum(nil), nil
}

// Header reads the header of a sealed file, everything before its content, and
// says to whom its outer envelope is. Nothing is proven.
func Header(src io.Reader) ([]byte, []Recipient, error) {
	b := newBERReader(src)
	e, err := b.readEnvelope()
	if err != nil {
		return nil, nil, damaged(err, ErrNotSealed)
	}
	return b.header, e.describe(), nil
}

// Rewrapped is a new outer envelope for a sealed file.
type Rewrapped struct {
	Header []byte
	Proof  [blockSize]byte // E_K(0^128), which only who knows the content key can tell; the file's Witness has it too
}

// Rewrap makes the outer envelope of a sealed file anew, for other recipients,
// from the header of the one that it has. A KeyError means that the key opens
// it not.
func (k *PrivateKey) Rewrap(header []byte, to ...*Certificate) (Rewrapped, error) {
	e, err := newBERReader(bytes.NewReader(header)).readEnvelope()
	if err != nil {
		return Rewrapped{}, damaged(err, ErrNotSealed)
	}
	if !e.marked(markOuter) {
		return Rewrapped{}, fmt.Errorf("%w: it was not sealed here", ErrNotSealed)
	}
	key, ok := e.unwrap(k)
	if !ok {
		return Rewrapped{}, &KeyError{Err: ErrWrongKey, SealedTo: e.describe()}
	}
	defer clear(key[:])
	if !e.proven(key) {
		return Rewrapped{}, ErrTampered
	}
	infos := make([][]byte, len(to), len(to)+1)
	for i, c := range to {
		if infos[i], err = wrapFor(c, key); err != nil {
			return Rewrapped{}, err
		}
	}
	infos = append(infos, der(0xa4, der(0x06, []byte(oidReseal)), der(0x04, make([]byte, sha256.Size))))
	made, set := layout(infos, e.nonce)
	sum, err := resealSum(key, made[:len(made)-len(contentTag)])
	if err != nil {
		return Rewrapped{}, err
	}
	copy(made[set-len(sum):], sum)
	g, err := newGCM(key, e.nonce)
	if err != nil {
		return Rewrapped{}, err
	}
	return Rewrapped{Header: made, Proof: g.h.bytes()}, nil
}

// Splice writes a sealed file with another outer envelope to dst. It proves
// that the file is the witness's (else ErrTampered or ErrTruncated), and that
// the envelope is for exactly these recipients, of the same content and made by
// somebody who could open the old one (else ErrNotProven). When it fails, what
// was written is no sealed file. It returns the new file's witness.
func Splice(dst io.Writer, src io.ReaderAt, size int64, w Witness, anew Rewrapped, to ...*Certificate) (Witness, error) {
	old := newBERReader(io.NewSectionReader(src, 0, size))
	e, err := old.readEnvelope()
	if err != nil {
		return Witness{}, damaged(err, ErrTampered)
	}
	if err := e.succeeds(anew, w, to); err != nil {
		return Witness{}, err
	}
	if _, err := dst.Write(anew.Header); err != nil {
		return Witness{}, fmt.Errorf("vault: write sealed file: %w", err)
	}
	// Once more from the start, since old has read ahead: all that is behind
	// the header goes to dst as it is read, and is proven to be the witness's.
	copied := &behind{w: dst, skip: len(old.header)}
	b, before, after := newBERReader(io.TeeReader(io.NewSectionReader(src, 0, size), copied)), sha256.New(), sha256.New()
	b.outside = before
	if _, err := b.readEnvelope(); err != nil {
		return Witness{}, damaged(err, ErrTampered)
	}
	after.Write(anew.Header)
	b.outside = io.MultiWriter(before, after)
	if err := b.verify(w, before); err != nil {
		return Witness{}, err
	}
	made := w
	after.Sum(made[:32])
	return made, nil
}

// succeeds says whether a new envelope may take the place of this one.
func (e *envelope) succeeds(anew Rewrapped, w Witness, to []*Certificate) error {
	if subtle.ConstantTimeCompare(anew.Proof[:], w[:blockSize]) != 1 {
		return fmt.Errorf("%w: whoever made it has not opened the old one", ErrNotProven)
	}
	if len(anew.Header) > maxHeader {
		return fmt.Errorf("%w: it is longer than %d bytes", ErrNotProven, maxHeader)
	}
	next, err := newBERReader(bytes.NewReader(anew.Header)).readEnvelope()
	if err != nil {
		return fmt.Errorf("%w: %v", ErrNotProven, err)
	}
	var infos [][]byte
	for rest := cryptobyte.String(derBody(next.set)); !rest.Empty(); {
		var info cryptobyte.String
		if !rest.ReadAnyASN1Element(&info, new(asn1.Tag)) {
			return fmt.Errorf("%w: a recipient", ErrNotProven)
		}
		infos = append(infos, info)
	}
	same, _ := layout(infos, e.nonce)
	if next.seal == nil || !bytes.Equal(same, anew.Header) {
		return fmt.Errorf("%w: it is not written as it should be", ErrNotProven)
	}
	if !SealedTo(next.describe(), to...) {
		return fmt.Errorf("%w: it is for others", ErrNotProven)
	}
	return nil
}

// SealedTo says whether recipients are exactly these certificates, in this order.
func SealedTo(recipients []Recipient, to ...*Certificate) bool {
	if len(recipients) != len(to) {
		return false
	}
	for i, c := range to {
		if !c.Is(recipients[i]) {
			return false
		}
	}
	return true
}

// behind passes on what comes after the first bytes.
type behind struct {
	w    io.Writer
	skip int
}

// Write implements io.Writer.
func (b *behind) Write(p []byte) (int, error) {
	n := min(b.skip, len(p))
	b.skip -= n
	if n < len(p) {
		if _, err := b.w.Write(p[n:]); err != nil {
			return n, fmt.Errorf("vault: write sealed file: %w", err)
		}
	}
	return len(p), nil
}

// Opens says whether the key opens the outer envelope of which this is the
// header; its words are OpenSealed's. Of the content nothing is proven.
func (k *PrivateKey) Opens(header []byte) error {
	e, err := newBERReader(bytes.NewReader(header)).readEnvelope()
	if err != nil {
		return damaged(err, ErrNotSealed)
	}
	key, ok := e.unwrap(k)
	if !ok {
		return &KeyError{Err: ErrWrongKey, SealedTo: e.describe()}
	}
	defer clear(key[:])
	if !e.proven(key) {
		return ErrTampered
	}
	return nil
}

// AccessOf opens the outer envelope of a sealed file and says to which access
// keys the inner one is; none if there is no inner one. It reads the beginning
// only, and of the file nothing is proven.
func (k *PrivateKey) AccessOf(src io.Reader) ([]Recipient, error) {
	b := newBERReader(src)
	e, err := b.readEnvelope()
	if err != nil {
		return nil, damaged(err, ErrNotSealed)
	}
	key, ok := e.unwrap(k)
	if !ok {
		return nil, &KeyError{Err: ErrWrongKey, SealedTo: e.describe()}
	}
	defer clear(key[:])
	if !e.proven(key) {
		return nil, ErrTampered
	}
	g, err := newGCM(key, e.nonce)
	if err != nil {
		return nil, err
	}
	buf := make([]byte, pieceSize)
	inner, err := newBERReader(&stream{next: func() ([]byte, error) { return readPiece(b, buf) }, cipher: g.counter()}).readEnvelope()
	if err != nil || !inner.marked(markInner) {
		return nil, nil // the content is the payment file itself
	}
	return inner.describe(), nil
}
