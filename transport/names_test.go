package transport_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealgate/sealgate/config"
)

func TestRule8RemoveAndRenameOfAcceptedFiles(t *testing.T) {
	h := newHouse(t, nil)
	c := h.dial(t)
	file, other := payments(t, 3, 1), payments(t, 4, 2)
	must(t, c.put(t, "/inbox/a.xml", file, wct))
	must(t, c.Remove("/inbox/a.xml"))
	c.wants(t, "/inbox/a.xml", -1)
	if err := c.Remove("/inbox/a.xml"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a second REMOVE: %v", err)
	}
	must(t, c.put(t, "/inbox/b.uploading", file, wct)) // a temp name that nobody told us of
	must(t, c.put(t, "/inbox/b.xml", other, wct))
	must(t, c.Rename("/inbox/b.uploading", "/inbox/b.xml")) // v3, onto an existing name
	c.wants(t, "/inbox/b.uploading", -1)
	c.wants(t, "/inbox/b.xml", int64(len(file)))
	must(t, c.PosixRename("/inbox/b.xml", "/inbox/c.xml"))
	c.wants(t, "/inbox/c.xml", int64(len(file)))
	must(t, c.Rename("/inbox/c.xml", "/inbox/c.xml"))
	if err := c.Rename("/inbox/none.xml", "/inbox/d.xml"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("RENAME of nothing: %v", err)
	}
	fails(t, "RENAME out of the inbox", c.Rename("/inbox/c.xml", "/outbox/c.xml"), "only names in /inbox")
	if diff := cmp.Diff([]string{"accepted b.xml", "accepted c.xml", "accepted a.xml"}, h.rows(t)); diff != "" {
		t.Errorf("rows: %s", diff)
	}

	f, err := c.OpenFile("/inbox/p.xml", wct) // parked and partial ones are discarded
	must(t, err)
	must(t, fill(f, file[:500], 0))
	fails(t, "REMOVE of a running upload", c.Remove("/inbox/p.xml"), "running")
	h.cut(t, c, "/inbox/p.xml")
	c = h.dial(t)
	must(t, c.Remove("/inbox/p.xml"))
	c.wants(t, "/inbox/p.xml", -1)
	must(t, c.put(t, "/inbox/q.tmp", file, wct))
	must(t, c.Remove("/inbox/q.tmp"))
	c.wants(t, "/inbox/q.tmp", -1)
}

// TestNotRemoved: a file whose removal could not be noted, here since its account has left the configuration, is still shown.
func TestNotRemoved(t *testing.T) {
	h := newHouse(t, nil)
	c := h.dial(t)
	file := payments(t, 3, 1)
	must(t, c.put(t, "/inbox/a.xml", file, wct))
	write(t, filepath.Join(h.dir, "sealgate.yaml"), []byte(strings.ReplaceAll(yaml, "id: acme", "id: other")))
	must(t, h.Reload(t.Context()))
	fails(t, "REMOVE", c.Remove("/inbox/a.xml"), "not removed a.xml: the server could not note it")
	c.wants(t, "/inbox/a.xml", int64(len(file)))
	write(t, filepath.Join(h.dir, "sealgate.yaml"), []byte(yaml))
	must(t, h.Reload(t.Context()))
	must(t, c.Remove("/inbox/a.xml"))
	c.wants(t, "/inbox/a.xml", -1)
}

func TestRule9PartialNames(t *testing.T) {
	h := newHouse(t, nil)
	c := h.dial(t)
	file := payments(t, 100, 1)
	for i, name := range []string{"a.xml.filepart", "a.part", "a.tmp", "a.xml.4c21a7d9.partial", ".in.a.xml"} {
		from, to := "/inbox/"+name, fmt.Sprintf("/inbox/%d.xml", i)
		must(t, c.put(t, from, file, wct))
		c.wants(t, from, int64(len(file)))
		if n := h.count(t, "accepted"); n != i {
			t.Fatalf("%s: %d accepted before the rename, want %d", name, n, i)
		}
		rename := c.PosixRename
		if i%2 == 0 {
			rename = c.Rename
		}
		must(t, rename(from, to))
		c.wants(t, from, -1)
		c.wants(t, to, int64(len(file)))
	}
	c.said(t, "accepted ", 5)
	must(t, c.put(t, "/inbox/b.tmp", file, wct))
	must(t, c.Rename("/inbox/b.tmp", "/inbox/b.part")) // from one temp name to another: no verdict
	if n := h.count(t, "accepted"); n != 5 {
		t.Errorf("%d accepted, want 5", n)
	}
	must(t, c.Rename("/inbox/b.part", "/inbox/0.xml")) // onto an accepted one: that stays
	if n := h.count(t, "accepted"); n != 6 {
		t.Errorf("%d accepted, want 6", n)
	}
}

