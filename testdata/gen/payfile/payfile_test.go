package payfile

import (
	"bytes"
	"crypto/sha256"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"testing"
)

func generate(t *testing.T, write func(io.Writer, Options) error, opt Options) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b, opt); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestPain001 reads a generated message back with the standard library and adds it up.
func TestPain001(t *testing.T) {
	data := generate(t, Pain001, Options{Payments: 2500, Seed: 7, Marker: `<mark&er>`})
	type batch struct {
		NbOfTxs     int
		CtrlSum     string
		CdtTrfTxInf []struct {
			Amt   string `xml:"Amt>InstdAmt"`
			Remit string `xml:"RmtInf>Ustrd"`
		}
	}
	var doc struct {
		Count   int     `xml:"CstmrCdtTrfInitn>GrpHdr>NbOfTxs"`
		Sum     string  `xml:"CstmrCdtTrfInitn>GrpHdr>CtrlSum"`
		Batches []batch `xml:"CstmrCdtTrfInitn>PmtInf"`
	}
	if err := xml.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	var total int
	for _, b := range doc.Batches {
		var sum int
		for _, p := range b.CdtTrfTxInf {
			var kr, ore int
			fmt.Sscanf(p.Amt, "%d.%d", &kr, &ore)
			sum += kr*100 + ore
			if !strings.HasSuffix(p.Remit, `<mark&er>`) {
				t.Fatalf("remittance without the marker: %q", p.Remit)
			}
		}
		if got := fmt.Sprintf("%d.%02d", sum/100, sum%100); got != b.CtrlSum || len(b.CdtTrfTxInf) != b.NbOfTxs {
			t.Errorf("a batch says %d, %s and holds %d, %s", b.NbOfTxs, b.CtrlSum, len(b.CdtTrfTxInf), got)
		}
		total += sum
	}
	if got := fmt.Sprintf("%d.%02d", total/100, total%100); got != doc.Sum || doc.Count != 2500 || len(doc.Batches) != 3 {
		t.Errorf("says %d, %s in %d batches and holds %s", doc.Count, doc.Sum, len(doc.Batches), got)
	}
}

func TestLBHasRecordsOf80Bytes(t *testing.T) {
	broken := generate(t, LB, Options{Payments: 300, PerBatch: 100})
	for i, line := range bytes.Split(bytes.TrimSuffix(broken, []byte("\r\n")), []byte("\r\n")) {
		if len(line) != 80 {
			t.Fatalf("line %d has %d bytes", i+1, len(line))
		}
	}
	whole := generate(t, LB, Options{Payments: 300, PerBatch: 100, NoBreaks: true})
	if !bytes.Equal(whole, bytes.ReplaceAll(broken, []byte("\r\n"), nil)) {
		t.Error("without line breaks it is another file")
	}
}

// TestSameOptionsSameBytes keeps the generator's output as it is: benchmarks of different days compare it.
func TestSameOptionsSameBytes(t *testing.T) {
	want := map[string]string{
		"pain.001":    "19f410cbb0650892",
		"pain.008":    "e90bd3f9f6f26da8",
		"pain.002":    "17b7eafe110e51f2",
		"camt.053":    "723802ce251f42fd",
		"camt.055":    "1f41fa6e13d9ee7a",
		"pacs.008":    "d2db50ca842323db",
		"bg-lb":       "bab56ad64f5dbf9a",
		"bg-loner":    "9dcb09152f408929",
		"bg-autogiro": "63b33dcb75680f99",
		"bgmax":       "ce88cc165329b7aa",
		"po3":         "607af2806bca44c0",
		"nacha":       "39a61bfcb5bc698e",
		"nets-ocr":    "6566a7313b998198",
		"coda":        "c632981cf615cd90",
		"bacs":        "1b33cf492dc3b9e8",
	}
	for _, format := range Formats() {
		var b bytes.Buffer
		if err := Write(&b, format, Options{Payments: 1000, Seed: 1}); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%x", sha256.Sum256(b.Bytes()))[:16]; got != want[format] {
			t.Errorf("%s: %s, want %s", format, got, want[format])
		}
	}
}
