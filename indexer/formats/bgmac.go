package formats

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
)

// How Bankgirot's seal is verified, for accounts whose key is known. Source: Bankgirot, "Elektroniskt förändringsskydd,
// HMAC, Teknisk manual", held against its published test key and a file that is signed with it.
//
// The seal is the first 16 bytes of HMAC-SHA256 over everything from TK00 up to TK99, without CR and LF, each byte brought
// into one alphabet by sealAlphabet; the key's check value is the same over "00000000". Both stand in TK99 in hexadecimal
// digits.
//
// It covers bytes, as they come. The alphabet makes one of a Swedish letter in ISO-8859-1 and in ISO 646, so that a file may
// go from one to the other under its seal. It does not for UTF-8 and code page 850: a file that was converted to them after
// it was sealed has a broken seal, here as at Bankgirot, while one that was sealed as it stands has a good one. All bytes
// that the alphabet does not name count as one and the same: the seal does not tell an Ö in UTF-8 from an Ä.

// SealKey is the secret that a sender shares with Bankgirot.
type SealKey [16]byte

// ParseSealKey reads a key as it is written down: 32 hexadecimal digits, with blanks around them at most.
func ParseSealKey(text []byte) (key SealKey, err error) {
	if text = bytes.TrimSpace(text); len(text) != 2*len(key) {
		return SealKey{}, errSealKey
	}
	if _, err := hex.Decode(key[:], text); err != nil {
		return SealKey{}, errSealKey
	}
	return key, nil
}

var errSealKey = errors.New("not a seal key: 32 hexadecimal digits and nothing else")

// CheckSeal is called before the first Write: files that Bankgirot's senders seal (LB, Löner, Autogiro) must then have a seal
// that fits the key, or SealMismatch is a problem. Without it, a seal is only read.
func (i *Inspector) CheckSeal(key SealKey) { i.sheet.sealKey = &key }

// bgMAC computes a file's seal from its records.
type bgMAC struct {
	mac   hash.Hash
	check [16]byte // the key's check value
	begun bool     // TK00 has come
	ended bool     // TK99 has come
	flat  []byte   // scratch
}

// newBGMAC is nil without a key.
func newBGMAC(key *SealKey) *bgMAC {
	if key == nil {
		return nil
	}
	m := &bgMAC{mac: hmac.New(sha256.New, key[:])}
	m.mac.Write([]byte("00000000"))
	copy(m.check[:], m.mac.Sum(nil))
	m.mac.Reset()
	return m
}

// record takes a record as it stands in the file, with its line end.
func (m *bgMAC) record(line []byte) {
	switch bare := bytes.TrimLeft(line, "\r\n"); { // back to back, what is left of a line end may stand before a record
	case m.ended:
		return
	case bytes.HasPrefix(bare, []byte("99")):
		m.ended = true
		return
	case bytes.HasPrefix(bare, []byte("00")):
		m.begun = true
	}
	if !m.begun {
		return // a title line
	}
	m.flat = m.flat[:0]
	for _, c := range line {
		if c != '\r' && c != '\n' {
			m.flat = append(m.flat, sealAlphabet(c))
		}
	}
	m.mac.Write(m.flat)
}

// sealAlphabet is what a byte counts as.
func sealAlphabet(c byte) byte {
	switch c {
	case 0xC9: // É
		return 0x40
	case 0xC4: // Ä
		return 0x5B
	case 0xD6: // Ö
		return 0x5C
	case 0xC5: // Å
		return 0x5D
	case 0xDC: // Ü
		return 0x5E
	case 0xE9: // é
		return 0x60
	case 0xE4: // ä
		return 0x7B
	case 0xF6: // ö
		return 0x7C
	case 0xE5: // å
		return 0x7D
	case 0xFC: // ü
		return 0x7E
	}
	if c < 0x20 || c > 0x7E {
		return 0xC3
	}
	return c
}

// judge holds a TK99 against what came before it; "" if all is well, else what is wrong.
func (m *bgMAC) judge(rec []byte, encoding string) string {
	check, ok := fromHex(columns(rec, 9, 40))
	seal, ok2 := fromHex(columns(rec, 41, 72))
	switch {
	case !ok || !ok2:
		return "its seal is not written in hexadecimal digits"
	case check != m.check:
		return "its seal was made with another key: the key's check value differs"
	case !hmac.Equal(seal[:], m.mac.Sum(nil)[:len(seal)]) && encoding == "utf-8":
		return "its seal does not fit its content: it was changed after sealing, perhaps by a conversion to UTF-8"
	case !hmac.Equal(seal[:], m.mac.Sum(nil)[:len(seal)]):
		return "its seal does not fit its content: it was changed after sealing"
	}
	return ""
}

func fromHex(b []byte) (out [16]byte, ok bool) {
	n, err := hex.Decode(out[:], b[:min(len(b), 2*len(out))])
	return out, err == nil && n == len(out)
}
