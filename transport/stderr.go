package transport

import (
	"io"
	"sync"
	"time"
)

// stderrCap is how much one session may be told on the channel's stderr. A client that does not drain it would stall its
// own session (rclone hung when flooded with megabytes), so after the cap there is silence.
const stderrCap = 32 << 10

// stderrWait is how long a line may delay the status that follows it. The line should be first on the wire, because some
// clients hang up on the status; one client that does not read is waited for once and never again.
const stderrWait = 200 * time.Millisecond

// stderr says sentences on a channel's stderr without ever blocking the session for long.
type stderr struct {
	w io.Writer

	mu      sync.Mutex
	left    int           // bytes that may still be said
	queue   []byte        // said, not yet written
	idle    chan struct{} // closed when the writer at work is through; nil while none is
	stuck   bool          // the client did not read in time once
	writers sync.WaitGroup
}

func newStderr(w io.Writer) *stderr { return &stderr{w: w, left: stderrCap} }

// say puts one line on the client's screen, if it reads stderr and the session's cap is not used up.
func (e *stderr) say(sentence string) {
	if sentence == "" {
		return
	}
	line := "sealgate: " + oneLine(sentence) + "\r\n"
	e.mu.Lock()
	if len(line) > e.left {
		e.left = 0
		e.mu.Unlock()
		return
	}
	e.left -= len(line)
	e.queue = append(e.queue, line...)
	if e.idle == nil {
		e.idle = make(chan struct{})
		e.writers.Go(e.drain)
	}
	idle, stuck := e.idle, e.stuck
	e.mu.Unlock()
	if stuck {
		return
	}
	timer := time.NewTimer(stderrWait)
	defer timer.Stop()
	select {
	case <-idle:
	case <-timer.C:
		e.mu.Lock()
		e.stuck = true
		e.mu.Unlock()
	}
}

// drain writes the queue. It blocks as long as the client does not read, and ends with the channel.
func (e *stderr) drain() {
	for {
		e.mu.Lock()
		lines := e.queue
		e.queue = nil
		if len(lines) == 0 {
			close(e.idle)
			e.idle = nil
			e.mu.Unlock()
			return
		}
		e.mu.Unlock()
		if _, err := e.w.Write(lines); err != nil {
			e.mu.Lock()
			e.left, e.queue = 0, nil
			e.mu.Unlock()
		}
	}
}

// wait returns when no writer is at work any more; the channel's connection must be closed already.
func (e *stderr) wait() { e.writers.Wait() }
