// Package formats reads payment files: pure functions from bytes to facts, streaming, knowing no database.
//
// Begin with Inspector: it takes a file's bytes in order, tells by content which format they are, and hands them to
// that format's reader, one file of this package each. Memory is constant whatever comes.
package formats

import "time"

// Reason is a stable code for something that decides a file's verdict (DESIGN.md section 4).
type Reason string

// The reasons that a file's content alone can give.
const (
	Incomplete     Reason = "incomplete"
	Malformed      Reason = "malformed"
	TotalsMismatch Reason = "totals-mismatch"
	Unrecognised   Reason = "unrecognised"
	Empty          Reason = "empty"
	SealMismatch   Reason = "seal-mismatch" // only where Inspector.CheckSeal gave a key
)

// Problem is a reason with one plain sentence part about it, fit for the sender: numbers of both sides, no content
// of payments, ASCII, no full stop ("it says 3 payments, 250.00 SEK, but holds 2, 150.00 SEK").
type Problem struct {
	Reason Reason
	Detail string
}

// Finding is something wrong in the content that does not decide the verdict.
type Finding struct {
	Code     string // stable, e.g. "iban-check-digits", "bankgiro-check-digit"
	Sentence string // one sentence for the operator; may name the value
	Where    string // line, record or XML path, and the payment's number
}

// Party is a payer: a name and an account (IBAN, bankgiro ... as written).
type Party struct {
	Name    string `json:"name,omitempty"`
	Account string `json:"account,omitempty"`
}

// Total is the exact sum of a file's payments in one currency.
type Total struct {
	Currency string
	Amount   Amount
	Payments int64 // of how many
}

// Facts is what a file's content says.
type Facts struct {
	Format                        string // "pain.001", "bg-lb", "bg-sealed" (Version says what is inside) ... or "unrecognised"
	Version                       string // "pain.001.001.09", "report 1"; "" where the format or the file has none
	MessageID                     string
	CreatedAt                     string  // as written in the file (no zone is invented): 2026-11-20T15:02:11 or 2026-03-28
	Initiator                     string  // initiating party's name, or the sender's bankgiro
	Payers                        []Party // distinct, in file order, at most MaxPayers
	Payments                      int64
	Batches                       int64   // groups that its payments stand in: PmtInf, sections, batches, statements, messages
	Totals                        []Total // sorted by currency
	Debits                        []Total // sums of what is drawn, as positive amounts, for formats that have both directions; sorted by currency
	FirstExecution, LastExecution string  // YYYY-MM-DD, "" if none
	Declared                      string  // what the file says of its own totals, for people: "8 payments, 62956.00"; "" if nothing
	Encoding                      string  // "utf-8", "iso-8859-1", "utf-16le" ...
	Packed                        string  // "gzip" or "zip" when the file is packed, else ""
	Answers                       string  // message id of the file that this one answers, "" if none
	// BusinessKey says that two files are the same business (DESIGN.md promise 6): message id + payer, or sender +
	// date + count + sum. "" where the format gives none. It holds content: never log it.
	BusinessKey string
	Findings    []Finding // at most MaxFindings
	FindingsAll int64     // all of them, kept or not
	// FindingCodes are the codes of all findings, each once.
	FindingCodes []string
}

// Bounds of what is kept of one file.
const (
	MaxPayers   = 100
	MaxFindings = 1000
)

// Payment is one payment of a file. Its byte slices are valid only during the call that hands it over.
type Payment struct {
	Index         int64 // from 1, in file order
	EndToEndID    []byte
	Amount        Amount // negative for deductions and credit notes, and for what is drawn, see Facts.Debits
	Currency      []byte
	PayerName     []byte
	PayerAccount  []byte
	PayeeName     []byte
	PayeeAccount  []byte
	ExecutionDate []byte // YYYY-MM-DD, or empty
	Reference     []byte // remittance text or OCR reference
}

// Clock is what "date in the past" is measured against; only its date counts.
type Clock func() time.Time
