package formats

import "encoding/binary"

// inflater undoes deflate (RFC 1951; the section is named where its rule is). It is fed: each push goes as far as its bytes
// reach and waits, in a few fields, for the next. The standard library's reads instead, and cannot go on after it was out of
// bytes once; to feed it takes a goroutine, which would stay for ever where an upload is dropped without a Close.
type inflater struct {
	out  func([]byte) // gets what is inflated, in order
	over func() bool  // asked now and then, always at the same places: is it too much?

	fault string // what is wrong with the stream
	done  bool   // its last block has ended

	bits uint64 // that are not used yet, the next one lowest
	n    uint   // how many
	used int64  // bytes that have gone into bits or past them

	step  inflateStep
	last  bool // the block under way is the last
	left  int  // of a stored block's bytes
	nlit  int
	ndist int
	ncode int
	have  int // code lengths that have come
	lens  [286 + 30]uint8

	lit, dist      *prefixCode // of the block under way
	own            [3]prefixCode
	fixedL, fixedD *prefixCode // made when they are first needed
	window         []byte
	w, sent        int // where the next byte goes, and up to where all has gone out
}

// inflateStep is what the next bits are.
type inflateStep int

const (
	inflateHead inflateStep = iota
	inflateStored
	inflateCopy
	inflateCounts
	inflateLengths // of the code for code lengths
	inflateCodes   // code lengths, in that code
	inflateBody
)

// history is how far back a match may reach; the window has room for as much again.
const (
	history    = 32 << 10
	longest    = 258 // match
	windowSize = 2 * history
)

const tooMuch = "it unpacks to far too much"

// sentence is what is wrong with the stream, for a sender.
func (d *inflater) sentence() string {
	if d.fault == tooMuch {
		return d.fault
	}
	return "what it holds cannot be unpacked: " + d.fault
}

func newInflater(out func([]byte), over func() bool) *inflater {
	return &inflater{out: out, over: over, window: make([]byte, windowSize)}
}

// again begins another stream; made says nothing of it yet.
func (d *inflater) again() {
	d.fault, d.done, d.last = "", false, false
	d.bits, d.n, d.used, d.step = 0, 0, 0, inflateHead
	d.w, d.sent = 0, 0
}

// push takes the next bytes, and gives back those behind the stream's end.
func (d *inflater) push(p []byte) []byte {
	all := p
	for d.fault == "" && !d.done {
		n := len(p)
		p = d.fill(p)
		d.used += int64(n - len(p))
		var ok bool
		if p, ok = d.advance(p); !ok && len(p) == 0 {
			break
		}
	}
	d.flush()
	if !d.done {
		return nil
	}
	back := int(d.n / 8) // they came with this push: what waited before was too little for the step that ended the stream
	d.used -= int64(back)
	d.bits, d.n = 0, 0
	return all[len(all)-len(p)-back:]
}

// consumed is how many bytes of the stream are used.
func (d *inflater) consumed() int64 { return d.used - int64(d.n/8) }

// fill moves bytes into bits: at least 56 of them, if there are so many.
func (d *inflater) fill(p []byte) []byte {
	if len(p) >= 8 && d.n < 56 {
		d.bits |= binary.LittleEndian.Uint64(p) << d.n
		n := (63 - d.n) / 8
		d.n += 8 * n
		d.bits &= 1<<d.n - 1
		return p[n:]
	}
	for len(p) > 0 && d.n < 56 {
		d.bits |= uint64(p[0]) << d.n
		d.n += 8
		p = p[1:]
	}
	return p
}

// take uses up bits.
func (d *inflater) take(n uint) {
	d.bits >>= n
	d.n -= n
}

// advance takes one step, or as many as it likes of one kind; false: it lacks bits.
func (d *inflater) advance(p []byte) (rest []byte, ok bool) {
	switch d.step {
	case inflateHead:
		return p, d.head()
	case inflateStored:
		return p, d.stored()
	case inflateCopy:
		return d.copy(p), d.step != inflateCopy
	case inflateCounts:
		return p, d.counts()
	case inflateLengths:
		return p, d.lengths()
	case inflateCodes:
		return p, d.codes()
	}
	return d.body(p)
}

// head is 3.2.3.
func (d *inflater) head() bool {
	if d.n < 3 {
		return false
	}
	d.last = d.bits&1 == 1
	switch d.bits >> 1 & 3 {
	case 0:
		d.step = inflateStored
	case 1:
		if d.fixedL == nil {
			d.fixedL, d.fixedD = fixedCodes()
		}
		d.lit, d.dist, d.step = d.fixedL, d.fixedD, inflateBody
	case 2:
		d.step = inflateCounts
	default:
		d.fault = "a block is of no type that exists"
	}
	d.take(3)
	return true
}

// stored is the head of 3.2.4.
func (d *inflater) stored() bool {
	if d.n < d.n%8+32 {
		return false
	}
	d.take(d.n % 8)
	n, not := uint16(d.bits), uint16(d.bits>>16)
	if n != ^not {
		d.fault = "the length of a stored block is wrong"
		return true
	}
	d.take(32)
	d.left, d.step = int(n), inflateCopy
	if n == 0 {
		d.ended()
	}
	return true
}

// copy moves a stored block's bytes: first those that wait in bits.
func (d *inflater) copy(p []byte) []byte {
	for d.left > 0 {
		if d.n > 0 {
			d.window[d.w] = byte(d.bits)
			d.take(8)
			d.w, d.left = d.w+1, d.left-1
		} else {
			n := copy(d.window[d.w:windowSize-longest], p[:min(len(p), d.left)])
			if n == 0 {
				return p
			}
			d.used += int64(n)
			d.w, d.left, p = d.w+n, d.left-n, p[n:]
		}
		if d.full() {
			return p
		}
	}
	d.ended()
	return p
}

