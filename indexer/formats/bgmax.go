package formats

import (
	"fmt"
	"strings"
)

// BgMax: what Bankgirot tells a payee of the payments that have come in. Source: Bankgirot, "Bankgiro Inbetalningar,
// Teknisk manual", section 2, records of 80 characters, columns from 1:
//
//	01: 3-22 BGMAX, 23-24 version, 25-44 timestamp, 45 P or T (test)
//	05: 3-12 payee's bankgiro, 13-22 plusgiro, 23-25 currency
//	20, 21: 3-12 payer's bankgiro, 13-37 reference, 38-55 amount, 56 reference code, 57 channel, 58-69 serial number
//	22, 23: one more reference of the payment before them; the amounts are parts of its amount, so they are not summed
//	25: 3-52 text, 26: 3-37 name, 27-28: address, 29: organisation number, all of the payment before them
//	15: 3-37 account, 38-45 date, 46-50 number, 51-68 sum, 69-71 currency, 72-79 count, 80 kind
//	70: 3-10 TK20, 11-18 TK21, 19-26 TK22 and TK23, 27-34 TK15
//
// TK20 are payments, TK21 deductions: a deposit (TK05 to TK15) holds both, and its sum is that of the first less that of
// the second (checked on Bankgirot's own example, which has deductions and extra references). The date that money came
// stands in TK15, behind the payments, so it is known of the file, not of each. The true end is column 34 of TK70.

// bgmaxFile reads one BgMax file.
type bgmaxFile struct {
	bgRecords
	inDeposit, ended bool
	pending          bool // p waits for its name and further references
	deposit          bgmaxDeposit
	counts           [4]int64 // TK20, TK21, TK22 and TK23, TK15, as in TK70
	declared         int64    // payments that all TK15 say
	declaredSum      Amount   // and their sums
	slot             int      // the problem about a deposit's totals, see sheet.mismatch
	name, ref        []byte
}

// bgmaxDeposit is what stands between TK05 and TK15.
type bgmaxDeposit struct {
	count, sum int64 // öre
	currency   string
}

// maxBGReference bounds what is joined of a payment's references.
const maxBGReference = 280

func lookBgMax(prefix []byte) answer {
	_, a := bgLook(prefix, false, false, bgmaxHead)
	return a
}

func bgmaxHead(b []byte) (shape bgShape, a answer) {
	if a = bgPattern(b, "01BGMAX               01"); a == yes {
		shape.lines, a = bgLines(b, bgRecord)
	}
	return shape, a
}

func openBgMax(prefix []byte, s *sheet) reader {
	shape, _ := bgLook(prefix, false, false, bgmaxHead)
	f := &bgmaxFile{bgRecords: newBGRecords(s, shape)}
	f.each = f.record
	s.facts.Format = "bgmax"
	return f
}

// record takes one record. A TK01 can only be the first: detection saw to that.
func (f *bgmaxFile) record(rec []byte) {
	code := code(rec)
	ok := f.inDeposit
	switch {
	case f.ended:
		ok = false
	case code == 1:
		ok = f.records == 1
	case code == 5 || code == 70:
		ok = !f.inDeposit
	case code >= 22 && code <= 29:
		ok = f.pending
	}
	if !ok {
		f.s.malformed("record %d stands where it does not belong", f.records)
		return
	}
	switch code {
	case 1:
		f.begin(rec)
	case 5:
		f.open(rec)
	case 20, 21:
		f.payment(rec, code)
	case 22, 23:
		f.counts[2]++
		f.refer(columns(rec, 13, 37))
	case 25:
		f.refer(columns(rec, 3, 52))
	case 26:
		f.name = f.text(f.name[:0], columns(rec, 3, 37))
	case 27, 28, 29:
	case 15:
		f.close(rec)
	case 70:
		f.finish(rec)
	default:
		f.unknown()
	}
}

func (f *bgmaxFile) begin(rec []byte) {
	facts := &f.s.facts
	stamp := trim(columns(rec, 25, 44))
	facts.MessageID = string(f.text(nil, stamp))
	facts.CreatedAt = f.stamp(stamp)
	facts.Version = "layout " + string(columns(rec, 23, 24))
	if kind := f.text(nil, columns(rec, 45, 45)); len(kind) > 0 {
		facts.Version += " " + string(kind)
	}
}

// stamp is a timestamp, YYYYMMDDhhmmss and decimals of a second, in the form of ISO 8601; a date alone may be one.
func (f *bgRecords) stamp(b []byte) string {
	date := f.day(nil, columns(b, 1, 8))
	if len(date) == 0 || len(b) < 14 || !digits(b) {
		return string(date)
	}
	s := fmt.Sprintf("%sT%s:%s:%s", date, b[8:10], b[10:12], b[12:14])
	if len(b) > 14 {
		s += "." + string(b[14:])
	}
	return s
}

// open begins a deposit.
func (f *bgmaxFile) open(rec []byte) {
	f.inDeposit = true
	f.s.facts.Batches++
	payee, kind := columns(rec, 3, 12), "bankgiro"
	if pg := columns(rec, 13, 22); len(bareNumber(payee)) == 0 && len(bareNumber(pg)) > 0 {
		payee, kind = pg, "plusgiro"
	}
	f.checkNumber(payee, kind)
	payee = trim(payee)
	f.p.PayeeAccount = append(f.p.PayeeAccount[:0], payee...)
	f.s.payer(nil, payee)
	f.deposit = bgmaxDeposit{currency: f.currencyCode(columns(rec, 23, 25), f.deposit.currency)}
	f.p.Currency = append(f.p.Currency[:0], f.deposit.currency...)
}

