package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sealgate/sealgate/config"
	"github.com/sealgate/sealgate/transport"
)

// visited is how a visit to a remote went.
type visited struct {
	account *config.Account
	remote  *config.Remote
	files   []transport.RemoteFile
	err     error
}

// checkRemotes visits every remote of the configuration, several at once, and says a line of each in the configuration's
// order; with quiet, only of those that fail. It gives how many do.
func (t *tool) checkRemotes(ctx context.Context, cfg *config.Config, quiet bool) (failed int) {
	var group errgroup.Group
	group.SetLimit(max(1, cfg.RemotesAtOnce))
	log := t.newLog("", slog.LevelWarn)
	var list []*visited
	for _, a := range cfg.Accounts {
		for _, r := range a.Remotes {
			v := &visited{account: a, remote: r}
			list = append(list, v)
			group.Go(func() error {
				v.files, v.err = visit(ctx, r, log, func() {})
				return nil
			})
		}
	}
	_ = group.Wait() // each keeps its own error
	for _, v := range list {
		name := fmt.Sprintf("%s/%s  %s", v.account.ID, v.remote.Name, clean(v.remote.URL))
		switch {
		case v.err != nil:
			failed++
			t.say("  remote   %s  %s %s\n    hint: %s\n", name, t.coloured("FAILED", red), clean(v.fault()), v.hint(t.zone))
		case quiet:
		case v.remote.Fetch == nil:
			t.say("  remote   %s  ok: %s there, it is only delivered to\n", name, count(len(v.files), "file"))
		default:
			t.say("  remote   %s  ok: %s, %d to fetch\n", name, count(len(v.files), "file"), countWanted(v.remote, v.files))
		}
	}
	return failed
}

// fault says at which step a visit failed, and why.
func (v *visited) fault() string {
	var remote *transport.RemoteError
	if errors.As(v.err, &remote) {
		return "at " + v.err.Error()
	}
	return v.err.Error()
}

// hint is what to do about it.
func (v *visited) hint(zone *time.Location) string {
	var remote *transport.RemoteError
	if errors.As(v.err, &remote) && remote.Step == "login" && v.remote.PasswordFile != "" {
		if info, err := os.Stat(v.remote.PasswordFile); err == nil {
			return fmt.Sprintf("%s was last changed %s; ask the customer whether the password is still right",
				near(v.remote.PasswordFile), info.ModTime().In(zone).Format(time.DateOnly))
		}
	}
	return fmt.Sprintf("sealgate remotes test %s/%s", v.account.ID, v.remote.Name)
}
