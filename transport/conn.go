package transport

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"iter"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

const (
	// handshakeWithin bounds the client's part of the key exchange: a byte a second does not get through.
	handshakeWithin = 20 * time.Second
	// loginWithin bounds everything before the login. It is longer because a person compares a fingerprint and types a
	// password in it; only a client that has done its part of the key exchange gets it.
	loginWithin = 120 * time.Second
	// idleLimit ends a session after so long without a byte from the client. Keepalives are bytes.
	idleLimit = 15 * time.Minute
	// channelsPerConnection bounds the sftp channels of one connection; most clients open one.
	channelsPerConnection = 8
	// overCapWithin is how long a connection over a cap may stay to read why.
	overCapWithin = 5 * time.Second
)

// connection is one TCP connection. It sees the bytes pass and knows so how far the handshake is and when the client was
// heard last.
type connection struct {
	net.Conn
	in    *bufio.Reader
	addr  netip.Addr
	near  netip.Prefix
	began time.Time

	heard    atomic.Int64 // when a byte came last, in nanoseconds after began: the clock may be set meanwhile
	writes   atomic.Int32 // our writes before the login
	loggedIn atomic.Bool
	guesses  atomic.Int32 // passwords that were hashed and wrong
	uploads  atomic.Int32 // open handles for writing, of all channels
	guest    Guest        // set before loggedIn
}

func newConnection(nc net.Conn) *connection {
	c := &connection{Conn: nc, began: time.Now()}
	if tcp, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		c.addr = tcp.AddrPort().Addr().Unmap()
	}
	c.near = neighbourhood(c.addr)
	c.in = bufio.NewReaderSize(hearing{c}, longestVersion)
	return c
}

// longestVersion is the most that a version may have (RFC 4253, section 4.2). The library asks for it a byte at a time, and that
// should not be a system call each; what it asks for afterwards is more, and does not pass through the buffer.
const longestVersion = 255

func (c *connection) Read(p []byte) (int, error) { return c.in.Read(p) }

// hearing is a connection's own bytes.
type hearing struct{ c *connection }

func (h hearing) Read(p []byte) (int, error) {
	n, err := h.c.Conn.Read(p)
	if n > 0 {
		h.c.heard.Store(int64(time.Since(h.c.began)))
	}
	return n, err
}

// keyReply is the number of our write that answers the client's key exchange: the version and our KEXINIT come before it.
const keyReply = 3

// Write notices the moment when the client has done its part of the key exchange, and gives it time to log in.
func (c *connection) Write(p []byte) (int, error) {
	if !c.loggedIn.Load() && c.writes.Add(1) == keyReply {
		if err := c.Conn.SetDeadline(c.began.Add(loginWithin)); err != nil {
			return 0, err
		}
	}
	return c.Conn.Write(p)
}

// answered says whether the client has done its part of the key exchange.
func (c *connection) answered() bool { return c.writes.Load() >= keyReply }

// cost is what a connection took of the processor that ends without a login.
func (c *connection) cost() time.Duration {
	if !c.answered() {
		return lookCost
	}
	return exchangeCost + time.Duration(c.guesses.Load())*guessCost
}

// quiet is how long the client has sent nothing.
func (c *connection) quiet(now time.Time) time.Duration {
	return now.Sub(c.began) - time.Duration(c.heard.Load())
}

// serve takes a connection from its first byte to its last.
func (s *SFTP) serve(ctx context.Context, c *connection) {
	defer c.Close()
	defer s.lobby.leave(c)
	if err := c.SetDeadline(c.began.Add(handshakeWithin)); err != nil {
		return
	}
	conn, channels, requests, err := ssh.NewServerConn(c, s.serverConfig(ctx, c))
	if err != nil {
		why := "login" // the library's error may name the login, which people mistake for the password
		if !c.answered() {
			why = err.Error()
		}
		s.log.Debug("not logged in", "door", "sftp", "addr", c.addr, "why", why)
		s.strangers.refused(c.near, c.cost(), time.Now())
		return
	}
	guest, ok := conn.Permissions.ExtraData[guestKey{}].(Guest)
	if !ok { // no callback lets anybody in without one
		return
	}
	s.strangers.letIn(c.near, time.Now())
	if err := s.census.enter(guest.Account, c.near, s.config().SFTP.Limits); err != nil {
		s.turnAway(c, channels, requests, err)
		return
	}
	defer s.census.leave(guest.Account, c.near)
	view, err := s.viewOf(ctx, guest.Account)
	if err != nil {
		s.log.Error("the view of the account could not be read", "account", guest.Account, "door", "sftp", "err", err)
		s.turnAway(c, channels, requests, failure("not served: the server cannot read its index now. Try again in some minutes."))
		return
	}
	c.guest = guest
	c.loggedIn.Store(true)
	if err := c.SetDeadline(time.Time{}); err != nil {
		return
	}
	s.lobby.leave(c)
	if !s.open(c) {
		return
	}
	defer s.closed(c)
	s.serveChannels(ctx, c, view, channels, requests)
}

