package transport

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/textproto"
	"slices"
	"strings"

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
	curt     bool   // legacy says that the server never says goodbye
	base     string // the URL's folder
	log      *slog.Logger
	last     lastListing

	// Of the operation under way. The context is here since the library's dial function takes none.
	ctx  context.Context
	data *dataConn
	// listing, if not nil, is given what the data connection brings.
	listing *bytes.Buffer
	// known is what the last listing said of the path, if nothing was asked of the path since.
	known *RemoteFile
}

// dialFTPS connects and logs in.
func dialFTPS(ctx context.Context, r *config.Remote, log *slog.Logger) (Remote, error) {
	c, err := tlsConfig(r)
	if err != nil {
		return nil, remoteError(stepTLS, err)
	}
	f := newFTPS(r, c, log)
	if err := f.connect(ctx); err != nil {
		f.leash.close()
		return nil, err
	}
	if err := f.login(ctx, r); err != nil {
		f.leash.close()
		return nil, err
	}
	return f, nil
}

func newFTPS(r *config.Remote, c *tls.Config, log *slog.Logger) *ftps {
	scheme, address, folder := r.Server()
	f := &ftps{leash: newLeash(r.Silence), tls: c, address: address, implicit: scheme == config.SchemeFTPS, base: folder}
	f.curt, f.log = slices.Contains(r.Legacy, noGoodbye), log.With("remote", r.Name)
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
		var err error
		// As if TLS were implicit, since we put it over the connection ourselves: see secure.
		f.conn, err = ftp.Dial(f.address, ftp.DialWithDialFunc(f.dial), ftp.DialWithTLS(f.tls))
		switch {
		case fromTLS(err): // the server wants another certificate of ours
			return &RemoteError{Step: stepTLS, Err: err}
		case err != nil || f.implicit:
			return err
		}
		// TLS 1.3 tells a no to our certificate with the first answer. That must not be USER's: what is wrong is not the login.
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
	f.leash.hide(password)
	err := f.operate(ctx, stepLogin, func() error { return f.conn.Login(r.User, password) })
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
		return f.secure(w)
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
	f.data = &dataConn{Conn: tls.Client(buffered{w, bufio.NewReaderSize(w, dataAhead)}, f.tls), wire: w, control: f.control, tap: f.listing}
	return f.data, nil
}

// secure shakes hands on the control connection, and tells when the result is weak, before a password is sent.
func (f *ftps) secure(w *wire) (net.Conn, error) {
	w.begin(replyLimit)
	var greeting []byte
	if !f.implicit {
		var err error
		if greeting, err = authTLS(w); err != nil {
			return nil, err
		}
	}
	conn := tls.Client(w, f.tls)
	if err := conn.Handshake(); err != nil {
		return nil, &RemoteError{Step: stepTLS, Err: err}
	}
	state := conn.ConnectionState()
	insecure := func(s *tls.CipherSuite) bool { return s.ID == state.CipherSuite }
	if state.Version < tls.VersionTLS12 || slices.ContainsFunc(tls.InsecureCipherSuites(), insecure) {
		f.log.Warn(weakWords+tls.VersionName(state.Version)+" "+tls.CipherSuiteName(state.CipherSuite), "step", stepTLS)
	}
	return &controlConn{Conn: conn, said: greeting}, nil
}

// authTLS reads the greeting, which it gives back, and has the server begin with TLS.
func authTLS(w *wire) (greeting []byte, err error) {
	in := bufio.NewReader(w)
	text := textproto.NewReader(in)
	if _, _, err := text.ReadResponse(ftp.StatusReady); err != nil {
		return nil, err
	}
	if _, err = io.WriteString(w, "AUTH TLS\r\n"); err == nil {
		_, _, err = text.ReadResponse(ftp.StatusAuthOK)
	}
	if err == nil && in.Buffered() > 0 {
		err = errors.New("the server said more in clear than it was asked for") // or somebody else did
	}
	if err != nil {
		return nil, &RemoteError{Step: stepTLS, Err: err}
	}
	return []byte("220 ready\r\n"), nil
}

// controlConn is the control connection as the library sees it: with a greeting that has come before TLS, and the names in
// the answer to FEAT in the upper case in which the library looks for them; the standard leaves the case open.
type controlConn struct {
	net.Conn
	said []byte // what is still to be read of the greeting
	feat bool   // FEAT was the last command
}

func (c *controlConn) Write(p []byte) (int, error) {
	c.feat = bytes.HasPrefix(p, []byte("FEAT"))
	return c.Conn.Write(p)
}

func (c *controlConn) Read(p []byte) (int, error) {
	if len(c.said) > 0 {
		n := copy(p, c.said)
		c.said = c.said[n:]
		return n, nil
	}
	n, err := c.Conn.Read(p)
	for i, b := range p[:n] {
		if c.feat && 'a' <= b && b <= 'z' {
			p[i] = b - 'a' + 'A'
		}
	}
	return n, err
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
		code := replyCode(err)
		if errors.As(err, &garbled) || code == ftp.StatusNotAvailable || code != 0 && code < 400 { // a yes, but not to this
			f.leash.cut(plainFTP(err))
		}
		return plainFTP(err)
	})
}

// plainFTP marks what the server said as its words.
func plainFTP(err error) error {
	var reply *textproto.Error
	var known *RemoteError
	var own callers
	var clear tls.RecordHeaderError
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &known):
		return &RemoteError{Step: known.Step, Err: plainFTP(known.Err)}
	case errors.As(err, &clear):
		return said{"the server does not answer in TLS", err} // what it says instead may be a payment
	case errors.As(err, &reply):
		words := fmt.Sprintf("the server says %d %s", reply.Code, asLine(reply.Msg))
		if err != error(reply) && !errors.Is(err, ErrGone) { // more went wrong: say the first of it
			first, _, _ := strings.Cut(err.Error(), "\n")
			if first != reply.Error() {
				words = first + "; " + words
			}
		}
		return said{words, err}
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF): // TLS has ended as it should
		return said{errHungUp.Error(), err}
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
		f.known = f.last.take(whole)
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

func (f *ftps) Close() error {
	f.control.begin(replyLimit)
	f.conn.Quit() // a courtesy
	f.leash.close()
	return nil
}
