package gateway

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// copySlab is what one write to the disk takes. Written past the page cache (O_DIRECT) in aligned slabs, a sealed copy
// is on the disk when its last slab is: page cache and fdatasync at the end made a client wait half a second for 1 GiB.
const (
	copySlab  = 1 << 20
	copyAlign = 4096
)

// What lies in an account's incoming folder: sealed bytes of an upload under way, and the marker of a copy that has been
// placed and not committed yet.
const (
	tmpSuffix    = ".tmp"
	placedSuffix = ".placed"
)

// sealedCopy is the sealed copy of one upload on its way to disk. Write collects slabs; a goroutine of its own writes
// them, so that sealing and the disk overlap. Whatever dies before place is swept at the next start.
type sealedCopy struct {
	file *os.File
	path string
	// marker is a second name of the file in the incoming folder, from before it is placed until its transaction has
	// ended: a sealed copy without a row was never accepted if it has one, and has lost its row if it has none.
	marker string
	size   int64 // bytes given to Write
	slab   []byte
	full   chan []byte
	spare  chan []byte
	done   chan struct{}         // closed when the writing goroutine has ended
	fault  atomic.Pointer[error] // the first of the disk
	ended  bool                  // the writer has ended and the slabs are given back
}

// slabs are page-aligned, as O_DIRECT wants them.
var slabs = sync.Pool{New: func() any {
	raw := make([]byte, copySlab+copyAlign)
	skip := copyAlign - int(uintptr(unsafe.Pointer(&raw[0]))%copyAlign)
	slab := raw[skip%copyAlign : skip%copyAlign+copySlab : skip%copyAlign+copySlab]
	return &slab
}}

// newSealedCopy creates the file in the account's incoming folder and starts its writer.
func newSealedCopy(path string) (*sealedCopy, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|unix.O_DIRECT, 0o600)
	if errors.Is(err, unix.EINVAL) { // a file system without O_DIRECT, e.g. an older tmpfs; the name may exist already
		os.Remove(path)
		file, err = os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("sealed copy: %w", err)
	}
	c := &sealedCopy{
		file: file, path: path, marker: strings.TrimSuffix(path, tmpSuffix) + placedSuffix,
		slab: newSlab(), full: make(chan []byte), spare: make(chan []byte, 2), done: make(chan struct{}),
	}
	c.spare <- newSlab()
	go c.run()
	return c, nil
}

func newSlab() []byte { return (*slabs.Get().(*[]byte))[:0] }

// run writes slabs until full is closed. After a fault it goes on taking slabs, so that Write never blocks.
func (c *sealedCopy) run() {
	defer close(c.done)
	var off int64
	for slab := range c.full {
		if c.fault.Load() == nil {
			padded := (len(slab) + copyAlign - 1) / copyAlign * copyAlign // only the last slab is ever padded
			clear(slab[len(slab):padded])
			if _, err := c.file.WriteAt(slab[:padded], off); err != nil {
				c.fault.Store(&err)
			}
		}
		off += int64(len(slab))
		c.spare <- slab[:0]
	}
}

// Write takes sealed bytes. A fault of the disk is told by the next Write or by finish.
func (c *sealedCopy) Write(p []byte) (int, error) {
	if fault := c.fault.Load(); fault != nil {
		return 0, *fault
	}
	taken := len(p)
	c.size += int64(taken)
	for len(p) > 0 {
		n := copy(c.slab[len(c.slab):copySlab], p)
		c.slab, p = c.slab[:len(c.slab)+n], p[n:]
		if len(c.slab) == copySlab {
			c.full <- c.slab
			c.slab = <-c.spare
		}
	}
	return taken, nil
}

// finish writes what is left and makes the bytes durable, still under the incoming name.
func (c *sealedCopy) finish() error {
	if err := c.end(); err != nil {
		return err
	}
	if err := c.file.Truncate(c.size); err != nil { // cuts the padding of the last slab
		return fmt.Errorf("sealed copy: %w", err)
	}
	if err := os.Link(c.path, c.marker); err != nil { // durable with the file itself
		return fmt.Errorf("sealed copy: %w", err)
	}
	if err := c.file.Sync(); err != nil {
		return fmt.Errorf("sealed copy: %w", err)
	}
	if err := c.file.Close(); err != nil {
		return fmt.Errorf("sealed copy: %w", err)
	}
	return nil
}

// end stops the writer and gives its slabs back.
func (c *sealedCopy) end() error {
	if !c.ended {
		c.stop()
	}
	if fault := c.fault.Load(); fault != nil {
		return fmt.Errorf("sealed copy: %w", *fault)
	}
	return nil
}

func (c *sealedCopy) stop() {
	c.ended = true
	if len(c.slab) > 0 {
		c.full <- c.slab
	} else {
		c.spare <- c.slab
	}
	close(c.full)
	<-c.done
	close(c.spare)
	for slab := range c.spare {
		slab = slab[:copySlab]
		slabs.Put(&slab)
	}
}

// place renames the finished copy to its final name below root and makes the name durable. If we die before it, the
// copy is swept from incoming; if we die after it and before the index's transaction, no row knows it, its marker is
// there, and it is swept from sealed.
func (c *sealedCopy) place(root, rel string) error {
	target := filepath.Join(root, rel)
	if err := makeDirs(root, filepath.Dir(rel)); err != nil {
		return fmt.Errorf("sealed copy: %w", err)
	}
	if err := os.Rename(c.path, target); err != nil {
		return fmt.Errorf("sealed copy: %w", err)
	}
	c.path = target
	if err := syncDir(filepath.Dir(target)); err != nil {
		return fmt.Errorf("sealed copy: %w", err)
	}
	return nil
}

// settled takes the marker away: the transaction has ended, the row is the truth.
func (c *sealedCopy) settled() error { return os.Remove(c.marker) }

// remove takes the copy off the disk, wherever it stands, and its marker after it.
func (c *sealedCopy) remove() error {
	c.end()
	c.file.Close()
	if err := os.Remove(c.path); err != nil {
		return err
	}
	if err := os.Remove(c.marker); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// makeDirs makes the folders of rel below root, each durable in its parent.
func makeDirs(root, rel string) error {
	if rel == "." {
		return nil
	}
	dir := filepath.Join(root, rel)
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := makeDirs(root, filepath.Dir(rel)); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return syncDir(filepath.Dir(dir))
}

// syncDir makes the names in a folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

var _ io.Writer = (*sealedCopy)(nil)
