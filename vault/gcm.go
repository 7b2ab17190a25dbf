package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
)

const (
	blockSize = 16
	tagSize   = 16
	nonceSize = 12
	keySize   = 32

	// pieceSize is how much is encrypted at once. Folding a piece into the
	// whole costs well under a microsecond; a quarter of a mebibyte stays in
	// the processor's cache between the copy and both layers.
	pieceSize = 256 << 10

	// maxContent is what one GCM key and nonce may encrypt: 2^32-2 blocks.
	maxContent = (1<<32 - 2) * blockSize
)

// gcm is AES-256-GCM (NIST SP 800-38D, 96-bit nonce, 128-bit tag, no
// additional data) over a stream, at the speed of the standard library's
// one-shot assembly. The stream is cut into pieces, each a multiple of 16
// bytes but the last, and each piece is a GCM message of its own:
//
//   - Piece k, which begins at block b, must be encrypted with the counter
//     that follows nonce‖(1+b). The library lets nobody choose the counter,
//     but from a nonce N of 16 bytes it makes J0 = (N·H ^ L)·H with L =
//     0^64‖[128]^64; so N = J0·H^-2 ^ L·H^-1 gives any J0 that we like.
//   - Its tag is (Y ^ [lengths])·H ^ E(J0), Y being the piece's GHASH. The
//     pieces' Y·H, each multiplied by H once for every block that follows,
//     add up to the whole stream's Y·H, and so to its tag.
//
// A stream of a single piece takes none of this: it is a plain GCM message.
// Works under GODEBUG=fips140=on; fips140=only refuses a chosen nonce.
type gcm struct {
	block cipher.Block
	nonce [nonceSize]byte
	short cipher.AEAD // nonces of 12 bytes: the first piece, and GHASH alone
	long  cipher.AEAD // nonces of 16 bytes: every other piece; nil until the second

	h      element // E(0^128)
	h2inv  element // H^-2
	lInv   element // L·H^-1
	powerN uint64  // powerH is H to the powerN
	powerH element

	length uint64        // bytes so far
	tag    [tagSize]byte // of the first piece, while it is the only one
	yh     element       // GHASH of everything so far, times H
	folded bool          // yh is in use, tag no more
}

func newGCM(key *[keySize]byte, nonce [nonceSize]byte) (*gcm, error) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, fmt.Errorf("vault: aes: %w", err)
	}
	short, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("vault: gcm: %w", err)
	}
	g := &gcm{block: block, nonce: nonce, short: short}
	var zero [blockSize]byte
	block.Encrypt(zero[:], zero[:])
	g.h = loadElement(zero[:])
	return g, nil
}

// mask returns J0 and E(J0) of the piece that begins at the block.
func (g *gcm) mask(block uint64) (j0, e element) {
	var b [blockSize]byte
	copy(b[:], g.nonce[:])
	binary.BigEndian.PutUint32(b[nonceSize:], uint32(1+block))
	j0 = loadElement(b[:])
	g.block.Encrypt(b[:], b[:])
	return j0, loadElement(b[:])
}

// lengths is GHASH's last block: how many bytes of additional data and of
// ciphertext there were.
func lengths(additional, ciphertext uint64) element {
	var b [blockSize]byte
	binary.BigEndian.PutUint64(b[:8], additional*8)
	binary.BigEndian.PutUint64(b[8:], ciphertext*8)
	return loadElement(b[:])
}

// at returns what encrypts the piece that begins at the block (not the first).
func (g *gcm) at(j0 element) (cipher.AEAD, [blockSize]byte, error) {
	if g.long == nil {
		long, err := cipher.NewGCMWithNonceSize(g.block, blockSize)
		if err != nil {
			return nil, [blockSize]byte{}, fmt.Errorf("vault: gcm: %w", err)
		}
		inv := g.h.inverse()
		g.h2inv, g.lInv, g.long = inv.mul(inv), inv.mul(lengths(0, blockSize)), long
	}
	return g.long, j0.mul(g.h2inv).xor(g.lInv).bytes(), nil
}

