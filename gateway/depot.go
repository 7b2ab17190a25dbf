package gateway

import (
	"context"

	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/transport"
)

// What the poller asks of the gateway beyond what every door does: the poll ledger, which lies in gateway.db.

var _ transport.Depot = (*Gateway)(nil)

// Outcome tells what became of a delivery.
func (g *Gateway) Outcome(ctx context.Context, account, id string) (transport.Outcome, error) {
	a := g.account(account)
	if a == nil {
		return transport.NeverTaken, &No{Text: "no account " + account}
	}
	found, err := a.index.Find(ctx, id)
	switch {
	case err != nil:
		return transport.NeverTaken, err
	case len(found) == 0:
		return transport.NeverTaken, nil
	case found[0].Verdict == indexer.Rejected:
		return transport.WasRefused, nil
	}
	return transport.WasTaken, nil
}

// Polled gives what is known of a remote's files.
func (g *Gateway) Polled(ctx context.Context, account, remote string) (map[string]transport.Polled, error) {
	rows, err := g.registry.Polled(ctx, account, remote)
	if err != nil {
		return nil, err
	}
	known := make(map[string]transport.Polled, len(rows))
	for path, p := range rows {
		known[path] = transport.Polled{Path: p.Path, Size: p.Size, Time: p.Time, State: transport.PolledState(p.State), File: p.File, At: p.At}
	}
	return known, nil
}

// NotePolled keeps what is known of a remote's file.
func (g *Gateway) NotePolled(ctx context.Context, account, remote string, p transport.Polled) error {
	return g.registry.NotePolled(ctx, account, remote, indexer.Polled{
		Path: p.Path, Size: p.Size, Time: p.Time, State: string(p.State), File: p.File, At: p.At,
	}, p.State != transport.PolledSeen)
}

// ForgetPolled drops what is known of a remote's file.
func (g *Gateway) ForgetPolled(ctx context.Context, account, remote, path string) error {
	return g.registry.ForgetPolled(ctx, account, remote, path)
}
