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

	closed bool // malformed or unrecognised: nothing more is read

	totals []Total // in order of appearance
	last   int     // where in totals the last payment went
	debits []Total // what is drawn, where twoWay says that the format has both directions; also in order of appearance
	drawn  int     // where in debits the last payment went
	twoWay bool
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
	f.Findings = slices.Clone(f.Findings)
	f.Totals, f.Debits = sorted(s.totals), sorted(s.debits)
	return f, append(slices.Clone(s.problems), also...)
}

func sorted(totals []Total) []Total {
	totals = slices.Clone(totals)
	slices.SortFunc(totals, func(a, b Total) int { return strings.Compare(a.Currency, b.Currency) })
	return totals
}

// giveUp says that the file is in no known format.
func (s *sheet) giveUp() {
	s.closed, s.facts.Format = true, "unrecognised"
	s.problems = append(s.problems, Problem{Unrecognised, "it is in no format that is known here"})
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
func (s *sheet) finds() bool {
	s.facts.FindingsAll++
	return s.facts.FindingsAll <= MaxFindings
}

// finding enters a finding that finds has counted.
func (s *sheet) finding(code, where, sentence string, args ...any) {
	s.facts.Findings = append(s.facts.Findings, Finding{Code: code, Sentence: fmt.Sprintf(sentence, args...), Where: where})
}

// payer enters a payer, if it is a new one. The slices are not kept.
func (s *sheet) payer(name, account []byte) {
	payers := s.facts.Payers
	if len(payers) >= MaxPayers || len(name)+len(account) == 0 {
		return
	}
	for i := len(payers) - 1; i >= 0; i-- {
		if payers[i].Account == string(account) && payers[i].Name == string(name) {
			return
		}
	}
	s.facts.Payers = append(payers, Party{Name: string(name), Account: string(account)})
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

// payment numbers the payment, adds it to the total of its currency and hands it over.
func (s *sheet) payment(p *Payment) {
	list, last, amount := &s.totals, &s.last, p.Amount
	if s.twoWay && amount.Sign() < 0 {
		list, last, amount = &s.debits, &s.drawn, amount.Neg()
	}
	t := total(list, last, p.Currency)
	if t == nil {
		s.malformed("it has more than %d currencies", maxCurrencies)
		return
	}
	sum, err := t.Amount.Add(amount)
	if err != nil {
		s.malformed("its sum has too many digits")
		return
	}
	t.Amount = sum
	s.facts.Payments++
	p.Index = s.facts.Payments
	if s.found != nil {
		s.found(p)
	}
}

// total is where the currency is summed up in the list; nil when there are too many. Last is where the last one was.
func total(list *[]Total, last *int, currency []byte) *Total {
	if *last < len(*list) && (*list)[*last].Currency == string(currency) {
		return &(*list)[*last]
	}
	for i := range *list {
		if (*list)[i].Currency == string(currency) {
			*last = i
			return &(*list)[i]
		}
	}
	if len(*list) >= maxCurrencies {
		return nil
	}
	*last = len(*list)
	*list = append(*list, Total{Currency: string(currency)})
	return &(*list)[*last]
}

// currency is " SEK" when all payments so far are in one currency, else "".
func (s *sheet) currency() string {
	if len(s.totals) == 1 {
		return " " + s.totals[0].Currency
	}
	return ""
}
