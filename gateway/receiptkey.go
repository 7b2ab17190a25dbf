package gateway

import (
	"context"
	"errors"

	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/vault"
)

// receiptKeyName is the registry's name for the secret of the gateway's own key. It lies in gateway.db and nowhere else: a change of the
// unlock key leaves it as it is, and so the receipts that customers have.
const receiptKeyName = "receipt/key"

// openReceiptKey reads the gateway's own key, or makes it at the first start. It is durable before any receipt is signed with it.
func (g *Gateway) openReceiptKey(ctx context.Context) error {
	seed, err := g.registry.Get(ctx, receiptKeyName)
	defer func() { clear(seed) }()
	if errors.Is(err, indexer.ErrNotFound) {
		g.receiptKey = vault.NewReceiptKey()
		seed = g.receiptKey.Seed()
		return g.registry.Put(ctx, receiptKeyName, seed)
	}
	if err != nil {
		return err
	}
	g.receiptKey, err = vault.ParseReceiptKey(seed)
	return err
}

// ReceiptKeyLine is what customers check receipts with.
type ReceiptKeyLine struct {
	PublicKey   string `json:"public_key"`  // PEM
	Fingerprint string `json:"fingerprint"` // SHA-256 of the key, hex
}

// ReceiptKey tells the public half of the gateway's own key.
func (g *Gateway) ReceiptKey() ReceiptKeyLine {
	public := g.receiptKey.Public()
	return ReceiptKeyLine{PublicKey: string(public.PEM()), Fingerprint: public.Fingerprint()}
}
