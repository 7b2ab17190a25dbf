package transport

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// screen is a client's stderr that reads at once.
type screen struct {
	mu sync.Mutex
	bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Buffer.Write(p)
}

func TestStderrSaysAndCaps(t *testing.T) {
	var out screen
	e := newStderr(&out)
	e.say("refused a.xml: \x1b[2Jno\nreally")
	if got, want := out.String(), "sealgate: refused a.xml: ?[2Jno?really\r\n"; got != want {
		t.Errorf("said %q, want %q", got, want)
	}
	for range 1000 {
		e.say(strings.Repeat("x", 180))
	}
	e.wait()
	if n := out.Len(); n > stderrCap || n < stderrCap-300 {
		t.Errorf("said %d bytes, want at most %d and nearly that", n, stderrCap)
	}
	e.say("")
	e.say("short")
	if strings.Contains(out.String(), "short") {
		t.Error("spoke after the cap")
	}
}

// A client that does not drain its stderr is waited for once, and delays nothing after that.
func TestStderrNeverBlocksForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		e := newStderr(w)
		began := time.Now()
		for range 500 {
			e.say(strings.Repeat("x", 100))
		}
		if took := time.Since(began); took != stderrWait {
			t.Errorf("500 lines to a deaf client took %v, want %v", took, stderrWait)
		}
		r.CloseWithError(errors.New("gone"))
		e.wait()
	})
}
