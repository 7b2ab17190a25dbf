// Package payfile writes payment files that look real and are nobody's: the demo, the tests and the benchmarks take
// their input from it. The same options give the same bytes, on every machine and in every release.
//
// Begin with Pain001, and markup, which all XML is written with; LB is its fixed-width brother, on records. All of them
// stream: memory does not grow with the number of payments.
package payfile

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"
)

// Formats are those that Write knows.
func Formats() []string {
	return []string{"pain.001", "pain.008", "pain.002", "camt.053", "camt.055", "pacs.008", "bg-lb", "bg-loner", "bg-autogiro", "bgmax",
		"po3", "nacha", "nets-ocr", "coda", "bacs"}
}

// Write writes a file of a format by its name. Its errors are the writer's, but for an unknown name.
func Write(w io.Writer, format string, opt Options) error {
	write, ok := map[string]func(io.Writer, Options) error{
		"pain.001": Pain001, "pain.008": Pain008, "pain.002": Pain002, "camt.053": Camt053, "camt.055": Camt055, "pacs.008": Pacs008,
		"bg-lb": LB, "bg-loner": Loner, "bg-autogiro": Autogiro, "bgmax": BgMax, "po3": PO3,
		"nacha": NACHA, "nets-ocr": Nets, "coda": CODA, "bacs": BACS,
	}[format]
	if !ok {
		return fmt.Errorf("no format %q: there are %s", format, strings.Join(Formats(), ", "))
	}
	return write(w, opt)
}

// Options say what a file should hold. The zero value is one payment.
type Options struct {
	Payments  int    // number of payments; 0 means 1
	PerBatch  int    // payments in one PmtInf, section, statement ...; 0 means 1,000
	Seed      uint64 // another seed is another file
	MessageID string // an XML message's MsgId; "" means one made of the seed
	Marker    string // put into the remittance text of every payment, to be searched for later
	Minified  bool   // XML without indentation or line breaks
	NoBreaks  bool   // fixed columns without line breaks: records back to back
}

// created is when every generated file says that it was made; payments are due in the days after it.
var created = time.Date(2026, 11, 20, 15, 2, 11, 0, time.UTC)

// due is so many days later, moved to Monday from a weekend: banks do not work then.
func due(days int) time.Time {
	day := created.AddDate(0, 0, days)
	for day.Weekday() == time.Saturday || day.Weekday() == time.Sunday {
		day = day.AddDate(0, 0, 1)
	}
	return day
}

func (o Options) payments() int { return max(o.Payments, 1) }

func (o Options) perBatch() int {
	if o.PerBatch > 0 {
		return o.PerBatch
	}
	return 1000
}

// batches calls write for each batch of the file with its number and its payments' numbers, first to last-1.
func (o Options) batches(write func(batch, first, last int) error) error {
	for first, batch := 0, 0; first < o.payments(); first, batch = first+o.perBatch(), batch+1 {
		if err := write(batch, first, min(first+o.perBatch(), o.payments())); err != nil {
			return err
		}
	}
	return nil
}

// amount is payment i's amount in öre or cents: mostly hundreds to thousands, a few large. It is a function of the seed
// and i alone, so that sums can be written ahead of the payments.
func (o Options) amount(i int) uint64 {
	r := mix(o.Seed + uint64(i)*4 + 1)
	if r%64 == 0 {
		return 100_000 + (r>>8)%500_000_000
	}
	return 100 + (r>>8)%900_000
}

// sum is the amounts of payments first to last-1 together, in öre.
func (o Options) sum(first, last int) uint64 {
	var s uint64
	for i := first; i < last; i++ {
		s += o.amount(i)
	}
	return s
}

// mix is splitmix64's finisher: neighbouring numbers become unrelated ones.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// dice gives one payment's choices, in order.
type dice uint64

func (o Options) dice(i int) dice { return dice(mix(o.Seed ^ uint64(i)<<20 ^ 0x5ea1)) }

func (d *dice) roll(n int) int {
	*d = dice(mix(uint64(*d)))
	return int(uint64(*d) >> 16 % uint64(n))
}

func (d *dice) pick(from []string) string { return from[d.roll(len(from))] }

// number is a random number of exactly n digits that does not begin with 0.
func (d *dice) number(b []byte, n int) []byte {
	b = append(b, byte('1'+d.roll(9)))
	for range n - 1 {
		b = append(b, byte('0'+d.roll(10)))
	}
	return b
}

