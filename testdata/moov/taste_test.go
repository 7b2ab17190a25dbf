package moov

// taste is every file on which the verdicts differ, and why that is a matter of taste: a sender's file is refused here only
// for what makes its payments doubtful (it is cut, it is garbled, its totals are wrong). All else is a finding, or is for
// the bank to judge.
func taste() map[string]string {
	const (
		characters = "moov refuses a whole addenda record for a character or two; then the counts do not match either"
		code       = "a code in an addenda record is none of the list; then moov drops the record and misses it in the count"
		mandatory  = "IAT wants addenda records 10 to 16; payments and totals are right without them"
		routing    = "a wrong check digit of a routing number: a finding here"
		class      = "a wrong or different service class: a finding here"
	)
	return map[string]string{
		"ours/bad-nacha-total.txt":                            "the other way round: moov takes blanks ahead of a number, where the standard has zeros",
		"ours/nacha-aba.txt":                                  routing,
		"ours/nacha-class.txt":                                class,
		"ours/nacha-iat.txt":                                  mandatory,
		"moov/Iat-invalidAddenda13.ach":                       characters,
		"moov/iat-invalidAddenda10.ach":                       code,
		"moov/iat-invalidAddenda11.ach":                       characters,
		"moov/iat-invalidAddenda12.ach":                       characters,
		"moov/iat-invalidAddenda14.ach":                       characters,
		"moov/iat-invalidAddenda15.ach":                       characters,
		"moov/iat-invalidAddenda16.ach":                       characters,
		"moov/iat-invalidAddenda17.ach":                       characters,
		"moov/iat-invalidAddenda18.ach":                       characters,
		"moov/iat-invalidAddenda98.ach":                       code,
		"moov/iat-invalidAddenda99.ach":                       code,
		"moov/pos-invalidReturnFile.ach":                      code,
		"moov/return-PPD-custom-reason-code.ach":              code,
		"moov/web-invalidNOCFile.ach":                         code,
		"moov/iat-invalidAddendaRecordIndicator.ach":          "the entry denies the addenda that follow it: a finding here",
		"moov/iat-invalidBatchControl.ach":                    "header and control of a batch name different banks: a finding here",
		"moov/iat-invalidBatchHeader.ach":                     class,
		"moov/extended-ascii.ach":                             characters,
		"moov/pos-invalidEntryDetail.ach":                     characters,
		"moov/ppd-debit-customTraceNumber.ach":                "trace numbers that do not begin with the originating bank",
		"moov/ppd-debit-invalid-entryDetail-checkDigit.ach":   routing,
		"moov/skip-validation.ach":                            "its header has no destination, its batch an odd status: findings here, or nothing",
		"moov/FISERV-ZEROFILE-PIMRET825324_032720_110221.ach": "a file without batches, whose header lost its blanks and has a wrong routing number: findings here",
	}
}

// counts is every file of which the two read something different.
func counts() map[string]string {
	return map[string]string{
		"ours/bad-nacha-adv-large.txt": "the file control states 20 digits: moov's int holds 19 and stays at its largest",
	}
}
