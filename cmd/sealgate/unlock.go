package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/vault"
)

func (t *tool) unlockCommand() *cobra.Command {
	var o opening
	var length time.Duration
	c := &cobra.Command{
		Use:   "unlock [ACCOUNT --key KEY.pem]",
		Short: "Open a protected account's database for a while; without ACCOUNT, bring a gateway that has started locked its unlock key.",
		Example: examples("sealgate unlock acme --key acme.key --access-key-file acme.access --for 30m",
			"sealgate unlock", "sealgate unlock --unlock-key-file /media/usb/unlock.key",
			"age -d unlock.key.age | sealgate unlock --unlock-key-file -"),
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				return arguments("ACCOUNT")(c, args)
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				return t.unlockAccount(c.Context(), args[0], &o, length)
			}
			if o.keyFile != "" {
				return usage("", "sealgate unlock --key needs ACCOUNT")
			}
			return t.unlockGateway(c.Context())
		},
	}
	withKeys(c, &o)
	c.Flags().DurationVar(&length, "for", gateway.DefaultSession, "how long the account stays open, at most 1h: `10m`")
	c.Flags().StringVar(&t.unlockFile, "unlock-key-file", "", "unlock key `F` of the gateway; - is stdin (default: ask on a terminal)")
	c.ValidArgsFunction = t.completeAccount
	return t.withConfig(c)
}

// unlockGateway brings the unlock key to the daemon that waits for it.
func (t *tool) unlockGateway(ctx context.Context) error {
	if err := keepSecrets(); err != nil {
		return err
	}
	client, err := t.daemon(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	if s, err := client.Status(ctx); err == nil && !s.Locked { // it says no before anybody looks for the key
		_, err := client.Unlock(ctx, nil)
		return err
	}
	text, err := t.unlockText(ctx)
	if err != nil {
		return err
	}
	defer clear(text)
	id, err := client.Unlock(ctx, text)
	if err != nil {
		return err
	}
	t.say("unlocked with unlock key %s; the doors open now: sealgate status\n", id)
	return nil
}

// unlockText gives the unlock key as text.
func (t *tool) unlockText(ctx context.Context) ([]byte, error) {
	switch {
	case t.unlockFile != "":
		text, err := t.readSecret(ctx, t.unlockFile)
		if err != nil {
			return nil, usage("", "%s", cause(err))
		}
		return text, nil
	case !t.typed:
		return nil, usage("", "nobody is asked where there is no terminal: give the unlock key with --unlock-key-file F, or - for stdin")
	}
	return t.askSecret(ctx, "Unlock key: ")
}

// daemon reaches the running gateway, and nothing else.
func (t *tool) daemon(ctx context.Context) (*gateway.Client, error) {
	cfg, err := t.load()
	if err != nil {
		client, _, err := t.running(ctx, err)
		return client, err
	}
	client, err := gateway.Connect(ctx, cfg, stopped, t.newLog(cfg.Log, levelSilent))
	if err == errStopped {
		return nil, no("sealgate serve", "%s", err)
	}
	return client, err
}

func (t *tool) rekeyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "rekey NEW.key",
		Short: "Change the unlock key, while no gateway runs. NEW.key is made if it is not there.",
		Example: examples("sealgate rekey /etc/sealgate/unlock-2027.key", "sealgate rekey new.key --unlock-key-file old.key",
			"sealgate rekey new.key    # again, after an interruption: it goes on"),
		Args: arguments("NEW.key"),
		RunE: func(c *cobra.Command, args []string) error { return t.rekey(c.Context(), args[0]) },
	}
	c.Flags().StringVar(&t.unlockFile, "unlock-key-file", "", "the present unlock key `F`; - is stdin (default: as configured)")
	return t.withConfig(c)
}

// rekey changes the unlock key. The new one is on the disk before anything is sealed under it.
func (t *tool) rekey(ctx context.Context, path string) error {
	if err := keepSecrets(); err != nil {
		return err
	}
	cfg, err := gateway.LoadConfig(t.config(), t.unlockFile != "")
	if err != nil {
		return t.configTrouble(err, "")
	}
	if err := sameOwner(cfg.DataDir); err != nil {
		return err
	}
	if client, err := gateway.Connect(ctx, cfg, stopped, t.newLog(cfg.Log, levelSilent)); err == nil {
		client.Close()
		return no("stop it first; the unlock key changes while nobody has the databases open", "%s", gateway.ErrRunning)
	}
	from, err := t.unlockKey(ctx, cfg)
	if err != nil {
		return err
	}
	defer from.Forget()
	if err := makeUnlockKey(path); err != nil {
		return err
	}
	to, err := vault.ReadUnlockKey(path)
	if err != nil {
		return no("", "%s", strings.TrimPrefix(err.Error(), "vault: "))
	}
	defer to.Forget()
	_, err = patiently(ctx, func() (struct{}, error) {
		return struct{}{}, gateway.Rekey(ctx, cfg, from, to, t.newLog(cfg.Log, levelSilent))
	})
	if err != nil {
		return err
	}
	t.say("The unlock key is now %s, in %s. Bring that one from now on, and keep a copy of it elsewhere.\n", to.ID(), clean(path))
	if cfg.UnlockKeyFile != path {
		t.say("Next: name it in %s (unlock_key_file), or put it in the place of the old one.\n", cfg.File)
	}
	return nil
}

// makeUnlockKey makes a new unlock key, unless one lies there from a change that was interrupted.
func makeUnlockKey(path string) error {
	if there(path) {
		return nil
	}
	text := vault.NewUnlockKey()
	defer clear(text)
	if err := writeNew(path, text, 0o600); err != nil {
		return usage("", "%s", cause(err))
	}
	return nil
}

// there says whether a file is there, or something that cannot be looked at.
func there(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
