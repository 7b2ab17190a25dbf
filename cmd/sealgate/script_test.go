package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"sealgate": main})
}

// TestScript runs the command as an operator does: testdata/script, a story each.
func TestScript(t *testing.T) {
	for _, program := range []string{"sftp", "ssh-keygen", "openssl"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("MISSING: %s (.ci/peers installs it)", program)
			}
			t.Skipf("NOT RUN, MISSING: %s (.ci/peers installs it)", program)
		}
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("TZ", "UTC")
			env.Setenv("USER", "operator")
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": exits, "like": like, "serve": serve, "halt": halt, "signal": sendSignal, "reload": reload, "logs": logs, "push": push,
			"keep": keep, "edit": edit, "askpass": askpass, "screen": onScreen, "remake": remake,
		},
	})
}

// patience bounds a hang; nothing is measured by it.
const patience = 60 * time.Second

// exits runs a command that must end with this status: exits 2 sealgate check
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	got := 0
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("%s: exit %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

// like compares a text with a file, line by line. <<...>> in the file is a pattern, the rest is literal.
func like(ts *testscript.TestScript, neg bool, args []string) {
	got, want := ts.ReadFile(args[0]), ts.ReadFile(args[1])
	gotLines, wantLines := strings.Split(got, "\n"), strings.Split(want, "\n")
	same := len(gotLines) == len(wantLines)
	for i := 0; i < len(wantLines) && i < len(gotLines); i++ {
		if !lineLike(gotLines[i], wantLines[i]) {
			same = false
			ts.Logf("line %d: %q\n   want: %q", i+1, gotLines[i], wantLines[i])
		}
	}
	if same == neg {
		ts.Fatalf("%s (like %s: %v, want %v):\n%s", args[0], args[1], same, !neg, got)
	}
}

func lineLike(got, want string) bool {
	var pattern strings.Builder
	for want != "" {
		literal, rest, found := strings.Cut(want, "<<")
		pattern.WriteString(regexp.QuoteMeta(literal))
		if !found {
			break
		}
		part, after, _ := strings.Cut(rest, ">>")
		pattern.WriteString("(?:" + part + ")")
		want = after
	}
	return regexp.MustCompile(`\A` + pattern.String() + `\z`).MatchString(got)
}

// daemon is a `sealgate serve` in the background.
type daemon struct {
	cmd    *exec.Cmd
	mu     sync.Mutex
	log    strings.Builder
	ready  chan string   // the address it listens on
	exited chan struct{} // closed when it has ended and its log is whole
}

var (
	daemons sync.Map // by *testscript.TestScript
	readyAt = regexp.MustCompile(`\bready\b.*\blisten"?[=:]"?([0-9.]+:[0-9]+)`)
)

// serve starts `sealgate serve` in the current folder, waits until it is ready and puts its port into $PORT; with -tty
// its log goes to a terminal; with -locked it is one that waits for its unlock key, and has no port yet.
func serve(ts *testscript.TestScript, _ bool, args []string) {
	tty := len(args) > 0 && args[0] == "-tty"
	waits := len(args) > 0 && args[0] == "-locked"
	if tty || waits {
		args = args[1:]
	}
	bin := filepath.Join(strings.Split(ts.Getenv("PATH"), string(os.PathListSeparator))[0], "sealgate")
	d := &daemon{cmd: exec.Command(bin, append([]string{"serve"}, args...)...), ready: make(chan string, 1), exited: make(chan struct{})}
	d.cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"PATH", "TMPDIR", "TZ", "JOURNAL_STREAM", "NOTIFY_SOCKET", "HOME"} {
		if v := ts.Getenv(name); v != "" {
			d.cmd.Env = append(d.cmd.Env, name+"="+v)
		}
	}
	log, end, err := stderrOf(d.cmd, tty)
	ts.Check(err)
	ts.Check(d.cmd.Start())
	ts.Check(end.Close())
	daemons.Store(ts, d)
	go d.follow(log)
	ts.Defer(func() {
		d.cmd.Process.Kill()
		<-d.exited
	})
	if waits {
		logs(ts, false, []string{`msg="?locked`})
		return
	}
	select {
	case addr := <-d.ready:
		ts.Setenv("PORT", addr[strings.LastIndex(addr, ":")+1:])
	case <-d.exited:
		ts.Fatalf("sealgate serve ended:\n%s", d.text())
	case <-time.After(patience):
		ts.Fatalf("sealgate serve is not ready:\n%s", d.text())
	}
}

