package formats

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestBankHolidays holds the rules against published dates: every weekday on which banks are closed, and no other.
//
// Sources: Bankgirot and Sveriges Riksbank, bankdagar; ECB, TARGET calendar; Finans Norge, bankfridager; Finans Danmark,
// banklukkedage; gov.uk/bank-holidays; Federal Reserve Bank Services, holiday schedules.
func TestBankHolidays(t *testing.T) {
	for _, c := range []struct{ currency, closed string }{
		{"SEK", "2024: 0101 0329 0401 0501 0509 0606 0621 1224 1225 1226 1231"},
		{"SEK", "2025: 0101 0106 0418 0421 0501 0529 0606 0620 1224 1225 1226 1231"},
		{"SEK", "2026: 0101 0106 0403 0406 0501 0514 0619 1224 1225 1231"},
		{"SEK", "2027: 0101 0106 0326 0329 0506 0625 1224 1231"},
		{"SEK", "2028: 0106 0414 0417 0501 0525 0606 0623 1225 1226"},
		{"EUR", "2024: 0101 0329 0401 0501 1225 1226"},
		{"EUR", "2025: 0101 0418 0421 0501 1225 1226"},
		{"EUR", "2026: 0101 0403 0406 0501 1225"},
		{"EUR", "2027: 0101 0326 0329"},
		{"EUR", "2028: 0414 0417 0501 1225 1226"},
		{"NOK", "2024: 0101 0328 0329 0401 0501 0509 0517 0520 1225 1226"},
		{"NOK", "2026: 0101 0402 0403 0406 0501 0514 0525 1225"},
		{"DKK", "2024: 0101 0328 0329 0401 0509 0510 0520 0605 1224 1225 1226 1231"},
		{"DKK", "2026: 0101 0402 0403 0406 0514 0515 0525 0605 1224 1225 1231"},
		{"GBP", "2024: 0101 0329 0401 0506 0527 0826 1225 1226"},
		{"GBP", "2026: 0101 0403 0406 0504 0525 0831 1225 1228"},
		{"GBP", "2027: 0101 0326 0329 0503 0531 0830 1227 1228"},
		{"GBP", "2028: 0103 0414 0417 0501 0529 0828 1225 1226"},
		{"USD", "2024: 0101 0115 0219 0527 0619 0704 0902 1014 1111 1128 1225"},
		{"USD", "2026: 0101 0119 0216 0525 0619 0907 1012 1111 1126 1225"},
		{"USD", "2027: 0101 0118 0215 0531 0705 0906 1011 1111 1125"},
		{"USD", "2028: 0117 0221 0529 0619 0704 0904 1009 1123 1225"},
	} {
		year, want, _ := strings.Cut(c.closed, ": ")
		var got []string
		first, err := time.Parse("2006", year)
		if err != nil {
			t.Fatal(err)
		}
		for day := first; day.Year() == first.Year(); day = day.AddDate(0, 0, 1) {
			why := bankHoliday([]byte(day.Format(time.DateOnly)), []byte(c.currency))
			if late := day.Add(23*time.Hour + 30*time.Minute); BankHoliday(day, c.currency) != why || BankHoliday(late.In(time.FixedZone("", -1800)), c.currency) != why {
				t.Errorf("%s %s: two answers", c.currency, day.Format(time.DateOnly))
			}
			if weekend := day.Weekday()%6 == 0; weekend != (why == "a Saturday" || why == "a Sunday") {
				t.Errorf("%s %s: %q", c.currency, day.Format(time.DateOnly), why)
			} else if why != "" && !weekend {
				got = append(got, day.Format("0102"))
			}
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%s %s:\n got %s\nwant %s", c.currency, year, s, want)
		}
	}
	for _, s := range []string{"2026-12-25 THB", "2026-02-30 SEK", "garbage SEK", " SEK", "2026-12-25 ", "0000-01-01 JPY", "2026-12-23 SEK"} {
		date, currency, _ := strings.Cut(s, " ")
		if why := bankHoliday([]byte(date), []byte(currency)); why != "" {
			t.Errorf("%s: %q", s, why)
		}
	}
	if why := BankHoliday(time.Date(2026, time.December, 25, 0, 0, 0, 0, time.UTC), "THB"); why != "" {
		t.Errorf("THB: %q", why)
	}
	for year := range 10_000 {
		bankHoliday(fmt.Appendf(nil, "%04d-12-24", year), []byte("SEK")) // never panics
	}
}

