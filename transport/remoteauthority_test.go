package transport

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// authority is a CA with the certificates that tests need.
type authority struct {
	dir  string
	ca   string // PEM file
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{dir: t.TempDir()}
	a.cert, a.key = newCertificate(t, nil, nil, true, "sealgate test ca")
	a.ca = filepath.Join(a.dir, "ca.pem")
	putPEM(t, a.ca, "CERTIFICATE", a.cert.Raw)
	return a
}

// issue writes a certificate for 127.0.0.1 and its key; pin is the certificate's hash.
func (a *authority) issue(t testing.TB, name string) (cert, key, pin string) {
	t.Helper()
	leaf, private := newCertificate(t, a.cert, a.key, false, name)
	cert, key = filepath.Join(a.dir, name+".crt"), filepath.Join(a.dir, name+".key")
	putPEM(t, cert, "CERTIFICATE", leaf.Raw)
	der, err := x509.MarshalPKCS8PrivateKey(private)
	fine(t, err)
	putPEM(t, key, "PRIVATE KEY", der)
	sum := sha256.Sum256(leaf.Raw)
	return cert, key, "sha256:" + hex.EncodeToString(sum[:])
}

// issueRSA is a certificate for old key exchanges.
func (a *authority) issueRSA(t testing.TB, name string) tls.Certificate {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	fine(t, err)
	template, _ := newCertificate(t, a.cert, a.key, false, name)
	template.KeyUsage |= x509.KeyUsageKeyEncipherment
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	fine(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func newCertificate(t testing.TB, parent *x509.Certificate, signer *ecdsa.PrivateKey, ca bool, name string) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	fine(t, err)
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	fine(t, err)
	c := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour),
		IsCA: ca, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
	}
	if !ca {
		c.KeyUsage = x509.KeyUsageDigitalSignature
	}
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	fine(t, err)
	parsed, err := x509.ParseCertificate(der)
	fine(t, err)
	return parsed, key
}

func putPEM(t testing.TB, path, kind string, der []byte) {
	t.Helper()
	put(t, path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func put(t testing.TB, path string, text []byte) {
	t.Helper()
	fine(t, os.WriteFile(path, text, 0o600))
}

func fine(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
