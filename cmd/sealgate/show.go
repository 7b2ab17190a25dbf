package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealgate/sealgate/config"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/vault"
)

func (t *tool) showCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "show ID",
		Short:   "Show all that is known of one file: content, verdict and why, the sentence its sender read.",
		Example: examples("sealgate show 7K4M2X0V", "sealgate show 01M7YQ7RB13T9HD8QE7K4M2X0V --utc", "sealgate show 7K4M2X0V --json"),
		Args:    arguments("ID"),
		RunE:    func(c *cobra.Command, args []string) error { return t.showFile(c.Context(), args[0]) },
	}
	c.ValidArgsFunction = t.fileIDs("")
	return t.withJSON(t.withTimes(t.withDesk(c)))
}

// findingsShown bounds the findings that people are shown; --json has all that were kept.
const findingsShown = 20

func (t *tool) showFile(ctx context.Context, id string) error {
	client, cfg, err := t.desk(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	d, err := client.Show(ctx, id)
	if err != nil {
		return err
	}
	if t.json {
		return t.sayJSON(d)
	}
	received, at := d.ReceivedAt, ""
	if local, ok := t.local(d.ReceivedAt); ok {
		received, at = local.Format("2006-01-02 15:04:05 MST"), local.Format("15:04:05")
	}
	t.say("%s   %s\n", clean(d.Name), d.ID)
	line := func(what, format string, args ...any) {
		t.say("  %-11s %s\n", what, clean(fmt.Sprintf(format, args...)))
	}
	line("received", "%s from %s by %s, %s", received, d.Account, d.Door, count(int(d.Size), "byte"))
	if d.SHA256 != "" {
		line("sha-256", "%s", d.SHA256)
	}
	line("content", "%s", contentOf(d))
	if d.Payments > 0 || d.Declared != "" {
		line("payments", "%s", paymentsOf(d))
	}
	for i, p := range d.Payers {
		if i == findingsShown {
			line("payer", "and %d more", len(d.Payers)-i)
			break
		}
		line("payer", "%s", strings.TrimSpace(p.Name+"  "+grouped(p.Account)))
	}
	t.say("  %-11s %s\n", "verdict", t.verdictOf(d))
	for _, r := range d.Reasons {
		line("reason", "%s: %s", r.Code, r.Detail)
	}
	for _, h := range d.History[min(1, len(d.History)):] { // the first is the delivery itself
		line(h.Kind, "%s by %s", t.minute(h.At), strings.TrimSuffix(h.Who+": "+h.Detail, ": "))
	}
	for _, f := range d.AnswersFiles {
		line("answers", "%s", t.linked(f))
	}
	for _, f := range d.AnsweredBy {
		line("answered by", "%s", t.linked(f))
	}
	if d.DuplicateOf != "" {
		line("duplicate", "of %s", d.DuplicateOf)
	}
	if d.Sentence != "" && (d.Verdict != indexer.Accepted || len(d.History) > 1) {
		line("told", "%s", d.Sentence)
	}
	for i, f := range d.FindingsKept {
		if i == findingsShown {
			line("findings", "and %d more, see --json", d.Findings-int64(i))
			break
		}
		line(f.Severity, "%s: %s (%s)", f.Code, f.Sentence, f.Where)
	}
	if d.Fate != indexer.NoFate {
		line("fate", "%s", fateOf(cfg, d, at))
	}
	if d.Recovery != "" {
		line("recovery", "%s opens it as well", recoveryOf(cfg, d))
	}
	line("ledger", "row %d, %s", d.LedgerSequence, middleCut(d.LedgerHash))
	return nil
}

// linked names a file that another one answers, or is answered by.
func (t *tool) linked(f gateway.LinkLine) string {
	return fmt.Sprintf("%s %s, %s, received %s, %s", short(f.ID), f.Name, f.Format, t.minute(f.ReceivedAt), f.Verdict)
}

func contentOf(d gateway.Detail) string {
	text := d.Version
	if text == "" {
		text = d.Format
	}
	if text == "" {
		text = "not known"
	}
	if d.MessageID != "" {
		text += ", message " + d.MessageID
	}
	if d.CreatedAt != "" {
		text += " of " + d.CreatedAt
	}
	if d.Answers != "" {
		text += ", about message " + d.Answers
	}
	if d.Encoding != "" && d.Encoding != "utf-8" {
		text += ", " + d.Encoding
	}
	if d.Packed != "" {
		text += ", packed as " + d.Packed
	}
	return text
}

func paymentsOf(d gateway.Detail) string {
	text := fmt.Sprint(d.Payments)
	if d.Batches > 1 {
		text += fmt.Sprintf(" in %d batches", d.Batches)
	}
	if sums := totals(d.FileLine); sums != "" {
		text += ", " + sums
	}
	switch {
	case d.FirstExecution == "":
	case d.LastExecution == d.FirstExecution || d.LastExecution == "":
		text += ", execution " + d.FirstExecution
	default:
		text += ", execution " + d.FirstExecution + " to " + d.LastExecution
	}
	if d.Declared == "" {
		return text
	}
	for _, r := range d.Reasons {
		if r.Code != "duplicate-content" && r.Code != "duplicate-business-key" {
			return text + " (the file says " + d.Declared + ")"
		}
	}
	return text + " (totals in the file agree)"
}

func (t *tool) verdictOf(d gateway.Detail) string {
	text := t.coloured(string(d.Verdict), verdictColour(string(d.Verdict)))
	if d.Findings == 0 {
		return text + ", no findings"
	}
	return text + ", " + count(int(d.Findings), "finding")
}

// fateOf says what became of the bytes. The index keeps the certificate's fingerprint; its file name and the access keys
// are those of the present configuration, if it still has that certificate.
func fateOf(cfg *config.Config, d gateway.Detail, at string) string {
	if d.Fate != indexer.Sealed {
		return string(d.Fate) + " " + at
	}
	where := fmt.Sprintf("in %s, %s", near(filepath.Join(cfg.DataDir, "accounts", d.Account, "index.db")), size(d.CopySize))
	if d.CopyPath != "" {
		where = near(filepath.Join(cfg.DataDir, d.CopyPath))
	}
	to := brief(d.Certificate, len("sha256:")+8)
	if a := cfg.Account(d.Account); a != nil && a.Certificate != "" {
		if cert, err := vault.ReadCertificate(a.Certificate); err == nil && cert.Fingerprint() == d.Certificate {
			to = near(a.Certificate) + accessNames(a)
		}
	}
	return fmt.Sprintf("sealed %s to %s: %s", at, to, where)
}

// recoveryOf names the recovery certificate that a copy is sealed to.
func recoveryOf(cfg *config.Config, d gateway.Detail) string {
	if a := cfg.Account(d.Account); a != nil && a.RecoveryCertificate != "" {
		if cert, err := vault.ReadCertificate(a.RecoveryCertificate); err == nil && cert.Fingerprint() == d.Recovery {
			return "the recovery certificate " + near(a.RecoveryCertificate)
		}
	}
	return "the recovery certificate " + brief(d.Recovery, len("sha256:")+8)
}

func accessNames(a *config.Account) string {
	var names []string
	for _, path := range a.AccessKeys {
		if cert, err := vault.ReadCertificate(path); err == nil {
			names = append(names, fmt.Sprintf("%q", cert.Subject()))
		}
	}
	switch len(names) {
	case 0:
		return ""
	case 1:
		return " and access key " + names[0]
	}
	return " and one of the access keys " + strings.Join(names, ", ")
}

// grouped writes an IBAN in fours, as on paper; another account stays as it is.
func grouped(account string) string {
	if len(account) < 15 || account[0] < 'A' || account[0] > 'Z' || account[1] < 'A' || account[1] > 'Z' || strings.ContainsAny(account, " -") {
		return account
	}
	var b strings.Builder
	for i, r := range account {
		if i > 0 && i%4 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// middleCut is a hash by its ends: 8f2c…e41b.
func middleCut(hash string) string {
	if len(hash) < 12 {
		return hash
	}
	return hash[:4] + "…" + hash[len(hash)-4:]
}
