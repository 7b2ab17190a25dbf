package gateway

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealgate/sealgate/config"
	"github.com/sealgate/sealgate/transport"
)

func stockholm(t testing.TB, s string) time.Time {
	t.Helper()
	at, err := time.ParseInLocation("2006-01-02 15:04", s, config.Place("Europe/Stockholm"))
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// TestExpectedDays: which day a moment belongs to, when it began, and its cut-off; over holidays, clock changes, a leap day.
func TestExpectedDays(t *testing.T) {
	bank := config.Expect{By: "16:00", Since: "00:00", Days: "bank", Calendar: "SE", Zone: "Europe/Stockholm", Warn: 30 * time.Minute}
	target, weekdays, all, night := bank, bank, bank, bank
	target.Calendar, weekdays.Days, all.Days = "TARGET", "weekdays", "all"
	night.By, night.Since = "06:30", "18:00"
	skipped, twice, long, late := all, all, all, all
	skipped.By, twice.By, long.Warn, late.By, late.Since = "02:30", "02:30", 30*time.Hour, "16:00", "05:00"
	for _, c := range []struct {
		name      string
		rule      config.Expect
		now, want string // want: the present day's beginning, its cut-off, the cut-off of the day before
	}{
		{"a weekday", bank, "2026-11-18 12:00", "2026-11-18T00:00+01:00 2026-11-18T16:00+01:00 2026-11-17T16:00+01:00"},
		{"its last minute", bank, "2026-11-18 23:59", "2026-11-18T00:00+01:00 2026-11-18T16:00+01:00 2026-11-17T16:00+01:00"},
		{"Saturday is Monday's", bank, "2026-11-21 00:00", "2026-11-21T00:00+01:00 2026-11-23T16:00+01:00 2026-11-20T16:00+01:00"},
		{"Sunday, of all days", all, "2026-11-22 03:00", "2026-11-22T00:00+01:00 2026-11-22T16:00+01:00 2026-11-21T16:00+01:00"},
		{"Maundy Thursday", bank, "2026-04-02 20:00", "2026-04-02T00:00+02:00 2026-04-02T16:00+02:00 2026-04-01T16:00+02:00"},
		{"Good Friday", bank, "2026-04-03 12:00", "2026-04-03T00:00+02:00 2026-04-07T16:00+02:00 2026-04-02T16:00+02:00"},
		{"Easter Monday", bank, "2026-04-06 23:00", "2026-04-03T00:00+02:00 2026-04-07T16:00+02:00 2026-04-02T16:00+02:00"},
		{"Easter Monday, weekdays", weekdays, "2026-04-06 23:00", "2026-04-04T00:00+02:00 2026-04-06T16:00+02:00 2026-04-03T16:00+02:00"},
		{"Midsummer Eve", bank, "2026-06-19 08:00", "2026-06-19T00:00+02:00 2026-06-22T16:00+02:00 2026-06-18T16:00+02:00"},
		{"Midsummer Eve, TARGET", target, "2026-06-19 08:00", "2026-06-19T00:00+02:00 2026-06-19T16:00+02:00 2026-06-18T16:00+02:00"},
		{"Christmas", bank, "2026-12-27 08:00", "2026-12-24T00:00+01:00 2026-12-28T16:00+01:00 2026-12-23T16:00+01:00"},
		{"Christmas Eve, TARGET", target, "2026-12-24 08:00", "2026-12-24T00:00+01:00 2026-12-24T16:00+01:00 2026-12-23T16:00+01:00"},
		{"New Year", bank, "2027-01-02 08:00", "2026-12-31T00:00+01:00 2027-01-04T16:00+01:00 2026-12-30T16:00+01:00"},
		{"the longest rest: Christmas 2024", bank, "2024-12-24 00:00", "2024-12-24T00:00+01:00 2024-12-27T16:00+01:00 2024-12-23T16:00+01:00"},
		{"a night's file, at noon", night, "2026-11-18 12:00", "2026-11-17T18:00+01:00 2026-11-18T06:30+01:00 2026-11-17T06:30+01:00"},
		{"a night's file, in the evening", night, "2026-11-18 18:00", "2026-11-18T18:00+01:00 2026-11-19T06:30+01:00 2026-11-18T06:30+01:00"},
		{"a night's file, on Friday evening", night, "2026-11-20 22:00", "2026-11-20T18:00+01:00 2026-11-23T06:30+01:00 2026-11-20T06:30+01:00"},
		{"a day that begins at five", late, "2026-11-18 04:59", "2026-11-17T05:00+01:00 2026-11-17T16:00+01:00 2026-11-16T16:00+01:00"},
		{"before the clocks go forward", all, "2026-03-29 01:59", "2026-03-29T00:00+01:00 2026-03-29T16:00+02:00 2026-03-28T16:00+01:00"},
		{"a cut-off that is skipped", skipped, "2026-03-29 12:00", "2026-03-29T00:00+01:00 2026-03-29T03:00+02:00 2026-03-28T02:30+01:00"},
		{"a cut-off that comes twice", twice, "2026-10-25 12:00", "2026-10-25T00:00+02:00 2026-10-25T02:30+02:00 2026-10-24T02:30+02:00"},
		{"after the clocks went back", all, "2026-10-26 12:00", "2026-10-26T00:00+01:00 2026-10-26T16:00+01:00 2026-10-25T16:00+01:00"},
		{"a leap day", bank, "2028-02-29 12:00", "2028-02-29T00:00+01:00 2028-02-29T16:00+01:00 2028-02-28T16:00+01:00"},
		{"after a leap day", bank, "2028-03-01 12:00", "2028-03-01T00:00+01:00 2028-03-01T16:00+01:00 2028-02-29T16:00+01:00"},
		{"a warning before the day begins", long, "2026-11-18 12:00", "2026-11-18T00:00+01:00 2026-11-18T16:00+01:00 2026-11-17T16:00+01:00"},
	} {
		before, present := expectedDays(&c.rule, stockholm(t, c.now))
		const form = "2006-01-02T15:04Z07:00"
		if got := present.from.Format(form) + " " + present.by.Format(form) + " " + before.by.Format(form); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
		warn := present.by.Add(-c.rule.Warn)
		if warn.Before(present.from) {
			warn = present.from
		}
		if !present.warn.Equal(warn) || !before.from.Before(before.by) {
			t.Errorf("%s: warned at %s", c.name, present.warn)
		}
	}
}

// TestExpectedDaysAlways: whatever moment of eleven years belongs to one day, and days follow each other without a hole.
func TestExpectedDaysAlways(t *testing.T) {
	for _, rule := range []config.Expect{
		{By: "16:00", Since: "00:00", Days: "bank", Calendar: "SE", Zone: "Europe/Stockholm"},
		{By: "02:30", Since: "02:15", Days: "bank", Calendar: "TARGET", Zone: "Europe/Stockholm"},
		{By: "06:30", Since: "18:00", Days: "weekdays", Zone: "America/New_York"},
	} {
		var last expectDay
		for now := stockholm(t, "2020-01-01 00:00"); now.Year() < 2031; now = now.Add(11*time.Hour + 7*time.Minute) {
			before, present := expectedDays(&rule, now)
			switch {
			case present.from.After(now) || before.by.IsZero() || before.from.IsZero() || !before.by.Before(present.by) || present.by.Before(present.from):
				t.Fatalf("%s %s: %v after %v", rule.By, now, present, before)
			case !last.by.IsZero() && !present.by.Equal(last.by) && !before.by.Equal(last.by):
				t.Fatalf("%s %s: %v follows %v", rule.By, now, present, last)
			}
			last = present
		}
	}
}

// lateHouse is a house with a clock of its own and rules for its accounts.
type lateHouse struct {
	*house
	clock time.Time
	read  int // of the log
}

func newLateHouse(t testing.TB, begins string, rules ...string) *lateHouse {
	t.Helper()
	h := &lateHouse{house: newHouse(t), clock: stockholm(t, begins)}
	h.now = func() time.Time { return h.clock }
	if err := os.WriteFile(filepath.Join(h.dir, "password"), []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.rule(t, rules...)
	return h
}

// rule writes account:rule pairs into the configuration and loads it.
func (h *lateHouse) rule(t testing.TB, rules ...string) {
	t.Helper()
	path := filepath.Join(h.dir, "sealgate.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rules {
		id, rule, _ := strings.Cut(r, " ")
		line := regexp.MustCompile(`(?m)^  - \{id: ` + id + `, after_indexing: ([a-z]+)(.*?)(, (?:expect|remotes): .*)?\}$`)
		if rule != "" {
			rule = ", " + rule
		}
		text = line.ReplaceAll(text, []byte("  - {id: "+id+", after_indexing: $1$2"+rule+"}"))
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := h.Reload(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, h.log)
	}
	h.read = h.log.Len()
}

// restart closes the house and opens it again.
func (h *lateHouse) restart(t testing.TB) {
	t.Helper()
	h.reopen(t)
	h.now = func() time.Time { return h.clock }
}

// at moves the clock there, looks, and gives what the log says of expected files since.
func (h *lateHouse) at(t testing.TB, when string) string {
	t.Helper()
	h.clock = stockholm(t, when)
	if err := h.checkExpected(t.Context(), h.clock, false); err != nil {
		t.Fatal(err)
	}
	var said []string
	for line := range strings.Lines(h.log.String()[h.read:]) {
		if _, rest, _ := strings.Cut(strings.TrimSpace(line), " level="); strings.Contains(rest, `msg="file `) {
			said = append(said, regexp.MustCompile(`msg="file ([a-z]+)"`).ReplaceAllString(strings.Replace(rest, " account=acme", "", 1), "$1"))
		}
	}
	h.read = h.log.Len()
	return strings.Join(said, "\n")
}

func (h *lateHouse) say(t testing.TB, when, want string) {
	t.Helper()
	if got := h.at(t, when); got != want {
		t.Errorf("%s:\n got %s\nwant %s", when, got, want)
	}
}

func (h *lateHouse) came(t testing.TB, id string) {
	t.Helper()
	if _, err := h.push(t, "acme", id, pain001(t, id, 2)); err != nil {
		t.Fatal(err)
	}
}

func (h *lateHouse) problems(t testing.TB) string {
	t.Helper()
	s, err := h.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, p := range s.Problems {
		if !strings.Contains(p, "disk") && !strings.Contains(p, "certificate") {
			list = append(list, p)
		}
	}
	if (len(s.Late) > 0) != (len(list) > 0) {
		t.Errorf("%v, but %q", s.Late, list)
	}
	return strings.Join(list, "\n")
}

// TestFileExpected: one warning before the cut-off and one after it, cleared when the file comes, over days and restarts.
func TestFileExpected(t *testing.T) {
	h := newLateHouse(t, "2026-04-01 17:00", `acme expect: {by: "16:00"}`)
	h.say(t, "2026-04-01 17:00", "") // the rule was made after that day's cut-off
	h.came(t, "A")                   // and this one is Wednesday's

	h.say(t, "2026-04-02 15:29", "")
	if p := h.problems(t); p != "" {
		t.Errorf("nothing is late: %s", p)
	}
	h.say(t, "2026-04-02 15:30", `WARN expected by=2026-04-02T16:00+02:00 why="nothing was sent"`)
	h.say(t, "2026-04-02 15:31", "")
	if p := h.problems(t); p != "account acme: file expected by 2026-04-02 16:00 CEST: nothing was sent; sealgate files --account acme" {
		t.Error(p)
	}
	h.restart(t)
	h.say(t, "2026-04-02 15:59", "")
	h.say(t, "2026-04-02 16:00", `WARN missing by=2026-04-02T16:00+02:00 why="nothing was sent"`)
	h.restart(t)
	h.say(t, "2026-04-02 16:01", "")
	want := "account acme: file missing, it should have come by 2026-04-02 16:00 CEST: nothing was sent; sealgate files --account acme"
	if p := h.problems(t); p != want {
		t.Error(p)
	}
	h.say(t, "2026-04-05 12:00", "") // Easter: it is missing still, and is not told again
	if p := h.problems(t); p != want {
		t.Error(p)
	}
	h.came(t, "B")
	h.say(t, "2026-04-05 12:01", "INFO came late=68h0m0s")
	if p := h.problems(t); p != "" {
		t.Error(p)
	}
	h.say(t, "2026-04-07 18:00", "") // it came on a day between, and counts for the Tuesday after Easter

	h.say(t, "2026-04-08 15:30", `WARN expected by=2026-04-08T16:00+02:00 why="nothing was sent"`)
	h.came(t, "C")
	h.say(t, "2026-04-08 15:31", "INFO came")
	h.say(t, "2026-04-08 16:30", "")

	// The gateway was down over the cut-off.
	h.say(t, "2026-04-09 12:00", "")
	h.restart(t)
	h.say(t, "2026-04-09 19:00", `WARN missing by=2026-04-09T16:00+02:00 why="nothing was sent"`)
	h.restart(t)
	h.say(t, "2026-04-10 09:00", "")
	h.say(t, "2026-04-10 15:30", `WARN expected by=2026-04-10T16:00+02:00 why="nothing was sent"`)
	h.say(t, "2026-04-10 16:00", `WARN missing by=2026-04-10T16:00+02:00 why="nothing was sent"`)
	h.came(t, "D")
	h.restart(t)
	h.say(t, "2026-04-10 16:20", "INFO came")

	// It was down for a week: the last cut-off is told, not each.
	h.restart(t)
	h.say(t, "2026-04-17 18:00", `WARN missing by=2026-04-17T16:00+02:00 why="nothing was sent"`)
}

// TestFileExpectedCounts: what counts as having come, and what a change of the rule does.
func TestFileExpectedCounts(t *testing.T) {
	h := newLateHouse(t, "2026-11-18 09:00", `acme expect: {by: "16:00", warn: 1h}`)
	h.say(t, "2026-11-18 09:00", "")
	if _, err := h.push(t, "acme", "cut.xml", pain001(t, "CUT", 2)[:400]); err == nil {
		t.Fatal("taken")
	}
	h.say(t, "2026-11-18 15:00", `WARN expected by=2026-11-18T16:00+01:00 why="what came was refused"`)
	h.say(t, "2026-11-18 16:00", `WARN missing by=2026-11-18T16:00+01:00 why="what came was refused"`)
	if _, err := h.push(t, "acme", "held.bin", []byte("of no format that is known here")); err != nil {
		t.Fatal(err)
	}
	h.say(t, "2026-11-18 16:10", "INFO came")
	held := h.files(t, "acme")[0]
	if _, err := h.Decide(t.Context(), Decision{ID: held.ID, Reason: "nonsense"}, "uid:0"); err != nil {
		t.Fatal(err)
	}
	h.say(t, "2026-11-18 16:11", "") // told once for that day
	if p := h.problems(t); !strings.Contains(p, "file missing") {
		t.Errorf("a held file that was refused counts: %s", p)
	}

	// A later cut-off: it is not late any more, and nothing came.
	h.rule(t, `acme expect: {by: "18:00"}`)
	h.say(t, "2026-11-18 16:12", "")
	h.say(t, "2026-11-18 17:30", `WARN expected by=2026-11-18T18:00+01:00 why="what came was refused"`)
	h.rule(t, `acme expect: {by: "20:00"}`)
	h.say(t, "2026-11-18 17:31", "") // it has time again, and has not come
	h.rule(t, "acme")
	h.say(t, "2026-11-18 18:00", "")
	if err := h.sweepTold(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.rule(t, `acme expect: {by: "10:00"}`)
	h.say(t, "2026-11-18 18:01", "") // a new rule: what should have come before it is nobody's fault
	h.say(t, "2026-11-19 10:01", `WARN missing by=2026-11-19T10:00+01:00 why="nothing was sent"`)

	// Another account's file is not this one's; a file of the night before counts where the rule says so.
	h = newLateHouse(t, "2026-11-18 12:00", `acme expect: {by: "06:30", since: "18:00"}`, `beta expect: {by: "06:30", days: all}`)
	h.say(t, "2026-11-18 12:00", "")
	h.clock = stockholm(t, "2026-11-20 22:00") // Friday
	h.came(t, "A")
	h.say(t, "2026-11-20 22:01", "WARN missing account=beta by=2026-11-20T06:30+01:00 why=\"nothing was sent\"")
	h.say(t, "2026-11-23 17:59", "WARN missing account=beta by=2026-11-23T06:30+01:00 why=\"nothing was sent\"")
	h.say(t, "2026-11-24 06:29", "WARN expected by=2026-11-24T06:30+01:00 why=\"nothing was sent\"\n"+
		"WARN expected account=beta by=2026-11-24T06:30+01:00 why=\"nothing was sent\"")
}

// TestRemoteDown: a look that failed by a fault of ours leads to no test of the server, which would find nothing.
func TestRemoteDown(t *testing.T) {
	for step, want := range map[string]string{"list": "sealgate remotes test acme/bank", "gateway": "sealgate poll acme/bank"} {
		r := RemoteLine{Account: "acme", Remote: "bank", DownSince: "2026-11-20T06:30:00.000Z", Failed: 2, Step: step, Trouble: "why"}
		if got := r.down(); !strings.HasSuffix(got, ", 2 looks: "+step+": why; "+want) {
			t.Error(got)
		}
	}
}

// TestFileExpectedFromRemote: a remote that is down is told apart from a customer who has sent nothing; other doors do not count.
func TestFileExpectedFromRemote(t *testing.T) {
	const rule = `acme remotes: [{name: bank, url: "sftp://127.0.0.1:1/out", user: u, password_file: ./password,
      trust: {host_key: "SHA256:uNiVztksCsDhcc0u9e8BrmcPGN0FcZkKrYwy5BxjVdw"}, fetch: {every: 1m, after: delete}, expect: {by: "16:00"}}]`
	h := newLateHouse(t, "2026-11-18 09:00", strings.ReplaceAll(rule, "\n     ", ""))
	h.say(t, "2026-11-18 09:00", "")
	h.came(t, "A") // over SFTP
	h.say(t, "2026-11-18 15:30", `WARN expected remote=bank by=2026-11-18T16:00+01:00 why="no gateway runs"`)

	poller := transport.NewPoller(h.cfg.Load(), h.Gateway, h.Gateway.log)
	h.poller.Store(poller)
	h.clock = stockholm(t, "2026-11-18 16:00")
	said := h.log.Len()
	if err := h.checkExpected(t.Context(), h.clock, true); err != nil || h.log.Len() != said {
		t.Fatalf("the remote may have it, and was not looked at since the start: %v\n%s", err, h.log.String()[said:])
	}
	h.say(t, "2026-11-18 16:00", `WARN missing remote=bank by=2026-11-18T16:00+01:00 why="remote bank was not looked at yet"`)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- poller.Run(ctx) }()
	state, err := h.Poll(ctx, PollQuery{Remote: "bank"})
	if err != nil || state.State != "down" {
		t.Fatalf("%+v, %v", state, err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`^account acme: remote bank down since [0-9-]+ [0-9:]+ UTC, (1 look|[0-9]{2,} looks|[2-9] looks): .*; sealgate remotes test acme/bank
account acme: file missing from remote bank, it should have come by 2026-11-18 16:00 CET: remote bank is down since [0-9-]+ [0-9:]+ UTC: connect: 127\.0\.0\.1:[0-9]+: connection refused; sealgate poll acme/bank$`)
	if p := h.problems(t); !want.MatchString(p) {
		t.Error(p)
	}
	lines, err := h.Remotes(t.Context())
	if err != nil || len(lines) != 1 || lines[0].Late == nil || lines[0].Late.State != "missing" || lines[0].Late.By != "2026-11-18T15:00:00.000Z" {
		t.Errorf("%+v, %v", lines, err)
	}

	g := guest
	u, err := h.Receive(t.Context(), g, "remote:bank", "pay.xml")
	if err != nil {
		t.Fatal(err)
	}
	if err := write(u.(*Upload), pain001(t, "B", 2), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := u.Commit(t.Context(), "pay.xml"); err != nil {
		t.Fatal(err)
	}
	h.say(t, "2026-11-18 16:01", "INFO came remote=bank")
	if lines, err = h.Remotes(t.Context()); err != nil || lines[0].Late != nil {
		t.Errorf("%+v, %v", lines, err)
	}
}

// TestWhyLate: in words, how a remote stands whose file is missing.
func TestWhyLate(t *testing.T) {
	now := time.Date(2026, 11, 18, 15, 0, 0, 0, time.UTC)
	state := func(f func(*transport.RemoteState)) transport.RemoteState {
		s := transport.RemoteState{Account: "acme", Remote: "bank", LastLook: now, LastGood: now}
		f(&s)
		return s
	}
	for _, c := range []struct {
		state   transport.RemoteState
		refused bool
		remote  string
		want    string
	}{
		{state(func(s *transport.RemoteState) {}), false, "bank", "remote bank was looked at 2026-11-18 15:00 UTC, nothing was sent"},
		{state(func(s *transport.RemoteState) {}), true, "bank", "what came was refused"},
		{state(func(s *transport.RemoteState) {}), false, "", "nothing was sent"},
		{state(func(s *transport.RemoteState) { s.Result.Waiting = 2 }), false, "bank", "remote bank has 2 that are not ready"},
		{state(func(s *transport.RemoteState) { s.LastLook = time.Time{} }), false, "bank", "remote bank was not looked at yet"},
		{state(func(s *transport.RemoteState) { s.Failed, s.DownSince, s.Step, s.Trouble = 3, now, "login", "530 no" }), false, "bank",
			"remote bank is down since 2026-11-18 15:00 UTC: login: 530 no"},
		{state(func(s *transport.RemoteState) { s.Failed, s.DownSince, s.Step, s.Trouble = 3, now, "login", "530 no" }), false, "",
			"nothing was sent; remote bank is down since 2026-11-18 15:00 UTC: login: 530 no"},
	} {
		if got := lateWords(c.remote, c.refused, []transport.RemoteState{c.state}); got != c.want {
			t.Errorf("got %s\nwant %s", got, c.want)
		}
	}
}

// TestWatchExpected runs the loop itself through Easter, each minute of it.
func TestWatchExpected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newLateHouse(t, "2026-04-02 09:00", `acme expect: {by: "16:00", days: bank}`)
		begun := time.Now()
		h.now = func() time.Time { return h.clock.Add(time.Since(begun)) }
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- h.watchExpected(ctx) }()
		<-time.After(5*24*time.Hour + 8*time.Hour + 30*time.Second) // of the bubble's clock
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		var said []string
		for _, m := range regexp.MustCompile(`msg="(file [a-z]+)" account=acme by=([0-9T:-]+)\+`).FindAllStringSubmatch(h.log.String(), -1) {
			said = append(said, fmt.Sprintf("%s %s", m[1], m[2]))
		}
		if d := cmp.Diff([]string{
			"file expected 2026-04-02T16:00", "file missing 2026-04-02T16:00",
			"file expected 2026-04-07T16:00", "file missing 2026-04-07T16:00",
		}, said); d != "" {
			t.Errorf("-want +got:\n%s", d)
		}
	})
}
