package payfile

import (
	"encoding/xml"
	"io"
	"strings"
)

// markup writes ISO 20022 messages in UTF-8: tag by tag, each element on a line of its own unless Options.Minified.
type markup struct {
	*out
	Options
}

// message writes a whole message: what body writes, inside of Document and its child.
func message(w io.Writer, opt Options, version, name string, body func(x *markup) error) error {
	x := &markup{out: newOut(w), Options: opt}
	if x.MessageID == "" {
		x.b = append(x.b, "SEALGATE-"...)
		x.b = digits(x.b, mix(opt.Seed)%1e12, 12)
		x.MessageID, x.b = string(x.b), x.b[:0]
	}
	x.Marker = escape(x.Marker)
	x.b = append(x.b, `<?xml version="1.0" encoding="UTF-8"?>`...)
	x.line(0)
	x.b = append(x.b, `<Document xmlns="urn:iso:std:iso:20022:tech:xsd:`+version+`">`...)
	x.open(1, name)
	if err := body(x); err != nil {
		return err
	}
	x.shut(1, name)
	x.shut(0, "Document")
	if err := x.flush(); err != nil {
		return err
	}
	return x.w.Flush()
}

func escape(s string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(s)) // a strings.Builder never fails
	return b.String()
}

const indentation = "\n                                "

func (x *markup) line(depth int) {
	if !x.Minified {
		x.b = append(x.b, indentation[:1+2*depth]...)
	}
}

// open, shut and text write one tag or one element on a line of its own.
func (x *markup) open(depth int, tag string) {
	x.line(depth)
	x.b = append(append(append(x.b, '<'), tag...), '>')
}

func (x *markup) shut(depth int, tag string) {
	x.line(depth)
	x.end(tag)
}

func (x *markup) text(depth int, tag, text string) {
	x.open(depth, tag)
	x.b = append(x.b, text...)
	x.end(tag)
}

func (x *markup) end(tag string) { x.b = append(append(append(x.b, "</"...), tag...), '>') }

// number is an element of letters and a number of at least so many digits.
func (x *markup) number(depth int, tag, letters string, n uint64, width int) {
	x.open(depth, tag)
	x.b = append(x.b, letters...)
	x.b = digits(x.b, n, width)
	x.end(tag)
}

// sums is a control sum without a currency, paid an amount with one.
func (x *markup) sums(depth int, tag string, ore uint64) {
	x.open(depth, tag)
	x.b = money(x.b, ore)
	x.end(tag)
}

func (x *markup) paid(depth int, tag string, ore uint64) {
	x.line(depth)
	x.b = append(append(append(x.b, '<'), tag...), ` Ccy="SEK">`...)
	x.b = money(x.b, ore)
	x.end(tag)
}

// day is a date so many days after the file's own; dated is one inside of a choice.
func (x *markup) day(depth int, tag string, after int) {
	x.open(depth, tag)
	x.b = due(after).AppendFormat(x.b, "2006-01-02")
	x.end(tag)
}

func (x *markup) dated(depth int, tag string, after int) {
	x.open(depth, tag)
	x.day(depth+1, "Dt", after)
	x.shut(depth, tag)
}

func (x *markup) createdAt(depth int) {
	x.text(depth, "CreDtTm", created.Format("2006-01-02T15:04:05"))
}

func (x *markup) totals(depth, count int, sum uint64) {
	x.number(depth, "NbOfTxs", "", uint64(count), 1)
	x.sums(depth, "CtrlSum", sum)
}

// initiation is the group header of pain.001 and pain.008.
func (x *markup) initiation() error {
	x.open(2, "GrpHdr")
	x.text(3, "MsgId", escape(x.MessageID))
	x.createdAt(3)
	x.totals(3, x.payments(), x.sum(0, x.payments()))
	x.open(3, "InitgPty")
	x.text(4, "Nm", ownName)
	x.shut(3, "InitgPty")
	x.shut(2, "GrpHdr")
	return x.flush()
}

const ownName = "Exempel Handel AB"

// own writes the company whose file it is, in a role; ownAccount its account, ownAgent its bank.
func (x *markup) own(depth int, role string) {
	x.open(depth, role)
	x.text(depth+1, "Nm", ownName)
	x.shut(depth, role)
}

