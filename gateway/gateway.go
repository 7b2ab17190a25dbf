// Package gateway is the life of a file: from a door's first byte to the row, the sealed copy and the answer.
//
// Begin with intake.go, the story of one file from top to bottom; order.go, pass.go and copy.go are what it stands on,
// verdict.go is how it is judged. gateway.go builds the house from its configuration and runs it; admit.go lets people
// in; desk.go answers the operators.
package gateway

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oklog/ulid/v2"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/sealgate/sealgate/config"
	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/transport"
	"github.com/sealgate/sealgate/vault"
)

// ErrRunning means that another process holds the data directory: ask it over its control socket.
var ErrRunning = errors.New("another sealgate is running on this data_dir")

// Gateway is the house behind the doors: accounts with their indexes, users, and what all uploads share.
type Gateway struct {
	log      *slog.Logger
	unlock   *vault.UnlockKey
	registry *indexer.Registry
	logins   logins
	notes    later      // rows of ledgers that are still to be written
	entering later      // logins whose rows nobody waits for yet
	owing    sync.Mutex // held by the one who enters what gateway.db owes the ledgers

	receiptKey *vault.ReceiptKey
	lock       *os.File // flock on data_dir/lock: one gateway a directory
	started    time.Time

	began      *config.Config                // at the start, which some keys stay as until the next
	cfg        atomic.Pointer[config.Config] // in force; under the two-person rule not all as the file says
	rule       atomic.Pointer[rule]
	unloaded   atomic.Pointer[string]   // why the newest configuration, which has no mistakes, is not in force
	misread    atomic.Pointer[[]string] // that the newest configuration was read from, if it has mistakes
	accounts   atomic.Pointer[map[string]*account]
	lost       atomic.Pointer[map[string]*account] // of the configuration in force, but out of service (lost.go)
	mismatches mismatches                          // databases of other days
	asking     bool                                // it is opened to be asked, and makes no database
	memory     budget
	disk       diskWatch
	placing    sync.Map // paths of sealed copies in their place whose transaction is still under way
	former     struct {
		sync.Mutex
		accounts []*account // of earlier configurations, with uploads under way
	}
	expiries struct {
		sync.Mutex
		told map[string]int // the threshold that was told last, by account and use
	}
	copies    sync.Mutex                     // held while sealed copies already accepted change or go
	indexes   map[string]*indexer.Index      // all that were opened since the start, by account
	door      atomic.Pointer[transport.SFTP] // while Run runs
	poller    atomic.Pointer[transport.Poller]
	listening atomic.Pointer[string]
	sessions  sessions // of protected accounts
	freed     sync.Once
	handovers handovers
	closing   atomic.Bool
	reloading sync.Mutex
	reloaded  chan struct{}
	loaded    atomic.Pointer[time.Time] // when the present configuration was
	now       func() time.Time

	ids struct {
		sync.Mutex
		entropy *ulid.MonotonicEntropy
	}
}

// Open opens everything that lies in data_dir and sweeps what a crash left behind. It serves nobody yet.
func Open(ctx context.Context, cfg *config.Config, unlock *vault.UnlockKey, log *slog.Logger) (*Gateway, error) {
	lock, err := takeLock(cfg)
	if err != nil {
		return nil, err
	}
	g, err := openLocked(ctx, cfg, unlock, log, lock, false)
	if err != nil {
		lock.Close()
	}
	return g, err
}

// openToAsk is Open without making any database: an account that has none is left out, and a data_dir without gateway.db is told.
func openToAsk(ctx context.Context, cfg *config.Config, unlock *vault.UnlockKey, log *slog.Logger) (*Gateway, error) {
	if there, err := registryThere(cfg.DataDir); err != nil {
		return nil, fmt.Errorf("gateway: %w", err)
	} else if !there {
		return nil, &No{Text: "no gateway has run on " + cfg.DataDir + " yet: there is nothing to ask", Hint: "sealgate serve"}
	}
	lock, err := takeLock(cfg)
	if err != nil {
		return nil, err
	}
	g, err := openLocked(ctx, cfg, unlock, log, lock, true)
	if err != nil {
		lock.Close()
	}
	return g, err
}

