package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/oklog/ulid/v2"

	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/indexer/formats"
	"github.com/sealgate/sealgate/transport"
	"github.com/sealgate/sealgate/vault"
)

// Receipts are made from the index, and signed, whenever they are read: nothing is stored twice for them. The same state of a file
// always makes the same bytes. Its row of the ledger, which was the chain's head when the file's state last changed, is signed with
// them: whoever has receipts can tell a ledger that was rewritten since (checkreceipts.go).

// receipt is what a customer reads of one delivery in /receipts, ack or nak.
type receipt struct {
	ID          string           `json:"id"`
	Account     string           `json:"account"`
	Name        string           `json:"name"`
	ReceivedAt  string           `json:"received_at"`
	Size        int64            `json:"size"`
	SHA256      string           `json:"sha256,omitempty"`
	Verdict     indexer.Verdict  `json:"verdict"`
	Reasons     []indexer.Reason `json:"reasons"`
	Sentence    string           `json:"sentence,omitempty"`
	DuplicateOf string           `json:"duplicate_of,omitempty"`
	// Recovery is the fingerprint of a second certificate that the sealed copy opens with: the customer is to know.
	Recovery string        `json:"recovery_certificate,omitempty"`
	Facts    receiptFacts  `json:"facts"`
	Ledger   receiptLedger `json:"ledger"`
}

type receiptFacts struct {
	Format         string            `json:"format,omitempty"`
	Version        string            `json:"version,omitempty"`
	MessageID      string            `json:"message_id,omitempty"`
	CreatedAt      string            `json:"created_at,omitempty"`
	Payments       int64             `json:"payments"`
	Totals         map[string]string `json:"totals,omitempty"`
	Debits         map[string]string `json:"debits,omitempty"`
	FirstExecution string            `json:"first_execution,omitempty"`
	LastExecution  string            `json:"last_execution,omitempty"`
	Payers         []formats.Party   `json:"payers,omitempty"`
	Answers        string            `json:"answers,omitempty"`
	Findings       int64             `json:"findings"`
}

type receiptLedger struct {
	Sequence int64  `json:"sequence"`
	Hash     string `json:"hash"`
}

// newReceipt writes a receipt, without its signature.
func newReceipt(account string, f *indexer.File) ([]byte, error) {
	r := receipt{
		ID: f.ID, Account: account, Name: f.Name, ReceivedAt: f.ReceivedAt.UTC().Format("2006-01-02T15:04:05.000Z"), Size: f.Size,
		SHA256: f.SHA256, Verdict: f.Verdict, Reasons: f.Reasons, Sentence: presentSentence(f), DuplicateOf: f.DuplicateOf,
		Recovery: f.Recovery,
		Facts: receiptFacts{
			Format: f.Facts.Format, Version: f.Facts.Version, MessageID: f.Facts.MessageID, CreatedAt: f.Facts.CreatedAt,
			Payments: f.Facts.Payments, Totals: byCurrency(f.Facts.Totals), Debits: byCurrency(f.Facts.Debits),
			Answers: f.Facts.Answers, FirstExecution: f.Facts.FirstExecution, LastExecution: f.Facts.LastExecution, Payers: f.Facts.Payers, Findings: f.Facts.FindingsAll,
		},
		Ledger: receiptLedger{f.Ledger.Seq, f.Ledger.Hash},
	}
	if r.Reasons == nil {
		r.Reasons = []indexer.Reason{}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(r)
	return b.Bytes(), err
}

// presentSentence is what was said of a file, or what is true of it since a decision about a held one.
func presentSentence(f *indexer.File) string {
	switch held := strings.HasPrefix(f.Sentence, "held "); {
	case held && f.Verdict == indexer.Accepted:
		return acceptance(f.Name, f)
	case held && f.Verdict == indexer.Rejected && len(f.Reasons) > 0:
		return sentence("rejected", f.Name, "it was held, and then refused by a person. Ask your contact", f.Reasons[len(f.Reasons)-1].Code, f.ID)
	}
	return f.Sentence
}

// receiptName is NAME.SHORTID.json, within what file systems of customers take.
func receiptName(f *indexer.File) string {
	name := f.Name
	for len(name) > 200 {
		_, size := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-size]
	}
	return name + "." + shortID(f.ID) + ".json"
}

