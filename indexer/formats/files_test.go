package formats

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// wants says of each file in testdata what is expected: format, version, encoding; payments; totals, debits with a minus; and the problems, or
// "ok". Files that differ in form alone say the same.
var wants = map[string]string{
	"pain001-smallest.xml":        "pain.001 utf-8 | 1 | SEK 1 | ok",
	"pain001-typical.xml":         "pain.001 pain.001.001.03 utf-8 | 2 | SEK 250.00 | ok",
	"pain001-crlf.xml":            "pain.001 pain.001.001.03 utf-8 | 2 | SEK 250.00 | ok",
	"pain001-batches.xml":         "pain.001 pain.001.001.09 utf-8 | 3 | SEK 1350.25 | ok",
	"pain001-currencies.xml":      "pain.001 pain.001.001.03 utf-8 | 3 | EUR 20.1, SEK 40.00 | ok",
	"pain001-prefixed.xml":        "pain.001 pain.001.001.03 utf-8 | 2 | SEK 250.00 | ok",
	"pain001-bank.xml":            "pain.001 pain.001.001.03 utf-8 | 2 | SEK 250.00 | ok",
	"pain001-no-namespace.xml":    "pain.001 utf-8 | 2 | SEK 250.00 | ok",
	"pain001-v02.xml":             "pain.001 pain.001.001.02 utf-8 | 2 | SEK 250.00 | ok",
	"pain001-v12.xml":             "pain.001 pain.001.001.12 utf-8 | 2 | SEK 250.00 | ok",
	"pain001-apphdr.xml":          "pain.001 pain.001.001.03 utf-8 | 2 | SEK 250.00 | ok",
	"pain001-sbdh.xml":            "pain.001 pain.001.001.03 utf-8 | 2 | SEK 250.00 | ok",
	"pain001-bom.xml":             "pain.001 pain.001.001.03 utf-8 | 2 | SEK 250.00 | ok",
	"pain001-utf16le.xml":         "pain.001 pain.001.001.03 utf-16le | 2 | SEK 250.00 | ok",
	"pain001-utf16be-no-bom.xml":  "pain.001 pain.001.001.03 utf-16be | 2 | SEK 250.00 | ok",
	"pain001-latin1.xml":          "pain.001 pain.001.001.03 iso-8859-1 | 2 | SEK 250.00 | ok",
	"pain001-latin9.xml":          "pain.001 pain.001.001.03 iso-8859-15 | 2 | SEK 250.00 | ok",
	"pain001-windows1252.xml":     "pain.001 pain.001.001.03 windows-1252 | 2 | SEK 250.00 | ok",
	"pain001-ascii.xml":           "pain.001 pain.001.001.03 us-ascii | 2 | SEK 250.00 | ok",
	"pain001-cdata.xml":           "pain.001 pain.001.001.03 utf-8 | 2 | SEK 250.00 | ok",
	"pain001-foreign.xml":         "pain.001 pain.001.001.03 utf-8 | 2 | SEK 250.00 | ok",
	"bad-count.xml":               "pain.001 pain.001.001.03 utf-8 | 2 | SEK 250.00 | totals-mismatch: it says 3 payments, 250.00 SEK, but holds 2, 250.00 SEK",
	"bad-count-over.xml":          "pain.001 pain.001.001.03 utf-8 | 2 | SEK 250.00 | totals-mismatch: it says 1 payment, 250.00 SEK, but holds 2, 250.00 SEK",
	"bad-sum.xml":                 "pain.001 pain.001.001.03 utf-8 | 2 | SEK 250.00 | totals-mismatch: it says 2 payments, 250.01 SEK, but holds 2, 250.00 SEK",
	"bad-batch.xml":               "pain.001 pain.001.001.03 utf-8 | 2 | SEK 250.00 | totals-mismatch: PmtInf 1 says 2 payments, 249.00 SEK, but holds 2, 250.00 SEK",
	"bad-comma.xml":               "pain.001 pain.001.001.03 utf-8 | 0 |  | malformed: the amount of payment 1 is not a number with at most 18 digits and 5 decimals",
	"bad-negative.xml":            "pain.001 pain.001.001.03 utf-8 | 0 |  | malformed: the amount of payment 1 is not a number with at most 18 digits and 5 decimals",
	"bad-decimals.xml":            "pain.001 pain.001.001.03 utf-8 | 0 |  | malformed: the amount of payment 1 is not a number with at most 18 digits and 5 decimals",
	"bad-no-currency.xml":         "pain.001 pain.001.001.03 utf-8 | 0 |  | malformed: the amount of payment 1 has no currency",
	"bad-no-amount.xml":           "pain.001 pain.001.001.03 utf-8 | 0 |  | malformed: payment 1 has no amount",
	"bad-no-count.xml":            "pain.001 pain.001.001.03 utf-8 | 0 |  | malformed: its GrpHdr has no NbOfTxs",
	"bad-latin1-as-utf8.xml":      "pain.001 pain.001.001.03 utf-8 | 0 |  | malformed: it is not in the encoding that it declares (line 10)",
	"bad-end-tag.xml":             "pain.001 pain.001.001.03 utf-8 | 0 |  | malformed: an end tag does not match its start tag (line 36)",
	"bad-attribute-twice.xml":     "pain.001 pain.001.001.03 utf-8 | 0 |  | malformed: it has an attribute twice in one tag (line 32)",
	"bad-prefix.xml":              "pain.001 pain.001.001.03 utf-8 | 0 |  | malformed: it uses a namespace prefix that it does not declare (line 10)",
	"bad-trailing.xml":            "pain.001 pain.001.001.03 utf-8 | 2 | SEK 250.00 | malformed: it has something outside of its outermost element (line 68)",
	"bad-two-messages.xml":        "pain.001 pain.001.001.03 utf-8 | 2 | SEK 250.00 | malformed: it holds more than one message",
	"bad-control.xml":             "pain.001 pain.001.001.03 utf-8 | 0 |  | malformed: it has a character that XML does not allow (line 43)",
	"bad-bracket.xml":             "pain.001 pain.001.001.03 utf-8 | 0 |  | malformed: it has ]]> in a text (line 43)",
	"bad-entity.xml":              "pain.001 pain.001.001.03 utf-8 | 0 |  | malformed: it has a reference to something other than a character (line 43)",
	"bad-comment.xml":             "pain.001 pain.001.001.03 utf-8 | 0 |  | malformed: it has -- in a comment (line 43)",
	"bad-doctype.xml":             "pain.001 utf-8 | 0 |  | malformed: it has a DOCTYPE, which is not allowed in a payment file",
	"bad-entity-bomb.xml":         "pain.001 utf-8 | 0 |  | malformed: it has a DOCTYPE, which is not allowed in a payment file",
	"bad-deep.xml":                "pain.001 pain.001.001.03 utf-8 | 0 |  | malformed: its elements are nested too deep (line 43)",
	"bad-long-name.xml":           "pain.001 pain.001.001.03 utf-8 | 0 |  | malformed: an element holds too much text",
	"bad-space-first.xml":         "pain.001 pain.001.001.03 utf-8 | 0 |  | malformed: it has white space before its XML declaration",
	"bad-encoding.xml":            "pain.001 pain.001.001.03 iso-8859-1 | 0 |  | malformed: it declares an encoding that is not known here",
	"other-message.xml":           "unrecognised utf-8 | 0 |  | unrecognised: it is in no format that is known here",
	"other-page.html":             "unrecognised utf-8 | 0 |  | unrecognised: it is in no format that is known here",
	"other-broken.xml":            "unrecognised utf-8 | 0 |  | unrecognised: it is in no format that is known here",
	"other-plain.txt":             "unrecognised | 0 |  | unrecognised: it is in no format that is known here",
	"lb-latin1.txt":               "bg-lb iso-8859-1 | 4 | SEK 2600.00 | ok",
	"lb-lf.txt":                   "bg-lb iso-8859-1 | 4 | SEK 2600.00 | ok",
	"lb-cp850.txt":                "bg-lb cp850 | 4 | SEK 2600.00 | ok",
	"lb-iso646.txt":               "bg-lb iso-646-se | 4 | SEK 2600.00 | ok",
	"lb-ascii.txt":                "bg-lb us-ascii | 4 | SEK 2600.00 | ok",
	"lb-lower.txt":                "bg-lb iso-8859-1 | 4 | SEK 2600.00 | ok",
	"lb-utf8.txt":                 "bg-lb utf-8 | 4 | SEK 2600.00 | ok",
	"lb-no-breaks.txt":            "bg-lb iso-8859-1 | 4 | SEK 2600.00 | ok",
	"lb-utf8-no-breaks.txt":       "bg-lb utf-8 | 4 | SEK 2600.00 | ok",
	"lb-short.txt":                "bg-lb iso-8859-1 | 4 | SEK 2600.00 | ok",
	"lb-long.txt":                 "bg-lb iso-8859-1 | 4 | SEK 2600.00 | ok",
	"lb-title.txt":                "bg-lb iso-8859-1 | 4 | SEK 2600.00 | ok",
	"lb-unterminated.txt":         "bg-lb iso-8859-1 | 4 | SEK 2600.00 | ok",
	"lb-sealed.txt":               "bg-lb iso-8859-1 | 4 | SEK 2600.00 | ok",
	"lb-sealed-no-breaks.txt":     "bg-lb iso-8859-1 | 4 | SEK 2600.00 | ok",
	"lb-sections.txt":             "bg-lb iso-8859-1 | 8 | EUR 2600.00, SEK 2600.00 | ok",
	"lb-report.txt":               "bg-lb-report report 1 iso-8859-1 | 4 | SEK 2600.00 | ok",
	"lb-negative.txt":             "bg-lb iso-8859-1 | 2 | SEK -0.40 | ok",
	"lb-none.txt":                 "bg-lb iso-8859-1 | 0 |  | ok",
	"lb-masked.txt":               "bg-lb iso-8859-1 | 4 | SEK 2600.00 | ok",
	"bad-lb-count.txt":            "bg-lb iso-8859-1 | 4 | SEK 2600.00 | totals-mismatch: it says 5 payments, 2600.00 SEK, but holds 4, 2600.00 SEK",
	"bad-lb-sum.txt":              "bg-lb iso-8859-1 | 4 | SEK 2600.00 | totals-mismatch: it says 4 payments, 2600.01 SEK, but holds 4, 2600.00 SEK",
	"bad-lb-after.txt":            "bg-lb iso-8859-1 | 4 | SEK 2600.00 | malformed: record 11 stands outside of a section from TK11 to TK29",
	"bad-lb-no-tk29.txt":          "bg-lb iso-8859-1 | 4 | SEK 2600.00 | malformed: section 1 has no TK29 before the next TK11, record 10",
	"bad-lb-amount.txt":           "bg-lb iso-8859-1 | 1 | SEK 1500.00 | malformed: the amount of payment 2, record 7, is not 12 digits",
	"bad-lb-sections.txt":         "bg-lb iso-8859-1 | 8 | EUR 2600.00, SEK 2600.00 | totals-mismatch: section 2 says 4 payments, 2600.01 EUR, but holds 4, 2600.00 EUR",
	"cut-lb-sealed.txt":           "bg-lb iso-8859-1 | 4 | SEK 2600.00 | incomplete: it ends early, after 4 payments",
	"nacha-aba.txt":               "nacha us-ascii | 3 | USD 101.50, USD -25.00 | ok",
	"nacha-adv.txt":               "nacha us-ascii | 2 | USD 500.00, USD -2500.75 | ok",
	"nacha-blocks.txt":            "nacha us-ascii | 3 | USD 101.50, USD -25.00 | ok",
	"nacha-breaks-cr.txt":         "nacha us-ascii | 3 | USD 101.50, USD -25.00 | ok",
	"nacha-class.txt":             "nacha us-ascii | 3 | USD 101.50, USD -25.00 | ok",
	"nacha-crlf.txt":              "nacha us-ascii | 3 | USD 101.50, USD -25.00 | ok",
	"nacha-date.txt":              "nacha us-ascii | 3 | USD 101.50, USD -25.00 | ok",
	"nacha-iat.txt":               "nacha us-ascii | 1 | USD -45.00 | ok",
	"nacha-indicator.txt":         "nacha us-ascii | 3 | USD 101.50, USD -25.00 | ok",
	"nacha-latin1.txt":            "nacha iso-8859-1 | 3 | USD 101.50, USD -25.00 | ok",
	"nacha-long.txt":              "nacha us-ascii | 3 | USD 101.50, USD -25.00 | ok",
	"nacha-no-breaks.txt":         "nacha us-ascii | 3 | USD 101.50, USD -25.00 | ok",
	"nacha-no-padding.txt":        "nacha us-ascii | 3 | USD 101.50, USD -25.00 | ok",
	"nacha-none.txt":              "nacha us-ascii | 0 |  | ok",
	"nacha-short.txt":             "nacha us-ascii | 3 | USD 101.50, USD -25.00 | ok",
	"nacha-smallest.txt":          "nacha us-ascii | 1 | USD 0.01 | ok",
	"nacha-typical.txt":           "nacha us-ascii | 3 | USD 101.50, USD -25.00 | ok",
	"nacha-utf8.txt":              "nacha utf-8 | 3 | USD 101.50, USD -25.00 | ok",
	"bad-nacha-addenda.txt":       "nacha us-ascii | 0 |  | malformed: record 3, an addenda record, follows no entry",
	"bad-nacha-adv-debits.txt":    "nacha us-ascii | 2 | USD 500.00, USD -2500.75 | totals-mismatch: it says 1 batch, 2 entries and addenda, debits 2500.76, credits 500.00, hash 29238015, but holds 1 batch, 2 entries and addenda, debits 2500.75, credits 500.00, hash 29238015",
	"bad-nacha-adv-large.txt":     "nacha us-ascii | 2 | USD 500.00, USD -2500.75 | totals-mismatch: it says 1 batch, 2 entries and addenda, debits 900000000000002500.75, credits 500.00, hash 29238015, but holds 1 batch, 2 entries and addenda, debits 2500.75, credits 500.00, hash 29238015",
	"bad-nacha-after.txt":         "nacha us-ascii | 3 | USD 101.50, USD -25.00 | malformed: record 13 stands behind the file control",
	"bad-nacha-amount.txt":        "nacha us-ascii | 0 |  | malformed: the amount of payment 1, record 3, is not 10 digits",
	"bad-nacha-batch-count.txt":   "nacha us-ascii | 3 | USD 101.50, USD -25.00 | totals-mismatch: batch 1 says 2 entries and addenda, debits 25.00, credits 100.50, hash 29238015, but holds 3 entries and addenda, debits 25.00, credits 100.50, hash 29238015",
	"bad-nacha-batch-credits.txt": "nacha us-ascii | 3 | USD 101.50, USD -25.00 | totals-mismatch: batch 2 says 3 entries and addenda, debits 0.00, credits 1.01, hash 6100005, but holds 3 entries and addenda, debits 0.00, credits 1.00, hash 6100005",
	"bad-nacha-batch-debits.txt":  "nacha us-ascii | 3 | USD 101.50, USD -25.00 | totals-mismatch: batch 1 says 3 entries and addenda, debits 26.00, credits 100.50, hash 29238015, but holds 3 entries and addenda, debits 25.00, credits 100.50, hash 29238015",
	"bad-nacha-batch-hash.txt":    "nacha us-ascii | 3 | USD 101.50, USD -25.00 | totals-mismatch: batch 2 says 3 entries and addenda, debits 0.00, credits 1.00, hash 6100006, but holds 3 entries and addenda, debits 0.00, credits 1.00, hash 6100005",
	"bad-nacha-batches.txt":       "nacha us-ascii | 3 | USD 101.50, USD -25.00 | totals-mismatch: it says 3 batches, 6 entries and addenda, debits 25.00, credits 101.50, hash 35338020, but holds 2 batches, 6 entries and addenda, debits 25.00, credits 101.50, hash 35338020",
	"bad-nacha-code.txt":          "nacha us-ascii | 0 |  | malformed: the transaction code of payment 1, record 3, is not known",
	"bad-nacha-count.txt":         "nacha us-ascii | 3 | USD 101.50, USD -25.00 | totals-mismatch: it says 2 batches, 7 entries and addenda, debits 25.00, credits 101.50, hash 35338020, but holds 2 batches, 6 entries and addenda, debits 25.00, credits 101.50, hash 35338020",
	"bad-nacha-credits.txt":       "nacha us-ascii | 3 | USD 101.50, USD -25.00 | totals-mismatch: it says 2 batches, 6 entries and addenda, debits 25.00, credits 102.50, hash 35338020, but holds 2 batches, 6 entries and addenda, debits 25.00, credits 101.50, hash 35338020",
	"bad-nacha-debits.txt":        "nacha us-ascii | 3 | USD 101.50, USD -25.00 | totals-mismatch: it says 2 batches, 6 entries and addenda, debits 25.01, credits 101.50, hash 35338020, but holds 2 batches, 6 entries and addenda, debits 25.00, credits 101.50, hash 35338020",
	"bad-nacha-hash.txt":          "nacha us-ascii | 3 | USD 101.50, USD -25.00 | totals-mismatch: it says 2 batches, 6 entries and addenda, debits 25.00, credits 101.50, hash 35338021, but holds 2 batches, 6 entries and addenda, debits 25.00, credits 101.50, hash 35338020",
	"bad-nacha-mixed-adv.txt":     "nacha us-ascii | 2 | USD 500.00, USD -2500.75 | malformed: batch 2 is of another kind than those before it: ADV batches stand alone",
	"bad-nacha-no-control.txt":    "nacha us-ascii | 1 | USD 100.50 | malformed: record 6, of type 5, is out of place: batches begin with a record of type 5 and end with one of type 8",
	"bad-nacha-padded-early.txt":  "nacha us-ascii | 3 | USD 101.50, USD -25.00 | malformed: record 12 is padding, before the file control",
	"bad-nacha-total.txt":         "nacha us-ascii | 3 | USD 101.50, USD -25.00 | malformed: record 12, the file control, has something other than digits in its totals",
	"bad-nacha-type.txt":          "nacha us-ascii | 1 | USD 100.50 | malformed: record 5 is of no type that this format knows",
	"cut-nacha.txt":               "nacha us-ascii | 3 | USD 101.50, USD -25.00 | incomplete: it ends early, after 3 payments",
	"nets-account.txt":            "nets-ocr service 21 us-ascii | 2 | NOK 350.50 | ok",
	"nets-agreements.txt":         "nets-ocr service 21 us-ascii | 0 |  | ok",
	"nets-cancellation.txt":       "nets-ocr service 21 us-ascii | 0 |  | ok",
	"nets-crlf.txt":               "nets-ocr service 21 us-ascii | 2 | NOK 350.50 | ok",
	"nets-date.txt":               "nets-ocr service 21 us-ascii | 2 | NOK 350.50 | ok",
	"nets-kid.txt":                "nets-ocr service 21 us-ascii | 2 | NOK 350.50 | ok",
	"nets-latin1.txt":             "nets-ocr service 21 iso-8859-1 | 2 | NOK 350.50 | ok",
	"nets-no-breaks.txt":          "nets-ocr service 21 us-ascii | 2 | NOK 350.50 | ok",
	"nets-none.txt":               "nets-ocr us-ascii | 0 |  | ok",
	"nets-ocr.txt":                "nets-ocr service 09 us-ascii | 3 | NOK 1715.00 | ok",
	"nets-payer-account.txt":      "nets-ocr service 09 us-ascii | 3 | NOK 1715.00 | ok",
	"nets-request.txt":            "nets-ocr service 21 us-ascii | 2 | NOK 350.50 | ok",
	"nets-service.txt":            "nets-ocr service 21 us-ascii | 2 | NOK 350.50 | ok",
	"nets-short-end.txt":          "nets-ocr service 21 us-ascii | 2 | NOK 350.50 | ok",
	"nets-tail.txt":               "nets-ocr service 21 us-ascii | 2 | NOK 350.50 | ok",
	"nets-transaction.txt":        "nets-ocr service 21 us-ascii | 2 | NOK 350.50 | ok",
	"nets-unknown.txt":            "nets-ocr service 21 us-ascii | 2 | NOK 350.50 | ok",
	"nets-unterminated.txt":       "nets-ocr service 21 us-ascii | 2 | NOK 350.50 | ok",
	"nets-utf8.txt":               "nets-ocr service 21 utf-8 | 2 | NOK 350.50 | ok",
	"bad-nets-after.txt":          "nets-ocr service 21 us-ascii | 2 | NOK 350.50 | malformed: record 11 stands behind the end of the transmission",
	"bad-nets-amount.txt":         "nets-ocr service 21 us-ascii | 0 |  | malformed: the amount of transaction 1 of assignment 1, record 3, is not 17 digits",
	"bad-nets-count.txt":          "nets-ocr service 21 us-ascii | 2 | NOK 350.50 | totals-mismatch: it says 3 transactions, 10 records, 350.50 NOK, but holds 2 transactions, 10 records, 350.50 NOK",
	"bad-nets-no-88.txt":          "nets-ocr service 21 us-ascii | 1 | NOK 100.00 | malformed: record 9, of type 89, is out of place",
	"bad-nets-outside.txt":        "nets-ocr us-ascii | 0 |  | malformed: record 2, of type 30, is out of place",
	"bad-nets-part-count.txt":     "nets-ocr service 21 us-ascii | 2 | NOK 350.50 | totals-mismatch: assignment 1 says 1 transaction, 8 records, 350.50 NOK, but holds 2 transactions, 8 records, 350.50 NOK",
	"bad-nets-part-records.txt":   "nets-ocr service 21 us-ascii | 2 | NOK 350.50 | totals-mismatch: assignment 1 says 2 transactions, 7 records, 350.50 NOK, but holds 2 transactions, 8 records, 350.50 NOK",
	"bad-nets-part-sum.txt":       "nets-ocr service 21 us-ascii | 2 | NOK 350.50 | totals-mismatch: assignment 1 says 2 transactions, 8 records, 350.49 NOK, but holds 2 transactions, 8 records, 350.50 NOK",
	"bad-nets-records.txt":        "nets-ocr service 21 us-ascii | 2 | NOK 350.50 | totals-mismatch: it says 2 transactions, 11 records, 350.50 NOK, but holds 2 transactions, 10 records, 350.50 NOK",
	"bad-nets-second-record.txt":  "nets-ocr service 21 us-ascii | 0 |  | malformed: record 3, of type 31, follows no transaction",
	"bad-nets-second.txt":         "nets-ocr service 09 us-ascii | 3 | NOK 1715.00 | totals-mismatch: assignment 2 says 2 transactions, 7 records, 696.00 NOK, but holds 2 transactions, 7 records, 695.00 NOK",
	"bad-nets-start.txt":          "nets-ocr service 21 us-ascii | 0 |  | malformed: record 4 does not begin with NY and six digits",
	"bad-nets-sum.txt":            "nets-ocr service 21 us-ascii | 2 | NOK 350.50 | totals-mismatch: it says 2 transactions, 10 records, 350.51 NOK, but holds 2 transactions, 10 records, 350.50 NOK",
	"bad-nets-total.txt":          "nets-ocr service 21 us-ascii | 2 | NOK 350.50 | malformed: record 10, an end record, has something other than digits in its totals",
	"cut-nets-zeros.txt":          "nets-ocr service 21 us-ascii | 2 | NOK 350.50 | incomplete: it ends early, after 2 payments",
	"cut-nets.txt":                "nets-ocr service 21 us-ascii | 2 | NOK 350.50 | incomplete: it ends early, after 2 payments",
	"coda-balance.txt":            "coda version 2 us-ascii | 2 | EUR 250.500, EUR -100.250 | ok",
	"coda-communication.txt":      "coda version 2 us-ascii | 2 | EUR 250.500, EUR -100.250 | ok",
	"coda-created.txt":            "coda version 2 us-ascii | 2 | EUR 250.500, EUR -100.250 | ok",
	"coda-crlf.txt":               "coda version 2 us-ascii | 2 | EUR 250.500, EUR -100.250 | ok",
	"coda-currency.txt":           "coda version 2 us-ascii | 2 | E R 250.500, E R -100.250 | ok",
	"coda-date.txt":               "coda version 2 us-ascii | 2 | EUR 250.500, EUR -100.250 | ok",
	"coda-iban.txt":               "coda version 2 us-ascii | 2 | EUR 250.500, EUR -100.250 | ok",
	"coda-latin1.txt":             "coda version 2 iso-8859-1 | 2 | EUR 250.500, EUR -100.250 | ok",
	"coda-message-counted.txt":    "coda version 2 us-ascii | 2 | EUR 250.500, EUR -100.250 | ok",
	"coda-message.txt":            "coda version 2 us-ascii | 2 | EUR 250.500, EUR -100.250 | ok",
	"coda-more-follows.txt":       "coda version 2 us-ascii | 2 | EUR 250.500, EUR -100.250 | ok",
	"coda-no-breaks.txt":          "coda version 2 us-ascii | 2 | EUR 250.500, EUR -100.250 | ok",
	"coda-none-short.txt":         "coda version 2 us-ascii | 0 |  | ok",
	"coda-none.txt":               "coda version 2 us-ascii | 0 |  | ok",
	"coda-own-iban.txt":           "coda version 2 us-ascii | 2 | EUR 250.500, EUR -100.250 | ok",
	"coda-short-end.txt":          "coda version 2 us-ascii | 2 | EUR 250.500, EUR -100.250 | ok",
	"coda-tail.txt":               "coda version 2 us-ascii | 2 | EUR 250.500, EUR -100.250 | ok",
	"coda-two.txt":                "coda version 2 us-ascii | 4 | EUR 250.500, USD 250.500, EUR -100.250, USD -100.250 | ok",
	"coda-typical.txt":            "coda version 2 us-ascii | 2 | EUR 250.500, EUR -100.250 | ok",
	"coda-unterminated.txt":       "coda version 2 us-ascii | 2 | EUR 250.500, EUR -100.250 | ok",
	"coda-utf8.txt":               "coda version 2 utf-8 | 2 | EUR 250.500, EUR -100.250 | ok",
	"bad-coda-after.txt":          "coda version 2 us-ascii | 2 | EUR 250.500, EUR -100.250 | malformed: record 15, which begins with '2', is out of place",
	"bad-coda-alone.txt":          "coda version 2 us-ascii | 0 |  | malformed: record 3 follows no movement",
	"bad-coda-amount.txt":         "coda version 2 us-ascii | 0 |  | malformed: the amount of record 3 is not 15 digits with a sign",
	"bad-coda-balance.txt":        "coda version 2 us-ascii | 0 |  | malformed: the balance of record 2 is not 15 digits with a sign",
	"bad-coda-credits.txt":        "coda version 2 us-ascii | 2 | EUR 250.500, EUR -100.250 | totals-mismatch: it says 12 records, debits 100.250, credits 250.400, but holds 12 records, debits 100.250, credits 250.500",
	"bad-coda-debits.txt":         "coda version 2 us-ascii | 2 | EUR 250.500, EUR -100.250 | totals-mismatch: it says 12 records, debits 100.251, credits 250.500, but holds 12 records, debits 100.250, credits 250.500",
	"bad-coda-detail.txt":         "coda version 2 us-ascii | 0 |  | malformed: record 3 is a detail of no movement",
	"bad-coda-kind.txt":           "coda version 2 us-ascii | 0 |  | malformed: record 4 is of no type that this format knows",
	"bad-coda-new-balance.txt":    "coda version 2 us-ascii | 2 | EUR 250.500, EUR -100.250 | malformed: the balance of record 13 is not 15 digits with a sign",
	"bad-coda-no-trailer.txt":     "coda version 2 us-ascii | 2 | EUR 250.500, EUR -100.250 | malformed: record 14, which begins with '0', is out of place",
	"bad-coda-order.txt":          "coda version 2 us-ascii | 0 |  | malformed: record 2, which begins with '2', is out of place",
	"bad-coda-place.txt":          "coda version 2 us-ascii | 0 |  | malformed: record 5, which begins with '4', is out of place",
	"bad-coda-records.txt":        "coda version 2 us-ascii | 2 | EUR 250.500, EUR -100.250 | totals-mismatch: it says 11 records, debits 100.250, credits 250.500, but holds 12 records, debits 100.250, credits 250.500",
	"bad-coda-second.txt":         "coda version 2 us-ascii | 4 | EUR 250.500, USD 250.500, EUR -100.250, USD -100.250 | totals-mismatch: statement 2 says 12 records, debits 100.250, credits 250.501, but holds 12 records, debits 100.250, credits 250.500",
	"bad-coda-total.txt":          "coda version 2 us-ascii | 2 | EUR 250.500, EUR -100.250 | malformed: record 14, a trailer, has something other than digits in its totals",
	"cut-coda-blanks.txt":         "coda version 2 us-ascii | 2 | EUR 250.500, EUR -100.250 | incomplete: it ends early, after 2 payments",
	"cut-coda.txt":                "coda version 2 us-ascii | 2 | EUR 250.500, EUR -100.250 | incomplete: it ends early, after 2 payments",
	"bacs-account.txt":            "bacs us-ascii | 2 | GBP 100.75 | ok",
	"bacs-contra.txt":             "bacs us-ascii | 2 | GBP 100.75 | ok",
	"bacs-credits.txt":            "bacs us-ascii | 2 | GBP 100.75 | ok",
	"bacs-crlf.txt":               "bacs us-ascii | 2 | GBP 100.75 | ok",
	"bacs-currency.txt":           "bacs us-ascii | 2 | GBP 100.75 | ok",
	"bacs-day.txt":                "bacs us-ascii | 2 | GBP 100.75 | ok",
	"bacs-debits.txt":             "bacs us-ascii | 2 | GBP -12.00 | ok",
	"bacs-eof.txt":                "bacs us-ascii | 2 | GBP 100.75 | ok",
	"bacs-latin1.txt":             "bacs iso-8859-1 | 3 | GBP 100.75, GBP -0.75 | ok",
	"bacs-none.txt":               "bacs us-ascii | 0 |  | ok",
	"bacs-short.txt":              "bacs us-ascii | 2 | GBP 100.75 | ok",
	"bacs-tail.txt":               "bacs us-ascii | 2 | GBP 100.75 | ok",
	"bacs-two.txt":                "bacs iso-8859-1 | 5 | GBP 201.50, GBP -0.75 | ok",
	"bacs-unbalanced.txt":         "bacs us-ascii | 2 | GBP 100.75 | ok",
	"bacs-unterminated.txt":       "bacs us-ascii | 2 | GBP 100.75 | ok",
	"bacs-utf8.txt":               "bacs utf-8 | 3 | GBP 100.75, GBP -0.75 | ok",
	"bad-bacs-after.txt":          "bacs us-ascii | 2 | GBP 100.75 | malformed: record 11 stands outside of the labels UHL1 and EOF1",
	"bad-bacs-amount.txt":         "bacs us-ascii | 0 |  | malformed: the amount of record 5 is not 11 digits",
	"bad-bacs-code.txt":           "bacs us-ascii | 0 |  | malformed: the code of record 5 is not known",
	"bad-bacs-credits-count.txt":  "bacs us-ascii | 2 | GBP 100.75 | totals-mismatch: it says 1 debit of 100.75 GBP, 3 credits of 100.75 GBP, but holds 1 debit of 100.75 GBP, 2 credits of 100.75 GBP",
	"bad-bacs-credits.txt":        "bacs us-ascii | 2 | GBP 100.75 | totals-mismatch: it says 1 debit of 100.75 GBP, 2 credits of 100.74 GBP, but holds 1 debit of 100.75 GBP, 2 credits of 100.75 GBP",
	"bad-bacs-debits-count.txt":   "bacs us-ascii | 2 | GBP 100.75 | totals-mismatch: it says 2 debits of 100.75 GBP, 2 credits of 100.75 GBP, but holds 1 debit of 100.75 GBP, 2 credits of 100.75 GBP",
	"bad-bacs-debits.txt":         "bacs us-ascii | 2 | GBP 100.75 | totals-mismatch: it says 1 debit of 100.76 GBP, 2 credits of 100.75 GBP, but holds 1 debit of 100.75 GBP, 2 credits of 100.75 GBP",
	"bad-bacs-instruction.txt":    "bacs us-ascii | 1 | GBP 100.50 | malformed: record 6 is an instruction, but has an amount",
	"bad-bacs-label.txt":          "bacs us-ascii | 2 | GBP 100.75 | malformed: record 8 is neither a label nor begins with a sort code",
	"bad-bacs-no-eof.txt":         "bacs us-ascii | 2 | GBP 100.75 | malformed: record 8, the label UTL1, is out of place",
	"bad-bacs-order.txt":          "bacs us-ascii | 0 |  | malformed: record 4 stands outside of the labels UHL1 and EOF1",
	"bad-bacs-second.txt":         "bacs iso-8859-1 | 5 | GBP 201.50, GBP -0.75 | totals-mismatch: file 2 of the submission says 1 debit of 0.76 GBP, 2 credits of 100.75 GBP, but holds 1 debit of 0.75 GBP, 2 credits of 100.75 GBP",
	"bad-bacs-total.txt":          "bacs us-ascii | 2 | GBP 100.75 | malformed: record 10, a UTL1, has something other than digits in its totals",
	"cut-bacs-total.txt":          "bacs us-ascii | 2 | GBP 100.75 | incomplete: it ends early, after 2 payments",
	"cut-bacs.txt":                "bacs us-ascii | 2 | GBP 100.75 | incomplete: it ends early, after 2 payments",
}

