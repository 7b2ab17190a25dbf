package transport

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/textproto"
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
		case err != nil && (!f.implicit && f.control != nil && f.control.began("AUTH") || fromTLS(err)):
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
	var clear tls.RecordHeaderError
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &known):
		return &RemoteError{Step: known.Step, Err: plainFTP(known.Err)}
	case errors.As(err, &clear):
		return said{"the server does not answer in TLS", err} // what it says instead may be a payment
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

func (f *ftps) Close() error {
	f.control.begin(replyLimit)
	f.conn.Quit() // a courtesy
	f.leash.close()
	return nil
}
