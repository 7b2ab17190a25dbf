package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealgate/sealgate/config"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/vault"
)

// removal is what `cert remove` was asked for.
type removal struct {
	account     string
	certificate string // file
	key         keyFlags
	dry, yes    bool
}

func (t *tool) certRemoveCommand() *cobra.Command {
	var r removal
	c := &cobra.Command{
		Use:   "remove ACCOUNT --dry-run",
		Short: "List what becomes unreadable when a certificate's private key is destroyed, check it with the key, and record it.",
		Example: examples("sealgate cert remove acme --dry-run",
			"sealgate cert remove acme --certificate acme-2026.crt --key /media/usb/acme-2026.key --dry-run",
			"sealgate cert remove acme --certificate acme-2026.crt --key /media/usb/acme-2026.key"),
		Args: arguments("ACCOUNT"),
		RunE: func(c *cobra.Command, args []string) error {
			r.account = args[0]
			return t.removeCertificate(c.Context(), &r)
		},
	}
	f := c.Flags()
	f.StringVar(&r.certificate, "certificate", "", "the certificate, `OLD.crt` (default: the one that the account seals to)")
	r.key.add(c, "its private key, `KEY.pem`: checks that it opens exactly what is listed; needed unless --dry-run")
	f.BoolVar(&r.dry, "dry-run", false, "only list and check")
	f.BoolVar(&r.yes, "yes", false, "do not ask")
	c.ValidArgsFunction = t.completeAccount
	return t.withJSON(t.withTimes(t.withDesk(c)))
}

// hit is a sealed copy that the key opens, the name of a user, or the key of a protected account's database.
type hit struct {
	ID         string   `json:"id"`
	IsName     bool     `json:"user_name,omitempty"` // of user ID
	IsDatabase bool     `json:"database,omitempty"`
	Form       string   `json:"form,omitempty"` // of a database's key
	Account    string   `json:"account"`
	Name       string   `json:"name"`
	ReceivedAt string   `json:"received_at"`
	Size       int64    `json:"size"`
	Readable   bool     `json:"readable"` // by the key of another certificate that is in force
	By         []string `json:"by,omitempty"`

	certificate string
}

// survey is what a look at every envelope has shown.
type survey struct {
	hits      []hit
	names     []hit
	databases []hit
	others    int      // sealed copies that are not sealed to the certificate
	unknown   []string // copies whose envelope cannot be read
	disagrees []string // what the key says and the envelope does not
}