// serveChannels answers the requests for channels until the connection ends, and waits for what it began.
func (s *SFTP) serveChannels(ctx context.Context, c *connection, view *view, channels <-chan ssh.NewChannel, requests <-chan *ssh.Request) {
	var running sync.WaitGroup
	defer running.Wait()
	defer c.Close()
	var open atomic.Int32
	for request := range newChannels(channels, requests) {
		switch {
		case request.ChannelType() != "session":
			request.Reject(ssh.Prohibited, "sealgate: only sftp is served here")
			continue
		case open.Load() >= channelsPerConnection:
			request.Reject(ssh.ResourceShortage, "sealgate: too many channels on this connection")
			continue
		}
		if c.guest.Entered != nil {
			c.guest.Entered()
		}
		channel, requests, err := request.Accept()
		if err != nil {
			return
		}
		open.Add(1)
		running.Go(func() {
			defer open.Add(-1)
			s.serveChannel(ctx, c, view, channel, requests)
		})
	}
}

// serveChannel refuses what is asked for until somebody asks for sftp; everything after that is refused too.
func (s *SFTP) serveChannel(ctx context.Context, c *connection, view *view, channel ssh.Channel, requests <-chan *ssh.Request) {
	var running sync.WaitGroup
	defer running.Wait()
	defer channel.Close()
	started := false
	for request := range requests {
		if started || request.Type != "subsystem" || !isSFTP(request.Payload) {
			request.Reply(false, nil) // env, pty-req, shell, exec and the rest
			continue
		}
		started = true
		request.Reply(true, nil)
		running.Go(func() { s.serveSFTP(ctx, c, view, channel) })
	}
}

// serveSFTP speaks SFTP on one channel until either side ends it.
func (s *SFTP) serveSFTP(ctx context.Context, c *connection, view *view, channel ssh.Channel) {
	screen := newStderr(channel.Stderr())
	session := &session{
		ctx: ctx, door: s, connection: c, guest: c.guest, view: view, screen: screen,
		log: s.log.With("account", c.guest.Account, "door", "sftp", "user", c.guest.User),
	}
	handlers := sftp.Handlers{FileGet: session, FilePut: session, FileCmd: session, FileList: session}
	idle := func() bool { return session.handles.Load() == 0 }
	rested := func() { s.rested.Add(1) }
	err := serveStretches(channel, s.config().SFTP.Limits.Handles, idle, rested, func(rwc io.ReadWriteCloser) *sftp.RequestServer {
		return sftp.NewRequestServer(rwc, handlers, sftp.WithRSAllocator(), sftp.WithRSMaxTxPacket(largestData))
	})
	status := uint32(0)
	if !errors.Is(err, io.EOF) {
		status = 1
	}
	channel.SendRequest("exit-status", false, binary.BigEndian.AppendUint32(nil, status))
	channel.Close()
	screen.wait() // closing the channel, or the connection, frees a writer that the client let wait
}

// turnAway tells a guest who is over a cap why, where its client shows it: as the reason why no channel is opened.
func (s *SFTP) turnAway(c *connection, channels <-chan ssh.NewChannel, requests <-chan *ssh.Request, why error) {
	if c.SetDeadline(time.Now().Add(overCapWithin)) != nil {
		return
	}
	for request := range newChannels(channels, requests) {
		request.Reject(ssh.ResourceShortage, "sealgate: "+why.Error())
	}
}

// newChannels gives the requests for channels, until the connection ends. Meanwhile it answers keepalives and refuses all
// other requests to the server: no forwarding, no host key tricks.
func newChannels(channels <-chan ssh.NewChannel, requests <-chan *ssh.Request) iter.Seq[ssh.NewChannel] {
	return func(yield func(ssh.NewChannel) bool) {
		for {
			select {
			case channel, ok := <-channels:
				if !ok || !yield(channel) {
					return
				}
			case request, ok := <-requests:
				if !ok {
					requests = nil // the channels end with it
					continue
				}
				request.Reply(request.Type == "keepalive@openssh.com", nil)
			}
		}
	}
}

// isSFTP reads the payload of a subsystem request.
func isSFTP(payload []byte) bool {
	var subsystem struct{ Name string }
	return ssh.Unmarshal(payload, &subsystem) == nil && subsystem.Name == "sftp"
}

// cut ends a connection at once and says in the log what was under way.
func (c *connection) cut(log *slog.Logger, why string) {
	if uploads := c.uploads.Load(); uploads > 0 {
		log.Warn("cut", "account", c.guest.Account, "door", "sftp", "user", c.guest.User, "uploads", uploads, "why", why)
	}
	c.Close()
}
