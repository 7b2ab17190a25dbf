package formats

import "slices"

// FindingCodes are all that a finding's code can be. Files are asked for by them, and rows keep what they have: a code that is
// given no more stays in its list.
func FindingCodes() []string { return slices.Concat(warnings(), notices()) }

// severity of a finding by its code. What is wrong enough to refuse a file is no finding but a Problem.
func severity(code string) string {
	if slices.Contains(notices(), code) {
		return "notice"
	}
	return "warning"
}

// warnings are the codes where a number, an account or a total may be wrong.
func warnings() []string {
	return []string{
		"aba-check-digit", "account-check-digit", "account-not-numeric", "account-shape", "addenda-indicator",
		"amount-shape", "balance-mismatch", "bankgiro-check-digit", "bankgiro-not-numeric", "batch-differs", "batch-total",
		"bic-shape", "cancellation", "charges-missing", "communication-check-digits", "contra-account", "contra-mismatch",
		"control-total", "currencies-mixed", "currency-decimals", "currency-differs", "currency-shape", "currency-unknown",
		"date-shape", "deletion", "encoding-differs", "end-to-end-id-duplicate", "entry-type", "funds-type",
		"group-status", "iban-check-digits", "information-alone", "kid-check-digit", "line-empty", "line-total",
		"message-function", "message-missing", "net-amount-differs", "no-amount", "no-count", "no-currency",
		"not-acknowledged", "ocr-check-digit", "order-empty", "order-total", "other-message", "page-missing",
		"pages-apart", "payee-differs", "payment-count", "plusgiro-check-digit", "plusgiro-not-numeric", "record-count",
		"reference-missing", "report-totals", "seal-shape", "section-totals", "sender-differs", "sequence",
		"service-class", "service-differs", "sign", "statement-cut", "statement-missing", "summary-mismatch",
		"test-indicator", "total-missing", "totals-differ", "transaction-differs",
	}
}

// notices are the codes of what is a matter of form or of time.
func notices() []string {
	return []string{
		"date-past", "date-bank-holiday", "record-length", "characters", "unknown-record", "structure", "slash-inside", "block-count",
		"label-differs", "transaction-code", "original-id-missing", "message-id-missing", "end-to-end-id-missing",
	}
}
