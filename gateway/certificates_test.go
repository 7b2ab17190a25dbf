package gateway

import (
	"bytes"
	"context"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sealgate/sealgate/config"
	"github.com/sealgate/sealgate/vault"
)

// lockedBuffer is a log that one goroutine writes and another reads.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// take gives what was written since the last call.
func (l *lockedBuffer) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.b.Reset()
	return l.b.String()
}

// TestCertificateExpires: a line at the start and at a reload, and one at each threshold that is crossed while the gateway
// runs: 30, 7 and 1 days ahead, and at the end; none in between.
func TestCertificateExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		made := func(days int) *vault.Certificate {
			text, _, err := vault.NewCertificate("x", "p-256", time.Now(), time.Duration(days)*24*time.Hour)
			must(t, err)
			c, err := vault.ParseCertificate(text)
			must(t, err)
			return c
		}
		log := &lockedBuffer{}
		g := &Gateway{log: slog.New(slog.NewTextHandler(log, nil)), now: time.Now}
		g.accounts.Store(&map[string]*account{
			"long": {Account: &config.Account{ID: "long"}, certificate: made(400)},
			"soon": {Account: &config.Account{ID: "soon"}, certificate: made(40), recovery: made(400)},
			"none": {Account: &config.Account{ID: "none"}},
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- g.watchCertificates(ctx) }()
		told := map[int]string{}
		for day := range 50 {
			synctest.Wait()
			if text := log.take(); text != "" {
				told[day] = text
			}
			<-time.After(24 * time.Hour)
		}
		for day, days := range map[int]string{10: "30", 33: "7", 39: "1", 40: "0"} {
			if n := strings.Count(told[day], "\n"); n != 1 || !regexp.MustCompile(`level=WARN msg="certificate expires" account=soon days=`+days+` use=seal until=`).MatchString(told[day]) {
				t.Errorf("day %d: %q", day, told[day])
			}
			delete(told, day)
		}
		if len(told) > 0 {
			t.Errorf("told too often: %v", told)
		}
		g.tellCertificates() // a reload
		if text := log.take(); strings.Count(text, "certificate expires") != 1 {
			t.Errorf("at a reload: %q", text)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
