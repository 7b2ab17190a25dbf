package payfile

import "io"

// CODA writes Belgian statements, one for each batch, of entries of three records: every third one a debit, with right
// balances and trailers. Its errors are the writer's.
func CODA(w io.Writer, opt Options) error {
	return fixed(w, opt, 128, "\n", func(f *records) error {
		return f.batches(func(batch, first, last int) error {
			d := f.dice(-1 - batch)
			account := string(d.iban(nil, "BE", 12))
			f.codaHead(batch, account)
			err := f.each(first, last, func(i int) { f.codaEntry(first, i) })
			_, sum := f.sides(first, last)
			sign, balance := "0", int64(sum[0]-sum[1])
			if balance < 0 {
				sign, balance = "1", -balance
			}
			f.record("8")
			f.number(2, uint64(batch%999+1), 3)
			f.put(5, 38, account)
			f.b = append(append(f.b, "EUR"...), sign...)
			f.number(43, uint64(balance)*10, 15)
			f.day(58, 0, "020106")
			f.put(128, 128, "0")
			f.record("9")
			f.number(17, uint64(last-first)*3+2, 6)
			f.number(23, sum[1]*10, 15)
			f.number(38, sum[0]*10, 15)
			if last < f.payments() {
				f.put(128, 128, "1")
			} else {
				f.put(128, 128, "2")
			}
			return err
		})
	})
}

func (f *records) codaHead(batch int, account string) {
	f.record("00000")
	f.day(6, 0, "020106")
	f.put(12, 16, "72505")
	f.put(25, 34, "REF0000001")
	f.put(35, 60, "EXEMPLE TRAVAUX SA")
	f.put(61, 71, "KREDBEBB")
	f.put(72, 88, "00000000000 00000")
	f.put(128, 128, "2")
	f.record("12")
	f.number(3, uint64(batch%999+1), 3)
	f.put(6, 39, account)
	f.put(40, 43, "EUR0")
	f.number(44, 0, 15)
	f.day(59, -1, "020106")
	f.put(65, 90, "EXEMPLE TRAVAUX SA")
	f.put(91, 125, "COMPTE A VUE")
	f.number(126, uint64(batch%999+1), 3)
}

func (f *records) codaEntry(first, i int) {
	d := f.dice(i)
	n, sign := uint64(i-first+1)%1e4, "0"
	if drawn(i) {
		sign = "1"
	}
	f.record("21")
	f.b = digits(f.b, n, 4)
	f.number(7, 0, 4)
	f.number(11, uint64(i+1), 10)
	f.put(32, 32, sign)
	f.number(33, f.amount(i)*10, 15)
	f.day(48, 0, "020106")
	f.put(54, 62, "001500000")
	f.b = append(f.b, "FACTURE "...)
	f.b = d.number(f.b, 8)
	f.day(116, 0, "020106")
	f.put(122, 128, "01701 0")
	f.record("22")
	f.b = digits(f.b, n, 4)
	f.put(7, 63, "0000"+f.Marker)
	f.number(64, uint64(i+1), 9)
	f.put(126, 128, "1 0")
	f.record("23")
	f.b = digits(f.b, n, 4)
	f.b = append(f.b, "0000"...)
	f.b = d.iban(f.b, "BE", 12)
	f.put(45, 47, "EUR")
	f.plain(48, 82, f.name(&d))
	f.put(126, 128, "0 0")
}
