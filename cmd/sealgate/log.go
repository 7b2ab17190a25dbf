package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"golang.org/x/term"
)

// newLog makes the log on stderr. form is the configuration's: text or json. On a terminal text is a short form for
// eyes; elsewhere it is key=value lines, without the time where the journal writes its own.
func (t *tool) newLog(form string, level slog.Leveler) *slog.Logger {
	file, isFile := t.err.(*os.File)
	switch {
	case form == "json":
		return slog.New(slog.NewJSONHandler(t.err, &slog.HandlerOptions{Level: level, ReplaceAttr: logValue(false)}))
	case isFile && term.IsTerminal(int(file.Fd())):
		return slog.New(&shortLog{mu: new(sync.Mutex), out: t.err, level: level})
	}
	return slog.New(slog.NewTextHandler(t.err, &slog.HandlerOptions{Level: level, ReplaceAttr: logValue(os.Getenv("JOURNAL_STREAM") != "")}))
}

// logValue writes durations as people write them in the configuration (15m, not 15m0s), leaves out what is empty, such as the user of a
// remote's line, and the time if asked.
func logValue(timeless bool) func([]string, slog.Attr) slog.Attr {
	return func(groups []string, a slog.Attr) slog.Attr {
		switch {
		case timeless && len(groups) == 0 && a.Key == slog.TimeKey, a.Value.Equal(slog.StringValue("")):
			return slog.Attr{}
		case a.Value.Kind() == slog.KindDuration:
			a.Value = slog.StringValue(duration(a.Value.Duration()))
		}
		return a
	}
}

func duration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// shortLog is the log on a terminal: 10:32:04 INFO ready version=1.0.0
type shortLog struct {
	mu    *sync.Mutex
	out   io.Writer
	level slog.Leveler
	attrs string // of With, written already
	group string
}

func (l *shortLog) Enabled(_ context.Context, level slog.Level) bool { return level >= l.level.Level() }

func (l *shortLog) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString(r.Time.Format("15:04:05 "))
	b.WriteString(r.Level.String() + " " + clean(r.Message) + l.attrs)
	r.Attrs(func(a slog.Attr) bool { writeAttr(&b, l.group, a); return true })
	b.WriteByte('\n')
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := io.WriteString(l.out, b.String())
	return err
}

func (l *shortLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	var b strings.Builder
	for _, a := range attrs {
		writeAttr(&b, l.group, a)
	}
	with := *l
	with.attrs += b.String()
	return &with
}

func (l *shortLog) WithGroup(name string) slog.Handler {
	with := *l
	with.group += name + "."
	return &with
}

func writeAttr(b *strings.Builder, group string, a slog.Attr) {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		for _, in := range v.Group() {
			writeAttr(b, group+a.Key+".", in)
		}
		return
	}
	if a.Equal(slog.Attr{}) {
		return
	}
	text := v.String()
	if v.Kind() == slog.KindDuration {
		text = duration(v.Duration())
	}
	if text == "" {
		return
	}
	if strings.ContainsFunc(text, func(r rune) bool {
		return r == ' ' || r == '"' || r == '=' || !unicode.IsGraphic(r) || hostile(r, string(r)) || r == unicode.ReplacementChar
	}) {
		text = strconv.Quote(text)
	}
	b.WriteString(" " + group + a.Key + "=" + text)
}

// levelSilent is above every level.
const levelSilent = slog.Level(100)
