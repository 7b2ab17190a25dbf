package transport

import (
	"context"
	"strings"
)

// Real asks SFTP's realpath.
func (s *sftpRemote) Real(ctx context.Context, folder string) (real string, err error) {
	err = s.on(ctx, stepList, folder, func(whole string) error {
		real, err = s.client.RealPath(whole)
		return err
	})
	return real, err
}

// Real goes there and asks where it is. What a server says in a form that nobody knows is worth no more than our own name.
func (f *ftps) Real(ctx context.Context, folder string) (real string, err error) {
	err = f.on(ctx, stepList, folder, func(whole string) error {
		if err := f.conn.ChangeDir(whole); err != nil {
			return err
		}
		if real, err = f.conn.CurrentDir(); err != nil {
			real = whole
		}
		real = strings.ReplaceAll(real, `""`, `"`)
		if why, _ := f.leash.reason(); why != nil {
			return err
		}
		return nil
	})
	return real, err
}
