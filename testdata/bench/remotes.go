package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// remotes measures the poller: what it fetches from a customer's server, against that server's usual client, which only
// stores.
func (b *bench) remotes() error {
	fmt.Println("\n## Remotes: fetched, inspected, indexed, sealed and durable; the clients only store (disk)")
	place := b.places[0].dir
	sshd, err := b.newSSHD(place)
	if err != nil {
		return err
	}
	defer sshd.stop()
	over := []customer{sshd.customer()}
	if ftp, err := b.newVsftpd(place); err != nil {
		fmt.Println("NOT RUN, FTPS:", err)
	} else {
		defer ftp.end()
		over = append(over, ftp.customer)
	}
	for _, c := range over {
		if err := b.fetchLarge(place, c); err != nil {
			return fmt.Errorf("%s: %w", c.how, err)
		}
	}
	for _, c := range over {
		if err := b.fetchSmall(place, c); err != nil {
			return fmt.Errorf("%s: %w", c.how, err)
		}
	}
	return nil
}

// customer is a customer's server, as the gateway and as its usual client see it.
type customer struct {
	how    string // sftp, ftpes
	folder string // on our disk
	remote string // YAML of the remote, without its name, indented by eight
	client string
	get    func(pattern, into string) error
}

func (s *server) customer() customer {
	return customer{"sftp (sshd)", s.inbox, s.yaml(s.inbox), "sftp get", func(pattern, into string) error {
		return s.sftp(strings.NewReader("lcd " + into + "\ncd " + s.inbox + "\nget " + pattern + "\n"))
	}}
}

// yaml is the remote of an sshd.
func (s *server) yaml(folder string) string {
	pin, err := exec.Command("ssh-keygen", "-l", "-f", filepath.Join(s.home, "host.pub")).Output()
	if err != nil {
		return "" // the gateway will refuse it
	}
	return fmt.Sprintf("        url: sftp://%s%s\n        user: %s\n        key_file: %s\n        trust: {host_key: %q}\n",
		s.addr, folder, s.user, s.key, strings.Fields(string(pin))[1])
}

// vsftpd is a running one; its data connections must resume TLS sessions, as it demands by default.
type vsftpd struct {
	*server
	customer
}

// end kills it; its sessions have gone by themselves.
func (v *vsftpd) end() { syscall.Kill(-v.cmd.Process.Pid, syscall.SIGKILL); v.cmd.Wait() }

func (b *bench) newVsftpd(place string) (*vsftpd, error) {
	binary := filepath.Join(os.Getenv("HOME"), ".cache/sealgate-peers/ftpd/usr/sbin/vsftpd")
	if cache := os.Getenv("SEALGATE_PEERS"); cache != "" {
		binary = filepath.Join(cache, "ftpd/usr/sbin/vsftpd")
	}
	if _, err := os.Stat(binary); err != nil || os.Getuid() != 0 {
		return nil, fmt.Errorf("vsftpd (.ci/peers unpacks it), started by root")
	}
	if _, err := exec.LookPath("lftp"); err != nil {
		return nil, err
	}
	home, err := os.MkdirTemp(place, "vsftpd")
	if err != nil {
		return nil, err
	}
	addr, err := freePort()
	if err != nil {
		return nil, err
	}
	out, cert, key := filepath.Join(home, "root", "out"), filepath.Join(home, "cert.pem"), filepath.Join(home, "key.pem")
	for dir, mode := range map[string]os.FileMode{filepath.Join(home, "empty"): 0o755, out: 0o777} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
		if err := os.Chmod(dir, mode); err != nil {
			return nil, err
		}
	}
	for _, dir := range []string{home, place} { // the server's own user goes through them
		if err := os.Chmod(dir, 0o755); err != nil {
			return nil, err
		}
	}
	err = run(home, "", "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
		"-subj", "/CN=customer", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert)
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(addr)
	conf := filepath.Join(home, "conf")
	err = os.WriteFile(conf, []byte(strings.Join([]string{
		"listen=YES", "listen_address=127.0.0.1", "listen_port=" + port, "background=NO", "seccomp_sandbox=NO", "anonymous_enable=YES",
		"local_enable=NO", "write_enable=YES", "anon_upload_enable=YES", "anon_other_write_enable=YES", "anon_world_readable_only=NO",
		"anon_root=" + filepath.Dir(out), "ftp_username=daemon", "secure_chroot_dir=" + filepath.Join(home, "empty"), "ssl_enable=YES",
		"allow_anon_ssl=YES", "force_anon_logins_ssl=YES", "force_anon_data_ssl=YES", "require_ssl_reuse=YES", "ssl_ciphers=HIGH",
		"rsa_cert_file=" + cert, "rsa_private_key_file=" + key, "",
	}, "\n")), 0o600)
	if err != nil {
		return nil, err
	}
	password := filepath.Join(home, "password")
	if err := os.WriteFile(password, []byte("guest\n"), 0o600); err != nil {
		return nil, err
	}
	v := &vsftpd{server: &server{name: "vsftpd", addr: addr, cmd: exec.CommandContext(b.ctx, binary, conf)}}
	v.customer = customer{"ftpes (vsftpd)", out, fmt.Sprintf("        url: ftpes://%s/out\n        user: anonymous\n        password_file: %s\n"+
		"        trust: {ca: %s}\n", addr, password, cert), "lftp get", func(pattern, into string) error {
		return run(into, "", "lftp", "-c", "set ssl:ca-file "+cert+"; set ftp:ssl-force true; set ftp:ssl-protect-data true; set net:max-retries 1; "+
			"open -u anonymous,guest ftp://"+addr+"; mget out/"+pattern)
	}}
	return v, v.start()
}

