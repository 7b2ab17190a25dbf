package gateway

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealgate/sealgate/config"
	"github.com/sealgate/sealgate/transport"
	"github.com/sealgate/sealgate/vault"
)

// How a configuration is read, at the start and while the gateway runs.

// follow loads the configuration anew whenever its files change, and calls watching once it misses no change any more. A
// machine that lets us watch nothing (its inotify limits) is no reason not to serve: SIGHUP is left.
func (g *Gateway) follow(ctx context.Context, watching func()) error {
	told := sync.OnceFunc(func() {
		g.catchUp(ctx)
		watching()
	})
	err := transport.Watch(ctx, g.watched, told, func() { g.Reload(ctx) }) // Reload tells the operator itself
	if err != nil {
		g.log.Warn("changes of the configuration are not noticed; send SIGHUP after one", "err", err)
		told()
	}
	<-ctx.Done()
	return nil
}

// catchUp takes over what has changed since the start read the configuration: opening the databases may take long, and nobody watched.
func (g *Gateway) catchUp(ctx context.Context) {
	file := g.rule.Load().file
	if cfg, err := LoadConfig(file.File, file.KeyElsewhere); err != nil || !reflect.DeepEqual(cfg, file) {
		g.Reload(ctx)
	}
}

// watched are the files that the configuration was read from, those that were refused since, as far as their folders can be watched, and
// the globs of those that may come.
func (g *Gateway) watched() []string {
	cfg := g.cfg.Load()
	files := slices.Clone(cfg.Files)
	if refused := g.misread.Load(); refused != nil {
		for _, file := range *refused {
			target, err := filepath.EvalSymlinks(file)
			if err != nil {
				target = file
			}
			if watchable(file) && watchable(target) {
				files = append(files, file)
			}
		}
	}
	for _, glob := range cfg.Include {
		if !filepath.IsAbs(glob) {
			glob = filepath.Join(filepath.Dir(cfg.File), glob)
		}
		files = append(files, glob)
	}
	return files
}

// watchable says whether a file's folder may be watched, now or once it is there.
func watchable(file string) bool {
	err := unix.Access(filepath.Dir(file), unix.R_OK)
	return err == nil || err == unix.ENOENT
}

// Reload loads the configuration file, checks it whole and swaps it in. Live sessions go on; an upload under way ends by
// the rules under which it began.
func (g *Gateway) Reload(ctx context.Context) error {
	g.reloading.Lock()
	defer g.reloading.Unlock()
	old := g.cfg.Load()
	cfg, err := LoadConfig(old.File, old.KeyElsewhere)
	if err == nil && cfg.DataDir != old.DataDir {
		err = errors.New("data_dir cannot change while the gateway runs; stop it first")
	}
	var r *rule
	if err == nil {
		r, err = g.newRule(ctx, cfg)
	}
	var accounts map[string]*account
	if err == nil {
		accounts, err = g.openAccounts(ctx, r.config)
	}
	g.unloaded.Store(nil)
	if err != nil {
		var mistakes *config.Mistakes
		if errors.As(err, &mistakes) {
			g.misread.Store(&mistakes.Files)
		} else {
			g.unloaded.Store(new("configuration: not in force: " + err.Error() + "; see to it, then: systemctl reload sealgate, or SIGHUP"))
		}
		tellRefused(g.log, err)
		return err
	}
	g.misread.Store(nil)
	g.take(ctx, r, accounts)
	return nil
}

// begin makes durable what the start took over.
func (g *Gateway) begin(ctx context.Context) error {
	g.reloading.Lock()
	defer g.reloading.Unlock()
	return g.settle(ctx)
}

// take runs by another configuration, whose accounts are open, from now on. Nothing of it can fail: what gateway.db says is approved may
// have changed before. The caller holds reloading.
func (g *Gateway) take(ctx context.Context, r *rule, accounts map[string]*account) {
	cfg := r.config
	g.useAccounts(accounts)
	g.rule.Store(r)
	g.cfg.Store(cfg)
	g.sessions.wake() // of an account that has left
	g.loaded.Store(new(g.now()))
	g.tellConfiguration(ctx)
	if door := g.door.Load(); door != nil {
		door.Reload(cfg)
	}
	if poller := g.poller.Load(); poller != nil {
		poller.Reload(cfg)
	}
	g.renewSeals()
	g.tellDoubts(cfg)
	g.tellCertificates()
	g.tellUnchanged(g.began, cfg)
	g.tellFreed()
	g.log.Info("config loaded", "accounts", len(cfg.Accounts))
	g.trySettle(ctx)
}