func summary(r read) string {
	var totals, problems []string
	for _, t := range r.Facts.Totals {
		totals = append(totals, t.Currency+" "+t.Amount.String())
	}
	for _, t := range r.Facts.Debits {
		totals = append(totals, t.Currency+" -"+t.Amount.String())
	}
	for _, p := range r.Problems {
		problems = append(problems, string(p.Reason)+": "+p.Detail)
	}
	if len(problems) == 0 {
		problems = []string{"ok"}
	}
	head := strings.Join(strings.Fields(r.Facts.Format+" "+r.Facts.Version+" "+r.Facts.Encoding), " ")
	return fmt.Sprintf("%s | %d | %s | %s", head, r.Facts.Payments, strings.Join(totals, ", "), strings.Join(problems, "; "))
}

func TestFiles(t *testing.T) {
	files := testdata(t)
	for name, data := range files {
		got := inspect(data, whole(data))
		if s := summary(got); s != wants[name] {
			t.Errorf("%s:\n got %s\nwant %s", name, s, wants[name])
		}
		if int64(len(got.Payments)) != got.Facts.Payments {
			t.Errorf("%s: %d payments handed over, %d counted", name, len(got.Payments), got.Facts.Payments)
		}
		for _, p := range got.Problems {
			foreign := func(r rune) bool { return r < ' ' || r > '~' }
			if p.Detail == "" || strings.HasSuffix(p.Detail, ".") || strings.ContainsFunc(p.Detail, foreign) {
				t.Errorf("%s: %q is not for a sender", name, p.Detail)
			}
		}
	}
	for name := range wants {
		if files[name] == nil {
			t.Errorf("%s is not there", name)
		}
	}
}

