package gateway

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sealgate/sealgate/transport"
)

// signersNeeded is how many persons a change takes. Who has written the configuration nobody can tell, so the one who proposes a change
// signs it like the one who looks it over.
const signersNeeded = 2

// Changes tells what waits for signatures.
type Changes struct {
	InForce   bool     `json:"in_force"` // the two-person rule
	Waiting   []string `json:"waiting"`
	Text      string   `json:"text"`      // what is to be signed, exactly
	Operators []string `json:"operators"` // who may
	SignedBy  []string `json:"signed_by"` // who has, with his key
	Needed    int      `json:"needed"`    // how many persons must
}

// Approval brings a signature of what waits, armoured.
type Approval struct{ Signature string }

// Approved tells what came of a signature.
type Approved struct {
	By      string   `json:"by"`
	Key     string   `json:"key"`
	Changes []string `json:"changes"`
	InForce bool     `json:"in_force"` // they are in force now; otherwise another person's signature is missing
}

// Changes tells what waits for signatures.
func (g *Gateway) Changes(context.Context) (Changes, error) {
	g.reloading.Lock()
	defer g.reloading.Unlock()
	r := g.rule.Load()
	c := Changes{InForce: r.approved != nil, Waiting: []string{}, Operators: []string{}, SignedBy: []string{}, Needed: signersNeeded, Text: r.statement()}
	if r.approved == nil {
		return c, nil
	}
	operators, err := transport.ParseOperators(r.approved.Operators.Text)
	if err != nil {
		return c, err
	}
	c.Operators = operators.Names()
	for _, w := range r.waiting() {
		c.Waiting = append(c.Waiting, w.String())
	}
	for _, s := range g.signers(r, operators) {
		c.SignedBy = append(c.SignedBy, s.Name+" ("+s.Key+")")
	}
	return c, nil
}

// signers are those whose signatures of what waits count now. A key may have run out since it signed.
func (g *Gateway) signers(r *rule, operators transport.Operators) (list []transport.Signer) {
	statement := r.statement()
	if statement == "" || digestOf(statement) != r.approved.Proposed {
		return nil // the signatures are of something else
	}
	for _, armoured := range r.approved.Signatures {
		if s, err := operators.Verify([]byte(statement), []byte(armoured), g.now()); err == nil {
			list = append(list, s)
		}
	}
	return list
}

// Approve takes an operator's signature of what waits. The first is kept; with that of another person the changes are in force.
//
// What is approved and the rows that tell of it become durable in one transaction. Die before it, and the signature was never given; die
// after it, and the next start runs by the new values and enters the rows.
func (g *Gateway) Approve(ctx context.Context, q Approval, who string) (Approved, error) {
	g.reloading.Lock()
	defer g.reloading.Unlock()
	r := g.rule.Load()
	if r.approved == nil {
		return Approved{}, &No{Text: "four_eyes is not in force: nothing waits for signatures"}
	}
	statement := r.statement()
	if statement == "" {
		return Approved{}, &No{Text: "nothing waits for signatures"}
	}
	if err := g.settle(ctx); err != nil { // a stopped gateway has not told yet what waits
		return Approved{}, err
	}
	operators, err := transport.ParseOperators(r.approved.Operators.Text)
	if err != nil {
		return Approved{}, err
	}
	signer, err := operators.Verify([]byte(statement), []byte(q.Signature), g.now())
	if err != nil {
		g.log.Warn("a signature was refused", "user", who, "err", err)
		return Approved{}, &No{Text: err.Error(), Hint: "sealgate changes --text > change.txt; ssh-keygen -Y sign -f KEY -n " + transport.SignatureNamespace + " change.txt"}
	}
	before := g.signers(r, operators)
	if slices.ContainsFunc(before, func(s transport.Signer) bool { return s.Name == signer.Name }) {
		return Approved{}, &No{Text: signer.Name + " has signed this already; the signature of another person is missing", Hint: "sealgate changes"}
	}
	waits := r.waiting()
	done := Approved{By: signer.Name, Key: signer.Key, InForce: len(before)+1 >= signersNeeded}
	for _, c := range waits {
		done.Changes = append(done.Changes, c.String())
	}
	signed := fmt.Sprintf("%s by %s (%s)", digestOf(statement), signer.Name, signer.Key)
	next := *r.approved
	notes := slices.Concat(next.Notes, g.tellConcerned(waits, kindSigned, who, signed)) // behind those that could not be entered yet
	if !done.InForce {
		next.Signatures, next.Notes = append(slices.Clone(next.Signatures), q.Signature), notes
		if err := g.keep(ctx, r, &next); err != nil {
			return Approved{}, err
		}
		*r.approved = next // the pointer stays: others look whether there is one
		g.log.Info("changes signed", "user", who, "signer", signer.Name, "changes", len(waits))
		g.trySettle(ctx)
		return done, nil
	}
	names := append(signerNames(before), signer.Name)
	next = approved{Gateway: next.Gateway, Serial: next.Serial + 1, Operators: r.proposed.Operators, accounts: r.proposed.accounts,
		Removed: next.removed(r.proposed.accounts),
		Notes:   append(notes, g.tellConcerned(waits, kindInForce, who, digestOf(statement)+" signed by "+strings.Join(names, " and "))...)}
	return done, g.putInForce(ctx, r, &next, who, names)
}

func signerNames(list []transport.Signer) (names []string) {
	for _, s := range list {
		names = append(names, s.Name)
	}
	return names
}

// putInForce is the end of an approval: next is what the gateway runs by from now on. All that may fail comes before the commit, so that
// gateway.db never says more than is in force.
func (g *Gateway) putInForce(ctx context.Context, r *rule, next *approved, who string, names []string) error {
	anew := &rule{file: r.file, proposed: r.proposed, approved: next, config: r.file, stored: r.stored}
	stays := next
	if next.Operators == nil { // the rule ends, and only its last rows stay until they are entered
		stays = &approved{Notes: next.Notes}
		anew.approved, anew.proposed = nil, *stays
	} else {
		var err error
		if anew.config, err = anew.inForce(); err != nil {
			return err
		}
	}
	accounts, err := g.openAccounts(ctx, anew.config)
	if err != nil {
		return err
	}
	if err := g.keep(ctx, anew, stays); err != nil {
		return err
	}
	// The commit point: die from here on, and the next start does the rest.
	anew.count = len(anew.waiting())
	g.log.Info("changes are in force", "user", who, "signers", strings.Join(names, " and "))
	g.take(context.WithoutCancel(ctx), anew, accounts)
	return nil
}
