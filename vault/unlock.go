package vault

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
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
	if string(secretText(unlockPrefix, secret)) != string(text) {
		return nil, errors.New("vault: the unlock key has blanks or letters in it that do not belong there; give the one line as it was made")
	}
	k := &UnlockKey{secret: *secret}
	k.pepper, err = k.derive("user index")
	return k, err
}

func (k *UnlockKey) derive(label string) (out [32]byte, err error) {
	key, err := hkdf.Key(sha256.New, k.secret[:], nil, "sealgate v1 "+label, len(out))
	if err != nil {
		return out, fmt.Errorf("vault: unlock key: %w", err)
	}
	copy(out[:], key)
	return out, nil
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
