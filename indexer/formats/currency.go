package formats

import (
	"fmt"
	"math/bits"
	"strings"
)

// The currencies of ISO 4217, list one, that are in use in 2026, by their decimals. (golang.org/x/text/currency follows CLDR,
// whose decimals are those of prices in shops: none for AFN, PKR or IQD. So it is no judge of payments.)
const (
	noDecimals    = " BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF "
	threeDecimals = " BHD IQD JOD KWD LYD OMR TND "
	fourDecimals  = " CLF UYW "
	twoDecimals   = " AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW" +
		" CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR" +
		" IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN" +
		" NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB" +
		" TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG "
	anyDecimals = " XAG XAU XBA XBB XBC XBD XDR XPD XPT XSU XTS XUA XXX " // metals, units of account, tests
)

// currencyDecimals is how many decimals amounts in a currency have; false if ISO 4217 has no such currency.
func currencyDecimals(code []byte) (uint8, bool) {
	if !validCurrency(code) {
		return MaxScale, false
	}
	for _, of := range []struct {
		codes    string
		decimals uint8
	}{{twoDecimals, 2}, {noDecimals, 0}, {threeDecimals, 3}, {fourDecimals, 4}, {anyDecimals, MaxScale}} {
		if strings.Contains(of.codes, string(code)) { // no code reaches over a blank
			return of.decimals, true
		}
	}
	return MaxScale, false
}

// meet takes a currency that a direction's payments have not been in before, and enters a finding if it is none.
func (s *sheet) meet(currency []byte, in *sums) {
	decimals, known := currencyDecimals(currency)
	in.decimals = append(in.decimals, decimals)
	if !known && validCurrency(currency) && s.finds("currency-unknown") { // another shape is a finding of the format's
		s.finding("currency-unknown", s.fromHere(), "ISO 4217 has no currency %s that is in use", currency)
	}
}

// checkAmount enters a finding about the next payment's amount if its currency cannot be paid in such small parts. (10.00 JPY can
// be paid: zeros do not count.)
func (s *sheet) checkAmount(a Amount, in *sums) {
	if decimals := in.decimals[in.last]; a.scale > decimals && a.finer(decimals) && s.finds("currency-decimals") {
		s.finding("currency-decimals", fmt.Sprintf("payment %d", s.facts.Payments+1), "the amount %s has more decimals than %s has", a, in.list[in.last].Currency)
	}
}

// finer tells whether the amount is no whole number of units with so many decimals.
func (a Amount) finer(decimals uint8) bool {
	hi, lo := a.magnitude()
	if hi == 0 {
		return lo%powers[a.scale-decimals] != 0
	}
	return bits.Rem64(hi, lo, powers[a.scale-decimals]) != 0
}

// fromHere says where a finding is that holds for the next payment and those like it behind it.
func (s *sheet) fromHere() string { return fmt.Sprintf("from payment %d on", s.facts.Payments+1) }
