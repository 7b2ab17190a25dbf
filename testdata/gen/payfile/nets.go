package payfile

import "io"

// Nets writes a file of AvtaleGiro requests, an assignment for each batch, with right counts and sums. Its errors are the
// writer's.
func Nets(w io.Writer, opt Options) error {
	return fixed(w, opt, bgSize, "\n", func(f *records) error {
		f.fill = '0'
		f.record("NY000010000123452011001000080")
		var sum uint64
		err := f.batches(func(batch, first, last int) error {
			part := f.sum(first, last)
			sum += part
			f.record("NY210020000000000")
			f.b = digits(f.b, uint64(batch+1), 7)
			f.b = append(f.b, "86011117947"...)
			before := f.count
			err := f.each(first, last, func(i int) { f.netsRequest(batch, first, i) })
			f.record("NY210088")
			f.b = digits(f.b, uint64(last-first), 8)
			f.b = digits(f.b, uint64(f.count-before+1), 8)
			f.b = digits(f.b, part, 17)
			f.day(42, 1+batch%20, "020106")
			f.day(48, 1+batch%20, "020106")
			return err
		})
		f.record("NY000089")
		f.b = digits(f.b, uint64(f.payments()), 8)
		f.b = digits(f.b, uint64(f.count), 8)
		f.b = digits(f.b, sum, 17)
		f.day(42, 1, "020106")
		return err
	})
}

func (f *records) netsRequest(batch, first, i int) {
	d := f.dice(i)
	number := uint64(i-first+1) % 1e7
	f.record("NY212130")
	f.b = digits(f.b, number, 7)
	f.day(16, 1+batch%20, "020106")
	f.number(33, f.amount(i), 17)
	f.to(65)
	f.b = d.withLuhn(f.b, 10)
	f.record("NY212131")
	f.b = digits(f.b, number, 7)
	f.put(16, 25, d.pick(lastNames))
	text := "REF " + f.Marker
	f.put(51, 75, text)
}
