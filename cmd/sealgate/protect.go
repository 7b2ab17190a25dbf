package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealgate/sealgate/config"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/vault"
)

// Protected accounts. The private key is read here, on the operator's side, and opens the database's key here; the gateway is brought
// that one.

// withKeys gives a command the flags by which an account's keys are brought.
func withKeys(c *cobra.Command, o *opening) {
	f := c.Flags()
	f.StringVar(&o.keyFile, "key", "", "the certificate's private key, `KEY.pem`")
	f.StringVar(&o.accessFile, "access-key-file", "", "an access key, `F`, if the account has them")
	f.StringVar(&o.passphraseFile, "passphrase-file", "", "passphrase of the key, `F`; - is stdin (default: ask on a terminal)")
}

// openKey opens a database's key from the first of its sealed forms that opens, and says which one that was. The caller zeroes the key.
func openKey(sealed [][]byte, o *opening, key *vault.PrivateKey, access *vault.AccessKey) ([]byte, indexer.Opened, error) {
	var fault error
	for _, form := range sealed {
		opened := bytes.NewBuffer(make([]byte, 0, 64)) // never moved, so that it can be zeroed
		err := vault.OpenSealed(opened, bytes.NewReader(form), int64(len(form)), key, access)
		if err == nil {
			return opened.Bytes(), sha256.Sum256(form), nil
		}
		if fault == nil || errors.Is(fault, vault.ErrWrongKey) && !errors.Is(err, vault.ErrWrongKey) { // what is nearest to opening
			fault = err
		}
	}
	return nil, indexer.Opened{}, o.explain("the database's key", fault)
}

// unlockAccount opens a protected account's database in the running gateway.
func (t *tool) unlockAccount(ctx context.Context, account string, o *opening, length time.Duration) error {
	if length <= 0 || length > gateway.LongestSession {
		return usage("", "--for is at most %s", duration(gateway.LongestSession))
	}
	if err := keepSecrets(); err != nil {
		return err
	}
	client, err := t.daemon(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	if o.keyFile == "" { // said after what cannot be unlocked by any key
		if _, err := client.SealedKeys(ctx, account); err != nil {
			return err
		}
		return usage("", "sealgate unlock %s needs --key KEY.pem", account)
	}
	k, err := t.accountKey(ctx, client, account, o)
	if err != nil {
		return err
	}
	defer clear(k.own)
	line, err := k.bring(ctx, client, gateway.AccountKey{Account: account, For: length})
	if err != nil {
		return err
	}
	t.say("account %s is unlocked until %s; %d of what waited is merged\n", clean(account), t.minute(line.UnlockedUntil), line.Waiting)
	t.tellUntried(&line)
	return nil
}

// tellUntried says that nobody has opened the database's key as it is sealed now: whether the configuration names the right certificate
// and access keys is not proven before.
func (t *tool) tellUntried(line *gateway.AccountStatus) {
	if line.KeyUntried == "" {
		return
	}
	t.say("The database's key is sealed anew, as the configuration says, to %s.\nNobody has opened that yet. Until somebody has, the keys used until now open it too: keep them, and try the new\nones: sealgate unlock %s --key NEW.pem\n",
		clean(line.KeyUntried), clean(line.ID))
}

// accountKey is the key of an account's database, and what has opened it.
type accountKey struct {
	o      *opening
	key    *vault.PrivateKey
	access *vault.AccessKey
	own    []byte // the caller zeroes it
	opened indexer.Opened
}

// accountKey asks for the key of an account's database, and opens it here.
func (t *tool) accountKey(ctx context.Context, client *gateway.Client, account string, o *opening) (k *accountKey, err error) {
	sealed, err := client.SealedKeys(ctx, account)
	if err != nil {
		return nil, err
	}
	k = &accountKey{o: o}
	if k.key, k.access, err = t.readKeys(ctx, o); err != nil {
		return nil, err
	}
	k.own, k.opened, err = openKey(sealed, o, k.key, k.access)
	return k, err
}

// bring unlocks the account. If its key comes to be sealed anew by that, and the same keys open what it is now, which nobody but this
// command can tell, it is brought from that too: from then on nothing opens it any more that the configuration has left out, an access key
// above all. Where they do not open it, or everything stops before, the key stays as it was opened beside it.
func (k *accountKey) bring(ctx context.Context, client *gateway.Client, q gateway.AccountKey) (gateway.AccountStatus, error) {
	q.Key, q.Opened = k.own, k.opened
	line, err := client.UnlockAccount(ctx, q)
	if err != nil || line.KeyUntried == "" {
		return line, err
	}
	sealed, err := client.SealedKeys(ctx, q.Account)
	if err != nil {
		return line, nil // it is unlocked, and the line says that it is untried
	}
	own, opened, err := openKey(sealed[:1], k.o, k.key, k.access)
	if err != nil {
		return line, nil
	}
	defer clear(own)
	q.Key, q.Opened, q.Join = own, opened, true
	if tried, err := client.UnlockAccount(ctx, q); err == nil {
		line.KeyUntried = tried.KeyUntried
	}
	return line, nil
}

func (t *tool) lockCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "lock ACCOUNT",
		Short:   "Close a protected account's database before its time is up.",
		Example: examples("sealgate lock acme", "sealgate unlock acme --key acme.key --for 5m", "sealgate status --account acme"),
		Args:    arguments("ACCOUNT"),
		RunE: func(c *cobra.Command, args []string) error {
			client, err := t.daemon(c.Context())
			if err != nil {
				return err
			}
			defer client.Close()
			if _, err := client.LockAccount(c.Context(), args[0]); err != nil {
				return err
			}
			t.say("account %s is locked\n", clean(args[0]))
			return nil
		},
	}
	c.ValidArgsFunction = t.completeAccount
	return t.withConfig(c)
}

