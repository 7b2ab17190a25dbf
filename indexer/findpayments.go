package indexer

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"iter"
	"math"
	"strings"
	"time"

	"github.com/sealgate/sealgate/indexer/formats"
)

// PaymentFilter chooses payments of accepted and held files; a zero field chooses all. Ids, accounts and references are
// compared folded: without blanks and hyphens, in any case.
type PaymentFilter struct {
	FileID     string          // whole
	Min, Max   *formats.Amount // inclusive
	Currency   string
	EndToEndID string
	Account    string // the payer's or the payee's
	Name       string // a part of the payer's or the payee's, of any length, compared by bareName
	Reference  string
	From, To   string    // execution date, YYYY-MM-DD, inclusive
	Since      time.Time // file received at or after
	Until      time.Time // file received before
	Format     string    // of the file
	MessageID  string    // of the file
	Verdict    Verdict   // of the file: accepted or held
	Finding    string    // code of one of the file's findings
	Limit      int       // at most so many; 0: all
}

// PaymentRow is one payment found.
type PaymentRow struct {
	FileID        string
	Index         int64 // from 1, in the file's order
	EndToEndID    string
	Amount        formats.Amount
	Currency      string
	PayerName     string
	PayerAccount  string
	PayeeName     string
	PayeeAccount  string
	ExecutionDate string // YYYY-MM-DD, or ""
	Remittance    string
}

// blockPage is how many blocks' summaries one query looks at.
const blockPage = 2048

// Of a filter only the bucket that a key falls into is brought here: ?9 to ?12 are the upper halves of the keys' hashes. A
// small block has one filter for all kinds; that of a large one is in a table of its kind, where it lies close to its like.
const (
	sqlBucketID = `, CASE WHEN b.filter IS NOT NULL THEN substr(b.filter, 1 + ((?9 * (length(b.filter) / 32)) >> 32) * 32, 32)
		ELSE (SELECT substr(t.data, 1 + ((?9 * (length(t.data) / 32)) >> 32) * 32, 32) FROM filter_ids t WHERE t.b = b.b) END`
	sqlBucketAccount = `, CASE WHEN b.filter IS NOT NULL THEN substr(b.filter, 1 + ((?10 * (length(b.filter) / 32)) >> 32) * 32, 32)
		ELSE (SELECT substr(t.data, 1 + ((?10 * (length(t.data) / 32)) >> 32) * 32, 32) FROM filter_accounts t WHERE t.b = b.b) END`
	sqlBucketReference = `, CASE WHEN b.filter IS NOT NULL THEN substr(b.filter, 1 + ((?11 * (length(b.filter) / 32)) >> 32) * 32, 32)
		ELSE (SELECT substr(t.data, 1 + ((?11 * (length(t.data) / 32)) >> 32) * 32, 32) FROM filter_references t WHERE t.b = b.b) END`
	sqlBucketAmount = `, CASE WHEN b.filter IS NOT NULL THEN substr(b.filter, 1 + ((?12 * (length(b.filter) / 32)) >> 32) * 32, 32)
		ELSE (SELECT substr(t.data, 1 + ((?12 * (length(t.data) / 32)) >> 32) * 32, 32) FROM filter_amounts t WHERE t.b = b.b) END`
)

// The queries for blocks differ in what they go by: the time of reception, the message's id, or one file.
const (
	sqlBlocksSelect = `SELECT f.n, b.no, b.b`
	sqlBlocksFrom   = ` FROM files f `
	sqlBlocksJoin   = ` CROSS JOIN blocks b ON b.file = f.id`
	sqlTaken        = ` WHERE f.taken = 1 AND f.blocks > 0 AND f.received_at >= ?3
		AND (?5 = '' OR f.last_execution >= ?5) AND (?6 = '' OR f.first_execution <= ?6)
		AND (?14 = '' OR f.format = ?14) AND (?15 = '' OR f.message_id = ?15) AND (?16 = '' OR f.verdict = ?16)
		AND (?17 = '' OR instr(f.found, ' ' || ?17 || ' ') > 0) `
	sqlOfMessage  = `AND f.message_id <> '' AND f.message_id = ?15 `
	sqlBlocksGoOn = `AND (f.received_at, f.n) <= (?1, ?2) AND NOT (f.n = ?2 AND b.no <= ?4)
	ORDER BY f.received_at DESC, f.n DESC, b.no LIMIT ?8`

	sqlBlocks          = sqlBlocksFrom + sqlBlocksJoin + sqlTaken + sqlBlocksGoOn
	sqlBlocksByMessage = sqlBlocksFrom + `INDEXED BY files_message` + sqlBlocksJoin + sqlTaken + sqlOfMessage + sqlBlocksGoOn
	sqlBlocksOf        = sqlBlocksFrom + sqlBlocksJoin + sqlTaken + `AND f.id = ?7 AND b.no > ?4 AND f.received_at < ?13 ORDER BY b.no LIMIT ?8`
)