// openLocked is Open for one who has the lock on data_dir already, and keeps it when it fails. asking is what Gateway.asking says.
func openLocked(ctx context.Context, cfg *config.Config, unlock *vault.UnlockKey, log *slog.Logger, lock *os.File, asking bool) (_ *Gateway, err error) {
	g := &Gateway{
		log: log, unlock: unlock.Clone(), lock: lock, asking: asking, began: cfg, now: time.Now, started: time.Now(),
		indexes: map[string]*indexer.Index{}, reloaded: make(chan struct{}, 1),
		notes: later{after: notesAfter}, entering: later{after: enteredAfter},
	}
	g.memory.accounts, g.memory.addresses = map[string]int64{}, map[netip.Addr]int64{}
	g.ids.entropy = ulid.Monotonic(rand.Reader, 0)
	g.mismatches.index, g.mismatches.seen = map[string]VerifyLine{}, map[string]indexer.LedgerRow{}
	g.logins.init(g.now)
	g.sessions.init()
	g.cfg.Store(cfg)
	g.lost.Store(&map[string]*account{})
	g.loaded.Store(&g.started)
	defer func() {
		if err != nil {
			err = fmt.Errorf("gateway: %w", err)
			g.closeDatabases()
		}
	}()
	if err := g.openRegistry(ctx, cfg); err != nil {
		return nil, err
	}
	r, err := g.newRule(ctx, cfg)
	if err != nil {
		return nil, err
	}
	g.rule.Store(r)
	g.cfg.Store(r.config)
	accounts, err := g.openAccounts(ctx, r.config)
	if err != nil {
		return nil, err
	}
	g.useAccounts(accounts)
	if err := g.countChanges(ctx); err != nil {
		return nil, err
	}
	if err := r.approved.sweep(cfg.DataDir); err != nil { // the next start tries again
		log.Warn("not swept", "path", approvedDir, "err", err)
	}
	g.tellConfiguration(ctx)
	return g, nil
}

// openRegistry opens gateway.db, and proves the unlock key by it.
func (g *Gateway) openRegistry(ctx context.Context, cfg *config.Config) (err error) {
	if err := settleUnlockKey(ctx, cfg, g.unlock, g.log); err != nil {
		return err
	}
	if g.registry, err = indexer.OpenRegistry(ctx, filepath.Join(cfg.DataDir, "gateway.db"), g.unlock.Database("gateway"), g.log); err != nil {
		return err
	}
	if id, err := readUnlockID(cfg.DataDir); err != nil {
		return err
	} else if id.Key == "" {
		if err := makeUnlockID(ctx, cfg.DataDir, g.unlock, g.log); err != nil {
			return err
		}
	}
	if err := useLasting(ctx, g.registry, g.unlock); err != nil {
		return err
	}
	return g.openReceiptKey(ctx)
}

// takeLock makes sure that one process at a time works on a data directory. The kernel lets go of it however we die.
func takeLock(cfg *config.Config) (*os.File, error) {
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("gateway: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(cfg.DataDir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("gateway: %w", err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		file.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, ErrRunning
		}
		return nil, fmt.Errorf("gateway: lock %s: %w", file.Name(), err)
	}
	return file, nil
}

// Close closes the databases and lets go of the data directory. Doors must have ended before.
func (g *Gateway) Close() error {
	return errors.Join(g.closeDatabases(), g.lock.Close())
}

// closeDatabases closes what is open and forgets the unlock key.
func (g *Gateway) closeDatabases() error {
	var faults []error
	g.entering.close()
	g.notes.close()
	for _, index := range g.indexes {
		faults = append(faults, index.Close())
	}
	if g.registry != nil {
		g.keepRows()
		faults = append(faults, g.registry.Close())
	}
	g.unlock.Forget()
	if g.receiptKey != nil {
		g.receiptKey.Forget()
	}
	return errors.Join(faults...)
}

