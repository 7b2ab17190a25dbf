package payfile

import "io"

// LB writes a Bankgirot LB file (Leverantörsbetalningar) in ISO-8859-1 with 80-byte records and right TK29 totals:
// mostly payments to bankgiro numbers, some to bank accounts and plusgiro, one in 40 a credit note. Its errors are the
// writer's. Options.MessageID has no place in this format.
func LB(w io.Writer, opt Options) error {
	return fixed(w, opt, bgSize, "\r\n", func(f *records) error { return f.batches(f.lbSection) })
}

func (f *records) lbSection(batch, first, last int) error {
	d := f.dice(-1 - batch)
	sender := append([]byte("00"), d.withLuhn(nil, 8)...)
	f.record("11")
	f.b = append(f.b, sender...)
	f.b = append(f.b, created.Format("060102")...)
	f.put(19, 40, "LEVERANTÖRSBETALNINGAR")
	f.b = append(f.b, due(1+batch%20).Format("060102")...)
	f.to(60)
	f.b = append(f.b, "SEK"...)
	negative, sum := false, int64(0)
	for i := first; i < last; i++ {
		sum += f.lbPayment(i)
		if err := f.flush(); err != nil {
			return err
		}
	}
	if negative = sum < 0; negative {
		sum = -sum
	}
	f.record("29")
	f.b = append(f.b, sender...)
	f.b = digits(f.b, uint64(last-first), 8)
	f.b = digits(f.b, uint64(sum), 12)
	if negative {
		f.b = append(f.b, '-')
	}
	return f.flush()
}

// lbPayment writes the records of payment i and tells what it adds to the section's sum, in öre.
func (f *records) lbPayment(i int) int64 {
	d := f.dice(i)
	ore := int64(f.amount(i) % 1e10)
	kind := d.roll(40)
	code, receiver := "14", []byte(nil)
	switch {
	case kind == 0:
		code, receiver, ore = "16", append([]byte("00"), d.withLuhn(nil, 8)...), -ore
	case kind < 4:
		code, receiver = "54", append([]byte("000"), d.withLuhn(nil, 7)...)
	case kind < 12:
		receiver = f.lbAccount(&d, i)
	default:
		receiver = append([]byte("00"), d.withLuhn(nil, 8)...)
	}
	f.record(code)
	f.b = append(f.b, receiver...)
	f.to(13)
	f.lbReference(&d)
	f.to(38)
	f.b = digits(f.b, uint64(max(ore, -ore)), 12)
	if d.roll(5) == 0 {
		f.b = append(f.b, due(1+d.roll(30)).Format("060102")...)
	}
	f.to(61)
	f.b = append(f.b, "VERIF "...)
	f.b = digits(f.b, uint64(i+1), 8)
	return ore
}

// lbAccount writes what goes ahead of a payment to a bank account: the account, the payee's name and address.
func (f *records) lbAccount(d *dice, i int) []byte {
	number := digits([]byte("0000"), uint64(i%99999+1), 5)
	number = append(number, luhn(number[4:]))
	f.record("40")
	f.b = append(append(f.b, number...), "6"...)
	f.b = d.number(f.b, 3)
	f.b = append(f.b, "000"...)
	f.b = d.number(f.b, 9)
	f.record("26")
	f.b = append(f.b, number...)
	f.text = d.payee(f.text[:0])
	f.put(13, 47, string(f.text))
	f.record("27")
	f.b = append(f.b, number...)
	f.put(13, 47, d.pick(streets)+" 7")
	f.b = d.number(f.b, 5)
	f.put(53, 72, d.pick(towns))
	return number
}

func (f *records) lbReference(d *dice) {
	switch {
	case f.Marker != "":
		f.put(13, 37, f.Marker)
	case d.roll(3) == 0:
		f.b = append(f.b, "FAKTURA "...)
		f.b = d.number(f.b, 8)
	default:
		f.b = d.withLuhn(f.b, 8+d.roll(12))
	}
}
