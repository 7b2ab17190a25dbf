package indexer

import (
	"encoding/json"
	"time"

	"github.com/sealgate/sealgate/indexer/formats"
)

// Verdict is what was decided about a file.
type Verdict string

// The verdicts.
const (
	Accepted Verdict = "accepted"
	Held     Verdict = "held"
	Rejected Verdict = "rejected"
)

// Fate is what became of the content of an accepted or held file.
type Fate string

// The fates; a rejected file has none.
const (
	NoFate  Fate = ""
	Sealed  Fate = "sealed"
	Deleted Fate = "deleted"
)

// Reason says why a file has its verdict: a stable code and one plain sentence part.
type Reason struct {
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// LedgerRow names one row of the ledger. Seq counts from 1; Hash is 64 hex digits.
type LedgerRow struct {
	Seq  int64  `json:"seq"`
	Hash string `json:"hash"`
}

// File is one delivery as the index keeps it.
type File struct {
	ID          string // ULID
	Account     string
	Name        string // as the client gave it; hostile, never a path
	Door        string
	User        string // the user's id, "" for polled files
	ReceivedAt  time.Time
	Size        int64         // bytes of the content
	SHA256      string        // of the content, 64 hex digits; "" if it was never known
	Facts       formats.Facts // read back without BusinessKey, and with Findings only by Find and Decide
	Verdict     Verdict
	Reasons     []Reason
	Fate        Fate
	Certificate string // fingerprint of the certificate that it was sealed with
	DuplicateOf string // id of the earlier file
	Sentence    string // what the sender was told
	CopySize    int64  // bytes of the sealed copy; 0 if there is none
	CopyPath    string // where it is, relative to the account's folder; "" if there is none, or if the index holds it
	Witness     []byte // with it the sealed copy can be checked, not opened
	Ledger      LedgerRow
}

// MarshalJSON writes exactly the names of DESIGN.md section 7. Facts that are absent are left out; payments and
// findings (a count) are always there.
func (f *File) MarshalJSON() ([]byte, error) {
	var totals map[string]formats.Amount
	if len(f.Facts.Totals) > 0 {
		totals = make(map[string]formats.Amount, len(f.Facts.Totals))
		for _, t := range f.Facts.Totals {
			totals[t.Currency] = t.Amount
		}
	}
	return json.Marshal(struct {
		ID             string                    `json:"id"`
		Account        string                    `json:"account"`
		Name           string                    `json:"name"`
		Door           string                    `json:"door"`
		ReceivedAt     string                    `json:"received_at"`
		Size           int64                     `json:"size"`
		SHA256         string                    `json:"sha256,omitempty"`
		Format         string                    `json:"format,omitempty"`
		MessageID      string                    `json:"message_id,omitempty"`
		CreatedAt      string                    `json:"created_at,omitempty"`
		Payments       int64                     `json:"payments"`
		Totals         map[string]formats.Amount `json:"totals,omitempty"`
		FirstExecution string                    `json:"first_execution,omitempty"`
		LastExecution  string                    `json:"last_execution,omitempty"`
		Payers         []formats.Party           `json:"payers,omitempty"`
		Verdict        Verdict                   `json:"verdict"`
		Reasons        []Reason                  `json:"reasons,omitempty"`
		Findings       int64                     `json:"findings"`
		Fate           Fate                      `json:"fate,omitempty"`
		Certificate    string                    `json:"certificate,omitempty"`
		DuplicateOf    string                    `json:"duplicate_of,omitempty"`
	}{
		f.ID, f.Account, f.Name, f.Door, f.ReceivedAt.UTC().Format("2006-01-02T15:04:05.000Z07:00"), f.Size, f.SHA256,
		f.Facts.Format, f.Facts.MessageID, f.Facts.CreatedAt, f.Facts.Payments, totals,
		f.Facts.FirstExecution, f.Facts.LastExecution, f.Facts.Payers,
		f.Verdict, f.Reasons, f.Facts.FindingsAll, f.Fate, f.Certificate, f.DuplicateOf,
	})
}
