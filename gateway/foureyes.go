package gateway

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sealgate/sealgate/config"
	"github.com/sealgate/sealgate/transport"
	"github.com/sealgate/sealgate/vault"
)

// The two-person rule. What the configuration says of guarded things (facts.go) is only a proposal; what is in force is what gateway.db
// holds as approved, contents of files included, and that changes by the signatures of two operators (approve.go). Everything else in
// the configuration is in force at once. The order of a load:
//
//	read the configuration and the files that it names       -> rule.file, rule.proposed
//	take over what needs nobody: new accounts, remotes gone  -> rule.approved
//	put the approved values in the place of the proposed     -> rule.config, which the gateway runs by
//	keep what was taken over, and tell what waits            (settle)

// rule is how the two-person rule stands; it does not change once it is stored in the gateway, but for what settle writes down.
type rule struct {
	file     *config.Config    // as it was read
	proposed approved          // what it says
	approved *approved         // nil where the rule is not in force: then config is file
	config   *config.Config    // what is in force
	count    int               // of what waits
	stored   map[string][]byte // as gateway.db has it
}

// approved is what two operators have approved, and in what state the next approval is.
type approved struct {
	Gateway    string     // made when the rule begins, so that no signature fits another gateway
	Serial     int        // grows with every change and every withdrawal, so that none fits an earlier state that looks the same
	Operators  *content   // nil: the rule ends
	Proposed   string     // digest of the statement that the ledgers know as proposed
	Removed    []string   // accounts that are not there, but their files may be: to name one again is a change
	Told       []string   // the accounts whose ledgers they are
	Signatures []string   // of that statement, armoured
	Notes      []owedNote // not yet in the ledgers

	accounts map[string]approvedAccount
}

// approvedAccount is an account as it was read last; so it can run on when the configuration does not name it any more.
type approvedAccount struct {
	Account *config.Account
	Facts   facts
}

// owedNote is a row for an account's ledger. It is kept with what it tells of, and entered after: die in between, and the next start enters
// it; die right after it was entered, and the same row comes twice.
type owedNote struct{ Account, Kind, Who, Detail string }

// Kinds of ledger rows.
const (
	kindRuleBegun = "four-eyes-begun"
	kindProposed  = "change-proposed"
	kindWithdrawn = "change-withdrawn"
	kindSigned    = "change-signed"
	kindInForce   = "change-in-force"
)

// newRule finds out what is in force of a configuration that was read. It writes nothing but files' contents.
func (g *Gateway) newRule(ctx context.Context, file *config.Config) (*rule, error) {
	stored, err := g.registry.Approved(ctx)
	if err != nil {
		return nil, err
	}
	r := &rule{file: file, config: file, stored: stored}
	var was *approved
	if len(stored) > 0 {
		if was, err = parseApproved(stored); err != nil {
			return nil, err
		}
	}
	ended := was != nil && was.Operators == nil
	if (was == nil || ended) && !file.TwoPersons() {
		if ended { // and its last rows are not in the ledgers yet
			r.proposed.Notes = was.Notes
		}
		return r, nil
	}
	if r.proposed, err = propose(file); err != nil {
		return nil, err
	}
	if was == nil || ended {
		if r.approved, err = r.begun(); err != nil {
			return nil, err
		}
		if ended {
			r.approved.Notes = slices.Concat(was.Notes, r.approved.Notes)
		}
	} else {
		r.approved = was.takeOver(file, &r.proposed)
	}
	r.outdate()
	r.count = len(r.waiting())
	r.config, err = r.inForce()
	return r, err
}

// outdate makes what waits another text if something else waits than what was told last: a signature of that is withdrawn for good, also
// when the same waits again. Only settle keeps it, so until then each load comes to the same text.
func (r *rule) outdate() {
	if r.approved.Proposed != "" && digestOf(r.statement()) != r.approved.Proposed {
		r.approved.Serial++
	}
}

// problem is what status says of changes that wait; "" if there are none.
func (r *rule) problem() string {
	if r.count == 0 {
		return ""
	}
	waits := "waits"
	if r.count > 1 {
		waits = "wait"
	}
	return fmt.Sprintf("configuration: %d of its changes %s for the signatures of %d persons: sealgate changes", r.count, waits, signersNeeded)
}

