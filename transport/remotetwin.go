package transport

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/pkg/sftp"
)

// Twin changes when the one was read last and looks whether that has changed at the other, since the protocol has no word for
// it. OpenSSH gives a file its new name before it takes away the old.
func (s *sftpRemote) Twin(ctx context.Context, a, b string) (twin bool, err error) {
	err = s.on(ctx, stepRename, a, func(whole string) error {
		other, err := joined(s.base, b)
		if err != nil {
			return err
		}
		one, err := s.lstat(whole)
		if err != nil || one.Time.IsZero() { // there is no clock to set
			return err
		}
		read, err := s.lastRead(other, one)
		if err != nil || read.IsZero() {
			return err
		}
		mark := read.Add(time.Hour)
		var no *sftp.StatusError
		if err := s.client.Chtimes(whole, mark, one.Time); errors.As(err, &no) || errors.Is(err, os.ErrPermission) {
			return nil // some servers let nobody change times
		} else if err != nil {
			return err
		}
		read, err = s.lastRead(other, one)
		twin = read.Equal(mark)
		return err
	})
	return twin, err
}

// lastRead says when a file was read last that is like another; zero if it is not like it.
func (s *sftpRemote) lastRead(whole string, like RemoteFile) (time.Time, error) {
	info, err := s.client.Lstat(whole)
	if err != nil {
		return time.Time{}, gone(err)
	}
	stat, ok := info.Sys().(*sftp.FileStat)
	if !ok || !info.Mode().IsRegular() || like.Special || like.Folder || info.Size() != like.Size || !fileTime(info.ModTime()).Equal(like.Time) {
		return time.Time{}, nil
	}
	return time.Unix(int64(stat.Atime), 0), nil
}

// Twin is never true: FTP servers rename in one step.
func (f *ftps) Twin(context.Context, string, string) (bool, error) { return false, nil }
