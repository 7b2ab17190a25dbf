package formats

import (
	"fmt"
	"slices"
	"strings"
)

// sheet is where a reader enters what it finds: facts, payments, problems. It keeps the bounds of what is kept.
type sheet struct {
	facts    Facts
	problems []Problem
	found    func(*Payment)
	today    string // date that execution dates are measured against; "" for none

	sealKey *SealKey // that a sealed file is checked with; nil for none

	closed bool // malformed or unrecognised: nothing more is read

	recent [256]uint8 // where among the payers some are that came before, by their sketch: a search took a sixth of Nets's time

	both           bool // the format has both directions: negative payments are debits
	totals, debits sums

	orders bool // the payments are to be made: their dates should be bank days
	days   bankDays
}

// sums are totals in order of appearance.
type sums struct {
	list     []Total
	decimals []uint8 // of each currency in list
	last     int     // where in list the last payment went
	code     uint32  // its currency's threeLetters
}

// maxCurrencies bounds the totals of one file; ISO 4217 has fewer than 200 codes.
const maxCurrencies = 256

// report is what Close hands out: a copy, so that the sheet can go on.
func (s *sheet) report(also ...Problem) (Facts, []Problem) {
	f := s.facts
	if f.Format == "" {
		f.Format = "unrecognised"
	}
	f.Payers = slices.Clone(f.Payers)
	f.Findings, f.FindingCodes = slices.Clone(f.Findings), slices.Clone(f.FindingCodes)
	f.Totals, f.Debits = s.totals.sorted(), s.debits.sorted()
	return f, append(slices.Clone(s.problems), also...)
}

// giveUp says that the file is in no known format.
func (s *sheet) giveUp() {
	what := "it"
	if s.facts.Packed != "" {
		what = "what is packed in it"
	}
	s.unrecognised(what + " is in no format that is known here")
}

// unrecognised says why the file cannot be read at all.
func (s *sheet) unrecognised(why string) {
	if !s.closed {
		s.closed, s.facts.Format = true, "unrecognised"
		s.problems = append(s.problems, Problem{Unrecognised, why})
	}
}

// malformed enters the problem and closes the sheet.
func (s *sheet) malformed(format string, args ...any) {
	if !s.closed {
		s.closed = true
		s.problems = append(s.problems, Problem{Malformed, fmt.Sprintf(format, args...)})
	}
}

// incomplete is the problem of a file that ends here.
func (s *sheet) incomplete() Problem {
	switch n := s.facts.Payments; {
	case n == 0:
		return Problem{Incomplete, "it ends before its first payment is whole"}
	case n == 1:
		return Problem{Incomplete, "it ends early, after 1 payment"}
	default:
		return Problem{Incomplete, fmt.Sprintf("it ends early, after %d payments", n)}
	}
}

// mismatch enters a totals-mismatch, or puts the one at *slot (from 1; 0 for none yet) into better words.
func (s *sheet) mismatch(slot *int, detail string) {
	if *slot == 0 {
		s.problems = append(s.problems, Problem{TotalsMismatch, detail})
		*slot = len(s.problems)
		return
	}
	s.problems = slices.Clone(s.problems) // a caller may hold the old one
	s.problems[*slot-1].Detail = detail
}

// finds counts a finding and tells whether it is to be kept: only then need its words be made, and entered with finding.
func (s *sheet) finds(code string) bool {
	if !slices.Contains(s.facts.FindingCodes, code) {
		s.facts.FindingCodes = append(s.facts.FindingCodes, code)
	}
	s.facts.FindingsAll++
	return s.facts.FindingsAll <= MaxFindings
}

// finding enters a finding that finds has counted.
func (s *sheet) finding(code, where, sentence string, args ...any) {
	s.facts.Findings = append(s.facts.Findings, Finding{Code: code, Sentence: fmt.Sprintf(sentence, args...), Where: where, Severity: severity(code)})
}

