package transport_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/sealgate/sealgate/config"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/transport"
)

// securityKey signs as a FIDO token does, with somebody there who touches it or not.
type securityKey struct {
	public  ssh.PublicKey
	sign    func(digest []byte) []byte // the signature's blob
	touched bool
}

func (k securityKey) PublicKey() ssh.PublicKey { return k.public }

func (k securityKey) Sign(_ io.Reader, data []byte) (*ssh.Signature, error) {
	application, message := sha256.Sum256([]byte("ssh:")), sha256.Sum256(data)
	rest := []byte{0, 0, 0, 0, 7} // flags and a counter
	if k.touched {
		rest[0] = 1
	}
	return &ssh.Signature{Format: k.public.Type(), Blob: k.sign(bytes.Join([][]byte{application[:], rest, message[:]}, nil)), Rest: rest}, nil
}

func newSecurityKeys(t testing.TB) (edwards, nist securityKey) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	edwards.public, err = ssh.ParsePublicKey(ssh.Marshal(struct {
		Kind        string
		Key         []byte
		Application string
	}{ssh.KeyAlgoSKED25519, public, "ssh:"}))
	must(t, err)
	edwards.sign = func(m []byte) []byte { return ed25519.Sign(private, m) }
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	point, err := ec.PublicKey.Bytes()
	must(t, err)
	nist.public, err = ssh.ParsePublicKey(ssh.Marshal(struct {
		Kind, Curve string
		Key         []byte
		Application string
	}{ssh.KeyAlgoSKECDSA256, "nistp256", point, "ssh:"}))
	must(t, err)
	signer, err := ssh.NewSignerFromKey(ec)
	must(t, err)
	nist.sign = func(m []byte) []byte {
		s, err := signer.Sign(rand.Reader, m)
		must(t, err)
		return s.Blob
	}
	edwards.touched, nist.touched = true, true
	return edwards, nist
}

