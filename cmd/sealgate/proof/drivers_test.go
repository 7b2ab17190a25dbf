package proof

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// step is one thing that a person does with a client: op is put, modes (keep times and modes), rename (temp name, then
// posix-rename or what the client has), rename3 (v3 RENAME), resume. remote and temp are paths on the server.
type step struct{ op, local, remote, temp string }

// client is one of the SFTP clients that customers have, with what CLIENTS.md measured of it.
type client struct {
	name string
	ops  string // the steps it knows
	// needs are the programs and files without which it cannot run.
	needs []string
	run   func(d *desk, s step) outcome
	// What the person sees when a CLOSE, a WRITE or a rename is refused: the exit status (-1 is any but 0) and whether
	// the sentence is shown.
	closing, writing, renaming seen
}

type seen struct {
	code     int
	sentence bool
}

const (
	python = "/usr/bin/python3" // Debian's, which has Debian's modules
	jsch   = "/usr/share/java/jsch.jar"
)

func (d *desk) sshOptions() []string {
	return []string{"-i", d.key, "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
		"-o", "LogLevel=ERROR", "-o", "BatchMode=yes", "-F", "none"}
}

// batch is a step as commands of OpenSSH's sftp (and nearly those of psftp).
func batch(s step) string {
	switch s.op {
	case "modes":
		return "put -p " + s.local + " " + s.remote + "\n"
	case "fsync":
		return "put -f " + s.local + " " + s.remote + "\n"
	case "rename":
		return "put " + s.local + " " + s.temp + "\nrename " + s.temp + " " + s.remote + "\n"
	case "rename3":
		return "put " + s.local + " " + s.temp + "\nrename -l " + s.temp + " " + s.remote + "\n"
	case "resume":
		return "reput " + s.local + " " + s.remote + "\n"
	}
	return "put " + s.local + " " + s.remote + "\n"
}

func (d *desk) sftpBatch(s step) outcome {
	return d.sh(batch(s), append(append([]string{"sftp", "-q", "-b", "-", "-P", d.port}, d.sshOptions()...), d.user+"@"+d.host)...)
}

func (d *desk) sftpTyped(s step) outcome {
	return d.sh(batch(s), append(append([]string{"sftp", "-q", "-P", d.port}, d.sshOptions()...), d.user+"@"+d.host)...)
}

func (d *desk) scp(s step) outcome {
	argv := append([]string{"scp", "-q", "-s", "-P", d.port}, d.sshOptions()...)
	if s.op == "modes" {
		argv = append(argv, "-p")
	}
	return d.sh("", append(argv, s.local, d.user+"@"+d.host+":"+s.remote)...)
}

func (d *desk) dropbear(s step) outcome {
	key := filepath.Join(d.dir, "dropbear.key")
	if _, err := os.Stat(key); err != nil {
		d.sh("", "dropbearconvert", "openssh", "dropbear", d.key, key)
	}
	return d.sh(batch(s), "sftp", "-b", "-", "-D", "dbclient -y -y -T -i "+key+" -p "+d.port+" -s "+d.user+"@"+d.host+" sftp")
}

func (d *desk) lftpRun(commands string) outcome {
	ssh := "ssh -a -x " + strings.Join(d.sshOptions(), " ")
	return d.sh("", "lftp", "--norc", "-e", "set cmd:fail-exit yes; set net:max-retries 3; set net:reconnect-interval-base 1; "+
		"set sftp:auto-confirm yes; set sftp:connect-program '"+ssh+"'; open -p "+d.port+" -u "+d.user+", sftp://"+d.host+"; "+
		commands+"; bye")
}

func (d *desk) lftp(s step) outcome {
	switch s.op {
	case "rename3":
		return d.lftpRun("put " + s.local + " -o " + s.temp + "; mv " + s.temp + " " + s.remote)
	case "resume":
		return d.lftpRun("put -c " + s.local + " -o " + s.remote)
	}
	return d.lftpRun("put " + s.local + " -o " + s.remote)
}

// putty is the options that psftp and pscp share.
func (d *desk) putty(more ...string) []string {
	argv := []string{"-batch", "-P", d.port, "-l", d.user, "-pw", d.pass}
	for _, f := range d.fingerprints() {
		argv = append(argv, "-hostkey", f)
	}
	return append(argv, more...)
}

func (d *desk) psftp(s step) outcome {
	lines := map[string]string{
		"rename3": "put " + s.local + " " + s.temp + "\nmv " + s.temp + " " + s.remote + "\n",
		"resume":  "reput " + s.local + " " + s.remote + "\n",
		"put":     "put " + s.local + " " + s.remote + "\n",
	}[s.op]
	return d.sh("", append([]string{"psftp"}, d.putty("-b", d.save("psftp.batch", []byte(lines)), d.host)...)...)
}

