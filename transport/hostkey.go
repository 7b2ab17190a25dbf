package transport

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/sealgate/sealgate/config"
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

// CheckHostKeys says what keeps the door from being opened with these host keys and algorithms, as NewSFTP would.
func CheckHostKeys(cfg config.SFTP) error {
	_, err := newServerConfig(cfg)
	return err
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

// rsaBits is the length of an RSA key's modulus; 0 for other keys.
func rsaBits(key ssh.PublicKey) int {
	var k struct {
		Kind string
		E, N *big.Int
	}
	if key.Type() != ssh.KeyAlgoRSA || ssh.Unmarshal(key.Marshal(), &k) != nil {
		return 0
	}
	return k.N.BitLen()
}