// tellUnchanged says what differs from the start and waits for a restart: the port stays open, and live sessions with it.
func (g *Gateway) tellUnchanged(began, now *config.Config) {
	for _, key := range []struct {
		name string
		same bool
	}{
		{"unlock_key_file", now.UnlockKeyFile == began.UnlockKeyFile},
		{"log", now.Log == began.Log},
		{"sftp.listen", now.SFTP.Listen == began.SFTP.Listen},
		{"sftp.host_keys", slices.Equal(now.SFTP.HostKeys, began.SFTP.HostKeys)},
		{"sftp.algorithms", now.SFTP.Algorithms == began.SFTP.Algorithms},
		{"remotes_at_once", now.RemotesAtOnce == began.RemotesAtOnce},
	} {
		if !key.same {
			g.log.Warn("config doubtful", "warn", key.name+" has changed, which a restart takes over")
		}
	}
}

// tellRefused writes a line for each mistake of a configuration that is not taken over.
func tellRefused(log *slog.Logger, err error) {
	var mistakes *config.Mistakes
	if !errors.As(err, &mistakes) {
		log.Error("config refused", "err", err)
		return
	}
	for _, m := range mistakes.List {
		log.Error("config refused", logged("err", m)...)
	}
}

// logged is a mistake as values of a log line: what to do about it is a value of its own.
func logged(key string, m config.Mistake) []any {
	do := m.Hint
	m.Hint = ""
	if do == "" {
		return []any{key, m.String()}
	}
	return []any{key, m.String(), "hint", do}
}

// LoadConfig loads and checks a configuration file, certificates and keys included; keyElsewhere: the unlock key is given
// in another way. An expired certificate is a warning: it stops its own account's files, and must not stop everybody else's.
func LoadConfig(path string, keyElsewhere bool) (*config.Config, error) {
	return loadConfig(path, keyElsewhere, certificateLeft)
}

// fileProblem is what status says of a configuration file that would be refused by now; "" of one that would be taken. Whoever is asked
// goes on by what it has.
func fileProblem(cfg *config.Config) string {
	_, err := LoadConfig(cfg.File, cfg.KeyElsewhere)
	if err == nil {
		return ""
	}
	text := err.Error()
	var mistakes *config.Mistakes
	if errors.As(err, &mistakes) {
		text = mistakes.Summary()
	}
	return "configuration: " + text + ", and a restart would fail: sealgate check"
}

// CheckConfig is LoadConfig for an operator who wants to know what is wrong or will be: it warns of certificates that expire soon, too.
func CheckConfig(path string) (*config.Config, error) {
	return loadConfig(path, false, certificateAge)
}

// certificateLeft warns of an expired certificate only. Of one that soon will be, watchCertificates tells.
func certificateLeft(c *vault.Certificate, now time.Time) string {
	if !c.Expired(now) {
		return ""
	}
	return certificateAge(c, now)
}

func loadConfig(path string, keyElsewhere bool, age func(*vault.Certificate, time.Time) string) (*config.Config, error) {
	return config.Load(path, config.Examine{
		KeyElsewhere: keyElsewhere,
		Certificate: func(path string) (string, error) {
			c, err := vault.ReadCertificate(path)
			if err != nil {
				return "", outside(err)
			}
			return age(c, time.Now()), nil
		},
		Remote:    transport.CheckRemote,
		UnlockKey: func(path string) error { _, err := vault.ReadUnlockKey(path); return outside(err) },
		SealKey:   func(path string) error { _, err := readSealKey(path); return outside(err) },
		UserCA:    func(path string) error { _, err := transport.ReadAuthorities(path); return err },
		Operators: func(path string) (string, error) {
			o, _, err := transport.ReadOperators(path)
			return o.Doubt(time.Now()), err
		},
		HostKeys: transport.CheckHostKeys,
	})
}

// outside is an error without the name of the room that it comes from.
func outside(err error) error {
	if err == nil {
		return nil
	}
	return errors.New(strings.TrimPrefix(err.Error(), "vault: "))
}

// certificateAge warns of a certificate that has expired, or soon will; "" of another.
func certificateAge(c *vault.Certificate, now time.Time) string {
	switch {
	case c.Expired(now):
		return "expired on " + c.NotAfter().Format(time.DateOnly)
	case c.NotAfter().Sub(now) < 30*24*time.Hour:
		return "expires on " + c.NotAfter().Format(time.DateOnly)
	}
	return ""
}
