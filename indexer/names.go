package indexer

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
)

// A part of a name is found in two steps. All folded names of an account, each of them once, are a text of some
// megabytes, which a question searches from end to end: names that are paid again and again are few beside the payments.
// Of the names found, the segments tell in which blocks they are.
//
// A segment is of up to 32 successive blocks of one file. For each name and each block that has it, the segment holds a
// number of 27 bits: the upper 22 bits of the name's hash (its print), then the block's place in the segment. The numbers
// are sorted, cut by their upper bits into up to 32 pieces, and each is stored as its difference from the one before (in
// a piece's beginning: from the least that may be in it), an unsigned varint. At 32,000 payments these are two bytes each,
// and one segment in 128 gives a block for nothing.
const (
	segmentBlocks = 32
	segmentNames  = 32 << 10  // so many names in blocks end a segment,
	segmentText   = 768 << 10 // or so many bytes of them

	blockBits    = 5
	printBits    = 22
	pieceBits    = 5    // the most
	pieceEntries = 1024 // about so many in a piece

	chunkNames = 4096
	chunkText  = 64 << 10
	chunkSmall = 1024 // a chunk of fewer names, and of less text, is put together with others
	gradeLarge = 9
	mergeAt    = 16 // so many small chunks of one grade become one of the next
)

// sighting is a name in a block.
type sighting struct {
	hash  uint64
	at    uint32 // in the segment's text
	block uint8  // in the segment
	known bool
}

// segment gathers the names of a segment's blocks. Its buffers, at most 1.5 MiB, are used again.
type segment struct {
	seed         uint64
	first        int64 // number of its first block
	blocks       int
	text         []byte // the names, each with an end of line
	seen         []sighting
	some         [1 << 12]uint64   // a bit for the upper 18 bits of each hash in seen, once settled
	starts       [1<<13 + 1]uint32 // where in seen, once settled, the hashes of certain upper 13 bits begin
	pieces       []byte
	ends         [1 << pieceBits]int // of the pieces
	shift        int                 // there are 32 >> shift pieces
	settled      bool
	hashes, list []byte // a chunk's
	small        []byte
}

func (s *segment) reset(first int64) {
	s.first, s.blocks, s.settled = first, 0, false
	s.text, s.seen = s.text[:0], s.seen[:0]
}

// add notes a name in the segment's current block.
func (s *segment) add(name []byte) {
	at := len(s.text)
	s.text = foldName(s.text, name)
	if len(s.text) == at {
		return
	}
	s.seen = append(s.seen, sighting{hash: hashKey(s.seed, s.text[at:]), at: uint32(at), block: uint8(s.blocks)})
	s.text = append(s.text, '\n') // no folded name has one
}

func (s *segment) full() bool {
	return s.blocks == segmentBlocks || len(s.seen) >= segmentNames || len(s.text) >= segmentText
}

// name is the one that begins in the text at at.
func (s *segment) name(at uint32) []byte {
	name := s.text[at:]
	return name[:bytes.IndexByte(name, '\n')]
}

// settle makes the pieces of what was seen, and leaves in seen every name once. It gives the scratch space back.
func (s *segment) settle(scratch []sighting) []sighting {
	scratch = s.sort(scratch)
	k := min(bits.Len(uint(len(s.seen)/pieceEntries)), pieceBits)
	s.shift = pieceBits - k
	s.pieces = s.pieces[:0]
	piece, prev, distinct := -1, uint64(0), 0
	for i := 0; i < len(s.seen); {
		end, blocks := s.run(i)
		print := s.seen[i].hash >> (64 - printBits)
		for at := int(print >> (printBits - k)); piece < at; prev = uint64(piece) << (printBits + blockBits - k) {
			if piece >= 0 {
				s.ends[piece] = len(s.pieces)
			}
			piece++
		}
		for ; blocks != 0; blocks &= blocks - 1 {
			entry := print<<blockBits | uint64(bits.TrailingZeros32(blocks))
			s.pieces = binary.AppendUvarint(s.pieces, entry-prev)
			prev = entry
		}
		for ; i < end; i++ {
			if distinct == 0 || s.seen[distinct-1].hash != s.seen[i].hash {
				s.seen[distinct] = s.seen[i]
				distinct++
			}
		}
	}
	for i := max(piece, 0); i < len(s.ends); i++ {
		s.ends[i] = len(s.pieces)
	}
	s.seen, s.settled = s.seen[:distinct], true
	s.index()
	return scratch
}

