package gateway

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/vault"
)

// What a customer can prove with the receipts that he has, without the gateway: with its public key, that each is as it was signed,
// and that no two tell of different rows in the same place of the ledger; with the ledger as well, that it still has these rows, and so,
// by the chain, every row before the newest of them as it was.

// ReceiptCheck checks the receipts that it is given against each other, and then perhaps a ledger against them.
type ReceiptCheck struct {
	key  *vault.ReceiptPublicKey
	rows map[receiptRow]provenRow
}

// receiptRow is a place in the ledger of an account.
type receiptRow struct {
	account  string
	sequence int64
}

// provenRow is what a receipt says of it.
type provenRow struct {
	hash, id, file string
	verdict        indexer.Verdict
	size           int64
	sum            string // SHA-256 of the delivery; "" where it is not told: of a locked account
}

// ReceiptProblem is one thing that is wrong with a receipt, or with the ledger.
type ReceiptProblem struct {
	File    string `json:"file"`
	Problem string `json:"problem"`
}

// NewReceiptCheck begins a check with a gateway's public key.
func NewReceiptCheck(key *vault.ReceiptPublicKey) *ReceiptCheck {
	return &ReceiptCheck{key: key, rows: map[receiptRow]provenRow{}}
}

var errNotReceipt = errors.New("it is signed, and names no row of a ledger")

// Receipt checks the receipt that was read from a file. The error says what is wrong with it; it counts for nothing then.
func (c *ReceiptCheck) Receipt(file string, text []byte) error {
	body, err := c.key.Open(text)
	if err != nil {
		return err
	}
	var r struct {
		ID      string          `json:"id"`
		Account string          `json:"account"`
		Verdict indexer.Verdict `json:"verdict"`
		Size    int64           `json:"size"`
		SHA256  string          `json:"sha256"`
		Ledger  receiptLedger   `json:"ledger"`
	}
	if json.Unmarshal(body, &r) != nil || r.Account == "" || r.Ledger.Sequence < 1 {
		return errNotReceipt
	}
	if sum, err := hex.DecodeString(r.Ledger.Hash); err != nil || len(sum) != 32 {
		return errNotReceipt
	}
	at := receiptRow{r.Account, r.Ledger.Sequence}
	other, there := c.rows[at]
	switch {
	case there && other.hash != r.Ledger.Hash:
		return fmt.Errorf("it names another row %d of the ledger of account %s than %s does: the ledger was rewritten between the two",
			at.sequence, at.account, other.file)
	case there && other.id != r.ID:
		return fmt.Errorf("it names row %d of the ledger of account %s, as %s does, which is of another delivery: one of them was made up",
			at.sequence, at.account, other.file)
	case there && other.verdict != r.Verdict:
		return fmt.Errorf("it tells of another verdict in row %d of the ledger of account %s than %s does: one of them was made up",
			at.sequence, at.account, other.file)
	case there && (other.size != r.Size || other.sum != "" && r.SHA256 != "" && other.sum != r.SHA256):
		return fmt.Errorf("it tells of another content in row %d of the ledger of account %s than %s does: one of them was made up",
			at.sequence, at.account, other.file)
	}
	c.rows[at] = provenRow{r.Ledger.Hash, r.ID, file, r.Verdict, r.Size, cmp.Or(r.SHA256, other.sum)}
	return nil
}

// Accounts gives the accounts of the receipts that were good, in order, each with the newest row that they prove.
func (c *ReceiptCheck) Accounts() (names []string, newest map[string]int64) {
	newest = map[string]int64{}
	for at := range c.rows {
		newest[at.account] = max(newest[at.account], at.sequence)
	}
	return slices.Sorted(maps.Keys(newest)), newest
}

// LedgerCheck is what became of a ledger that was held against receipts.
type LedgerCheck struct {
	Rows     int   // so many were read
	Proven   int64 // up to this one it is as it was, as far as the receipts go
	Problems []string
}

// Ledger reads a ledger, one row of JSON a line from the first on, as `sealgate ledger --json` prints it, and holds it against the
// receipts, which must be of one account. The error is about not being able to read it.
func (c *ReceiptCheck) Ledger(in io.Reader) (check LedgerCheck, err error) {
	var walk indexer.LedgerWalk
	broken := int64(0) // the first row that is wrong, if any
	last := int64(0)
	seen := map[int64]bool{} // rows that receipts name: whether one of them is genuine
	unsaid := []string{}     // what receipts say of rows that are genuine, and these do not
	names := map[int64]provenRow{}
	for at, row := range c.rows {
		names[at.sequence] = row
	}
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil && err != io.EOF {
			return check, err
		}
		if line = bytes.TrimSpace(line); len(line) == 0 {
			if err == io.EOF {
				break
			}
			continue
		}
		var e indexer.LedgerEntry
		if json.Unmarshal(line, &e) != nil {
			return check, fmt.Errorf("line %d is no row of a ledger; print it with: sealgate ledger ACCOUNT --json", check.Rows+1)
		}
		check.Rows++
		last = max(last, e.Seq)
		wrong := walk.Follow(&e)
		if wrong == "" && !asPrinted(&e, line) {
			wrong = fmt.Sprintf("row %d is not as it was printed: others may read something else in it", e.Seq)
		}
		if wrong != "" && len(check.Problems) == 0 {
			check.Problems, broken = append(check.Problems, wrong), check.Proven+1
		}
		if len(check.Problems) == 0 {
			check.Proven = e.Seq
		}
		if row, named := names[e.Seq]; named {
			genuine := e.Genuine(row.hash) && e.File == row.id
			seen[e.Seq] = seen[e.Seq] || genuine
			if said := verdictIn(e.Kind); genuine && said != "" && said != row.verdict {
				unsaid = append(unsaid, fmt.Sprintf("row %d does not say %s, as %s does: that was made up", e.Seq, row.verdict, row.file))
			}
		}
	}
	proven := int64(0)
	for _, seq := range slices.SortedFunc(maps.Keys(names), cmp.Compare[int64]) {
		genuine, there := seen[seq]
		switch {
		case genuine:
			if broken == 0 || seq < broken {
				proven = seq
			}
			continue
		case !there && seq > last:
			check.Problems = append(check.Problems, fmt.Sprintf("row %d, which %s names, is not in it: it ends with row %d, and was cut", seq, names[seq].file, last))
		case !there:
			check.Problems = append(check.Problems, fmt.Sprintf("row %d, which %s names, was taken out of it", seq, names[seq].file))
		default:
			problem := fmt.Sprintf("row %d is not the one that %s names: it was rewritten, from a row after %d on", seq, names[seq].file, proven)
			if proven == 0 {
				problem += "; or this is another account's ledger"
			}
			check.Problems = append(check.Problems, problem)
		}
	}
	check.Proven, check.Problems = proven, append(check.Problems, unsaid...)
	return check, nil
}

// verdictIn is the verdict that a row of the ledger pronounces, "" if it is about something else.
func verdictIn(kind string) indexer.Verdict {
	switch kind {
	case string(indexer.Accepted), string(indexer.Held), string(indexer.Rejected):
		return indexer.Verdict(kind)
	case "released":
		return indexer.Accepted
	case "refused":
		return indexer.Rejected
	}
	return ""
}

// asPrinted says whether a line is, to the byte, what is printed of a row: JSON that names a member twice, or in other letters, is read
// differently by different programs.
func asPrinted(e *indexer.LedgerEntry, line []byte) bool {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	return enc.Encode(e) == nil && bytes.Equal(bytes.TrimSpace(b.Bytes()), line)
}
