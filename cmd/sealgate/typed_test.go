package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sealgate/sealgate/vault"
)

// TestInterruptedWhileItReads ends a command that waits for somebody to type.
func TestInterruptedWhileItReads(t *testing.T) {
	for _, args := range [][]string{
		{"user", "add", "acme", "kund", "--password-stdin"},
		{"user", "remove", "acme", "kund"},
	} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		defer r.Close()
		tool, answer, talk := newTestTool(t)
		tool.in, tool.typed = r, true
		ctx, interrupt := context.WithCancel(t.Context())
		code := make(chan int)
		go func() { code <- tool.run(ctx, args) }()
		interrupt()
		if got := <-code; got != exitInterrupted {
			t.Errorf("%v: exit %d, want %d", args, got, exitInterrupted)
		}
		if answer.Len() > 0 || !bytes.HasSuffix(talk.Bytes(), []byte("sealgate: error: interrupted\n")) {
			t.Errorf("%v: answered %q, said %q", args, answer, talk)
		}
	}
}

// TestOpenInterrupted leaves nothing of the file that was to be written.
func TestOpenInterrupted(t *testing.T) {
	dir := t.TempDir()
	cert, key, err := vault.NewCertificate("acme", "p-256", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := vault.ParseCertificate(cert)
	if err != nil {
		t.Fatal(err)
	}
	seal, err := vault.NewSeal(parsed, nil)
	if err != nil {
		t.Fatal(err)
	}
	var sealed bytes.Buffer
	sealer, err := seal.New(&sealed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sealer.Write(make([]byte, 10<<20)); err != nil {
		t.Fatal(err)
	}
	if err := sealer.Close(); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"a.p7m": sealed.Bytes(), "acme.key": key} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, interrupt := context.WithCancel(t.Context())
	args := []string{"open", filepath.Join(dir, "a.p7m"), "--key", filepath.Join(dir, "acme.key"), "-o", filepath.Join(dir, "a")}
	tool, _, talk := newTestTool(t)
	if code := tool.run(ctx, args); code != exitYes {
		t.Fatalf("exit %d: %s", code, talk)
	}
	interrupt()
	tool, _, talk = newTestTool(t)
	if code := tool.run(ctx, append(args, "--force")); code != exitInterrupted || talk.String() != "sealgate: error: interrupted\n" {
		t.Errorf("interrupted: exit %d, said %q", code, talk)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 3 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if whole, err := os.ReadFile(filepath.Join(dir, "a")); err != nil || len(whole) != 10<<20 {
		t.Errorf("the file that was there: %d bytes, %v", len(whole), err)
	}
}
