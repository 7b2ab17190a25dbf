package transport_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/transport"
)

// paramikoLogin takes steps of a login with paramiko: "key FILE", "password TEXT", "ask TEXT...", and says after each what it
// is asked for next, or in.
const paramikoLogin = `
import paramiko, sys
host, port, user = sys.argv[1:4]
steps = sys.argv[4:]
# Before 3.2 it asks for the service anew at each step, which RFC 4252 does not foresee and our library does not take. What
# ServiceRequestingTransport does in later versions is done here by hand.
class Once(paramiko.auth_handler.AuthHandler):
    def _request_auth(self):
        if not getattr(self.transport, "asked", False):
            self.transport.asked = True
            return super()._request_auth()
        m = paramiko.Message()
        m.add_string("ssh-userauth")
        m.rewind()
        self._parse_service_accept(m)
transport = getattr(paramiko, "ServiceRequestingTransport", None)
if transport is None:
    transport, paramiko.transport.AuthHandler = paramiko.Transport, Once
t = transport((host, int(port)))
t.start_client(timeout=30)
said = []
try:
    for step in steps:
        how, _, what = step.partition(" ")
        if how == "key":
            left = t.auth_publickey(user, paramiko.Ed25519Key.from_private_key_file(what))
        elif how == "password":
            left = t.auth_password(user, what, fallback=False)
        else:
            answers = what.split("|")
            left = t.auth_interactive(user, lambda title, say, fields: [answers.pop(0) for _ in fields])
        said.append(",".join(left) or "in")
    if t.is_authenticated():
        paramiko.SFTPClient.from_transport(t).listdir("/inbox")
        said.append("listed")
except paramiko.AuthenticationException:
    said.append("no")
print(" ".join(said))
`

// TestRealClientsLogIn is the matrix of methods with paramiko, OpenSSH and lftp; cmd's script logins.txtar has more of OpenSSH.
func TestRealClientsLogIn(t *testing.T) {
	for _, program := range []string{"/usr/bin/python3", "sftp", "lftp"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("MISSING: %s (.ci/peers installs it)", program)
			}
			t.Skipf("NOT RUN, MISSING: %s (.ci/peers installs it)", program)
		}
	}
	h := newHouse(t, nil)
	dir := t.TempDir()
	file, _, err := transport.NewHostKey()
	must(t, err)
	key := filepath.Join(dir, "key")
	write(t, key, file)
	if h.key, err = ssh.ParsePrivateKey(file); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "login.py"), []byte(paramikoLogin))
	host, port, err := net.SplitHostPort(h.addr)
	must(t, err)
	run := func(env []string, name string, args ...string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second) // a client may wait for ever for an answer that it does not know
		defer cancel()
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
		cmd.WaitDelay = time.Second
		cmd.Env = append(os.Environ(), env...)
		out, err := cmd.CombinedOutput()
		text := strings.TrimSpace(string(out))
		if err != nil && name != "/usr/bin/python3" {
			return "no"
		}
		return text
	}
	options := []string{"-oBatchMode=no", "-oUserKnownHostsFile=/dev/null", "-oStrictHostKeyChecking=no", "-oLogLevel=ERROR",
		"-oIdentitiesOnly=yes", "-oNumberOfPasswordPrompts=1", "-i", key, "-F", "none"}
	askpass := filepath.Join(dir, "askpass")
	write(t, askpass, []byte("#!/bin/sh\ncase \"$1\" in *Code*) echo \"$CODE\";; *) echo \"$PASSWORD\";; esac\n"))
	must(t, os.Chmod(askpass, 0o700))
	batch := filepath.Join(dir, "batch")
	write(t, batch, []byte("ls /inbox\n"))

	for _, test := range []struct {
		methods  string
		paramiko map[string]string // what is said, by steps
		lftp     bool              // with the key and the password; it cannot answer more, and waits
	}{
		{"key", map[string]string{"K": "in listed", "P": "no", "A": "no"}, true},
		{"password", map[string]string{"K": "no", "P": "in listed", "A": "in listed"}, true},
		{"key+password", map[string]string{"K P": "password,keyboard-interactive in listed", "K A": "password,keyboard-interactive in listed", "P": "no", "P K": "no", "K": "password,keyboard-interactive"}, true},
		{"key+totp", map[string]string{"K C": "keyboard-interactive in listed", "K P": "keyboard-interactive no", "K": "keyboard-interactive", "C": "no"}, false},
		{"password+totp", map[string]string{"P C": "keyboard-interactive in listed", "AC": "in listed", "P": "keyboard-interactive", "K": "no"}, false},
	} {
		factor := h.user(t, test.methods, test.methods)
		if factor == nil {
			factor = &gateway.Factor{Codes: make([]string, 10)}
		}
		code := func() string { c := factor.Codes[0]; factor.Codes = factor.Codes[1:]; return c }
		for steps, want := range test.paramiko {
			args := []string{filepath.Join(dir, "login.py"), host, port, test.methods}
			for step := range strings.FieldsSeq(steps) {
				switch step {
				case "K":
					args = append(args, "key "+key)
				case "P":
					args = append(args, "password "+secret)
				case "A":
					args = append(args, "ask "+secret)
				case "C":
					args = append(args, "ask "+code())
				case "AC":
					args = append(args, "ask "+secret+"|"+code())
				}
			}
			if got := run(nil, "/usr/bin/python3", args...); got != want {
				t.Errorf("paramiko, %s by %s: %s, want %s", test.methods, steps, got, want)
			}
		}
		env := []string{"SSH_ASKPASS=" + askpass, "SSH_ASKPASS_REQUIRE=force", "PASSWORD=" + secret, "CODE=" + code()}
		if got := run(env, "sftp", append(options, "-P", port, "-b", batch, test.methods+"@"+host)...); got == "no" { // with all at hand
			t.Errorf("OpenSSH, %s: %s", test.methods, got)
		}
		if !test.lftp {
			continue
		}
		script := "set net:max-retries 1; set sftp:connect-program 'ssh -a -x " + strings.Join(options, " ") + "'; open -u '" + test.methods + "," + secret +
			"' -p " + port + " sftp://" + host + " && ls /inbox"
		if got := run(nil, "lftp", "--norc", "-c", script); got == "no" {
			t.Errorf("lftp, %s: not let in", test.methods)
		}
	}
}