// Run opens the doors and serves until ctx ends: first the doors stop accepting and let running uploads end within
// their bound, then the control socket closes. ready is called once with the address that the SFTP door listens on.
func (g *Gateway) Run(ctx context.Context, ready func(addr string)) error {
	if err := g.begin(ctx); err != nil {
		return err
	}
	cfg := g.cfg.Load()
	door, err := transport.NewSFTP(cfg, g, g.log)
	if err != nil {
		return err
	}
	if err := door.Listen(ctx); err != nil {
		return err
	}
	g.door.Store(door)
	g.tellDoubts(cfg)
	g.tellFreed() // the configuration may be newer than the process: it is read once more when the unlock key comes
	control, err := listenControl(ctx, cfg)
	if err != nil {
		return err
	}
	addr := door.Addr().String()
	g.listening.Store(&addr)
	group, inside := errgroup.WithContext(ctx)
	doorsEnded := make(chan struct{})
	group.Go(func() error {
		defer close(doorsEnded)
		return door.Run(inside)
	})
	poller := transport.NewPoller(cfg, g, g.log)
	g.poller.Store(poller)
	group.Go(func() error { return poller.Run(inside) })
	group.Go(func() error { return g.serveControl(ctx, control, doorsEnded) })
	group.Go(func() error { return g.follow(inside, func() { ready(addr) }) })
	group.Go(func() error { return g.prepareSeals(inside) })
	group.Go(func() error { return g.watchExpected(inside) })
	group.Go(func() error { return g.watchCertificates(inside) })
	group.Go(func() error { return g.watchSessions(inside, doorsEnded) })
	group.Go(func() error { return g.watchLost(inside) })
	group.Go(func() error { return g.watchDisk(inside) })
	group.Go(func() error {
		<-inside.Done()
		g.closing.Store(true)
		return nil
	})
	if err := group.Wait(); err != nil {
		return err
	}
	g.takeForMeant(context.WithoutCancel(ctx))
	return nil
}

// again does something after each pause, until ctx is done.
func again(ctx context.Context, pause time.Duration, do func()) error {
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			do()
		}
	}
}

// tellDoubts writes a line for each thing that keeps nothing from starting and should be looked at all the same, such as
// a certificate that has expired.
func (g *Gateway) tellDoubts(cfg *config.Config) {
	for _, w := range cfg.Warnings {
		g.log.Warn("config doubtful", logged("warn", w)...)
	}
	for _, c := range cfg.Accounts {
		if a := g.account(c.ID); a == nil {
			continue
		} else if doubt, do := Unconverted(a.Account, a.index.Protected()); doubt != "" {
			g.log.Warn("config doubtful", "account", a.ID, "warn", doubt, "hint", do)
		}
	}
}

// prepareSeals lets each account's seal make envelopes ahead of need. A new configuration has new seals.
func (g *Gateway) prepareSeals(ctx context.Context) error {
	for {
		round, cancel := context.WithCancel(ctx)
		var group errgroup.Group
		for _, a := range *g.accounts.Load() {
			if a.seal != nil {
				group.Go(func() error { return a.seal.Run(round) })
			}
		}
		select {
		case <-ctx.Done():
		case <-g.reloaded:
		}
		cancel()
		if err := group.Wait(); err != nil || ctx.Err() != nil {
			return err
		}
	}
}

// renewSeals has that begin again, with the seals of the accounts as they are now.
func (g *Gateway) renewSeals() {
	select {
	case g.reloaded <- struct{}{}:
	default: // nobody prepares seals: the gateway is not running
	}
}

// newID gives the next ULID: ordered by time, unique, its random part from the system's source.
func (g *Gateway) newID() string {
	g.ids.Lock()
	defer g.ids.Unlock()
	return ulid.MustNew(ulid.Timestamp(g.now()), g.ids.entropy).String()
}

// account gives an account by its id, nil if the configuration does not know it.
func (g *Gateway) account(id string) *account { return (*g.accounts.Load())[id] }

// Account gives an account's present configuration to a door.
func (g *Gateway) Account(id string) *config.Account {
	if a := g.account(id); a != nil {
		return a.Account
	}
	return nil
}

var _ transport.House = (*Gateway)(nil)
