package transport

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/sealgate/sealgate/config"
)

func TestCheckRemote(t *testing.T) {
	ca := newAuthority(t)
	cert, key, pin := ca.issue(t, "one")
	_, otherKey, _ := ca.issue(t, "two")
	dir := t.TempDir()
	file := func(name, text string) string {
		put(t, filepath.Join(dir, name), []byte(text))
		return filepath.Join(dir, name)
	}
	host := keyLine(t, newKeyFile(t, "ed25519"))
	lockedBlock, err := ssh.MarshalPrivateKeyWithPassphrase(mustECDSA(t), "", []byte("secret"))
	fine(t, err)
	locked := filepath.Join(dir, "locked")
	putPEM(t, locked, lockedBlock.Type, lockedBlock.Bytes)
	pass, wrong := file("pass", "secret\n"), file("wrong", "guess\n")
	sftp := func(change func(*config.Remote)) *config.Remote {
		r := &config.Remote{URL: "sftp://127.0.0.1/x", User: "u", PasswordFile: file("password", "p\n"), Trust: config.Trust{HostKey: []string{host}}}
		change(r)
		return r
	}
	ftps := func(change func(*config.Remote)) *config.Remote {
		r := sftp(func(r *config.Remote) { r.URL, r.Trust = "ftps://127.0.0.1/x", config.Trust{CA: ca.ca} })
		change(r)
		return r
	}
	for name, c := range map[string]struct {
		remote        *config.Remote
		warning, fail string
	}{
		"sftp":              {sftp(func(r *config.Remote) {}), "", ""},
		"ftps":              {ftps(func(r *config.Remote) {}), "", ""},
		"no password":       {sftp(func(r *config.Remote) { r.PasswordFile = file("none", "\n") }), "", "first line is empty"},
		"host key":          {sftp(func(r *config.Remote) { r.Trust.HostKey = []string{"ssh-ed25519 AAAA"} }), "", "trust.host_key"},
		"key":               {sftp(func(r *config.Remote) { r.KeyFile = newKeyFile(t, "ed25519") }), "", ""},
		"not a key":         {sftp(func(r *config.Remote) { r.KeyFile = pass }), "", "is not a private key"},
		"short key":         {sftp(func(r *config.Remote) { r.KeyFile = newKeyFile(t, "rsa-1024") }), "1024 bits is too short", ""},
		"locked":            {sftp(func(r *config.Remote) { r.KeyFile = locked }), "", "protected by a passphrase"},
		"unlocked":          {sftp(func(r *config.Remote) { r.KeyFile, r.PassphraseFile = locked, pass }), "", ""},
		"wrong passphrase":  {sftp(func(r *config.Remote) { r.KeyFile, r.PassphraseFile = locked, wrong }), "", "does not open"},
		"legacy":            {sftp(func(r *config.Remote) { r.Legacy = []string{"ssh-rsa", "hmac-sha1"} }), "ssh-rsa, hmac-sha1", ""},
		"unknown legacy":    {sftp(func(r *config.Remote) { r.Legacy = []string{"tls1.0"} }), "", "tls1.0 is not a weak algorithm"},
		"unknown tls":       {ftps(func(r *config.Remote) { r.Legacy = []string{"ssh-rsa"} }), "", "ssh-rsa is not known for ftps"},
		"tls":               {ftps(func(r *config.Remote) { r.Legacy = []string{"tls1.0"} }), "tls1.0", ""},
		"no ca":             {ftps(func(r *config.Remote) { r.Trust.CA = pass }), "", "no certificate"},
		"pin":               {ftps(func(r *config.Remote) { r.Trust = config.Trust{Pin: pin} }), "", ""},
		"bad pin":           {ftps(func(r *config.Remote) { r.Trust.Pin = "sha256:00" }), "", "64 hex digits"},
		"certificate":       {ftps(func(r *config.Remote) { r.ClientCertificate, r.KeyFile = cert, key }), "", ""},
		"another's key":     {ftps(func(r *config.Remote) { r.ClientCertificate, r.KeyFile = cert, otherKey }), "", "does not match"},
		"locked, unfitting": {ftps(func(r *config.Remote) { r.ClientCertificate, r.KeyFile, r.PassphraseFile = cert, locked, pass }), "", "does not match"},
		"pkcs8": {ftps(func(r *config.Remote) {
			r.ClientCertificate, r.PassphraseFile = cert, pass
			r.KeyFile = file("pkcs8", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")
		}), "", "openssl pkey"},
	} {
		warning, err := CheckRemote(c.remote)
		text := ""
		if err != nil {
			text = err.Error()
		}
		if !strings.Contains(warning, c.warning) || (warning == "") != (c.warning == "") || !strings.Contains(text, c.fail) || (text == "") != (c.fail == "") {
			t.Errorf("%s: warning %q, error %q", name, warning, text)
		}
	}
	if _, err := os.Stat(locked); err != nil {
		t.Error(err)
	}
}
