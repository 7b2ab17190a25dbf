package formats

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// What the files of Bankgirot and its neighbours have in common: records of 80 characters, in lines or back to back, in
// one of several encodings. How they are cut out of the stream is here; how such a file is told from others is in bglook.go.

const (
	bgRecord  = 80
	maxBGLine = 1024 // bytes
)

// bgShape is what the first records say of a file's outer form.
type bgShape struct {
	sealed bool // a TK00 stands before everything else, see bgseal.go
	lines  bool // records are lines; otherwise they stand back to back
	// encoding is "iso-8859-1", "cp850" (which shares its Swedish letters with 437 and 865), "iso-646-se" or "utf-8"; ""
	// where no letter of the first record tells: then the first record with a byte beyond ASCII does.
	encoding string
}

// bgRecords cuts a file into records and gives each to one function: no line end, nothing behind its last character, not
// empty, a byte a character.
type bgRecords struct {
	s *sheet
	bgShape
	bgSeal
	each    func(rec []byte)
	carry   []byte // the beginning of a record or line
	flat    []byte // scratch: a UTF-8 record, a byte a character
	width   int    // how many bytes the next record probably has, without its line end
	swedish bool   // the encoding is iso-646-se
	plain   bool   // the record at hand is printable ASCII that means itself: its texts need no decoding
	records int64
	p       Payment // the one at hand
	dated   []byte  // its date as written, often the one of many payments
	date    []byte  // and as YYYY-MM-DD
	past    bool    // which has passed
}

func newBGRecords(s *sheet, shape bgShape) bgRecords {
	s.facts.Encoding = shape.encoding
	if shape.encoding == "" {
		s.facts.Encoding = "us-ascii"
	}
	f := bgRecords{s: s, bgShape: shape, swedish: shape.encoding == "iso-646-se", width: bgRecord}
	if shape.sealed {
		f.mac = newBGMAC(s.sealKey)
	}
	return f
}

func (f *bgRecords) write(p []byte) {
	for len(p) > 0 && !f.s.closed {
		if len(f.carry) > 0 {
			n, whole := f.cut(p)
			f.carry = append(f.carry, p[:n]...)
			if p = p[n:]; !whole {
				break
			}
			f.take(f.carry)
			f.carry = f.carry[:0]
			continue
		}
		if size, plain := likeLast(p, f.width, f.lines); size > 0 && (plain || f.lines || f.encoding != "" && f.encoding != "utf-8") {
			f.hand(p[:size], p[:f.width], plain)
			p = p[size:]
			continue
		}
		n, whole := f.cut(p)
		if !whole {
			f.carry = append(f.carry, p[:n]...)
			break
		}
		f.take(p[:n])
		p = p[n:]
	}
	if len(f.carry) > maxBGLine {
		f.tooLong()
	}
}

func (f *bgRecords) tooLong() {
	f.s.malformed("record %d is longer than %d bytes", f.records+1, maxBGLine)
}

// cut tells how much of p belongs to the record that the carry begins, and whether the record is whole with that.
func (f *bgRecords) cut(p []byte) (n int, whole bool) {
	if f.lines {
		if n = bytes.IndexByte(p, '\n'); n >= 0 {
			return n + 1, true
		}
		return len(p), false
	}
	if len(f.carry) == 0 && (p[0] == '\r' || p[0] == '\n') {
		return 1, true // a line end after a record does no harm
	}
	if f.encoding != "utf-8" {
		n = min(len(p), bgRecord-len(f.carry))
		if whole = len(f.carry)+n == bgRecord; whole && f.encoding == "" {
			first := append(append(f.flat[:0], f.carry...), p[:n]...)
			f.learn(first[:wholeRunes(first)])
		}
		if f.encoding != "utf-8" {
			return n, whole
		}
		n = 0 // its letters have more bytes than one: it goes on
	}
	chars := 0
	for _, c := range f.carry {
		if c&0xC0 != 0x80 {
			chars++
		}
	}
	for n < len(p) {
		if p[n]&0xC0 != 0x80 {
			if chars == bgRecord {
				return n, true // the first byte after the record's last character
			}
			chars++
		}
		n++
		if chars == bgRecord && p[n-1] < utf8.RuneSelf {
			return n, true
		}
	}
	return n, false
}

// take reads one record, with its line end.
func (f *bgRecords) take(line []byte) {
	if len(line) > maxBGLine {
		f.tooLong()
		return
	}
	if f.lines {
		f.width = lineWidth(line, maxBGLine)
	}
	control, high := aboard(trimLine(line))
	f.hand(line, line, !control && !high)
}

// hand hands over a record, if anything is left of it without what follows its last character. Plain says that it has neither control
// characters nor bytes beyond ASCII.
func (f *bgRecords) hand(line, rec []byte, plain bool) {
	if f.mac != nil {
		f.mac.record(line)
	}
	if rec = trimLine(rec); len(rec) == 0 {
		return
	}
	f.records++
	f.plain = plain && !f.swedish
	if !plain && f.encoding == "" {
		f.learn(rec)
	}
	if !plain && f.encoding == "utf-8" {
		rec = f.flatten(rec)
	}
	if len(rec) > bgRecord && f.s.finds("record-length") {
		f.s.finding("record-length", f.where(), "the record has %d characters, of at most %d", len(rec), bgRecord)
	}
	f.each(rec)
}

// rest is what came behind the last whole record, as each would get it; empty if that is nothing.
func (f *bgRecords) rest() []byte { return f.flatten(trimLine(f.carry)) }

// last takes the rest as a record: the file ends with it.
func (f *bgRecords) last() {
	f.take(f.carry)
	f.carry = f.carry[:0]
}

