package formats

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

var (
	mtFiles   = regexp.MustCompile(`mt(101|103|940|942)`)
	mtLines   = regexp.MustCompile(`[^\r\n]*\r?[\r\n]?`)
	mtClosing = regexp.MustCompile(`^:(62[FM]|90[CD]|71A):`)
	mtMore    = regexp.MustCompile(`^:(20|21|25|61):`)
	mtNoEnd   = regexp.MustCompile(`^(:(62[FM]|64|65|90[CD]|71A):|-)`) // lines that need no line end
)

// trueEndMT is trueEnd for SWIFT messages; 0 for other files.
func trueEndMT(name string, data []byte) (end int, also []int) {
	if !mtFiles.MatchString(name) {
		return 0, nil
	}
	if bytes.Contains(data, []byte("{4:\n")) || bytes.Contains(data, []byte("{4:\r")) {
		end = bytes.LastIndexByte(data, '}') + 1
		for at := range data {
			if c := data[at]; at > 0 && (c == '}' && data[at-1] == '-' || c == '$' || c == 1 || c == 3) {
				also = append(also, at+1)
			}
		}
		for _, more := range regexp.MustCompile(`-\}\{5:(\{[^}]*\})*\}`).FindAllIndex(data, -1) {
			also = append(also, more[1])
		}
		return end, also
	}
	closed, at := false, 0
	for _, line := range mtLines.FindAll(data, -1) {
		content := bytes.TrimRight(line, " \r\n")
		closed = closed && !mtMore.Match(line) || mtClosing.Match(line)
		switch {
		case closed && mtNoEnd.Match(line):
			end = at + len(content)
		case closed && len(content) > 0:
			end = at + len(line)
		case !closed && (string(content) == "-" || string(content) == "-XXX"):
			end = at + len(content)
		}
		if closed {
			also = append(also, end)
			if comma := bytes.LastIndexByte(content, ','); comma >= 0 { // zeros behind it may be lost
				for i := len(content); i > comma && (i == len(content) || content[i] == '0' || strings.HasPrefix(name, "bad")); i-- {
					also = append(also, at+i)
				}
			}
			if content := string(content); strings.HasPrefix(content, "-") {
				also = append(also, at+1)
			}
		}
		at += len(line)
	}
	return end, also
}

// mt940s, and its like below, make a file of so many payments.
func mt940s(payments int) []byte {
	var b bytes.Buffer
	b.WriteString("{1:F01BANKBEBBAXXX0001000123}{2:I940CORPSESSXXXXN}{4:\r\n:20:STARTUMS\r\n:25:SE4550000000058398257466\r\n:28C:231/1\r\n" +
		":60F:C261119EUR0,00\r\n")
	for n := range payments {
		fmt.Fprintf(&b, ":61:2611201120CR250,50NTRFNONREF//%09d\r\n:86:166?00GUTSCHRIFT?109310?20EREF+E2E-%d?21SVWZ+RECHNUNG 4711 VOM\r\n"+
			"?2219. NOVEMBER?30BANKDEFFXXX?31DE89370400440532013000?32BERG UND\r\n SOHN ?33GMBH\r\n", n, n)
	}
	fmt.Fprintf(&b, ":62F:C261123EUR%d,%02d\r\n-}\r\n", payments*25050/100, payments*25050%100)
	return b.Bytes()
}

func mt942s(payments int) []byte {
	var b bytes.Buffer
	b.WriteString("{1:F01BANKBEBBAXXX0001000123}{2:I942CORPSESSXXXXN}{4:\r\n:20:REPORT\r\n:25:SE4550000000058398257466\r\n:28C:231/1\r\n" +
		":34F:EUR0,\r\n:13D:2611201502+0100\r\n")
	for n := range payments {
		fmt.Fprintf(&b, ":61:261120D2,NTRFEREF//%09d\r\n:86:/EREF/E2E-%d//BENM//NAME/MALERI OCH FARG HB/REMI/INVOICE %d\r\nOF NOVEMBER/ISDT/2026-11-19\r\n", n, n, n)
	}
	fmt.Fprintf(&b, ":90D:%dEUR%d,\r\n-}\r\n", payments, payments*2)
	return b.Bytes()
}

func mt101s(payments int) []byte {
	var b bytes.Buffer
	b.WriteString("{1:F01BANKBEBBAXXX0001000123}{2:I101CORPSESSXXXXN}{4:\r\n:20:REQUEST\r\n:28D:1/1\r\n:50H:/SE4550000000058398257466\r\n" +
		"EXEMPEL AB\r\n:30:261123\r\n")
	for n := range payments {
		fmt.Fprintf(&b, ":21:TX-%d\r\n:32B:EUR1000,50\r\n:57A:BANKDEFF\r\n:59:/DE89370400440532013000\r\nBERG UND SOHN\r\nBERLIN\r\n"+
			":70:INVOICE %d\r\nOF NOVEMBER\r\n:71A:SHA\r\n", n, n)
	}
	b.WriteString("-}\r\n")
	return b.Bytes()
}

