package proof

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// door is where clients go and who they say they are.
type door struct {
	host, port string
	user, pass string
	key        string // private key file, OpenSSH form
}

func (g *gateway) door() door {
	return door{host: g.host, port: g.port, user: "kund", pass: g.pass, key: g.key}
}

func (d door) as(user string) door { d.user = user; return d }

func (d door) addr() string { return net.JoinHostPort(d.host, d.port) }

// desk is a customer's place of work: a folder, a home, and clients that are run there.
type desk struct {
	door
	t   testing.TB
	dir string
}

func newDesk(t testing.TB, d door) *desk {
	t.Helper()
	return &desk{door: d, t: t, dir: t.TempDir()}
}

// outcome is what the person at the desk sees.
type outcome struct {
	code int
	text string // standard output and standard error as they came
}

// sees says whether the sentence of a refusal, which the gateway writes by name and reason, reached the person.
func (o outcome) sees(reason string) bool { return strings.Contains(o.text, "["+reason) }

// sh runs a client. A run that never ends is cut short and fails the test.
func (d *desk) sh(stdin string, argv ...string) outcome {
	d.t.Helper()
	cmd, out := d.begin(stdin, argv...)
	if err := cmd.Run(); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			d.t.Fatalf("%s: %v", argv[0], err)
		}
	}
	o := outcome{cmd.ProcessState.ExitCode(), out.String()}
	// A client may die of a connection that went (sftp of SIGPIPE); killed is who had to be cut short.
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() && status.Signal() == syscall.SIGKILL {
		d.t.Errorf("%s: %v\n%s", strings.Join(argv, " "), cmd.ProcessState, o.text)
	}
	return o
}

// begin makes a client's command; the caller starts it.
func (d *desk) begin(stdin string, argv ...string) (*exec.Cmd, *transcript) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	d.t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = d.dir
	cmd.Env = append(os.Environ(), "HOME="+d.dir, "LC_ALL=C.UTF-8", "SSH_AUTH_SOCK=", "SG_HOST="+d.host, "SG_PORT="+d.port,
		"SG_USER="+d.user, "SG_PASS="+d.pass, "SG_KEY="+d.key, "SG_PEERS="+peers(), "RCLONE_CONFIG="+filepath.Join(d.dir, "rclone.conf"),
		"XDG_CACHE_HOME="+d.dir, "PYTHONWARNINGS=ignore")
	out := newTranscript()
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Stdout, cmd.Stderr = out, out
	return cmd, out
}

// save writes a file at the desk.
func (d *desk) save(name string, content []byte) string {
	d.t.Helper()
	return save(d.t, d.dir, name, content)
}

// peers is the folder that .ci/peers keeps the clients from npm in.
func peers() string {
	if p := os.Getenv("SEALGATE_PEERS"); p != "" {
		return p
	}
	home, _ := os.UserHomeDir()
	return filepath.Join(home, ".cache", "sealgate-peers")
}

// dial opens an SSH connection by key, in this process.
func (d door) dial() (*ssh.Client, error) {
	pem, err := os.ReadFile(d.key)
	if err != nil {
		return nil, err
	}
	signer, err := ssh.ParsePrivateKey(pem)
	if err != nil {
		return nil, err
	}
	return ssh.Dial("tcp", d.addr(), &ssh.ClientConfig{User: d.user, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)},
		HostKeyCallback: ssh.InsecureIgnoreHostKey(), Timeout: patience})
}

// session is an SFTP session in this process.
type session struct {
	*sftp.Client
	conn   *ssh.Client
	stderr *bytes.Buffer // what the server wrote to the channel's stderr; read it after close
}

func (d door) open() (*session, error) {
	conn, err := d.dial()
	if err != nil {
		return nil, err
	}
	s, err := conn.NewSession()
	if err != nil {
		conn.Close()
		return nil, err
	}
	in, err1 := s.StdinPipe()
	out, err2 := s.StdoutPipe()
	var stderr bytes.Buffer
	s.Stderr = &stderr
	if err := errors.Join(err1, err2, s.RequestSubsystem("sftp")); err != nil {
		conn.Close()
		return nil, err
	}
	c, err := sftp.NewClientPipe(out, in)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return &session{Client: c, conn: conn, stderr: &stderr}, nil
}

func (s *session) close() { s.Client.Close(); s.conn.Close() }

// sit opens a session that must open, and closes it when the test ends.
func (d door) sit(t testing.TB) *session {
	t.Helper()
	s, err := d.open()
	if err != nil {
		t.Fatalf("login of %s: %v", d.user, err)
	}
	t.Cleanup(s.close)
	return s
}

// push sends a file in order in 32 KiB writes and closes it; the error is the first one.
func (s *session) push(name string, content []byte) error {
	f, err := s.Create("/inbox/" + name)
	if err != nil {
		return err
	}
	for len(content) > 0 {
		n := min(len(content), 32<<10)
		if _, err := f.Write(content[:n]); err != nil {
			f.Close()
			return err
		}
		content = content[n:]
	}
	return f.Close()
}

// refused says whether the server said no (rather than the connection having gone).
func refused(err error) bool {
	var status *sftp.StatusError
	return errors.As(err, &status) || errors.Is(err, os.ErrPermission) || errors.Is(err, os.ErrNotExist)
}

// fingerprints are the SHA256s of the server's host keys, of each kind that it has.
func (d door) fingerprints() []string {
	var found []string
	for _, kind := range []string{ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoRSASHA256} {
		conn, err := ssh.Dial("tcp", d.addr(), &ssh.ClientConfig{User: "x", HostKeyAlgorithms: []string{kind},
			HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error {
				found = append(found, ssh.FingerprintSHA256(key))
				return io.EOF // enough seen
			}})
		if err == nil {
			conn.Close()
		}
	}
	return found
}
