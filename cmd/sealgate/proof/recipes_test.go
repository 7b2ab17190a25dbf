package proof

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestCtrlC interrupts OpenSSH's sftp in mid-upload, which sends a clean CLOSE, and goes on with reput in the same
// session: accepted once, with the right hash.
func TestCtrlC(t *testing.T) {
	need(t, "sftp", python)
	g := newGateway(t, options{})
	d := newDesk(t, g.door())
	content := pain001(t, 3_000_000)
	d.save("big.xml", content)
	// sftp minds SIGINT only at a terminal, so it gets one. Python's pty module is the shortest way to it.
	argv := append([]string{"sftp", "-l", "8000", "-P", d.port}, d.sshOptions()...)
	o := d.sh("", append([]string{python, testdata("interrupt.py"), "big.xml", "ctrlc.xml"}, append(argv, d.user+"@"+d.host)...)...)
	if o.code != 0 {
		t.Fatalf("exit %d\n%s", o.code, o.text)
	}
	g.taken(t, "ctrlc.xml", sum(content))
	var incomplete int
	for _, r := range with(g.files(), "rejected", "ctrlc.xml") {
		if r.Reasons[0].Code != "incomplete" || r.Size >= int64(len(content)) {
			t.Errorf("refused %+v", r)
		}
		incomplete++
	}
	if incomplete != 1 {
		t.Errorf("%d refusals as incomplete, want 1\n%s", incomplete, o.text)
	}
}

// TestLftp runs lftp's own ways: temp files, mirror twice, and put -c of a finished file.
func TestLftp(t *testing.T) {
	need(t, "lftp")
	g := newGateway(t, options{})
	d := newDesk(t, g.door())
	one, two := pain001(t, 80_000), pain001(t, 90_000)
	d.save("x.xml", one)
	for i, content := range [][]byte{one, two} { // the second time onto a shown name
		d.save("x.xml", content)
		if o := d.lftpRun("set xfer:use-temp-file yes; cd /inbox; put x.xml"); o.code != 0 {
			t.Errorf("use-temp-file, round %d: exit %d\n%s", i+1, o.code, o.text)
		}
	}
	g.taken(t, "x.xml", sum(one), sum(two))

	tree := filepath.Join(d.dir, "tree")
	os.Mkdir(tree, 0o755)
	var sums []string
	for i := range 3 {
		content := pain001(t, 20_000)
		save(t, tree, fmt.Sprintf("m%d.xml", i), content)
		sums = append(sums, sum(content))
	}
	for i := range 2 {
		if o := d.lftpRun("mirror -R tree /inbox"); o.code != 0 {
			t.Errorf("mirror %d: exit %d\n%s", i+1, o.code, o.text)
		}
	}
	for i, s := range sums {
		g.taken(t, fmt.Sprintf("m%d.xml", i), s)
	}
	if o := d.lftpRun("put -c tree/m1.xml -o /inbox/m1.xml"); o.code != 0 {
		t.Errorf("put -c of a finished file: exit %d\n%s", o.code, o.text)
	}
	g.taken(t, "m1.xml", sums[1])
	if r := with(g.files(), "rejected"); len(r) != 0 {
		t.Errorf("refused on the way: %+v", r)
	}
}

// TestRclone copies and syncs twice with rclone's defaults (three tries, times set): each file is taken once.
func TestRclone(t *testing.T) {
	need(t, "rclone")
	g := newGateway(t, options{})
	d := newDesk(t, g.door())
	tree := filepath.Join(d.dir, "tree")
	os.Mkdir(tree, 0o755)
	var sums []string
	for i := range 3 {
		content := pain001(t, 20_000)
		save(t, tree, fmt.Sprintf("r%d.xml", i), content)
		sums = append(sums, sum(content))
	}
	for i := range 2 {
		if o := d.rcloneRun("sync", "tree", ":sftp:/inbox"); o.code != 0 {
			t.Errorf("sync %d: exit %d\n%s", i+1, o.code, o.text)
		}
		if o := d.rcloneRun("copyto", "tree/r0.xml", ":sftp:/inbox/copy.xml"); i == 0 && o.code == 0 {
			t.Errorf("the same content under another name was taken\n%s", o.text)
		}
	}
	for i, s := range sums {
		g.taken(t, fmt.Sprintf("r%d.xml", i), s)
	}
}

