package gateway

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/sealgate/sealgate/indexer"
)

// The key of an account's database comes over the control socket, through buffers of HTTP and JSON that nobody zeroes. So it comes
// sealed to a pair that is made for this once, and forgotten when it has come.

// handoversKept is how many may be under way; the oldest gives way.
const handoversKept = 16

type handovers struct {
	mu   sync.Mutex
	list []*indexer.Handover
}

// begin makes a pair, and gives its public half.
func (h *handovers) begin() ([]byte, error) {
	pair, err := indexer.NewHandover()
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.list) == handoversKept {
		h.list[0].Forget()
		h.list = slices.Delete(h.list, 0, 1)
	}
	h.list = append(h.list, pair)
	return pair.Public, nil
}

// take gives a pair, which nobody else gets; nil if there is none.
func (h *handovers) take(public []byte) *indexer.Handover {
	h.mu.Lock()
	defer h.mu.Unlock()
	at := slices.IndexFunc(h.list, func(pair *indexer.Handover) bool { return bytes.Equal(pair.Public, public) })
	if at < 0 {
		return nil
	}
	pair := h.list[at]
	h.list = slices.Delete(h.list, at, at+1)
	return pair
}

// SealedAccountKey is an AccountKey on its way.
type SealedAccountKey struct {
	Account  string
	For      time.Duration
	Handover []byte // public half of the pair that Handover gave
	Key      []byte // sealed to it
	Opened   indexer.Opened
	Join     bool
	KeyStays bool
}

// SealAccountKey seals a key to a handover's public half, and leaves it to its owner to zero.
func SealAccountKey(public []byte, q AccountKey) (SealedAccountKey, error) {
	var key indexer.Key
	defer clear(key[:])
	if err := databaseKey(q.Key, &key); err != nil {
		return SealedAccountKey{}, err
	}
	sealed, err := indexer.HandOver(public, &key)
	return SealedAccountKey{Account: q.Account, For: q.For, Handover: public, Key: sealed, Opened: q.Opened, Join: q.Join, KeyStays: q.KeyStays}, err
}

// Handover begins the bringing of a key: its answer is what the key is to be sealed to.
func (g *Gateway) Handover(context.Context) ([]byte, error) { return g.handovers.begin() }

// brought opens a key that was brought.
func (g *Gateway) brought(q *SealedAccountKey, key *indexer.Key) error {
	pair := g.handovers.take(q.Handover)
	if pair == nil || pair.Open(q.Key, key) != nil {
		return &No{Text: "the key was not brought as this gateway wants it", Hint: "try again"}
	}
	return nil
}