// luhn is the mod-10 check digit that belongs behind digits.
func luhn(digits []byte) byte {
	sum, double := 0, true
	for i := len(digits) - 1; i >= 0; i-- {
		n := int(digits[i] - '0')
		if double {
			n = n*2/10 + n*2%10
		}
		sum, double = sum+n, !double
	}
	return byte('0' + (10-sum%10)%10)
}

// withLuhn is n random digits whose last is the check digit.
func (d *dice) withLuhn(b []byte, n int) []byte {
	from := len(b)
	b = d.number(b, n-1)
	return append(b, luhn(b[from:]))
}

// iban is an account number of a country, with valid check digits.
func (d *dice) iban(b []byte, country string, digits int) []byte {
	b = append(b, country...)
	check := len(b)
	b = append(b, "00"...)
	b = d.number(b, digits)
	mod := uint(0)
	for _, c := range b[check+2:] {
		mod = (mod*10 + uint(c-'0')) % 97
	}
	for _, c := range []byte(country) {
		mod = (mod*100 + uint(c-'A'+10)) % 97
	}
	mod = mod * 100 % 97
	b[check], b[check+1] = byte('0'+(98-mod)/10), byte('0'+(98-mod)%10)
	return b
}

// money writes an amount of öre as kronor.
func money(b []byte, ore uint64) []byte {
	b = digits(b, ore/100, 1)
	b = append(b, '.')
	return digits(b, ore%100, 2)
}

// digits writes n with at least width digits.
func digits(b []byte, n uint64, width int) []byte {
	var d [20]byte
	i := len(d)
	for n > 0 || width > 0 {
		i--
		d[i] = byte('0' + n%10)
		n, width = n/10, width-1
	}
	return append(b, d[i:]...)
}

// out is the buffered writer with the scratch space of one payment.
type out struct {
	w *bufio.Writer
	b []byte
}

func newOut(w io.Writer) *out { return &out{w: bufio.NewWriterSize(w, 256<<10)} }

// flush hands the scratch space on and empties it.
func (o *out) flush() error {
	_, err := o.w.Write(o.b)
	o.b = o.b[:0]
	return err
}

var (
	firstNames = []string{"Anna", "Björn", "Cecilia", "David", "Elsa", "Fredrik", "Greta", "Håkan", "Ingrid", "Johan",
		"Karin", "Lars", "Märta", "Nils", "Olivia", "Per", "Rut", "Sixten", "Tove", "Ulla", "Viktor", "Ylva", "Åke", "Örjan"}
	lastNames = []string{"Andersson", "Berg", "Carlsson", "Dahlström", "Ek", "Forsberg", "Gustafsson", "Hägg", "Isaksson",
		"Jönsson", "Karlsson", "Lindqvist", "Månsson", "Nyström", "Olofsson", "Persson", "Rosén", "Sjöberg", "Törnqvist",
		"Wallin", "Åberg", "Öhman"}
	trades = []string{"Bygg", "El", "Måleri", "Transport", "Rör", "Redovisning", "Trädgård", "Tryckeri", "Städ", "Åkeri",
		"Plåt", "Konsult"}
	forms   = []string{"AB", "HB", "KB", "Aktiebolag", "& Söner AB", "Sverige AB"}
	streets = []string{"Storgatan", "Kyrkogatan", "Järnvägsgatan", "Drottninggatan", "Skolvägen", "Björkvägen", "Hamngatan"}
	towns   = []string{"Stockholm", "Göteborg", "Malmö", "Uppsala", "Västerås", "Örebro", "Linköping", "Luleå", "Umeå"}
	banks   = []string{"NDEASESS", "SWEDSESS", "HANDSESS", "ESSESESS", "DABASESX", "DEUTDEFF", "BNPAFRPP", "CHASUS33XXX"}
)

// payee is a name of a person or a company.
func (d *dice) payee(b []byte) []byte {
	if d.roll(3) == 0 {
		b = append(append(b, d.pick(firstNames)...), ' ')
		return append(b, d.pick(lastNames)...)
	}
	b = append(append(b, d.pick(lastNames)...), ' ')
	b = append(append(b, d.pick(trades)...), ' ')
	return append(b, d.pick(forms)...)
}
