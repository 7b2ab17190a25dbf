package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// What `open` and `export` write.

// counted counts what is written through it.
type counted struct{ n int64 }

func (c *counted) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}

// outFile is the file that -o names: "" is stdout, as - is.
func outFile(out string) string {
	if out == "-" {
		return ""
	}
	return out
}

// mayWrite says early that OUT is there already, before anything is decrypted.
func mayWrite(out string, force bool) error {
	if out == "" || force {
		return nil
	}
	if _, err := os.Lstat(out); err == nil {
		return no("give another name, or --force", "%s is there already; nothing was overwritten", out)
	}
	return nil
}

// toFile writes beside OUT, and gives the file its name when it is whole and on disk. If we die before, nothing of it
// has that name.
func toFile(out string, force bool, write func(io.Writer) error) error {
	file, err := os.CreateTemp(filepath.Dir(out), "."+filepath.Base(out)+".*") // 0600
	if err != nil {
		return no("", "%s", cause(err))
	}
	defer os.Remove(file.Name())
	err = write(file)
	if err == nil {
		err = file.Sync()
	}
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	if err := place(file.Name(), out, force); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(out))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// toStdout writes to stdout; to a terminal only what is text and short, since the bytes come from strangers.
func (t *tool) toStdout(write func(io.Writer) error) error {
	if !t.screen {
		return write(t.out)
	}
	held := &screenful{}
	if err := write(held); err != nil {
		if errors.Is(err, errNotText) {
			return usage("-o FILE, or a pipe", "this is not for a terminal: it is binary, or longer than %s", size(screenfulMax))
		}
		return err
	}
	_, err := t.out.Write(held.Bytes())
	return err
}

const screenfulMax = 1 << 20

var errNotText = errors.New("not text")

// screenful holds what may go to a terminal, and refuses everything else.
type screenful struct{ bytes.Buffer }

func (s *screenful) Write(p []byte) (int, error) {
	if s.Len()+len(p) > screenfulMax || bytes.ContainsFunc(p, func(r rune) bool {
		return r != '\n' && r != '\r' && r != '\t' && r != utf8.RuneError && hostile(r, string(r))
	}) {
		return 0, errNotText
	}
	return s.Buffer.Write(p)
}

// place gives a whole file its name. Without force it refuses a name that somebody took meanwhile.
func place(made, out string, force bool) error {
	if force {
		return os.Rename(made, out)
	}
	err := unix.Renameat2(unix.AT_FDCWD, made, unix.AT_FDCWD, out, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) { // a file system that cannot promise it
		if err := mayWrite(out, false); err != nil {
			return err
		}
		return os.Rename(made, out)
	}
	if errors.Is(err, os.ErrExist) {
		return mayWrite(out, false)
	}
	return err
}

// until is a reader that ends with the context, so that an interruption does not wait for a gigabyte.
type until struct {
	ctx context.Context
	io.ReaderAt
}

func (u until) ReadAt(p []byte, off int64) (int, error) {
	if u.ctx.Err() != nil {
		return 0, u.ctx.Err()
	}
	return u.ReaderAt.ReadAt(p, off)
}

// metered tells how far it was read.
type metered struct {
	io.ReaderAt
	tell func(at int64)
}

func (m metered) ReadAt(p []byte, off int64) (int, error) {
	n, err := m.ReaderAt.ReadAt(p, off)
	m.tell(off + int64(n))
	return n, err
}
