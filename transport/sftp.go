package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"github.com/sealgate/sealgate/config"
)

// SFTP is the door that customers push files to. One goroutine a connection, one view an account.
type SFTP struct {
	house     House
	log       *slog.Logger
	server    *ssh.ServerConfig
	live      atomic.Pointer[config.Config]
	strangers strangers
	lobby     lobby
	census    *census
	holding   atomic.Int64 // bytes held back by uploads that may be resumptions

	rested atomic.Int64 // protocol servers given up since memory was tidied

	mu       sync.Mutex
	listener net.Listener
	stopping bool
	sessions map[*connection]struct{}
	removed  map[string]bool // users, by their ids, of which hardly any is made twice
	views    map[string]*view
}

// onlyWhatWorks tells the protocol library, for the whole process and once, to advertise no extension that is not served
// here. It guards a variable of that library against being set while another server runs.
var onlyWhatWorks = sync.OnceValue(func() error { return sftp.SetSFTPExtensions("posix-rename@openssh.com") })

// NewSFTP prepares the door: it reads the host keys and opens nothing yet. Its errors are for operators.
func NewSFTP(cfg *config.Config, house House, log *slog.Logger) (*SFTP, error) {
	if err := onlyWhatWorks(); err != nil {
		return nil, fmt.Errorf("sftp: %w", err)
	}
	server, err := newServerConfig(cfg.SFTP)
	if err != nil {
		return nil, err
	}
	s := &SFTP{
		house: house, log: log, server: server, census: newCensus(),
		sessions: make(map[*connection]struct{}), removed: make(map[string]bool), views: make(map[string]*view),
	}
	s.live.Store(cfg)
	return s, nil
}

// Listen opens the port, so that Addr is known and connections queue until Run.
func (s *SFTP) Listen(ctx context.Context) error {
	plain := net.ListenConfig{KeepAlive: -1} // keepAlive comes when a newcomer stays: five calls fewer for each who does not
	listener, err := plain.Listen(ctx, "tcp", s.config().SFTP.Listen)
	if err != nil {
		return fmt.Errorf("sftp: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listener = listener
	return nil
}

// Addr is where the door listens; nil before Listen.
func (s *SFTP) Addr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return nil
	}
	return s.listener.Addr()
}

// Reload swaps in a new configuration: limits, stop_within and park take effect at once, for live sessions too. The listen
// address, host keys and algorithms stay as they were.
func (s *SFTP) Reload(cfg *config.Config) { s.live.Store(cfg) }

// End cuts the sessions of a user who may not be here any more, also the one that he is just about to begin.
func (s *SFTP) End(user string) {
	s.mu.Lock()
	s.removed[user] = true
	s.mu.Unlock()
	for _, c := range s.allSessions() {
		if c.guest.User == user {
			c.cut(s.log, "the login was removed")
		}
	}
}

func (s *SFTP) config() *config.Config { return s.live.Load() }

// Run serves until ctx is done. Then it accepts nothing more, lets running uploads end within sftp.stop_within, cuts what
// is left, says in the log what it cut, and returns nil when no goroutine of its own runs any more.
func (s *SFTP) Run(ctx context.Context) error {
	if s.Addr() == nil {
		if err := s.Listen(ctx); err != nil {
			return err
		}
	}
	// Sessions outlive ctx by stop_within; what they ask of the house must not be cancelled half way.
	lasting, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	var connections, chores sync.WaitGroup
	var accepting sync.WaitGroup
	accepting.Go(func() { s.accept(ctx, lasting, &connections) })
	chores.Go(func() { s.sweep(lasting) })

	<-ctx.Done()
	s.listener.Close()
	accepting.Wait()
	s.stop()
	connections.Wait()
	end()
	chores.Wait()
	for _, v := range s.allViews() {
		v.empty("the server stopped")
	}
	return nil
}

