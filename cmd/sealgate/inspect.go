package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/indexer/formats"
)

func (t *tool) inspectCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "inspect FILE...",
		Short: "Look into payment files without a gateway: format, payments, totals, what is wrong. Exit 1 if one would not be accepted, 2 if one cannot be read.",
		Example: examples("sealgate inspect salaries.xml", "sealgate inspect --json *.xml | jq -r 'select(.reasons) | .file'",
			"sealgate open 7K4M2X0V --key acme.key --access-key-file acme.access | sealgate inspect -"),
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage(c.CommandPath()+" -h", "%s needs FILE; - is stdin", c.CommandPath())
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return t.inspect(c.Context(), args) },
	}
	return t.withJSON(c)
}

// inspection is what `inspect --json` says of a file, a line each: the names of `files --json` and `show --json`.
type inspection struct {
	File         string            `json:"file"`
	Error        string            `json:"error,omitempty"` // it could not be read; nothing else is said then
	Size         int64             `json:"size"`
	SHA256       string            `json:"sha256,omitempty"`
	Format       string            `json:"format,omitempty"`
	Version      string            `json:"version,omitempty"`
	MessageID    string            `json:"message_id,omitempty"`
	CreatedAt    string            `json:"created_at,omitempty"`
	Initiator    string            `json:"initiator,omitempty"`
	Answers      string            `json:"answers,omitempty"`
	Encoding     string            `json:"encoding,omitempty"`
	Packed       string            `json:"packed,omitempty"` // gzip or zip
	Payments     int64             `json:"payments"`
	Batches      int64             `json:"batches,omitempty"`
	Totals       map[string]string `json:"totals,omitempty"`
	Debits       map[string]string `json:"debits,omitempty"`
	Declared     string            `json:"declared,omitempty"`
	First        string            `json:"first_execution,omitempty"`
	Last         string            `json:"last_execution,omitempty"`
	Payers       []formats.Party   `json:"payers,omitempty"`
	Accepted     bool              `json:"accepted"` // by itself; an account may have policies of its own, and duplicates
	Reasons      []indexer.Reason  `json:"reasons,omitempty"`
	Findings     int64             `json:"findings"`
	FindingsKept []formats.Finding `json:"findings_kept,omitempty"`
}

func (t *tool) inspect(ctx context.Context, names []string) error {
	table := t.newTable(column{head: "FILE", name: true}, column{head: "FORMAT"}, column{head: "PAYMENTS", right: true},
		column{head: "TOTAL", right: true}, column{head: "FINDINGS", right: true}, column{head: "RESULT"})
	var all []inspection
	fine, read := true, true
	for _, name := range names {
		i, err := t.inspectFile(ctx, name)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			i, read = inspection{File: name, Error: unread(name, err)}, false
		}
		fine = fine && i.Accepted
		if t.json {
			if err := t.sayJSON(i); err != nil {
				return err
			}
			continue
		}
		all = append(all, i)
		table.add(i.row()...)
	}
	if !t.json {
		table.flush()
		for _, i := range all {
			t.explain(i)
		}
	}
	switch {
	case !read:
		return usage("", "not every file could be read")
	case !fine:
		return errTold
	}
	return nil
}

// unread says why a file cannot be read, without its name, which stands before it.
func unread(name string, err error) string { return strings.TrimPrefix(cause(err), name+": ") }

// inspectFile reads a file as the gateway would while it arrives.
func (t *tool) inspectFile(ctx context.Context, name string) (inspection, error) {
	in := io.Reader(t.in)
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return inspection{}, err
		}
		defer f.Close()
		in = f
	}
	inspector, sum, size := formats.New(nil, time.Now), sha256.New(), int64(0)
	buf := make([]byte, 256<<10)
	for ctx.Err() == nil {
		n, err := in.Read(buf)
		inspector.Write(buf[:n])
		sum.Write(buf[:n])
		size += int64(n)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return inspection{}, err
		}
	}
	f, problems := inspector.Close()
	line := gateway.LineOf(&indexer.File{Facts: f})
	i := inspection{
		File: name, Size: size, SHA256: hex.EncodeToString(sum.Sum(nil)), Format: f.Format, Version: f.Version, MessageID: f.MessageID,
		CreatedAt: f.CreatedAt, Initiator: f.Initiator, Answers: f.Answers, Encoding: f.Encoding, Packed: f.Packed, Payments: f.Payments, Batches: f.Batches,
		Totals: line.Totals, Debits: line.Debits, Declared: f.Declared, First: f.FirstExecution, Last: f.LastExecution,
		Payers: f.Payers, Accepted: len(problems) == 0, Findings: f.FindingsAll, FindingsKept: f.Findings,
	}
	for _, p := range problems {
		i.Reasons = append(i.Reasons, indexer.Reason{Code: string(p.Reason), Detail: p.Detail})
	}
	return i, nil
}

func (i *inspection) row() []cell {
	result, colour := "ok", verdictColour("accepted")
	if !i.Accepted {
		var codes []string
		for _, r := range i.Reasons {
			codes = append(codes, r.Code)
		}
		result, colour = strings.Join(codes, ", "), verdictColour("rejected")
	}
	if i.Error != "" {
		return text(i.File, "", "", "", "", "not read")
	}
	row := text(i.File, i.Format, strconv.FormatInt(i.Payments, 10), totals(gateway.FileLine{Totals: i.Totals, Debits: i.Debits}),
		strconv.FormatInt(i.Findings, 10), result)
	row[5].colour = colour
	return row
}

// explain says what the table has no room for: why a file would not be taken, and its findings.
func (t *tool) explain(i inspection) {
	if i.Error != "" {
		t.say("%s: %s\n", clean(i.File), clean(i.Error))
	}
	for _, r := range i.Reasons {
		t.say("%s: %s: %s\n", clean(i.File), r.Code, clean(r.Detail))
	}
	for n, f := range i.FindingsKept {
		if n == findingsShown {
			t.say("%s: and %s more, see --json\n", clean(i.File), count(int(i.Findings)-n, "finding"))
			break
		}
		t.say("%s: %s %s: %s (%s)\n", clean(i.File), f.Severity, f.Code, clean(f.Sentence), clean(f.Where))
	}
}
