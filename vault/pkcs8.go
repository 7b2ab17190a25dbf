package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
	"golang.org/x/crypto/scrypt"
)

// Object identifiers of encrypted PKCS #8 (RFC 8018, 7914), in DER without
// tag and length.
const (
	oidPBES2      = "\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0d" // 1.2.840.113549.1.5.13
	oidPBKDF2     = "\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0c" // 1.2.840.113549.1.5.12
	oidScrypt     = "\x2b\x06\x01\x04\x01\xda\x47\x04\x0b" // 1.3.6.1.4.1.11591.4.11
	oidHMACSHA1   = "\x2a\x86\x48\x86\xf7\x0d\x02\x07"     // 1.2.840.113549.2.7
	oidHMACSHA256 = "\x2a\x86\x48\x86\xf7\x0d\x02\x09"     // 1.2.840.113549.2.9
	oidHMACSHA512 = "\x2a\x86\x48\x86\xf7\x0d\x02\x0b"     // 1.2.840.113549.2.11
	oidAES128CBC  = "\x60\x86\x48\x01\x65\x03\x04\x01\x02" // 2.16.840.1.101.3.4.1.2
	oidAES256CBC  = "\x60\x86\x48\x01\x65\x03\x04\x01\x2a" // 2.16.840.1.101.3.4.1.42

	maxRounds     = 10_000_000 // of PBKDF2
	maxScryptCost = 1 << 20    // N·r; 128 bytes each
)

var errPKCS8 = errors.New("the encrypted key is damaged, or encrypted in a way not known here; convert it with: openssl pkcs8 -topk8 -v2 aes-256-cbc -in FILE")

// ErrPassphrase: the passphrase does not open the private key.
var ErrPassphrase = errors.New("wrong passphrase")

// decryptPKCS8 decrypts an EncryptedPrivateKeyInfo. A wrong passphrase is
// noticed by the padding, or else by what comes out.
func decryptPKCS8(raw, pass []byte) ([]byte, error) {
	s := cryptobyte.String(raw)
	var outer, alg, oid, params, kdf, enc, encOID, iv, data cryptobyte.String
	if !s.ReadASN1(&outer, asn1.SEQUENCE) || !outer.ReadASN1(&alg, asn1.SEQUENCE) || !outer.ReadASN1(&data, asn1.OCTET_STRING) ||
		!alg.ReadASN1(&oid, asn1.OBJECT_IDENTIFIER) || string(oid) != oidPBES2 || !alg.ReadASN1(&params, asn1.SEQUENCE) ||
		!params.ReadASN1(&kdf, asn1.SEQUENCE) || !params.ReadASN1(&enc, asn1.SEQUENCE) ||
		!enc.ReadASN1(&encOID, asn1.OBJECT_IDENTIFIER) || !enc.ReadASN1(&iv, asn1.OCTET_STRING) || len(iv) != aes.BlockSize {
		return nil, errPKCS8
	}
	size := 0
	switch string(encOID) {
	case oidAES128CBC:
		size = 16
	case oidAES256CBC:
		size = 32
	}
	if size == 0 || len(data) == 0 || len(data)%aes.BlockSize != 0 {
		return nil, errPKCS8
	}
	key, err := passphraseKey(kdf, pass, size)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("decrypt the key: %w", err)
	}
	plain := make([]byte, len(data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, data)
	pad := int(plain[len(plain)-1])
	if pad == 0 || pad > aes.BlockSize {
		return nil, ErrPassphrase
	}
	for _, b := range plain[len(plain)-pad:] {
		if int(b) != pad {
			return nil, ErrPassphrase
		}
	}
	return plain[:len(plain)-pad], nil
}

func passphraseKey(kdf cryptobyte.String, pass []byte, size int) ([]byte, error) {
	var oid, params, salt cryptobyte.String
	if !kdf.ReadASN1(&oid, asn1.OBJECT_IDENTIFIER) || !kdf.ReadASN1(&params, asn1.SEQUENCE) ||
		!params.ReadASN1(&salt, asn1.OCTET_STRING) {
		return nil, errPKCS8
	}
	switch string(oid) {
	case oidScrypt:
		var n, r, p int
		if !params.ReadASN1Integer(&n) || !params.ReadASN1Integer(&r) || !params.ReadASN1Integer(&p) ||
			n < 2 || r < 1 || p < 1 || n > maxScryptCost || r > 64 || n*r > maxScryptCost || p > 16 {
			return nil, errPKCS8
		}
		return scrypt.Key(pass, salt, n, r, p, size)
	case oidPBKDF2:
		var rounds int
		if !params.ReadASN1Integer(&rounds) || rounds < 1 || rounds > maxRounds {
			return nil, errPKCS8
		}
		var ignored cryptobyte.String
		if !params.SkipOptionalASN1(asn1.INTEGER) {
			return nil, errPKCS8
		}
		prf := func() hash.Hash { return sha1.New() }
		if params.ReadASN1(&ignored, asn1.SEQUENCE) {
			if !ignored.ReadASN1(&oid, asn1.OBJECT_IDENTIFIER) {
				return nil, errPKCS8
			}
			switch string(oid) {
			case oidHMACSHA1:
			case oidHMACSHA256:
				prf = sha256.New
			case oidHMACSHA512:
				prf = sha512.New
			default:
				return nil, errPKCS8
			}
		}
		return pbkdf2.Key(prf, string(pass), salt, rounds, size)
	}
	return nil, errPKCS8
}