func TestRule9RefusedRename(t *testing.T) {
	h := newHouse(t, nil)
	c := h.dial(t)
	must(t, c.put(t, "/inbox/a.xml", payments(t, 100, 1), wct))
	must(t, c.put(t, "/inbox/a.tmp", short(t, 2), wct))
	before := len(h.rows(t))
	first := c.PosixRename("/inbox/a.tmp", "/inbox/a.xml")
	fails(t, "the rename", first, "incomplete")
	c.wants(t, "/inbox/a.xml", -1) // although an older one had the name
	if c.size(t, "/inbox/a.tmp") < 0 {
		t.Error("the temp name is gone: rclone could not say why")
	}
	second := c.Rename("/inbox/a.tmp", "/inbox/a.xml")
	if second == nil || second.Error() != first.Error() {
		t.Errorf("the second rename: %v, want the same as the first: %v", second, first)
	}
	if n := len(h.rows(t)) - before; n != 1 {
		t.Errorf("%d rows for one refusal", n)
	}
	must(t, c.Remove("/inbox/a.tmp"))
	c.wants(t, "/inbox/a.tmp", -1)

	// Malformed: known at the WRITE, told there, at the CLOSE and at the rename; the temp name is there to be removed.
	err := c.put(t, "/inbox/b.tmp", broken(t), wct)
	fails(t, "the upload", err, "malformed")
	fails(t, "its rename", c.Rename("/inbox/b.tmp", "/inbox/b.xml"), "malformed")
	must(t, c.Remove("/inbox/b.tmp"))

	// Incomplete and continued: the rename is asked again.
	whole := payments(t, 100, 3)
	must(t, c.put(t, "/inbox/c.tmp", whole[:len(whole)-50], wct))
	fails(t, "the rename", c.Rename("/inbox/c.tmp", "/inbox/c.xml"), "incomplete")
	n := c.size(t, "/inbox/c.tmp")
	f, err := c.OpenFile("/inbox/c.tmp", wac)
	must(t, err)
	must(t, fill(f, whole[n:], n))
	must(t, f.Close())
	must(t, c.Rename("/inbox/c.tmp", "/inbox/c.xml"))
	c.wants(t, "/inbox/c.xml", int64(len(whole)))
}

// TestRule9RenameOfAnothersUpload: a second job begins under the temp name before the first one has renamed its own. The
// first one's bytes are gone, so its rename must not be answered with OK.
func TestRule9RenameOfAnothersUpload(t *testing.T) {
	h := newHouse(t, nil)
	first, second := h.dial(t), h.dial(t)
	must(t, first.put(t, "/inbox/a.tmp", payments(t, 3, 1), wct))
	f, err := second.OpenFile("/inbox/a.tmp", wct)
	must(t, err)
	fails(t, "the first one's rename", first.PosixRename("/inbox/a.tmp", "/inbox/a.xml"), "running")
	must(t, fill(f, payments(t, 4, 2), 0))
	must(t, second.PosixRename("/inbox/a.tmp", "/inbox/a.xml")) // as sshfs does, whose CLOSE comes late
	must(t, f.Close())
	if rows := h.rows(t); len(rows) != 1 || rows[0] != "accepted a.xml" {
		t.Errorf("rows: %v", rows)
	}
}

// TestRule9ContinuedBehindAGap: what was closed under a temp name with bytes missing is continued like any other.
func TestRule9ContinuedBehindAGap(t *testing.T) {
	h := newHouse(t, nil)
	c := h.dial(t)
	file := payments(t, 100, 1)
	f, err := c.OpenFile("/inbox/a.tmp", wct)
	must(t, err)
	must(t, fill(f, file[:1000], 0))
	must(t, fill(f, file[2000:3000], 2000))
	must(t, f.Close())
	c.wants(t, "/inbox/a.tmp", 1000)
	f, err = c.OpenFile("/inbox/a.tmp", wac)
	must(t, err)
	must(t, fill(f, file[1000:], 1000))
	must(t, f.Close())
	must(t, c.Rename("/inbox/a.tmp", "/inbox/a.xml"))
}