// TestSameFacts holds the same file in other encodings and forms against the typical one, payments and all.
func TestSameFacts(t *testing.T) {
	files := testdata(t)
	for _, c := range []struct {
		first, others string
	}{
		{"pain001-typical.xml", "crlf prefixed bank no-namespace v02 v12 apphdr sbdh bom utf16le utf16be-no-bom latin1 ascii foreign"},
		{"lb-latin1.txt", "lb-lf.txt lb-cp850.txt lb-iso646.txt lb-utf8.txt lb-no-breaks.txt lb-utf8-no-breaks.txt lb-short.txt lb-long.txt " +
			"lb-title.txt lb-unterminated.txt lb-sealed.txt lb-sealed-no-breaks.txt lb-lower.txt"},
		{"nacha-typical.txt", "nacha-crlf.txt nacha-no-breaks.txt nacha-no-padding.txt nacha-breaks-cr.txt"},
		{"nets-request.txt", "nets-crlf.txt nets-no-breaks.txt nets-unterminated.txt nets-tail.txt"},
		{"coda-typical.txt", "coda-crlf.txt coda-no-breaks.txt coda-unterminated.txt coda-tail.txt"},
		{"bacs-credits.txt", "bacs-crlf.txt bacs-unterminated.txt bacs-tail.txt"},
	} {
		want := inspect(files[c.first], whole(files[c.first]))
		for _, name := range strings.Fields(c.others) {
			if !strings.HasSuffix(name, ".txt") {
				name = "pain001-" + name + ".xml"
			}
			got := inspect(files[name], whole(files[name]))
			if strings.Join(got.Payments, "\n") != strings.Join(want.Payments, "\n") {
				t.Errorf("%s:\n%s\nwant\n%s", name, strings.Join(got.Payments, "\n"), strings.Join(want.Payments, "\n"))
			}
			got.Facts.Version, got.Facts.Encoding = want.Facts.Version, want.Facts.Encoding
			if a, b := fmt.Sprintf("%+v", got.Facts), fmt.Sprintf("%+v", want.Facts); a != b && !strings.Contains(name, "title") && !strings.Contains(name, "sealed") {
				t.Errorf("%s:\n%s\nwant\n%s", name, a, b)
			}
		}
	}
}

