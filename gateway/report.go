package gateway

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/indexer/formats"
)

// ReportQuery asks for sums over files. Day, Format and PerAccount say what has a line of its own; currencies always do,
// since no sum is of two. A day is one of Zone: where who asks is, which need not be where the gateway is.
type ReportQuery struct {
	Account                 string
	Filter                  indexer.FileFilter
	Day, PerAccount, Format bool
	Zone                    string // as time.LoadLocation takes it
}

// ReportLine is a line of `report --json`. Amounts are decimal strings; what is drawn (direct debits and the like, in
// formats that have both directions) is apart. A file with several currencies counts in each of their lines.
type ReportLine struct {
	Day      string `json:"day,omitempty"` // received on, YYYY-MM-DD
	Account  string `json:"account,omitempty"`
	Format   string `json:"format,omitempty"`
	Currency string `json:"currency,omitempty"` // absent: files and payments without an amount
	Files    int64  `json:"files"`
	Payments int64  `json:"payments"`
	Total    string `json:"total,omitempty"`
	Drawn    string `json:"drawn,omitempty"`
}

type reportKey struct{ day, account, format, currency string }

type reportSums struct {
	files, payments int64
	total, drawn    formats.Amount
}

// Report sums up files, in the order of day, account, format and currency.
func (g *Gateway) Report(ctx context.Context, q ReportQuery) iter.Seq2[ReportLine, error] {
	return func(yield func(ReportLine, error) bool) {
		zone, err := time.LoadLocation(q.Zone)
		if err != nil {
			yield(ReportLine{}, &No{Text: fmt.Sprintf("no time zone %q is known here", q.Zone), Hint: "--utc, or a TZ like Europe/Stockholm", Wrong: true})
			return
		}
		groups := map[reportKey]*reportSums{}
		accounts, err := g.asked(q.Account)
		accounts, locked := g.unlocked(ctx, q.Account, accounts)
		for i := 0; i < len(accounts) && err == nil; i++ {
			for f, fault := range accounts[i].index.Files(ctx, q.Filter) {
				if err = fault; err == nil {
					err = q.add(groups, f, zone)
				}
				if err != nil {
					break
				}
			}
		}
		if err != nil {
			yield(ReportLine{}, err)
			return
		}
		for _, key := range slices.SortedFunc(maps.Keys(groups), compareKeys) {
			if !yield(groups[key].line(key), nil) {
				return
			}
		}
		if locked != nil {
			yield(ReportLine{}, locked)
		}
	}
}

func compareKeys(a, b reportKey) int {
	return cmp.Or(cmp.Compare(a.day, b.day), cmp.Compare(a.account, b.account), cmp.Compare(a.format, b.format), cmp.Compare(a.currency, b.currency))
}

// add adds a file to the lines that it belongs to.
func (q *ReportQuery) add(groups map[reportKey]*reportSums, f *indexer.File, zone *time.Location) error {
	var key reportKey
	if q.Day {
		key.day = f.ReceivedAt.In(zone).Format(time.DateOnly)
	}
	if q.PerAccount {
		key.account = f.Account
	}
	if q.Format {
		key.format = f.Facts.Format
	}
	counted := map[string]bool{}
	sums := func(currency string) *reportSums {
		key.currency = currency
		s := groups[key]
		if s == nil {
			s = new(reportSums)
			groups[key] = s
		}
		if !counted[currency] {
			counted[currency] = true
			s.files++
		}
		return s
	}
	rest := f.Facts.Payments // without an amount
	for _, t := range f.Facts.Totals {
		s := sums(t.Currency)
		s.payments, rest = s.payments+t.Payments, rest-t.Payments
		if err := addTo(&s.total, t.Amount); err != nil {
			return err
		}
	}
	for _, t := range f.Facts.Debits {
		s := sums(t.Currency)
		s.payments, rest = s.payments+t.Payments, rest-t.Payments
		if err := addTo(&s.drawn, t.Amount); err != nil {
			return err
		}
	}
	if rest > 0 || len(counted) == 0 {
		sums("").payments += rest
	}
	return nil
}

func addTo(sum *formats.Amount, a formats.Amount) (err error) {
	*sum, err = sum.Add(a)
	return err
}

func (s *reportSums) line(key reportKey) ReportLine {
	line := ReportLine{Day: key.day, Account: key.account, Format: key.format, Currency: key.currency, Files: s.files, Payments: s.payments}
	if key.currency != "" {
		line.Total = s.total.String()
		if !s.drawn.IsZero() {
			line.Drawn = s.drawn.String()
		}
	}
	return line
}
