package gateway

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/sealgate/sealgate/vault"
)

// expiryDays are how many days ahead an operator is told that a certificate runs out; 0: it has.
var expiryDays = [...]int{30, 7, 1, 0}

// expiryLook is how long a threshold may have been crossed before it is told, and a change of the clock unnoticed.
const expiryLook = time.Hour

// daysLeft counts the days that a certificate has, the last one begun included; 0 when it has expired.
func daysLeft(c *vault.Certificate, now time.Time) int {
	return max(0, int(math.Ceil(c.NotAfter().Sub(now).Hours()/24)))
}

// stage is the least threshold that a certificate has crossed, -1 if none.
func stage(days int) int {
	crossed := -1
	for i, d := range expiryDays {
		if days <= d {
			crossed = i
		}
	}
	return crossed
}

// tellCertificates writes a line for each certificate that runs out within 30 days: at the start and at a reload.
func (g *Gateway) tellCertificates() {
	g.expiries.Lock()
	defer g.expiries.Unlock()
	g.expiries.told = map[string]int{}
	g.tellExpiries()
}

// watchCertificates tells when a certificate crosses a threshold while the gateway runs, once for each.
func (g *Gateway) watchCertificates(ctx context.Context) error {
	g.tellCertificates()
	return again(ctx, expiryLook, func() {
		g.expiries.Lock()
		defer g.expiries.Unlock()
		g.tellExpiries()
	})
}

// tellExpiries tells what was not told of a certificate yet. The caller holds expiries.
func (g *Gateway) tellExpiries() {
	for _, a := range *g.accounts.Load() {
		for use, c := range map[string]*vault.Certificate{"seal": a.certificate, "recovery": a.recovery} {
			if c == nil {
				continue
			}
			days, key := daysLeft(c, g.now()), a.ID+" "+use
			crossed := stage(days)
			last, known := g.expiries.told[key]
			g.expiries.told[key] = crossed // also a lesser one: by a clock that was ahead more was told than is true
			if crossed < 0 || known && crossed <= last {
				continue
			}
			g.log.Warn("certificate expires", "account", a.ID, "days", days, "use", use, "until", c.NotAfter().UTC().Format(time.DateOnly))
		}
	}
}

// CopyCount counts an account's sealed copies by the certificate that they are sealed to.
type CopyCount struct {
	Account     string `json:"account"`
	Certificate string `json:"certificate"` // fingerprint
	Files       int    `json:"files"`
	Bytes       int64  `json:"bytes"` // of the files' content
}

// CopyCounts counts the sealed copies of an account, or of all, the most first.
func (g *Gateway) CopyCounts(ctx context.Context, account string) ([]CopyCount, error) {
	accounts, err := g.asked(account)
	if err == nil {
		accounts, err = g.unlocked(ctx, account, accounts)
	}
	if err != nil {
		return nil, err
	}
	list := []CopyCount{}
	for _, a := range accounts {
		by := map[string]*CopyCount{}
		for c, err := range a.index.Copies(ctx) {
			if err != nil {
				return nil, err
			}
			if by[c.Certificate] == nil {
				by[c.Certificate] = &CopyCount{Account: a.ID, Certificate: c.Certificate}
			}
			by[c.Certificate].Files++
			by[c.Certificate].Bytes += c.FileSize
		}
		for _, n := range by {
			list = append(list, *n)
		}
	}
	slices.SortFunc(list, func(x, y CopyCount) int { return y.Files - x.Files })
	return list, nil
}

// Removal says that a certificate's private key is about to be destroyed, and what becomes unreadable by it: as many files of
// each account as were listed.
type Removal struct {
	Certificate string         // PEM
	Files       map[string]int // by account
	Bytes       map[string]int64
	Names       map[string]int // ... and the names of so many users
	Sealed      map[string]int // all files that were seen to be sealed to it, also those that another certificate opens
	SealedNames map[string]int // ... and all names
	Databases   map[string]int // ... and the databases of protected accounts
	Shared      map[string]int // files and names that it opens and another certificate that is in force too
	Digest      string         // SHA-256 of the files' ids, each with a newline, in order
}

// supersede keeps the accounts of a configuration that is no longer in use for as long as uploads go on under its rules.
func (g *Gateway) supersede(old map[string]*account) {
	g.former.Lock()
	defer g.former.Unlock()
	for _, a := range old {
		g.former.accounts = append(g.former.accounts, a)
	}
	g.former.accounts = slices.DeleteFunc(g.former.accounts, func(a *account) bool { return a.underWay.Load() == 0 })
}

