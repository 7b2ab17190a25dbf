package formats

import "time"

// On which days no bank moves a currency. Sources: Sveriges Riksbank and Bankgirot (SEK), ECB, TARGET closing days (EUR),
// Finans Norge (NOK), Finans Danmark (DKK), gov.uk bank holidays of England and Wales (GBP), Federal Reserve Banks (USD): each
// as rules, which the tests hold against published dates. A day that a country sets for one year only, as for a coronation,
// is not known here. (github.com/rickar/cal/v2 has the first two right, but of Denmark's bank days only the public
// holidays, one of them abolished, and moves the Federal Reserve's Saturdays to Fridays, which it does not do.)

// holiday is one rule. With a month, it is that day, or the first such weekday from that day on; without, day counts from
// Easter Sunday. A holiday on a Saturday or Sunday is moved by so many days.
type holiday struct {
	name     string
	month    time.Month
	day      int
	weekday  time.Weekday // 0, a Sunday, for none: no rule is about one
	sat, sun int
}

var (
	newYear      = holiday{name: "New Year's Day", month: time.January, day: 1}
	maundy       = holiday{name: "Maundy Thursday", day: -3}
	goodFriday   = holiday{name: "Good Friday", day: -2}
	easterMonday = holiday{name: "Easter Monday", day: 1}
	mayDay       = holiday{name: "May Day", month: time.May, day: 1}
	ascension    = holiday{name: "Ascension Day", day: 39}
	whitMonday   = holiday{name: "Whit Monday", day: 50}
	christmasEve = holiday{name: "Christmas Eve", month: time.December, day: 24}
	christmas    = holiday{name: "Christmas Day", month: time.December, day: 25}
	secondDay    = holiday{name: "the second day of Christmas", month: time.December, day: 26}
	newYearsEve  = holiday{name: "New Year's Eve", month: time.December, day: 31}
)

// holidays of a currency; nil where none are known, nor which days its weekends are.
func holidays(currency string) []holiday {
	switch currency {
	case "SEK":
		return swedish
	case "EUR":
		return target
	case "NOK":
		return norwegian
	case "DKK":
		return danish
	case "GBP":
		return english
	case "USD":
		return federal
	}
	return nil
}

var swedish = []holiday{newYear, {name: "Epiphany", month: time.January, day: 6}, goodFriday, easterMonday, mayDay, ascension,
	{name: "the National Day", month: time.June, day: 6}, {name: "Midsummer Eve", month: time.June, day: 19, weekday: time.Friday},
	christmasEve, christmas, secondDay, newYearsEve}

var target = []holiday{newYear, goodFriday, easterMonday, mayDay, christmas, secondDay}

var norwegian = []holiday{newYear, maundy, goodFriday, easterMonday, mayDay, {name: "Constitution Day", month: time.May, day: 17},
	ascension, whitMonday, christmas, secondDay}

var danish = []holiday{newYear, maundy, goodFriday, easterMonday, ascension, {name: "the day after Ascension Day", day: 40}, whitMonday,
	{name: "Constitution Day", month: time.June, day: 5}, christmasEve, christmas, secondDay, newYearsEve}

var english = []holiday{{name: "New Year's Day", month: time.January, day: 1, sat: 2, sun: 1}, goodFriday, easterMonday,
	{name: "the early May bank holiday", month: time.May, day: 1, weekday: time.Monday},
	{name: "the spring bank holiday", month: time.May, day: 25, weekday: time.Monday},
	{name: "the summer bank holiday", month: time.August, day: 25, weekday: time.Monday},
	{name: "Christmas Day", month: time.December, day: 25, sat: 2, sun: 2}, {name: "Boxing Day", month: time.December, day: 26, sat: 2, sun: 2}}

