package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/sealgate/sealgate/config"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/vault"
)

// errStopped is the answer of commands that only a running gateway can serve.
var errStopped = errors.New("no gateway runs on this data_dir")

// stopped stands in for the unlock key where only a running gateway is to be asked.
func stopped() (*vault.UnlockKey, error) { return nil, errStopped }

// desk reaches the desk: the running daemon's, or, with none running, one opened here on the same files.
func (t *tool) desk(ctx context.Context) (*gateway.Client, *config.Config, error) {
	return t.deskBy(ctx, gateway.Connect)
}

// deskToAdd is desk for what may be the first thing of a new data_dir or account.
func (t *tool) deskToAdd(ctx context.Context) (*gateway.Client, *config.Config, error) {
	return t.deskBy(ctx, gateway.ConnectToAdd)
}

type connect func(context.Context, *config.Config, func() (*vault.UnlockKey, error), *slog.Logger) (*gateway.Client, error)

func (t *tool) deskBy(ctx context.Context, connect connect) (*gateway.Client, *config.Config, error) {
	cfg, err := t.load()
	if err != nil {
		return t.running(ctx, err)
	}
	unlock := func() (*vault.UnlockKey, error) {
		if err := sameOwner(cfg.DataDir); err != nil {
			return nil, err
		}
		return t.unlockKey(ctx, cfg)
	}
	client, err := patiently(ctx, func() (*gateway.Client, error) {
		return connect(ctx, cfg, unlock, t.newLog(cfg.Log, slog.LevelWarn))
	})
	if errors.Is(err, fs.ErrPermission) && strings.HasPrefix(err.Error(), "control socket ") {
		err = no("ask as the gateway's own user, or as root; with RuntimeDirectory=sealgate in its unit, its group may ask too", "%s", err)
	}
	return client, cfg, err
}

// running reaches a gateway that runs on, with the configuration that it has, while its file has mistakes by now. If none
// runs, the mistakes are the answer: with such a file nothing is opened here.
func (t *tool) running(ctx context.Context, err error) (*gateway.Client, *config.Config, error) {
	var mistakes *config.Mistakes
	if !errors.As(err, &mistakes) || mistakes.DataDir == "" {
		return nil, nil, t.configTrouble(err, "")
	}
	cfg := &config.Config{File: t.config(), DataDir: mistakes.DataDir}
	client, fault := gateway.Connect(ctx, cfg, stopped, t.newLog(cfg.Log, levelSilent))
	if fault != nil {
		return nil, nil, t.configTrouble(err, "")
	}
	if !t.answersAll {
		t.talk("sealgate: warning: %s; the running gateway keeps the configuration that it has\nsealgate: hint: sealgate check", mistakes.Summary())
	}
	return client, cfg, nil
}

// patiently tries again for a moment while somebody else holds the data directory: another command that is about to
// end, or a daemon that is about to listen.
func patiently[T any](ctx context.Context, try func() (T, error)) (T, error) {
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for tries := 0; ; tries++ {
		got, err := try()
		if !errors.Is(err, gateway.ErrRunning) || tries == 30 {
			return got, err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return got, err
		}
	}
}

// sameOwner keeps another user than the gateway's own, root above all, from leaving files in data_dir that the gateway
// could not open afterwards.
func sameOwner(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return nil // it will be made, or its absence told better by whoever needs it
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(st.Uid) == os.Geteuid() {
		return nil
	}
	owner := strconv.Itoa(int(st.Uid))
	if u, err := user.LookupId(owner); err == nil {
		owner = u.Username
	}
	return no("start the gateway and ask again, or: sudo -u "+owner+" sealgate ...",
		"no gateway runs, and %s belongs to %s", near(dir), owner)
}

// answered gives what was answered, and keeps for the end of the command (run) which accounts are not in it.
func answered[T any](t *tool, list iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for item, err := range list {
			if errors.As(err, &t.left) && t.left.Partly {
				return
			}
			t.left = nil
			if !yield(item, err) {
				return
			}
		}
	}
}

// unlockKey reads the unlock key: from --unlock-key-file, or as configured.
func (t *tool) unlockKey(ctx context.Context, cfg *config.Config) (*vault.UnlockKey, error) {
	if err := keepMemory(); err != nil {
		return nil, err
	}
	if t.unlockFile == "-" {
		text, err := t.readSecret(ctx, "-")
		if err != nil {
			return nil, err
		}
		defer clear(text)
		return vault.ParseUnlockKey(text)
	}
	if t.unlockFile == "" && cfg.UnlockKeyFile == config.UnlockLater {
		return nil, no("start it and unlock it: sealgate serve; or give the key here: --unlock-key-file F, - for stdin", "no gateway runs, and nobody has brought the unlock key")
	}
	path := cfg.UnlockKeyFile
	if t.unlockFile != "" {
		path = t.unlockFile
	}
	key, err := vault.ReadUnlockKey(path)
	if err == nil {
		return key, nil
	}
	hint := "give it with --unlock-key-file F, or - for stdin"
	switch unread := errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission); {
	case unread && t.unlockFile != "":
		return nil, usage("", "--unlock-key-file %s", cause(err))
	case unread:
		return nil, no(hint, "the unlock key cannot be read: %s", cause(err))
	}
	return nil, no(hint, "%s", strings.TrimPrefix(err.Error(), "vault: "))
}

// cause is an error of the system without the call: "unlock.key: permission denied".
func cause(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return fmt.Sprintf("%s: %v", path.Path, path.Err)
	}
	return err.Error()
}