// TestKindsOfKeys: the strong ones are taken, the weak ones refused with a sentence when they are added.
func TestKindsOfKeys(t *testing.T) {
	h := newHouse(t, nil)
	signers := map[string]ssh.Signer{}
	add := func(name string, private any, err error) {
		t.Helper()
		must(t, err)
		signers[name], err = ssh.NewSignerFromKey(private)
		must(t, err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	add("ed25519", ed, err)
	for name, curve := range map[string]elliptic.Curve{"ecdsa-256": elliptic.P256(), "ecdsa-384": elliptic.P384(), "ecdsa-521": elliptic.P521()} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		add(name, key, err)
	}
	for _, bits := range []int{2048, 3071, 3072} {
		key, err := rsa.GenerateKey(rand.Reader, bits)
		add(fmt.Sprint("rsa-", bits), key, err)
	}
	edwards, nist := newSecurityKeys(t)
	signers["sk-ed25519"], signers["sk-ecdsa"] = edwards, nist
	for name, signer := range signers {
		_, err := h.AddUser(t.Context(), gateway.NewUser{Account: "acme", Login: name, PublicKey: string(ssh.MarshalAuthorizedKey(signer.PublicKey()))}, "test")
		if weak := name == "rsa-2048" || name == "rsa-3071"; weak {
			if err == nil || !strings.Contains(err.Error(), "bits is too short; at least 3072, or ed25519") {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		must(t, err)
		if err := h.login(name, ssh.PublicKeys(signer)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, key := range map[string]securityKey{"sk-ed25519": edwards, "sk-ecdsa": nist} {
		key.touched = false
		if err := h.login(name, ssh.PublicKeys(key)); err == nil {
			t.Errorf("%s: nobody touched it", name)
		}
	}
	key, err := rsa.GenerateKey(rand.Reader, 3072)
	must(t, err)
	old, err := ssh.NewSignerFromKey(key)
	must(t, err)
	_, err = h.AddUser(t.Context(), gateway.NewUser{Account: "acme", Login: "sha1", PublicKey: string(ssh.MarshalAuthorizedKey(old.PublicKey()))}, "test")
	must(t, err)
	sha1Only, err := ssh.NewSignerWithAlgorithms(old.(ssh.AlgorithmSigner), []string{ssh.KeyAlgoRSA})
	must(t, err)
	if err := h.login("sha1", ssh.PublicKeys(sha1Only)); err == nil {
		t.Error("a signature by SHA-1 is taken")
	}
}

// TestAStrangersAuthorityIsNotVerified: whoever names an authority that no account trusts is refused before his signature is looked
// at, whose work he would choose; the log says what stopped him, and not the login's name.
func TestAStrangersAuthorityIsNotVerified(t *testing.T) {
	h := newHouse(t, nil)
	stranger, subject := newKey(t), newKey(t)
	cert := &ssh.Certificate{Key: subject.PublicKey(), CertType: ssh.UserCert, ValidPrincipals: []string{"robot"}, ValidBefore: ssh.CertTimeInfinity}
	must(t, cert.SignCert(rand.Reader, stranger))
	cert.Signature.Blob[0] ^= 1 // verified, it would be a wrong signature
	signer, err := ssh.NewCertSigner(cert, subject)
	must(t, err)
	if err := h.login("robot", ssh.PublicKeys(signer)); err == nil {
		t.Error("let in")
	}
	if text := h.log.String(); !strings.Contains(text, "an authority that no account trusts") || strings.Contains(text, "signature") {
		t.Errorf("%s", text)
	}
}

// TestUserCertificates: one that the account's authority signed is as good as a key of the login; whatever is wrong with it,
// or not said in it, is a no.
func TestUserCertificates(t *testing.T) {
	ca, stranger, subject := newKey(t), newKey(t), newKey(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "ca.pub")
	write(t, file, append([]byte("# who signs\n\n"), ssh.MarshalAuthorizedKey(ca.PublicKey())...))
	h := newHouse(t, func(cfg *config.Config) { cfg.Accounts[0].UserCA = file })
	for login, methods := range map[string]string{"robot": "key", "careful": "key+password", "person": "password"} {
		n := gateway.NewUser{Account: "acme", Login: login, Methods: methods}
		if login != "robot" {
			n.Password = secret
		}
		_, err := h.AddUser(t.Context(), n, "test")
		must(t, err)
	}
	now := time.Now()
	weak, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	weakSigner, err := ssh.NewSignerFromKey(weak)
	must(t, err)
	for _, test := range []struct {
		what   string
		change func(c *ssh.Certificate)
		by, of ssh.Signer
		login  string
		in     bool
	}{
		{what: "good", in: true},
		{what: "several principals", change: func(c *ssh.Certificate) { c.ValidPrincipals = []string{"x", "robot"} }, in: true},
		{what: "for ever", change: func(c *ssh.Certificate) { c.ValidBefore = ssh.CertTimeInfinity }, in: true},
		{what: "from here", change: func(c *ssh.Certificate) {
			c.CriticalOptions = map[string]string{"source-address": "192.0.2.1,127.0.0.0/8"}
		}, in: true},
		{what: "from a network and elsewhere", change: func(c *ssh.Certificate) {
			c.CriticalOptions = map[string]string{"source-address": "127.0.0.0/8,192.0.2.0/24"}
		}, in: true},
		{what: "from an address and elsewhere", change: func(c *ssh.Certificate) {
			c.CriticalOptions = map[string]string{"source-address": "127.0.0.1,192.0.2.1"}
		}, in: true},
		{what: "from elsewhere", change: func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"source-address": "192.0.2.0/24"} }},
		{what: "from nowhere", change: func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"source-address": ""} }},
		{what: "from nonsense", change: func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"source-address": "127.0.0.1,x"} }},
		{what: "forced command", change: func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"force-command": "internal-sftp"} }},
		{what: "expired", change: func(c *ssh.Certificate) { c.ValidBefore = uint64(now.Add(-time.Minute).Unix()) }},
		{what: "not yet", change: func(c *ssh.Certificate) { c.ValidAfter = uint64(now.Add(time.Hour).Unix()) }},
		{what: "no principals", change: func(c *ssh.Certificate) { c.ValidPrincipals = nil }},
		{what: "other principal", change: func(c *ssh.Certificate) { c.ValidPrincipals = []string{"Robot", "robot "} }},
		{what: "host certificate", change: func(c *ssh.Certificate) { c.CertType = ssh.HostCert }},
		{what: "another authority", by: stranger},
		{what: "its own authority", by: subject},
		{what: "a weak authority", by: weakSigner},
		{what: "a weak key", of: weakSigner},
		{what: "unknown login", login: "nobody"},
		{what: "a login of this name by password", login: "person"},
		{what: "a login that needs a password too", login: "careful"},
	} {
		login := test.login
		if login == "" {
			login = "robot"
		}
		if test.of == nil {
			test.of = subject
		}
		cert := &ssh.Certificate{Key: test.of.PublicKey(), CertType: ssh.UserCert, KeyId: "k", ValidPrincipals: []string{login},
			ValidAfter: uint64(now.Add(-time.Hour).Unix()), ValidBefore: uint64(now.Add(time.Hour).Unix())}
		if test.change != nil {
			test.change(cert)
		}
		if test.by == nil {
			test.by = ca
		}
		must(t, cert.SignCert(rand.Reader, test.by))
		signer, err := ssh.NewCertSigner(cert, test.of)
		must(t, err)
		if err := h.login(login, ssh.PublicKeys(signer)); (err == nil) != test.in {
			t.Errorf("%s: %v, want in: %v", test.what, err, test.in)
		}
		if login == "careful" {
			must(t, h.login(login, ssh.PublicKeys(signer), ssh.Password(secret)))
		}
	}
	if err := h.login("robot", ssh.PublicKeys(subject)); err == nil {
		t.Error("the bare key is let in")
	}
	for text, want := range map[string]string{
		"":                   "0 public keys",
		"# none\n":           "0 public keys",
		"ssh-ed25519 AAAA\n": "line 1: public key: not a line like",
		string(ssh.MarshalAuthorizedKey(ca.PublicKey())) + "\ncert-authority " + string(ssh.MarshalAuthorizedKey(ca.PublicKey())): "line 3: public key: options",
		strings.Repeat(string(ssh.MarshalAuthorizedKey(ca.PublicKey())), 101):                                                     "101 public keys",
		string(ssh.MarshalAuthorizedKey(weakSigner.PublicKey())):                                                                  "too short",
	} {
		write(t, file, []byte(text))
		if _, err := transport.ReadAuthorities(file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
