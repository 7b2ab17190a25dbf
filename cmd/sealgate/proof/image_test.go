package proof

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/sealgate/sealgate/testdata/gen/payfile"
)

// everything is a gateway with two accounts that use every feature: acme is protected, with an authority of users and a server of its
// own; nord is not, holds duplicates, has an outbox and rotates its certificate. What must not be found is in secrets.
type everything struct {
	*gateway
	customer *customer
	secrets  map[string]bool
}

var (
	controlSums = regexp.MustCompile(`<CtrlSum>([0-9.]+)</CtrlSum>`)
	ibans       = regexp.MustCompile(`<IBAN>([A-Z0-9]+)</IBAN>`)
	partyNames  = regexp.MustCompile(`<Nm>([^<]+)</Nm>`)
	references  = regexp.MustCompile(`<(?:EndToEndId|MsgId)>([^<]+)</`)
	otpauthLine = regexp.MustCompile(`secret=([A-Z2-7]{32})`)
	recovery    = regexp.MustCompile(`(?m)^  ([0-9a-z-]{14})  [0-9a-z-]{14}$`)
	shownOnce   = regexp.MustCompile(`password:  (\S+)`)
)

// know takes texts among the secrets that are long enough to be sought on a disk.
func (e *everything) know(texts ...string) {
	for _, text := range texts {
		if len(text) >= 10 {
			e.secrets[text] = true
		}
	}
}

// file is a payment file whose name, parties, accounts, references and sum are secrets; of the payments those of the first.
func (e *everything) file(t *testing.T, name string, size int) []byte {
	t.Helper()
	content := pain001With(t, size, payfile.Options{Marker: marker})
	e.know(name, marker)
	for _, kind := range []*regexp.Regexp{controlSums, ibans, partyNames, references} {
		for _, m := range kind.FindAllSubmatch(content, 4) {
			e.know(string(m[1]))
		}
	}
	return content
}

