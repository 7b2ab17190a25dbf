package gateway

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/indexer/formats"
)

// The desk: what operators ask and decide. One method a question; control.go carries them over the local socket.

// No is the answer no: no such file, not held, damaged. Hint is the next command to type. Wrong says that it was asked wrongly: there
// is nothing that could be right about what was typed. With Partly everything else was answered before it: some of the accounts that
// were asked are locked, and not in the answer.
type No struct {
	Text   string `json:"error"`
	Hint   string `json:"hint,omitempty"`
	Wrong  bool   `json:"wrong,omitempty"`
	Partly bool   `json:"partly,omitempty"`
}

func (n *No) Error() string { return n.Text }

var errNoSuchFile = &No{Text: "no such file"}

// FilesQuery asks for files; an empty Account means all accounts.
type FilesQuery struct {
	Account string
	Filter  indexer.FileFilter
}

// FileLine is a line of `files --json`. Absent facts are left out; amounts are decimal strings.
type FileLine struct {
	ID             string            `json:"id"`
	Account        string            `json:"account"`
	Name           string            `json:"name"`
	Door           string            `json:"door"`
	ReceivedAt     string            `json:"received_at"` // RFC 3339, UTC, milliseconds
	Size           int64             `json:"size"`
	SHA256         string            `json:"sha256,omitempty"`
	Format         string            `json:"format,omitempty"`
	MessageID      string            `json:"message_id,omitempty"`
	CreatedAt      string            `json:"created_at,omitempty"`
	Payments       int64             `json:"payments"`
	Totals         map[string]string `json:"totals,omitempty"`
	Debits         map[string]string `json:"debits,omitempty"` // formats of both directions: what is drawn; totals are the credits then
	FirstExecution string            `json:"first_execution,omitempty"`
	LastExecution  string            `json:"last_execution,omitempty"`
	Payers         []formats.Party   `json:"payers,omitempty"`
	Verdict        indexer.Verdict   `json:"verdict"`
	Reasons        []indexer.Reason  `json:"reasons,omitempty"`
	Findings       int64             `json:"findings"`
	Fate           indexer.Fate      `json:"fate,omitempty"`
	Certificate    string            `json:"certificate,omitempty"`
	Recovery       string            `json:"recovery_certificate,omitempty"`
	DuplicateOf    string            `json:"duplicate_of,omitempty"`
	Answers        string            `json:"answers,omitempty"` // message id of the file that this one is an answer to
}

// LineOf is the line of a file.
func LineOf(f *indexer.File) FileLine {
	return FileLine{
		ID: f.ID, Account: f.Account, Name: f.Name, Door: f.Door, ReceivedAt: utc(f.ReceivedAt), Size: f.Size,
		SHA256: f.SHA256, Format: f.Facts.Format, MessageID: f.Facts.MessageID, CreatedAt: f.Facts.CreatedAt,
		Payments: f.Facts.Payments, FirstExecution: f.Facts.FirstExecution, LastExecution: f.Facts.LastExecution,
		Payers: f.Facts.Payers, Verdict: f.Verdict, Reasons: f.Reasons, Findings: f.Facts.FindingsAll, Fate: f.Fate,
		Certificate: f.Certificate, Recovery: f.Recovery, DuplicateOf: f.DuplicateOf, Answers: f.Facts.Answers,
		Totals: byCurrency(f.Facts.Totals), Debits: byCurrency(f.Facts.Debits),
	}
}

// byCurrency writes amounts as decimal strings.
func byCurrency(totals []formats.Total) map[string]string {
	m := make(map[string]string, len(totals))
	for _, t := range totals {
		m[t.Currency] = t.Amount.String()
	}
	return m
}

