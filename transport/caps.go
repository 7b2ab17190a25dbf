package transport

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"github.com/sealgate/sealgate/config"
)

// neighbourhood is what counts as one address: an IPv4 address, or an IPv6 /64, which one customer owns as a whole.
func neighbourhood(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := 64
	if addr.Is4() {
		bits = 32
	}
	prefix, err := addr.Prefix(bits)
	if err != nil { // the zero Addr: everybody without an address is one neighbour
		return netip.Prefix{}
	}
	return prefix
}

// lobby holds the connections that have not logged in. When it is full, the newcomer is let in and the oldest of the
// address with most goes: whoever floods it pushes out his own, and a customer is served at once.
type lobby struct {
	mu      sync.Mutex
	waiting []*connection // oldest first
}

// enter takes c in and returns the connection that had to go for it, already out of the lobby, or nil. The caller closes
// that one.
func (l *lobby) enter(c *connection, most int) *connection {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out *connection
	if len(l.waiting) >= max(most, 1) {
		out = l.leastMissed()
		l.remove(out)
	}
	l.waiting = append(l.waiting, c)
	return out
}

// leave takes c out; it does nothing if c is out already.
func (l *lobby) leave(c *connection) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.remove(c)
}

// evict gives up one connection, to free its descriptor; nil if there is none.
func (l *lobby) evict() *connection {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := l.leastMissed()
	l.remove(out)
	return out
}

func (l *lobby) remove(c *connection) {
	if at := slices.Index(l.waiting, c); at >= 0 {
		l.waiting = slices.Delete(l.waiting, at, at+1)
	}
}

// leastMissed is of the address with most connections the oldest, those first that have not done their part of the key
// exchange: a person who is typing a password has.
func (l *lobby) leastMissed() *connection {
	count := make(map[netip.Prefix]int)
	top := 0
	for _, c := range l.waiting {
		count[c.near]++
		top = max(top, count[c.near])
	}
	var oldest *connection
	for _, c := range l.waiting {
		if count[c.near] != top {
			continue
		}
		if !c.answered() {
			return c
		}
		if oldest == nil {
			oldest = c
		}
	}
	return oldest
}

// census counts the sessions that are logged in.
type census struct {
	mu       sync.Mutex
	total    int
	accounts map[string]int
	near     map[netip.Prefix]int
}

func newCensus() *census {
	return &census{accounts: make(map[string]int), near: make(map[netip.Prefix]int)}
}

// enter counts a session in, or says in one sentence which cap it is over. A cap of 0 is no cap.
func (n *census) enter(account string, near netip.Prefix, caps config.Limits) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	over := func(have, most int) bool { return most > 0 && have >= most }
	switch {
	case over(n.total, caps.Sessions):
		return failure(fmt.Sprintf("not served: every session of this server is in use (%d). Try again in some minutes.", caps.Sessions))
	case over(n.accounts[account], caps.SessionsPerAccount):
		return failure(fmt.Sprintf("not served: every session of this account is in use (%d). Close one, or try again later.", caps.SessionsPerAccount))
	case over(n.near[near], caps.SessionsPerAddress):
		return failure(fmt.Sprintf("not served: every session of your address is in use (%d). Close one, or try again later.", caps.SessionsPerAddress))
	}
	n.total++
	n.accounts[account]++
	n.near[near]++
	return nil
}

// leave counts a session out.
func (n *census) leave(account string, near netip.Prefix) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.total--
	if n.accounts[account]--; n.accounts[account] <= 0 {
		delete(n.accounts, account)
	}
	if n.near[near]--; n.near[near] <= 0 {
		delete(n.near, near)
	}
}