// propose reads what a configuration says of guarded things.
func propose(file *config.Config) (p approved, err error) {
	p.accounts = map[string]approvedAccount{}
	if file.TwoPersons() {
		if p.Operators, err = fileContent(file.Operators); err != nil {
			return p, err
		}
		if _, err := transport.ParseOperators(p.Operators.Text); err != nil { // it may have changed since it was checked
			return p, fmt.Errorf("%s: %w", file.Operators, err)
		}
	}
	for _, a := range file.Accounts {
		f, err := factsOf(a)
		if err != nil {
			return p, fmt.Errorf("account %s: %w", a.ID, err)
		}
		p.accounts[a.ID] = approvedAccount{a, f}
	}
	return p, nil
}

// begun is the rule's first state: what the configuration says now counts as approved, and that the accounts it does not name are removed.
func (r *rule) begun() (*approved, error) {
	a := &approved{Gateway: rand.Text(), Serial: 1, Operators: r.proposed.Operators, accounts: maps.Clone(r.proposed.accounts)}
	for _, id := range slices.Sorted(maps.Keys(a.accounts)) {
		a.Notes = append(a.Notes, owedNote{id, kindRuleBegun, "", "what the configuration says counts as approved: " + a.digest()})
	}
	dirs, err := os.ReadDir(filepath.Join(r.file.DataDir, "accounts"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, dir := range dirs {
		if _, there := a.accounts[dir.Name()]; !there {
			a.Removed = append(a.Removed, dir.Name())
		}
	}
	return a, nil
}

// takeOver takes over what needs no signature: accounts that begin empty and trust no server; remotes that are gone, since that only takes
// trust away; and what is not guarded, for the day on which an account leaves the configuration.
func (a *approved) takeOver(file *config.Config, proposed *approved) *approved {
	next := *a
	next.accounts = maps.Clone(a.accounts)
	changed := false
	for _, c := range file.Accounts {
		p := proposed.accounts[c.ID]
		known, ok := a.accounts[c.ID]
		if !ok {
			if a.addition(p) == "" {
				next.accounts[c.ID], changed = p, true
			}
			continue
		}
		remotes := known.Facts.remotesLeft(p.Facts.Remotes)
		changed = changed || len(remotes) < len(known.Facts.Remotes)
		known.Account, known.Facts.Remotes = c, remotes
		next.accounts[c.ID] = known
	}
	if changed {
		next.Serial++
	}
	return &next
}

// addition says why an account that is not approved waits; "" if it need not.
func (a *approved) addition(p approvedAccount) string {
	switch {
	case slices.Contains(a.Removed, p.Account.ID): // by two persons, and one alone does not get at its files by naming it anew
		return "the account is added again"
	case len(p.Facts.Remotes) > 0: // whom the gateway trusts, fetches from and delivers to
		return "the account is added, with remotes"
	}
	return ""
}

// removed are the accounts that are not there once those of now are approved.
func (a *approved) removed(now map[string]approvedAccount) (list []string) {
	for _, id := range slices.Concat(a.Removed, slices.Sorted(maps.Keys(a.accounts))) {
		if _, there := now[id]; !there && !slices.Contains(list, id) {
			list = append(list, id)
		}
	}
	return list
}

// inForce is the configuration with the approved values in the place of the proposed ones. Accounts that it does not name any more stay, and
// those whose addition waits are not there yet.
func (r *rule) inForce() (*config.Config, error) {
	c := *r.file
	c.FourEyes, c.Accounts = "true", nil
	place := func(t *content) (string, error) { return placeApproved(c.DataDir, t) }
	take := func(known approvedAccount, now *config.Account) error {
		a, err := known.Facts.apply(now, place)
		if err != nil {
			return fmt.Errorf("account %s: %w", now.ID, err)
		}
		c.Accounts = append(c.Accounts, a)
		return nil
	}
	for _, a := range r.file.Accounts {
		known, ok := r.approved.accounts[a.ID]
		if !ok {
			continue
		}
		if err := take(known, a); err != nil {
			return nil, err
		}
	}
	for _, id := range slices.Sorted(maps.Keys(r.approved.accounts)) {
		if known := r.approved.accounts[id]; r.file.Account(id) == nil {
			if err := take(known, known.Account); err != nil {
				return nil, err
			}
		}
	}
	return &c, nil
}

// waiting gives what is proposed and not approved.
func (r *rule) waiting() (list []change) {
	if r.approved == nil {
		return nil
	}
	list = changes("", r.approved.own(), r.proposed.own())
	for _, id := range r.accounts() {
		known, p := r.approved.accounts[id], r.proposed.accounts[id]
		if p.Account == nil {
			list = append(list, change{id, "the account is removed"})
			continue
		}
		if known.Account == nil {
			list = append(list, change{id, r.approved.addition(p)})
			list = append(list, changes(id, nil, p.Facts.list())...)
			continue
		}
		list = append(list, changes(id, known.Facts.list(), p.Facts.list())...)
	}
	return list
}

// accounts are the ids of all that are approved or proposed.
func (r *rule) accounts() []string {
	all := maps.Clone(r.approved.accounts)
	maps.Copy(all, r.proposed.accounts)
	return slices.Sorted(maps.Keys(all))
}

// own are the gateway's own guarded values.
func (a *approved) own() []fact {
	return []fact{{"four_eyes", fmt.Sprint(a.Operators != nil)}, {"operators", fileText(a.Operators)}}
}

// digest is over all that is approved, and over which gateway's and the how manieth it is.
func (a *approved) digest() string {
	h := sha256.New()
	fmt.Fprintf(h, "sealgate approved 1\ngateway: %s\nserial: %d\n", a.Gateway, a.Serial)
	for _, f := range a.own() {
		fmt.Fprintln(h, change{"", f.key + ": " + f.value})
	}
	for _, id := range slices.Sorted(maps.Keys(a.accounts)) {
		fmt.Fprintln(h, change{id, "is there"})
		known := a.accounts[id].Facts
		for _, f := range known.list() {
			fmt.Fprintln(h, change{id, f.key + ": " + f.value})
		}
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// statement is what two operators sign; "" if nothing waits. It is the same, byte by byte, as long as the same changes wait before the same
// approved state of the same gateway.
func (r *rule) statement() string {
	waits := r.waiting()
	if len(waits) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Sealgate change, version 1\nI approve that the gateway changes what it runs by, as follows.\ngateway: %s\nchanges what is approved: %s\n\n",
		r.approved.Gateway, r.approved.digest())
	for _, c := range waits {
		fmt.Fprintln(&b, c)
	}
	return b.String()
}

// digestOf names a statement in the ledgers.
func digestOf(statement string) string {
	if statement == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(statement))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// refuseLinks makes sure that the accounts' files are in data_dir itself. By a symbolic link another data_dir, for which nobody has signed
// anything, would be a second gateway over the same files. Who makes one need not have the rule there, so without it too no link may lead
// into the data_dir of another gateway; to a disk of its own it may.
func refuseLinks(cfg *config.Config) error {
	own, err := filepath.EvalSymlinks(cfg.DataDir)
	if err != nil {
		return err
	}
	accounts := filepath.Join(cfg.DataDir, "accounts")
	paths := []string{accounts}
	for _, a := range cfg.Accounts {
		dir := filepath.Join(accounts, a.ID)
		paths = append(paths, dir, filepath.Join(dir, "index.db"), filepath.Join(dir, "log.db"))
	}
	for _, path := range paths {
		if at, err := os.Lstat(path); err != nil || at.Mode()&fs.ModeSymlink == 0 {
			continue
		}
		if cfg.TwoPersons() {
			return fmt.Errorf("%s is a symbolic link, which four_eyes does not allow: put the file or folder itself there, or mount it there", path)
		}
		if other := dataDirOf(path); other != "" && other != own {
			return fmt.Errorf("%s leads into %s, the data_dir of another gateway: put a file or folder of this one there", path, other)
		}
	}
	return nil
}

// dataDirOf is the folder of the gateway.db above where a path leads; "" if there is none.
func dataDirOf(path string) string {
	dir, err := filepath.EvalSymlinks(path)
	for err == nil && dir != filepath.Dir(dir) {
		dir = filepath.Dir(dir)
		if _, err := os.Lstat(filepath.Join(dir, "gateway.db")); err == nil {
			return dir
		}
	}
	return ""
}

// mayRewrap refuses to seal an account's copies to a certificate that nobody has approved for it.
func (g *Gateway) mayRewrap(a *account, c *vault.Certificate) *No {
	if g.rule.Load().approved == nil || a.certificate != nil && a.certificate.Fingerprint() == c.Fingerprint() {
		return nil
	}
	return &No{
		Text: fmt.Sprintf("two persons must approve a certificate of account %s before anything is sealed to it; nothing was changed", a.ID),
		Hint: "name it in " + g.cfg.Load().File + ", then: sealgate changes",
	}
}
