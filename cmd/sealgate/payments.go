package main

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/indexer"
)

// paymentFlags are the filters of `payments` as they were typed.
type paymentFlags struct {
	query                gateway.PaymentsQuery
	exactly, least, most string
	when                 span
	show                 rows
	verdict              string
}

func (t *tool) paymentsCommand() *cobra.Command {
	var p paymentFlags
	c := &cobra.Command{
		Use:   "payments",
		Short: "List the payments inside the files that were taken.",
		Example: examples("sealgate payments --amount 4711.50 --since 30d", "sealgate payments --iban SE4550000000058398257466",
			"sealgate payments --file 7K4M2X0V --json"),
		Args: arguments(),
		RunE: func(c *cobra.Command, _ []string) error {
			if shown, err := t.content(c, p.query.Filter.Format, p.query.Filter.Finding); shown || err != nil {
				return err
			}
			if err := p.read(t); err != nil {
				return err
			}
			return t.listPayments(c.Context(), &p)
		},
	}
	f := c.Flags()
	f.StringVar(&p.query.Account, "account", "", "only of account `ID`")
	f.StringVar(&p.query.File, "file", "", "only of the file `ID`")
	f.StringVar(&p.exactly, "amount", "", "exactly this amount, like `4711.50`")
	f.StringVar(&p.least, "min", "", "at least this `AMOUNT`")
	f.StringVar(&p.most, "max", "", "at most this `AMOUNT`")
	f.StringVar(&p.query.Filter.Currency, "currency", "", "only in currency `CUR`")
	f.StringVar(&p.query.Filter.EndToEndID, "end-to-end-id", "", "only with end-to-end id `ID`")
	f.StringVar(&p.query.Filter.Account, "iban", "", "only to or from this `ACCOUNT`: IBAN, bankgiro or other")
	f.StringVar(&p.query.Filter.Name, "name", "", "only with `TEXT` in the payer's or payee's name")
	f.StringVar(&p.query.Filter.Reference, "reference", "", "only with this remittance or OCR reference, whole: `TEXT`")
	f.StringVar(&p.query.Filter.MessageID, "message-id", "", "only of files with message id `ID`")
	t.contentFlags(c, "of files ", &p.query.Filter.Format, &p.query.Filter.Finding)
	f.StringVar(&p.verdict, "verdict", "", "only of files with verdict `V`: accepted or held")
	f.StringVar(&p.query.Filter.From, "from", "", "to be executed on `DATE` or later")
	f.StringVar(&p.query.Filter.To, "to", "", "to be executed on `DATE` or earlier")
	p.when.flags(c, "received")
	p.show.flags(c)
	_ = c.RegisterFlagCompletionFunc("account", t.accountIDs)
	_ = c.RegisterFlagCompletionFunc("file", t.fileIDs(""))
	return t.withJSON(t.withTimes(t.withDesk(c)))
}

// read checks the filters and makes the question of them.
func (p *paymentFlags) read(t *tool) (err error) {
	filter := &p.query.Filter
	if p.exactly != "" && (p.least != "" || p.most != "") {
		return usage("", "--amount excludes --min and --max")
	}
	if filter.Min, err = amount("min", p.least); err != nil {
		return err
	}
	if filter.Max, err = amount("max", p.most); err != nil {
		return err
	}
	if p.exactly != "" {
		if filter.Min, err = amount("amount", p.exactly); err != nil {
			return err
		}
		filter.Max = filter.Min
	}
	if err := oneOf("verdict", p.verdict, "accepted", "held"); err != nil {
		return err
	}
	filter.Verdict = indexer.Verdict(p.verdict)
	if err := date("from", filter.From); err != nil {
		return err
	}
	if err := date("to", filter.To); err != nil {
		return err
	}
	filter.Currency = strings.ToUpper(filter.Currency)
	filter.Since, filter.Until, err = p.when.times(t.now().In(t.zone))
	return err
}

func (t *tool) listPayments(ctx context.Context, p *paymentFlags) error {
	var err error
	if p.query.Filter.Limit, err = p.show.begin(t.json); err != nil {
		return err
	}
	client, _, err := t.desk(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	table := t.newTable(column{head: "FILE"}, column{head: "NO", right: true}, column{head: "EXECUTION"},
		column{head: "AMOUNT", right: true}, column{head: "PAYER ACCOUNT"}, column{head: "PAYEE", name: true},
		column{head: "PAYEE ACCOUNT"}, column{head: "END-TO-END ID"}, column{head: "REMITTANCE"})
	for line, err := range answered(t, client.Payments(ctx, p.query)) {
		if err != nil {
			return err
		}
		switch {
		case !p.show.next():
		case t.json:
			if err := t.sayJSON(line); err != nil {
				return err
			}
		default:
			table.add(text(short(line.FileID), strconv.FormatInt(line.Index, 10), line.ExecutionDate,
				strings.TrimSpace(line.Amount+" "+line.Currency), line.PayerAccount, line.PayeeName, line.PayeeAccount,
				line.EndToEndID, line.Remittance)...)
		}
	}
	table.flush()
	p.show.end(t, "payments")
	return nil
}
