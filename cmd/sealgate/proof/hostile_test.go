package proof

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const beta = `  - id: beta
    name: Beta AB
    after_indexing: seal
    certificate: ./acme.crt
`

// TestAccountsNeverMeet: two accounts send under the same names; neither sees, reads, renames, removes or resumes
// anything of the other's.
func TestAccountsNeverMeet(t *testing.T) {
	g := newGateway(t, options{accounts: acme + beta}, "acme kund", "acme kollega", "beta bo")
	a, colleague, b := g.door().sit(t), g.door().as("kollega").sit(t), g.door().as("bo").sit(t)
	mine, same := pain001(t, 60_000), pain001(t, 2<<20)
	if err := a.push("secret.xml", mine); err != nil {
		t.Fatal(err)
	}
	f, err := a.Create("/inbox/running.xml")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(same[:1<<20]); err != nil {
		t.Fatal(err)
	}
	names := func(s *session, dir string) (all []string) {
		t.Helper()
		list, err := s.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			all = append(all, e.Name())
		}
		return all
	}
	if got := names(colleague, "/inbox"); !slices.Contains(got, "secret.xml") || !slices.Contains(got, "running.xml") {
		t.Errorf("a colleague of the same account sees %v", got)
	}
	if got := append(names(b, "/inbox"), names(b, "/receipts")...); len(got) != 0 {
		t.Errorf("the other account sees %v", got)
	}
	for _, p := range []string{"/inbox/secret.xml", "/inbox/running.xml", "/acme/inbox/secret.xml", "/../acme/inbox/secret.xml"} {
		if _, err := b.Stat(p); err == nil {
			t.Errorf("the other account can STAT %s", p)
		}
		if err := b.Remove(p); err == nil {
			t.Errorf("the other account can REMOVE %s", p)
		}
		if err := b.Rename(p, "/inbox/stolen.xml"); err == nil {
			t.Errorf("the other account can RENAME %s", p)
		}
	}
	for _, e := range names(a, "/receipts") {
		if _, err := b.Open("/receipts/" + e); err == nil {
			t.Errorf("the other account can read receipt %s", e)
		}
	}
	// The same name and the same content at the other account are a file of its own, and no duplicate.
	if err := b.push("secret.xml", mine); err != nil {
		t.Errorf("the same content at another account: %v", err)
	}
	if err := b.push("running.xml", same); err != nil {
		t.Errorf("the name of a running upload of another account: %v", err)
	}
	if _, err := f.Write(same[1<<20:]); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	for _, account := range []string{"acme", "beta"} {
		rows := with(g.files("--account", account), "accepted")
		if len(rows) != 2 {
			t.Errorf("%s: %d accepted, want 2", account, len(rows))
		}
		for _, r := range rows {
			if r.Account != account {
				t.Errorf("`files --account %s` lists %+v", account, r)
			}
		}
	}
}

// TestOddNames: whatever a client calls its file, it is a name and never a path.
func TestOddNames(t *testing.T) {
	g := newGateway(t, options{})
	s := g.door().sit(t)
	before := outside(t, g)
	taken := 0
	for _, name := range []string{
		"../escape.xml", "../../escape.xml", "/etc/cron.d/escape", "/inbox/../../../tmp/escape.xml", "..", ".", "", "/", "~root/escape",
		"a/b/c.xml", "nul\x00byte.xml", "line\nbreak.xml", "\x1b[31mred.xml", "\u202egnp.xml", "\xff\xfe\xfd.xml", "å ä ö.xml", " ", "-rf", "$(id).xml", "`id`.xml",
		"'; drop table files; --.xml", "%s%n%x.xml", `back\slash.xml`, "CON", "aux.xml", strings.Repeat("n", 255) + ".xml", strings.Repeat("long/", 500) + "x.xml",
		strings.Repeat("x", 60_000), "….xml", "\u2028.xml", "receipts/x.xml", "/receipts/forged.json", "/receipts/../inbox/ok.xml", "/outbox/x.xml", "index.db", "../index.db",
	} {
		p := name
		if !strings.HasPrefix(name, "/") {
			p = "/inbox/" + name
		}
		f, err := s.Create(p)
		if err == nil {
			_, err = f.Write(pain001(t, 2_000))
			err = errors.Join(err, f.Close())
		}
		if err != nil && !refused(err) && !strings.Contains(err.Error(), "sftp") {
			t.Errorf("%.60q ended the session: %v", name, err)
			s = g.door().sit(t)
			continue
		}
		if err == nil {
			taken++
		}
	}
	if after := outside(t, g); !slices.Equal(before, after) {
		t.Errorf("files appeared outside the data directory: %v, before %v", after, before)
	}
	for _, p := range g.tree() {
		for _, odd := range []string{"escape", "cron", "forged", ".xml", "index.db/"} {
			if strings.Contains(p, odd) {
				t.Errorf("in the data directory: %s", p)
			}
		}
	}
	if _, err := os.Stat("/etc/cron.d/escape"); err == nil {
		t.Error("/etc/cron.d/escape was written")
	}
	if got := len(with(g.files(), "accepted")); got != taken {
		t.Errorf("%d files were acknowledged, %d are listed", taken, got)
	}
	// People's tables and logs are clean of control bytes.
	if out := g.must("files", "-c", g.config) + g.log.String(); strings.ContainsAny(out, "\x00\x1b\u202e\u2028") {
		t.Errorf("control characters of a client's name reach the terminal:\n%q", out)
	}
	if err := s.push("fine.xml", pain001(t, 2_000)); err != nil {
		t.Error(err)
	}
}

// outside lists what lies beside the data directory.
func outside(t *testing.T, g *gateway) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{filepath.Join(g.dir, "*"), filepath.Join(filepath.Dir(g.dir), "*escape*"), "/escape*", "/tmp/escape*"} {
		m, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, m...)
	}
	return all
}

