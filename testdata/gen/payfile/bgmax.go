package payfile

import "io"

// BgMax writes a BgMax file: payments from bankgiro numbers with names and addresses, a deposit for each batch, one in 40 a
// deduction, one in eight with a text and no reference number. Its errors are the writer's.
func BgMax(w io.Writer, opt Options) error {
	return fixed(w, opt, bgSize, "\r\n", func(f *records) error {
		var deductions, deposits uint64
		f.record("01BGMAX")
		f.number(23, 1, 2)
		f.day(25, 0, "20060102150405")
		f.number(39, 10331, 6)
		f.b = append(f.b, 'P')
		err := f.batches(func(batch, first, last int) error {
			d := f.dice(-1 - batch)
			f.record("0500")
			f.b = d.withLuhn(f.b, 8)
			f.put(23, 25, "SEK")
			var sum int64
			err := f.each(first, last, func(i int) {
				ore := f.bgMaxPayment(i)
				if ore < 0 {
					deductions++
				}
				sum += ore
			})
			deposits++
			f.record("15")
			f.number(3, 5841, 35-22)
			f.b = d.number(f.b, 22)
			f.day(38, 0, "20060102")
			f.number(46, deposits%1e5, 5)
			f.number(51, uint64(max(sum, 0)), 18)
			f.put(69, 71, "SEK")
			f.number(72, uint64(last-first), 8)
			return err
		})
		payments := uint64(f.payments())
		f.record("70")
		f.number(3, payments-deductions, 8)
		f.number(11, deductions, 8)
		f.number(19, 0, 8)
		f.number(27, deposits, 8)
		return err
	})
}

// bgMaxPayment tells what the payment adds to its deposit, in öre.
func (f *records) bgMaxPayment(i int) int64 {
	d := f.dice(i)
	ore := int64(f.amount(i))
	code, kind := "20", d.roll(40)
	if kind == 0 && i%f.perBatch() > 0 { // never the first: a deposit is not negative
		code, ore = "21", -int64(100+d.roll(100))
	}
	f.record(code + "00")
	f.b = d.withLuhn(f.b, 8)
	f.to(13)
	text := kind >= 1 && kind < 6 || f.Marker != ""
	if !text {
		f.b = d.withLuhn(f.b, 8+d.roll(12))
	}
	f.number(38, uint64(max(ore, -ore)), 18)
	f.b = append(f.b, '2', '3')
	f.number(58, uint64(i+1), 12)
	if text {
		f.record("25")
		f.put(3, 52, "FAKTURA "+f.Marker)
	}
	f.record("26")
	f.put(3, 37, f.name(&d))
	f.record("27")
	f.put(3, 37, d.pick(streets)+" 7")
	f.b = d.number(f.b, 5)
	f.record("28")
	f.put(3, 37, d.pick(towns))
	return ore
}
