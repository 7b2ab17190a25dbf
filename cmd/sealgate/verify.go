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
	bar := t.progress("verifying")
	defer bar.end()
	problems, left := 0, 0
	for l, err := range client.Verify(ctx, account) {
		if err != nil {
			return err
		}
		if l.Progress != "" {
			bar.tell(l.Account + ": " + l.Progress)
			continue
		}
		if l.NotChecked != "" {
			left++
		} else {
			problems++
		}
		l.Problem = withoutRooms(l.Problem)
		if t.json {
			err = t.sayJSON(l)
		} else if l.NotChecked != "" {
			t.say("%s: not checked: %s: %s\n", clean(l.Account), clean(l.NotChecked), clean(l.Hint))
		} else {
			t.say("%s: %s: %s\n", clean(l.Account), clean(l.What), clean(l.Problem))
		}
		if err != nil {
			return err
		}
	}
	asked, what := len(cfg.Accounts), count(len(cfg.Accounts)-left, "account")
	if account != "" {
		asked, what = 1, "account "+account
	}
	switch {
	case problems > 0:
		return no("copy data_dir as it is before anything else is tried", "%s found in %s", count(problems, "problem"), what)
	case t.json:
	case left == asked:
		t.say("ok as far as it was checked\n")
	default:
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
