package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/sealgate/sealgate/config"
	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/vault"
)

// A gateway that starts locked: its unlock key is brought by `sealgate unlock` over the control socket. Until then no database
// is open and no door listens.

// locked is the desk of such a gateway.
type locked struct {
	cfg     *config.Config
	log     *slog.Logger
	lock    *os.File
	started time.Time

	opening sync.Mutex    // one key at a time is tried
	gateway *Gateway      // once the right one has come
	opened  chan struct{} // closed then
}

var errLocked = &No{Text: "the gateway is locked: no door is open, no database can be read", Hint: "sealgate unlock"}

// unlocking brings the unlock key's text.
type unlocking struct{ Key []byte }

// AwaitUnlock holds data_dir until somebody brings the unlock key that opens it, and opens it. A wrong key is answered no, and the
// waiting goes on. listening is called when the control socket can be asked.
func AwaitUnlock(ctx context.Context, cfg *config.Config, log *slog.Logger, listening func()) (*Gateway, error) {
	lock, err := takeLock(cfg)
	if err != nil {
		return nil, err
	}
	socket, err := listenControl(ctx, cfg)
	if err != nil {
		lock.Close()
		return nil, err
	}
	l := &locked{cfg: cfg, log: log, lock: lock, started: time.Now(), opened: make(chan struct{})}
	within, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-l.opened:
		case <-within.Done():
		}
	}()
	listening()
	err = serveDesk(ctx, socket, onlyData(cfg.DataDir, l.desk(ctx)), ended, func() {})
	l.opening.Lock() // a key that is being tried comes to its end
	defer l.opening.Unlock()
	switch {
	case l.gateway == nil:
		lock.Close()
		return nil, errors.Join(err, ctx.Err())
	case err != nil || ctx.Err() != nil:
		return nil, errors.Join(err, ctx.Err(), l.gateway.Close())
	}
	return l.gateway, nil
}

// desk answers what there is to say: that it is locked, and whether a key is the right one.
func (l *locked) desk(ctx context.Context) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /status", one(func(context.Context, string, struct{}) (Status, error) { return l.status() }))
	mux.Handle("POST /unlock", one(func(_ context.Context, who string, u unlocking) (string, error) { return l.unlock(ctx, who, u.Key) }))
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		json.NewEncoder(w).Encode(ending[struct{}](errLocked)) // a caller who has gone reads nothing
	})
	return mux
}

func (l *locked) status() (Status, error) {
	free, err := freeBytes(l.cfg.DataDir)
	s := Status{Locked: true, StartedAt: utc(l.started), DiskFree: free, DiskFloor: l.cfg.DiskFloor, Accounts: []AccountStatus{},
		Problems: []string{errLocked.Text + "; " + errLocked.Hint}}
	if refused := fileProblem(l.cfg); refused != "" {
		s.Problems = append(s.Problems, refused)
	}
	return s, err
}

// unlock tries a key. Its answer is the key's name.
func (l *locked) unlock(ctx context.Context, who string, text []byte) (string, error) {
	defer clear(text)
	l.opening.Lock()
	defer l.opening.Unlock()
	if l.gateway != nil {
		return "", errUnlockedAlready
	}
	key, err := vault.ParseUnlockKey(text)
	if err != nil {
		return "", &No{Text: strings.TrimPrefix(err.Error(), "vault: ")}
	}
	defer key.Forget()
	cfg, err := l.config()
	if err != nil {
		return "", err
	}
	g, err := openLocked(ctx, cfg, key, l.log, l.lock, false)
	if errors.Is(err, indexer.ErrKey) {
		l.log.Warn("a wrong unlock key was brought", "user", who)
		return "", &No{Text: err.Error(), Hint: "bring the key that it wants: sealgate unlock --unlock-key-file F"}
	}
	if err != nil {
		l.log.Error("the databases do not open", "user", who, "err", err)
		return "", err
	}
	l.log.Info("unlocked", "user", who, "key", key.ID())
	l.gateway = g
	close(l.opened)
	return key.ID(), nil
}

// config loads the configuration anew: nobody has told it of a change while it waited.
func (l *locked) config() (*config.Config, error) {
	cfg, err := LoadConfig(l.cfg.File, l.cfg.KeyElsewhere)
	if err == nil && cfg.DataDir != l.cfg.DataDir {
		err = errors.New("data_dir cannot change while the gateway runs; stop it first")
	}
	if err != nil {
		tellRefused(l.log, err)
		return nil, &No{Text: "the gateway stays locked: " + err.Error(), Hint: "sealgate check"}
	}
	return cfg, nil
}

var errUnlockedAlready = &No{Text: "the gateway is not locked", Hint: "an account's database is unlocked with: sealgate unlock ACCOUNT --key KEY.pem"}

// Unlock brings a locked gateway its unlock key, as text, and gives the key's name.
func (c *Client) Unlock(ctx context.Context, key []byte) (string, error) {
	return first(ask[string](ctx, c, "/unlock", unlocking{Key: key}))
}
