package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v4"
	"golang.org/x/sys/unix"

	"github.com/sealgate/sealgate/config"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/transport"
	"github.com/sealgate/sealgate/vault"
)

func (t *tool) checkCommand() *cobra.Command {
	var strict, quiet, remotes bool
	c := &cobra.Command{
		Use:   "check",
		Short: "Check the configuration, certificates and keys included; all mistakes at once, each with its line.",
		Example: examples("sealgate check", "sealgate check -c /etc/sealgate/sealgate.yaml", "sealgate check --strict --quiet",
			"sealgate check --remotes"),
		Args: arguments(),
		RunE: func(c *cobra.Command, _ []string) error { return t.check(c.Context(), strict, quiet, remotes) },
	}
	c.Flags().BoolVar(&strict, "strict", false, "exit 1 if there are warnings")
	c.Flags().BoolVar(&quiet, "quiet", false, "say only what is wrong or doubtful")
	c.Flags().BoolVar(&remotes, "remotes", false, "log in to the customers' servers too and list them; changes nothing; exit 1 if one fails")
	return t.withConfig(c)
}

func (t *tool) check(ctx context.Context, strict, quiet, remotes bool) error {
	cfg, err := gateway.CheckConfig(t.config())
	if err != nil {
		return t.configTrouble(err, t.kept(ctx))
	}
	if !quiet {
		if err := t.tellConfig(ctx, cfg); err != nil {
			return err
		}
	}
	failed := 0
	if remotes {
		failed = t.checkRemotes(ctx, cfg, quiet)
	}
	for _, w := range cfg.Warnings {
		t.talk("%s", cleanLines(w.Warning()))
	}
	out, stops := t.outages(ctx, cfg)
	n := len(cfg.Warnings) + t.unconverted(cfg) + out
	switch {
	case stops != nil:
		return no("", "the gateway would not start: %s; the configuration itself is right", withoutRooms(stops.Error()))
	case failed > 0:
		return no("", "%s cannot be used now; the configuration itself is right", count(failed, "remote"))
	}
	if !quiet {
		t.say("ok")
		if n > 0 {
			t.say(", %s", count(n, "warning"))
		}
		t.say("\n")
	}
	if strict && n > 0 {
		return errTold
	}
	return nil
}

// unconverted tells which accounts' databases are not as the configuration wants them, as far as that can be seen from here.
func (t *tool) unconverted(cfg *config.Config) (n int) {
	for _, a := range cfg.Accounts {
		dir := filepath.Join(cfg.DataDir, "accounts", a.ID)
		if _, err := os.Stat(filepath.Join(dir, "index.db")); err != nil {
			continue // it will be made as it should be, or it is not ours to look at
		}
		if doubt, do := gateway.Unconverted(a, indexer.Protected(dir)); doubt != "" {
			n++
			t.talk("%s: warning: account %s: %s\n  hint: %s", clean(cfg.File), a.ID, doubt, do)
		}
	}
	return n
}

// outages tells which accounts are out of service, if that can be known from here: of a gateway that does not run, would be at its start. The
// error is what would keep it from starting.
func (t *tool) outages(ctx context.Context, cfg *config.Config) (n int, _ error) {
	client, err := quietly(ctx, cfg)
	var unasked *gateway.No
	switch {
	case errors.Is(err, errNoKey), errors.Is(err, gateway.ErrRunning), errors.Is(err, os.ErrPermission), errors.As(err, &unasked), ctx.Err() != nil:
		return 0, nil
	case err != nil:
		return 0, err
	}
	defer client.Close()
	s, err := client.Status(ctx)
	if err != nil {
		return 0, nil
	}
	for _, o := range s.OutOfService {
		t.talk("%s: warning: account %s: out of service, nothing is taken for it: %s\n  hint: %s", clean(cfg.File), o.Account, clean(o.Why), clean(o.Hint))
	}
	n = len(s.OutOfService)
	if n > 0 && n >= len(cfg.Accounts) && len(s.Accounts) == 0 && s.Listening == "" {
		return n, errors.New("no account can be served")
	}
	return n, nil
}

// tellConfig says what the configuration amounts to.
func (t *tool) tellConfig(ctx context.Context, cfg *config.Config) error {
	t.say("%s: ok\n", cfg.File)
	var keys []string
	for _, path := range cfg.SFTP.HostKeys {
		key, err := transport.HostKeyFingerprint(path)
		if err != nil {
			return err
		}
		kind, fingerprint, _ := strings.Cut(key, " ")
		keys = append(keys, "host key "+kind+" "+brief(fingerprint, len("SHA256:")+8))
	}
	t.say("  sftp     %s, %s\n", cfg.SFTP.Listen, strings.Join(keys, ", "))
	logins, waits := t.asked(ctx, cfg)
	for _, a := range cfg.Accounts {
		line, err := t.accountLine(a, logins)
		if err != nil {
			return err
		}
		t.say("  account  %s\n", line)
	}
	if cfg.TwoPersons() {
		operators, _, err := transport.ReadOperators(cfg.Operators)
		if err != nil {
			return err
		}
		t.say("  rule     two of %s sign guarded changes\n", clean(strings.Join(operators.Names(), ", ")))
	}
	if waits > 0 {
		t.say("  rule     %s for signatures, and what was approved is in force meanwhile: sealgate changes\n", waitsText(waits))
	}
	free, err := freeUnder(cfg.DataDir)
	if err != nil {
		return err
	}
	t.say("  disk     %s free under %s, uploads are refused below %s\n", size(free), here(cfg.DataDir), size(cfg.DiskFloor))
	return nil
}