func TestRule10AfterARefusal(t *testing.T) {
	h := newHouse(t, nil)
	c := h.dial(t)
	must(t, c.put(t, "/inbox/a.xml", payments(t, 3, 1), wct))
	fails(t, "malformed", c.put(t, "/inbox/a.xml", broken(t), wct), "malformed")
	c.wants(t, "/inbox/a.xml", -1)
	infos, err := c.ReadDir("/inbox")
	must(t, err)
	if len(infos) != 0 {
		t.Errorf("still listed: %v", infos)
	}

	// Incomplete (Ctrl-C in sftp sends a clean CLOSE): kept, one byte short, continued with that byte repeated.
	whole := payments(t, 100, 2)
	part := len(whole) - 1000
	must(t, c.put(t, "/inbox/b.xml", payments(t, 3, 3), wct))
	fails(t, "incomplete", c.put(t, "/inbox/b.xml", whole[:part], wct), "incomplete")
	c.wants(t, "/inbox/b.xml", int64(part-1))
	fails(t, "its rename", c.Rename("/inbox/b.xml", "/inbox/c.xml"), "incomplete")
	f, err := c.OpenFile("/inbox/b.xml", wac)
	must(t, err)
	must(t, fill(f, whole[part-1:], int64(part-1)))
	must(t, f.Close())
	c.wants(t, "/inbox/b.xml", int64(len(whole)))
	if n := h.count(t, "accepted"); n != 3 {
		t.Errorf("rows: %v", h.rows(t))
	}

	// The repeated byte must be equal.
	fails(t, "incomplete", c.put(t, "/inbox/d.xml", whole[:part], wct), "incomplete")
	f, err = c.OpenFile("/inbox/d.xml", wac)
	must(t, err)
	wrong := append([]byte{whole[part-1] ^ 1}, whole[part:]...)
	if err := errors.Join(fill(f, wrong, int64(part-1)), f.Close()); err == nil {
		t.Error("another byte in place of the repeated one is taken")
	}
}

func TestRule11OnlyThePrefixIsParked(t *testing.T) {
	h := newHouse(t, nil)
	file := payments(t, 2000, 1)
	const chunk = 32 << 10
	c := h.dial(t)
	f, err := c.OpenFile("/inbox/a.xml", wct)
	must(t, err)
	must(t, fill(f, file[:2*chunk], 0))
	for i := 3; i < 9; i++ { // ssh2-sftp-client: a hole, and much behind it
		_, err := f.WriteAt(file[i*chunk:(i+1)*chunk], int64(i*chunk))
		must(t, err)
	}
	h.cut(t, c, "/inbox/a.xml")
	c = h.dial(t)
	c.wants(t, "/inbox/a.xml", 2*chunk)
	f, err = c.OpenFile("/inbox/a.xml", wac)
	must(t, err)
	must(t, fill(f, file[2*chunk:], 2*chunk))
	must(t, f.Close())
	if n := h.count(t, "accepted"); n != 1 {
		t.Errorf("rows: %v", h.rows(t))
	}

	// All announced bytes are there and only the CLOSE is missing: shown whole it would pass for taken.
	c = h.dial(t)
	f, err = c.OpenFile("/inbox/b.xml", wct)
	must(t, err)
	must(t, f.Truncate(int64(len(file))))
	must(t, fill(f, file, 0))
	h.cut(t, c, "/inbox/b.xml")
	c = h.dial(t)
	c.wants(t, "/inbox/b.xml", int64(len(file)-1))
	f, err = c.OpenFile("/inbox/b.xml", wc)
	must(t, err)
	must(t, f.Close()) // psftp and lftp: nothing more to send
	c.wants(t, "/inbox/b.xml", int64(len(file)))
}

func TestRule12TheFirstErrorSticks(t *testing.T) {
	h := newHouse(t, nil)
	c := h.dial(t)
	f, err := c.OpenFile("/inbox/a.xml", wct)
	must(t, err)
	first := fill(f, broken(t), 0)
	fails(t, "WRITE", first, "malformed")
	for _, off := range []int64{0, 100, 32 << 10} {
		if _, err := f.WriteAt([]byte("more"), off); err == nil || err.Error() != first.Error() {
			t.Errorf("a later WRITE at %d: %v, want %v", off, err, first)
		}
	}
	if err := f.Close(); err == nil || err.Error() != first.Error() {
		t.Errorf("CLOSE: %v, want %v", err, first)
	}
	c.said(t, "sealgate: rejected a.xml: ", 1)
}