// grow counts the bytes of a new piece, and says at which block it begins.
func (g *gcm) grow(n int) (first uint64, err error) {
	if g.length%blockSize != 0 {
		return 0, fmt.Errorf("vault: gcm: a piece follows an unfinished block")
	}
	if uint64(n) > maxContent-g.length {
		return 0, ErrTooLarge
	}
	first = g.length / blockSize
	g.length += uint64(n)
	return first, nil
}

// seal encrypts the next piece in place. The 16 bytes behind the piece, which
// must exist, are overwritten. Only the last piece may end inside a block.
func (g *gcm) seal(piece []byte) error {
	if len(piece) == 0 && g.length > 0 {
		return nil
	}
	first, err := g.grow(len(piece))
	if err != nil {
		return err
	}
	if first == 0 {
		g.short.Seal(piece[:0], g.nonce[:], piece, nil)
		copy(g.tag[:], piece[len(piece):len(piece)+tagSize])
		return nil
	}
	g.unfold(first * blockSize)
	j0, mask := g.mask(first)
	aead, n, err := g.at(j0)
	if err != nil {
		return err
	}
	aead.Seal(piece[:0], n[:], piece, nil)
	tag := loadElement(piece[len(piece) : len(piece)+tagSize])
	g.fold(tag.xor(mask).xor(lengths(0, uint64(len(piece))).mul(g.h)), len(piece))
	return nil
}

// unfold turns the only piece's tag into a GHASH, now that more is to come.
func (g *gcm) unfold(length uint64) {
	if g.folded {
		return
	}
	_, mask := g.mask(0)
	g.yh = loadElement(g.tag[:]).xor(mask).xor(lengths(0, length).mul(g.h))
	g.folded = true
}

// fold appends a piece of n bytes, whose GHASH times H is yh.
func (g *gcm) fold(yh element, n int) {
	if blocks := uint64(n+blockSize-1) / blockSize; blocks != g.powerN {
		g.powerN, g.powerH = blocks, g.h.power(blocks)
	}
	g.yh = g.yh.mul(g.powerH).xor(yh)
	g.folded = true
}

// absorb takes the next piece of ciphertext into the tag without decrypting
// it, and returns its GHASH times H, which openPiece wants. The library's
// additional data is exactly that: hashed, not encrypted.
func (g *gcm) absorb(piece []byte) (element, error) {
	if _, err := g.grow(len(piece)); err != nil {
		return element{}, err
	}
	var b [tagSize]byte
	tag := loadElement(g.short.Seal(b[:0], g.nonce[:], nil, piece))
	_, mask := g.mask(0)
	yh := tag.xor(mask).xor(lengths(uint64(len(piece)), 0).mul(g.h))
	g.fold(yh, len(piece))
	return yh, nil
}

// openPiece decrypts in place the piece that begins at the block, if its
// GHASH times H is still yh. The 16 bytes behind the piece are overwritten.
func (g *gcm) openPiece(piece []byte, block uint64, yh element) error {
	j0, mask := g.mask(block)
	tag := yh.xor(lengths(0, uint64(len(piece))).mul(g.h)).xor(mask).bytes()
	sealed := append(piece, tag[:]...)
	var err error
	if block == 0 {
		_, err = g.short.Open(piece[:0], g.nonce[:], sealed, nil)
	} else {
		aead, n, e := g.at(j0)
		if e != nil {
			return e
		}
		_, err = aead.Open(piece[:0], n[:], sealed, nil)
	}
	if err != nil {
		return ErrTampered
	}
	return nil
}

// counter returns the key stream from the first byte of the content, for
// ciphertext whose tag is checked elsewhere.
func (g *gcm) counter() cipher.Stream {
	var iv [blockSize]byte
	copy(iv[:], g.nonce[:])
	iv[blockSize-1] = 2
	return cipher.NewCTR(g.block, iv[:])
}

// sum returns the tag of everything sealed or absorbed.
func (g *gcm) sum() [tagSize]byte {
	_, mask := g.mask(0)
	if !g.folded && g.length > 0 {
		return g.tag
	}
	return g.yh.xor(lengths(0, g.length).mul(g.h)).xor(mask).bytes()
}
