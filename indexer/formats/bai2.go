package formats

import (
	"bytes"
	"fmt"
)

// BAI2 (BAI, "Cash Management Balance Reporting Specifications Version 2", chapters on record formats and appendix A on type
// codes): records of fields that commas part, ended by a slash. How they are cut out of the stream is here; what the fields
// mean is in bai2record.go. The records, with their fields behind the code, from 1:
//
//	01 file          1 sender, 2 receiver, 3 date YYMMDD, 4 time HHMM, 5 id, 6 record length, 7 block size, 8 version
//	02 group         1 receiver, 2 originator, 3 status, 4 as-of date, 5 as-of time, 6 currency (USD where there is none)
//	03 account       1 account, 2 currency, then type code, amount, number of items, funds type, again and again
//	16 entry         1 type code, 2 amount, 3 funds type, then bank's reference, customer's reference, text
//	88 continuation  further fields of the record before it, or more of its text
//	49 account ends  1 sum, 2 records from 03 on;  98 group ends: 1 sum, 2 accounts, 3 records from 02 on
//	99 file ends     1 sum, 2 groups, 3 records, all of them
//
// Funds type V is followed by a date and a time, S by three amounts, D by a number n and n pairs of days and amount; those
// amounts divide the one before them and are in no sum. The sums are those of all amounts of 03 and 16, with the signs they
// are written with: entries have none, their type code says the direction. So no sum covers it; the totals of credits (type
// code 100) and debits (400) in 03, where there are any, do, and are held against the entries.
//
// A slash ends a record where a line end, or blanks and another record, follow; inside of a text it is text. Slashes may be
// missing at line ends. A line that begins with no record code goes on with the text before it.
//
// The true end of a file is the slash of record 99, or the line end behind it where there is no slash.

// lookBAI2 wants a whole first record: 01, its fields with a date in place.
func lookBAI2(prefix []byte) answer {
	b := bytes.TrimLeft(bytes.TrimPrefix(prefix, []byte("\xef\xbb\xbf")), " \t\r\n")
	const head = "01,"
	if len(b) < len(head) {
		if string(b) == head[:len(b)] && len(b) > 0 {
			return more
		}
		return no
	}
	if string(b[:len(head)]) != head {
		return no
	}
	end := bytes.IndexAny(b, "/\n")
	whole := end >= 0
	if whole {
		b = b[:end]
	}
	fields := bytes.Split(b, []byte(","))
	for i, field := range fields {
		if i == len(fields)-1 && !whole {
			break
		}
		field = bytes.TrimSpace(field)
		if i == 3 && (len(field) != 6 || !digits(field)) || i == 4 && (len(field) > 6 || !digits(field)) {
			return no
		}
	}
	switch {
	case !whole:
		return more
	case len(fields) >= 6:
		return yes
	}
	return no
}

// baiFile reads one BAI2 file.
type baiFile struct {
	s     *sheet
	recs  records // for the encoding alone: flatten
	carry []byte  // the beginning of a piece: what stands between slashes and line ends
	after byte    // what ended the piece before: slash or line end
	n     int64   // records taken
	kind  int     // of the record under way, but for 88
	began int     // of the record under way
	at    int     // fields of it that have come
	texty bool    // its last field is a text, and has begun
	baiState
}

func openBAI2(_ []byte, s *sheet) reader {
	f := &baiFile{s: s, after: '\n'}
	f.recs.s = s
	s.both = true
	s.facts.Format, s.facts.Encoding = "bai2", "us-ascii"
	return f
}

// write cuts at line ends, and the lines at slashes.
func (f *baiFile) write(p []byte) {
	for len(p) > 0 && !f.s.closed {
		line := p
		n := bytes.IndexByte(p, '\n')
		if n >= 0 {
			line, p = p[:n], p[n+1:]
		} else {
			p = nil
		}
		for !f.s.closed {
			i := bytes.IndexByte(line, '/')
			if i < 0 {
				break
			}
			f.cut(line[:i], '/')
			line = line[i+1:]
		}
		if n >= 0 {
			f.cut(line, '\n')
			continue
		}
		if f.carry = append(f.carry, line[:min(len(line), maxRecord+1)]...); len(f.carry) > maxRecord {
			f.tooLong()
		}
	}
}

func (f *baiFile) tooLong() {
	f.s.malformed("record %d is longer than %d bytes", max(f.n, 1), maxRecord)
}

// cut completes a piece with b.
func (f *baiFile) cut(b []byte, end byte) {
	if f.s.closed {
		return
	}
	if len(f.carry) > 0 {
		f.carry = append(f.carry, b[:min(len(b), maxRecord+1)]...)
		b = f.carry
		f.carry = f.carry[:0]
	}
	if len(b) > maxRecord {
		f.tooLong()
		return
	}
	f.piece(b, end)
}

// piece takes what stands between slashes and line ends: a record, a part of its text, or nothing.
func (f *baiFile) piece(b []byte, end byte) {
	after := f.after
	f.after = end
	if f.n == 0 {
		b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	}
	b = trimLine(b)
	rest := b
	for len(rest) > 0 && (rest[0] <= ' ' || rest[0] == 0x1A) {
		rest = rest[1:]
	}
	code := baiCode(rest)
	switch {
	case len(rest) == 0:
		f.texty = f.texty && !(after == '/' && end == '\n') // a slash at a line's end ends a text, too
	case f.over:
		f.s.malformed("something stands behind record %d, the end of the file", f.n)
	case code > 0 && (after == '\n' || !f.texty || len(rest) < len(b)):
		f.record(code, f.recs.flatten(rest[min(len(rest), 3):]))
	case f.texty:
		if after == '/' && len(f.text) < baiText {
			f.text = append(f.text, '/')
		}
		f.more(f.recs.flatten(b), after == '\n')
	case after == '/':
		if f.s.finds("slash-inside") {
			f.s.finding("slash-inside", f.where(), "something that is no record follows the slash that ends the record")
		}
	default:
		f.s.malformed("a line behind record %d does not begin with a record code", f.n)
	}
	if f.kind == 99 && f.at >= 3 && code > 0 {
		f.over = true
	}
}

// baiCode is the code of the record that b begins with; 0 if it begins with none.
func baiCode(b []byte) int {
	if len(b) < 2 || !digit(b[0]) || !digit(b[1]) || len(b) > 2 && b[2] != ',' {
		return 0
	}
	switch code := int(b[0]-'0')*10 + int(b[1]-'0'); code {
	case 1, 2, 3, 16, 49, 88, 98, 99:
		return code
	}
	return 0
}

func (f *baiFile) where() string { return fmt.Sprintf("record %d", f.n) }

// whole: the end record is, and nothing but blanks has come behind it.
func (f *baiFile) whole() bool {
	return f.over && len(trimLine(f.carry)) == 0
}

// end: record 99 has said everything.
func (f *baiFile) end() {}
