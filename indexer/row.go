package indexer

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sealgate/sealgate/indexer/formats"
)

// fileRow is a row of the table files, column by column, as it is stored and as the ledger's digest covers it.
type fileRow struct {
	n                                 int64
	id, account, name, door, user     string
	receivedAt, size                  int64
	sha256, business                  []byte
	format, messageID                 string
	payments                          int64
	first, last                       string
	verdict, codes, reasons, sentence string
	fate, certificate, duplicateOf    string
	copySize                          int64
	copyPath                          string
	witness                           []byte
	blocks                            int64
	blocksSum                         []byte
	facts                             string
	ledgerSeq                         int64
	ledgerHash                        []byte
	findings                          string // table findings
	findingsJSON                      bool   // findings was set
}

// rest is the part of the facts that has no column, as JSON.
type rest struct {
	Version     string          `json:"version,omitempty"`
	CreatedAt   string          `json:"created_at,omitempty"`
	Initiator   string          `json:"initiator,omitempty"`
	Payers      []formats.Party `json:"payers,omitempty"`
	Totals      []total         `json:"totals,omitempty"`
	Debits      []total         `json:"debits,omitempty"`
	Answers     string          `json:"answers,omitempty"`
	Packed      string          `json:"packed,omitempty"`
	Batches     int64           `json:"batches,omitempty"`
	Found       string          `json:"found,omitempty"` // codes of the findings, a blank before and after each
	Declared    string          `json:"declared,omitempty"`
	Encoding    string          `json:"encoding,omitempty"`
	FindingsAll int64           `json:"findings,omitempty"`
	Recovery    string          `json:"recovery,omitempty"` // of the sealed copy, if there is one
}

type total struct {
	Currency string         `json:"currency"`
	Amount   formats.Amount `json:"amount"`
	Payments int64          `json:"payments,omitempty"`
}

// putFacts fills the columns that the content decides; no verdict changes them, so it is done before the lock is taken.
func (r *fileRow) putFacts(f *File) error {
	r.id, r.account, r.name, r.door, r.user = f.ID, f.Account, f.Name, f.Door, f.User
	r.receivedAt, r.size = f.ReceivedAt.UnixMicro(), f.Size
	if f.SHA256 != "" {
		sum, err := hex.DecodeString(f.SHA256)
		if err != nil || len(sum) != sha256.Size {
			return errors.New("the file's SHA-256 is not 64 hex digits")
		}
		r.sha256 = sum
	}
	c := &f.Facts
	if c.BusinessKey != "" {
		sum := sha256.Sum256([]byte(c.BusinessKey))
		r.business = sum[:]
	}
	r.format, r.messageID, r.payments, r.first, r.last = c.Format, c.MessageID, c.Payments, c.FirstExecution, c.LastExecution
	more := rest{
		Version: c.Version, CreatedAt: c.CreatedAt, Initiator: c.Initiator, Payers: c.Payers, Answers: c.Answers, Packed: c.Packed, Batches: c.Batches,
		Declared: c.Declared, Encoding: c.Encoding, FindingsAll: c.FindingsAll, Found: findingCodes(c.FindingCodes),
		Recovery: f.Recovery,
	}
	for _, t := range c.Totals {
		more.Totals = append(more.Totals, total(t))
	}
	for _, t := range c.Debits {
		more.Debits = append(more.Debits, total(t))
	}
	b, err := json.Marshal(&more)
	if err != nil {
		return err
	}
	r.facts = string(b)
	if len(c.Findings) > 0 {
		if b, err = json.Marshal(c.Findings[:min(len(c.Findings), formats.MaxFindings)]); err != nil {
			return err
		}
		r.findings, r.findingsJSON = string(b), true
	}
	return nil
}

// findingCodes lists codes with a blank before and after each.
func findingCodes(codes []string) string {
	if len(codes) == 0 {
		return ""
	}
	return " " + strings.Join(codes, "  ") + " "
}

// putOutcome fills the columns that a verdict decides.
func (r *fileRow) putOutcome(f *File) error {
	switch f.Verdict {
	case Accepted, Held, Rejected:
	default:
		return fmt.Errorf("verdict %q", f.Verdict)
	}
	r.name = f.Name
	r.verdict, r.sentence, r.fate = string(f.Verdict), f.Sentence, string(f.Fate)
	r.certificate, r.duplicateOf = f.Certificate, f.DuplicateOf
	r.copySize, r.copyPath, r.witness = f.CopySize, f.CopyPath, f.Witness
	r.codes, r.reasons = "", "[]"
	if len(f.Reasons) > 0 {
		var codes strings.Builder
		for _, x := range f.Reasons {
			codes.WriteString(" " + x.Code)
		}
		r.codes = codes.String() + " "
		b, err := json.Marshal(f.Reasons)
		if err != nil {
			return err
		}
		r.reasons = string(b)
	}
	return nil
}

