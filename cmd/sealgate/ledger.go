package main

import (
	"context"
	"strconv"
	"time"

	"github.com/spf13/cobra"
)

func (t *tool) ledgerCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "ledger ACCOUNT",
		Short:   "Show an account's ledger: who did what, and when. With --json it can be checked against receipts.",
		Example: examples("sealgate ledger acme", "sealgate ledger acme --json > acme.jsonl"),
		Args:    arguments("ACCOUNT"),
		RunE:    func(c *cobra.Command, args []string) error { return t.ledger(c.Context(), args[0]) },
	}
	c.ValidArgsFunction = t.completeAccount
	return t.withJSON(t.withTimes(t.withDesk(c)))
}

func (t *tool) ledger(ctx context.Context, account string) error {
	client, _, err := t.desk(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	table := t.newTable(column{head: "ROW", right: true}, column{head: "AT (%Z)"}, column{head: "WHAT"}, column{head: "FILE"}, column{head: "WHO"},
		column{head: "DETAIL", name: true})
	for e, err := range client.Ledger(ctx, account) {
		if err != nil {
			return err
		}
		if t.json {
			if err := t.sayJSON(e); err != nil {
				return err
			}
			continue
		}
		table.add(text(strconv.FormatInt(e.Seq, 10), t.minute(e.At.Format(time.RFC3339)), e.Kind, short(e.File), e.Who, e.Detail)...)
	}
	table.flush()
	return nil
}

func (t *tool) receiptKeyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "receipt-key",
		Short:   "Show the public key that customers check receipts with; its fingerprint, to be compared by telephone, on stderr.",
		Example: examples("sealgate receipt-key > gateway.pub", "sealgate receipt-key --json"),
		Args:    arguments(),
		RunE:    func(c *cobra.Command, _ []string) error { return t.receiptKey(c.Context()) },
	}
	return t.withJSON(t.withDesk(c))
}

func (t *tool) receiptKey(ctx context.Context) error {
	client, _, err := t.desk(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	key, err := client.ReceiptKey(ctx)
	if err != nil {
		return err
	}
	if t.json {
		return t.sayJSON(key)
	}
	t.say("%s", key.PublicKey)
	t.talk("sealgate: sha-256 fingerprint %s", key.Fingerprint)
	return nil
}
