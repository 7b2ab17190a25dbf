package gateway

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sealgate/sealgate/config"
	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/transport"
)

// LateLine is an expected file that has not come: a part of Status and of a line of `remotes --json`.
type LateLine struct {
	Account string `json:"account"`
	Remote  string `json:"remote,omitempty"` // the one that it should come from; absent: any door
	State   string `json:"state"`            // due: it should come soon; missing: the cut-off has passed
	By      string `json:"by"`               // RFC 3339, UTC
	Why     string `json:"why"`              // what is known of the reason

	by time.Time // in the rule's zone
}

// late lists what is late now, for those who ask.
func (g *Gateway) late(ctx context.Context) ([]LateLine, error) {
	now, lines := g.now(), []LateLine{}
	for _, x := range g.expectations() {
		t, err := g.told(ctx, x)
		if err != nil {
			return nil, err
		}
		if t == nil { // seen by nobody yet
			t = &told{Begun: now}
		}
		state, day, _, err := g.standing(ctx, x, t.Begun, now)
		if err != nil {
			return nil, err
		}
		if state != lateDue && state != lateMissing {
			continue
		}
		why, err := g.whyLate(ctx, x, day)
		if err != nil {
			return nil, err
		}
		lines = append(lines, LateLine{Account: x.account.ID, Remote: x.remote, State: state, By: utc(day.by), Why: why, by: day.by})
	}
	return lines, nil
}

// problem is the line of `sealgate status`.
func (l *LateLine) problem() string {
	from, look := "", "sealgate files --account "+l.Account
	if l.Remote != "" {
		from, look = " from remote "+l.Remote, "sealgate poll "+l.Account+"/"+l.Remote
	}
	what := "file missing" + from + ", it should have come by "
	if l.State == lateDue {
		what = "file expected" + from + " by "
	}
	return "account " + l.Account + ": " + what + l.by.Format("2006-01-02 15:04 MST") + ": " + l.Why + "; " + look
}

// sources are the remotes from which the rule's file may come.
func (g *Gateway) sources(x *expected) (list []transport.RemoteState) {
	poller := g.poller.Load()
	if poller == nil {
		return nil
	}
	for _, s := range poller.States() {
		if r := remoteOf(x.account.Account, s.Remote); s.Account == x.account.ID && r != nil && r.Fetch != nil && (x.remote == "" || x.remote == s.Remote) {
			list = append(list, s)
		}
	}
	return list
}

func remoteOf(a *config.Account, name string) *config.Remote {
	for _, r := range a.Remotes {
		if r.Name == name {
			return r
		}
	}
	return nil
}

// unseen tells whether a first look at a remote, or the second one that a file there needs, is still to come.
func (g *Gateway) unseen(x *expected) bool {
	return slices.ContainsFunc(g.sources(x), func(s transport.RemoteState) bool {
		every := remoteOf(x.account.Account, s.Remote).Fetch.Every > 0 // others are looked at when it is time
		return every && s.Failed == 0 && (s.LastLook.IsZero() || s.Result.Waiting > 0)
	})
}

// whyLate says what is known of the reason.
func (g *Gateway) whyLate(ctx context.Context, x *expected, day expectDay) (string, error) {
	refused, err := g.newest(ctx, x, indexer.Rejected, day.from)
	if err != nil {
		return "", err
	}
	return lateWords(x.remote, !refused.IsZero(), g.sources(x)), nil
}

// lateWords tells a remote that is down from a customer who has sent nothing. remote is "" for a rule about any door.
func lateWords(remote string, refused bool, sources []transport.RemoteState) string {
	var parts []string
	if refused {
		parts = append(parts, "what came was refused")
	} else if remote == "" {
		parts = append(parts, "nothing was sent")
	}
	for _, s := range sources {
		name := "remote " + s.Remote
		switch {
		case s.Failed > 0:
			parts = append(parts, fmt.Sprintf("%s is down since %s: %s: %s", name, spoken(s.DownSince), s.Step, s.Trouble))
		case s.Result.Waiting > 0:
			parts = append(parts, fmt.Sprintf("%s has %d that are not ready", name, s.Result.Waiting))
		case remote != "" && s.LastLook.IsZero():
			parts = append(parts, name+" was not looked at yet")
		case remote != "" && !refused:
			parts = append(parts, fmt.Sprintf("%s was looked at %s, nothing was sent", name, spoken(s.LastGood)))
		}
	}
	if len(parts) == 0 {
		parts = append(parts, "no gateway runs")
	}
	return strings.Join(parts, "; ")
}
