package formats

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
)

const samplesDir = "../../../shared/samples"

// readHere are the formats of the manifest that this package reads.
var readHere = map[string]bool{
	"pain.001": true, "pain.002": true, "pain.008": true, "camt.052": true, "camt.053": true, "camt.054": true, "pacs.008": true,
	"bg-lb": true, "bg-lb-report": true, "bgmax": true, "bg-autogiro": true, "bg-autogiro-report": true, "bg-sealed": true,
	"nacha": true, "nets-ocr": true, "coda": true, "bacs": true,
	"mt101": true, "mt103": true, "mt940": true, "mt942": true,
	"paymul": true, "finsta": true, "debmul": true, "telepay": true,
	"bai2": true,
}

// wrongRows are rows of the samples' manifest that are not as they should be, with what is right and why.
var wrongRows = map[string]string{
	"bai2/bai2__sample3.txt fails":                                         "a text is wrapped to a line without a record code, which is no record: all counts and sums of the file are right",
	"bg-lb/bad__truncated-mid-record.txt tx_count":                         "the eighth payment's record is cut, so it is not taken for a payment",
	"bg-lb/bad__truncated-mid-record.txt currency_totals SEK":              "the eighth payment's record is cut, so it is not taken for a payment",
	"bg-autogiro-report/go-bankgiro__medgivande-new.txt account":           "the bankgiro number begins behind 9900, in column 15",
	"nets-ocr/python-netsgiro__avtalegiro_payment_request.txt account":     "columns 24-31 of the first record are the receiver of the data, no payer's account",
	"nets-ocr/python-netsgiro__ocr_giro_transactions.txt account":          "columns 24-31 of the first record are the receiver of the data, no payer's account",
	"pain.001/iso20022.js__goldman_sachs_pain_001_ach_credit.xml date_min": `the file has the literal "YYYY-MM-DD", which is no date`,
	"pain.001/iso20022.js__goldman_sachs_pain_001_ach_credit.xml date_max": `the file has the literal "YYYY-MM-DD", which is no date`,
}

// samples reads the manifest: a map of column to value for each file.
func samples(t testing.TB) []map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(samplesDir, "MANIFEST.tsv"))
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("SKIPPED, the samples of real files are not here: %v", err)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	names := strings.Split(lines[0], "\t")
	var rows []map[string]string
	for _, line := range lines[1:] {
		row := map[string]string{}
		for i, v := range strings.Split(line, "\t") {
			if inner, quoted := strings.CutPrefix(v, `"`); quoted && strings.HasSuffix(inner, `"`) {
				v = strings.ReplaceAll(strings.TrimSuffix(inner, `"`), `""`, `"`)
			}
			row[names[i]] = v
		}
		rows = append(rows, row)
	}
	return rows
}

func sample(t testing.TB, row map[string]string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(samplesDir, row["file"]))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// longDate makes 060328, 20060328 or 20060328173035010331 of the manifest a date, with its time.
func longDate(s string) string {
	if day, clock, ok := strings.Cut(s, " "); ok && len(day) == 6 && len(clock) == 4 {
		return longDate(day) + "T" + clock[:2] + ":" + clock[2:]
	}
	switch {
	case !digits([]byte(s)):
	case len(s) == 6:
		return "20" + s[:2] + "-" + s[2:4] + "-" + s[4:]
	case len(s) == 8:
		return s[:4] + "-" + s[4:6] + "-" + s[6:]
	case len(s) == 20:
		return longDate(s[:8]) + "T" + s[8:10] + ":" + s[10:12] + ":" + s[12:14] + "." + s[14:]
	}
	return s
}