var federal = []holiday{{name: "New Year's Day", month: time.January, day: 1, sun: 1},
	{name: "Martin Luther King Day", month: time.January, day: 15, weekday: time.Monday},
	{name: "Presidents' Day", month: time.February, day: 15, weekday: time.Monday},
	{name: "Memorial Day", month: time.May, day: 25, weekday: time.Monday}, {name: "Juneteenth", month: time.June, day: 19, sun: 1},
	{name: "Independence Day", month: time.July, day: 4, sun: 1}, {name: "Labor Day", month: time.September, day: 1, weekday: time.Monday},
	{name: "Columbus Day", month: time.October, day: 8, weekday: time.Monday}, {name: "Veterans Day", month: time.November, day: 11, sun: 1},
	{name: "Thanksgiving", month: time.November, day: 22, weekday: time.Thursday}, {name: "Christmas Day", month: time.December, day: 25, sun: 1}}

// on tells whether the holiday is kept on a weekday, so many days after Easter Sunday. No rule reaches into another month.
func (h *holiday) on(day time.Time, afterEaster int) bool {
	switch {
	case h.month == 0:
		return h.day == afterEaster
	case h.month != day.Month():
		return false
	case h.weekday != time.Sunday:
		return h.weekday == day.Weekday() && day.Day() >= h.day && day.Day() < h.day+7
	}
	moved := day.Day() - h.day
	if moved == 0 || moved != h.sat && moved != h.sun {
		return moved == 0
	}
	switch day.AddDate(0, 0, -moved).Weekday() {
	case time.Saturday:
		return moved == h.sat
	case time.Sunday:
		return moved == h.sun
	}
	return false
}

// easterSunday is the Gregorian one (the algorithm of Meeus, Jones and Butcher).
func easterSunday(year int) time.Time {
	a, b, c := year%19, year/100, year%100
	h := (19*a + b - b/4 - (b-(b+8)/25+1)/3 + 15) % 30
	l := (32 + 2*(b%4) + 2*(c/4) - h - c%4) % 7
	m := (a + 11*h + 22*l) / 451
	n := h + l - 7*m + 114
	return time.Date(year, time.Month(n/31), n%31+1, 0, 0, 0, 0, time.UTC)
}

// bankHoliday is why no bank moves the currency on a real day, written YYYY-MM-DD; "" if they do, or nothing is known of it.
func bankHoliday(date, currency []byte) string {
	list := holidays(string(currency))
	if list == nil || !validDate(date) {
		return ""
	}
	year, _ := number(date[:4])
	month, _ := number(date[5:7])
	of, _ := number(date[8:])
	return rests(time.Date(int(year), time.Month(month), int(of), 0, 0, 0, 0, time.UTC), list)
}

// BankHoliday is why no bank moves the currency on the day of t, its year, month and day as they stand there; "" if they do,
// or nothing is known of it.
func BankHoliday(t time.Time, currency string) string {
	list := holidays(currency)
	if list == nil {
		return ""
	}
	return rests(time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC), list)
}

// rests is why nothing moves on a day by these rules.
func rests(day time.Time, list []holiday) string {
	if w := day.Weekday(); w == time.Saturday || w == time.Sunday {
		return "a " + w.String()
	}
	afterEaster := day.YearDay() - easterSunday(day.Year()).YearDay()
	for i := range list {
		if list[i].on(day, afterEaster) {
			return list[i].name
		}
	}
	return ""
}

// bankDays are the dates that were looked at last, by their day of the month, and in which currency.
type bankDays [32]struct {
	date     [10]byte
	currency [3]byte
}

// checkBankDay enters a finding about an execution date on which the currency rests: once for the payments on a date, as long as
// it is remembered. A date that has passed is a finding of the format's.
func (s *sheet) checkBankDay(p *Payment) {
	date, currency := p.ExecutionDate, p.Currency
	if len(date) != 10 || len(currency) != 3 {
		return
	}
	known := &s.days[((date[8]&3)*10+date[9]&15)&31]
	if known.date == [10]byte(date) && known.currency == [3]byte(currency) || string(date) < s.today {
		return
	}
	known.date, known.currency = [10]byte(date), [3]byte(currency)
	if why := bankHoliday(date, currency); why != "" && s.finds("date-bank-holiday") {
		s.finding("date-bank-holiday", s.fromHere(), "the execution date %s is no bank day for %s: %s", date, currency, why)
	}
}
