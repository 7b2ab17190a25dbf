package vault

import (
	"crypto"
	"crypto/aes"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1" // OpenSSL's defaults, for files that were not made here
	"crypto/sha256"
	_ "crypto/sha512"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// Object identifiers of key transport and agreement, in DER without tag and length.
const (
	oidOAEP        = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x07" // 1.2.840.113549.1.1.7
	oidMGF1        = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08" // 1.2.840.113549.1.1.8
	oidPSpecified  = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x09" // 1.2.840.113549.1.1.9
	oidSHA1        = "\x2b\x0e\x03\x02\x1a"                 // 1.3.14.3.2.26
	oidSHA256      = "\x60\x86\x48\x01\x65\x03\x04\x02\x01" // 2.16.840.1.101.3.4.2.1
	oidSHA384      = "\x60\x86\x48\x01\x65\x03\x04\x02\x02" // 2.16.840.1.101.3.4.2.2
	oidSHA512      = "\x60\x86\x48\x01\x65\x03\x04\x02\x03" // 2.16.840.1.101.3.4.2.3
	oidECPublicKey = "\x2a\x86\x48\xce\x3d\x02\x01"         // 1.2.840.10045.2.1
	oidDHSHA1      = "\x2b\x81\x05\x10\x86\x48\x3f\x00\x02" // 1.3.133.16.840.63.0.2
	oidDHSHA256    = "\x2b\x81\x04\x01\x0b\x01"             // 1.3.132.1.11.1
	oidDHSHA384    = "\x2b\x81\x04\x01\x0b\x02"             // 1.3.132.1.11.2
	oidDHSHA512    = "\x2b\x81\x04\x01\x0b\x03"             // 1.3.132.1.11.3
	oidAES256Wrap  = "\x60\x86\x48\x01\x65\x03\x04\x01\x2d" // 2.16.840.1.101.3.4.1.45
	wrappedSize    = keySize + 8                            // RFC 3394
)

// wrapFor makes the RecipientInfo that lets the certificate's key find the
// content key.
func wrapFor(c *Certificate, key *[keySize]byte) ([]byte, error) {
	name := der(0x30, c.x.RawIssuer, derInteger(c.x.SerialNumber.Bytes()))
	if c.rsa != nil {
		wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, c.rsa, key[:], nil)
		if err != nil {
			return nil, fmt.Errorf("vault: seal to %s: %w", c.Fingerprint(), err)
		}
		hash := algorithm(oidSHA256, []byte{0x05, 0x00})
		oaep := algorithm(oidOAEP, der(0x30, der(0xa0, hash), der(0xa1, algorithm(oidMGF1, hash))))
		return der(0x30, []byte{0x02, 0x01, 0x00}, name, oaep, der(0x04, wrapped)), nil
	}
	ephemeral, err := c.ec.Curve().GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("vault: seal to %s: %w", c.Fingerprint(), err)
	}
	shared, err := ephemeral.ECDH(c.ec)
	if err != nil {
		return nil, fmt.Errorf("vault: seal to %s: %w", c.Fingerprint(), err)
	}
	wrap := algorithm(oidAES256Wrap)
	wrapped, err := wrapKey(deriveKEK(crypto.SHA256, shared, wrap, nil), key)
	if err != nil {
		return nil, err
	}
	originator := der(0xa0, der(0xa1, algorithm(oidECPublicKey), der(0x03, []byte{0}, ephemeral.PublicKey().Bytes())))
	return der(0xa1, []byte{0x02, 0x01, 0x03}, originator, algorithm(oidDHSHA256, wrap),
		der(0x30, der(0x30, name, der(0x04, wrapped)))), nil
}

func algorithm(oid string, params ...[]byte) []byte {
	return der(0x30, append([][]byte{der(0x06, []byte(oid))}, params...)...)
}

func derInteger(b []byte) []byte {
	if len(b) == 0 || b[0]&0x80 != 0 {
		return der(0x02, []byte{0}, b)
	}
	return der(0x02, b)
}

