package proof

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// killPoint is a moment of a delivery at which the gateway dies: when the customer's folder shows something, or at the entry of
// the first of its own syscalls of a kind. They stand in the order in which one delivery can die at all of them: what the
// steps of transport/deliver.go have left behind at one is what the next life goes on with.
type killPoint struct {
	name  string
	seen  uint32 // of inotify, of the temporary file, or of another if final
	final bool
	call  string // of strace
}

var killPoints = []killPoint{
	{name: "store: the temporary file appears", seen: unix.IN_CREATE},
	{name: "store: it is written", seen: unix.IN_MODIFY},
	{name: "store: it is whole", seen: unix.IN_CLOSE_WRITE},
	{name: "placing: the note is written", call: "pwrite64"},
	{name: "placing: the note is made durable", call: "fsync,fdatasync"},
	{name: "rename: the file has its name", seen: unix.IN_CREATE | unix.IN_MOVED_TO, final: true},
	{name: "sent: the note is written", call: "pwrite64"},
	{name: "sent: the note is made durable", call: "fsync,fdatasync"},
}

// delivery is a gateway that delivers to a customer's folder and dies at it.
type delivery struct {
	*gateway
	in   string
	sent []string // sha-256 of what was sent, and of what lay there before
	died []int    // by kill point
}

// TestDeliverKilledAtEveryStep kills the gateway at every step of a delivery. Each file arrives once and whole, under a name of
// its own; what lay there is not touched, no temporary file stays. The product has no hooks for it.
func TestDeliverKilledAtEveryStep(t *testing.T) {
	for _, server := range []struct {
		name string
		make func(t *testing.T) (yaml, in string)
	}{
		{"openssh", func(t *testing.T) (string, string) {
			c := newCustomer(t)
			in := filepath.Join(filepath.Dir(c.folder), "in")
			if err := os.Mkdir(in, 0o755); err != nil {
				t.Fatal(err)
			}
			return c.remote("after: keep") + "        send: {path: " + in + ", receipts: no}\n", in
		}},
		{"vsftpd", func(t *testing.T) (string, string) {
			s := newVsftpd(t)
			return s.at("127.0.0.1:"+s.port, "after: keep"), s.in
		}},
		{"proftpd", func(t *testing.T) (string, string) {
			s := newProftpd(t)
			return s.at("127.0.0.1:"+s.port, "after: keep"), s.in
		}},
	} {
		t.Run(server.name, func(t *testing.T) {
			yaml, in := server.make(t)
			d := &delivery{gateway: newGateway(t, options{accounts: acme + yaml}), in: in, died: make([]int, len(killPoints))}
			was := []byte("it was there before")
			save(t, in, "sent-0.bin", was)
			d.sent = append(d.sent, sum(was))
			d.dieEverywhere(t)
			if b, err := os.ReadFile(filepath.Join(in, "sent-0.bin")); err != nil || !bytes.Equal(b, was) {
				t.Errorf("what lay there is %d bytes now, %v", len(b), err)
			}
			if entries, err := d.door().sit(t).ReadDir("/outbox"); err != nil || len(entries) != 0 {
				t.Errorf("the outbox holds %v, %v", entries, err)
			}
			d.tidy(t)
		})
	}
}

// dieEverywhere sends files, and dies at every point of each one's way, until every point has had its share.
func (d *delivery) dieEverywhere(t *testing.T) {
	t.Helper()
	share, all := 1, len(killPoints)
	if os.Getenv("CI") == "true" {
		share, all = 8, 100
	}
	total := func() (n int) {
		for _, k := range d.died {
			n += k
		}
		return n
	}
	for round := 0; slices.Min(d.died) < share || total() < all; round++ {
		if round == 5*share+10 {
			t.Fatalf("%d deliveries were killed only at %v", round, d.died)
		}
		content := make([]byte, 300_000+round)
		rand.Read(content)
		d.sent = append(d.sent, sum(content))
		d.must("send", "acme", save(t, d.dir, fmt.Sprintf("sent-%d.bin", round%2), content), "-c", d.config)
		for i, point := range killPoints {
			died, there := d.dieAt(t, point)
			if there {
				d.died[i]++
			}
			if died {
				d.arrived(t, false)
				d.start()
			}
			if t.Failed() {
				t.Fatalf("%s; killed before at %v", point.name, d.died)
			}
		}
		if p := d.poll(t); p.Trouble != "" {
			t.Errorf("after all: %+v", p)
		}
		d.arrived(t, true)
	}
	for i, point := range killPoints {
		t.Logf("%3d times at %s", d.died[i], point.name)
	}
	t.Logf("%3d kills of %d files", total(), len(d.sent)-1)
}

var queueFile = regexp.MustCompile(`/index\.db-wal>`)

// dieAt lets the gateway deliver and kills it at a point, if it comes there. It may die too late: there says that its look
// had not ended.
func (d *delivery) dieAt(t *testing.T, point killPoint) (died, there bool) {
	t.Helper()
	var x *tracer
	ended := d.alive
	if point.call != "" {
		x = d.trace(t, "-e", "trace="+point.call, "-e", "inject="+point.call+":signal=KILL:when=1")
	} else {
		ended = d.watch(t, point)
	}
	out, talk, code := d.command("", "poll", "kund", "--json", "-c", d.config)
	if strings.Contains(out, `"trouble"`) {
		t.Fatalf("poll: exit %d: %s%s", code, out, talk)
	}
	if x != nil && code == 0 {
		x.end() // or what it does behind its answer may kill it when it was seen to live
	}
	if died = !ended(); died {
		<-d.exited
	}
	if x == nil {
		return died, died && code != 0
	}
	lines := x.detach(t)
	return died, died && code != 0 && slices.ContainsFunc(lines, queueFile.MatchString)
}

// watch kills the gateway as soon as the point is seen in the customer's folder. What it gives ends that, and says whether
// the gateway lives.
func (d *delivery) watch(t *testing.T, point killPoint) (end func() bool) {
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	events := os.NewFile(uintptr(fd), "inotify")
	if _, err := unix.InotifyAddWatch(fd, d.in, point.seen); err != nil {
		t.Fatal(err)
	}
	daemon, lives := d.cmd.Process, make(chan bool, 1)
	go func() {
		b := make([]byte, 64<<10)
		for {
			n, err := events.Read(b)
			if err != nil {
				lives <- true
				return
			}
			for e := b[:n]; len(e) >= unix.SizeofInotifyEvent; {
				long := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(e[12:]))
				if temp := bytes.HasPrefix(e[unix.SizeofInotifyEvent:long], []byte(".sealgate-")); temp != point.final {
					daemon.Kill()
					lives <- false
					return
				}
				e = e[long:]
			}
		}
	}()
	return func() bool { events.Close(); return <-lives }
}

// arrived looks at what lies there: whole files only, each once, and, when all is delivered, all of them and nothing else.
func (d *delivery) arrived(t *testing.T, all bool) {
	t.Helper()
	entries, err := os.ReadDir(d.in)
	if err != nil {
		t.Fatal(err)
	}
	left := slices.Clone(d.sent)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".sealgate-") {
			if all {
				t.Errorf("left behind: %s", e.Name())
			}
			continue
		}
		content, err := os.ReadFile(filepath.Join(d.in, e.Name()))
		at := slices.Index(left, sum(content))
		if err != nil || at < 0 {
			t.Fatalf("%s (%d bytes) was not sent so, or has arrived before: %v", e.Name(), len(content), err)
		}
		left = slices.Delete(left, at, at+1)
	}
	if all && len(left) != 0 {
		t.Errorf("%d files have not arrived", len(left))
	}
}