// sort orders what was seen by print, the upper 22 bits of the hash, in two rounds of eleven bits: three times faster than
// by comparing.
func (s *segment) sort(scratch []sighting) []sighting {
	from, to := s.seen, slices.Grow(scratch[:0], len(s.seen))[:len(s.seen)]
	for _, shift := range [2]int{64 - printBits, 64 - printBits/2} {
		var at [1<<11 + 1]uint32
		for i := range from {
			at[from[i].hash>>shift&(1<<11-1)+1]++
		}
		for i := 1; i < len(at); i++ {
			at[i] += at[i-1]
		}
		for i := range from {
			next := &at[from[i].hash>>shift&(1<<11-1)]
			to[*next] = from[i]
			*next++
		}
		from, to = to, from
	}
	return to // after two rounds everything is where it was
}

// run is where the sightings of one print end, and a bit for each block that has them. Those of one name are brought
// together.
func (s *segment) run(i int) (end int, blocks uint32) {
	hash, mixed := s.seen[i].hash, false
	for end = i; end < len(s.seen) && s.seen[end].hash>>(64-printBits) == hash>>(64-printBits); end++ {
		blocks |= 1 << s.seen[end].block
		mixed = mixed || s.seen[end].hash != hash
	}
	if mixed {
		slices.SortFunc(s.seen[i:end], func(a, b sighting) int { return cmp.Compare(a.hash, b.hash) })
	}
	return end, blocks
}

// index makes know fast.
func (s *segment) index() {
	clear(s.starts[:])
	clear(s.some[:])
	for i := range s.seen {
		h := s.seen[i].hash
		s.starts[h>>51+1]++
		s.some[h>>52] |= 1 << (h >> 46 & 63)
	}
	for i := 1; i < len(s.starts); i++ {
		s.starts[i] += s.starts[i-1]
	}
}

// know marks the names whose hashes a stored chunk has.
func (s *segment) know(hashes []byte) {
	eachHash(hashes, func(h uint64) {
		if s.some[h>>52]&(1<<(h>>46&63)) == 0 {
			return
		}
		for i, end := s.starts[h>>51], s.starts[h>>51+1]; i < end; i++ {
			if s.seen[i].hash == h {
				s.seen[i].known = true
			}
		}
	})
}

// eachHash calls f with the hashes of a stored chunk.
func eachHash(hashes []byte, f func(uint64)) {
	for ; len(hashes) >= 8; hashes = hashes[8:] {
		f(binary.LittleEndian.Uint64(hashes))
	}
}

// piece is one of the settled segment's.
func (s *segment) piece(i int) []byte {
	from := 0
	if i > 0 {
		from = s.ends[i-1]
	}
	return s.pieces[from:s.ends[i]]
}

// settle ends the segment and looks which of its names the account has already. Outside of any transaction: what is found
// is not going to go.
func (p *Payments) settle() error {
	s, x := &p.b.names, p.x
	scratch, _ := x.scratch.Get().(*[]sighting)
	if scratch == nil {
		scratch = new([]sighting)
	}
	*scratch = s.settle(*scratch)
	x.scratch.Put(scratch)
	k, _ := x.known.Get().(*knownNames)
	if k == nil {
		k = new(knownNames)
	}
	defer x.known.Put(k)
	for i := range s.seen {
		s.seen[i].known = k.has(s.seen[i].hash)
	}
	if err := p.recall(k); err != nil {
		return fmt.Errorf("indexer: names of file %s: %w", p.file, x.d.plain(err))
	}
	s.seen = slices.DeleteFunc(s.seen, func(n sighting) bool { return n.known })
	return nil
}

// insertNames writes the settled segment, in the transaction under way, and begins the next.
func (p *Payments) insertNames(ctx context.Context) error {
	s, w := &p.b.names, p.x.d.w
	r, err := w.ExecContext(ctx, `INSERT INTO segments (file, first, shift) VALUES (?, ?, ?)`, p.file, s.first, s.shift)
	if err != nil {
		return err
	}
	id, err := r.LastInsertId()
	if err != nil {
		return err
	}
	for i := range 1 << pieceBits >> s.shift {
		if piece := s.piece(i); len(piece) > 0 {
			if _, err := w.ExecContext(ctx, `INSERT INTO segment_pieces (p, data) VALUES (?, ?)`, id<<pieceBits+int64(i), piece); err != nil {
				return err
			}
		}
	}
	if err := p.insertChunks(ctx); err != nil {
		return err
	}
	p.named = true
	s.reset(s.first + int64(s.blocks))
	return nil
}

