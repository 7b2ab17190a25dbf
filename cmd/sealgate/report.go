package main

import (
	"context"
	"encoding/csv"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/indexer"
)

func (t *tool) reportCommand() *cobra.Command {
	var by, verdict string
	var asCSV bool
	var when span
	var q gateway.ReportQuery
	c := &cobra.Command{
		Use:   "report",
		Short: "Sum up the files that were taken: how many, with how many payments, of how much.",
		Example: examples("sealgate report --by day,currency --since 30d", "sealgate report --by account,format --since 2026-11-01 --csv > november.csv",
			"sealgate report --account acme --json"),
		Args: arguments(),
		RunE: func(c *cobra.Command, _ []string) error {
			if shown, err := t.content(c, q.Filter.Format, ""); shown || err != nil {
				return err
			}
			if t.json && asCSV {
				return usage("", "--csv and --json exclude each other")
			}
			if err := oneOf("verdict", verdict, "accepted", "held", "rejected"); err != nil {
				return err
			}
			if err := reportBy(by, &q); err != nil {
				return err
			}
			q.Filter.Verdict, q.Zone = indexer.Verdict(verdict), t.zone.String()
			var err error
			if q.Filter.Since, q.Filter.Until, err = when.times(t.now().In(t.zone)); err != nil {
				return err
			}
			return t.report(c.Context(), q, asCSV)
		},
	}
	f := c.Flags()
	f.StringVar(&by, "by", "day,account", "a line for each of `WORDS`: day, account, format, currency (currencies always have their own)")
	f.StringVar(&q.Account, "account", "", "only of account `ID`")
	when.flags(c, "received")
	f.StringVar(&verdict, "verdict", "accepted", "only `V`: accepted, held or rejected")
	t.contentFlags(c, "", &q.Filter.Format, nil)
	f.BoolVar(&asCSV, "csv", false, "CSV with a header (RFC 4180), for spreadsheets")
	_ = c.RegisterFlagCompletionFunc("account", t.accountIDs)
	return t.withJSON(t.withTimes(t.withDesk(c)))
}

// reportBy reads --by.
func reportBy(by string, q *gateway.ReportQuery) error {
	for word := range strings.SplitSeq(by, ",") {
		switch strings.TrimSpace(word) {
		case "day":
			q.Day = true
		case "account":
			q.PerAccount = true
		case "format":
			q.Format = true
		case "currency":
		default:
			return usage("", "--by: %q is not day, account, format or currency", clean(word))
		}
	}
	return nil
}

func (t *tool) report(ctx context.Context, q gateway.ReportQuery, asCSV bool) error {
	client, _, err := t.desk(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	shown := []bool{q.Day, q.PerAccount, q.Format, true, true, true, true, true} // in the table; CSV has all columns always
	table := t.newTable(only(shown, column{head: "DAY"}, column{head: "ACCOUNT", name: true}, column{head: "FORMAT"},
		column{head: "CURRENCY"}, column{head: "FILES", right: true}, column{head: "PAYMENTS", right: true},
		column{head: "TOTAL", right: true}, column{head: "DRAWN", right: true})...)
	sheet := csv.NewWriter(t.out)
	if asCSV {
		_ = sheet.Write([]string{"day", "account", "format", "currency", "files", "payments", "total", "drawn"}) // told by Error below
	}
	lines := 0
	for line, err := range answered(t, client.Report(ctx, q)) {
		if err != nil {
			return err
		}
		lines++
		row := []string{line.Day, line.Account, line.Format, line.Currency, strconv.FormatInt(line.Files, 10),
			strconv.FormatInt(line.Payments, 10), line.Total, line.Drawn}
		switch {
		case t.json:
			err = t.sayJSON(line)
		case asCSV:
			err = sheet.Write(row)
		default:
			table.add(text(only(shown, row...)...)...)
		}
		if err != nil {
			return err
		}
	}
	table.flush()
	sheet.Flush()
	if lines == 0 {
		t.talk("no files match")
	}
	return sheet.Error()
}

// only gives the items that are wanted.
func only[T any](wanted []bool, items ...T) []T {
	var some []T
	for i, item := range items {
		if wanted[i] {
			some = append(some, item)
		}
	}
	return some
}
