package formats

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/testdata/gen/payfile"
)

// FuzzInspector reads anything. It must not panic, chunks must not matter, an unfinished file must stay as it was, and a
// file with a problem must say which.
func FuzzInspector(f *testing.F) {
	for _, data := range testdata(f) {
		f.Add(data, uint64(1))
	}
	f.Add(generated(f, "pain.001", payfile.Options{Payments: 3, PerBatch: 2}), uint64(2))
	f.Add(generated(f, "pain.008", payfile.Options{Payments: 3, PerBatch: 2}), uint64(2))
	f.Add(generated(f, "pacs.008", payfile.Options{Payments: 3}), uint64(2))
	f.Add(generated(f, "pain.002", payfile.Options{Payments: 3}), uint64(2))
	f.Add(generated(f, "camt.055", payfile.Options{Payments: 3}), uint64(2))
	f.Add(generated(f, "camt.053", payfile.Options{Payments: 3}), uint64(2))
	f.Add(generated(f, "bg-lb", payfile.Options{Payments: 12, PerBatch: 5, NoBreaks: true}), uint64(3))
	f.Add(generated(f, "nacha", payfile.Options{Payments: 12, PerBatch: 5}), uint64(4))
	f.Add(generated(f, "nets-ocr", payfile.Options{Payments: 12, PerBatch: 5}), uint64(5))
	f.Add(generated(f, "coda", payfile.Options{Payments: 5}), uint64(6))
	f.Add(generated(f, "bacs", payfile.Options{Payments: 5}), uint64(7))
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) { checkInspector(t, data, seed) })
}

func checkInspector(t *testing.T, data []byte, seed uint64) read {
	t.Helper()
	want := inspect(data, whole(data))
	if got := inspect(data, randomly(seed, 1+int(seed%300))); !same(t, "input", "in random chunks", got, want) {
		t.FailNow()
	}
	i := newInspector()
	half := len(data) / 2
	i.Write(data[:half])
	if first := i.close(); has(first.Problems, Incomplete) && (len(first.Problems) == 1) || has(first.Problems, Empty) {
		same(t, "input", "closed twice", i.close(), first)
		i.Write(data[half:])
		same(t, "input", "closed and gone on", i.close(), want)
	}
	for _, p := range want.Problems {
		if p.Detail == "" || p.Reason == "" {
			t.Errorf("a problem without words: %v", want.Problems)
		}
	}
	if want.Facts.Format == "" || want.Facts.Format == "unrecognised" && len(want.Problems) == 0 {
		t.Errorf("%+v %v", want.Facts, want.Problems)
	}
	return want
}

// FuzzLB begins with a whole LB file that has been changed.
func FuzzLB(f *testing.F) {
	for name, data := range testdata(f) {
		if strings.Contains(name, "lb-") {
			f.Add(data, uint64(1))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		head := "110009912346261120LEVERANT\xd6RSBETALNINGAR261123             SEK                  \n"
		got := checkInspector(t, append([]byte(head), data...), seed)
		if len(got.Problems) == 0 && !bytes.Contains(data, []byte("29")) {
			t.Errorf("taken without a TK29: %v", got.Facts)
		}
	})
}

// bgHeads are how files of Bankgirot's other formats begin, and of PO3.
var bgHeads = []string{
	"01BGMAX               0120261120173035010331P\n050009912346          SEK\n",
	"01261120  L\xD6N                                              SEK0047110009912346\n",
	"0120261120AUTOGIRO                                            0047110009912346\n",
	"00261120HMAC\n0120261120AUTOGIRO                                            0047110009912346\n",
	"01AUTOGIRO              20261120            MAKULERING/\xC4NDRING  0047110009912346\n",
	"012026112099000009912346AG-MEDAVI\n",
	"512026112099000009912346AG-EMEDGIV\n",
	"MH00        5560000000            0000028803SEK\n",
}

var bankgiros = regexp.MustCompile(`bgmax|loner|autogiro|po3`)

