package vault

import (
	"bytes"
	"crypto/sha256"
	"encoding/asn1"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// The object identifiers of a sealed file, in DER without tag and length.
const (
	oidAuthEnveloped = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x17" // 1.2.840.113549.1.9.16.1.23
	oidEnveloped     = "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03"         // 1.2.840.113549.1.7.3, CBC without a tag: refused
	oidData          = "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01"         // 1.2.840.113549.1.7.1
	oidAES256GCM     = "\x60\x86\x48\x01\x65\x03\x04\x01\x2e"         // 2.16.840.1.101.3.4.1.46
)

const (
	markOuter = "SGv1" // how the nonce of an outer layer begins,
	markInner = "SGi1" // and of an inner one

	maxRecipients = 64 // of one layer

	// gcmTail is what follows the nonce in the algorithm: INTEGER 16.
	gcmTail = "\x02\x01\x10"
	// contentTag opens the content, in segments: the last bytes of a header.
	contentTag = "\xa0\x80"
	// trailerSize is what follows the content: its end, the end of
	// EncryptedContentInfo, the tag, and the ends of the three outer containers.
	trailerSize = 4 + 2 + tagSize + 6
	// chunkHeader is the most that stands before a segment of content.
	chunkHeader = 6
)

// envelopeHeader writes everything of a layer before the first segment of
// content, and makes the nonce from it.
func envelopeHeader(mark string, recipients [][]byte) (header []byte, nonce [nonceSize]byte) {
	h, _ := layout(recipients, nonce)
	at := len(h) - len(contentTag) - len(gcmTail) - nonceSize
	nonce = markedNonce(mark, h[:at])
	copy(h[at:], nonce[:])
	return h, nonce
}

// layout writes a layer's header with a nonce; set is where the recipients end.
func layout(recipients [][]byte, nonce [nonceSize]byte) (h []byte, set int) {
	h = append(h, 0x30, 0x80) // ContentInfo
	h = append(h, der(0x06, []byte(oidAuthEnveloped))...)
	h = append(h, 0xa0, 0x80, 0x30, 0x80, 0x02, 0x01, 0x00) // AuthEnvelopedData, version 0
	h = append(h, der(0x31, recipients...)...)
	set = len(h)
	h = append(h, 0x30, 0x80) // EncryptedContentInfo
	h = append(h, der(0x06, []byte(oidData))...)
	params := der(0x30, der(0x04, nonce[:]), []byte(gcmTail))
	h = append(h, der(0x30, der(0x06, []byte(oidAES256GCM)), params)...)
	return append(h, contentTag...), set
}

// markedNonce makes a nonce of the mark and of what precedes it. A nonce need
// only be new for its key, and every key is used once; so this one can carry a
// proof of the header, which GCM's tag then covers.
func markedNonce(mark string, before []byte) (nonce [nonceSize]byte) {
	sum := sha256.Sum256(before)
	copy(nonce[copy(nonce[:], mark):], sum[:])
	return nonce
}

// putTrailer writes what follows the content into p, which has trailerSize.
func putTrailer(p []byte, tag [tagSize]byte) {
	n := copy(p, "\x00\x00\x00\x00\x04\x10")
	n += copy(p[n:], tag[:])
	copy(p[n:], "\x00\x00\x00\x00\x00\x00")
}

// envelope is a layer's header as read from a file.
type envelope struct {
	recipients []recipient
	nonce      [nonceSize]byte
	set        []byte  // the recipients, in DER
	seal       *reseal // of an envelope that was made anew; see rewrap.go
}

func (e *envelope) marked(mark string) bool { return string(e.nonce[:len(mark)]) == mark }

// describe gives the recipients for people.
func (e *envelope) describe() []Recipient {
	out := make([]Recipient, len(e.recipients))
	for i := range e.recipients {
		out[i] = e.recipients[i].describe()
	}
	return out
}

// readEnvelope reads a layer up to its content, which Read then gives. If the
// layer is one of ours, its header is proven to be as it was written as soon as
// the tag proves the nonce, or, if it was rewrapped, by envelope.proven.
func (b *berReader) readEnvelope() (*envelope, error) {
	if err := b.enter(0x30); err != nil {
		return nil, err
	}
	oid, err := b.element()
	if err != nil {
		return nil, err
	}
	switch string(oid) {
	case string(der(0x06, []byte(oidAuthEnveloped))):
	case string(der(0x06, []byte(oidEnveloped))):
		return nil, berError("it is EnvelopedData, which nothing proves unchanged; only AuthEnvelopedData is opened")
	default:
		return nil, berError("it is no AuthEnvelopedData")
	}
	for _, tag := range []byte{0xa0, 0x30} {
		if err := b.enter(tag); err != nil {
			return nil, err
		}
	}
	version, err := b.element()
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(version, []byte{0x02, 0x01, 0x00}) {
		return nil, berError("version %x", version)
	}
	tag, err := b.peek()
	if err != nil {
		return nil, err
	}
	if tag == 0xa0 { // originatorInfo: nothing we need
		if _, err := b.element(); err != nil {
			return nil, err
		}
	}
	set, err := b.element()
	if err != nil {
		return nil, err
	}
	e := &envelope{set: set}
	if e.recipients, e.seal, err = parseRecipients(set); err != nil {
		return nil, err
	}
	end := len(b.header)
	if err := b.enter(0x30); err != nil {
		return nil, err
	}
	contentType, err := b.element()
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(contentType, der(0x06, []byte(oidData))) {
		return nil, berError("the content is not id-data")
	}
	algorithm, err := b.element()
	if err != nil {
		return nil, err
	}
	if e.nonce, err = parseGCM(algorithm); err != nil {
		return nil, err
	}
	if e.seal != nil {
		if !e.marked(markOuter) {
			return nil, ErrTampered // only an outer layer is ever rewrapped
		}
		e.seal.keep(b.header, end)
	} else if e.marked(markOuter) || e.marked(markInner) {
		// The length before the nonce is right only if the algorithm is
		// written as we write it; if it is not, the nonce does not match.
		at := len(b.header) - len(gcmTail) - nonceSize
		if e.nonce != markedNonce(string(e.nonce[:4]), b.header[:at]) {
			return nil, ErrTampered
		}
	}
	return e, b.enterContent()
}

// parseGCM returns the nonce of AES-256-GCM's parameters (RFC 5084).
func parseGCM(algorithm []byte) (nonce [nonceSize]byte, err error) {
	s := cryptobyte.String(algorithm)
	var outer, oid, params, n cryptobyte.String
	size := 12 // the default
	if !s.ReadASN1(&outer, cbasn1.SEQUENCE) || !outer.ReadASN1(&oid, cbasn1.OBJECT_IDENTIFIER) || string(oid) != oidAES256GCM {
		return nonce, berError("the content is not encrypted with AES-256-GCM")
	}
	if !outer.ReadASN1(&params, cbasn1.SEQUENCE) || !outer.Empty() ||
		!params.ReadASN1(&n, cbasn1.OCTET_STRING) || !params.Empty() && !params.ReadASN1Integer(&size) || !params.Empty() {
		return nonce, berError("parameters of AES-256-GCM")
	}
	if len(n) != nonceSize || size != tagSize {
		return nonce, berError("a nonce of %d and a tag of %d bytes instead of 12 and 16", len(n), size)
	}
	copy(nonce[:], n)
	return nonce, nil
}

// readTrailer reads what follows the content, once Read has said io.EOF, and
// returns the tag that the file bears.
func (b *berReader) readTrailer() (tag [tagSize]byte, err error) {
	for range 2 { // content, EncryptedContentInfo
		if err := b.leave(); err != nil {
			return tag, err
		}
	}
	mac, err := b.element()
	if err != nil {
		return tag, err
	}
	if len(mac) != 2+tagSize || mac[0] != 0x04 {
		return tag, berError("no tag of 16 bytes behind the content")
	}
	copy(tag[:], mac[2:])
	for range 3 {
		if err := b.leave(); err != nil {
			return tag, err
		}
	}
	return tag, b.end()
}

// commonName finds the CN in a DER Name, or says nothing.
func commonName(name []byte) string {
	var rdns []asn1.RawValue
	if _, err := asn1.Unmarshal(name, &rdns); err != nil {
		return ""
	}
	cn := ""
	for _, rdn := range rdns {
		s := cryptobyte.String(rdn.Bytes)
		for !s.Empty() {
			var attribute, oid, value cryptobyte.String
			var tag cbasn1.Tag
			if !s.ReadASN1(&attribute, cbasn1.SEQUENCE) || !attribute.ReadASN1(&oid, cbasn1.OBJECT_IDENTIFIER) ||
				!attribute.ReadAnyASN1(&value, &tag) {
				return cn
			}
			if string(oid) == "\x55\x04\x03" { // 2.5.4.3
				cn = string(value)
			}
		}
	}
	return cn
}
