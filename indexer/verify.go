package indexer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/sealgate/sealgate/indexer/formats"
)

// Verify checks everything that the index can prove by itself, and reports each thing that is wrong:
//
//	"ledger"       the hash chain, up to the first row that does not follow (the head in customers' receipts proves more)
//	"file ID"      the file's row is not the one that the ledger has a digest of, or its copy is gone
//	"payments ID"  its payments are not those that were committed, or do not make up its count and totals
//	"names"        the list of names, by which payments are found, is damaged
//	"names ID"     a name of the file's payments is not in that list, or not in the file's segments
//	"database"     SQLite's own check, and pages that do not open
//	"log"          of a protected account: the same, and whether it ends where the ledger does
//
// Of a locked index only the log is checked, and the error is ErrLocked.
// The sealed copies' contents are the caller's to check (Copies). The error is about not being able to check.
func (x *Index) Verify(ctx context.Context, report func(what, problem string)) error {
	release, err := x.keepUp(ctx)
	if err != nil {
		return fmt.Errorf("indexer: verify: %w", err)
	}
	defer release()
	for _, step := range []func(context.Context, func(string, string)) error{x.verifyLog, x.verifyDatabase, x.verifyChain, x.verifyLost, x.verifyFiles} {
		err := x.d.plain(step(ctx, report))
		if errors.Is(err, ErrDamaged) {
			report("database", err.Error())
		} else if err != nil {
			return fmt.Errorf("indexer: verify: %w", err)
		}
	}
	return nil
}

func (x *Index) verifyDatabase(ctx context.Context, report func(what, problem string)) error {
	return x.texts(ctx, func(s string) {
		if s != "ok" {
			report("database", s)
		}
	}, `PRAGMA integrity_check`)
}

func (x *Index) verifyChain(ctx context.Context, report func(what, problem string)) error {
	var walk LedgerWalk
	for {
		rows, err := x.ledgerPage(ctx, walk.seq+1)
		if err != nil {
			return err
		}
		for i := range rows {
			if wrong := walk.follow(&rows[i], true); wrong != "" {
				report("ledger", wrong)
				return nil
			}
		}
		if len(rows) < ledgerPage {
			return nil
		}
	}
}

// verifyLost looks for files that the ledger knows and the index does not.
func (x *Index) verifyLost(ctx context.Context, report func(what, problem string)) error {
	return x.texts(ctx, func(id string) { report("file "+id, "the ledger knows it, the index has lost it") },
		`SELECT DISTINCT file FROM ledger l WHERE file <> '' AND record IS NOT NULL AND NOT EXISTS (SELECT 1 FROM files WHERE id = l.file)`)
}

func (x *Index) texts(ctx context.Context, f func(string), query string) error {
	rows, err := x.d.r.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return err
		}
		f(s)
	}
	return rows.Err()
}

const sqlVerifyFiles = `SELECT ` + fileColumns + `, coalesce(d.data, ''), (SELECT length(data) FROM copies WHERE n = f.n),
	(SELECT record FROM ledger WHERE file = f.id AND file <> '' AND record IS NOT NULL ORDER BY seq DESC LIMIT 1)
	FROM files f LEFT JOIN findings d ON d.n = f.n WHERE f.n > ? ORDER BY f.n LIMIT ?`

const sqlVerifyBlock = `SELECT coalesce(b.data, d.data) FROM blocks b LEFT JOIN block_data d ON d.b = b.b WHERE b.file = ? AND b.no = ?`

func (x *Index) verifyFiles(ctx context.Context, report func(what, problem string)) error {
	names, err := x.checkNames(ctx, report)
	if err != nil {
		return err
	}
	defer clear(names.key[:])
	for after := int64(0); ; {
		rows, err := x.verifyPage(ctx, after, report)
		if err != nil {
			return err
		}
		for i := range rows {
			if after = rows[i].n; rows[i].blocks > 0 {
				if err := x.verifyPayments(ctx, &rows[i], names, report); err != nil {
					return err
				}
			}
		}
		if len(rows) < page {
			return nil
		}
	}
}

// verifyPage holds a page of files against the ledger.
func (x *Index) verifyPage(ctx context.Context, after int64, report func(what, problem string)) ([]fileRow, error) {
	rows, err := x.d.r.QueryContext(ctx, sqlVerifyFiles, after, page)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var files []fileRow
	for rows.Next() {
		var r fileRow
		var record []byte
		var held sql.NullInt64
		if err := r.scan(rows.Scan, &r.findings, &held, &record); err != nil {
			return nil, err
		}
		sum := r.digest()
		switch {
		case record == nil:
			report("file "+r.id, "it is in the index, and not in the ledger")
		case !bytes.Equal(record, sum[:]):
			report("file "+r.id, fmt.Sprintf("its row is not the one of ledger row %d", r.ledgerSeq))
		}
		inside := r.fate == string(Sealed) && r.copyPath == "" && r.copySize > 0
		switch {
		case inside && !held.Valid:
			report("file "+r.id, "its sealed copy is gone")
		case inside && held.Int64 != r.copySize:
			report("file "+r.id, fmt.Sprintf("its sealed copy has %d bytes, not %d", held.Int64, r.copySize))
		case !inside && held.Valid:
			report("file "+r.id, "it has a sealed copy that should not be there")
		}
		files = append(files, r)
	}
	return files, rows.Err()
}

