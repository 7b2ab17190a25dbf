package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sealgate/sealgate/gateway"
)

func (t *tool) sendCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "send ACCOUNT FILE...",
		Short:   "Put files into a customer's outbox: to be fetched over SFTP, and delivered to its remotes that have send:.",
		Example: examples("sealgate send acme statement.xml", "sealgate send acme 2026-11-*.xml"),
		Args: func(c *cobra.Command, args []string) error {
			if len(args) < 2 {
				return usage(c.CommandPath()+" -h", "%s needs ACCOUNT and FILE", c.CommandPath())
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return t.send(c.Context(), args[0], args[1:]) },
	}
	c.ValidArgsFunction = func(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return t.accountIDs(c, args, typed)
		}
		return nil, cobra.ShellCompDirectiveDefault
	}
	return t.withJSON(t.withDesk(c))
}

func (t *tool) send(ctx context.Context, account string, files []string) error {
	for _, file := range files { // before the first of them goes
		if err := canBeSent(file); err != nil {
			return usage("", "%s; nothing was sent", cause(err))
		}
	}
	client, _, err := t.deskToAdd(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	for _, file := range files {
		line, err := sendFile(ctx, client, account, file)
		if err != nil {
			return err
		}
		if t.json {
			if err := t.sayJSON(line); err != nil {
				return err
			}
			continue
		}
		to := "to be fetched from /outbox"
		if len(line.Remotes) > 0 {
			to += " or delivered to " + strings.Join(line.Remotes, ", ")
		}
		t.say("%s  %s: %s, %s\n", short(line.ID), clean(line.Name), size(line.Size), to)
	}
	return nil
}

// canBeSent says whether a file is there, and is one.
func canBeSent(file string) error {
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return &os.PathError{Op: "read", Path: file, Err: syscall.EISDIR}
	case !info.Mode().IsRegular(): // to look into a pipe would be to take from it
		return nil
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	return f.Close()
}

func sendFile(ctx context.Context, client *gateway.Client, account, file string) (gateway.OutboxLine, error) {
	f, err := os.Open(file)
	if err != nil {
		return gateway.OutboxLine{}, no("", "%s", cause(err))
	}
	defer f.Close()
	return client.Send(ctx, account, filepath.Base(file), f)
}
