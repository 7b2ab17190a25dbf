package transport_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/config"
)

// Parked uploads are bounded: the eldest make room.
func TestParkedUploadsAreBounded(t *testing.T) {
	h := newHouse(t, nil)
	c := h.dial(t)
	file := payments(t, 10, 1)[:5000]
	for i := range 40 {
		f, err := c.OpenFile(fmt.Sprintf("/inbox/%02d.xml", i), wct)
		must(t, err)
		must(t, fill(f, file, 0))
	}
	c.raw.Close()
	c = h.dial(t)
	until(t, "the eldest are gone", func() bool { return strings.Count(h.log.String(), "msg=aborted") == 8 })
	infos, err := c.ReadDir("/inbox")
	must(t, err)
	if len(infos) != 32 {
		t.Errorf("%d uploads are parked, want 32", len(infos))
	}
}

// What was accepted is shown for the account's linger, and not longer.
func TestGhostsGo(t *testing.T) {
	h := newHouse(t, func(cfg *config.Config) { cfg.Accounts[0].Linger = 300 * time.Millisecond })
	c := h.dial(t)
	file := payments(t, 3, 1)
	must(t, c.put(t, "/inbox/a.xml", file, wct))
	until(t, "the ghost is gone", func() bool { return c.size(t, "/inbox/a.xml") < 0 })
	infos, err := c.ReadDir("/inbox")
	must(t, err)
	if len(infos) != 0 {
		t.Errorf("still listed: %v", infos)
	}
	if n := h.count(t, "accepted"); n != 1 {
		t.Errorf("rows: %v", h.rows(t))
	}
}

// While the server is stopping, while the disk is full: the OPEN says so, since every client shows a failed OPEN.
func TestNoRoomIsSaidAtTheOpen(t *testing.T) {
	h := newHouse(t, func(cfg *config.Config) { cfg.DiskFloor = 1 << 60 })
	c := h.dial(t)
	_, err := c.OpenFile("/inbox/a.xml", wct)
	fails(t, "OPEN below the disk floor", err, "a.xml")
	c.said(t, "a.xml", 1)
	c.wants(t, "/inbox/a.xml", -1)
}

// An upload too large is refused at the WRITE that makes it so.
func TestTooLargeIsSaidAtTheWrite(t *testing.T) {
	h := newHouse(t, func(cfg *config.Config) { cfg.Accounts[0].MaxFileSize = 100_000 })
	c := h.dial(t)
	f, err := c.OpenFile("/inbox/a.xml", wct)
	must(t, err)
	file := payments(t, 1000, 1)
	must(t, fill(f, file[:90_000], 0))
	_, err = f.WriteAt(file[90_000:110_000], 90_000)
	fails(t, "the WRITE", err, "too-large")
	fails(t, "the CLOSE", f.Close(), "too-large")
	c.wants(t, "/inbox/a.xml", -1)
	c.said(t, "too-large", 1)
}

// A file sent byte by byte is a file like any other.
func TestSmallWrites(t *testing.T) {
	h := newHouse(t, nil)
	c := h.dial(t)
	file := payments(t, 3, 1)
	f, err := c.OpenFile("/inbox/a.xml", wct)
	must(t, err)
	for i := range file {
		_, err := f.WriteAt(file[i:i+1], int64(i))
		must(t, err)
	}
	must(t, f.Close())
	if n := h.count(t, "accepted"); n != 1 {
		t.Errorf("rows: %v", h.rows(t))
	}
}