func utc(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// PaymentsQuery asks for payments; an empty Account means all accounts. File is a ULID or an ending of one.
type PaymentsQuery struct {
	Account string
	File    string
	Filter  indexer.PaymentFilter
}

// PaymentLine is a line of `payments --json`.
type PaymentLine struct {
	FileID        string `json:"file_id"`
	Index         int64  `json:"index"`
	EndToEndID    string `json:"end_to_end_id,omitempty"`
	Amount        string `json:"amount"`
	Currency      string `json:"currency,omitempty"`
	PayerAccount  string `json:"payer_account,omitempty"`
	PayeeName     string `json:"payee_name,omitempty"`
	PayeeAccount  string `json:"payee_account,omitempty"`
	ExecutionDate string `json:"execution_date,omitempty"`
	Remittance    string `json:"remittance,omitempty"`
}

// asked gives one account, or all in the order of the configuration.
func (g *Gateway) asked(id string) ([]*account, error) {
	var list []*account
	for _, c := range g.cfg.Load().Accounts {
		if a := g.account(c.ID); a != nil && (id == "" || c.ID == id) {
			list = append(list, a)
		}
	}
	if len(list) == 0 && id != "" {
		return nil, g.notThere(id)
	}
	return list, nil
}

// Files lists files, newest first, over all the accounts asked for.
func (g *Gateway) Files(ctx context.Context, q FilesQuery) iter.Seq2[FileLine, error] {
	return func(yield func(FileLine, error) bool) {
		accounts, err := g.asked(q.Account)
		if err != nil {
			yield(FileLine{}, err)
			return
		}
		accounts, locked := g.unlocked(ctx, q.Account, accounts)
		lists := make([]iter.Seq2[*indexer.File, error], len(accounts))
		for i, a := range accounts {
			lists[i] = a.index.Files(ctx, q.Filter)
		}
		n := 0
		for f, err := range newestFirst(lists) {
			if err != nil {
				yield(FileLine{}, err)
				return
			}
			if n++; q.Filter.Limit > 0 && n > q.Filter.Limit {
				break
			}
			if !yield(LineOf(f), nil) {
				return
			}
		}
		if locked != nil {
			yield(FileLine{}, locked)
		}
	}
}

// Payments lists payments, of one file or of all.
func (g *Gateway) Payments(ctx context.Context, q PaymentsQuery) iter.Seq2[PaymentLine, error] {
	return func(yield func(PaymentLine, error) bool) {
		accounts, err := g.asked(q.Account)
		if err == nil && q.File != "" {
			var a *account
			var f *indexer.File
			if a, f, err = g.find(ctx, q.Account, q.File); err == nil {
				accounts, q.Filter.FileID = []*account{a}, f.ID
			}
		}
		if err != nil {
			yield(PaymentLine{}, err)
			return
		}
		accounts, locked := g.unlocked(ctx, q.Account, accounts)
		n := 0
		for _, a := range accounts {
			for p, err := range a.index.FindPayments(ctx, q.Filter) {
				if err != nil {
					yield(PaymentLine{}, err)
					return
				}
				if n++; q.Filter.Limit > 0 && n > q.Filter.Limit {
					break
				}
				if !yield(newPaymentLine(p), nil) {
					return
				}
			}
		}
		if locked != nil {
			yield(PaymentLine{}, locked)
		}
	}
}

func newPaymentLine(p *indexer.PaymentRow) PaymentLine {
	return PaymentLine{
		FileID: p.FileID, Index: p.Index, EndToEndID: p.EndToEndID, Amount: p.Amount.String(), Currency: p.Currency,
		PayerAccount: p.PayerAccount, PayeeName: p.PayeeName, PayeeAccount: p.PayeeAccount,
		ExecutionDate: p.ExecutionDate, Remittance: p.Remittance,
	}
}

// Copy gives a file's sealed copy, the bytes of its .p7m.
func (g *Gateway) Copy(ctx context.Context, id string) (f *indexer.File, copy io.ReadCloser, err error) {
	a, f, err := g.find(ctx, "", id)
	if err != nil {
		return nil, nil, err
	}
	if f.Fate != indexer.Sealed {
		return nil, nil, &No{Text: fmt.Sprintf("%s has no sealed copy: it was %s", f.ID, gone(f))}
	}
	copy, err = a.copyOf(ctx, f)
	for tries := 0; errors.Is(err, fs.ErrNotExist) && tries < 3; tries++ { // rewrapped since we found it
		if f, err = g.one(ctx, a, f.ID); err == nil {
			copy, err = a.copyOf(ctx, f)
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, &No{Text: f.ID + ": its sealed copy is gone from the disk", Hint: "sealgate verify"}
	}
	return f, copy, err
}

// CopyQuery asks for a file's sealed copy.
type CopyQuery struct {
	ID  string
	For string // what is to be done with it, as the command says: a few words for the ledger
}

// HandOut is Copy for somebody who takes it away, which is a row of the ledger before he has a byte of it. Whether he can open it,
// only he knows: the keys are not here.
func (g *Gateway) HandOut(ctx context.Context, q CopyQuery, who string) (*indexer.File, io.ReadCloser, error) {
	f, copy, err := g.Copy(ctx, q.ID)
	if err != nil {
		return nil, nil, err
	}
	a := g.account(f.Account)
	if a == nil {
		copy.Close()
		return nil, nil, errNoSuchFile
	}
	if _, err := a.index.Note(ctx, kindHandedOut, f.ID, who, plain(q.For)); err != nil {
		copy.Close()
		return nil, nil, err
	}
	return f, copy, nil
}

// Decision releases or refuses a held file.
type Decision struct {
	ID      string
	Release bool
	Reason  string
}

// Decide ends a held file's waiting. The row is changed first and the copy removed after it: if we die between the two,
// the next start sweeps the copy.
func (g *Gateway) Decide(ctx context.Context, d Decision, who string) (FileLine, error) {
	g.copies.Lock()
	defer g.copies.Unlock()
	a, f, err := g.find(ctx, "", d.ID)
	if err != nil {
		return FileLine{}, err
	}
	if f.Verdict != indexer.Held {
		return FileLine{}, &No{Text: fmt.Sprintf("%s is not held, it is %s", f.ID, f.Verdict), Hint: "sealgate files --verdict held"}
	}
	verdict, fate, word := indexer.Rejected, indexer.NoFate, "refused"
	if d.Release {
		verdict, fate, word = indexer.Accepted, indexer.Sealed, "released"
		if a.AfterIndexing == "delete" {
			fate = indexer.Deleted
		}
	}
	path := f.CopyPath
	ruling := indexer.Ruling{
		Verdict: verdict, Fate: fate, Why: d.Reason, Who: who,
		Receipts: a.receiptRemotes(), Receipt: strings.TrimSuffix(receiptName(f), ".json") + "." + word + ".json",
	}
	if f, err = a.index.Decide(ctx, f.ID, ruling); err != nil {
		return FileLine{}, err
	}
	g.wake(a)
	if fate != indexer.Sealed && path != "" {
		if err := os.Remove(filepath.Join(a.dir, path)); err != nil {
			g.log.Warn("sealed copy left behind, the next start or unlocking sweeps it", "account", a.ID, "file", f.ID, "err", err)
		}
	}
	g.log.Info(word, "account", a.ID, "file", f.ID, "user", who)
	return LineOf(f), nil
}

// find gives the one file of an account, or for "" of all, that an id or a unique ending of one means.
func (g *Gateway) find(ctx context.Context, of, id string) (*account, *indexer.File, error) {
	accounts, err := g.asked(of)
	if err != nil {
		return nil, nil, err
	}
	var owner *account
	var found []*indexer.File
	for _, a := range accounts {
		list, err := g.findIn(ctx, a, id)
		if err != nil {
			return nil, nil, err
		}
		if len(list) > 0 {
			owner, found = a, append(found, list...)
		}
	}
	return g.pick(id, owner, found)
}

// one is find within one account.
func (g *Gateway) one(ctx context.Context, a *account, id string) (*indexer.File, error) {
	list, err := g.findIn(ctx, a, id)
	if err != nil {
		return nil, err
	}
	_, f, err := g.pick(id, a, list)
	return f, err
}

func (g *Gateway) pick(id string, owner *account, found []*indexer.File) (*account, *indexer.File, error) {
	switch len(found) {
	case 1:
		return owner, found[0], nil
	case 0:
		return nil, nil, g.noFile(id)
	}
	text := fmt.Sprintf("%d files end in %s:", len(found), plain(id))
	for _, f := range found {
		text += "\n  " + f.ID + "  " + f.Account + "  " + plain(f.Name)
	}
	return nil, nil, &No{Text: text, Hint: "type more of the id"}
}

// newestFirst merges lists that are each newest first.
func newestFirst(lists []iter.Seq2[*indexer.File, error]) iter.Seq2[*indexer.File, error] {
	return func(yield func(*indexer.File, error) bool) {
		var q fileQueue
		for _, list := range lists {
			next, stop := iter.Pull2(list)
			defer stop()
			if f, err, ok := next(); err != nil {
				yield(nil, err)
				return
			} else if ok {
				q = append(q, fileSource{f, next})
			}
		}
		heap.Init(&q)
		for len(q) > 0 {
			if !yield(q[0].file, nil) {
				return
			}
			f, err, ok := q[0].next()
			switch {
			case err != nil:
				yield(nil, err)
				return
			case ok:
				q[0].file = f
				heap.Fix(&q, 0)
			default:
				heap.Pop(&q)
			}
		}
	}
}

type fileSource struct {
	file *indexer.File
	next func() (*indexer.File, error, bool)
}

type fileQueue []fileSource

func (q fileQueue) Len() int { return len(q) }
func (q fileQueue) Less(i, j int) bool {
	a, b := q[i].file, q[j].file
	if !a.ReceivedAt.Equal(b.ReceivedAt) {
		return a.ReceivedAt.After(b.ReceivedAt)
	}
	return a.ID > b.ID
}

func (q fileQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *fileQueue) Push(x any)   { *q = append(*q, x.(fileSource)) }
func (q *fileQueue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}
