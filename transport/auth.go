package transport

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/sealgate/sealgate/config"
)

// version is all that the server says of itself before a login.
const version = "SSH-2.0-Sealgate"

// profile is the algorithms offered, named one by one: the library's defaults still accept SHA-1. `compat` costs two
// warnings of ssh-audit and gains the last client that knows neither curve25519 nor ed25519.
func profile(algorithms string) ssh.Config {
	exchanges := []string{
		ssh.KeyExchangeMLKEM768X25519,
		ssh.KeyExchangeCurve25519, // the library adds its older name, curve25519-sha256@libssh.org
		ssh.KeyExchangeDH14SHA256,
	}
	if algorithms == "compat" {
		exchanges = append(exchanges, ssh.KeyExchangeECDHP256)
	}
	return ssh.Config{
		KeyExchanges: exchanges,
		Ciphers: []string{
			ssh.CipherAES256GCM, ssh.CipherAES128GCM, ssh.CipherChaCha20Poly1305,
			ssh.CipherAES256CTR, ssh.CipherAES192CTR, ssh.CipherAES128CTR,
		},
		MACs: []string{ssh.HMACSHA256ETM, ssh.HMACSHA512ETM, ssh.HMACSHA256},
	}
}

// userKeys are the signatures accepted from clients: none of them is made with SHA-1.
func userKeys() []string {
	return []string{
		ssh.KeyAlgoED25519, ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256,
		ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521,
		ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSASHA512,
	}
}

// newServerConfig reads the host keys and prepares everything that all connections share.
func newServerConfig(cfg config.SFTP) (*ssh.ServerConfig, error) {
	server := &ssh.ServerConfig{
		Config:                  profile(cfg.Algorithms),
		PublicKeyAuthAlgorithms: userKeys(),
		MaxAuthTries:            6,
		ServerVersion:           version,
	}
	seen := make(map[string]string)
	for _, path := range cfg.HostKeys {
		signer, err := readHostKey(path)
		if err != nil {
			return nil, err
		}
		kind := signer.PublicKey().Type()
		if strings.HasPrefix(kind, "ecdsa-") && cfg.Algorithms != "compat" {
			return nil, fmt.Errorf("host key %s: ECDSA is served with sftp.algorithms: compat only; use ed25519", path)
		}
		if first, twice := seen[kind]; twice {
			return nil, fmt.Errorf("host key %s: a second key of kind %s, the first is %s", path, kind, first)
		}
		seen[kind] = path
		server.AddHostKey(signer)
	}
	if len(seen) == 0 {
		return nil, errors.New("sftp: no host key; name one in sftp.host_keys")
	}
	return server, nil
}
