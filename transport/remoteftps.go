package transport

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/textproto"
	"strings"
	"time"

	"github.com/jlaffaye/ftp"

	"github.com/sealgate/sealgate/config"
)

// ftps is a session with a customer's FTPS server. The library speaks the commands; the connections are ours: it knows no
// limits of time, makes data connections without TLS when it is given a dial function, shows symbolic links as files and
// leaves out the lines of a listing that it cannot read.
type ftps struct {
	leash    *leash
	conn     *ftp.ServerConn
	control  *wire
	tls      *tls.Config
	state    tls.ConnectionState // of the last handshake
	address  string
	implicit bool
	base     string // the URL's folder

	// Of the operation under way. The context is here since the library's dial function takes none.
	ctx  context.Context
	data *dataConn
	// listing, if not nil, is given what the data connection brings.
	listing *bytes.Buffer
}

// dialFTPS connects and logs in.
func dialFTPS(ctx context.Context, r *config.Remote, log *slog.Logger) (Remote, error) {
	c, err := tlsConfig(r)
	if err != nil {
		return nil, remoteError(stepTLS, err)
	}
	f := newFTPS(r, c)
	if err := f.connect(ctx); err != nil {
		f.leash.close()
		return nil, err
	}
	if err := f.login(ctx, r); err != nil {
		f.leash.close()
		return nil, err
	}
	if f.state.Version < tls.VersionTLS12 {
		log.Warn("logged in with weak algorithms: "+tls.VersionName(f.state.Version)+" "+tls.CipherSuiteName(f.state.CipherSuite), "remote", r.Name, "step", stepLogin)
	}
	return f, nil
}

func newFTPS(r *config.Remote, c *tls.Config) *ftps {
	scheme, address, folder := r.Server()
	f := &ftps{leash: newLeash(r.Silence), tls: c, address: address, implicit: scheme == config.SchemeFTPS, base: folder}
	verify := c.VerifyConnection
	c.VerifyConnection = func(state tls.ConnectionState) error {
		if err := verify(state); err != nil {
			return err
		}
		f.state = state
		return nil
	}
	return f
}

// connect opens the control connection and shakes hands. It sends no login.
func (f *ftps) connect(ctx context.Context) error {
	return f.operate(ctx, stepConnect, func() error {
		options := []ftp.DialOption{ftp.DialWithDialFunc(f.dial)}
		if f.implicit {
			options = append(options, ftp.DialWithTLS(f.tls))
		} else {
			options = append(options, ftp.DialWithExplicitTLS(f.tls))
		}
		var err error
		f.conn, err = ftp.Dial(f.address, options...)
		switch {
		case err != nil && (!f.implicit && f.control != nil && f.control.hasSpoken() || fromTLS(err)):
			return &RemoteError{Step: stepTLS, Err: err} // AUTH TLS was said, or the server wants another certificate of ours
		case err != nil || f.implicit:
			return err
		}
		// The library shakes hands with the first command. It must not be USER: what is wrong is not the login.
		f.control.begin(replyLimit)
		if err := f.conn.NoOp(); err != nil && replyCode(err) == 0 {
			return &RemoteError{Step: stepTLS, Err: err}
		}
		return nil
	})
}

// fromTLS tells whether the other side has ended TLS with an alert.
func fromTLS(err error) bool {
	var alert *net.OpError
	return errors.As(err, &alert) && alert.Op == "remote error"
}

// login logs in, has the data connections protected, and goes to the URL's folder.
func (f *ftps) login(ctx context.Context, r *config.Remote) error {
	password := ""
	if r.PasswordFile != "" {
		var err error
		if password, err = secret(r.PasswordFile); err != nil {
			return remoteError(stepLogin, err)
		}
	}
	err := f.operate(ctx, stepLogin, func() error {
		err := f.conn.Login(r.User, password)
		if err != nil && password != "" && strings.Contains(err.Error(), password) { // an echo must not reach the log
			err = errors.New(strings.ReplaceAll(err.Error(), password, "[password]"))
		}
		return err
	})
	if err != nil {
		return err
	}
	return f.operate(ctx, stepList, func() error {
		if f.base == "" {
			home, err := f.conn.CurrentDir()
			f.base = strings.ReplaceAll(home, `""`, `"`)
			return err
		}
		return f.conn.ChangeDir(f.base)
	})
}

