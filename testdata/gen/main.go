// Command gen writes a generated payment file: see package payfile.
//
//	go run ./testdata/gen -format pain.001 -payments 1424113 -o big.xml    (1 GiB)
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"

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
	format := flag.String("format", "pain.001", strings.Join(payfile.Formats(), ", "))
	output := flag.String("o", "-", "output `file`; - is standard output")
	flag.IntVar(&opt.Payments, "payments", 1, "number of payments")
	flag.IntVar(&opt.PerBatch, "per-batch", 0, "payments in one PmtInf, section or statement (0: 1,000)")
	flag.Uint64Var(&opt.Seed, "seed", 0, "another seed is another file")
	flag.StringVar(&opt.MessageID, "msgid", "", "message id of an XML message")
	flag.StringVar(&opt.Marker, "marker", "", "text to put into every payment")
	flag.BoolVar(&opt.Minified, "minified", false, "XML without indentation")
	flag.BoolVar(&opt.NoBreaks, "no-breaks", false, "fixed columns without line breaks")
	flag.Parse()

	if !slices.Contains(payfile.Formats(), *format) || flag.NArg() > 0 {
		return fmt.Errorf("usage: gen -format F -payments N -o FILE|-, where F is one of %s", strings.Join(payfile.Formats(), ", "))
	}
	if *output == "-" {
		return payfile.Write(os.Stdout, *format, opt)
	}
	f, err := os.Create(*output)
	if err != nil {
		return err
	}
	if err := payfile.Write(f, *format, opt); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
