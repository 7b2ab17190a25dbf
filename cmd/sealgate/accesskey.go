package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealgate/sealgate/config"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/vault"
)

// accessForm is what an access key's name looks like; with hyphens for blanks it becomes a file name.
var accessForm = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._ -]{0,63}$`)

func (t *tool) accessKeyCommand() *cobra.Command {
	return t.group("access-key", "Make, list and remove access keys, the second secret that opens a file.",
		t.accessKeyNewCommand(), t.accessKeyListCommand(), t.accessKeyRemoveCommand())
}

func (t *tool) accessKeyNewCommand() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "new NAME --out DIR",
		Short: "Make an access key: NAME.access is the secret, NAME.access.crt its public half for the gateway.",
		Example: examples("sealgate access-key new \"acme treasury\" --out /media/usb", "sealgate access-key new acme-2 --out new",
			"sealgate access-key list acme"),
		Args: arguments("NAME"),
		RunE: func(c *cobra.Command, args []string) error { return t.newAccessKey(args[0], dir) },
	}
	c.Flags().StringVar(&dir, "out", "", "write both into `DIR`, which is made if it is not there")
	return c
}

func (t *tool) newAccessKey(name, dir string) error {
	if dir == "" {
		return usage("", "sealgate access-key new needs --out DIR")
	}
	if !accessForm.MatchString(name) {
		return usage("a-z A-Z 0-9 . _ - and blanks, at most 64, beginning with a letter or digit", "%q cannot be an access key's name", clean(name))
	}
	text, cert, err := vault.NewAccessKey(name, t.now())
	if err != nil {
		return err
	}
	parsed, err := vault.ParseCertificate(cert)
	if err != nil {
		return err
	}
	file := strings.ReplaceAll(name, " ", "-") + ".access"
	if err := t.writePair(dir, file, text, file+".crt", cert); err != nil {
		return err
	}
	t.say("Made in %s:\n", clean(dir))
	t.say("  %-20s opens files, together with the certificate's key: take it elsewhere, apart from that\n", file)
	t.say("  %-20s its public half, %s, for the gateway\n", file+".crt", accessID(parsed))
	t.say("Next: add the public half to access_keys in sealgate.yaml; any one of them opens the files that come from then on.\n  sealgate check\n")
	return nil
}

// accessID names an access key as `open` does.
func accessID(c *vault.Certificate) string { return "SHA256:" + brief(c.KeyID(), 8) }

func (t *tool) accessKeyListCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "list ACCOUNT",
		Short:   "List the access keys to which an account's files are sealed from now on; any one of them opens.",
		Example: examples("sealgate access-key list acme", "sealgate access-key list acme --json", "sealgate check"),
		Args:    arguments("ACCOUNT"),
		RunE:    func(c *cobra.Command, args []string) error { return t.listAccessKeys(c.Context(), args[0]) },
	}
	c.ValidArgsFunction = t.completeAccount
	return t.withJSON(t.withDesk(c))
}

// accessLine is a line of `access-key list --json`.
type accessLine struct {
	Name string `json:"name"`
	Key  string `json:"key"`
	File string `json:"file"`
}

func (t *tool) listAccessKeys(ctx context.Context, account string) error {
	client, cfg, err := t.desk(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	a, keys, err := accessKeys(ctx, client, cfg, account)
	if err != nil {
		return err
	}
	table := t.newTable(column{head: "NAME", name: true}, column{head: "KEY"}, column{head: "FILE"})
	for i, k := range keys {
		if t.json {
			if err := t.sayJSON(accessLine{k.Subject(), "SHA256:" + k.KeyID(), a.AccessKeys[i].File}); err != nil {
				return err
			}
			continue
		}
		table.add(text(k.Subject(), accessID(k), near(a.AccessKeys[i].File))...)
	}
	table.flush()
	if len(keys) == 0 {
		t.talk("no access keys: the certificate's key alone opens")
	}
	return nil
}

// accessKeys asks the desk for an account's access keys as they are in force: what comes is sealed to these, whatever is in the file.
func accessKeys(ctx context.Context, client *gateway.Client, cfg *config.Config, account string) (*gateway.InForce, []*vault.Certificate, error) {
	_, a, err := inForce(ctx, client, cfg, account)
	if err != nil {
		return nil, nil, err
	}
	keys := make([]*vault.Certificate, len(a.AccessKeys))
	for i, key := range a.AccessKeys {
		if keys[i], err = vault.ParseCertificate([]byte(key.PEM)); err != nil {
			return nil, nil, keyTrouble(err)
		}
	}
	return a, keys, nil
}

func (t *tool) accessKeyRemoveCommand() *cobra.Command {
	var key keyFlags
	c := &cobra.Command{
		Use:   "remove ACCOUNT NAME|FILE.crt",
		Short: "Say what to take out of the configuration, and list the files that only this access key opens.",
		Example: examples("sealgate access-key remove acme \"acme treasury\"",
			"sealgate access-key remove acme old.access.crt --key /media/usb/acme.key", "sealgate access-key list acme"),
		Args: arguments("ACCOUNT", "NAME or FILE.crt"),
		RunE: func(c *cobra.Command, args []string) error {
			return t.removeAccessKey(c.Context(), args[0], args[1], &key)
		},
	}
	key.add(c, "the certificate's private key, `KEY.pem`: only it can see to which access keys a file is sealed")
	c.ValidArgsFunction = t.completeAccount
	return t.withJSON(t.withTimes(t.withDesk(c)))
}

// removeAccessKey changes nothing: the configuration is the operator's, and so is the secret.
func (t *tool) removeAccessKey(ctx context.Context, account, name string, key *keyFlags) error {
	client, cfg, err := t.desk(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	a, keys, err := accessKeys(ctx, client, cfg, account)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(keys, func(k *vault.Certificate) bool { return k.Subject() == name })
	var gone *vault.Certificate
	file := name
	if at >= 0 {
		gone, file = keys[at], near(a.AccessKeys[at].File)
	} else if gone, err = vault.ReadCertificate(name); err != nil {
		return no("sealgate access-key list "+account, "%s has no access key %q", clean(account), clean(name))
	} else { // or -1: it was taken out already
		at = slices.IndexFunc(keys, func(k *vault.Certificate) bool { return k.KeyID() == gone.KeyID() })
	}
	if key.file != "" {
		private, err := t.readKey(ctx, key)
		if err != nil {
			return err
		}
		if err := t.onlyByAccess(ctx, client, account, gone, private, key.file); err != nil {
			return err
		}
	}
	if t.json {
		return nil
	}
	if at >= 0 {
		once := ""
		if a.FourEyes {
			once = "once two persons have signed that, "
		}
		t.say("Take %s out of access_keys of account %s in %s; %sfiles that come after are not sealed to it.\n", clean(file), clean(account), clean(t.config()), once)
		if len(keys) == 1 {
			t.say("It is the only one: after it, the certificate's key alone opens what comes.\n")
		}
		if a.Protected {
			t.say("It opens the account's database until that is unlocked once after the change, with keys that stay:\n  sealgate unlock %s --key KEY.pem --access-key-file F\n", clean(account))
		}
	}
	if key.file == "" {
		t.say("Files that were sealed while %s was the account's only access key open with no other: keep its secret for them.\n"+
			"Which these are, only the certificate's key can tell: sealgate access-key remove %s %s --key KEY.pem\n",
			accessID(gone), clean(account), quoted(name))
	}
	return nil
}

// onlyByAccess lists the files that this access key alone opens.
func (t *tool) onlyByAccess(ctx context.Context, client *gateway.Client, account string, gone *vault.Certificate, key *vault.PrivateKey, keyFile string) error {
	table := t.newTable(column{head: "ID"}, column{head: "RECEIVED (%Z)"}, column{head: "NAME", name: true}, column{head: "SIZE", right: true})
	bar := t.progress("looking at the envelopes")
	defer bar.end()
	var lost, shared, other, closed, names, databases int
	var bytes int64
	for line, err := range client.Envelopes(ctx, gateway.EnvelopesQuery{Account: account}) {
		if err != nil {
			return err
		}
		bar.tell(count(lost+shared+other+closed+names+databases, "envelope") + " looked at")
		to, err := accessOf(ctx, client, &line, key)
		named := slices.ContainsFunc(to, gone.Is)
		switch {
		case errors.Is(err, vault.ErrWrongKey):
			closed++
		case err != nil:
			return fmt.Errorf("%s: %w", line.ID, err)
		case !named:
			other++
		case len(to) > 1:
			shared++
		case line.UserName != nil:
			if names++; !t.json {
				table.add(text(line.ID, t.minute(line.ReceivedAt), "(the name of this user)", "")...)
			} else if err = t.sayJSON(hit{ID: line.ID, IsName: true, Account: line.Account, ReceivedAt: line.ReceivedAt}); err != nil {
				return err
			}
		case line.DatabaseKey != nil:
			if databases++; !t.json {
				table.add(text(line.Form, "", inDatabase(line.Form), "")...)
			} else if err = t.sayJSON(hit{ID: line.ID, IsDatabase: true, Form: line.Form, Account: line.Account}); err != nil {
				return err
			}
		default:
			lost, bytes = lost+1, bytes+line.Size
			if t.json {
				err = t.sayJSON(hit{ID: line.ID, Account: line.Account, Name: line.Name, ReceivedAt: line.ReceivedAt, Size: line.Size})
			} else {
				table.add(text(short(line.ID), t.minute(line.ReceivedAt), line.Name, size(line.Size))...)
			}
			if err != nil {
				return err
			}
		}
	}
	table.flush()
	if t.json {
		return nil
	}
	t.say("%s, %s (%d bytes), unreadable for ever without access key %q (%s)\n", sealedThings(lost, names, databases), size(bytes), bytes, clean(gone.Subject()), accessID(gone))
	t.say("readable all the same: %s by other access keys, %s not sealed to it\n", count(shared, "envelope"), count(other, "envelope"))
	if closed > 0 {
		t.say("not known: %s that %s does not open\n", count(closed, "envelope"), clean(keyFile))
	}
	return nil
}

// accessOf reads the beginning of a sealed copy, of the name of a user, or of a database's key.
func accessOf(ctx context.Context, client *gateway.Client, line *gateway.EnvelopeLine, key *vault.PrivateKey) ([]vault.Recipient, error) {
	if whole := slices.Concat(line.UserName, line.DatabaseKey); whole != nil {
		return key.AccessOf(bytes.NewReader(whole))
	}
	bound, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel() // and with it the rest of a large copy
	_, sealed, err := client.Copy(bound, gateway.CopyQuery{ID: line.ID, For: "to see its access keys"})
	if err != nil {
		return nil, err
	}
	defer sealed.Close()
	return key.AccessOf(sealed)
}
