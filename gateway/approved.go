package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sealgate/sealgate/config"
)

// How what is approved is kept: in gateway.db, in files for those who read files, and told in the ledgers.

// approvedDir is where contents of approved files lie for those who read files. They are written anew from gateway.db at each load, and a
// start removes those that are approved no longer: until then an upload under way may have begun by them.
const approvedDir = "approved"

// place is where a content lies below data_dir: under its hash, by its name.
func (c *content) place() string { return filepath.Join(approvedDir, c.hash()[:32], c.Name) }

// placeApproved writes a content down under its hash, and gives the path; "" for none. It need not be durable: the next start writes it
// again, and a file that somebody has changed meanwhile is put right.
func placeApproved(dataDir string, t *content) (string, error) {
	if t == nil {
		return "", nil
	}
	path := filepath.Join(dataDir, t.place())
	if there, err := os.ReadFile(path); err == nil && bytes.Equal(there, t.Text) {
		return path, nil
	}
	if err := makeDirs(dataDir, filepath.Dir(t.place())); err != nil {
		return "", err
	}
	tmp := path + tmpSuffix
	if err := os.WriteFile(tmp, t.Text, 0o600); err != nil {
		return "", err
	}
	return path, os.Rename(tmp, path)
}

// sweep removes the contents that are approved no longer; a is nil where the rule is not in force. What is needed is placed before.
func (a *approved) sweep(dataDir string) error {
	needed := map[string]bool{}
	if a != nil {
		for _, known := range a.accounts {
			for _, c := range known.Facts.contents() {
				needed[c.place()] = true
			}
		}
	}
	ours := path.Join(approvedDir, strings.Repeat("[0-9a-f]", 32), "*")
	files, err := fs.Glob(os.DirFS(dataDir), ours)
	if err != nil {
		return err
	}
	for _, name := range files {
		if needed[name] {
			continue
		}
		if err := os.Remove(filepath.Join(dataDir, name)); err != nil {
			return err
		}
		_ = os.Remove(filepath.Join(dataDir, filepath.Dir(name))) // unless something is left in it
	}
	return nil
}

