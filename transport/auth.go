package transport

import (
	"context"
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

// guestKey is where a login's outcome travels in ssh.Permissions. Nothing else carries it: what a callback leaves behind
// elsewhere may belong to a key that was only offered (CVE-2024-45337).
type guestKey struct{}

// longestLogin bounds a login's name before it is looked up.
const longestLogin = 255

var errLogin = errors.New("not let in")

// serverConfig is the shared configuration with the callbacks of one connection, which need its context and address.
func (s *SFTP) serverConfig(ctx context.Context, c *connection) *ssh.ServerConfig {
	server := *s.server
	warned := false // a lock-out is said once a connection, not once for each key of an agent
	admit := func(meta ssh.ConnMetadata, try LoginTry) (*ssh.Permissions, error) {
		if len(meta.User()) > longestLogin {
			return nil, errLogin
		}
		try.Door, try.Login, try.Addr = "sftp", meta.User(), c.addr
		try.Client = string(meta.ClientVersion())
		guest, err := s.house.Admit(ctx, try)
		var refusal *Refusal
		if errors.As(err, &refusal) && !warned {
			warned = true
			return nil, &ssh.BannerError{Err: errLogin, Message: "sealgate: " + oneLine(refusal.Sentence) + "\r\n"}
		}
		if err != nil {
			return nil, errLogin
		}
		return &ssh.Permissions{ExtraData: map[any]any{guestKey{}: guest}}, nil
	}
	server.PasswordCallback = func(meta ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
		return admit(meta, LoginTry{Password: password})
	}
	// Some clients offer nothing but this, and mean a password.
	server.KeyboardInteractiveCallback = func(meta ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
		answers, err := ask("", "", []string{"Password: "}, []bool{false})
		if err != nil || len(answers) != 1 {
			return nil, errLogin
		}
		return admit(meta, LoginTry{Password: []byte(answers[0])})
	}
	server.PublicKeyCallback = func(meta ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if _, certificate := key.(*ssh.Certificate); certificate {
			return nil, errLogin
		}
		if _, err := admit(meta, LoginTry{PublicKey: key.Marshal()}); err != nil {
			return nil, err
		}
		return nil, nil // only a question so far: whoever may come in is decided below
	}
	server.VerifiedPublicKeyCallback = func(meta ssh.ConnMetadata, key ssh.PublicKey, _ *ssh.Permissions, _ string) (*ssh.Permissions, error) {
		return admit(meta, LoginTry{PublicKey: key.Marshal(), Proven: true})
	}
	return &server
}
