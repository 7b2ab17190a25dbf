package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/pkg/sftp"
)

const (
	// patience is how many times its silence an operation may last while bytes go on trickling in.
	patience = 10
	// slowest is the rate, in bytes a second, below which a transfer that has used up its patience is given up.
	slowest = 4 << 10
	// listingLimit bounds the bytes of one listing, replyLimit those of any other answer.
	listingLimit, replyLimit = 16 << 20, 1 << 20
	// mostListed bounds the names of one listing: a short one takes much more memory than its bytes.
	mostListed = 100_000
)

var (
	errHungUp   = errors.New("the server closed the connection")
	errTooSlow  = errors.New("the server sends too slowly")
	errTooMuch  = errors.New("the server sends more than an answer can be")
	errTooMany  = errors.New("the server lists more than 100,000 names in one folder")
	errFinished = errors.New("the session has ended")
)

// leash holds the connections of one session, so that all of them can be cut at once: when the caller's context ends, and
// when the dialogue is lost.
type leash struct {
	silence time.Duration

	mu     sync.Mutex
	why    error // why the session is over; nil while it lives
	ours   bool  // we cut it
	wires  map[*wire]struct{}
	secret *strings.Replacer // what hides the password in the server's words; nil without one
}

func newLeash(silence time.Duration) *leash {
	if silence <= 0 {
		silence = 30 * time.Second
	}
	return &leash{silence: silence, wires: make(map[*wire]struct{})}
}

// over is why we cut a session: whatever the server has said in it, nothing more can be asked of it.
type over struct{ error }

func (o over) Unwrap() error { return o.error }

// cut ends every connection of the session. The first reason is kept.
func (l *leash) cut(why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.why == nil {
		l.why, l.ours = over{why}, true
	}
	for w := range l.wires {
		w.Conn.SetDeadline(time.Unix(1, 0)) // wakes who waits; a Close here would race with a TLS alert
	}
}

func (l *leash) reason() (why error, ours bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.why, l.ours
}

// close cuts the session and closes its connections.
func (l *leash) close() {
	l.cut(errFinished)
	l.mu.Lock()
	defer l.mu.Unlock()
	for w := range l.wires {
		w.Conn.Close()
	}
	clear(l.wires)
}

// operate runs one operation of a session: op gives up when ctx ends or the session is cut, and its error is a RemoteError
// of this step, ctx's error within it, or, as it came, the caller's own.
func (l *leash) operate(ctx context.Context, step string, op func() error) error {
	if err := context.Cause(ctx); err != nil {
		return remoteError(step, err)
	}
	if why, _ := l.reason(); why != nil {
		return l.redacted(remoteError(step, fmt.Errorf("the session is over: %w", why)))
	}
	stop := context.AfterFunc(ctx, func() { l.cut(context.Cause(ctx)) })
	defer stop()
	err := op()
	var own callers
	if err == nil || errors.As(err, &own) {
		if err != nil {
			return own.error
		}
		return nil
	}
	if why, ours := l.reason(); ours || why != nil && (why != errHungUp || uninformed(err)) {
		var known *RemoteError
		if errors.Is(why, errHostKey) {
			step = stepHostKey
		} else if errors.As(err, &known) {
			step = known.Step
		}
		err = &RemoteError{Step: step, Err: said{why.Error(), errors.Join(why, err)}}
	}
	return l.redacted(remoteError(step, err))
}

// hide has a password left out of every error from now on: a server may say it in any of its words. Those are quoted, or
// made one line, by whoever hands them on.
func (l *leash) hide(password string) {
	if password == "" {
		return
	}
	quoted := strconv.Quote(password)
	quoted = quoted[1 : len(quoted)-1]
	const put = "[password]"
	l.secret = strings.NewReplacer(password, put, quoted, put, asLine(password), put)
}

// redacted gives an error of a session without the password.
func (l *leash) redacted(err error) error {
	var known *RemoteError
	if l.secret == nil || !errors.As(err, &known) {
		return err
	}
	if text := known.Err.Error(); text != l.secret.Replace(text) {
		return &RemoteError{Step: known.Step, Err: said{l.secret.Replace(text), known.Err}}
	}
	return err
}

// uninformed tells whether an error says no more than that the connection is gone.
func uninformed(err error) bool {
	for _, poor := range []error{io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, syscall.ECONNRESET, syscall.EPIPE, sftp.ErrSSHFxConnectionLost} {
		if errors.Is(err, poor) {
			return true
		}
	}
	return false
}

// wire is one TCP connection of a session. The libraries set no deadlines; it does: an operation begins, and then every
// silence, and the operation as a whole, has its limit.
type wire struct {
	net.Conn
	leash *leash
	vital bool // without it the session is over: the control connection, or the SSH connection

	mu    sync.Mutex
	limit time.Time // of the operation under way; zero when there is none
	armed time.Time // the deadline that is set
	left  int64     // bytes that may still come in it
	ended bool      // the server has closed its side
	first []byte    // what the server said first, if listen was called
}

