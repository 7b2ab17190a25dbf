package formats

import "bytes"

// Field 86 of MT940 and MT942 is free text in the standard. Banks write it in two ways that can be read:
//
//	166?00GUTSCHRIFT?20EREF+E1?21SVWZ+RECHNUNG 4711?30BANKDEFF?31DE89...?32NAME   (Germany and its neighbours: DFUE-Abkommen,
//	annex 3, chapter 8; the third character behind the number may be another than "?")
//	/EREF/E1//BENM//NAME/NAME/REMI/RECHNUNG 4711   (Netherlands and others; a "/CNTP/account/BIC/name/" in one piece, too)
//
// Everything else is remittance text as it is.

// mtDetails is what a field 86 says. Its slices are kept from one to the next.
type mtDetails struct {
	id, name, account, reference []byte
	text, names                  []byte // scratch: joined subfields
	ultimate                     bool   // the next name is that of an ultimate party
}

func (d *mtDetails) read(b []byte) {
	d.id, d.name, d.account, d.reference = d.id[:0], d.name[:0], d.account[:0], d.reference[:0]
	if len(b) == 0 {
		return
	}
	switch at := mtSubfields(b); {
	case at >= 0:
		d.subfields(b[at:])
	case b[0] == '/' || bytes.Contains(b, []byte("/REMI/")):
		d.slashes(b)
	}
	if len(d.reference)+len(d.id)+len(d.name)+len(d.account) == 0 {
		d.reference = mtOneLine(latin(d.reference, b))
	}
}

// mtOneLine is squeeze for text that mostly has no two blanks in a row.
func mtOneLine(b []byte) []byte {
	if bytes.Contains(b, []byte("  ")) {
		return squeeze(b)
	}
	return b
}

// mtSubfields tells where the first subfield ("?00") begins; -1 for none.
func mtSubfields(b []byte) int {
	at := 0
	if len(b) >= 6 && digits(b[:3]) {
		at = 3
	}
	if len(b) < at+3 || tagByte(b[at]) || b[at] == ' ' || b[at] == '/' || b[at] == '-' || b[at] == '.' || !digits(b[at+1:at+3]) {
		return -1
	}
	return at
}

// subfields takes those that begin with the character that b begins with, and two digits.
func (d *mtDetails) subfields(b []byte) {
	mark := b[0]
	d.text, d.names = d.text[:0], d.names[:0]
	for len(b) >= 3 {
		code := int(b[1]-'0')*10 + int(b[2]-'0')
		b = b[3:]
		end := 0
		for {
			n := bytes.IndexByte(b[end:], mark)
			if n < 0 {
				end = len(b)
				break
			}
			if end += n; end+3 <= len(b) && digit(b[end+1]) && digit(b[end+2]) {
				break
			}
			end++
		}
		value := b[:end]
		b = b[end:]
		switch {
		case code >= 20 && code <= 29, code >= 60 && code <= 63:
			d.text = append(d.text, value...)
		case code == 31 && len(d.account) == 0, code == 38:
			d.account = latin(d.account[:0], value)
		case code == 32, code == 33:
			d.names = append(d.names, value...)
		}
	}
	d.name = latin(d.name, d.names)
	d.keys(d.text)
}

// keys takes remittance text that may be divided by "EREF+", "SVWZ+" and their like.
func (d *mtDetails) keys(b []byte) {
	from, key := 0, ""
	take := func(value []byte) {
		switch key {
		case "EREF":
			if d.id = latin(d.id[:0], value); mtNoID(d.id) {
				d.id = d.id[:0]
			}
		case "", "SVWZ":
			d.reference = latin(d.reference, value)
		case "IBAN":
			if len(d.account) == 0 {
				d.account = latin(d.account, value)
			}
		}
	}
	for at := 0; ; {
		n := bytes.IndexByte(b[at:], '+')
		if n < 0 {
			break
		}
		if at += n; at >= 4 {
			if next := mtPlusKey(b[at-4 : at]); next != "" {
				take(b[from : at-4])
				from, key = at+1, next
			}
		}
		at++
	}
	take(b[from:])
	d.reference = mtOneLine(d.reference)
}

