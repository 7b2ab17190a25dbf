package transport_test

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"net"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// shop is a customer's SFTP server that can lie. It holds one folder, /out, in memory, and a folder /in to deliver to.
type shop struct {
	addr, pin string
	listener  net.Listener

	mu    sync.Mutex
	files map[string]*ware // by whole path
	asked []string         // "op path", in order
	// before, if not nil, runs before each operation (list, stat, open, read, remove, rename, make, create, write). Its error
	// is the server's answer; errHangUp ends the connection. It may change the files.
	before func(op, name string, off int64) error
	// listing, if not nil, is what the server says lies in /out; its error comes after these.
	listing func() ([]os.FileInfo, error)
	folders []string // below /out, in its listing
	piece   int      // bytes that a read answers with at most, if not 0
	ends    int      // where each file seems to end, if not 0
}

// ware is a file there.
type ware struct {
	content []byte
	at      time.Time
}

// shown is a ware in a listing, under whatever name.
type shown struct {
	name   string
	size   int64
	at     time.Time
	folder bool
}

func (s shown) Name() string       { return s.name }
func (s shown) Size() int64        { return s.size }
func (s shown) ModTime() time.Time { return s.at }
func (s shown) IsDir() bool        { return s.folder }
func (s shown) Sys() any           { return nil }
func (s shown) Mode() os.FileMode {
	if s.folder {
		return os.ModeDir | 0o755
	}
	return 0o644
}

var (
	errHangUp = errors.New("hang up")
	denied    = sftp.ErrSSHFxPermissionDenied
	noon      = time.Date(2026, 11, 20, 12, 0, 7, 0, time.UTC)
)

// newShop starts one; every key may log in.
func newShop(t testing.TB) *shop {
	t.Helper()
	key := newKey(t)
	config := &ssh.ServerConfig{PublicKeyCallback: func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) { return nil, nil }}
	config.AddHostKey(key)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	s := &shop{addr: l.Addr().String(), pin: ssh.FingerprintSHA256(key.PublicKey()), listener: l, files: map[string]*ware{}}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { s.serve(conn, config) })
		}
	})
	t.Cleanup(func() { l.Close(); serving.Wait() })
	return s
}

