package main

import (
	"context"

	"github.com/spf13/cobra"
)

func (t *tool) verifyCommand() *cobra.Command {
	var account string
	c := &cobra.Command{
		Use:     "verify",
		Short:   "Check the ledger, the databases and every sealed copy, without any account's key; exit 1 if something is wrong.",
		Example: examples("sealgate verify", "sealgate verify --account acme", "sealgate verify --json"),
		Args:    arguments(),
		RunE:    func(c *cobra.Command, _ []string) error { return t.verify(c.Context(), account) },
	}
	c.Flags().StringVar(&account, "account", "", "only account `ID`")
	_ = c.RegisterFlagCompletionFunc("account", t.accountIDs)
	return t.withJSON(t.withDesk(c))
}

func (t *tool) verify(ctx context.Context, account string) error {
	client, cfg, err := t.desk(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
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
