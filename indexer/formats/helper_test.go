package formats

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealgate/sealgate/testdata/gen/payfile"
)

// today is before all dates of this folder's testdata and of generated files.
func today() time.Time { return time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC) }

// read is all that an Inspector says of a file.
type read struct {
	Facts    Facts
	Problems []Problem
	Payments []string
}

// compareAmounts lets cmp look into them.
var compareAmounts = cmp.AllowUnexported(Amount{})

func describe(p *Payment) string {
	return fmt.Sprintf("%d %q %s %q from %q %q to %q %q on %q for %q", p.Index, p.EndToEndID, p.Amount, p.Currency,
		p.PayerName, p.PayerAccount, p.PayeeName, p.PayeeAccount, p.ExecutionDate, p.Reference)
}

// inspector notes all payments.
type inspector struct {
	*Inspector
	payments []string
}

func newInspector() *inspector {
	i := &inspector{}
	i.Inspector = New(func(p *Payment) { i.payments = append(i.payments, describe(p)) }, today)
	return i
}

func (i *inspector) close() read {
	facts, problems := i.Close()
	return read{facts, problems, i.payments}
}

// inspect reads data in chunks of the sizes that next gives. Each chunk is overwritten behind the Inspector's back, to
// see that it keeps no reference.
func inspect(data []byte, next func() int) read {
	i := newInspector()
	for len(data) > 0 {
		chunk := bytes.Clone(data[:min(max(next(), 1), len(data))])
		data = data[len(chunk):]
		i.Write(chunk)
		for k := range chunk {
			chunk[k] = '<'
		}
		i.Problems()
	}
	return i.close()
}

func whole(data []byte) func() int { return func() int { return len(data) } }

func always(n int) func() int { return func() int { return n } }

func randomly(seed uint64, most int) func() int {
	r := rand.New(rand.NewPCG(seed, 7))
	return func() int { return 1 + r.IntN(most) }
}

// has tells whether the problems hold the reason.
func has(problems []Problem, reason Reason) bool {
	for _, p := range problems {
		if p.Reason == reason {
			return true
		}
	}
	return false
}

// testdata is this folder's files, generated ones among them, by name.
func testdata(t testing.TB) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	names, err := filepath.Glob("testdata/*.*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if files[filepath.Base(name)], err = os.ReadFile(name); err != nil {
			t.Fatal(err)
		}
	}
	if len(files) == 0 {
		t.Fatal("testdata is empty")
	}
	return files
}

// generated is a file of payfile.
func generated(t testing.TB, format string, opt payfile.Options) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := payfile.Write(&b, format, opt); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
