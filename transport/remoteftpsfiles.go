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
		f.last = lastListing{}
		if files, err = f.list(whole); err == nil {
			f.last = newLastListing(whole, files)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return files, nil
}

// lastListing is what a server listed last. An entry answers one question, the first about its path: a file that is about
// to be removed is asked for twice, so that the answer which decides is never an old one.
type lastListing struct {
	folder string
	files  map[string]RemoteFile
}

func newLastListing(folder string, files []RemoteFile) lastListing {
	l := lastListing{folder, make(map[string]RemoteFile, len(files))}
	for _, f := range files {
		l.files[f.Name] = f
	}
	return l
}

// take gives the entry of a path, and has it no more.
func (l lastListing) take(whole string) *RemoteFile {
	folder, name := split(whole)
	file, ok := l.files[name]
	if !ok || folder != l.folder {
		return nil
	}
	delete(l.files, name)
	return &file
}

// list gives what lies in a folder. A listing that was cut off may be a part of one and looks whole: it is believed only
// of a server that never says goodbye, as legacy tells, and that lists the same twice.
func (f *ftps) list(whole string) ([]RemoteFile, error) {
	text, err := f.listed(whole)
	if err == errCutOff && f.curt {
		var again []byte
		if again, err = f.listed(whole); err == errCutOff && bytes.Equal(text, again) {
			err = nil
		}
	}
	if err != nil {
		return nil, err
	}
	return parseListing(text, time.Now().UTC())
}

// listed gives a listing as it came, and errCutOff if it ended without the server's goodbye. It goes to the folder first:
// some servers answer a listing of a folder that is not there with an empty one, and some take a path apart at its spaces.
func (f *ftps) listed(whole string) ([]byte, error) {
	if err := f.conn.ChangeDir(whole); err != nil {
		return nil, err
	}
	f.listing = &bytes.Buffer{}
	defer func() { f.listing = nil }()
	if _, err := f.conn.List(""); err != nil {
		f.resume()
		return nil, err
	}
	if f.data.cutOff() {
		return f.listing.Bytes(), errCutOff
	}
	return f.listing.Bytes(), nil
}

func (f *ftps) Stat(ctx context.Context, name string) (file RemoteFile, err error) {
	err = f.on(ctx, stepFetch, name, func(whole string) error {
		file, err = f.stat(whole, f.known)
		return err
	})
	return file, err
}

// stat asks for SIZE and MDTM; what MDTM does not tell, the listing may. known, if not nil, is a listing's entry that may be
// believed instead of another listing.
func (f *ftps) stat(whole string, known *RemoteFile) (RemoteFile, error) {
	file, listed, err := f.there(whole, known)
	if err != nil || listed {
		return file, err
	}
	if f.conn.IsGetTimeSupported() {
		at, err := f.conn.GetTime(whole)
		if file.Time = fileTime(at); err == nil || replyCode(err) == 0 {
			file.Exact = err == nil && !file.Time.IsZero()
			return file, err
		}
	}
	if known == nil || known.Size != file.Size {
		found, err := f.find(whole)
		if err != nil && !errors.Is(err, ErrGone) && replyCode(err) == 0 {
			return RemoteFile{}, err
		}
		known = &found
	}
	file.Time, file.Exact = known.Time, known.Exact
	return file, nil
}

// there asks for SIZE alone. A no to that does not tell a missing file from a folder or from a moment's trouble, so the
// listing of the folder above decides; listed: it has.
func (f *ftps) there(whole string, known *RemoteFile) (file RemoteFile, listed bool, err error) {
	size, err := f.conn.FileSize(whole)
	code := replyCode(err)
	switch {
	case err != nil && code == 0:
		return RemoteFile{}, false, err
	case err == nil && size >= 0:
		_, name := split(whole)
		return RemoteFile{Name: name, Size: size, Hostile: hostileName(name)}, false, nil
	case known != nil && known.Size >= 0 && unknownCommand(code):
		return *known, true, nil
	}
	file, err = f.find(whole)
	return file, true, err
}

// unknownCommand tells whether a no is because the server does not have the command.
func unknownCommand(code int) bool {
	return code == ftp.StatusBadCommand || code == ftp.StatusNotImplemented || code == ftp.StatusNotImplementedParameter
}

// find looks for a file in the listing of its folder; ErrGone when it is not there.
func (f *ftps) find(whole string) (RemoteFile, error) {
	folder, name := split(whole)
	files, err := f.list(folder)
	if err != nil {
		return RemoteFile{}, err
	}
	for _, file := range files {
		if file.Name == name {
			return file, nil
		}
	}
	return RemoteFile{}, ErrGone
}

// errCutOff says that the end of a data connection was not the server's: TLS says goodbye, TCP alone can be ended by anybody.
var errCutOff = errors.New("the data connection was cut off")

func (f *ftps) Read(ctx context.Context, name string, offset int64, take func([]byte) error) error {
	return f.on(ctx, stepFetch, name, func(whole string) error {
		reply, err := f.conn.RetrFrom(whole, uint64(max(offset, 0)))
		if err != nil {
			f.resume()
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
			f.resume()
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

// pour gives take what comes from the server, some records of TLS at a time. taken is take's own error.
func pour(from io.Reader, take func([]byte) error) (total int64, taken, err error) {
	buffer := make([]byte, 64<<10)
	for err == nil {
		n := 0
		for n < len(buffer) && err == nil {
			var more int
			more, err = from.Read(buffer[n:])
			n += more
		}
		total += int64(n)
		if n > 0 {
			if taken := take(buffer[:n]); taken != nil {
				return total, taken, nil
			}
		}
	}
	if err == io.EOF {
		err = nil
	}
	return total, nil, err
}

// resume finds out, after a transfer that did not end well, whether the next answer will be that to the next command: some
// servers answer once, some twice. One answer behind, a file would seem removed because another command went well.
func (f *ftps) resume() {
	switch {
	case f.data == nil: // it did not begin
		return
	case f.data.broken:
		f.control.hurry(abandonWithin)
	default:
		f.control.begin(replyLimit)
	}
	if err := f.conn.NoOp(); err != nil {
		f.leash.cut(fmt.Errorf("the server lost its place after a transfer that was broken off: %w", plainFTP(err)))
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
		if _, _, gone := f.there(whole, nil); errors.Is(gone, ErrGone) {
			return ErrGone
		}
	}
	return err
}

// Rename looks first, since every FTP server overwrites.
func (f *ftps) Rename(ctx context.Context, from, to string) error {
	return f.on(ctx, stepRename, from, func(whole string) error {
		target, err := f.path(to)
		if err != nil {
			return err
		}
		f.last.take(target) // it is about to be another file
		if _, _, err := f.there(target, nil); err == nil {
			return ErrExists
		} else if !errors.Is(err, ErrGone) {
			return err
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
		if err != nil {
			f.resume()
		}
		if source.err != nil {
			return callers{source.err}
		}
		if err != nil {
			return err
		}
		f.control.begin(replyLimit)
		file, _, err := f.there(whole, nil)
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