// begun gives the account by whose rules an upload begins, which counts as under way until it ends.
func (g *Gateway) begun(id string) *account {
	for {
		a := g.account(id)
		if a == nil {
			return nil
		}
		a.underWay.Add(1)
		if a == g.account(id) {
			return a
		}
		a.underWay.Add(-1) // superseded in between, and perhaps looked at
	}
}

// stillSealing gives an account with an upload under way that will be sealed to a certificate which the configuration does
// not name any more; "" if there is none.
func (g *Gateway) stillSealing(c *vault.Certificate) string {
	g.former.Lock()
	defer g.former.Unlock()
	for _, a := range g.former.accounts {
		if a.underWay.Load() > 0 && a.sealsTo(c) {
			return a.ID
		}
	}
	return ""
}

// sealsTo says whether c's private key will open what the account seals.
func (a *account) sealsTo(c *vault.Certificate) bool {
	for _, used := range []*vault.Certificate{a.certificate, a.recovery} {
		if used != nil && used.KeyID() == c.KeyID() {
			return true
		}
	}
	return false
}

// RemoveCertificate records a removal in the ledgers of the accounts that it hits, durably. It refuses while the
// configuration still names the certificate: what came afterwards would be unreadable at once.
func (g *Gateway) RemoveCertificate(ctx context.Context, r Removal, who string) ([]CopyCount, error) {
	c, err := vault.ParseCertificate([]byte(r.Certificate))
	if err != nil {
		return nil, &No{Text: err.Error()}
	}
	accounts, err := g.asked("")
	if err != nil {
		return nil, err
	}
	for _, named := range g.cfg.Load().Accounts {
		a, err := g.withKeys(named)
		if err != nil {
			return nil, err
		}
		if a.sealsTo(c) {
			hint := "name another certificate in " + g.cfg.Load().File + ", then sealgate check"
			if g.rule.Load().count > 0 { // it may be named there, and not be in force
				hint = "changes wait for signatures: sealgate changes"
			}
			return nil, &No{
				Text: fmt.Sprintf("account %s still seals to it, so files to come would be unreadable too; nothing was removed", a.ID),
				Hint: hint,
			}
		}
	}
	if id := g.stillSealing(c); id != "" {
		return nil, &No{
			Text: fmt.Sprintf("account %s has an upload under way that will be sealed to it; nothing was removed", id),
			Hint: "list them again when it has ended; one whose connection is lost is parked for " + g.cfg.Load().SFTP.Park.String(),
		}
	}
	// What was under way when the configuration changed may have ended since the list was made.
	counts, err := g.CopyCounts(ctx, "")
	if err != nil {
		return nil, err
	}
	for _, n := range counts {
		if n.Certificate == c.Fingerprint() && n.Files != r.Sealed[n.Account] {
			return nil, &No{
				Text: fmt.Sprintf("account %s has %s sealed to it, and %d were listed; nothing was removed", n.Account, counted(n.Files, "file"), r.Sealed[n.Account]),
				Hint: "list them again",
			}
		}
	}
	names, err := g.namesSealedTo(ctx, c.Fingerprint())
	if err != nil {
		return nil, err
	}
	for account, n := range names {
		if n != r.SealedNames[account] {
			return nil, &No{
				Text: fmt.Sprintf("account %s has %s sealed to it, and %d were listed; nothing was removed", account, counted(n, "user name"), r.SealedNames[account]),
				Hint: "list them again",
			}
		}
	}
	done := []CopyCount{}
	for _, a := range accounts {
		if r.Files[a.ID]+r.Names[a.ID]+r.Databases[a.ID]+r.Shared[a.ID] == 0 {
			continue
		}
		detail := fmt.Sprintf("%s: %s, %d bytes, %s, sha-256 of their ids %s; %d more that another certificate opens",
			c.Fingerprint(), counted(r.Files[a.ID], "file"), r.Bytes[a.ID], counted(r.Names[a.ID], "user name"), r.Digest, r.Shared[a.ID])
		if r.Databases[a.ID] > 0 {
			detail += "; the database"
		}
		if _, err := a.index.Note(ctx, kindCertificateRemoved, "", who, detail); err != nil {
			return done, err
		}
		g.log.Info("certificate removed", "account", a.ID, "user", who, "files", r.Files[a.ID])
		done = append(done, CopyCount{Account: a.ID, Certificate: c.Fingerprint(), Files: r.Files[a.ID], Bytes: r.Bytes[a.ID]})
	}
	return done, nil
}

// kindCertificateRemoved is the ledger's word for a certificate whose private key is destroyed.
const kindCertificateRemoved = "certificate-removed"