func (x *markup) ownAccount(depth int, tag string, d *dice) {
	x.open(depth, tag)
	x.open(depth+1, "Id")
	x.iban(depth+2, d, "SE", 20)
	x.shut(depth+1, "Id")
	x.text(depth+1, "Ccy", "SEK")
	x.shut(depth, tag)
}

func (x *markup) ownAgent(depth int, tag string) { x.agent(depth, tag, "SWEDSESS") }

func (x *markup) agent(depth int, tag, bic string) {
	x.open(depth, tag)
	x.open(depth+1, "FinInstnId")
	x.text(depth+2, "BICFI", bic)
	x.shut(depth+1, "FinInstnId")
	x.shut(depth, tag)
}

func (x *markup) iban(depth int, d *dice, country string, digits int) {
	x.open(depth, "IBAN")
	x.b = d.iban(x.b, country, digits)
	x.end("IBAN")
}

// instructed is InstrId and EndToEndId of payment i, by the names that the message has for them.
func (x *markup) instructed(depth, i int, instruction, endToEnd string) {
	x.open(depth, instruction)
	x.b = digits(x.b, mix(x.Seed)%1e6, 6)
	x.b = append(x.b, '-')
	x.b = digits(x.b, uint64(i+1), 8)
	x.end(instruction)
	x.open(depth, endToEnd)
	x.b = append(x.b, "E2E-"...)
	x.b = digits(x.b, x.Seed%1000, 3)
	x.b = append(x.b, '-')
	x.b = digits(x.b, uint64(i+1), 9)
	x.end(endToEnd)
}

// other writes the other side of a payment in a role, with name and often an address.
func (x *markup) other(depth int, role string, d *dice) {
	x.open(depth, role)
	x.open(depth+1, "Nm")
	from := len(x.b)
	x.b = d.payee(x.b)
	if name := string(x.b[from:]); strings.Contains(name, "&") {
		x.b = append(x.b[:from], escape(name)...)
	}
	x.end("Nm")
	if d.roll(5) < 2 {
		x.open(depth+1, "PstlAdr")
		x.open(depth+2, "StrtNm")
		x.b = append(append(x.b, d.pick(streets)...), ' ')
		x.b = digits(x.b, uint64(1+d.roll(120)), 1)
		x.end("StrtNm")
		x.text(depth+2, "TwnNm", d.pick(towns))
		x.text(depth+2, "Ctry", "SE")
		x.shut(depth+1, "PstlAdr")
	}
	x.shut(depth, role)
}

// otherParty is other for messages that have a choice of parties.
func (x *markup) otherParty(depth int, role string, d *dice) {
	x.open(depth, role)
	x.other(depth+1, "Pty", d)
	x.shut(depth, role)
}

func (x *markup) otherAccount(depth int, tag string, d *dice) {
	x.open(depth, tag)
	x.open(depth+1, "Id")
	switch d.roll(8) {
	case 0:
		x.open(depth+2, "Othr")
		x.open(depth+3, "Id")
		x.b = d.withLuhn(x.b, 8)
		x.end("Id")
		x.open(depth+3, "SchmeNm")
		x.text(depth+4, "Prtry", "BGNR")
		x.shut(depth+3, "SchmeNm")
		x.shut(depth+2, "Othr")
	case 1:
		x.iban(depth+2, d, "DE", 18)
	default:
		x.iban(depth+2, d, "SE", 20)
	}
	x.shut(depth+1, "Id")
	x.shut(depth, tag)
}

// remittance is a structured reference for every third payment, else a line of text. A marker always goes into text.
func (x *markup) remittance(depth int, d *dice) {
	x.open(depth, "RmtInf")
	if x.Marker == "" && d.roll(3) == 0 {
		x.open(depth+1, "Strd")
		x.open(depth+2, "CdtrRefInf")
		x.open(depth+3, "Ref")
		x.b = d.withLuhn(x.b, 10+d.roll(10))
		x.end("Ref")
		x.shut(depth+2, "CdtrRefInf")
		x.shut(depth+1, "Strd")
	} else {
		x.open(depth+1, "Ustrd")
		x.b = append(x.b, "Faktura "...)
		x.b = d.number(x.b, 6)
		x.b = append(x.b, " kund "...)
		x.b = d.number(x.b, 5)
		if x.Marker != "" {
			x.b = append(append(x.b, ' '), x.Marker...)
		}
		x.end("Ustrd")
	}
	x.shut(depth, "RmtInf")
}
