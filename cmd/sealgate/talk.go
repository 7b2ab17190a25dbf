package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/sealgate/sealgate/config"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/indexer"
)

// tool is one run of the command: whom it talks to and what the flags common to all commands say.
type tool struct {
	in      *os.File
	out     *bufio.Writer // the answer
	err     io.Writer     // the talk
	typed   bool          // stdin is a terminal, so questions can be asked
	screen  bool          // stdout is a terminal
	colours bool          // ... that shows colours
	errCols bool          // stderr is one that does
	now     func() time.Time
	zone    *time.Location
	zones   []string // abbreviations of the zones of the times shown so far
	started bool     // the command line was understood: what goes wrong now is no usage error

	answersAll bool // the answer itself tells of a configuration with mistakes

	groups []commandGroup
	left   *gateway.No // what the answer leaves out; nil if it is whole

	configFile string
	unlockFile string
	utc        bool
	json       bool
}

func newTool() *tool {
	fancy := os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	screen, errScreen := term.IsTerminal(int(os.Stdout.Fd())), term.IsTerminal(int(os.Stderr.Fd()))
	return &tool{
		in: os.Stdin, out: bufio.NewWriter(os.Stdout), err: os.Stderr,
		typed: term.IsTerminal(int(os.Stdin.Fd())), screen: screen, colours: screen && fancy, errCols: errScreen && fancy,
		now: time.Now, zone: time.Local,
	}
}

// trouble is an error with the exit status it means and, often, the next command to type.
type trouble struct {
	text, hint string
	code       int
}

func (t *trouble) Error() string { return t.text }

func usage(hint, format string, args ...any) error {
	return &trouble{text: fmt.Sprintf(format, args...), hint: hint, code: exitUsage}
}

func no(hint, format string, args ...any) error {
	return &trouble{text: fmt.Sprintf(format, args...), hint: hint, code: exitNo}
}

// errTold is an answer no that was given already.
var errTold = errors.New("told")

// run runs one command line and gives the exit status.
func (t *tool) run(ctx context.Context, args []string) int {
	root := t.commands()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if flushed := t.out.Flush(); err == nil {
		err = flushed
	}
	if err == nil && t.left != nil {
		t.talk("sealgate: warning: %s\nsealgate: hint: %s", cleanLines(t.left.Text), cleanLines(t.left.Hint))
	}
	if err == nil {
		return exitYes
	}
	if ctx.Err() != nil {
		text := "interrupted"
		if strings.HasPrefix(err.Error(), text) { // and what that means
			text = err.Error()
		} else if !errors.Is(err, context.Canceled) { // something else went wrong on the way out
			text += ": " + err.Error()
		}
		t.complain(text, "")
		return exitInterrupted
	}
	var known *trouble
	var answer *gateway.No
	switch {
	case errors.Is(err, errTold):
		return exitNo
	case errors.As(err, &known):
		t.complain(known.text, known.hint)
		return known.code
	case errors.As(err, &answer):
		t.complain(answer.Text, answer.Hint)
		if answer.Wrong {
			return exitUsage
		}
		return exitNo
	case errors.Is(err, gateway.ErrRunning):
		t.complain(err.Error(), "it is starting or stopping, or another command works on it; try again")
		return exitNo
	case errors.Is(err, indexer.ErrKey): // of a database that was to be opened here
		t.complain(err.Error(), "bring the key that they want: --unlock-key-file F, or - for stdin")
		return exitNo
	case !t.started:
		t.complain(err.Error(), "sealgate -h")
		return exitUsage
	case errors.Is(err, syscall.EADDRINUSE):
		t.complain(err.Error(), "something else listens there: stop it, or write another address at sftp.listen")
		return exitNo
	}
	t.complain(err.Error(), "")
	return exitNo
}

// withoutRooms takes off the names of our rooms, which an error gathers on its way and which tell an operator nothing.
func withoutRooms(text string) string {
	for {
		room, rest, found := strings.Cut(text, ": ")
		if !found || !slices.Contains([]string{"gateway", "indexer", "vault", "config", "transport"}, room) {
			return text
		}
		text = rest
	}
}

