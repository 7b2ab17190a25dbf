package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/transport"
)

// A database that is gone is never made anew without a word: with it would go the ledger, the logins, the receipts' key and what two
// persons have signed. What proves that there was one is always written after it, durably: unlock.id and the accounts' databases after
// gateway.db, and the digests of an account's configuration, in gateway.db, after its index.db. So whoever dies at a first start, or
// while an account is added, finds no such proof, and the next start makes what is missing.
//
// An account whose folder cannot be used, for this reason or another, is out of service alone: its index is not open, so that nothing can be taken
// for it. What all need lies elsewhere, and what gateway.db owes its ledger waits there. It is tried again each minute, and at each
// load; die in between, and the next start does.

// registryThere says whether data_dir has its gateway.db; false of a new one. The error: it had one.
func registryThere(dataDir string) (bool, error) {
	info, err := os.Stat(filepath.Join(dataDir, "gateway.db"))
	if err == nil && info.Size() > 0 { // an empty one has no table yet
		return true, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	proofs := []string{filepath.Join(dataDir, unlockIDName)}
	for _, name := range []string{"index.db", "log.db"} {
		found, err := filepath.Glob(filepath.Join(globbed(dataDir), "accounts", "*", name))
		if err != nil {
			return false, err
		}
		proofs = append(proofs, found...)
	}
	for _, path := range proofs {
		if _, err := os.Lstat(path); err == nil {
			return false, fmt.Errorf("gateway.db is gone, but %s is there: restore gateway.db from a backup; or, if it is lost: "+
				"move all of %s away, keep it, and begin anew with an empty one", path, dataDir)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
	}
	return false, nil
}

// globbed makes a path a pattern that matches only itself.
func globbed(path string) string {
	var b []byte
	for i := range len(path) {
		switch path[i] {
		case '*', '?', '[', '\\':
			b = append(b, '\\')
		}
		b = append(b, path[i])
	}
	return string(b)
}

// indexThere says whether an account has its index.db; false of a new account. The error: it had one. An account that has left the
// configuration since may come back without it: who takes it out and names it again, with another's signature where two must sign,
// means to begin anew.
func (g *Gateway) indexThere(ctx context.Context, a *account) (bool, error) {
	info, err := os.Stat(filepath.Join(a.dir, "index.db"))
	if err == nil && info.Size() > 0 {
		return true, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	was, _, err := g.wasConfigured(ctx)
	if err != nil {
		return false, err
	}
	copies, err := a.sealedCopies()
	switch {
	case err != nil:
		return false, err
	case len(was.Accounts[a.ID]) > 0:
		return false, fmt.Errorf("index.db is gone, and with it the ledger: restore it from a backup; or, if it is lost: "+
			"move %s away, take %s out of %s, start once, then name it again", a.dir, a.ID, g.cfg.Load().File)
	case len(copies) > 0:
		return false, fmt.Errorf("index.db is gone, but %d sealed copies are there: restore it from a backup, or move %s away",
			len(copies), filepath.Join(a.dir, "sealed"))
	}
	return false, nil
}

// mayLose says whether an account is to be out of service by this error. A load that names a new account, or one that had left, is refused as
// a whole instead, since somebody is there to see it.
func (g *Gateway) mayLose(ctx context.Context, id string, err error) bool {
	return err != nil && ctx.Err() == nil && (!everybodys(err) || diskFull(err) && g.ownDisk(id)) && (g.accounts.Load() == nil || g.out(id) != nil)
}

// everybodys says whether the trouble is not one account's, though one met it first: the disk is full, or the machine has no more files or memory.
func everybodys(err error) bool {
	is := func(cause error) bool { return errors.Is(err, cause) }
	return slices.ContainsFunc([]error{indexer.ErrFull, unix.ENOSPC, unix.EDQUOT, unix.EMFILE, unix.ENFILE, unix.ENOMEM}, is)
}

// ownDisk says whether an account lies on another disk than gateway.db: then that one may be full, and not everybody's.
func (g *Gateway) ownDisk(id string) bool {
	var all, own unix.Stat_t
	dir := g.cfg.Load().DataDir
	return unix.Stat(dir, &all) == nil && unix.Stat(filepath.Join(dir, "accounts", id), &own) == nil && own.Dev != all.Dev
}

// anyServed is the error of a start after which nobody would be served.
func (g *Gateway) anyServed(accounts map[string]*account) error {
	var faults []error
	for _, id := range slices.Sorted(maps.Keys(accounts)) {
		if accounts[id].fault == nil {
			return nil
		}
		faults = append(faults, fmt.Errorf("account %s: %w", id, accounts[id].fault))
	}
	if g.asking || g.accounts.Load() != nil {
		return nil
	}
	return errors.Join(faults...)
}

// watchLost tries accounts that are out of service again each minute: a disk may come late at a boot. Each minute too gateway.db keeps how far
// the others have come.
func (g *Gateway) watchLost(ctx context.Context) error {
	return again(ctx, time.Minute, func() {
		g.findLost(ctx)
		g.reloading.Lock()
		defer g.reloading.Unlock()
		g.keepRows()
	})
}

// findLost brings those back whose folders can be used again, by the configuration in force. Of the others nothing new is said.
func (g *Gateway) findLost(ctx context.Context) {
	g.reloading.Lock()
	defer g.reloading.Unlock()
	cfg, serving, lost := g.cfg.Load(), maps.Clone(*g.accounts.Load()), maps.Clone(*g.lost.Load())
	if refuseLinks(cfg) != nil { // as a load refuses them, aloud
		return
	}
	for _, out := range g.outs() {
		a, err := g.makeAccount(cfg, out.Account)
		if err == nil && a.index == nil { // else a load has opened it, and was refused then
			err = g.openFolder(ctx, cfg, a)
		}
		if err != nil {
			continue
		}
		g.log.Warn("account is back in service", "account", a.ID)
		serving[a.ID] = a
		delete(lost, a.ID)
	}
	if len(serving) == len(*g.accounts.Load()) {
		return
	}
	g.accounts.Store(&serving) // first: whoever looks at lost before finds an account in one of the two
	g.lost.Store(&lost)
	g.tellConfiguration(ctx)
	g.trySettle(ctx)
	g.renewSeals()
}

// out gives an account that is out of service, nil of any other.
func (g *Gateway) out(id string) *account { return (*g.lost.Load())[id] }

// outs gives all of them, by their ids.
func (g *Gateway) outs() []*account {
	list := slices.Collect(maps.Values(*g.lost.Load()))
	slices.SortFunc(list, func(a, b *account) int { return strings.Compare(a.ID, b.ID) })
	return list
}

// known are all accounts of the configuration in force: to whom one may log in does not depend on their folders. One that comes into service
// meanwhile may come twice, and is never missing, since it enters the one map before it leaves the other.
func (g *Gateway) known() iter.Seq[*account] {
	return func(yield func(*account) bool) {
		for _, accounts := range []map[string]*account{*g.lost.Load(), *g.accounts.Load()} {
			for _, a := range accounts {
				if !yield(a) {
					return
				}
			}
		}
	}
}

// back says how an account comes back into service.
func (a *account) back() string {
	return "see to " + a.dir + "; it is tried again each minute, and when the configuration is loaded: systemctl reload sealgate, or SIGHUP"
}

// why is the reason, in a line.
func (a *account) why() string {
	return strings.ReplaceAll(strings.TrimPrefix(a.fault.Error(), "indexer: "), "\n", "; ")
}

// Outage is why an account is out of service: a part of Status.
type Outage struct {
	Account string `json:"account"`
	Why     string `json:"why"`
	Hint    string `json:"hint"` // what to do
}

// problem is the line of `sealgate status` about it.
func (o Outage) problem() string {
	return "account " + o.Account + ": out of service, nothing is taken for it: " + o.Why + "; " + o.Hint
}

// errOutOfService is what its people are told, once they have proven who they are. They are not let in, since no login may go without its
// row in the ledger.
var errOutOfService = &transport.Refusal{Sentence: "your account is out of service for the moment, and nothing was taken. " +
	"Try again later, or ask your contact."}

// notThere says why there is no such account to ask.
func (g *Gateway) notThere(id string) error {
	if a := g.out(id); a != nil {
		return &No{Text: fmt.Sprintf("account %s is out of service: %s", id, a.why()), Hint: a.back()}
	}
	switch {
	case g.asking && g.cfg.Load().Account(id) != nil:
		return &No{Text: fmt.Sprintf("account %s has no database yet", id), Hint: "it is made when the gateway starts: sealgate serve"}
	}
	return NoAccount(g.cfg.Load(), id)
}

// noFile is the answer where no account that can be asked has such a file.
func (g *Gateway) noFile(id string) error {
	no := &No{Text: fmt.Sprintf("no file %s", plain(id)), Hint: "sealgate files"}
	for _, a := range g.outs() {
		no.Text, no.Hint = no.Text+"; account "+a.ID+", which may have it, is out of service", "sealgate status"
	}
	return no
}

// wasConfigured is what noteConfiguration kept last, and its text; nothing before the first time.
func (g *Gateway) wasConfigured(ctx context.Context) (was configured, kept []byte, err error) {
	kept, err = g.registry.Get(ctx, configuredName)
	if errors.Is(err, indexer.ErrNotFound) {
		return was, nil, nil
	}
	if err == nil {
		err = json.Unmarshal(kept, &was)
	}
	return was, kept, err
}
