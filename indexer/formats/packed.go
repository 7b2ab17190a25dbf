package formats

import (
	"encoding/binary"
	"hash/crc32"
)

// What gzip (gzip.go) and zip (zip.go) share: a file with exactly one file in it is unpacked as it comes, and what it holds is
// read as if it had come by itself. It is looked into once: what is packed twice is in no format that is known. Names in
// it are neither kept nor told.
//
// The true end of a packed file is that of its own form, and what it holds must have come to its own end, too.

// The bounds of what a packed file may hold.
const (
	freeSize = 10 << 20 // whatever it is packed to
	maxRatio = 200      // and beyond that, so many bytes for each that is packed
)

// unpacked is what comes out of a packed file.
type unpacked struct {
	s       *sheet
	inner   content
	inflate *inflater
	buf     []byte // of a fixed part, gathered
	crc     uint32 // of the file in it, or of a gzip's member
	size    uint64 // likewise
	made    int64  // all that came out
	before  int64  // packed bytes before the stream under way
}

func newUnpacked(kind string, s *sheet) *unpacked {
	u := &unpacked{s: s, inner: content{sheet: s, packed: true}}
	u.inflate = newInflater(u.out, u.over)
	s.facts.Packed = kind
	return u
}

// out takes what is unpacked.
func (u *unpacked) out(b []byte) {
	u.crc = crc32.Update(u.crc, crc32.IEEETable, b)
	u.size += uint64(len(b))
	u.made += int64(len(b))
	u.inner.write(b)
}

// over tells whether it has unpacked to too much.
func (u *unpacked) over() bool {
	return u.made-freeSize > maxRatio*(u.before+u.inflate.consumed())
}

// begin is before a file in it, or a member.
func (u *unpacked) begin() {
	u.crc, u.size = 0, 0
	u.inflate.again()
}

// inflated feeds the inflater, and tells what is behind its stream once that has ended.
func (u *unpacked) inflated(p []byte) (rest []byte, done bool) {
	rest = u.inflate.push(p)
	if u.inflate.fault != "" {
		u.s.malformed("%s", u.inflate.sentence())
	}
	if u.inflate.done {
		u.before += u.inflate.used
	}
	return rest, u.inflate.done
}

// gather collects want bytes: the part is nil until they are all there.
func (u *unpacked) gather(p []byte, want int) (part, rest []byte) {
	n := min(len(p), want-len(u.buf))
	u.buf = append(u.buf, p[:n]...)
	u.before += int64(n)
	if len(u.buf) < want {
		return nil, nil
	}
	part = u.buf
	u.buf = u.buf[:0]
	return part, p[n:]
}

// whole tells whether what is in it could end here.
func (u *unpacked) whole() bool {
	if u.inner.reader != nil {
		return u.inner.reader.whole()
	}
	return u.inner.blank() || !u.inner.couldBecome()
}

// end ends what is in it.
func (u *unpacked) end() {
	switch {
	case u.s.closed:
	case u.inner.reader != nil:
		u.inner.reader.end()
	case u.inner.blank():
		u.s.closed = true
		u.s.problems = append(u.s.problems, Problem{Empty, "what is packed in it is empty"})
	default:
		u.s.giveUp()
	}
}

// padding tells whether b, behind the end of a packed file, is nothing that means anything.
func padding(b []byte) bool {
	for _, c := range b {
		if c > ' ' && c != 0x1A {
			return false
		}
	}
	return true
}

func u16(b []byte) uint64 { return uint64(binary.LittleEndian.Uint16(b)) }
func u32(b []byte) uint64 { return uint64(binary.LittleEndian.Uint32(b)) }
func u64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }
