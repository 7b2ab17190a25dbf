package payfile

import (
	"encoding/xml"
	"io"
	"strings"
)

// Pain001 writes a pain.001.001.09 message in UTF-8 with right totals at every level. A payment takes about 750 bytes
// indented. Its errors are the writer's.
func Pain001(w io.Writer, opt Options) error {
	x := &pain001{out: newOut(w), Options: opt}
	if x.MessageID == "" {
		x.b = append(x.b, "SEALGATE-"...)
		x.b = digits(x.b, mix(opt.Seed)%1e12, 12)
		x.MessageID, x.b = string(x.b), x.b[:0]
	}
	x.Marker = escape(x.Marker)
	if err := x.head(); err != nil {
		return err
	}
	if err := x.batches(x.batch); err != nil {
		return err
	}
	x.shut(1, "CstmrCdtTrfInitn")
	x.shut(0, "Document")
	if err := x.flush(); err != nil {
		return err
	}
	return x.w.Flush()
}

type pain001 struct {
	*out
	Options
}

func escape(s string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(s)) // a strings.Builder never fails
	return b.String()
}

const indentation = "\n                                "

// open, shut and text write one tag or one element on a line of its own.
func (x *pain001) line(depth int) {
	if !x.Minified {
		x.b = append(x.b, indentation[:1+2*depth]...)
	}
}

func (x *pain001) open(depth int, tag string) {
	x.line(depth)
	x.b = append(append(append(x.b, '<'), tag...), '>')
}

func (x *pain001) shut(depth int, tag string) {
	x.line(depth)
	x.b = append(append(append(x.b, "</"...), tag...), '>')
}

func (x *pain001) text(depth int, tag, text string) {
	x.open(depth, tag)
	x.b = append(x.b, text...)
	x.end(tag)
}

func (x *pain001) end(tag string) { x.b = append(append(append(x.b, "</"...), tag...), '>') }

func (x *pain001) count(depth int, n int) {
	x.open(depth, "NbOfTxs")
	x.b = digits(x.b, uint64(n), 1)
	x.end("NbOfTxs")
}

func (x *pain001) total(depth int, ore uint64) {
	x.open(depth, "CtrlSum")
	x.b = money(x.b, ore)
	x.end("CtrlSum")
}

func (x *pain001) head() error {
	x.b = append(x.b, `<?xml version="1.0" encoding="UTF-8"?>`...)
	x.line(0)
	x.b = append(x.b, `<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.09">`...)
	x.open(1, "CstmrCdtTrfInitn")
	x.open(2, "GrpHdr")
	x.text(3, "MsgId", escape(x.MessageID))
	x.text(3, "CreDtTm", created.Format("2006-01-02T15:04:05"))
	x.count(3, x.payments())
	x.total(3, x.sum(0, x.payments()))
	x.open(3, "InitgPty")
	x.text(4, "Nm", "Exempel Handel AB")
	x.shut(3, "InitgPty")
	x.shut(2, "GrpHdr")
	return x.flush()
}

// batch writes one PmtInf: one debtor account, one date.
func (x *pain001) batch(batch, first, last int) error {
	d := x.dice(-1 - batch)
	x.open(2, "PmtInf")
	x.open(3, "PmtInfId")
	x.b = append(x.b, "BATCH-"...)
	x.b = digits(x.b, uint64(batch+1), 6)
	x.end("PmtInfId")
	x.text(3, "PmtMtd", "TRF")
	x.count(3, last-first)
	x.total(3, x.sum(first, last))
	x.open(3, "ReqdExctnDt")
	x.text(4, "Dt", due(1+batch%20).Format("2006-01-02"))
	x.shut(3, "ReqdExctnDt")
	x.open(3, "Dbtr")
	x.text(4, "Nm", "Exempel Handel AB")
	x.shut(3, "Dbtr")
	x.open(3, "DbtrAcct")
	x.open(4, "Id")
	x.open(5, "IBAN")
	x.b = d.iban(x.b, "SE", 20)
	x.end("IBAN")
	x.shut(4, "Id")
	x.text(4, "Ccy", "SEK")
	x.shut(3, "DbtrAcct")
	x.open(3, "DbtrAgt")
	x.agent(4, "SWEDSESS")
	x.shut(3, "DbtrAgt")
	for i := first; i < last; i++ {
		x.payment(i)
		if err := x.flush(); err != nil {
			return err
		}
	}
	x.shut(2, "PmtInf")
	return x.flush()
}