// insertChunks writes the segment's names that the account has not yet.
func (p *Payments) insertChunks(ctx context.Context) error {
	s := &p.b.names
	s.hashes, s.list = s.hashes[:0], s.list[:0]
	for i := range s.seen {
		s.hashes = binary.LittleEndian.AppendUint64(s.hashes, s.seen[i].hash)
		s.list = append(append(s.list, s.name(s.seen[i].at)...), '\n')
		if i+1 < len(s.seen) && len(s.hashes) < 8*chunkNames && len(s.list) < chunkText {
			continue
		}
		s.small = compress(s.small, s.list)
		if err := p.x.insertChunk(ctx, p.file, s.first, gradeOf(0, s.hashes, s.list), s.hashes, s.small); err != nil {
			return err
		}
		s.hashes, s.list = s.hashes[:0], s.list[:0]
	}
	if len(s.seen) == 0 {
		return nil
	}
	return p.x.mergeNames(ctx)
}

// gradeOf is the grade of a chunk that would have this one if it is small.
func gradeOf(small int, hashes, text []byte) int {
	if len(hashes) >= 8*chunkSmall || len(text) >= chunkText {
		return gradeLarge
	}
	return min(small, gradeLarge)
}

// insertChunk writes one chunk: the hashes of some names, and their text as compress has made it.
func (x *Index) insertChunk(ctx context.Context, file string, first int64, grade int, hashes, text []byte) error {
	r, err := x.d.w.ExecContext(ctx, `INSERT INTO names (file, first, grade) VALUES (?, ?, ?)`, file, first, grade)
	if err != nil {
		return err
	}
	n, err := r.LastInsertId()
	if err != nil {
		return err
	}
	if _, err := x.d.w.ExecContext(ctx, `INSERT INTO name_hashes (n, data) VALUES (?, ?)`, n, hashes); err != nil {
		return err
	}
	_, err = x.d.w.ExecContext(ctx, `INSERT INTO name_texts (n, data) VALUES (?, ?)`, n, text)
	return err
}

// sqlSmallNames finds small chunks of one grade that stay for ever.
const sqlSmallNames = `SELECT n.n FROM names n INDEXED BY names_small
	WHERE n.grade < 9 AND n.grade = ? AND (n.file = '' OR EXISTS (SELECT 1 FROM files f WHERE f.id = n.file AND f.verdict = 'accepted'))
	ORDER BY n.n LIMIT ?`

// mergeNames puts small chunks of accepted files together: an account with many files that bring a few names each would
// have a chunk of each to search.
func (x *Index) mergeNames(ctx context.Context) error {
	for grade := range gradeLarge {
		small, err := x.smallNames(ctx, grade)
		if err != nil || len(small) < mergeAt {
			return err
		}
		var hashes, text, plain []byte
		for _, n := range small {
			var h, t []byte
			err := x.d.w.QueryRowContext(ctx, `SELECT h.data, t.data FROM name_hashes h CROSS JOIN name_texts t ON t.n = h.n WHERE h.n = ?`, n).Scan(&h, &t)
			if err != nil {
				return err
			}
			if plain, err = expand(plain, t); err != nil {
				return err
			}
			hashes, text = append(hashes, h...), append(text, plain...)
			for _, query := range []string{`DELETE FROM names WHERE n = ?`, `DELETE FROM name_hashes WHERE n = ?`, `DELETE FROM name_texts WHERE n = ?`} {
				if _, err := x.d.w.ExecContext(ctx, query, n); err != nil {
					return err
				}
			}
		}
		if err := x.insertChunk(ctx, "", 0, gradeOf(grade+1, hashes, text), hashes, compress(nil, text)); err != nil {
			return err
		}
	}
	return nil
}

// smallNames are up to mergeAt small chunks of one grade.
func (x *Index) smallNames(ctx context.Context, grade int) (small []int64, err error) {
	rows, err := x.d.w.QueryContext(ctx, sqlSmallNames, grade, mergeAt)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			return nil, err
		}
		small = append(small, n)
	}
	return small, rows.Err()
}
