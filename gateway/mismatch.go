package gateway

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/sealgate/sealgate/indexer"
)

// A gateway.db of another day than an account's database: somebody has put one of them back from a backup, and not the other. Each keeps how far
// the other had come (indexer/mismatch.go), and they are compared when an account is opened. What does not fit is told by the log, status and
// verify, and keeps nobody out, since it may be all that there is. What it shows by is left as it is meanwhile, so that it is found again after a
// kill. An orderly end of a gateway that has served is the operator's word that it is meant so: the ledgers get a row, and the next start says nothing.

// mismatches is what was found.
type mismatches struct {
	sync.Mutex
	registry VerifyLine            // of the account that was found first; gateway.db concerns all
	count    int64                 // to go on from
	index    map[string]VerifyLine // by account
	seen     map[string]indexer.LedgerRow
}

// kindRestored is the ledger's row of a database of another day that was taken for meant.
const kindRestored = "restored"

const (
	registryOlder = "it is older than the rest: "
	registryHint  = "what came after is gone from it: removed logins and old passwords count again, and files kept at remotes are fetched again. " +
		"Put all of data_dir back from one backup; or see to it that sealgate user list is right, and restart: then it is taken for meant"
	indexOlder = "it is older than gateway.db: "
	indexHint  = "what came after is gone from it: files that were taken are unknown, and deliveries are made again. " +
		"Put all of data_dir back from one backup; or have the customer send again what is missing, and restart: then it is taken for meant"
)

// compare looks whether an account's database and gateway.db are of one moment.
func (g *Gateway) compare(ctx context.Context, a *account) error {
	found, err := a.index.Compare(ctx, g.registry, a.ID)
	if errors.Is(err, indexer.ErrDamaged) { // what else that page holds, whoever needs it is told
		g.log.Error("not compared with gateway.db", "account", a.ID, "err", err, "hint", "sealgate verify")
		return nil
	}
	if err != nil {
		return err
	}
	name := "index.db"
	if a.index.Protected() {
		name = "log.db"
	}
	g.mismatches.Lock()
	defer g.mismatches.Unlock()
	g.mismatches.seen[a.ID] = found.Seen
	if found.Registry != "" {
		g.mismatches.count = max(g.mismatches.count, found.Count)
		if g.mismatches.registry.Problem == "" {
			g.mismatches.registry = VerifyLine{Account: a.ID, What: "gateway.db", Problem: registryOlder + found.Registry + "; " + registryHint}
			g.log.Error("gateway.db is older than the rest", "account", a.ID, "err", found.Registry, "hint", registryHint)
		}
	}
	if found.Index != "" {
		g.mismatches.index[a.ID] = VerifyLine{Account: a.ID, What: name, Problem: indexOlder + found.Index + "; " + indexHint}
		g.log.Error("a database is older than gateway.db", "account", a.ID, "db", name, "err", found.Index, "hint", indexHint)
	}
	return nil
}

// countChanges has gateway.db's changes counted, unless it was found to be older.
func (g *Gateway) countChanges(ctx context.Context) error {
	if g.mismatches.registry.Problem != "" {
		return nil
	}
	err := g.registry.CountChanges(ctx, 0)
	if errors.Is(err, indexer.ErrDamaged) {
		g.log.Error("the changes of gateway.db are not counted", "err", err, "hint", "restore data_dir from a backup")
		return nil
	}
	return err
}

// mismatched gives what was found of one account, or of all.
func (g *Gateway) mismatched(account string) (lines []VerifyLine) {
	g.mismatches.Lock()
	defer g.mismatches.Unlock()
	if g.mismatches.registry.Problem != "" {
		lines = append(lines, g.mismatches.registry)
	}
	for _, c := range g.cfg.Load().Accounts {
		if line, found := g.mismatches.index[c.ID]; found && c.ID == cmp.Or(account, c.ID) {
			lines = append(lines, line)
		}
	}
	return lines
}

// problem is the line of `sealgate status` about it.
func (l *VerifyLine) problem() string {
	if l.What == "gateway.db" {
		return l.What + ": " + l.Problem
	}
	return "account " + l.Account + ": " + l.What + ": " + l.Problem
}

// keepRows keeps in gateway.db how far the ledgers have come, of all indexes that were opened. The caller has g.indexes for himself. What a power
// cut takes of it is kept again.
func (g *Gateway) keepRows() {
	g.mismatches.Lock()
	defer g.mismatches.Unlock()
	newest := map[string]indexer.LedgerRow{}
	for id, index := range g.indexes {
		row := index.Newest()
		if _, found := g.mismatches.index[id]; !found && row.Seq > 0 && row != g.mismatches.seen[id] {
			newest[id], g.mismatches.seen[id] = row, row
		}
	}
	if len(newest) == 0 {
		return
	}
	if err := g.registry.KeepRows(newest); err != nil {
		g.log.Warn("gateway.db does not keep how far the ledgers have come; it is tried again", "err", err)
		clear(g.mismatches.seen)
	}
}

// takeForMeant takes what was found for what the operator wants, and has the ledgers say so.
func (g *Gateway) takeForMeant(ctx context.Context) {
	for _, l := range g.mismatched("") {
		why, _, _ := strings.Cut(l.Problem, "; ")
		for id, a := range *g.accounts.Load() {
			if l.What == "gateway.db" || l.Account == id {
				a.index.NoteSoon(ctx, kindRestored, "", "sealgate", l.What+": "+why) // Close enters it
			}
		}
	}
	g.mismatches.Lock()
	clear(g.mismatches.index) // Close keeps how far they have come
	count, older := g.mismatches.count, g.mismatches.registry.Problem != ""
	g.mismatches.Unlock()
	if !older {
		return
	}
	if err := g.registry.CountChanges(ctx, count); err != nil {
		g.log.Error("gateway.db is still told to be older than the rest", "err", err)
	}
}