// dialWire connects. A wire that is not vital carries data: its failures do not end the session.
func (l *leash) dialWire(ctx context.Context, address string, vital bool) (*wire, error) {
	dialer := net.Dialer{Timeout: l.silence}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() && ctx.Err() == nil {
			err = said{fmt.Sprintf("the server did not answer for %v", l.silence), err}
		}
		return nil, err
	}
	w := &wire{Conn: conn, leash: l, vital: vital}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.why != nil {
		conn.Close()
		return nil, l.why
	}
	l.wires[w] = struct{}{}
	return w, nil
}

// begin gives the server silence to say the next thing, patience times that for all of it, and so many bytes.
func (w *wire) begin(bytes int64) {
	w.mu.Lock()
	w.limit, w.left = time.Now().Add(patience*w.leash.silence), bytes
	w.mu.Unlock()
	w.arm()
}

// hurry gives the server no more than so long for what it says next.
func (w *wire) hurry(most time.Duration) {
	w.begin(replyLimit)
	w.mu.Lock()
	w.limit = time.Now().Add(most)
	w.mu.Unlock()
	w.arm()
}

// rest ends an operation: until the next one begins, the server may be silent.
func (w *wire) rest() {
	w.mu.Lock()
	w.limit = time.Time{}
	w.mu.Unlock()
	w.arm()
}

// arm sets the deadline for what comes next; a wire that was cut stays so. It is asked at each record of TLS, and setting it
// costs as much as decrypting one: so one that is nearly right stays, which is never too late.
func (w *wire) arm() {
	w.mu.Lock()
	deadline := w.limit
	if soon := time.Now().Add(w.leash.silence); !deadline.IsZero() && soon.Before(deadline) {
		deadline = soon
	}
	later := deadline.Sub(w.armed)
	if !w.armed.IsZero() && !deadline.IsZero() && later >= 0 && later < w.leash.silence/16 {
		w.mu.Unlock()
		return
	}
	w.armed = deadline
	w.mu.Unlock()
	w.leash.mu.Lock()
	defer w.leash.mu.Unlock()
	if w.leash.why == nil {
		w.Conn.SetDeadline(deadline)
	}
}

func (w *wire) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	w.mu.Lock()
	w.left -= int64(n)
	busy, much := !w.limit.IsZero(), !w.limit.IsZero() && w.left < 0
	w.ended = w.ended || err == io.EOF
	w.first = append(w.first, p[:min(n, cap(w.first)-len(w.first))]...)
	w.mu.Unlock()
	switch {
	case much:
		return 0, w.lost(errTooMuch)
	case err != nil:
		return n, w.lost(err)
	case busy:
		w.arm()
	}
	return n, nil
}

func (w *wire) Write(p []byte) (int, error) {
	n, err := w.Conn.Write(p)
	if err != nil {
		err = w.lost(err)
	}
	return n, err
}

// Close closes the connection; the session forgets it.
func (w *wire) Close() error {
	w.leash.mu.Lock()
	delete(w.leash.wires, w)
	w.leash.mu.Unlock()
	return w.Conn.Close()
}

// lost says in plain words why a connection failed, and ends the session if it was a vital one. io.EOF stays what it is,
// since TLS tells a clean end by it.
func (w *wire) lost(err error) error {
	why := err
	switch {
	case err == io.EOF || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE):
		why = errHungUp
	case errors.Is(err, net.ErrClosed):
		return err // the library closed it, and knows why
	case errors.Is(err, os.ErrDeadlineExceeded) && w.overdue():
		why = said{errTooSlow.Error(), err}
		err = why
	case errors.Is(err, os.ErrDeadlineExceeded):
		why = said{fmt.Sprintf("the server said nothing for %v", w.leash.silence), err}
		err = why
	}
	w.leash.mu.Lock()
	defer w.leash.mu.Unlock()
	if w.leash.why != nil {
		return w.leash.why // it was cut
	}
	if w.vital {
		w.leash.why = why
	}
	return err
}

// overdue says whether the operation as a whole has used up its time.
func (w *wire) overdue() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.limit.IsZero() && !time.Now().Before(w.limit)
}

func (w *wire) hasEnded() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ended
}

// listen has the first bytes that the server says kept, for heard.
func (w *wire) listen() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.first = make([]byte, 0, 64<<10)
}

// heard gives the first bytes that the server said, and keeps them no longer.
func (w *wire) heard() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	first := w.first
	w.first = nil
	return first
}

// pace measures a transfer by the time that was spent waiting for the server, not for us.
type pace struct {
	bytes  int64
	waited time.Duration
}

// step counts n bytes that were waited for since began. Once the patience is used up, they must come at a rate.
func (p *pace) step(n int, began time.Time, silence time.Duration) error {
	p.bytes += int64(n)
	p.waited += time.Since(began)
	if p.waited > patience*silence+time.Duration(p.bytes)*time.Second/slowest {
		return errTooSlow
	}
	return nil
}
