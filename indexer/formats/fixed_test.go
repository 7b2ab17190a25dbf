package formats

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// earlierEnds are where a file of several statements is whole, too: nothing in it tells that another follows.
func earlierEnds(data []byte) (ends []int) {
	if bytes.HasPrefix(data, []byte("VOL1")) {
		if i := bytes.Index(data, []byte("\nUTL1")); i >= 0 {
			return []int{i + 45}
		}
		return nil
	}
	if bytes.HasPrefix(data, []byte("00000")) {
		for at := 0; ; {
			i := bytes.Index(data[at:], []byte("\n9               "))
			if i < 0 {
				return ends
			}
			at += i + 1
			ends = append(ends, at+codaSize)
		}
	}
	return nil
}

// trueEndFixed is trueEnd for the formats of fixed columns but LB; 0 for other files.
func trueEndFixed(data []byte) int {
	if bytes.HasPrefix(data, []byte("101 ")) {
		return trueEndNACHA(data)
	}
	if bytes.HasPrefix(data, []byte("NY000010")) {
		if i := bytes.Index(data, []byte("NY000089")); i >= 0 {
			if end := bytes.IndexByte(data[i:], '\n'); end >= 0 && end < netsSize {
				return i + end + 1 // its zeros are part of it: one that is shorter needs its line end
			}
			return min(len(data), i+netsSize)
		}
		return len(data)
	}
	if bytes.HasPrefix(data, []byte("VOL1")) {
		return len(bytes.TrimRight(data, " \t\r\n\x1a"))
	}
	if bytes.HasPrefix(data, []byte("00000")) {
		end := len(bytes.TrimRight(data, " \t\r\n\x1a"))
		if last := bytes.LastIndexByte(data[:end], '\n'); last >= 0 && end-last-1 < codaSize && data[last+1] == '9' && end < len(data) {
			return end + 1 // a short trailer needs its line end
		}
		return end
	}
	return 0
}

// trueEndNACHA is behind the credits of the file control, the first record of type 9.
func trueEndNACHA(data []byte) int {
	control := bytes.Index(bytes.ReplaceAll(data, []byte("\r"), []byte("\n")), []byte("\n9"))
	if control++; control == 0 {
		for control = 0; control < len(data) && data[control] != '9'; control += nachaSize {
		}
	}
	if bytes.Contains(data, []byte("ADV")) {
		return min(len(data), control+71)
	}
	return min(len(data), control+55)
}

// TestFixedFindings wants what is softer than a problem to be a finding, and a file that is right to have none.
func TestFixedFindings(t *testing.T) {
	files := testdata(t)
	for name, want := range map[string]string{
		"nacha-typical.txt": "", "nacha-adv.txt": "", "nacha-iat.txt": "", "nacha-no-breaks.txt": "", "nacha-utf8.txt": "characters", "nacha-crlf.txt": "",
		"nacha-aba.txt": "aba-check-digit", "nacha-date.txt": "date-shape", "nacha-indicator.txt": "addenda-indicator", "nacha-blocks.txt": "block-count",
		"nets-request.txt": "", "nets-ocr.txt": "", "nets-latin1.txt": "", "nets-utf8.txt": "", "nets-no-breaks.txt": "", "nets-agreements.txt": "",
		"bacs-credits.txt": "", "bacs-debits.txt": "date-bank-holiday", "bacs-latin1.txt": "characters", "bacs-utf8.txt": "characters", "bacs-two.txt": "characters", "bacs-crlf.txt": "", "bacs-none.txt": "",
		"bacs-day.txt": "date-shape", "bacs-account.txt": "account-shape", "bacs-contra.txt": "contra-account", "bacs-currency.txt": "currency-shape",
		"bacs-eof.txt": "label-differs", "bacs-unbalanced.txt": "contra-mismatch",
		"coda-typical.txt": "", "coda-two.txt": "", "coda-no-breaks.txt": "", "coda-message.txt": "", "coda-none.txt": "", "coda-latin1.txt": "",
		"coda-iban.txt": "iban-check-digits", "coda-own-iban.txt": "iban-check-digits", "coda-communication.txt": "communication-check-digits",
		"coda-balance.txt": "balance-mismatch", "coda-date.txt": "date-shape", "coda-created.txt": "date-shape", "coda-currency.txt": "currency-shape",
		"coda-more-follows.txt":    "statement-missing",
		"coda-message-counted.txt": "record-count", "coda-short-end.txt": "record-length",
		"nets-kid.txt": "kid-check-digit", "nets-account.txt": "account-check-digit", "nets-payer-account.txt": "account-check-digit",
		"nets-date.txt": "date-shape", "nets-service.txt": "service-differs", "nets-transaction.txt": "transaction-differs",
		"nets-unknown.txt": "unknown-record", "nets-cancellation.txt": "cancellation", "nets-short-end.txt": "record-length",
		"nacha-class.txt": "service-class batch-differs", "nacha-short.txt": "record-length record-length",
	} {
		got := inspect(files[name], whole(files[name]))
		var codes []string
		for _, f := range got.Facts.Findings {
			codes = append(codes, f.Code)
		}
		if s := strings.Join(codes, " "); s != want {
			t.Errorf("%s: findings %q, want %q: %v", name, s, want, got.Facts.Findings)
		}
	}
}