func TestRule13ShownAfterARestart(t *testing.T) {
	h := newHouse(t, nil)
	c := h.dial(t)
	file := payments(t, 3, 1)
	must(t, c.put(t, "/inbox/a.xml", file, wct))
	must(t, c.put(t, "/inbox/b.tmp", payments(t, 4, 2), wct))
	must(t, c.Rename("/inbox/b.tmp", "/inbox/b.xml"))
	if err := c.put(t, "/inbox/c.xml", broken(t), wct); err == nil {
		t.Error("a malformed file was taken")
	}
	h.restart(t)
	c = h.dial(t)
	c.wants(t, "/inbox/a.xml", int64(len(file)))
	infos, err := c.ReadDir("/inbox")
	must(t, err)
	if len(infos) != 2 || infos[1].Name() != "b.xml" {
		t.Errorf("after a restart: %v", infos)
	}
	must(t, c.Rename("/inbox/a.xml", "/inbox/d.xml"))
}

func TestRule14FoldersAndLinks(t *testing.T) {
	h := newHouse(t, nil)
	c := h.dial(t)
	must(t, c.Mkdir("/inbox/sub"))
	must(t, c.Mkdir("/inbox/sub/deep"))
	file := payments(t, 3, 1)
	must(t, c.put(t, "/inbox/sub/deep/a.xml", file, wct))
	c.wants(t, "/inbox/sub/deep/a.xml", int64(len(file)))
	if rows := h.rows(t); rows[0] != "accepted a.xml" {
		t.Errorf("rows: %v", rows)
	}
	infos, err := c.ReadDir("/inbox")
	must(t, err)
	if len(infos) != 1 || !infos[0].IsDir() || infos[0].Name() != "sub" {
		t.Errorf("listing: %v", infos)
	}
	fails(t, "MKDIR of an existing folder", c.Mkdir("/inbox/sub"), "exists")
	fails(t, "MKDIR of the inbox", c.Mkdir("/inbox"), "exists")
	fails(t, "MKDIR elsewhere", c.Mkdir("/other"), "only names in /inbox")
	fails(t, "RMDIR of a full folder", c.RemoveDirectory("/inbox/sub"), "not empty")
	fails(t, "RMDIR of a file", c.RemoveDirectory("/inbox/sub/deep/a.xml"), "not a folder")
	fails(t, "OPEN of a folder", c.put(t, "/inbox/sub", file, wct), "is a folder")
	if err := c.put(t, "/inbox/none/a.xml", file, wct); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("OPEN in a folder that is not there: %v", err)
	}
	must(t, c.Remove("/inbox/sub/deep/a.xml"))
	must(t, c.RemoveDirectory("/inbox/sub/deep"))
	must(t, c.RemoveDirectory("/inbox/sub"))
	c.wants(t, "/inbox/sub", -1)
	fails(t, "RMDIR of the inbox", c.RemoveDirectory("/inbox"), "stays")
	for what, err := range map[string]error{
		"SYMLINK":  c.Symlink("/inbox/a.xml", "/inbox/b.xml"),
		"LINK":     c.Link("/inbox/a.xml", "/inbox/b.xml"),
		"READLINK": errOf(c.ReadLink("/inbox/a.xml")),
		"STATVFS":  errOf(c.StatVFS("/inbox")),
	} {
		if err == nil || !strings.Contains(err.Error(), "SSH_FX_OP_UNSUPPORTED") {
			t.Errorf("%s: %v, want UNSUPPORTED", what, err)
		}
	}
	fails(t, "a file in /", c.put(t, "/a.xml", file, wct), "files go into /inbox")
	fails(t, "a hostile name", c.put(t, "/inbox/a\x1b[2J.xml", file, wct), "control character")
}

func errOf[T any](_ T, err error) error { return err }

func TestRule15NothingElseIsOffered(t *testing.T) {
	h := newHouse(t, nil)
	c := h.dial(t)
	for extension, want := range map[string]bool{
		"posix-rename@openssh.com": true, "statvfs@openssh.com": false, "hardlink@openssh.com": false,
		"fsync@openssh.com": false, "limits@openssh.com": true, "copy-data": false,
	} {
		if _, got := c.HasExtension(extension); got != want {
			t.Errorf("%s is offered: %v, want %v", extension, got, want)
		}
	}
}

// A parked upload is kept for sftp.park and is gone then; with park: 0 nothing is parked.
func TestParkedUploadsGo(t *testing.T) {
	h := newHouse(t, func(cfg *config.Config) { cfg.SFTP.Park = time.Nanosecond })
	c := h.dial(t)
	f, err := c.OpenFile("/inbox/a.xml", wct)
	must(t, err)
	must(t, fill(f, payments(t, 10, 1)[:5000], 0))
	c.raw.Close()
	c = h.dial(t)
	until(t, "the parked upload is gone", func() bool { return c.size(t, "/inbox/a.xml") < 0 })
	until(t, "the upload is noted as aborted", func() bool { return strings.Contains(h.log.String(), "msg=aborted") })
}
