package formats

import "bytes"

// message is one kind of ISO 20022 message. A new one is a file of this package and a line in messages().
type message struct {
	name string   // "pain.001"
	root []string // local names of the element inside Document that says which message it is
	tree element  // from that element down
	// open begins to read one; version is "pain.001.001.09", "" if the file does not say.
	open func(s *sheet) elements
}

func messages() []message {
	return []message{
		{"pain.001", []string{"CstmrCdtTrfInitn", "pain.001.001.02"}, pain001Tree, openPain001},
		{"pain.002", []string{"CstmrPmtStsRpt", "pain.002.001.02"}, pain002Tree, openPain002},
		{"pain.008", []string{"CstmrDrctDbtInitn", "pain.008.001.01"}, pain008Tree, openPain008},
		{"pacs.008", []string{"FIToFICstmrCdtTrf", "pacs.008.001.01"}, pacs008Tree, openPacs008},
		camt052.of(camt052Tree),
		camt053.of(camt053Tree),
		camt054.of(camt054Tree),
		{"camt.055", []string{"CstmrPmtCxlReq"}, camt055Tree, openCamt055},
	}
}

// isoFile is an XML file: it may wrap a Document in an envelope, and the Document may hold a message that is known here.
// Until that is told, whatever is wrong with the XML only means that the file is not recognised.
//
// The true end of a file is the last byte of its outermost element's end tag. Blanks, comments and instructions may
// follow, or be lost; one that is cut makes the file incomplete.
type isoFile struct {
	sheet   *sheet
	xml     *xmlScanner
	head    []byte // the file's beginning, until its encoding is known
	decoder *decoder
	take    func([]byte) // xml.write
	message string       // name of the message, once told
	pending string       // what is wrong with the file if it is a message
	// Places in the tree of elements: outside of the Document, and in it.
	outside, document element
}

// lookXML says yes to anything that begins with '<'.
func lookXML(prefix []byte) answer {
	b := prefix
	for _, bom := range []string{"\xef\xbb\xbf", "\xff\xfe", "\xfe\xff"} {
		if len(b) < len(bom) && string(b) == bom[:len(b)] {
			return more
		}
		b = bytes.TrimPrefix(b, []byte(bom))
	}
	b = bytes.TrimLeft(b, " \t\r\n\x00")
	switch {
	case len(b) == 0:
		return more
	case b[0] == '<':
		return yes
	}
	return no
}

func openXML(_ []byte, s *sheet) reader {
	f := &isoFile{sheet: s}
	f.xml = newXMLScanner(f)
	f.take = f.xml.write
	return f
}

func (f *isoFile) write(p []byte) {
	if f.decoder != nil {
		f.decoder.write(p, f.take)
		return
	}
	took := min(len(p), maxHead-len(f.head))
	f.head = append(f.head, p[:took]...)
	if f.begin(); f.decoder == nil {
		if len(f.head) == maxHead {
			f.fault(badDeclaration)
		}
		return
	}
	f.head = nil
	f.decoder.write(p[took:], f.take)
}

func (f *isoFile) whole() bool {
	if f.xml.mode == inDoctype { // it is no message so far, and if it became one it would be refused
		return true
	}
	return f.decoder != nil && f.decoder.whole() && f.xml.whole()
}

func (f *isoFile) end() {
	if f.message == "" {
		f.sheet.giveUp()
	}
}

// fault takes it that the file is not well-formed.
func (f *isoFile) fault(why string) {
	switch {
	case f.sheet.closed:
	case f.message == "":
		f.sheet.giveUp()
	default:
		f.sheet.malformed("%s", why)
	}
}

// place describes a new node of the document by those around it; nil: nothing in it is of interest.
func (f *isoFile) place(n *node) *element {
	switch spec := n.parent.spec; spec {
	case nil:
		return nil
	case &f.outside:
		if string(n.local) == "Document" {
			return &f.document
		}
		return spec
	case &f.document:
		return f.tell(n)
	default:
		for i := range spec.kids {
			if spec.kids[i].name == string(n.local) {
				return &spec.kids[i]
			}
		}
		return nil
	}
}

// tell says which message it is from the first element in the Document.
func (f *isoFile) tell(n *node) *element {
	for _, m := range messages() {
		for _, root := range m.root {
			if root == string(n.local) {
				if f.recognise(&m, n); f.sheet.closed {
					return nil
				}
				return &m.tree
			}
		}
	}
	if f.message == "" {
		f.sheet.giveUp()
	} else {
		f.sheet.malformed("it holds more than one message")
	}
	return nil
}

// recognise begins to read the message whose element is n (nil if it is not parsed).
func (f *isoFile) recognise(m *message, n *node) {
	if f.message != "" {
		f.sheet.malformed("it holds more than one message")
		return
	}
	f.message, f.sheet.facts.Format = m.name, m.name
	if n != nil {
		prefix, _ := splitName(n.name)
		uri, _ := n.space(prefix)
		f.sheet.facts.Version = version(m.name, uri)
		if f.sheet.facts.Version == "" {
			f.sheet.facts.Version = version(m.name, string(n.local))
		}
	}
	if f.pending != "" {
		f.sheet.malformed("%s", f.pending)
		return
	}
	f.xml.sink = m.open(f.sheet)
}

// version finds "pain.001.001.09" in a namespace, whatever a bank has put around it; "" if it is not there.
func version(message, in string) string {
	const rest = ".001.09"
	for i := 0; i+len(message)+len(rest) <= len(in); i++ {
		v := in[i : i+len(message)+len(rest)]
		if tail := v[len(message):]; v[:len(message)] == message && tail[0] == '.' && digits([]byte(tail[1:4])) &&
			tail[4] == '.' && digits([]byte(tail[5:])) {
			return v
		}
	}
	return ""
}

// hunt goes through a document with a DOCTYPE, which is never parsed: the name of a known message anywhere in it means
// that it is one, and refused. It tells how much it has read; the rest may be the beginning of a name.
func (f *isoFile) hunt(d []byte) int {
	f.pending = "it has a DOCTYPE, which is not allowed in a payment file"
	longest := 0
	for _, m := range messages() {
		for _, root := range m.root {
			if longest = max(longest, len(root)); bytes.Contains(d, []byte(root)) {
				f.recognise(&m, nil)
				return len(d)
			}
		}
	}
	return max(0, len(d)-longest+1)
}
