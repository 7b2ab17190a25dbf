package main

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealgate/sealgate/config"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/indexer/formats"
)

// agoForm keeps days and weeks within the years that a question can carry.
var agoForm = regexp.MustCompile(`^(?:([0-9]{1,6})([smh])|([0-9]{1,5})([dw]))$`)

// moment reads the times of --since and --until: 2h, 30d, today, yesterday, 2026-11-21, 2026-11-21T10:00, or a whole
// RFC 3339. A day means its beginning or, for --until, its end.
func moment(flag, s string, now time.Time, end bool) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	day := func(d time.Time) time.Time {
		if end && d.AddDate(0, 0, 1).Year() < 10000 { // no later one can be asked for: JSON has four digits
			d = d.AddDate(0, 0, 1)
		}
		return time.Date(d.Year(), d.Month(), d.Day(), 0, 0, 0, 0, now.Location())
	}
	if ago := agoForm.FindStringSubmatch(s); ago != nil {
		n, _ := strconv.Atoi(ago[1] + ago[3])
		switch ago[4] {
		case "d":
			return now.AddDate(0, 0, -n), nil
		case "w":
			return now.AddDate(0, 0, -7*n), nil
		}
		return now.Add(-time.Duration(n) * map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour}[ago[2]]), nil
	}
	switch s {
	case "now":
		return now, nil
	case "today":
		return day(now), nil
	case "yesterday":
		return day(now.AddDate(0, 0, -1)), nil
	}
	if at, err := time.ParseInLocation(time.DateOnly, s, now.Location()); err == nil {
		return day(at), nil
	}
	for _, form := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04"} {
		if at, err := time.ParseInLocation(form, s, now.Location()); err == nil {
			return at, nil
		}
	}
	return time.Time{}, usage("write 2h, 30d, today, yesterday, 2026-11-21 or 2026-11-21T10:00", "--%s: %q is not a time", flag, clean(s))
}

// span is --since and --until of the lists.
type span struct{ since, until string }

func (s *span) flags(c *cobra.Command, what string) {
	c.Flags().StringVar(&s.since, "since", "", what+" since `WHEN`: 2h, 30d, today, yesterday, 2026-11-21, 2026-11-21T10:00")
	c.Flags().StringVar(&s.until, "until", "", what+" until `WHEN`; a day counts whole")
}

func (s *span) times(now time.Time) (since, until time.Time, err error) {
	if since, err = moment("since", s.since, now, false); err == nil {
		until, err = moment("until", s.until, now, true)
	}
	return since, until, err
}

// rows bounds what a list shows: people are not helped by 14,000 lines, programs (--json) take them all.
type rows struct {
	limit int
	all   bool
	shown int
	found int
}

const (
	rowsShown   = 200
	rowsCounted = 100_000 // beyond it, counting on would only keep people waiting
)

func (r *rows) flags(c *cobra.Command) {
	c.Flags().IntVar(&r.limit, "limit", 0, "show at most `N` rows; 0, the default, is 200 in a table and all with --json")
	c.Flags().BoolVar(&r.all, "all", false, "show all")
}

// begin checks the flags and gives the limit to ask the desk for, 0 for none.
func (r *rows) begin(asJSON bool) (int, error) {
	switch {
	case r.limit < 0:
		return 0, usage("", "--limit: %d is not a number of rows", r.limit)
	case r.limit > 0 && r.all:
		return 0, usage("", "--limit and --all exclude each other")
	case r.limit > 0:
		return r.limit, nil
	case r.all || asJSON:
		r.all = true
		return 0, nil
	}
	return rowsCounted + 1, nil
}

// next counts one row and says whether it is to be shown.
func (r *rows) next() bool {
	r.found++
	if r.all || r.limit > 0 || r.found <= rowsShown {
		r.shown++
		return true
	}
	return false
}

// end tells on stderr what was not shown.
func (r *rows) end(t *tool, what string) {
	switch {
	case r.found == 0:
		t.talk("no %s match", what)
	case r.found > rowsCounted && r.shown < r.found:
		t.talk("%d of more than %d; --all or --since", r.shown, rowsCounted)
	case r.shown < r.found:
		t.talk("%d of %d; --all or --since", r.shown, r.found)
	}
}

// amount reads an amount flag, exactly.
func amount(flag, s string) (*formats.Amount, error) {
	if s == "" {
		return nil, nil
	}
	a, err := formats.ParseAmount([]byte(s))
	if err != nil {
		return nil, usage("write it as it stands in the file, like 4711.50", "--%s: %q is not an amount", flag, clean(s))
	}
	return &a, nil
}

