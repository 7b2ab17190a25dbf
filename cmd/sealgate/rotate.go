package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/vault"
)

// keyFlags name a certificate's private key. It is read here, in the operator's process, and never leaves it.
type keyFlags struct{ file, passphraseFile string }

func (k *keyFlags) add(c *cobra.Command, use string) {
	c.Flags().StringVar(&k.file, "key", "", use)
	c.Flags().StringVar(&k.passphraseFile, "passphrase-file", "", "passphrase of the key, `F`; - is stdin (default: ask on a terminal)")
}

func (t *tool) readKey(ctx context.Context, k *keyFlags) (*vault.PrivateKey, error) {
	key, _, err := t.readKeys(ctx, &opening{keyFile: k.file, passphraseFile: k.passphraseFile})
	return key, err
}

func (t *tool) certRotateCommand() *cobra.Command {
	var key keyFlags
	var access string
	c := &cobra.Command{
		Use:   "rotate ACCOUNT NEW.crt --key OLD.pem",
		Short: "Seal every sealed copy to another certificate, without touching contents; interrupted, the next run goes on.",
		Example: examples("sealgate cert rotate acme acme-2027.crt --key /media/usb/acme.key",
			"sealgate cert rotate acme acme-2027.crt --key acme.key --passphrase-file -", "sealgate files --account acme --json | grep certificate"),
		Args: arguments("ACCOUNT", "NEW.crt"),
		RunE: func(c *cobra.Command, args []string) error {
			return t.rotate(c.Context(), args[0], args[1], &key, access)
		},
	}
	key.add(c, "the private key of the old certificate, `OLD.pem`; it is not sent to the gateway")
	c.Flags().StringVar(&access, "access-key-file", "", "an access key, `F`, where the account's database is protected and has them")
	c.ValidArgsFunction = t.completeAccount
	return t.withDesk(c)
}

// rotation is what rotate works with.
type rotation struct {
	account *gateway.InForce
	path    string // of the new certificate
	cert    *vault.Certificate
	to      []*vault.Certificate // the new certificate, and the recovery certificate where there is one
	key     *vault.PrivateKey
	keyFile string
}

