package indexer

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math/bits"
	"slices"
)

const (
	// manyNames is how many names a question may find and still go by segments. With more, nearly every block has one.
	manyNames = 8192
	// The segments and small blocks that one query brings: few at first, since most questions have a limit.
	firstSteps, mostSteps = 16, 256
)

// hunt is what a question for a name goes by: the prints of all names that have it, in order.
type hunt struct {
	prints []uint32
	pieces [pieceBits + 1]string // by a segment's shift: the numbers of the pieces that have these prints, as JSON
	newest int64                 // the last file whose names are surely among them
	steps  int                   // so many the next query brings
}

// hunt looks for the names that a question means. It is nil if the question asks for no name, if it asks for a key too, which
// is rarer, or if too many names have the part: then the question goes by the blocks' filters.
func (x *Index) hunt(ctx context.Context, w *question) (*hunt, error) {
	if len(w.name) == 0 || slices.Contains(w.asked[:], true) {
		return nil, nil
	}
	h := new(hunt)
	if err := x.d.r.QueryRowContext(ctx, `SELECT coalesce(max(n), 0) FROM files`).Scan(&h.newest); err != nil {
		return nil, err
	}
	rows, err := x.d.r.QueryContext(ctx, `SELECT data FROM name_texts ORDER BY n`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var data sql.RawBytes
	var plain []byte
	for rows.Next() {
		if err := rows.Scan(&data); err != nil {
			return nil, err
		}
		if plain, err = expand(plain, data); err != nil {
			return nil, err
		}
		if h.prints = appendPrints(h.prints, plain, w.name, x.seed); len(h.prints) > manyNames {
			return nil, nil
		}
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	slices.Sort(h.prints)
	h.prints = slices.Compact(h.prints)
	for shift := range h.pieces {
		if h.pieces[shift], err = h.piecesAt(shift); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// appendPrints appends the prints of a text's names that have part in them.
func appendPrints(prints []uint32, text, part []byte, seed uint64) []uint32 {
	for len(prints) <= manyNames {
		at := bytes.Index(text, part)
		if at < 0 {
			break
		}
		start, end := bytes.LastIndexByte(text[:at], '\n')+1, bytes.IndexByte(text[at:], '\n')
		if end < 0 {
			break
		}
		prints = append(prints, uint32(hashKey(seed, text[start:at+end])>>(64-printBits)))
		text = text[at+end+1:]
	}
	return prints
}

func (h *hunt) piecesAt(shift int) (string, error) {
	numbers := []uint32{}
	for _, p := range h.prints {
		if n := p >> (printBits - pieceBits + shift); len(numbers) == 0 || numbers[len(numbers)-1] != n {
			numbers = append(numbers, n)
		}
	}
	b, err := json.Marshal(numbers)
	return string(b), err
}

// blocks are those of a segment in which this piece has some of the prints, a bit for each.
func (h *hunt) blocks(piece []byte, number, shift int) (blocks uint32) {
	least := uint32(number) << (printBits - pieceBits + shift)
	entry, prints := least<<blockBits, h.prints
	for len(prints) > 0 && prints[0] < least {
		at, _ := slices.BinarySearch(prints, least)
		prints = prints[at:]
	}
	for len(piece) > 0 && len(prints) > 0 {
		delta, n := binary.Uvarint(piece)
		if n <= 0 {
			break
		}
		piece = piece[n:]
		entry += uint32(delta)
		for len(prints) > 0 && prints[0] < entry>>blockBits {
			prints = prints[1:]
		}
		if len(prints) > 0 && prints[0] == entry>>blockBits {
			blocks |= 1 << (entry & (1<<blockBits - 1))
		}
	}
	return blocks
}

// step is a segment, or a block of a file without segments.
type step struct {
	file         string
	segment      sql.NullInt64
	first, shift int64 // of the segment
	b            int64 // the block
}

// The queries for steps differ in what they go by, like those for blocks. ?9 is the last file whose names were looked at.
const (
	sqlStepsSelect = `SELECT f.n, f.received_at, f.id, coalesce(s.first, b.no, 0), s.s, coalesce(s.shift, 0), coalesce(b.b, 0), b.summary, b.data
	FROM files f `
	sqlStepsJoin = ` LEFT JOIN segments s ON s.file = f.id LEFT JOIN blocks b ON b.file = CASE WHEN s.s IS NULL THEN f.id END`
	sqlStepsGoOn = `AND f.n <= ?9 AND (f.received_at, f.n) <= (?1, ?2) AND NOT (f.n = ?2 AND coalesce(s.first, b.no, 0) <= ?4)
	ORDER BY f.received_at DESC, f.n DESC, s.first, b.no LIMIT ?8`

	sqlSteps          = sqlStepsSelect + sqlStepsJoin + sqlTaken + sqlStepsGoOn
	sqlStepsByMessage = sqlStepsSelect + `INDEXED BY files_message` + sqlStepsJoin + sqlTaken + sqlOfMessage + sqlStepsGoOn
	sqlStepsOf        = sqlStepsSelect + sqlStepsJoin + sqlTaken + `AND f.id = ?7 AND f.n <= ?9 AND f.received_at < ?13
	AND coalesce(s.first, b.no, 0) > ?4 ORDER BY s.first, b.no LIMIT ?8`
)

// namedCandidates asks the next segments for the blocks that have the names, and looks into small blocks itself.
func (x *Index) namedCandidates(ctx context.Context, w *question, r *blockReader, at *place) (found []candidate, more bool, err error) {
	w.hunt.steps = min(max(2*w.hunt.steps, firstSteps), mostSteps)
	steps, more, err := x.steps(ctx, w, r, at)
	if err != nil {
		return nil, false, err
	}
	for _, s := range steps {
		if !s.segment.Valid {
			found = append(found, candidate{b: s.b, file: s.file})
			continue
		}
		blocks, err := x.blocksOf(ctx, w.hunt, &s)
		for ; err == nil && blocks != 0; blocks &= blocks - 1 {
			found, err = x.appendBlock(ctx, found, w, s.file, s.first+int64(bits.TrailingZeros32(blocks)))
		}
		if err != nil {
			return nil, false, err
		}
	}
	return found, more, nil
}

// steps gives the next segments, and the next blocks without one that may hold an answer; at moves behind them.
func (x *Index) steps(ctx context.Context, w *question, r *blockReader, at *place) (steps []step, more bool, err error) {
	args := w.args(at, w.hunt.steps)
	args[8] = w.hunt.newest
	query := sqlSteps
	switch {
	case w.FileID != "":
		query = sqlStepsOf
	case w.MessageID != "":
		query = sqlStepsByMessage
	}
	rows, err := x.d.r.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	var id, sums, data sql.RawBytes
	seen := 0
	for ; rows.Next(); seen++ {
		var s step
		if err := rows.Scan(&at.n, &at.received, &id, &at.no, &s.segment, &s.shift, &s.b, &sums, &data); err != nil {
			return nil, false, err
		}
		could := true
		if !s.segment.Valid {
			if could, err = w.small(r, s.b, sums, data); err != nil {
				return nil, false, err
			}
		}
		if could {
			s.file, s.first = string(id), at.no
			steps = append(steps, s)
		}
	}
	return steps, seen == w.hunt.steps, rows.Err()
}

// small tells whether a block without a segment may hold an answer; a small one is in data and is looked into.
func (w *question) small(r *blockReader, b int64, sums, data []byte) (bool, error) {
	if b == 0 {
		return false, nil // damaged: verify tells
	}
	s, err := readSummary(sums)
	if err != nil || !w.mayBeIn(&s, nil) {
		return false, err
	}
	if len(data) == 0 {
		return true, nil
	}
	if err := r.open(data); err != nil {
		return false, err
	}
	end, err := w.narrow(r)
	return end > 0, err
}

// blocksOf are the blocks of a segment that have the names, a bit for each.
func (x *Index) blocksOf(ctx context.Context, h *hunt, s *step) (blocks uint32, err error) {
	rows, err := x.d.r.QueryContext(ctx, sqlPieces, s.segment.Int64<<pieceBits, h.pieces[s.shift])
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	var piece sql.RawBytes
	for rows.Next() {
		var number int
		if err := rows.Scan(&number, &piece); err != nil {
			return 0, err
		}
		blocks |= h.blocks(piece, number, int(s.shift))
	}
	return blocks, rows.Err()
}

const sqlPieces = `SELECT p.p - ?1, p.data FROM segment_pieces p WHERE p.p IN (SELECT ?1 + value FROM json_each(?2))`

// appendBlock appends a block that a segment has given, unless its summary rules it out.
func (x *Index) appendBlock(ctx context.Context, found []candidate, w *question, file string, no int64) ([]candidate, error) {
	c := candidate{file: file}
	var sums []byte
	err := x.d.r.QueryRowContext(ctx, `SELECT b, summary FROM blocks WHERE file = ? AND no = ?`, file, no).Scan(&c.b, &sums)
	if errors.Is(err, sql.ErrNoRows) {
		return found, nil // refused meanwhile
	}
	if err != nil {
		return nil, err
	}
	s, err := readSummary(sums)
	if err == nil && w.mayBeIn(&s, nil) {
		found = append(found, c)
	}
	return found, err
}
