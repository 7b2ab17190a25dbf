package gateway

import (
	"testing"
	"time"

	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/indexer/formats"
)

// TestReportCountsAll: a status report tells of some payments without their amounts; they are counted all the same.
func TestReportCountsAll(t *testing.T) {
	sek := []formats.Total{{Currency: "SEK", Amount: formats.AmountFromMinor(25000, 2), Payments: 2}}
	groups := map[reportKey]*reportSums{}
	for _, f := range []formats.Facts{{Payments: 3, Totals: sek}, {Payments: 2, Totals: sek}, {Payments: 4}, {}} {
		if err := new(ReportQuery).add(groups, &indexer.File{Facts: f}, time.UTC); err != nil {
			t.Fatal(err)
		}
	}
	with, without := groups[reportKey{currency: "SEK"}], groups[reportKey{}]
	if with.files != 2 || with.payments != 4 || without.files != 3 || without.payments != 5 {
		t.Errorf("with amounts %+v, without %+v", with, without)
	}
}