// verifyPayments reads all blocks of a file and holds them against its row, and their names against the list.
func (x *Index) verifyPayments(ctx context.Context, row *fileRow, names *nameCheck, report func(what, problem string)) error {
	f, err := row.file()
	if err != nil {
		report("file "+row.id, err.Error())
		return nil
	}
	what := "payments " + row.id
	if err := names.begin(ctx, row); err != nil {
		return err
	}
	defer func() { names.end(row, report) }()
	all, count := sha256.New(), int64(0)
	sums := paymentSums{map[string]formats.Amount{}, map[string]formats.Amount{}}
	var r blockReader
	for no := range row.blocks {
		var data []byte
		err := x.d.r.QueryRowContext(ctx, sqlVerifyBlock, row.id, no).Scan(&data)
		if errors.Is(err, sql.ErrNoRows) {
			report(what, fmt.Sprintf("block %d of %d is gone", no+1, row.blocks))
			return nil
		}
		if err != nil {
			return err
		}
		if data == nil {
			report(what, fmt.Sprintf("block %d of %d has lost its payments", no+1, row.blocks))
			return nil
		}
		all.Write(data)
		if err := names.at(ctx, no); err != nil {
			return err
		}
		var bad error
		err = r.each(data, func(p *formats.Payment) bool {
			count++
			names.see(p)
			bad = sums.add(p)
			return bad == nil
		})
		if err = errors.Join(err, bad); err != nil {
			report(what, fmt.Sprintf("block %d of %d: %v", no+1, row.blocks, err))
			return nil
		}
	}
	if !bytes.Equal(all.Sum(nil), row.blocksSum) {
		report(what, "they are not those that were committed (SHA-256 "+hex.EncodeToString(row.blocksSum)+")")
	}
	if count != row.payments {
		report(what, fmt.Sprintf("there are %d, the file has %d", count, row.payments))
	}
	for _, wrong := range sums.against(&f.Facts) {
		report(what, wrong)
	}
	return nil
}

// paymentSums are what a file's payments make up, by currency: those of one direction, and those of the other.
type paymentSums struct{ in, out map[string]formats.Amount }

func (s paymentSums) add(p *formats.Payment) (err error) {
	into := s.in
	if p.Amount.Sign() < 0 {
		into = s.out
	}
	sum, err := into[string(p.Currency)].Add(p.Amount)
	if err == nil && len(p.Currency) > 0 { // payments without a currency are only counted
		into[string(p.Currency)] = sum
	}
	return err
}

// against says in which ways the facts' totals are others. Facts with debits have both directions apart; without, what is
// negative was subtracted (an LB file's deductions), or is not there.
func (s paymentSums) against(facts *formats.Facts) (wrong []string) {
	if len(facts.Debits) > 0 {
		wrong = differences(s.out, facts.Debits, "drawn ")
		return append(wrong, differences(s.in, facts.Totals, "")...)
	}
	for currency, out := range s.out {
		sum, err := s.in[currency].Add(out)
		if err != nil {
			return []string{err.Error()}
		}
		s.in[currency] = sum
	}
	return differences(s.in, facts.Totals, "")
}

// differences holds sums, negative where they are of what was drawn, against totals.
func differences(sums map[string]formats.Amount, totals []formats.Total, direction string) (wrong []string) {
	for _, t := range totals {
		sum := sums[t.Currency]
		if direction != "" {
			sum = sum.Neg()
		}
		if sum.Cmp(t.Amount) != 0 {
			wrong = append(wrong, fmt.Sprintf("they make up %s%s %s, the file %s", direction, sum, t.Currency, t.Amount))
		}
		delete(sums, t.Currency)
	}
	for currency, sum := range sums {
		if !sum.IsZero() {
			wrong = append(wrong, fmt.Sprintf("they make up %s %s, of which the file has no total", sum, currency))
		}
	}
	return wrong
}

// verifyLog checks a protected account's log, and while the index is open that both end in the same row of the ledger.
func (x *Index) verifyLog(ctx context.Context, report func(what, problem string)) error {
	if x.sealedLog == nil {
		return nil
	}
	d := x.sealedLog.d
	var word string
	if err := d.r.QueryRowContext(ctx, `PRAGMA integrity_check`).Scan(&word); err != nil || word != "ok" {
		report("log", errors.Join(d.plain(err), errors.New(word)).Error())
		return nil
	}
	err := x.alone(func() error { // no commit is between the two
		if x.d.locked.Load() {
			return ErrLocked
		}
		return x.meet(ctx)
	})
	if errors.Is(err, ErrApart) {
		report("log", err.Error())
		return nil
	}
	return err
}
