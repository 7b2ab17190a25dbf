package transport

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
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
// event. It is a hint only: changed must read for itself what is there. Calls never overlap. Which files, globs among them whose wildcards
// are in the last part, is asked again after each change and now and then. The error says that watching could not begin, or that it ended early.
func Watch(ctx context.Context, files func() []string, watching, changed func()) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	defer watcher.Close()
	names, _, err := watchFolders(watcher, files())
	if err != nil {
		return err
	}
	if len(watcher.WatchList()) == 0 {
		return fmt.Errorf("watch %s: its folder is not there", names[0])
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
			if concerns(event, names) {
				quiet.Reset(watchQuiet)
			}
			continue
		case _, ok := <-watcher.Errors: // events were lost: look anyway
			if !ok {
				return fmt.Errorf("watch: the watcher ended")
			}
			quiet.Reset(watchQuiet)
			continue
		case <-again.C: // a folder that was removed and made anew is silent until it is added again
		case <-quiet.C:
			changed()
		}
		var more bool
		if names, more, err = watchFolders(watcher, files()); err != nil {
			return err
		}
		if more { // what was in it before we looked at it was not told
			quiet.Reset(watchQuiet)
		}
	}
}

// watchFolders watches the files' folders, those that are there, and says whether one of them was not watched before.
func watchFolders(watcher *fsnotify.Watcher, files []string) (names []string, more bool, err error) {
	if names, err = withTargets(files); err != nil {
		return nil, false, fmt.Errorf("watch: %w", err)
	}
	for _, name := range names {
		folder := filepath.Dir(name)
		if slices.Contains(watcher.WatchList(), folder) {
			continue
		}
		if err := watcher.Add(folder); err == nil {
			more = true
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, false, fmt.Errorf("watch %s: %w", folder, err)
		}
	}
	return names, more, nil
}

// concerns says whether an event may mean that one of the files is another now: the file itself, one that a glob names, a new one of the first
// file's kind beside them (an account may come as a file of its own), or a name beginning with "..", which is how Kubernetes
// swaps a whole folder.
func concerns(event fsnotify.Event, files []string) bool {
	name := filepath.Clean(event.Name) // in the working folder, names come as ./NAME
	dir, base := filepath.Split(name)
	named := func(file string) bool {
		in, pattern := filepath.Split(file)
		match, _ := filepath.Match(pattern, base)
		return in == dir && (match || pattern == base)
	}
	return slices.ContainsFunc(files, named) || len(base) > 2 && base[:2] == ".." || filepath.Ext(base) == filepath.Ext(files[0])
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
