// Package moov holds Sealgate's reading of NACHA files against moov-io/ach (Apache-2.0): the same files, entries, sums,
// control totals and verdicts. Run it with `make moov`: it needs moov's module, which the product does not, so it is a
// module of its own and no part of `make test`.
//
// Files are generated ones, those of indexer/formats/testdata, the samples in ../shared and moov's own test data.
package moov

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/moov-io/ach"

	"github.com/sealgate/sealgate/indexer/formats"
	"github.com/sealgate/sealgate/testdata/gen/payfile"
)

const (
	ours    = "../../indexer/formats/testdata"
	samples = "../../../shared/samples/nacha"
)

// reading is what either side says of a file.
type reading struct {
	Entries         int64
	Debits, Credits string
	Declared        string
	Accepted        bool
	Why             string // it is not accepted
}

func readOurs(data []byte) reading {
	i := formats.New(nil, func() time.Time { return time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC) })
	i.Write(data)
	f, problems := i.Close()
	r := reading{Entries: f.Payments, Debits: total(f.Debits), Credits: total(f.Totals), Declared: f.Declared, Accepted: len(problems) == 0}
	for _, p := range problems {
		r.Why += fmt.Sprintf("%s: %s; ", p.Reason, p.Detail)
	}
	return r
}

func total(totals []formats.Total) string {
	for _, t := range totals {
		return t.Amount.String()
	}
	return "0.00"
}

// readMoov adds up what moov's reader has parsed; ok is false where it could not parse all of the file, even when it is
// told to look away.
func readMoov(data []byte) (r reading, ok bool) {
	first, strict := ach.NewReader(bytes.NewReader(data)).Read()
	if strict == nil {
		strict = validate(&first) // Read leaves the file control to it
	}
	lenient := ach.NewReader(bytes.NewReader(data))
	lenient.SetValidation(&ach.ValidateOpts{
		SkipAll: true, BypassOriginValidation: true, BypassDestinationValidation: true, CustomTraceNumbers: true,
		BypassCompanyIdentificationMatch: true, CustomReturnCodes: true, UnequalServiceClassCode: true, AllowUnorderedBatchNumbers: true,
		AllowInvalidCheckDigit: true, UnequalAddendaCounts: true, AllowInvalidAmounts: true, AllowZeroEntryAmount: true,
		AllowSpecialCharacters: true, AllowEmptyIndividualName: true, AllowZeroBatches: true,
	})
	file, err := lenient.Read()
	if r.Accepted = strict == nil; strict != nil {
		r.Why = strings.ReplaceAll(strict.Error(), "\n", "; ")
	}
	var debits, credits int
	add := func(amount int, debit bool) {
		r.Entries++
		if debit {
			debits += amount
		} else {
			credits += amount
		}
	}
	for _, b := range file.Batches {
		for _, e := range b.GetEntries() {
			add(e.Amount, e.CreditOrDebit() == "D")
		}
		for _, e := range b.GetADVEntries() {
			add(e.Amount, e.TransactionCode%2 == 0)
		}
	}
	for _, b := range file.IATBatches {
		for _, e := range b.Entries {
			add(e.Amount, e.TransactionCode%10 >= 5)
		}
	}
	r.Debits, r.Credits = dollars(debits), dollars(credits)
	if c := file.Control; file.IsADV() {
		c := file.ADVControl
		r.Declared = declared(c.BatchCount, c.EntryAddendaCount, c.TotalDebitEntryDollarAmountInFile, c.TotalCreditEntryDollarAmountInFile, c.EntryHash)
	} else {
		r.Declared = declared(c.BatchCount, c.EntryAddendaCount, c.TotalDebitEntryDollarAmountInFile, c.TotalCreditEntryDollarAmountInFile, c.EntryHash)
	}
	return r, err == nil
}

// validate is moov's, which panics at some files: those count as refused.
func validate(f *ach.File) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("moov panics: %v", p)
		}
	}()
	return f.Validate()
}

func dollars(cents int) string { return fmt.Sprintf("%d.%02d", cents/100, cents%100) }

// declared is a file control in the words of Facts.Declared.
func declared(batches, entries, debits, credits, hash int) string {
	b, e := "batches", "entries and addenda"
	if batches == 1 {
		b = "batch"
	}
	if entries == 1 {
		e = "entry or addendum"
	}
	return fmt.Sprintf("%d %s, %d %s, debits %s, credits %s, hash %d", batches, b, entries, e, dollars(debits), dollars(credits), hash)
}

// corpus is every file there is, by a name that tells where it is from.
func corpus(t *testing.T) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for seed := range 6 {
		opt := payfile.Options{Payments: 1 + seed*777, Seed: uint64(seed), PerBatch: 10 + seed*90, NoBreaks: seed%2 == 1}
		var b bytes.Buffer
		if err := payfile.NACHA(&b, opt); err != nil {
			t.Fatal(err)
		}
		files["generated/"+strconv.Itoa(seed)] = b.Bytes()
	}
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/moov-io/ach").Output()
	if err != nil {
		t.Fatal(err)
	}
	for from, pattern := range map[string]string{
		"ours": filepath.Join(ours, "*nacha*.txt"), "samples": filepath.Join(samples, "*.ach"),
		"moov": filepath.Join(strings.TrimSpace(string(dir)), "test", "testdata", "*.ach"),
	} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		if len(names) == 0 {
			t.Logf("NOT COMPARED: no files at %s", pattern)
		}
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			files[from+"/"+filepath.Base(name)] = data
		}
	}
	return files
}

// TestAgainstMoov wants the same of both, but for the differences in the tables, each with its reason; and each of those
// to be there still.
func TestAgainstMoov(t *testing.T) {
	compared, verdicts := 0, 0
	for name, data := range corpus(t) {
		we := readOurs(data)
		they, parsed := readMoov(data)
		reason, known := taste()[name]
		switch {
		case we.Accepted == they.Accepted && known:
			t.Errorf("%s: both say %v now: take it out of the table (%s)", name, we.Accepted, reason)
		case we.Accepted != they.Accepted && !known:
			t.Errorf("%s: accepted here: %v, by moov: %v\n ours: %s\n moov: %s", name, we.Accepted, they.Accepted, we.Why, they.Why)
		default:
			verdicts++
		}
		if !parsed || strings.Contains(we.Why, "malformed") || strings.Contains(we.Why, "incomplete") || strings.Contains(we.Why, "unrecognised") {
			continue // one of them has not read all of it
		}
		compared++
		if err := differ(we, they); err != nil {
			if _, known := counts()[name]; !known {
				t.Errorf("%s: %v", name, err)
			}
		} else if reason, known := counts()[name]; known {
			t.Errorf("%s: no difference any more: take it out of the table (%s)", name, reason)
		}
	}
	t.Logf("%d verdicts held against each other, the contents of %d files compared", verdicts, compared)
}

func differ(we, they reading) error {
	if we.Entries == they.Entries && we.Debits == they.Debits && we.Credits == they.Credits && we.Declared == they.Declared {
		return nil
	}
	return fmt.Errorf("\n ours %+v\n moov %+v", we, they)
}
