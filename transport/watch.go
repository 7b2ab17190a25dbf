package transport

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

// watchQuiet is how long a folder must be silent before a change is told: editors save in several steps, and the first
// one is often an empty file.
const watchQuiet = 200 * time.Millisecond

// watchAgain is how often a folder that went away is looked for.
const watchAgain = 5 * time.Second

// Watch calls watching once it will miss nothing, and changed when one of the files may have changed, until ctx is done; then it returns nil. It watches the
// files' folders, and so survives remove and recreate and the symlink swap of Kubernetes, where the file's own name sees no
// event. It is a hint only: changed must read for itself what is there. Calls never overlap. The error says that watching
// could not begin, or that it ended early.
func Watch(ctx context.Context, files []string, watching, changed func()) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	defer watcher.Close()
	files, err = withTargets(files)
	if err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	var folders []string
	for _, file := range files {
		if folder := filepath.Dir(file); !slices.Contains(folders, folder) {
			folders = append(folders, folder)
		}
	}
	for _, folder := range folders {
		if err := watcher.Add(folder); err != nil {
			return fmt.Errorf("watch %s: %w", folder, err)
		}
	}
	watching()
	again := time.NewTicker(watchAgain)
	defer again.Stop()
	quiet := time.NewTimer(watchQuiet)
	quiet.Stop()
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case event, ok := <-watcher.Events:
			if !ok {
				return fmt.Errorf("watch: the watcher ended")
			}
			if concerns(event, files) {
				quiet.Reset(watchQuiet)
			}
		case _, ok := <-watcher.Errors: // events were lost: look anyway
			if !ok {
				return fmt.Errorf("watch: the watcher ended")
			}
			quiet.Reset(watchQuiet)
		case <-again.C: // a folder that was removed and made anew is silent until it is added again
			for _, folder := range folders {
				if !slices.Contains(watcher.WatchList(), folder) && watcher.Add(folder) == nil {
					quiet.Reset(watchQuiet)
				}
			}
		case <-quiet.C:
			changed()
		}
	}
}

// concerns says whether an event may mean that one of the files is another now: the file itself, a new one of the first
// file's kind beside them (an account may come as a file of its own), or a name beginning with "..", which is how Kubernetes
// swaps a whole folder. A mere chmod is no change.
func concerns(event fsnotify.Event, files []string) bool {
	if event.Op == fsnotify.Chmod {
		return false
	}
	name := filepath.Clean(event.Name) // in the working folder, names come as ./NAME
	if slices.Contains(files, name) {
		return true
	}
	base := filepath.Base(name)
	return len(base) > 2 && base[:2] == ".." || filepath.Ext(base) == filepath.Ext(files[0])
}

// withTargets makes the names absolute, which is how events name them, and adds what symbolic links among them lead to
// now, for edits behind a link.
func withTargets(files []string) ([]string, error) {
	var all []string
	for _, file := range files {
		file, err := filepath.Abs(file)
		if err != nil {
			return nil, err
		}
		all = append(all, file)
		if target, err := filepath.EvalSymlinks(file); err == nil && target != file {
			all = append(all, target)
		}
	}
	return all, nil
}
