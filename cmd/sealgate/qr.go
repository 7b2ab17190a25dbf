package main

import (
	"strings"

	"rsc.io/qr"
)

// quiet is the empty border that readers want around a QR code, in modules; four by the standard, two do on a screen.
const quiet = 2

// qrCode draws a text for a telephone to read off a terminal, two rows of modules to a line; "" if the text is too long.
// With colours it is black on white, whatever the terminal's are. Without, what is light is drawn, as on a dark terminal;
// most readers take the reverse too.
func qrCode(text string, colours bool) string {
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		return ""
	}
	light := func(x, y int) bool { return !code.Black(x, y) } // outside it is all light
	var b strings.Builder
	for y := -quiet; y < code.Size+quiet; y += 2 {
		if colours {
			b.WriteString("\x1b[97;40m")
		}
		for x := -quiet; x < code.Size+quiet; x++ {
			upper, lower := light(x, y), light(x, y+1) && y+1 < code.Size+quiet
			switch {
			case upper && lower:
				b.WriteString("█")
			case upper:
				b.WriteString("▀")
			case lower:
				b.WriteString("▄")
			default:
				b.WriteString(" ")
			}
		}
		if colours {
			b.WriteString(plain)
		}
		b.WriteString("\n")
	}
	return b.String()
}