// rotate makes new envelopes here, where the private key is, and the gateway puts them around the contents.
func (t *tool) rotate(ctx context.Context, account, path string, key *keyFlags, access string) (err error) {
	if key.file == "" {
		return usage("", "sealgate cert rotate needs --key OLD.pem, the private key of the certificate until now")
	}
	r := &rotation{path: path, keyFile: key.file}
	if r.cert, err = vault.ReadCertificate(path); err != nil {
		return keyTrouble(err)
	}
	if r.cert.Expired(t.now()) {
		return no("sealgate cert new "+account+" --out DIR", "%s has expired; nothing was changed", path)
	}
	r.to = []*vault.Certificate{r.cert}
	if r.key, err = t.readKey(ctx, key); err != nil {
		return err
	}
	client, cfg, err := t.desk(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	if _, r.account, err = inForce(ctx, client, cfg, account); err != nil {
		return err
	}
	if r.account.Recovery.PEM != "" {
		recovery, err := vault.ParseCertificate([]byte(r.account.Recovery.PEM))
		if err != nil {
			return keyTrouble(err)
		}
		r.to = append(r.to, recovery)
	}
	if now, err := vault.ParseCertificate([]byte(r.account.Certificate.PEM)); err != nil || now.Fingerprint() != r.cert.Fingerprint() {
		t.talk("sealgate: warning: new files of %s are still sealed to %s\nsealgate: hint: name %s in %s, then rotate once more",
			clean(account), orNone(near(r.account.Certificate.File)), clean(path), clean(cfg.File))
	}
	end, err := t.unlockedFor(ctx, client, r.account, &opening{keyFile: key.file, accessFile: access}, r.key)
	if err != nil {
		return err
	}
	rotated := false
	defer func() { err = errors.Join(err, end(rotated)) }()
	total := 0
	counts, err := client.CopyCounts(ctx, account)
	if err != nil {
		return err
	}
	for _, n := range counts {
		if n.Certificate != r.cert.Fingerprint() {
			total += n.Files
		}
	}
	bar := t.progress("sealing anew to " + r.path)
	result, err := client.Rotate(ctx, gateway.RewrapQuery{Account: account, Certificate: string(r.cert.PEM())},
		func(header []byte) (vault.Rewrapped, error) { return r.key.Rewrap(header, r.to...) },
		func(now gateway.RotateResult) {
			bar.tell(fmt.Sprintf("%d of %d sealed copies", now.Touched, max(total, now.Touched)))
		})
	bar.end()
	rotated = err == nil
	return t.tellRotated(r, result, err)
}

// unlockedFor opens a protected account's database for as long as the keeper of its keys may, unless it is open; end closes it again. Once
// all is rotated, and not before, its own key comes to be sealed to the certificate that the configuration names: die at any moment
// until then, and the old private key opens it still, so that the same command goes on.
func (t *tool) unlockedFor(ctx context.Context, client *gateway.Client, account *gateway.InForce, o *opening, key *vault.PrivateKey) (end func(rotated bool) error, err error) {
	end = func(bool) error { return nil }
	s, err := client.Status(ctx)
	at := slices.IndexFunc(s.Accounts, func(a gateway.AccountStatus) bool { return a.ID == account.Account && a.Protected })
	if err != nil || at < 0 {
		return end, err
	}
	sealed, err := client.SealedKeys(ctx, account.Account)
	if err != nil {
		return end, err
	}
	fits := func(form []byte) bool {
		header, _, err := vault.Header(bytes.NewReader(form))
		return err == nil && !errors.Is(key.Opens(header), vault.ErrWrongKey)
	}
	open, wrong := s.Accounts[at].UnlockedUntil != "", !slices.ContainsFunc(sealed, fits)
	if open && wrong {
		return end, nil // somebody has opened it with the new one already
	}
	var access *vault.AccessKey
	if o.accessFile != "" {
		if access, err = vault.ReadAccessKey(o.accessFile); err != nil {
			return end, keyTrouble(err)
		}
	}
	own, opened, err := openKey(sealed, o, key, access)
	var told *trouble
	if wrong && errors.As(err, &told) {
		told.hint += "; with that one's key: sealgate unlock " + account.Account + " --key NEW.pem"
		if len(account.AccessKeys) > 0 {
			told.hint += " --access-key-file F"
		}
		told.hint += ", then type this again"
	}
	if err != nil {
		return end, err
	}
	brought := gateway.AccountKey{Account: account.Account, For: gateway.LongestSession, Key: own, Opened: opened, KeyStays: true, Join: true}
	line, err := client.UnlockAccount(ctx, brought)
	if err != nil {
		clear(own)
		return end, err
	}
	return func(rotated bool) (err error) {
		defer clear(own)
		ctx := context.WithoutCancel(ctx)
		if rotated {
			brought.KeyStays = false
			var now gateway.AccountStatus
			if now, err = client.UnlockAccount(ctx, brought); err == nil {
				t.tellUntried(&now)
				line.Joined = line.Joined && now.Joined // else that session has ended, and this one is ours
			}
		}
		if !line.Joined {
			_, fault := client.LeaveAccount(ctx, account.Account)
			err = errors.Join(err, fault)
		}
		return err
	}, nil
}

func orNone(path string) string {
	if path == "" || path == "." {
		return "no certificate"
	}
	return path
}

// tellRotated says what was done, also of a rotation that was broken off.
func (t *tool) tellRotated(r *rotation, result gateway.RotateResult, err error) error {
	id := r.account.Account
	for _, f := range result.Failed {
		t.talk("%s: %s", f.ID, cleanLines(f.Fault))
	}
	if err != nil {
		hint := "type it again: it goes on with the rest"
		if errors.Is(err, context.Canceled) {
			return no(hint, "interrupted; sealed to %s so far: %s, the others are as they were", r.path, sealedThings(result.Done, result.Names, 0))
		}
		return no(hint, "%s; sealed to %s so far: %s, the others are as they were", strings.TrimPrefix(err.Error(), "control socket: "), r.path, sealedThings(result.Done, result.Names, 0))
	}
	if result.Touched == 0 {
		t.say("%s: nothing to do, every sealed copy is sealed to %s\n", clean(id), clean(r.path))
		return nil
	}
	also := ""
	if len(r.to) > 1 {
		also = ", and to the recovery certificate " + near(r.account.Recovery.File)
	}
	t.say("%s: %s sealed to %s now (%s, until %s)%s\n", clean(id), sealedThings(result.Done, result.Names, 0), clean(r.path), r.cert.Kind(),
		r.cert.NotAfter().In(t.zone).Format(time.DateOnly), clean(also))
	for _, certificate := range slices.Sorted(maps.Keys(result.Others)) {
		t.say("  as before: %s, sealed to %s, which %s does not open\n", count(result.Others[certificate], "file"),
			brief(certificate, len("sha256:")+8), clean(r.keyFile))
	}
	if result.Closed > 0 {
		t.say("  as before: %s, which %s does not open\n", count(result.Closed, "user name"), clean(r.keyFile))
	}
	if result.Faults > 0 {
		return no("sealgate verify --account "+id, "not rewrapped, and as before: %s", count(result.Faults, "sealed copy"))
	}
	t.say("Next: sealgate verify --account %s; and keep %s until nothing needs it any more:\n  sealgate cert remove %s --certificate OLD.crt --key %s --dry-run\n",
		clean(id), clean(r.keyFile), clean(id), clean(r.keyFile))
	return nil
}

// sealedThings counts what is sealed.
func sealedThings(files, names, databases int) string {
	things := []string{count(files, "file")}
	if names > 0 {
		things = append(things, count(names, "user name"))
	}
	if databases > 0 {
		things = append(things, count(databases, "database"))
	}
	if last := len(things) - 1; last > 0 {
		return strings.Join(things[:last], ", ") + " and " + things[last]
	}
	return things[0]
}
