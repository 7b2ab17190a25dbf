package formats

import (
	"bytes"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/sealgate/sealgate/testdata/gen/payfile"
)

// ourFiles are testdata, the samples of the formats that are read here, and small generated files.
func ourFiles(t *testing.T) map[string][]byte {
	t.Helper()
	files := testdata(t)
	files["generated.xml"] = generated(t, "pain.001", payfile.Options{Payments: 7, PerBatch: 3})
	files["generated-minified.xml"] = generated(t, "pain.001", payfile.Options{Payments: 3, Minified: true})
	files["generated.lb"] = generated(t, "bg-lb", payfile.Options{Payments: 30, PerBatch: 30})
	if _, err := filepath.Glob(samplesDir); err == nil {
		t.Run("samples", func(t *testing.T) {
			for _, row := range samples(t) {
				if readHere[row["format"]] {
					files[row["file"]] = sample(t, row)
				}
			}
		})
	}
	return files
}

// same fails unless two readings of the same bytes agree in everything.
func same(t *testing.T, name, how string, got, want read) bool {
	t.Helper()
	if reflect.DeepEqual(want, got) { // much faster than cmp
		return true
	}
	if diff := cmp.Diff(want, got, compareAmounts); diff != "" {
		t.Errorf("%s, %s:\n%s", name, how, diff)
		return false
	}
	return true
}

// complete tells whether the file was taken for a whole one of a known format.
func complete(r read) bool {
	for _, reason := range []Reason{Incomplete, Malformed, Empty, Unrecognised} {
		if has(r.Problems, reason) {
			return false
		}
	}
	return true
}

// trueEnd is where a file is whole, and before which it must never be taken for that: for XML behind the end tag of the
// outermost element, for the others as the head of their file in this package says. Sections of a
// file that is not sealed end whole files, too.
func trueEnd(name string, data []byte) (end int, also []int) {
	if end, also = trueEndMT(name, data); end > 0 {
		return end, also
	}
	if end, also = telepayEnds(name, data); end > 0 {
		return end, also
	}
	if end = trueEndEDIFACT(name, data); end > 0 {
		return end, nil
	}
	if bytes.HasPrefix(data, []byte("T00322100")) {
		return titoEnds(data)
	}
	if strings.Contains(name, "bai2") {
		return trueEndBAI2(data), nil
	}
	if data[0] == '<' || data[0] == 0xEF || data[0] == 0xFE || data[0] == 0xFF || data[0] == 0 {
		s, wide := string(data), 1
		if bytes.IndexByte(data, 0) >= 0 {
			wide = 2
			s = strings.ReplaceAll(s, "\x00", "")
		}
		for _, tag := range []string{"</message>", "</env:Message>", "</StandardBusinessDocument>", "</p:Document>", "</Document>"} {
			if i := strings.LastIndex(s, tag); i >= 0 {
				end = (i + len(tag)) * wide
				if wide == 2 && data[0] == 0xFF {
					end -= 2 // the byte order mark is not two characters
				}
				return end, nil
			}
		}
		return len(data), nil
	}
	if end = trueEndFixed(data); end > 0 {
		return end, earlierEnds(data)
	}
	end = len(bytes.TrimRight(data, " \t\r\n\x1a"))
	if i := bytes.Index(data, []byte("\n70")); i >= 0 && strings.Contains(name, "bgmax") {
		also = append(also, i+35) // something stands behind it
	}
	if strings.Contains(name, "autogiro") && !bytes.HasPrefix(data, []byte("00")) {
		return autogiroEnds(name, data)
	}
	if strings.Contains(name, "loner") && !bytes.HasPrefix(data, []byte("00")) {
		for at := 0; ; at = end {
			i := bytes.Index(data[at:], []byte("09261120"))
			if i < 0 {
				break
			}
			end = at + i + 46 // behind it are only zeros
			also = append(also, end)
		}
	}
	if i := bytes.Index(data, []byte("\n99000")); i >= 0 && strings.Contains(name, "totalin") {
		return i + 18, nil
	}
	if i := bytes.Index(data, []byte("\nMT00")); i >= 0 {
		also = append(also, i+52)
	}
	if i := bytes.Index(data, []byte("\n99261120")); i >= 0 {
		also = append(also, i+73) // something stands behind it
	}
	if i := bytes.Index(data, []byte("\n29")); i >= 0 && !bytes.HasPrefix(data, []byte("00")) {
		also = append(also, i+33)
	}
	return end, also
}