func (t *tool) protectCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "protect ACCOUNT",
		Short:   "Give an account's database a key of its own, sealed to its certificate, while no gateway runs.",
		Example: examples("sealgate protect acme", "sealgate unlock acme --key acme.key", "sealgate unprotect acme --key acme.key"),
		Args:    arguments("ACCOUNT"),
		RunE: func(c *cobra.Command, args []string) error {
			return t.convert(c.Context(), args[0], true, func(ctx context.Context, cfg *config.Config, unlock *vault.UnlockKey) error {
				return gateway.Protect(ctx, cfg, unlock, args[0], t.newLog(cfg.Log, slog.LevelWarn))
			})
		},
	}
	c.ValidArgsFunction = t.completeAccount
	return t.withDesk(c)
}

func (t *tool) unprotectCommand() *cobra.Command {
	var o opening
	var withoutWaiting bool
	c := &cobra.Command{
		Use:     "unprotect ACCOUNT --key KEY.pem",
		Short:   "Bring a protected account's database back under the unlock key, while no gateway runs.",
		Example: examples("sealgate unprotect acme --key acme.key --access-key-file acme.access", "sealgate unprotect acme --key acme.key --without-waiting", "sealgate status"),
		Args:    arguments("ACCOUNT"),
		RunE: func(c *cobra.Command, args []string) error {
			if o.keyFile == "" {
				return usage("", "sealgate unprotect needs --key KEY.pem")
			}
			dir := ""
			err := t.convert(c.Context(), args[0], false, func(ctx context.Context, cfg *config.Config, unlock *vault.UnlockKey) error {
				key, access, err := t.readKeys(ctx, &o)
				if err != nil {
					return err
				}
				dir = filepath.Join(cfg.DataDir, "accounts", args[0])
				open := func(sealed [][]byte) ([]byte, error) {
					own, _, err := openKey(sealed, &o, key, access)
					return own, err
				}
				return gateway.Unprotect(ctx, cfg, unlock, args[0], open, withoutWaiting, t.newLog(cfg.Log, slog.LevelWarn))
			})
			if left := indexer.Left(dir); err == nil && withoutWaiting && len(left) > 0 {
				t.say("What waited is not in it. It is kept in %s: %s; put them in a safe place.\n", clean(dir), strings.Join(left, ", "))
			}
			return err
		},
	}
	withKeys(c, &o)
	c.Flags().BoolVar(&withoutWaiting, "without-waiting", false, "give up what waits in log.db and cannot be merged; log.db is kept as log.db.left")
	c.ValidArgsFunction = t.completeAccount
	return t.withDesk(c)
}

// convert protects an account, or the other way round: only as the configuration says that it is to be.
func (t *tool) convert(ctx context.Context, account string, protected bool, do func(context.Context, *config.Config, *vault.UnlockKey) error) error {
	if err := keepSecrets(); err != nil {
		return err
	}
	cfg, err := gateway.LoadConfig(t.config(), t.unlockFile != "")
	if err != nil {
		return t.configTrouble(err, "")
	}
	if a := cfg.Account(account); a != nil && a.Protected() != protected {
		return no("", "write protect_database: %v at account %s in %s first", protected, clean(account), cfg.File)
	}
	if err := sameOwner(cfg.DataDir); err != nil {
		return err
	}
	unlock, err := t.unlockKey(ctx, cfg)
	if err != nil {
		return err
	}
	defer unlock.Forget()
	_, err = patiently(ctx, func() (struct{}, error) { return struct{}{}, do(ctx, cfg, unlock) })
	if errors.Is(err, gateway.ErrRunning) {
		return no("stop it first; nobody may have the database open while it is converted", "%s", err)
	}
	if err != nil {
		return err
	}
	word := "protected"
	if !protected {
		word = "no longer protected"
	}
	t.say("The database of account %s is %s.\n", clean(account), word)
	return nil
}

