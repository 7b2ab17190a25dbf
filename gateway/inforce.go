package gateway

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/sealgate/sealgate/config"
	"github.com/sealgate/sealgate/vault"
)

// InForce is by what an account seals now. Under the two-person rule, and while a reload was refused, that is not what its configuration file says:
// whoever must know which keys still open a file asks for this.
type InForce struct {
	Account     string
	FourEyes    bool // two persons have approved it, or the account began empty under that rule
	Certificate InForceCertificate
	Recovery    InForceCertificate
	AccessKeys  []InForceCertificate
	Protected   bool // protect_database
}

// InForceCertificate is a certificate and where it was read from; both are "" where there is none.
type InForceCertificate struct{ File, PEM string }

// InForce tells it of all accounts. It changes nothing, also where a stopped gateway is asked: what that would take over at its
// start counts as it would then.
func (g *Gateway) InForce(context.Context) ([]InForce, error) {
	g.reloading.Lock() // a reload exchanges the rule and the accounts one after the other
	defer g.reloading.Unlock()
	r, list := g.rule.Load(), []InForce{}
	for _, c := range g.cfg.Load().Accounts {
		a, err := g.withKeys(c)
		if err != nil {
			return nil, err
		}
		certificate, recovery, access := a.Certificate, a.RecoveryCertificate, slices.Clone(a.AccessKeys)
		if named := r.file.Account(a.ID); r.approved != nil && named != nil { // by the operator's own path, if it holds the same
			is, says := r.approved.accounts[a.ID].Facts, r.proposed.accounts[a.ID].Facts
			if is.Certificate.same(says.Certificate) {
				certificate = named.Certificate
			}
			if is.Recovery.same(says.Recovery) {
				recovery = named.RecoveryCertificate
			}
			for i := range is.AccessKeys {
				if at := slices.IndexFunc(says.AccessKeys, func(c content) bool { return c.same(&is.AccessKeys[i]) }); at >= 0 {
					access[i] = named.AccessKeys[at]
				}
			}
		}
		now := InForce{Account: a.ID, FourEyes: r.approved != nil, Certificate: inForceFrom(certificate, a.certificate),
			Recovery: inForceFrom(recovery, a.recovery), Protected: a.Protected()}
		for i, c := range a.access {
			now.AccessKeys = append(now.AccessKeys, inForceFrom(access[i], c))
		}
		list = append(list, now)
	}
	return list, nil
}

// withKeys gives an account of the configuration in force. Of one whose index is gone, or not made yet, it has nothing but the keys.
func (g *Gateway) withKeys(c *config.Account) (*account, error) {
	if a := g.account(c.ID); a != nil {
		return a, nil
	}
	a := &account{Account: c}
	if err := a.readCertificates(); err != nil {
		return nil, fmt.Errorf("account %s: %w", c.ID, err)
	}
	return a, nil
}

func inForceFrom(path string, c *vault.Certificate) InForceCertificate {
	if c == nil {
		return InForceCertificate{}
	}
	return InForceCertificate{File: path, PEM: string(c.PEM())}
}

// same says whether two files have the same content, or there is none of either.
func (c *content) same(other *content) bool {
	if c == nil || other == nil {
		return c == other
	}
	return bytes.Equal(c.Text, other.Text)
}
