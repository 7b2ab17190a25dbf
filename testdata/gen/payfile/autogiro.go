package payfile

import "io"

// Autogiro writes a request to Bankgirot's Autogiro, a section for each batch: what is to be collected, and one in 40 a
// payment to a payer. The format has no totals. Its errors are the writer's.
func Autogiro(w io.Writer, opt Options) error {
	return fixed(w, opt, bgSize, "\r\n", func(f *records) error {
		return f.batches(func(batch, first, last int) error {
			d := f.dice(-1 - batch)
			own := append([]byte("00"), d.withLuhn(nil, 8)...)
			f.record("01")
			f.day(3, 0, "20060102")
			f.put(11, 18, "AUTOGIRO")
			f.put(63, 68, "004711")
			f.b = append(f.b, own...)
			return f.each(first, last, func(i int) { f.collection(batch, i, own) })
		})
	})
}

func (f *records) collection(batch, i int, own []byte) {
	d := f.dice(i)
	code := "82"
	if d.roll(40) == 0 {
		code = "32"
	}
	f.record(code)
	f.day(3, 1+batch%20, "20060102")
	f.put(11, 15, "0")
	f.number(16, uint64(i+1), 16)
	f.number(32, f.amount(i), 12)
	f.b = append(f.b, own...)
	if f.Marker != "" {
		f.put(54, 69, f.Marker)
		return
	}
	f.to(54)
	f.b = d.withLuhn(f.b, 8+d.roll(8))
}
