package transport

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/sealgate/sealgate/config"
)

// errHostKey says that a server is not the one that is trusted; errPin the same of an FTPS server.
var (
	errHostKey  = errors.New("the server's host key is not one of trust.host_key")
	errPin      = errors.New("the server's certificate is not the one of trust.pin")
	errOtherEnd = errors.New("the data connection shows another certificate than the control connection")
)

// CheckRemote looks at the files that a remote's configuration names, and at nothing else: no network. A warning is about
// what works today and should not stay so.
func CheckRemote(r *config.Remote) (warning string, err error) {
	var warnings []string
	if len(r.Legacy) > 0 {
		warnings = append(warnings, "legacy allows weak algorithms: "+strings.Join(r.Legacy, ", "))
	}
	if r.PasswordFile != "" {
		if _, err := secret(r.PasswordFile); err != nil {
			return "", fmt.Errorf("password_file: %w", err)
		}
	}
	if scheme, _, _ := r.Server(); scheme == config.SchemeSFTP {
		if _, err := trustedKeys(r); err != nil {
			return "", err
		}
		if _, err := sshAlgorithms(r.Legacy); err != nil {
			return "", err
		}
		if r.KeyFile != "" {
			key, err := readSigner(r)
			if err != nil {
				return "", err
			}
			if bits := rsaBits(key.PublicKey()); bits != 0 && bits < 2048 {
				warnings = append(warnings, fmt.Sprintf("key_file: RSA with %d bits is too short, 3072 are usual", bits))
			}
		}
		return strings.Join(warnings, "; "), nil
	}
	c, err := tlsConfig(r)
	if err != nil {
		return "", err
	}
	for _, pair := range c.Certificates {
		switch left := time.Until(pair.Leaf.NotAfter); {
		case left < 0:
			warnings = append(warnings, "client_certificate: expired on "+pair.Leaf.NotAfter.Format(time.DateOnly))
		case left < 30*24*time.Hour:
			warnings = append(warnings, "client_certificate: expires on "+pair.Leaf.NotAfter.Format(time.DateOnly))
		}
	}
	return strings.Join(warnings, "; "), nil
}

