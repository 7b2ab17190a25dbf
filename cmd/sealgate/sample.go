package main

import (
	"crypto/rand"
	_ "embed"
	"strings"
	"time"

	"github.com/sealgate/sealgate/indexer/formats"
)

// sampleTemplate is a payment file of three payments, 1250.50 SEK in all, whose accounts have right check digits.
//
//go:embed sample.xml
var sampleTemplate string

// The promise that init prints about the sample.
const samplePromise = "3 payments, 1250.50 SEK"

// sample makes a payment file to try the gateway with. Its message id is its own, so that the samples of two gateways
// are not duplicates of each other, and it is to be executed on a bank day to come.
func sample(now time.Time) []byte {
	execution := now.AddDate(0, 0, 3)
	for formats.BankHoliday(execution, "SEK") != "" {
		execution = execution.AddDate(0, 0, 1)
	}
	id := "DEMO-" + now.Format("20060102") + "-" + rand.Text()[:6]
	return []byte(strings.NewReplacer(
		"{ID}", id,
		"{CREATED}", now.Format("2006-01-02T15:04:05"),
		"{EXECUTION}", execution.Format(time.DateOnly),
	).Replace(sampleTemplate))
}
