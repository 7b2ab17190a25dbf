package gateway

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sealgate/sealgate/config"
	"github.com/sealgate/sealgate/transport"
)

// TestDiskTold: a full disk is told once, and once that it is over, also when nobody sends anything meanwhile.
func TestDiskTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &lockedBuffer{}
		g := &Gateway{log: slog.New(slog.NewTextHandler(log, nil)), now: time.Now}
		g.accounts.Store(&map[string]*account{})
		floor := func(bytes int64) { g.cfg.Store(&config.Config{DataDir: t.TempDir(), DiskFloor: bytes}) }
		floor(1 << 60)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- g.watchDisk(ctx) }()
		for range 3 {
			if err := g.Room(transport.Guest{}, "a.xml"); err == nil {
				t.Error("there is room")
			}
		}
		synctest.Wait()
		if text := log.take(); strings.Count(text, "\n") != 1 || !strings.Contains(text, `level=ERROR msg="disk low: refusing uploads" free=`) || !strings.Contains(text, " floor=1048576TiB path=") {
			t.Errorf("at the first: %q", text)
		}
		<-time.After(20*time.Minute + 30*time.Second) // between two looks
		floor(1)
		<-time.After(2 * time.Minute)
		synctest.Wait()
		if text := log.take(); !strings.HasSuffix(text, "level=INFO msg=\"disk ok: taking uploads again\" refused=3 lasted=21m0s\n") || strings.Count(text, "\n") != 1 {
			t.Errorf("when it is over: %q", text)
		}
		floor(1 << 60)
		<-time.After(time.Minute)
		synctest.Wait()
		if text := log.take(); !strings.Contains(text, "disk low") {
			t.Errorf("again: %q", text)
		}
		g.cfg.Store(&config.Config{DataDir: "/nowhere", DiskFloor: 1})
		<-time.After(5 * time.Minute)
		synctest.Wait()
		if text := log.take(); strings.Count(text, "disk unknown") != 1 || g.Room(transport.Guest{}, "a.xml") == nil {
			t.Errorf("a disk that does not answer: %q", text)
		}
		cancel()
		must(t, <-ended)
	})
}