// TestFullDisk fills the disk (a small tmpfs) in the middle of an upload: a clear no, nothing half taken, and service
// as before when there is room again.
func TestFullDisk(t *testing.T) {
	if os.Getuid() != 0 {
		missing(t, "root, to mount a tmpfs")
	}
	mnt := t.TempDir()
	if err := unix.Mount("proof", mnt, "tmpfs", 0, "size=48m,mode=0700"); err != nil {
		missing(t, "the right to mount a tmpfs: "+err.Error())
	}
	t.Cleanup(func() {
		if err := unix.Unmount(mnt, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	g := newGateway(t, options{dataDir: filepath.Join(mnt, "data"), top: "disk_floor: 4MiB\n"})
	t.Cleanup(g.stop) // before the unmount
	s := g.door().sit(t)
	first := pain001(t, 500_000)
	if err := s.push("before.xml", first); err != nil {
		t.Fatal(err)
	}
	content := pain001(t, 30<<20)
	f, err := s.Create("/inbox/during.xml")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(content[:4<<20]); err != nil {
		t.Fatal(err)
	}
	ballast := filepath.Join(mnt, "ballast")
	fill(t, ballast)
	_, werr := f.Write(content[4<<20:])
	cerr := f.Close()
	if werr == nil && cerr == nil {
		t.Fatal("an upload that does not fit was acknowledged")
	}
	said := fmt.Sprint(werr, cerr)
	if !strings.Contains(said, "during.xml") || strings.Contains(said, "no space left") || strings.Contains(said, mnt) {
		t.Errorf("the sentence: %s", said)
	}
	if err := s.push("meanwhile.xml", pain001(t, 5_000)); err == nil {
		t.Error("below the disk floor an upload was taken")
	} else if !refused(err) || !strings.Contains(err.Error(), "disk") {
		t.Errorf("below the disk floor: %v", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	after := pain001(t, 500_000)
	eventually(t, "the gateway takes files again", func() bool { return s.push("after.xml", after) == nil })
	g.taken(t, "before.xml", sum(first))
	g.taken(t, "during.xml")
	g.taken(t, "meanwhile.xml")
	g.taken(t, "after.xml", sum(after))
	g.tidy(t)
	g.stop()
	g.start()
	g.taken(t, "after.xml", sum(after))
	g.tidy(t)
}

// TestFullIndex lets small files (they live in the database) fill the disk to its last byte, since the floor is next to
// nothing: each one is acknowledged or refused, and the database is as sound afterwards as before.
func TestFullIndex(t *testing.T) {
	if os.Getuid() != 0 {
		missing(t, "root, to mount a tmpfs")
	}
	mnt := t.TempDir()
	if err := unix.Mount("proof", mnt, "tmpfs", 0, "size=12m,mode=0700"); err != nil {
		missing(t, "the right to mount a tmpfs: "+err.Error())
	}
	t.Cleanup(func() {
		if err := unix.Unmount(mnt, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	g := newGateway(t, options{dataDir: filepath.Join(mnt, "data"), top: "disk_floor: 1KiB\n"})
	t.Cleanup(g.stop) // before the unmount
	s := g.door().sit(t)
	b := newBook()
	send := func(n int) (err error) {
		content := pain001(t, 20_000+n%7*5_000)
		name := fmt.Sprintf("full-%d.xml", n)
		switch err = s.push(name, content); {
		case err == nil:
			b.note(name, sum(content), acknowledged)
		case refused(err):
			b.note(name, sum(content), told)
		default:
			t.Fatalf("file %d ended the session: %v", n, err)
		}
		return err
	}
	n, refusals := 0, 0
	for ; refusals < 30 && n < 3000; n++ {
		if send(n) != nil {
			refusals++
		}
	}
	if refusals == 0 {
		t.Fatalf("%d files went into 12 MiB", n)
	}
	if err := unix.Mount("proof", mnt, "tmpfs", unix.MS_REMOUNT, "size=64m,mode=0700"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the gateway takes files again", func() bool { n++; return send(n) == nil })
	t.Logf("acknowledged %d, refused %d", b.count(acknowledged), b.count(told))
	b.audit(t, g)
	g.kill()
	g.start()
	b.audit(t, g)
}

// fill writes until the disk is full.
func fill(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, size := range []int{1 << 20, 4 << 10} {
		for p := make([]byte, size); err == nil; {
			_, err = f.Write(p)
		}
		if !errors.Is(err, unix.ENOSPC) {
			t.Fatal(err)
		}
		err = nil
	}
}

// TestCutAtEveryByte closes an upload cleanly after each of its bytes, over the wire: never accepted before the end.
func TestCutAtEveryByte(t *testing.T) {
	for name, content := range map[string][]byte{"cut.xml": pain001(t, 100), "cut.txt": bgLB(t, 3)} {
		g := newGateway(t, options{})
		s := g.door().sit(t)
		whole := len(strings.TrimRight(string(content), " \r\n"))
		for n := range whole {
			p := fmt.Sprintf("%d-%s", n, name)
			if err := s.push(p, content[:n]); err == nil {
				t.Errorf("%s cut at byte %d of %d was acknowledged", name, n, whole)
			} else if !refused(err) {
				t.Fatalf("cut at byte %d: %v", n, err)
			}
			s.Remove(path.Join("/inbox", p)) // what is parked is given up
		}
		if rows := with(g.files(), "accepted"); len(rows) != 0 {
			t.Errorf("accepted: %+v", rows)
		}
		if err := s.push(name, content); err != nil {
			t.Errorf("the whole file: %v", err)
		}
		g.taken(t, name, sum(content))
	}
}