// sampleFacts are the columns that the manifest has a value for, as the manifest says and as the Inspector does.
func sampleFacts(t testing.TB, row map[string]string, got read) map[string][2]string {
	t.Helper()
	f, facts := got.Facts, map[string][2]string{}
	claim := func(column, want, got string) {
		if want != "" {
			facts[column] = [2]string{want, got}
		}
	}
	claim("format", row["format"], f.Format)
	if f.Format != "bg-lb" {
		claim("version", strings.Replace(row["version"], "no namespace", "", 1), f.Version)
	}
	claim("tx_count", row["tx_count"], fmt.Sprint(f.Payments))
	for _, total := range strings.FieldsFunc(row["currency_totals"], func(r rune) bool { return strings.ContainsRune(" ,;", r) }) {
		name, sum, _ := strings.Cut(total, ":")
		currency, direction, _ := strings.Cut(name, "/")
		totals := f.Totals
		if direction == "DBIT" || direction == "D" || direction == "in" { // "in": drawn from the payers
			totals = f.Debits
		}
		found := "none"
		if direction != "" {
			found = "0"
		}
		for _, t := range totals {
			if t.Currency == currency {
				found = t.Amount.String()
			}
		}
		if want, err := ParseAmount([]byte(sum)); err == nil {
			if got, err := ParseAmount([]byte(found)); err == nil && got.Cmp(want) == 0 {
				found = sum
			}
		}
		claim("currency_totals "+name, sum, found)
	}
	claim("message_id", row["message_id"], f.MessageID)
	claim("batches", row["batches"], fmt.Sprint(f.Batches))
	if answers, ok := strings.CutPrefix(row["initiating"], "orig:"); ok { // a pain.002's row
		claim("answers", strings.TrimSuffix(answers, " sts:"), f.Answers)
	} else {
		claim("initiating", row["initiating"], f.Initiator)
	}
	var payer Party
	if len(f.Payers) > 0 {
		payer = f.Payers[0]
	}
	claim("debtor", row["debtor"], payer.Name)
	account := row["account"]
	if f.Format == "coda" { // the manifest has the whole field: account, currency, country
		account, _, _ = strings.Cut(account, " ")
	}
	claim("account", account, payer.Account)
	for _, column := range []string{"date_min", "date_max", "created"} {
		if d := row[column]; len(d) == 6 && (f.Format == "nets-ocr" || f.Format == "coda") { // DDMMYY
			century := "20"
			if d[4] >= '8' {
				century = "19"
			}
			row[column] = century + d[4:] + "-" + d[2:4] + "-" + d[:2]
		}
	}
	claim("created", longDate(row["created"]), f.CreatedAt)
	claim("date_min", longDate(row["date_min"]), f.FirstExecution)
	claim("date_max", longDate(row["date_max"]), f.LastExecution)
	return facts
}

// sampleProblems are the reasons that the manifest's column "fails" means, in the words of this package.
func sampleProblems(row map[string]string) (reasons []Reason, findings int) {
	seen := map[Reason]bool{}
	for _, why := range strings.Split(row["fails"], " | ") {
		switch {
		case strings.HasPrefix(why, "GrpHdr"), strings.HasPrefix(why, "file "), strings.HasPrefix(why, "batch count"),
			strings.HasPrefix(why, "9 debit"), strings.HasPrefix(why, "9 credit"), strings.HasPrefix(why, "62F"), strings.HasPrefix(why, "99 records"):
			seen[TotalsMismatch] = true
		case strings.HasPrefix(why, "no TK29"):
			seen[Incomplete] = true
		case strings.HasPrefix(why, "unreadable"):
			seen[Malformed] = true
		case strings.HasPrefix(why, "IBAN"), strings.HasPrefix(why, "bankgiro"), strings.HasPrefix(why, "record length"):
			findings++
		}
	}
	for r := range seen {
		reasons = append(reasons, r)
	}
	return reasons, findings
}

func TestSamples(t *testing.T) {
	var wrong []string
	for _, row := range samples(t) {
		data := sample(t, row)
		got := inspect(data, whole(data))
		if row["file"] == "other/pain.001.zip" { // the manifest takes a zip for unknown; what is in it is looked into
			if f := got.Facts; f.Format != "pain.001" || f.Packed != "zip" || len(got.Problems) > 0 {
				t.Errorf("%s: %s in %q, %v", row["file"], f.Format, f.Packed, got.Problems)
			}
			continue
		}
		if !readHere[row["format"]] {
			if got.Facts.Format != "unrecognised" || !has(got.Problems, Unrecognised) {
				t.Errorf("%s: %s %v, want it unrecognised", row["file"], got.Facts.Format, got.Problems)
			}
			continue
		}
		reasons, findings := sampleProblems(row)
		if why := wrongRows[row["file"]+" fails"]; why != "" {
			wrong = append(wrong, fmt.Sprintf("%s fails: the manifest says %q: %s", row["file"], row["fails"], why))
			reasons = nil
		}
		for _, r := range reasons {
			if !has(got.Problems, r) {
				t.Errorf("%s: %v, want %s", row["file"], got.Problems, r)
			}
		}
		if len(reasons) == 0 && len(got.Problems) > 0 {
			t.Errorf("%s: %v, want none", row["file"], got.Problems)
		}
		if got.Facts.FindingsAll < int64(findings) || findings > 0 && len(got.Facts.Findings) == 0 {
			t.Errorf("%s: %d findings, want %d at least", row["file"], got.Facts.FindingsAll, findings)
		}
		for _, f := range got.Facts.Findings {
			if f.Code != "date-past" {
				t.Logf("%s: %s, %s: %s", row["file"], f.Code, f.Where, f.Sentence)
			}
		}
		for column, v := range sampleFacts(t, row, got) {
			if v[0] == v[1] {
				continue
			}
			key := row["file"] + " " + column
			if wrongRows[key] == "" {
				t.Errorf("%s: %s is %q, want %q", row["file"], column, v[1], v[0])
				continue
			}
			wrong = append(wrong, fmt.Sprintf("%s: the manifest says %q, here it is %q: %s", key, v[0], v[1], wrongRows[key]))
		}
		t.Logf("%s: %v", row["file"], got.Problems)
	}
	sort.Strings(wrong)
	t.Logf("wrong in the manifest:\n%s", strings.Join(wrong, "\n"))
}
