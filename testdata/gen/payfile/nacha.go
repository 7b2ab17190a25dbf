package payfile

import (
	"io"
	"strings"
)

// NACHA writes an ACH file of PPD batches with right control totals and hashes: every third entry a debit, every fourth with
// an addenda record. Amounts are small, since the file's sums have 12 digits; more than 79 million payments do not fit
// its count. Its errors are the writer's.
func NACHA(w io.Writer, opt Options) error {
	return fixed(w, opt, nachaSize, "\n", func(f *records) error {
		f.record("101 061000052 121042882")
		f.day(24, 0, "0601021504")
		f.b = append(f.b, "A094101"...)
		f.put(41, 63, "EXAMPLE BANK")
		f.put(64, 86, "EXEMPEL WIDGETS")
		var file nachaControl
		batches := 0
		err := f.batches(func(batch, first, last int) error {
			batches = batch + 1
			part, err := f.nachaBatch(batch, first, last)
			file.add(part)
			return err
		})
		f.record("9")
		f.number(2, uint64(batches), 6)
		f.number(8, uint64(f.count+9)/10, 6)
		f.number(14, file.entries, 8)
		f.nachaTotals(file)
		for f.count%10 != 0 {
			f.record(strings.Repeat("9", nachaSize))
		}
		return err
	})
}

const nachaSize = 94

// nachaControl is what the control records state.
type nachaControl struct{ entries, hash, debits, credits uint64 }

func (c *nachaControl) add(o nachaControl) {
	c.entries, c.hash, c.debits, c.credits = c.entries+o.entries, c.hash+o.hash, c.debits+o.debits, c.credits+o.credits
}

// nachaTotals writes what both control records end with.
func (f *records) nachaTotals(c nachaControl) {
	f.b = digits(f.b, c.hash%1e10, 10)
	f.b = digits(f.b, c.debits, 12)
	f.b = digits(f.b, c.credits, 12)
}

func (f *records) nachaBatch(batch, first, last int) (nachaControl, error) {
	f.record("5200")
	f.put(5, 20, "EXEMPEL WIDGETS")
	f.put(41, 50, "1234567890")
	f.b = append(f.b, "PPD"...)
	f.put(54, 63, "PAYROLL")
	f.day(70, 1+batch%20, "060102")
	f.to(79)
	f.b = append(f.b, "112104288"...)
	f.b = digits(f.b, uint64(batch+1), 7)
	var c nachaControl
	err := f.each(first, last, func(i int) { f.nachaEntry(i, &c) })
	f.record("8200")
	f.b = digits(f.b, c.entries, 6)
	f.nachaTotals(c)
	f.put(45, 54, "1234567890")
	f.to(80)
	f.b = append(f.b, "12104288"...)
	f.b = digits(f.b, uint64(batch+1), 7)
	return c, err
}

func (f *records) nachaEntry(i int, c *nachaControl) {
	d := f.dice(i)
	cents := 100 + f.amount(i)%10_000
	code, more := "622", uint64(0)
	if drawn(i) {
		code, c.debits = "627", c.debits+cents
	} else {
		c.credits += cents
	}
	if i%4 == 3 {
		more = 1
	}
	c.entries += 1 + more
	routing := 1e6*uint64(1+d.roll(12)) + uint64(d.roll(1e6))
	c.hash += routing
	f.record(code)
	f.b = digits(f.b, routing, 8)
	f.b = append(f.b, abaDigit(routing))
	f.b = d.number(f.b, 6+d.roll(11))
	f.number(30, cents, 10)
	f.put(40, 41, "ID")
	f.b = digits(f.b, uint64(i+1), 8)
	f.plain(55, 76, f.name(&d))
	f.number(79, more, 1)
	f.b = append(f.b, "12104288"...)
	f.b = digits(f.b, uint64(i+1)%1e7, 7)
	if more == 1 {
		f.record("705INVOICE ")
		f.b = d.number(f.b, 8)
		f.plain(20, 83, f.Marker)
		f.b = append(f.b, "0001"...)
		f.b = digits(f.b, uint64(i+1)%1e7, 7)
	}
}

// abaDigit is the check digit of a routing number: weights 3, 7, 1.
func abaDigit(routing uint64) byte {
	sum := uint64(0)
	for i := range 8 { // from the right
		sum += routing % 10 * [3]uint64{7, 3, 1}[i%3]
		routing /= 10
	}
	return byte('0' + (10-sum%10)%10)
}