// complain writes an error, and a hint below it, to stderr.
func (t *tool) complain(text, hint string) {
	t.out.Flush() // so that a terminal shows them in their order; a fault of it is told at the end
	word := "error:"
	if t.errCols {
		word = red + word + plain
	}
	fmt.Fprintf(t.err, "sealgate: %s %s\n", word, cleanLines(withoutRooms(text)))
	if hint != "" {
		fmt.Fprintf(t.err, "sealgate: hint: %s\n", cleanLines(hint))
	}
}

// say writes to the answer.
func (t *tool) say(format string, args ...any) { fmt.Fprintf(t.out, format, args...) }

// talk writes a line to stderr.
func (t *tool) talk(format string, args ...any) {
	t.out.Flush()
	fmt.Fprintf(t.err, format+"\n", args...)
}

// sayJSON writes one line of JSON to the answer.
func (t *tool) sayJSON(v any) error {
	enc := json.NewEncoder(t.out)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// Colours are one word deep.
const (
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	plain  = "\x1b[0m"
)

func verdictColour(verdict string) string {
	switch verdict {
	case "accepted":
		return green
	case "held":
		return yellow
	case "rejected":
		return red
	}
	return ""
}

// coloured is a word in its colour, on a terminal that shows them.
func (t *tool) coloured(word, colour string) string {
	if !t.colours || colour == "" {
		return word
	}
	return colour + word + plain
}

// clean makes a hostile text fit for a terminal: control and bidirectional characters and bytes that are no UTF-8 are
// written out, \x1b or \u202e.
func clean(s string) string {
	ok := true
	for i, r := range s {
		ok = ok && !hostile(r, s[i:])
	}
	if ok {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case !hostile(r, s[i:]):
			b.WriteRune(r)
		case r == utf8.RuneError:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	return b.String()
}

// hostile says whether the rune that rest begins with must not reach a terminal: what moves the cursor, changes the
// direction of the text, or cannot be seen.
func hostile(r rune, rest string) bool {
	if r == utf8.RuneError {
		_, size := utf8.DecodeRuneInString(rest)
		return size == 1
	}
	return r != ' ' && !unicode.IsGraphic(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
}

// cleanLines is clean for a text of several lines.
func cleanLines(s string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		lines[i] = clean(line)
	}
	return strings.Join(lines, "\n")
}

// size is a number of bytes for people; show gives it exactly.
func size(n int64) string {
	for _, unit := range []struct {
		name  string
		bytes int64
	}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if v := float64(n) / float64(unit.bytes); v >= 100 {
			return fmt.Sprintf("%.0f %s", v, unit.name)
		} else if v >= 1 {
			return fmt.Sprintf("%.1f %s", v, unit.name)
		}
	}
	return fmt.Sprintf("%d B", n)
}

// count is a number and its noun: 1 login, 2 logins.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// short is the ending of an id that people see and type: it begins with the time, so beginnings all look alike.
func short(id string) string { return id[max(0, len(id)-8):] }

// brief is the beginning of a hash or fingerprint of n characters, marked as cut.
func brief(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n] + "…"
}

// local gives a time of the desk (RFC 3339) in the zone in which this run shows times.
func (t *tool) local(stamp string) (time.Time, bool) {
	at, err := time.Parse(time.RFC3339, stamp)
	if err != nil {
		return time.Time{}, false
	}
	at = at.In(t.zone)
	name := at.Format("MST")
	for _, known := range t.zones {
		if known == name {
			return at, true
		}
	}
	t.zones = append(t.zones, name)
	return at, true
}

// minute is a time for tables, without its zone: that stands in the header.
func (t *tool) minute(stamp string) string {
	if at, ok := t.local(stamp); ok {
		return at.Format("2006-01-02 15:04")
	}
	return "-"
}

// zoneNames is what a table's header says of its times.
func (t *tool) zoneNames() string {
	if len(t.zones) == 0 {
		return t.now().In(t.zone).Format("MST")
	}
	return strings.Join(t.zones, "/")
}

// near is a path as one would type it from here.
func near(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	rel, err := filepath.Rel(here, path)
	if err != nil || rel == ".." || strings.HasPrefix(rel, "../") {
		return path
	}
	return rel
}

// mistakesTold writes what is wrong with a configuration, one mistake a line, and gives the error that sums it up.
func (t *tool) mistakesTold(m *config.Mistakes, after string) error {
	t.talk("%s", cleanLines(m.Error()))
	return usage("", "%s%s", m.Summary(), after)
}
