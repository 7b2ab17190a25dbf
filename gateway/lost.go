package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/sealgate/sealgate/indexer"
)

// A database that is gone is never made anew without a word: with it would go the ledger, the logins, the receipts' key and what two
// persons have signed. What proves that there was one is always written after it, durably: unlock.id and the accounts' databases after
// gateway.db, and the digests of an account's configuration, in gateway.db, after its index.db. So whoever dies at a first start, or
// while an account is added, finds no such proof, and the next start makes what is missing.

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

// leaveOut leaves an account without index.db out, of a gateway that is opened only to be asked, and makes none.
func (g *Gateway) leaveOut(id string, err error) error {
	if err != nil {
		g.lost[id] = err
		g.log.Error("account left out", "account", id, "err", err)
	}
	return nil
}

// notThere says why there is no such account to ask.
func (g *Gateway) notThere(id string) error {
	switch {
	case g.lost[id] != nil:
		return fmt.Errorf("account %s: %w", id, g.lost[id])
	case g.lost != nil && g.cfg.Load().Account(id) != nil:
		return &No{Text: fmt.Sprintf("account %s has no database yet", id), Hint: "it is made when the gateway starts: sealgate serve"}
	}
	return NoAccount(g.cfg.Load(), id)
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
