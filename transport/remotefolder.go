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

// Real goes there and asks where it is.
func (f *ftps) Real(ctx context.Context, folder string) (real string, err error) {
	err = f.on(ctx, stepList, folder, func(whole string) error {
		if err := f.conn.ChangeDir(whole); err != nil {
			return err
		}
		real, err = f.conn.CurrentDir()
		real = strings.ReplaceAll(real, `""`, `"`)
		return err
	})
	return real, err
}
