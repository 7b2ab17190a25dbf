package formats

// Findings that all of Bankgirot's files may have.

// passed tells whether an execution date has passed.
func (f *bgRecords) passed(date []byte) bool { return len(date) > 0 && string(date) < f.s.today }

// checkPast enters a finding about an execution date that has passed.
func (f *bgRecords) checkPast(date []byte) {
	if f.s.finds("date-past") {
		f.s.finding("date-past", f.where(), "the execution date %s has passed", date)
	}
}

// checkOCR enters a finding about an OCR reference whose check digit is not right.
func (f *bgRecords) checkOCR(ref []byte) {
	if ref = trim(ref); checkLuhn(ref) == luhnWrong && f.s.finds("ocr-check-digit") {
		f.s.finding("ocr-check-digit", f.where(), "the OCR reference %q is not valid", ref)
	}
}

// checkNumber enters a finding about a bankgiro or plusgiro number that cannot be right.
func (f *bgRecords) checkNumber(number []byte, kind string) {
	switch checkLuhn(number) {
	case luhnWrong:
		if f.s.finds(kind + "-check-digit") {
			f.s.finding(kind+"-check-digit", f.where(), "the %s number %q is not valid", kind, number)
		}
	case luhnNoNumber:
		if f.s.finds(kind + "-not-numeric") {
			f.s.finding(kind+"-not-numeric", f.where(), "the %s number %q is not a number", kind, number)
		}
	}
}

// unknown enters a finding about a record that the format does not have.
func (f *bgRecords) unknown() {
	if f.s.finds("unknown-record") {
		f.s.finding("unknown-record", f.where(), "the record has a code that this format does not know")
	}
}