// deriveKEK is X9.63's key derivation with RFC 5753's ECC-CMS-SharedInfo, for
// AES-256 key wrap.
func deriveKEK(hash crypto.Hash, shared, wrap, ukm []byte) []byte {
	var user []byte
	if ukm != nil {
		user = der(0xa0, der(0x04, ukm))
	}
	info := der(0x30, wrap, user, der(0xa2, der(0x04, []byte{0, 0, 1, 0}))) // 256 bits
	var out []byte
	for n := uint32(1); len(out) < keySize; n++ {
		h := hash.New()
		h.Write(shared)
		h.Write(binary.BigEndian.AppendUint32(nil, n))
		h.Write(info)
		out = h.Sum(out)
	}
	return out[:keySize]
}

const wrapIV = "\xa6\xa6\xa6\xa6\xa6\xa6\xa6\xa6"

// wrapKey is RFC 3394's key wrap.
func wrapKey(kek []byte, key *[keySize]byte) ([]byte, error) {
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, fmt.Errorf("vault: key wrap: %w", err)
	}
	out := append([]byte(wrapIV), key[:]...)
	var b [blockSize]byte
	copy(b[:], wrapIV)
	for t := range uint64(6 * keySize / 8) {
		r := out[8+t%(keySize/8)*8:][:8]
		copy(b[8:], r)
		block.Encrypt(b[:], b[:])
		binary.BigEndian.PutUint64(b[:8], binary.BigEndian.Uint64(b[:8])^(t+1))
		copy(r, b[8:])
	}
	copy(out, b[:8])
	return out, nil
}

func unwrapKey(kek, wrapped []byte) (*[keySize]byte, bool) {
	block, err := aes.NewCipher(kek)
	if err != nil || len(wrapped) != wrappedSize {
		return nil, false
	}
	key := [keySize]byte(wrapped[8:])
	var b [blockSize]byte
	copy(b[:], wrapped[:8])
	for t := uint64(6 * keySize / 8); t > 0; t-- {
		r := key[(t-1)%(keySize/8)*8:][:8]
		binary.BigEndian.PutUint64(b[:8], binary.BigEndian.Uint64(b[:8])^t)
		copy(b[8:], r)
		block.Decrypt(b[:], b[:])
		copy(r, b[8:])
	}
	return &key, subtle.ConstantTimeCompare(b[:8], []byte(wrapIV)) == 1
}

// recipient is one way to the content key: key transport if oaep is set, key
// agreement if kdf is, and neither for what we do not know.
type recipient struct {
	issuer []byte // DER; nil if named by key identifier
	serial []byte // or the key identifier

	oaep      *rsa.OAEPOptions
	kdf       crypto.Hash
	ephemeral []byte // point
	wrap      []byte // the wrap's AlgorithmIdentifier, as the derivation wants it
	ukm       []byte
	wrapped   []byte
}

func (r *recipient) describe() Recipient {
	out := Recipient{Name: commonName(r.issuer), Serial: hex.EncodeToString(r.serial), Kind: "EC", issuer: r.issuer}
	if r.ephemeral == nil {
		out.Kind = "RSA"
	}
	return out
}

// unwrap returns the content key if the private key is the recipient's. The
// name is not looked at: a key wrapped for another is noticed anyway.
func (r *recipient) unwrap(k *PrivateKey) (*[keySize]byte, bool) {
	switch {
	case r.oaep != nil && k.rsa != nil:
		key, err := k.rsa.Decrypt(nil, r.wrapped, r.oaep)
		if err != nil || len(key) != keySize {
			return nil, false
		}
		return (*[keySize]byte)(key), true
	case r.kdf != 0 && k.ec != nil:
		point, err := k.ec.Curve().NewPublicKey(r.ephemeral)
		if err != nil {
			return nil, false
		}
		shared, err := k.ec.ECDH(point)
		if err != nil {
			return nil, false
		}
		return unwrapKey(deriveKEK(r.kdf, shared, r.wrap, r.ukm), r.wrapped)
	}
	return nil, false
}

// unwrap tries every recipient.
func (e *envelope) unwrap(k *PrivateKey) (*[keySize]byte, bool) {
	for i := range e.recipients {
		if key, ok := e.recipients[i].unwrap(k); ok {
			return key, true
		}
	}
	return nil, false
}
