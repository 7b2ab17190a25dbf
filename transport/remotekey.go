package transport

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"

	"golang.org/x/crypto/ssh"

	"github.com/sealgate/sealgate/config"
)

// unlocked gives a private key without its passphrase, in PEM form for TLS. It may be locked in the form of ssh-keygen, or
// in the older one of OpenSSL; the newer one of OpenSSL (ENCRYPTED PRIVATE KEY) Go's library cannot read.
func unlocked(text []byte, r *config.Remote) ([]byte, error) {
	if bytes.Contains(text, []byte("BEGIN ENCRYPTED PRIVATE KEY")) {
		return nil, fmt.Errorf("key_file: %s is locked in a form that is not read here; `openssl pkey -in OLD -traditional -aes256 -out NEW` writes one that is", r.KeyFile)
	}
	passphrase, err := secret(r.PassphraseFile)
	if err != nil {
		return nil, fmt.Errorf("passphrase_file: %w", err)
	}
	key, err := ssh.ParseRawPrivateKeyWithPassphrase(text, []byte(passphrase))
	if err != nil {
		return nil, fmt.Errorf("passphrase_file: %s does not open %s", r.PassphraseFile, r.KeyFile)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("key_file: %s: %w", r.KeyFile, err)
	}
	defer clear(der)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}