// payment takes TK20 and TK21. What is said of it follows, so it is handed over by handOver.
func (f *bgmaxFile) payment(rec []byte, code int) {
	f.handOver()
	ore, ok := number(columns(rec, 38, 55))
	if !ok || len(rec) < 55 {
		f.s.malformed("the amount of payment %d, record %d, is not 18 digits", f.s.facts.Payments+1, f.records)
		return
	}
	if code == 21 {
		ore = -ore
	}
	f.counts[code-20]++
	x, p := &f.deposit, &f.p
	if x.sum, ok = addMinor(x.sum, ore); !ok {
		f.tooBig()
		return
	}
	x.count++
	f.pending = true
	p.Amount = AmountFromMinor(ore, 2)
	p.PayerAccount = p.PayerAccount[:0]
	if payer := columns(rec, 3, 12); len(bareNumber(payer)) > 0 {
		f.checkNumber(payer, "bankgiro")
		p.PayerAccount = append(p.PayerAccount, payer...)
	}
	p.EndToEndID = f.text(p.EndToEndID[:0], columns(rec, 58, 69))
	f.name, f.ref = f.name[:0], f.ref[:0]
	f.refer(columns(rec, 13, 37))
	if len(rec) >= 56 && rec[55] == '2' { // an OCR reference, says the bank
		f.checkOCR(columns(rec, 13, 37))
	}
}

// refer adds to the payment's reference.
func (f *bgmaxFile) refer(field []byte) {
	if empty(field) || len(f.ref) >= maxBGReference {
		return
	}
	if len(f.ref) > 0 {
		f.ref = append(f.ref, ' ')
	}
	f.ref = f.text(f.ref, field)
}

func (f *bgmaxFile) handOver() {
	if f.pending {
		f.pending = false
		f.p.PayerName, f.p.Reference = f.name, f.ref
		f.s.payment(&f.p)
	}
}

// close ends a deposit with its TK15.
func (f *bgmaxFile) close(rec []byte) {
	f.handOver()
	if f.s.closed {
		return
	}
	x := &f.deposit
	ore, ok := number(columns(rec, 51, 68))
	count, ok2 := number(columns(rec, 72, 79))
	if !ok || !ok2 || len(rec) < 79 {
		f.s.malformed("record %d, a TK15, has no sum of 18 and no count of 8 digits", f.records)
		return
	}
	f.inDeposit = false
	f.counts[3]++
	f.date = f.day(f.date[:0], columns(rec, 38, 45))
	f.s.executes(f.date)
	if c := trim(columns(rec, 69, 71)); len(c) > 0 && string(c) != x.currency && f.s.finds("currency-differs") {
		f.s.finding("currency-differs", f.where(), "the TK15 names another currency than its TK05")
	}
	says := claim{hasCount: true, hasSum: true, count: count, counted: x.count,
		sum: AmountFromMinor(ore, 2), summed: AmountFromMinor(x.sum, 2)}
	sum, err := f.declaredSum.Add(says.sum)
	if err != nil {
		f.tooBig()
		return
	}
	f.declared, f.declaredSum = f.declared+count, sum
	f.s.facts.Declared = payments(f.declared) + ", " + sum.String()
	if says.wrong() && f.slot == 0 {
		words, holds := says.words(" " + x.currency)
		f.s.mismatch(&f.slot, fmt.Sprintf("deposit %d says %s, but holds %s", f.counts[3], words, holds))
	}
}

// bgmaxCounts reads the four counts of a TK70; false if they are not whole.
func bgmaxCounts(rec []byte) (counts [4]int64, ok bool) {
	for i := range counts {
		n, ok := number(columns(rec, 3+8*i, 10+8*i))
		if !ok || len(rec) < 10+8*i {
			return counts, false
		}
		counts[i] = n
	}
	return counts, true
}

// finish ends the file with its TK70.
func (f *bgmaxFile) finish(rec []byte) {
	says, ok := bgmaxCounts(rec)
	if !ok {
		f.s.malformed("record %d, a TK70, has not four counts of 8 digits", f.records)
		return
	}
	f.ended = true
	if says != f.counts {
		words := func(c [4]int64) string {
			return fmt.Sprintf("%s, deductions %d, extra references %d, deposits %d", payments(c[0]), c[1], c[2], c[3])
		}
		slot := 0
		f.s.mismatch(&slot, fmt.Sprintf("its TK70 says %s, but it holds %s", words(says), words(f.counts)))
	}
	facts := &f.s.facts
	key := []string{facts.Format, facts.MessageID}
	for _, p := range facts.Payers {
		key = append(key, p.Account)
	}
	facts.BusinessKey = strings.Join(key, "\x1f")
}

// whole: what is left without a line end may be a whole TK70.
func (f *bgmaxFile) whole() bool {
	rest := f.rest()
	if len(rest) == 0 {
		return f.ended
	}
	_, counts := bgmaxCounts(rest)
	return counts && code(rest) == 70 && !f.inDeposit && !f.ended
}

func (f *bgmaxFile) end() { f.last() }
