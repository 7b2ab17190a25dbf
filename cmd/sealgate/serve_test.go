package main

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestNotify(t *testing.T) {
	dir, err := os.MkdirTemp("", "sg") // short, since a socket's path must be
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "notify")
	systemd, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer systemd.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	notify("READY=1")
	got := make([]byte, 100)
	n, err := systemd.Read(got)
	if err != nil || string(got[:n]) != "READY=1" {
		t.Errorf("systemd was told %q, %v", got[:n], err)
	}
	t.Setenv("NOTIFY_SOCKET", filepath.Join(dir, "none"))
	notify("READY=1") // nobody there: nothing happens
	t.Setenv("NOTIFY_SOCKET", "")
	notify("READY=1")
}

// TestServeAsAnother: root, who was told to type sealgate serve, would leave folders that the gateway's own user cannot write to.
func TestServeAsAnother(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be another user")
	}
	dir := filepath.Join(t.TempDir(), "gw")
	tool, _, talk := newTestTool(t)
	if code := tool.run(t.Context(), []string{"init", dir}); code != exitYes {
		t.Fatalf("exit %d: %s", code, talk)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0") // so that it does not stay if it starts
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := filepath.Join(dir, "sealgate.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text = []byte(strings.Replace(string(text), "127.0.0.1:2022", taken.Addr().String(), 1))
	if err := errors.Join(os.WriteFile(file, text, 0o600), os.Chown(filepath.Join(dir, "data"), 65534, -1)); err != nil {
		t.Fatal(err)
	}
	tool, _, talk = newTestTool(t)
	if code := tool.run(t.Context(), []string{"serve", "-c", file}); code != exitNo || !strings.Contains(talk.String(), "data belongs to ") {
		t.Errorf("exit %d: %s", code, talk)
	}
}