// autogiroEnds are where a request without a seal may end, which is behind every record but TK01, for its format gives no
// way to see more; and where a report may, which is behind its last record's last digit.
func autogiroEnds(name string, data []byte) (end int, also []int) {
	report, column := strings.Contains(name, "report"), 68
	for start := 0; start < len(data); {
		n := bytes.IndexByte(data[start:], '\n') + 1
		if bytes.IndexByte(data[start:], '\n') < 0 {
			n = min(len(data)-start, bgRecord) // no line breaks
		}
		line, code := data[start:start+n], string(data[start:min(start+2, len(data))])
		for _, c := range []struct {
			name   string
			column int
		}{{"AG-ME", 21}, {"AG-EM", 21}, {"AVVISADE", 50}, {"FELLISTA", 50}} {
			if bytes.Contains(line, []byte(c.name)) {
				column = c.column
			}
		}
		record := bytes.TrimRight(line, "\r\n")
		switch {
		case report && (code == "09" || code == "59"):
			end = start + column
			also = append(also, end)
		case !report && code != "01" && len(bytes.TrimSpace(line)) > 0:
			end = start + len(record)
			if chars := utf8.RuneCount(record); chars < bgRecord {
				end++ // only the line's end says that the record is whole
			}
			also = append(also, end)
		}
		start += n
	}
	return end, also
}

// TestCutAnywhere cuts every file at every byte. Before its true end, it is never complete; behind that, always, unless
// it is cut inside of a comment or of a 16-bit character. One Inspector that is closed after every byte and goes on says
// the same all the way as one that gets the cut file in one piece (asked at every seventh byte and near the end): so
// Close changes nothing, and chunks do not matter.
func TestCutAnywhere(t *testing.T) {
	for name, data := range ourFiles(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			end, sections := trueEnd(name, data)
			full := complete(inspect(data, whole(data)))
			loose := strings.Contains(name, "cdata")
			bytewise, going := newInspector(), true
			for cut := 0; cut <= len(data); cut++ {
				if cut > 0 && going {
					bytewise.Write(data[cut-1 : cut])
				}
				var got read
				if going {
					got = bytewise.close()
				}
				if !going || cut%7 == 0 || cut > end-40 && cut < end+40 {
					piece := inspect(data[:cut], whole(data))
					if going && !same(t, name, "byte by byte", got, piece) {
						t.Fatalf("cut at %d of %d", cut, len(data))
					}
					got = piece
				}
				going = going && (has(got.Problems, Incomplete) || has(got.Problems, Empty))
				early := cut < end
				for _, e := range sections {
					early = early && (cut < e || len(bytes.Trim(data[e:cut], " \r\n0")) > 0)
				}
				if early && complete(got) {
					t.Fatalf("complete at %d, before its end at %d", cut, end)
				}
				odd := strings.Contains(name, "utf16") && (cut-end)%2 != 0
				if cut >= end && full && !complete(got) && !loose && !odd {
					t.Fatalf("not complete at %d, behind its end at %d: %v", cut, end, got.Problems)
				}
			}
		})
	}
}

// TestChunks reads every file, whole and with a wrong tail, in chunks of many sizes.
func TestChunks(t *testing.T) {
	files := ourFiles(t)
	files["big.xml"] = generated(t, "pain.001", payfile.Options{Payments: 300, PerBatch: 40, Marker: "Å&<x>"})
	files["big.lb"] = generated(t, "bg-lb", payfile.Options{Payments: 500, PerBatch: 40})
	for name, data := range files {
		want := inspect(data, whole(data))
		for _, n := range []int{1, 2, 3, 7, 80, 513, 1024, 4096} {
			if !same(t, name, "in equal chunks", inspect(data, always(n)), want) {
				t.Logf("of %d", n)
				break
			}
		}
		for seed := range uint64(20) {
			if !same(t, name, "in random chunks", inspect(data, randomly(seed, 1<<(seed%12))), want) {
				break
			}
		}
	}
}

// TestCutTag cuts a tag with an attribute that is then stepped over as a run. The attribute is not one of the next tags: their
// bytes lie where it lay, and "n:N" has a prefix that nobody declares.
func TestCutTag(t *testing.T) {
	head, pay, _ := strings.Cut(orderly, "<CdtTrfTxInf>")
	pay, tail, _ := strings.Cut(pay, "</CdtTrfTxInf>")
	pay = "<CdtTrfTxInf>" + pay[:strings.Index(pay, "<CdtrAgt>")] + pay[strings.Index(pay, "<Cdtr>"):] + "</CdtTrfTxInf>"
	habit := strings.Replace(pay, "<InstdAmt", "<!----><InstdAmt", 1)
	text := strings.NewReplacer("<!", "<!", "</", "</pain:", "<", "<pain:", "xmlns", "xmlns:pain", "Txs>1", "Txs>3", "Sum>1", "Sum>3").
		Replace(head + habit + habit + pay + tail)
	at := strings.LastIndex(text, `">1</`)
	got := newInspector()
	from := 0
	for _, to := range []int{at, at + 1, at + 3, strings.LastIndex(text, "dtr><pain:Nm"), len(text)} {
		got.Write([]byte(text[from:to]))
		from = to
	}
	same(t, "pain.001", "with a tag cut", got.close(), inspect([]byte(text), whole([]byte(text))))
}

