package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// What is read from people and from secret files. Whoever waits for it may be interrupted: the read itself cannot be, so
// it is left behind; the process ends with it.

// longestLine bounds a typed line, a password and a key.
const longestLine = 4 << 10

// ask puts a question on a terminal and gives the line that was typed.
func (t *tool) ask(ctx context.Context, question string) (string, error) {
	t.out.Flush()
	fmt.Fprint(t.err, question)
	line, err := t.readLine(ctx, t.in)
	return string(line), err
}

// askSecret asks on the terminal, without showing what is typed.
func (t *tool) askSecret(ctx context.Context, question string) ([]byte, error) {
	t.out.Flush()
	before, err := term.GetState(int(t.in.Fd()))
	if err != nil {
		return nil, err
	}
	fmt.Fprint(t.err, question)
	defer fmt.Fprintln(t.err)
	secret, err := unlessDone(ctx, func() ([]byte, error) { return term.ReadPassword(int(t.in.Fd())) })
	if ctx.Err() != nil {
		term.Restore(int(t.in.Fd()), before) // or the shell would show nothing either
	}
	return secret, err
}

// readSecret reads the first line of a small file, or of stdin for "-".
func (t *tool) readSecret(ctx context.Context, path string) ([]byte, error) {
	if path == "-" {
		return t.readLine(ctx, t.in)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return t.readLine(ctx, file)
}

func (t *tool) readLine(ctx context.Context, in io.Reader) ([]byte, error) {
	line, err := unlessDone(ctx, func() ([]byte, error) {
		return bufio.NewReader(io.LimitReader(in, longestLine)).ReadBytes('\n')
	})
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return bytes.TrimRight(line, "\r\n"), nil
}

// unlessDone gives what read gives, or the context's error if that comes first.
func unlessDone[T any](ctx context.Context, read func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	got := make(chan result, 1)
	go func() {
		value, err := read()
		got <- result{value, err}
	}()
	select {
	case r := <-got:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}
