package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/vault"
)

func (t *tool) userCommand() *cobra.Command {
	return t.group("user", "Give, change and take the logins of an account.", t.userAddCommand(), t.userListCommand(), t.userPasswordCommand(),
		t.userTotpCommand(), t.userChangeCommand(), t.userUnlockCommand(), t.userRemoveCommand())
}

func (t *tool) userAddCommand() *cobra.Command {
	var fromStdin bool
	var keyFile string
	var n gateway.NewUser
	c := &cobra.Command{
		Use:   "add ACCOUNT LOGIN",
		Short: "Make a login; without a password and a key, a password is made and shown once.",
		Example: examples("sealgate user add acme payroll --login password+totp", "sealgate user add acme erp --public-key erp.pub",
			"pass show acme | sealgate user add acme payroll --password-stdin"),
		Args: arguments("ACCOUNT", "LOGIN"),
		RunE: func(c *cobra.Command, args []string) error {
			n.Account, n.Login = args[0], args[1]
			return t.addUser(c.Context(), n, fromStdin, keyFile)
		},
	}
	c.Flags().BoolVar(&fromStdin, "password-stdin", false, "the password is the first line of stdin")
	c.Flags().StringVar(&keyFile, "public-key", "", "`FILE` with an OpenSSH public key (one line)")
	c.Flags().StringVar(&n.Methods, "login", "", loginFlag+" (default: by what is given)")
	c.Flags().StringSliceVar(&n.AllowFrom, "allow-from", nil, "`NETWORKS` to log in from, with commas; within the account's allow_from")
	c.Flags().StringSliceVar(&n.DenyFrom, "deny-from", nil, "`NETWORKS` not to log in from")
	c.ValidArgsFunction = t.completeAccount
	return t.withDesk(c)
}

// loginFlag describes --login.
const loginFlag = "`METHODS`: key, password, key+password, key+totp or password+totp; or one with a key and one without: key,password+totp"

func (t *tool) addUser(ctx context.Context, n gateway.NewUser, fromStdin bool, keyFile string) error {
	var err error
	if n.Password, err = t.passwordFromStdin(ctx, fromStdin, "no login was made"); err != nil {
		return err
	}
	if keyFile != "" {
		key, err := os.ReadFile(keyFile)
		if err != nil {
			return usage("", "--public-key %s", cause(err))
		}
		n.PublicKey = string(key)
	}
	client, _, err := t.deskToAdd(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	user, err := client.AddUser(ctx, n)
	if err != nil {
		return err
	}
	t.tellUser("Login of", n.Login, user)
	return nil
}

// passwordFromStdin reads the password for --password-stdin; without is what did not happen if there is none.
func (t *tool) passwordFromStdin(ctx context.Context, fromStdin bool, without string) (string, error) {
	switch {
	case !fromStdin:
		return "", nil
	case t.unlockFile == "-":
		return "", usage("give one of them as a file", "--password-stdin and --unlock-key-file - cannot both read stdin")
	}
	password, err := t.readSecret(ctx, "-")
	if err == nil && len(password) == 0 {
		err = usage("", "the password on stdin is empty; %s", without)
	}
	return string(password), err
}

// tellUser says what a login is now, with all that is shown only once.
func (t *tool) tellUser(what, login string, u gateway.UserLine) {
	if u.NewPassword != "" {
		t.say("%s %s:  %s    password:  %s    (shown only now)\n", what, u.Account, clean(login), u.NewPassword)
	} else {
		t.say("%s %s:  %s    by %s    id %s\n", what, u.Account, clean(login), loginBy(u), u.ID)
	}
	if u.NewFactor != nil {
		t.say("From now on %s alone is not enough: every such login takes a code as well.\n", codeWith(u.Login))
		t.tellFactor(u.NewFactor)
	}
}

// loginBy says how a user logs in.
func loginBy(u gateway.UserLine) string {
	if u.Login == "" {
		return "nothing"
	}
	ways := strings.Split(u.Login, ",")
	for i, way := range ways {
		first, then, more := strings.Cut(way, "+")
		switch {
		case first == "key" && u.Keys > 0:
			first = count(u.Keys, "key")
		case first == "key":
			first = "certificate"
		case u.OneTime:
			first = "one-time password"
		}
		if ways[i] = first; more {
			ways[i] += " + " + then
		}
	}
	return strings.Join(ways, ", ")
}

func (t *tool) userListCommand() *cobra.Command {
	var keys opening
	c := &cobra.Command{
		Use:   "list [ACCOUNT]",
		Short: "List the users: how and when they last came in, were refused, and until when they are locked.",
		Example: examples("sealgate user list", "sealgate user list acme --json",
			"sealgate user list acme --key /media/usb/acme.key --access-key-file /media/usb/acme.access"),
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				return arguments("ACCOUNT")(c, args)
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			return t.listUsers(c.Context(), strings.Join(args, ""), &keys)
		},
	}
	c.Flags().StringVar(&keys.keyFile, "key", "", "the certificate's private key, `KEY.pem`: with it the logins' names are shown")
	c.Flags().StringVar(&keys.accessFile, "access-key-file", "", "an access key, `F`, where the account has them")
	c.Flags().StringVar(&keys.passphraseFile, "passphrase-file", "", "passphrase of the key, `F`; - is stdin (default: ask on a terminal)")
	c.ValidArgsFunction = t.completeAccount
	return t.withJSON(t.withTimes(t.withDesk(c)))
}