// secret reads the first line of a file. It is read anew at each login, so that a new password needs no restart.
func secret(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	defer clear(text)
	line, _, _ := bytes.Cut(text, []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	if len(line) == 0 {
		return "", fmt.Errorf("%s: its first line is empty", path)
	}
	return string(line), nil // the libraries take strings, which cannot be cleared
}

// trustedKeys reads trust.host_key: whole keys and fingerprints.
func trustedKeys(r *config.Remote) (t trusted, err error) {
	for _, line := range r.Trust.HostKey {
		if strings.HasPrefix(line, "SHA256:") {
			t.fingerprints = append(t.fingerprints, KeyOf(line))
			continue
		}
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
		if err != nil {
			return t, fmt.Errorf(`trust.host_key: %s is not a line like "ssh-ed25519 AAAA..."`, printable(line))
		}
		t.keys = append(t.keys, key)
	}
	if len(t.keys)+len(t.fingerprints) == 0 {
		return t, errors.New("trust.host_key: nothing is trusted")
	}
	return t, nil
}

// KeyOf is a line of trust.host_key without its comment.
func KeyOf(line string) string {
	if strings.HasPrefix(line, "SHA256:") {
		fingerprint, _, _ := strings.Cut(line, " ")
		return fingerprint
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
	if err != nil {
		return line // Load refused it
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
}

// trusted are the host keys that a server may show.
type trusted struct {
	keys         []ssh.PublicKey
	fingerprints []string
}

func (t trusted) has(key ssh.PublicKey) bool {
	return slices.Contains(t.fingerprints, ssh.FingerprintSHA256(key)) ||
		slices.ContainsFunc(t.keys, func(k ssh.PublicKey) bool { return bytes.Equal(k.Marshal(), key.Marshal()) })
}

// algorithms are those host key algorithms among which a trusted key can be: a server with several keys must show the one
// that is trusted. A fingerprint does not tell its kind, so it leaves all of them.
func (t trusted) algorithms(all []string) []string {
	if len(t.fingerprints) > 0 {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(algorithm string) bool {
		return !slices.ContainsFunc(t.keys, func(k ssh.PublicKey) bool { return k.Type() == keyTypeOf(algorithm) })
	})
}

// keyTypeOf is the type of the keys that a signature algorithm is for.
func keyTypeOf(algorithm string) string {
	if algorithm == ssh.KeyAlgoRSASHA256 || algorithm == ssh.KeyAlgoRSASHA512 {
		return ssh.KeyAlgoRSA
	}
	return algorithm
}

// sshAlgorithms are the algorithms for a server: today's, and behind them the weak ones that this server still needs.
func sshAlgorithms(legacy []string) (ssh.Algorithms, error) {
	a, weak := ssh.SupportedAlgorithms(), weakAlgorithms()
	a.MACs = slices.DeleteFunc(a.MACs, func(m string) bool { return m == ssh.HMACSHA1 })
	a.HostKeys = slices.DeleteFunc(a.HostKeys, func(k string) bool { return strings.Contains(k, "-cert-") })
	// First those whose keys are short to paste and quick to check.
	first := []string{ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	rest := slices.DeleteFunc(a.HostKeys, func(k string) bool { return slices.Contains(first, k) })
	a.HostKeys = slices.Concat(first, rest)
	for _, name := range legacy {
		known := false
		for _, kind := range []struct {
			all  *[]string
			weak []string
		}{
			{&a.KeyExchanges, weak.KeyExchanges}, {&a.Ciphers, weak.Ciphers}, {&a.MACs, weak.MACs},
			{&a.HostKeys, weak.HostKeys}, {&a.PublicKeyAuths, weak.PublicKeyAuths},
		} {
			if slices.Contains(kind.weak, name) {
				*kind.all, known = append(*kind.all, name), true
			}
		}
		if !known {
			return a, fmt.Errorf("legacy: %s is not a weak algorithm that is known for sftp: %s", printable(name), strings.Join(names(weak), ", "))
		}
	}
	return a, nil
}

// weakAlgorithms are those that legacy may name for SFTP.
func weakAlgorithms() ssh.Algorithms {
	weak := ssh.InsecureAlgorithms()
	weak.MACs = append(weak.MACs, ssh.HMACSHA1)
	weak.HostKeys = slices.DeleteFunc(weak.HostKeys, func(k string) bool { return strings.Contains(k, "-cert-") })
	return weak
}

func names(a ssh.Algorithms) []string {
	all := slices.Concat(a.KeyExchanges, a.Ciphers, a.MACs, a.HostKeys, a.PublicKeyAuths)
	slices.Sort(all)
	return slices.Compact(all)
}

// readSigner reads the key to log in with. RSA signs with SHA-2, or with SHA-1 if legacy says so.
func readSigner(r *config.Remote) (ssh.MultiAlgorithmSigner, error) {
	text, err := os.ReadFile(r.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("key_file: %w", err)
	}
	defer clear(text)
	signer, err := ssh.ParsePrivateKey(text)
	var locked *ssh.PassphraseMissingError
	if errors.As(err, &locked) {
		if r.PassphraseFile == "" {
			return nil, fmt.Errorf("key_file: %s is protected by a passphrase; name its file under passphrase_file", r.KeyFile)
		}
		passphrase, err := secret(r.PassphraseFile)
		if err != nil {
			return nil, fmt.Errorf("passphrase_file: %w", err)
		}
		if signer, err = ssh.ParsePrivateKeyWithPassphrase(text, []byte(passphrase)); err != nil {
			return nil, fmt.Errorf("passphrase_file: %s does not open %s", r.PassphraseFile, r.KeyFile)
		}
	} else if err != nil {
		return nil, fmt.Errorf("key_file: %s is not a private key in OpenSSH or PEM form", r.KeyFile)
	}
	algorithms := []string{signer.PublicKey().Type()}
	if signer.PublicKey().Type() == ssh.KeyAlgoRSA {
		algorithms = []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
		if slices.Contains(r.Legacy, ssh.KeyAlgoRSA) {
			algorithms = append(algorithms, ssh.KeyAlgoRSA)
		}
	}
	able, ok := signer.(ssh.AlgorithmSigner)
	if !ok {
		return nil, fmt.Errorf("key_file: %s cannot sign", r.KeyFile)
	}
	return ssh.NewSignerWithAlgorithms(able, algorithms)
}

// noGoodbye in legacy says that an FTPS server never ends a data connection with close_notify. Without that a listing cannot
// be told from one that was cut off on its way, so such a server has to be known for it.
const noGoodbye = "no-close-notify"

// weakWords begin the line of the log for weak algorithms.
const weakWords = "weak algorithms: "

// tlsConfig is a TLS configuration for one control connection and its data connections, and for nothing else: its session
// cache has one place, since servers that want the data connection to resume the control connection's session (vsftpd and
// proftpd by default) want exactly that one.
func tlsConfig(r *config.Remote) (*tls.Config, error) {
	_, address, _ := r.Server()
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	c := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	for _, name := range r.Legacy {
		switch name {
		case noGoodbye:
			continue
		case "tls1.0":
			c.MinVersion = tls.VersionTLS10
		case "tls1.1":
			c.MinVersion = min(c.MinVersion, tls.VersionTLS11)
		default:
			return nil, fmt.Errorf("legacy: %s is not known for ftps: tls1.0, tls1.1, %s", printable(name), noGoodbye)
		}
		// Servers that old often have nothing but this key exchange. The first are Go's own; it puts them in order.
		c.CipherSuites = []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
			tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_256_CBC_SHA,
		}
	}
	switch r.Trust.CA {
	case "":
		if r.Trust.Pin == "" {
			return nil, errors.New("trust: nothing is trusted")
		}
		c.InsecureSkipVerify = true // no chain: the pin says which certificate it is, on every handshake
	case "system":
	default:
		if c.RootCAs, err = readCA(r.Trust.CA); err != nil {
			return nil, err
		}
	}
	if c.VerifyConnection, err = pinned(r.Trust.Pin); err != nil {
		return nil, err
	}
	if r.ClientCertificate != "" {
		pair, err := clientCertificate(r)
		if err != nil {
			return nil, err
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// pinned checks what must be right on every handshake, also on those that resume a session, where no chain is checked: the
// pin, if there is one, and that the data connections lead to where the control connection does.
func pinned(pin string) (func(tls.ConnectionState) error, error) {
	var want []byte
	if pin != "" {
		var err error
		if want, err = hex.DecodeString(strings.TrimPrefix(pin, "sha256:")); err != nil || len(want) != sha256.Size {
			return nil, errors.New("trust.pin: is not sha256: and 64 hex digits")
		}
	}
	var first []byte
	return func(state tls.ConnectionState) error {
		if len(state.PeerCertificates) == 0 {
			return errPin
		}
		leaf := sha256.Sum256(state.PeerCertificates[0].Raw)
		switch {
		case want != nil && !bytes.Equal(leaf[:], want):
			return errPin
		case first != nil && !bytes.Equal(leaf[:], first):
			return errOtherEnd
		}
		first = leaf[:]
		return nil
	}, nil
}

func readCA(path string) (*x509.CertPool, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("trust.ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("trust.ca: %s has no certificate in PEM form", path)
	}
	return pool, nil
}

// clientCertificate reads the certificate to show to a server, and its key.
func clientCertificate(r *config.Remote) (pair tls.Certificate, err error) {
	chain, err := os.ReadFile(r.ClientCertificate)
	if err != nil {
		return pair, fmt.Errorf("client_certificate: %w", err)
	}
	key, err := os.ReadFile(r.KeyFile)
	if err != nil {
		return pair, fmt.Errorf("key_file: %w", err)
	}
	defer clear(key)
	if r.PassphraseFile != "" {
		if key, err = unlocked(key, r); err != nil {
			return pair, err
		}
		defer clear(key)
	}
	if pair, err = tls.X509KeyPair(chain, key); err != nil {
		return pair, fmt.Errorf("client_certificate: %s and %s: %s", r.ClientCertificate, r.KeyFile, strings.TrimPrefix(err.Error(), "tls: "))
	}
	return pair, nil
}