// dial makes every connection of the session: first the control connection, then those for data, which lead to the same
// host whatever the server says, and are never without TLS.
func (f *ftps) dial(_, address string) (net.Conn, error) {
	if f.control == nil {
		w, err := f.leash.dialWire(f.ctx, address, true)
		if err != nil {
			return nil, err
		}
		f.control = w
		w.begin(replyLimit)
		if !f.implicit {
			return w, nil // the library puts TLS over it
		}
		secured := tls.Client(w, f.tls)
		if err := secured.Handshake(); err != nil {
			return nil, &RemoteError{Step: stepTLS, Err: err}
		}
		return secured, nil
	}
	host, _, err := net.SplitHostPort(f.control.RemoteAddr().String())
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	w, err := f.leash.dialWire(f.ctx, net.JoinHostPort(host, port), false)
	if err != nil {
		return nil, fmt.Errorf("the data connection: %w", err)
	}
	// No handshake yet: some servers shake hands only when they have answered the command.
	f.data = &dataConn{Conn: tls.Client(w, f.tls), wire: w, control: f.control, tap: f.listing}
	return f.data, nil
}

// operate runs one operation. After an error that is not a plain no of the server's, nobody knows which answer comes next,
// so the session is over.
func (f *ftps) operate(ctx context.Context, step string, op func() error) error {
	f.ctx, f.data = ctx, nil
	return f.leash.operate(ctx, step, func() error {
		if f.control != nil {
			f.control.begin(replyLimit)
			defer f.control.rest()
		}
		err := op()
		if f.data != nil {
			f.data.wire.Close()
		}
		var garbled textproto.ProtocolError
		if errors.As(err, &garbled) || replyCode(err) == ftp.StatusNotAvailable {
			f.leash.cut(err)
		}
		return plainFTP(err)
	})
}

// plainFTP marks what the server said as its words.
func plainFTP(err error) error {
	var reply *textproto.Error
	var known *RemoteError
	var own callers
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &known):
		return &RemoteError{Step: known.Step, Err: plainFTP(known.Err)}
	case errors.As(err, &reply):
		words := fmt.Sprintf("the server says %d %s", reply.Code, plainWords(reply.Msg))
		if err != error(reply) && !errors.Is(err, ErrGone) { // more went wrong: say the first of it
			first, _, _ := strings.Cut(err.Error(), "\n")
			if first != reply.Error() {
				words = first + "; " + words
			}
		}
		return said{words, err}
	}
	return err
}

// on runs one operation on a path.
func (f *ftps) on(ctx context.Context, step, name string, op func(whole string) error) error {
	return f.operate(ctx, step, func() error {
		whole, err := f.path(name)
		if err != nil {
			return err
		}
		return op(whole)
	})
}

// path is a whole path. The byte 0xff is a command of Telnet's, which some servers act on: a name with one would become
// another name.
func (f *ftps) path(name string) (string, error) {
	if strings.Contains(name, "\xff") {
		return "", errPath
	}
	return joined(f.base, name)
}

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
			return err
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
		err := f.conn.Delete(whole)
		if err == nil || replyCode(err) != ftp.StatusFileUnavailable {
			return err
		}
		if _, gone := f.stat(whole); errors.Is(gone, ErrGone) {
			return ErrGone
		}
		return err
	})
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
		err = f.conn.Rename(whole, target)
		if replyCode(err) == ftp.StatusFileUnavailable {
			if _, gone := f.stat(whole); errors.Is(gone, ErrGone) {
				return ErrGone
			}
		}
		return err
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

func (f *ftps) Close() error {
	f.control.begin(replyLimit)
	f.conn.Quit() // a courtesy
	f.leash.close()
	return nil
}
