package transport

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/config"
)

// realPeers are the servers, each in the ways that it can be spoken to. pure-ftpd is not among those with implicit TLS: it
// has none (its -Y option is about AUTH TLS alone).
var realPeers = []struct {
	name string
	open func(t testing.TB) *peer
	tls  []uint16
}{
	{"vsftpd explicit", func(t testing.TB) *peer { return newVsftpd(t, config.SchemeFTPES) }, []uint16{tls.VersionTLS12, tls.VersionTLS13}},
	{"vsftpd implicit", func(t testing.TB) *peer { return newVsftpd(t, config.SchemeFTPS) }, []uint16{tls.VersionTLS12, tls.VersionTLS13}},
	{"proftpd explicit", func(t testing.TB) *peer { return newProftpd(t, config.SchemeFTPES) }, []uint16{tls.VersionTLS12, tls.VersionTLS13}},
	{"proftpd implicit", func(t testing.TB) *peer { return newProftpd(t, config.SchemeFTPS) }, []uint16{tls.VersionTLS12, tls.VersionTLS13}},
	{"pure-ftpd explicit", func(t testing.TB) *peer { return newPureFTPd(t, config.SchemeFTPES) }, []uint16{tls.VersionTLS12, tls.VersionTLS13}},
	{"pyftpdlib explicit", func(t testing.TB) *peer { return newPyftpd(t, config.SchemeFTPES) }, []uint16{tls.VersionTLS12, tls.VersionTLS13}},
	{"pyftpdlib implicit", func(t testing.TB) *peer { return newPyftpd(t, config.SchemeFTPS) }, []uint16{tls.VersionTLS12, tls.VersionTLS13}},
	{"openssh", func(t testing.TB) *peer { return newOpenSSH(t) }, []uint16{0}},
	{"dropbear", func(t testing.TB) *peer { return newDropbear(t) }, []uint16{0}},
	{"proftpd sftp", func(t testing.TB) *peer { return newProftpd(t, config.SchemeSFTP) }, []uint16{0}},
}

// TestRemoteServers does with each server everything that the poller and the delivery do.
func TestRemoteServers(t *testing.T) {
	for _, server := range realPeers {
		t.Run(server.name, func(t *testing.T) {
			p := server.open(t)
			for _, version := range server.tls {
				name := "ssh"
				if version != 0 {
					name = tls.VersionName(version)
				}
				t.Run(name, func(t *testing.T) {
					t.Run("fetch", func(t *testing.T) { fetchFrom(t, p, version) })
					t.Run("names", func(t *testing.T) { namesOf(t, p, p.dial(t, version)) })
					t.Run("move", func(t *testing.T) { moveAt(t, p, p.dial(t, version)) })
					t.Run("store", func(t *testing.T) { storeAt(t, p, p.dial(t, version)) })
				})
			}
			t.Run("many", func(t *testing.T) { manyAt(t, p, p.dial(t, 0)) })
		})
	}
}

func noise(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(n)}).Read(b)
	return b
}

// seed puts a file into the server's folder, behind its back.
func (p *peer) seed(t testing.TB, name string, content []byte, at time.Time) {
	t.Helper()
	path := filepath.Join(p.dir, name)
	fine(t, os.WriteFile(path, content, 0o666))
	fine(t, os.Chmod(path, 0o666))
	fine(t, os.Chtimes(path, at, at))
}

func fetched(t testing.TB, r Remote, path string, offset int64) []byte {
	t.Helper()
	var b bytes.Buffer
	fine(t, r.Read(t.Context(), path, offset, func(p []byte) error { b.Write(p); return nil }))
	return b.Bytes()
}

