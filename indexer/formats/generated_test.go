package formats

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/sealgate/sealgate/testdata/gen/payfile"
)

// TestGenerated reads a file of each format that payfile writes: no problem, no finding, and the totals of payments that
// are the same in most formats. Writing it twice gives the same bytes.
func TestGenerated(t *testing.T) {
	const all, both = "[{%s 121500335.15 2500}] []", "[{%[1]s 84833069.68%[2]s 1667}] [{%[1]s 36667265.47%[2]s 833}]"
	sek := fmt.Sprintf(all, "SEK")
	wants := map[string]string{
		"pain.001": sek, "pain.008": sek, "pain.002": sek, "camt.055": sek, "pacs.008": sek, "po3": sek, "nets-ocr": fmt.Sprintf(all, "NOK"),
		"camt.053": fmt.Sprintf(both, "SEK", ""), "coda": fmt.Sprintf(both, "EUR", "0"),
		"bg-lb":       "[{SEK 117018654.43 2500}] []",                    // less the credit notes
		"bgmax":       "[{SEK 119259388.67 2500}] []",                    // less the deductions
		"bg-autogiro": "[{SEK 2240840.36 71}] [{SEK 119259494.79 2429}]", // together the same again
		"bg-loner":    "[{SEK 49850335.15 2500}] []",                     // salaries
		"nacha":       "[{USD 85836.68 1667}] [{USD 42898.47 833}]",      // small amounts
		"bacs":        "[{GBP 128735.15 2500}] []",                       // the same ones
	}
	opt := payfile.Options{Payments: 2500, Seed: 7}
	for _, format := range payfile.Formats() {
		for _, opt.Minified = range []bool{false, true} {
			opt.NoBreaks = opt.Minified && format != "bacs"
			data := generated(t, format, opt)
			if !bytes.Equal(data, generated(t, format, opt)) {
				t.Errorf("%s: two runs differ", format)
			}
			got := inspect(data, always(64<<10))
			f := got.Facts
			if f.Format != format || len(got.Problems) > 0 || f.FindingsAll > 0 || len(got.Payments) != opt.Payments {
				t.Errorf("%s: %s with %d payments, %v, %v", format, f.Format, len(got.Payments), got.Problems, f.Findings)
			}
			if s := fmt.Sprint(f.Totals, f.Debits); s != wants[format] {
				t.Errorf("%s: %s, want %s", format, s, wants[format])
			}
		}
	}
}
