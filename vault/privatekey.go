package vault

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// PrivateKey is a certificate's key, which opens files. It never comes near
// the intake: only the operator's commands (open, cert rotate, cert remove,
// access-key remove) read one, in processes of their own.
type PrivateKey struct {
	rsa *rsa.PrivateKey  // nil for EC
	ec  *ecdh.PrivateKey // nil for RSA
	id  string
}

// ReadPrivateKey reads a PEM file: PKCS#8, PKCS#1 or SEC 1, or PKCS#8 that is
// encrypted (PBES2 with PBKDF2 or scrypt and AES-CBC, what OpenSSL writes), for
// which the passphrase is asked for.
func ReadPrivateKey(path string, passphrase func() ([]byte, error)) (*PrivateKey, error) {
	text, err := readSmall(path)
	if err != nil {
		return nil, fmt.Errorf("vault: private key: %w", err)
	}
	k, err := ParsePrivateKey(text, passphrase)
	if err != nil {
		return nil, fmt.Errorf("vault: private key %s: %w", path, err)
	}
	return k, nil
}

// ParsePrivateKey is ReadPrivateKey for a text in memory. A nil passphrase
// refuses encrypted keys.
func ParsePrivateKey(text []byte, passphrase func() ([]byte, error)) (*PrivateKey, error) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if !strings.HasSuffix(block.Type, "PRIVATE KEY") {
			continue // a certificate or EC PARAMETERS may stand beside the key
		}
		key, err := parseKeyBlock(block, passphrase)
		if err != nil {
			return nil, err
		}
		signer, ok := key.(crypto.Signer)
		if !ok {
			return nil, fmt.Errorf("a key of type %T opens no files; it must be RSA, P-256 or P-384", key)
		}
		return newPrivateKey(signer)
	}
	return nil, errors.New("no PEM private key in this file; it begins with BEGIN PRIVATE KEY or BEGIN ENCRYPTED PRIVATE KEY")
}

func parseKeyBlock(block *pem.Block, passphrase func() ([]byte, error)) (any, error) {
	if block.Headers["DEK-Info"] != "" {
		return nil, errors.New("encrypted in an old way that is not safe; convert it with: openssl pkcs8 -topk8 -in FILE")
	}
	raw := block.Bytes
	switch block.Type {
	case "RSA PRIVATE KEY":
		return x509.ParsePKCS1PrivateKey(raw)
	case "EC PRIVATE KEY":
		return x509.ParseECPrivateKey(raw)
	case "ENCRYPTED PRIVATE KEY":
		if passphrase == nil {
			return nil, errors.New("the key is encrypted, and there is no passphrase for it")
		}
		pass, err := passphrase()
		if err != nil {
			return nil, fmt.Errorf("passphrase: %w", err)
		}
		if raw, err = decryptPKCS8(raw, pass); err != nil {
			return nil, err
		}
		return x509.ParsePKCS8PrivateKey(raw)
	case "PRIVATE KEY":
		return x509.ParsePKCS8PrivateKey(raw)
	}
	return nil, fmt.Errorf("a %q opens no files; it must be RSA, P-256 or P-384", block.Type)
}

func newPrivateKey(signer crypto.Signer) (*PrivateKey, error) {
	id, err := publicKeyID(signer)
	if err != nil {
		return nil, err
	}
	k := &PrivateKey{id: id}
	switch key := signer.(type) {
	case *rsa.PrivateKey:
		if n := key.N.BitLen(); n < 2048 || n > 4096 {
			return nil, fmt.Errorf("an RSA key of %d bits opens no files; it must have 2048 to 4096", n)
		}
		k.rsa = key
	case *ecdsa.PrivateKey:
		if k.ec, err = key.ECDH(); err != nil {
			return nil, fmt.Errorf("this EC key opens no files (%v); it must be P-256 or P-384", err)
		}
	default:
		return nil, fmt.Errorf("a key of type %T opens no files; it must be RSA, P-256 or P-384", signer)
	}
	return k, nil
}

// KeyID names the public half, as Certificate.KeyID does.
func (k *PrivateKey) KeyID() string { return k.id }

// Fits says whether this is the certificate's key.
func (k *PrivateKey) Fits(c *Certificate) bool { return k.id == c.KeyID() }
