package formats

import "fmt"

// claim is what a file says of its own totals, and what it holds.
type claim struct {
	hasCount, hasSum bool
	count, counted   int64
	sum, summed      Amount
	slot             int // the problem about it, see sheet.mismatch
}

// wrong tells whether the claim does not hold.
func (c *claim) wrong() bool {
	return c.hasCount && c.count != c.counted || c.hasSum && c.sum.Cmp(c.summed) != 0
}

// words puts both sides side by side: "3 payments, 250.00 SEK" and "2, 150.00 SEK".
func (c *claim) words(currency string) (says, holds string) {
	holds = fmt.Sprint(c.counted)
	if c.hasCount {
		says = payments(c.count)
	} else {
		holds = payments(c.counted)
	}
	if c.hasSum {
		if says != "" {
			says += ", "
		}
		says += c.sum.String() + currency
		holds += ", " + c.summed.String() + currency
	}
	return says, holds
}

func payments(n int64) string {
	if n == 1 {
		return "1 payment"
	}
	return fmt.Sprintf("%d payments", n)
}