// sumOf is a file's sum over all currencies, of debits apart, and its count.
func sumOf(t *testing.T, r read) (sum, drawn Amount, count int64) {
	t.Helper()
	add := func(totals []Total) (sum Amount) {
		for _, total := range totals {
			var err error
			if sum, err = sum.Add(total.Amount); err != nil {
				t.Fatal(err)
			}
		}
		return sum
	}
	return add(r.Facts.Totals), add(r.Facts.Debits), r.Facts.Payments
}

// TestFlips changes one byte at a time of files that state both count and sum, in many ways. Whatever becomes of the
// file, chunks do not matter; and if it is taken without a problem, count and sum are what they were.
func TestFlips(t *testing.T) {
	files := testdata(t)
	for _, name := range []string{"pain001-typical.xml", "pain001-batches.xml", "pain001-cdata.xml", "pain001-utf16le.xml", "pain001-latin1.xml",
		"pain001-apphdr.xml", "lb-latin1.txt", "lb-utf8-no-breaks.txt", "lb-sealed.txt", "lb-sections.txt", "lb-negative.txt",
		"pain008-typical.xml", "pain008-batches.xml", "camt053-typical.xml", "camt053-v08.xml", "camt052-typical.xml", "camt054-typical.xml",
		"pacs008-typical.xml", "pacs008-currencies.xml", "camt055-typical.xml", "camt055-quoted.xml",
		"nacha-typical.txt", "nacha-adv.txt", "nacha-no-breaks.txt", "nets-request.txt", "nets-ocr.txt", "nets-cancellation.txt", "nets-agreements.txt",
		"coda-typical.txt", "coda-two.txt", "bacs-credits.txt", "bacs-debits.txt", "bacs-two.txt",
		"bgmax-latin1.txt", "bgmax-no-breaks.txt", "bgmax-utf8.txt",
		"loner-latin1.txt", "loner-no-breaks.txt", "loner-sections.txt", "loner-sealed.txt",
		"autogiro-latin1.txt", "autogiro-sealed.txt", "autogiro-report-medavi.txt",
		"po3-latin1.txt", "po3-no-breaks.txt", "po3-sections.txt",
		"mt940-typical.txt", "mt940-ing.txt", "mt940-pages.txt", "mt940-two-bare.txt", "mt942-typical.txt", "mt942-two.txt",
		"mt101-typical.txt", "mt101-bare.txt", "mt103-rje.txt", "mt103-bare.txt",
		"totalin-latin1.txt", "totalin-no-breaks.txt"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := files[name]
			before := inspect(data, whole(data))
			sum, drawn, count := sumOf(t, before)
			taken := 0
			for at := range data {
				old := data[at]
				for k, c := range []byte{old ^ 1, old ^ 2, old ^ 0x10, old ^ 0x20, old ^ 0x80, '<', '>', '&', '/', ' ', '\n', '0', '9', '-', 'X', 0} {
					if c == old || (at+k)%4 != 0 { // a quarter of them, in turn, is enough
						continue
					}
					data[at] = c
					got := inspect(data, whole(data))
					if k%5 == 0 && !same(t, name, "flipped, in chunks of 11", inspect(data, always(11)), got) {
						t.Fatalf("byte %d became %q", at, c)
					}
					if len(got.Problems) > 0 {
						continue
					}
					taken++
					if strings.HasPrefix(name, "autogiro-") || strings.HasPrefix(name, "mt10") {
						continue // it states no total: the seal, or nothing, covers its bytes
					}
					if s, d, n := sumOf(t, got); s.Cmp(sum) != 0 || d.Cmp(drawn) != 0 || n != count {
						t.Errorf("%s: byte %d from %q to %q, and it holds %d payments, %s, %s drawn, not %d, %s, %s", name, at, old, c, n, s, d, count, sum, drawn)
					}
				}
				data[at] = old
			}
			t.Logf("%s: %d of %d changes taken, with the totals as they were", name, taken, len(data)*4)
		})
	}
}
