package indexer

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"math"
	"path"
	"strings"
	"time"
)

const (
	endingMin = 4
	endingMax = 26 // a whole ULID
	matchMax  = 20
)

const sqlFind = `SELECT ` + fileColumns + `, coalesce(d.data, ''), coalesce((SELECT hash FROM ledger WHERE seq =
	(SELECT max(seq) FROM ledger WHERE file = f.id AND file <> '' AND record IS NOT NULL)), x'')
	FROM files f LEFT JOIN findings d ON d.n = f.n WHERE f.reversed >= ? AND f.reversed < ? ORDER BY f.reversed LIMIT ?`

// Find gives the files whose id ends in ending (at least four characters, or the whole ULID), in any case; I, L and O are
// read as the digits 1, 1 and 0. No file is no error; of several, at most 20 are given, the newest first.
func (x *Index) Find(ctx context.Context, ending string) ([]*File, error) {
	from, err := fromEnding(ending)
	if err != nil {
		return nil, err
	}
	rows, err := x.d.r.QueryContext(ctx, sqlFind, from, from+"~", matchMax)
	if err != nil {
		return nil, fmt.Errorf("indexer: find: %w", x.d.plain(err))
	}
	defer rows.Close()
	var files []*File
	for rows.Next() {
		var r fileRow
		if err := r.scan(rows.Scan, &r.findings, &r.ledgerHash); err != nil {
			return nil, fmt.Errorf("indexer: find: %w", x.d.plain(err))
		}
		f, err := r.file()
		if err != nil {
			return nil, fmt.Errorf("indexer: %w", err)
		}
		at := len(files)
		for at > 0 && files[at-1].ReceivedAt.Before(f.ReceivedAt) {
			at--
		}
		files = append(files[:at], append([]*File{f}, files[at:]...)...)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("indexer: find: %w", x.d.plain(err))
	}
	return files, nil
}

// fromEnding gives what the reversed ids of an ending, as somebody types it, begin with.
func fromEnding(ending string) (string, error) {
	ending = strings.NewReplacer("I", "1", "L", "1", "O", "0").Replace(strings.ToUpper(strings.TrimSpace(ending)))
	if len(ending) < endingMin || len(ending) > endingMax || strings.Trim(ending, "0123456789ABCDEFGHJKMNPQRSTVWXYZ") != "" {
		return "", ErrShortEnding
	}
	return backwards(ending), nil
}

// FileFilter chooses files; a zero field chooses all.
type FileFilter struct {
	Since     time.Time // received at or after
	Until     time.Time // received before
	Verdict   Verdict
	Format    string
	Reason    string // one of its reasons' codes
	SHA256    string // whole, or a beginning, hex
	Name      string // a pattern if it has * or ?, else a part of the name; compared by bareName
	Door      string
	MessageID string
	Answers   string // message id of the file that it answers
	Finding   string // code of one of its findings
	Limit     int    // at most so many; 0: all
}

// page is how many files are read at once, so that no slow reader of a list holds the log for long.
const page = 200

// The queries differ in the index that they go by: the time of reception, or what is rarer. All give the newest first
// and go on below (received_at, n).
const (
	sqlFilesWhere = ` (f.received_at, f.n) < (?1, ?2) AND f.received_at >= ?3
		AND (?4 = '' OR f.verdict = ?4) AND (?5 = '' OR f.format = ?5) AND (?6 = '' OR f.door = ?6)
		AND (?7 = '' OR f.message_id = ?7) AND (?8 = '' OR instr(f.codes, ' ' || ?8 || ' ') > 0)
		AND (?10 = '' OR f.answers = ?10) AND (?11 = '' OR instr(f.found, ' ' || ?11 || ' ') > 0)
		ORDER BY f.received_at DESC, f.n DESC LIMIT ?9`
	sqlFilesSelect = `SELECT ` + fileColumns + `, coalesce((SELECT hash FROM ledger WHERE seq =
		(SELECT max(seq) FROM ledger WHERE file = f.id AND file <> '' AND record IS NOT NULL)), x'') FROM files f `

	sqlFilesByTime    = sqlFilesSelect + `WHERE` + sqlFilesWhere
	sqlFilesHeld      = sqlFilesSelect + `INDEXED BY files_held WHERE f.verdict = 'held' AND` + sqlFilesWhere
	sqlFilesTroubled  = sqlFilesSelect + `INDEXED BY files_troubled WHERE f.codes <> '' AND` + sqlFilesWhere
	sqlFilesByMessage = sqlFilesSelect + `INDEXED BY files_message WHERE f.message_id <> '' AND f.message_id = ?7 AND` + sqlFilesWhere
	sqlFilesByAnswer  = sqlFilesSelect + `INDEXED BY files_answers WHERE f.answers IS NOT NULL AND f.answers = ?10 AND` + sqlFilesWhere
	sqlFilesFound     = sqlFilesSelect + `INDEXED BY files_found WHERE f.found IS NOT NULL AND` + sqlFilesWhere
	sqlFilesByContent = sqlFilesSelect + `INDEXED BY files_sha256 WHERE f.sha256 BETWEEN ?12 AND ?13 AND` + sqlFilesWhere
)