func (d *desk) pscp(s step) outcome {
	argv := append([]string{"pscp", "-sftp", "-q"}, d.putty()...)
	if s.op == "modes" {
		argv = append(argv, "-p")
	}
	return d.sh("", append(argv, s.local, d.host+":"+s.remote)...)
}

func (d *desk) curl(s step) outcome {
	argv := []string{"curl", "-sS", "--insecure", "-u", d.user + ":" + d.pass, "-T", s.local}
	base := "sftp://" + d.addr()
	switch s.op {
	case "rename3":
		return d.sh("", append(argv, "-Q", "-rename "+s.temp+" "+s.remote, base+s.temp)...)
	case "resume":
		argv = append(argv, "-C", "-")
	}
	return d.sh("", append(argv, base+s.remote)...)
}

// script runs one of testdata's programs, which all take OP LOCAL REMOTE TEMP.
func script(argv ...string) func(*desk, step) outcome {
	return func(d *desk, s step) outcome {
		return d.sh("", append(append([]string{}, argv...), s.op, s.local, s.remote, s.temp)...)
	}
}

func testdata(name string) string {
	p, err := filepath.Abs(filepath.Join("testdata", name))
	if err != nil {
		panic(err)
	}
	return p
}

// made compiles the clients that are libraries of C and Java, once.
var made = sync.OnceValue(func() string {
	dir, err := os.MkdirTemp("", "sealgate-proof-clients")
	if err != nil {
		return err.Error()
	}
	// A compiler that is missing shows as a client that is missing: clients name what they need.
	exec.Command("gcc", "-O1", "-o", filepath.Join(dir, "libssh_put"), testdata("libssh_put.c"), "-lssh").Run()
	exec.Command("javac", "-cp", jsch, "-d", dir, testdata("JschPut.java")).Run()
	return dir
})

func (d *desk) libssh(s step) outcome { return script(filepath.Join(made(), "libssh_put"))(d, s) }

func (d *desk) jsch(s step) outcome {
	return script("java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", jsch+":"+made(), "JschPut")(d, s)
}

func (d *desk) rcloneRun(args ...string) outcome {
	hidden, err := exec.Command("rclone", "obscure", d.pass).Output()
	if err != nil {
		d.t.Fatal(err)
	}
	return d.sh("", append([]string{"rclone", "--sftp-host", d.host, "--sftp-port", d.port, "--sftp-user", d.user,
		"--sftp-pass", strings.TrimSpace(string(hidden))}, args...)...)
}

func (d *desk) rclone(s step) outcome {
	if s.op == "rename" {
		if o := d.rcloneRun("copyto", s.local, ":sftp:"+s.temp); o.code != 0 {
			return o
		}
		return d.rcloneRun("moveto", ":sftp:"+s.temp, ":sftp:"+s.remote)
	}
	return d.rcloneRun("copyto", s.local, ":sftp:"+s.remote)
}

// sshfs mounts /inbox, does the step with the tools of a shell, and takes the mount away again.
func (d *desk) sshfs(s step) outcome {
	mnt := filepath.Join(d.dir, "mnt")
	os.MkdirAll(mnt, 0o700)
	remote, temp := mnt+"/"+filepath.Base(s.remote), mnt+"/"+filepath.Base(s.temp)
	do := map[string]string{
		"put":    "cp " + s.local + " " + remote,
		"modes":  "cp -p " + s.local + " " + remote,
		"rename": "cp " + s.local + " " + temp + " && mv " + temp + " " + remote,
		"resume": "tail -c +$(($(stat -c %s " + remote + ")+1)) " + s.local + " >> " + remote,
	}[s.op]
	return d.sh("", "bash", "-c", "sshfs -f -p "+d.port+" -o IdentityFile="+d.key+",IdentitiesOnly=yes,StrictHostKeyChecking=no,"+
		"UserKnownHostsFile=/dev/null,LogLevel=ERROR "+d.user+"@"+d.host+":/inbox "+mnt+" & fs=$!\n"+
		"until mountpoint -q "+mnt+"; do kill -0 $fs || exit 99; done\n"+
		do+"\nrc=$?\nfusermount3 -u "+mnt+" || fusermount3 -uz "+mnt+"\nwait $fs\nexit $rc")
}

// needs skips the test if what the client needs is not on this machine.
func (c client) check(t testing.TB) {
	t.Helper()
	for _, n := range c.needs {
		if strings.HasPrefix(n, "built:") {
			n = filepath.Join(made(), strings.TrimPrefix(n, "built:"))
		}
		if strings.HasPrefix(n, "/") {
			if _, err := os.Stat(n); err != nil {
				if n == "/dev/fuse" {
					t.Skip("NOT RUN: this kernel (or container) has no /dev/fuse, so sshfs cannot mount")
				}
				missing(t, n)
			}
			continue
		}
		need(t, n)
	}
}
