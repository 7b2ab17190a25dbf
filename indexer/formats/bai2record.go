package formats

// Records of BAI2, see bai2.go for their fields.

// baiText is how much of an entry's text is kept.
const baiText = 400

// baiStep is what the next field of a list of amounts is.
type baiStep int

const (
	baiType baiStep = iota
	baiAmount
	baiItems
	baiFunds
	baiDays  // how many pairs follow funds type D
	baiExtra // fields that a funds type brings with it
	baiBank
	baiCustomer
	baiReference // the text, to the end of the record
)

// baiState is where in the file the reader is.
type baiState struct {
	inGroup, inAccount, over bool
	groups, accounts         int64 // of the file
	file, group, account     baiSums
	says                     baiSums
	left                     int // fields that the end record has left open
	slot                     int // the problem about totals, see sheet.mismatch

	sender, id      string
	currency        []byte // of the group
	decimals        uint8  // of the account's currency
	date            []byte // the group's as-of date
	number          []byte // the account's
	step            baiStep
	extra           int
	code            int64 // type code of the amount under way
	summary, detail [2]baiTotal

	p              Payment // handed over behind its continuations
	pending        bool
	bank, customer []byte
	text           []byte
}

// baiTotal is a total of credits or of debits: what 03 says and what its entries are.
type baiTotal struct {
	sum   Amount
	has   bool
	count int64
}

// record begins a record.
func (f *baiFile) record(code int, fields []byte) {
	f.n++
	f.file.records++
	f.group.records++
	f.account.records++
	f.began = code
	if code != 88 {
		f.flush()
		if f.place(code); f.s.closed {
			return
		}
		f.kind, f.at, f.step = code, 0, baiType
	} else if f.kind == 0 {
		f.s.malformed("record %d continues no record", f.n)
		return
	}
	if f.texty = false; f.kind == 3 && f.step == baiAmount && f.code == 0 {
		f.step = baiType // a comma behind a list's last field is no further, empty type code
	}
	f.fields(fields)
}

// place holds the order of records, and begins what a record begins.
func (f *baiFile) place(code int) {
	if f.at < baiEnds(f.kind) {
		f.s.malformed("record %d ends before all its totals have come", f.n-1)
		return
	}
	ok := false
	switch code {
	case 1:
		ok = f.n == 1
	case 2:
		ok = !f.inGroup && f.n > 1
		f.inGroup, f.group = true, baiSums{records: 1}
		f.groups++
		f.s.facts.Batches++
		f.currency, f.date = append(f.currency[:0], "USD"...), f.date[:0]
	case 3:
		ok = f.inGroup && !f.inAccount
		f.inAccount, f.account = true, baiSums{records: 1}
		f.accounts++
		f.group.children++
		f.summary, f.detail = [2]baiTotal{}, [2]baiTotal{}
		f.number = f.number[:0]
		f.in(f.currency)
	case 16, 49:
		ok = f.inAccount
		f.inAccount = code == 16
	case 98:
		ok = f.inGroup && !f.inAccount
		f.inGroup = false
		f.file.children++
	case 99:
		ok = !f.inGroup && f.n > 1
	}
	if !ok {
		f.s.malformed("record %d, of code %02d, is out of place", f.n, code)
	}
}

// baiEnds is how many fields an end record has, 0 for other records.
func baiEnds(code int) int {
	switch code {
	case 49:
		return 2
	case 98, 99:
		return 3
	}
	return 0
}

// fields takes the fields of a piece one by one; a text takes all that is left.
func (f *baiFile) fields(b []byte) {
	for !f.s.closed {
		if f.kind == 16 && f.step == baiReference {
			f.more(b, true)
			return
		}
		i := 0
		for i < len(b) && b[i] != ',' { // fields are short: faster than bytes.IndexByte
			i++
		}
		f.take(trimBlanks(b[:i]))
		if i == len(b) {
			return
		}
		b = b[i+1:]
	}
}

// take takes one field.
func (f *baiFile) take(field []byte) {
	at := f.at
	f.at++
	switch f.kind {
	case 1:
		f.fileField(at, field)
	case 2:
		f.groupField(at, field)
	case 3:
		switch at {
		case 0:
			f.number = latin(f.number[:0], field)
			f.s.payer(nil, f.number)
		case 1:
			if len(field) > 0 {
				f.in(field)
			}
		default:
			f.amounts(field)
		}
	case 16:
		f.amounts(field)
	default:
		f.endField(at, field)
	}
}

func (f *baiFile) fileField(at int, field []byte) {
	facts := &f.s.facts
	switch at {
	case 0:
		f.sender = string(latin(nil, field))
		facts.Initiator = f.sender
	case 2:
		facts.CreatedAt = string(f.day(nil, field))
	case 3:
		if len(field) == 4 && digits(field) && string(field) <= "2400" && facts.CreatedAt != "" {
			facts.CreatedAt += "T" + string(field[:2]) + ":" + string(field[2:])
		}
	case 4:
		f.id = string(latin(nil, field))
		facts.MessageID = f.id
	case 7:
		if len(field) > 0 {
			facts.Version = "version " + string(latin(nil, field[:min(len(field), 8)]))
		}
	}
}

func (f *baiFile) groupField(at int, field []byte) {
	switch at {
	case 2:
		if string(field) != "1" && len(field) > 0 && f.s.finds("group-status") {
			f.s.finding("group-status", f.where(), "group %d is no update (status 1), but of status %+q", f.groups, field)
		}
	case 3:
		f.date = f.day(f.date[:0], field)
	case 5:
		if len(field) > 0 {
			f.currency = append(f.currency[:0], field[:min(len(field), 8)]...)
		}
	}
}

// day appends YYMMDD as a date, or enters a finding.
func (f *baiFile) day(to, field []byte) []byte {
	to, ok := dayYMD(to, field)
	if !ok && f.s.finds("date-shape") {
		f.s.finding("date-shape", f.where(), "%q is not a date", field)
	}
	return to
}

// in sets the account's currency.
func (f *baiFile) in(currency []byte) {
	f.p.Currency = append(f.p.Currency[:0], currency[:min(len(currency), 8)]...)
	f.decimals = decimalsOf(f.p.Currency)
	if !validCurrency(f.p.Currency) && f.s.finds("currency-shape") {
		f.s.finding("currency-shape", f.where(), "%q is not a currency code", f.p.Currency)
	}
}