// follow keeps the log and waits for the end.
func (d *daemon) follow(log io.ReadCloser) {
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		line := strings.TrimRight(lines.Text(), "\r")
		d.mu.Lock()
		d.log.WriteString(line + "\n")
		d.mu.Unlock()
		if m := readyAt.FindStringSubmatch(line); m != nil {
			d.ready <- m[1]
		}
	}
	d.cmd.Wait()
	log.Close()
	close(d.exited)
}

func (d *daemon) text() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.String()
}

// stderrOf gives a command's stderr, a pipe or a terminal, and our copy of its end, to be closed after the start.
func stderrOf(cmd *exec.Cmd, tty bool) (log io.ReadCloser, end io.Closer, err error) {
	if !tty {
		r, w, err := os.Pipe()
		cmd.Stderr = w
		return r, w, err
	}
	ptmx, pts, err := terminal(200)
	cmd.Stderr = pts
	return ptmx, pts, err
}

// terminal makes a pseudo-terminal that is so many columns wide.
func terminal(columns uint16) (ptmx, pts *os.File, err error) {
	if ptmx, err = os.OpenFile("/dev/ptmx", os.O_RDWR, 0); err != nil {
		return nil, nil, err
	}
	if err = unix.IoctlSetPointerInt(int(ptmx.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		return nil, nil, err
	}
	n, err := unix.IoctlGetInt(int(ptmx.Fd()), unix.TIOCGPTN)
	if err != nil {
		return nil, nil, err
	}
	if err = unix.IoctlSetWinsize(int(ptmx.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 50, Col: columns}); err != nil {
		return nil, nil, err
	}
	pts, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	return ptmx, pts, err
}

// onScreen runs a command whose stdout is a terminal, and keeps in a file what the terminal was sent:
// screen FILE COLUMNS sealgate files
func onScreen(ts *testscript.TestScript, neg bool, args []string) {
	columns, err := strconv.ParseUint(args[1], 10, 16)
	ts.Check(err)
	ptmx, pts, err := terminal(uint16(columns))
	ts.Check(err)
	bin := filepath.Join(strings.Split(ts.Getenv("PATH"), string(os.PathListSeparator))[0], args[2])
	cmd := exec.Command(bin, args[3:]...)
	cmd.Dir, cmd.Stdout = ts.MkAbs("."), pts
	cmd.Env = []string{"TZ=UTC", "TERM=xterm", "NO_COLOR=" + ts.Getenv("NO_COLOR")}
	var talk strings.Builder
	cmd.Stderr = &talk
	ts.Check(cmd.Start())
	ts.Check(pts.Close())
	shown, _ := io.ReadAll(ptmx) // ends with EIO when the last writer has gone
	ptmx.Close()
	if err := cmd.Wait(); (err != nil) != neg {
		ts.Fatalf("%v: %v\n%s%s", args[2:], err, shown, talk.String())
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.ReplaceAll(string(shown), "\r\n", "\n")+talk.String()), 0o600))
}

func running(ts *testscript.TestScript) *daemon {
	d, ok := daemons.Load(ts)
	if !ok {
		ts.Fatalf("no daemon was started")
	}
	return d.(*daemon)
}

// halt stops the daemon by SIGTERM, or the signal named; it must end well.
func halt(ts *testscript.TestScript, neg bool, args []string) {
	d := running(ts)
	s := syscall.SIGTERM
	if len(args) > 0 {
		s = unix.SignalNum(args[0])
	}
	ts.Check(d.cmd.Process.Signal(s))
	select {
	case <-d.exited:
	case <-time.After(patience):
		ts.Fatalf("the daemon does not stop:\n%s", d.text())
	}
	if code := d.cmd.ProcessState.ExitCode(); (code != 0) != neg {
		ts.Fatalf("the daemon ended with %d:\n%s", code, d.text())
	}
}

