package gateway

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sealgate/sealgate/vault"
)

// TestSocketOutside: with $RUNTIME_DIRECTORY the gateway's group reaches the socket, and reaches only the gateway that it means.
func TestSocketOutside(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("NOT RUN: only root can look at files as somebody else")
	}
	const group = 65534
	h := newHouse(t)
	run, err := os.MkdirTemp("/tmp", "run") // t.TempDir lies in a folder that others may not enter
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(run) })
	must(t, os.Chown(run, 0, group))
	must(t, os.Chmod(run, 0o750))
	must(t, os.Chmod(filepath.Join(h.dir, "data"), 0o700))
	stopped := func() (*vault.UnlockKey, error) { return nil, errors.New("nobody listens") }

	// Without: only those who may enter data_dir.
	connect := func(as int) error {
		t.Helper()
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		unix.SetfsgidRetGid(as)
		unix.SetfsuidRetUid(as)
		defer unix.SetfsgidRetGid(0)
		defer unix.SetfsuidRetUid(0)
		c, err := Connect(t.Context(), h.cfg.Load(), stopped, h.Gateway.log)
		if err != nil {
			return err
		}
		unix.SetfsuidRetUid(0)
		defer c.Close()
		_, err = c.Status(t.Context())
		return err
	}
	serve := func(f func()) {
		t.Helper()
		ctx, stop := context.WithCancel(t.Context())
		l, err := listenControl(ctx, h.cfg.Load())
		must(t, err)
		if runtimeSocket() == filepath.Join(run, "control.sock") { // as the group of a unit's user gets it
			must(t, os.Chown(runtimeSocket(), 0, group))
		}
		ended := make(chan error, 1)
		go func() { ended <- h.serveControl(ctx, l, ctx.Done()) }()
		f()
		stop()
		must(t, <-ended)
	}
	t.Setenv("RUNTIME_DIRECTORY", "")
	serve(func() {
		must(t, connect(0))
		if err := connect(group); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("without a runtime directory: %v", err)
		}
	})
	t.Setenv("RUNTIME_DIRECTORY", run+":/nonexistent")
	serve(func() {
		must(t, connect(0))
		must(t, connect(group))
		if err := connect(group - 1); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("a stranger: %v", err)
		}
		if _, err := listenControl(t.Context(), h.cfg.Load()); err == nil || !strings.Contains(err.Error(), "another gateway listens there") {
			t.Errorf("a second one there: %v", err)
		}
		// Another data_dir's gateway may be the one that listens there.
		other := *h.cfg.Load()
		other.DataDir = filepath.Join(h.dir, "other")
		c := &Client{http: &http.Client{Transport: ofData{http.DefaultTransport.(*http.Transport).Clone(), other.DataDir}}, close: func() error { return nil }}
		c.http.Transport.(ofData).RoundTripper.(*http.Transport).DialContext = dialAt(runtimeSocket())
		if _, err := c.Status(t.Context()); err == nil || !strings.Contains(err.Error(), "runs on "+h.cfg.Load().DataDir+", not on "+other.DataDir) {
			t.Errorf("another data_dir: %v", err)
		}
		c.Close()
	})
	if err := connect(0); err == nil || err.Error() != "nobody listens" {
		t.Errorf("stopped: %v", err)
	}
	t.Setenv("RUNTIME_DIRECTORY", "")
	serve(func() { must(t, connect(0)) }) // the link is replaced by the socket itself
	if at, err := os.Lstat(h.cfg.Load().ControlSocket()); err != nil || at.Mode()&fs.ModeSocket == 0 {
		t.Errorf("%v, %v", at, err)
	}
}