// TestPartialByHand is what rclone since 1.63 does: one connection writes NAME.XXXXXXXX.partial, sets its time, looks;
// another renames it and looks again.
func TestPartialByHand(t *testing.T) {
	g := newGateway(t, options{})
	a, b := g.door().sit(t), g.door().sit(t)
	content := pain001(t, 200_000)
	temp, name := "/inbox/a.xml.4c21a7d9.partial", "/inbox/a.xml"
	if err := a.push(filepath.Base(temp), content); err != nil {
		t.Fatal(err)
	}
	when := time.Unix(1_600_000_000, 0)
	if err := a.Chtimes(temp, when, when); err != nil {
		t.Errorf("set-time: %v", err)
	}
	same := func(s *session, p string) {
		t.Helper()
		st, err := s.Stat(p)
		if err != nil {
			t.Fatalf("stat %s: %v", p, err)
		}
		if st.Size() != int64(len(content)) || !st.ModTime().Equal(when) {
			t.Errorf("%s is shown with %d bytes of %v, want %d of %v", p, st.Size(), st.ModTime(), len(content), when)
		}
	}
	same(a, temp)
	g.taken(t, "a.xml")
	if err := b.PosixRename(temp, name); err != nil {
		t.Fatal(err)
	}
	same(b, name)
	same(a, name)
	if _, err := a.Stat(temp); err == nil {
		t.Error("the partial name is still shown after its rename")
	}
	g.taken(t, "a.xml", sum(content))
}

// TestParamikoRaises: paramiko's put swallows a failed CLOSE, and only its look at the size afterwards tells. So a
// refused name must vanish, even when an older accepted file had it; an incomplete one must not look whole.
func TestParamikoRaises(t *testing.T) {
	need(t, python)
	g := newGateway(t, options{})
	d := newDesk(t, g.door())
	put := func(content []byte, op string) outcome {
		t.Helper()
		return d.sh("", python, testdata("paramiko_put.py"), op, d.save("p.xml", content), "/inbox/p.xml")
	}
	good := pain001(t, 50_000)
	if o := put(good, "put"); o.code != 0 {
		t.Fatalf("exit %d\n%s", o.code, o.text)
	}
	if o := put(spoilTotals(t, good), "put"); o.code == 0 {
		t.Errorf("a refused file of the same size as an accepted one raised nothing\n%s", o.text)
	}
	if _, err := g.door().sit(t).Stat("/inbox/p.xml"); err == nil {
		t.Error("after a refusal the name still answers STAT")
	}
	half := pain001(t, 120_000)
	if o := put(half[:60_000], "put"); o.code == 0 {
		t.Errorf("an incomplete file, sent whole as it was, raised nothing\n%s", o.text)
	}
	g.taken(t, "p.xml", sum(good))
	bad2 := wrongTotals(t, 50_000)
	put(bad2, "put-blind") // swallowed by paramiko; the receipt is what tells
	g.taken(t, "p.xml", sum(good))
}

// TestBlindResumes: asyncssh's 'ab' starts at offset 0 again in each write, phpseclib's RESUME without $local_start
// sends the whole file again. Neither may end in an accepted file.
func TestBlindResumes(t *testing.T) {
	g := newGateway(t, options{})
	cut := func(t *testing.T, name string, content []byte) {
		t.Helper()
		err := newCutter(t, g.door(), 1_000_000).sit(t).push(name, content)
		if err == nil || refused(err) {
			t.Fatalf("the cut upload ended with %v", err)
		}
		g.parked(t, name)
	}
	t.Run("asyncssh append", func(t *testing.T) {
		need(t, python)
		d := newDesk(t, g.door())
		content := pain001(t, 3<<20)
		cut(t, "ab.xml", content)
		o := d.sh("", python, testdata("asyncssh_put.py"), "append", d.save("ab.xml", content), "/inbox/ab.xml")
		if o.code == 0 {
			t.Errorf("exit 0\n%s", o.text)
		}
		g.taken(t, "ab.xml")
	})
	t.Run("phpseclib", func(t *testing.T) {
		need(t, "php")
		d := newDesk(t, g.door())
		content := pain001(t, 3<<20)
		cut(t, "blind.xml", content)
		o := d.sh("", "php", testdata("seclib_put.php"), "resume-blind", d.save("blind.xml", content), "/inbox/blind.xml")
		if o.code == 0 {
			t.Errorf("exit 0\n%s", o.text)
		}
		g.taken(t, "blind.xml")
	})
}

