package payfile

import (
	"io"
	"strings"
)

// BACS writes a Standard 18 submission of one file of credits, a contra for each batch, with right totals. Amounts are
// small, since a contra has 11 digits; more than 9,999,999 payments do not fit the counts. Its errors are the writer's.
func BACS(w io.Writer, opt Options) error {
	opt.NoBreaks = false // labels and records differ in length: there is no such thing
	return fixed(w, opt, bacsLabel, "\n", func(f *records) error {
		f.record("VOL1000417")
		f.put(42, 47, "123456")
		f.put(80, 80, "1")
		f.bacsLabels("HDR")
		f.record("UHL1 26331999999    000000001 DAILY  001")
		f.finish()
		var sum, contras uint64
		f.width = bacsRecord
		err := f.batches(func(_, first, last int) error {
			var part uint64
			err := f.each(first, last, func(i int) { part += f.bacsCredit(i) })
			f.record("20304012345678017203040123456780000")
			f.b = digits(f.b, part, 11)
			f.put(47, 64, "PAYROLL")
			f.put(65, 82, "CONTRA")
			f.put(83, 100, "EXAMPLE WIDGETS")
			sum, contras = sum+part, contras+1
			return err
		})
		f.finish()
		f.width = bacsLabel
		f.bacsLabels("EOF")
		f.record("UTL1")
		f.b = digits(f.b, sum, 13)
		f.b = digits(f.b, sum, 13)
		f.b = digits(f.b, contras, 7)
		f.b = digits(f.b, uint64(f.payments()), 7)
		return err
	})
}

const (
	bacsLabel  = 80
	bacsRecord = 100
)

func (f *records) bacsLabels(name string) {
	f.record(name + "1A123456S  1123456000417000100010000   26324 26334 000000")
	f.record(name + "2F0200000100")
	f.put(51, 52, "00")
}

func (f *records) bacsCredit(i int) uint64 {
	d := f.dice(i)
	pence := 100 + f.amount(i)%10_000
	f.record("40")
	f.b = d.number(f.b, 4)
	f.b = d.number(f.b, 8)
	f.b = append(f.b, "099203040123456780000"...)
	f.b = digits(f.b, pence, 11)
	f.put(47, 64, "EXAMPLE WIDGETS")
	if f.Marker != "" {
		f.plain(65, 82, f.Marker)
	} else {
		f.number(65, uint64(i+1), 8)
	}
	f.plain(83, 100, strings.ToUpper(f.name(&d)))
	return pence
}
