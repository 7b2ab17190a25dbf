package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/sealgate/sealgate/config"
	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/indexer/formats"
	"github.com/sealgate/sealgate/transport"
	"github.com/sealgate/sealgate/vault"
)

// account is a customer of the present configuration: its rules, its index and what seals its files. A change of the
// configuration makes a new one around the same index; uploads under way keep the old.
type account struct {
	*config.Account
	dir         string // data_dir/accounts/ID
	index       *indexer.Index
	certificate *vault.Certificate // nil if the account has none
	recovery    *vault.Certificate // nil if the account has none
	access      []*vault.Certificate
	seal        *vault.Seal      // nil without a certificate
	sealKey     *formats.SealKey // of Bankgirot's seals; nil if the account has none
	userCA      [][]byte         // authorities whose user certificates count as keys, in wire form
	reach       reach            // from where its users may log in
	small       int              // up to this size a file's sealed copy fits into the index
	underWay    atomic.Int64     // uploads that began by these rules and have not ended: they will be sealed by this seal
	fault       error            // why it is out of service: then it has no index, and is in Gateway.lost only
}

func (a *account) incoming() string { return filepath.Join(a.dir, "incoming") }

// expired tells whether the account's certificate has expired.
func (a *account) expired(now time.Time) bool {
	return a.certificate != nil && a.certificate.Expired(now)
}

// openAccounts makes the accounts of a configuration, which useAccounts puts in force. An index is opened once and stays open until the
// gateway closes, even if its account leaves the configuration: uploads under way may still need it.
func (g *Gateway) openAccounts(ctx context.Context, cfg *config.Config) (map[string]*account, error) {
	if err := refuseLinks(cfg); err != nil {
		return nil, err
	}
	accounts := make(map[string]*account, len(cfg.Accounts))
	for _, c := range cfg.Accounts {
		a, err := g.makeAccount(cfg, c)
		if err == nil && a.index == nil {
			if err = g.openFolder(ctx, cfg, a); g.mayLose(ctx, c.ID, err) {
				a.fault, err = err, nil
			}
		}
		if err != nil {
			return nil, fmt.Errorf("account %s: %w", c.ID, err)
		}
		if a.index != nil || a.fault != nil {
			accounts[c.ID] = a
		}
	}
	return accounts, g.anyServed(accounts)
}

// useAccounts puts accounts in force. Whoever looks at lost before accounts finds one that comes into service in one of the two.
func (g *Gateway) useAccounts(accounts map[string]*account) {
	serving, lost := map[string]*account{}, map[string]*account{}
	for id, a := range accounts {
		if a.fault == nil {
			serving[id] = a
			continue
		}
		lost[id] = a
		g.log.Error("account out of service", "account", id, "err", a.why(), "hint", "nothing is taken for it, and the others are served; "+a.back())
	}
	if old := g.accounts.Swap(&serving); old != nil {
		g.supersede(*old)
	}
	g.lost.Store(&lost)
}

// makeAccount makes an account by its configuration, around its index if that is open already.
func (g *Gateway) makeAccount(cfg *config.Config, c *config.Account) (*account, error) {
	a := &account{Account: c, dir: filepath.Join(cfg.DataDir, "accounts", c.ID), index: g.indexes[c.ID]}
	if err := a.readCertificates(); err != nil {
		return nil, err
	}
	if c.BGCSealKeyFile != "" {
		key, err := readSealKey(c.BGCSealKeyFile)
		if err != nil {
			return nil, err
		}
		a.sealKey = &key
	}
	if c.UserCA != "" {
		var err error
		if a.userCA, err = transport.ReadAuthorities(c.UserCA); err != nil {
			return nil, err
		}
	}
	a.reach = newReach(c.AllowFrom, c.DenyFrom)
	return a, nil
}

