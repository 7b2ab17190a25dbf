package vault

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
)

// A receipt is a JSON object whose last member is its signature. The file ends, to the byte, in
//
//	,\n  "signature": "BASE64"\n}\n
//
// BASE64 is the Ed25519 signature (RFC 8032), 88 characters, of "sealgate receipt 1\n" and of every byte of the file before
// that comma. Nothing is parsed before it is proven, no other way of writing the same JSON counts, and the same receipt is
// signed by the same bytes each time.
const (
	receiptContext = "sealgate receipt 1\n"
	receiptOpen    = "\n}\n" // how it ends without a signature
	receiptSigned  = ",\n  \"signature\": \""
	receiptClose   = "\"\n}\n"
)

var receiptBase64 = base64.StdEncoding.Strict()

// ReceiptSignature is by how many bytes a signature makes a receipt longer.
const ReceiptSignature = len(receiptSigned) + (ed25519.SignatureSize+2)/3*4 + len(receiptClose) - len(receiptOpen)

// What is wrong with a receipt.
var (
	ErrUnsigned = errors.New("it has no signature")
	ErrForged   = errors.New("it is not what the gateway of this key has signed")
)

var errNoReceipt = errors.New("vault: a receipt ends in a brace on a line of its own")

// ReceiptKey is the gateway's own key, which signs receipts and nothing else.
type ReceiptKey struct{ private ed25519.PrivateKey }

// NewReceiptKey makes a key from the system's source of randomness.
func NewReceiptKey() *ReceiptKey {
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		panic(err) // the system's source never fails: crypto/rand
	}
	return &ReceiptKey{private}
}

// ParseReceiptKey takes the 32 bytes that Seed gave.
func ParseReceiptKey(seed []byte) (*ReceiptKey, error) {
	if len(seed) != ed25519.SeedSize {
		return nil, errors.New("vault: the receipts' key is damaged")
	}
	return &ReceiptKey{ed25519.NewKeyFromSeed(seed)}, nil
}

// Seed is the secret that makes the key, to be kept.
func (k *ReceiptKey) Seed() []byte { return k.private.Seed() }

// Forget zeroes the key. It signs nothing afterwards.
func (k *ReceiptKey) Forget() { clear(k.private) }

// Public is what receipts are checked with.
func (k *ReceiptKey) Public() *ReceiptPublicKey {
	return &ReceiptPublicKey{bytes.Clone(k.private[ed25519.SeedSize:])}
}

// Sign adds its signature to a receipt, a JSON object of at least one member that ends in a brace on a line of its own. It is
// safe for many goroutines.
func (k *ReceiptKey) Sign(receipt []byte) ([]byte, error) {
	body, ok := bytes.CutSuffix(receipt, []byte(receiptOpen))
	if !ok {
		return nil, errNoReceipt
	}
	out := make([]byte, 0, len(receipt)+ReceiptSignature)
	out = append(append(out, body...), receiptSigned...)
	out = receiptBase64.AppendEncode(out, ed25519.Sign(k.private, signedBytes(body)))
	return append(out, receiptClose...), nil
}

func signedBytes(body []byte) []byte { return append([]byte(receiptContext), body...) }

// ReceiptPublicKey is the public half of a gateway's own key.
type ReceiptPublicKey struct{ key ed25519.PublicKey }

// ParseReceiptPublicKey reads a PEM file with an Ed25519 SubjectPublicKeyInfo (RFC 8410), as PEM writes it and OpenSSL does.
func ParseReceiptPublicKey(text []byte) (*ReceiptPublicKey, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "PUBLIC KEY" {
		return nil, errors.New("no public key in PEM form (-----BEGIN PUBLIC KEY-----)")
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if key, ok := parsed.(ed25519.PublicKey); err == nil && ok {
		return &ReceiptPublicKey{key}, nil
	}
	return nil, errors.New("not the public key of a gateway, which is an Ed25519 key")
}

func (p *ReceiptPublicKey) der() []byte {
	der, err := x509.MarshalPKIXPublicKey(p.key)
	if err != nil {
		panic(err) // it knows Ed25519
	}
	return der
}

// PEM is the key in a file.
func (p *ReceiptPublicKey) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: p.der()})
}

// Fingerprint is the SHA-256 of the key's SubjectPublicKeyInfo, in hex: to be compared over the telephone.
func (p *ReceiptPublicKey) Fingerprint() string {
	sum := sha256.Sum256(p.der())
	return hex.EncodeToString(sum[:])
}

// Open gives the receipt as it was before it was signed, once its signature is proven. ErrUnsigned, ErrForged.
func (p *ReceiptPublicKey) Open(receipt []byte) ([]byte, error) {
	const tail = ReceiptSignature + len(receiptOpen)
	at := len(receipt) - tail
	if at < 0 || !bytes.HasPrefix(receipt[at:], []byte(receiptSigned)) || !bytes.HasSuffix(receipt, []byte(receiptClose)) {
		if bytes.Contains(receipt, []byte(`"signature"`)) {
			return nil, ErrForged // something was done to its end
		}
		return nil, ErrUnsigned
	}
	signature, err := receiptBase64.DecodeString(string(receipt[at+len(receiptSigned) : len(receipt)-len(receiptClose)]))
	if err != nil || !ed25519.Verify(p.key, signedBytes(receipt[:at]), signature) {
		return nil, ErrForged
	}
	return append(bytes.Clone(receipt[:at]), receiptOpen...), nil
}
