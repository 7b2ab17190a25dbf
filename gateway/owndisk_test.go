package gateway

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// smallDisk mounts a disk of its own, or skips the test aloud.
func smallDisk(t *testing.T, dir, options string) {
	t.Helper()
	if err := unix.Mount("own", dir, "tmpfs", 0, options+",mode=0700"); err != nil {
		t.Skipf("NOT RUN, MISSING: root, and the right to mount a tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// TestOwnDiskFull: where an account's own disk is full at a start, it alone is out of service, and comes back by itself once there is room.
func TestOwnDiskFull(t *testing.T) {
	for full, options := range map[string]string{"of bytes": "size=8m", "of files": "size=64m,nr_inodes=64"} {
		t.Run(full, func(t *testing.T) { ownDiskFull(t, options) })
	}
}

func ownDiskFull(t *testing.T, options string) {
	disk := t.TempDir()
	smallDisk(t, disk, options)
	h := newHouse(t)
	_, err := h.push(t, "acme", "small.xml", pain001(t, "small", 3))
	must(t, err, h.Close())
	at := filepath.Join(h.dir, "data/accounts/acme")
	must(t, os.CopyFS(filepath.Join(disk, "acme"), os.DirFS(at)), os.RemoveAll(at), os.Symlink(filepath.Join(disk, "acme"), at))
	ballast := fill(t, disk)
	h.log.Reset()
	h.startWithout(t, "acme")
	if log := h.log.String(); !strings.Contains(log, `msg="account out of service" account=acme`) {
		t.Errorf("the log: %s", log)
	}
	must(t, h.start(t))
	_, err = h.push(t, "beta", "others.xml", pain001(t, "others", 3))
	must(t, err)
	h.findLost(t.Context())
	if h.account("acme") != nil {
		t.Error("it is back without room")
	}
	must(t, os.RemoveAll(ballast))
	h.findLost(t.Context())
	_, err = h.push(t, "acme", "more.xml", pain001(t, "more", 3))
	must(t, err)
	if list := h.files(t, "acme"); len(list) != 2 {
		t.Errorf("%d files", len(list))
	}
	h.sound(t)
	must(t, h.Close())
}

// fill takes all the room of a disk, of both kinds, and gives what is to be removed to have it back.
func fill(t *testing.T, disk string) string {
	t.Helper()
	ballast := filepath.Join(disk, "ballast")
	must(t, os.Mkdir(ballast, 0o700))
	for n, piece := 0, make([]byte, 64<<10); ; n++ {
		f, err := os.OpenFile(filepath.Join(ballast, string(rune('a'+n%26))+strings.Repeat("x", n/26)), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			return ballast
		}
		_, err = f.Write(piece)
		if f.Close(); err != nil {
			return ballast
		}
	}
}

// TestNoMoreFiles: a disk on which no more files can be made is full, however many bytes are free: no upload begins, status tells, and it is
// over when there is room again.
func TestNoMoreFiles(t *testing.T) {
	h := newHouse(t)
	must(t, h.Close())
	data := filepath.Join(h.dir, "data")
	smallDisk(t, data, "size=64m,nr_inodes=64")
	must(t, h.start(t))
	ballast := fill(t, data)
	told := func() string {
		s, err := h.Status(t.Context())
		must(t, err)
		return strings.Join(s.Problems, "\n")
	}
	if err := h.Room(guest, "a.xml"); err == nil || !strings.Contains(err.Error(), "cannot store files now") || !strings.Contains(told(), "disk: refusing uploads") {
		t.Errorf("without room for a file: %v; status: %s", err, told())
	}
	must(t, os.RemoveAll(ballast), h.Room(guest, "a.xml"))
	if strings.Contains(told(), "disk") {
		t.Errorf("with room again: %s", told())
	}
	must(t, h.Close())
}
