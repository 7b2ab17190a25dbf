package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
)

const unlockPrefix = "SGU1" // "sealgate unlock", version 1

// UnlockKey is the secret that comes from outside when the gateway starts: 32
// random bytes, written as a line of text (see secretText; prefix SGU1). Every
// key derived from it is HKDF-SHA-256(key, no salt, info, 32 bytes), where info is
//
//	"sealgate v1 database NAME"   for Database(NAME)
//	"sealgate v1 user index"      for the HMAC key of Blind
//	"sealgate v1 name"            for ID
//	"sealgate v1 predecessor"     for the AES-256-GCM key of Hide
//
// and these labels never change.
type UnlockKey struct {
	secret [32]byte
	pepper [32]byte
}

// NewUnlockKey makes an unlock key's text, which ends in a newline.
func NewUnlockKey() []byte { return append(secretText(unlockPrefix, newSecret()), '\n') }

// ReadUnlockKey reads an unlock key's text from a file.
func ReadUnlockKey(path string) (*UnlockKey, error) {
	text, err := readSmall(path)
	if err != nil {
		return nil, fmt.Errorf("vault: unlock key: %w", err)
	}
	defer clear(text)
	k, err := ParseUnlockKey(text)
	if err != nil {
		return nil, fmt.Errorf("%w (%s)", err, path)
	}
	return k, nil
}

// ParseUnlockKey takes exactly what NewUnlockKey gives, with or without its
// newline: a machine wrote it and a machine hands it over, so anything else
// is a mistake worth stopping for.
func ParseUnlockKey(text []byte) (*UnlockKey, error) {
	if n := len(text); n > 0 && text[n-1] == '\n' {
		text = text[:n-1]
	}
	if len(text) == 0 {
		return nil, errors.New("vault: the unlock key is empty; is the credential mounted?")
	}
	secret, err := parseSecretText(unlockPrefix, text)
	if err != nil {
		return nil, fmt.Errorf("vault: the unlock key %w", err)
	}
	written := secretText(unlockPrefix, secret)
	defer clear(written)
	if string(written) != string(text) {
		return nil, errors.New("vault: the unlock key has blanks or letters in it that do not belong there; give the one line as it was made")
	}
	defer clear(secret[:])
	return newUnlockKey(secret[:])
}

func newUnlockKey(secret []byte) (k *UnlockKey, err error) {
	k = &UnlockKey{secret: [32]byte(secret)}
	k.pepper, err = k.derive("user index")
	return k, err
}

// Forget zeroes the key. It opens nothing afterwards.
func (k *UnlockKey) Forget() {
	clear(k.secret[:])
	clear(k.pepper[:])
}

// Clone gives a copy with a life of its own.
func (k *UnlockKey) Clone() *UnlockKey {
	c := *k
	return &c
}

// ID names the key, and tells nothing else of it: 16 hex digits.
func (k *UnlockKey) ID() string {
	name, err := k.derive("name")
	if err != nil {
		panic(err) // as in Database
	}
	return hex.EncodeToString(name[:8])
}

func (k *UnlockKey) derive(label string) (out [32]byte, err error) {
	key, err := hkdf.Key(sha256.New, k.secret[:], nil, "sealgate v1 "+label, len(out))
	if err != nil {
		return out, fmt.Errorf("vault: unlock key: %w", err)
	}
	copy(out[:], key)
	clear(key)
	return out, nil
}

// Lasting are the derived keys that a change of the unlock key must not change, since what was made with them cannot be made anew:
// that of Blind, whose names nobody knows. UseLasting takes them over from the key before.
func (k *UnlockKey) Lasting() []byte { return append([]byte(nil), k.pepper[:]...) }

// UseLasting takes what Lasting of an earlier key gave.
func (k *UnlockKey) UseLasting(keys []byte) error {
	if len(keys) != len(k.pepper) {
		return errors.New("vault: the lasting keys are damaged")
	}
	copy(k.pepper[:], keys)
	return nil
}

// Hide seals the unlock key before this one under this one: a nonce of 12 bytes and AES-256-GCM of the 32 bytes.
func (k *UnlockKey) Hide(before *UnlockKey) ([]byte, error) {
	aead, err := k.predecessor()
	if err != nil {
		return nil, err
	}
	return aead.Seal(nil, nil, before.secret[:], nil), nil
}

// Reveal opens what Hide gave.
func (k *UnlockKey) Reveal(hidden []byte) (*UnlockKey, error) {
	aead, err := k.predecessor()
	if err != nil {
		return nil, err
	}
	secret, err := aead.Open(nil, nil, hidden, nil)
	defer clear(secret)
	if err != nil || len(secret) != len(k.secret) {
		return nil, fmt.Errorf("vault: the unlock key before: %w", ErrTampered)
	}
	return newUnlockKey(secret)
}

func (k *UnlockKey) predecessor() (cipher.AEAD, error) {
	key, err := k.derive("predecessor")
	if err != nil {
		return nil, err
	}
	defer clear(key[:])
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// Database returns the key of a database: "gateway", "account/ID".
func (k *UnlockKey) Database(name string) [32]byte {
	key, err := k.derive("database " + name)
	if err != nil {
		panic(err) // HKDF of 32 bytes fails only if SHA-256 is not there, which ParseUnlockKey has seen
	}
	return key
}

// Blind returns the name under which a login is kept: HMAC-SHA-256 of it,
// which only the holder of the unlock key can compute or guess at.
func (k *UnlockKey) Blind(login string) (out [32]byte) {
	h := hmac.New(sha256.New, k.pepper[:])
	h.Write([]byte(login))
	h.Sum(out[:0])
	return out
}
