package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sealgate/sealgate/config"
	"github.com/sealgate/sealgate/indexer"
)

// QueueLine is what waits to be delivered to a remote: a part of a line of `remotes --json`.
type QueueLine struct {
	Waiting int    `json:"waiting"`           // receipts and files
	Oldest  string `json:"oldest"`            // RFC 3339, UTC: when the oldest of it was made
	Failed  int    `json:"failed,omitempty"`  // how many of it were tried, and will be again
	Trouble string `json:"trouble,omitempty"` // why
}

// stateUnknown is the state of a remote that the configuration does not have, or not to send to, and for which deliveries wait.
const stateUnknown = "not configured"

// queued adds to the lines what waits to be delivered, a line for each remote of which only that is known, and how late
// the gateway is.
func (g *Gateway) queued(ctx context.Context, lines []RemoteLine) ([]RemoteLine, error) {
	accounts, err := g.asked("")
	if err != nil {
		return nil, err
	}
	now := g.now()
	for i := range lines {
		lines[i].Lag = int64(lines[i].lookLag(now) / time.Second)
	}
	for _, a := range accounts {
		queues, err := a.index.Queues(ctx)
		if errors.Is(err, indexer.ErrLocked) {
			continue // what waits there is not known
		}
		if err != nil {
			return nil, err
		}
		for _, q := range queues {
			i := slices.IndexFunc(lines, func(l RemoteLine) bool { return l.Account == a.ID && l.Remote == q.Remote })
			if i < 0 {
				i, lines = len(lines), append(lines, RemoteLine{Account: a.ID, Remote: q.Remote, State: stateUnknown})
			}
			line := &lines[i]
			line.Queue = &QueueLine{Waiting: q.Waiting, Oldest: utc(q.Oldest), Failed: q.Failed, Trouble: q.Trouble}
			line.Undeliverable = !slices.ContainsFunc(a.Remotes, func(r *config.Remote) bool { return r.Name == q.Remote && r.Send != nil })
			line.Lag = max(line.Lag, int64(now.Sub(q.Oldest)/time.Second))
		}
	}
	slices.SortStableFunc(lines, func(a, b RemoteLine) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Remote, b.Remote))
	})
	return lines, nil
}

// lookLag is how long ago the look should have been that has not gone well yet: the first of those in a row that failed,
// or one that is under way, or waits for its turn.
func (l *RemoteLine) lookLag(now time.Time) time.Duration {
	since, err := time.Parse(time.RFC3339Nano, cmp.Or(l.DownSince, l.NextLook))
	if err != nil { // there is no look to come
		return 0
	}
	return max(0, now.Sub(since))
}

// problem is the line of `sealgate status` about what cannot be delivered; "" if all can.
func (l *RemoteLine) problem() string {
	q := l.Queue
	switch {
	case q == nil || !l.Undeliverable && q.Failed == 0:
		return ""
	case l.Undeliverable:
		return fmt.Sprintf("account %s: %d to be delivered to remote %s since %s, which has no send: in the configuration; write it there again, under this name",
			l.Account, q.Waiting, plain(l.Remote), respoken(q.Oldest))
	}
	return fmt.Sprintf("account %s: %d of %d not delivered to remote %s, the oldest made %s: %s; sealgate remotes test %[1]s/%[4]s",
		l.Account, q.Failed, q.Waiting, l.Remote, respoken(q.Oldest), q.Trouble)
}
