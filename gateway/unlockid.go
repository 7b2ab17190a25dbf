package gateway

import (
	"context"
	"encoding/json"
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

// Which unlock key opens data_dir, and how it changes. unlock.id names the key that is wanted, so that a wrong one is told from a
// damaged database. A change of the key begins at the moment when unlock.id names the new one: from then on that one is
// wanted, and the old one lies in unlock.id, sealed under it, until every database is under the new one.

const unlockIDName = "unlock.id"

// lastingKey is the registry's name for the keys that outlast a change of the unlock key.
const lastingKey = "unlock/lasting"

// unlockID is the content of unlock.id, as JSON.
type unlockID struct {
	Key    string `json:"key"`              // vault.UnlockKey.ID of the key that is wanted
	Before []byte `json:"before,omitempty"` // the key before it, hidden under it, while a change is not finished
}

func readUnlockID(dataDir string) (id unlockID, err error) {
	text, err := os.ReadFile(filepath.Join(dataDir, unlockIDName))
	if errors.Is(err, fs.ErrNotExist) {
		return id, nil // made before there were such files, or new
	}
	if err == nil {
		err = json.Unmarshal(text, &id)
	}
	if err != nil {
		return id, fmt.Errorf("%s: %w", unlockIDName, err)
	}
	return id, nil
}

// write puts unlock.id in its place, durably.
func (id unlockID) write(dataDir string) error {
	text, err := json.Marshal(id)
	if err != nil {
		return err
	}
	return replaceFile(filepath.Join(dataDir, unlockIDName), append(text, '\n'))
}

// makeUnlockID makes unlock.id where there is none, for a key that has opened gateway.db: without a word where no account has a database yet.
// Otherwise it was lost. It may have held the old key of a change that had not ended, under which some databases then still are: with the
// file made anew, nobody would know of it any more, so nothing is written.
func makeUnlockID(ctx context.Context, dataDir string, unlock *vault.UnlockKey, log *slog.Logger) error {
	lost := false
	err := underUnlockKey(ctx, dataDir, func(path, name string) error {
		lost = true
		return indexer.Opens(path, unlock.Database(name))
	})
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, indexer.ErrKey): // not wrapped: another key alone is no help
		return fmt.Errorf("%s is gone, and with it the old key of a change of the unlock key that had not ended: %v; with both keys it goes on: "+
			"sealgate rekey NEW.key --unlock-key-file OLD.key; without the old one: %s", unlockIDName, err, outOfTheWay(dataDir))
	case lost: // what else is wrong with a database, its opening tells
		log.Warn(unlockIDName+" was gone, and is made anew", "key", unlock.ID(),
			"hint", "the key opens all databases; but somebody or something has removed a file of data_dir: sealgate verify tells what else is gone")
	}
	return unlockID{Key: unlock.ID()}.write(dataDir)
}

