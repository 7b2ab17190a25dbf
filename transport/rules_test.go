package transport_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/config"
)

// One test a rule of the view, by their numbers.

func TestRule1OneViewForAllSessions(t *testing.T) {
	h := newHouse(t, nil)
	a, b := h.dial(t), h.dial(t)
	file := payments(t, 100, 1)
	f, err := a.OpenFile("/inbox/a.xml", wct)
	must(t, err)
	must(t, fill(f, file[:40000], 0))
	b.wants(t, "/inbox/a.xml", 40000)
	_, err = b.OpenFile("/inbox/a.xml", wct)
	fails(t, "a second OPEN", err, "another upload of this name is running")
	must(t, fill(f, file[40000:], 40000))
	must(t, f.Close())
	b.wants(t, "/inbox/a.xml", int64(len(file)))
	must(t, b.put(t, "/inbox/b.xml.9.partial", file, wct)) // rclone: written on one connection,
	must(t, a.PosixRename("/inbox/b.xml.9.partial", "/inbox/b.xml"))
	if n := h.count(t, "accepted"); n != 2 {
		t.Errorf("%d accepted, want 2: %v", n, h.rows(t))
	}
}

func TestRule2TheSameEverywhere(t *testing.T) {
	h := newHouse(t, nil)
	c := h.dial(t)
	file := payments(t, 3, 1)
	must(t, c.put(t, "/inbox//a.xml", file, wct))
	for _, name := range []string{"/inbox/a.xml", "inbox/a.xml", "/inbox/./a.xml", "/inbox/x/../a.xml", "//inbox//a.xml"} {
		stat, err := c.Stat(name)
		must(t, err)
		lstat, err := c.Lstat(name)
		must(t, err)
		if stat.Size() != int64(len(file)) || lstat.Size() != stat.Size() || !lstat.ModTime().Equal(stat.ModTime()) {
			t.Errorf("%s: STAT %v, LSTAT %v", name, stat, lstat)
		}
		if stat.Mode() != 0o200 {
			t.Errorf("%s: mode %v, want 0200", name, stat.Mode())
		}
	}
	infos, err := c.ReadDir("/inbox/.")
	must(t, err)
	if len(infos) != 1 || infos[0].Name() != "a.xml" || infos[0].Size() != int64(len(file)) {
		t.Errorf("listing: %v", infos)
	}
	f, err := c.OpenFile("/inbox/b.xml", wct)
	must(t, err)
	must(t, fill(f, file[:500], 0))
	info, err := f.Stat()
	must(t, err)
	if info.Size() != 500 || info.Mode() != 0o644 {
		t.Errorf("a file under way: %d bytes, %v; want 500, 0644", info.Size(), info.Mode())
	}
	for _, folder := range []string{"/", "/inbox", "/inbox/.", "/receipts", "/outbox"} {
		if info, err := c.Stat(folder); err != nil || !info.IsDir() || info.Mode().Perm() != 0o755 {
			t.Errorf("%s: %v, %v", folder, info, err)
		}
	}
	if path, err := c.RealPath("."); err != nil || path != "/" {
		t.Errorf("REALPATH .: %q, %v", path, err)
	}
}

func TestRule3TimesAreKeptAndSizesAreDeclarations(t *testing.T) {
	h := newHouse(t, nil)
	c := h.dial(t)
	file := payments(t, 3, 1)
	when := time.Unix(1700000000, 0)
	f, err := c.OpenFile("/inbox/a.xml", wct)
	must(t, err)
	must(t, f.Chmod(0o600))
	must(t, f.Truncate(int64(len(file)))) // lftp: before the bytes
	must(t, c.Chtimes("/inbox/a.xml", when, when))
	must(t, fill(f, file, 0))
	must(t, f.Close())
	shown := func() time.Time {
		info, err := c.Stat("/inbox/a.xml")
		must(t, err)
		return info.ModTime()
	}
	if !shown().Equal(when) {
		t.Errorf("time set during the upload is shown as %v", shown())
	}
	later := when.Add(time.Hour)
	must(t, c.Chtimes("/inbox/a.xml", later, later))
	must(t, c.Chmod("/inbox/a.xml", 0o777))
	must(t, c.Chown("/inbox/a.xml", 5, 5))
	must(t, c.Truncate("/inbox/a.xml", int64(len(file))))
	if !shown().Equal(later) {
		t.Errorf("time set after the upload is shown as %v", shown())
	}
	fails(t, "another size on an accepted file", c.Truncate("/inbox/a.xml", 5), "accepted whole")
	if err := c.Chmod("/inbox/none.xml", 0o600); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("SETSTAT of nothing: %v", err)
	}

	f, err = c.OpenFile("/inbox/b.xml", wct)
	must(t, err)
	must(t, fill(f, file, 0))
	must(t, f.Truncate(int64(len(file))+1)) // scp: one byte more was promised than came
	fails(t, "CLOSE", f.Close(), "incomplete")
}

