package vault

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"strings"
	"time"
)

const maxKeyFile = 64 << 10 // bytes; a larger file is no key and no certificate

// keyIDSize is how many bytes of the SHA-256 of a public key name it.
const keyIDSize = 16

// Certificate is an X.509 certificate that files can be sealed to: RSA of
// 2048 to 4096 bits, P-256 or P-384. Immutable.
type Certificate struct {
	x    *x509.Certificate
	ec   *ecdh.PublicKey // nil for RSA
	rsa  *rsa.PublicKey  // nil for EC
	kind string
}

// ReadCertificate reads the one certificate of a PEM file. Errors say in one
// sentence what is wrong and what to do. An expired certificate is no error.
func ReadCertificate(path string) (*Certificate, error) {
	text, err := readSmall(path)
	if err != nil {
		return nil, fmt.Errorf("vault: certificate: %w", err)
	}
	c, err := ParseCertificate(text)
	if err != nil {
		return nil, fmt.Errorf("vault: certificate %s: %w", path, err)
	}
	return c, nil
}

// readSmall reads a file that a key or a certificate would fit in.
func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err == nil && len(text) > maxKeyFile {
		err = fmt.Errorf("%s: larger than %d KiB, so it is not a key or certificate", path, maxKeyFile>>10)
	}
	return text, err
}

// ParseCertificate is ReadCertificate for a text in memory.
func ParseCertificate(text []byte) (*Certificate, error) {
	var found []*pem.Block
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		switch {
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
			return nil, errors.New("there is a private key in this file; take it elsewhere and leave only the certificate, the gateway must not hold the key")
		case block.Type == "CERTIFICATE":
			found = append(found, block)
		default:
			return nil, fmt.Errorf("this is a %q, not a certificate; give the PEM file that begins with BEGIN CERTIFICATE", block.Type)
		}
	}
	switch len(found) {
	case 0:
		return nil, errors.New("no PEM certificate in this file; convert a DER one with: openssl x509 -inform DER -in FILE")
	case 1:
	default:
		return nil, fmt.Errorf("%d certificates in this file; leave only the one to seal to", len(found))
	}
	x, err := x509.ParseCertificate(found[0].Bytes)
	if err != nil {
		return nil, fmt.Errorf("the certificate is damaged (%v); export it again", err)
	}
	return checkCertificate(x)
}

// checkCertificate says whether a certificate may be sealed to.
func checkCertificate(x *x509.Certificate) (*Certificate, error) {
	c := &Certificate{x: x}
	usage := x509.KeyUsageKeyEncipherment | x509.KeyUsageDataEncipherment
	want := "keyEncipherment"
	switch k := x.PublicKey.(type) {
	case *rsa.PublicKey:
		if n := k.N.BitLen(); n < 2048 || n > 4096 {
			return nil, fmt.Errorf("its RSA key has %d bits; use one of 2048 to 4096 (3072 is good)", n)
		}
		c.rsa, c.kind = k, fmt.Sprintf("RSA %d", k.N.BitLen())
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() && k.Curve != elliptic.P384() {
			return nil, fmt.Errorf("its key is on the curve %s; use P-256 or P-384", k.Params().Name)
		}
		ec, err := k.ECDH()
		if err != nil {
			return nil, fmt.Errorf("its public key is not a point of the curve (%v); make a new certificate", err)
		}
		c.ec, c.kind = ec, k.Params().Name
		usage, want = x509.KeyUsageKeyAgreement, "keyAgreement"
	default:
		return nil, fmt.Errorf("its key is %v, which cannot be sealed to; use RSA, P-256 or P-384", x.PublicKeyAlgorithm)
	}
	if x.KeyUsage != 0 && x.KeyUsage&usage == 0 {
		if x.IsCA {
			return nil, errors.New("this is a CA's certificate, for signing others; give the one that it issued for sealing")
		}
		return nil, fmt.Errorf("its key usage does not allow sealing; issue it with keyUsage = %s", want)
	}
	return c, nil
}