// query is the query and its arguments but for the place to go on from.
func (q *FileFilter) query() (string, []any, error) {
	args := []any{int64(math.MaxInt64), int64(math.MaxInt64), int64(math.MinInt64), string(q.Verdict), q.Format, q.Door, q.MessageID, q.Reason, page,
		q.Answers, q.Finding}
	if !q.Until.IsZero() {
		args[0], args[1] = q.Until.UnixMicro(), int64(math.MinInt64)
	}
	if !q.Since.IsZero() {
		args[2] = q.Since.UnixMicro()
	}
	switch {
	case q.SHA256 != "":
		least, err1 := hex.DecodeString((q.SHA256 + strings.Repeat("0", 64))[:64])
		most, err2 := hex.DecodeString((q.SHA256 + strings.Repeat("f", 64))[:64])
		if err1 != nil || err2 != nil || len(q.SHA256) > 64 {
			return "", nil, fmt.Errorf("indexer: %q is not the beginning of a SHA-256", q.SHA256)
		}
		return sqlFilesByContent, append(args, least, most), nil
	case q.MessageID != "":
		return sqlFilesByMessage, args, nil
	case q.Answers != "":
		return sqlFilesByAnswer, args, nil
	case q.Verdict == Held:
		return sqlFilesHeld, args, nil
	case q.Reason != "":
		return sqlFilesTroubled, args, nil
	case q.Finding != "":
		return sqlFilesFound, args, nil
	}
	return sqlFilesByTime, args, nil
}

// nameMatcher tells whether a file's name is asked for. Names are compared as payers' are: who types one does not see whether
// it came with "ö" as one character or, as a Mac sends it, as two.
func nameMatcher(pattern string) func(string) bool {
	bare := func(name string) string { return string(bareName(foldName(nil, []byte(name)))) }
	pattern = bare(pattern)
	if !strings.ContainsAny(pattern, "*?") {
		return func(name string) bool { return strings.Contains(bare(name), pattern) }
	}
	pattern = strings.NewReplacer(`\`, `\\`, `[`, `\[`).Replace(pattern) // "a[1].xml" is a name
	return func(name string) bool {
		ok, _ := path.Match(pattern, bare(name)) // its only error is a wrong pattern's, which this is not
		return ok
	}
}

// Files gives the files that the filter chooses, the newest first, without their findings.
func (x *Index) Files(ctx context.Context, q FileFilter) iter.Seq2[*File, error] {
	return func(yield func(*File, error) bool) {
		query, args, err := q.query()
		if err != nil {
			yield(nil, err)
			return
		}
		wanted := nameMatcher(q.Name)
		for given := 0; ; {
			rows, err := x.filePage(ctx, query, args)
			if err != nil {
				yield(nil, fmt.Errorf("indexer: files: %w", x.d.plain(err)))
				return
			}
			for i := range rows {
				if !wanted(rows[i].name) {
					continue
				}
				f, err := rows[i].file()
				if err != nil {
					err = fmt.Errorf("indexer: %w", err)
				}
				if !yield(f, err) || err != nil {
					return
				}
				if given++; given == q.Limit {
					return
				}
			}
			if len(rows) < page {
				return
			}
			last := &rows[len(rows)-1]
			args[0], args[1] = last.receivedAt, last.n
		}
	}
}

func (x *Index) filePage(ctx context.Context, query string, args []any) ([]fileRow, error) {
	rows, err := x.d.r.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	files := make([]fileRow, 0, 16)
	for rows.Next() {
		files = append(files, fileRow{})
		r := &files[len(files)-1]
		if err := r.scan(rows.Scan, &r.ledgerHash); err != nil {
			return nil, err
		}
	}
	return files, rows.Err()
}

// CopyOf gives the sealed copy that the index keeps of a file; ErrNotFound when it keeps none.
func (x *Index) CopyOf(ctx context.Context, id string) ([]byte, error) {
	var b []byte
	err := x.d.r.QueryRowContext(ctx, `SELECT c.data FROM files f JOIN copies c ON c.n = f.n WHERE f.id = ?`, id).Scan(&b)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("indexer: copy of file %s: %w", id, x.d.plain(err))
	}
	return b, nil
}

// SealedCopy is a sealed copy that there should be.
type SealedCopy struct {
	ID          string
	Path        string // relative to the account's folder; "" if the index keeps it (CopyOf)
	Size        int64
	Witness     []byte
	Certificate string // fingerprint
	Name        string // of the file
	FileSize    int64  // bytes of its content
	ReceivedAt  time.Time
}

const sqlCopies = `SELECT n, id, copy_path, copy_size, witness, certificate, name, size, received_at FROM files WHERE n > ? AND fate = 'sealed' ORDER BY n LIMIT ?`

// Copies gives every sealed copy that there should be, the oldest first.
func (x *Index) Copies(ctx context.Context) iter.Seq2[SealedCopy, error] {
	return func(yield func(SealedCopy, error) bool) {
		for after := int64(0); ; {
			copies, last, err := x.copyPage(ctx, after)
			if err != nil {
				yield(SealedCopy{}, fmt.Errorf("indexer: copies: %w", x.d.plain(err)))
				return
			}
			for _, c := range copies {
				if !yield(c, nil) {
					return
				}
			}
			if len(copies) < page {
				return
			}
			after = last
		}
	}
}

func (x *Index) copyPage(ctx context.Context, after int64) (copies []SealedCopy, last int64, err error) {
	rows, err := x.d.r.QueryContext(ctx, sqlCopies, after, page)
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var c SealedCopy
		var received int64
		if err := rows.Scan(&last, &c.ID, &c.Path, &c.Size, &c.Witness, &c.Certificate, &c.Name, &c.FileSize, &received); err != nil {
			return nil, 0, err
		}
		c.ReceivedAt = fromMicros(received)
		copies = append(copies, c)
	}
	return copies, last, rows.Err()
}
