package transport

import (
	"io"
	"os"
	"time"
)

// owner is shown for everything: clients want a number, and none of ours means anything to them.
const owner = 1000

// fileInfo is what a client is shown of one file or folder.
type fileInfo struct {
	name  string
	size  int64
	mode  os.FileMode
	mtime time.Time
}

func (i *fileInfo) Name() string       { return i.name }
func (i *fileInfo) Size() int64        { return i.size }
func (i *fileInfo) Mode() os.FileMode  { return i.mode }
func (i *fileInfo) ModTime() time.Time { return i.mtime }
func (i *fileInfo) IsDir() bool        { return i.mode.IsDir() }
func (i *fileInfo) Sys() any           { return nil }

// Uid and Gid are asked for by the protocol library.
func (i *fileInfo) Uid() uint32 { return owner }

// Gid is as Uid.
func (i *fileInfo) Gid() uint32 { return owner }

// sizeOf replaces the size by what has arrived of a running upload, once that is known to be its own.
func (i *fileInfo) sizeOf(u *upload) {
	if u == nil {
		return
	}
	if size, ok := u.arrived(); ok {
		i.size = size
	}
}

func folderInfo(name string, mtime time.Time) *fileInfo {
	return &fileInfo{name: name, mode: os.ModeDir | 0o755, mtime: mtime}
}

// listing hands a list over in the pieces that READDIR asks for. done, if set, is called when the client closes it.
type listing struct {
	infos []os.FileInfo
	done  func()
}

func (l *listing) ListAt(out []os.FileInfo, offset int64) (int, error) {
	if offset >= int64(len(l.infos)) {
		return 0, io.EOF
	}
	n := copy(out, l.infos[offset:])
	if n < len(out) {
		return n, io.EOF
	}
	return n, nil
}

// Close is called once, by the protocol library.
func (l *listing) Close() error {
	if l.done != nil {
		l.done()
		l.done = nil
	}
	return nil
}