// question is a filter made ready to be held against summaries and payments.
type question struct {
	PaymentFilter
	id, account, reference []byte // folded, nil if not asked for
	hashes                 [askable]uint64
	asked                  [askable]bool
	name, folded           []byte
	hunt                   *hunt // nil: it does not go by names
}

func newQuestion(q PaymentFilter) *question {
	w := &question{PaymentFilter: q, name: bareName(foldName(nil, []byte(q.Name)))}
	w.Currency = strings.ToUpper(strings.TrimSpace(q.Currency))
	key := func(i int, s string) []byte {
		if s == "" {
			return nil
		}
		f := folding(keyKind(i))([]byte{}, []byte(s))
		w.hashes[i], w.asked[i] = hashKey(keyKind(i), f), true
		return f
	}
	w.id = key(askID, q.EndToEndID)
	w.account = key(askAccount, q.Account)
	w.reference = key(askReference, q.Reference)
	if q.Min != nil && q.Max != nil && q.Min.Cmp(*q.Max) == 0 {
		w.hashes[askAmount], w.asked[askAmount] = amountKey(*q.Min), true
	}
	return w
}

// mayHold tells whether a block with these buckets may have the keys that are asked for.
func (w *question) mayHold(buckets *[askable]sql.RawBytes) bool {
	for i, asked := range w.asked {
		if asked && !mayHold(buckets[i], w.hashes[i]) {
			return false
		}
	}
	return true
}

// bounded tells whether the question asks for something that a block's summary tells. Most do not, and reading all
// summaries is a tenth of what they cost.
func (w *question) bounded() bool {
	return w.Min != nil || w.Max != nil || w.From != "" || w.To != "" || w.Currency != ""
}

// mayBeIn tells whether a block of this summary may hold an answer.
func (w *question) mayBeIn(sums []byte) (bool, error) {
	s, err := readSummary(sums)
	switch {
	case err != nil:
		return false, err
	case w.Min != nil && s.most.Cmp(*w.Min) < 0, w.Max != nil && s.least.Cmp(*w.Max) > 0:
		return false, nil
	case w.From != "" && s.to < w.From, w.To != "" && (s.from == "" || s.from > w.To):
		return false, nil
	case w.Currency != "" && s.currencies != "" && !strings.Contains(s.currencies, w.Currency):
		return false, nil
	}
	return true, nil
}

// equal compares a value with what is asked for, folded.
func (w *question) equal(kind uint64, v, folded []byte) bool {
	w.folded = folding(kind)(w.folded[:0], v)
	return len(v) > 0 && string(w.folded) == string(folded)
}

// named tells whether a name has the part that is asked for.
func (w *question) named(v []byte) bool {
	w.folded = foldName(w.folded[:0], v)
	return bytes.Contains(bareName(w.folded), w.name)
}

