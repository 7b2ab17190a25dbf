package indexer

import (
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"math"
	"strings"
	"time"
)

// What may be known of a protected account while it is locked: its log tells.

// Waiting is what waits in a locked account's log to be merged.
type Waiting struct {
	Deliveries int
	Bytes      int64     // of records and pieces, as they lie there
	Since      time.Time // when the oldest came; zero if nothing waits
}

// Waiting tells how much waits.
func (x *Index) Waiting(ctx context.Context) (w Waiting, err error) {
	if x.sealedLog == nil || !x.d.locked.Load() {
		return w, nil
	}
	var since sql.NullInt64
	err = x.sealedLog.d.r.QueryRowContext(ctx, `SELECT count(nullif(file, '')), coalesce(sum(length(data)), 0) + (SELECT coalesce(sum(length(data)), 0) FROM pieces), min(at)
		FROM records`).Scan(&w.Deliveries, &w.Bytes, &since)
	if err != nil {
		return w, fmt.Errorf("indexer: log: %w", x.sealedLog.d.plain(err))
	}
	if since.Valid {
		w.Since = fromMicros(since.Int64)
	}
	return w, nil
}

// Brief lists what may be known of a protected account's deliveries while it is locked, the newest first: ID, time, door, size,
// verdict, the reasons' codes, fate, duplicate and ledger row, of a fetched one the SHA-256, and nothing else. Of the filter it knows Since, Until,
// Door, Verdict and Limit.
func (x *Index) Brief(ctx context.Context, q FileFilter) ([]*File, error) {
	limit := q.Limit
	if limit == 0 {
		limit = -1
	}
	since, until := int64(0), int64(math.MaxInt64)
	if !q.Since.IsZero() {
		since = q.Since.UnixMicro()
	}
	if !q.Until.IsZero() {
		until = q.Until.UnixMicro()
	}
	return x.brief(ctx, sqlBrief+`WHERE received_at >= ? AND received_at < ? AND (?3 = '' OR door = ?3) AND (?4 = '' OR verdict = ?4) ORDER BY received_at DESC, n DESC LIMIT ?5`,
		since, until, q.Door, string(q.Verdict), limit)
}

// BriefOf is Brief of the deliveries whose ids end so, typed as Find takes it.
func (x *Index) BriefOf(ctx context.Context, ending string) ([]*File, error) {
	from, err := fromEnding(ending)
	if err != nil {
		return nil, err
	}
	return x.brief(ctx, sqlBrief+`WHERE reversed >= ?1 AND reversed < ?1 || 'a' LIMIT 20`, from)
}

const sqlBrief = `SELECT id, received_at, door, size, verdict, codes, fate, duplicate_of, sha256, seq, hash FROM files `

func (x *Index) brief(ctx context.Context, query string, args ...any) (list []*File, err error) {
	d := x.sealedLog.d
	defer func() {
		if err != nil {
			err = fmt.Errorf("indexer: log: %w", d.plain(err))
		}
	}()
	rows, err := d.r.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var f File
		var at int64
		var codes string
		var hash, sum []byte
		if err := rows.Scan(&f.ID, &at, &f.Door, &f.Size, &f.Verdict, &codes, &f.Fate, &f.DuplicateOf, &sum, &f.Ledger.Seq, &hash); err != nil {
			return nil, err
		}
		f.SHA256 = hex.EncodeToString(sum)
		f.ReceivedAt, f.Ledger.Hash = time.UnixMicro(at).UTC(), hex.EncodeToString(hash)
		for _, code := range strings.Fields(codes) {
			f.Reasons = append(f.Reasons, Reason{Code: code})
		}
		list = append(list, &f)
	}
	return list, rows.Err()
}
