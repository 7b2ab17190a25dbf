package main

import (
	"net"
	"os"
	"path/filepath"
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