// Receipts lists the newest receipts of an account.
func (g *Gateway) Receipts(ctx context.Context, account string, limit int) ([]transport.ReceiptEntry, error) {
	a := g.account(account)
	if a == nil {
		return nil, nil
	}
	if a.index.Locked() {
		return a.lockedReceipts(ctx, limit)
	}
	var list []transport.ReceiptEntry
	for f, err := range a.index.Files(ctx, indexer.FileFilter{Limit: limit}) {
		if err != nil {
			return nil, err
		}
		text, err := newReceipt(a.ID, f)
		if err != nil {
			return nil, err
		}
		list = append(list, transport.ReceiptEntry{Name: receiptName(f), Size: int64(len(text) + vault.ReceiptSignature), TakenAt: f.ReceivedAt})
	}
	return list, nil
}

// Receipt gives one receipt's bytes by its file name. Of millions of files some share their short ids: the name decides.
func (g *Gateway) Receipt(ctx context.Context, account, name string) ([]byte, time.Time, error) {
	a := g.account(account)
	stem := strings.TrimSuffix(name, ".json")
	id := stem[strings.LastIndexByte(stem, '.')+1:]
	if a == nil || len(id) != len(shortID(strings.Repeat("0", ulid.EncodedSize))) {
		return nil, time.Time{}, errNoSuchFile
	}
	if a.index.Locked() {
		text, at, err := a.lockedReceipt(ctx, id)
		return g.signed(text, at, err)
	}
	files, err := a.index.Find(ctx, id)
	if err != nil {
		return nil, time.Time{}, err
	}
	for _, f := range files {
		if receiptName(f) == name {
			text, err := newReceipt(a.ID, f)
			return g.signed(text, f.ReceivedAt, err)
		}
	}
	return nil, time.Time{}, errNoSuchFile
}

// signed signs a receipt that could be made.
func (g *Gateway) signed(text []byte, at time.Time, err error) ([]byte, time.Time, error) {
	if err == nil {
		text, err = g.receiptKey.Sign(text)
	}
	return text, at, err
}

// Shown lists the files taken since a time, for the inbox view after a restart. A locked account's names are not known.
func (g *Gateway) Shown(ctx context.Context, account string, since time.Time) ([]transport.Ghost, error) {
	a := g.account(account)
	if a == nil || a.index.Locked() {
		return nil, nil
	}
	var ghosts []transport.Ghost
	for f, err := range a.index.Files(ctx, indexer.FileFilter{Since: since, Limit: 10_000}) {
		if err != nil {
			return nil, err
		}
		if f.Door == "sftp" && f.Verdict != indexer.Rejected {
			ghosts = append(ghosts, transport.Ghost{ID: f.ID, Name: f.Name, Size: f.Size, TakenAt: f.ReceivedAt})
		}
	}
	hidden, err := a.index.Noted(ctx, kindHidden, since)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(ghosts, func(ghost transport.Ghost) bool { return hidden[ghost.ID] }), nil
}

// Renamed records that a customer renamed a file already taken; only its name changes.
func (g *Gateway) Renamed(ctx context.Context, guest transport.Guest, id, name string) error {
	a := g.account(guest.Account)
	if a == nil {
		return errNoSuchFile
	}
	return a.index.Rename(ctx, id, name, guest.User)
}

// kindHidden is the ledger's word for a file that its customer removed from view.
const kindHidden = "hidden"

// Hidden records that a customer removed a taken file from view; the file stays.
func (g *Gateway) Hidden(ctx context.Context, guest transport.Guest, id string) error {
	a := g.account(guest.Account)
	if a == nil {
		return errNoSuchFile
	}
	if _, err := a.index.Note(ctx, kindHidden, id, guest.User, ""); err != nil {
		return fmt.Errorf("file %s: %w", id, err)
	}
	return nil
}
