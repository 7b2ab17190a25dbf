package transport

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/crypto/ssh"
)

// NewHostKey makes an ed25519 host key: the private key as an OpenSSH PEM file, to be written with mode 0600, and its
// fingerprint ("SHA256:...") as clients show it.
func NewHostKey() (key []byte, fingerprint string, err error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, "", fmt.Errorf("host key: %w", err)
	}
	block, err := ssh.MarshalPrivateKey(private, "sealgate")
	if err != nil {
		return nil, "", fmt.Errorf("host key: %w", err)
	}
	wire, err := ssh.NewPublicKey(public)
	if err != nil {
		return nil, "", fmt.Errorf("host key: %w", err)
	}
	return pem.EncodeToMemory(block), ssh.FingerprintSHA256(wire), nil
}

// HostKeyFingerprint reads a private host key and says its kind and fingerprint: "ed25519 SHA256:...". Its errors are for
// operators: what is wrong with the file, in one sentence.
func HostKeyFingerprint(path string) (string, error) {
	signer, err := readHostKey(path)
	if err != nil {
		return "", err
	}
	kind := strings.TrimPrefix(signer.PublicKey().Type(), "ssh-")
	if strings.HasPrefix(kind, "ecdsa-") {
		kind = "ecdsa"
	}
	return kind + " " + ssh.FingerprintSHA256(signer.PublicKey()), nil
}

// readHostKey reads a host key that every client of the default profile or of compat can use.
func readHostKey(path string) (ssh.Signer, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("host key: %w", err)
	}
	signer, err := ssh.ParsePrivateKey(text)
	var locked *ssh.PassphraseMissingError
	switch {
	case errors.As(err, &locked):
		return nil, fmt.Errorf("host key %s: is protected by a passphrase; a daemon cannot ask for it", path)
	case err != nil:
		return nil, fmt.Errorf("host key %s: is not a private key in OpenSSH or PEM form", path)
	}
	switch signer.PublicKey().Type() {
	case ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521:
		return signer, nil
	case ssh.KeyAlgoRSA:
		if bits := rsaBits(signer.PublicKey()); bits < 2048 {
			return nil, fmt.Errorf("host key %s: RSA with %d bits is too short, 3072 are usual", path, bits)
		}
		// The list keeps SHA-1 signatures out: without it the library offers ssh-rsa as well.
		return ssh.NewSignerWithAlgorithms(signer.(ssh.AlgorithmSigner), []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256})
	}
	return nil, fmt.Errorf("host key %s: %s is not served; use ed25519", path, signer.PublicKey().Type())
}

// ParsePublicKey reads one line of an authorized_keys file (or a .pub file): ed25519, RSA of at least 3072 bits, ECDSA, and
// their security-key forms. wire is what LoginTry.PublicKey holds for the same key. Options before the key are refused,
// since they would not be obeyed.
func ParsePublicKey(authorizedKeysLine []byte) (wire []byte, fingerprint string, err error) {
	key, _, options, rest, err := ssh.ParseAuthorizedKey(authorizedKeysLine)
	switch {
	case err != nil && bytes.Contains(authorizedKeysLine, []byte("PRIVATE KEY")):
		return nil, "", errors.New("public key: this is a private key; give the .pub file beside it")
	case err != nil:
		return nil, "", errors.New(`public key: not a line like "ssh-ed25519 AAAA... comment"`)
	case len(options) > 0:
		return nil, "", fmt.Errorf("public key: options before the key (%s) are not supported; remove them", printable(options[0]))
	case len(bytes.TrimSpace(rest)) > 0:
		return nil, "", errors.New("public key: more than one line; give one key at a time")
	}
	switch key.Type() {
	case ssh.KeyAlgoED25519, ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256,
		ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521:
	case ssh.KeyAlgoRSA:
		if bits := rsaBits(key); bits < 3072 {
			return nil, "", fmt.Errorf("public key: RSA with %d bits is too short; at least 3072, or ed25519", bits)
		}
	default:
		return nil, "", fmt.Errorf("public key: %s is not accepted; use ed25519, ECDSA or RSA of at least 3072 bits", printable(key.Type()))
	}
	return key.Marshal(), ssh.FingerprintSHA256(key), nil
}

// rsaBits is the length of an RSA key's modulus, rounded up to whole bytes; 0 for other keys.
func rsaBits(key ssh.PublicKey) int {
	if c, ok := key.(ssh.CryptoPublicKey); ok {
		if k, ok := c.CryptoPublicKey().(interface{ Size() int }); ok {
			return 8 * k.Size()
		}
	}
	return 0
}
