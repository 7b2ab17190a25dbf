package formats

import (
	"bytes"
	"unicode/utf8"
)

// xmlAttr is an attribute of a tag that is being read.
type xmlAttr struct {
	name  []byte
	value []byte // checked, references not yet resolved
}

const (
	xmlNamespace   = "http://www.w3.org/XML/1998/namespace"
	xmlnsNamespace = "http://www.w3.org/2000/xmlns/"
)

// attributes reads a start tag behind its name into x.attrs, which is empty, and returns where its '>' or "/>" stands; -1 when it is cut.
func (x *xmlScanner) attributes(d []byte, pos int) (end int, why string) {
	for {
		from := pos
		for pos < len(d) && blank(d[pos]) {
			pos++
		}
		switch {
		case pos == len(d):
			return -1, ""
		case d[pos] == '>':
			return pos, ""
		case d[pos] == '/':
			if pos+1 == len(d) {
				return -1, ""
			}
			if d[pos+1] != '>' {
				return 0, badTag
			}
			return pos, ""
		case pos == from:
			return 0, badTag
		}
		var a xmlAttr
		if a, pos, why = attribute(d, pos); why != "" || pos < 0 {
			return pos, why
		}
		for _, b := range x.attrs {
			if string(a.name) == string(b.name) {
				return 0, twiceAttr
			}
		}
		if len(x.attrs) == maxXMLAttrs {
			return 0, "it has a tag with too many attributes"
		}
		x.attrs = append(x.attrs, a)
	}
}

const (
	badTag    = "it has a tag that is not well-formed"
	twiceAttr = "it has an attribute twice in one tag"
)

// attribute reads name="value" and returns where it ends; -1 when it is cut.
func attribute(d []byte, pos int) (a xmlAttr, end int, why string) {
	end, why = name(d, pos)
	if why != "" {
		return a, 0, why
	}
	a.name = d[pos:end]
	for end < len(d) && blank(d[end]) {
		end++
	}
	if end == len(d) {
		return a, -1, ""
	}
	if d[end] != '=' {
		return a, 0, badTag
	}
	for end++; end < len(d) && blank(d[end]); end++ {
	}
	if end == len(d) {
		return a, -1, ""
	}
	quote := d[end]
	if quote != '"' && quote != '\'' {
		return a, 0, badTag
	}
	end++
	n, why := attrValue(d[end:], quote)
	if why != "" || n < 0 {
		return a, -1, why
	}
	a.value = d[end : end+n]
	return a, end + n + 1, ""
}

// attrValue is the length of a checked attribute value that ends with the quote; -1 when it is cut.
func attrValue(d []byte, quote byte) (n int, why string) {
	for i := 0; i < len(d); {
		switch c := d[i]; {
		case c == quote:
			return i, ""
		case c == '<':
			return 0, "it has < in an attribute"
		case c == '&':
			var room [utf8.UTFMax]byte
			_, end, why := reference(d, i, room[:0])
			if why != "" || end == i {
				return -1, why
			}
			i = end
		case c < ' ' && !blank(c):
			return 0, badCharacter
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRune(d[i:])
			if r == utf8.RuneError && size == 1 && !utf8.FullRune(d[i:]) {
				return -1, ""
			}
			if r == utf8.RuneError && size == 1 {
				return 0, badEncoding
			}
			if r == 0xFFFE || r == 0xFFFF {
				return 0, badCharacter
			}
			i += size
		default:
			i++
		}
	}
	return -1, ""
}

// declares tells whether the tag declares a namespace.
func (x *xmlScanner) declares() bool {
	for _, a := range x.attrs {
		if prefix, local := splitName(a.name); string(prefix) == "xmlns" || len(prefix) == 0 && string(local) == "xmlns" {
			return true
		}
	}
	return false
}

// declares is the namespace declaration that the attribute is, if it is one.
func (a xmlAttr) declares() (xmlSpace, bool) {
	prefix, local := splitName(a.name)
	switch {
	case string(prefix) == "xmlns":
		return xmlSpace{string(local), string(unescape(a.value))}, true
	case len(prefix) == 0 && string(local) == "xmlns":
		return xmlSpace{"", string(unescape(a.value))}, true
	}
	return xmlSpace{}, false
}

// refused says why the declaration is not allowed.
func (s xmlSpace) refused() string {
	if s.prefix == "xmlns" || s.uri == xmlnsNamespace || (s.prefix == "xml") != (s.uri == xmlNamespace) ||
		s.prefix != "" && s.uri == "" {
		return "it declares a namespace in a way that XML does not allow"
	}
	return ""
}

// checkAttrs holds the attributes' prefixes against the namespaces that n sees: each declared, no two attributes the same.
func (x *xmlScanner) checkAttrs(n *node) string {
	for i, a := range x.attrs {
		prefix, local := splitName(a.name)
		if len(prefix) == 0 || string(prefix) == "xmlns" {
			continue
		}
		uri, bound := n.space(prefix)
		if !bound {
			return unboundPrefix
		}
		for _, b := range x.attrs[:i] {
			prefix, other := splitName(b.name)
			if len(prefix) == 0 || string(prefix) == "xmlns" || !bytes.Equal(local, other) {
				continue
			}
			if same, _ := n.space(prefix); same == uri {
				return twiceAttr
			}
		}
	}
	return ""
}

// unescape resolves the references of a checked value.
func unescape(b []byte) []byte {
	if bytes.IndexByte(b, '&') < 0 {
		return b
	}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); {
		if b[i] != '&' {
			out = append(out, b[i])
			i++
			continue
		}
		out, i, _ = reference(b, i, out)
	}
	return out
}

// reference appends what the reference at pos stands for and returns where it ends; pos, when it is cut.
func reference(d []byte, pos int, out []byte) (_ []byte, end int, why string) {
	const longest = len("&#x0010FFFF;") + 8 // a few leading zeros are fine
	semicolon := bytes.IndexByte(d[pos:min(len(d), pos+longest)], ';')
	if semicolon < 0 {
		if len(d)-pos >= longest {
			return out, 0, badReference
		}
		return out, pos, ""
	}
	body := d[pos+1 : pos+semicolon]
	end = pos + semicolon + 1
	switch string(body) {
	case "lt":
		return append(out, '<'), end, ""
	case "gt":
		return append(out, '>'), end, ""
	case "amp":
		return append(out, '&'), end, ""
	case "apos":
		return append(out, '\''), end, ""
	case "quot":
		return append(out, '"'), end, ""
	}
	r, ok := charReference(body)
	if !ok {
		return out, 0, badReference
	}
	return utf8.AppendRune(out, r), end, ""
}

const badReference = "it has a reference to something other than a character"

// charReference is the character that "#65" or "#x41" means.
func charReference(body []byte) (rune, bool) {
	if len(body) < 2 || body[0] != '#' {
		return 0, false
	}
	base, digits := rune(10), body[1:]
	if digits[0] == 'x' {
		base, digits = 16, digits[1:]
	}
	r := rune(0)
	for _, c := range digits {
		v := rune(99)
		switch {
		case digit(c):
			v = rune(c - '0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			v = rune(c|0x20-'a') + 10
		}
		if v >= base || r > utf8.MaxRune {
			return 0, false
		}
		r = r*base + v
	}
	allowed := r == '\t' || r == '\n' || r == '\r' || r >= 0x20 && r <= 0xD7FF || r >= 0xE000 && r <= 0xFFFD ||
		r >= 0x10000 && r <= utf8.MaxRune
	return r, allowed && len(digits) > 0
}
