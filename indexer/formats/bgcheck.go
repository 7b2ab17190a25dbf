package formats

// Findings that all of Bankgirot's files may have.

// checkPast enters a finding about an execution date that has passed.
func (f *bgRecords) checkPast(date []byte) {
	if len(date) > 0 && string(date) < f.s.today && f.s.finds("date-past") {
		f.s.finding("date-past", f.where(), "the execution date %s has passed", date)
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
