package formats

import "math"

// Zip (PKWARE, APPNOTE.TXT 6.3.10, sections 4.3 to 4.5) as it comes, from its beginning. Offsets are those behind a part's
// signature:
//
//	PK 3 4  head of a file   2 flags, 4 method, 10 CRC-32, 14 packed size, 18 size, 22 name's length, 24 extra field's length
//	        content, and, by flag 3, CRC-32 and both sizes behind it (perhaps as PK 7 8; of 4 bytes, or of 8)
//	PK 1 2  directory entry  4 flags, 6 method, 12 CRC-32, 16 and 20 sizes, 24, 26, 28 lengths of name, extra field and comment, 38 offset
//	PK 6 6  zip64 end        0 its length, 20 entries, 28 entries of all disks, 36 directory's size, 44 its offset;  PK 6 7 its locator
//	PK 5 6  end              4 entries, 6 of all disks, 8 directory's size, 12 its offset, 16 comment's length
//
// Sizes and offsets of all ones stand in the extra field 1, of 8 bytes each. One file, deflated or stored, not encrypted, is
// looked into; what its head, its end and the directory say of it must agree with what comes. The true end is that of PK 5 6.

func lookZip(prefix []byte) answer {
	n := min(len(prefix), 4)
	head := string(prefix[:n])
	switch {
	case n == 0 || head != zipLocal[:n] && head != zipEnd[:n]:
		return no
	case n < 4:
		return more
	}
	return yes
}

const (
	zipLocal     = "PK\x03\x04"
	zipDirectory = "PK\x01\x02"
	zipEnd64     = "PK\x06\x06"
	zipLocator   = "PK\x06\x07"
	zipEnd       = "PK\x05\x06"
	zipAfter     = "PK\x07\x08"
)

// zipStep is what comes next.
type zipStep int

const (
	zipSignature zipStep = iota
	zipPart              // that which the signature tells
	zipExtra             // its extra field
	zipData
	zipSum     // behind the content
	zipSumOnly // behind a signature there
	zipSizes
	zipSizes64
	zipBehind // the end
)

// zipFile reads one zip.
type zipFile struct {
	*unpacked
	step      zipStep
	signature string
	files     int    // heads that have come
	listed    bool   // the directory's entry has
	at        int64  // where the directory begins
	size64    int64  // of the directory
	end64     int64  // where the zip64 end begins; 0 where there is none
	skip      uint64 // bytes to pass over before the step

	stored bool
	later  bool   // sums and sizes stand behind the content
	left   uint64 // of a stored content
	from   int64  // where the content begins
	packed uint64 // size of what is packed, as it came
	says   zipSays
	extra  int // length of the extra field
	after  int // of what is passed over behind it
	tail   [12]byte
}

// zipSays is what a head or the directory says of the file.
type zipSays struct {
	crc, packed, size, offset uint64
}

func openZip(_ []byte, s *sheet) reader { return &zipFile{unpacked: newUnpacked("zip", s)} }

func (z *zipFile) whole() bool { return z.step == zipBehind && z.skip == 0 && z.unpacked.whole() }

func (z *zipFile) write(p []byte) {
	for len(p) > 0 && !z.s.closed {
		switch {
		case z.skip > 0:
			n := min(uint64(len(p)), z.skip)
			z.skip -= n
			z.before += int64(n)
			p = p[n:]
		case z.step == zipData:
			p = z.content(p)
		case z.step == zipBehind:
			if !padding(p) {
				z.s.malformed("something stands behind the end of its packing")
			}
			p = nil
		default:
			p = z.fixed(p)
		}
		for z.skip == 0 && !z.s.closed && z.empty() { // what has no bytes does not wait for any
		}
	}
}

// empty goes past a step of no bytes.
func (z *zipFile) empty() bool {
	switch {
	case z.step == zipExtra && z.extra == 0:
		z.described(nil)
	case z.step == zipData && z.stored && z.left == 0:
		z.ended()
	default:
		return false
	}
	return true
}

// fixed takes a part whose length is known.
func (z *zipFile) fixed(p []byte) []byte {
	want := 4
	switch z.step {
	case zipPart:
		want = map[string]int{zipLocal: 26, zipDirectory: 42, zipEnd64: 52, zipLocator: 16, zipEnd: 18}[z.signature]
	case zipExtra:
		want = z.extra
	case zipSizes:
		want = 12
	}
	part, rest := z.gather(p, want)
	if part == nil {
		return nil
	}
	switch z.step {
	case zipSignature:
		z.begins(string(part))
	case zipPart:
		z.part(part)
	case zipExtra:
		z.described(part)
	case zipSum:
		if string(part) == zipAfter {
			z.step = zipSumOnly
			break
		}
		fallthrough
	case zipSumOnly:
		z.says.crc, z.step = u32(part), zipSizes
	case zipSizes:
		z.says.packed, z.says.size = u32(part), u32(part[4:])
		if z.says.packed == z.packed && z.says.size == z.size && string(part[8:10]) == "PK" {
			z.step = zipSignature
			z.agrees()
			z.begins(string(part[8:]))
			break
		}
		copy(z.tail[:], part)
		z.step = zipSizes64
	case zipSizes64:
		z.says.packed, z.says.size = u64(z.tail[:]), u32(z.tail[8:])|u32(part)<<32
		z.step = zipSignature
		z.agrees()
	}
	return rest
}

