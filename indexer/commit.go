package indexer

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mattn/go-sqlite3"
)

// MaxCopy is the largest sealed copy, in bytes, that the index keeps itself; larger ones are files.
const MaxCopy = 64 << 10

// Earlier names files taken (accepted or held) before, "" where there is none: one with the same content, one with the
// same business key. The oldest within the window.
type Earlier struct {
	Content  string
	Business string
	// InDoubt: that one was refused, and whether the refusal came to its end shows when the account's database is unlocked.
	ContentInDoubt  bool
	BusinessInDoubt bool
}

// Delivery is all that is committed about one file.
type Delivery struct {
	File     *File
	Copy     []byte        // sealed copy of at most MaxCopy bytes, or nil
	Payments *Payments     // or nil
	Window   time.Duration // how far back duplicates are looked for; 0: not at all
	// Receipts are the remotes that a receipt of it goes to, under the name Receipt.
	Receipts []string
	Receipt  string
	// Judge is called inside the transaction and may change File (all but its facts) and Copy. It sees every file
	// committed before, those of the same moment too. It may run on another committer's goroutine: it must be quick,
	// and must not call the index. nil: as it is.
	Judge func(Earlier)
}

const (
	// A file is in the window by its time; or it may be by its place, if it came while the clock was far behind, as that of a machine may be when it
	// boots: it stands behind the first that is in the window; or behind the last one before it, whose time is later by more than a day (in a moment
	// many are committed in another order than they came); or its time is before 2020, which no clock tells that is right.
	sqlByTime  = ` AND received_at >= ?2 ORDER BY received_at LIMIT 1)`
	sqlByPlace = ` AND (n > (SELECT n FROM files WHERE received_at BETWEEN ?2 AND ?3 ORDER BY received_at, n LIMIT 1)
		OR n > (SELECT n FROM files WHERE received_at < ?2 ORDER BY received_at DESC, n DESC LIMIT 1)
			AND received_at < (SELECT max(received_at) FROM files WHERE received_at < ?2) - 86400000000
		OR received_at < 1577836800000000) ORDER BY received_at LIMIT 1)`

	sqlOfContent       = `SELECT * FROM (SELECT id FROM files WHERE sha256 = ?1 AND taken = 1`
	sqlOfBusiness      = `SELECT * FROM (SELECT id FROM files WHERE business = ?1 AND taken = 1`
	sqlEarlierContent  = sqlOfContent + sqlByTime + ` UNION ALL ` + sqlOfContent + sqlByPlace + ` LIMIT 1`
	sqlEarlierBusiness = sqlOfBusiness + sqlByTime + ` UNION ALL ` + sqlOfBusiness + sqlByPlace + ` LIMIT 1`

	sqlAddFile = `INSERT INTO files (id, reversed, account, name, door, user, received_at, size, sha256, business, format,
		message_id, payments, first_execution, last_execution, verdict, codes, reasons, sentence, fate, certificate,
		duplicate_of, copy_size, copy_path, witness, blocks, blocks_sha256, facts)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
)

// Commit writes a file: its row, sealed copy, payments and ledger row, in one transaction that is on the disk when
// Commit returns nil; then File.Ledger is set. When it fails nothing of the file was taken (Judge may have changed File
// nevertheless), and the caller discards its Payments. ErrExists: there is a file of this id. An end of ctx keeps it from
// beginning, and never breaks it off.
//
// Die before it returns, and the file is there whole or not at all; blocks of payments without a file are invisible and
// go with the next Sweep.
func (x *Index) Commit(ctx context.Context, d *Delivery) error {
	f := d.File
	if len(d.Copy) > MaxCopy {
		return fmt.Errorf("indexer: file %s: a copy of %d bytes does not belong into the database", f.ID, len(d.Copy))
	}
	row := new(fileRow)
	if err := row.putFacts(f); err != nil {
		return fmt.Errorf("indexer: file %s: %w", f.ID, err)
	}
	if p := d.Payments; p != nil {
		if err := p.finish(f.ID); err != nil {
			return fmt.Errorf("indexer: file %s: %w", f.ID, err)
		}
	}
	asked, sealed := *f, d.Copy
	err := x.joinAny(ctx, func(ctx context.Context, c *chain) error {
		*f, d.Copy = asked, sealed // Judge may have changed them: join may come twice
		return x.commit(ctx, c, d, row)
	})
	if err != nil {
		return fmt.Errorf("indexer: file %s: %w", f.ID, err)
	}
	if d.Payments != nil {
		d.Payments.committed(f.Verdict != Rejected)
	}
	return nil
}

func (x *Index) commit(ctx context.Context, c *chain, d *Delivery, row *fileRow) error {
	f := d.File
	if err := x.judge(ctx, d, row); err != nil {
		return err
	}
	if f.Verdict == Rejected {
		f.Fate = NoFate
	}
	if f.Fate != Sealed {
		d.Copy, f.Certificate, f.CopySize, f.CopyPath, f.Witness = nil, "", 0, "", nil
	}
	if len(d.Copy) > 0 {
		f.CopySize, f.CopyPath = int64(len(d.Copy)), ""
	}
	p := d.Payments
	if row.blocks, row.blocksSum = 0, nil; p != nil && f.Verdict != Rejected {
		row.blocks, row.blocksSum = p.sums()
	}
	if err := row.putOutcome(f); err != nil {
		return err
	}
	sum := row.digest()
	r := &record{
		kind: recordFile, row: *row, copy: d.Copy, receipt: d.Receipt, receipts: d.Receipts,
		ledger: c.next(row.verdict, row.id, who(f), strings.Join(strings.Fields(row.codes), ","), sum[:]),
	}
	if err := x.store(ctx, r, p); err != nil {
		return err
	}
	f.Ledger = c.row()
	return nil
}

// store writes a delivery to where the account's writes go: into the index, or sealed into the log before it.
func (x *Index) store(ctx context.Context, r *record, p *Payments) error {
	if x.sealedLog == nil {
		return x.put(ctx, r, func() error { return p.last(ctx, r.row.verdict == string(Accepted)) })
	}
	if r.row.blocks > 0 {
		p.fold(r)
	}
	if err := x.sealedLog.take(ctx, r); err != nil || x.d.locked.Load() {
		return err
	}
	return x.put(ctx, r, func() error { return x.unfold(ctx, r) })
}

// put writes a delivery into the index, in the transaction under way; payments writes what is left of its payments.
func (x *Index) put(ctx context.Context, rec *record, payments func() error) error {
	row, w := &rec.row, x.d.w
	r, err := w.ExecContext(ctx, sqlAddFile, row.id, backwards(row.id), row.account, row.name, row.door, row.user, row.receivedAt,
		row.size, row.sha256, row.business, row.format, row.messageID, row.payments, row.first, row.last, row.verdict,
		row.codes, row.reasons, row.sentence, row.fate, row.certificate, row.duplicateOf, row.copySize, row.copyPath,
		row.witness, row.blocks, row.blocksSum, row.facts)
	if err != nil {
		return exists(err)
	}
	if row.n, err = r.LastInsertId(); err != nil {
		return err
	}
	if row.findingsJSON {
		if _, err := w.ExecContext(ctx, `INSERT INTO findings (n, data) VALUES (?, ?)`, row.n, row.findings); err != nil {
			return err
		}
	}
	if len(rec.copy) > 0 {
		if _, err := w.ExecContext(ctx, `INSERT INTO copies (n, data) VALUES (?, ?)`, row.n, rec.copy); err != nil {
			return err
		}
	}
	if row.blocks > 0 {
		if err := payments(); err != nil {
			return err
		}
	}
	if err := x.putLedger(ctx, &rec.ledger); err != nil {
		return err
	}
	return x.queue(ctx, row.id, rec.receipt, rec.receipts)
}

// judge looks for earlier files and lets the caller decide.
func (x *Index) judge(ctx context.Context, d *Delivery, row *fileRow) error {
	if d.Judge == nil {
		return nil
	}
	var e Earlier
	if d.Window > 0 {
		since := row.receivedAt - d.Window.Microseconds()
		if x.sealedLog != nil {
			var err error
			if e, err = x.sealedLog.earlier(ctx, row, since, x.d.locked.Load()); err != nil {
				return err
			}
			d.Judge(e)
			return nil
		}
		look := func(query string, sum []byte, id *string) error {
			if sum == nil {
				return nil
			}
			err := x.d.w.QueryRowContext(ctx, query, sum, since, row.receivedAt).Scan(id)
			if errors.Is(err, sql.ErrNoRows) {
				return nil
			}
			return err
		}
		if err := look(sqlEarlierContent, row.sha256, &e.Content); err != nil {
			return err
		}
		if err := look(sqlEarlierBusiness, row.business, &e.Business); err != nil {
			return err
		}
	}
	d.Judge(e)
	return nil
}

func who(f *File) string {
	if f.User == "" {
		return f.Door
	}
	return f.User
}

func exists(err error) error {
	var e sqlite3.Error
	if errors.As(err, &e) && (e.ExtendedCode == sqlite3.ErrConstraintUnique || e.ExtendedCode == sqlite3.ErrConstraintPrimaryKey) {
		return ErrExists
	}
	return err
}

// rowOf reads a file's row, findings and all, inside the writer's transaction.
func (x *Index) rowOf(ctx context.Context, id string) (*fileRow, error) {
	row := new(fileRow)
	err := row.scan(x.d.w.QueryRowContext(ctx, `SELECT `+fileColumns+`, coalesce(d.data, ''), (SELECT hash FROM ledger ORDER BY seq DESC LIMIT 1)
		FROM files f LEFT JOIN findings d ON d.n = f.n WHERE f.id = ?`, id).Scan, &row.findings, &row.ledgerHash)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrNotFound
	}
	return row, err
}

// Ruling is a decision about a held file: accepted, with the fate sealed or deleted, or rejected. Why and Who go into the
// ledger; a receipt of the name Receipt goes to the remotes of Receipts.
type Ruling struct {
	Verdict  Verdict
	Fate     Fate
	Why, Who string
	Receipts []string
	Receipt  string
}

// Decide ends a held file's waiting, with its ledger row and receipts in the same transaction. Its copy in the index goes when it is rejected or its fate is deleted, its payments
// when it is rejected; a copy that is a file is the caller's to remove, after Decide. ErrNotFound, ErrState.
func (x *Index) Decide(ctx context.Context, id string, r Ruling) (*File, error) {
	if r.Verdict != Accepted && r.Verdict != Rejected {
		return nil, fmt.Errorf("indexer: file %s: cannot be decided to be %q", id, r.Verdict)
	}
	var f *File
	var drop bool
	err := x.join(ctx, func(ctx context.Context, c *chain) error {
		row, err := x.rowOf(ctx, id)
		if err != nil {
			return err
		}
		if row.verdict != string(Held) {
			return ErrState
		}
		kind := kindReleased
		if row.verdict, row.fate = string(r.Verdict), string(r.Fate); r.Verdict == Rejected {
			kind, row.fate = kindRefused, string(NoFate)
			drop = row.blocks > 0
		}
		if err := x.decided(ctx, row); err != nil {
			return err
		}
		if f, err = x.seal(ctx, c, row, kind, r.Who, r.Why); err != nil {
			return err
		}
		return x.queue(ctx, f.ID, r.Receipt, r.Receipts)
	})
	if err != nil {
		return nil, fmt.Errorf("indexer: file %s: %w", id, err)
	}
	if r.Verdict == Rejected && x.sealedLog != nil {
		if err := x.alone(func() error { return x.sealedLog.forget(id) }); err != nil {
			x.log.Warn("a refused file still counts when a duplicate comes, until the next unlocking", "file", id, "err", err)
		}
	}
	if drop {
		if err := x.drop(id); err != nil {
			x.log.Warn("payments of a refused file stay until the next start", "file", id, "err", err)
		}
	}
	return f, nil
}

// decided writes a decided file's row, without what it keeps no longer: the copy, and the payments, which are invisible from here on. Die
// before those are gone, and Sweep removes them.
func (x *Index) decided(ctx context.Context, row *fileRow) error {
	if row.fate != string(Sealed) {
		row.certificate, row.copySize, row.copyPath, row.witness = "", 0, "", nil
		if _, err := x.d.w.ExecContext(ctx, `DELETE FROM copies WHERE n = ?`, row.n); err != nil {
			return err
		}
	}
	rejected := row.verdict == string(Rejected)
	if rejected && row.blocks > 0 {
		row.blocks, row.blocksSum = 0, nil
		if _, err := x.d.w.ExecContext(ctx, `INSERT OR IGNORE INTO uploads (file) VALUES (?)`, row.id); err != nil {
			return err
		}
	}
	_, err := x.d.w.ExecContext(ctx, `UPDATE files SET verdict = ?, fate = ?, certificate = ?, copy_size = ?, copy_path = ?,
		witness = ?, blocks = ?, blocks_sha256 = ? WHERE n = ?`, row.verdict, row.fate, row.certificate, row.copySize,
		row.copyPath, row.witness, row.blocks, row.blocksSum, row.n)
	if err != nil || rejected {
		return err
	}
	return x.keepNames(ctx, row.id)
}

// seal enters a changed row into the ledger.
func (x *Index) seal(ctx context.Context, c *chain, row *fileRow, kind, who, detail string) (*File, error) {
	sum := row.digest()
	if err := x.enter(ctx, c, kind, row.id, who, detail, sum[:]); err != nil {
		return nil, err
	}
	row.ledgerSeq, row.ledgerHash = c.seq, c.hash[:]
	if x.sealedLog != nil {
		if err := x.sealedLog.revise(ctx, row); err != nil {
			return nil, err
		}
	}
	return row.file()
}

// Rename records that a client gave the file another name. The content stays what it is. ErrNotFound.
func (x *Index) Rename(ctx context.Context, id, name, who string) error {
	err := x.joinAny(ctx, func(ctx context.Context, c *chain) error {
		if x.d.locked.Load() {
			return x.sealedLog.rename(ctx, c, id, name, who)
		}
		c.needsIndex = true
		row, err := x.rowOf(ctx, id)
		if err != nil {
			return err
		}
		row.name = name
		if _, err := x.d.w.ExecContext(ctx, `UPDATE files SET name = ? WHERE n = ?`, name, row.n); err != nil {
			return err
		}
		_, err = x.seal(ctx, c, row, kindRenamed, who, name)
		return err
	})
	if err != nil {
		return fmt.Errorf("indexer: file %s: %w", id, err)
	}
	return nil
}
