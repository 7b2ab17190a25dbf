package indexer

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
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
	renewals int64 // of segments, when it began
	prints   []uint32
	pieces   [pieceBits + 1]string // by a segment's shift: the numbers of the pieces that have these prints, as JSON
	asked    [pieceBits + 1]int    // how many these are
	newest   int64                 // the last file whose names are surely among them
	steps    int                   // so many the next query brings
	key      nameKey               // zero, once the prints are made
}

// hunt looks for the names that a question means. It is nil if the question asks for no name, if it asks for a key too or
// for one file of few blocks, which is faster, if too many names have the part, or if the list is damaged: then the question
// goes by the blocks' filters.
func (x *Index) hunt(ctx context.Context, w *question) (*hunt, error) {
	if len(w.name) == 0 || slices.Contains(w.asked[:], true) {
		return nil, nil
	}
	h := &hunt{renewals: x.renewals.Load()}
	if h.renewals%2 == 1 {
		return nil, nil
	}
	defer clear(h.key[:])
	if !x.takeKey(&h.key) {
		return nil, nil
	}
	var blocks int64
	err := x.d.r.QueryRowContext(ctx, sqlHunted, w.FileID).Scan(&h.newest, &blocks)
	if err != nil || w.FileID != "" && blocks <= segmentBlocks {
		return nil, err
	}
	err = x.eachNames(ctx, func(names []byte) bool {
		h.prints = appendPrints(h.prints, names, w.name, &h.key)
		return len(h.prints) <= manyNames
	})
	if damaged(err) {
		x.slowly(err)
		return nil, nil
	}
	if err != nil || len(h.prints) > manyNames {
		return nil, err
	}
	slices.Sort(h.prints)
	h.prints = slices.Compact(h.prints)
	for shift := range h.pieces {
		if err := h.piecesAt(shift); err != nil {
			return nil, err
		}
	}
	return h, nil
}

const (
	sqlHunted = `SELECT coalesce((SELECT max(n) FROM files), 0), coalesce((SELECT blocks FROM files WHERE id = ?), 0)`
	// The whole list is read, since any name may have the part.
	sqlListed = `SELECT l.total, n.sum, t.data FROM name_list l LEFT JOIN names n LEFT JOIN name_texts t ON t.n = n.n`
)

// eachNames calls f with the list's chunks of names, each with an end of line, until it says false. The error is about
// damage (damaged) if one cannot be read or is not there.
func (x *Index) eachNames(ctx context.Context, f func(names []byte) bool) error {
	rows, err := x.d.r.QueryContext(ctx, sqlListed)
	if err != nil {
		return x.d.plain(err)
	}
	defer rows.Close()
	var total, all int64
	var data sql.RawBytes
	var names []byte
	listed := false // there is a list, if an empty one
	for ; rows.Next(); listed = true {
		var sum sql.NullInt64
		if err := rows.Scan(&total, &sum, &data); err != nil {
			return x.d.plain(err)
		}
		if !sum.Valid {
			continue // there is no chunk
		}
		if int64(checksum(data)) != sum.Int64 {
			return errBlock
		}
		if names, err = expand(names, data); err != nil {
			return err
		}
		if all += sum.Int64; !f(names) {
			return nil
		}
	}
	if err := rows.Err(); err != nil || total == all && listed {
		return x.d.plain(err)
	}
	return errMissing
}

var errMissing = fmt.Errorf("some of it is missing: %w", errNames)

// slowly tells the operator that questions for names open every block, though they find all.
func (x *Index) slowly(err error) {
	x.log.Warn("names are not found by their list", "do", "sealgate verify --renew-names", "err", err)
}

