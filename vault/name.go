package vault

import (
	"bytes"
	"errors"
	"fmt"
)

// nameSize is the longest login, in bytes.
const nameSize = 64

// SealName seals the name of a login as SealBytes does a file. What is sealed
// is the name and zeros up to 64 bytes, so that no length tells one from
// another.
func (s *Seal) SealName(login string) ([]byte, Witness, error) {
	if len(login) > nameSize {
		return nil, Witness{}, fmt.Errorf("vault: a login has at most %d bytes", nameSize)
	}
	plain := make([]byte, nameSize)
	copy(plain, login)
	return s.SealBytes(plain)
}

// OpenName is the reverse of SealName. Its errors are OpenSealed's.
func OpenName(sealed []byte, key *PrivateKey, access *AccessKey) (string, error) {
	var plain bytes.Buffer
	if err := OpenSealed(&plain, bytes.NewReader(sealed), int64(len(sealed)), key, access); err != nil {
		return "", err
	}
	if plain.Len() != nameSize {
		return "", errors.New("vault: what is sealed is not the name of a login")
	}
	return string(bytes.TrimRight(plain.Bytes(), "\x00")), nil
}
