package formats

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// What the formats of fixed columns share: cutting a stream into records, columns, dates, text. LB came before this and
// has rules of its own, see lb.go.

// records cuts a stream into records: lines, or pieces of one size that stand back to back.
type records struct {
	s     *sheet
	size  int              // of records that stand back to back; 0: they are lines
	take  func(rec []byte) // gets each record, one byte a character, without what is blank behind its last one; never an empty one
	carry []byte           // the beginning of a record
	flat  []byte           // scratch: a UTF-8 record, one byte a character
	n     int64            // records taken
	width int              // how many characters the last one had, with its blanks
	ahead int              // how many bytes the next one probably has, without its line end
	plain bool             // the last one is printable ASCII
}

// maxRecord is how long a record may be, in bytes, its line end included.
const maxRecord = 4096

func newRecords(s *sheet, size int, take func(rec []byte)) records {
	return records{s: s, size: size, take: take, ahead: size}
}

func (r *records) write(p []byte) {
	for len(p) > 0 && !r.s.closed {
		if len(r.carry) == 0 {
			if size, plain := likeLast(p, r.ahead, r.size == 0); size > 0 {
				r.hand(p[:r.ahead], plain)
				p = p[size:]
				continue
			}
		}
		n, whole := r.cut(p)
		switch {
		case !whole:
			r.carry = append(r.carry, p[:min(n, maxRecord+1)]...)
			if len(r.carry) > maxRecord {
				r.tooLong()
			}
		case len(r.carry) == 0:
			r.emit(p[:n])
		default:
			r.carry = append(r.carry, p[:min(n, maxRecord+1)]...)
			r.emit(r.carry)
			r.carry = r.carry[:0]
		}
		p = p[n:]
	}
}

// likeLast cuts records that are as wide as the one before, which nearly all are: one look at every byte proves where the record
// ends, and whether it is printable ASCII, which everybody behind it wants to know: a fifth of NACHA's time was spent on asking
// that again. It tells how long the record is with its line end; 0 if it is none of these, or not all there.
func likeLast(p []byte, width int, lines bool) (size int, plain bool) {
	if len(p) < width+2 || width == 0 {
		return 0, false
	}
	size = width
	if lines {
		if p[size] == '\r' {
			size++
		}
		if p[size] != '\n' {
			return 0, false
		}
		size++
	}
	control, high := aboard(p[:width])
	if control {
		return 0, false
	}
	return size, !high
}

// lineWidth is how many bytes a line has without its end; 0 where a line as wide could be longer than most bytes with another end.
func lineWidth(line []byte, most int) int {
	if n := len(bytes.TrimRight(line, "\r\n")); n+len("\r\n") <= most {
		return n
	}
	return 0
}

// cut tells how much of p belongs to the record that the carry begins, and whether the record is whole with that.
func (r *records) cut(p []byte) (n int, whole bool) {
	if r.size == 0 {
		if n = bytes.IndexByte(p, '\n'); n >= 0 {
			return n + 1, true
		}
		return len(p), false
	}
	if len(r.carry) == 0 && (p[0] == '\r' || p[0] == '\n') {
		return 1, true // a line end after a record does no harm
	}
	n = min(len(p), r.size-len(r.carry))
	return n, len(r.carry)+n == r.size
}

func (r *records) tooLong() { r.s.malformed("record %d is longer than %d bytes", r.n+1, maxRecord) }

// emit hands over one record, with its line end.
func (r *records) emit(line []byte) {
	if len(line) > maxRecord {
		r.tooLong()
		return
	}
	if r.size == 0 {
		r.ahead = lineWidth(line, maxRecord)
	}
	for len(line) > 0 && (line[len(line)-1] == '\n' || line[len(line)-1] == '\r' || line[len(line)-1] == 0x1A) {
		line = line[:len(line)-1]
	}
	control, high := aboard(trimLine(line))
	r.hand(line, !control && !high)
}

// hand hands over a record without its line end. Plain says that it has neither control characters nor bytes beyond ASCII.
func (r *records) hand(line []byte, plain bool) {
	rec := trimLine(line)
	if len(rec) == 0 {
		return
	}
	r.n++
	if r.plain, r.width = plain, len(line); !plain {
		r.width -= len(rec)
		rec = r.flatten(rec)
		r.width += len(rec)
	}
	r.take(rec)
}

// rest is what came behind the last whole record, as take would get it; empty if that is nothing.
func (r *records) rest() []byte {
	encoding := r.s.facts.Encoding
	defer func() { r.s.facts.Encoding = encoding }()
	return r.flatten(trimLine(r.carry))
}