// date reads a date flag: payments' dates have no zone.
func date(flag, s string) error {
	if _, err := time.Parse(time.DateOnly, s); s != "" && err != nil {
		return usage("write 2026-11-21", "--%s: %q is not a date", flag, clean(s))
	}
	return nil
}

var shaForm = regexp.MustCompile(`^[0-9a-fA-F]{0,64}$`)

// seen checks the flags by which a file was seen to come: its hash, whole or its beginning, and its door.
func seen(sha256, door string) error {
	if !shaForm.MatchString(sha256) {
		return usage("sha256sum < FILE", "--sha256: %q is not a sha-256 in hex, or its beginning", clean(sha256))
	}
	if door != "" && door != "sftp" && !strings.HasPrefix(door, "remote:") {
		return usage("", "--door: %q is not sftp or remote:NAME", clean(door))
	}
	return nil
}

// oneOf checks a flag that takes one of a few words.
func oneOf(flag, value string, words ...string) error {
	if value == "" {
		return nil
	}
	for _, w := range words {
		if value == w {
			return nil
		}
	}
	return usage("", "--%s: %q is not %s or %s", flag, clean(value), strings.Join(words[:len(words)-1], ", "), words[len(words)-1])
}

// listWord is what flags take instead of a word of a long list, to show it.
const listWord = "list"

// listed checks a flag that takes a word of a list too long for a sentence. It is all that was asked for if it has shown that list.
func (t *tool) listed(c *cobra.Command, flag, value string, known []string) (shown bool, err error) {
	switch {
	case value == "" || slices.Contains(known, value):
		return false, nil
	case value == listWord:
		for _, word := range slices.Sorted(slices.Values(known)) {
			t.say("%s\n", word)
		}
		return true, nil
	}
	hint := fmt.Sprintf("all there are: %s --%s %s", c.CommandPath(), flag, listWord)
	near := config.Nearest(value, known)
	for _, word := range known {
		if strings.HasPrefix(value, word+".") { // pain.001.001.09
			near = word
		}
	}
	if near != "" {
		hint = "did you mean " + near + "? " + hint
	}
	return false, usage(hint, "--%s: there is no %s %q", flag, flag, clean(value))
}

// content checks the flags by which a file's content is told: its format, and a finding.
func (t *tool) content(c *cobra.Command, format, finding string) (shown bool, err error) {
	if shown, err = t.listed(c, "format", format, formats.Names()); shown || err != nil {
		return shown, err
	}
	return t.listed(c, "finding", finding, formats.FindingCodes())
}

// contentFlags adds them, the finding's only where there is something to say it to; of is whose they are: "", or "of files ".
func (t *tool) contentFlags(c *cobra.Command, of string, format, finding *string) {
	complete := func(flag string, known []string) {
		_ = c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(known, cobra.ShellCompDirectiveNoFileComp))
	}
	c.Flags().StringVar(format, "format", "", "only "+of+"of format `F`, like pain.001; list shows them all")
	complete("format", formats.Names())
	if finding != nil {
		c.Flags().StringVar(finding, "finding", "", "only "+of+"with finding `CODE`, like iban-check-digits; list shows them all")
		complete("finding", formats.FindingCodes())
	}
}

// accountIDs completes an account's id.
func (t *tool) accountIDs(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	cfg, err := config.Load(t.config(), config.Examine{})
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var ids []string
	for _, a := range cfg.Accounts {
		ids = append(ids, a.ID)
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}

// fileIDs completes a file's id with the newest ones, if a gateway runs.
func (t *tool) fileIDs(verdict string) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		cfg, err := config.Load(t.config(), config.Examine{})
		if err != nil || len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		client, err := gateway.Connect(c.Context(), cfg, stopped, t.newLog("", levelSilent))
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer client.Close()
		return t.recentIDs(c.Context(), client, verdict), cobra.ShellCompDirectiveNoFileComp
	}
}

func (t *tool) recentIDs(ctx context.Context, client *gateway.Client, verdict string) []string {
	var ids []string
	for f, err := range answered(t, client.Files(ctx, filesQuery("", verdict, 30))) {
		if err != nil {
			return nil
		}
		ids = append(ids, short(f.ID)+"\t"+t.minute(f.ReceivedAt)+" "+clean(f.Name))
	}
	return ids
}
