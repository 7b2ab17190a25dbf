package payfile

import "io"

// Loner writes a Bankgirot Löner file, a section with its totals for each batch. Its errors are the writer's.
func Loner(w io.Writer, opt Options) error {
	return fixed(w, opt, bgSize, "\r\n", func(f *records) error {
		return f.batches(func(batch, first, last int) error {
			d := f.dice(-1 - batch)
			f.record("01")
			f.day(3, 0, "060102")
			f.put(11, 13, "LÖN")
			f.put(60, 68, "SEK004711")
			f.b = append(f.b, "00"...)
			f.b = d.withLuhn(f.b, 8)
			var sum uint64
			err := f.each(first, last, func(i int) { sum += f.salary(batch, i) })
			f.record("09")
			f.day(3, 0, "060102")
			f.number(29, sum, 12)
			f.number(41, uint64(last-first), 6)
			f.fillTo(bgSize+1, '0')
			return err
		})
	})
}

func (f *records) salary(batch, i int) uint64 {
	d := f.dice(i)
	ore := 1_500_000 + f.amount(i)%5_000_000
	f.record("35")
	f.day(3, 1+batch%20, "060102")
	f.to(13)
	f.b = append(f.b, '6')
	f.b = d.number(f.b, 3)
	f.b = append(f.b, "000"...)
	f.b = d.number(f.b, 9)
	f.number(29, ore, 12)
	f.number(59, uint64(i+1), 10)
	text := f.Marker
	if text == "" {
		text = "LÖN NOVEMBER"
	}
	f.put(69, 80, text)
	return ore
}
