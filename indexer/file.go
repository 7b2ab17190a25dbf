package indexer

import (
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
	Recovery    string // fingerprint of the recovery certificate that it was sealed to as well; "" if there is none
	DuplicateOf string // id of the earlier file
	Sentence    string // what the sender was told
	CopySize    int64  // bytes of the sealed copy; 0 if there is none
	CopyPath    string // where it is, relative to the account's folder; "" if there is none, or if the index holds it
	Witness     []byte // with it the sealed copy can be checked, not opened
	Ledger      LedgerRow
}