func TestRule4TheFirstOffsetDecides(t *testing.T) {
	h := newHouse(t, nil)
	file, other := payments(t, 200, 1), payments(t, 150, 2)
	half := len(file) / 2
	park := func(name string) *client {
		c := h.dial(t)
		f, err := c.OpenFile(name, wct)
		must(t, err)
		must(t, fill(f, file[:half], 0))
		h.cut(t, c, name)
		c = h.dial(t)
		c.wants(t, name, int64(half))
		return c
	}
	for i, flags := range []int{w, wc, wac, rw, w | os.O_APPEND} {
		name := fmt.Sprintf("/inbox/go-on-%d.xml", i)
		c := park(name)
		f, err := c.OpenFile(name, flags)
		must(t, err)
		if info, err := f.Stat(); err != nil || info.Size() != int64(half) {
			t.Errorf("%s: FSTAT of the new handle: %v, %v", name, info, err)
		}
		must(t, fill(f, file[half:], int64(half)))
		must(t, f.Close())
		c.wants(t, name, int64(len(file)))
	}
	accepted := h.count(t, "accepted")

	for i, flags := range []int{w, wc, rw, wct} { // from 0: a new file, whatever was parked
		name := fmt.Sprintf("/inbox/anew-%d.xml", i)
		c := park(name)
		must(t, c.put(t, name, other, flags))
		c.wants(t, name, int64(len(other)))
	}
	if n := h.count(t, "accepted") - accepted; n != 4 {
		t.Errorf("%d new files were accepted, want 4", n)
	}

	c := park("/inbox/wrong.xml")
	f, err := c.OpenFile("/inbox/wrong.xml", wc)
	must(t, err)
	fill(f, file[half-100:], int64(half-100))
	fails(t, "a resume at the wrong place", f.Close(), fmt.Sprintf("byte %d", half))
	c.wants(t, "/inbox/wrong.xml", int64(half)) // and it can still be done right
	f, err = c.OpenFile("/inbox/wrong.xml", wc)
	must(t, err)
	must(t, fill(f, file[half:], int64(half)))
	must(t, f.Close())

	c = park("/inbox/ab.xml") // asyncssh's 'ab': the rest, from byte 0
	f, err = c.OpenFile("/inbox/ab.xml", wac)
	must(t, err)
	err = errors.Join(fill(f, file[half:], 0), f.Close())
	if err == nil || !strings.Contains(err.Error(), "append") {
		t.Errorf("APPEND from byte 0: %v", err)
	}

	if _, err := c.OpenFile("/inbox/none.xml", w); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("OPEN without CREAT of nothing: %v", err)
	}
}

// The lowest offset counts, not the first to come: a new file whose byte 0 arrives late is a new file.
func TestRule4OutOfOrder(t *testing.T) {
	h := newHouse(t, nil)
	file := payments(t, 400, 1)
	const chunk = 16 << 10
	c := h.dial(t)
	f, err := c.OpenFile("/inbox/a.xml", wct)
	must(t, err)
	must(t, fill(f, file[:4*chunk], 0))
	h.cut(t, c, "/inbox/a.xml")

	c = h.dial(t)
	other := payments(t, 300, 2)
	f, err = c.OpenFile("/inbox/a.xml", wc)
	must(t, err)
	var offsets []int
	for off := 0; off < len(other); off += chunk {
		offsets = append(offsets, off)
	}
	slices.Reverse(offsets[:8]) // the write at the parked size comes before the one at 0
	for _, off := range offsets {
		_, err := f.WriteAt(other[off:min(off+chunk, len(other))], int64(off))
		must(t, err)
	}
	must(t, f.Close())
	c.wants(t, "/inbox/a.xml", int64(len(other)))
	if rows := h.rows(t); len(rows) != 1 || rows[0] != "accepted a.xml" {
		t.Errorf("rows: %v", rows)
	}
}

