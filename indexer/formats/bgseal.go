package formats

// Bankgirot's seal (Elektroniskt förändringsskydd, HMAC-SHA256), which may stand around files of Leverantörsbetalningar,
// Löner and Autogiro. TK00: 1-2 code, 3-8 date YYMMDD, 9-12 "HMAC". TK99: 3-8 date, 9-40 the key's check value, 41-72 the
// seal. It covers everything from TK00 up to TK99, without line ends. To verify it takes the sender's key (bgmac.go); but no
// sealed file is whole before column 72 of its TK99. TK28 (LB) and TK08 (Löner, Autogiro) are seals of a section, older and
// rarely seen; they are passed over.

// bgSeal is how far the seal around a file has come. Whether there is one is in bgShape.
type bgSeal struct {
	opened, unsealed bool   // TK00 and TK99 have come
	mac              *bgMAC // nil where the seal is not verified
}

// sealRecord takes TK00 and TK99, and tells whether rec, of the code given, is one of them. Idle says that the file could end
// here but for the seal.
func (f *bgRecords) sealRecord(rec []byte, code int, idle bool) bool {
	switch code {
	case 0:
		if !f.sealed || f.opened {
			f.s.malformed("record %d is a TK00, which belongs before everything else", f.records)
		}
		f.opened = true
	case 99:
		switch {
		case !f.sealed || f.unsealed || !idle:
			f.s.malformed("record %d, a TK99, does not end a seal that TK00 began", f.records)
		case len(rec) < 72:
			f.s.malformed("record %d, a TK99, is too short", f.records)
		case !hexDigits(rec[8:72]) && f.s.finds("seal-shape"):
			f.s.finding("seal-shape", f.where(), "the key's check value or the seal is not written in hexadecimal digits")
		}
		f.unsealed = true
		f.verifySeal(rec)
	default:
		return false
	}
	return true
}

// verifySeal holds the seal against the content, if the key is known.
func (f *bgRecords) verifySeal(rec []byte) {
	if f.mac == nil || f.s.closed {
		return
	}
	if wrong := f.mac.judge(rec, f.encoding); wrong != "" {
		f.s.problems = append(f.s.problems, Problem{SealMismatch, wrong})
	}
}

func hexDigits(b []byte) bool {
	for _, c := range b {
		if !digit(c) && c-'A' > 'F'-'A' {
			return false
		}
	}
	return true
}

// sealOpen tells whether TK99 is still to come.
func (f *bgRecords) sealOpen() bool { return f.sealed && !f.unsealed }

// couldUnseal tells whether a last record without a line end is a whole TK99 in its place.
func (f *bgRecords) couldUnseal(rec []byte, idle bool) bool {
	return f.sealOpen() && idle && code(rec) == 99 && len(rec) >= 72
}

// wantSeal is for files that a sender seals: where its key is known, one without a seal may have lost it, and what it covered
// with it.
func (f *bgRecords) wantSeal() {
	if !f.sealed && f.s.sealKey != nil {
		f.s.problems = append(f.s.problems, Problem{SealMismatch, "it has no seal, and this sender's files have one"})
	}
}

// named enters the format: a sealed file is one of its own, whose version says what is inside.
func (f *bgRecords) named(format, version string) {
	if f.sealed {
		format, version = "bg-sealed", format
	}
	f.s.facts.Format, f.s.facts.Version = format, version
}