// narrow marks those payments of the opened block that have what is asked of an id, account, reference or name, and tells
// how many there are up to the last of them. It reads only the columns in question: one block in 600 was chosen by its
// filter in vain, and most questions have a handful of answers.
func (w *question) narrow(r *blockReader) (end int, err error) {
	end = int(r.count)
	if w.id != nil {
		end, err = r.keep(func(v []byte) bool { return w.equal(keyEndToEnd, v, w.id) }, colEndToEnd)
	}
	if w.account != nil && end > 0 && err == nil {
		end, err = r.keep(func(v []byte) bool { return w.equal(keyAccount, v, w.account) }, colPayerAccount, colPayeeAccount)
	}
	if w.reference != nil && end > 0 && err == nil {
		end, err = r.keep(func(v []byte) bool { return w.equal(keyReference, v, w.reference) }, colReference)
	}
	if len(w.name) > 0 && end > 0 && err == nil {
		end, err = r.keep(w.named, colPayerName, colPayeeName)
	}
	return end, err
}

// wants tells whether a payment that narrow has left is an answer.
func (w *question) wants(p *formats.Payment) bool {
	switch {
	case w.Min != nil && p.Amount.Cmp(*w.Min) < 0, w.Max != nil && p.Amount.Cmp(*w.Max) > 0:
		return false
	case w.Currency != "" && string(p.Currency) != w.Currency:
		return false
	case w.From != "" && string(p.ExecutionDate) < w.From:
		return false
	case w.To != "" && (len(p.ExecutionDate) == 0 || string(p.ExecutionDate) > w.To):
		return false
	}
	return true
}

// place is where the search goes on: behind block no of file n.
type place struct {
	received, n, no int64
}

// candidate is a block that may hold an answer, by its number among all.
type candidate int64

// FindPayments gives the payments that the filter chooses: those of the newest file first, each file's in its order.
func (x *Index) FindPayments(ctx context.Context, q PaymentFilter) iter.Seq2[*PaymentRow, error] {
	return func(yield func(*PaymentRow, error) bool) {
		w := newQuestion(q)
		at := place{math.MaxInt64, math.MaxInt64, -1}
		if !q.Until.IsZero() {
			at.received, at.n = q.Until.UnixMicro(), math.MinInt64
		}
		r, _ := x.readers.Get().(*blockReader)
		if r == nil {
			r = new(blockReader)
		}
		defer func() {
			if x.sealedLog != nil {
				r.wipe()
			}
			x.readers.Put(r)
		}()
		var err error
		if w.hunt, err = x.hunt(ctx, w); err != nil {
			yield(nil, fmt.Errorf("indexer: payments: %w", x.d.plain(err)))
			return
		}
		given, stop := 0, false
		answer := func(file string, p *formats.Payment) bool {
			if !w.wants(p) {
				return true
			}
			given++
			stop = !yield(paymentRow(file, p), nil) || given == q.Limit
			return !stop
		}
		for more := true; more && !stop; {
			var found []candidate
			if found, more, err = x.candidates(ctx, w, r, &at); err != nil {
				yield(nil, fmt.Errorf("indexer: payments: %w", x.d.plain(err)))
				return
			}
			for _, c := range found {
				if err := x.answers(ctx, w, r, c, answer); err != nil {
					yield(nil, err)
					return
				}
				if stop {
					return
				}
			}
		}
	}
}

// answers gives f the payments of a block that may be answers, until f says false.
func (x *Index) answers(ctx context.Context, w *question, r *blockReader, c candidate, f func(file string, p *formats.Payment) bool) error {
	file, there, err := x.openBlock(ctx, r, c)
	var end int
	if there && err == nil {
		end, err = w.narrow(r)
	}
	if there && err == nil { // if it is not there, it was refused meanwhile
		err = r.marked(end, func(p *formats.Payment) bool { return f(file, p) })
	}
	if err != nil {
		return fmt.Errorf("indexer: payments of file %s: %w", file, x.d.plain(err))
	}
	return nil
}

func paymentRow(file string, p *formats.Payment) *PaymentRow {
	return &PaymentRow{
		FileID: file, Index: p.Index, EndToEndID: string(p.EndToEndID), Amount: p.Amount, Currency: string(p.Currency),
		PayerName: string(p.PayerName), PayerAccount: string(p.PayerAccount), PayeeName: string(p.PayeeName),
		PayeeAccount: string(p.PayeeAccount), ExecutionDate: string(p.ExecutionDate), Remittance: string(p.Reference),
	}
}