// rows is what gateway.db is to hold.
func (a *approved) rows() (map[string][]byte, error) {
	if a == nil {
		return nil, nil
	}
	all := map[string][]byte{}
	own, err := json.Marshal(a)
	if err != nil {
		return nil, err
	}
	all[""] = own
	for id, known := range a.accounts {
		if all[id], err = json.Marshal(known); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func parseApproved(rows map[string][]byte) (*approved, error) {
	a := &approved{accounts: map[string]approvedAccount{}}
	for name, value := range rows {
		if name == "" {
			if err := json.Unmarshal(value, a); err != nil {
				return nil, fmt.Errorf("what is approved: %w", err)
			}
			continue
		}
		var known approvedAccount
		if err := json.Unmarshal(value, &known); err != nil || known.Account == nil {
			return nil, fmt.Errorf("what is approved of account %s: %w", name, err)
		}
		a.accounts[name] = known
	}
	return a, nil
}

// keep makes gateway.db hold what is approved now, in one transaction; nil: nothing.
func (g *Gateway) keep(ctx context.Context, r *rule, a *approved) error {
	rows, err := a.rows()
	if err != nil {
		return err
	}
	differ := map[string][]byte{}
	for name, value := range rows {
		if was, there := r.stored[name]; !there || !bytes.Equal(was, value) {
			differ[name] = value
		}
	}
	for name := range r.stored {
		if _, stays := rows[name]; !stays {
			differ[name] = nil
		}
	}
	if len(differ) > 0 {
		if err := g.registry.Approve(ctx, differ); err != nil {
			return err
		}
	}
	r.stored = rows
	return nil
}

// settle makes durable what a load took over, and tells what waits: in the log, and once in the ledgers of the accounts concerned. The
// caller holds reloading. Die anywhere in it, and the next start does it again.
func (g *Gateway) settle(ctx context.Context) error {
	r := g.rule.Load()
	a := r.approved
	if a == nil { // only the last rows of a rule that has ended are left to be entered
		a = &r.proposed
		if len(r.stored) == 0 {
			return nil
		}
		if g.enterNotes(ctx, a); len(a.Notes) > 0 {
			return g.keep(ctx, r, a)
		}
		return g.keep(ctx, r, nil)
	}
	if len(r.stored) == 0 {
		g.log.Info("the two-person rule begins: what the configuration says counts as approved", "accounts", len(a.accounts))
	}
	waits := r.waiting()
	if digest := digestOf(r.statement()); digest != a.Proposed {
		told := g.tellConcerned(waits, kindProposed, "", digest)
		for _, id := range a.Told {
			if !slices.ContainsFunc(told, func(n owedNote) bool { return n.Account == id }) {
				a.Notes = append(a.Notes, owedNote{id, kindWithdrawn, "", a.Proposed})
			}
		}
		a.Proposed, a.Signatures, a.Told, a.Notes = digest, nil, nil, append(a.Notes, told...)
		for _, n := range told {
			a.Told = append(a.Told, n.Account)
		}
	}
	if err := g.keep(ctx, r, a); err != nil {
		return err
	}
	if len(waits) > 0 {
		g.log.Warn("changes of the configuration wait for signatures", "changes", len(waits), "hint", "sealgate changes")
	}
	if len(a.Notes) == 0 {
		return nil
	}
	g.enterNotes(ctx, a)
	return g.keep(ctx, r, a)
}

// trySettle is settle for one who has done what he was asked for: the next load does what could not be done.
func (g *Gateway) trySettle(ctx context.Context) {
	if err := g.settle(ctx); err != nil {
		g.log.Error("what waits for signatures is not noted yet", "err", err)
	}
}

// maxDetail is how many bytes a row tells of changes; a ledger's row is no place for a configuration.
const maxDetail = 4 << 10

// tellConcerned makes a row for each account that changes concern, with those that do; the gateway's own concern all. What is too much for
// a row is counted: detail names the text that has all of it.
func (g *Gateway) tellConcerned(waits []change, kind, who, detail string) (notes []owedNote) {
	for _, id := range g.rule.Load().accounts() {
		n, more := owedNote{id, kind, who, detail}, 0
		concerns := func(c change) bool { return c.account == "" || c.account == id }
		if !slices.ContainsFunc(waits, concerns) {
			continue
		}
		for _, c := range waits {
			switch {
			case !concerns(c):
			case len(n.Detail)+len(c.text) > maxDetail:
				more++
			default:
				n.Detail += "; " + c.text
			}
		}
		if more > 0 {
			n.Detail += fmt.Sprintf("; and %d more", more)
		}
		notes = append(notes, n)
	}
	return notes
}

// enterNotes enters what is not in the ledgers yet. What cannot be entered is kept for the next time: a ledger that is not to be written
// must not keep the gateway from its work.
func (g *Gateway) enterNotes(ctx context.Context, a *approved) {
	var left []owedNote
	for _, n := range a.Notes {
		if err := g.enterNote(ctx, n); err != nil {
			g.log.Error("a row is not in the ledger yet; the next load tries again", "account", n.Account, "kind", n.Kind, "err", err)
			left = append(left, n)
		}
	}
	a.Notes = left
}

// enterNote enters one. The ledger of an account that is gone by now is opened for it.
func (g *Gateway) enterNote(ctx context.Context, n owedNote) error {
	index := g.indexes[n.Account]
	if index == nil && g.out(n.Account) != nil {
		return errors.New("the account is out of service")
	}
	if index == nil {
		gone := &account{Account: &config.Account{ID: n.Account}, dir: filepath.Join(g.cfg.Load().DataDir, "accounts", n.Account)}
		if _, err := os.Stat(filepath.Join(gone.dir, "index.db")); errors.Is(err, fs.ErrNotExist) { // its ledger is gone with it
			return nil
		}
		var err error
		if index, err = g.openIndex(ctx, gone); err != nil {
			return err
		}
		defer index.Close() // should the account be added again, all of its folder is set right as at a start
	}
	_, err := index.Note(ctx, n.Kind, "", n.Who, n.Detail)
	return err
}
