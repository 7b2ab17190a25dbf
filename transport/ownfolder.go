package transport

import (
	"context"
	"errors"
	"path"
	"slices"
	"strings"
)

// errOwnFolder: config.Remote.Puts finds this out where the names say so; where a login's home or a link is one of the two
// folders, only the server can.
var errOwnFolder = errors.New("the URL's folder is the one that is delivered to, or moved to: what we put there would be fetched")

// ownFolders are the folders that we put things into, as the server calls them.
type ownFolders struct {
	base string // the URL's
	own  []string
}

// has tells whether a folder below the URL's is one of them.
func (o *ownFolders) has(at string) bool {
	return o != nil && slices.Contains(o.own, path.Join(o.base, at))
}

// findOwn asks the server, once, where we put things; and it is an error if that is where we fetch.
func (l *look) findOwn(ctx context.Context) error {
	if l.own != nil {
		return nil
	}
	var puts []string
	if l.remote.Send != nil {
		puts = append(puts, l.remote.Send.Path)
	}
	if moved, moves := strings.CutPrefix(l.remote.Fetch.After, "rename:"); moves {
		puts = append(puts, moved)
	}
	if len(puts) == 0 {
		l.own = &ownFolders{}
		return nil
	}
	base, err := l.session.Real(ctx, "")
	switch {
	case err != nil && alive(err): // a server that cannot say it
		l.own = &ownFolders{}
		return nil
	case err != nil:
		return err
	}
	found := &ownFolders{base: base}
	all := true
	for _, folder := range puts {
		real, err := l.session.Real(ctx, folder)
		switch {
		case err != nil && alive(err): // it is not there, and so nothing is in it
			all = false
		case err != nil:
			return err
		case real == base:
			return &RemoteError{Step: stepList, Err: errOwnFolder}
		default:
			found.own = append(found.own, real)
		}
	}
	if all {
		l.own = found
	}
	return nil
}
