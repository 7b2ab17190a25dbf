package gateway

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/sealgate/sealgate/config"
	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/vault"
)

// Conversions of an account's database, while no gateway runs.

// Protect protects an account's database, while no gateway runs (ErrRunning).
func Protect(ctx context.Context, cfg *config.Config, unlock *vault.UnlockKey, id string, log *slog.Logger) error {
	return convert(ctx, cfg, unlock, id, log, func(a *account, registry *indexer.Registry, key, logKey indexer.Key) error {
		if indexer.Protected(a.dir) {
			return &No{Text: fmt.Sprintf("account %s is protected already", a.ID), Hint: "sealgate status"}
		}
		if a.seal == nil {
			return &No{Text: fmt.Sprintf("account %s has no certificate, which its database would be protected by", id)}
		}
		return a.protect(ctx, registry, key, logKey)
	})
}

// Unprotect brings an account's database back under the unlock key, while no gateway runs (ErrRunning). open opens one of its sealed keys.
// withoutWaiting: what waits in its log is given up, since it cannot be merged; the log is kept under another name.
func Unprotect(ctx context.Context, cfg *config.Config, unlock *vault.UnlockKey, id string, open func(sealed [][]byte) ([]byte, error), withoutWaiting bool, log *slog.Logger) error {
	return convert(ctx, cfg, unlock, id, log, func(a *account, registry *indexer.Registry, key, logKey indexer.Key) error {
		if !indexer.Protected(a.dir) {
			return &No{Text: fmt.Sprintf("account %s is not protected", a.ID), Hint: "sealgate status"}
		}
		sealed, err := indexer.SealedKeys(a.dir)
		if err != nil {
			return err
		}
		opened, err := open(sealed)
		if err != nil {
			return err
		}
		defer clear(opened)
		var own indexer.Key
		defer clear(own[:])
		if err := databaseKey(opened, &own); err != nil {
			return err
		}
		if withoutWaiting {
			if err := errors.Join(a.forgetPlaced(), registry.ForgetRow(ctx, a.ID)); err != nil { // its ledger loses rows
				return err
			}
			return indexer.UnprotectWithoutLog(ctx, a.dir, key, own, log)
		}
		err = indexer.Unprotect(ctx, a.dir, key, logKey, own, log)
		if apart(err) {
			return &No{Text: err.Error(), Hint: a.wayOn()}
		}
		return err
	})
}

// forgetPlaced removes the markers of copies that were placed, durably: without the log that is to be left out, a marker proves no longer
// that its copy was never accepted, and the next start must remove none for it. Die, or fail, after it, and a copy that was in truth never
// accepted is told of, and stays.
func (a *account) forgetPlaced() error {
	entries, err := os.ReadDir(a.incoming())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if filepath.Ext(entry.Name()) != placedSuffix || entry.IsDir() {
			continue
		}
		if err := os.Remove(filepath.Join(a.incoming(), entry.Name())); err != nil {
			return err
		}
	}
	return syncDir(a.incoming())
}

// convert does something to one account's databases that nobody has open. The unlock key is proven before.
func convert(ctx context.Context, cfg *config.Config, unlock *vault.UnlockKey, id string, log *slog.Logger, do func(a *account, registry *indexer.Registry, key, logKey indexer.Key) error) error {
	c := cfg.Account(id)
	if c == nil {
		return NoAccount(cfg, id)
	}
	lock, err := takeLock(cfg)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := settleUnlockKey(ctx, cfg, unlock, log); err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	none := &No{Text: fmt.Sprintf("account %s has no database yet", id), Hint: "it is made, and protected if the configuration says so, when the gateway starts"}
	if there, err := registryThere(cfg.DataDir); err != nil {
		return fmt.Errorf("gateway: %w", err)
	} else if !there {
		return none
	}
	registry, err := indexer.OpenRegistry(ctx, filepath.Join(cfg.DataDir, "gateway.db"), unlock.Database("gateway"), log)
	if err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	defer registry.Close()
	if c, err = accountInForce(ctx, cfg, registry, c, log); err != nil {
		return err
	}
	a := &account{Account: c, dir: filepath.Join(cfg.DataDir, "accounts", id)}
	if err := a.readCertificates(); err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	if err := indexer.Settle(a.dir); err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	if _, err := os.Stat(filepath.Join(a.dir, "index.db")); errors.Is(err, fs.ErrNotExist) {
		return none
	} else if err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	return do(a, registry, unlock.Database("account/"+id), unlock.Database("log/"+id))
}

// accountInForce is the account as it is in force: under the two-person rule not by all that the configuration says of it.
func accountInForce(ctx context.Context, cfg *config.Config, registry *indexer.Registry, a *config.Account, log *slog.Logger) (*config.Account, error) {
	r, err := (&Gateway{log: log, registry: registry}).newRule(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("gateway: %w", err)
	}
	approved := r.config.Account(a.ID)
	if approved == nil {
		return nil, &No{Text: fmt.Sprintf("the addition of account %s waits for signatures; nothing was changed", a.ID), Hint: "sealgate changes"}
	}
	if approved.Protected() != a.Protected() {
		return nil, &No{Text: fmt.Sprintf("protect_database of account %s waits for signatures; nothing was changed", a.ID), Hint: "sealgate changes"}
	}
	return approved, nil
}
