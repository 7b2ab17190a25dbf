package gateway

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/transport"
)

// diskWatch knows whether uploads are refused for want of disk, so that it is told once and again when it ends.
type diskWatch struct {
	sync.Mutex
	low     bool
	unknown bool // told
	since   time.Time
	refused int64
}

// Room says whether a new upload may begin now.
func (g *Gateway) Room(guest transport.Guest, name string) error {
	if g.closing.Load() {
		return notTaken(name, "the gateway is closing down. Send it again in a minute", "closing", "")
	}
	a := g.account(guest.Account)
	if a != nil && a.index.Refuses() != nil {
		return notTaken(name, "the gateway has a fault of its own. Nothing is lost here; send it again later", "internal", "")
	}
	if a != nil && polls(guest) && a.expired(g.now()) && a.PolicyFor("expired-certificate") == "reject" {
		// What is fetched can wait where it lies: refused, it would not be fetched again once there is a new certificate.
		return notTaken(name, "the certificate that seals this account's files has expired", "expired-certificate", "")
	}
	g.disk.Lock()
	defer g.disk.Unlock()
	if !g.diskHasRoom() {
		g.disk.refused++
		return noRoom(name)
	}
	return nil
}

// diskHasRoom looks at the disk, and tells when it has become full and when that is over. The caller holds g.disk.
func (g *Gateway) diskHasRoom() bool {
	cfg := g.cfg.Load()
	free, err := freeBytes(cfg.DataDir)
	if err != nil && !g.disk.unknown {
		g.log.Error("disk unknown: refusing uploads", "path", cfg.DataDir, "err", err)
	}
	if g.disk.unknown = err != nil; err != nil {
		return false
	}
	switch low := free < cfg.DiskFloor; {
	case low && !g.disk.low:
		g.disk.low, g.disk.since, g.disk.refused = true, g.now(), 0
		g.log.Error("disk low: refusing uploads", "free", loggedSize(free), "floor", loggedSize(cfg.DiskFloor), "path", cfg.DataDir)
	case !low && g.disk.low:
		g.disk.low = false
		g.log.Info("disk ok: taking uploads again", "refused", g.disk.refused, "lasted", g.now().Sub(g.disk.since).Round(time.Second))
	}
	return !g.disk.low
}

// watchDisk looks each minute too: nobody may be sending anything when the disk gets full, or has room again.
func (g *Gateway) watchDisk(ctx context.Context) error {
	return again(ctx, time.Minute, func() {
		g.disk.Lock()
		defer g.disk.Unlock()
		g.diskHasRoom()
	})
}

// loggedSize is a size as it stands in the configuration: 1020MiB, 1GiB.
func loggedSize(n int64) string { return strings.NewReplacer(" ", "", ".0 ", "").Replace(sizeText(n)) }

func noRoom(name string) *transport.Refusal {
	return notTaken(name, "the gateway cannot store files now. Nothing is lost here; send it again later", "disk", "")
}

// apologise is what a sender reads when the fault is ours. unsure: the transaction failed in a way (an I/O error) that
// leaves open whether it is on the disk; the next start will tell.
func apologise(name, id string, unsure bool, err error) *transport.Refusal {
	switch {
	case diskFull(err):
		return noRoom(name)
	case unsure:
		return &transport.Refusal{Sentence: sentence("not sure of", name, "the gateway has a fault of its own. "+
			"Send it again later: if it was taken after all, you will read that it is safe", "internal", id), Code: "internal"}
	}
	return notTaken(name, "the gateway has a fault of its own. Nothing was taken; send it again later", "internal", id)
}

func diskFull(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, indexer.ErrFull)
}

// freeBytes is what an unprivileged process may still write below path: nothing where no more files can be made.
func freeBytes(path string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return 0, err
	}
	if s.Files > 0 && s.Ffree == 0 { // some file systems count none
		return 0, nil
	}
	return int64(s.Bavail) * s.Bsize, nil
}