// file makes the File of a row.
func (r *fileRow) file() (*File, error) {
	f := &File{
		ID: r.id, Account: r.account, Name: r.name, Door: r.door, User: r.user,
		ReceivedAt: time.UnixMicro(r.receivedAt).UTC(), Size: r.size, SHA256: hex.EncodeToString(r.sha256),
		Verdict: Verdict(r.verdict), Fate: Fate(r.fate), Certificate: r.certificate, DuplicateOf: r.duplicateOf,
		Sentence: r.sentence, CopySize: r.copySize, CopyPath: r.copyPath, Witness: r.witness,
		Ledger: LedgerRow{r.ledgerSeq, hex.EncodeToString(r.ledgerHash)},
	}
	var more rest
	if err := json.Unmarshal([]byte(r.facts), &more); err != nil {
		return nil, fmt.Errorf("file %s: facts: %w", r.id, err)
	}
	if f.Fate == Sealed {
		f.Recovery = more.Recovery
	}
	if err := json.Unmarshal([]byte(r.reasons), &f.Reasons); err != nil {
		return nil, fmt.Errorf("file %s: reasons: %w", r.id, err)
	}
	if len(f.Reasons) == 0 {
		f.Reasons = nil
	}
	f.Facts = formats.Facts{
		Format: r.format, Version: more.Version, MessageID: r.messageID, CreatedAt: more.CreatedAt, Initiator: more.Initiator,
		Payers: more.Payers, Payments: r.payments, FirstExecution: r.first, LastExecution: r.last,
		FindingCodes: strings.Fields(more.Found), Answers: more.Answers, Packed: more.Packed, Batches: more.Batches, Declared: more.Declared, Encoding: more.Encoding, FindingsAll: more.FindingsAll,
	}
	for _, t := range more.Totals {
		f.Facts.Totals = append(f.Facts.Totals, formats.Total(t))
	}
	for _, t := range more.Debits {
		f.Facts.Debits = append(f.Facts.Debits, formats.Total(t))
	}
	if r.findings != "" {
		if err := json.Unmarshal([]byte(r.findings), &f.Facts.Findings); err != nil {
			return nil, fmt.Errorf("file %s: findings: %w", r.id, err)
		}
	}
	return f, nil
}

// digest is the SHA-256 that the ledger keeps of a row: all columns in the order of the table (n, reversed and taken
// follow from others or mean nothing), then the findings, each as in encode.
func (r *fileRow) digest() [32]byte {
	b := make([]byte, 0, 2048+len(r.facts)) // of no constant size: else it were on the stack, which nobody overwrites
	b = encode(b, "sealgate file 1")
	for _, s := range []string{r.id, r.account, r.name, r.door, r.user} {
		b = encode(b, s)
	}
	b = encodeInt(encodeInt(b, r.receivedAt), r.size)
	b = encode(encode(b, r.sha256), r.business)
	b = encode(encode(b, r.format), r.messageID)
	b = encodeInt(b, r.payments)
	for _, s := range []string{r.first, r.last, r.verdict, r.codes, r.reasons, r.sentence, r.fate, r.certificate, r.duplicateOf} {
		b = encode(b, s)
	}
	b = encode(encode(encodeInt(b, r.copySize), r.copyPath), r.witness)
	b = encode(encodeInt(b, r.blocks), r.blocksSum)
	b = encode(encode(b, r.facts), r.findings)
	return quietSum(b)
}

// encode appends a field: its length in bytes as 8 bytes big-endian, then the bytes.
func encode[T string | []byte](b []byte, field T) []byte {
	return append(binary.BigEndian.AppendUint64(b, uint64(len(field))), field...)
}

// encodeInt appends a number as a field of 8 bytes, big-endian, two's complement.
func encodeInt(b []byte, v int64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, 8), uint64(v))
}

// backwards turns an id around; ids are ASCII.
func backwards(s string) string {
	b := []byte(s)
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return string(b)
}

// fileColumns are what scan reads; used as a constant part of each query on files. Of the ledger's rows about a file, the newest that
// changed its state is the one that counts, and that receipts name: that somebody looked at it changes nothing.
const fileColumns = `f.n, f.id, f.account, f.name, f.door, f.user, f.received_at, f.size, f.sha256, f.business, f.format,
	f.message_id, f.payments, f.first_execution, f.last_execution, f.verdict, f.codes, f.reasons, f.sentence, f.fate,
	f.certificate, f.duplicate_of, f.copy_size, f.copy_path, f.witness, f.blocks, f.blocks_sha256, f.facts,
	coalesce((SELECT max(seq) FROM ledger WHERE file = f.id AND file <> '' AND record IS NOT NULL), 0)`

func (r *fileRow) scan(scan func(...any) error, more ...any) error {
	return scan(append([]any{&r.n, &r.id, &r.account, &r.name, &r.door, &r.user, &r.receivedAt, &r.size, &r.sha256, &r.business,
		&r.format, &r.messageID, &r.payments, &r.first, &r.last, &r.verdict, &r.codes, &r.reasons, &r.sentence, &r.fate,
		&r.certificate, &r.duplicateOf, &r.copySize, &r.copyPath, &r.witness, &r.blocks, &r.blocksSum, &r.facts,
		&r.ledgerSeq}, more...)...)
}
