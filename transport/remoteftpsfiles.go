package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jlaffaye/ftp"
)

func (f *ftps) List(ctx context.Context, folder string) (files []RemoteFile, err error) {
	err = f.on(ctx, stepList, folder, func(whole string) error {
		files, err = f.list(whole)
		return err
	})
	if err != nil {
		return nil, err
	}
	return files, nil
}

// list goes to a folder first: some servers answer a listing of a folder that is not there with an empty one, and some take
// a path apart at its spaces.
func (f *ftps) list(whole string) ([]RemoteFile, error) {
	if err := f.conn.ChangeDir(whole); err != nil {
		return nil, err
	}
	f.listing = &bytes.Buffer{}
	defer func() { f.listing = nil }()
	if _, err := f.conn.List(""); err != nil {
		return nil, err
	}
	return parseListing(f.listing.Bytes(), time.Now().UTC())
}

func (f *ftps) Stat(ctx context.Context, name string) (file RemoteFile, err error) {
	err = f.on(ctx, stepFetch, name, func(whole string) error {
		file, err = f.stat(whole)
		return err
	})
	return file, err
}

// stat asks for SIZE and MDTM. A no to SIZE does not tell a missing file from a folder or from a moment's trouble, so the
// listing of the folder above decides.
func (f *ftps) stat(whole string) (RemoteFile, error) {
	folder, name := split(whole)
	size, err := f.conn.FileSize(whole)
	if err == nil && size >= 0 {
		file := RemoteFile{Name: name, Size: size, Hostile: hostileName(name)}
		if f.conn.IsGetTimeSupported() {
			if file.Time, err = f.conn.GetTime(whole); err != nil && replyCode(err) == 0 {
				return RemoteFile{}, err
			}
			file.Time = fileTime(file.Time)
		}
		return file, nil
	}
	if err != nil && replyCode(err) == 0 {
		return RemoteFile{}, err
	}
	files, err := f.list(folder)
	if err != nil {
		return RemoteFile{}, err
	}
	for _, file := range files {
		if file.Name == name {
			return file, nil
		}
	}
	if f.data.cutOff() {
		return RemoteFile{}, errCutOff
	}
	return RemoteFile{}, ErrGone
}

// errCutOff says that the end of a data connection was not the server's: TLS says goodbye, TCP alone can be ended by anybody.
var errCutOff = errors.New("the data connection was cut off")

func (f *ftps) Read(ctx context.Context, name string, offset int64, take func([]byte) error) error {
	return f.on(ctx, stepFetch, name, func(whole string) error {
		reply, err := f.conn.RetrFrom(whole, uint64(max(offset, 0)))
		if err != nil {
			return f.gone(whole, err)
		}
		total, taken, err := pour(reply, take)
		if taken != nil { // the caller has enough; the server's answer to that may be anything
			f.data.abandon()
			reply.Close()
			f.resume()
			return callers{taken}
		}
		// A clean read proves nothing without the server's word on the control connection.
		if err := errors.Join(err, reply.Close()); err != nil {
			return err
		}
		if f.data.cutOff() {
			// Some servers never say goodbye. They are believed when their size agrees.
			if size, err := f.conn.FileSize(whole); err != nil || size != offset+total {
				return errors.Join(errCutOff, err)
			}
		}
		return nil
	})
}

// pour gives take what comes from the server. taken is take's own error.
func pour(from io.Reader, take func([]byte) error) (total int64, taken, err error) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		total += int64(n)
		if n > 0 {
			if taken := take(buffer[:n]); taken != nil {
				return total, taken, nil
			}
		}
		if err == io.EOF {
			return total, nil, nil
		} else if err != nil {
			return total, nil, err
		}
	}
}

// resume finds out, after a transfer that was broken off, whether the next answer will be that to the next command: some
// servers answer once, some twice.
func (f *ftps) resume() {
	f.control.hurry(abandonWithin)
	if err := f.conn.NoOp(); err != nil {
		f.leash.cut(fmt.Errorf("the server lost its place after a transfer that was broken off: %w", err))
	}
}

func (f *ftps) Remove(ctx context.Context, name string) error {
	return f.on(ctx, stepRemove, name, func(whole string) error {
		return f.gone(whole, f.conn.Delete(whole))
	})
}

// gone says whether a no is because the file is not there: the code for that is the code for much else too.
func (f *ftps) gone(whole string, err error) error {
	if replyCode(err) == ftp.StatusFileUnavailable {
		if _, gone := f.stat(whole); errors.Is(gone, ErrGone) {
			return ErrGone
		}
	}
	return err
}

// Rename looks first, since every FTP server overwrites. Only a plain file can be overwritten, and SIZE finds those.
func (f *ftps) Rename(ctx context.Context, from, to string) error {
	return f.on(ctx, stepRename, from, func(whole string) error {
		target, err := f.path(to)
		if err != nil {
			return err
		}
		_, err = f.conn.FileSize(target)
		switch code := replyCode(err); {
		case err != nil && code == 0:
			return err
		case err == nil:
			return ErrExists
		case code != ftp.StatusFileUnavailable: // it cannot tell: look at the folder
			if _, err := f.stat(target); err == nil {
				return ErrExists
			} else if !errors.Is(err, ErrGone) {
				return err
			}
		}
		return f.gone(whole, f.conn.Rename(whole, target))
	})
}

// MakeFolder makes what is missing of a path, from above. Servers say in too many ways that a folder is there, so whether
// one can go into it decides.
func (f *ftps) MakeFolder(ctx context.Context, folder string) error {
	return f.on(ctx, stepSend, folder, func(whole string) error {
		err := f.conn.ChangeDir(whole)
		if err == nil || replyCode(err) == 0 {
			return err
		}
		for i := 1; i <= len(whole); i++ {
			if i < len(whole) && whole[i] != '/' {
				continue
			}
			if err = f.conn.MakeDir(whole[:i]); err != nil && replyCode(err) == 0 {
				return err
			}
		}
		if there := f.conn.ChangeDir(whole); there == nil || replyCode(there) == 0 {
			return there
		}
		return err
	})
}

func (f *ftps) Store(ctx context.Context, name string, r io.Reader) error {
	return f.on(ctx, stepSend, name, func(whole string) error {
		source := &counted{from: r, failed: func() { f.data.abandon() }}
		err := f.conn.Stor(whole, source)
		if source.err != nil {
			f.resume()
			return callers{source.err}
		}
		if err != nil {
			return err
		}
		f.control.begin(replyLimit)
		file, err := f.stat(whole)
		if err == nil && file.Size != source.n {
			err = fmt.Errorf("%d bytes were sent, but the server has %d", source.n, file.Size)
		}
		return err
	})
}

// counted counts what is read from a caller's reader, and tells when it fails.
type counted struct {
	from   io.Reader
	n      int64
	err    error
	failed func()
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.n += int64(n)
	if err != nil && err != io.EOF {
		c.err = err
		c.failed()
	}
	return n, err
}
