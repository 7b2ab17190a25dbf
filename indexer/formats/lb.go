package formats

// Bankgirot LB (Leverantörsbetalningar): records of 80 characters, in lines or back to back. How such a file is told is
// here; how records are cut out of the stream is in bgrecord.go, and what they mean in lbrecord.go.
//
// The true end of a file is the last digit, or the sign, of the control total in its last TK29; of a sealed file
// (bgseal.go) it is column 72 of TK99. Blanks, line ends and Ctrl-Z may follow, or be lost. A file of several sections without a seal that
// is cut exactly between two of them cannot be told from a whole one: nothing in it says how many sections there are.

const lbProduct = "LEVERANT\x00RSBETALNINGAR" // in columns 19-40 of TK11; \x00 stands for Ö in some encoding

func lookLB(prefix []byte) answer {
	_, a := bgLook(prefix, true, true, lbHead)
	return a
}

// lbHead judges b, which should begin with a TK11.
func lbHead(b []byte) (shape bgShape, a answer) {
	if a := bgPattern(b, "11################"); a != yes { // X masks a digit
		return shape, a
	}
	const at = 18 // column 19
	i, encoding, a := bgWord(b, at, lbProduct)
	if a != yes {
		return shape, a
	}
	shape.encoding = encoding
	shape.lines, a = bgLines(b, bgRecord+i-at-len(lbProduct))
	return shape, a
}

// lbFile reads one LB file.
type lbFile struct {
	bgRecords
	lbState
}

func openLB(prefix []byte, s *sheet) reader {
	shape, _ := bgLook(prefix, true, true, lbHead)
	f := &lbFile{bgRecords: newBGRecords(s, shape)}
	f.each = f.record
	f.section.date = make([]byte, 0, 10)
	return f
}

// whole: what is left without a line end may be a whole TK29 or TK99.
func (f *lbFile) whole() bool {
	if rest := f.rest(); len(rest) > 0 {
		return f.couldClose(rest)
	}
	return f.idle() && !f.sealOpen()
}

// end enters what makes two files the same business, sealed or not. A report that holds nothing has that, too.
func (f *lbFile) end() {
	f.last()
	format := "bg-lb"
	if !f.sealed {
		format = f.s.facts.Format
	}
	f.sameBusiness(format)
}