// fetching makes a gateway with a customer as its remote "kund". It fetches when it is told to; after: delete, keep.
func (b *bench) fetching(place string, c customer, after string) (*server, error) {
	return b.newSealgateWith(place, "    remotes:\n      - name: kund\n"+c.remote+"        fetch: {at: '"+
		time.Now().UTC().Add(12*time.Hour).Format("15:04")+"', zone: UTC, ready: renamed, after: "+after+"}\n")
}

// poll lets the gateway look now, and tells how many files it took.
func (b *bench) poll(s *server) (taken int, took time.Duration, err error) {
	cmd := exec.CommandContext(b.ctx, b.sealgate, "poll", "kund", "--json")
	cmd.Dir = s.cmd.Dir
	start := time.Now()
	out, err := cmd.Output()
	took = time.Since(start)
	var said struct {
		Trouble string
		Result  struct{ Taken int }
	}
	if bad := json.Unmarshal(out, &said); bad != nil || said.Trouble != "" {
		return 0, took, fmt.Errorf("poll: %v: %s", err, out)
	}
	return said.Result.Taken, took, nil
}

// fetchLarge: one large file, by the gateway and by the client in turn. Neither removes it: for a server that is work as well.
func (b *bench) fetchLarge(place string, c customer) error {
	g, err := b.fetching(place, c, "keep")
	if err != nil {
		return err
	}
	defer g.stop()
	var ours, theirs, flushed, oursCPU, theirsCPU []float64
	var size int64
	for run := range min(b.runs, 3) {
		file, n, err := b.large(9000+run, b.payments)
		if err != nil {
			return err
		}
		size = n
		target := filepath.Join(c.folder, "large.xml")
		if err := os.Rename(file, target); err != nil {
			return err
		}
		os.Chmod(target, 0o644)
		into, err := os.MkdirTemp(b.work, "get")
		if err != nil {
			return err
		}
		before, start := childCPU(), time.Now()
		if err := c.get("large.xml", into); err != nil {
			return err
		}
		theirsCPU = append(theirsCPU, (childCPU()-before)/(float64(n)/(1<<30)))
		theirs = append(theirs, float64(n)/1e6/time.Since(start).Seconds())
		if err := flush(filepath.Join(into, "large.xml")); err != nil {
			return err
		}
		flushed = append(flushed, float64(n)/1e6/time.Since(start).Seconds())
		os.RemoveAll(into)
		before = g.cpu()
		taken, took, err := b.poll(g)
		oursCPU = append(oursCPU, (g.cpu()-before)/(float64(n)/(1<<30)))
		if err != nil || taken != 1 {
			return fmt.Errorf("%d files were taken: %w", taken, err)
		}
		ours = append(ours, float64(n)/1e6/took.Seconds())
		if err := os.Remove(target); err != nil {
			return err
		}
		if err := b.empty(g); err != nil {
			return err
		}
	}
	fmt.Printf("%s, one file of %d MiB: fetch %s MB/s, %s %s MB/s: %.2f x; flushed as ours is %s MB/s: %.2f x; CPU %s and %s s/GiB\n", c.how, size>>20,
		span(ours, "%.0f"), c.client, span(theirs, "%.0f"), median(ours)/median(theirs), span(flushed, "%.0f"), median(ours)/median(flushed),
		span(oursCPU, "%.2f"), span(theirsCPU, "%.2f"))
	return nil
}

