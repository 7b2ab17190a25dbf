package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealgate/sealgate/config"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/transport"
	"github.com/sealgate/sealgate/vault"
)

func (t *tool) initCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "init DIR",
		Short:   "Make a gateway that runs as it is, with an account, its keys, a login and a file to send.",
		Example: examples("sealgate init demo", "sealgate init /srv/sealgate", "mkdir gw && cd gw && sealgate init ."),
		Args:    arguments("DIR, a new or empty directory"),
		RunE:    func(c *cobra.Command, args []string) error { return t.initGateway(c.Context(), args[0]) },
	}
}

// making is a gateway that is being made: what undo would have to remove.
type making struct {
	dir  string
	made []string
}

// initGateway makes a gateway in dir. Whatever goes wrong, nothing of what it made stays behind.
func (t *tool) initGateway(ctx context.Context, dir string) (err error) {
	m := &making{dir: dir}
	if err := m.begin(); err != nil {
		return err
	}
	defer func() {
		if err == nil {
			return
		}
		if left := m.undo(); left != nil {
			err = fmt.Errorf("%w; and not all of it could be removed: %w", err, left)
		} else if ctx.Err() != nil {
			err = errors.New("interrupted; what it had made is removed")
		}
	}()
	fingerprint, err := m.files(ctx, t.now())
	if err != nil {
		return err
	}
	password, err := m.login(ctx)
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	t.made(dir, fingerprint, password)
	return t.out.Flush() // before it is too late to undo: the password is shown only here
}

// begin takes an empty directory, or makes one.
func (m *making) begin() error {
	err := os.Mkdir(m.dir, 0o700)
	if err == nil {
		m.made = append(m.made, m.dir)
		return nil
	}
	if !errors.Is(err, os.ErrExist) {
		return no("", "%s; nothing was made", cause(err))
	}
	dir, err := os.Open(m.dir)
	if err != nil {
		return no("", "%s; nothing was made", cause(err))
	}
	defer dir.Close()
	names, err := dir.Readdirnames(1)
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return no("give a new or empty directory", "%s; nothing was made", cause(err))
	}
	return no("give a new or empty directory", "%s is not empty, it holds %s; nothing was made", m.dir, names[0])
}

// files makes everything but the databases, and gives the host key's fingerprint.
func (m *making) files(ctx context.Context, now time.Time) (fingerprint string, err error) {
	hostKey, fingerprint, err := transport.NewHostKey()
	if err != nil {
		return "", err
	}
	cert, key, err := vault.NewCertificate("acme", "rsa-3072", now, validFor(now))
	if err != nil {
		return "", err
	}
	access, accessCert, err := vault.NewAccessKey("acme demo", now)
	if err != nil {
		return "", err
	}
	keys := filepath.Join(m.dir, "keys")
	if err := os.Mkdir(keys, 0o700); err != nil {
		return "", err
	}
	m.made = append(m.made, keys)
	for _, f := range []struct {
		name string
		mode os.FileMode
		data []byte
	}{
		{"sealgate.yaml", 0o600, config.Template(config.TemplateValues{Name: "Acme AB"})},
		{"host_ed25519", 0o600, hostKey},
		{"unlock.key", 0o600, vault.NewUnlockKey()},
		{"acme.crt", 0o644, cert},
		{"acme.access.crt", 0o644, accessCert},
		{"keys/acme.key", 0o600, key},
		{"keys/acme.access", 0o600, access},
		{"sample.xml", 0o644, sample(now)},
	} {
		path := filepath.Join(m.dir, f.name)
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		if err := writeNew(path, f.data, f.mode); err != nil {
			return "", err
		}
		m.made = append(m.made, path)
	}
	return fingerprint, nil
}

// login opens the new gateway once, to make its databases and the login demo.
func (m *making) login(ctx context.Context) (password string, err error) {
	cfg, err := gateway.LoadConfig(filepath.Join(m.dir, "sealgate.yaml"), false)
	if err != nil {
		return "", err
	}
	unlock, err := vault.ReadUnlockKey(cfg.UnlockKeyFile)
	if err != nil {
		return "", err
	}
	m.made = append(m.made, cfg.DataDir)
	g, err := gateway.Open(ctx, cfg, unlock, slog.New(slog.DiscardHandler))
	if err != nil {
		return "", err
	}
	client := g.Client(ctx)
	user, err := client.AddUser(ctx, gateway.NewUser{Account: "acme", Login: "demo"})
	if closed := client.Close(); err == nil {
		err = closed
	}
	return user.NewPassword, err
}

// undo removes what was made, the newest first.
func (m *making) undo() error {
	var faults []error
	for _, path := range slices.Backward(m.made) {
		if path == m.dir {
			faults = append(faults, os.Remove(path)) // never what somebody else put there meanwhile
			continue
		}
		faults = append(faults, os.RemoveAll(path))
	}
	return errors.Join(faults...)
}

// made tells what there is now, and what to type next.
func (t *tool) made(dir, fingerprint, password string) {
	folder := strings.TrimSuffix(filepath.Clean(dir), "/") + "/"
	t.say("Made a gateway in %s:\n", clean(folder))
	for _, line := range [][2]string{
		{"sealgate.yaml", "the one file to edit"},
		{"host_ed25519", "host key, " + fingerprint},
		{"unlock.key", "opens the index; here only for the demo, later from outside"},
		{"acme.crt", "seals the files of account acme"},
		{"acme.access.crt", "public half of acme's access key"},
		{"keys/acme.key", `opens them, together with  \  the gateway needs neither:`},
		{"keys/acme.access", `the access key             /  take them elsewhere`},
		{"sample.xml", "a payment file to send: " + samplePromise},
	} {
		t.say("  %-20s %s\n", line[0], line[1])
	}
	t.say("Login of acme:  demo    password:  %s    (shown only now)\n", password)
	check := "sealgate check"
	if filepath.Clean(dir) != "." {
		check = "cd " + quoted(dir) + " && " + check
	}
	t.say("Next:\n")
	for _, line := range [][2]string{
		{check, "is everything right?"},
		{"sealgate serve", "leave it running"},
		{"sftp -P 2022 demo@127.0.0.1", "in another terminal: put sample.xml inbox/"},
		{"sealgate files", "see it"},
	} {
		t.say("  %-40s %s\n", line[0], line[1])
	}
}

// quoted is a path as a shell takes it.
func quoted(path string) string {
	if strings.ContainsFunc(path, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+,:@", r))
	}) {
		return "'" + strings.ReplaceAll(clean(path), "'", `'\''`) + "'"
	}
	return path
}

// validFor is how long a new certificate is valid: a year, to the day.
func validFor(now time.Time) time.Duration { return now.AddDate(1, 0, 0).Sub(now) }

// writeNew writes a file that must not be there yet, durably.
func writeNew(path string, data []byte, mode os.FileMode) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err == nil {
		err = file.Sync()
	}
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err != nil {
		os.Remove(path)
	}
	return err
}