func (s *shop) serve(raw net.Conn, config *ssh.ServerConfig) {
	defer raw.Close()
	conn, channels, requests, err := ssh.NewServerConn(raw, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for c := range channels {
		channel, requests, err := c.Accept()
		if err != nil {
			return
		}
		go func() {
			for r := range requests {
				r.Reply(r.Type == "subsystem", nil)
			}
		}()
		counter := &counter{shop: s, conn: conn}
		sftp.NewRequestServer(channel, sftp.Handlers{FileGet: counter, FilePut: counter, FileCmd: counter, FileList: counter}).Serve()
		channel.Close()
	}
}

// counter serves one connection.
type counter struct {
	shop *shop
	conn ssh.Conn
}

// do runs the hook, and then work with the files locked.
func (c *counter) do(op, name string, off int64, work func(s *shop) error) error {
	s := c.shop
	s.mu.Lock()
	s.asked = append(s.asked, op+" "+name)
	before := s.before
	s.mu.Unlock()
	if before != nil {
		if err := before(op, name, off); err == errHangUp {
			c.conn.Close()
			return err
		} else if err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return work(s)
}

func (s *shop) find(name string) (*ware, error) {
	if f := s.files[name]; f != nil {
		return f, nil
	}
	return nil, os.ErrNotExist
}

func (c *counter) Fileread(r *sftp.Request) (io.ReaderAt, error) {
	return reading{c, r.Filepath}, c.do("open", r.Filepath, 0, func(s *shop) error { _, err := s.find(r.Filepath); return err })
}

type reading struct {
	c    *counter
	name string
}

func (r reading) ReadAt(p []byte, off int64) (n int, err error) {
	err = r.c.do("read", r.name, off, func(s *shop) error {
		f, err := s.find(r.name)
		if err != nil {
			return err
		}
		content := f.content
		if s.ends > 0 {
			content = content[:min(s.ends, len(content))]
		}
		if s.piece > 0 {
			p = p[:min(s.piece, len(p))]
		}
		n, err = bytes.NewReader(content).ReadAt(p, off)
		return err
	})
	return n, err
}

func (c *counter) Filewrite(r *sftp.Request) (io.WriterAt, error) {
	return writing{c, r.Filepath}, c.do("create", r.Filepath, 0, func(s *shop) error {
		s.files[r.Filepath] = &ware{at: noon}
		return nil
	})
}

type writing struct {
	c    *counter
	name string
}

func (w writing) WriteAt(p []byte, off int64) (int, error) {
	return len(p), w.c.do("write", w.name, off, func(s *shop) error {
		f, err := s.find(w.name)
		if err != nil {
			return err
		}
		if missing := int(off) + len(p) - len(f.content); missing > 0 {
			f.content = append(f.content, make([]byte, missing)...)
		}
		copy(f.content[off:], p)
		return nil
	})
}

func (c *counter) Filecmd(r *sftp.Request) error {
	switch r.Method {
	case "Remove":
		return c.do("remove", r.Filepath, 0, func(s *shop) error {
			_, err := s.find(r.Filepath)
			delete(s.files, r.Filepath)
			return err
		})
	case "Rename":
		return c.do("rename", r.Filepath, 0, func(s *shop) error {
			f, err := s.find(r.Filepath)
			if err != nil {
				return err
			}
			if s.files[r.Target] != nil {
				return sftp.ErrSSHFxFailure
			}
			delete(s.files, r.Filepath)
			s.files[r.Target] = f
			return nil
		})
	case "Mkdir":
		return c.do("make", r.Filepath, 0, func(*shop) error { return nil })
	}
	return sftp.ErrSSHFxOpUnsupported
}

// Filelist answers listings and stats; every path without a dot is a folder, but for those below /gone.
func (c *counter) Filelist(r *sftp.Request) (sftp.ListerAt, error) {
	var list infos
	if r.Method != "List" {
		return &list, c.do("stat", r.Filepath, 0, func(s *shop) error {
			if f := s.files[r.Filepath]; f != nil {
				list.all = []os.FileInfo{shown{path.Base(r.Filepath), int64(len(f.content)), f.at, false}}
			} else if strings.Contains(r.Filepath, ".") || strings.HasPrefix(r.Filepath, "/gone") {
				return os.ErrNotExist
			} else {
				list.all = []os.FileInfo{shown{path.Base(r.Filepath), 0, noon, true}}
			}
			return nil
		})
	}
	return &list, c.do("list", r.Filepath, 0, func(s *shop) error {
		if s.listing != nil {
			list.all, list.err = s.listing()
			return nil
		}
		if r.Filepath == "/out" {
			for _, name := range s.folders {
				list.all = append(list.all, shown{name, 0, noon, true})
			}
		}
		for _, name := range slices.Sorted(maps.Keys(s.files)) {
			if f := s.files[name]; path.Dir(name) == r.Filepath {
				list.all = append(list.all, shown{path.Base(name), int64(len(f.content)), f.at, false})
			}
		}
		return nil
	})
}

type infos struct {
	all []os.FileInfo
	err error // after all of them
}

func (l *infos) ListAt(into []os.FileInfo, off int64) (int, error) {
	n := copy(into, l.all[min(int(off), len(l.all)):])
	switch {
	case n > 0:
		return n, nil
	case l.err != nil:
		return 0, l.err
	}
	return 0, io.EOF
}

// put lays a file there, a moment younger than those before.
func (s *shop) put(name string, content []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[name] = &ware{content, noon.Add(time.Duration(len(s.asked)+len(s.files)) * time.Second)}
}

// lies changes how the server behaves.
func (s *shop) lies(change func(s *shop)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

// honest ends all lies.
func (s *shop) honest() {
	s.lies(func(s *shop) { s.before, s.listing, s.piece, s.ends = nil, nil, 0, 0 })
}

// times says how often an operation was asked for.
func (s *shop) times(op string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.asked {
		if strings.HasPrefix(a, op) {
			n++
		}
	}
	return n
}

// there are the names in a folder, each with its size.
func (s *shop) there(folder string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, name := range slices.Sorted(maps.Keys(s.files)) {
		if path.Dir(name) == folder {
			names = append(names, path.Base(name)+":"+strconv.Itoa(len(s.files[name].content)))
		}
	}
	return strings.Join(names, " ")
}
