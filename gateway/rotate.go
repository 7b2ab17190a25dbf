package gateway

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/sealgate/sealgate/vault"
)

// The command's half of a rotation: it runs in the process of the operator, which alone has the private key, behind the
// function rewrap.

// Batches of new envelopes: so many at once, and so many bytes of copies, that a transaction is short and a lost one is
// little work. A large copy is a batch of its own.
const (
	batchCopies = 64
	batchBytes  = 4 << 20
)

// RotateResult counts what became of an account's sealed copies, and of its users' names.
type RotateResult struct {
	Done    int            // have their new envelope
	Names   int            // ... and so have the names of so many users
	Others  map[string]int // by their certificate's fingerprint: the key does not open them, so they stay as they are
	Closed  int            // ... and so do the names of so many users
	Failed  []RewrapLine   // at most 100
	Faults  int            // how many have failed
	Touched int            // how many were looked at so far
}

const failedShown = 100

// Rotate rewraps the sealed copies of an account for q's certificate: rewrap makes a new envelope of an old one, or says with a
// vault.KeyError that its key does not open it. Copies that have the right envelope already are passed over, so whatever
// ends a rotation half-way, the next one goes on. told is called now and then, never at once from two goroutines.
func (c *Client) Rotate(ctx context.Context, q RewrapQuery, rewrap func(header []byte) (vault.Rewrapped, error), told func(RotateResult)) (RotateResult, error) {
	r := &rotation{client: c, query: q, told: told, result: RotateResult{Others: map[string]int{}}}
	old, fresh := make(chan EnvelopeLine, batchCopies), make(chan made, batchCopies)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(old)
		for line, err := range c.Envelopes(ctx, EnvelopesQuery{Account: q.Account, For: q.Certificate}) {
			if err != nil {
				return err
			}
			select {
			case old <- line:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Add(1)
		group.Go(func() error {
			defer workers.Done()
			for line := range old {
				m := made{line: line}
				if line.Fault != "" {
					m.err = errors.New(line.Fault)
				} else {
					m.anew, m.err = rewrap(line.Header)
				}
				select {
				case fresh <- m:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return nil
		})
	}
	group.Go(func() error { workers.Wait(); close(fresh); return nil })
	group.Go(func() error { return r.collect(ctx, fresh) })
	err := group.Wait()
	return r.result, err
}

// made is what became of one envelope in the command.
type made struct {
	line EnvelopeLine
	anew vault.Rewrapped
	err  error
}

// rotation is a rotation under way.
type rotation struct {
	client *Client
	query  RewrapQuery
	bytes  int64
	told   func(RotateResult)
	result RotateResult
}

// collect hands new envelopes over, batch by batch.
func (r *rotation) collect(ctx context.Context, fresh <-chan made) error {
	for m := range fresh {
		r.result.Touched++
		switch {
		case errors.Is(m.err, vault.ErrWrongKey) && m.line.UserName != nil:
			r.result.Closed++
			continue
		case errors.Is(m.err, vault.ErrWrongKey):
			r.result.Others[m.line.Certificate]++
			continue
		case m.err != nil:
			r.failed(RewrapLine{ID: m.line.ID, Fault: m.err.Error()})
			continue
		}
		r.query.Copies = append(r.query.Copies, NewEnvelope{m.line.ID, m.anew.Header, m.anew.Proof[:], m.line.UserName != nil})
		r.bytes += m.line.CopySize
		if len(r.query.Copies) == batchCopies || r.bytes >= batchBytes {
			if err := r.hand(ctx); err != nil {
				return err
			}
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return r.hand(ctx)
}

func (r *rotation) hand(ctx context.Context) error {
	if len(r.query.Copies) == 0 {
		return nil
	}
	lines, err := first(ask[[]RewrapLine](ctx, r.client, "/rewrap", r.query))
	if err != nil {
		return err
	}
	if len(lines) != len(r.query.Copies) {
		return fmt.Errorf("control socket: %d answers to %d new envelopes", len(lines), len(r.query.Copies))
	}
	for i, line := range lines {
		switch {
		case line.Fault != "":
			r.failed(line)
		case r.query.Copies[i].IsName:
			r.result.Names++
		default:
			r.result.Done++
		}
	}
	r.query.Copies, r.bytes = nil, 0
	r.told(r.result)
	return nil
}

func (r *rotation) failed(line RewrapLine) {
	if r.result.Faults++; r.result.Faults <= failedShown {
		r.result.Failed = append(r.result.Failed, line)
	}
}