// appendPrints appends the prints of a text's names that have part in them.
func appendPrints(prints []uint32, text, part []byte, key *nameKey) []uint32 {
	bare := bareName(text) // the same lines; nearly always the same text
	for len(prints) <= manyNames {
		at := bytes.Index(bare, part)
		if at < 0 {
			break
		}
		for range bytes.Count(bare[:at], []byte{'\n'}) {
			text = text[bytes.IndexByte(text, '\n')+1:]
		}
		end, next := bytes.IndexByte(text, '\n'), bytes.IndexByte(bare[at:], '\n')
		if end < 0 || next < 0 {
			break
		}
		prints = append(prints, printOf(hashName(key, text[:end])))
		text, bare = text[end+1:], bare[at+next+1:]
	}
	return prints
}

// printOf is the upper bits of a name's hash, which segments have.
func printOf(hash uint64) uint32 { return uint32(hash >> (64 - printBits)) }

func (h *hunt) piecesAt(shift int) error {
	numbers := []uint32{}
	for _, p := range h.prints {
		if n := p >> (printBits - pieceBits + shift); len(numbers) == 0 || numbers[len(numbers)-1] != n {
			numbers = append(numbers, n)
		}
	}
	b, err := json.Marshal(numbers)
	h.pieces[shift], h.asked[shift] = string(b), len(numbers)
	return err
}

// blocks are those of a segment in which this piece has some of the prints, a bit for each.
func (h *hunt) blocks(piece []byte, number, shift int) (blocks uint32, err error) {
	prints := h.prints
	at, _ := slices.BinarySearch(prints, uint32(number)<<(printBits-pieceBits+shift))
	prints = prints[at:]
	err = eachEntry(piece, number, shift, func(entry uint32) bool {
		for len(prints) > 0 && prints[0] < entry>>blockBits {
			prints = prints[1:]
		}
		if len(prints) > 0 && prints[0] == entry>>blockBits {
			blocks |= 1 << (entry & (1<<blockBits - 1))
		}
		return len(prints) > 0
	})
	return blocks, err
}

// eachEntry calls f with the entries of a stored piece, in order, until it says false.
func eachEntry(piece []byte, number, shift int, f func(entry uint32) bool) error {
	end := len(piece) - 4
	if end < 0 || binary.LittleEndian.Uint32(piece[end:]) != checksum(piece[:end]) {
		return errPiece
	}
	entry := uint32(number) << (printBits - pieceBits + shift + blockBits)
	for piece = piece[:end]; len(piece) > 0; {
		delta, n := binary.Uvarint(piece)
		if n <= 0 {
			return errPiece
		}
		piece = piece[n:]
		if entry += uint32(delta); !f(entry) {
			break
		}
	}
	return nil
}

var errPiece = fmt.Errorf("a part of a file's index of names cannot be read: %w", errNames)

// step is a segment, or a block of a file without segments.
type step struct {
	file         string
	segment      sql.NullInt64
	first, shift int64 // of the segment
	b            int64 // the block
}

// The queries for steps differ in what they go by, like those for blocks. ?9 is the last file whose names were looked at.
const (
	sqlStepsSelect = `SELECT f.n, f.received_at, f.id, coalesce(s.first + s.blocks - 1, b.no, 0), coalesce(s.first, 0), s.s, coalesce(s.shift, 0), coalesce(b.b, 0), b.summary, b.data,
		s.s IS NULL OR s.first + s.blocks = f.blocks OR EXISTS (SELECT 1 FROM segments t WHERE t.file = s.file AND t.first = s.first + s.blocks)
	FROM files f `
	sqlStepsJoin = ` LEFT JOIN segments s ON s.file = f.id LEFT JOIN blocks b ON b.file = CASE WHEN s.s IS NULL THEN f.id END`
	sqlStepsGoOn = `AND f.n <= ?9 AND (f.received_at, f.n) <= (?1, ?2) AND NOT (f.n = ?2 AND coalesce(s.first, b.no, 0) <= ?4)
	ORDER BY f.received_at DESC, f.n DESC, s.first, b.no LIMIT ?8`

	sqlSteps          = sqlStepsSelect + sqlStepsJoin + sqlTaken + sqlStepsGoOn
	sqlStepsByMessage = sqlStepsSelect + `INDEXED BY files_message` + sqlStepsJoin + sqlTaken + sqlOfMessage + sqlStepsGoOn
	sqlStepsOf        = sqlStepsSelect + sqlStepsJoin + sqlTaken + `AND f.id = ?7 AND f.n <= ?9 AND f.received_at < ?13
	AND coalesce(s.first, b.no, 0) > ?4 ORDER BY s.first, b.no LIMIT ?8`
)

