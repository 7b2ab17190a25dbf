// Command gen writes a generated payment file: see package payfile.
//
//	go run ./testdata/gen -format pain.001 -payments 1424113 -o big.xml    (1 GiB)
package main

import (
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/sealgate/sealgate/testdata/gen/payfile"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run() (err error) {
	var opt payfile.Options
	format := flag.String("format", "pain.001", "pain.001 or bg-lb")
	output := flag.String("o", "-", "output `file`; - is standard output")
	flag.IntVar(&opt.Payments, "payments", 1, "number of payments")
	flag.IntVar(&opt.PerBatch, "per-batch", 0, "payments in one PmtInf or section (0: 1,000)")
	flag.Uint64Var(&opt.Seed, "seed", 0, "another seed is another file")
	flag.StringVar(&opt.MessageID, "msgid", "", "message id of a pain.001")
	flag.StringVar(&opt.Marker, "marker", "", "text to put into every payment")
	flag.BoolVar(&opt.Minified, "minified", false, "pain.001 without indentation")
	flag.BoolVar(&opt.NoBreaks, "no-breaks", false, "bg-lb without line breaks")
	flag.Parse()

	write, ok := map[string]func(io.Writer, payfile.Options) error{"pain.001": payfile.Pain001, "bg-lb": payfile.LB}[*format]
	if !ok || flag.NArg() > 0 {
		return fmt.Errorf("usage: gen -format pain.001|bg-lb -payments N -o FILE|-")
	}
	if *output == "-" {
		return write(os.Stdout, opt)
	}
	f, err := os.Create(*output)
	if err != nil {
		return err
	}
	if err := write(f, opt); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
