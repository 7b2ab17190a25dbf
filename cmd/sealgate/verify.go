package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/sealgate/sealgate/gateway"
)

func (t *tool) verifyCommand() *cobra.Command {
	var account string
	var renew bool
	c := &cobra.Command{
		Use:     "verify",
		Short:   "Check the ledger, the databases and every sealed copy, without any account's key; exit 1 if something is wrong.",
		Example: examples("sealgate verify", "sealgate verify --account acme", "sealgate verify --json", "sealgate verify --renew-names"),
		Args:    arguments(),
		RunE:    func(c *cobra.Command, _ []string) error { return t.verify(c.Context(), account, renew) },
	}
	c.Flags().StringVar(&account, "account", "", "only account `ID`")
	c.Flags().BoolVar(&renew, "renew-names", false, "make the lists of names anew, from the payments, before checking")
	_ = c.RegisterFlagCompletionFunc("account", t.accountIDs)
	return t.withJSON(t.withDesk(c))
}

func (t *tool) verify(ctx context.Context, account string, renew bool) error {
	client, cfg, err := t.desk(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	if renew {
		if err := t.renewNames(ctx, client, account); err != nil {
			return err
		}
	}
	problems := 0
	for p, err := range client.Verify(ctx, account) {
		if err != nil {
			return err
		}
		problems++
		if t.json {
			err = t.sayJSON(p)
		} else {
			t.say("%s: %s: %s\n", clean(p.Account), clean(p.What), clean(p.Problem))
		}
		if err != nil {
			return err
		}
	}
	what := count(len(cfg.Accounts), "account")
	if account != "" {
		what = "account " + account
	}
	if problems > 0 {
		return no("copy data_dir as it is before anything else is tried", "%s found in %s", count(problems, "problem"), what)
	}
	if !t.json {
		t.say("ok: %s checked: ledger, index, every sealed copy, nothing left over\n", what)
	}
	return nil
}

func (t *tool) renewNames(ctx context.Context, client *gateway.Client, account string) error {
	for l, err := range client.RenewNames(ctx, account) {
		if err != nil {
			return err
		}
		if !t.json {
			t.say("%s: names made anew, of %s with many payments\n", clean(l.Account), count(l.Files, "file"))
		}
	}
	return nil
}