func (t *tool) accountLine(a *config.Account, logins map[string]int) (string, error) {
	line := a.ID + ": delete after indexing"
	if a.Certificate != "" {
		cert, err := vault.ReadCertificate(a.Certificate)
		if err != nil {
			return "", err
		}
		to := near(a.Certificate) + " (" + cert.Kind() + ", until " + cert.NotAfter().In(t.zone).Format(time.DateOnly) + ")"
		if len(a.AccessKeys) > 0 {
			to += " and " + count(len(a.AccessKeys), "access key")
		}
		if a.RecoveryCertificate != "" {
			recovery, err := vault.ReadCertificate(a.RecoveryCertificate)
			if err != nil {
				return "", err
			}
			to += fmt.Sprintf("; the recovery certificate %s (%q, %s) opens them as well", near(a.RecoveryCertificate), recovery.Subject(), recovery.Kind())
		}
		if a.AfterIndexing == "seal" {
			line = a.ID + ": seal to " + to
		} else {
			line += ", held files are sealed to " + to
		}
	}
	if logins != nil {
		line += "; " + count(logins[a.ID], "login") + ", " + count(len(a.Remotes), "remote")
	}
	return line, nil
}

// errNoKey is that the unlock key is not to be had from here, or not by this user.
var errNoKey = errors.New("no unlock key")

// quietly reaches the gateway for what check would like to know. Of one that does not run it needs the unlock key; a data_dir that is not
// there yet is not made by it.
func quietly(ctx context.Context, cfg *config.Config) (*gateway.Client, error) {
	unlock := func() (*vault.UnlockKey, error) {
		if sameOwner(cfg.DataDir) != nil {
			return nil, errNoKey
		}
		key, err := vault.ReadUnlockKey(cfg.UnlockKeyFile)
		if err != nil {
			return nil, errNoKey
		}
		return key, nil
	}
	return gateway.Connect(ctx, cfg, unlock, slog.New(slog.DiscardHandler))
}

// asked asks the gateway what the file does not tell, if that can be known from here: how many logins each account has, and how many
// changes wait for signatures. Otherwise it gives nil.
func (t *tool) asked(ctx context.Context, cfg *config.Config) (logins map[string]int, waits int) {
	client, err := quietly(ctx, cfg)
	if err != nil {
		return nil, 0
	}
	defer client.Close()
	if c, err := client.Changes(ctx); err == nil {
		waits = len(c.Waiting)
	}
	users, err := client.Users(ctx, "")
	if err != nil {
		return nil, waits
	}
	logins = map[string]int{}
	for _, u := range users {
		logins[u.Account]++
	}
	return logins, waits
}

// kept says what a gateway that runs on the broken configuration's data_dir goes on with.
func (t *tool) kept(ctx context.Context) string {
	text, err := os.ReadFile(t.config())
	if err != nil {
		return ""
	}
	var where struct {
		DataDir string `yaml:"data_dir"`
	}
	if yaml.Unmarshal(text, &where) != nil || where.DataDir == "" {
		return ""
	}
	dir := where.DataDir
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(filepath.Dir(t.config()), dir)
	}
	client, err := gateway.Connect(ctx, &config.Config{DataDir: dir}, stopped, slog.New(slog.DiscardHandler))
	if err != nil {
		return ""
	}
	defer client.Close()
	s, err := client.Status(ctx)
	if at, ok := t.local(s.ConfigLoadedAt); ok && err == nil {
		return "; the running gateway keeps the configuration of " + at.Format("2006-01-02 15:04")
	}
	return ""
}

// freeUnder is what is free on the disk of a directory, or of the one in which it will be made.
func freeUnder(dir string) (int64, error) {
	for {
		var st unix.Statfs_t
		err := unix.Statfs(dir, &st)
		if err == nil {
			return int64(st.Bavail) * st.Bsize, nil
		}
		if !errors.Is(err, os.ErrNotExist) || dir == filepath.Dir(dir) {
			return 0, &os.PathError{Op: "statfs", Path: dir, Err: err}
		}
		dir = filepath.Dir(dir)
	}
}

// here is a directory as one would type it from here: ./data.
func here(dir string) string {
	if short := near(dir); !filepath.IsAbs(short) && short != "." {
		return "./" + short
	}
	return dir
}
