package gateway

import (
	"context"
	"encoding/json"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/transport"
	"github.com/sealgate/sealgate/vault"
)

// What customers see, and what is swept, of a locked account.

// lockedReceipt is what a customer reads of a delivery while the account is locked. Names, parties and amounts come with the whole
// receipt, once it is unlocked; verdict and ledger row are the same there.
type lockedReceipt struct {
	ID          string           `json:"id"`
	Account     string           `json:"account"`
	ReceivedAt  string           `json:"received_at"`
	Size        int64            `json:"size"`
	Verdict     indexer.Verdict  `json:"verdict"`
	Reasons     []indexer.Reason `json:"reasons"`
	DuplicateOf string           `json:"duplicate_of,omitempty"`
	Locked      string           `json:"locked"`
	Ledger      receiptLedger    `json:"ledger"`
}

func newLockedReceipt(account string, f *indexer.File) ([]byte, error) {
	reasons := []indexer.Reason{}
	for _, r := range f.Reasons {
		reasons = append(reasons, indexer.Reason{Code: r.Code, Detail: advice(r.Code)})
	}
	text, err := json.MarshalIndent(lockedReceipt{
		ID: f.ID, Account: account, ReceivedAt: utc(f.ReceivedAt), Size: f.Size, Verdict: f.Verdict, Reasons: reasons, DuplicateOf: f.DuplicateOf,
		Locked: "the rest of this receipt lies in a locked database; it is whole, under the file's own name, once your contact has unlocked it",
		Ledger: receiptLedger{f.Ledger.Seq, f.Ledger.Hash},
	}, "", "  ")
	return append(text, '\n'), err
}

// lockedReceipts lists a locked account's receipts. Their files' names are not known: SHORTID.json.
func (a *account) lockedReceipts(ctx context.Context, limit int) (list []transport.ReceiptEntry, err error) {
	files, err := a.index.Brief(ctx, indexer.FileFilter{Limit: limit})
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		text, err := newLockedReceipt(a.ID, f)
		if err != nil {
			return nil, err
		}
		list = append(list, transport.ReceiptEntry{Name: shortID(f.ID) + ".json", Size: int64(len(text) + vault.ReceiptSignature), TakenAt: f.ReceivedAt})
	}
	return list, nil
}

// lockedReceipt gives one by its short id: also to those who know it under its whole name.
func (a *account) lockedReceipt(ctx context.Context, id string) ([]byte, time.Time, error) {
	files, err := a.index.BriefOf(ctx, id)
	if err != nil {
		return nil, time.Time{}, err
	}
	if len(files) == 0 {
		return nil, time.Time{}, errNoSuchFile
	}
	text, err := newLockedReceipt(a.ID, files[0])
	return text, files[0].ReceivedAt, err
}

// sweepLocked sweeps what can be swept of an account whose rows cannot be read: uploads under way, and copies whose transaction
// never came to its end, which the log knows. Which of two copies a rotation that died has left counts, it does not know: both stay
// until the rows can be read (sweepGivenUp), and only the marker goes.
func (a *account) sweepLocked(ctx context.Context, incoming []fs.DirEntry, log *slog.Logger) error {
	uploads, copies := 0, 0
	for _, entry := range incoming {
		stem, placed := strings.CutSuffix(entry.Name(), placedSuffix)
		id, envelope, ours := copyName(stem + ".p7m")
		if entry.IsDir() || placed && !ours || !placed && filepath.Ext(entry.Name()) != tmpSuffix {
			log.Warn("not ours, left alone", "account", a.ID, "path", filepath.Join("incoming", plain(entry.Name())))
			continue
		}
		if placed && envelope == 0 {
			removed, err := a.sweepPlaced(ctx, id)
			if err != nil {
				return err
			}
			copies += removed
		}
		if err := os.Remove(filepath.Join(a.incoming(), entry.Name())); err != nil {
			return err
		}
		uploads++
	}
	if uploads+copies > 0 {
		log.Info("swept", "account", a.ID, "uploads", uploads, "copies", copies)
	}
	return nil
}

// sweepPlaced removes a copy that was placed and never taken.
func (a *account) sweepPlaced(ctx context.Context, id string) (removed int, err error) {
	known, err := a.index.BriefOf(ctx, id)
	if err != nil || len(known) > 0 && known[0].Fate == indexer.Sealed {
		return 0, err
	}
	paths, err := a.sealedCopies()
	if err != nil {
		return 0, err
	}
	for _, path := range paths {
		if filepath.Base(path) == id+".p7m" {
			if err := os.Remove(filepath.Join(a.dir, path)); err != nil {
				return removed, err
			}
			removed++
		}
	}
	return removed, nil
}

// sweepGivenUp removes, once the rows can be read, copies that their own rows have given up: whoever released, refused or rewrapped
// them died before. A copy without a row stays: whether its transaction has ended is not always certain while the gateway runs.
func (a *account) sweepGivenUp(ctx context.Context, g *Gateway) error {
	orphans, err := a.orphans(ctx, func(path string) bool {
		_, placing := g.placing.Load(filepath.Join(a.dir, path))
		return placing
	})
	if err != nil {
		return err
	}
	g.copies.Lock() // else what is left of one rotation could come to be, after its row is read, the copy of the next
	defer g.copies.Unlock()
	for _, path := range orphans {
		id, _, ours := copyName(path)
		if !ours {
			continue // verify tells of it, as of what stays below
		}
		rows, err := a.index.Find(ctx, id)
		if err != nil {
			return err
		}
		if len(rows) != 1 || !a.givenUp(path, rows[0]) {
			continue
		}
		if err := os.Remove(filepath.Join(a.dir, path)); err != nil {
			return err
		}
	}
	return nil
}
