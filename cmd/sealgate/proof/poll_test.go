package proof

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// customer is a customer's own server: OpenSSH's sshd with its sftp-server, on a folder of this test.
type customer struct {
	folder string // the files lie here
	port   string
	pin    string // of its host key
	key    string // to log in with
	login  string
	pid    int // of sshd
}

// newCustomer starts an sshd that only speaks SFTP, for the one who runs this test. server is the program that does it, if
// not sshd itself.
func newCustomer(t testing.TB, server ...string) *customer {
	t.Helper()
	need(t, "/usr/sbin/sshd")
	who, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	c := &customer{folder: filepath.Join(dir, "out"), key: filepath.Join(dir, "login"), login: who.Username}
	if err := os.Mkdir(c.folder, 0o755); err != nil {
		t.Fatal(err)
	}
	host := filepath.Join(dir, "host")
	for _, key := range []string{host, c.key} {
		output(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
	}
	c.pin = strings.Fields(output(t, "ssh-keygen", "-l", "-f", host+".pub"))[1]
	for try := 0; ; try++ {
		c.port = freePort(t)
		config := fmt.Sprintf("Port %s\nListenAddress 127.0.0.1\nHostKey %s\nAuthorizedKeysFile %s.pub\nStrictModes no\nUsePAM no\nPidFile none\n"+
			"PasswordAuthentication no\nPermitRootLogin yes\nMaxStartups 100\nSubsystem sftp %s\n", c.port, host, c.key, cmp.Or(strings.Join(server, " "), "internal-sftp"))
		save(t, dir, "sshd_config", []byte(config))
		os.MkdirAll("/run/sshd", 0o755) // where sshd wants it, as a service would find it
		cmd := exec.Command("/usr/sbin/sshd", "-D", "-e", "-f", filepath.Join(dir, "sshd_config"))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
		c.pid = cmd.Process.Pid
		listens := false
		for range 200 {
			if conn, err := net.DialTimeout("tcp", "127.0.0.1:"+c.port, time.Second); err == nil {
				conn.Close()
				listens = true
				break
			}
			tick := time.NewTimer(20 * time.Millisecond)
			<-tick.C
		}
		if listens {
			return c
		}
		if try == 3 {
			t.Fatal("sshd does not listen")
		}
	}
}

// freePort is a port for a server of its own to bind. It lies below those that the system gives to connections, of which one
// could come to have it before the server does.
func freePort(t testing.TB) string {
	t.Helper()
	for range 100 {
		port := strconv.Itoa(10_000 + rand.IntN(22_000))
		if l, err := net.Listen("tcp", ":"+port); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return ""
}

// remote is YAML of the remote "kund" of an account; fetch is what stands behind fetch:.
func (c *customer) remote(fetch string) string {
	return fmt.Sprintf("    remotes:\n      - name: kund\n        url: sftp://127.0.0.1:%s%s\n        user: %s\n        key_file: %s\n"+
		"        trust: {host_key: %q}\n        fetch: {%s, %s}\n", c.port, c.folder, c.login, c.key, c.pin, never(), fetch)
}

// never is YAML of a time to fetch that does not come while a test runs: only its own polls do.
func never() string {
	return "at: '" + time.Now().UTC().Add(12*time.Hour).Format("15:04") + "', zone: UTC"
}

// put lays a file into the customer's folder as a careful customer would: whole, by a rename.
func (c *customer) put(t testing.TB, name string, content []byte) {
	t.Helper()
	temp := filepath.Join(filepath.Dir(c.folder), "temp")
	if err := errors.Join(os.WriteFile(temp, content, 0o644), os.Rename(temp, filepath.Join(c.folder, name))); err != nil {
		t.Fatal(err)
	}
}

// there are the names in the customer's folder.
func (c *customer) there(t testing.TB) string {
	t.Helper()
	entries, err := os.ReadDir(c.folder)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

// polled is what `sealgate poll --json` says of a look.
type polled struct {
	State, Step, Trouble string
	Result               struct{ Listed, Waiting, Taken, Refused, Left, Failed, Delivered, Undelivered int }
}

func (g *gateway) poll(t testing.TB) (p polled) {
	t.Helper()
	out, talk, code := g.command("", "poll", "kund", "--json", "-c", g.config)
	if err := json.Unmarshal([]byte(out), &p); err != nil {
		t.Fatalf("poll: exit %d: %v\n%s%s", code, err, out, talk)
	}
	return p
}

// TestPoll: a file is taken when two looks agree, once, and only then removed there.
func TestPoll(t *testing.T) {
	c := newCustomer(t)
	g := newGateway(t, options{accounts: acme + c.remote("match: '*.xml', after: delete")})
	good, bad := pain001(t, 300_000), wrongTotals(t, 20_000)
	c.put(t, "Löner november.xml", good)
	c.put(t, "wrong.xml", bad)
	c.put(t, "empty.xml", nil)
	c.put(t, "notes.txt", []byte("not asked for"))
	c.put(t, ".hidden.xml", good)
	c.put(t, "under way.xml.part", good[:1000])
	if p := g.poll(t); p.Result.Waiting != 3 || p.Result.Taken != 0 {
		t.Errorf("the first look: %+v", p)
	}
	save(t, c.folder, "growing.xml", good[:1000])
	if p := g.poll(t); p.Result.Taken != 1 || p.Result.Refused != 2 || p.Result.Waiting != 1 {
		t.Errorf("the second look: %+v", p)
	}
	g.taken(t, "Löner november.xml", sum(good))
	save(t, c.folder, "growing.xml", good[:2000])
	if p := g.poll(t); p.Result.Taken+p.Result.Refused != 0 || p.Result.Waiting != 1 {
		t.Errorf("the third look, at a file that grows: %+v", p)
	}
	if out, talk, code := g.command("", "remotes", "-c", g.config); code != 0 || !strings.Contains(out, "2 files there are refused; see sealgate files --verdict rejected") {
		t.Errorf("remotes: exit %d\n%s%s", code, out, talk)
	}
	if got, want := c.there(t), ".hidden.xml empty.xml growing.xml notes.txt under way.xml.part wrong.xml"; got != want {
		t.Errorf("there lie %q, want %q", got, want)
	}
	if rows := with(g.files("--door", "remote:kund"), "rejected", "wrong.xml", "empty.xml"); len(rows) != 2 {
		t.Errorf("%d refused files", len(rows))
	}

	// What was refused is not fetched again, until it is another file. The same content again is a duplicate.
	c.put(t, "wrong.xml", pain001(t, 25_000)) // longer: within a second its time may be the same
	c.put(t, "again.xml", good)
	g.poll(t)
	if p := g.poll(t); p.Result.Taken != 1 || p.Result.Refused != 1 {
		t.Errorf("after a correction: %+v", p)
	}
	if rows := with(g.files(), "rejected", "again.xml"); len(rows) != 1 || rows[0].Reasons[0].Code != "duplicate-content" {
		t.Errorf("%+v", rows)
	}

	// A server that comes back from a backup brings the file back, as old as it was: it is removed again and not taken.
	info := time.Unix(1_700_000_000, 0)
	restored := pain001(t, 5000)
	for range 3 {
		c.put(t, "restored.xml", restored)
		if err := os.Chtimes(filepath.Join(c.folder, "restored.xml"), info, info); err != nil {
			t.Fatal(err)
		}
		g.poll(t)
		g.poll(t)
	}
	g.taken(t, "restored.xml", sum(restored))
	if strings.Contains(c.there(t), "restored") {
		t.Error("it is still there")
	}
	g.tidy(t)
}

// TestPollAfter: keep fetches a file once, and again only if it changed; rename moves it, never over another; a marker
// makes a file ready at once, and goes with it; folders are looked into.
func TestPollAfter(t *testing.T) {
	t.Run("keep", func(t *testing.T) {
		c := newCustomer(t)
		g := newGateway(t, options{accounts: acme + c.remote("ready: renamed, after: keep")})
		first, second := pain001(t, 2000), pain001(t, 3000)
		c.put(t, "a.xml", first)
		for range 3 {
			g.poll(t)
		}
		g.taken(t, "a.xml", sum(first))
		c.put(t, "a.xml", second)
		for range 3 {
			g.poll(t)
		}
		g.taken(t, "a.xml", sum(first), sum(second))
		g.stop()
		g.start()
		g.poll(t)
		g.taken(t, "a.xml", sum(first), sum(second))
	})
	t.Run("rename, marker, folders", func(t *testing.T) {
		c := newCustomer(t)
		fetched := filepath.Join(filepath.Dir(c.folder), "fetched", "ours")
		g := newGateway(t, options{accounts: acme + c.remote("match: '*.xml', folders: yes, ready: '*.done', after: 'rename:"+fetched+"'")})
		first, second, waits := pain001(t, 2000), pain001(t, 3000), pain001(t, 4000)
		if err := os.MkdirAll(filepath.Join(c.folder, "deep", "er"), 0o755); err != nil {
			t.Fatal(err)
		}
		for name, content := range map[string][]byte{"a.xml": first, "deep/er/a.xml": second, "waits.xml": waits} {
			c.put(t, name, content)
			c.put(t, name+".done", nil)
		}
		if err := os.Remove(filepath.Join(c.folder, "waits.xml.done")); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			g.poll(t)
		}
		g.taken(t, "a.xml", sum(first), sum(second))
		g.taken(t, "waits.xml")
		moved, err := os.ReadDir(fetched)
		if err != nil || len(moved) != 2 || moved[0].Name() != "a.xml" || !strings.HasPrefix(moved[1].Name(), "a.xml.") {
			t.Errorf("moved: %v, %v", moved, err)
		}
		if got := c.there(t); got != "deep waits.xml" {
			t.Errorf("there lie %s", got)
		}
	})
}

// TestDeliver: a receipt of each file, and what is sent, arrive whole, under their names, once; nothing there is overwritten.
func TestDeliver(t *testing.T) {
	c := newCustomer(t)
	in := filepath.Join(filepath.Dir(c.folder), "in")
	if err := os.Mkdir(in, 0o755); err != nil {
		t.Fatal(err)
	}
	g := newGateway(t, options{accounts: acme + c.remote("ready: renamed, after: delete") + "        send: {path: " + in + "}\n"})
	good := pain001(t, 3000)
	c.put(t, "pay.xml", good)
	c.put(t, "bad.xml", wrongTotals(t, 2000))
	statement := bytes.Repeat([]byte("a statement of account\n"), 100_000)
	save(t, g.dir, "statement.txt", statement)
	save(t, in, "statement.txt", []byte("was there before"))
	g.must("send", "acme", filepath.Join(g.dir, "statement.txt"), "-c", g.config)
	g.poll(t)
	arrived := func() map[string][]byte {
		files := map[string][]byte{}
		entries, err := os.ReadDir(in)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if files[e.Name()], err = os.ReadFile(filepath.Join(in, e.Name())); err != nil {
				t.Fatal(err)
			}
		}
		return files
	}
	eventually(t, "everything has arrived", func() bool { return len(arrived()) == 4 })
	files := arrived()
	if !bytes.Equal(files["statement-2.txt"], statement) || string(files["statement.txt"]) != "was there before" {
		t.Error("the statement is not there, or has overwritten another")
	}
	for name, content := range files {
		if strings.HasSuffix(name, ".json") && !bytes.Contains(content, []byte(`"verdict"`)) {
			t.Errorf("%s: %s", name, content)
		}
	}
	// Nothing arrives twice, and what was delivered is no longer in the outbox.
	g.poll(t)
	if len(arrived()) != 4 {
		t.Errorf("there are %d files", len(arrived()))
	}
	s := g.door().sit(t)
	if entries, err := s.ReadDir("/outbox"); err != nil || len(entries) != 0 {
		t.Errorf("the outbox holds %v, %v", entries, err)
	}
}

// TestOutbox: what an operator sends, the customer fetches over SFTP; removing it says that it was fetched.
func TestOutbox(t *testing.T) {
	g := newGateway(t, options{})
	first, second := bytes.Repeat([]byte("0123456789"), 100_000), []byte("short")
	save(t, g.dir, "list.csv", first)
	g.must("send", "acme", filepath.Join(g.dir, "list.csv"), "-c", g.config)
	save(t, g.dir, "list.csv", second)
	g.must("send", "acme", filepath.Join(g.dir, "list.csv"), "-c", g.config)
	read := func(s *session, name string) []byte {
		f, err := s.Open("/outbox/" + name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		b, err := io.ReadAll(f)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	s := g.door().sit(t)
	if !bytes.Equal(read(s, "list.csv"), first) || !bytes.Equal(read(s, "list-2.csv"), second) {
		t.Error("the files differ from what was sent")
	}
	if err := s.Remove("/outbox/list.csv"); err != nil {
		t.Fatal(err)
	}
	// Whoever says twice that it was fetched takes nothing else away: the second keeps its name.
	if err := s.Remove("/outbox/list.csv"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("removed again: %v", err)
	}
	g.stop()
	g.start()
	s = g.door().sit(t)
	if entries, err := s.ReadDir("/outbox"); err != nil || len(entries) != 1 || entries[0].Name() != "list-2.csv" || !bytes.Equal(read(s, "list-2.csv"), second) {
		t.Errorf("%v, %v", entries, err)
	}
	for _, name := range []string{"x-2.csv", "x.csv", "x.csv"} {
		if out := g.must("send", "acme", save(t, g.dir, name, []byte("third")), "-c", g.config); !strings.Contains(out, "/outbox") {
			t.Error(out)
		}
	}
	for _, name := range []string{"x-2.csv", "x.csv", "x-3.csv"} {
		if got := read(s, name); string(got) != "third" {
			t.Errorf("%s: %s", name, got)
		}
	}
	if _, talk, code := g.command("", "send", "acme", g.config+".none", "-c", g.config); code != 2 || !strings.Contains(talk, "no such file") {
		t.Errorf("exit %d: %s", code, talk)
	}
	g.tidy(t)
}

// TestSendCut: of a send that dies half-way nothing is ever shown, however the daemon hears of it.
func TestSendCut(t *testing.T) {
	g := newGateway(t, options{})
	pipe := filepath.Join(g.dir, "statement.txt")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		cmd := exec.Command(g.bin, "send", "acme", pipe, "-c", g.config)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(pipe, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		// A pipe holds 64 KiB: when all is written, most of it was read, and is at the daemon.
		if _, err := f.Write(bytes.Repeat([]byte("0123456789"), 60_000)); err != nil {
			t.Fatal(err)
		}
		cmd.Process.Kill()
		cmd.Wait()
		f.Close()
	}
	g.stop() // it ends what it is doing
	g.start()
	if entries, err := g.door().sit(t).ReadDir("/outbox"); err != nil || len(entries) != 0 {
		t.Errorf("the outbox holds %v, %v", entries, err)
	}
	if _, talk, code := g.command("", "send", "acme", g.dir, "-c", g.config); code != 2 || !strings.Contains(talk, "is a directory") {
		t.Errorf("a folder: exit %d: %s", code, talk)
	}
	g.tidy(t)
}

// TestReceiptsOfPushedFiles: receipts of files that were pushed, and of what was decided about a held one, are delivered to
// the customer's own server at once, though nothing is fetched from it.
func TestReceiptsOfPushedFiles(t *testing.T) {
	c := newCustomer(t)
	yaml := strings.Replace(acme, "duplicate-content: reject", "duplicate-content: hold", 1) + c.remote("at: '00:00', after: keep")
	yaml = yaml[:strings.Index(yaml, "        fetch:")] + "        send: {path: " + c.folder + "}\n"
	g := newGateway(t, options{accounts: yaml})
	s := g.door().sit(t)
	content := pain001(t, 3000)
	if err := s.push("pay.xml", content); err != nil {
		t.Fatal(err)
	}
	if err := s.push("again.xml", content); err != nil {
		t.Fatal(err)
	}
	arrived := func(n int) {
		t.Helper()
		eventually(t, fmt.Sprint(n, " receipts have arrived"), func() bool {
			return strings.Count(c.there(t)+" ", ".json ") == n && !strings.Contains(c.there(t), ".part")
		})
	}
	arrived(2)
	held := with(g.files(), "held", "again.xml")
	if len(held) != 1 {
		t.Fatalf("%d files are held", len(held))
	}
	g.must("release", held[0].ID, "--reason", "it is meant", "-c", g.config)
	arrived(3)
	if !strings.Contains(c.there(t), ".released.json") {
		t.Error(c.there(t))
	}
}
