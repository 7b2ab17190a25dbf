package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
)

// server is a running peer.
type server struct {
	name  string
	addr  string // 127.0.0.1:port
	user  string
	inbox string // remote folder
	key   string // private key file
	home  string // where it stores
	cmd   *exec.Cmd
	log   *bytes.Buffer
}

// start runs a server's command and waits until its port answers.
func (s *server) start() error {
	s.log = &bytes.Buffer{}
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	for deadline := time.Now().Add(20 * time.Second); ; {
		conn, err := net.Dial("tcp", s.addr)
		if err == nil {
			conn.Close()
			return nil
		}
		if time.Now().After(deadline) {
			s.stop()
			return fmt.Errorf("%s does not answer: %s", s.name, s.log)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (s *server) stop() {
	s.cmd.Process.Signal(syscall.SIGTERM)
	s.cmd.Wait()
}

// cpu is the processor time of the server and its children so far, in seconds.
func (s *server) cpu() float64 { return cpuOf(s.cmd.Process.Pid) }

func cpuOf(pid int) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	ticks := 0.0
	for _, i := range []int{11, 12, 13, 14} { // utime stime cutime cstime
		n, _ := strconv.ParseFloat(fields[i], 64)
		ticks += n
	}
	total := ticks / 100
	// Children that still run: sshd serves each session in a process of its own.
	list, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	for _, child := range strings.Fields(string(list)) {
		if n, err := strconv.Atoi(child); err == nil {
			total += cpuOf(n)
		}
	}
	return total
}

// status gives a line of /proc/PID/status in bytes: VmRSS, VmHWM.
func (s *server) status(field string) int64 { return statusOf(s.cmd.Process.Pid, field) }

func statusOf(pid int, field string) int64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, field+":"); ok {
			n, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return n << 10
		}
	}
	return 0
}

// resetPeak lets VmHWM count anew.
func (s *server) resetPeak() {
	os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", s.cmd.Process.Pid), []byte("5"), 0)
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

func run(dir, stdin, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// newSealgate makes a gateway below place with `sealgate init` and starts it.
func (b *bench) newSealgate(place string) (*server, error) { return b.newSealgateWith(place, "") }

// newSealgateWith is newSealgate with further YAML lines of the account, indented by four.
func (b *bench) newSealgateWith(place, account string) (*server, error) {
	home, err := os.MkdirTemp(place, "sealgate")
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(home, "gateway")
	if err := run(home, "", b.sealgate, "init", dir); err != nil {
		return nil, err
	}
	addr, err := freePort()
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "sealgate.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	for in := bufio.NewScanner(bytes.NewReader(text)); in.Scan(); {
		line := in.Text()
		if strings.HasPrefix(strings.TrimSpace(line), "listen:") {
			line = "  listen: " + addr + "\n  limits: {sessions: 12000, sessions_per_account: 12000, sessions_per_address: 12000, handshakes: 2000}"
		}
		if strings.HasPrefix(strings.TrimSpace(line), "say:") {
			continue
		}
		if strings.HasPrefix(strings.TrimSpace(line), "after_indexing:") {
			line += "\n    max_file_size: 20GiB\n" + account
		}
		fmt.Fprintln(&out, line)
	}
	if err := os.WriteFile(file, out.Bytes(), 0o600); err != nil {
		return nil, err
	}
	key := filepath.Join(home, "key")
	if err := run(home, "", "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key); err != nil {
		return nil, err
	}
	if err := run(dir, "", b.sealgate, "user", "add", "acme", "bench", "--public-key", key+".pub"); err != nil {
		return nil, err
	}
	s := &server{name: "sealgate", addr: addr, user: "bench", inbox: "/inbox", key: key, home: home}
	s.cmd = exec.CommandContext(b.ctx, b.sealgate, "serve", "-c", file)
	s.cmd.Dir = dir
	return s, s.start()
}

// newHome makes a server's folder, with its host key and a client's, and gives a port for it.
func newHome(place, name string) (home, addr string, err error) {
	if home, err = os.MkdirTemp(place, name); err != nil {
		return "", "", err
	}
	if addr, err = freePort(); err != nil {
		return "", "", err
	}
	for _, key := range []string{"host", "key"} {
		if err := run(home, "", "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(home, key)); err != nil {
			return "", "", err
		}
	}
	return home, addr, nil
}

// newSSHD starts OpenSSH's sshd with its in-process SFTP server, storing plainly below place.
func (b *bench) newSSHD(place string) (*server, error) {
	home, addr, err := newHome(place, "sshd")
	if err != nil {
		return nil, err
	}
	inbox := filepath.Join(home, "inbox")
	if err := os.MkdirAll(inbox, 0o777); err != nil {
		return nil, err
	}
	os.MkdirAll("/run/sshd", 0o755) // sshd insists on it
	_, port, _ := net.SplitHostPort(addr)
	config := filepath.Join(home, "sshd_config")
	err = os.WriteFile(config, fmt.Appendf(nil, `Port %s
ListenAddress 127.0.0.1
HostKey %s/host
AuthorizedKeysFile %s/key.pub
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
MaxStartups 2000
MaxSessions 2000
Subsystem sftp internal-sftp
Ciphers aes256-gcm@openssh.com
`, port, home, home), 0o600)
	if err != nil {
		return nil, err
	}
	me := os.Getenv("USER")
	if os.Getuid() == 0 {
		me = "root"
	}
	s := &server{name: "sshd", addr: addr, user: me, inbox: inbox, key: filepath.Join(home, "key"), home: home}
	sshd, err := exec.LookPath("/usr/sbin/sshd")
	if err != nil {
		return nil, err
	}
	s.cmd = exec.CommandContext(b.ctx, sshd, "-D", "-e", "-f", config)
	return s, s.start()
}

// sftp runs OpenSSH's sftp with a batch of commands.
func (s *server) sftp(batch io.Reader) error {
	_, port, _ := net.SplitHostPort(s.addr)
	cmd := exec.Command("sftp", "-q", "-b", "-", "-P", port, "-i", s.key, "-c", "aes256-gcm@openssh.com",
		"-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", s.user+"@127.0.0.1")
	cmd.Stdin = batch
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: sftp: %w: %s", s.name, err, out[max(0, len(out)-500):])
	}
	return nil
}

// dial logs in with x/crypto/ssh.
func (s *server) dial() (*ssh.Client, error) { return s.dialFrom(net.Dialer{}) }

// dialFrom is dial from an address.
func (s *server) dialFrom(from net.Dialer) (*ssh.Client, error) {
	text, err := os.ReadFile(s.key)
	if err != nil {
		return nil, err
	}
	key, err := ssh.ParsePrivateKey(text)
	if err != nil {
		return nil, err
	}
	from.Timeout = 20 * time.Second
	conn, err := from.Dial("tcp", s.addr)
	if err != nil {
		return nil, err
	}
	c, channels, requests, err := ssh.NewClientConn(conn, s.addr, &ssh.ClientConfig{
		Config: ssh.Config{Ciphers: []string{"aes256-gcm@openssh.com"}}, User: s.user,
		Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(),
	})
	if err != nil {
		conn.Close()
		return nil, err
	}
	return ssh.NewClient(c, channels, requests), nil
}
