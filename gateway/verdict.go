package gateway

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/indexer/formats"
	"github.com/sealgate/sealgate/transport"
)

// Accepted, held or rejected, and why: every reason is weighed by the account's policy, and the worst wins.

// weigh gives each problem that the content has shown and that was not given before.
func (u *Upload) weigh(problems []formats.Problem) error {
	for _, p := range problems {
		if err := u.addReason(string(p.Reason), p.Detail); err != nil {
			return err
		}
	}
	return nil
}

// addReason weighs one reason. If the account's policy says reject, the refusal is recorded now and returned, and nothing
// of the file is taken; otherwise the reason is kept with the file.
func (u *Upload) addReason(code, detail string) error {
	if slices.ContainsFunc(u.reasons, func(r indexer.Reason) bool { return r.Code == code }) {
		return nil
	}
	switch reason := (indexer.Reason{Code: code, Detail: detail}); u.account.PolicyFor(code) {
	case "accept":
		u.reasons = append(u.reasons, reason)
	case "hold":
		u.reasons = append(u.reasons, reason)
		u.verdict = indexer.Held
	default:
		return u.refuse(reason)
	}
	return nil
}

// refuse records a rejection and answers with it. An incomplete file keeps what it has in memory: the refusal is a
// record of its own, and a resume goes on under the upload's own id. What the poller has read to its end is not resumed.
func (u *Upload) refuse(reason indexer.Reason) error {
	resumable := reason.Code == string(formats.Incomplete) && !polls(u.guest)
	u.catchUp()
	id, facts := u.id, u.inspector.SoFar()
	if resumable {
		id = u.gateway.newID()
	} else if u.pass != nil {
		u.pass.end()
	}
	file := u.record(id, facts)
	file.Verdict, file.Reasons = indexer.Rejected, append(slices.Clone(u.reasons), reason)
	file.Sentence = sentence("rejected", u.name, reason.Detail+". "+advice(reason.Code), reason.Code, id)
	if err := u.account.index.Commit(u.ctx, &indexer.Delivery{File: file, Receipts: u.account.receiptRemotes(), Receipt: receiptName(file)}); err != nil {
		u.gateway.log.Error("refusal not recorded", "account", u.account.ID, "file", id, "reason", reason.Code, "err", err)
	}
	u.gateway.logVerdict(file, 0)
	u.gateway.wake(u.account)
	refusal := &transport.Refusal{Sentence: file.Sentence, Resumable: resumable, Verdict: true, Code: reason.Code}
	if !resumable {
		u.sticky = refusal
		u.drop(true)
	}
	return refusal
}

// judge is called inside the transaction, when it is known what came earlier: it makes the verdict final and decides
// what is kept.
func (u *Upload) judge(d *indexer.Delivery, earlier indexer.Earlier) {
	file := d.File
	refused := u.duplicate(file, "duplicate-content", earlier.Content, earlier.ContentInDoubt, "the same content")
	if refused == nil && earlier.Business != earlier.Content {
		refused = u.duplicate(file, "duplicate-business-key", earlier.Business, earlier.BusinessInDoubt, "the same "+keyWords(file.Facts.Format))
	}
	kept := file.CopySize > 0
	if refused == nil && file.Verdict == indexer.Held && !kept {
		refused = &file.Reasons[len(file.Reasons)-1] // what cannot be held is rejected
	}
	switch {
	case refused != nil:
		file.Verdict = indexer.Rejected
		file.Sentence = sentence("rejected", u.name, refused.Detail+". "+advice(refused.Code), refused.Code, u.id)
	case file.Verdict == indexer.Held:
		file.Fate = indexer.Sealed
		why := file.Reasons[len(file.Reasons)-1]
		file.Sentence = sentence("held", u.name, why.Detail+". It is stored and waits for a decision", why.Code, u.id)
	case u.account.AfterIndexing == "seal":
		file.Fate = indexer.Sealed
		file.Sentence = acceptance(u.name, file)
	default:
		file.Fate = indexer.Deleted
		file.Sentence = acceptance(u.name, file)
	}
	if file.Fate == indexer.Sealed {
		file.Certificate = u.account.certificate.Fingerprint()
		return
	}
	d.Copy, file.CopyPath, file.CopySize, file.Witness = nil, "", 0, nil
}