// candidates gives the next blocks that may hold an answer, moves at behind what it looked at, and tells whether there is
// more. It holds no reader open afterwards: who asks slowly must not keep the log from being emptied.
func (x *Index) candidates(ctx context.Context, w *question, r *blockReader, at *place) (found []candidate, more bool, err error) {
	if w.hunt != nil {
		return x.namedCandidates(ctx, w, r, at)
	}
	return x.filteredCandidates(ctx, w, at)
}

// args are those of the queries for blocks and for steps, with up to four hashes' upper halves, or others in their place.
func (w *question) args(at *place, limit int) []any {
	since, until := int64(math.MinInt64), int64(math.MaxInt64)
	if !w.Since.IsZero() {
		since = w.Since.UnixMicro()
	}
	if !w.Until.IsZero() {
		until = w.Until.UnixMicro()
	}
	return []any{at.received, at.n, since, at.no, w.From, w.To, w.FileID, limit, nil, nil, nil, nil, until,
		w.Format, w.MessageID, string(w.Verdict), w.Finding}
}

// number is a column that is a whole number, without the reflection that database/sql needs for an int64.
type number int64

// Scan implements sql.Scanner.
func (n *number) Scan(v any) error {
	i, ok := v.(int64)
	if !ok {
		return fmt.Errorf("a %T where a number should be", v)
	}
	*n = number(i)
	return nil
}

// blockRow is what a query brings of a block: a question over ten million payments looks at ten thousand, and costs mostly what each
// row brings. So that is only what is asked for.
type blockRow struct {
	n, no, b number
	summary  sql.RawBytes
	buckets  [askable]sql.RawBytes
}

// filteredCandidates holds the next blockPage blocks against their summaries and filters.
func (x *Index) filteredCandidates(ctx context.Context, w *question, at *place) (found []candidate, more bool, err error) {
	var row blockRow
	args, query, columns := w.args(at, blockPage), sqlBlocksSelect, []any{&row.n, &row.no, &row.b}
	if w.bounded() {
		query += `, b.summary`
		columns = append(columns, &row.summary)
	}
	for i, asked := range w.asked {
		if asked {
			args[8+i] = int64(w.hashes[i] >> 32)
			columns = append(columns, &row.buckets[i])
		}
	}
	if w.asked[askID] {
		query += sqlBucketID
	}
	if w.asked[askAccount] {
		query += sqlBucketAccount
	}
	if w.asked[askReference] {
		query += sqlBucketReference
	}
	if w.asked[askAmount] {
		query += sqlBucketAmount
	}
	switch {
	case w.FileID != "":
		query += sqlBlocksOf
	case w.MessageID != "":
		query += sqlBlocksByMessage
	default:
		query += sqlBlocks
	}
	rows, err := x.d.r.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	seen := 0
	for ; rows.Next(); seen++ {
		if err := rows.Scan(columns...); err != nil {
			return nil, false, err
		}
		could := w.mayHold(&row.buckets)
		if could && w.bounded() {
			if could, err = w.mayBeIn(row.summary); err != nil {
				return nil, false, err
			}
		}
		if could {
			found = append(found, candidate(row.b))
		}
	}
	if err := rows.Err(); err != nil || seen < blockPage {
		return found, false, err
	}
	at.n, at.no = int64(row.n), int64(row.no)
	return found, true, x.d.r.QueryRowContext(ctx, `SELECT received_at FROM files WHERE n = ?`, at.n).Scan(&at.received)
}

// openBlock makes a block ready to be read, and says of which file it is; it may be gone.
func (x *Index) openBlock(ctx context.Context, r *blockReader, c candidate) (file string, there bool, err error) {
	rows, err := x.d.r.QueryContext(ctx, `SELECT b.file, coalesce(b.data, d.data) FROM blocks b LEFT JOIN block_data d ON d.b = b.b WHERE b.b = ?`, int64(c))
	if err != nil {
		return "", false, err
	}
	defer rows.Close()
	if !rows.Next() {
		return "", false, rows.Err()
	}
	var data sql.RawBytes
	if err := rows.Scan(&file, &data); err != nil {
		return "", false, err
	}
	return file, true, r.open(data)
}
