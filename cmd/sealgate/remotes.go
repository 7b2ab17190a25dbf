package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealgate/sealgate/config"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/transport"
)

func (t *tool) remotesCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "remotes",
		Short:   "List the customers' servers: when each was looked at, how that went, when it is next, what waits, and how late it is.",
		Example: examples("sealgate remotes", "sealgate remotes test acme-ftps"),
		Args:    t.unknownCommand,
		RunE:    func(c *cobra.Command, _ []string) error { return t.listRemotes(c.Context()) },
	}
	c.SuggestionsMinimumDistance = 2
	c.AddCommand(t.remotesTestCommand())
	return t.withJSON(t.withTimes(t.withDesk(c)))
}

func (t *tool) listRemotes(ctx context.Context) error {
	client, cfg, err := t.desk(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	lines, err := client.Remotes(ctx)
	if err != nil {
		return err
	}
	table := t.newTable(column{head: "ACCOUNT"}, column{head: "REMOTE"}, column{head: "STATE"}, column{head: "LAST LOOK (%Z)"},
		column{head: "NEXT LOOK"}, column{head: "LAST FILE"}, column{head: "WAITING", right: true},
		column{head: "TO DELIVER", right: true}, column{head: "LAG", right: true}, column{head: "TROUBLE", name: true})
	for _, line := range lines {
		if t.json {
			if err := t.sayJSON(line); err != nil {
				return err
			}
			continue
		}
		row := text(line.Account, line.Remote, t.remoteState(line), t.minute(line.LastLook), t.minute(line.NextLook), t.minute(line.LastFile),
			fmt.Sprint(line.Result.Waiting), toDeliver(line), lag(line), t.remoteTrouble(line))
		if line.State == "down" || line.Undeliverable {
			row[2].colour = red
		}
		table.add(row...)
	}
	table.flush()
	named := slices.ContainsFunc(cfg.Accounts, func(a *config.Account) bool { return len(a.Remotes) > 0 })
	switch {
	case len(lines) > 0:
	case named:
		t.talk("no remotes in force, though %s names some; see sealgate changes, or sealgate status", clean(cfg.File))
	default:
		t.talk("no remotes; see remotes: in docs/configuration.md")
	}
	return nil
}

func (t *tool) remoteState(line gateway.RemoteLine) string {
	if line.DownSince == "" {
		return line.State
	}
	return "down since " + t.minute(line.DownSince)
}

// toDeliver is how many things wait to be delivered.
func toDeliver(line gateway.RemoteLine) string {
	switch {
	case line.Locked:
		return "locked"
	case line.Queue == nil:
		return "0"
	}
	return fmt.Sprint(line.Queue.Waiting)
}

// lag says in two units at most how late the gateway is, in minutes: what is less is on its way.
func lag(line gateway.RemoteLine) string {
	switch minutes := line.Lag / 60; {
	case minutes == 0:
		return ""
	case minutes < 60:
		return fmt.Sprintf("%dm", minutes)
	case minutes < 48*60:
		return fmt.Sprintf("%dh%02dm", minutes/60, minutes%60)
	default:
		return fmt.Sprintf("%dd%02dh", minutes/60/24, minutes/60%24)
	}
}

// remoteTrouble is what is wrong with a remote: it is down, or it owes a file, or both.
func (t *tool) remoteTrouble(line gateway.RemoteLine) string {
	var parts []string
	if l := line.Late; l != nil && l.State == "due" {
		parts = append(parts, "file expected by "+t.minute(l.By))
	} else if l != nil {
		parts = append(parts, "file missing since "+t.minute(l.By))
	}
	if trouble := lookTrouble(line); trouble != "" {
		parts = append(parts, trouble)
	}
	if q := line.Queue; line.Undeliverable {
		parts = append(parts, fmt.Sprintf("%d waiting since %s for a remote without send: in the configuration", q.Waiting, t.minute(q.Oldest)))
	} else if q != nil && q.Failed > 0 {
		parts = append(parts, fmt.Sprintf("%d not delivered, the oldest made %s: %s", q.Failed, t.minute(q.Oldest), q.Trouble))
	}
	return strings.Join(parts, "; ")
}

func lookTrouble(line gateway.RemoteLine) string {
	switch r := line.Result; {
	case line.Trouble != "":
		return line.Step + ": " + line.Trouble
	case r.Failed > 0:
		return count(r.Failed, "file") + " could not be read or removed there; see the log"
	case r.Stay == 1:
		return "1 file there is refused; see sealgate files --verdict rejected"
	case r.Stay > 0:
		return count(r.Stay, "file") + " there are refused; see sealgate files --verdict rejected"
	}
	return ""
}

// pollTrouble is a look that has failed, at the server or, which nobody would see there, for a reason of our own.
func pollTrouble(line *gateway.RemoteLine) error {
	hint := "sealgate remotes test " + line.Account + "/" + line.Remote
	if line.Step == "gateway" {
		hint = "sealgate status"
	}
	return no(hint, "%s: %s: %s", line.Remote, line.Step, line.Trouble)
}

func (t *tool) pollCommand() *cobra.Command {
	again := false
	c := &cobra.Command{
		Use:     "poll REMOTE",
		Short:   "Look at a customer's server now. Exit 1 if that fails.",
		Example: examples("sealgate poll acme-ftps", "sealgate poll acme/ftps --json"),
		Args:    arguments("REMOTE"),
		RunE: func(c *cobra.Command, args []string) error {
			client, _, err := t.desk(c.Context())
			if err != nil {
				return err
			}
			defer client.Close()
			line, err := client.Poll(c.Context(), gateway.PollQuery{Remote: args[0], Again: again})
			if err != nil {
				return err
			}
			if t.json {
				if err := t.sayJSON(line); err != nil {
					return err
				}
			} else if line.Trouble == "" {
				t.say("%s\n", lookWords(line.Result))
			}
			if line.Trouble != "" {
				if t.json {
					return errTold
				}
				return pollTrouble(&line)
			}
			return nil
		},
	}
	c.ValidArgsFunction = t.remoteNames
	c.Flags().BoolVar(&again, "again", false, "also try files again that were refused and have not changed")
	return t.withJSON(t.withDesk(c))
}

// lookWords says what a look found and did.
func lookWords(r transport.LookResult) string {
	words := []string{count(r.Listed, "file") + " there"}
	for _, part := range []struct {
		n    int
		what string
	}{{r.Taken, "taken"}, {r.Waiting, "waiting until ready"}, {r.Refused, "refused"}, {r.Stay - r.Refused, "refused before"}, {r.Left, "left by rule"}, {r.Failed, "failed"}, {r.Delivered, "delivered"}, {r.Undelivered, "could not be delivered"}} {
		if part.n > 0 {
			words = append(words, fmt.Sprintf("%d %s", part.n, part.what))
		}
	}
	return strings.Join(words, ", ")
}

// remoteNames completes a remote's name.
func (t *tool) remoteNames(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	cfg, err := config.Load(t.config(), config.Examine{})
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, a := range cfg.Accounts {
		for _, r := range a.Remotes {
			names = append(names, r.Name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
