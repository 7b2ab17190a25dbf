package main

import (
	"context"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealgate/sealgate/gateway"
)

func (t *tool) userPasswordCommand() *cobra.Command {
	var fromStdin bool
	var change gateway.PasswordChange
	c := &cobra.Command{
		Use:   "password ACCOUNT LOGIN",
		Short: "Set another password; without --password-stdin one is made and shown once.",
		Example: examples("sealgate user password acme payroll --one-time", "sealgate user password acme payroll",
			"pass show acme | sealgate user password acme payroll --password-stdin"),
		Args: arguments("ACCOUNT", "LOGIN"),
		RunE: func(c *cobra.Command, args []string) (err error) {
			change.Account, change.Login = args[0], args[1]
			if change.Password, err = t.passwordFromStdin(c.Context(), fromStdin, "the old one stays"); err != nil {
				return err
			}
			return t.changeUser(c.Context(), "New password of", change.Login, func(ctx context.Context, client *gateway.Client) (gateway.UserLine, error) {
				return client.SetPassword(ctx, change)
			})
		},
	}
	c.Flags().BoolVar(&fromStdin, "password-stdin", false, "the password is the first line of stdin")
	c.Flags().BoolVar(&change.OneTime, "one-time", false, "it must be changed at the next login, which asks for that")
	c.ValidArgsFunction = t.completeAccount
	return t.withDesk(c)
}

func (t *tool) userTotpCommand() *cobra.Command {
	var change gateway.FactorChange
	c := &cobra.Command{
		Use:   "totp ACCOUNT LOGIN",
		Short: "Make a second factor for an authenticator app, and ten recovery codes; all shown once. The old one is void.",
		Example: examples("sealgate user totp acme payroll", "sealgate user totp acme payroll --remove",
			"sealgate user change acme payroll --login key,password+totp"),
		Args: arguments("ACCOUNT", "LOGIN"),
		RunE: func(c *cobra.Command, args []string) error {
			change.Account, change.Login = args[0], args[1]
			return t.changeUser(c.Context(), "Login of", change.Login, func(ctx context.Context, client *gateway.Client) (gateway.UserLine, error) {
				return client.SetFactor(ctx, change)
			})
		},
	}
	c.Flags().BoolVar(&change.Remove, "remove", false, "ask for no code any more")
	c.ValidArgsFunction = t.completeAccount
	return t.withDesk(c)
}

func (t *tool) userChangeCommand() *cobra.Command {
	var change gateway.UserChange
	var add, remove string
	var allow, deny []string
	c := &cobra.Command{
		Use:   "change ACCOUNT LOGIN",
		Short: "Change how and from where a login comes in; what is not named stays.",
		Example: examples("sealgate user change acme erp --add-key new.pub --remove-key old.pub",
			"sealgate user change acme payroll --login password+totp", "sealgate user change acme erp --allow-from 192.0.2.0/24,2001:db8::/32"),
		Args: arguments("ACCOUNT", "LOGIN"),
		RunE: func(c *cobra.Command, args []string) error {
			if !slices.ContainsFunc([]string{"login", "add-key", "remove-key", "allow-from", "deny-from"}, c.Flags().Changed) {
				return usage(c.CommandPath()+" -h", "nothing to change: name what is to be another")
			}
			change.Account, change.Login = args[0], args[1]
			for _, key := range []struct {
				flag, file string
				text       *string
			}{{"add-key", add, &change.AddKey}, {"remove-key", remove, &change.RemoveKey}} {
				if key.file == "" {
					continue
				}
				text, err := os.ReadFile(key.file)
				if err != nil {
					return usage("", "--%s %s", key.flag, cause(err))
				}
				*key.text = string(text)
			}
			if c.Flags().Changed("allow-from") {
				change.AllowFrom = &allow
			}
			if c.Flags().Changed("deny-from") {
				change.DenyFrom = &deny
			}
			return t.changeUser(c.Context(), "Login of", change.Login, func(ctx context.Context, client *gateway.Client) (gateway.UserLine, error) {
				return client.ChangeUser(ctx, change)
			})
		},
	}
	c.Flags().StringVar(&change.Methods, "login", "", loginFlag)
	c.Flags().StringVar(&add, "add-key", "", "`FILE` with one more OpenSSH public key")
	c.Flags().StringVar(&remove, "remove-key", "", "`FILE` with the public key to take away")
	c.Flags().StringSliceVar(&allow, "allow-from", nil, "`NETWORKS` to log in from, with commas; \"\" for all of the account's")
	c.Flags().StringSliceVar(&deny, "deny-from", nil, "`NETWORKS` not to log in from; \"\" for none")
	c.ValidArgsFunction = t.completeAccount
	return t.withDesk(c)
}

func (t *tool) userUnlockCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "unlock ACCOUNT LOGIN",
		Short:   "Lift the lock that too many wrong passwords or codes have set; LOGIN may be the id from `user list`.",
		Example: examples("sealgate user unlock acme payroll", "sealgate user unlock acme u5F2KX", "sealgate user list acme"),
		Args:    arguments("ACCOUNT", "LOGIN"),
		RunE: func(c *cobra.Command, args []string) error {
			return t.changeUser(c.Context(), "Unlocked login of", args[1], func(ctx context.Context, client *gateway.Client) (gateway.UserLine, error) {
				return client.UnlockUser(ctx, args[0], args[1])
			})
		},
	}
	c.ValidArgsFunction = t.completeAccount
	return t.withDesk(c)
}

// changeUser asks the desk for a change and tells what became of the login.
func (t *tool) changeUser(ctx context.Context, what, login string, change func(context.Context, *gateway.Client) (gateway.UserLine, error)) error {
	client, _, err := t.desk(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	user, err := change(ctx, client)
	if err != nil {
		return err
	}
	t.tellUser(what, login, user)
	return nil
}

// codeWith says by what alone a login no longer comes in; "" if none of its ways takes a code.
func codeWith(login string) string {
	var first []string
	for _, way := range strings.Split(login, ",") {
		if name, takes := strings.CutSuffix(way, "+totp"); takes {
			first = append(first, "the "+name)
		}
	}
	return strings.Join(first, " or ")
}

// tellFactor shows a new second factor: to scan on a terminal, and to type anywhere.
func (t *tool) tellFactor(f *gateway.Factor) {
	if t.screen {
		t.say("%s", qrCode(f.URI, t.colours))
	}
	t.say("Second factor, for an authenticator app (shown only now):\n  %s\n", f.URI)
	t.say("Recovery codes, each good for one login in place of the app's code (shown only now):\n")
	for i, code := range f.Codes {
		t.say("  %s", code)
		if i%2 == 1 || i == len(f.Codes)-1 {
			t.say("\n")
		}
	}
}