func mtPlusKey(b []byte) string {
	switch string(b) {
	case "EREF":
		return "EREF"
	case "SVWZ":
		return "SVWZ"
	case "IBAN":
		return "IBAN"
	case "KREF", "MREF", "CRED", "DEBT", "ABWA", "ABWE", "COAM", "OAMT", "PURP", "RREF", "CHDF":
		return "other"
	}
	return ""
}

// slashes takes "/EREF/.../NAME/...". What follows a word that is not known here belongs to the value before it.
func (d *mtDetails) slashes(b []byte) {
	key, from := mtOther, 0
	d.ultimate = false
	for at := 0; at < len(b); {
		n := bytes.IndexByte(b[at:], '/')
		if n < 0 {
			break
		}
		at += n
		end := at + 1
		for end < len(b) && end-at <= 4 && upper(b[end]) {
			end++
		}
		next := mtNoKey
		if end < len(b) && b[end] == '/' {
			next = mtKeyOf(b[at+1 : end])
		}
		if next == mtNoKey {
			at++
			continue
		}
		d.take(key, b[min(from, at):at]) // a slash may end one word and begin the next
		key, from, at = next, end+1, end
	}
	d.take(key, b[min(from, len(b)):])
	d.reference = mtOneLine(d.reference)
}

// take takes the value of a word.
func (d *mtDetails) take(key mtKey, value []byte) {
	for len(value) > 0 && (value[0] == '/' || value[0] == ' ') {
		value = value[1:]
	}
	for len(value) > 0 && (value[len(value)-1] == '/' || value[len(value)-1] == ' ') {
		value = value[:len(value)-1]
	}
	switch key {
	case mtEREF:
		if d.id = latin(d.id[:0], value); mtNoID(d.id) {
			d.id = d.id[:0]
		}
	case mtNAME:
		if !d.ultimate && len(d.name) == 0 {
			d.name = latin(d.name, value)
		}
		d.ultimate = false
	case mtIBAN:
		d.account = latin(d.account[:0], value)
	case mtREMI:
		d.reference = latin(d.reference, value)
	case mtCNTP:
		d.counterparty(value)
	case mtULTD:
		d.ultimate = true
	}
}

// mtKey is a word between slashes.
type mtKey int

const (
	mtNoKey mtKey = iota
	mtEREF
	mtNAME
	mtIBAN
	mtREMI
	mtCNTP
	mtULTD
	mtOther // known, and of no interest
)

func mtKeyOf(b []byte) mtKey {
	switch string(b) {
	case "EREF":
		return mtEREF
	case "NAME":
		return mtNAME
	case "IBAN":
		return mtIBAN
	case "REMI", "USTD", "STRD":
		return mtREMI
	case "CNTP":
		return mtCNTP
	case "ULTD", "ULTC", "ULTB":
		return mtULTD
	case "BIC", "BENM", "ORDP", "ADDR", "ID", "ISDT", "MARF", "CSID", "PREF", "KREF", "IREF", "RTRN", "TRTP", "TRCD", "PURP",
		"SVCL", "INIS", "CD", "CHGS", "EXCH", "OAMT", "OCMT", "SUBF", "NRTX", "BUSP", "PT", "PY":
		return mtOther
	}
	return mtNoKey
}

// counterparty takes "account/BIC/name/town".
func (d *mtDetails) counterparty(value []byte) {
	for i := 0; len(value) > 0 && i < 3; i++ {
		part := value
		if n := bytes.IndexByte(value, '/'); n >= 0 {
			part, value = value[:n], value[n+1:]
		} else {
			value = nil
		}
		switch i {
		case 0:
			d.account = latin(d.account[:0], part)
		case 2:
			d.name = latin(d.name[:0], part)
		}
	}
}
