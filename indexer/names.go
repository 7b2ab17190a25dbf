package indexer

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"hash/crc32"
	"math/bits"
	"slices"
)

// A part of a name is found in two steps. All folded names of an account, each of them once, are a text of some
// megabytes, which a question searches from end to end: names that are paid again and again are few beside the payments.
// Of the names found, the segments tell in which blocks they are.
// Where that list is kept: namelist.go.
//
// A segment is of up to 32 successive blocks of one file. For each name and each block that has it, the segment holds a
// number of 27 bits: the upper 22 bits of the name's hash (its print), then the block's place in the segment. The numbers
// are sorted, cut by their upper bits into up to 32 pieces, and each is stored as its difference from the one before (in
// a piece's beginning: from the least that may be in it), an unsigned varint. At 32,000 payments these are two bytes each,
// and one segment in 128 gives a block for nothing. A piece ends with its CRC-32C.
const (
	segmentBlocks = 32
	segmentNames  = 32 << 10  // so many names in blocks end a segment,
	segmentText   = 768 << 10 // or so many bytes of them

	blockBits    = 5
	printBits    = 22
	pieceBits    = 5    // the most
	pieceEntries = 1024 // about so many in a piece

)

// NamesMemory is what the names of an upload of many payments may hold, in bytes, until it is committed or discarded.
const NamesMemory = 3 << 20

// sighting is a name in a block.
type sighting struct {
	hash  uint64
	at    uint32 // in the segment's text
	block uint8  // in the segment
	known bool
}

// segment gathers the names of a segment's blocks. Its buffers, at most NamesMemory, are used again.
type segment struct {
	key          nameKey
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
	unknown      int    // of seen, once settled
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
	s.seen = append(s.seen, sighting{hash: hashName(&s.key, s.text[at:]), at: uint32(at), block: uint8(s.blocks)})
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
	piece, prev, distinct := 0, uint64(0), 0
	for i := 0; i < len(s.seen); {
		end, blocks := s.run(i)
		print := s.seen[i].hash >> (64 - printBits)
		for at := int(print >> (printBits - k)); piece < at; prev = uint64(piece) << (printBits + blockBits - k) {
			s.endPiece(piece)
			piece++
		}
		for ; blocks != 0; blocks &= blocks - 1 {
			entry := print<<blockBits | uint64(bits.TrailingZeros32(blocks))
			s.pieces = binary.AppendUvarint(s.pieces, entry-prev)
			prev = entry
		}
		for ; i < end; i++ {
			if distinct == 0 || !s.same(distinct-1, i) {
				s.seen[distinct] = s.seen[i]
				distinct++
			}
		}
	}
	for ; piece < 1<<k; piece++ {
		s.endPiece(piece)
	}
	s.seen, s.settled, s.unknown = s.seen[:distinct], true, distinct
	s.index()
	return scratch
}

// endPiece ends a piece with its checksum.
func (s *segment) endPiece(i int) {
	from := 0
	if i > 0 {
		from = s.ends[i-1]
	}
	s.pieces = binary.LittleEndian.AppendUint32(s.pieces, checksum(s.pieces[from:]))
	s.ends[i] = len(s.pieces)
}

// checksum is the CRC-32C of a piece, or of a chunk's text.
func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// same tells whether two sightings are of one name. Their texts are compared, since hashes may be the same by chance.
func (s *segment) same(i, j int) bool {
	return s.seen[i].hash == s.seen[j].hash && bytes.Equal(s.name(s.seen[i].at), s.name(s.seen[j].at))
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
			if s.seen[i].hash == h && !s.seen[i].known {
				s.seen[i].known = true
				s.unknown--
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
