package transport

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/sealgate/sealgate/config"
)

type Remote interface {
	List(ctx context.Context, folder string) ([]RemoteFile, error)
	Stat(ctx context.Context, path string) (RemoteFile, error)
	Read(ctx context.Context, path string, offset int64, take func(p []byte) error) error
	Remove(ctx context.Context, path string) error
	Rename(ctx context.Context, from, to string) error
	MakeFolder(ctx context.Context, folder string) error
	Store(ctx context.Context, path string, r io.Reader) error
	Close() error
}
type RemoteFile struct {
	Name                     string
	Size                     int64
	Time                     time.Time
	Folder, Special, Hostile bool
}

var (
	ErrGone   = errors.New("gone")
	ErrExists = errors.New("exists")
)

type RemoteError struct {
	Step string
	Err  error
}

func (e *RemoteError) Error() string { return e.Step + ": " + e.Err.Error() }
func (e *RemoteError) Unwrap() error { return e.Err }

func DialRemote(ctx context.Context, r *config.Remote, log *slog.Logger) (Remote, error) {
	return nil, nil
}
