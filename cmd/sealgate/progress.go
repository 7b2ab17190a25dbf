package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// progress is a line on a terminal, after two seconds and five times a second, that is gone at the end. SIGUSR1 has it written
// at once, and anywhere.
type progress struct {
	err         io.Writer
	terminal    bool
	began, last time.Time
	asked       chan os.Signal
	over        sync.Once

	mu   sync.Mutex
	text string
}

// progress begins with a text for those who ask before there is another.
func (t *tool) progress(text string) *progress {
	file, ok := t.err.(*os.File)
	p := &progress{
		err: t.err, terminal: ok && term.IsTerminal(int(file.Fd())), began: time.Now(), asked: make(chan os.Signal, 1), text: clean(text),
	}
	signal.Notify(p.asked, unix.SIGUSR1)
	go func() {
		for range p.asked {
			p.mu.Lock()
			p.erase()
			fmt.Fprintln(p.err, p.text)
			p.mu.Unlock()
		}
	}()
	return p
}

func (p *progress) tell(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text = clean(text)
	now := time.Now()
	if !p.terminal || now.Sub(p.began) < 2*time.Second || now.Sub(p.last) < 200*time.Millisecond {
		return
	}
	p.last = now
	fmt.Fprintf(p.err, "\r\x1b[K%s", p.text)
}

// end takes the line away.
func (p *progress) end() {
	p.over.Do(func() {
		signal.Stop(p.asked) // none comes from here on
		close(p.asked)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.erase()
	})
}

func (p *progress) erase() {
	if p.terminal && !p.last.IsZero() {
		fmt.Fprint(p.err, "\r\x1b[K")
	}
}