func TestRule5OrderingWindow(t *testing.T) {
	h := newHouse(t, nil)
	c := h.dial(t)
	file := payments(t, 8000, 1)
	f, err := c.OpenFile("/inbox/a.xml", wct)
	must(t, err)
	const chunk, block = 32 << 10, 90 // jumps of up to 2.9 MiB, like ssh2-sftp-client's fastPut
	random := rand.New(rand.NewPCG(1, 2))
	for start := 0; start < len(file); start += chunk * block {
		for _, i := range random.Perm(block) {
			off := start + i*chunk
			if off >= len(file) {
				continue
			}
			_, err := f.WriteAt(file[off:min(off+chunk, len(file))], int64(off))
			must(t, err)
		}
	}
	must(t, f.Close())
	if n := h.count(t, "accepted"); n != 1 {
		t.Errorf("rows: %v", h.rows(t))
	}
}

func TestRule6OpenOverAnAcceptedFile(t *testing.T) {
	h := newHouse(t, nil)
	c := h.dial(t)
	file, other := payments(t, 3, 1), payments(t, 4, 2)
	must(t, c.put(t, "/inbox/a.xml", file, wct))
	for name, flags := range map[string]int{"W": w, "RW": rw, "WA": w | os.O_APPEND, "WAC": wac} {
		_, err := c.OpenFile("/inbox/a.xml", flags)
		deniedIs(t, name, err)
	}
	c.said(t, "refused a.xml: it was accepted whole; it cannot be continued", 4)
	_, err := c.OpenFile("/inbox/a.xml", wc|os.O_EXCL)
	fails(t, "C+X", err, "exists already")
	must(t, c.put(t, "/inbox/a.xml", nil, wc)) // lftp put -c of a finished file
	c.wants(t, "/inbox/a.xml", int64(len(file)))
	if n := len(h.rows(t)); n != 1 {
		t.Fatalf("rows: %v", h.rows(t))
	}
	must(t, c.put(t, "/inbox/a.xml", other, wc)) // scp -s
	c.wants(t, "/inbox/a.xml", int64(len(other)))
	must(t, c.put(t, "/inbox/a.xml", file, wct))
	c.wants(t, "/inbox/a.xml", int64(len(file)))
	if n := h.count(t, "accepted"); n != 3 {
		t.Errorf("rows: %v", h.rows(t))
	}
	f, err := c.OpenFile("/inbox/a.xml", wc) // phpseclib: appended to a finished file
	must(t, err)
	fill(f, other, int64(len(file)))
	deniedIs(t, "WC at the end", f.Close())
	if n := h.count(t, "accepted"); n != 3 {
		t.Errorf("rows: %v", h.rows(t))
	}
}

// TestRule3NothingIsCut: scp sends an empty file without a WRITE and says its size. What was parked, or accepted, under its name is
// not it, nor is it what has another size.
func TestRule3NothingIsCut(t *testing.T) {
	h := newHouse(t, nil)
	c := h.dial(t)
	announced := func(name string, size int64) error {
		f, err := c.OpenFile(name, wc)
		must(t, err)
		must(t, f.Truncate(size))
		return f.Close()
	}
	f, err := c.OpenFile("/inbox/a.csv", wct)
	must(t, err)
	must(t, fill(f, []byte("payer;payee;1.00\n"), 0))
	h.cut(t, c, "/inbox/a.csv")
	c = h.dial(t)
	fails(t, "5 bytes of a parked file", announced("/inbox/a.csv", 5), "cannot be cut")
	fails(t, "an empty file over a parked one", announced("/inbox/a.csv", 0), "it is empty")
	c.wants(t, "/inbox/a.csv", -1)

	file := payments(t, 3, 1)
	must(t, c.put(t, "/inbox/b.xml", file, wct))
	must(t, announced("/inbox/b.xml", int64(len(file)))) // lftp put -c of a finished file
	fails(t, "5 bytes of an accepted file", announced("/inbox/b.xml", 5), "accepted whole")
	must(t, c.put(t, "/inbox/b.xml", file, wct))
	fails(t, "more than an accepted file", announced("/inbox/b.xml", int64(len(file))+1), "accepted whole")
	must(t, c.put(t, "/inbox/b.xml", file, wct))
	fails(t, "an empty file over an accepted one", announced("/inbox/b.xml", 0), "it is empty")
	if n := h.count(t, "rejected"); n != 2 || h.count(t, "accepted") != 3 {
		t.Errorf("rows: %v", h.rows(t))
	}
}

