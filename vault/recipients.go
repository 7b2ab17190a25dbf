package vault

import (
	"crypto"
	"crypto/rsa"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

const (
	context0 = asn1.Tag(0x80) // [0]
	tagAgree = asn1.Tag(0xa1) // [1], constructed
	tagOther = asn1.Tag(0xa4) // [4], constructed
)

// parseRecipients reads the SET OF RecipientInfo, of definite lengths. Kinds
// of recipients that we cannot open are kept without a way to the key. What
// proves a rewrapped envelope stands among them and is none.
func parseRecipients(set []byte) (all []recipient, seal *reseal, err error) {
	s, body := cryptobyte.String(set), cryptobyte.String(nil)
	if !s.ReadASN1(&body, asn1.SET) || body.Empty() {
		return nil, nil, berError("no recipients")
	}
	for !body.Empty() {
		var info cryptobyte.String
		var tag asn1.Tag
		if !body.ReadAnyASN1(&info, &tag) {
			return nil, nil, berError("a recipient")
		}
		var found []recipient
		ok := true
		switch tag {
		case asn1.SEQUENCE:
			found, ok = parseTransport(info)
		case tagAgree:
			found, ok = parseAgreement(info)
		case tagOther:
			if sum, ours := parseReseal(info); ours && body.Empty() {
				seal = &reseal{sum: sum}
			} else {
				found = []recipient{{}}
			}
		default:
			found = []recipient{{}}
		}
		if !ok {
			return nil, nil, berError("a recipient")
		}
		if all = append(all, found...); len(all) > maxRecipients {
			return nil, nil, berError("more than %d recipients", maxRecipients)
		}
	}
	return all, seal, nil
}

// parseTransport reads a KeyTransRecipientInfo.
func parseTransport(s cryptobyte.String) ([]recipient, bool) {
	var r recipient
	var version int64
	var alg, wrapped cryptobyte.String
	if !s.ReadASN1Integer(&version) || !r.readName(&s, context0) ||
		!s.ReadASN1(&alg, asn1.SEQUENCE) || !s.ReadASN1(&wrapped, asn1.OCTET_STRING) || !s.Empty() {
		return nil, false
	}
	r.wrapped = wrapped
	r.oaep = parseOAEP(alg)
	return []recipient{r}, true
}

// readName reads issuer and serial number, or a key identifier under tag.
func (r *recipient) readName(s *cryptobyte.String, tag asn1.Tag) bool {
	var body cryptobyte.String
	if s.PeekASN1Tag(asn1.SEQUENCE) {
		var issuer, serial cryptobyte.String
		if !s.ReadASN1(&body, asn1.SEQUENCE) || !body.ReadASN1Element(&issuer, asn1.SEQUENCE) ||
			!body.ReadASN1(&serial, asn1.INTEGER) || !body.Empty() {
			return false
		}
		for len(serial) > 1 && serial[0] == 0 {
			serial = serial[1:]
		}
		r.issuer, r.serial = issuer, serial
		return true
	}
	if !s.ReadASN1(&body, tag) {
		return false
	}
	if tag != context0 { // RecipientKeyIdentifier: the identifier, perhaps a date and more
		var id cryptobyte.String
		if !body.ReadASN1(&id, asn1.OCTET_STRING) {
			return false
		}
		body = id
	}
	r.serial = body
	return true
}

// parseOAEP reads RSAES-OAEP's parameters, whose defaults are SHA-1. Nil means
// another algorithm, or hashes that we do not take; PKCS #1 v1.5 is among them.
func parseOAEP(alg cryptobyte.String) *rsa.OAEPOptions {
	var oid, params, field, mgf cryptobyte.String
	if !alg.ReadASN1(&oid, asn1.OBJECT_IDENTIFIER) || string(oid) != oidOAEP {
		return nil
	}
	o := &rsa.OAEPOptions{Hash: crypto.SHA1, MGFHash: crypto.SHA1}
	if alg.Empty() {
		return o
	}
	if !alg.ReadASN1(&params, asn1.SEQUENCE) || !alg.Empty() {
		return nil
	}
	var there bool
	if !params.ReadOptionalASN1(&field, &there, context0.Constructed()) {
		return nil
	}
	if there {
		o.Hash = readHash(&field)
	}
	if !params.ReadOptionalASN1(&field, &there, asn1.Tag(1).ContextSpecific().Constructed()) {
		return nil
	}
	if there {
		if !field.ReadASN1(&mgf, asn1.SEQUENCE) || !mgf.ReadASN1(&oid, asn1.OBJECT_IDENTIFIER) || string(oid) != oidMGF1 {
			return nil
		}
		o.MGFHash = readHash(&mgf)
	}
	if !params.ReadOptionalASN1(&field, &there, asn1.Tag(2).ContextSpecific().Constructed()) {
		return nil
	}
	if there {
		var source, label cryptobyte.String
		if !field.ReadASN1(&source, asn1.SEQUENCE) || !source.ReadASN1(&oid, asn1.OBJECT_IDENTIFIER) ||
			string(oid) != oidPSpecified || !source.ReadASN1(&label, asn1.OCTET_STRING) {
			return nil
		}
		o.Label = label
	}
	if o.Hash == 0 || o.MGFHash == 0 || !params.Empty() {
		return nil
	}
	return o
}

// readHash reads a hash's AlgorithmIdentifier; 0 means one we do not take.
func readHash(s *cryptobyte.String) crypto.Hash {
	var alg, oid cryptobyte.String
	if !s.ReadASN1(&alg, asn1.SEQUENCE) || !alg.ReadASN1(&oid, asn1.OBJECT_IDENTIFIER) {
		return 0
	}
	switch string(oid) {
	case oidSHA1:
		return crypto.SHA1
	case oidSHA256:
		return crypto.SHA256
	case oidSHA384:
		return crypto.SHA384
	case oidSHA512:
		return crypto.SHA512
	}
	return 0
}

// parseAgreement reads a KeyAgreeRecipientInfo with an ephemeral key.
func parseAgreement(s cryptobyte.String) ([]recipient, bool) {
	var r recipient
	var version int64
	var originator, alg, keys cryptobyte.String
	if !s.ReadASN1Integer(&version) || !s.ReadASN1(&originator, context0.Constructed()) {
		return nil, false
	}
	var there bool
	var ukm, user cryptobyte.String
	if !s.ReadOptionalASN1(&ukm, &there, tagAgree) || there && !ukm.ReadASN1(&user, asn1.OCTET_STRING) {
		return nil, false
	}
	if there {
		r.ukm = append([]byte{}, user...) // empty is not the same as absent
	}
	if !s.ReadASN1(&alg, asn1.SEQUENCE) || !s.ReadASN1(&keys, asn1.SEQUENCE) || !s.Empty() {
		return nil, false
	}
	r.readOriginator(originator)
	r.readAgreement(alg)
	var all []recipient
	for !keys.Empty() {
		var one, wrapped cryptobyte.String
		each := r
		if !keys.ReadASN1(&one, asn1.SEQUENCE) || !each.readName(&one, context0.Constructed()) ||
			!one.ReadASN1(&wrapped, asn1.OCTET_STRING) || !one.Empty() {
			return nil, false
		}
		each.wrapped = wrapped
		if all = append(all, each); len(all) > maxRecipients {
			return nil, false
		}
	}
	return all, true
}

// readOriginator reads the ephemeral key's point. Its curve is the
// recipient's, or there is no agreement, so parameters are not looked at.
func (r *recipient) readOriginator(s cryptobyte.String) {
	var key, alg, oid cryptobyte.String
	var point []byte
	if s.ReadASN1(&key, tagAgree) && key.ReadASN1(&alg, asn1.SEQUENCE) && alg.ReadASN1(&oid, asn1.OBJECT_IDENTIFIER) &&
		string(oid) == oidECPublicKey && key.ReadASN1BitStringAsBytes(&point) {
		r.ephemeral = point
	}
}

// readAgreement reads the key derivation and the wrap.
func (r *recipient) readAgreement(s cryptobyte.String) {
	var oid, wrap, wrapBody, wrapOID cryptobyte.String
	if !s.ReadASN1(&oid, asn1.OBJECT_IDENTIFIER) || !s.ReadASN1Element(&wrap, asn1.SEQUENCE) {
		return
	}
	inside := wrap
	if !inside.ReadASN1(&wrapBody, asn1.SEQUENCE) || !wrapBody.ReadASN1(&wrapOID, asn1.OBJECT_IDENTIFIER) ||
		string(wrapOID) != oidAES256Wrap || r.ephemeral == nil {
		return
	}
	r.wrap = wrap
	switch string(oid) {
	case oidDHSHA1:
		r.kdf = crypto.SHA1
	case oidDHSHA256:
		r.kdf = crypto.SHA256
	case oidDHSHA384:
		r.kdf = crypto.SHA384
	case oidDHSHA512:
		r.kdf = crypto.SHA512
	}
}
