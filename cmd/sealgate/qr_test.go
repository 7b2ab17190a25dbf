package main

import (
	"strings"
	"testing"

	"rsc.io/qr"
)

// TestQRCode reads the drawing back: each module is where the code has it, with a light border around, in and without colours.
func TestQRCode(t *testing.T) {
	const uri = "otpauth://totp/Sealgate%20acme:payroll?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Sealgate%20acme&algorithm=SHA1&digits=6&period=30"
	code, err := qr.Encode(uri, qr.L)
	if err != nil {
		t.Fatal(err)
	}
	for _, colours := range []bool{false, true} {
		lines := strings.Split(strings.TrimSuffix(qrCode(uri, colours), "\n"), "\n")
		if want := (code.Size + 2*quiet + 1) / 2; len(lines) != want {
			t.Fatalf("%d lines, want %d", len(lines), want)
		}
		for i, line := range lines {
			if colours {
				line = strings.TrimSuffix(strings.TrimPrefix(line, "\x1b[97;40m"), plain)
			}
			row := []rune(line)
			if len(row) != code.Size+2*quiet {
				t.Fatalf("%d columns, want %d", len(row), code.Size+2*quiet)
			}
			for x, r := range row {
				y := 2*i - quiet
				upper, lower := r == '█' || r == '▀', r == '█' || r == '▄'
				last := y+1 == code.Size+quiet
				if upper == code.Black(x-quiet, y) || !last && lower == code.Black(x-quiet, y+1) {
					t.Fatalf("column %d, line %d: %q", x, i, r)
				}
			}
		}
	}
	if got := qrCode(strings.Repeat("x", 4000), false); got != "" {
		t.Error("what does not fit is drawn")
	}
}
