package formats

import (
	"fmt"
	"strings"
)

// End records of BAI2 and what is counted towards them, see bai2.go for their fields.

// baiSums are what an end record states, and what was counted towards it.
type baiSums struct {
	sum      Amount // of amounts as they are written, without decimals
	children int64  // of a file groups, of a group accounts
	records  int64
}

// endField takes a field of an end record, and closes with the last of them.
func (f *baiFile) endField(at int, field []byte) {
	all := baiEnds(f.kind)
	if at >= all {
		return
	}
	if at == 0 {
		f.says, f.left = baiSums{}, 0
	}
	if len(field) == 0 {
		f.left |= 1 << at
		if f.s.finds("total-missing") {
			f.s.finding("total-missing", f.where(), "the record leaves one of its totals open")
		}
	} else if !f.state(at, field, all) {
		f.s.malformed("record %d, of code %02d, has something other than digits in its totals", f.n, f.kind)
		return
	}
	if at < all-1 {
		return
	}
	switch f.kind {
	case 49:
		f.holds("account", f.accounts, &f.account, "")
		f.summed()
		f.up(&f.group, f.account.sum)
	case 98:
		f.holds("group", f.groups, &f.group, "account")
		f.up(&f.file, f.group.sum)
	case 99:
		f.finish()
	}
}

// state reads what an end record states.
func (f *baiFile) state(at int, field []byte, all int) (ok bool) {
	switch at {
	case 0:
		f.says.sum, ok = baiSum(field)
	case all - 1:
		f.says.records, ok = number(field)
	default:
		f.says.children, ok = number(field)
	}
	return ok
}

// baiSum reads a sum of amounts, which may be longer than they are.
func baiSum(field []byte) (Amount, bool) {
	sum, err := parseAmount(field, 38, 0)
	return sum, err == nil && field[len(field)-1] != '.'
}

func (f *baiFile) up(to *baiSums, sum Amount) {
	var err error
	if to.sum, err = to.sum.Add(sum); err != nil {
		f.s.malformed("its sum has too many digits")
	}
}

// holds holds what the end record says against what was counted; what it leaves open is not.
func (f *baiFile) holds(who string, n int64, holds *baiSums, child string) {
	says := f.says
	for i, last := 0, baiEnds(f.kind)-1; i <= last; i++ {
		switch open := f.left&(1<<i) != 0; {
		case !open:
		case i == 0:
			says.sum = holds.sum
		case i == last:
			says.records = holds.records
		default:
			says.children = holds.children
		}
	}
	if f.slot == 0 && (says.sum.Cmp(holds.sum) != 0 || says.records != holds.records || child != "" && says.children != holds.children) {
		if n > 0 {
			who = fmt.Sprint(who, " ", n)
		}
		f.s.mismatch(&f.slot, fmt.Sprintf("%s says %s, but holds %s", who, says.words(child), holds.words(child)))
	}
}

// words are the sums for people; the control total is no amount of money, as it adds up balances and entries.
func (a baiSums) words(child string) string {
	words := counted(a.records, "record", "records") + ", control total " + a.sum.String()
	if child != "" {
		words = counted(a.children, child, child+"s") + ", " + words
	}
	return words
}

// summed holds the totals of credits and debits in 03 against the account's entries, where it has any.
func (f *baiFile) summed() {
	for d, kind := range []string{"credits", "debits"} {
		if s := &f.summary[d]; s.has && f.detail[0].count+f.detail[1].count > 0 && s.sum.Cmp(f.detail[d].sum) != 0 && f.s.finds("summary-mismatch") {
			f.s.finding("summary-mismatch", f.where(), "account %d says that its %s are %s, but its entries make %s", f.accounts, kind, s.sum, f.detail[d].sum)
		}
	}
}

// finish takes record 99.
func (f *baiFile) finish() {
	f.s.facts.Declared = f.says.words("group")
	f.holds("it", 0, &f.file, "group")
	facts := &f.s.facts
	facts.BusinessKey = strings.Join([]string{facts.Format, f.sender, f.id, facts.CreatedAt, fmt.Sprint(facts.Payments), f.file.sum.String()}, "\x1f")
}