// TestRule3AnnouncedWhileParked: a size that was announced of a parked file counts for the handle that continues it.
func TestRule3AnnouncedWhileParked(t *testing.T) {
	h := newHouse(t, nil)
	c := h.dial(t)
	f, err := c.OpenFile("/inbox/a.csv", wct)
	must(t, err)
	must(t, fill(f, []byte("payer;payee;1.00\n"), 0))
	h.cut(t, c, "/inbox/a.csv")
	c = h.dial(t)
	must(t, c.Truncate("/inbox/a.csv", 34))
	f, err = c.OpenFile("/inbox/a.csv", wac)
	must(t, err)
	must(t, fill(f, []byte("payer;"), 17))
	fails(t, "CLOSE", f.Close(), "34 bytes were announced, 23 came")
}

func TestRule7NothingIsReadBack(t *testing.T) {
	h := newHouse(t, nil)
	c := h.dial(t)
	must(t, c.put(t, "/inbox/a.xml", payments(t, 3, 1), wct))
	_, err := c.Open("/inbox/a.xml")
	deniedIs(t, "OPEN for reading", err)
	c.said(t, "refused a.xml: files in /inbox cannot be read back.", 1)
	f, err := c.OpenFile("/inbox/b.xml", rw|os.O_CREATE)
	must(t, err)
	_, err = f.Write([]byte("<Document>"))
	must(t, err)
	_, err = f.ReadAt(make([]byte, 4), 0)
	deniedIs(t, "READ on a handle for both", err)
	file := payments(t, 3, 2)
	f, err = c.OpenFile("/inbox/c.xml", wct)
	must(t, err)
	must(t, fill(f, file[:1000], 0))
	_, err = f.ReadAt(make([]byte, 4), 1000) // nor is it taken for a WRITE
	deniedIs(t, "READ on a handle for writing", err)
	must(t, fill(f, file[1000:], 1000))
	must(t, f.Close())
	if _, err := c.Open("/inbox/none.xml"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("OPEN of nothing: %v", err)
	}
	if _, err := c.Open("/outbox/x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("OPEN in the outbox: %v", err)
	}
}

func TestReceipts(t *testing.T) {
	h := newHouse(t, nil)
	c := h.dial(t)
	must(t, c.put(t, "/inbox/a.xml", payments(t, 3, 1), wct))
	err := c.put(t, "/inbox/b.xml", broken(t), wct)
	if err == nil {
		t.Fatal("a malformed file was taken")
	}
	infos, err := c.ReadDir("/receipts")
	must(t, err)
	if len(infos) != 2 {
		t.Fatalf("%d receipts, want 2", len(infos))
	}
	for _, info := range infos {
		stat, err := c.Stat("/receipts/" + info.Name())
		must(t, err)
		f, err := c.Open("/receipts/" + info.Name())
		must(t, err)
		content, err := io.ReadAll(f)
		must(t, err)
		must(t, f.Close())
		if int64(len(content)) != stat.Size() || stat.Size() != info.Size() || !bytes.HasPrefix(content, []byte("{")) {
			t.Errorf("%s: %d bytes listed, %d by STAT, %d read", info.Name(), info.Size(), stat.Size(), len(content))
		}
		fails(t, "REMOVE of a receipt", c.Remove("/receipts/"+info.Name()), "")
	}
	for _, name := range []string{"/receipts/none.json", "/receipts/a.xml", "/receipts/sub/a.xml.7K4M2X0V.json"} {
		if _, err := c.Stat(name); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("STAT %s: %v", name, err)
		}
	}
	if infos, err := c.ReadDir("/outbox"); err != nil || len(infos) != 0 {
		t.Errorf("outbox: %v, %v", infos, err)
	}
}

func TestHandlesAreCapped(t *testing.T) {
	h := newHouse(t, func(cfg *config.Config) { cfg.SFTP.Limits.Handles = 3 })
	c := h.dial(t)
	for i := range 3 {
		f, err := c.OpenFile(fmt.Sprintf("/inbox/%d.xml", i), wct)
		must(t, err)
		if i == 0 {
			defer f.Close()
		}
	}
	_, err := c.OpenFile("/inbox/3.xml", wct)
	fails(t, "one handle too many", err, "too many files are open")
	if _, err := c.ReadDir("/"); err == nil {
		t.Error("a folder's handle is not counted")
	}
	must(t, h.dial(t).put(t, "/inbox/4.xml", payments(t, 3, 1), wct)) // another session has its own
}
