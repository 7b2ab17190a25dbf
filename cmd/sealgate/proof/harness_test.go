package proof

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for something that must happen. It bounds a hang; no test measures it.
// PROOF_PATIENCE sets another.
var patience = func() time.Duration {
	if d, err := time.ParseDuration(os.Getenv("PROOF_PATIENCE")); err == nil {
		return d
	}
	return 60 * time.Second
}()

// build compiles the command once per run of the tests; PROOF_RACE=1 builds it with the race detector.
var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "sealgate-proof-bin")
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "sealgate")
	argv := []string{"build", "-o", bin}
	if os.Getenv("PROOF_RACE") != "" {
		argv = append(argv, "-race")
	}
	out, err := exec.Command("go", append(argv, "github.com/sealgate/sealgate/cmd/sealgate")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return bin, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if bin, err := build(); err == nil {
		os.RemoveAll(filepath.Dir(bin))
	}
	os.Exit(code)
}

// options change the gateway that newGateway makes.
type options struct {
	accounts string   // YAML list items; "" is one account, acme, as `init` makes it, with duplicates rejected
	sftp     string   // further YAML lines of sftp:, indented by two
	top      string   // further YAML lines at the top level
	env      []string // of the daemon
	wrap     []string // a command that the daemon is run by (strace -D, prlimit); it must exec
	dataDir  string   // in place of ./data
	hostKey  string   // a further kind of host key, made by ssh-keygen: ecdsa
}

// gateway is a daemon of the built binary in a temporary folder.
type gateway struct {
	t          testing.TB
	bin        string
	dir        string // short, since a control socket's path must be
	data       string
	config     string
	pass       string // of every login made here
	key        string // private key file of every login made here
	opt        options
	log        *transcript
	cmd        *exec.Cmd
	exited     chan struct{}
	host, port string
	serveArgs  []string // of `sealgate serve`, beside -c
	stdin      string   // of the daemon
}

const acme = `  - id: acme
    name: Acme AB
    after_indexing: seal
    certificate: ./acme.crt
    access_keys: [./acme.access.crt]
    duplicates: {window: 30d}
    policy: {duplicate-content: reject, duplicate-business-key: reject}
`

// newGateway makes a gateway with `sealgate init`, gives account acme (or each id in logins) a login "kund" with a
// password and a key, starts it, and stops it when the test ends.
func newGateway(t testing.TB, opt options, logins ...string) *gateway {
	t.Helper()
	g := prepare(t, opt, logins...)
	g.start()
	return g
}

// prepare is newGateway without the start. A login is "ACCOUNT LOGIN".
func prepare(t testing.TB, opt options, logins ...string) *gateway {
	t.Helper()
	bin, err := build()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "sg")
	if err != nil {
		t.Fatal(err)
	}
	g := &gateway{t: t, bin: bin, dir: dir, opt: opt, pass: "quiet-otter-maple-proof-17", log: newTranscript()}
	t.Cleanup(func() {
		g.stop()
		if text := g.log.String(); strings.Contains(text, "DATA RACE") || strings.Contains(text, "goroutine 1 [") {
			t.Errorf("the daemon raced or panicked:\n%s", text)
		}
		if t.Failed() || os.Getenv("PROOF_LOG") != "" {
			t.Logf("daemon's log (last 60 lines):\n%s", g.log.tail(60))
		}
		os.RemoveAll(dir)
	})
	g.config = filepath.Join(dir, "sealgate.yaml")
	g.data = filepath.Join(dir, "data")
	g.must("init", dir)
	if opt.dataDir != "" {
		g.data = opt.dataDir
	}
	g.writeConfig()
	g.key = filepath.Join(dir, "client")
	output(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "kund", "-f", g.key)
	if len(logins) == 0 {
		logins = []string{"acme kund"}
	}
	for _, l := range logins {
		account, login, _ := strings.Cut(l, " ")
		g.feed(g.pass+"\n", "user", "add", account, login, "--password-stdin", "--public-key", g.key+".pub", "-c", g.config)
	}
	return g
}

// writeConfig writes sealgate.yaml from the options, over the one that init made.
func (g *gateway) writeConfig() {
	g.t.Helper()
	keys := "./host_ed25519"
	if g.opt.hostKey != "" {
		name := "host_" + g.opt.hostKey
		if _, err := os.Stat(filepath.Join(g.dir, name)); err != nil {
			output(g.t, "ssh-keygen", "-q", "-t", g.opt.hostKey, "-N", "", "-f", filepath.Join(g.dir, name))
		}
		keys += ", ./" + name
	}
	accounts := g.opt.accounts
	if accounts == "" {
		accounts = acme
	}
	top := g.opt.top
	if !strings.Contains(top, "disk_floor:") {
		top += "disk_floor: 16MiB\n"
	}
	yaml := "data_dir: " + g.data + "\nunlock_key_file: ./unlock.key\n" + top +
		"sftp:\n  listen: 127.0.0.1:0\n  host_keys: [" + keys + "]\n" + g.opt.sftp + "accounts:\n" + accounts
	if err := os.WriteFile(g.config, []byte(yaml), 0o600); err != nil {
		g.t.Fatal(err)
	}
}

var listening = regexp.MustCompile(`\bready\b.*\blisten="?([0-9.]+):([0-9]+)`)

