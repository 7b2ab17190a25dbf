package vault

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"math/big"
	"time"
)

const (
	accessPrefix = "SGA1" // "sealgate access", version 1
	accessLabel  = "sealgate access key v1 P-256"
	accessSerial = "01" // an access certificate's serial number is 01 and the KeyID, in hex
)

// AccessKey is the second secret that opens a file: 256 random bits, written
// as a line of text (see secretText; prefix SGA1). A P-256 private key is
// derived from them:
//
//	d = 1 + (HKDF-SHA-256(secret, no salt, info "sealgate access key v1 P-256", 48 bytes) mod (n-1))
//
// with the 48 bytes taken as a big-endian number and n the order of the curve
// (FIPS 186-5, A.2.1). The gateway holds only the certificate of its public
// half: self-signed, CN = the access key's name, without an end, and with a
// serial number that says its KeyID.
type AccessKey struct {
	key    *PrivateKey
	signer crypto.Signer
}

// NewAccessKey makes an access key: its text, which is the secret and ends in
// a newline, and the certificate PEM of its public half for the gateway.
func NewAccessKey(name string, from time.Time) (text, certPEM []byte, err error) {
	secret := newSecret()
	k, err := accessKey(secret)
	if err != nil {
		return nil, nil, err
	}
	certPEM, err = k.Certificate(name, from)
	if err != nil {
		return nil, nil, err
	}
	return append(secretText(accessPrefix, secret), '\n'), certPEM, nil
}

// ReadAccessKey reads an access key's text from a file.
func ReadAccessKey(path string) (*AccessKey, error) {
	text, err := readSmall(path)
	if err != nil {
		return nil, fmt.Errorf("vault: access key: %w", err)
	}
	k, err := ParseAccessKey(text)
	if err != nil {
		return nil, fmt.Errorf("%w (%s)", err, path)
	}
	return k, nil
}

// ParseAccessKey reads an access key's text; case, hyphens and blanks do not
// matter, and a typing error is noticed.
func ParseAccessKey(text []byte) (*AccessKey, error) {
	secret, err := parseSecretText(accessPrefix, text)
	if err != nil {
		return nil, fmt.Errorf("vault: the access key %w", err)
	}
	return accessKey(secret)
}

func accessKey(secret *[32]byte) (*AccessKey, error) {
	wide, err := hkdf.Key(sha256.New, secret[:], nil, accessLabel, 48)
	if err != nil {
		return nil, fmt.Errorf("vault: access key: %w", err)
	}
	one := big.NewInt(1)
	d := new(big.Int).SetBytes(wide)
	d.Mod(d, new(big.Int).Sub(elliptic.P256().Params().N, one)).Add(d, one)
	signer, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d.FillBytes(make([]byte, 32)))
	if err != nil {
		return nil, fmt.Errorf("vault: access key: %w", err)
	}
	key, err := newPrivateKey(signer)
	if err != nil {
		return nil, err
	}
	return &AccessKey{key: key, signer: signer}, nil
}

// KeyID names the public half: the 32 hex digits of Certificate.KeyID.
func (k *AccessKey) KeyID() string { return k.key.KeyID() }

// Certificate makes the certificate PEM of the public half again; it seals to
// the same key as the first one.
func (k *AccessKey) Certificate(name string, from time.Time) ([]byte, error) {
	id, err := hex.DecodeString(accessSerial + k.KeyID())
	if err != nil {
		return nil, fmt.Errorf("vault: access key: %w", err)
	}
	forever := time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC) // RFC 5280's "no expiration"
	return selfSign(name, k.signer, id, from, forever)
}

// PEM gives the derived P-256 key as PKCS#8, for `openssl cms -decrypt`.
func (k *AccessKey) PEM() ([]byte, error) { return keyToPEM(k.signer) }

func publicKeyID(key crypto.Signer) (string, error) {
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return "", fmt.Errorf("vault: private key: %w", err)
	}
	return keyID(spki), nil
}
