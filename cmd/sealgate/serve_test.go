package main

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
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

// TestServeAsAnother: root, who was told to type sealgate serve, would leave folders that the gateway's own user cannot write to. Anybody
// else was let in by the folder's owner, who is root himself where a volume is given to a container's group.
func TestServeAsAnother(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be another user")
	}
	const other = 65534
	dir := filepath.Join(t.TempDir(), "gw")
	data, file := filepath.Join(dir, "data"), filepath.Join(dir, "sealgate.yaml")
	tool, _, talk := newTestTool(t)
	if code := tool.run(t.Context(), []string{"init", dir}); code != exitYes {
		t.Fatalf("exit %d: %s", code, talk)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0") // so that it does not stay if it starts
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text = []byte(strings.Replace(string(text), "127.0.0.1:2022", taken.Addr().String(), 1))
	if err := errors.Join(os.WriteFile(file, text, 0o600), os.Chown(data, other, -1)); err != nil {
		t.Fatal(err)
	}
	serve := func() string {
		tool, _, talk := newTestTool(t)
		if code := tool.run(t.Context(), []string{"serve", "-c", file}); code != exitNo {
			t.Errorf("exit %d", code)
		}
		return talk.String()
	}
	if said := serve(); !strings.Contains(said, "data belongs to ") {
		t.Errorf("root: %s", said)
	}
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	for _, path := range append(names, dir) {
		err = errors.Join(err, os.Chown(path, other, -1))
	}
	err = errors.Join(err, os.RemoveAll(data), os.Mkdir(data, 0o700), os.Chmod(data, 0o777))
	for _, above := range []string{filepath.Dir(dir), filepath.Dir(filepath.Dir(dir))} {
		err = errors.Join(err, os.Chmod(above, 0o711))
	}
	if err := errors.Join(err, syscall.Setresuid(-1, other, 0)); err != nil {
		t.Fatal(err)
	}
	defer syscall.Setresuid(-1, 0, 0)
	if said := serve(); !strings.Contains(said, "address already in use") {
		t.Errorf("another user in a folder of root: %s", said)
	}
}

// TestSignalsWhileOpening: a SIGHUP that comes while the gateway opens its databases is no reason to end: it loads the configuration once
// that can be.
func TestSignalsWhileOpening(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gw")
	tool, _, talk := newTestTool(t)
	if code := tool.run(t.Context(), []string{"init", dir}); code != exitYes {
		t.Fatalf("exit %d: %s", code, talk)
	}
	file := filepath.Join(dir, "sealgate.yaml")
	key, err := os.ReadFile(filepath.Join(dir, "unlock.key"))
	text, fault := os.ReadFile(file)
	text = []byte(strings.Replace(string(text), "127.0.0.1:2022", "127.0.0.1:0", 1))
	if err := errors.Join(err, fault, os.WriteFile(file, text, 0o600)); err != nil {
		t.Fatal(err)
	}
	serve := exec.CommandContext(t.Context(), "/proc/self/exe", "serve", "-c", file, "--unlock-key-stdin")
	serve.Args[0] = "sealgate"
	stdin, err := serve.StdinPipe()
	log, fault := serve.StderrPipe()
	if err := errors.Join(err, fault, serve.Start()); err != nil {
		t.Fatal(err)
	}
	if _, err := stdin.Write(key[:1]); err != nil {
		t.Fatal(err)
	}
	for unread := 1; unread > 0; { // until then it opens nothing yet
		if unread, err = unix.IoctlGetInt(int(stdin.(*os.File).Fd()), unix.TIOCINQ); err != nil {
			t.Fatal(err)
		}
	}
	if err := serve.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	_, err = stdin.Write(key[1:]) // which fails if nobody reads it any more
	stdin.Close()
	want, said := []string{"msg=ready ", `msg="config loaded"`}, ""
	for lines := bufio.NewScanner(log); len(want) > 0 && lines.Scan(); {
		said += lines.Text() + "\n"
		want = slices.DeleteFunc(want, func(w string) bool { return strings.Contains(lines.Text(), w) })
	}
	if len(want) > 0 {
		t.Errorf("%v, without %q:\n%s", err, want, said)
	}
	_ = serve.Process.Signal(syscall.SIGTERM)
	if _, err := io.Copy(io.Discard, log); err != nil {
		t.Error(err)
	}
	if err := serve.Wait(); err != nil {
		t.Error(err)
	}
}
