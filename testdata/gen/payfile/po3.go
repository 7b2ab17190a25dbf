package payfile

import "io"

// PO3 writes a file for Nordea's PlusGirot, a section with its totals for each batch. Its errors are the writer's.
func PO3(w io.Writer, opt Options) error {
	return fixed(w, opt, bgSize, "\r\n", func(f *records) error {
		return f.batches(func(batch, first, last int) error {
			d := f.dice(-1 - batch)
			f.record("MH00")
			f.put(13, 22, "5560000000")
			f.to(35)
			f.b = append(f.b, "000"...)
			f.b = d.withLuhn(f.b, 7)
			f.put(45, 47, "SEK")
			err := f.each(first, last, func(i int) { f.po3Payment(batch, i) })
			f.record("MT00")
			f.number(30, uint64(last-first), 7)
			f.number(37, f.sum(first, last), 15)
			return err
		})
	})
}

func (f *records) po3Payment(batch, i int) {
	d := f.dice(i)
	f.record("PI0005")
	f.to(12)
	f.b = d.withLuhn(f.b, 8)
	f.day(25, 1+batch%20, "20060102")
	f.number(33, f.amount(i), 13)
	f.to(46)
	if f.Marker != "" {
		f.put(46, 70, f.Marker)
	} else {
		f.b = d.withLuhn(f.b, 8+d.roll(12))
	}
	f.record("BE01")
	f.put(23, 57, f.name(&d))
}