// TestStreamAppend: ssh2-sftp-client's append() of a stream begins at offset 0 or where it should, as the answers happen
// to come. It ends in the right bytes or in a refusal, never in others.
func TestStreamAppend(t *testing.T) {
	need(t, "node")
	g := newGateway(t, options{})
	d := newDesk(t, g.door())
	content := pain001(t, 3<<20)
	if err := newCutter(t, g.door(), 1_000_000).sit(t).push("stream.xml", content); err == nil || refused(err) {
		t.Fatalf("the cut upload ended with %v", err)
	}
	g.parked(t, "stream.xml")
	o := d.sh("", "node", testdata("ssh2_put.js"), "resume-stream", d.save("s.xml", content), "/inbox/stream.xml")
	if o.code == 0 {
		g.taken(t, "stream.xml", sum(content))
	} else {
		g.taken(t, "stream.xml")
	}
}

// TestMkdir puts a folder with OpenSSH's put -R, whose folders exist in the view only.
func TestMkdir(t *testing.T) {
	need(t, "sftp")
	g := newGateway(t, options{})
	d := newDesk(t, g.door())
	os.MkdirAll(filepath.Join(d.dir, "out", "sub"), 0o755)
	one, two := pain001(t, 10_000), pain001(t, 10_000)
	save(t, filepath.Join(d.dir, "out"), "one.xml", one)
	save(t, filepath.Join(d.dir, "out", "sub"), "two.xml", two)
	o := d.sh("put -R out /inbox/\nls -l /inbox\n", append(append([]string{"sftp", "-q", "-b", "-", "-P", d.port}, d.sshOptions()...),
		d.user+"@"+d.host)...)
	if o.code != 0 {
		t.Errorf("exit %d\n%s", o.code, o.text)
	}
	var got []string
	for _, r := range with(g.files(), "accepted") {
		got = append(got, r.SHA256)
	}
	if len(got) != 2 || !strings.Contains(strings.Join(got, " "), sum(one)) || !strings.Contains(strings.Join(got, " "), sum(two)) {
		t.Errorf("accepted %v, want %s and %s", got, sum(one), sum(two))
	}
}

// TestView is the rules of CLIENTS.md section 4 that no client above leans on alone.
func TestView(t *testing.T) {
	g := newGateway(t, options{})
	s := g.door().sit(t)
	content := pain001(t, 50_000)
	if err := s.push("v.xml", content); err != nil {
		t.Fatal(err)
	}
	denied := func(what string, err error, sentence string) {
		t.Helper()
		if err == nil || !regexp.MustCompile(sentence).MatchString(err.Error()) {
			t.Errorf("%s: %v, want %q", what, err, sentence)
		}
	}
	_, err := s.Open("/inbox/v.xml")
	denied("reading an accepted file", err, `(?i)permission`)
	_, err = s.OpenFile("/inbox/v.xml", os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	if err == nil {
		t.Error("C+X on a shown name went through")
	}
	if f, err := s.OpenFile("/inbox/v.xml", os.O_WRONLY); err == nil {
		_, err = f.WriteAt([]byte("x"), int64(len(content)))
		if cerr := f.Close(); err == nil && cerr == nil {
			t.Error("an accepted file was written on")
		}
	}
	if err := s.RemoveDirectory("/inbox/v.xml"); err == nil {
		t.Error("RMDIR of a file went through")
	}
	if _, err := s.ReadLink("/inbox/v.xml"); err == nil {
		t.Error("READLINK went through")
	}
	if err := s.Symlink("/etc/passwd", "/inbox/link"); err == nil {
		t.Error("SYMLINK went through")
	}
	if err := s.Link("/inbox/v.xml", "/inbox/hard"); err == nil {
		t.Error("a hard link went through")
	}
	if err := s.Rename("/inbox/v.xml", "/inbox/w.xml"); err != nil {
		t.Errorf("rename of an accepted file: %v", err)
	}
	g.taken(t, "w.xml", sum(content))
	if err := s.Remove("/inbox/w.xml"); err != nil {
		t.Errorf("remove of an accepted file: %v", err)
	}
	if _, err := s.Stat("/inbox/w.xml"); err == nil {
		t.Error("a removed entry is still shown")
	}
	g.taken(t, "w.xml", sum(content))
	receipts, err := s.ReadDir("/receipts")
	if err != nil || len(receipts) == 0 {
		t.Fatalf("receipts: %d, %v", len(receipts), err)
	}
	f, err := s.Open("/receipts/" + receipts[0].Name())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	text := new(strings.Builder)
	if _, err := f.WriteTo(text); err != nil || !strings.Contains(text.String(), sum(content)) {
		t.Errorf("receipt: %v\n%s", err, text)
	}
	if err := s.Remove("/receipts/" + receipts[0].Name()); err == nil {
		t.Error("a receipt could be removed")
	}
}
