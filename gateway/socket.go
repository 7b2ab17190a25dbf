package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/sealgate/sealgate/config"
)

// Where the control socket lies. Under systemd that is $RUNTIME_DIRECTORY (RuntimeDirectory=sealgate: /run/sealgate), which the gateway's
// group may enter; data_dir, which only its own user may, has a link to it. Without, the socket lies in data_dir itself.

// usualRuntime is where the socket is looked for by those who may not look into data_dir.
const usualRuntime = "/run/sealgate"

// runtimeSocket is the socket's place outside data_dir; "" if this process was given none.
func runtimeSocket() string {
	dir, _, _ := strings.Cut(os.Getenv("RUNTIME_DIRECTORY"), ":")
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, "control.sock")
}

// listenControl opens the socket of a data_dir whose lock we have: what lies there under its name is stale. Die before the link is
// there, and those who look into data_dir are told that nobody listens, until the next start.
func listenControl(ctx context.Context, cfg *config.Config) (net.Listener, error) {
	path, outside := cfg.ControlSocket(), runtimeSocket()
	if outside == "" {
		return listenAt(path)
	}
	if conn, err := dialControl(ctx, outside); err == nil {
		conn.Close()
		return nil, fmt.Errorf("control socket %s: another gateway listens there; give each a RuntimeDirectory of its own", outside)
	}
	l, err := listenAt(outside)
	if err != nil {
		return nil, err
	}
	if err := os.Remove(path); err == nil || errors.Is(err, os.ErrNotExist) {
		err = os.Symlink(outside, path)
		if err == nil {
			return l, nil
		}
	}
	l.Close()
	return nil, fmt.Errorf("control socket: %w", err)
}

// reachControl says where the gateway of a data_dir listens. Outside data_dir it may be another one's, so each question must name its
// data_dir (ofData).
func reachControl(ctx context.Context, cfg *config.Config) (path string, outside bool, err error) {
	path = cfg.ControlSocket()
	conn, err := dialControl(ctx, path)
	if errors.Is(err, os.ErrPermission) {
		other := runtimeSocket()
		if other == "" {
			other = filepath.Join(usualRuntime, "control.sock")
		}
		if c, fault := dialControl(ctx, other); fault == nil {
			conn, path, outside, err = c, other, true, nil
		}
	}
	if err == nil {
		conn.Close()
	}
	return path, outside, err
}

// wantedData is the header by which a question says of which data_dir it is.
const wantedData = "Sealgate-Data"

// ofData puts that header on every question.
type ofData struct {
	http.RoundTripper
	dataDir string
}

// CloseIdleConnections is for http.Client, which asks for it by name.
func (o ofData) CloseIdleConnections() {
	if t, ok := o.RoundTripper.(*http.Transport); ok {
		t.CloseIdleConnections()
	}
}

func (o ofData) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set(wantedData, o.dataDir)
	return o.RoundTripper.RoundTrip(r)
}

// onlyData answers only questions of this data_dir, and those that came through it.
func onlyData(dataDir string, desk http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if wanted := r.Header.Get(wantedData); wanted != "" && wanted != dataDir {
			http.Error(w, "the gateway here runs on "+dataDir+", not on "+wanted, http.StatusBadRequest)
			return
		}
		desk.ServeHTTP(w, r)
	})
}