// start runs `sealgate serve` and waits until it is ready.
func (g *gateway) start() {
	g.t.Helper()
	if err := g.tryStart(); err != nil {
		g.t.Fatal(err)
	}
}

func (g *gateway) tryStart() error {
	argv := append(slices.Clone(g.opt.wrap), g.bin, "serve", "-c", g.config)
	argv = append(argv, g.serveArgs...)
	g.cmd = exec.Command(argv[0], argv[1:]...)
	g.cmd.Env = append(os.Environ(), g.opt.env...)
	g.cmd.Dir = g.dir
	g.cmd.Stdin = strings.NewReader(g.stdin)
	from := g.log.len()
	g.cmd.Stdout, g.cmd.Stderr = g.log, g.log
	if err := g.cmd.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	g.exited = exited
	go func(cmd *exec.Cmd) { cmd.Wait(); close(exited) }(g.cmd)
	line, err := g.log.wait(from, listening, exited)
	if err != nil {
		return fmt.Errorf("sealgate serve: %w\n%s", err, g.log.since(from))
	}
	m := listening.FindStringSubmatch(line)
	g.host, g.port = m[1], m[2]
	return nil
}

// kill ends the daemon as a power cut of the process would: no handler runs.
func (g *gateway) kill() {
	g.cmd.Process.Kill()
	<-g.exited
}

// stop ends the daemon with SIGTERM, and by force if it does not obey. It may be called again.
func (g *gateway) stop() {
	if g.cmd == nil || g.exited == nil {
		return
	}
	g.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-g.exited:
	case <-time.After(patience):
		g.t.Errorf("the daemon did not stop within %v of SIGTERM", patience)
		g.kill()
	}
}

// command runs `sealgate ARGS` and gives its output, its talk and its exit status.
func (g *gateway) command(stdin string, args ...string) (stdout, stderr string, code int) {
	g.t.Helper()
	cmd := exec.Command(g.bin, args...)
	cmd.Dir = g.dir
	cmd.Stdin = strings.NewReader(stdin)
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		g.t.Fatalf("sealgate %s: %v", strings.Join(args, " "), err)
	}
	return o.String(), e.String(), cmd.ProcessState.ExitCode()
}

// must runs a command that has to succeed.
func (g *gateway) must(args ...string) string {
	g.t.Helper()
	return g.feed("", args...)
}

func (g *gateway) feed(stdin string, args ...string) string {
	g.t.Helper()
	o, e, code := g.command(stdin, args...)
	if code != 0 {
		g.t.Fatalf("sealgate %s: exit %d\n%s%s", strings.Join(args, " "), code, o, e)
	}
	return o
}

// row is a line of `sealgate files --json`: what the server says that it took and refused.
type row struct {
	ID       string            `json:"id"`
	Account  string            `json:"account"`
	Name     string            `json:"name"`
	Size     int64             `json:"size"`
	SHA256   string            `json:"sha256"`
	Format   string            `json:"format"`
	Payments int64             `json:"payments"`
	Totals   map[string]string `json:"totals"`
	Verdict  string            `json:"verdict"`
	Fate     string            `json:"fate"`
	First    string            `json:"duplicate_of"`
	Reasons  []struct {
		Code   string `json:"code"`
		Detail string `json:"detail"`
	} `json:"reasons"`
}

// files is every file of every account, as an operator's script would read them.
func (g *gateway) files(filter ...string) []row {
	g.t.Helper()
	out := g.must(append([]string{"files", "--json", "--all", "-c", g.config}, filter...)...)
	var rows []row
	d := json.NewDecoder(strings.NewReader(out))
	for {
		var r row
		if err := d.Decode(&r); err == io.EOF {
			return rows
		} else if err != nil {
			g.t.Fatalf("files --json: %v\n%s", err, out)
		}
		rows = append(rows, r)
	}
}

// with is the rows of one verdict whose name is one of the given ones (all names, if none is given).
func with(rows []row, verdict string, names ...string) []row {
	var found []row
	for _, r := range rows {
		if r.Verdict == verdict && (len(names) == 0 || slices.Contains(names, r.Name)) {
			found = append(found, r)
		}
	}
	return found
}

// taken fails the test unless exactly the files with these sha-256 are accepted under the name, in any order.
func (g *gateway) taken(t testing.TB, name string, want ...string) {
	t.Helper()
	var got []string
	for _, r := range with(g.files(), "accepted", name) {
		got = append(got, r.SHA256)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("accepted as %s: %d files %.8s, want %d: %.8s", name, len(got), got, len(want), want)
	}
}

// tree lists the files (not the folders) under the data directory, relative to it.
func (g *gateway) tree() []string {
	var all []string
	filepath.WalkDir(g.data, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			rel, _ := filepath.Rel(g.data, p)
			all = append(all, rel)
		}
		return nil
	})
	return all
}

// eventually polls until the condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	end := time.After(patience)
	for !holds() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("never happened: %s", what)
		}
	}
}

// missing skips the test because a program or a right that it needs is not here; where it must be (CI), it fails it.
func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("MISSING: %s (.ci/peers installs it)", what)
	}
	t.Skipf("NOT RUN, MISSING: %s (.ci/peers installs it)", what)
}

// need skips the test if one of the programs or files is not here.
func need(t testing.TB, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			missing(t, p)
		}
	}
}

func output(t testing.TB, argv ...string) string {
	t.Helper()
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
	return string(out)
}