// namedCandidates asks the next segments for the blocks that have the names, and looks into small blocks itself. Where the
// segments are damaged, or were made anew meanwhile, the question goes on by the blocks' filters.
func (x *Index) namedCandidates(ctx context.Context, w *question, r *blockReader, at *place) (found []candidate, more bool, err error) {
	before := *at
	found, more, err = x.bySegments(ctx, w, r, at)
	switch err = x.d.plain(err); {
	case err != nil && !damaged(err):
		return nil, false, err
	case x.renewals.Load() != w.hunt.renewals: // which is no damage
	case err == nil:
		return found, more, nil
	default:
		x.slowly(err)
	}
	w.hunt, *at = nil, before
	return x.filteredCandidates(ctx, w, at)
}

func (x *Index) bySegments(ctx context.Context, w *question, r *blockReader, at *place) (found []candidate, more bool, err error) {
	w.hunt.steps = min(max(2*w.hunt.steps, firstSteps), mostSteps)
	steps, more, err := x.steps(ctx, w, r, at)
	if err != nil {
		return nil, false, err
	}
	for _, s := range steps {
		if !s.segment.Valid {
			found = append(found, candidate(s.b))
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

// steps gives the next segments, and the next blocks without one that may hold an answer; at moves behind them. A file that
// has segments has them from its first block to its last, each behind the other.
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
		var followed bool
		file := at.n
		if err := rows.Scan(&at.n, &at.received, &id, &at.no, &s.first, &s.segment, &s.shift, &s.b, &sums, &data, &followed); err != nil {
			return nil, false, err
		}
		could := true
		switch {
		case !s.segment.Valid:
			if could, err = w.small(r, s.b, sums, data); err != nil {
				return nil, false, err
			}
		case !followed || s.first > 0 && at.n != file:
			return nil, false, errPiece
		}
		if could {
			s.file = string(id)
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
	if could, err := w.mayBeIn(sums); err != nil || !could {
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
	read := 0
	for ; rows.Next(); read++ {
		var number int
		if err := rows.Scan(&number, &piece); err != nil {
			return 0, err
		}
		some, err := h.blocks(piece, number, int(s.shift))
		if err != nil {
			return 0, err
		}
		blocks |= some
	}
	if err := rows.Err(); err != nil || read == h.asked[s.shift] {
		return blocks, err
	}
	return 0, x.missingPieces(ctx, s)
}

// missingPieces is errPiece, unless the segment has gone whole meanwhile: refused, or made anew.
func (x *Index) missingPieces(ctx context.Context, s *step) error {
	var n int
	err := x.d.r.QueryRowContext(ctx, `SELECT count(*) FROM segments WHERE s = ?`, s.segment.Int64).Scan(&n)
	if err == nil && n > 0 {
		return errPiece
	}
	return err
}

const sqlPieces = `SELECT p.p - ?1, p.data FROM segment_pieces p WHERE p.p IN (SELECT ?1 + value FROM json_each(?2))`

// appendBlock appends a block that a segment has given, unless its summary rules it out.
func (x *Index) appendBlock(ctx context.Context, found []candidate, w *question, file string, no int64) ([]candidate, error) {
	var c candidate
	var sums []byte
	err := x.d.r.QueryRowContext(ctx, `SELECT b, summary FROM blocks WHERE file = ? AND no = ?`, file, no).Scan(&c, &sums)
	if errors.Is(err, sql.ErrNoRows) {
		return found, nil // refused meanwhile
	}
	if err != nil {
		return nil, err
	}
	could, err := w.mayBeIn(sums)
	if could {
		found = append(found, c)
	}
	return found, err
}