// newEverything sets it up with its data and its temporary files on a volume of their own, and starts it.
func newEverything(t *testing.T, mnt string) *everything {
	t.Helper()
	tmp := filepath.Join(mnt, "tmp")
	if err := os.Mkdir(tmp, 0o700); err != nil {
		t.Fatal(err)
	}
	const login = "kundportalen-acme"
	g := prepare(t, options{dataDir: filepath.Join(mnt, "data"), env: []string{"TMPDIR=" + tmp}}, "acme "+login)
	e := &everything{gateway: g, customer: newCustomer(t), secrets: map[string]bool{}}
	e.know(login, g.pass, "loenekontoret", "lieferantkonto", "vikariatet", "huntertwo-typed-as-name")
	for _, name := range []string{"ca", "supplier"} {
		output(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", filepath.Join(g.dir, name))
	}
	output(t, "ssh-keygen", "-q", "-s", filepath.Join(g.dir, "ca"), "-I", "certificate-of-lieferantkonto", "-n", "lieferantkonto", "-V", "+1h", filepath.Join(g.dir, "supplier.pub"))
	e.know("certificate-of-lieferantkonto")
	for _, name := range []string{"nord", "nord2"} {
		g.must("cert", "new", "nord", "--out", filepath.Join(g.dir, name), "--kind", "p-256")
	}
	in := filepath.Join(filepath.Dir(e.customer.folder), "in")
	if err := os.Mkdir(in, 0o755); err != nil {
		t.Fatal(err)
	}
	g.opt.accounts = guarded + "    user_ca: ./ca.pub\n" + e.customer.remote("ready: renamed, after: delete") + fmt.Sprintf("        send: {path: %s}\n", in) +
		"  - id: nord\n    name: Nord AB\n    after_indexing: seal\n    certificate: ./nord/nord.crt\n    protect_database: false\n"
	g.writeConfig()
	g.must("protect", "acme", "-c", g.config)
	g.start()
	return e
}

// logins lets users in by a password and a code, by a certificate, by a password for one login that is changed; and refuses some.
func (e *everything) logins(t *testing.T) {
	t.Helper()
	e.feed(e.pass+"\n", "user", "add", "nord", "loenekontoret", "--password-stdin", "-c", e.config)
	factor := e.must("user", "totp", "nord", "loenekontoret", "-c", e.config)
	code := recovery.FindStringSubmatch(factor)[1]
	e.know(otpauthLine.FindStringSubmatch(factor)[1], code)
	e.must("user", "add", "acme", "lieferantkonto", "--login", "key", "-c", e.config)
	e.must("user", "add", "nord", "vikariatet", "-c", e.config)
	oneTime := shownOnce.FindStringSubmatch(e.must("user", "password", "nord", "vikariatet", "--one-time", "-c", e.config))[1]
	e.know(oneTime, "my own quiet sentence")
	ask := func(user, password, code string, good bool) {
		t.Helper()
		answer := func(_, _ string, questions []string, _ []bool) (list []string, err error) {
			for _, q := range questions {
				switch {
				case strings.Contains(q, "New password"):
					list = append(list, "my own quiet sentence")
				case strings.Contains(q, "ode"):
					list = append(list, code)
				default:
					list = append(list, password)
				}
			}
			return list, nil
		}
		conn, err := ssh.Dial("tcp", e.door().addr(), &ssh.ClientConfig{User: user, Auth: []ssh.AuthMethod{ssh.KeyboardInteractive(answer)},
			HostKeyCallback: ssh.InsecureIgnoreHostKey(), Timeout: patience})
		if (err == nil) != good {
			t.Errorf("login of %s: %v", user, err)
		}
		if err == nil {
			conn.Close()
		}
	}
	ask("loenekontoret", e.pass, code, true)
	ask("vikariatet", oneTime, "", true)
	ask("loenekontoret", "typed-wrongly-once", "", false)
	ask("huntertwo-typed-as-name", "typed-wrongly-once", "", false)
	e.know("typed-wrongly-once")
	supplier := newDesk(t, e.door().as("lieferantkonto"))
	supplier.key = filepath.Join(e.dir, "supplier")
	name := "leverans-" + marker + ".xml"
	supplier.save("c.xml", e.file(t, name, 4_000))
	if out := supplier.sftpBatch(step{op: "put", local: "c.xml", remote: "/inbox/" + name}); out.code != 0 {
		t.Errorf("with a certificate: %s", out.text)
	}
}

// deliveries fills both accounts in every way, and leaves acme locked with things that wait, and an upload half-way.
func (e *everything) deliveries(t *testing.T) {
	t.Helper()
	e.feed(e.pass+"\n", "user", "add", "nord", "nordkontoret", "--password-stdin", "--public-key", e.key+".pub", "-c", e.config)
	e.know("nordkontoret")
	acme, nord := e.door().as("kundportalen-acme").sit(t), e.door().as("nordkontoret").sit(t)
	push := func(s *session, name string, content []byte, good bool) {
		t.Helper()
		if err := s.push(name, content); (err == nil) != good {
			t.Errorf("%s: %v", name, err)
		}
	}
	small, large := e.file(t, "nordloener-liten.xml", 3_000), e.file(t, "nordloener-stor.xml", 2<<20)
	push(nord, "nordloener-liten.xml", small, true)
	push(nord, "nordloener-stor.xml", large, true)
	nord.push("nordloener-igen.xml", small)
	nord.push("nordloener-stor-igen.xml", large)
	push(nord, "nordloener-kapad.xml", e.file(t, "nordloener-kapad.xml", 300_000)[:200_000], false)
	e.know("nordloener-igen.xml", "nordloener-stor-igen.xml", "a reason that names Kund Karlsson", "another reason of Kund Karlsson")
	held := with(e.files("--account", "nord"), "held")
	if len(held) != 2 {
		t.Fatalf("%d files are held", len(held))
	}
	e.must("release", held[0].ID, "--reason", "a reason that names Kund Karlsson", "-c", e.config)
	e.must("refuse", held[1].ID, "--reason", "another reason of Kund Karlsson", "-c", e.config)

	statement := "saldo-kundkonto-4711.csv"
	e.know(statement, "balance of the customer: 9876543210.12")
	text := []byte(strings.Repeat("balance of the customer: 9876543210.12\n", 5_000))
	e.must("send", "nord", save(t, t.TempDir(), statement, text), "-c", e.config)
	f, err := nord.Open("/outbox/" + statement)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := f.WriteTo(newTranscript()); err != nil || n != int64(len(text)) {
		t.Errorf("fetched %d bytes: %v", n, err)
	}
	f.Close()
	if list, err := nord.ReadDir("/receipts"); err != nil || len(list) < 4 {
		t.Errorf("%d receipts: %v", len(list), err)
	}
	e.must("cert", "rotate", "nord", filepath.Join(e.dir, "nord2", "nord.crt"), "--key", filepath.Join(e.dir, "nord", "nord.key"), "-c", e.config)

	e.unlockAcme(t)
	push(acme, "acme-oppen-dag.xml", e.file(t, "acme-oppen-dag.xml", 100_000), true)
	e.must("send", "acme", save(t, t.TempDir(), "acme-besked.csv", []byte("balance of the customer: 9876543210.12\n")), "-c", e.config)
	e.customer.put(t, "hemlig-loenefil.xml", e.file(t, "hemlig-loenefil.xml", 200_000))
	e.poll(t)
	e.must("lock", "acme", "-c", e.config)
	e.customer.put(t, "hemlig-bonusfil.xml", e.file(t, "hemlig-bonusfil.xml", 20_000))
	e.poll(t)
	if there := e.customer.there(t); there != "" {
		t.Errorf("not fetched: %s", there)
	}
	push(acme, "acme-vaentar-liten.xml", e.file(t, "acme-vaentar-liten.xml", 5_000), true)
	push(acme, "acme-vaentar-stor.xml", e.file(t, "acme-vaentar-stor.xml", 3<<20), true)
	half, err := acme.Create("/inbox/acme-halvvaegs.xml")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := half.Write(e.file(t, "acme-halvvaegs.xml", 3<<20)[:2<<20]); err != nil {
		t.Fatal(err)
	}
}

// TestStolenImage: of a gateway that has used every feature and is killed, neither the files nor the raw image of their file system, with
// what was removed and written over, tells a name, a payer, an account number, a sum, a password or a second factor; every page
// of every database and sealed copy looks random. Then one of the databases is written onto the same disk in clear, and all of that is
// found.
func TestStolenImage(t *testing.T) {
	need(t, "mkfs.ext4", "sftp", "ssh-keygen")
	if os.Getuid() != 0 {
		missing(t, "root, to mount file systems")
	}
	v := newVolume(t, "ext4")
	e := newEverything(t, v.mnt)
	e.logins(t)
	e.deliveries(t)
	if _, talk, code := e.command("", "files", "--account", "acme", "-c", e.config); code != 1 || !regexp.MustCompile(`locked; [3-9] deliveries wait`).MatchString(talk) {
		t.Errorf("nothing waits in the log: %s", talk)
	}
	e.kill()
	var secrets []string
	for s := range e.secrets {
		secrets = append(secrets, s)
	}
	slices.Sort(secrets)
	sought := seek(secrets...)
	image := func() []byte {
		t.Helper()
		v.unmount()
		f, err := os.Open(v.image)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		b, err := solid(f)
		if err != nil {
			t.Fatal(err)
		}
		output(t, "mount", "-o", "loop", v.image, v.mnt)
		v.mounted = true
		return b
	}
	stolen := image()
	for what, n := range sought.in(stolen) {
		t.Errorf("on the disk: %s, %d times", what, n)
	}
	nowhere(t, "killed", secrets, e.data, filepath.Join(v.mnt, "tmp"))
	nowhere(t, "killed", secrets, filepath.Dir(save(t, t.TempDir(), "log", []byte(e.log.String()))))
	looked := allRandom(t, e.data, e.tree())
	t.Logf("%d secrets in %d MiB; pages %v", len(secrets), len(stolen)>>20, looked)
	for kind, least := range map[string]int{".db": 30, ".db-wal": 200, ".p7m": 1000, ".tmp": 100} {
		if looked[kind] < least {
			t.Errorf("only %d pages of %s were looked at", looked[kind], kind)
		}
	}

	e.must("dump", "nord", filepath.Join(v.mnt, "clear.db"), "-c", e.config)
	clear := sought.in(image())
	for _, secret := range []string{"nordloener-liten.xml", "nordloener-igen.xml", "a reason that names Kund Karlsson", "saldo-kundkonto-4711.csv", "balance of the customer: 9876543210.12"} {
		if clear[secret+" as plain"] == 0 {
			t.Errorf("%s would not have been found", secret)
		}
	}
}