// payer enters a payer, if it is a new one. The slices are not kept.
func (s *sheet) payer(name, account []byte) {
	payers := s.facts.Payers
	if len(payers) >= MaxPayers || len(name)+len(account) == 0 {
		return
	}
	is := func(p *Party) bool { return p.Account == string(account) && p.Name == string(name) }
	at := &s.recent[(sketch(name)+sketch(account))%len(s.recent)]
	if i := int(*at); i < len(payers) && is(&payers[i]) {
		return
	}
	i := len(payers) - 1
	for i >= 0 && !is(&payers[i]) {
		i--
	}
	if i < 0 {
		i = len(payers)
		s.facts.Payers = append(payers, Party{Name: string(name), Account: string(account)})
	}
	*at = uint8(i)
}

// sketch is a number that tells most names and accounts apart by a few of their letters.
func sketch(b []byte) int {
	if len(b) == 0 {
		return 0
	}
	return ((len(b)*31+int(b[0]))*31+int(b[len(b)/2]))*31 + int(b[len(b)-1])
}

// executes enters an execution date, "" for none. The slice is not kept.
func (s *sheet) executes(date []byte) {
	if len(date) == 0 {
		return
	}
	if f := &s.facts; f.FirstExecution == "" {
		f.FirstExecution, f.LastExecution = string(date), string(date)
	} else if string(date) < f.FirstExecution {
		f.FirstExecution = string(date)
	} else if string(date) > f.LastExecution {
		f.LastExecution = string(date)
	}
}

// payment numbers the payment, adds it to the total of its currency and hands it over. One without a currency only counts.
func (s *sheet) payment(p *Payment) {
	if len(p.Currency) > 0 {
		if !s.add(p) {
			return
		}
		if s.orders {
			s.checkBankDay(p)
		}
	}
	s.facts.Payments++
	p.Index = s.facts.Payments
	if s.found != nil {
		s.found(p)
	}
}

// add adds the payment to the total of its currency and direction.
func (s *sheet) add(p *Payment) bool {
	into, amount := &s.totals, p.Amount
	if s.both && amount.Sign() < 0 {
		into, amount = &s.debits, amount.Neg()
	}
	known := len(into.list)
	t := into.of(p.Currency)
	if len(into.list) > known {
		s.meet(p.Currency, into)
	}
	if t == nil {
		s.malformed("it has more than %d currencies", maxCurrencies)
		return false
	}
	sum, err := t.Amount.Add(amount)
	if err != nil {
		s.malformed("its sum has too many digits")
		return false
	}
	t.Amount = sum
	if amount.scale > into.decimals[into.last] {
		s.checkAmount(amount, into)
	}
	t.Payments++
	return true
}

// of is where the currency is summed up; nil when there are too many.
func (s *sums) of(currency []byte) *Total {
	code := threeLetters(currency)
	if code != 0 && code == s.code { // nearly always
		return &s.list[s.last]
	}
	at := slices.IndexFunc(s.list, func(t Total) bool { return t.Currency == string(currency) })
	if at < 0 {
		if len(s.list) >= maxCurrencies {
			return nil
		}
		at = len(s.list)
		s.list = append(s.list, Total{Currency: string(currency)})
	}
	s.last, s.code = at, code
	return &s.list[s.last]
}

// threeLetters is a number for a currency, to compare it; 0 if it has not three letters.
func threeLetters(b []byte) uint32 {
	if len(b) != 3 {
		return 0
	}
	return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | 1<<24
}

// sorted is a copy, by currency.
func (s *sums) sorted() []Total {
	list := slices.Clone(s.list)
	slices.SortFunc(list, func(a, b Total) int { return strings.Compare(a.Currency, b.Currency) })
	return list
}

// currency is " SEK" when all payments so far are in one currency, else "".
func (s *sheet) currency() string {
	if len(s.totals.list) == 1 {
		return " " + s.totals.list[0].Currency
	}
	return ""
}