func TestBankDayFindings(t *testing.T) {
	const batch = `<PmtInf><PmtInfId>P</PmtInfId><ReqdExctnDt>%s</ReqdExctnDt><DbtrAcct><Id><IBAN>SE4550000000058398257466</IBAN></Id></DbtrAcct>%s</PmtInf>`
	const pay = `<CdtTrfTxInf><PmtId><EndToEndId>%s</EndToEndId></PmtId><Amt><InstdAmt Ccy="%s">%s</InstdAmt></Amt><Cdtr><Nm>X</Nm></Cdtr></CdtTrfTxInf>`
	file := func(n int, body string) []byte {
		return fmt.Appendf(nil, `<Document><CstmrCdtTrfInitn><GrpHdr><MsgId>M</MsgId><CreDtTm>2026-11-20T10:00:00</CreDtTm><NbOfTxs>%d</NbOfTxs></GrpHdr>%s</CstmrCdtTrfInitn></Document>`, n, body)
	}
	one := func(id, currency, amount string) string { return fmt.Sprintf(pay, id, currency, amount) }
	for _, c := range []struct {
		n    int
		body string
		want string
	}{
		{2, fmt.Sprintf(batch, "2026-12-24", one("1", "SEK", "1")+one("2", "SEK", "2")),
			"date-bank-holiday, from payment 1 on: the execution date 2026-12-24 is no bank day for SEK: Christmas Eve"},
		{2, fmt.Sprintf(batch, "2026-12-24", one("1", "EUR", "1")+one("2", "SEK", "2")),
			"date-bank-holiday, from payment 2 on: the execution date 2026-12-24 is no bank day for SEK: Christmas Eve"},
		{1, fmt.Sprintf(batch, "2026-12-05", one("1", "EUR", "1")),
			"date-bank-holiday, from payment 1 on: the execution date 2026-12-05 is no bank day for EUR: a Saturday"},
		{1, fmt.Sprintf(batch, "2026-12-05", one("1", "AED", "1")), ""},
		{3, fmt.Sprintf(batch, "2026-12-01", one("1", "JPY", "10.50")+one("2", "JPY", "10.00")+one("3", "KWD", "1.234")),
			"currency-decimals, payment 1: the amount 10.50 has more decimals than JPY has"},
		{2, fmt.Sprintf(batch, "2026-12-01", one("1", "SEX", "1")+one("2", "SEX", "1.00001")),
			"currency-unknown, from payment 1 on: ISO 4217 has no currency SEX that is in use"},
		{1, fmt.Sprintf(batch, "2026-12-01", one("1", "SEK", "1234567890123.12345")),
			"currency-decimals, payment 1: the amount 1234567890123.12345 has more decimals than SEK has"},
		{4, fmt.Sprintf(batch, "2026-12-01", one("1", "SEK", "1")+one("2", "SEK", "2")) + fmt.Sprintf(batch, "2026-12-01", one("3", "SEK", "1")+one("1", "SEK", "2")),
			`end-to-end-id-duplicate, PmtId in PmtInf 2, payment 4: the end-to-end id "1" is that of an earlier payment`},
		{4, fmt.Sprintf(batch, "2026-12-01", one("NOTPROVIDED", "SEK", "1")+one("NotProvided", "SEK", "2")+one("NOTPROVIDED", "SEK", "3")+one("X", "SEK", "4")), ""},
	} {
		got := inspect(file(c.n, c.body), always(5))
		var words []string
		for _, f := range got.Facts.Findings {
			words = append(words, f.Code+", "+f.Where+": "+f.Sentence)
		}
		if s := strings.Join(words, "\n"); s != c.want || len(got.Problems) > 0 {
			t.Errorf("%s:\n got %s\nwant %s (%v)", c.body, s, c.want, got.Problems)
		}
	}
}

func TestCurrencies(t *testing.T) {
	count := map[string]int{}
	for _, list := range []string{noDecimals, twoDecimals, threeDecimals, fourDecimals, anyDecimals} {
		for _, code := range strings.Fields(list) {
			if count[code]++; count[code] > 1 || !validCurrency([]byte(code)) {
				t.Errorf("%s is no code, or there twice", code)
			}
		}
	}
	for code, want := range map[string]int{"SEK": 2, "EUR": 2, "JPY": 0, "KWD": 3, "CLF": 4, "XAU": MaxScale, "HRK": -1, "DEM": -1, "EKS": -1, "sek": -1, "": -1, " SE": -1} {
		decimals, known := currencyDecimals([]byte(code))
		if got := int(decimals); known != (want >= 0) || known && got != want {
			t.Errorf("%s: %d, %v", code, got, known)
		}
	}
	t.Logf("%d currencies", len(count))
}

func TestIDSet(t *testing.T) {
	var s idSet
	id := func(n int) []byte { return fmt.Appendf(nil, "INVOICE-%d", n) }
	for n := range maxIDs + 1000 {
		if s.again(id(n)) {
			t.Fatalf("%d is new", n)
		}
	}
	if s.held != maxIDs || len(s.slots) != maxIDs*5/4 {
		t.Errorf("%d held in %d", s.held, len(s.slots))
	}
	s = idSet{}
	for n := range 5000 {
		s.again(id(n))
	}
	for n := range 5000 {
		if !s.again(id(n)) {
			t.Fatalf("%d has come before", n)
		}
	}
	if got := testing.AllocsPerRun(100, func() { s.again(id(4)[:9]) }); got > 2 {
		t.Errorf("%.0f allocations", got)
	}
}
