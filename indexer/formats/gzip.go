package formats

import (
	"bytes"
	"hash/crc32"
)

// Gzip (RFC 1952): members, whose contents are one file. A member: 1-2 1F 8B, 3 method 8, 4 flags, 5-10 time and system; then, as the flags
// say, an extra field with its length, a name and a comment that a zero ends, a checksum of the head; the deflated content;
// its CRC-32 and its size. Zeros and blanks may follow the last member.
//
// A file that is cut exactly between two members is whole as far as gzip can tell.

func lookGzip(prefix []byte) answer {
	const head = "\x1f\x8b\x08"
	n := min(len(prefix), len(head))
	switch {
	case n == 0 || string(prefix[:n]) != head[:n]:
		return no
	case n < len(head):
		return more
	}
	return yes
}

// gzipStep is what comes next in a member.
type gzipStep int

const (
	gzipHead gzipStep = iota
	gzipExtraLength
	gzipExtra
	gzipName
	gzipComment
	gzipHeadSum
	gzipData
	gzipTrailer
	gzipBehind // the end, or another member
)

// gzipFile reads one gzip file.
type gzipFile struct {
	*unpacked
	step  gzipStep
	flags byte
	skip  int    // bytes of the extra field to pass over
	sum   uint32 // of the member's head
	tail  bool   // zeros or blanks have come behind a member
}

func openGzip(_ []byte, s *sheet) reader { return &gzipFile{unpacked: newUnpacked("gzip", s)} }

func (g *gzipFile) whole() bool { return g.step == gzipBehind && g.unpacked.whole() }

func (g *gzipFile) write(p []byte) {
	for len(p) > 0 && !g.s.closed {
		switch g.step {
		case gzipData:
			var done bool
			if p, done = g.inflated(p); done {
				g.step = gzipTrailer
			}
		case gzipBehind:
			p = g.behind(p)
		case gzipExtra, gzipName, gzipComment:
			p = g.pass(p)
		default:
			p = g.fixed(p)
		}
	}
}

// fixed takes a part whose length is known.
func (g *gzipFile) fixed(p []byte) []byte {
	want := [...]int{gzipHead: 10, gzipExtraLength: 2, gzipHeadSum: 2, gzipTrailer: 8}[g.step]
	part, rest := g.gather(p, want)
	if part == nil {
		return nil
	}
	switch g.step {
	case gzipHead:
		if lookGzip(part) != yes || part[3]&0xE0 != 0 {
			g.s.malformed("a head in its packing is none of gzip")
		}
		g.begin()
		g.flags, g.sum = part[3], crc32.ChecksumIEEE(part)
		g.step = gzipExtraLength
		g.absent()
	case gzipExtraLength:
		g.sum = crc32.Update(g.sum, crc32.IEEETable, part)
		g.skip, g.step = int(u16(part)), gzipExtra
		if g.skip == 0 {
			g.next()
		}
	case gzipHeadSum:
		if u16(part) != uint64(g.sum&0xFFFF) {
			g.s.malformed("the checksum of a head in its packing is wrong")
		}
		g.next()
	case gzipTrailer:
		if u32(part) != uint64(g.crc) || u32(part[4:]) != g.size&0xFFFFFFFF {
			g.s.malformed("the checksum or the size in its packing is wrong: it was damaged on its way")
		}
		g.step = gzipBehind
	}
	return rest
}

// next goes on to the next part that is there.
func (g *gzipFile) next() {
	g.step++
	g.absent()
}

// absent passes parts that the flags say are not there.
func (g *gzipFile) absent() {
	for g.step < gzipData && g.flags&[...]byte{gzipExtraLength: 4, gzipExtra: 4, gzipName: 8, gzipComment: 16, gzipHeadSum: 2}[g.step] == 0 {
		g.step++
	}
}

// pass passes over the extra field, the name and the comment.
func (g *gzipFile) pass(p []byte) []byte {
	n, ended := 0, false
	if g.step == gzipExtra {
		n = min(len(p), g.skip)
		g.skip -= n
		ended = g.skip == 0
	} else if n = bytes.IndexByte(p, 0) + 1; n > 0 {
		ended = true
	} else {
		n = len(p)
	}
	g.sum = crc32.Update(g.sum, crc32.IEEETable, p[:n])
	g.before += int64(n)
	if ended {
		g.next()
	}
	return p[n:]
}

// behind is behind a member.
func (g *gzipFile) behind(p []byte) []byte {
	if p[0] == 0x1F && !g.tail {
		g.step = gzipHead
		return p
	}
	if g.tail = true; !padding(p) {
		g.s.malformed("something stands behind the end of its packing")
	}
	return nil
}