func TestPain001Payments(t *testing.T) {
	files := testdata(t)
	got := inspect(files["pain001-batches.xml"], always(3))
	want := []string{
		`1 "E1" 100.50 "SEK" from "Exempel Åkeri AB" "SE4550000000058398257466" to "Björn Öberg" "SE4550000000058398257466" on "2026-11-25" for "Faktura 4711"`,
		`2 "E2" 149.50 "SEK" from "Exempel Åkeri AB" "SE4550000000058398257466" to "Måleri & Färg HB" "9912346" on "2026-11-25" for "1234567897"`,
		`3 "E3" 1100.25 "SEK" from "Exempel Åkeri AB" "NO9386011117947" to "Karin Ek" "DE89370400440532013000" on "2026-11-24" for "a b"`,
	}
	if a, b := strings.Join(got.Payments, "\n"), strings.Join(want, "\n"); a != b {
		t.Errorf("got\n%s\nwant\n%s", a, b)
	}
	f := got.Facts
	if f.FirstExecution != "2026-11-24" || f.LastExecution != "2026-11-25" || f.Declared != "3 payments, 1350.25" || f.MessageID != "MSG-1" ||
		f.Initiator != "Exempel Åkeri AB" || f.BusinessKey != "pain.001\x1fMSG-1\x1fExempel Åkeri AB\x1fSE4550000000058398257466" ||
		f.CreatedAt != "2026-11-20T15:02:11" || len(f.Payers) != 2 || f.FindingsAll != 0 {
		t.Errorf("%+v", f)
	}
	cdata := inspect(files["pain001-cdata.xml"], always(1))
	if !strings.Contains(cdata.Payments[0], `"E]]>1"`) || !strings.Contains(cdata.Payments[0], `"Faktura <4711"`) {
		t.Error(cdata.Payments[0])
	}
	for name, id := range map[string]string{"latin9": "€1", "windows1252": "“€”"} {
		if got := inspect(files["pain001-"+name+".xml"], always(1)).Facts.MessageID; got != id {
			t.Errorf("%s: message id %q, want %q", name, got, id)
		}
	}
}

