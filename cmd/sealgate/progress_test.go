package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// lines hands on what is written, piece by piece.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

// ask sends SIGUSR1, and waits for what is told then.
func (l lines) ask(t *testing.T, want string) {
	t.Helper()
	if err := unix.Kill(os.Getpid(), unix.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-l:
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	case <-time.After(patience):
		t.Fatal("nothing is told")
	}
}

// TestProgressAsked: where there is no terminal nothing is told but when SIGUSR1 asks, and that does no harm when it is over.
func TestProgressAsked(t *testing.T) {
	told := make(lines, 9)
	bar := (&tool{err: told}).progress("it has begun")
	told.ask(t, "it has begun\n")
	bar.tell("12 of 30")
	told.ask(t, "12 of 30\n")
	bar.end()
	if err := unix.Kill(os.Getpid(), unix.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	if len(told) > 0 {
		t.Errorf("told unasked: %q", <-told)
	}
}

// TestOpenAsked: open can be asked from its beginning on, here while it waits for a passphrase.
func TestOpenAsked(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "passphrase")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	told := make(lines, 9)
	tool, _, _ := newTestTool(t)
	tool.err = told
	code := make(chan int)
	go func() {
		code <- tool.run(t.Context(), []string{"open", "copy.p7m", "--key", "../../vault/testdata/keys/scrypt.key", "--passphrase-file", fifo})
	}()
	typing, err := os.OpenFile(fifo, os.O_WRONLY, 0) // when it reads
	if err != nil {
		t.Fatal(err)
	}
	told.ask(t, "opening copy.p7m\n")
	typing.Close()
	if got := <-code; got != exitNo {
		t.Errorf("exit %d", got)
	}
}
