package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealgate/sealgate/gateway"
)

// decideCommand is `release` or `refuse`: they differ in what they say.
func (t *tool) decideCommand(release bool) *cobra.Command {
	name, reason, sentence := "refuse", "sent by mistake", "End a held file's waiting with no: its sealed copy is removed."
	if release {
		name, reason, sentence = "release", "called Anna, it is meant", "End a held file's waiting with yes: it is accepted."
	}
	d := gateway.Decision{Release: release}
	c := &cobra.Command{
		Use:   name + " ID --reason TEXT",
		Short: sentence,
		Example: examples("sealgate files --verdict held", "sealgate "+name+` 7K4M2X0V --reason "`+reason+`"`,
			"sealgate show 7K4M2X0V"),
		Args: arguments("ID"),
		RunE: func(c *cobra.Command, args []string) error {
			if d.Reason = strings.TrimSpace(d.Reason); d.Reason == "" {
				return usage("", `sealgate %s needs --reason "TEXT"; it goes into the ledger`, name)
			}
			d.ID = args[0]
			return t.decide(c.Context(), d)
		},
	}
	c.Flags().StringVar(&d.Reason, "reason", "", "why, for the ledger: `TEXT`")
	c.ValidArgsFunction = t.fileIDs("held")
	return t.withJSON(t.withDesk(c))
}

func (t *tool) decide(ctx context.Context, d gateway.Decision) error {
	client, _, err := t.desk(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	f, err := client.Decide(ctx, d)
	if err != nil {
		return err
	}
	if t.json {
		return t.sayJSON(f)
	}
	fate := ""
	if f.Fate != "" {
		fate = ", " + string(f.Fate)
	}
	t.say("%s  %s: now %s%s\n", f.ID, clean(f.Name), t.coloured(string(f.Verdict), verdictColour(string(f.Verdict))), fate)
	return nil
}
