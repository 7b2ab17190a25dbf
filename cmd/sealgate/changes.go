package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealgate/sealgate/gateway"
)

// The two-person rule, as operators meet it: what waits, and the signatures that put it in force.

func (t *tool) changesCommand() *cobra.Command {
	var text bool
	c := &cobra.Command{
		Use:   "changes",
		Short: "List the changes of the configuration that wait for two persons' signatures (four_eyes).",
		Example: examples("sealgate changes", "sealgate changes --text > change.txt",
			"ssh-keygen -Y sign -f ~/.ssh/id_ed25519 -n sealgate change.txt", "sealgate approve change.txt.sig"),
		Args: arguments(),
		RunE: func(c *cobra.Command, _ []string) error { return t.changes(c.Context(), text) },
	}
	c.Flags().BoolVar(&text, "text", false, "write exactly what is to be signed; exit 1 if nothing waits")
	return t.withJSON(t.withDesk(c))
}

func (t *tool) changes(ctx context.Context, text bool) error {
	client, _, err := t.desk(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	c, err := client.Changes(ctx)
	switch {
	case err != nil:
		return err
	case text && c.Text == "":
		return no("", "nothing waits for signatures")
	case text:
		t.say("%s", c.Text)
		return nil
	case t.json:
		return t.sayJSON(c)
	}
	t.tellChanges(c)
	return nil
}

func (t *tool) tellChanges(c gateway.Changes) {
	if !c.InForce {
		t.say("Nothing waits: four_eyes is not in force.\n")
		return
	}
	if len(c.Waiting) == 0 {
		t.say("Nothing waits. Those who sign: %s.\n", clean(strings.Join(c.Operators, ", ")))
		return
	}
	t.say("%s for the signatures of %d persons out of %s:\n", waitsText(len(c.Waiting)), c.Needed, clean(strings.Join(c.Operators, ", ")))
	for _, w := range c.Waiting {
		t.say("  %s\n", clean(w))
	}
	for _, s := range c.SignedBy {
		t.say("Signed by %s.\n", clean(s))
	}
	t.say("To sign: sealgate changes --text > change.txt, read it, then\n" +
		"  ssh-keygen -Y sign -f ~/.ssh/id_ed25519 -n sealgate change.txt\n  sealgate approve change.txt.sig\n")
}

func waitsText(n int) string {
	if n == 1 {
		return "1 change waits"
	}
	return fmt.Sprintf("%d changes wait", n)
}

func (t *tool) approveCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "approve FILE.sig",
		Short: "Hand over a signature of what waits; with the second person's, the changes are in force.",
		Example: examples("sealgate changes --text > change.txt",
			"ssh-keygen -Y sign -f ~/.ssh/id_ed25519 -n sealgate change.txt", "sealgate approve change.txt.sig"),
		Args: arguments("FILE.sig"),
		RunE: func(c *cobra.Command, args []string) error { return t.approve(c.Context(), args[0]) },
	}
	return t.withJSON(t.withDesk(c))
}

func (t *tool) approve(ctx context.Context, path string) error {
	signature, err := os.ReadFile(path)
	if err != nil {
		return usage("", "%s", cause(err))
	}
	client, _, err := t.desk(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	a, err := client.Approve(ctx, gateway.Approval{Signature: string(signature)})
	if err != nil {
		return err
	}
	if t.json {
		return t.sayJSON(a)
	}
	t.say("Signed by %s (%s).\n", clean(a.By), clean(a.Key))
	if a.InForce {
		t.say("In force now:\n")
	} else {
		t.say("In force once another person has signed the same text:\n")
	}
	for _, c := range a.Changes {
		t.say("  %s\n", clean(c))
	}
	return nil
}