// flush makes a file durable.
func flush(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// childCPU is the processor time of the commands that have ended, in seconds.
func childCPU() float64 { return rusage(syscall.RUSAGE_CHILDREN) }

// rusage is the processor time of this process, or of its children that have ended, in seconds.
func rusage(whose int) float64 {
	var u syscall.Rusage
	syscall.Getrusage(whose, &u)
	return float64(u.Utime.Sec+u.Stime.Sec) + float64(u.Utime.Usec+u.Stime.Usec)/1e6
}

// fetchSmall: many files of 4 KiB, each inspected, durable and then removed there, one by one; the client only gets them.
func (b *bench) fetchSmall(place string, c customer) error {
	const files = 1000
	g, err := b.fetching(place, c, "delete")
	if err != nil {
		return err
	}
	defer g.stop()
	for i := range files {
		name := filepath.Join(c.folder, fmt.Sprintf("s%04d.xml", i))
		if err := os.WriteFile(name, tiny(fmt.Sprintf("R%d-%d", i, time.Now().UnixNano())), 0o644); err != nil {
			return err
		}
	}
	into, err := os.MkdirTemp(b.work, "get")
	if err != nil {
		return err
	}
	defer os.RemoveAll(into)
	start := time.Now()
	if err := c.get("s*.xml", into); err != nil {
		return err
	}
	theirs := files / time.Since(start).Seconds()
	taken, took, err := b.poll(g)
	if err != nil || taken != files {
		return fmt.Errorf("%d files were taken: %w", taken, err)
	}
	fmt.Printf("%s, %d files of 4 KiB: fetch and remove %.0f/s, %s alone %.0f/s: %.2f x\n", c.how, files, files/took.Seconds(), c.client, theirs,
		files/took.Seconds()/theirs)
	return nil
}

// idleRemotes: many customers who are looked at every minute and have nothing.
func (b *bench) idleRemotes() error {
	const remotes, warm, measured = 500, 30 * time.Second, 60 * time.Second
	fmt.Println("\n## Remotes that have nothing")
	place := b.places[0].dir
	sshd, err := b.newSSHD(place)
	if err != nil {
		return err
	}
	defer sshd.stop()
	var yaml strings.Builder
	yaml.WriteString("    remotes:\n")
	lines := sshd.yaml("/FOLDER")
	for i := range remotes {
		folder := filepath.Join(sshd.inbox, fmt.Sprintf("r%03d", i))
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
		fmt.Fprintf(&yaml, "      - name: r%03d\n%s        fetch: {every: 1m, after: delete}\n", i, strings.Replace(lines, "/FOLDER", folder, 1))
	}
	empty, err := b.newSealgate(place)
	if err != nil {
		return err
	}
	before := empty.status("VmRSS")
	empty.stop()
	g, err := b.newSealgateWith(place, yaml.String())
	if err != nil {
		return err
	}
	defer g.stop()
	time.Sleep(warm) // every one has been looked at by then
	cpu, rss := g.cpu(), int64(0)
	start := time.Now()
	least := g.status("VmRSS")
	for time.Since(start) < measured {
		time.Sleep(time.Second)
		rss = max(rss, g.status("VmRSS"))
		least = min(least, g.status("VmRSS"))
	}
	share := (g.cpu() - cpu) / time.Since(start).Seconds() * 100
	out, err := exec.Command(b.sealgate, "remotes", "--json", "-c", filepath.Join(g.cmd.Dir, "sealgate.yaml")).Output()
	if up := strings.Count(string(out), `"state":"up"`) + strings.Count(string(out), `"state": "up"`); err != nil || up != remotes {
		return fmt.Errorf("%d of %d remotes are up: %v", up, remotes, err)
	}
	fmt.Printf("%d remotes (sftp), each looked at every minute: %.1f %% of one core, %.1f KiB resident for each (%d -> %d MiB, at most %d)\n",
		remotes, share, float64(least-before)/1024/remotes, before>>20, least>>20, rss>>20)
	return nil
}
