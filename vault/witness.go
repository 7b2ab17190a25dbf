package vault

import (
	"crypto/sha256"
	"crypto/subtle"
	"hash"
	"io"
)

const verifySize = 64 << 10 // bytes read at once; a multiple of blockSize

// Witness lets the gateway prove that a sealed file is, to the bit, the one
// that it wrote, without being able to open it. Its 64 bytes are, of the
// outer layer with key K,
//
//	 0-15  H = E_K(0^128), the key of GHASH
//	16-31  E_K(J0), what the tag is masked with
//	32-63  SHA-256 of all the file's bytes that are not encrypted content:
//	       header, segment headers, tag and ends
//
// With it the tag can be computed from the ciphertext. It does not decrypt: H
// and E_K(J0) are two blocks of AES under K, the key stream is made of others,
// and to find these from those is to break AES. But who has it can forge, so
// it is kept in the encrypted index and is worth nothing beside the file.
type Witness [64]byte

func newWitness(g *gcm, outside hash.Hash) (w Witness) {
	h := g.h.bytes()
	_, mask := g.mask(0)
	m := mask.bytes()
	copy(w[0:], h[:])
	copy(w[16:], m[:])
	outside.Sum(w[:32])
	return w
}

// VerifySealed reads a sealed file to its end and says whether it is the
// witness's: nil, ErrTruncated, ErrTampered, or what reading failed with. Any
// bit changed, any byte cut or added anywhere is noticed.
func VerifySealed(r io.Reader, w Witness) error {
	b, outside := newBERReader(r), sha256.New()
	b.outside = outside
	if _, err := b.readEnvelope(); err != nil {
		return damaged(err, ErrTampered)
	}
	return b.verify(w, outside)
}

// verify reads on behind the envelope, to the end; outside has what was read
// before it, and takes the rest.
func (b *berReader) verify(w Witness, outside hash.Hash) error {
	table := newGHASH(loadElement(w[:16]))
	buf := make([]byte, verifySize)
	var length uint64
	for {
		n, err := io.ReadFull(b, buf)
		length += uint64(n)
		table.add(buf[:n])
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			break
		}
		if err != nil {
			return damaged(err, ErrTampered)
		}
	}
	tag, err := b.readTrailer()
	if err != nil {
		return damaged(err, ErrTampered)
	}
	last := lengths(0, length).bytes()
	table.add(last[:])
	sum := table.sum().xor(loadElement(w[16:32])).bytes()
	same := subtle.ConstantTimeCompare(sum[:], tag[:])
	same &= subtle.ConstantTimeCompare(outside.Sum(nil), w[32:])
	if same != 1 {
		return ErrTampered
	}
	return nil
}
