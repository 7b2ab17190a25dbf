package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealgate/sealgate/vault"
)

// accountForm is what an account's id looks like; here it becomes a file name.
var accountForm = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$`)

func (t *tool) certCommand() *cobra.Command {
	return t.group("cert", "Make the certificates that seal accounts' files, rotate them, remove them.",
		t.certNewCommand(), t.certRotateCommand(), t.certRemoveCommand())
}

func (t *tool) certNewCommand() *cobra.Command {
	var dir, kind string
	var request bool
	c := &cobra.Command{
		Use:   "new ACCOUNT --out DIR",
		Short: "Make an account's certificate and its key: ACCOUNT.crt seals, ACCOUNT.key opens; or a request for a CA to sign.",
		Example: examples("sealgate cert new acme --out /media/usb", "sealgate cert new acme --out new --kind p-384",
			"sealgate cert new acme --out new --csr"),
		Args: arguments("ACCOUNT"),
		RunE: func(c *cobra.Command, args []string) error { return t.newCertificate(args[0], dir, kind, request) },
	}
	c.Flags().StringVar(&dir, "out", "", "write both into `DIR`, which is made if it is not there")
	c.Flags().StringVar(&kind, "kind", "rsa-3072", "`KIND` of key: rsa-3072, p-256 or p-384")
	c.Flags().BoolVar(&request, "csr", false, "a request for a CA to sign, ACCOUNT.csr, instead of a certificate")
	c.ValidArgsFunction = t.completeAccount
	return c
}

func (t *tool) newCertificate(account, dir, kind string, request bool) error {
	if dir == "" {
		return usage("", "sealgate cert new needs --out DIR")
	}
	if !accountForm.MatchString(account) {
		return usage("a-z A-Z 0-9 . _ -, at most 64, beginning with a letter or digit", "%q is not an account's id", clean(account))
	}
	if err := oneOf("kind", kind, "rsa-3072", "p-256", "p-384"); err != nil {
		return err
	}
	if request {
		csr, key, err := vault.NewRequest(account, kind)
		if err != nil {
			return err
		}
		if err := t.writePair(dir, account+".key", key, account+".csr", csr); err != nil {
			return err
		}
		t.say("Made in %s:\n", clean(dir))
		t.say("  %-20s a request, for a CA to sign\n", account+".csr")
		t.say("  %-20s opens what its certificate will seal; the gateway does not need it: take it elsewhere\n", account+".key")
		t.say("Next: have it signed, name the certificate in sealgate.yaml, and type\n  sealgate check\n")
		return nil
	}
	now := t.now()
	cert, key, err := vault.NewCertificate(account, kind, now, validFor(now))
	if err != nil {
		return err
	}
	parsed, err := vault.ParseCertificate(cert)
	if err != nil {
		return err
	}
	if err := t.writePair(dir, account+".key", key, account+".crt", cert); err != nil {
		return err
	}
	t.say("Made in %s:\n", clean(dir))
	t.say("  %-20s seals; %s, until %s\n", account+".crt", parsed.Kind(), parsed.NotAfter().In(t.zone).Format(time.DateOnly))
	t.say("  %-20s opens what it seals; the gateway does not need it: take it elsewhere\n", account+".key")
	t.say("Next: name the certificate in sealgate.yaml, keep the old key for the files sealed to it, and type\n  sealgate check\n")
	return nil
}

// writePair writes a secret and its public half into a folder, both or none.
func (t *tool) writePair(dir, secretName string, secret []byte, publicName string, public []byte) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return no("", "%s", cause(err))
	}
	secretPath := filepath.Join(dir, secretName)
	if err := writeNew(secretPath, secret, 0o600); err != nil {
		return t.notOverwritten(err)
	}
	if err := writeNew(filepath.Join(dir, publicName), public, 0o644); err != nil {
		os.Remove(secretPath) // a secret whose public half nobody has is of no use
		return t.notOverwritten(err)
	}
	return nil
}

func (t *tool) notOverwritten(err error) error {
	if errors.Is(err, fs.ErrExist) {
		return no("give another directory; a key that is lost can open nothing any more", "%s; nothing was overwritten", cause(err))
	}
	return no("", "%s", cause(err))
}
