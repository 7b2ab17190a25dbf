// Package vault seals payment files with a customer's certificate, opens them
// again, and keeps the few secrets that the gateway lives by.
//
// # Keys, in a few lines
//
// Every account has a certificate (RSA 2048-4096, P-256 or P-384). The gateway
// holds only the certificate, so it can seal and cannot open. The private key
// stays with the operator or the customer, away from the gateway. An account
// may also have access keys: a sealed file then takes the certificate's key
// and any one of the access keys, and either half alone is worthless. Of an
// access key too the gateway holds only the public half, as a certificate.
// The unlock key (32 bytes, given from outside at start) opens nothing that is
// sealed: from it come the keys of the databases and of the user index.
// Whoever loses a certificate's key, or all access keys, loses the files.
//
// # The bytes, which we promise
//
// A sealed file is CMS AuthEnvelopedData (RFC 5083, 5084) in BER, opened by
//
//	openssl cms -decrypt -inform DER -binary -inkey KEY.pem
//
// and, when the account has access keys, by two of these in a pipe: first with
// the certificate's key, then with the access key (AccessKey.PEM). In detail:
//
//   - ContentInfo, AuthEnvelopedData, EncryptedContentInfo and the encrypted
//     content have indefinite lengths; the content comes in OCTET STRINGs of
//     any size; version 0, content type id-data, no attributes, no originator.
//   - Content: AES-256-GCM, tag of 16 bytes, a fresh random key for each layer
//     of each file, and a nonce of 12 bytes: the four letters "SGv1", or "SGi1"
//     in an inner layer, and the first 8 bytes of the SHA-256 of everything
//     that precedes the nonce in its layer. So the tag covers the header, and
//     an inner layer cannot be mistaken for a payment file that is itself CMS.
//   - RSA: RSAES-OAEP with SHA-256 and MGF1 with SHA-256. EC: an ephemeral key
//     per recipient, dhSinglePass-stdDH-sha256kdf-scheme (RFC 5753), and
//     aes256-wrap (RFC 3394). A recipient is named by issuer and serial number.
//   - A copy that was rewrapped for another certificate has a new outer header
//     before the same content: the nonce is the first one's, and the header is
//     proven by an entry of its own (rewrap.go).
//   - With access keys the content of the outer layer is a whole second
//     ContentInfo of the same shape, with one recipient for each access key.
//
// What a release has sealed, every later release opens; testdata holds sealed
// files of each. OpenSSL 3.0 writes what it decrypts before it has checked the
// tag, and wants the whole file in memory; OpenSealed does neither.
//
// The other promised bytes: Witness, AccessKey, UnlockKey and HashPassword
// each say theirs. All randomness is crypto/rand's. GODEBUG=fips140=on works,
// fips140=only does not (see gcm).
//
// Begin reading at Seal in seal.go, then gcm.go, then OpenSealed in open.go, then
// rewrap.go.
package vault

import (
	"errors"
	"fmt"
	"strings"
)

// What can be wrong with a sealed file or with the keys brought to it. They
// come wrapped; KeyError adds to whom the file was sealed.
var (
	ErrNotSealed      = errors.New("vault: this is not a sealed file")
	ErrTruncated      = errors.New("vault: the sealed file is cut short")
	ErrTampered       = errors.New("vault: the sealed file was changed or damaged")
	ErrTooLarge       = errors.New("vault: a sealed file holds at most 64 GiB")
	ErrWrongKey       = errors.New("vault: the key does not fit")
	ErrNeedsAccessKey = errors.New("vault: the key fits, but an access key is needed too")
	ErrWrongAccessKey = errors.New("vault: the key fits, but the access key does not (1 of 2 fits)")
)

// Recipient is one of those to whom a file was sealed, as the file says.
type Recipient struct {
	Name   string // common name of the certificate's issuer; its own if self-signed
	Serial string // serial number of the certificate, lower-case hex; or its key identifier
	Kind   string // "RSA" or "EC"

	issuer []byte // DER
}

// String gives a recipient for people: "acme demo" (SHA256:b34f…) for an
// access key made here, whose serial number holds its KeyID, and else the
// certificate's serial number.
func (r Recipient) String() string {
	if id, ok := strings.CutPrefix(r.Serial, accessSerial); ok && len(id) == 2*keyIDSize {
		return fmt.Sprintf("%q (SHA256:%s…)", r.Name, id[:8])
	}
	return fmt.Sprintf("%q (serial %s)", r.Name, r.Serial)
}

// KeyError is ErrWrongKey, ErrNeedsAccessKey or ErrWrongAccessKey, and to
// whom the layer that would not open was sealed: certificates for the first,
// access keys for the other two (any one of them opens).
type KeyError struct {
	Err      error
	SealedTo []Recipient
}

// Error gives the sentence and the recipients.
func (e *KeyError) Error() string {
	names := make([]string, len(e.SealedTo))
	for i, r := range e.SealedTo {
		names[i] = r.String()
	}
	return e.Err.Error() + "; sealed to " + strings.Join(names, " or ")
}

// Unwrap returns the sentinel.
func (e *KeyError) Unwrap() error { return e.Err }
