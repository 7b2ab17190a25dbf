package gateway

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/transport"
)

// What the poller asks of the gateway beyond what every door does: the poll ledger, which lies in gateway.db.

var _ transport.Depot = (*Gateway)(nil)

// polls tells the poller from somebody who has logged in.
func polls(guest transport.Guest) bool { return guest.User == "" }

// Outcome tells what became of a delivery.
func (g *Gateway) Outcome(ctx context.Context, account, id string) (transport.Outcome, error) {
	a := g.account(account)
	if a == nil {
		return transport.Outcome{}, &No{Text: "no account " + account}
	}
	find := a.index.Find
	if a.index.Protected() { // asked in its log, which knows every delivery whether it is locked or not
		find = a.index.BriefOf
	}
	found, err := find(ctx, id)
	if err != nil || len(found) == 0 {
		return transport.Outcome{}, err
	}
	outcome := transport.Outcome{Fate: transport.WasTaken, Size: found[0].Size}
	if found[0].Verdict == indexer.Rejected {
		outcome.Fate = transport.WasRefused
	}
	if outcome.SHA256, err = hex.DecodeString(found[0].SHA256); len(outcome.SHA256) == 0 {
		outcome.SHA256 = nil // refused before it was hashed
	}
	return outcome, err
}

// Polled gives what is known of the files that lie at a remote.
func (g *Gateway) Polled(ctx context.Context, account, remote string) (map[string]transport.Polled, error) {
	if a := g.out(account); a != nil { // what lies there may be all that there is of a file: not even those that were taken are removed
		return nil, fmt.Errorf("account %s is out of service", account)
	}
	rows, err := g.registry.Polled(ctx, account, remote)
	if err != nil {
		return nil, err
	}
	known := make(map[string]transport.Polled, len(rows))
	for path, p := range rows {
		known[path] = polledRow(p)
	}
	return known, nil
}

// PolledFile gives what is known of one file of a remote, also of one that is gone.
func (g *Gateway) PolledFile(ctx context.Context, account, remote, path string) (transport.Polled, bool, error) {
	p, err := g.registry.PolledFile(ctx, account, remote, path)
	if errors.Is(err, indexer.ErrNotFound) {
		return transport.Polled{}, false, nil
	}
	return polledRow(p), err == nil, err
}

func polledRow(p indexer.Polled) transport.Polled {
	return transport.Polled{Path: p.Path, Size: p.Size, Listed: p.Listed, Time: p.Time, Sure: p.Sure, SHA256: p.SHA256,
		State: transport.PolledState(p.State), File: p.File, At: p.At}
}

// NotePolled keeps what is known of a remote's file. What follows on "taking" can be found out again, so a power cut may take
// it: one flush for each file, beside that of its commit.
func (g *Gateway) NotePolled(ctx context.Context, account, remote string, p transport.Polled) error {
	return g.registry.NotePolled(ctx, account, remote, indexer.Polled{
		Path: p.Path, Size: p.Size, Listed: p.Listed, Time: p.Time, Sure: p.Sure, SHA256: p.SHA256, State: string(p.State), File: p.File, At: p.At,
	}, p.State == transport.PolledTaking)
}

// ForgetPolled drops what is known of a remote's file.
func (g *Gateway) ForgetPolled(ctx context.Context, account, remote, path string) error {
	return g.registry.ForgetPolled(ctx, account, remote, path)
}

// SweepPolled drops what is known of a remote's files that were gone before a time.
func (g *Gateway) SweepPolled(ctx context.Context, account, remote string, before time.Time) error {
	return g.registry.SweepPolled(ctx, account, remote, before)
}

// Remembered gives how a remote was doing before the last restart.
func (g *Gateway) Remembered(ctx context.Context, account, remote string) (transport.RemoteMemory, error) {
	m, err := g.registry.Remembered(ctx, account, remote)
	return transport.RemoteMemory(m), err
}

// Remember keeps how a remote is doing.
func (g *Gateway) Remember(ctx context.Context, account, remote string, m transport.RemoteMemory) error {
	return g.registry.Remember(ctx, account, remote, indexer.RemoteMemory(m))
}