// FuzzBankgiro begins with a whole head, which the seed chooses, and goes on with whole files that have been changed.
func FuzzBankgiro(f *testing.F) {
	for name, data := range testdata(f) {
		if bankgiros.MatchString(name) {
			for i := range bgHeads {
				f.Add(data, uint64(i))
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		checkInspector(t, append([]byte(bgHeads[seed%uint64(len(bgHeads))]), data...), seed)
	})
}

// oracle is what encoding/xml reads in a pain.001.
type oracle struct {
	payments int64
	sum      Amount
	id       string
}

var errNoMessage = errors.New("no message")

// readOracle reads all of a message with the standard library, slowly.
func readOracle(data []byte) (o oracle, err error) {
	d := xml.NewDecoder(bytes.NewReader(data))
	var path []string
	text, found := "", false
	for {
		token, err := d.Token()
		if err == io.EOF {
			if !found {
				return o, errNoMessage
			}
			return o, nil
		}
		if err != nil {
			return o, err
		}
		switch token := token.(type) {
		case xml.StartElement:
			path, text = append(path, token.Name.Local), ""
		case xml.CharData:
			text += string(token)
		case xml.EndElement:
			_, at, _ := strings.Cut("/"+strings.Join(path, "/"), "/Document/")
			_, at, inside := strings.Cut(at, "/")
			found = found || inside
			text = strings.Trim(text, " \t\r\n")
			switch at {
			case "GrpHdr/MsgId":
				o.id = text
			case "PmtInf/CdtTrfTxInf":
				o.payments++
			case "PmtInf/CdtTrfTxInf/Amt/InstdAmt", "PmtInf/CdtTrfTxInf/Amt/EqvtAmt/Amt":
				a, err := ParseAmount([]byte(text))
				if err != nil {
					return o, err
				}
				if o.sum, err = o.sum.Add(a); err != nil {
					return o, err
				}
			}
			path, text = path[:len(path)-1], ""
		}
	}
}

// stricter are the words of faults that encoding/xml lets pass.
var stricter = []string{unboundPrefix, twiceAttr, outsideRoot, badTag, "too long", "too deep", "too many", "too much", "a name",
	"only text belongs", "XML declaration", "declares a namespace", "not at its very beginning"}

// FuzzXML holds the scanner against encoding/xml: what is taken here is well-formed there, with the same payments and
// message id; and what is refused here for its form is refused there, but for what that is known not to check.
func FuzzXML(f *testing.F) {
	for name, data := range testdata(f) {
		if strings.HasSuffix(name, ".xml") && !strings.Contains(name, "utf16") {
			f.Add(data)
		}
	}
	f.Add([]byte(`<Document xmlns:a="x" xmlns:b="x"><CstmrCdtTrfInitn a:c="1" b:c="2"></CstmrCdtTrfInitn></Document>`))
	f.Add([]byte("<Document><CstmrCdtTrfInitn ><GrpHdr\n><NbOfTxs>0</NbOfTxs ></GrpHdr><x y='&#x41;&lt;'/></CstmrCdtTrfInitn></Document\t>"))
	f.Fuzz(func(t *testing.T, data []byte) {
		got := inspect(data, whole(data))
		if got.Facts.Format != "pain.001" || got.Facts.Encoding != "utf-8" {
			return
		}
		data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
		want, err := readOracle(data)
		if err != nil && (strings.Contains(err.Error(), "encoding") || strings.Contains(err.Error(), "version")) {
			return
		}
		if complete(got) {
			sum, _, count := sumOf(t, got)
			if err != nil || count != want.payments || sum.Cmp(want.sum) != 0 || got.Facts.MessageID != want.id {
				t.Errorf("encoding/xml: %+v, %v; here %+v %v", want, err, got.Facts, got.Problems)
			}
			return
		}
		if err != nil {
			return
		}
		for _, p := range got.Problems {
			known := p.Reason != Malformed || !strings.Contains(p.Detail, "(line") || bytes.Contains(data, []byte("&#000000"))
			for _, s := range stricter {
				known = known || strings.Contains(p.Detail, s)
			}
			if !known {
				t.Errorf("encoding/xml takes it, here: %v", p)
			}
		}
	})
}

// TestRunsChangeNothing reads generated files, changed in one byte behind many payments of the same shape, with the
// memory of runs and without: they must say the same.
func TestRunsChangeNothing(t *testing.T) {
	data := generated(t, "pain.001", payfile.Options{Payments: 12, PerBatch: 5})
	from := len(data) / 3
	for at := from; at < len(data); at++ {
		old := data[at]
		data[at] = []byte{'<', '/', ' ', old ^ 1, old ^ 0x80}[at%5]
		with := inspect(data, whole(data))
		plain := newInspector()
		plain.Write(data[:2])
		plain.content.reader.(*isoFile).xml.learned = maxLearned
		plain.Write(data[2:])
		if !same(t, "without and with runs", "changed", with, plain.close()) {
			t.Fatalf("byte %d from %q to %q", at, old, data[at])
		}
		data[at] = old
	}
}
