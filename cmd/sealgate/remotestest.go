package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealgate/sealgate/config"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/transport"
)

func (t *tool) remotesTestCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "test REMOTE",
		Short: "Connect to a server, show by what it can be known, log in and list; changes nothing. Exit 1 if something fails.",
		Example: examples("sealgate remotes test acme-ftps", "sealgate remotes test acme/ftps",
			"sealgate remotes test sftp://files.acme.example:22"),
		Args: arguments("REMOTE"),
		RunE: func(c *cobra.Command, args []string) error { return t.testRemote(c.Context(), args[0]) },
	}
	c.ValidArgsFunction = t.remoteNames
	return t.withConfig(c)
}

// testRemote works on its own, without the gateway. A URL instead of a name is only introduced: there is no login for it.
func (t *tool) testRemote(ctx context.Context, name string) error {
	r := &config.Remote{URL: name, Silence: 10 * time.Second}
	login := !strings.Contains(name, "://")
	if login {
		cfg, err := config.Load(t.config(), config.Examine{Untrusted: true})
		if err != nil {
			return t.configTrouble(err, "")
		}
		if _, r, err = gateway.FindRemote(cfg, name); err != nil {
			return err
		}
	} else if scheme, address, _ := r.Server(); scheme != config.SchemeSFTP && scheme != config.SchemeFTPS && scheme != config.SchemeFTPES || strings.HasPrefix(address, ":") {
		return usage("write sftp://HOST, ftps://HOST or ftpes://HOST", "%q is not the URL of a remote", clean(name))
	}
	shown, err := transport.Introduce(ctx, r)
	if err != nil {
		return no(stepHint(err), "%s", err)
	}
	t.introduce(shown)
	if !login {
		return nil
	}
	if len(r.Trust.HostKey) == 0 && r.Trust.CA == "" && r.Trust.Pin == "" {
		return no("compare it with what the customer says by another way, then write it under trust:", "%s: not trusted yet, so nobody logged in", name)
	}
	return t.listRemote(ctx, r)
}

// introduce shows by what a server can be known, ready to paste.
func (t *tool) introduce(shown *transport.Introduction) {
	if shown.HostKey != "" {
		t.say("host key   %s %s\n", shown.KeyType, shown.Fingerprint)
		t.say("  trust: {host_key: %q}\n", shown.Fingerprint)
		return
	}
	t.say("protocol   %s\n", shown.Version)
	for i, c := range shown.Certificates {
		word := "signed by"
		if i == 0 {
			word = "shows"
		}
		t.say("%-9s  %s, until %s\n", word, clean(c.Subject), c.Until.In(t.zone).Format(time.DateOnly))
		if i == 0 && len(c.Names) > 0 {
			t.say("  for      %s\n", clean(strings.Join(c.Names, ", ")))
		}
	}
	t.say("  trust: {pin: %q}\n", shown.Pin)
}

func (t *tool) listRemote(ctx context.Context, r *config.Remote) error {
	files, err := visit(ctx, r, t.newLog("", slog.LevelWarn), func() { t.say("login      ok: %s\n", clean(r.User)) })
	if files != nil {
		t.say("folder     ok: %s, %d to fetch by match: and ignore:\n", count(len(files), "file"), countWanted(r, files))
		t.showNames("fetch", files, func(f transport.RemoteFile) bool { return wanted(r, f) })
		t.showNames("leave", files, func(f transport.RemoteFile) bool { return !wanted(r, f) })
	}
	if err != nil {
		return no(stepHint(err), "%s: %s", r.Name, err)
	}
	if r.Send != nil {
		t.say("send to    ok: %s\n", clean(r.Send.Path))
	}
	return nil
}

// stepHint is what often is the matter at the step at which a remote failed.
func stepHint(err error) string {
	var remote *transport.RemoteError
	if !errors.As(err, &remote) {
		return ""
	}
	switch remote.Step {
	case "connect":
		return "a wrong address, a firewall, or a server that is down"
	case "tls", "hostkey":
		return "the server shows another key or certificate than trust: has; let the customer confirm it before you write it down"
	case "login":
		return "a password that has run out, or a key that was removed there; ask the customer"
	case "list":
		return "a folder that is not there, or is not ours to read; ask the customer"
	}
	return "what often is the matter: docs/remotes.md"
}

// mostNames is how many names of a sort are shown: enough to see whether match: and ignore: fit.
const mostNames = 10

// showNames shows the first names of a sort.
func (t *tool) showNames(word string, files []transport.RemoteFile, is func(transport.RemoteFile) bool) {
	n := 0
	for _, f := range files {
		if !is(f) {
			continue
		}
		if n++; n <= mostNames {
			t.say("  %-7s  %s\n", word, clean(f.Name))
		}
	}
	if n > mostNames {
		t.say("  %-7s  and %d more\n", word, n-mostNames)
	}
}

// visit logs in to a remote (then in is called), lists its files by name, and the folder of send: too, and changes nothing.
// files is nil if there is no list.
func visit(ctx context.Context, r *config.Remote, log *slog.Logger, in func()) (files []transport.RemoteFile, err error) {
	session, err := transport.DialRemote(ctx, r, log)
	if err != nil {
		return nil, err
	}
	defer session.Close()
	in()
	entries, err := session.List(ctx, "")
	if err != nil {
		return nil, err
	}
	files = []transport.RemoteFile{}
	for _, e := range entries {
		if !e.Folder && !e.Special {
			files = append(files, e)
		}
	}
	slices.SortFunc(files, func(a, b transport.RemoteFile) int { return strings.Compare(a.Name, b.Name) })
	if r.Send != nil {
		if _, err := session.List(ctx, r.Send.Path); err != nil && !errors.Is(err, transport.ErrGone) {
			return files, fmt.Errorf("the folder of send: %w", err)
		}
	}
	return files, nil
}

// wanted tells whether a file is one to fetch, by its name.
func wanted(r *config.Remote, f transport.RemoteFile) bool {
	return !f.Hostile && r.Fetch != nil && r.Fetch.Takes(f.Name)
}

func countWanted(r *config.Remote, files []transport.RemoteFile) (n int) {
	for _, f := range files {
		if wanted(r, f) {
			n++
		}
	}
	return n
}
