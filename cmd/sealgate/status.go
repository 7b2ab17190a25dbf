package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealgate/sealgate/config"
	"github.com/sealgate/sealgate/gateway"
)

func (t *tool) statusCommand() *cobra.Command {
	var account string
	var quiet bool
	c := &cobra.Command{
		Use:     "status",
		Short:   "Is all well? Exit 1 if not; each line that is not ok ends with what to type.",
		Example: examples("sealgate status", "sealgate status --account acme", "sealgate status --quiet && echo well"),
		Args:    arguments(),
		RunE:    func(c *cobra.Command, _ []string) error { return t.status(c.Context(), account, quiet) },
	}
	c.Flags().StringVar(&account, "account", "", "only account `ID`")
	c.Flags().BoolVar(&quiet, "quiet", false, "say nothing, only exit; never opens the databases itself")
	_ = c.RegisterFlagCompletionFunc("account", t.accountIDs)
	return t.withJSON(t.withTimes(t.withDesk(c)))
}

func (t *tool) status(ctx context.Context, account string, quiet bool) error {
	t.answersAll = true
	if quiet {
		t.err = io.Discard
		// A health check may come while the gateway is starting: it must not take the data directory from it.
		return t.quietStatus(ctx)
	}
	client, cfg, err := t.desk(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	s, err := client.Status(ctx)
	if err != nil {
		return err
	}
	if account != "" {
		known := func(a gateway.AccountStatus) bool { return a.ID == account }
		if cfg.Account(account) == nil && !slices.ContainsFunc(s.Accounts, known) {
			return gateway.NoAccount(cfg, account)
		}
		s = onlyAccount(s, account)
	}
	if t.json {
		if err := t.sayJSON(s); err != nil {
			return err
		}
	} else {
		t.tellStatus(cfg, s)
	}
	if s.Listening == "" || len(s.Problems) > 0 {
		return errTold
	}
	return nil
}

func (t *tool) quietStatus(ctx context.Context) error {
	var client *gateway.Client
	cfg, err := t.load()
	if err != nil {
		client, _, err = t.running(ctx, err)
	} else {
		client, err = gateway.Connect(ctx, cfg, stopped, t.newLog(cfg.Log, levelSilent))
	}
	if errors.Is(err, errStopped) {
		return errTold
	}
	if err != nil {
		return err
	}
	defer client.Close()
	s, err := client.Status(ctx)
	if err == nil && len(s.Problems) > 0 {
		err = errTold
	}
	return err
}

// onlyAccount leaves the other accounts out.
func onlyAccount(s gateway.Status, id string) gateway.Status {
	var accounts []gateway.AccountStatus
	for _, a := range s.Accounts {
		if a.ID == id {
			accounts = append(accounts, a)
		}
	}
	problems := []string{}
	for _, p := range s.Problems {
		if !strings.HasPrefix(p, "account ") || strings.HasPrefix(p, "account "+id+":") {
			problems = append(problems, p)
		}
	}
	s.Queues = slices.DeleteFunc(s.Queues, func(q gateway.QueueOf) bool { return q.Account != id })
	s.Accounts, s.Problems = accounts, problems
	return s
}

func (t *tool) tellStatus(cfg *config.Config, s gateway.Status) {
	if s.Locked {
		t.say("gateway  %s: no door is open, no database can be read: sealgate unlock\n", t.coloured("locked", red))
	} else if s.Listening == "" {
		t.say("gateway  %s: sealgate serve\n", t.coloured("not running", red))
	} else {
		since := s.StartedAt
		if at, ok := t.local(since); ok {
			since = at.Format("2006-01-02 15:04 MST")
		}
		t.say("gateway  ok: running since %s, sftp %s\n", since, s.Listening)
	}
	if s.DiskFree >= s.DiskFloor {
		t.say("disk     ok: %s free under %s, floor %s\n", size(s.DiskFree), here(cfg.DataDir), size(s.DiskFloor))
	} else {
		since := ""
		if at, ok := t.local(s.DiskLowSince); ok {
			since = " since " + at.Format("15:04")
		}
		t.say("disk     %s%s (%d refused): %s free on %s, floor %s; make room: df -h %[7]s, df -i %[7]s\n",
			t.coloured("refusing uploads", red), since, s.DiskRefused, size(s.DiskFree), cfg.DataDir, size(s.DiskFloor), quoted(cfg.DataDir))
	}
	for _, a := range s.Accounts {
		t.say("account  %s\n", clean(t.accountStatus(cfg, a)))
	}
	for _, q := range s.Queues {
		t.say("queue    %s/%s: %d to be delivered, the oldest made %s\n", q.Account, clean(q.Remote), q.Waiting, t.minute(q.Oldest))
	}
	for _, p := range s.Problems {
		if !strings.HasPrefix(p, "disk") && !strings.HasPrefix(p, "the gateway is locked") { // told above
			t.say("%s  %s\n", t.coloured("problem", red), clean(p))
		}
	}
}

func (t *tool) accountStatus(cfg *config.Config, a gateway.AccountStatus) string {
	parts := []string{count(a.Users, "login")}
	if a.LastFile == "" {
		parts = append(parts, "no file yet")
	} else {
		parts = append(parts, "last file "+t.minute(a.LastFile))
	}
	if a.Certificate != "" {
		parts = append(parts, "seals with "+a.Certificate)
	}
	if a.Held > 0 {
		parts = append(parts, fmt.Sprintf("%d held: sealgate files --account %s --verdict held", a.Held, a.ID))
	}
	switch {
	case a.UnlockedUntil != "":
		parts = append(parts, "unlocked until "+t.minute(a.UnlockedUntil))
	case a.Protected:
		locked := "locked, " + gateway.WaitsText(a.Waiting, a.WaitingBytes, t.minute(a.WaitingSince))
		if a.Waiting > 0 {
			locked += ": sealgate unlock " + a.ID + " --key KEY.pem" + withAccess(cfg, a.ID)
		}
		parts = append(parts, locked)
	}
	return a.ID + ": " + strings.Join(parts, "; ")
}

// withAccess is what the command that unlocks an account takes beside its key.
func withAccess(cfg *config.Config, id string) string {
	if a := cfg.Account(id); a != nil && len(a.AccessKeys) > 0 {
		return " --access-key-file F"
	}
	return ""
}
