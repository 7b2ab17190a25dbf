package main

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealgate/sealgate/config"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/indexer"
)

func (t *tool) filesCommand() *cobra.Command {
	var q gateway.FilesQuery
	var verdict string
	var when span
	var show rows
	c := &cobra.Command{
		Use:   "files",
		Short: "List the files that came in, newest first.",
		Example: examples("sealgate files --account acme --since today", "sealgate files --verdict held",
			"sealgate files --sha256 $(sha256sum < salaries.xml | cut -c1-64)"),
		Args: arguments(),
		RunE: func(c *cobra.Command, _ []string) error {
			if shown, err := t.content(c, q.Filter.Format, q.Filter.Finding); shown || err != nil {
				return err
			}
			if err := oneOf("verdict", verdict, "accepted", "held", "rejected"); err != nil {
				return err
			}
			if err := oneOf("reason", q.Filter.Reason, config.Reasons()...); err != nil {
				return err
			}
			if err := seen(q.Filter.SHA256, q.Filter.Door); err != nil {
				return err
			}
			q.Filter.Verdict = indexer.Verdict(verdict)
			var err error
			if q.Filter.Since, q.Filter.Until, err = when.times(t.now().In(t.zone)); err != nil {
				return err
			}
			return t.listFiles(c.Context(), q, &show)
		},
	}
	f := c.Flags()
	f.StringVar(&q.Account, "account", "", "only of account `ID`")
	when.flags(c, "received")
	f.StringVar(&verdict, "verdict", "", "only `V`: accepted, held or rejected")
	t.contentFlags(c, "", &q.Filter.Format, &q.Filter.Finding)
	f.StringVar(&q.Filter.Reason, "reason", "", "only with reason `CODE`, like duplicate-content")
	f.StringVar(&q.Filter.SHA256, "sha256", "", "only with this sha-256, whole or its beginning, `HEX`")
	f.StringVar(&q.Filter.Name, "name", "", "only with `TEXT` in the name, or a pattern with * and ?")
	f.StringVar(&q.Filter.Door, "door", "", "only by door `D`: sftp, or remote:NAME")
	f.StringVar(&q.Filter.MessageID, "message-id", "", "only with message id `ID`")
	f.StringVar(&q.Filter.Answers, "answers", "", "only those about the message `ID`, like its pain.002")
	show.flags(c)
	_ = c.RegisterFlagCompletionFunc("account", t.accountIDs)
	return t.withJSON(t.withTimes(t.withDesk(c)))
}

// filesQuery is a question for the newest files.
func filesQuery(account, verdict string, limit int) gateway.FilesQuery {
	return gateway.FilesQuery{Account: account, Filter: indexer.FileFilter{Verdict: indexer.Verdict(verdict), Limit: limit}}
}

func (t *tool) listFiles(ctx context.Context, q gateway.FilesQuery, show *rows) error {
	var err error
	if q.Filter.Limit, err = show.begin(t.json); err != nil {
		return err
	}
	q.Filter.SHA256 = strings.ToLower(q.Filter.SHA256)
	client, _, err := t.desk(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	table := t.newTable(column{head: "ID"}, column{head: "RECEIVED (%Z)"}, column{head: "ACCOUNT"}, column{head: "NAME", name: true},
		column{head: "FORMAT"}, column{head: "PAYMENTS", right: true}, column{head: "TOTAL", right: true},
		column{head: "VERDICT"}, column{head: "FATE"})
	for f, err := range answered(t, client.Files(ctx, q)) {
		if err != nil {
			return err
		}
		switch {
		case !show.next():
		case t.json:
			if err := t.sayJSON(f); err != nil {
				return err
			}
		default:
			row := text(short(f.ID), t.minute(f.ReceivedAt), f.Account, f.Name, f.Format, strconv.FormatInt(f.Payments, 10),
				totals(f), string(f.Verdict), string(f.Fate))
			row[7].colour = verdictColour(row[7].text)
			table.add(row...)
		}
	}
	table.flush()
	show.end(t, "files")
	return nil
}

// totals are a file's sums, exactly as they are: 1250.50 SEK, drawn 30.00 SEK.
func totals(f gateway.FileLine) string {
	var sums []string
	for _, currency := range slices.Sorted(maps.Keys(f.Totals)) {
		sums = append(sums, strings.TrimSpace(f.Totals[currency]+" "+currency))
	}
	for _, currency := range slices.Sorted(maps.Keys(f.Debits)) {
		sums = append(sums, strings.TrimSpace("drawn "+f.Debits[currency]+" "+currency))
	}
	return strings.Join(sums, ", ")
}