// flatten makes a UTF-8 record one of a byte a character, so that columns are offsets. Characters beyond ISO-8859-1
// become question marks; bytes that are no UTF-8 stay.
func (f *bgRecords) flatten(b []byte) []byte {
	if f.encoding != "utf-8" {
		return b
	}
	f.flat = f.flat[:0]
	for i := 0; i < len(b); {
		r, n := rune(b[i]), 1
		if r >= utf8.RuneSelf {
			if r, n = utf8.DecodeRune(b[i:]); n == 1 {
				r = rune(b[i])
			} else if r > 0xFF {
				r = '?'
			}
		}
		f.flat = append(f.flat, byte(r))
		i += n
	}
	return f.flat
}

// learn settles the encoding by the first record that is not plain ASCII, where the file's head did not: UTF-8 is hardly
// ever valid by chance, and ISO-8859-1 has no letters from 0x80 to 0x9F, where code page 850 has most Swedish ones.
func (f *bgRecords) learn(line []byte) {
	if ascii(line) {
		return
	}
	f.encoding = "iso-8859-1"
	if utf8.Valid(line) {
		f.encoding = "utf-8"
	} else if between(line, 0x80, 0x9F) {
		f.encoding = "cp850"
	}
	f.s.facts.Encoding = f.encoding
}

// between tells whether one of the bytes lies from low to high.
func between(b []byte, low, high byte) bool {
	for _, c := range b {
		if c >= low && c <= high {
			return true
		}
	}
	return false
}

// columns is the field from column first to last, counted from 1; what is beyond the record's end is left out.
func columns(rec []byte, first, last int) []byte {
	if len(rec) < first {
		return nil
	}
	return rec[first-1 : min(len(rec), last)]
}

// code is the record's transaction code; "LB" has one too.
func code(rec []byte) int {
	if len(rec) < 2 {
		return -1
	}
	if rec[0] == 'L' && rec[1] == 'B' {
		return lbTitle
	}
	if !digit(rec[0]) || !digit(rec[1]) {
		return -1
	}
	return int(rec[0]-'0')*10 + int(rec[1]-'0')
}

const lbTitle = 100

func (f *bgRecords) where() string { return fmt.Sprintf("record %d", f.records) }

// day appends YYMMDD or YYYYMMDD as YYYY-MM-DD; GENAST (at once), blanks and zeros append nothing, and so does what is not
// a date, which is a finding.
func (f *bgRecords) day(to, field []byte) []byte {
	from := len(to)
	switch {
	case len(field) != 6 && len(field) != 8 || !digits(field):
		if t := trim(field); len(t) == 0 || strings.EqualFold(string(t), "GENAST") {
			return to
		}
	default:
		if len(field) == 6 {
			to = append(to, '2', '0', field[0], field[1])
		} else {
			to = append(to, field[:4]...)
		}
		md := field[len(field)-4:]
		to = append(to, '-', md[0], md[1], '-', md[2], md[3])
		if validDate(to[from:]) {
			return to
		}
		to = to[:from]
		if allZeros(field) {
			return to
		}
	}
	if f.s.finds("date-shape") {
		f.s.finding("date-shape", f.where(), "%q is not a date", field)
	}
	return to
}

// executionDate is day for a payment's execution date, which goes into the facts. It is valid until the next call.
func (f *bgRecords) executionDate(field []byte) []byte {
	if len(f.date) == 0 || string(f.dated) != string(field) {
		f.dated = append(f.dated[:0], field...)
		f.date = f.day(f.date[:0], field)
		f.s.executes(f.date)
		f.past = f.passed(f.date)
	}
	if f.past {
		f.checkPast(f.date)
	}
	return f.date
}

func allZeros(b []byte) bool {
	for _, c := range b {
		if c != '0' {
			return false
		}
	}
	return true
}

// currencyCode is the field's currency, SEK if it is blank. It allocates only where that is not the one before.
func (f *bgRecords) currencyCode(field []byte, before string) string {
	if field = trim(field); len(field) == 0 {
		field = []byte("SEK")
	}
	if !validCurrency(field) && f.s.finds("currency-shape") {
		f.s.finding("currency-shape", f.where(), "%q is not a currency code", field)
	}
	if before == string(field) {
		return before
	}
	return string(f.text(nil, field))
}

// addMinor is a+b; false beyond 64 bits.
func addMinor(a, b int64) (int64, bool) {
	sum := a + b
	return sum, (sum > a) == (b > 0) || b == 0
}

// bareNumber is a number without the zeros and blanks that fill its field; empty if there is nothing else.
func bareNumber(b []byte) []byte {
	b = trim(b)
	for len(b) >= 8 && string(b[:8]) == "00000000" {
		b = b[8:]
	}
	for len(b) > 0 && b[0] == '0' {
		b = b[1:]
	}
	return b
}

// tooBig ends a file whose numbers do not fit.
func (f *bgRecords) tooBig() { f.s.malformed("its sum has too many digits") }

// sameBusiness says what makes two files the same business: sender, date (of its payments, where it has none of its own),
// count and the sums. Nothing does that for files without a payment: two lists of mandates of a day are not one.
func (f *bgRecords) sameBusiness(format string) {
	facts := &f.s.facts
	date := facts.CreatedAt
	if date == "" {
		date = facts.FirstExecution + facts.LastExecution
	}
	if f.s.closed || facts.Payments == 0 || date == "" {
		return
	}
	key := []string{format, facts.Initiator, date, fmt.Sprint(facts.Payments)}
	for _, t := range f.s.totals.list {
		key = append(key, t.Currency, t.Amount.String())
	}
	for _, t := range f.s.debits.list {
		key = append(key, "-"+t.Currency, t.Amount.String())
	}
	facts.BusinessKey = strings.Join(key, "\x1f")
}
