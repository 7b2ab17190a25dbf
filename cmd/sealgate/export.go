package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/sealgate/sealgate/gateway"
)

func (t *tool) exportCommand() *cobra.Command {
	var out string
	var force bool
	c := &cobra.Command{
		Use:   "export ID -o FILE.p7m",
		Short: "Write a file's sealed copy as it is: CMS, which stock OpenSSL opens with the account's keys.",
		Example: examples("sealgate export 7K4M2X0V -o salaries.p7m",
			"openssl cms -decrypt -inform DER -binary -in salaries.p7m -inkey acme.key -out salaries.xml",
			"sealgate open salaries.p7m --key acme.key -o salaries.xml"),
		Args: arguments("ID"),
		RunE: func(c *cobra.Command, args []string) error {
			return t.export(c.Context(), args[0], outFile(out), force)
		},
	}
	c.Flags().StringVarP(&out, "out", "o", "", "write to `FILE.p7m`; - is stdout (default: stdout)")
	c.Flags().BoolVar(&force, "force", false, "overwrite FILE.p7m")
	c.ValidArgsFunction = t.fileIDs("")
	return t.withDesk(c)
}

func (t *tool) export(ctx context.Context, id, out string, force bool) error {
	if out == "" && t.screen {
		return usage("-o FILE.p7m, or a pipe", "a sealed copy is not for a terminal")
	}
	if err := mayWrite(out, force); err != nil {
		return err
	}
	client, _, err := t.desk(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	line, sealed, err := client.Copy(ctx, gateway.CopyQuery{ID: id, For: "to export"})
	if err != nil {
		return err
	}
	defer sealed.Close()
	var n int64
	write := func(w io.Writer) (err error) { n, err = io.Copy(w, sealed); return err }
	if out == "" {
		return write(t.out)
	}
	if err := toFile(out, force, write); err != nil {
		return err
	}
	t.say("%s: %d bytes, the sealed copy of %s\n", clean(out), n, line.ID)
	return nil
}