// replaceFile writes a file whole and puts it in the place of the one before, durably.
func replaceFile(path string, content []byte) error {
	tmp, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = tmp.Write(content)
	if err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// wrongUnlockKey says which key is wanted.
func wrongUnlockKey(wanted string, given *vault.UnlockKey) error {
	return fmt.Errorf("%w these databases: they want unlock key %s, this is %s", indexer.ErrKey, wanted, given.ID())
}

// settleUnlockKey makes sure that the unlock key is the one that is wanted, and finishes a change of it that was begun. What it is
// proven by must not be gone.
func settleUnlockKey(ctx context.Context, cfg *config.Config, unlock *vault.UnlockKey, log *slog.Logger) error {
	if _, err := registryThere(cfg.DataDir); err != nil {
		return err
	}
	id, err := readUnlockID(cfg.DataDir)
	if err != nil || id.Key == "" {
		return err
	}
	if id.Key != unlock.ID() {
		return wrongUnlockKey(id.Key, unlock)
	}
	if id.Before == nil {
		return nil
	}
	before, err := unlock.Reveal(id.Before)
	if err != nil {
		return err
	}
	defer before.Forget()
	log.Info("unlock key is being changed", "key", id.Key)
	if err := rekeyDatabases(ctx, cfg, before, unlock, log); err != nil {
		return err
	}
	if err := (unlockID{Key: id.Key}).write(cfg.DataDir); err != nil {
		return err
	}
	log.Info("unlock key changed", "key", id.Key)
	return nil
}

// rekeyDatabases brings every database that is under the unlock key under the new one. What has its own key is left alone. One that cannot
// follow, since it was damaged after the change had begun, keeps none of the others from it.
func rekeyDatabases(ctx context.Context, cfg *config.Config, from, to *vault.UnlockKey, log *slog.Logger) error {
	one := func(path, name string) error {
		return indexer.Rekey(ctx, path, from.Database(name), to.Database(name))
	}
	own := one(filepath.Join(cfg.DataDir, "gateway.db"), "gateway")
	others := underUnlockKey(ctx, cfg.DataDir, one)
	if own == nil {
		others = errors.Join(others, allThere(ctx, cfg, to, log))
	}
	if others != nil && ctx.Err() == nil && !errors.Is(others, indexer.ErrFull) {
		others = fmt.Errorf("%w; %s", others, outOfTheWay(cfg.DataDir))
	}
	if err := errors.Join(own, others); err != nil {
		return fmt.Errorf("the unlock key is not changed everywhere yet: %w", err)
	}
	return nil
}

// readableDatabases makes sure, before the unlock key changes, that every database will follow, or has followed before unlock.id was lost: *No,
// which names those that will not.
func readableDatabases(ctx context.Context, cfg *config.Config, from, to *vault.UnlockKey, log *slog.Logger) error {
	one := func(path, name string) error {
		if indexer.Opens(path, to.Database(name)) == nil {
			return nil
		}
		return indexer.Readable(ctx, path, from.Database(name))
	}
	path, own := filepath.Join(cfg.DataDir, "gateway.db"), from
	if err := one(path, "gateway"); err != nil {
		return err
	}
	if indexer.Opens(path, to.Database("gateway")) == nil {
		own = to
	}
	err := errors.Join(underUnlockKey(ctx, cfg.DataDir, one), allThere(ctx, cfg, own, log))
	if err == nil || ctx.Err() != nil {
		return errors.Join(err, ctx.Err())
	}
	return &No{Text: "the unlock key cannot change, and nothing was changed: " + err.Error(), Hint: outOfTheWay(cfg.DataDir) + ", then: sealgate rekey NEW.key"}
}

// allThere is an error if an account of the configuration that had a database has none. On a disk that is not mounted, say, it would stay
// under the old key, and nothing would tell before that key is gone. unlock opens gateway.db.
func allThere(ctx context.Context, cfg *config.Config, unlock *vault.UnlockKey, log *slog.Logger) error {
	registry, err := indexer.OpenRegistry(ctx, filepath.Join(cfg.DataDir, "gateway.db"), unlock.Database("gateway"), log)
	if err != nil {
		return err
	}
	was, _, err := (&Gateway{registry: registry}).wasConfigured(ctx)
	faults := []error{err, registry.Close()}
	for _, a := range cfg.Accounts {
		_, err := os.Stat(filepath.Join(cfg.DataDir, "accounts", a.ID, "index.db"))
		if err != nil && len(was.Accounts[a.ID]) > 0 {
			faults = append(faults, fmt.Errorf("the database of account %s cannot follow: %w", a.ID, err))
		}
	}
	return errors.Join(faults...)
}

// outOfTheWay says what can be done about an account's database that cannot follow a change of the unlock key.
func outOfTheWay(dataDir string) string {
	return fmt.Sprintf("restore the account's folder from a backup; or move it out of %s, keep the old unlock key, under which it stays, "+
		"and take the account out of the configuration until the gateway has started once", filepath.Join(dataDir, "accounts"))
}

// underUnlockKey does something to each of the accounts' databases that are under the unlock key, with its path and its key's name; one
// that fails keeps it from none of the others. It settles the accounts' folders before.
func underUnlockKey(ctx context.Context, dataDir string, do func(path, name string) error) error {
	folders, err := os.ReadDir(filepath.Join(dataDir, "accounts"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var faults []error
	for _, f := range folders {
		if err := ctx.Err(); err != nil {
			return err
		}
		dir := filepath.Join(dataDir, "accounts", f.Name())
		if err := indexer.Settle(dir); err != nil {
			faults = append(faults, err)
			continue
		}
		for path, name := range indexer.UnderUnlockKey(dir) {
			faults = append(faults, do(path, name+f.Name()))
		}
	}
	return errors.Join(faults...)
}

// keepLasting hands the keys that outlast a change of the unlock key to the registry, for the new one, before the change begins.
func keepLasting(ctx context.Context, registry *indexer.Registry, unlock *vault.UnlockKey) error {
	if err := useLasting(ctx, registry, unlock); err != nil {
		return err
	}
	return registry.Put(ctx, lastingKey, unlock.Lasting())
}

// useLasting takes over what an earlier unlock key has left.
func useLasting(ctx context.Context, registry *indexer.Registry, unlock *vault.UnlockKey) error {
	keys, err := registry.Get(ctx, lastingKey)
	if errors.Is(err, indexer.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	defer clear(keys)
	return unlock.UseLasting(keys)
}

// Rekey changes the unlock key of a data directory on which no gateway runs (ErrRunning). Die before unlock.id names the new
// key, and the old one is wanted, as before; after it, the new one, and the next start (or Rekey) does what is left.
func Rekey(ctx context.Context, cfg *config.Config, from, to *vault.UnlockKey, log *slog.Logger) error {
	lock, err := takeLock(cfg)
	if err != nil {
		return err
	}
	defer lock.Close()
	id, err := readUnlockID(cfg.DataDir)
	if err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	if from.ID() == to.ID() && id.Before == nil { // else that is the configured one already, and its change goes on
		return &No{Text: "that is the unlock key already"}
	}
	if id.Key != to.ID() {
		if err := beginRekey(ctx, cfg, from, to, log); err != nil {
			return fmt.Errorf("gateway: rekey: %w", err)
		}
	}
	if err := settleUnlockKey(ctx, cfg, to, log); err != nil {
		return fmt.Errorf("gateway: rekey: %w", err)
	}
	return nil
}

// beginRekey proves the old key and every database under it, finishes a change before this one, and lets unlock.id name the new key.
func beginRekey(ctx context.Context, cfg *config.Config, from, to *vault.UnlockKey, log *slog.Logger) error {
	if err := settleUnlockKey(ctx, cfg, from, log); err != nil {
		return err
	}
	if err := readableDatabases(ctx, cfg, from, to, log); err != nil {
		return err
	}
	path := filepath.Join(cfg.DataDir, "gateway.db")
	if indexer.Opens(path, to.Database("gateway")) != nil { // else it has begun before, and has the lasting keys
		registry, err := indexer.OpenRegistry(ctx, path, from.Database("gateway"), log)
		if err != nil {
			return err
		}
		if err := errors.Join(keepLasting(ctx, registry, from), registry.Close()); err != nil {
			return err
		}
	}
	hidden, err := to.Hide(from)
	if err != nil {
		return err
	}
	return unlockID{Key: to.ID(), Before: hidden}.write(cfg.DataDir)
}
