package gateway

import (
	"context"

	"github.com/sealgate/sealgate/indexer"
)

// How the ledgers come to have what is done to logins. Those lie in gateway.db and the ledgers in the accounts' own databases, so each
// change keeps the row that it owes in its own transaction. Once that is durable the change is done, and its operator is told so; the row
// is entered after.

// owed is a row for the ledger of an account about one of its logins.
func owed(account, kind, who, detail string) *indexer.Owed {
	return &indexer.Owed{Account: account, Kind: kind, Who: who, Detail: detail}
}

// enterOwed enters the rows that are owed, in their order. What cannot be entered now stays for the next change of a login, the next load
// or the next start; so do the rows of an account that is not there, should it come back. Die between a row and the note that it is entered, and it
// comes twice.
func (g *Gateway) enterOwed(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	g.owing.Lock()
	defer g.owing.Unlock()
	list, err := g.registry.Owes(ctx)
	if err != nil {
		g.log.Error("rows that changes of logins owe the ledgers are not read", "err", err)
		return
	}
	stuck := map[string]bool{} // by account: no row comes before an older one
	for _, o := range list {
		a := g.account(o.Account)
		if a == nil || stuck[o.Account] {
			continue
		}
		_, err := a.index.Note(ctx, o.Kind, "", o.Who, o.Detail)
		if err == nil {
			err = g.registry.Entered(ctx, o.N)
		}
		if err != nil {
			stuck[o.Account] = true
			g.log.Error("a change of a login is done, and not in the ledger yet", "account", o.Account, "kind", o.Kind, "err", err,
				"hint", "once its database can be written again, reload the configuration or restart; the row is kept until then")
		}
	}
}