func fetchFrom(t *testing.T, p *peer, version uint16) {
	r := p.dial(t, version)
	ctx := t.Context()
	at := time.Date(2026, 11, 20, 7, 8, 9, 0, time.UTC)
	content := noise(3<<20 + 17)
	p.seed(t, "pain.xml", content, at)
	p.seed(t, "empty.xml", nil, at)
	f, err := r.Stat(ctx, "pain.xml")
	if err != nil || f.Name != "pain.xml" || f.Size != int64(len(content)) || !f.Time.Equal(at) || !f.Exact || f.Folder || f.Special {
		t.Errorf("Stat = %+v, %v", f, err)
	}
	if got := fetched(t, r, "pain.xml", 0); sha256.Sum256(got) != sha256.Sum256(content) {
		t.Errorf("%d bytes, and not those of the file", len(got))
	}
	for _, offset := range []int{1, 32768, 1<<20 + 1, len(content) - 1, len(content)} {
		if got := fetched(t, r, "pain.xml", int64(offset)); !bytes.Equal(got, content[offset:]) {
			t.Errorf("from %d: %d bytes, and not those of the file", offset, len(got))
		}
	}
	if got := fetched(t, r, "empty.xml", 0); len(got) != 0 {
		t.Errorf("%d bytes of nothing", len(got))
	}
	if f, err := r.Stat(ctx, "empty.xml"); err != nil || f.Size != 0 {
		t.Errorf("Stat of an empty file: %+v, %v", f, err)
	}
	// The caller ends it early; the session goes on, or says that it is over.
	enough, pieces := errors.New("enough"), 0
	if err := r.Read(ctx, "pain.xml", 0, func([]byte) error { pieces++; return enough }); err != enough || pieces != 1 {
		t.Errorf("a caller who has enough gets %v after %d pieces", err, pieces)
	}
	if _, err := r.Stat(ctx, "pain.xml"); err != nil && p.mayEnd {
		r = p.dial(t, version) // it never answered
	}
	// One that was broken off on its way goes on where it was, in this session or the next.
	var got bytes.Buffer
	err = r.Read(ctx, "pain.xml", 0, func(p []byte) error {
		if got.Len() > 1<<20 {
			return enough
		}
		got.Write(p)
		return nil
	})
	if err != enough {
		t.Errorf("broken off: %v", err)
	}
	if _, err := r.Stat(ctx, "pain.xml"); err != nil && p.mayEnd {
		r = p.dial(t, version)
	}
	got.Write(fetched(t, r, "pain.xml", int64(got.Len())))
	if !bytes.Equal(got.Bytes(), content) {
		t.Errorf("after that: %d bytes, and not those of the file", got.Len())
	}
	if _, err := r.Stat(ctx, "none.xml"); !errors.Is(err, ErrGone) {
		t.Errorf("Stat of nothing: %v", err)
	}
	var remote *RemoteError
	if err := r.Read(ctx, "none.xml", 0, func([]byte) error { t.Error("bytes of nothing"); return nil }); !errors.Is(err, ErrGone) || !errors.As(err, &remote) || remote.Step != stepFetch {
		t.Errorf("Read of nothing: %v", err)
	}
	if err := r.Remove(ctx, "none.xml"); !errors.Is(err, ErrGone) {
		t.Errorf("Remove of nothing: %v", err)
	}
	if files, err := r.List(ctx, "none"); !errors.As(err, &remote) || remote.Step != stepList {
		t.Errorf("List of nothing: %v, %v", files, err)
	}
	fine(t, r.Remove(ctx, "pain.xml"))
	if _, err := os.Stat(filepath.Join(p.dir, "pain.xml")); !os.IsNotExist(err) {
		t.Errorf("removed, and still there: %v", err)
	}
	fine(t, r.Remove(ctx, "empty.xml"))
}

