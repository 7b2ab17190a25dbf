package transport

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

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
	if err := strong(key); err != nil {
		return nil, "", fmt.Errorf("public key: %w", err)
	}
	return key.Marshal(), ssh.FingerprintSHA256(key), nil
}

// strong says in a sentence why a user's key, or an authority's, is not accepted.
func strong(key ssh.PublicKey) error {
	switch key.Type() {
	case ssh.KeyAlgoED25519, ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256,
		ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521:
		return nil
	case ssh.KeyAlgoRSA:
		if bits := rsaBits(key); bits < 3072 {
			return fmt.Errorf("RSA with %d bits is too short; at least 3072, or ed25519", bits)
		}
		return nil
	}
	if _, certificate := key.(*ssh.Certificate); certificate {
		return errors.New("this is a certificate; give the .pub file of the key, or of the authority as user_ca")
	}
	return fmt.Errorf("%s is not accepted; use ed25519, ECDSA or RSA of at least 3072 bits", printable(key.Type()))
}

// mostAuthorities bounds a file of authorities.
const mostAuthorities = 100

// ReadAuthorities reads the public keys of certificate authorities, one a line, in OpenSSH wire form. Its errors are for
// operators.
func ReadAuthorities(path string) ([][]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var list [][]byte
	no := 0
	for line := range bytes.Lines(text) {
		no++
		if line = bytes.TrimSpace(line); len(line) == 0 || line[0] == '#' {
			continue
		}
		wire, _, err := ParsePublicKey(line)
		if err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", path, no, err)
		}
		list = append(list, wire)
	}
	if len(list) == 0 || len(list) > mostAuthorities {
		return nil, fmt.Errorf("%s: %d public keys; 1 to %d are wanted, one a line", path, len(list), mostAuthorities)
	}
	return list, nil
}

// vouched gives the key of the authority that signed a user certificate, if all of the certificate is good. Whether the authority
// is trusted is asked first: the signature of a stranger, with a key of his choice, is work that he would choose for us. Where the library is generous we are not: a certificate without
// principals is nobody's, and the addresses in it are looked at here.
func vouched(cert *ssh.Certificate, trusts func(authority []byte) bool, login string, addr netip.Addr, now time.Time) (authority []byte, err error) {
	checker := &ssh.CertChecker{SupportedCriticalOptions: []string{sourceAddress}, Clock: func() time.Time { return now }}
	switch {
	case cert.CertType != ssh.UserCert:
		return nil, errors.New("not a user certificate")
	case len(cert.ValidPrincipals) == 0:
		return nil, errors.New("a certificate without principals")
	case cert.Signature == nil || !slices.Contains(userKeys(), cert.Signature.Format):
		return nil, errors.New("a signature that is not accepted")
	}
	for _, key := range []ssh.PublicKey{cert.Key, cert.SignatureKey} {
		if err := strong(key); err != nil {
			return nil, err
		}
	}
	if !trusts(cert.SignatureKey.Marshal()) {
		return nil, errors.New("an authority that no account trusts")
	}
	if list, ok := cert.CriticalOptions[sourceAddress]; ok && !fromOneOf(addr, list) {
		return nil, errors.New("not from this address")
	}
	if err := checker.CheckCert(login, cert); err != nil {
		return nil, err
	}
	return cert.SignatureKey.Marshal(), nil
}

// sourceAddress is the critical option that says from where a certificate is good.
const sourceAddress = "source-address"

// fromOneOf reads a list of addresses and networks with commas between. What is not understood admits nobody.
func fromOneOf(addr netip.Addr, list string) bool {
	addr = addr.Unmap().WithZone("")
	found := false
	for _, s := range strings.Split(list, ",") {
		if one, err := netip.ParseAddr(s); err == nil {
			found = found || one.Unmap() == addr
			continue
		}
		prefix, err := netip.ParsePrefix(s)
		if err != nil {
			return false
		}
		found = found || prefix.Contains(addr)
	}
	return found
}
