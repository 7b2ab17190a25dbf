package gateway

import (
	"fmt"
	"strings"
	"time"

	"github.com/sealgate/sealgate/config"
	"github.com/sealgate/sealgate/indexer"
)

// Words of which the desk's sentences are made.

// NoAccount is the answer where the configuration has no account of that id.
func NoAccount(cfg *config.Config, id string) *No {
	hint, ids := "there are none yet: accounts: in docs/configuration.md", []string{}
	for _, a := range cfg.Accounts[:min(len(cfg.Accounts), accountsNamed)] {
		ids = append(ids, a.ID)
	}
	if len(ids) > 0 {
		hint = "accounts: " + strings.Join(ids, ", ")
	}
	if more := len(cfg.Accounts) - len(ids); more > 0 {
		hint += fmt.Sprintf(" and %d more", more)
	}
	return &No{Text: fmt.Sprintf("no account %q in %s", id, cfg.File), Hint: hint}
}

// counted is a number and its noun: 1 file, 2 files.
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// WaitsText says how much waits in a locked account's log for the next unlocking, and since when, in the words of who is asked.
func WaitsText(deliveries int, bytes int64, since string) string {
	switch deliveries {
	case 0:
		return "nothing waits"
	case 1:
		return "1 delivery waits, since " + since
	}
	return fmt.Sprintf("%d deliveries wait (%s), since %s", deliveries, sizeText(bytes), since)
}

const accountsNamed = 12 // in a hint

// spoken is a time in a sentence, which people read wherever they are.
func spoken(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// respoken is one that utc has written.
func respoken(stamp string) string {
	t, err := time.Parse(time.RFC3339, stamp)
	if err != nil {
		return stamp
	}
	return spoken(t)
}

// brief is a duration as it stands in the configuration: 5m, not 5m0s.
func brief(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}

// gone says why a file has no sealed copy.
func gone(f *indexer.File) string {
	if f.Fate == indexer.Deleted {
		return "deleted after indexing"
	}
	return string(f.Verdict)
}