func namesOf(t *testing.T, p *peer, r Remote) {
	ctx := t.Context()
	names := []string{"two words.xml", "  leading", "löner.xml", "給与.xml", "-rf", "[x]*.xml", "it's \"it\".xml", "a;b=c; d.xml", "100%n.xml", "~.xml", ".hidden"}
	if !p.utf8Only {
		names = append(names, "l\xf6ner.xml", "\xe5\xe4\xf6 2.xml")
	}
	at := time.Now().UTC().AddDate(0, 0, -2).Truncate(time.Minute) // of a file that is older than half a year vsftpd lists the day alone
	folder := "names of\u00e5r"
	fine(t, os.MkdirAll(filepath.Join(p.dir, folder), 0o777))
	fine(t, os.Chmod(filepath.Join(p.dir, folder), 0o777))
	for _, name := range names {
		p.seed(t, folder+"/"+name, []byte(name), at)
	}
	fine(t, os.Mkdir(filepath.Join(p.dir, folder, "below"), 0o777))
	fine(t, os.Chmod(filepath.Join(p.dir, folder, "below"), 0o777)) // whatever the umask is
	defer os.RemoveAll(filepath.Join(p.dir, folder))
	fine(t, os.Symlink("pain.xml", filepath.Join(p.dir, folder, "link")))
	files, err := r.List(ctx, folder)
	fine(t, err)
	got := map[string]RemoteFile{}
	for _, f := range files {
		got[f.Name] = f
	}
	if below := got["below"]; !below.Folder || below.Hostile {
		t.Errorf("a folder: %+v", below)
	}
	if link, ok := got["link"]; ok && !link.Special { // pyftpdlib and proftpd follow or hide a link to nothing
		t.Errorf("a link: %+v", link)
	}
	for _, name := range names {
		f, ok := got[name]
		if !ok && name == ".hidden" && !strings.HasPrefix(p.scheme, "s") {
			continue // some FTP servers do not list it
		}
		if !ok || f.Hostile || f.Folder || f.Special || f.Size != int64(len(name)) || !f.Time.Equal(at) {
			t.Errorf("%q: %+v", name, f)
			continue
		}
		if s, err := r.Stat(ctx, folder+"/"+name); err != nil || s.Size != int64(len(name)) || !s.Time.Equal(at) || s.Name != name {
			t.Errorf("Stat %q: %+v, %v", name, s, err)
		}
		if text := fetched(t, r, folder+"/"+name, 0); string(text) != name {
			t.Errorf("%q: read %q", name, text)
		}
		fine(t, r.Rename(ctx, folder+"/"+name, folder+"/below/"+name))
		if _, err := os.Stat(filepath.Join(p.dir, folder, "below", name)); err != nil {
			t.Errorf("%q renamed: %v", name, err)
		}
		fine(t, r.Remove(ctx, folder+"/below/"+name))
	}
	if !t.Failed() && len(files) > len(names)+2 {
		t.Errorf("more than there is: %+v", files)
	}
	fine(t, os.RemoveAll(filepath.Join(p.dir, folder)))
}

// twinsAt: a server that died in a rename leaves two names of one file; but two files can look the same, too.
func twinsAt(t *testing.T, p *peer, r Remote) {
	ctx, at := t.Context(), time.Now().Truncate(time.Second).Add(-time.Minute)
	here := func(name string) string { return filepath.Join(p.dir, name) }
	for _, name := range []string{"mine.xml", "like.xml", "later.xml"} {
		fine(t, r.Store(ctx, name, strings.NewReader("text")))
		fine(t, os.Chtimes(here(name), at, at))
	}
	fine(t, os.Chtimes(here("later.xml"), at, at.Add(time.Second)))
	fine(t, os.Link(here("mine.xml"), here("twin.xml")))
	_, tells := r.(*sftpRemote)
	for other, want := range map[string]bool{"twin.xml": tells, "like.xml": false, "later.xml": false, "done": false} {
		if twin, err := r.Twin(ctx, "mine.xml", other); err != nil || twin != want {
			t.Errorf("mine.xml and %s are one: %v, %v", other, twin, err)
		}
	}
	if info, err := os.Stat(here("mine.xml")); err != nil || !info.ModTime().Equal(at) {
		t.Errorf("mine.xml changed at %v, not at %v: %v", info.ModTime(), at, err)
	}
	if _, err := r.Twin(ctx, "mine.xml", "none.xml"); tells && !errors.Is(err, ErrGone) {
		t.Errorf("a twin that is not there: %v", err)
	}
	for _, name := range []string{"mine.xml", "like.xml", "later.xml", "twin.xml"} {
		fine(t, r.Remove(ctx, name))
	}
}

