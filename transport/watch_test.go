package transport

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// newWatch watches files and returns a channel that gets a token for each change.
func newWatch(t *testing.T, files ...string) <-chan struct{} {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	changes := make(chan struct{}, 100)
	ended := make(chan error, 1)
	watching := make(chan struct{})
	go func() {
		ended <- Watch(ctx, func() []string { return files }, func() { close(watching) }, func() { changes <- struct{}{} })
	}()
	<-watching
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Watch: %v", err)
		}
	})
	return changes
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// untilTold repeats a change until the watch tells of one.
func untilTold(t *testing.T, changes <-chan struct{}, change func()) {
	t.Helper()
	for {
		change()
		select {
		case <-changes:
			return
		case <-t.Context().Done():
			t.Fatal("no change was told")
		case <-after():
		}
	}
}

func TestWatch(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "sealgate.yaml")
	write(t, file, "a")
	changes := newWatch(t, file)
	untilTold(t, changes, func() { write(t, file, "b") })

	must(t, os.Remove(file))
	<-changes
	write(t, file, "c") // made anew: another inode
	<-changes

	other := filepath.Join(folder, "new")
	write(t, other, "d") // what an editor does: write beside, rename over
	must(t, os.Rename(other, file))
	<-changes
}

func TestWatchRelativeName(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "sealgate.yaml", "a")
	changes := newWatch(t, "sealgate.yaml")
	untilTold(t, changes, func() { write(t, "sealgate.yaml", "b") })
}

func TestWatchKubernetesSwap(t *testing.T) {
	folder := t.TempDir()
	for _, version := range []string{"..1", "..2"} {
		must(t, os.Mkdir(filepath.Join(folder, version), 0o700))
		write(t, filepath.Join(folder, version, "sealgate.yaml"), version)
	}
	must(t, os.Symlink("..1", filepath.Join(folder, "..data")))
	file := filepath.Join(folder, "sealgate.yaml")
	must(t, os.Symlink("..data/sealgate.yaml", file))
	changes := newWatch(t, file)
	next := 0
	untilTold(t, changes, func() {
		next++
		must(t, os.Symlink([]string{"..1", "..2"}[next%2], filepath.Join(folder, "..data_tmp")))
		must(t, os.Rename(filepath.Join(folder, "..data_tmp"), filepath.Join(folder, "..data")))
	})
}

func TestWatchNeedsTheFolder(t *testing.T) {
	none := []string{filepath.Join(t.TempDir(), "none", "x")}
	if err := Watch(t.Context(), func() []string { return none }, func() {}, func() {}); err == nil {
		t.Error("watching a folder that is not there begins")
	}
}

// TestWatchGrows: a change may say that there is more to watch, and a folder of that may come later.
func TestWatchGrows(t *testing.T) {
	folder := t.TempDir()
	file, glob := filepath.Join(folder, "sealgate.yaml"), filepath.Join(folder, "later", "*.conf")
	write(t, file, "a")
	ctx, stop := context.WithCancel(t.Context())
	changes, ended, watching := make(chan struct{}, 100), make(chan error, 1), make(chan struct{})
	files := []string{file}
	go func() {
		ended <- Watch(ctx, func() []string { return files }, func() { close(watching) }, func() {
			files = []string{file, glob}
			changes <- struct{}{}
		})
	}()
	<-watching
	untilTold(t, changes, func() { write(t, file, "b") })
	must(t, os.Mkdir(filepath.Dir(glob), 0o700))
	<-changes // that it is there
	untilTold(t, changes, func() { write(t, filepath.Join(folder, "later", "one.conf"), "c") })
	stop()
	must(t, <-ended)
}

// after is a pause between two tries of a change.
func after() <-chan time.Time { return time.After(3 * watchQuiet) }