// duplicate weighs one kind of duplicate. It returns the reason if the policy is to reject. Of a first one whose refusal is in doubt nobody
// can tell the sender that it is safe: most likely it is not.
func (u *Upload) duplicate(file *indexer.File, code, first string, inDoubt bool, what string) *indexer.Reason {
	if first == "" {
		return nil
	}
	file.DuplicateOf = first
	detail := fmt.Sprintf("%s was taken before as %s, which is safe", what, shortID(first))
	if inDoubt {
		detail = fmt.Sprintf("%s came as %s, and whether that was refused is not certain yet", what, shortID(first))
	}
	file.Reasons = append(file.Reasons, indexer.Reason{Code: code, Detail: detail})
	switch u.account.PolicyFor(code) {
	case "accept":
		return nil
	case "hold":
		file.Verdict = indexer.Held
		return nil
	}
	return &file.Reasons[len(file.Reasons)-1]
}

// keyWords names a format's business key for people.
func keyWords(format string) string {
	if strings.Contains(format, ".") { // ISO 20022
		return "message id from the same payer"
	}
	return "sender, date, count and sum"
}

// advice is what the sender should do about a rejection.
func advice(code string) string {
	switch code {
	case "incomplete":
		return "Nothing was taken; resume it, or send it again"
	case "duplicate-content", "duplicate-business-key":
		return "Nothing more was taken"
	case "seal-mismatch":
		return "Nothing was taken; seal it anew and send it again"
	case "expired-certificate":
		return "Nothing was taken; ask your contact"
	case "too-large":
		return "Nothing was taken; split it, or ask your contact"
	case "unrecognised":
		return "Nothing was taken; ask your contact, if it should be"
	case "empty":
		return "Nothing was taken; send the right file"
	}
	return "Nothing was taken; send a corrected file"
}

// acceptance is the sentence for a file that was taken: what it holds.
func acceptance(name string, file *indexer.File) string {
	return sentence("accepted", name, summary(&file.Facts), "", file.ID)
}

// summary is a file's content in a few words: pain.001, 3 payments, 1250.50 SEK.
func summary(f *formats.Facts) string {
	words := []string{f.Format}
	if f.Payments == 1 {
		words = append(words, "1 payment")
	} else {
		words = append(words, fmt.Sprintf("%d payments", f.Payments))
	}
	for _, t := range f.Totals {
		words = append(words, t.Amount.String()+" "+t.Currency)
	}
	for _, t := range f.Debits {
		words = append(words, "drawn "+t.Amount.String()+" "+t.Currency)
	}
	if len(words) > 6 {
		words = append(words[:6], "...")
	}
	return strings.Join(words, ", ")
}

// sentence is the one line that a sender reads: VERDICT NAME: what is wrong. What to do. [CODE, ID]. It is ASCII and at
// most 200 bytes; where that is too little, the name gives way first, then the text, never the code and the id.
func sentence(verdict, name, text, code, id string) string {
	tail := shortID(id)
	if code != "" && tail != "" {
		tail = code + ", " + tail
	} else if tail == "" {
		tail = code
	}
	tail = ". [" + tail + "]"
	name, text = plain(name), plain(text)
	const most = 200
	if over := len(verdict) + 1 + len(name) + 2 + len(text) + len(tail) - most; over > 0 && len(name) > 40 {
		name = name[:max(37, len(name)-over-3)] + "..."
	}
	if over := len(verdict) + 1 + len(name) + 2 + len(text) + len(tail) - most; over > 0 {
		text = text[:len(text)-over-3] + "..."
	}
	return verdict + " " + name + ": " + text + tail
}

// notTaken is a refusal that is no verdict on the content.
func notTaken(name, text, code, id string) *transport.Refusal {
	return &transport.Refusal{Sentence: sentence("not taken", name, text, code, id), Code: code}
}

// plain makes ASCII of a hostile text: what is not printable is written as \x1b or \u202e.
func plain(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == '\uFFFD':
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r < 0x7f:
			b.WriteRune(r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	return b.String()
}

// shortID is what people see and type of a ULID: its last 8 characters, since its first ones are the time.
func shortID(id string) string { return id[max(0, len(id)-8):] }

func sizeText(n int64) string {
	for _, unit := range []struct {
		name string
		size int64
	}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= unit.size {
			digits := 1
			if n >= 100*unit.size {
				digits = 0
			}
			return fmt.Sprintf("%.*f %s", digits, float64(n)/float64(unit.size), unit.name)
		}
	}
	return fmt.Sprintf("%d B", n)
}

// logVerdict writes the one line that a file leaves in the log: no name, no payer, no amount.
func (g *Gateway) logVerdict(f *indexer.File, took time.Duration) {
	args := []any{"account", f.Account, "file", f.ID, "door", f.Door, "user", f.User, "size", f.Size,
		"ms", took.Milliseconds(), "format", f.Facts.Format, "payments", f.Facts.Payments}
	if len(f.Reasons) > 0 {
		args = append(args, "reason", f.Reasons[len(f.Reasons)-1].Code)
	}
	g.log.Info(string(f.Verdict), args...)
}
