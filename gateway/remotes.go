package gateway

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sealgate/sealgate/config"
	"github.com/sealgate/sealgate/transport"
)

// RemoteLine is how a customer's server is doing: a line of `remotes --json`. Times are RFC 3339, UTC; absent: never.
type RemoteLine struct {
	Account   string               `json:"account"`
	Remote    string               `json:"remote"`
	URL       string               `json:"url"`
	State     string               `json:"state"` // up, down, looking, "not looked at yet", "not running", "not configured"
	LastLook  string               `json:"last_look,omitempty"`
	LastGood  string               `json:"last_good,omitempty"`
	NextLook  string               `json:"next_look,omitempty"`
	LastFile  string               `json:"last_file,omitempty"` // when the last file was taken from it
	DownSince string               `json:"down_since,omitempty"`
	Failed    int                  `json:"failed,omitempty"` // looks in a row
	Step      string               `json:"step,omitempty"`   // at which the last one failed
	Trouble   string               `json:"trouble,omitempty"`
	Result    transport.LookResult `json:"result"`         // of the last look
	Late      *LateLine            `json:"late,omitempty"` // the file that should have come from it
	// Lag is how late we are, in seconds: how long ago a look was due that has not gone well yet, or how old the oldest
	// delivery is that waits, whichever is more.
	Lag           int64      `json:"lag"`
	Queue         *QueueLine `json:"queue,omitempty"`         // what waits to be delivered to it
	Undeliverable bool       `json:"undeliverable,omitempty"` // the configuration does not say how
	Locked        bool       `json:"locked,omitempty"`        // the account is: what waits to be delivered is not known
}

// PollQuery asks for a look now. Remote is a remote's name, or ACCOUNT/NAME where several accounts have one of that name.
type PollQuery struct {
	Remote string
	Again  bool // what was refused there is tried again
}

// Remotes tells how the customers' servers are doing, and which of them owe a file.
func (g *Gateway) Remotes(ctx context.Context) ([]RemoteLine, error) {
	lines, err := g.queued(ctx, g.remoteLines())
	if err != nil {
		return nil, err
	}
	late, err := g.late(ctx)
	if err != nil {
		return nil, err
	}
	for i := range lines {
		for k := range late {
			if late[k].Remote != "" && late[k].Account == lines[i].Account && late[k].Remote == lines[i].Remote {
				lines[i].Late = &late[k]
			}
		}
	}
	return lines, nil
}

func (g *Gateway) remoteLines() []RemoteLine {
	lines := []RemoteLine{}
	poller := g.poller.Load()
	if poller == nil { // only the files are open here
		for _, a := range g.cfg.Load().Accounts {
			for _, r := range a.Remotes {
				lines = append(lines, RemoteLine{Account: a.ID, Remote: r.Name, URL: r.URL, State: "not running"})
			}
		}
		return lines
	}
	for _, s := range poller.States() {
		lines = append(lines, remoteLine(s))
	}
	return lines
}

func remoteLine(s transport.RemoteState) RemoteLine {
	line := RemoteLine{
		Account: s.Account, Remote: s.Remote, URL: s.URL, LastLook: orNever(s.LastLook), LastGood: orNever(s.LastGood),
		NextLook: orNever(s.NextLook), LastFile: orNever(s.LastFile), DownSince: orNever(s.DownSince),
		Failed: s.Failed, Step: s.Step, Trouble: s.Trouble, Result: s.Result, State: "up",
	}
	switch {
	case s.Failed > 0:
		line.State = "down"
	case s.LastLook.IsZero() && s.Looking:
		line.State = "looking"
	case s.LastLook.IsZero():
		line.State = "not looked at yet"
	}
	return line
}

// down says what is wrong with a remote that is down, and what to type. Trouble of our own is nothing that could be seen at the server: it is
// looked at again once that is over.
func (l *RemoteLine) down() string {
	next := "remotes test"
	if l.Step == "gateway" {
		next = "poll"
	}
	return fmt.Sprintf("account %s: remote %s down since %s, %s: %s: %s; sealgate %s %[1]s/%[2]s",
		l.Account, l.Remote, respoken(l.DownSince), counted(l.Failed, "look"), l.Step, l.Trouble, next)
}

func orNever(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return utc(t)
}

// Poll looks at a remote now, and tells how that went.
func (g *Gateway) Poll(ctx context.Context, q PollQuery) (RemoteLine, error) {
	poller := g.poller.Load()
	if poller == nil {
		return RemoteLine{}, &No{Text: "no gateway runs, so nothing is polled", Hint: "sealgate serve"}
	}
	a, r, err := FindRemote(g.cfg.Load(), q.Remote)
	if err != nil {
		return RemoteLine{}, err
	}
	state, err := poller.Now(ctx, a.ID, r.Name, q.Again)
	var remote *transport.RemoteError
	switch {
	case err != nil && !errors.As(err, &remote) && ctx.Err() != nil:
		return RemoteLine{}, err
	case errors.Is(err, transport.ErrNoRemote), errors.Is(err, context.Canceled):
		return RemoteLine{}, &No{Text: "not looked at: the gateway stops, or the remote has left the configuration", Hint: "sealgate remotes"}
	}
	return remoteLine(state), nil // the line has the trouble
}

// FindRemote gives the remote of a name, or of ACCOUNT/NAME.
func FindRemote(cfg *config.Config, name string) (*config.Account, *config.Remote, error) {
	account, rest, qualified := strings.Cut(name, "/")
	if !qualified {
		account, rest = "", name
	}
	var owner *config.Account
	var found *config.Remote
	var all []string
	for _, a := range cfg.Accounts {
		for _, r := range a.Remotes {
			if r.Name == rest && (!qualified || a.ID == account) {
				owner, found, all = a, r, append(all, a.ID+"/"+r.Name)
			}
		}
	}
	switch len(all) {
	case 1:
		return owner, found, nil
	case 0:
		return nil, nil, &No{Text: fmt.Sprintf("no remote %q in %s", name, cfg.File), Hint: "sealgate remotes"}
	}
	return nil, nil, &No{Text: fmt.Sprintf("%d remotes are called %s: %s", len(all), plain(name), strings.Join(all, ", ")), Hint: "write ACCOUNT/NAME"}
}