func (x *pain001) agent(depth int, bic string) {
	x.open(depth, "FinInstnId")
	x.text(depth+1, "BICFI", bic)
	x.shut(depth, "FinInstnId")
}

func (x *pain001) payment(i int) {
	d := x.dice(i)
	x.open(3, "CdtTrfTxInf")
	x.open(4, "PmtId")
	x.open(5, "InstrId")
	x.b = digits(x.b, mix(x.Seed)%1e6, 6)
	x.b = append(x.b, '-')
	x.b = digits(x.b, uint64(i+1), 8)
	x.end("InstrId")
	x.open(5, "EndToEndId")
	x.b = append(x.b, "E2E-"...)
	x.b = digits(x.b, x.Seed%1000, 3)
	x.b = append(x.b, '-')
	x.b = digits(x.b, uint64(i+1), 9)
	x.end("EndToEndId")
	x.shut(4, "PmtId")
	x.open(4, "Amt")
	x.line(5)
	x.b = append(x.b, `<InstdAmt Ccy="SEK">`...)
	x.b = money(x.b, x.amount(i))
	x.end("InstdAmt")
	x.shut(4, "Amt")
	x.open(4, "CdtrAgt")
	x.agent(5, d.pick(banks))
	x.shut(4, "CdtrAgt")
	x.creditor(&d)
	x.open(4, "RmtInf")
	x.remittance(&d)
	x.shut(4, "RmtInf")
	x.shut(3, "CdtTrfTxInf")
}

func (x *pain001) creditor(d *dice) {
	x.open(4, "Cdtr")
	x.open(5, "Nm")
	from := len(x.b)
	x.b = d.payee(x.b)
	if name := string(x.b[from:]); strings.Contains(name, "&") {
		x.b = append(x.b[:from], escape(name)...)
	}
	x.end("Nm")
	if d.roll(5) < 2 {
		x.open(5, "PstlAdr")
		x.open(6, "StrtNm")
		x.b = append(append(x.b, d.pick(streets)...), ' ')
		x.b = digits(x.b, uint64(1+d.roll(120)), 1)
		x.end("StrtNm")
		x.text(6, "TwnNm", d.pick(towns))
		x.text(6, "Ctry", "SE")
		x.shut(5, "PstlAdr")
	}
	x.shut(4, "Cdtr")
	x.open(4, "CdtrAcct")
	x.open(5, "Id")
	switch d.roll(8) {
	case 0:
		x.open(6, "Othr")
		x.open(7, "Id")
		x.b = d.withLuhn(x.b, 8)
		x.end("Id")
		x.open(7, "SchmeNm")
		x.text(8, "Prtry", "BGNR")
		x.shut(7, "SchmeNm")
		x.shut(6, "Othr")
	case 1:
		x.open(6, "IBAN")
		x.b = d.iban(x.b, "DE", 18)
		x.end("IBAN")
	default:
		x.open(6, "IBAN")
		x.b = d.iban(x.b, "SE", 20)
		x.end("IBAN")
	}
	x.shut(5, "Id")
	x.shut(4, "CdtrAcct")
}

// remittance is a structured reference for every third payment, else a line of text. A marker always goes into text.
func (x *pain001) remittance(d *dice) {
	if x.Marker == "" && d.roll(3) == 0 {
		x.open(5, "Strd")
		x.open(6, "CdtrRefInf")
		x.open(7, "Ref")
		x.b = d.withLuhn(x.b, 10+d.roll(10))
		x.end("Ref")
		x.shut(6, "CdtrRefInf")
		x.shut(5, "Strd")
		return
	}
	x.open(5, "Ustrd")
	x.b = append(x.b, "Faktura "...)
	x.b = d.number(x.b, 6)
	x.b = append(x.b, " kund "...)
	x.b = d.number(x.b, 5)
	if x.Marker != "" {
		x.b = append(append(x.b, ' '), x.Marker...)
	}
	x.end("Ustrd")
}