// Fingerprint returns "sha256:" and the 64 hex digits that
// `openssl x509 -fingerprint -sha256` shows (without its colons).
func (c *Certificate) Fingerprint() string {
	sum := sha256.Sum256(c.x.Raw)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// KeyID names the public key: 32 hex digits, the first half of the SHA-256 of
// the SubjectPublicKeyInfo. AccessKey.KeyID and PrivateKey.KeyID give the same.
func (c *Certificate) KeyID() string { return keyID(c.x.RawSubjectPublicKeyInfo) }

func keyID(spki []byte) string {
	sum := sha256.Sum256(spki)
	return hex.EncodeToString(sum[:keyIDSize])
}

// Subject returns the common name.
func (c *Certificate) Subject() string { return c.x.Subject.CommonName }

// Kind returns "RSA 3072" (with its bits), "P-256" or "P-384".
func (c *Certificate) Kind() string { return c.kind }

// NotAfter returns the last second at which the certificate is valid.
func (c *Certificate) NotAfter() time.Time { return c.x.NotAfter }

// Expired says whether the certificate is past its last day.
func (c *Certificate) Expired(now time.Time) bool { return now.After(c.x.NotAfter) }

// PEM gives the certificate as ParseCertificate takes it.
func (c *Certificate) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.x.Raw})
}

// Is says whether the recipient is this certificate.
func (c *Certificate) Is(r Recipient) bool {
	serial, ok := new(big.Int).SetString(r.Serial, 16)
	return ok && serial.Cmp(c.x.SerialNumber) == 0 && string(r.issuer) == string(c.x.RawIssuer)
}

// NewCertificate makes a key pair and a self-signed certificate to seal to,
// of the kind rsa-3072, p-256 or p-384, with the common name, valid from then
// on for that long. The key is PKCS#8 PEM, not encrypted: give it to its owner
// and keep no copy.
func NewCertificate(name, kind string, from time.Time, valid time.Duration) (certPEM, keyPEM []byte, err error) {
	key, err := newKey(kind)
	if err != nil {
		return nil, nil, err
	}
	serial := make([]byte, 16)
	rand.Read(serial)
	serial[0] = serial[0]&0x7f | 0x40 // positive, and always 16 bytes: never taken for an access key's
	certPEM, err = selfSign(name, key, serial, from, from.Add(valid))
	if err != nil {
		return nil, nil, err
	}
	keyPEM, err = keyToPEM(key)
	return certPEM, keyPEM, err
}

// newKey makes a key of a kind that files are sealed to.
func newKey(kind string) (key crypto.Signer, err error) {
	switch kind {
	case "rsa-3072":
		key, err = rsa.GenerateKey(rand.Reader, 3072)
	case "p-256":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "p-384":
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	default:
		return nil, fmt.Errorf("vault: %q is no kind of key; choose rsa-3072, p-256 or p-384", kind)
	}
	if err != nil {
		return nil, fmt.Errorf("vault: new key: %w", err)
	}
	return key, nil
}

// NewRequest makes a key pair and a request (PKCS #10) for a certificate to
// seal to, for a CA to sign. The key is as NewCertificate's.
func NewRequest(name, kind string) (requestPEM, keyPEM []byte, err error) {
	if err := checkName(name); err != nil {
		return nil, nil, err
	}
	key, err := newKey(kind)
	if err != nil {
		return nil, nil, err
	}
	usage := []byte{0x03, 0x02, 0x03, 0x08} // keyAgreement
	if _, ok := key.(*rsa.PrivateKey); ok {
		usage = []byte{0x03, 0x02, 0x05, 0x20} // keyEncipherment
	}
	made, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject:         pkix.Name{CommonName: name},
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 15}, Critical: true, Value: usage}},
	}, key)
	if err != nil {
		return nil, nil, fmt.Errorf("vault: new request: %w", err)
	}
	keyPEM, err = keyToPEM(key)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: made}), keyPEM, err
}

func checkName(name string) error {
	if name == "" || len(name) > 64 {
		return fmt.Errorf("vault: a certificate's name has 1 to 64 bytes, not %d", len(name))
	}
	return nil
}

// selfSign makes a certificate for sealing, good for nothing else.
func selfSign(name string, key crypto.Signer, serial []byte, from, until time.Time) ([]byte, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, fmt.Errorf("vault: new certificate: %w", err)
	}
	id := sha256.Sum256(spki)
	template := &x509.Certificate{
		SerialNumber:          new(big.Int).SetBytes(serial),
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             from.UTC(),
		NotAfter:              until.UTC(),
		KeyUsage:              x509.KeyUsageKeyAgreement,
		BasicConstraintsValid: true,
		SubjectKeyId:          id[:20],
	}
	if _, ok := key.(*rsa.PrivateKey); ok {
		template.KeyUsage = x509.KeyUsageKeyEncipherment
	}
	made, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("vault: new certificate: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: made}), nil
}

func keyToPEM(key crypto.Signer) ([]byte, error) {
	p8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("vault: new key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: p8}), nil
}