// listUsers shows the logins' names to whoever has brought the keys: they are opened here, not in the gateway.
func (t *tool) listUsers(ctx context.Context, account string, o *opening) error {
	var key *vault.PrivateKey
	var access *vault.AccessKey
	if o.keyFile != "" {
		var err error
		if key, access, err = t.readKeys(ctx, o); err != nil {
			return err
		}
	}
	client, _, err := t.desk(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	users, err := client.Users(ctx, account)
	if err != nil {
		return err
	}
	columns := []column{{head: "USER"}, {head: "ACCOUNT"}, {head: "BY"}, {head: "MADE (%Z)"}, {head: "LAST LOGIN"}, {head: "LAST REFUSAL"},
		{head: "LOCKED UNTIL"}}
	if key != nil {
		columns = append(columns, column{head: "NAME", name: true})
	}
	table, closed := t.newTable(columns...), 0
	for _, u := range users {
		if key != nil && len(u.SealedName) > 0 {
			if u.Name, err = vault.OpenName(u.SealedName, key, access); err != nil {
				closed++
			}
		}
		u.SealedName = nil
		if t.json {
			if err := t.sayJSON(u); err != nil {
				return err
			}
			continue
		}
		row := text(u.ID, u.Account, loginBy(u), t.minute(u.CreatedAt), t.minute(u.LastLogin), t.minute(u.LastRefusal), t.lockOf(u), u.Name)
		table.add(row[:len(columns)]...)
	}
	table.flush()
	switch {
	case len(users) == 0:
		t.talk("no users")
	case closed > 0:
		t.talk("%s not opened: that takes the key that they are sealed to, and an access key where the account has them", count(closed, "name"))
	}
	return nil
}

// lockOf says until when a user is locked.
func (t *tool) lockOf(u gateway.UserLine) string {
	if u.LockedAt != "" {
		return "user unlock"
	}
	return t.minute(u.LockedUntil)
}

func (t *tool) userRemoveCommand() *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use:     "remove ACCOUNT LOGIN",
		Short:   "Take a login away, named by itself or by its id; its files and the account stay.",
		Example: examples("sealgate user remove acme payroll", "sealgate user remove acme payroll --yes", "sealgate user list acme"),
		Args:    arguments("ACCOUNT", "LOGIN"),
		RunE: func(c *cobra.Command, args []string) error {
			return t.removeUser(c.Context(), args[0], args[1], yes)
		},
	}
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	c.ValidArgsFunction = t.completeAccount
	return t.withDesk(c)
}

func (t *tool) removeUser(ctx context.Context, account, login string, yes bool) error {
	if !t.typed && !yes {
		return usage("", "nobody is asked where there is no terminal: sealgate user remove needs --yes")
	}
	if !yes {
		typed, err := t.ask(ctx, fmt.Sprintf("%s of %s can then no longer log in; type the account's id to remove it: ", clean(login), clean(account)))
		if err != nil {
			return err
		}
		if typed != account {
			return no("", "%q is not %q; nothing was removed", clean(typed), clean(account))
		}
	}
	client, _, err := t.desk(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	user, err := client.RemoveUser(ctx, account, login)
	if err != nil {
		return err
	}
	t.say("Removed login of %s:  %s    id %s\n", user.Account, clean(login), user.ID)
	return nil
}

// completeAccount offers the accounts of the configuration, in the first place.
func (t *tool) completeAccount(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return t.accountIDs(nil, nil, "")
}