func (t *tool) removeCertificate(ctx context.Context, r *removal) error {
	if !r.dry && r.key.file == "" { // an envelope names a certificate; what a renewed one of the same key seals, only the key tells
		return usage("--dry-run lists what it would mean", "sealgate cert remove needs --key KEY.pem, to check that it opens exactly what is listed")
	}
	if !r.dry && !r.yes && !t.typed {
		return usage("--dry-run lists what it would mean", "nobody is asked where there is no terminal: sealgate cert remove needs --yes")
	}
	client, cfg, err := t.desk(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	all, a, err := inForce(ctx, client, cfg, r.account)
	if err != nil {
		return err
	}
	cert, err := r.read(a)
	if err != nil {
		return err
	}
	var key *vault.PrivateKey
	if r.key.file != "" {
		if key, err = t.readKey(ctx, &r.key); err != nil {
			return err
		}
		if !key.Fits(cert) {
			return no("", "%s is not the key of %s; nothing was removed", r.key.file, near(r.certificate))
		}
	}
	others, err := keepersOf(all)
	if err != nil {
		return keyTrouble(err)
	}
	s, err := t.surveyed(ctx, client, cert, others, key)
	if err != nil {
		return err
	}
	if err := t.tellSurvey(s, r, key != nil); err != nil || r.dry {
		return err
	}
	return t.removed(ctx, client, s, r, cert)
}

// read reads the certificate that was asked for: a file, or the one that the account seals to.
func (r *removal) read(a *gateway.InForce) (c *vault.Certificate, err error) {
	switch {
	case r.certificate != "":
		c, err = vault.ReadCertificate(r.certificate)
	case a.Certificate.PEM == "":
		return nil, usage("", "account %s has no certificate; name one with --certificate OLD.crt", r.account)
	default:
		r.certificate = a.Certificate.File
		c, err = vault.ParseCertificate([]byte(a.Certificate.PEM))
	}
	if err != nil {
		return nil, keyTrouble(err)
	}
	return c, nil
}

// inForce asks the desk by what accounts seal now; a is the one of this id.
func inForce(ctx context.Context, client *gateway.Client, cfg *config.Config, id string) (all []gateway.InForce, a *gateway.InForce, err error) {
	if all, err = client.InForce(ctx); err != nil {
		return nil, nil, err
	}
	at := slices.IndexFunc(all, func(a gateway.InForce) bool { return a.Account == id })
	switch {
	case at >= 0:
		return all, &all[at], nil
	case cfg.Account(id) != nil:
		return nil, nil, no("sealgate status", "account %s is in %s and not in force", clean(id), clean(cfg.File))
	}
	return nil, nil, gateway.NoAccount(cfg, id)
}

// keeper is a certificate that keeps copies readable.
type keeper struct {
	*vault.Certificate
	of string // only those of this account; "": of all
}

// keepersOf gives the certificates that are in force. Of any other the private key may have been destroyed, also of one that somebody
// has named in the configuration and nobody has approved. Under the two-person rule a new account is in force at once, with whatever
// certificate one person gives it: so there each keeps what is its own account's, and nothing else.
func keepersOf(all []gateway.InForce) (list []keeper, err error) {
	for _, a := range all {
		of := ""
		if a.FourEyes {
			of = a.Account
		}
		for _, named := range []gateway.InForceCertificate{a.Certificate, a.Recovery} {
			if named.PEM == "" {
				continue
			}
			c, err := vault.ParseCertificate([]byte(named.PEM))
			if err != nil {
				return nil, err
			}
			list = append(list, keeper{c, of})
		}
	}
	return list, nil
}

// keeps says whether a recipient of this account's copy is the keeper.
func (k keeper) keeps(account string, to vault.Recipient) bool {
	return (k.of == "" || k.of == account) && k.Is(to)
}

// surveyed looks at the envelope of every sealed copy, of all accounts: a certificate may seal for several. others are the
// certificates that keep a copy readable without cert's key.
func (t *tool) surveyed(ctx context.Context, client *gateway.Client, cert *vault.Certificate, others []keeper, key *vault.PrivateKey) (*survey, error) {
	s, bar, n := &survey{}, t.progress("looking at the envelopes"), 0
	defer bar.end()
	for line, err := range client.Envelopes(ctx, gateway.EnvelopesQuery{}) {
		if err != nil {
			return nil, err
		}
		n++
		bar.tell(count(n, "envelope") + " looked at")
		if line.Fault != "" {
			s.unknown = append(s.unknown, line.ID+": "+line.Fault)
			continue
		}
		_, to, err := vault.Header(bytes.NewReader(line.Header))
		if err != nil {
			s.unknown = append(s.unknown, line.ID+": "+err.Error())
			continue
		}
		h := hit{ID: line.ID, Account: line.Account, Name: line.Name, ReceivedAt: line.ReceivedAt, Size: line.Size, certificate: line.Certificate}
		named := false
		for _, to := range to {
			switch {
			case cert.Is(to):
				named = true
			case slices.ContainsFunc(others, func(k keeper) bool { return k.keeps(line.Account, to) }):
				h.By, h.Readable = append(h.By, to.String()), true
			}
		}
		if key != nil {
			switch err := key.Opens(line.Header); {
			case err == nil && !named:
				s.disagrees = append(s.disagrees, line.ID+" is not sealed to this certificate, and its key opens it all the same")
			case errors.Is(err, vault.ErrWrongKey) && named:
				s.disagrees = append(s.disagrees, line.ID+" is sealed to this certificate, and its key does not open it")
			case err != nil && !errors.Is(err, vault.ErrWrongKey):
				s.unknown = append(s.unknown, line.ID+": "+err.Error())
				continue
			}
		}
		h.IsName, h.IsDatabase, h.Form = line.UserName != nil, line.DatabaseKey != nil, line.Form
		switch {
		case named && h.IsName:
			s.names = append(s.names, h)
		case named && h.IsDatabase:
			s.databases = append(s.databases, h)
		case named:
			s.hits = append(s.hits, h)
		default:
			s.others++
		}
	}
	return s, nil
}

// inDatabase says what a sealed key of a database opens.
func inDatabase(form string) string {
	switch form {
	case gateway.FormBefore:
		return "(the database's key as it was sealed before; it goes once somebody has unlocked with the newer)"
	case gateway.FormLeft:
		return "(all that waits in log.db.left)"
	}
	return "(all that the index knows: every file and payment)"
}

// unreadable are those of hits that nobody can open any more.
func unreadable(hits []hit) (list []hit, bytes int64) {
	for _, h := range hits {
		if !h.Readable {
			list, bytes = append(list, h), bytes+h.Size
		}
	}
	return list, bytes
}

// tellSurvey lists, and is an error where the list cannot be relied on.
func (t *tool) tellSurvey(s *survey, r *removal, checked bool) error {
	lost, bytes := unreadable(s.hits)
	names, _ := unreadable(s.names)
	databases, _ := unreadable(s.databases)
	all := slices.Concat(s.hits, s.names, s.databases)
	table := t.newTable(column{head: "ID"}, column{head: "RECEIVED (%Z)"}, column{head: "ACCOUNT"}, column{head: "NAME", name: true}, column{head: "SIZE", right: true})
	for _, h := range all {
		switch {
		case t.json:
			if err := t.sayJSON(h); err != nil {
				return err
			}
		case h.Readable:
		case h.IsName:
			table.add(text(h.ID, t.minute(h.ReceivedAt), h.Account, "(the name of this user)", "")...)
		case h.IsDatabase:
			table.add(text(h.Form, "", h.Account, inDatabase(h.Form), "")...)
		default:
			table.add(text(short(h.ID), t.minute(h.ReceivedAt), h.Account, h.Name, size(h.Size))...)
		}
	}
	table.flush()
	for _, line := range append(slices.Clone(s.unknown), s.disagrees...) {
		t.talk("%s", cleanLines(line))
	}
	if !t.json {
		t.say("%s, %s (%d bytes), unreadable for ever without the private key of %s; sealed to others: %s\n",
			sealedThings(len(lost), len(names), len(databases)), size(bytes), bytes, clean(near(r.certificate)), count(s.others, "envelope"))
		if len(all) > len(lost)+len(names)+len(databases) {
			t.say("readable all the same: %s, sealed as well to %s\n",
				sealedThings(len(s.hits)-len(lost), len(s.names)-len(names), len(s.databases)-len(databases)), clean(strings.Join(keptBy(all), ", ")))
		}
		if checked && len(s.unknown)+len(s.disagrees) == 0 {
			t.say("checked: %s opens exactly these, of %s looked at\n", clean(r.key.file), count(len(all)+s.others, "envelope"))
		}
	}
	if len(s.unknown)+len(s.disagrees) > 0 {
		return no("sealgate verify", "not as listed: %s; nothing was removed", count(len(s.unknown)+len(s.disagrees), "envelope"))
	}
	return nil
}

// keptBy names those that keep files readable.
func keptBy(hits []hit) (names []string) {
	for _, h := range hits {
		for _, by := range h.By {
			if !slices.Contains(names, by) {
				names = append(names, by)
			}
		}
	}
	return names
}

// removed asks, and has the gateway record it. The key itself is the operator's to destroy: no one else has it.
func (t *tool) removed(ctx context.Context, client *gateway.Client, s *survey, r *removal, cert *vault.Certificate) error {
	lost, bytes := unreadable(s.hits)
	names, _ := unreadable(s.names)
	databases, _ := unreadable(s.databases)
	things := sealedThings(len(lost), len(names), len(databases))
	if !r.yes {
		typed, err := t.ask(ctx, fmt.Sprintf("%s will be lost with the key; type the account's id to go on: ", things))
		if err != nil {
			return err
		}
		if typed != r.account {
			return no("", "%q is not %q; nothing was removed", clean(typed), clean(r.account))
		}
	}
	q := gateway.Removal{Certificate: string(cert.PEM()), Files: map[string]int{}, Bytes: map[string]int64{}, Names: map[string]int{},
		Sealed: map[string]int{}, SealedNames: map[string]int{}, Databases: map[string]int{}, Shared: map[string]int{}}
	for _, h := range slices.Concat(s.hits, s.names, s.databases) {
		if h.Readable {
			q.Shared[h.Account]++
		}
	}
	for _, h := range s.names {
		if h.certificate == cert.Fingerprint() {
			q.SealedNames[h.Account]++
		}
	}
	for _, h := range s.hits {
		if h.certificate == cert.Fingerprint() {
			q.Sealed[h.Account]++
		}
	}
	sum := sha256.New()
	for _, h := range names {
		q.Names[h.Account]++
	}
	for _, h := range databases {
		q.Databases[h.Account]++
	}
	for _, h := range lost {
		q.Files[h.Account]++
		q.Bytes[h.Account] += h.Size
		fmt.Fprintln(sum, h.ID)
	}
	q.Digest = hex.EncodeToString(sum.Sum(nil))
	rows, err := client.RemoveCertificate(ctx, q)
	if err != nil || t.json {
		return err
	}
	if len(rows) == 0 {
		t.say("nothing is sealed to it: there was nothing to record\n")
		return nil
	}
	t.say("recorded in the ledger: %s, %d bytes, of %s\n", things, bytes, brief(cert.Fingerprint(), len("sha256:")+8))
	t.say("Next: destroy every copy of its private key, the one on paper and in backups too. The gateway never had it. Then these\nfiles open no more, and every other opens as before; sealgate open ID --key KEY.pem shows either.\n")
	return nil
}