func (t *tool) dumpCommand() *cobra.Command {
	var o opening
	var withoutWaiting bool
	c := &cobra.Command{
		Use:   "dump ACCOUNT OUT.db",
		Short: "Write an account's database to OUT.db as plain SQLite: files, findings, ledger, small sealed copies; payments in blocks of their own form, which `sealgate payments` prints.",
		Example: examples("sealgate dump acme acme.db", "sealgate dump acme acme.db --key acme.key --access-key-file acme.access",
			"sqlite3 acme.db 'SELECT id, verdict, payments FROM files'", "sealgate payments --account acme --json > acme-payments.jsonl"),
		Args: arguments("ACCOUNT", "OUT.db"),
		RunE: func(c *cobra.Command, args []string) error {
			return t.dump(c.Context(), args[0], args[1], withoutWaiting, &o)
		},
	}
	withKeys(c, &o)
	c.Flags().BoolVar(&withoutWaiting, "without-waiting", false, "of a protected account: merge nothing, write what the database has by now")
	c.ValidArgsFunction = t.completeAccount
	return t.withDesk(c)
}

// dump writes a plain copy of an account's database. This process opens the database itself; the gateway, running or not, is only asked
// to merge what waits, and to enter into the ledger that a copy is taken.
func (t *tool) dump(ctx context.Context, account, out string, withoutWaiting bool, o *opening) (err error) {
	if _, err := os.Lstat(out); err == nil {
		return no("give another name", "%s is there already; nothing was overwritten", clean(out))
	}
	if err := keepSecrets(); err != nil {
		return err
	}
	client, cfg, err := t.desk(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	if cfg.Account(account) == nil {
		return gateway.NoAccount(cfg, account)
	}
	if err := sameOwner(cfg.DataDir); err != nil {
		return err
	}
	dir := filepath.Join(cfg.DataDir, "accounts", account)
	key, err := t.databaseKey(ctx, client, cfg, account, dir, withoutWaiting, o)
	if err != nil {
		return err
	}
	defer clear(key[:])
	if err := client.NoteDump(ctx, account); err != nil {
		return err
	}
	if err := indexer.Dump(ctx, dir, key, out); err != nil {
		if !errors.Is(err, os.ErrExist) {
			os.Remove(out)
		}
		return no("", "%s", cause(err))
	}
	t.say("%s: a plain copy of the database of account %s; guard it, or remove it\n", clean(out), clean(account))
	return nil
}

// databaseKey gives the key of an account's database: from the unlock key, or opened by the account's, once what waits is merged or is
// said to be left out.
func (t *tool) databaseKey(ctx context.Context, client *gateway.Client, cfg *config.Config, account, dir string, withoutWaiting bool, o *opening) (key indexer.Key, err error) {
	if !indexer.Protected(dir) {
		unlock, err := t.unlockKey(ctx, cfg)
		if err != nil {
			return key, err
		}
		defer unlock.Forget()
		return unlock.Database("account/" + account), nil
	}
	if o.keyFile == "" {
		return key, usage("", "account %s is protected: sealgate dump needs --key KEY.pem", clean(account))
	}
	k, err := t.accountKey(ctx, client, account, o)
	if err != nil {
		return key, err
	}
	defer clear(k.own)
	if len(k.own) != len(key) {
		return key, fmt.Errorf("the key of the database of account %s has %d bytes", account, len(k.own))
	}
	key = indexer.Key(k.own)
	if withoutWaiting {
		s, err := client.Status(ctx)
		for _, a := range s.Accounts {
			if a.ID == account && a.UnlockedUntil == "" {
				t.talk("the copy is without what waits: deliveries: %d", a.Waiting)
			}
		}
		return key, err
	}
	line, err := k.bring(ctx, client, gateway.AccountKey{Account: account, For: time.Minute, Join: true})
	if err == nil && !line.Joined {
		_, err = client.LeaveAccount(ctx, account)
	}
	return key, err
}