// sendSignal sends the daemon one: signal SIGHUP
func sendSignal(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(running(ts).cmd.Process.Signal(unix.SignalNum(args[0])))
}

// reload has the daemon load the configuration as it is now. It does so twice: the first load that is told may be one that the watch over
// the files began before the last change, or of an earlier change.
func reload(ts *testscript.TestScript, _ bool, _ []string) {
	for range 2 {
		loads := strings.Count(running(ts).text(), "config loaded")
		sendSignal(ts, false, []string{"SIGHUP"})
		logs(ts, false, []string{fmt.Sprintf("(?s)(config loaded.*){%d}", loads+1)})
	}
}

// logs waits until the daemon's log has a line that matches (! logs: checks that it has none now).
func logs(ts *testscript.TestScript, neg bool, args []string) {
	d, want := running(ts), regexp.MustCompile("(?m)"+args[0])
	if neg {
		if found := want.FindString(d.text()); found != "" {
			ts.Fatalf("the log has %q:\n%s", found, d.text())
		}
		return
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(patience); !want.MatchString(d.text()); {
		select {
		case <-tick.C:
		case <-end:
			ts.Fatalf("the log never had %s:\n%s", args[0], d.text())
		}
	}
}

// askpass makes $SSH_ASKPASS answer OpenSSH: yes to a host key, which it keeps in hostkey.txt, the password to the rest.
func askpass(ts *testscript.TestScript, _ bool, args []string) {
	script := "#!/bin/sh\ncase \"$1\" in\n*fingerprint*) printf '%s\\n' \"$1\" > " + ts.MkAbs("hostkey.txt") +
		"; echo yes;;\n*) echo '" + ts.Getenv(args[0]) + "';;\nesac\n"
	path := filepath.Join(ts.Getenv("WORK"), "askpass.sh")
	ts.Check(os.WriteFile(path, []byte(script), 0o700))
	ts.Setenv("SSH_ASKPASS", path)
	ts.Setenv("SSH_ASKPASS_REQUIRE", "force")
}

// push runs OpenSSH's sftp in batch mode as a login, with the commands given, by
// the key in $KEY or else by the password of askpass: push demo 'put sample.xml inbox/'
func push(ts *testscript.TestScript, neg bool, args []string) {
	batch := ts.MkAbs("batch.txt")
	ts.Check(os.WriteFile(batch, []byte(strings.Join(args[1:], "\n")+"\n"), 0o600))
	options := []string{"-q", "-F", "none", "-o", "BatchMode=no", "-b", batch, "-P", ts.Getenv("PORT"),
		"-o", "NumberOfPasswordPrompts=1", "-o", "UserKnownHostsFile=" + filepath.Join(ts.Getenv("WORK"), "known_hosts")}
	if key := ts.Getenv("KEY"); key != "" {
		options = append(options, "-o", "IdentitiesOnly=yes", "-o", "PreferredAuthentications=publickey", "-i", key)
	} else {
		options = append(options, "-o", "PubkeyAuthentication=no")
	}
	err := ts.Exec("sftp", append(options, args[0]+"@127.0.0.1")...)
	if (err != nil) != neg {
		ts.Fatalf("sftp: %v", err)
	}
}

// keep puts the first group of a pattern found in a text into a variable: keep PASSWORD stdout 'password: +(\S+)'
func keep(ts *testscript.TestScript, _ bool, args []string) {
	m := regexp.MustCompile("(?m)" + args[2]).FindStringSubmatch(ts.ReadFile(args[1]))
	if m == nil {
		ts.Fatalf("%s has no %s:\n%s", args[1], args[2], ts.ReadFile(args[1]))
	}
	ts.Setenv(args[0], m[1])
}

// edit replaces what a pattern matches in a file: edit sealgate.yaml '127.0.0.1:2022' '127.0.0.1:0'
func edit(ts *testscript.TestScript, _ bool, args []string) {
	old := ts.ReadFile(args[0])
	changed := regexp.MustCompile("(?m)"+args[1]).ReplaceAllString(old, strings.ReplaceAll(args[2], `\n`, "\n"))
	if changed == old {
		ts.Fatalf("%s has no %s", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(changed), 0o600))
}
