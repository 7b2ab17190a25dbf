package transport

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"log/slog"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/sealgate/sealgate/config"
)

// Introduction is what a server shows of itself before it is trusted: the first three fields for SFTP, the others for FTPS.
// All of it comes from whoever answered; a person must compare it with what the customer says by another way.
type Introduction struct {
	KeyType     string // "ssh-ed25519"
	Fingerprint string // "SHA256:..."
	HostKey     string // the line for trust.host_key

	Version      string             // "TLS 1.3"
	Certificates []ShownCertificate // the server's own first
	Pin          string             // the text for trust.pin
}

// ShownCertificate is a certificate of a server's chain.
type ShownCertificate struct {
	Subject, Issuer string
	Until           time.Time
	SHA256          string   // of its DER, in hex
	Names           []string // host names and addresses that it is for
}

var errSeen = errors.New("seen")

// Introduce connects to a remote's server and shakes hands, whoever it is. It never logs in and sends no password, no user
// name and no certificate.
func Introduce(ctx context.Context, r *config.Remote) (*Introduction, error) {
	if scheme, _, _ := r.Server(); scheme == config.SchemeSFTP {
		return introduceSFTP(ctx, r)
	}
	return introduceFTPS(ctx, r)
}

func introduceSFTP(ctx context.Context, r *config.Remote) (*Introduction, error) {
	algorithms, err := sshAlgorithms(r.Legacy)
	if err != nil {
		return nil, remoteError(stepConnect, err)
	}
	var shown *Introduction
	see := func(key ssh.PublicKey) bool {
		line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
		shown = &Introduction{KeyType: key.Type(), Fingerprint: ssh.FingerprintSHA256(key), HostKey: line}
		return false // so the handshake ends before the login
	}
	s := &sftpRemote{leash: newLeash(r.Silence)}
	defer s.leash.close()
	_, err = s.handshake(ctx, r, nil, algorithms, algorithms.HostKeys, see)
	if shown == nil {
		return nil, err
	}
	return shown, nil
}

func introduceFTPS(ctx context.Context, r *config.Remote) (*Introduction, error) {
	anybody := *r
	anybody.Trust, anybody.ClientCertificate = config.Trust{CA: "system"}, ""
	c, err := tlsConfig(&anybody)
	if err != nil {
		return nil, remoteError(stepTLS, err)
	}
	var shown *Introduction
	c.InsecureSkipVerify = true // nothing is sent to it
	c.VerifyConnection = func(state tls.ConnectionState) error {
		shown = &Introduction{Version: tls.VersionName(state.Version)}
		for _, certificate := range state.PeerCertificates {
			shown.Certificates = append(shown.Certificates, shownCertificate(certificate))
		}
		if len(shown.Certificates) == 0 {
			shown = nil
			return errPin
		}
		shown.Pin = "sha256:" + shown.Certificates[0].SHA256
		return errSeen // the handshake ends here
	}
	f := newFTPS(&anybody, c, slog.New(slog.DiscardHandler))
	defer f.leash.close()
	err = f.connect(ctx)
	if shown == nil {
		return nil, err
	}
	return shown, nil
}

func shownCertificate(c *x509.Certificate) ShownCertificate {
	sum := sha256.Sum256(c.Raw)
	shown := ShownCertificate{
		Subject: plainWords(c.Subject.String()), Issuer: plainWords(c.Issuer.String()),
		Until: c.NotAfter.UTC(), SHA256: hex.EncodeToString(sum[:]),
	}
	for _, name := range c.DNSNames {
		shown.Names = append(shown.Names, plainWords(name))
	}
	for _, address := range c.IPAddresses {
		shown.Names = append(shown.Names, address.String())
	}
	return shown
}