// openFolder opens what lies in an account's folder, and sets it right. A gateway that is only asked leaves a new account without index.
func (g *Gateway) openFolder(ctx context.Context, cfg *config.Config, a *account) error {
	os.Remove(filepath.Join(a.dir, "sealed", probeName)) // of a probe that died half-way
	if err := indexer.Settle(a.dir); err != nil {
		return err
	}
	there, err := g.indexThere(ctx, a)
	if err != nil || g.asking && !there {
		return err
	}
	if !there { // it begins anew, whatever gateway.db has seen of it
		if err := g.registry.ForgetRow(ctx, a.ID); err != nil {
			return err
		}
	}
	for _, dir := range []string{"incoming", "sealed"} {
		if err := makeDirs(cfg.DataDir, filepath.Join("accounts", a.ID, dir)); err != nil {
			return err
		}
	}
	if err := a.probe(); err != nil {
		return err
	}
	index, err := g.openIndex(ctx, a)
	if err != nil {
		return err
	}
	a.index = index
	if err = a.sweep(ctx, g.log); err == nil {
		err = g.compare(ctx, a)
	}
	if err != nil {
		a.index = nil
		return errors.Join(err, index.Close())
	}
	g.indexes[a.ID] = index
	return nil
}

const probeName = "probe"

// probe tries at the start what every large file will need at its CLOSE: a second name for a file (the marker of copy.go),
// and a move from incoming to sealed.
func (a *account) probe() error {
	tmp, marker, placed := filepath.Join(a.incoming(), probeName+tmpSuffix), filepath.Join(a.incoming(), probeName+placedSuffix), filepath.Join(a.dir, "sealed", probeName)
	defer os.Remove(marker)
	defer os.Remove(tmp)
	os.Remove(marker)
	if err := os.WriteFile(tmp, nil, 0o600); err != nil {
		return err
	}
	if err := os.Link(tmp, marker); err != nil {
		return fmt.Errorf("the file system must know hard links: %w", err)
	}
	if err := os.Rename(tmp, placed); err != nil {
		return fmt.Errorf("incoming and sealed must lie on one file system: %w", err)
	}
	return os.Remove(placed)
}

// readCertificates makes the account's seal. Only public halves are read here: the gateway cannot open what it seals.
func (a *account) readCertificates() (err error) {
	a.small = indexer.MaxCopy
	if a.Certificate == "" {
		return nil
	}
	if a.certificate, err = vault.ReadCertificate(a.Certificate); err != nil {
		return err
	}
	a.access = make([]*vault.Certificate, len(a.AccessKeys))
	for i, path := range a.AccessKeys {
		if a.access[i], err = vault.ReadCertificate(path); err != nil {
			return err
		}
	}
	if a.RecoveryCertificate != "" {
		if a.recovery, err = vault.ReadCertificate(a.RecoveryCertificate); err != nil {
			return err
		}
	}
	to := a.sealedTo(a.certificate)
	if a.seal, err = vault.NewSeal(to[0], a.access, to[1:]...); err != nil {
		return err
	}
	empty, _, err := a.seal.SealBytes(nil)
	if err != nil {
		return err
	}
	a.small = max(0, a.small-len(empty)-64) // 64: what longer lengths add to the envelopes' framing
	return nil
}

// sealedTo is to whom the outer envelopes of the account's copies are, with this certificate: to it, and to the recovery
// certificate where there is one.
func (a *account) sealedTo(certificate *vault.Certificate) []*vault.Certificate {
	to := []*vault.Certificate{certificate}
	if a.recovery != nil {
		to = append(to, a.recovery)
	}
	return to
}

// recoveryFingerprint is what is kept of the recovery certificate; "" without one.
func (a *account) recoveryFingerprint() string {
	if a.recovery == nil {
		return ""
	}
	return a.recovery.Fingerprint()
}

// readSealKey reads the key that an account shares with Bankgirot. The error names the file, never what is in it.
func readSealKey(path string) (formats.SealKey, error) {
	f, err := os.Open(path)
	if err != nil {
		return formats.SealKey{}, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 1<<10))
	if err != nil {
		return formats.SealKey{}, err
	}
	key, err := formats.ParseSealKey(text)
	if err != nil {
		return formats.SealKey{}, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}
