package payfile

import "io"

// records writes lines of fixed columns in ISO-8859-1; columns count from 1.
type records struct {
	*out
	Options
	width int    // characters of a record
	fill  byte   // what a record's rest is filled up with
	end   string // behind each record
	start int    // where the record under way begins in b
	count int    // records begun
	text  []byte // scratch space of one field
}

// fixed writes a whole file of records: what body writes.
func fixed(w io.Writer, opt Options, width int, end string, body func(f *records) error) error {
	if opt.NoBreaks {
		end = ""
	}
	f := &records{out: newOut(w), Options: opt, width: width, fill: ' ', end: end}
	if err := body(f); err != nil {
		return err
	}
	if err := f.flush(); err != nil {
		return err
	}
	return f.w.Flush()
}

// record ends the record under way and begins another.
func (f *records) record(code string) {
	f.finish()
	f.count++
	f.start = len(f.b)
	f.b = append(f.b, code...)
}

func (f *records) finish() {
	if len(f.b) == f.start {
		return
	}
	f.fillTo(f.width+1, f.fill)
	f.b = append(f.b, f.end...)
	f.start = len(f.b)
}

// to fills up with blanks, or cuts, so that the next byte stands in the column.
func (f *records) to(column int) { f.fillTo(column, ' ') }

func (f *records) fillTo(column int, with byte) {
	f.b = f.b[:min(len(f.b), f.start+column-1)]
	for len(f.b) < f.start+column-1 {
		f.b = append(f.b, with)
	}
}

// put writes UTF-8 text into columns from to last, in ISO-8859-1.
func (f *records) put(from, last int, s string) {
	f.to(from)
	for _, r := range s {
		f.b = append(f.b, byte(r))
	}
	f.to(last + 1)
}

// plain is put for the formats that know ASCII only.
func (f *records) plain(from, last int, s string) {
	f.to(from)
	for _, r := range s {
		switch r {
		case 'å', 'ä':
			r = 'a'
		case 'ö':
			r = 'o'
		case 'é':
			r = 'e'
		case 'Å', 'Ä':
			r = 'A'
		case 'Ö':
			r = 'O'
		case 'É':
			r = 'E'
		}
		f.b = append(f.b, byte(r))
	}
	f.to(last + 1)
}

// number writes n from a column on, in width digits.
func (f *records) number(from int, n uint64, width int) {
	f.to(from)
	f.b = digits(f.b, n, width)
}

// name is a payee's name that is kept until the next call.
func (f *records) name(d *dice) string {
	f.text = d.payee(f.text[:0])
	return string(f.text)
}

// day writes a date so many days after the file's own.
func (f *records) day(from, after int, layout string) {
	f.to(from)
	f.b = due(after).AppendFormat(f.b, layout)
}

// flush hands finished records on.
func (f *records) flush() error {
	f.finish()
	f.start = 0
	return f.out.flush()
}

// each writes payments first to last-1.
func (f *records) each(first, last int, write func(i int)) error {
	for i := first; i < last; i++ {
		write(i)
		if err := f.flush(); err != nil {
			return err
		}
	}
	return nil
}

// bgSize is the length of Bankgirot's records, and of PO3's.
const bgSize = 80
