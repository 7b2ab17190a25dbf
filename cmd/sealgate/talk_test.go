package main

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/sealgate/sealgate/gateway"
)

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"löner 2026.xml":   "löner 2026.xml",
		"a\x1b[31mb":       `a\x1b[31mb`,
		"a\nb\tc":          `a\x0ab\x09c`,
		"gnp.\u202elmx":    `gnp.\u202elmx`,
		"a\x85b":           `a\x85b`,
		"a\u0085b":         `a\x85b`,
		"\xff\xfe":         `\xff\xfe`,
		"a\u2028b\u200fc":  `a\u2028b\u200fc`,
		"\ufffd stays":     "\ufffd stays",
		"zero\u200bwidth":  `zero\u200bwidth`,
		"tag\U000e0041end": `tag\U000e0041end`,
	} {
		if got := clean(in); got != want {
			t.Errorf("clean(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzClean(f *testing.F) {
	f.Add("a\x1b[31mb\u202e\xff")
	f.Fuzz(func(t *testing.T, s string) {
		got := clean(s)
		if !utf8.ValidString(got) || strings.ContainsAny(got, "\x00\x07\x08\x1b\r\n\u0085\u009b\u202e\u2066\u200b") {
			t.Errorf("clean(%q) = %q", s, got)
		}
		if clean(got) != got {
			t.Errorf("clean twice: %q, then %q", got, clean(got))
		}
	})
}

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 2841: "2.8 KiB", 1023: "1023 B", 1 << 30: "1.0 GiB", 1020 << 20: "1020 MiB", 41<<30 + 200<<20: "41.2 GiB", 900 << 40: "900 TiB",
	} {
		if got := size(n); got != want {
			t.Errorf("size(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestMoment(t *testing.T) {
	zone := time.FixedZone("CET", 3600)
	now := time.Date(2026, 11, 21, 10, 33, 12, 0, zone)
	at := func(s string) time.Time {
		parsed, err := time.ParseInLocation("2006-01-02T15:04:05", s, zone)
		if err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	for _, c := range []struct {
		in  string
		end bool
		out time.Time
	}{
		{"2h", false, at("2026-11-21T08:33:12")},
		{"30d", false, at("2026-10-22T10:33:12")},
		{"1w", true, at("2026-11-14T10:33:12")},
		{"today", false, at("2026-11-21T00:00:00")},
		{"today", true, at("2026-11-22T00:00:00")},
		{"yesterday", false, at("2026-11-20T00:00:00")},
		{"yesterday", true, at("2026-11-21T00:00:00")},
		{"2026-11-21", false, at("2026-11-21T00:00:00")},
		{"2026-11-30", true, at("2026-12-01T00:00:00")},
		{"9999-12-31", true, at("9999-12-31T00:00:00")}, // what a question can carry
		{"99999d", false, at("1753-02-06T10:33:12")},
		{"604800s", false, at("2026-11-14T10:33:12")}, // a week, as scripts count it
		{"2026-11-21T10:00", false, at("2026-11-21T10:00:00")},
		{"2026-11-21T10:00:30", true, at("2026-11-21T10:00:30")},
		{"2026-11-21T09:00:00Z", false, at("2026-11-21T10:00:00")},
	} {
		got, err := moment("since", c.in, now, c.end)
		if err != nil || !got.Equal(c.out) {
			t.Errorf("moment(%q, end %v) = %v, %v, want %v", c.in, c.end, got, err, c.out)
		}
	}
	for _, in := range []string{"soon", "2", "h", "-2h", "21/11", "2026-13-01", "999999d"} {
		if got, err := moment("since", in, now, false); err == nil {
			t.Errorf("moment(%q) = %v, want an error", in, got)
		}
	}
}

func TestTable(t *testing.T) {
	tool, answer, _ := newTestTool(t)
	table := tool.newTable(column{head: "NAME", name: true}, column{head: "RECEIVED (%Z)"}, column{head: "N", right: true}, column{head: "FATE"})
	table.add(text("löner.xml", tool.minute("2026-11-21T09:33:12.000Z"), "3", "sealed")...)
	table.add(text("a\x1b.xml", "", "14021", "")...)
	table.flush()
	tool.out.Flush()
	want := "" +
		"NAME       RECEIVED (UTC)        N  FATE\n" +
		"löner.xml  2026-11-21 09:33      3  sealed\n" +
		`a\x1b.xml  -                 14021  -` + "\n"
	if got := answer.String(); got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
}

// TestZones puts every zone of the times shown into the header: a list may span the end of summer time.
func TestZones(t *testing.T) {
	stockholm, err := time.LoadLocation("Europe/Stockholm")
	if err != nil {
		t.Skip("NOT RUN, MISSING: time zone data")
	}
	tool, _, _ := newTestTool(t)
	tool.zone = stockholm
	if got := tool.minute("2026-11-21T09:33:12.000Z"); got != "2026-11-21 10:33" || tool.zoneNames() != "CET" {
		t.Errorf("winter: %s (%s)", got, tool.zoneNames())
	}
	if got := tool.minute("2026-07-21T09:33:12.000Z"); got != "2026-07-21 11:33" || tool.zoneNames() != "CET/CEST" {
		t.Errorf("and summer: %s (%s)", got, tool.zoneNames())
	}
}

func TestRows(t *testing.T) {
	for _, c := range []struct {
		rows  rows
		json  bool
		found int
		shown int
		talk  string
	}{
		{rows{}, false, 0, 0, "no files match\n"},
		{rows{}, false, 200, 200, ""},
		{rows{}, false, 14021, 200, "200 of 14021; --all or --since\n"},
		{rows{}, false, rowsCounted + 1, 200, "200 of more than 100000; --all or --since\n"},
		{rows{all: true}, false, 14021, 14021, ""},
		{rows{}, true, 14021, 14021, ""},
	} {
		tool, _, talk := newTestTool(t)
		if _, err := c.rows.begin(c.json); err != nil {
			t.Fatal(err)
		}
		for range c.found {
			c.rows.next()
		}
		c.rows.end(tool, "files")
		if c.rows.shown != c.shown || talk.String() != c.talk {
			t.Errorf("%d rows: shown %d, %q; want %d, %q", c.found, c.rows.shown, talk, c.shown, c.talk)
		}
	}
}

func TestShortLog(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(&shortLog{mu: new(sync.Mutex), out: &out, level: slog.LevelInfo})
	log.Debug("unseen")
	log.With("account", "acme").WithGroup("in").Warn("login refused", "why", "wrong-password", "locked", 15*time.Minute,
		slog.Group("g", "x", 1), "err", "a \"b\"\nc", "empty", "", "turned", "\u202e")
	got := out.String()
	want := ` WARN login refused account=acme in.why=wrong-password in.locked=15m in.g.x=1 in.err="a \"b\"\nc" in.turned="\u202e"` + "\n"
	if len(got) < 8 || got[8:] != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		15 * time.Minute: "15m", 2 * time.Hour: "2h", 3*time.Hour + 12*time.Minute: "3h12m", 90 * time.Second: "1m30s", 10 * time.Minute: "10m",
		30 * time.Second: "30s", 0: "0s", 20 * time.Hour: "20h",
	} {
		if got := duration(d); got != want {
			t.Errorf("duration(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestGrouped(t *testing.T) {
	for in, want := range map[string]string{
		"SE4550000000058398257466": "SE45 5000 0000 0583 9825 7466",
		"50501055":                 "50501055",
		"5050-1055":                "5050-1055",
		"NO9386011117947":          "NO93 8601 1117 947",
	} {
		if got := grouped(in); got != want {
			t.Errorf("grouped(%q) = %q, want %q", in, got, want)
		}
	}
}

// TestLag: a lag is told in two units at most, and what is under a minute is none.
func TestLag(t *testing.T) {
	for seconds, want := range map[int64]string{0: "", 59: "", 60: "1m", 3599: "59m", 3600: "1h00m", 48*3600 - 1: "47h59m", 48 * 3600: "2d00h", 100 * 3600: "4d04h"} {
		if got := lag(gateway.RemoteLine{Lag: seconds}); got != want {
			t.Errorf("%d s: %s, want %s", seconds, got, want)
		}
	}
}

// TestPollTrouble: whoever looked at a server and had trouble here is not sent there.
func TestPollTrouble(t *testing.T) {
	for step, want := range map[string]string{"login": "sealgate remotes test acme/bank", "gateway": "sealgate status"} {
		var told *trouble
		err := pollTrouble(&gateway.RemoteLine{Account: "acme", Remote: "bank", Step: step, Trouble: "why"})
		if !errors.As(err, &told) || told.hint != want || told.text != "bank: "+step+": why" {
			t.Errorf("%s: %+v", step, told)
		}
	}
}