// last hands over the rest as a record: the file ends with it.
func (r *records) last() {
	line := r.carry
	r.carry = nil
	r.emit(line)
}

// flatten makes a record of UTF-8 one of a byte a character, so that columns are offsets; characters beyond ISO-8859-1
// become question marks. It notes what encoding the file shows itself to be in.
func (r *records) flatten(b []byte) []byte {
	if ascii(b) {
		return b
	}
	facts := &r.s.facts
	if facts.Encoding == "" || facts.Encoding == "us-ascii" {
		if facts.Encoding = "iso-8859-1"; r.size == 0 && utf8.Valid(b) {
			facts.Encoding = "utf-8"
		}
	}
	if facts.Encoding != "utf-8" || !utf8.Valid(b) {
		return b
	}
	r.flat = r.flat[:0]
	for i := 0; i < len(b); {
		c, n := utf8.DecodeRune(b[i:])
		if c > 0xFF {
			c = '?'
		}
		r.flat = append(r.flat, byte(c))
		i += n
	}
	return r.flat
}

func (r *records) where() string { return fmt.Sprintf("record %d", r.n) }

// checkWidth enters a finding about a record that has more or fewer characters than the standard says.
func (r *records) checkWidth(want int) {
	if r.width != want && r.s.finds("record-length") {
		r.s.finding("record-length", r.where(), "the record has %s, not %d", counted(int64(r.width), "character", "characters"), want)
	}
}

// counted is "1 batch" or "2 batches".
func counted(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprint(n, " ", many)
}

// back tells how records of one size that begin with b are cut: lines, or size bytes back to back. next tells whether a
// byte can begin the second record.
func back(b []byte, size int, next func(byte) bool) (sized int, a answer) {
	if bytes.IndexByte(b[:min(len(b), size)], '\n') >= 0 {
		return 0, yes
	}
	if len(b) < size+2 {
		return 0, more
	}
	if next(b[size]) || b[size] == '\r' && b[size+1] != '\n' {
		return size, yes
	}
	return 0, yes
}

// text is latin for a field of the record at hand.
func (r *records) text(to, field []byte) []byte {
	if r.plain {
		return append(to, trimBlanks(field)...)
	}
	return latin(to, field)
}

// view is text for what is only read, and not behind the present record: it takes the record's own bytes where it can, and
// makes the others in room. A payment that is handed over at once need not copy its fields.
func (r *records) view(room *[]byte, field []byte) []byte {
	if r.plain {
		return trimBlanks(field)
	}
	*room = latin((*room)[:0], field)
	return *room
}

// latin appends a field in UTF-8, without blanks at its ends, and control characters as blanks.
func latin(to, field []byte) []byte {
	for len(field) > 0 && field[0] <= ' ' {
		field = field[1:]
	}
	field = trimLine(field)
	for {
		n := plainRun(field)
		if to = append(to, field[:n]...); n == len(field) {
			return to
		}
		to = utf8.AppendRune(to, rune(max(field[n], ' ')))
		field = field[n+1:]
	}
}

// squeeze makes one blank of several, in place.
func squeeze(b []byte) []byte {
	n := 1
	for n < len(b) && (b[n] != ' ' || b[n-1] != ' ') { // mostly there is nothing to do
		n++
	}
	if n >= len(b) {
		return b
	}
	for i := n; i < len(b); i++ {
		if c := b[i]; c != ' ' || b[i-1] != ' ' {
			b[n] = c
			n++
		}
	}
	return b[:n]
}

// dayYMD appends YYMMDD as YYYY-MM-DD; false, and nothing, if it is no date.
func dayYMD(to, field []byte) ([]byte, bool) {
	if len(field) != 6 {
		return to, false
	}
	from := len(to)
	to = append(to, '2', '0', field[0], field[1], '-', field[2], field[3], '-', field[4], field[5])
	if !validDate(to[from:]) {
		return to[:from], false
	}
	return to, true
}

// dayDMY is dayYMD for DDMMYY, in the years from 1980 to 2079.
func dayDMY(to, field []byte) ([]byte, bool) {
	if len(field) != 6 {
		return to, false
	}
	turned := [6]byte{field[4], field[5], field[2], field[3], field[0], field[1]}
	from := len(to)
	to, ok := dayYMD(to, turned[:])
	if ok && turned[0] >= '8' {
		copy(to[from:], "19")
	}
	return to, ok
}

// empty tells whether trim would leave nothing of b.
func empty(b []byte) bool {
	for _, c := range b {
		if !blank(c) {
			return false
		}
	}
	return true
}

// allBlank tells whether b is nothing but blanks.
func allBlank(b []byte) bool {
	for _, c := range b {
		if c != ' ' {
			return false
		}
	}
	return true
}