// begins takes a signature.
func (z *zipFile) begins(signature string) {
	z.signature, z.step = signature, zipPart
	ok := false
	switch signature {
	case zipLocal:
		if z.files++; z.files > 1 && !z.listed {
			z.s.unrecognised("it is a zip of several files; only a zip of one is looked into")
			return
		}
		ok = z.files == 1
	case zipDirectory:
		ok = z.files == 1 && !z.listed
		z.listed, z.at = true, z.before-4
	case zipEnd64:
		ok = z.listed && z.end64 == 0
		z.end64, z.size64 = z.before-4, z.before-4-z.at
	case zipLocator:
		ok = z.end64 > 0
	case zipEnd:
		if z.files == 0 {
			z.s.unrecognised("it is a zip of no file")
			return
		}
		ok = z.listed
		if z.end64 == 0 {
			z.size64 = z.before - 4 - z.at
		}
	}
	if !ok {
		z.s.malformed("a part of its packing is none of zip, or is out of place")
	}
}

// part takes what the signature has told.
func (z *zipFile) part(b []byte) {
	switch z.signature {
	case zipLocal:
		z.local(b)
	case zipDirectory:
		z.says = zipSays{u32(b[12:]), u32(b[16:]), u32(b[20:]), u32(b[38:])}
		z.skip, z.extra, z.after = u16(b[24:]), int(u16(b[26:])), int(u16(b[28:]))
		z.step = zipExtra
	case zipEnd64:
		if u64(b) < 44 || u64(b) > 1<<20 || u64(b[20:]) != 1 || u64(b[28:]) != 1 || u64(b[36:]) != uint64(z.size64) || u64(b[44:]) != uint64(z.at) {
			z.wrong()
			return
		}
		z.skip, z.step = u64(b)-44, zipSignature
	case zipLocator:
		if z.step = zipSignature; u64(b[4:]) != uint64(z.end64) {
			z.wrong()
		}
	case zipEnd:
		is := func(says, is, unsaid uint64) bool { return says == is || says == unsaid && z.end64 > 0 }
		if !is(u16(b[4:]), 1, math.MaxUint16) || !is(u16(b[6:]), 1, math.MaxUint16) ||
			!is(u32(b[8:]), uint64(z.size64), math.MaxUint32) || !is(u32(b[12:]), uint64(z.at), math.MaxUint32) {
			z.wrong()
			return
		}
		z.skip, z.step = u16(b[16:]), zipBehind
	}
}

func (z *zipFile) wrong() {
	z.s.malformed("the sizes or the checksum in its packing are wrong: it was damaged on its way")
}

// local takes the head of the file.
func (z *zipFile) local(b []byte) {
	flags, method := u16(b[2:]), u16(b[4:])
	z.later, z.stored = flags&8 != 0, method == 0
	z.says = zipSays{crc: u32(b[10:]), packed: u32(b[14:]), size: u32(b[18:])}
	switch {
	case flags&0x2041 != 0:
		z.s.unrecognised("it is a zip that is encrypted; it cannot be looked into")
	case method != 0 && method != 8:
		z.s.unrecognised("it is a zip that is packed in a way not known here")
	case z.stored && z.later && z.says.packed == 0:
		z.s.unrecognised("it is a zip that does not say how long its file is")
	}
	z.skip, z.extra, z.after, z.step = u16(b[22:]), int(u16(b[24:])), 0, zipExtra
}

// described is behind the head of the file, or its entry in the directory: the extra field has the sizes that had no room.
func (z *zipFile) described(extra []byte) {
	says := &z.says
	for len(extra) >= 4 {
		id, n := u16(extra), int(u16(extra[2:]))
		if extra = extra[4:]; n > len(extra) {
			break
		}
		if field := extra[:n]; id == 1 {
			for _, to := range []*uint64{&says.size, &says.packed, &says.offset} {
				if *to == math.MaxUint32 && len(field) >= 8 {
					*to, field = u64(field), field[8:]
				}
			}
		}
		extra = extra[n:]
	}
	if z.signature == zipDirectory {
		z.skip, z.step = uint64(z.after), zipSignature
		if z.agrees(); z.says.offset != 0 {
			z.wrong()
		}
		return
	}
	z.begin()
	z.step, z.left, z.from = zipData, says.packed, z.before
}

// content takes the file.
func (z *zipFile) content(p []byte) []byte {
	if z.stored {
		n := min(uint64(len(p)), z.left)
		z.left -= n
		z.before += int64(n)
		z.out(p[:n])
		return p[n:] // empty sees to its end
	}
	rest, done := z.inflated(p)
	if done {
		z.ended()
	}
	return rest
}

// ended is behind the content.
func (z *zipFile) ended() {
	z.packed = uint64(z.before - z.from)
	if z.later {
		z.step = zipSum
		return
	}
	z.step = zipSignature
	z.agrees()
}

// agrees holds what is said of the file against what has come.
func (z *zipFile) agrees() {
	if z.says.crc != uint64(z.crc) || z.says.packed != z.packed || z.says.size != z.size {
		z.wrong()
	}
}