func mt103s(payments int) []byte {
	var b bytes.Buffer
	for n := range payments {
		fmt.Fprintf(&b, "{1:F01BANKBEBBAXXX0001000123}{2:I103CORPSESSXXXXN}{4:\r\n:20:PAYREF-%d\r\n:23B:CRED\r\n:32A:261123USD12345,67\r\n"+
			":50K:/SE4550000000058398257466\r\nEXEMPEL AKERI AB\r\nSTORGATAN 1\r\n:59:/DE89370400440532013000\r\nBERG UND SOHN\r\nBERLIN\r\n"+
			":70:INVOICE %d\r\n:71A:SHA\r\n-}{5:{CHK:000000000000}}\r\n", n, n)
	}
	return b.Bytes()
}

func BenchmarkMT(b *testing.B) {
	b.Run("940", func(b *testing.B) { measure(b, mt940s(100_000), 100_000) })
	b.Run("942", func(b *testing.B) { measure(b, mt942s(100_000), 100_000) })
	b.Run("101", func(b *testing.B) { measure(b, mt101s(100_000), 100_000) })
	b.Run("103", func(b *testing.B) { measure(b, mt103s(100_000), 100_000) })
}

func TestNoAllocationsMT(t *testing.T) {
	allocations(t, "mt940", mt940s)
	allocations(t, "mt942", mt942s)
	allocations(t, "mt101", mt101s)
	allocations(t, "mt103", mt103s)
}

// TestMTFindings wants what is softer than a problem to be a finding, and a file that is right to have none.
func TestMTFindings(t *testing.T) {
	for name, data := range testdata(t) {
		if !mtFiles.MatchString(name) || strings.HasPrefix(name, "bad-") {
			continue
		}
		want := map[string]string{
			"mt940-date.txt": "date-shape", "mt940-iban.txt": "iban-check-digits", "mt940-own-iban.txt": "iban-check-digits",
			"mt940-page-missing.txt": "page-missing", "mt940-pages-apart.txt": "pages-apart", "mt940-refused.txt": "not-acknowledged", "mt942-date.txt": "date-shape",
			"mt103-no-charges.txt": "charges-missing", "mt103-iban.txt": "iban-check-digits", "mt103-date.txt": "date-shape",
			"mt101-no-charges.txt": "charges-missing", "mt101-date.txt": "date-shape", "mt101-message-missing.txt": "message-missing",
		}[name]
		if got := codes(inspect(data, whole(data))); got != want {
			t.Errorf("%s: findings %q, want %q", name, got, want)
		}
	}
}

// TestMTSame holds files that differ in form alone against each other.
func TestMTSame(t *testing.T) {
	files := testdata(t)
	for _, c := range []struct{ first, others string }{
		{"mt940-typical.txt", "crlf cr bom unterminated tail dospcc bare bare-unterminated bare-rest rabobank abn ing closed acked refused output bare-decimals"},
		{"mt940-two.txt", "two-bare two-rabobank no-reference"},
		{"mt942-typical.txt", "crlf bare bare-unterminated bare-rest no-sums bare-no-sums"},
		{"mt103-typical.txt", "crlf rje bare bare-both acked"},
		{"mt101-typical.txt", "crlf bare bare-unclosed"},
	} {
		want := inspect(files[c.first], whole(files[c.first]))
		for _, name := range strings.Fields(c.others) {
			name = c.first[:6] + name + ".txt"
			got := inspect(files[name], whole(files[name]))
			if a, b := strings.Join(got.Payments, "\n"), strings.Join(want.Payments, "\n"); a != b {
				t.Errorf("%s:\n%s\nwant\n%s", name, a, b)
			}
			if a, b := fmt.Sprint(got.Facts.Payers, got.Facts.Totals, got.Facts.MessageID), fmt.Sprint(want.Facts.Payers, want.Facts.Totals, want.Facts.MessageID); a != b {
				t.Errorf("%s:\n%s\nwant\n%s", name, a, b)
			}
		}
	}
}

// FuzzMT begins with whole files of SWIFT messages that are changed: chunks do not matter, and what is taken holds as many
// payments as were handed over.
func FuzzMT(f *testing.F) {
	for name, data := range testdata(f) {
		if mtFiles.MatchString(name) {
			f.Add(data, uint64(1))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		got := checkInspector(t, data, seed)
		if int64(len(got.Payments)) != got.Facts.Payments {
			t.Errorf("%d payments handed over, %d counted", len(got.Payments), got.Facts.Payments)
		}
	})
}
