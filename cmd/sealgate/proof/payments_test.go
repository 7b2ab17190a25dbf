package proof

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sync/atomic"
	"testing"

	"github.com/sealgate/sealgate/testdata/gen/payfile"
)

// serial numbers the payment files of a run, so that no two are duplicates of each other unless a test wants it.
var serial atomic.Uint64

// pain001 is a whole pain.001 of at least size bytes with a message id of its own.
func pain001(t testing.TB, size int) []byte { return pain001With(t, size, payfile.Options{}) }

func pain001With(t testing.TB, size int, opt payfile.Options) []byte {
	t.Helper()
	n := serial.Add(1)
	opt.Seed, opt.MessageID = n, fmt.Sprintf("PROOF-%06d", n)
	for opt.Payments = max(1, size/760); ; opt.Payments += 1 + opt.Payments/50 {
		var b bytes.Buffer
		if err := payfile.Pain001(&b, opt); err != nil {
			t.Fatal(err)
		}
		if b.Len() >= size {
			return b.Bytes()
		}
	}
}

// bgLB is a whole Bankgirot LB file, unlike any other of the run.
func bgLB(t testing.TB, payments int) []byte { return bgLBWith(t, payments, payfile.Options{}) }

func bgLBWith(t testing.TB, payments int, opt payfile.Options) []byte {
	t.Helper()
	opt.Seed, opt.Payments = serial.Add(1), payments
	var b bytes.Buffer
	if err := payfile.LB(&b, opt); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

var controlSum = regexp.MustCompile(`<CtrlSum>(\d+)\.(\d\d)</CtrlSum>`)

// wrongTotals is a pain.001 whose first control sum (the group header's) is one more than its payments are.
func wrongTotals(t testing.TB, size int) []byte {
	t.Helper()
	return spoilTotals(t, pain001(t, size))
}

// spoilTotals changes one digit of the file's control sum, and nothing of its length.
func spoilTotals(t testing.TB, whole []byte) []byte {
	t.Helper()
	whole = bytes.Clone(whole)
	at := controlSum.FindSubmatchIndex(whole)
	if at == nil {
		t.Fatal("the generated file has no CtrlSum")
	}
	last := at[3] - 1
	whole[last] = '0' + (whole[last]-'0'+1)%10
	return whole
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// save writes a file for a client to send.
func save(t testing.TB, dir, name string, content []byte) string {
	t.Helper()
	p := filepath.Join(dir, name)
	if err := os.WriteFile(p, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return p
}