// accept takes connections until the listener is closed. Out of descriptors, it gives up a connection that has not logged
// in, waits and tries again: two lines in the log for the whole time, not one for each try.
func (s *SFTP) accept(ctx, lasting context.Context, connections *sync.WaitGroup) {
	const calm, longest = 5 * time.Second, 500 * time.Millisecond
	var failed time.Time // the last failure; zero while all is well
	wait := time.Duration(0)
	for {
		nc, err := s.listener.Accept()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			if failed.IsZero() {
				s.log.Warn("connections cannot be accepted", "door", "sftp", "err", err)
			}
			failed = time.Now()
			wait = min(max(2*wait, 5*time.Millisecond), longest)
			if out := s.lobby.evict(); out != nil { // that frees a descriptor: a newcomer need not wait
				out.Close()
				wait = time.Millisecond
			}
			select {
			case <-time.After(wait):
			case <-ctx.Done():
				return
			}
			continue
		}
		if !failed.IsZero() && time.Since(failed) > calm {
			s.log.Info("connections are accepted again", "door", "sftp")
			failed, wait = time.Time{}, 0
		}
		c := newConnection(nc)
		if !s.house.Welcome(c.addr) { // nobody may log in from there: not even a key exchange is spent on it
			c.Close()
			s.log.Debug("not logged in", "door", "sftp", "addr", c.addr, "err", "no account lets anybody in from this address")
			continue
		}
		if s.strangers.turnAway(c.near, c.began) {
			io.WriteString(c.Conn, turnedAway) // into an empty buffer: it cannot wait
			c.Close()
			continue
		}
		keepAlive(nc)
		if out := s.lobby.enter(c, s.config().SFTP.Limits.Handshakes); out != nil {
			out.Close()
		}
		connections.Go(func() { s.serve(lasting, c) })
	}
}

// keepAlive lets a peer that vanished be noticed within half a minute, so that it can resume what it left behind.
func keepAlive(nc net.Conn) {
	if tcp, ok := nc.(*net.TCPConn); ok {
		tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3})
	}
}

// open notes a session that is logged in; false if the door is closing, or its user was removed meanwhile.
func (s *SFTP) open(c *connection) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping || s.removed[c.guest.User] {
		return false
	}
	s.sessions[c] = struct{}{}
	return true
}

func (s *SFTP) closed(c *connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, c)
}

func (s *SFTP) closing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopping
}

func (s *SFTP) allSessions() []*connection {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*connection, 0, len(s.sessions))
	for c := range s.sessions {
		all = append(all, c)
	}
	return all
}

func (s *SFTP) allViews() []*view {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*view, 0, len(s.views))
	for _, v := range s.views {
		all = append(all, v)
	}
	return all
}

// viewOf is the account's view; all sessions of the account share one, for as long as the daemon runs.
func (s *SFTP) viewOf(ctx context.Context, account string) (*view, error) {
	s.mu.Lock()
	v := s.views[account]
	if v == nil {
		v = newView(s.house, account)
		s.views[account] = v
	}
	s.mu.Unlock()
	return v, v.seed(ctx, time.Now())
}

// tidyAfter is how many protocol servers are given up before their memory goes back to the system. Each leaves half a
// mebibyte, most of it counted and never touched, for which the collector alone would come two minutes later.
const tidyAfter = 64

// sweep ends sessions that are idle and views' entries that are due, and tidies up after what has ended.
func (s *SFTP) sweep(ctx context.Context) {
	ticker := time.NewTicker(5 * time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			for _, v := range s.allViews() {
				v.expire(now)
			}
			s.strangers.tell(s.log, now)
			if s.rested.Load() >= tidyAfter {
				s.rested.Store(0)
				debug.FreeOSMemory()
			}
			for _, c := range s.allSessions() {
				if c.quiet(now) > idleLimit {
					c.cut(s.log, "nothing came for "+idleLimit.String())
				}
			}
		}
	}
}

// stop ends the sessions: those without an upload under way when they have been quiet for a moment (a client looks at
// its file after the upload, or renames it), the others at the latest when stop_within is over.
func (s *SFTP) stop() {
	const moment, step = time.Second, 50 * time.Millisecond
	s.mu.Lock()
	s.stopping = true
	s.mu.Unlock()
	for out := s.lobby.evict(); out != nil; out = s.lobby.evict() {
		out.Close()
	}
	deadline := time.Now().Add(s.config().SFTP.StopWithin)
	ticker := time.NewTicker(step)
	defer ticker.Stop()
	for {
		left := s.allSessions()
		now := time.Now()
		for _, c := range left {
			switch {
			case now.After(deadline):
				c.cut(s.log, "the server is stopping")
			case c.uploads.Load() == 0 && c.quiet(now) > moment:
				c.Close()
			}
		}
		if len(left) == 0 || now.After(deadline) {
			return
		}
		<-ticker.C
	}
}
