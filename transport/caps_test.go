package transport

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/config"
)

func at(addr string) *connection {
	return &connection{near: neighbourhood(netip.MustParseAddr(addr))}
}

func TestNeighbourhood(t *testing.T) {
	for _, pair := range [][2]string{
		{"192.0.2.7", "192.0.2.7/32"},
		{"::ffff:192.0.2.7", "192.0.2.7/32"},
		{"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"},
		{"fe80::1%eth0", "fe80::/64"},
	} {
		if got := neighbourhood(netip.MustParseAddr(pair[0])); got.String() != pair[1] {
			t.Errorf("neighbourhood(%s) = %s, want %s", pair[0], got, pair[1])
		}
	}
	if got := neighbourhood(netip.Addr{}); got.IsValid() {
		t.Errorf("an address that is none has the neighbourhood %s", got)
	}
}

// A flood from one address pushes out itself, whoever comes after it.
func TestLobbyEvictsTheFlood(t *testing.T) {
	var l lobby
	customer := at("198.51.100.9")
	if out := l.enter(customer, 4); out != nil {
		t.Fatal("an empty lobby evicts")
	}
	var flood []*connection
	for range 50 {
		c := at("192.0.2.1")
		flood = append(flood, c)
		if out := l.enter(c, 4); out == customer {
			t.Fatal("the flood pushed a customer out")
		}
	}
	if out := l.enter(at("203.0.113.5"), 4); out != flood[47] {
		t.Error("a newcomer does not push out the flood's oldest")
	}
	if len(l.waiting) != 4 {
		t.Errorf("%d wait, want 4", len(l.waiting))
	}
	l.leave(customer)
	l.leave(customer)
	if len(l.waiting) != 3 {
		t.Errorf("%d wait, want 3", len(l.waiting))
	}
}

// Of one address, those go first that have not done their part of the key exchange.
func TestLobbySparesThePersonAtThePrompt(t *testing.T) {
	var l lobby
	typing, silent := at("192.0.2.1"), at("192.0.2.1")
	typing.writes.Store(keyReply)
	l.enter(typing, 2)
	l.enter(silent, 2)
	if out := l.enter(at("192.0.2.1"), 2); out != silent {
		t.Error("the silent connection stays and the other goes")
	}
	for range 2 {
		if l.evict() == nil {
			t.Error("evict finds nobody")
		}
	}
	if l.evict() != nil {
		t.Error("evict finds somebody in an empty lobby")
	}
}

func TestCensus(t *testing.T) {
	n := newCensus()
	caps := config.Limits{Sessions: 4, SessionsPerAccount: 3, SessionsPerAddress: 2}
	a, b, c := at("192.0.2.1").near, at("192.0.2.2").near, at("192.0.2.3").near
	must(t, n.enter("acme", a, caps))
	must(t, n.enter("acme", a, caps))
	refused := func(account string, from *connection, want string) {
		t.Helper()
		err := n.enter(account, from.near, caps)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s from %s: %v, want %q", account, from.near, err, want)
			return
		}
		checkSentence(t, err.Error())
	}
	refused("acme", at("192.0.2.1"), "address")
	must(t, n.enter("acme", b, caps))
	refused("acme", at("192.0.2.2"), "account")
	must(t, n.enter("beta", b, caps))
	refused("beta", at("192.0.2.3"), "server")
	n.leave("acme", a)
	must(t, n.enter("beta", c, caps))
	for _, leave := range []struct {
		account string
		from    netip.Prefix
	}{{"acme", a}, {"acme", b}, {"beta", b}, {"beta", c}} {
		n.leave(leave.account, leave.from)
	}
	if n.total != 0 || len(n.accounts) != 0 || len(n.near) != 0 {
		t.Errorf("after all have left: %d, %v, %v", n.total, n.accounts, n.near)
	}
	if err := n.enter("acme", a, config.Limits{}); err != nil {
		t.Errorf("a cap of 0 refuses: %v", err)
	}
}
