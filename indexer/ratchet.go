package indexer

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hpke"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// ratchet seals the records of one segment of a log, each under a key of its own, and cannot open them again:
//
//	record i   AES-256-GCM under HKDF-SHA-256(S_i, "sealgate record"), the nonce is zero: no key seals twice
//	S_i+1      HKDF-SHA-256(S_i, "sealgate next"), and S_i is zeroed
//
// The additional data is the segment's number and i, 8 bytes each, big-endian. S_0 is random; whoever has it, opens all. Not for
// concurrent use.
type ratchet struct {
	segment int64
	step    int64
	secret  [32]byte // S_step
}

// newSecret makes a random secret.
func newSecret() (s [32]byte) {
	rand.Read(s[:]) // never fails (crypto/rand)
	return s
}

// turn gives the cipher of the present step, and goes on to the next one.
func (r *ratchet) turn() (aead cipher.AEAD, data []byte, err error) {
	aead, err = onceCipher(r.secret[:], "sealgate record")
	if err != nil {
		return nil, nil, err
	}
	data = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, uint64(r.segment)), uint64(r.step))
	if err := r.skip(); err != nil {
		return nil, nil, err
	}
	return aead, data, nil
}

// skip goes on to the next step.
func (r *ratchet) skip() error {
	next, err := hkdf.Key(sha256.New, r.secret[:], nil, "sealgate next", len(r.secret))
	if err != nil {
		return err
	}
	copy(r.secret[:], next)
	clear(next)
	r.step++
	return nil
}

// seal seals a record, and gives its step.
func (r *ratchet) seal(plain []byte) (step int64, sealed []byte, err error) {
	step = r.step
	aead, data, err := r.turn()
	if err != nil {
		return 0, nil, err
	}
	return step, aead.Seal(nil, make([]byte, aead.NonceSize()), plain, data), nil
}

// open opens the record of a step that is still to come, and passes over those before it.
func (r *ratchet) open(step int64, sealed []byte) ([]byte, error) {
	for r.step < step {
		if err := r.skip(); err != nil {
			return nil, err
		}
	}
	if r.step > step {
		return nil, fmt.Errorf("segment %d: step %d lies behind: %w", r.segment, step, ErrDamaged)
	}
	aead, data, err := r.turn()
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, make([]byte, aead.NonceSize()), sealed, data)
	if err != nil {
		return nil, fmt.Errorf("segment %d, step %d: %w", r.segment, step, ErrDamaged)
	}
	return plain, nil
}

// forget zeroes the secret.
func (r *ratchet) forget() { clear(r.secret[:]) }

// onceCipher is AES-256-GCM under a key that is derived from a secret.
func onceCipher(secret []byte, label string) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, secret, nil, label, 32)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// A segment's S_0 is sealed by HPKE (RFC 9180: X25519 and ML-KEM-768, HKDF-SHA-256, AES-256-GCM, info "sealgate segment") to a key pair
// that follows from the index's own key, by HKDF-SHA-256(key, "sealgate segments"): only the public half is there while it is locked,
// and whoever opens the one box of the index's key has all.
const segmentInfo = "sealgate segment"

func segmentKEM() hpke.KEM { return hpke.MLKEM768X25519() }

func segmentKeys(index Key) (hpke.PrivateKey, error) {
	seed, err := hkdf.Key(sha256.New, index[:], nil, "sealgate segments", 32)
	if err != nil {
		return nil, err
	}
	defer clear(seed)
	return segmentKEM().DeriveKeyPair(seed)
}

func sealSegment(public hpke.PublicKey, secret []byte) ([]byte, error) {
	return hpke.Seal(public, hpke.HKDFSHA256(), hpke.AES256GCM(), []byte(segmentInfo), secret)
}

// openSegment gives S_0.
func openSegment(private hpke.PrivateKey, box []byte) (secret Key, err error) {
	plain, err := hpke.Open(private, hpke.HKDFSHA256(), hpke.AES256GCM(), []byte(segmentInfo), box)
	defer clear(plain)
	if err != nil || len(plain) != len(secret) {
		return secret, ErrDamaged
	}
	return Key(plain), nil
}

// pieceCipher seals the pieces of one large file; their nonces count.
func pieceCipher(secret []byte) (cipher.AEAD, error) { return onceCipher(secret, "sealgate piece") }

func pieceNonce(no int64) []byte {
	return binary.BigEndian.AppendUint64(make([]byte, 4), uint64(no))
}
