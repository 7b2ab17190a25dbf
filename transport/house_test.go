package transport_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"github.com/sealgate/sealgate/config"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/testdata/gen/payfile"
	"github.com/sealgate/sealgate/transport"
	"github.com/sealgate/sealgate/vault"
)

// These tests drive the door with a real SSH client in front of it and the real gateway behind it.

// house is a gateway in a temporary folder with the account acme, and a door to it.
type house struct {
	*gateway.Gateway
	door *transport.SFTP
	addr string
	dir  string
	cfg  *config.Config
	key  ssh.Signer // lets the login "anna" in
	log  *text
	stop func() // ends the door and waits for it
}

// text is a buffer that several goroutines write to.
type text struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (x *text) Write(p []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.b.Write(p)
}

func (x *text) String() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.b.String()
}

const yaml = `data_dir: ./data
unlock_key_file: ./unlock.key
disk_floor: 1MiB
sftp: {listen: "127.0.0.1:0", host_keys: [./host], stop_within: 20s}
accounts:
  - {id: acme, after_indexing: delete, max_file_size: 32MiB, say: all, policy: {duplicate-content: accept, duplicate-business-key: accept, unrecognised: accept}}
`

// newHouse opens a gateway and a door. change, if not nil, alters the configuration before.
func newHouse(t testing.TB, change func(*config.Config)) *house {
	t.Helper()
	h := &house{dir: t.TempDir(), log: &text{}}
	host, _, err := transport.NewHostKey()
	must(t, err)
	write(t, filepath.Join(h.dir, "host"), host)
	write(t, filepath.Join(h.dir, "unlock.key"), vault.NewUnlockKey())
	write(t, filepath.Join(h.dir, "sealgate.yaml"), []byte(yaml))
	h.key = newKey(t)
	h.open(t, change)
	_, err = h.AddUser(t.Context(), gateway.NewUser{
		Account: "acme", Login: "anna", Password: "quiet-otter-maple-17",
		PublicKey: string(ssh.MarshalAuthorizedKey(h.key.PublicKey())),
	}, "test")
	must(t, err)
	t.Cleanup(func() {
		h.stop()
		must(t, h.Close())
	})
	return h
}

