package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/sealgate/sealgate/config"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/indexer"
)

func (t *tool) serveCommand() *cobra.Command {
	var stdin bool
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the gateway until SIGTERM or Ctrl-C.",
		Example: examples("sealgate serve", "sealgate serve -c /etc/sealgate/sealgate.yaml",
			"age -d unlock.key.age | sealgate serve --unlock-key-stdin"),
		Args: arguments(),
		RunE: func(c *cobra.Command, _ []string) error {
			if stdin {
				t.unlockFile = "-"
			}
			return t.serve(c.Context())
		},
	}
	t.withConfig(c)
	c.Flags().StringVar(&t.unlockFile, "unlock-key-file", "", "unlock key `F`; - is stdin (default: as configured)")
	c.Flags().BoolVar(&stdin, "unlock-key-stdin", false, "read the unlock key from stdin, like --unlock-key-file -")
	return c
}

// serve runs the daemon until ctx ends. Uploads under way may then end within the bound of the configuration.
func (t *tool) serve(ctx context.Context) error {
	if err := keepSecrets(); err != nil {
		return err
	}
	cfg, err := gateway.LoadConfig(t.config(), t.unlockFile != "")
	if err != nil {
		return t.configTrouble(err, "; nothing was started")
	}
	if err := overwriteFreed(cfg); err != nil {
		return err
	}
	var level slog.LevelVar
	log := t.newLog(cfg.Log, &level)
	if client, err := gateway.Connect(ctx, cfg, stopped, log); err == nil {
		client.Close()
		return no("sealgate status", "%s", gateway.ErrRunning)
	}
	if os.Geteuid() == 0 { // anybody else can write there by its owner's leave only, as in a container's volume
		if err := sameOwner(cfg.DataDir); err != nil {
			return err
		}
	}
	// By default they kill, also in the midst of opening or closing databases. What finds no room is lost, and a load may take long.
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGUSR2)
	defer signal.Ignore(syscall.SIGHUP, syscall.SIGUSR2)
	held, err := steadyHeap()
	if err != nil {
		return err
	}
	defer runtime.KeepAlive(held)
	g, err := t.openGateway(ctx, cfg, log)
	if err != nil {
		return err
	}
	err = t.runGateway(ctx, g, signals, log, &level, func(addr string) {
		log.Info("ready", "version", versionText(), "config", cfg.File, "accounts", len(cfg.Accounts), "door", "sftp", "listen", addr)
		notify("READY=1\nSTATUS=running")
	})
	if closed := g.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	log.Info("stopped")
	return nil
}

// overwriteFreed has the collector overwrite what it frees, where an account is protected: a file that came while it was locked would
// else stay in the memory of this process, in pieces that nobody uses, until by chance something else lies there. Nor does the
// scheduler interrupt a goroutine where it stands, which would leave its registers, and what they hold of a key, on a stack; nor are stacks
// moved to a smaller place, which would leave a key in the old one, at the price of a quarter more memory for each session. Go's runtime reads
// these settings once, when a program starts: so this one starts anew, as the same process, before it has opened anything.
func overwriteFreed(cfg *config.Config) error {
	const name, settings = "GODEBUG", gateway.FreedMemory
	before := os.Getenv(name)
	if strings.Contains(before, settings) || !holdsProtected(cfg) {
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := os.Setenv(name, strings.Trim(before+","+settings, ",")); err != nil {
		return err
	}
	return os.NewSyscallError("execve", syscall.Exec(self, os.Args, os.Environ()))
}

// holdsProtected says whether an account is protected, or is to be: the configuration may say so too early, or too late.
func holdsProtected(cfg *config.Config) bool {
	dir := filepath.Join(cfg.DataDir, "accounts")
	folders, _ := os.ReadDir(dir) // if that fails, the gateway does not open them either, and says why
	return slices.ContainsFunc(cfg.Accounts, (*config.Account).Protected) ||
		slices.ContainsFunc(folders, func(f os.DirEntry) bool { return indexer.Protected(filepath.Join(dir, f.Name())) })
}

// openGateway opens the databases with the unlock key, or waits for the one who brings it.
func (t *tool) openGateway(ctx context.Context, cfg *config.Config, log *slog.Logger) (*gateway.Gateway, error) {
	if cfg.UnlockKeyFile == config.UnlockLater && t.unlockFile == "" {
		return patiently(ctx, func() (*gateway.Gateway, error) {
			return gateway.AwaitUnlock(ctx, cfg, log, func() {
				log.Warn("locked: no door is open before the unlock key is brought", "version", versionText(), "config", cfg.File, "hint", "sealgate unlock")
				notify("READY=1\nSTATUS=locked: sealgate unlock")
			})
		})
	}
	unlock, err := t.unlockKey(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer unlock.Forget()
	return patiently(ctx, func() (*gateway.Gateway, error) { return gateway.Open(ctx, cfg, unlock, log) })
}

// runGateway runs the doors, and beside them what follows signals. Those that came before wait until it is ready: a door that is just being
// opened would not hear of a configuration.
func (t *tool) runGateway(ctx context.Context, g *gateway.Gateway, signals <-chan os.Signal, log *slog.Logger, level *slog.LevelVar, ready func(string)) error {
	ended, end := context.WithCancel(ctx)
	var following sync.WaitGroup
	following.Go(func() {
		<-ended.Done()
		if ctx.Err() != nil { // and not a door that failed
			log.Info("stopping")
			notify("STOPPING=1")
		}
	})
	err := g.Run(ctx, func(addr string) {
		ready(addr)
		following.Go(func() { followSignals(ended, signals, g, level, log) })
	})
	end()
	following.Wait()
	return err
}

// followSignals obeys SIGHUP, which loads the configuration anew, and SIGUSR2, which turns debug lines on and off.
func followSignals(ctx context.Context, signals <-chan os.Signal, g *gateway.Gateway, level *slog.LevelVar, log *slog.Logger) {
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-signals:
			if s == syscall.SIGHUP {
				_ = g.Reload(ctx) // it logs what is wrong, and the old configuration stays
				continue
			}
			next := slog.LevelDebug
			if level.Level() == slog.LevelDebug {
				next = slog.LevelInfo
			}
			level.Set(next)
			log.Info("log level", "level", next)
		}
	}
}

// keepSecrets is keepMemory, and keeps what is written from everybody else.
func keepSecrets() error {
	unix.Umask(0o077)
	return keepMemory()
}

// keepMemory keeps what is in memory, keys among it, out of core dumps and from other processes of the same user.
func keepMemory() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("turn core dumps off: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("turn core dumps off: %w", err)
	}
	return nil
}

// notify tells systemd (sd_notify(3)), if it started us. It is a courtesy: a fault of it stops nothing.
func notify(state string) {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = conn.Write([]byte(state))
}