// full makes room in the window once less than a match's is left: true if that is the end of it.
func (d *inflater) full() bool {
	if d.w < windowSize-longest {
		return false
	}
	d.flush()
	if d.over() {
		d.fault = tooMuch
		return true
	}
	copy(d.window, d.window[d.w-history:d.w])
	d.w, d.sent = history, history
	return false
}

func (d *inflater) flush() {
	if d.sent < d.w {
		d.out(d.window[d.sent:d.w])
		d.sent = d.w
	}
}

// ended is behind a block.
func (d *inflater) ended() {
	d.step, d.done = inflateHead, d.last
}

// counts begins 3.2.7.
func (d *inflater) counts() bool {
	if d.n < 14 {
		return false
	}
	d.nlit, d.ndist, d.ncode = 257+int(d.bits&31), 1+int(d.bits>>5&31), 4+int(d.bits>>10&15)
	d.take(14)
	if d.nlit > 286 || d.ndist > 30 {
		d.fault = "a block has more codes than there are"
		return true
	}
	clear(d.lens[:19])
	d.have, d.step = 0, inflateLengths
	return true
}

// lengthOrder is that of 3.2.7.
var lengthOrder = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

func (d *inflater) lengths() bool {
	if d.n < 3 {
		return false
	}
	d.lens[lengthOrder[d.have]] = uint8(d.bits & 7)
	d.take(3)
	if d.have++; d.have < d.ncode {
		return true
	}
	if !d.own[2].make(d.lens[:19]) {
		d.fault = "a block's codes are no code"
	}
	d.have, d.step = 0, inflateCodes
	return true
}

// codes takes one of the code lengths, or a run of them.
func (d *inflater) codes() bool {
	symbol, n := d.own[2].decode(d.bits, d.n)
	if n == 0 {
		return d.lacks(symbol)
	}
	length, times := uint8(symbol), 1
	if symbol >= 16 {
		extra, least := uint(symbol-14), 3 // 2 and 3 bits for 16 and 17
		if symbol == 18 {
			extra, least = 7, 11
		}
		if d.n < n+extra {
			return false
		}
		times, length = least+int(d.bits>>n&(1<<extra-1)), 0
		n += extra
		if symbol == 16 && d.have > 0 {
			length = d.lens[d.have-1]
		}
	}
	d.take(n)
	if d.have+times > d.nlit+d.ndist || symbol == 16 && d.have == 0 {
		d.fault = "a block's codes are no code"
		return true
	}
	for range times {
		d.lens[d.have] = length
		d.have++
	}
	if d.have == d.nlit+d.ndist {
		if !d.own[0].make(d.lens[:d.nlit]) || !d.own[1].make(d.lens[d.nlit:d.have]) {
			d.fault = "a block's codes are no code"
		}
		d.lit, d.dist, d.step = &d.own[0], &d.own[1], inflateBody
	}
	return true
}

// lacks judges a code that was not found: it lacks bits, or there is none like it.
func (d *inflater) lacks(symbol int) bool {
	if symbol < 0 {
		d.fault = "a code stands for nothing"
		return true
	}
	return false
}

// body takes literals and matches (3.2.5) as far as the bytes reach.
func (d *inflater) body(p []byte) (rest []byte, ok bool) {
	for {
		symbol, n := d.lit.decode(d.bits, d.n)
		switch {
		case n == 0:
			return p, d.lacks(symbol)
		case symbol < 256:
			d.take(n)
			d.window[d.w] = byte(symbol)
			d.w++
		case symbol == 256:
			d.take(n)
			d.ended()
			return p, true
		default:
			if ok := d.match(symbol, n); !ok || d.fault != "" {
				return p, ok
			}
		}
		if d.full() {
			return p, true
		}
		if d.n < 48 { // fewer may be too few for a match
			before := len(p)
			p = d.fill(p)
			d.used += int64(before - len(p))
		}
	}
}

// match takes a match, whose length has the symbol, n bits long.
func (d *inflater) match(symbol int, n uint) bool {
	if symbol > 285 {
		d.fault = "a match has a length that does not exist"
		return true
	}
	length, extra := int(matchLength[symbol-257]), uint(matchExtra[symbol-257])
	length += int(d.bits >> n & (1<<extra - 1))
	if n += extra; n > d.n {
		return false
	}
	far, m := d.dist.decode(d.bits>>n, d.n-n)
	if m == 0 {
		return d.lacks(far)
	}
	if far > 29 {
		d.fault = "a match has a distance that does not exist"
		return true
	}
	distance := far + 1
	if n += m; far >= 4 {
		extra = uint(far/2 - 1)
		distance = (2+far%2)<<extra + 1 + int(d.bits>>n&(1<<extra-1))
		if n += extra; n > d.n {
			return false
		}
	}
	d.take(n)
	if distance > d.w {
		d.fault = "a match reaches back to before the beginning"
		return true
	}
	to, from := d.window[d.w:d.w+length], d.window[d.w-distance:]
	if distance >= length {
		copy(to, from)
	} else {
		for i := range to {
			to[i] = from[i]
		}
	}
	d.w += length
	return true
}

// matchLength and matchExtra are the table of 3.2.5: the length that a symbol from 257 on begins at, and its extra bits.
var (
	matchLength = [29]uint16{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
	matchExtra  = [29]uint8{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
)