func (h *house) open(t testing.TB, change func(*config.Config)) {
	t.Helper()
	cfg, err := gateway.LoadConfig(filepath.Join(h.dir, "sealgate.yaml"), false)
	must(t, err)
	if change != nil {
		change(cfg)
	}
	unlock, err := vault.ReadUnlockKey(cfg.UnlockKeyFile)
	must(t, err)
	log := slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	// The gateway lives as long as the house, which a subtest may outlive.
	h.Gateway, err = gateway.Open(context.WithoutCancel(t.Context()), cfg, unlock, log)
	must(t, err)
	h.door, err = transport.NewSFTP(cfg, h.Gateway, log)
	must(t, err)
	must(t, h.door.Listen(t.Context()))
	h.cfg, h.addr = cfg, h.door.Addr().String()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func(door *transport.SFTP) { ended <- door.Run(ctx) }(h.door)
	h.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// restart ends gateway and door and opens both again.
func (h *house) restart(t testing.TB) {
	t.Helper()
	h.stop()
	must(t, h.Close())
	h.open(t, nil)
}

// rows are the verdicts of the account's files by name, newest first: "accepted a.xml".
func (h *house) rows(t testing.TB) []string {
	t.Helper()
	var rows []string
	for f, err := range h.Files(t.Context(), gateway.FilesQuery{Account: "acme"}) {
		must(t, err)
		rows = append(rows, string(f.Verdict)+" "+f.Name)
	}
	return rows
}

// count says how many files have a verdict.
func (h *house) count(t testing.TB, verdict string) (n int) {
	t.Helper()
	for _, row := range h.rows(t) {
		if strings.HasPrefix(row, verdict+" ") {
			n++
		}
	}
	return n
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t testing.TB, path string, content []byte) {
	t.Helper()
	must(t, os.WriteFile(path, content, 0o600))
}

func newKey(t testing.TB) ssh.Signer {
	t.Helper()
	file, _, err := transport.NewHostKey()
	must(t, err)
	signer, err := ssh.ParsePrivateKey(file)
	must(t, err)
	return signer
}

// client is one connection with one sftp channel, and what came on that channel's stderr.
type client struct {
	*sftp.Client
	conn   *ssh.Client
	raw    net.Conn
	screen *text
}

func (h *house) config(auth ...ssh.AuthMethod) *ssh.ClientConfig {
	if len(auth) == 0 {
		auth = []ssh.AuthMethod{ssh.PublicKeys(h.key)}
	}
	return &ssh.ClientConfig{User: "anna", Auth: auth, HostKeyCallback: ssh.InsecureIgnoreHostKey()}
}

// dial logs in and opens an sftp channel.
func (h *house) dial(t testing.TB) *client {
	t.Helper()
	raw, err := net.Dial("tcp", h.addr)
	must(t, err)
	conn, channels, requests, err := ssh.NewClientConn(raw, h.addr, h.config())
	must(t, err)
	c := &client{conn: ssh.NewClient(conn, channels, requests), raw: raw, screen: &text{}}
	t.Cleanup(func() { c.conn.Close() })
	c.Client = c.channel(t)
	return c
}

// channel opens one more sftp channel on the connection.
func (c *client) channel(t testing.TB) *sftp.Client {
	t.Helper()
	session, err := c.conn.NewSession()
	must(t, err)
	stderr, err := session.StderrPipe()
	must(t, err)
	go io.Copy(c.screen, stderr) // ends with the connection
	in, err := session.StdinPipe()
	must(t, err)
	out, err := session.StdoutPipe()
	must(t, err)
	must(t, session.RequestSubsystem("sftp"))
	s, err := sftp.NewClientPipe(out, in)
	must(t, err)
	return s
}

// put writes a file whole and returns what its CLOSE said, or what a WRITE before it said.
func (c *client) put(t testing.TB, name string, content []byte, flags int) error {
	t.Helper()
	f, err := c.OpenFile(name, flags)
	if err != nil {
		return err
	}
	if err := fill(f, content, 0); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// fill writes content at an offset, 32 KiB a packet, one after the other.
func fill(f *sftp.File, content []byte, off int64) error {
	for len(content) > 0 {
		n := min(len(content), 32<<10)
		if _, err := f.WriteAt(content[:n], off); err != nil {
			return err
		}
		content, off = content[n:], off+int64(n)
	}
	return nil
}

// The flags that clients open with.
const (
	wct = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	wc  = os.O_WRONLY | os.O_CREATE
	wac = os.O_WRONLY | os.O_CREATE | os.O_APPEND
	w   = os.O_WRONLY
	rw  = os.O_RDWR
)

// size is the shown size, -1 if the name answers "no such file".
func (c *client) size(t testing.TB, name string) int64 {
	t.Helper()
	info, err := c.Stat(name)
	if errors.Is(err, os.ErrNotExist) {
		return -1
	}
	must(t, err)
	return info.Size()
}

// wants fails the test unless the shown size is the one given.
func (c *client) wants(t testing.TB, name string, size int64) {
	t.Helper()
	if got := c.size(t, name); got != size {
		t.Errorf("%s is shown with %d bytes, want %d", name, got, size)
	}
}

// cut ends the TCP connection in the middle, and returns when the server has parked what it had.
func (h *house) cut(t testing.TB, c *client, name string) {
	t.Helper()
	c.raw.Close()
	other := h.dial(t)
	defer other.conn.Close()
	until(t, name+" is parked", func() bool {
		return other.Truncate(name, 0) != nil // taken for an announced size while the upload runs, refused afterwards
	})
}

// until waits for something that the server does by itself.
func until(t testing.TB, what string, done func() bool) {
	t.Helper()
	for range 500 {
		if done() {
			return
		}
		<-time.After(10 * time.Millisecond)
	}
	t.Fatalf("waited in vain: %s", what)
}

// fails wants a refusal with FAILURE and these words, and that the sentence is one line of ASCII.
func fails(t testing.TB, what string, err error, words string) {
	t.Helper()
	var status *sftp.StatusError
	if !errors.As(err, &status) || status.FxCode() != sftp.ErrSSHFxFailure || !strings.Contains(status.Error(), words) {
		t.Errorf("%s: %v, want FAILURE with %q", what, err, words)
	}
}

// deniedIs wants PERMISSION_DENIED. The client library drops the sentence of this code.
func deniedIs(t testing.TB, what string, err error) {
	t.Helper()
	if !errors.Is(err, os.ErrPermission) {
		t.Errorf("%s: %v, want PERMISSION_DENIED", what, err)
	}
}

// said wants a sentence on the channel's stderr, so many times.
func (c *client) said(t testing.TB, words string, times int) {
	t.Helper()
	until(t, words+" on stderr", func() bool { return strings.Count(c.screen.String(), words) >= times })
	if got := strings.Count(c.screen.String(), words); got != times {
		t.Errorf("%q was said %d times, want %d:\n%s", words, got, times, c.screen.String())
	}
}

// payments is a good pain.001 of about 1 KiB a payment; another seed is another file.
func payments(t testing.TB, n int, seed uint64) []byte {
	t.Helper()
	var b bytes.Buffer
	must(t, payfile.Pain001(&b, payfile.Options{Payments: n, Seed: seed}))
	return b.Bytes()
}

// broken is a payment file that is not well-formed.
func broken(t testing.TB) []byte {
	t.Helper()
	return bytes.Replace(payments(t, 3, 1), []byte("</GrpHdr>"), []byte("</GrpHdx>"), 1)
}

// short is a payment file whose end is missing.
func short(t testing.TB, seed uint64) []byte {
	t.Helper()
	file := payments(t, 100, seed)
	return file[:len(file)-100]
}
