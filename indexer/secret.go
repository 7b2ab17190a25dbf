package indexer

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"reflect"
	"unsafe"
)

// Secrets that leave no trace. Of a protected account this process must not keep what opens it, once it is locked, nor what opens the
// records that it has written. Go's collector moves no object, and clears none before its memory is used again: so a secret stands in
// arrays that are zeroed, goes through functions that allocate nothing, and what the standard library's ciphers hold of it is
// overwritten. What is left then is the stack below us, which is overwritten too. See docs/on-disk.md for what that promises.

// derive puts another secret into out: SHA-256 of 64 bytes, which are the label and zeros (28 bytes), a number (4, big-endian), and the
// secret. out may be the secret itself.
func derive(out *Key, label string, n uint32, secret *Key) {
	sweepStack() // grows it, if it must grow: from here on it is not moved, which would leave a copy
	hashBlock(out, label, n, secret)
	sweepStack()
}

//go:noinline
func hashBlock(out *Key, label string, n uint32, secret *Key) {
	var block [sha256.BlockSize]byte // whole, so that SHA-256 keeps nothing back
	copy(block[:28], label)
	binary.BigEndian.PutUint32(block[28:], n)
	copy(block[32:], secret[:])
	*out = sha256.Sum256(block[:])
}

// quietSum is SHA-256 of what may be of a protected account: it leaves no piece of that on the stack.
func quietSum(b []byte) [sha256.Size]byte {
	sweepStack()
	defer sweepStack()
	return sumOf(b)
}

//go:noinline
func sumOf(b []byte) [sha256.Size]byte { return sha256.Sum256(b) }

// sweepStack zeroes the stack below its caller, where those have worked whom it has called.
//
//go:noinline
func sweepStack() {
	var below [8 << 10]byte
	touch(&below)
}

//go:noinline
func touch(*[8 << 10]byte) {}

// newGCM is AES-256-GCM under a key. wipe it after its use.
func newGCM(key *Key) (cipher.AEAD, error) {
	sweepStack()
	defer sweepStack()
	return gcmOf(key)
}

//go:noinline
func gcmOf(key *Key) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	defer wipe(block) // the other has a copy
	return cipher.NewGCM(block)
}

// wipe overwrites the key schedule of an AES block, or of AES-GCM. It is good for nothing afterwards. (What it
// points to is one flat structure without pointers; TestWipe looks whether it still is.)
func wipe(cipher any) {
	v := reflect.ValueOf(cipher)
	clear(unsafe.Slice((*byte)(v.UnsafePointer()), v.Type().Elem().Size()))
}

// A box holds a secret for the owner of a key pair (X25519), and its maker cannot open it again:
//
//	32 bytes  public half of a key pair made for it
//	48 bytes  AES-256-GCM of the secret under derive(label, the two pairs' common secret), nonce zero; additional data: both public halves
//
// HPKE (RFC 9180) would say the same; Go's leaves the keys of both sides in memory.
const boxSize = 32 + len(Key{}) + 16

// sealBox seals a secret to a public half.
func sealBox(public []byte, label string, secret *Key) ([]byte, error) {
	var own, common Key
	defer clear(own[:])
	defer clear(common[:])
	rand.Read(own[:]) // never fails (crypto/rand)
	box, err := publicHalf(&own)
	if err != nil {
		return nil, err
	}
	aead, err := boxCipher(&common, &own, public, label)
	if err != nil {
		return nil, err
	}
	defer wipe(aead)
	return aead.Seal(box, make([]byte, aead.NonceSize()), secret[:], append(box[:32:32], public...)), nil
}

// openBox opens what sealBox has sealed. ErrDamaged.
func openBox(private *Key, label string, box []byte, secret *Key) error {
	if len(box) != boxSize {
		return ErrDamaged
	}
	public, err := publicHalf(private)
	if err != nil {
		return err
	}
	var common Key
	defer clear(common[:])
	aead, err := boxCipher(&common, private, box[:32], label)
	if err != nil {
		return ErrDamaged
	}
	defer wipe(aead)
	if _, err := aead.Open(secret[:0], make([]byte, aead.NonceSize()), box[32:], append(box[:32:32], public...)); err != nil {
		return ErrDamaged
	}
	return nil
}

// boxCipher is the cipher of a box; common is room for the two pairs' secret.
func boxCipher(common, private *Key, public []byte, label string) (cipher.AEAD, error) {
	sweepStack()
	err := exchange(common, private, public)
	sweepStack()
	if err != nil {
		return nil, err
	}
	derive(common, label, 0, common)
	return newGCM(common)
}

//go:noinline
func exchange(common, private *Key, public []byte) error {
	key, err := privateHalf(private)
	if err != nil {
		return err
	}
	defer wipeHalf(key)
	other, err := ecdh.X25519().NewPublicKey(public)
	if err != nil {
		return err
	}
	out, err := key.ECDH(other)
	copy(common[:], out)
	clear(out)
	return err
}

func privateHalf(private *Key) (*ecdh.PrivateKey, error) {
	return ecdh.X25519().NewPrivateKey(private[:])
}

// wipeHalf zeroes the copy of its secret that a private half has.
func wipeHalf(key *ecdh.PrivateKey) {
	clear(reflect.ValueOf(key).Elem().FieldByName("privateKey").Bytes())
}

// publicHalf is the public half of a pair.
func publicHalf(private *Key) ([]byte, error) {
	sweepStack()
	defer sweepStack()
	return publicOf(private)
}

//go:noinline
func publicOf(private *Key) ([]byte, error) {
	key, err := privateHalf(private)
	if err != nil {
		return nil, err
	}
	defer wipeHalf(key)
	return key.PublicKey().Bytes(), nil
}
