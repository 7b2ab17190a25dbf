package indexer

import (
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"fmt"
)

// ratchet seals the records of one segment of a log, each under a key of its own, and cannot open them again:
//
//	record i   AES-256-GCM under derive("sealgate record", S_i), the nonce is zero: no key seals twice
//	S_i+1      derive("sealgate next", S_i), which takes the place of S_i
//
// The additional data is the segment's number and i, 8 bytes each, big-endian. S_0 is random; whoever has it, opens all. Not for
// concurrent use.
type ratchet struct {
	segment int64
	step    int64
	secret  Key // S_step
}

// newRatchet begins a segment, which gets its number when its box is kept.
func newRatchet() *ratchet {
	r := new(ratchet)
	rand.Read(r.secret[:]) // never fails (crypto/rand)
	return r
}

// turn gives the cipher of the present step, which is to be wiped, and goes on to the next one.
func (r *ratchet) turn() (aead cipher.AEAD, data []byte, err error) {
	aead, err = onceCipher(&r.secret, "sealgate record")
	if err != nil {
		return nil, nil, err
	}
	data = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, uint64(r.segment)), uint64(r.step))
	r.skip()
	return aead, data, nil
}

// skip goes on to the next step.
func (r *ratchet) skip() {
	derive(&r.secret, "sealgate next", 0, &r.secret)
	r.step++
}

// seal seals a record, and gives its step.
func (r *ratchet) seal(plain []byte) (step int64, sealed []byte, err error) {
	step = r.step
	aead, data, err := r.turn()
	if err != nil {
		return 0, nil, err
	}
	defer wipe(aead)
	return step, aead.Seal(nil, make([]byte, aead.NonceSize()), plain, data), nil
}

// open opens the record of a step that is still to come, and passes over those before it.
func (r *ratchet) open(step int64, sealed []byte) ([]byte, error) {
	for r.step < step {
		r.skip()
	}
	if r.step > step {
		return nil, fmt.Errorf("segment %d: step %d lies behind: %w", r.segment, step, ErrDamaged)
	}
	aead, data, err := r.turn()
	if err != nil {
		return nil, err
	}
	defer wipe(aead)
	plain, err := aead.Open(nil, make([]byte, aead.NonceSize()), sealed, data)
	if err != nil {
		return nil, fmt.Errorf("segment %d, step %d: %w", r.segment, step, ErrDamaged)
	}
	return plain, nil
}

// forget zeroes the secret.
func (r *ratchet) forget() { clear(r.secret[:]) }

// onceCipher is AES-256-GCM under a key that is derived from a secret. wipe it after its use.
func onceCipher(secret *Key, label string) (cipher.AEAD, error) {
	var key Key
	defer clear(key[:])
	derive(&key, label, 0, secret)
	return newGCM(&key)
}

// A segment's S_0 is sealed in a box to a key pair whose private half is derive("sealgate segments", the index's own key): only the
// public half is there while it is locked, and whoever opens the one box of the index's key has all.
const segmentLabel = "sealgate segment"

// segmentKey puts the private half into out, and gives the public one.
func segmentKey(out, index *Key) (public []byte, err error) {
	derive(out, "sealgate segments", 0, index)
	return publicHalf(out)
}

// pieceCipher seals the pieces of one large file; their nonces count. wipe it after its use.
func pieceCipher(secret []byte) (cipher.AEAD, error) {
	if len(secret) != len(Key{}) {
		return nil, ErrDamaged
	}
	return onceCipher((*Key)(secret), "sealgate piece")
}

func pieceNonce(no int64) []byte {
	return binary.BigEndian.AppendUint64(make([]byte, 4), uint64(no))
}
