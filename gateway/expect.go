package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sealgate/sealgate/config"
	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/indexer/formats"
)

// Files that should have come. Begin with checkExpected, which the gateway calls every minute. Whether a file is late follows
// from the rule, the clock and the index alone; kept is only what was told, in gateway.db, so that a restart neither says it
// twice nor not at all.

// The states of an expected file; the first two are never shown.
const (
	lateWaiting = ""     // it has time
	lateCame    = "came" // for the present day
	lateDue     = "due"
	lateMissing = "missing"
)

// startGrace is how long after a start nothing is said to be missing that a first look at a remote may still find there.
const startGrace = 2 * time.Minute

// expected is one rule: an account's, or one of its remotes'.
type expected struct {
	account *account
	remote  string // "" for any door
	rule    *config.Expect
}

func (x *expected) door() string {
	if x.remote == "" {
		return ""
	}
	return "remote:" + x.remote
}

const toldPrefix = "expect/"

// told is what is kept of a rule. An account's id and a remote's name have no slash.
func (x *expected) key() string { return toldPrefix + x.account.ID + "/" + x.remote }

// told is what the log has of an expected file. A zero time is never.
type told struct {
	Begun  time.Time // when the rule was first seen: what should have come before is nobody's fault
	Due    time.Time // the cut-off before which it was warned last
	Missed time.Time // the cut-off after which it was warned last
	Open   time.Time // from when on a file would end what was warned of; zero when nothing is
}

// expectDay is one day of a rule. What comes from its beginning on counts for it, until the next one begins.
type expectDay struct{ from, warn, by time.Time }

// expectedDays gives the rule's day that has begun last, and the one before it.
func expectedDays(e *config.Expect, now time.Time) (before, present expectDay) {
	place := config.Place(e.Zone)
	local := now.In(place)
	var from time.Time
	for n := -16; n <= 16; n++ { // no calendar rests for so long, so there are two behind us, and one before
		date := time.Date(local.Year(), local.Month(), local.Day()+n, 0, 0, 0, 0, time.UTC)
		if !expectsOn(e, date) {
			continue
		}
		by := config.Clock(date, e.By, place)
		day := expectDay{from: from, by: by, warn: by.Add(-e.Warn)}
		if day.warn.Before(from) {
			day.warn = from
		}
		if from.After(now) {
			break
		}
		before, present = present, day
		if from = config.Clock(date, e.Since, place); from.Before(by) {
			from = config.Clock(date.AddDate(0, 0, 1), e.Since, place)
		}
	}
	return before, present
}

// expectsOn tells whether a day is one of the rule's.
func expectsOn(e *config.Expect, date time.Time) bool {
	weekend := date.Weekday() == time.Saturday || date.Weekday() == time.Sunday
	switch {
	case e.Days == "all":
		return true
	case e.Days == "weekdays":
		return !weekend
	case e.Calendar == "TARGET":
		return formats.BankHoliday(date, "EUR") == ""
	}
	return formats.BankHoliday(date, "SEK") == ""
}

// judge tells how a rule stands, and of which day. last is when the last file that counts came. A file that is missing stays
// so until one comes, whatever days go by.
func judge(e *config.Expect, begun, last, now time.Time) (string, expectDay) {
	before, present := expectedDays(e, now)
	switch {
	case !last.Before(present.from):
		return lateCame, present
	case !now.Before(present.by) && !begun.After(present.by):
		return lateMissing, present
	case now.Before(present.by) && !now.Before(present.warn):
		return lateDue, present
	case !begun.After(before.by) && last.Before(before.from):
		return lateMissing, before
	}
	return lateWaiting, present
}

// expectations are the rules of the present configuration.
func (g *Gateway) expectations() []*expected {
	var list []*expected
	accounts, err := g.asked("")
	if err != nil {
		return nil
	}
	for _, a := range accounts {
		if a.Expect != nil {
			list = append(list, &expected{account: a, rule: a.Expect})
		}
		for _, r := range a.Remotes {
			if r.Expect != nil {
				list = append(list, &expected{account: a, remote: r.Name, rule: r.Expect})
			}
		}
	}
	return list
}

// newest is when the last file came by the rule's door that has this verdict, since then; zero if none has. One that came by a clock that was
// ahead has no day.
func (g *Gateway) newest(ctx context.Context, x *expected, verdict indexer.Verdict, since time.Time) (time.Time, error) {
	filter := indexer.FileFilter{Since: since, Until: g.now().Add(time.Minute), Door: x.door(), Verdict: verdict, Limit: 1}
	if x.account.index.Protected() { // its log knows, whether it is locked or not
		list, err := x.account.index.Brief(ctx, filter)
		if err != nil || len(list) == 0 {
			return time.Time{}, err
		}
		return list[0].ReceivedAt, nil
	}
	for f, err := range x.account.index.Files(ctx, filter) {
		if err != nil {
			return time.Time{}, err
		}
		return f.ReceivedAt, nil
	}
	return time.Time{}, nil
}