func moveAt(t *testing.T, p *peer, r Remote) {
	ctx := t.Context()
	p.seed(t, "new.xml", []byte("new"), time.Now())
	p.seed(t, "old.xml", []byte("old"), time.Now())
	if err := r.Rename(ctx, "new.xml", "old.xml"); !errors.Is(err, ErrExists) {
		t.Errorf("a rename over a file: %v", err)
	}
	if text, _ := os.ReadFile(filepath.Join(p.dir, "old.xml")); string(text) != "old" {
		t.Errorf("overwritten with %q", text)
	}
	for range 2 {
		fine(t, r.MakeFolder(ctx, "done/2026 år"))
	}
	fine(t, r.Rename(ctx, "new.xml", "done/2026 år/new.xml"))
	if text := fetched(t, r, "done/2026 år/new.xml", 0); string(text) != "new" {
		t.Errorf("moved, it reads %q", text)
	}
	if f, err := r.Stat(ctx, "done"); err != nil || !f.Folder {
		t.Errorf("Stat of a folder: %+v, %v", f, err)
	}
	twinsAt(t, p, r)
	var remote *RemoteError
	if err := r.Rename(ctx, "old.xml", "none/x"); !errors.As(err, &remote) || remote.Step != stepRename || errors.Is(err, ErrGone) {
		t.Errorf("a rename to nowhere: %v", err)
	}
	if err := r.Rename(ctx, "none.xml", "done/x"); !errors.Is(err, ErrGone) || !errors.As(err, &remote) || remote.Step != stepRename {
		t.Errorf("a rename of nothing: %v", err)
	}
	if err := r.MakeFolder(ctx, "old.xml"); err == nil {
		t.Error("a folder was made where a file is")
	}
	if err := r.Remove(ctx, "done"); err == nil {
		t.Error("a folder was removed")
	}
	for _, bad := range []string{"../x", "a\nDELE old.xml", "a/../../b"} {
		if err := r.Remove(ctx, bad); !errors.Is(err, errPath) {
			t.Errorf("Remove(%q) = %v", bad, err)
		}
	}
	fine(t, os.RemoveAll(filepath.Join(p.dir, "done")))
	fine(t, r.Remove(ctx, "old.xml"))
}

func storeAt(t *testing.T, p *peer, r Remote) {
	ctx := t.Context()
	for i, size := range []int{0, 1, 100, 65536, 1 << 20, 5<<20 + 3} {
		content := noise(size)
		times := 1
		if size == 1<<20 {
			times = 20
		}
		for n := range times {
			name := fmt.Sprintf("out %d-%d.tmp", i, n)
			fine(t, r.Store(ctx, name, io.MultiReader(bytes.NewReader(content)))) // a plain reader
			got, err := os.ReadFile(filepath.Join(p.dir, name))
			if err != nil || !bytes.Equal(got, content) {
				t.Fatalf("%s: stored %d of %d bytes: %v", name, len(got), size, err)
			}
			fine(t, r.Remove(ctx, name))
		}
	}
	// A longer file left from before, under the temporary name.
	p.seed(t, "left.tmp", noise(1000), time.Now())
	fine(t, r.Store(ctx, "left.tmp", strings.NewReader("short")))
	if got, _ := os.ReadFile(filepath.Join(p.dir, "left.tmp")); string(got) != "short" {
		t.Errorf("stored over another: %q", got)
	}
	broken := errors.New("our disk broke")
	err := r.Store(ctx, "broken.tmp", io.MultiReader(bytes.NewReader(noise(300_000)), failing{broken}))
	if err != broken {
		t.Errorf("a source that fails: %v", err)
	}
	fine(t, r.Store(ctx, "after.tmp", strings.NewReader("after")))
	var remote *RemoteError
	if err := r.Store(ctx, "none/x.tmp", strings.NewReader("x")); !errors.As(err, &remote) || remote.Step != stepSend {
		t.Errorf("Store into nothing: %v", err)
	}
	fine(t, r.Remove(ctx, "after.tmp"))
	fine(t, r.Remove(ctx, "left.tmp"))
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func manyAt(t *testing.T, p *peer, r Remote) {
	const many = 10_000
	folder := filepath.Join(p.dir, "many")
	fine(t, os.Mkdir(folder, 0o777))
	var want []string
	for i := range many {
		name := fmt.Sprintf("payment file %05d.xml", i)
		want = append(want, name)
		fine(t, os.WriteFile(filepath.Join(folder, name), nil, 0o644))
	}
	files, err := r.List(t.Context(), "many")
	fine(t, err)
	var got []string
	for _, f := range files {
		got = append(got, f.Name)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%d files of %d", len(got), many)
	}
}
