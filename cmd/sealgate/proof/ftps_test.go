package proof

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// ftpServer is a customer's FTPS server, with the folders out, to fetch from, and in, to deliver to.
type ftpServer struct {
	customer        // its folder is out
	in       string // on our disk
	log      string // file with its commands
	passive  []string
	url      string // without host and folder: ftpes
	ca       string
	password string
}

// ftpd finds one of the servers that .ci/peers has unpacked.
func ftpd(t testing.TB, name string) string {
	t.Helper()
	cache := os.Getenv("SEALGATE_PEERS")
	if cache == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			t.Fatal(err)
		}
		cache = filepath.Join(home, ".cache", "sealgate-peers")
	}
	for _, path := range []string{filepath.Join(cache, "ftpd/usr/sbin", name), filepath.Join("/usr/sbin", name)} {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	missing(t, name)
	return ""
}

// newFTP makes what the two servers share: folders, a certificate for every loopback address, ports.
func newFTP(t testing.TB, url string) (s *ftpServer, dir string) {
	t.Helper()
	need(t, "openssl")
	if os.Getuid() != 0 {
		missing(t, "the right to start an FTP server, which only root has")
	}
	dir, err := os.MkdirTemp("", "ftp") // a server's own user goes through it, which t.TempDir does not allow
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s = &ftpServer{url: url, in: filepath.Join(dir, "home", "in"), ca: filepath.Join(dir, "cert.pem"), log: filepath.Join(dir, "log"), password: "Kvist-otter-17"}
	s.folder, s.login, s.port = filepath.Join(dir, "home", "out"), "acme", freePort(t)
	for _, folder := range []string{filepath.Join(dir, "home"), s.folder, s.in} {
		if err := os.Mkdir(folder, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for folder, mode := range map[string]os.FileMode{dir: 0o755, filepath.Join(dir, "home"): 0o755, s.folder: 0o777, s.in: 0o777} {
		if err := os.Chmod(folder, mode); err != nil {
			t.Fatal(err)
		}
	}
	output(t, "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", "/CN=customer",
		"-addext", "subjectAltName=IP:127.0.0.1,IP:127.0.0.2", "-keyout", filepath.Join(dir, "key.pem"), "-out", s.ca)
	save(t, dir, "password", []byte(s.password+"\n"))
	if err := os.Chmod(filepath.Join(dir, "password"), 0o600); err != nil {
		t.Fatal(err)
	}
	return s, dir
}

// run starts the server and waits for its port.
func (s *ftpServer) run(t testing.TB, argv ...string) {
	t.Helper()
	var said bytes.Buffer
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.pid = cmd.Process.Pid
	t.Cleanup(func() {
		killChildren(s.pid)
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			text, _ := os.ReadFile(s.log)
			t.Logf("%s: %s\n%s", argv[0], &said, text[max(0, len(text)-4000):])
		}
	})
	eventually(t, argv[0]+" listens", func() bool {
		conn, err := net.DialTimeout("tcp", "127.0.0.1:"+s.port, time.Second)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

// newVsftpd has vsftpd's defaults for TLS: a data connection must resume the session of the control connection.
func newVsftpd(t testing.TB) *ftpServer {
	binary := ftpd(t, "vsftpd")
	s, dir := newFTP(t, "ftpes")
	s.login = "anonymous" // its other logins are the machine's
	first, _ := strconv.Atoi(freePort(t))
	for i := range 4 {
		s.passive = append(s.passive, strconv.Itoa(min(first, 65000)+i))
	}
	empty := filepath.Join(dir, "empty")
	if err := os.Mkdir(empty, 0o755); err != nil {
		t.Fatal(err)
	}
	conf := save(t, dir, "vsftpd.conf", []byte(strings.Join([]string{
		"listen=YES", "listen_address=127.0.0.1", "listen_port=" + s.port, "background=NO", "seccomp_sandbox=NO", "anonymous_enable=YES",
		"local_enable=NO", "write_enable=YES", "anon_upload_enable=YES", "anon_mkdir_write_enable=YES", "anon_other_write_enable=YES",
		"anon_world_readable_only=NO", "anon_root=" + filepath.Dir(s.folder), "anon_umask=022", "ftp_username=daemon", "secure_chroot_dir=" + empty,
		"xferlog_enable=YES", "log_ftp_protocol=YES", "vsftpd_log_file=" + s.log, "hide_ids=YES", "ssl_enable=YES", "allow_anon_ssl=YES",
		"force_anon_logins_ssl=YES", "force_anon_data_ssl=YES", "require_ssl_reuse=YES", "ssl_ciphers=HIGH", "rsa_cert_file=" + s.ca,
		"rsa_private_key_file=" + filepath.Join(dir, "key.pem"), "pasv_min_port=" + s.passive[0], "pasv_max_port=" + s.passive[3], "",
	}, "\n")))
	s.run(t, binary, conf)
	return s
}

// newProftpd speaks TLS from the first byte.
func newProftpd(t testing.TB) *ftpServer {
	binary := ftpd(t, "proftpd")
	s, dir := newFTP(t, "ftps")
	hash := strings.TrimSpace(output(t, "openssl", "passwd", "-6", s.password))
	users := save(t, dir, "users", []byte(s.login+":"+hash+":65534:65534::"+filepath.Dir(s.folder)+":/bin/sh\n"))
	if err := os.Chmod(users, 0o600); err != nil {
		t.Fatal(err)
	}
	conf := save(t, dir, "proftpd.conf", []byte(strings.Join([]string{
		"ServerType standalone", "DefaultAddress 127.0.0.1", "Port " + s.port, "User nobody", "Group nogroup", "UseIPv6 off",
		"ModulePath " + filepath.Join(filepath.Dir(binary), "../lib/proftpd"), "LoadModule mod_tls.c", "AuthOrder mod_auth_file.c",
		"AuthUserFile " + users, "RequireValidShell off", "UseReverseDNS off", "WtmpLog off", "DelayEngine off", "PidFile " + filepath.Join(dir, "pid"),
		"ScoreboardFile " + filepath.Join(dir, "scoreboard"), "SystemLog none", "TransferLog none", "ExtendedLog " + s.log + " ALL", "DefaultRoot ~",
		"AllowOverwrite on", "AllowStoreRestart on", "AllowRetrieveRestart on", "MaxInstances 30", "<Limit ALL>", "AllowAll", "</Limit>",
		"TLSEngine on", "TLSRequired on", "TLSProtocol TLSv1.2 TLSv1.3", "TLSECCertificateFile " + s.ca,
		"TLSECCertificateKeyFile " + filepath.Join(dir, "key.pem"), "TLSOptions UseImplicitSSL", "",
	}, "\n")))
	s.run(t, binary, "-n", "-c", conf)
	return s
}

// at is YAML of the remote "kund" at an address.
func (s *ftpServer) at(address, fetch string) string {
	return fmt.Sprintf("    remotes:\n      - name: kund\n        url: %s://%s/out\n        user: %s\n        password_file: %s\n"+
		"        trust: {ca: %s}\n        fetch: {%s, %s}\n        send: {path: /in}\n", s.url, address, s.login, filepath.Join(filepath.Dir(s.ca), "password"), s.ca, never(), fetch)
}

// TestPollFTPS: files are fetched from FTPS servers and removed or moved there, and receipts and what was sent arrive.
func TestPollFTPS(t *testing.T) {
	for _, server := range []struct {
		name  string
		make  func(testing.TB) *ftpServer
		after string
	}{{"vsftpd", newVsftpd, "delete"}, {"proftpd", newProftpd, "rename:/done"}} {
		t.Run(server.name, func(t *testing.T) {
			s := server.make(t)
			if server.after != "delete" {
				if err := os.Mkdir(filepath.Join(filepath.Dir(s.folder), "done"), 0o777); err != nil {
					t.Fatal(err)
				}
				os.Chmod(filepath.Join(filepath.Dir(s.folder), "done"), 0o777)
			}
			g := newGateway(t, options{accounts: acme + s.at("127.0.0.1:"+s.port, "after: '"+server.after+"'")})
			large, small, bad := pain001(t, 3_000_000), pain001(t, 2000), wrongTotals(t, 3000)
			s.put(t, "Löner november.xml", large)
			s.put(t, "small.xml", small)
			s.put(t, "wrong.xml", bad)
			report := bytes.Repeat([]byte("a statement of account\n"), 200_000)
			save(t, g.dir, "report.txt", report)
			g.must("send", "acme", filepath.Join(g.dir, "report.txt"), "-c", g.config)
			for _, want := range []int{0, 2, 0} {
				if p := g.poll(t); p.Result.Taken != want || p.Trouble != "" {
					t.Errorf("%+v, want %d taken", p, want)
				}
			}
			g.taken(t, "Löner november.xml", sum(large))
			g.taken(t, "small.xml", sum(small))
			if got := s.there(t); got != "wrong.xml" {
				t.Errorf("there lie %q", got)
			}
			got, err := os.ReadFile(filepath.Join(s.in, "report.txt"))
			if err != nil || !bytes.Equal(got, report) {
				t.Errorf("what was sent has %d bytes there, want %d: %v", len(got), len(report), err)
			}
			if receipts, _ := filepath.Glob(filepath.Join(s.in, "*.json")); len(receipts) != 3 {
				t.Errorf("receipts: %q", receipts)
			}
			if temps, _ := filepath.Glob(filepath.Join(s.in, ".*")); len(temps) != 0 {
				t.Errorf("left behind: %q", temps)
			}
			g.tidy(t)
		})
	}
}

// TestPollBadLine: over a line that is slow, closes late, or breaks again and again, files arrive whole, both ways, and an
// interrupted download goes on where it was.
func TestPollBadLine(t *testing.T) {
	large, small := pain001(t, 3_000_000), pain001(t, 2000)
	report := bytes.Repeat([]byte("a statement of account\n"), 4000)
	for _, toxic := range []struct {
		name string
		link func() *link
	}{
		{"latency", func() *link { return &link{latency: 3 * time.Millisecond} }},
		{"slow-close", func() *link { return &link{linger: 300 * time.Millisecond} }},
		{"cut-after-bytes", func() *link { return &link{cut: 1_300_000} }}, // no connection lives long enough for the whole file
	} {
		check := func(t *testing.T, g *gateway, k *link, c *customer, in string) {
			c.put(t, "large.xml", large)
			c.put(t, "small.xml", small)
			save(t, g.dir, "report.txt", report)
			g.must("send", "acme", filepath.Join(g.dir, "report.txt"), "-c", g.config)
			for range 6 {
				g.poll(t)
			}
			g.taken(t, "large.xml", sum(large))
			g.taken(t, "small.xml", sum(small))
			if got, err := os.ReadFile(filepath.Join(in, "report.txt")); err != nil || !bytes.Equal(got, report) || c.there(t) != "" {
				t.Errorf("%d bytes arrived, %v; there lie %q", len(got), err, c.there(t))
			}
			if k.cut > 0 && (k.cuts.Load() < 2 || k.passed.Load() > int64(len(large))*3/2) {
				t.Errorf("%d cuts, and %d bytes were read for a file of %d: it did not go on where it was", k.cuts.Load(), k.passed.Load(), len(large))
			}
			t.Logf("%d cuts, %d bytes", k.cuts.Load(), k.passed.Load())
			g.tidy(t)
		}
		t.Run("sshd-"+toxic.name, func(t *testing.T) {
			c, k := newCustomer(t), toxic.link()
			in := filepath.Join(filepath.Dir(c.folder), "in")
			if err := os.Mkdir(in, 0o755); err != nil {
				t.Fatal(err)
			}
			_, c.port, _ = net.SplitHostPort(k.listen(t, "127.0.0.1:0", "127.0.0.1:"+c.port))
			g := newGateway(t, options{accounts: acme + c.remote("ready: renamed, after: delete") + "        send: {path: '" + in + "'}\n"})
			check(t, g, k, c, in)
		})
		t.Run("vsftpd-"+toxic.name, func(t *testing.T) {
			s, k := newVsftpd(t), toxic.link()
			control := &link{latency: k.latency, linger: k.linger}
			address := control.listen(t, "127.0.0.2:0", "127.0.0.1:"+s.port)
			for _, port := range s.passive {
				k.listen(t, "127.0.0.2:"+port, "127.0.0.1:"+port)
			}
			g := newGateway(t, options{accounts: acme + s.at(address, "ready: renamed, after: delete")})
			check(t, g, k, &s.customer, s.in)
			text, err := os.ReadFile(s.log)
			if resumed := bytes.Count(text, []byte(`FTP command: Client "127.0.0.1", "REST `)); err != nil || k.cut > 0 && resumed < 2 {
				t.Errorf("the server was asked %d times to go on, %v", resumed, err)
			}
		})
	}
}
