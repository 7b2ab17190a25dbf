package formats

import "bytes"

// Parties of MT101 and MT103: fields 50 and 59. Each may begin with a line "/account". Then stand
//
//	no letter, K, H  name on a line, address on more
//	A, C, G          BIC
//	F                lines with numbers: "1/" name, "2/" street, "3/" country and town ...; the first line may be
//	                 "/account" or "code/country/identifier"
//	L                a name alone
type mtParty struct {
	name, account []byte
	letter        byte // option; 0 for none
	named         bool
}

func (p *mtParty) reset() { p.name, p.account, p.letter, p.named = p.name[:0], p.account[:0], 0, false }

// maxParty bounds a name, whose lines have 35 characters.
const maxParty = 300

// begin takes the first line of the field.
func (p *mtParty) begin(tag, text []byte) {
	p.reset()
	if len(tag) == 3 {
		p.letter = tag[2]
	}
	if len(text) > 1 && text[0] == '/' {
		account := text[1:]
		if len(account) > 2 && account[1] == '/' && (account[0] == 'C' || account[0] == 'D') { // debit or credit account
			account = account[2:]
		}
		p.account = latin(p.account, bytes.TrimLeft(account, "/"))
		return
	}
	p.line(text)
}

// line takes a further line.
func (p *mtParty) line(text []byte) {
	if len(p.name) > maxParty || len(text) == 0 {
		return
	}
	if p.letter == 'F' && len(text) > 2 && digit(text[0]) && text[1] == '/' {
		if text[0] != '1' {
			p.named = true
			return
		}
		if len(p.name) > 0 {
			p.name = append(p.name, ' ')
		}
		p.name = latin(p.name, text[2:])
		return
	}
	if !p.named && p.letter != 'F' {
		p.name, p.named = latin(p.name, text), true
	}
}