func TestLBPayments(t *testing.T) {
	files := testdata(t)
	got := inspect(files["lb-utf8-no-breaks.txt"], always(3))
	want := []string{
		`1 "" 1500.00 "SEK" from "" "0009912346" to "ÅSA BJÖRK" "6000334223113" on "2026-11-23" for "LÖN NOVEMBER"`,
		`2 "" 1000.50 "SEK" from "" "0009912346" to "" "0054728027" on "2026-11-23" for "FAKTURA 12"`,
		`3 "" -0.50 "SEK" from "" "0009912346" to "" "0054728027" on "2026-12-01" for "1234567897"`,
		`4 "" 100.00 "SEK" from "" "0009912346" to "" "0009900002" on "2026-11-23" for "1234567897"`,
	}
	if a, b := strings.Join(got.Payments, "\n"), strings.Join(want, "\n"); a != b {
		t.Errorf("got\n%s\nwant\n%s", a, b)
	}
	f := got.Facts
	if f.FirstExecution != "2026-11-23" || f.LastExecution != "2026-12-01" || f.Declared != "4 payments, 2600.00" || f.Initiator != "0009912346" ||
		f.BusinessKey != "bg-lb\x1f0009912346\x1f2026-11-20\x1f4\x1fSEK\x1f2600.00" || f.CreatedAt != "2026-11-20" || f.FindingsAll != 0 {
		t.Errorf("%+v", f)
	}
	if masked := inspect(files["lb-masked.txt"], always(9)).Facts; masked.FindingsAll != 2 || masked.Findings[0].Code != "bankgiro-not-numeric" {
		t.Errorf("%+v", masked.Findings)
	}
}

// TestEarly wants problems as soon as they are proven, and no sooner.
func TestEarly(t *testing.T) {
	for name, at := range map[string]string{
		"bad-count-over.xml": "\x01</CdtTrfTxInf>", "bad-batch.xml": "</PmtInf>", "bad-sum.xml": "</CstmrCdtTrfInitn>", "bad-comma.xml": "</InstdAmt>",
	} {
		data := testdata(t)[name]
		tag, last := strings.CutPrefix(at, "\x01")
		end := bytes.Index(data, []byte(tag)) + len(tag)
		if last {
			end = bytes.LastIndex(data, []byte(tag)) + len(tag)
		}
		i := newInspector()
		if i.Write(data[:end-1]); len(i.Problems()) > 0 {
			t.Errorf("%s: %v too early", name, i.Problems())
		}
		if i.Write(data[end-1 : end]); len(i.Problems()) != 1 {
			t.Errorf("%s: %v", name, i.Problems())
		}
	}
}

func TestEmpty(t *testing.T) {
	for _, s := range []string{"", " ", "\r\n\r\n", "\xef\xbb\xbf"} {
		if got := inspect([]byte(s), always(1)); !has(got.Problems, Empty) {
			t.Errorf("%q: %v", s, got.Problems)
		}
	}
}
