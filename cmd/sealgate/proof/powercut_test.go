package proof

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// cuts is how many power cuts each file system takes; PROOF_CUTS sets another number.
func cuts() int {
	if n, err := strconv.Atoi(os.Getenv("PROOF_CUTS")); err == nil {
		return n
	}
	if testing.Short() || os.Getenv("CI") != "true" {
		return 5
	}
	return 50
}

// TestPowerCut puts the data on a file system of its own and cuts its power: the file system is shut down without
// writing anything back (as `xfs_io -x -c shutdown` does), the daemon is killed, the file system mounted again. What
// was acknowledged must be there; OpenSSH's sshd loses 300 of 300 files in this test.
func TestPowerCut(t *testing.T) {
	need(t, "mkfs.xfs", "mkfs.ext4", "xfs_io", "sftp")
	if os.Getuid() != 0 {
		missing(t, "root, to mount file systems")
	}
	for _, kind := range []string{"xfs", "ext4"} {
		t.Run(kind, func(t *testing.T) {
			v := newVolume(t, kind)
			g := prepare(t, options{dataDir: filepath.Join(v.mnt, "data")})
			t.Cleanup(g.stop)
			b := newBook()
			run := &outage{g: g, b: b, die: func() {
				g.freeze(t) // nobody hears of the errors of a machine without power
				v.cut()
				g.kill()
				v.mount()
			}}
			run.lives(t, cuts())
			g.stop()
			g.start()
			b.audit(t, g)
			run.reopen(t)
			t.Logf("%d power cuts; acknowledged %d, unknown %d", cuts(), b.count(acknowledged), b.count(unknown))
		})
	}
}

// freeze stops every thread of the daemon where it is, or at the end of the syscall that it is in.
func (g *gateway) freeze(t testing.TB) {
	t.Helper()
	g.cmd.Process.Signal(syscall.SIGSTOP)
	eventually(t, "the daemon stands still", func() bool {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", g.cmd.Process.Pid))
		for _, thread := range threads {
			stat, _ := os.ReadFile(thread) // "PID (NAME) STATE ..."
			if _, after, ok := bytes.Cut(stat, []byte(") ")); ok && after[0] != 'T' && after[0] != 'D' {
				return false
			}
		}
		return err == nil && len(threads) > 0
	})
}

// volume is a file system in an image file.
type volume struct {
	t          *testing.T
	image, mnt string
	mounted    bool
}

func newVolume(t *testing.T, kind string) *volume {
	t.Helper()
	dir := t.TempDir()
	v := &volume{t: t, image: filepath.Join(dir, "image"), mnt: filepath.Join(dir, "mnt")}
	if err := os.Mkdir(v.mnt, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(v.image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(v.image, 1<<30); err != nil {
		t.Fatal(err)
	}
	output(t, "mkfs."+kind, "-q", v.image)
	if out, err := exec.Command("mount", "-o", "loop", v.image, v.mnt).CombinedOutput(); err != nil {
		missing(t, fmt.Sprintf("a loop device for a %s image: %s", kind, out))
	}
	v.mounted = true
	t.Cleanup(func() {
		if v.mounted {
			v.unmount()
		}
	})
	return v
}

// cut is the end of the power: not one dirty page and not the journal's tail reach the image any more.
func (v *volume) cut() { output(v.t, "xfs_io", "-x", "-c", "shutdown", v.mnt) }

func (v *volume) unmount() {
	eventually(v.t, "the volume can be unmounted", func() bool { return unix.Unmount(v.mnt, 0) == nil })
	v.mounted = false
}

// mount is the power coming back: the journal is replayed. On a busy machine the kernel may not have let go of the file
// system that was shut down, and mount gives the same one again, on which every call fails; then it is done anew.
func (v *volume) mount() {
	probe := filepath.Join(v.mnt, "probe")
	eventually(v.t, "the volume is mounted anew", func() bool {
		v.unmount()
		output(v.t, "mount", "-o", "loop", v.image, v.mnt)
		v.mounted = true
		return os.WriteFile(probe, nil, 0o600) == nil && os.Remove(probe) == nil
	})
}
