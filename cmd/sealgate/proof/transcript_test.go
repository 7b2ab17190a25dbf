package proof

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
	"sync"
	"time"
)

// transcript keeps what a process wrote and lets a test wait for a line of it.
type transcript struct {
	mu      sync.Mutex
	text    []byte
	changed chan struct{} // closed and replaced at every write
}

func newTranscript() *transcript { return &transcript{changed: make(chan struct{})} }

func (l *transcript) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	close(l.changed)
	l.changed = make(chan struct{})
	return len(p), nil
}

func (l *transcript) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.text)
}

// since is the text from an offset that len gave.
func (l *transcript) since(from int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text[from:])
}

func (l *transcript) String() string { return l.since(0) }

func (l *transcript) tail(lines int) string {
	all := strings.Split(strings.TrimRight(l.String(), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// wait gives the first whole line from the offset on that matches; an error when the process ended or patience did.
func (l *transcript) wait(from int, want *regexp.Regexp, exited <-chan struct{}) (string, error) {
	end := time.After(patience)
	for ended := false; ; {
		l.mu.Lock()
		text, changed := l.text[from:], l.changed
		for len(text) > 0 {
			line, rest, whole := bytes.Cut(text, []byte("\n"))
			if whole && want.Match(line) {
				l.mu.Unlock()
				return string(line), nil
			}
			text = rest
		}
		l.mu.Unlock()
		if ended {
			return "", errors.New("it ended before it said " + want.String())
		}
		select {
		case <-changed:
		case <-exited:
			ended = true // its last words may have come since we looked
		case <-end:
			return "", errors.New("it never said " + want.String())
		}
	}
}