// standing tells how a rule stands now, and when the last file came that may count.
func (g *Gateway) standing(ctx context.Context, x *expected, begun, now time.Time) (state string, day expectDay, last time.Time, err error) {
	before, _ := expectedDays(x.rule, now)
	for _, verdict := range []indexer.Verdict{indexer.Accepted, indexer.Held} {
		came, err := g.newest(ctx, x, verdict, before.from)
		if err != nil {
			return "", day, last, err
		}
		if came.After(last) {
			last = came
		}
	}
	state, day = judge(x.rule, begun, last, now)
	return state, day, last, nil
}

// told gives what is kept of a rule.
func (g *Gateway) told(ctx context.Context, x *expected) (*told, error) {
	b, err := g.registry.Get(ctx, x.key())
	if errors.Is(err, indexer.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	t := new(told)
	return t, json.Unmarshal(b, t)
}

func (g *Gateway) keepTold(ctx context.Context, x *expected, t *told) error {
	b, err := json.Marshal(t)
	if err != nil {
		return err
	}
	return g.registry.Put(ctx, x.key(), b)
}

// watchExpected looks every minute, on the minute, whether a file is late.
func (g *Gateway) watchExpected(ctx context.Context) error {
	begin, trouble := g.now(), ""
	var swept *config.Config
	for {
		now := g.now()
		err := g.checkExpected(ctx, now, now.Sub(begin) < startGrace)
		if cfg := g.cfg.Load(); err == nil && cfg != swept {
			err, swept = g.sweepTold(ctx), cfg
		}
		if ctx.Err() != nil {
			return nil
		}
		if err != nil && err.Error() != trouble {
			g.log.Error("expected files not checked", "err", err)
		}
		if trouble = ""; err != nil {
			trouble = err.Error()
		}
		timer := time.NewTimer(now.Truncate(time.Minute).Add(time.Minute).Sub(now))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
	}
}

// checkExpected warns of each file that is due or missing, once for each day, and tells when it has come. starting: the
// gateway has just begun, and remotes that were not looked at yet may have the file.
func (g *Gateway) checkExpected(ctx context.Context, now time.Time, starting bool) error {
	var faults []error
	for _, x := range g.expectations() {
		if starting && g.unseen(x) {
			continue
		}
		if err := g.checkOne(ctx, x, now); err != nil {
			faults = append(faults, fmt.Errorf("account %s: %w", x.account.ID, err))
		}
	}
	return errors.Join(faults...)
}

// checkOne tells first and keeps after it that it did: if we die in between, it is told again and not never.
func (g *Gateway) checkOne(ctx context.Context, x *expected, now time.Time) error {
	t, err := g.told(ctx, x)
	if err == nil && (t == nil || t.Begun.After(now)) { // or it was first seen by a clock that was ahead
		t = &told{Begun: now}
		err = g.keepTold(ctx, x, t)
	}
	if err != nil {
		return err
	}
	state, day, last, err := g.standing(ctx, x, t.Begun, now)
	if err != nil {
		return err
	}
	log := g.log.With("account", x.account.ID)
	if x.remote != "" {
		log = log.With("remote", x.remote)
	}
	by := day.by.Format("2006-01-02T15:04Z07:00")
	switch {
	case state == lateDue && !t.Due.Equal(day.by):
		why, err := g.whyLate(ctx, x, day)
		if err != nil {
			return err
		}
		log.Warn("file expected", "by", by, "why", why)
		t.Due, t.Open = day.by, day.from
	case state == lateMissing && !t.Missed.Equal(day.by):
		why, err := g.whyLate(ctx, x, day)
		if err != nil {
			return err
		}
		log.Warn("file missing", "by", by, "why", why)
		t.Missed, t.Open = day.by, day.from
	case (state == lateCame || state == lateWaiting) && !t.Open.IsZero():
		switch late := last.Sub(t.Missed).Round(time.Minute); {
		case last.Before(t.Open): // the rule has changed: it is not expected any more
		case t.Missed.After(t.Open) && late > 0:
			log.Info("file came", "late", late)
		default:
			log.Info("file came")
		}
		t.Open = time.Time{}
	default:
		return nil
	}
	return g.keepTold(ctx, x, t)
}

// sweepTold forgets what was told of rules that the configuration has no more.
func (g *Gateway) sweepTold(ctx context.Context) error {
	keys, err := g.registry.Keys(ctx, toldPrefix)
	if err != nil {
		return err
	}
	rules := g.expectations()
	for _, key := range keys {
		if !slices.ContainsFunc(rules, func(x *expected) bool { return x.key() == key }) {
			if err := g.registry.Delete(ctx, key); err != nil && !errors.Is(err, indexer.ErrNotFound) {
				return err
			}
		}
	}
	return nil
}
