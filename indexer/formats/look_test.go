package formats

import (
	"bytes"
	"fmt"
	"testing"
)

// TestLookingChangesNothing: wherever a file is looked at on its way, it ends as if nobody had looked. LB files are doubled, so
// that what could be their end is followed by more.
func TestLookingChangesNothing(t *testing.T) {
	end := func(i *Inspector) string {
		facts, problems := i.Close()
		return fmt.Sprintf("%+v %+v", facts, problems)
	}
	for name, content := range testdata(t) {
		if bytes.HasPrefix([]byte(name), []byte("lb")) {
			content = bytes.Repeat(content, 2)
		}
		plain := New(nil, nil)
		plain.Write(content)
		want := end(plain)
		for cut := 1; cut < len(content); cut += 1 + len(content)/4000 {
			i := New(nil, nil)
			i.Write(content[:cut])
			i.SoFar()
			whole := i.Whole()
			i.Write(content[cut:])
			if got := end(i); got != want {
				t.Fatalf("%s, looked at %d (whole %v):\n got %s\nwant %s", name, cut, whole, got, want)
			}
		}
	}
}