// TestFixedPayments wants every field of each format.
func TestFixedPayments(t *testing.T) {
	files := testdata(t)
	for _, c := range []struct{ name, facts, payments string }{
		{
			"nacha-latin1.txt", "FIM:A 2026-11-20T15:02 EXEMPEL WIDGETS [{EXEMPEL WIDGETS 121042882} {EXEMPEL AKERI 121042882}] 2026-11-23 2026-12-01 " +
				"2 batches, 6 entries and addenda, debits 25.00, credits 101.50, hash 35338020 nacha\x1f121042882\x1f2026-11-20\x1f3\x1f25.00\x1f101.50\x1f35338020",
			`1 "INV 4711" 100.50 "USD" from "EXEMPEL WIDGETS" "121042882" to "BJÖRN ÖBERG" "123456789" on "2026-11-23" for "SUPPLIER"
2 "INV 4712" -25.00 "USD" from "EXEMPEL WIDGETS" "121042882" to "MALERI OCH FARG" "987654321" on "2026-11-23" for "REFUND OF INVOICE 12"
3 "E3" 1.00 "USD" from "EXEMPEL AKERI" "121042882" to "KARIN EK" "55500" on "2026-12-01" for "RMR*IV*4713"`,
		},
		{"nacha-adv.txt", "", `1 "061000053240001" 500.00 "USD" from "EXAMPLE COMPANY" "121042882" to "ADVICE A" "111" on "2026-11-23" for "ACCOUNTING"
2 "061000053240002" -2500.75 "USD" from "EXAMPLE COMPANY" "121042882" to "ADVICE B" "222" on "2026-11-23" for "ACCOUNTING"`},
		{"nacha-iat.txt", "", `1 "121042880000001" -45.00 "USD" from "" "121042882" to "KARIN EK" "DE89370400440532013000" on "2026-11-23" for "SPARE PARTS"`},
		{
			"nets-latin1.txt", "2011001  00012345 [{BERG ANNE } {KÅRE ØDE }] 2026-11-23 2026-12-01 2 transactions, 10 records, 350.50 NOK " +
				"nets-ocr\x1f00012345\x1f2011001\x1f2026-11-23\x1f2\x1f350.50",
			`1 "0000001" 100.00 "NOK" from "BERG ANNE" "" to "" "86011117947" on "2026-11-23" for "1234567897"
2 "0000002" 250.50 "NOK" from "KÅRE ØDE" "" to "" "86011117947" on "2026-12-01" for "SUBSCRIPTION"`,
		},
		{"nets-ocr.txt", "", `1 "0000001" 1020.00 "NOK" from "" "99990512341" to "" "86011117947" on "2026-11-20" for "987654325"
2 "0000001" -5.00 "NOK" from "" "" to "" "99990512341" on "2026-11-20" for "REVERSED PURCHASE"
3 "0000002" 700.00 "NOK" from "" "12345678911" to "" "99990512341" on "2026-11-20" for "1234567897"`},
		{
			"coda-latin1.txt", " 2026-11-20 EXEMPLE TRAVAUX SA [{EXEMPLE TRAVAUX SA BE71096123456769}] 2026-11-20 2026-11-21 12 records, debits 100.250, " +
				"credits 250.500 coda\x1fBE71096123456769\x1f017\x1f2026-11-20\x1f2\x1f100.250\x1f250.500",
			`1 "BANKREF1" 250.500 "EUR" from "BÉRANGÈRE" "BE68539007547034" to "EXEMPLE TRAVAUX SA" "BE71096123456769" on "2026-11-20" for "012345678939"
2 "CUST-7" -100.250 "EUR" from "EXEMPLE TRAVAUX SA" "BE71096123456769" to "OMEGA GMBH" "DE89370400440532013000" on "2026-11-21" for "FACTURE 4711 DU MOIS DE NOVEMBRE MERCI"`,
		},
		{
			"bacs-latin1.txt", "000417 2026-11-20 123456 [{EXAMPLE WIDGETS 20304012345678}] 2026-11-27 2026-11-27 1 debit of 0.75 GBP, 2 credits of 100.75 GBP " +
				"bacs\x1f123456\x1f000417\x1f2026-11-20\x1f3\x1f0.75\x1f100.75",
			`1 "" 100.50 "GBP" from "EXAMPLE WIDGETS" "20304012345678" to "ANNE BERG" "40506087654321" on "2026-11-27" for "SALARY NOV"
2 "" 0.25 "GBP" from "EXAMPLE WIDGETS" "20304012345678" to "B SMITH" "40506011112222" on "2026-11-27" for "SALARY NOV"
3 "" -0.75 "GBP" from "EXAMPLE WIDGETS" "20304012345678" to "BÉA" "40506087654321" on "2026-11-27" for "INV 1"`,
		},
		{"bacs-debits.txt", "", `1 "" -5.00 "GBP" from "EXAMPLE WIDGETS" "20304012345678" to "C PAYER" "40506087654321" on "2026-11-27" for "DD 1"
2 "" -7.00 "GBP" from "EXAMPLE WIDGETS" "20304012345678" to "D PAYER" "40506011112222" on "2026-11-28" for "DD 2"`},
	} {
		got := inspect(files[c.name], always(3))
		if s := strings.Join(got.Payments, "\n"); s != c.payments {
			t.Errorf("%s: got\n%s\nwant\n%s", c.name, s, c.payments)
		}
		f := got.Facts
		if s := fmt.Sprint(f.MessageID, " ", f.CreatedAt, " ", f.Initiator, " ", f.Payers, " ", f.FirstExecution, " ", f.LastExecution, " ", f.Declared,
			" ", f.BusinessKey); s != c.facts && c.facts != "" {
			t.Errorf("%s: got\n%q\nwant\n%q", c.name, s, c.facts)
		}
	}
}

// FuzzFixed begins with whole files of fixed columns that are changed: whatever is taken, chunks do not matter, and a file
// that is taken without a problem states what it holds.
func FuzzFixed(f *testing.F) {
	for _, data := range testdata(f) {
		if trueEndFixed(data) > 0 {
			f.Add(data, uint64(1))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		got := checkInspector(t, data, seed)
		if len(got.Problems) == 0 && int64(len(got.Payments)) != got.Facts.Payments {
			t.Errorf("%d payments handed over, %d counted", len(got.Payments), got.Facts.Payments)
		}
	})
}

// TestOneCharacter: a sentence that counts can count to one.
func TestOneCharacter(t *testing.T) {
	for width, want := range map[int]string{1: "the record has 1 character, not 94", 93: "the record has 93 characters, not 94"} {
		r := records{s: &sheet{}, width: width}
		r.checkWidth(94)
		if f := r.s.facts.Findings; len(f) != 1 || f[0].Sentence != want {
			t.Errorf("%+v, want %s", f, want)
		}
	}
}
