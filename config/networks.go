package config

import (
	"fmt"
	"net/netip"
)

// ParseNetwork reads a network as operators write it: 192.0.2.0/24, 2001:db8::/32, or one address. What reads like a slip
// (bits beyond the network's length, a zone) is an error, in one sentence.
func ParseNetwork(s string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(s); err == nil && addr.Zone() == "" && !addr.Is4In6() {
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(s)
	switch {
	case err != nil || prefix.Addr().Is4In6():
		return netip.Prefix{}, fmt.Errorf("%s is not a network, like 192.0.2.0/24, 2001:db8::/32 or one address", shown(s))
	case prefix != prefix.Masked():
		return netip.Prefix{}, fmt.Errorf("%s has an address inside the network; write %s, or the address alone", shown(s), prefix.Masked())
	}
	return prefix, nil
}

// networks checks a list of networks.
func (l *loading) networks(at string, list []string) {
	if p, ok := l.places[at]; ok && list != nil && len(list) == 0 {
		l.note(p, "is empty, which could mean all or nobody; take the key out for all")
	}
	for i, s := range list {
		if s == "" {
			continue // noted already
		}
		if _, err := ParseNetwork(s); err != nil {
			l.note(l.places[fmt.Sprintf("%s.%d", at, i)], err.Error())
		}
	}
}

// userCA checks a file of certificate authorities and gives its absolute path.
func (l *loading) userCA(p place, written string) string {
	abs := l.absolute(p, written)
	if !l.file(p, written, abs, 0o022, l.examine.UserCA != nil) || l.examine.UserCA == nil {
		return abs
	}
	if err := l.examine.UserCA(abs); err != nil {
		l.examined(p, written, abs, err)
	}
	return abs
}
